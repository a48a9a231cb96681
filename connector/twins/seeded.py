"""Seeded twins, in this process or as the command line asks; the CRM's data change while they are read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import repeat

from connector.twins.clock import RunningClock, SimulatedClock
from connector.twins.demo import TODAY, Timeline, make_plan
from connector.twins.demo_files import hr_employees
from connector.twins.faults import Faults, controls
from connector.twins.hr import HrTwin
from connector.twins.hubspot import HubSpotTwin
from connector.twins.hubspot_limits import UNLIMITED
from connector.twins.mutator import Mutator
from connector.twins.portal import Portal


def seeded_hubspot(seed: int = 7, deals: int = 300, *, mutate_every: int = 0, mutations: int = 0, port: int = 0,
                   rate: int = UNLIMITED, search_rate: int = UNLIMITED, daily: int = 650_000, retry_after: bool = False,
                   index_lag: float = 0, running_clock: bool = False, today: datetime = TODAY) -> HubSpotTwin:
    """A fake account holding the whole plan, whose data change while they are read if asked for."""
    clock = RunningClock(today) if running_clock else SimulatedClock(today)
    timeline = Timeline(make_plan(seed, deals=deals, today=today), Portal(clock))
    timeline.advance(today)
    twin = HubSpotTwin(timeline.portal, port=port, rate=rate, search_rate=search_rate, daily=daily,
                       retry_after=retry_after, index_lag=index_lag)
    changes = repeat(partial(timeline.keep_moving, 1), mutations)
    mutator = Mutator(changes, every=mutate_every, clock=clock).into(twin)
    twin.settle, twin.mutate = mutator.settle, mutator.apply
    return twin


def hubspot_process(arguments: Sequence[str] | None = None) -> HubSpotTwin:
    """The twin that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m connector.twins.hubspot")
    for name, standard in (("port", 0), ("seed", 7), ("deals", 300), ("mutate-every", 0), ("mutations", 0),
                           ("rate", UNLIMITED), ("search-rate", UNLIMITED), ("daily", 650_000)):
        parser.add_argument(f"--{name}", type=int, default=standard)
    parser.add_argument("--index-lag", type=float, default=0, metavar="SECONDS")
    parser.add_argument("--retry-after", action="store_true", help="a 429 says how long to wait")
    parser.add_argument("--running-clock", action="store_true", help="the twin's clock goes on with the machine's")
    parser.add_argument("--faults", type=int, metavar="SEED", help="spoil a share of the answers")
    parser.add_argument("--fault-share", type=float, default=0.2)
    given = vars(parser.parse_args(arguments))
    faults, share = given.pop("faults"), given.pop("fault_share")
    twin = seeded_hubspot(**given)
    controls(twin, None if faults is None else Faults(faults, share=share).into(twin))
    return twin


def hr_process(arguments: Sequence[str] | None = None) -> HrTwin:
    """The HR twin that the command line asks for; it knows the sellers of the demo with that seed."""
    parser = argparse.ArgumentParser(prog="python -m connector.twins.hr")
    for name, standard in (("port", 0), ("seed", 7), ("page-size", 50)):
        parser.add_argument(f"--{name}", type=int, default=standard)
    given = parser.parse_args(arguments)
    employees = hr_employees(make_plan(given.seed, deals=1))
    twin = HrTwin(employees, clock=SimulatedClock(TODAY), port=given.port, page_size=given.page_size)
    controls(twin)
    return twin

"""Seeded twins, in this process or as the command line asks; the CRM's data change while they are read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime

from connector.twins.clock import SimulatedClock
from connector.twins.demo import TODAY, Timeline, make_plan
from connector.twins.demo_files import hr_employees
from connector.twins.hr import HrTwin
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal import Portal
from connector.twins.server import Request


class Mutator:
    """Changes the data while they are read: one event after every `every` requests, until `count` are done.

    Each comes two seconds later on the twin's clock than the one before, and depends on nothing but the seed and its
    number: whatever was asked in between, after `settle` the account is the same.
    """

    def __init__(self, timeline: Timeline, clock: SimulatedClock, *, every: int, count: int) -> None:
        self.timeline, self.clock, self.every, self.left = timeline, clock, every, count

    def before_request(self, number: int) -> None:
        """Called with the number of each request."""
        if self.every and number % self.every == 0:
            self.apply(1)

    def apply(self, count: int) -> int:
        """Do up to that many of the changes left; how many were done."""
        done = min(count, self.left)
        for _ in range(done):
            self.clock.sleep(2)
            self.timeline.keep_moving(1)
        self.left -= done
        return done

    def settle(self) -> int:
        """Do all that are left; the clock then stands a minute later."""
        done = self.apply(self.left)
        self.clock.sleep(60)
        return done


def seeded_hubspot(seed: int = 7, deals: int = 300, *, mutate_every: int = 0, mutations: int = 0, port: int = 0,
                   rate: int = 100_000, today: datetime = TODAY) -> HubSpotTwin:
    """A fake account holding the whole plan, whose data change while they are read if asked for."""
    clock = SimulatedClock(today)
    plan = make_plan(seed, deals=deals, today=today)
    timeline = Timeline(plan, Portal(clock))
    timeline.advance(today)
    twin = HubSpotTwin(timeline.portal, port=port, rate=rate)
    mutator = Mutator(timeline, clock, every=mutate_every, count=mutations)

    def before(request: Request) -> None:
        with twin.lock:
            mutator.before_request(request.number)

    twin.on_request(before)
    twin.settle, twin.mutate = mutator.settle, mutator.apply
    return twin


def hubspot_process(arguments: Sequence[str] | None = None) -> HubSpotTwin:
    """The twin that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m connector.twins.hubspot")
    for name, standard in (("port", 0), ("seed", 7), ("deals", 300), ("mutate-every", 0), ("mutations", 0),
                           ("rate", 100_000)):
        parser.add_argument(f"--{name}", type=int, default=standard)
    given = parser.parse_args(arguments)
    return seeded_hubspot(given.seed, given.deals, mutate_every=given.mutate_every, mutations=given.mutations,
                          port=given.port, rate=given.rate)


def hr_process(arguments: Sequence[str] | None = None) -> HrTwin:
    """The HR twin that the command line asks for; it knows the sellers of the demo with that seed."""
    parser = argparse.ArgumentParser(prog="python -m connector.twins.hr")
    for name, standard in (("port", 0), ("seed", 7), ("page-size", 50)):
        parser.add_argument(f"--{name}", type=int, default=standard)
    given = parser.parse_args(arguments)
    employees = hr_employees(make_plan(given.seed, deals=1))
    return HrTwin(employees, clock=SimulatedClock(TODAY), port=given.port, page_size=given.page_size)

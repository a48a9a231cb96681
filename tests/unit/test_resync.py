"""What a resync will take, and which records an owner or a pipeline stands for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from connector import estimating, planning, runs, selecting
from connector.errors import Fault
from connector.estimating import Part
from connector.people import People, Person
from connector.plan import Plan, Settings
from connector.ports import Allowance, Stream, Way
from connector.testing import MemorySource, context
from tests.properties.world import START, World, deal, t

TEN_SECONDS = Allowance("general", 10, 100, 100)
DAY = Allowance("daily", 86_400, 1_000, 600)
STREAMS = ["deals", "calls"]


@pytest.mark.parametrize(
    ("earlier", "calls"),
    [([], 1), ([(10, 1000)], 3), ([(1, 0), (10, 1000), (1, 3)], 3), ([(0, 0)], 1), ([(3, 1)], 750)],
    ids=["nothing known", "100 a call", "the fullest run counts", "a run without a call", "three calls a record"],
)
def test_250_records_take_the_calls_that_the_past_tells(earlier: Sequence[tuple[int, int]], calls: int) -> None:
    assert estimating.calls_by_past(250, earlier) == calls


@pytest.mark.parametrize(
    ("allowances", "measured", "seconds", "quota"),
    [([], None, None, None), ([TEN_SECONDS], None, 5, None), ([TEN_SECONDS], 0.5, 25, None),
     ([TEN_SECONDS], 0.01, 5, None), ([DAY], 0.5, 25, {"limit": 1_000, "left": 600, "share": 0.05})],
    ids=["nothing known", "the limit", "slower than it", "faster than it", "a day sets no pace"],
)
def test_fifty_calls_take_as_long_as_the_pace_allows(
    allowances: Sequence[Allowance], measured: float | None, seconds: int | None, quota: dict[str, Any] | None
) -> None:
    made = estimating.estimate([Part("deals", "whole", 900, 30), Part("calls", "by_id", 20, 20)], allowances, measured)
    told = made.as_json()
    assert (told["calls"], told["seconds"], told["quota"]) == (50, seconds, quota)


class Told(MemorySource):
    """A source that knows of single records what they cost."""

    def requests_for(self, stream: str, way: Way, records: int) -> int | None:
        return records if way == "by_id" else None

    def allowances(self) -> Sequence[Allowance]:
        return [TEN_SECONDS, DAY]


def test_a_plan_counts_what_is_known_and_makes_no_request(world: World) -> None:
    """Deals 0 to 9 changed a minute after one another; the run that read them made four calls."""
    rows = {"deals": [deal(number, number) for number in range(10)], "calls": [{"id": "1", "at": t(0), "deal": "1"}]}
    streams = [Stream("deals", by_id=True, complete=True), Stream("calls", cursor=False)]
    source = Told("crm", context(world.clock), rows, streams=streams)
    run = runs.start(world.store, "sync")
    read = world.pull(source, Plan(streams=STREAMS))
    made = [
        {**one.as_json(), "status": "ok", "requests": 4 if name == "deals" else 1} for name, one in read.items()
    ]
    runs.end(world.store, run, "ok", {"sources": [{"source": "crm", "streams": made}]})
    requests = source.requests

    def planned(plan: Plan) -> list[Part]:
        return list(planning.plan_of(world.store, source, world.mapping, Settings(), plan).parts)

    window = Plan("window", STREAMS, since=START + timedelta(minutes=4), until=START + timedelta(minutes=6))
    assert planned(window) == [Part("deals", "window", 3, 2), Part("calls", "whole", 1, 1)]
    assert planned(Plan("full", STREAMS)) == [Part("deals", "whole", 10, 4), Part("calls", "whole", 1, 1)]
    assert planned(Plan("ids", ids={"deals": ["1", "2", "77"]})) == [Part("deals", "by_id", 3, 3)]
    assert source.requests == requests


# --- owners and pipelines --------------------------------------------------------------------------------------------


def chosen(
    world: World, owner: str | None = None, pipeline: str | None = None
) -> tuple[dict[str, list[str]], list[Fault]]:
    """The records of an owner and pipeline, by a people file in which NV001 is crm:o1, and the faults."""
    staff, faults = People([Person("NV001", owners={"crm:o1"}, emails={"ana@example.com"})]), list[Fault]()
    with world.store.reading() as connection:
        selection = selecting.choose(connection, world.mapping, staff, owner, pipeline, faults)
        found = {} if faults else selecting.records(connection, world.mapping, STREAMS, selection)
    return found, faults


def test_an_owner_s_records_are_those_whose_rows_carry_it_now(world: World) -> None:
    """Also by a share of the deal; not what was somebody else's since, is gone, or is in another pipeline."""
    rows = [
        deal(1, 1, owner="o1"), deal(2, 2, owner="o2", splits=[{"owner": "o1", "share": 0.5}]), deal(3, 3, owner="o1"),
        deal(4, 4, owner="o2"), deal(5, 5, "X", owner="o1", pipeline="Q"),
    ]
    world.pull(world.memory({"deals": rows}))
    rows[2] = deal(3, 6, owner="o2")
    world.clock.advance(minutes=1)
    world.pull(world.memory({"deals": rows}), Plan("ids", ids={"deals": ["3"]}))
    for owner in ("NV001", "ana@example.com", "o1", "crm:o1"):
        assert chosen(world, owner) == ({"deals": ["1", "2", "5"]}, [])
    assert chosen(world, "o1", "renewal") == chosen(world, "NV001", "Q") == ({"deals": ["5"]}, [])
    assert chosen(world, None, "new")[0] == {"deals": ["1", "2", "3", "4"]}
    assert chosen(world, "o2", "Q") == ({}, [])


def test_a_name_nobody_knows_is_a_fault_that_lists_the_known_ones(world: World) -> None:
    faults = chosen(world, "NV009", "north")[1]
    assert [fault.key for fault in faults] == ["--owner", "--pipeline"]
    assert "no pipeline 'north', expected one of: new, renewal" in faults[1].message

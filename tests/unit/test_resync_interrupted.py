"""A resync that dies at a commit goes on where it was when the same is asked again, and not when another is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal

import pytest
from sqlalchemy import select

from connector.errors import Busy, Transient
from connector.ports import Page, Stream
from connector.store import tables
from connector.sync import Plan, StreamSummary
from connector.testing import MemorySource, context
from tests.convergence.mortal import Death, Died, MortalStore
from tests.properties.world import START, World, deal, t

WINDOW = Plan("window", ["deals"], since=START, until=START + timedelta(minutes=100))
NAMED = Plan("ids", ids={"deals": [str(number) for number in range(10)]})
FULL = Plan("full", ["deals"])


class Two(MemorySource):
    """Two records a request, also by id."""

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        for start in range(0, len(ids), 2):
            yield from super().read_ids(stream, ids[start : start + 2])


@pytest.fixture
def mortal(store_url: str) -> World:
    """A world whose store dies when it is told to; ten deals were read, and a sync has come to its end."""
    world = World(store_url)
    world.store = MortalStore.open(store_url, world.clock)
    assert pulled(world, Plan(streams=["deals"]), 10)[0].new == 10
    return world


def pulled(world: World, plan: Plan, deals: int = 10) -> tuple[StreamSummary, int]:
    """A run over so many deals, and the requests it has made; all of them changed since they were read first."""
    world.clock.advance(minutes=1)
    rows = {"deals": [deal(number, number, "B", name=str(world.clock.now())) for number in range(deals)]}
    streams = [Stream("deals", by_id=True, complete=True)]
    source = Two("crm", context(world.clock), rows, streams=streams, page_size=2)
    return world.pull(source, plan)["deals"], source.requests


def dies(world: World, plan: Plan, point: str, number: int, when: Literal["before", "after"], deals: int = 10) -> None:
    """A run that ends at that commit."""
    store = world.store
    assert isinstance(store, MortalStore)
    store.death, store.points = Death(point, number, when), {}
    with pytest.raises(Died):
        pulled(world, plan, deals)
    store.bury()
    store.close()
    world.store = MortalStore.open(store.url, world.clock)


def kept(world: World) -> Any:
    """How far a resync has come that was interrupted."""
    table = tables.cursor
    (row,) = world.store.rows(select(table.c.resync).where(table.c.stream == "deals"))
    return row.resync and json.loads(row.resync)


# Five pages: the first is written alone, the next two together, then the rest.


@pytest.mark.parametrize(("when", "left"), [("before", 4), ("after", 2)])
@pytest.mark.parametrize("plan", [WINDOW, NAMED], ids=["window", "ids"])
def test_what_was_written_is_not_asked_for_again(
    mortal: World, plan: Plan, when: Literal["before", "after"], left: int
) -> None:
    cursor = mortal.cursor("deals")
    dies(mortal, plan, "take", 2, when)
    assert mortal.cursor("deals") == cursor
    summary, requests = pulled(mortal, plan)
    assert (summary.status, summary.resumed, summary.records, requests) == ("ok", True, 2 * left, left)
    assert (kept(mortal), mortal.cursor("deals")) == (None, cursor)
    assert not pulled(mortal, plan)[0].resumed, "it came to its end: the same asked once more reads all of it"


@pytest.mark.parametrize(
    ("point", "number", "when", "left"),
    [("_full_pass", 3, "before", 3), ("_full_pass", 3, "after", 2), ("_full_pass", 5, "after", 0),
     ("_judge", 1, "before", 0), ("_judge", 1, "after", 0), ("_apply_pass", 2, "after", 0)],
)
def test_a_full_pass_goes_on_and_what_it_misses_is_deleted(
    mortal: World, point: str, number: int, when: Literal["before", "after"], left: int
) -> None:
    """The tenth deal is gone; it is asked once by id before."""
    dies(mortal, FULL, point, number, when, deals=9)
    summary, requests = pulled(mortal, FULL, 9)
    assert (summary.status, summary.resumed, summary.deleted, requests) == ("ok", True, 1, left + 1)
    assert {row["id"] for row in mortal.current()["deal"]} == {str(number) for number in range(9)}
    assert kept(mortal) is None


def test_a_full_pass_that_went_on_stops_for_a_person_as_any_other(mortal: World) -> None:
    dies(mortal, FULL, "_full_pass", 1, "after", deals=3)
    summary, _ = pulled(mortal, FULL, 3)
    assert (summary.status, summary.exit_code, summary.resumed, kept(mortal)) == ("stopped", 4, True, None)
    assert len(mortal.current()["deal"]) == 10


def test_a_sync_in_between_leaves_it_and_goes_on_from_its_own_cursor(mortal: World) -> None:
    dies(mortal, WINDOW, "take", 2, "after")
    before = kept(mortal)
    assert not pulled(mortal, Plan(streams=["deals"]))[0].resumed
    assert kept(mortal) == before
    assert pulled(mortal, WINDOW)[1] == 2


@pytest.mark.parametrize(
    "plan",
    [Plan("window", ["deals"], since=START, until=START + timedelta(minutes=99)),
     Plan("window", ["deals"], since=WINDOW.since, until=WINDOW.until, restart=True)],
    ids=["another window", "restart"],
)
def test_another_or_a_new_one_reads_all_of_it(mortal: World, plan: Plan) -> None:
    dies(mortal, WINDOW, "take", 2, "after")
    summary, requests = pulled(mortal, plan)
    assert (summary.resumed, summary.records, requests, kept(mortal)) == (False, 10, 5, None)


def test_streams_that_were_done_are_not_read_again_until_all_are(world: World) -> None:
    """The calls fail in the middle, when the deals have come to their end."""
    calls = [{"id": str(number), "modified": t(number), "at": t(number), "deal": "1"} for number in range(6)]
    rows = {"deals": [deal(1, 1)], "calls": calls}

    def breaks(stream: str, pages: int) -> None:
        if (stream, pages) == ("calls", 1):
            raise Transient("the line is down", system="crm")

    plan = Plan("window", ["deals", "calls"], since=START)
    first = world.pull(world.memory(rows, before_page=breaks), plan)
    assert {name: (one.status, one.records) for name, one in first.items()} == {
        "deals": ("ok", 1), "calls": ("failed", 2)
    }
    again = world.pull(world.memory(rows), plan)
    assert {name: (one.status, one.records, one.resumed) for name, one in again.items()} == {
        "deals": ("ok", 0, True), "calls": ("ok", 4, True)
    }
    anew = world.pull(world.memory(rows), plan)
    read = {name: (one.records, one.resumed) for name, one in anew.items()}
    assert read == {"deals": (1, False), "calls": (6, False)}


def test_one_without_an_end_also_reads_what_changed_since(world: World) -> None:
    """It was begun a minute before the eleventh deal changed."""
    plan = Plan("window", ["deals"], since=START)
    rows = {"deals": [deal(number, number) for number in range(10)]}
    assert world.pull(world.memory(rows), plan, stop=lambda: True)["deals"].error == (
        "asked to stop; the same resync goes on from here"
    )
    world.clock.advance(minutes=1)
    rows["deals"].append({**deal(10, 0), "modified": world.clock.now().isoformat()})
    summary = world.pull(world.memory(rows), plan)["deals"]
    assert (summary.resumed, len(world.current()["deal"])) == (True, 11)


# --- beside others ---------------------------------------------------------------------------------------------------


def test_a_resync_and_a_sync_keep_apart_stream_by_stream(world: World) -> None:
    """Whoever comes second finds the stream taken, reads the others, and takes it once it waits long enough."""
    source = world.memory({"deals": [deal(1, 10)], "calls": []})
    theirs = world.store.acquire("crm/deals")
    assert world.pull(source, Plan("full", ["deals"]))["deals"].status == "busy"
    synced = world.pull(source)
    assert {name: one.status for name, one in synced.items()} == {"deals": "busy", "calls": "ok"}
    with pytest.raises(Busy):
        world.store.acquire("crm/deals")
    world.store.release(theirs)
    assert world.pull(source, Plan("full", ["deals"]))["deals"].status == "ok"

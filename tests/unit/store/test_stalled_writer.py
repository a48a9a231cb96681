"""PostgreSQL: a number asked while a writer stalls before its commit is the same number after that commit.

Design section 2: stamps rise in the order of commits, since they are taken under one lock that is held until then.
"""

from __future__ import annotations

import threading
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from connector import kpi
from connector.kpi import KpiDefinition
from connector.period import Calendar
from connector.store.snapshot import open_snapshot
from tests.properties.world import World, deal, page
from tests.unit.test_store import wait_for_lock

PATIENCE = 20  # seconds until a thread that never comes is a failure
KPIS = [KpiDefinition("won", "won_count", every="all"), KpiDefinition("money", "won_value", every="all")]


def told(url: str, as_of: int | None = None) -> tuple[int, dict[str, str | None]]:
    """The as-of moment answered, and the number of deals won with their money, in USD."""
    with open_snapshot(url, as_of) as snapshot:
        values = kpi.compute(KPIS, snapshot, Calendar(ZoneInfo("UTC")), "USD", periods=["all"])
        return snapshot.as_of, {value.kpi: value.value for value in values}


@pytest.fixture
def slow(postgres_url: str) -> World:
    """A writer whose clock is behind the other one's."""
    return World(postgres_url)


@pytest.fixture
def quick(slow: World) -> World:
    """A writer of the same store, whose stamps would be later, were it let in first."""
    made = World(slow.store.url)
    made.clock.advance(minutes=10)
    return made


def test_a_kpi_asked_while_a_writer_stalls_before_its_commit_stays_as_it_was_answered(
    slow: World, quick: World
) -> None:
    """100 USD won, written but not committed; 20 USD won, told by another writer, which waits; the question; a commit.

    By hand: nothing at the time of the question, one deal of 100 at the first stamp, two of 120 at the second.
    """
    stalled, go_on = threading.Event(), threading.Event()
    stamps: dict[str, int] = {}

    @event.listens_for(slow.store.engine, "commit")
    def stall(_connection: object) -> None:
        stalled.set()
        assert go_on.wait(PATIENCE)

    def write(name: str, world: World, number: int, amount: str) -> None:
        won = deal(number, 10, "W", amount=amount, currency="USD", history=[("A", 5), ("W", 9)])
        stamps[name] = world.take(page("deals", [won], 11))

    first = threading.Thread(target=write, args=("slow", slow, 1, "100"))
    second = threading.Thread(target=write, args=("quick", quick, 2, "20"))
    first.start()
    assert stalled.wait(PATIENCE)
    second.start()
    waits = wait_for_lock(quick.store)
    moment, answer = told(quick.store.url)
    go_on.set()
    for writer in (first, second):
        writer.join(PATIENCE)

    assert told(quick.store.url, moment) == (moment, answer)
    assert (waits, answer) == (True, {"won": "0", "money": "0.00"})
    assert moment < stamps["slow"] < stamps["quick"]
    assert told(quick.store.url, stamps["slow"])[1] == {"won": "1", "money": "100.00"}
    assert told(quick.store.url)[1] == {"won": "2", "money": "120.00"}
    for world in (slow, quick):
        world.store.close()

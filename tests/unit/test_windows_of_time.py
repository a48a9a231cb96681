"""Windows of change time when clocks are wrong and processes die: nothing is lost, and every back-fill ends."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from connector import sync
from connector.model import micros
from connector.ports import Stream
from connector.slices import PARTS
from connector.sync import Plan
from connector.testing import MemorySource, context
from tests.properties.world import START, World, at, deal

NOW = 30 * 24 * 60  # where the world's clock starts, in minutes


class Skewed(MemorySource):
    """A vendor whose clock is ahead of ours by `skew`: it stamps what changes, and says what time it is."""

    skew = timedelta(0)

    def now(self) -> Any:
        return super().now() + self.skew


@pytest.mark.parametrize("minutes", [-20, 20], ids=["behind", "ahead"])
@pytest.mark.parametrize("seed", range(5))
def test_a_vendor_s_clock_that_is_twenty_minutes_off_loses_nothing(world: World, minutes: int, seed: int) -> None:
    """Between the syncs, and between the pages of each, deals come and move, stamped by that clock."""
    rng, rows = random.Random(seed), {"deals": [deal(number, number) for number in range(20)]}

    def changes(*_: Any) -> None:
        for _ in range(rng.choice([0, 1, 2])):
            world.clock.advance(seconds=rng.choice([1, 30, 400]))
            stamp = (micros(world.clock.now()) - at(0)) / 60_000_000 + minutes
            number = rng.randrange(40)
            rows["deals"][:] = [row for row in rows["deals"] if row["id"] != str(number)]
            rows["deals"].append(deal(number, stamp, rng.choice("ABC")))

    source = Skewed("crm", context(world.clock), rows, before_page=changes)
    source.skew = timedelta(minutes=minutes)
    for _ in range(6):
        changes()
        world.clock.advance(minutes=rng.choice([1, 15, 90]))
        assert world.pull(source, Plan(streams=["deals"]))["deals"].status == "ok"
    source.before_page = lambda *_: None
    world.clock.advance(minutes=1)
    world.pull(source, Plan(streams=["deals"]))
    assert {row["id"]: row["stage"] for row in world.current()["deal"]} == {
        row["id"]: row["stage"] for row in rows["deals"]
    }


class Killed(BaseException):
    """The process is gone: nothing may catch it but the test."""


@pytest.mark.parametrize("windows", [1, 4])
def test_a_back_fill_killed_every_simulated_minute_finishes(world: World, windows: int) -> None:
    """A page takes ten seconds, so 200 of them take more than half an hour, and no process lives longer than a minute.

    Each goes on where the last one was: of a reader only the page at hand is read again.
    """
    rows = {"deals": [deal(number, number * NOW / 400) for number in range(400)]}
    dies_at, pages = [world.clock.now()], [0]

    def takes_time(*_: Any) -> None:
        world.clock.advance(seconds=10)
        pages[0] += 1
        if world.clock.now() >= dies_at[0]:
            raise Killed

    streams = [Stream("deals", by_id=True, bounded=True)]
    kept = sync.Settings(START - timedelta(days=1), windows=windows)
    deaths = 0
    while True:
        dies_at[0] = world.clock.now() + timedelta(minutes=1)
        source = MemorySource("crm", context(world.clock), rows, streams=streams, before_page=takes_time)
        try:
            (summary,) = sync.pull(
                world.store, source, world.mapping, kept, run="r", plan=Plan(streams=["deals"]), clock=world.clock
            )
        except Killed:
            deaths += 1
            assert deaths < 100
        else:
            break
    assert summary.status == "ok"
    assert {row["id"] for row in world.current()["deal"]} == {str(number) for number in range(400)}
    assert deaths >= 2000 // 60
    parts = 1 if windows == 1 else windows * PARTS  # the last page of each may be half full
    assert pages[0] <= 200 + parts + windows * deaths
    before = world.dump()
    world.rebuild()
    assert world.dump() == before

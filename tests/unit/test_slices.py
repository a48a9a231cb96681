"""A long window is cut into parts that several readers share."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import sync
from connector.errors import Transient
from connector.ports import Stream, Window
from connector.slices import LONG, PARTS, Reading, cut
from connector.sync import StreamSummary
from connector.testing import MemorySource, context
from tests.properties.world import World, deal

LO = datetime(2024, 1, 1, tzinfo=UTC)
BOUNDED = [Stream("deals", by_id=True, bounded=True)]


@given(st.integers(1, 9), st.timedeltas(LONG, timedelta(days=9000)))
def test_parts_touch_and_cover_the_window_from_end_to_end(readers: int, length: timedelta) -> None:
    windows = [part.window for part in cut(Window(LO, LO + length), readers)]
    assert (windows[0].lo, windows[-1].hi) == (LO, LO + length)
    assert [one.hi for one in windows[:-1]] == [one.lo for one in windows[1:]]
    assert len(windows) == (1 if readers == 1 else readers * PARTS)


@pytest.mark.parametrize("window", [Window(None, LO), Window(LO, LO + LONG - timedelta(days=1))])
def test_a_short_window_and_one_without_beginning_stay_whole(window: Window) -> None:
    assert [part.window for part in cut(window, 4)] == [window]


def test_a_reading_is_taken_up_where_each_part_was_left() -> None:
    reading = Reading(Window(LO, LO + LONG), cut(Window(LO, LO + LONG), 2))
    first, second = reading.left[:2]
    reading.moved(first, None)
    reading.moved(second, ["here", 7])
    again = Reading.restored(json.loads(json.dumps(reading.state())))
    assert again is not None
    assert (again.window, len(again.left)) == (reading.window, 2 * PARTS - 1)
    assert (again.left[0].window, again.left[0].position) == (second.window, ["here", 7])


def test_a_state_without_a_window_under_way_has_nothing_to_take_up() -> None:
    assert Reading.restored({"cursor": "2026-01-01T00:00:00Z"}) is None


# --- a run ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def world(store_url: str) -> World:
    return World(store_url)


def rows(number: int) -> dict[str, list[dict[str, Any]]]:
    """Deals changed every two days, from 60 days before the world's present on."""
    return {"deals": [deal(k, (k * 2 - 30) * 24 * 60) for k in range(1, number + 1)]}


def source_of(world: World, number: int, streams: list[Stream] | None = BOUNDED, **more: Any) -> MemorySource:
    return MemorySource("crm", context(world.clock), rows(number), streams=streams, **more)


def pull(world: World, source: MemorySource, windows: int = 4) -> StreamSummary:
    kept = sync.Settings(world.clock.now() - timedelta(days=90), windows=windows)
    (summary,) = sync.pull(
        world.store, source, world.mapping, kept, run="run", plan=sync.Plan(streams=["deals"]), clock=world.clock
    )
    return summary


def test_four_readers_wait_for_answers_at_the_same_time(world: World) -> None:
    together = threading.Barrier(4, timeout=30)

    def arrives(_stream: str, pages: int) -> None:
        if pages == 0:
            together.wait()  # breaks unless three others have asked as well

    summary = pull(world, source_of(world, 20, before_page=arrives))
    assert (summary.status, summary.new, summary.requests) == ("ok", 20, 4 * PARTS)
    assert len(world.current()["deal"]) == 20


def test_a_part_that_fails_leaves_the_others_and_is_read_again_alone(world: World) -> None:
    def fails(_stream: str, _pages: int) -> None:
        asked.append(1)
        if len(asked) == 20:
            raise Transient("broke off", system="crm")

    asked: list[int] = []
    assert pull(world, source_of(world, 20, before_page=fails)).status == "failed"
    left = len(world.cursor("deals")["parts"])
    assert 0 < left < 4 * PARTS
    again = source_of(world, 20)
    summary = pull(world, again)
    assert (summary.status, again.requests) == ("ok", left + 1)  # and what changed since
    assert len(world.current()["deal"]) == 20
    assert world.cursor("deals").keys() == {"cursor", "read_to"}


def test_a_stream_that_cannot_bound_a_window_is_read_by_one(world: World) -> None:
    source = source_of(world, 20, None, page_size=50)
    assert (pull(world, source).new, source.requests) == (20, 1)


def test_several_readers_leave_what_one_leaves(world: World) -> None:
    pull(world, source_of(world, 25))
    seen = world.current()
    before = world.dump()
    world.rebuild()
    assert world.dump() == before
    world.fresh()
    pull(world, source_of(world, 25), windows=1)
    assert world.current() == seen

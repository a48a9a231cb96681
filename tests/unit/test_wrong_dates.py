"""A vendor that tells a wrong time once: one answer of one host, hours ahead or behind, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.model import iso, micros
from connector.ports import Page, Window
from connector.store import tables
from connector.sync import Plan
from connector.testing import MemorySource, context
from tests.properties.world import World, deal

NOW = 30 * 24 * 60  # where the world's clock starts, in minutes
DEALS = Plan(streams=["deals"])


class WrongOnce(MemorySource):
    """The first time it is asked what time it is, it is wrong by `by`; and it keeps the windows it was asked for."""

    by = timedelta(0)

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.windows: list[Window] = []

    def now(self) -> datetime:
        wrong, self.by = self.by, timedelta(0)
        return super().now() + wrong

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        self.windows.append(window)
        return super().read(stream, window, position)


@pytest.mark.parametrize("hours", [2, -2, 24 * 365])
def test_what_changes_after_a_window_whose_end_was_wrong_is_read_by_the_next(world: World, hours: int) -> None:
    rows = {"deals": [deal(1, 10), deal(2, 10)]}
    source = WrongOnce("crm", context(world.clock), rows)
    source.by = timedelta(hours=hours)
    world.pull(source, DEALS)
    world.clock.advance(minutes=10)
    rows["deals"][0] = deal(1, NOW + 10, "B")
    world.clock.advance(minutes=60)
    assert world.pull(source, DEALS)["deals"].status == "ok"
    assert {row["id"]: row["stage"] for row in world.current()["deal"]} == {"1": "B", "2": "A"}


def test_a_cursor_in_the_future_makes_no_window_that_ends_before_it_begins(world: World) -> None:
    """As an earlier version may have kept one: the window goes back to the overlap before the present."""
    source = WrongOnce("crm", context(world.clock), {"deals": [deal(1, 10)]})
    world.pull(source, DEALS)
    ahead = iso(micros(world.clock.now() + timedelta(hours=2)))
    with world.store.writing() as writing:
        writing.execute(update(tables.cursor).values(state=f'{{"cursor": "{ahead}", "read_to": "{ahead}"}}'))
    world.clock.advance(hours=1)
    summary = world.pull(source, DEALS, overlap=15)["deals"]
    assert source.windows[-1] == Window(world.clock.now() - timedelta(minutes=15), world.clock.now())
    assert summary.cursor == iso(micros(world.clock.now() - timedelta(minutes=15)))


def test_a_second_window_of_one_run_is_not_cut_by_the_pages_of_the_first(world: World) -> None:
    """A window an earlier run began is finished, and then the one up to now is read, to its end."""
    rows = {"deals": [deal(number, number) for number in range(5)]}
    source = WrongOnce("crm", context(world.clock), rows, page_size=2)
    stops = iter([True])
    world.pull(source, DEALS, stop=lambda: next(stops, False))
    world.clock.advance(hours=3)
    source.before_page = lambda *_: world.clock.advance(minutes=1)
    summary = world.pull(source, DEALS, overlap=0)["deals"]
    assert summary.cursor == iso(micros(source.windows[-1].hi))

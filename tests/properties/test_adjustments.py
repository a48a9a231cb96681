"""Adjustments add up: whatever is learnt, closed and decided in whatever order, they are restated less frozen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from connector import adjustments, frozen, kpi_store, seal
from connector.closing import LEASE, Closing
from connector.computation import Computation
from connector.kpi import KpiDefinition
from connector.period import Calendar
from connector.store import tables
from tests.properties.world import LAW, SEARCH, START, World, deal, page

CALENDAR = Calendar()
MONTHS = [CALENDAR.parse(name) for name in ("2026-01", "2026-02", "2026-03")]
DAY = 24 * 60  # minutes
KPIS = (
    KpiDefinition("wins", "won_count", "owner", options={"credit": "current"}),
    KpiDefinition("won", "won_value", "owner", options={"credit": "current"}),
    KpiDefinition("rate", "win_rate_count", "company"),
)


class Told(NamedTuple):
    """The state of a deal: won or lost on a day of its month, of whom, for how much; or still open, or deleted."""

    number: int
    state: str
    day: int
    owner: str
    amount: int


class Close(NamedTuple):
    """The next month is closed, by force: nothing of it must be complete."""


class Decide(NamedTuple):
    """The first open adjustment is accepted, rejected or deferred."""

    decision: str


TELLS = st.builds(
    Told, st.integers(1, 3), st.sampled_from(["B", "W", "W", "L", "deleted"]), st.integers(0, 85),
    st.sampled_from(["1", "2"]), st.integers(1, 5),
)
STEPS = st.lists(
    TELLS | TELLS | st.just(Close()) | st.builds(Decide, st.sampled_from(["accept", "reject", "defer"])),
    min_size=4, max_size=9,
)


class Books:
    """A world with closes and decisions."""

    def __init__(self, world: World) -> None:
        self.world, self.closed, self.told = world.fresh(), 0, 0
        world.clock.set(START + timedelta(days=120))  # all three months are over
        with world.store.writing() as writing:  # as if every stream had been read to its end before
            writing.execute(insert(tables.known_since), {"source": "crm", "at": writing.stamp()})

    def do(self, step: Told | Close | Decide) -> None:
        if isinstance(step, Told):
            self.tell(step)
            self.computation("kpi", lambda one: one.run(self.world.store))
        elif isinstance(step, Close) and self.closed < len(MONTHS):
            month = MONTHS[self.closed]
            self.closed += 1
            self.computation(LEASE, lambda one: Closing(one, month, {}, "An", True, "law").run(self.world.store))
            self.computation("kpi", lambda one: one.run(self.world.store))
        elif isinstance(step, Decide):
            waiting = [one for one in adjustments.list_adjustments(self.world.store) if one["state"] == "proposed"]
            if waiting:
                store, first = self.world.store, waiting[0]["id"]
                adjustments.decide(store, first, step.decision, CALENDAR, actor="An", reason="law")

    def tell(self, told: Told) -> None:
        """The deal's record as the source shows it from now on, with its history."""
        self.told += 1
        at, now = told.day * DAY, 90 * DAY + self.told
        if told.state == "deleted":
            record = deal(told.number, now, "A", created=_day(0), deleted=_day(told.day))
        else:
            history = [("A", 0), ("B", 60)] + ([(told.state, at + 120)] if told.state in "WL" else [])
            record = deal(told.number, now, told.state, created=_day(0), owner=told.owner,
                          amount=f"{told.amount}.50", currency="USD", history=history)
        self.world.take(page("deals", [record], now))

    def computation(self, lease: str, work: Any) -> None:
        held = self.world.store.acquire(lease)
        try:
            work(Computation(self.world.store.url, KPIS, CALENDAR, "USD", None, held))
        finally:
            self.world.store.release(held)


def _day(day: int) -> str:
    return "2026-01-01T00:00:00+00:00" if not day else f"2026-{1 + day // 30:02}-{1 + day % 28:02}T00:00:00+00:00"


def add_up(world: World) -> None:
    """Of each value of a closed month all adjustments, in whatever state, are today's value less the frozen one."""
    restated = {value.key: value for value in kpi_store.current(world.store)}
    found: dict[Any, list[dict[str, Any]]] = {}
    for one in adjustments.list_adjustments(world.store):
        whose = one["subject"]
        found.setdefault((one["kpi"], whose["kind"], whose["key"], one["period"]), []).append(one)
    for key, value in frozen.closed(world.store).values.items():
        own, now = found.get((key[0], key[1], key[2], key[4]), []), restated.get(key)
        if now is None:  # nothing was ever known of that month
            assert own == []
            continue
        parts = ("numerator", "denominator") if value.kpi == "rate" else ("value",)
        for part in parts:
            told = sum(Decimal(one[part] or 0) for one in own)
            assert told == Decimal(getattr(now, part) or 0) - Decimal(getattr(value, part) or 0), (key, part)


def holds(world: World, steps: Sequence[Told | Close | Decide]) -> None:
    books = Books(world)
    answers: dict[int, Any] = {}
    for step in steps:
        books.do(step)
        add_up(world)
        moment = world.store.rows(select(tables.clock.c.last))[0].last
        answers[moment] = frozen.closed(world.store).values
    for moment, answer in answers.items():
        assert frozen.closed(world.store, as_of=moment).values == answer
    with world.store.reading() as connection:
        assert seal.chain_break(frozen.seals(connection)) is None
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


@settings(LAW, max_examples=12)
@given(STEPS)
def test_adjustments_are_restated_less_frozen_whatever_happens(world: World, steps: list[Any]) -> None:
    holds(world, steps)


@pytest.mark.long
@settings(SEARCH, max_examples=120)
@given(STEPS)
def test_adjustments_are_restated_less_frozen_at_length(world: World, steps: list[Any]) -> None:
    holds(world, steps)

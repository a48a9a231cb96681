"""What was observed first and reported later is one past, not two: counted by hand, on both stores."""

from __future__ import annotations

from typing import Any

from connector.sync import Plan
from tests.metrics.conftest import asking
from tests.properties.world import START, World, at, deal, t

DAY = 24 * 60
STREAMS = ("deals", "moves", "scores", "calls", "accounts")


def sync(world: World, day: float, *deals: dict[str, Any]) -> None:
    """A sync at noon of that day of January 2026, at which the source shows these deals."""
    world.clock.set(START.replace(day=int(day), hour=12))
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in STREAMS}
    found = world.pull(world.memory({**rows, "deals": list(deals)}), Plan(streams=STREAMS))
    assert {one.status for one in found.values()} == {"ok"}


def a_deal(modified: float, stage: str, **more: Any) -> dict[str, Any]:
    """The deal as it was last changed on that day; every day counts from the first of January."""
    more["history"] = [(to, day * DAY) for to, day in more.pop("history", ())] or None
    told = {"created": t(DAY), "amount": "100", "currency": "USD", "owner": "7", **more}
    return deal(1, modified * DAY, stage, **told)


def entries(world: World) -> dict[str, str | None]:
    """How often each stage was entered, ever."""
    ask = asking(world.store.url, "UTC", "USD")
    found = ask("stage_entries", every="all", where={"pipeline": "new"})
    return {value.dimensions["stage"]: value.value for value in found if value.value not in (None, "0")}


def count(world: World, metric: str) -> str | None:
    (value,) = asking(world.store.url, "UTC", "USD")(metric, every="all")
    return value.value


def test_an_observed_jump_and_the_history_reported_later_double_nothing(world: World) -> None:
    """Seen in A, since nobody knows when, and then in C: one entry. Reported afterwards: A, B, C, and none beside."""
    sync(world, 3, a_deal(1, "A"))
    sync(world, 6, a_deal(4, "C"))
    assert entries(world) == {"C": "1"}
    sync(world, 9, a_deal(7, "C", history=[("A", 1), ("B", 2), ("C", 3.5)]))
    assert entries(world) == {"A": "1", "B": "1", "C": "1"}
    sync(world, 12, a_deal(7, "C", history=[("A", 1), ("B", 2), ("C", 3.5)]))
    assert entries(world) == {"A": "1", "B": "1", "C": "1"}
    assert [row[2:4] for row in world.reported()] == [("1", at(DAY)), ("1", at(2 * DAY)), ("1", at(3.5 * DAY))]
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_a_win_seen_first_and_reported_later_is_one_win(world: World) -> None:
    """Seen in A and then as won; reported: A, B, won. One win of 100, entered once."""
    sync(world, 3, a_deal(1, "A"))
    sync(world, 6, a_deal(4, "W", closed=t(4 * DAY)))
    assert (count(world, "won_count"), count(world, "won_value")) == ("1", "100.00")
    sync(world, 9, a_deal(7, "W", closed=t(4 * DAY), history=[("A", 1), ("B", 2), ("W", 4)]))
    assert (count(world, "won_count"), count(world, "won_value")) == ("1", "100.00")
    assert entries(world) == {"A": "1", "B": "1", "W": "1"}

"""Laws of pages: their order does not matter, repeating one changes nothing, and old news never becomes current."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.ports import Page
from tests.properties.world import LAW, SEARCH, World, deal, move, page, t

STAGES = st.sampled_from("ABCWL")
NUMBERS = st.integers(1, 3)


@st.composite
def deals_of(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The states one deal went through: rising stamps, a history that grows (and may be cut), changing splits."""
    number = draw(NUMBERS)
    minutes = sorted(draw(st.sets(st.integers(1, 300), min_size=1, max_size=5)))
    kept = draw(st.sampled_from([None, 2, 99]))  # None: the vendor tells no history; 2: only the newest two moves
    states: list[dict[str, Any]] = []
    history: list[tuple[str, float]] = []
    for minute in minutes:
        for moved in range(draw(st.integers(0, 2))):
            history.append((draw(STAGES), minute - draw(st.sampled_from([0, 0.2, 0.2])) + moved * 0.1))
        more: dict[str, Any] = {"history": history[-kept:] if kept else None}
        more["owner"] = draw(st.sampled_from([None, "7", "8"]))
        shares = draw(st.sets(st.sampled_from("789"), max_size=2))
        more["splits"] = [{"owner": owner, "share": 0.5} for owner in sorted(shares)]
        stage = history[-1][0] if history else draw(STAGES)
        states.append(deal(number, minute, draw(st.sampled_from([stage, stage, "?" if not kept else stage])), **more))
    return states


@st.composite
def calls_of(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The states of one call, which is an activity only while it has a time."""
    minutes = sorted(draw(st.sets(st.integers(1, 300), min_size=1, max_size=4)))
    return [{"id": "5", "modified": t(minute), "at": draw(st.sampled_from([None, t(3), t(4)]))} for minute in minutes]


@st.composite
def moves_of(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = draw(st.lists(st.tuples(NUMBERS, STAGES, st.integers(1, 300)), max_size=4))
    return [move(*one) for one in made]


@st.composite
def scores_of(draw: st.DrawFn) -> list[dict[str, Any]]:
    minutes = sorted(draw(st.sets(st.integers(1, 300), max_size=3)))
    return [{"id": "1", "modified": t(m), "probability": 0.1 * (m % 9), "score": str(m)} for m in minutes]


@st.composite
def pages(draw: st.DrawFn) -> list[Page]:
    """Pages of several streams as read over time; a deal's states may share a page with others'."""
    found = []
    deals = {states[0]["id"]: states for states in draw(st.lists(deals_of(), min_size=1, max_size=3))}
    rows = [state for states in deals.values() for state in states]
    for stream, made in (("deals", rows), ("calls", draw(calls_of())), ("moves", draw(moves_of())),
                         ("scores", draw(scores_of()))):
        start = 0
        while start < len(made):
            size = draw(st.integers(1, 3))
            found.append(page(stream, made[start : start + size], 301 + len(found)))
            start += size
    return found


def outcome(world: World, taken: list[Page]) -> tuple[Any, Any]:
    world.fresh()
    for one in taken:
        world.take(one)
    return world.current(), world.reported()


def order_does_not_matter(world: World, taken: list[Page], data: st.DataObject) -> None:
    in_order = outcome(world, taken)
    assert outcome(world, data.draw(st.permutations(taken))) == in_order


@LAW
@given(pages(), st.data())
def test_any_order_of_the_same_pages_gives_the_same_current_rows_and_reported_transitions(
    world: World, taken: list[Page], data: st.DataObject
) -> None:
    order_does_not_matter(world, taken, data)


@pytest.mark.long
@SEARCH
@given(pages(), st.data())
def test_any_order_of_the_same_pages_at_length(world: World, taken: list[Page], data: st.DataObject) -> None:
    order_does_not_matter(world, taken, data)


@LAW
@given(pages())
def test_the_same_page_again_changes_no_row(world: World, taken: list[Page]) -> None:
    """At once, where nothing else came in between: every cell of every derived table stays."""
    world.fresh()
    for one in taken:
        world.take(one)
        before = world.dump()
        world.take(one)
        assert world.dump() == before


@LAW
@given(pages(), st.data())
def test_pages_repeated_later_add_no_row(world: World, taken: list[Page], data: st.DataObject) -> None:
    """After everything else: as many rows in every table as before, and the same current rows."""
    before = outcome(world, taken)
    counts = world.counts()
    for one in data.draw(st.permutations(taken)):
        world.take(one)
    assert (world.current(), world.reported()) == before
    assert world.counts() == counts


@LAW
@given(deals_of())
def test_late_older_pages_make_no_version_and_no_observed_move(world: World, states: list[dict[str, Any]]) -> None:
    """The newest state first: what comes after it is only reported facts."""
    world.fresh()
    readable = [state for state in states if state["stage"] != "?"]
    for state in readable[::-1]:
        before = world.dump()
        world.take(page("deals", [state], 400))
        after = world.dump()
        if state is readable[-1]:
            continue
        assert after["deal"] == before["deal"]
        assert after["deal_owner"] == before["deal_owner"]
        assert after["quarantine"] == before["quarantine"]
        new = set(after["stage_transition"]) - set(before["stage_transition"])
        old = set(before["stage_transition"]) - set(after["stage_transition"])
        added = {row for row in new if row[:8] not in {gone[:8] for gone in old}}
        assert {row[6] for row in added} <= {"reported"}


@LAW
@given(deals_of(), st.data())
def test_reported_transitions_are_all_there_whatever_was_observed_in_between(
    world: World, states: list[dict[str, Any]], data: st.DataObject
) -> None:
    world.fresh()
    told = {
        (item["to"], item["at"]) for state in states if state["stage"] != "?" for item in state.get("history", ())
    }
    for state in data.draw(st.permutations(states)):
        world.take(page("deals", [state], 400))
    assert {(row[6], row[3]) for row in world.reported() if row[0] == "stage_transition"} == {
        (to, micros_of(minute)) for to, minute in told
    }


def micros_of(text: str) -> int:
    from datetime import datetime

    from connector.model import micros

    return micros(datetime.fromisoformat(text))

"""As known then: whatever comes later, what was known at an instant stays what was known at that instant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from connector.store import tables
from tests.properties.test_rebuild import STEPS, Step, do
from tests.properties.world import LAW, SEARCH, World

_MOVING = {"replaced_at", "parts"}  # says when it ended, and what confirmed it since: neither is of the answer


def known_at(world: World, moment: int) -> dict[str, Any]:
    """Every row of the ledger known at that instant."""
    found = {}
    for name, table in tables.LEDGER.items():
        known = (table.c.seen_at <= moment) & (table.c.replaced_at.is_(None) | (table.c.replaced_at > moment))
        columns = [column for column in table.c if column.name not in _MOVING]
        found[name] = sorted((tuple(row) for row in world.store.rows(select(*columns).where(known))), key=repr)
    return found


def stays(world: World, steps: list[Step]) -> None:
    world.fresh()
    answers: dict[int, Any] = {}
    for step in steps:
        do(world, step)
        moment = world.store.rows(select(tables.clock.c.last))[0].last
        answers[moment] = known_at(world, moment)
    for moment, answer in answers.items():
        assert known_at(world, moment) == answer
    world.rebuild()
    for moment, answer in answers.items():
        assert known_at(world, moment) == answer


@LAW
@given(st.lists(STEPS, min_size=2, max_size=8))
def test_an_as_of_answer_never_changes_also_after_a_rebuild(world: World, steps: list[Step]) -> None:
    stays(world, steps)


@pytest.mark.long
@SEARCH
@given(st.lists(STEPS, min_size=3, max_size=16))
def test_an_as_of_answer_never_changes_at_length(world: World, steps: list[Step]) -> None:
    stays(world, steps)


@LAW
@given(st.lists(STEPS, min_size=2, max_size=8))
def test_at_any_instant_a_row_has_one_version(world: World, steps: list[Step]) -> None:
    """The versions of a row follow each other without gap or overlap, and exactly one is current."""
    world.fresh()
    for step in steps:
        do(world, step)
    for name, table in tables.LEDGER.items():
        if "gone" not in table.c:
            continue
        query = select(table.c.source, table.c.id, table.c.seen_at, table.c.replaced_at).order_by(table.c.seen_at)
        chains: dict[tuple[str, str], list[Any]] = {}
        for row in world.store.rows(query):
            chains.setdefault((row.source, row.id), []).append(row)
        for chain in chains.values():
            ends = [row.replaced_at for row in chain]
            assert ends == [*[row.seen_at for row in chain[1:]], None], name

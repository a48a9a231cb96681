"""The law of closed books, on each kind of store: `closed_books` says what must hold, `histories` what may happen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings

from tests.properties.closed_books import holds
from tests.properties.histories import History, histories
from tests.properties.started_once import started_once
from tests.properties.world import LAW, SEARCH, World


@pytest.fixture(scope="module", autouse=True)
def _started() -> Iterator[None]:
    with started_once():
        yield


@settings(LAW, max_examples=25)
@given(histories())
def test_closed_books_hold_whatever_is_learnt(world: World, history: History) -> None:
    holds(world, history)


@pytest.mark.long
@settings(SEARCH, max_examples=300)
@given(histories(6))
def test_closed_books_hold_at_length(world: World, history: History) -> None:
    holds(world, history)

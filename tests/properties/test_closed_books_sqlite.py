"""The law of closed books on SQLite: what must hold is said in `closed_books`, what may happen in `histories`."""

from __future__ import annotations

import pytest

from tests.properties.closed_books import prove, search
from tests.properties.world import World

pytestmark = pytest.mark.parametrize("world", ["sqlite"], indirect=True)


@pytest.mark.parametrize("part", range(4))
def test_closed_books_stay_closed_and_add_up_whatever_happens(world: World, part: int) -> None:
    prove(world, part)


@pytest.mark.long
@pytest.mark.parametrize("part", range(8))
def test_closed_books_stay_closed_and_add_up_at_length(world: World, part: int) -> None:
    search(world)

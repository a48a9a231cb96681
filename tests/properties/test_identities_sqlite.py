"""The ten identities on SQLite: what must hold is said in `identities`, what may be told in `lives`."""

from __future__ import annotations

import pytest

from tests.properties.identities import prove, search
from tests.properties.world import World

pytestmark = pytest.mark.parametrize("world", ["sqlite"], indirect=True)


@pytest.mark.parametrize("part", range(4))
def test_the_ten_identities_hold_whatever_is_told(world: World, part: int) -> None:
    prove(world, part)


@pytest.mark.long
def test_the_ten_identities_hold_at_length(world: World) -> None:
    search(world)

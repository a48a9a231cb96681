"""Nothing is lost: what the source shows is in the ledger, whatever changes and breaks while it is read."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Transient
from connector.model import micros
from tests.properties.world import LAW, SEARCH, World, at, deal


class Restless:
    """A source whose rows are added and changed between pages, and whose reads break off anywhere."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, random.Random(seed)
        self.rows: dict[str, list[dict[str, Any]]] = {"deals": []}

    def before_page(self, _stream: str, _pages: int) -> None:
        for _ in range(self.random.choice([0, 0, 1, 2])):
            self.change()
        if self.random.random() < 0.15:
            raise Transient("broke off", system="crm")

    def change(self) -> None:
        self.world.clock.advance(minutes=self.random.choice([0, 1, 20]))
        now = (micros(self.world.clock.now()) - at(0)) / 60_000_000
        number, stage = str(self.random.randint(1, 9)), self.random.choice("ABC")
        self.rows["deals"] = [row for row in self.rows["deals"] if row["id"] != number] + [deal(number, now, stage)]

    @property
    def truth(self) -> dict[str, str]:
        return {row["id"]: row["stage"] for row in self.rows["deals"]}


def loses_nothing(world: World, seed: int, runs: int) -> None:
    world.fresh()
    source = Restless(world, seed)
    for _ in range(6):
        source.change()
    for _ in range(runs):
        world.pull(world.memory(source.rows, before_page=source.before_page))
    for _ in range(2):  # quiet at last: the window begun before, and one more
        world.pull(world.memory(source.rows))
        world.clock.advance(minutes=1)
    assert {row["id"]: row["stage"] for row in world.current()["deal"]} == source.truth
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


@LAW
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_nothing_is_lost_whatever_changes_and_breaks_while_it_is_read(world: World, seed: int, runs: int) -> None:
    loses_nothing(world, seed, runs)


@pytest.mark.long
@SEARCH
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_nothing_is_lost_at_length(world: World, seed: int, runs: int) -> None:
    loses_nothing(world, seed, runs)

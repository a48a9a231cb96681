"""Killed by SIGKILL at any moment and run again, a store knows what it knows after an undisturbed run.

Each case is one installation: a real `connector sync --no-push` (also `resync --full`, and a sync that puts a new
mapping in force) in a process of its own, killed at a seeded moment (at a request, at a statement, or some
milliseconds after one), up to three times, then run until it ends by itself. Its store is compared with that of an
undisturbed life of the same source.

What is compared, once the source stands still:
- every current row (fields, own fields, gone, the contribution of each stream) and every reported transition and
  deal change, by their keys;
- where they were read, as (hashes of the page's bodies, record index, list item). Two runs that read while the data
  change read different pages, and a row cites the page that first showed its values; so there the places can differ,
  and each is followed instead: the body has its hash, and that record, mapped by the version cited, says exactly that
  row or tells that fact. They are equal, and compared, for rows and facts where the data change only between two
  syncs, and for rows everywhere after a whole read of the account at rest and a mapping that makes every row anew.
Observed moves are not compared: their windows say when we looked. No lease, open window, half-applied pass, held page
or doubled row is left; in every fifth case the store is also made again from its journal, cell for cell.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash import worlds
from tests.crash.conftest import NewStore
from tests.crash.forks import KILLED, Forks, Moment
from tests.crash.proof import Outcome, examine
from tests.crash.worlds import Step, World

STORES = ("sqlite", "postgresql")
KINDS = ("quiet", "changing", "exports", "changing", "quiet", "whole", "exports", "changing")


@dataclass(slots=True)
class Life:
    """What happened to one installation: the store's content after each settled step, requests and statements of each
    step's last run, and how many runs were killed."""

    outcomes: list[Outcome] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)
    killed: int = 0


def a_world(forks: Forks, folder: Path, store: str, number: int) -> AbstractContextManager[World]:
    """The world of a case: its kind, and one of two accounts or folders."""
    kind, seed = world_of(number)
    if kind == "exports":
        return worlds.exports(folder, store, seed)
    return worlds.crm(forks, folder, store, seed, quiet=kind == "quiet", whole=kind == "whole")


def world_of(number: int) -> tuple[str, int]:
    return KINDS[number % 8], number // 8 % 2


def live(forks: Forks, world: World, moments: Sequence[Sequence[Moment]] = (), *, again: bool = False) -> Life:
    """Go through the steps; each one's runs are killed at its moments."""
    life = Life()
    for step, deaths in zip(world.steps, [*moments, *[()] * len(world.steps)], strict=False):
        step.prepare()
        _until_done(forks, world, step, list(deaths), life)
        if step.settled:
            found = examine(world.folder, shows_gone=world.shows_gone, again=again and step is world.steps[-1])
            assert found.deals() == world.truth()
            life.outcomes.append(found)
    return life


def _until_done(forks: Forks, world: World, step: Step, deaths: list[Moment], life: Life) -> None:
    while True:
        asked = world.fake.requests if world.fake else 0
        ended = forks.run(world.folder, step.arguments, deaths.pop(0) if deaths else None, world.fake)
        if ended.code == KILLED:
            life.killed += 1
            if step.skippable and not deaths:
                return
            continue
        assert ended.code == 0, (world.folder / "output.txt").read_text()[-2000:]
        life.statements.append(ended.statements)
        life.requests.append(world.fake.requests - asked if world.fake else 0)
        return


def some_moments(rng: random.Random, undisturbed: Life, within: float) -> list[list[Moment]]:
    """When the runs of each step die: one step has one to three deaths, each other one perhaps one.

    The first falls `within` a part of what an undisturbed run does, so that it comes; one after a resume may come too
    late.
    """
    steps = range(len(undisturbed.statements))
    chosen = rng.choice([0, *steps])
    moments = []
    for step in steps:
        count = rng.choice([1, 1, 2, 3]) if step == chosen else rng.choice([0, 0, 0, 1])
        moments.append([_moment(rng, undisturbed, step, within if nth == 0 else 0.5) for nth in range(count)])
    return moments


def _moment(rng: random.Random, undisturbed: Life, step: int, within: float) -> Moment:
    requests, statements = undisturbed.requests[step], undisturbed.statements[step]
    if requests and rng.random() < 0.5:
        number = 1 + int(rng.random() * within * (requests - 1))
        return Moment("request", number, rng.choice([0, rng.uniform(0, 15)]))
    number = 1 + int(rng.random() * within * (statements - 1))
    return Moment("statement", number, rng.choice([0, rng.uniform(0, 4)]))


_UNDISTURBED: dict[tuple[str, int], Life] = {}


def undisturbed(forks: Forks, folder: Path, number: int) -> Life:
    """The life nobody disturbs, lived once for each world, on SQLite: what a store knows depends on no database."""
    world = world_of(number)
    if world not in _UNDISTURBED:
        own = folder / "undisturbed"
        own.mkdir()
        with a_world(forks, own, f"sqlite:///{own / 'connector.db'}", number) as lived:
            _UNDISTURBED[world] = live(forks, lived)
    return _UNDISTURBED[world]


def killed_and_run_again(forks: Forks, folder: Path, store: str, number: int) -> None:
    expected = undisturbed(forks, folder, number)
    within = 0.9 if store.startswith("sqlite") else 0.8  # PostgreSQL is asked with up to a seventh fewer statements
    moments = some_moments(random.Random(f"{store.partition(':')[0]} {number}"), expected, within)
    own = folder / "disturbed"
    own.mkdir()
    with a_world(forks, own, store, number) as world:
        found = live(forks, world, moments, again=number % 5 == 0)
        settled = [step for step in world.steps if step.settled]
    assert found.killed, moments
    for step, one, other in zip(settled, found.outcomes, expected.outcomes, strict=True):
        assert one.rows == other.rows, moments
        assert one.reported == other.reported, moments
        if step.cited:
            assert one.cited == other.cited, moments
        if step.cited_facts:
            assert one.cited_facts == other.cited_facts, moments


@pytest.mark.parametrize("number", range(20))
def test_killed_and_run_again_knows_the_same(forks: Forks, new_store: NewStore, tmp_path: Path, number: int) -> None:
    """Ten moments on each kind of store."""
    with new_store(STORES[(number + number // 4) % 2], tmp_path) as store:
        killed_and_run_again(forks, tmp_path, store, number)


@pytest.mark.long
@pytest.mark.parametrize("number", range(200))
@pytest.mark.parametrize("kind", STORES)
def test_killed_at_many_more_moments(
    forks: Forks, new_store: NewStore, tmp_path: Path, kind: str, number: int
) -> None:
    with new_store(kind, tmp_path) as store:
        killed_and_run_again(forks, tmp_path, store, number)

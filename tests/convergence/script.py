"""A script: what happens to a small account and to us, all of it decided by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from connector.twins import faults
from tests.convergence.changes import CHANGES
from tests.convergence.mortal import POINTS, Death

MODES = ("sync", "sync", "sync", "sync", "since", "full", "full", "id", "all_ids", "hooks")
KINDS = tuple(kind for kind in faults.KINDS if kind != "slow")  # slow is slow for the test as well


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happens to the account; `number` seeds its choices."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


@dataclass(frozen=True, slots=True)
class Wait:
    """Time goes by."""

    seconds: int

    def __str__(self) -> str:
        return f"{self.seconds} s go by"


@dataclass(frozen=True, slots=True)
class Call:
    """The vendor calls about what happened since it last did: some events are lost, some told twice or in another order
    (`number` says which)."""

    number: int

    def __str__(self) -> str:
        return f"webhooks {self.number}"


@dataclass(frozen=True, slots=True)
class Decide:
    """A person accepts the stops there are."""

    def __str__(self) -> str:
        return "a person accepts what was stopped"


@dataclass(frozen=True, slots=True)
class Border:
    """A change that is seen as late as the overlap allows, to the millisecond."""

    number: int

    def __str__(self) -> str:
        return f"a change of {self.number} seen at the end of the overlap"


@dataclass(frozen=True, slots=True)
class Hidden:
    """A deal is archived, and restored while a pass reads that has gone past its place."""

    number: int

    def __str__(self) -> str:
        return f"a deal is restored behind the back of a pass {self.number}"


@dataclass(frozen=True, slots=True)
class Torn:
    """A process dies with the page that shows a change of an hour ago, which no overlap would show again."""

    number: int

    def __str__(self) -> str:
        return f"a process dies with the page of a change {self.number}"


@dataclass(frozen=True, slots=True)
class Run:
    """One process of ours. `during`: what happens to the account meanwhile, one thing after each `every` requests;
    `faults`: the share of its requests that go wrong."""

    mode: str
    number: int
    during: tuple[Change, ...] = ()
    every: int = 3
    faults: float = 0
    death: Death | None = None

    def __str__(self) -> str:
        told = [f"run {self.mode} {self.number}"]
        if self.faults:
            told.append(f"{self.faults:.0%} faults")
        if self.during:
            told.append(f"after every {self.every} requests one of: {'; '.join(map(str, self.during))}")
        if self.death is not None:
            one = self.death
            told.append(f"dies {one.when} commit {one.number} of {one.point}"
                        f"{' by SIGKILL' if one.killed else '' if one.found else ', found late'}")
        return ", ".join(told)


Step = Change | Wait | Call | Decide | Border | Hidden | Torn | Run


@dataclass(frozen=True, slots=True)
class Script:
    """All that a seed decides.

    skew: what the vendor's clock is ahead of ours, in minutes. lag: how far search is behind, in seconds. splits: deals
    come with their shares. oauth: the token ends every half hour, and each renewal gives another refresh token. shrink:
    the guard. ids_every: days between two lists of ids, 0 never. shared: rate budget and tokens in the store.
    late_history: the first runs read no histories, so that moves are seen before they are told; those of the end do.
    side_by_side: streams in threads, as the product does it; one after the other a seed always does the same.
    """

    seed: int
    steps: tuple[Step, ...]
    skew: int = 0
    lag: int = 0
    splits: bool = False
    oauth: bool = False
    shrink: float = 0.9
    ids_every: int = 7
    shared: bool = False
    late_history: bool = False
    side_by_side: bool = False

    def __str__(self) -> str:
        names = ("skew", "lag", "splits", "oauth", "shrink", "ids_every", "shared", "late_history", "side_by_side")
        head = f"seed {self.seed}: " + ", ".join(f"{name} {getattr(self, name)}" for name in names)
        return "\n".join([head, *(f"  {number:3} {step}" for number, step in enumerate(self.steps, start=1))])


def script(seed: int) -> Script:
    """The script of a seed."""
    rng = random.Random(f"convergence {seed}")
    steps: list[Step] = [a_run(rng, "sync")]
    for _ in range(rng.randrange(5, 9)):
        steps += [a_change(rng) for _ in range(rng.randrange(1, 6))]
        if rng.random() < 0.8:
            steps.append(a_wait(rng))
        if rng.random() < 0.4:
            steps.append(Call(rng.randrange(10**6)))
        if rng.random() < 0.15:
            steps.append(Decide())
        if rng.random() < 0.1:
            steps.append(Border(rng.randrange(1, 10**4)))
        if rng.random() < 0.1:
            steps.append(Hidden(rng.randrange(10**6)))
        if rng.random() < 0.1:
            steps.append(Torn(rng.randrange(1, 10**4)))
        steps.append(a_run(rng, rng.choice(MODES)))
    return of_settings(seed, rng, steps)


def of_settings(seed: int, rng: random.Random, steps: Sequence[Step]) -> Script:
    """A script of these steps under settings drawn at random."""
    oauth, lag = rng.random() < 0.25, rng.choice([0, 20, 120, 400])
    if any(isinstance(step, Border) for step in steps):
        lag = 0  # it is late enough
    return Script(
        seed, tuple(steps), skew=rng.choice([0, 0, 0, -20, 20, -3, 7]), lag=lag,
        splits=rng.random() < 0.5, oauth=oauth, shrink=rng.choice([0.9, 0.9, 0.9, 0.2]),
        ids_every=rng.choice([0, 1, 7]), shared=oauth or rng.random() < 0.2,
        late_history=rng.random() < 0.15, side_by_side=rng.random() < 0.1,
    )


def a_change(rng: random.Random) -> Change:
    return Change(rng.choice(list(CHANGES)), rng.randrange(10**6))


def a_wait(rng: random.Random) -> Wait:
    return Wait(rng.choice([1, 30, 60, 300, 900, 1800, 7200, 86_400, 3 * 86_400]))


def a_run(rng: random.Random, mode: str) -> Run:
    during = tuple(a_change(rng) for _ in range(rng.choice([0, 0, 1, 2, 4])))
    death = None
    if rng.random() < 0.45:
        death = Death(
            rng.choice(POINTS[mode]), rng.choice([1, 1, 2, 3, 4, 5, 6, 8, 11]), rng.choice(["before", "after"]),
            rng.random() < 0.5, rng.random() < 0.1,
        )
    return Run(mode, rng.randrange(10**6), during, rng.choice([1, 2, 3, 5]), rng.choice([0, 0, 0.1, 0.25]), death)

"""Every value arrives exactly once where the target overwrites, can be read or knows a repeat; else it is held.

Scripts by seed: lost requests and answers, answers that come twice, refusals, outages, a refused credential, people who
come and leave, and a process that dies right before or right after any of its commits.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from connector import deliveries
from connector.deliver import Rules, deliver
from connector.store.store import Store, Writing
from connector.testing import FakeClock, Fault, MemoryDestination, context, kpi_value
from connector.withdrawing import Existing

FAULTS: list[Fault | None] = [
    None, None, None, "refuse", "busy", "lose_request", "lose_answer", "broken", "forbidden", "twice",
]
KINDS = [
    {"kind": "state"}, {"kind": "state", "readable": False}, {"kind": "state", "withdraws": True},
    {"kind": "file"}, {"kind": "file", "readable": False, "withdraws": True},
    {"kind": "log"}, {"kind": "log", "readable": False}, {"kind": "log", "readable": False, "idempotent": True},
    {"kind": "log", "withdraws": True},
]
EVERYBODY = range(6)


class Crash(BaseException):
    """The process dies here."""


class MortalStore(Store):
    """A store of a process that dies right before or right after its n-th commit."""

    dies_at, before_commit, commits = 0, False, 0

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        self.commits += 1
        is_last = self.commits == self.dies_at
        with super().writing() as writing:
            yield writing
            if is_last and self.before_commit:
                raise Crash
        if is_last:
            raise Crash


def name_of(what: dict[str, Any]) -> str:
    return "-".join(str(value) if name == "kind" else f"{name}-{value}" for name, value in what.items())


@pytest.mark.parametrize("what", KINDS, ids=name_of)
def test_once_or_held(what: dict[str, Any], memory_folder: Path, clock: FakeClock) -> None:
    store = MortalStore.open(f"sqlite:///{memory_folder / 'outbox.db'}", clock)
    assert isinstance(store, MortalStore)
    for seed in range(20):
        follow(seed, f"hr-{name_of(what)}-{seed}", what, store, clock)
    store.close()


def follow(seed: int, name: str, what: dict[str, Any], store: MortalStore, clock: FakeClock) -> None:
    """One script; each new number of a person is larger, so that a number is never rightly written twice."""
    script = random.Random(seed)
    to = MemoryDestination(name, context(clock), batch=script.choice([1, 2, 100]), **what)
    rules = Rules(withdraw=what.get("withdraws", False), shrink=1.0, asked=script.random() < 0.5)
    staff, numbers = set(EVERYBODY), dict.fromkeys(EVERYBODY, 1)

    def push() -> Any:
        values = [kpi_value(subject=f"person:{one}", value=f"{one}.{numbers[one]:02}") for one in sorted(staff)]
        existing = Existing.of(name, values, ["won_value"])
        return deliver(store, to, name, values, {}, run="r", clock=clock, existing=existing, rules=rules)

    for _ in range(8):
        to.faults = [script.choice(FAULTS) for _ in range(8)]
        store.dies_at, store.before_commit = store.commits + script.randint(1, 12), script.random() < 0.5
        with suppress(Crash):
            push()
        store.dies_at = 0
        clock.advance(hours=script.choice([0, 1, 30]))
        for one in script.sample(EVERYBODY, 2):
            numbers[one] += 1
        staff ^= {script.choice(EVERYBODY)}
    to.faults = []
    for _ in range(4):
        done = push()
        clock.advance(hours=30)
    wanted = {f"{name}/won_value/person:{one}/2026-10": f"{one}.{numbers[one]:02}" for one in staff}
    held = {key: kpi["value"] for key, kpi in to.held.items()}
    if what["kind"] == "log":
        assert max(Counter(to.effects).values(), default=1) == 1, seed
    open_ones = {one["key"] for one in deliveries.list_deliveries(store, name, "unanswered")}
    if what["kind"] == "log" and not what.get("readable", True) and not what.get("idempotent"):
        wanted = {key: value for key, value in wanted.items() if key not in open_ones}
    else:
        assert done.is_clean, (seed, done)
    assert {key: held.get(key) for key in wanted} == wanted, seed
    if what.get("withdraws"):
        assert held.keys() == wanted.keys(), seed

"""Seeded scripts of bad days for a destination: values change, runs die at any commit, and what is called misbehaves.

    wanted = lived(seed, store, make, clock)      # six runs in trouble
    trouble.stop()
    settled(store, make, clock, wanted)           # then all is well, and every value must be confirmed
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from connector.deliver import DestinationSummary, deliver
from connector.model import KpiValue
from connector.ports import Destination
from connector.store.store import Store, Writing
from connector.testing import FakeClock, kpi_value

PEOPLE = tuple(f"person:NV{number:03}" for number in range(1, 7))
ROUNDS = 6


class Died(BaseException):
    """The process ends here."""


@contextmanager
def dying(store: Store, commit: int, *, before: bool) -> Iterator[None]:
    """Within it the store's process dies at that commit (from 1), before or after it; then it is started again."""
    real, seen = store.writing, [0]

    @contextmanager
    def writing() -> Iterator[Writing]:
        seen[0] += 1
        is_last = seen[0] == commit
        with real() as inside:
            yield inside
            if is_last and before:
                raise Died
        if is_last:
            raise Died

    store.writing = writing  # type: ignore[method-assign]
    try:
        yield
    except Died:
        pass
    finally:
        store.writing = real  # type: ignore[method-assign]


def lived(
    seed: int, store: Store, make: Callable[[], Destination], clock: FakeClock, *, name: str = "out",
    kinds: Sequence[str] = ("won_value", "win_rate"), is_new: bool = False, **more: Any,
) -> list[KpiValue]:
    """Six runs with values that come and change, each with a destination of its own and perhaps a death; the values
    that stand at the end. `is_new`: no value is what another was before."""
    chance, given = random.Random(seed), 0
    now: dict[tuple[str, str], KpiValue] = {}
    for _ in range(ROUNDS):
        for kpi in kinds:
            for subject in PEOPLE:
                if chance.random() < 0.5:
                    given += 1
                    few = chance.randrange(4)  # so that values go back to what they were
                    amount = f"{given if is_new else few}.00"
                    now[kpi, subject] = kpi_value(kpi, subject, amount, target="2.00",
                                                  attainment=f"{float(amount) / 2:.6f}")
        if chance.random() < 0.6:
            with dying(store, chance.randrange(1, 9), before=chance.random() < 0.5):
                run(store, make, clock, list(now.values()), name, **more)
        else:
            run(store, make, clock, list(now.values()), name, **more)
        clock.advance(hours=chance.choice((0, 1, 7)))
    return list(now.values())


def settled(
    store: Store, make: Callable[[], Destination], clock: FakeClock, wanted: Sequence[KpiValue], *, name: str = "out",
    **more: Any,
) -> DestinationSummary:
    """What stands once all is well again; a value given up on is not given up for ever in these few runs."""
    for _ in range(4):
        clock.advance(days=1)
        done = run(store, make, clock, wanted, name, **more)
    return done


def run(
    store: Store, make: Callable[[], Destination], clock: FakeClock, values: Sequence[KpiValue], name: str, **more: Any
) -> DestinationSummary:
    """One run of a process of its own."""
    destination = make()
    try:
        return deliver(store, destination, name, values, {}, run="r", clock=clock, **more)
    finally:
        destination.close()

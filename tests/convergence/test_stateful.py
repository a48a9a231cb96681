"""The same actions as the scripts have, in any order that hypothesis finds: the end is always the account.

A failure prints the steps that lead to it, shortened; and what happened.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.convergence.changes import CHANGES
from tests.convergence.conftest import NewStore
from tests.convergence.life import Life
from tests.convergence.mortal import POINTS, Death
from tests.convergence.script import MODES, Border, Call, Change, Decide, Run, Wait, of_settings

NUMBERS = st.integers(0, 10**6)
A_CHANGE = st.builds(Change, st.sampled_from(sorted(CHANGES)), NUMBERS)
WAITS = st.sampled_from([1, 60, 300, 900, 7200, 86_400])


@st.composite
def runs(draw: st.DrawFn) -> Run:
    mode = draw(st.sampled_from(sorted(set(MODES))))
    deaths = st.builds(
        Death, st.sampled_from(POINTS[mode]), st.integers(1, 10), st.sampled_from(["before", "after"]), st.booleans()
    )
    return Run(
        mode, draw(NUMBERS), tuple(draw(st.lists(A_CHANGE, max_size=3))), draw(st.sampled_from([1, 2, 3])),
        draw(st.sampled_from([0, 0.1, 0.3])), draw(st.none() | deaths),
    )


class Machine(RuleBasedStateMachine):
    """An account and our installation; what is true is looked at in the end."""

    new_store: NewStore

    def __init__(self) -> None:
        super().__init__()
        self.life: Life | None = None

    @initialize(seed=st.integers(0, 10**6))
    def begin(self, seed: int) -> None:
        self.life = Life(of_settings(seed, random.Random(seed), [Border(0)]), self.new_store("sqlite"))
        self.life.twin.oauth.rotates = False  # an answer that is lost locks us out, as anybody: see `Life`
        self.opened = self.life.open()
        self.opened.__enter__()

    @rule(step=A_CHANGE)
    def change(self, step: Change) -> None:
        assert self.life
        self.life.take(step)

    @rule(step=st.builds(Wait, WAITS) | st.builds(Call, NUMBERS) | st.builds(Border, st.integers(1, 10**4)))
    def meanwhile(self, step: Wait | Call | Border) -> None:
        assert self.life
        self.life.take(step)

    @precondition(lambda self: self.life.product.runs)
    @rule()
    def decide(self) -> None:
        assert self.life
        self.life.take(Decide())

    @rule(step=runs())
    def run(self, step: Run) -> None:
        assert self.life
        self.life.take(step)

    def teardown(self) -> None:
        if self.life is None:
            return
        try:
            found = self.life.end()
        finally:
            self.opened.__exit__(None, None, None)
        assert not found, "\n".join([*found, "", self.life.story()])


def proven(new_store: NewStore, examples: int, *, search: bool) -> None:
    of_store = type("MachineOfStore", (Machine,), {"new_store": staticmethod(new_store)})
    phases = tuple(Phase) if search else (Phase.explicit, Phase.generate)
    run_state_machine_as_test(of_store, settings=settings(
        max_examples=examples, stateful_step_count=20, derandomize=not search, phases=phases,
        suppress_health_check=list(HealthCheck), print_blob=True,
    ))  # fmt: skip


def test_whatever_happens_in_whatever_order_the_store_ends_as_the_account(new_store: NewStore) -> None:
    proven(new_store, 20, search=False)


@pytest.mark.long
def test_however_long_one_searches(new_store: NewStore) -> None:
    proven(new_store, 200, search=True)

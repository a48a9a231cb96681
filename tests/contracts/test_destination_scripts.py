"""Seeded bad days of four destinations: values change, answers are lost, processes die; in the end each value once.

Ten scripts of each in `make test`, two hundred in `make test-long`. What a script does follows from its seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import pytest

from connector.deliver import Rules, deliver
from connector.model import KpiValue
from connector.store.store import Store
from connector.testing.contract.destinations import Bench
from connector.testing.contract.destinations.bench import NAME
from connector.twins.faults import KINDS, Faults
from tests.adapters.scripts import dying
from tests.contracts import test_frappe_hrms as frappe
from tests.contracts import test_odoo_goals as odoo
from tests.contracts import test_rest_destination as rest
from tests.contracts import test_sql_destination as sql

ROUNDS = 8
TROUBLE = tuple(kind for kind in KINDS if kind != "slow")  # that one takes real time


class Scripts(Bench):
    """Lives a script on what the subclass serves, then looks at the system's own books."""

    @pytest.mark.parametrize("seed", range(10))
    def test_after_bad_days_each_value_stands_there_once(self, seed: int) -> None:
        self._lives(seed)

    # --- what a subclass may say -------------------------------------------------------------------------------------

    spoiled = 0.15
    """The share of answers that are spoiled."""

    @contextmanager
    def trouble(self, seed: int) -> Iterator[None]:
        """Within it a share of all answers is spoiled."""
        assert self.twin is not None
        faults = Faults(seed, share=self.spoiled, kinds=TROUBLE).into(self.twin)
        yield
        faults.stop()
        assert faults.given, "a tame script"

    def meanwhile(self, chance: random.Random) -> None:
        """What others do there between two runs."""

    # --- how ---------------------------------------------------------------------------------------------------------

    def _lives(self, seed: int) -> None:
        chance = random.Random(seed)
        theirs = self.foreign()
        store = Store.open(f"sqlite:///{self.folder / 'connector.db'}", self.own_clock)
        wanted: dict[int, KpiValue] = {}
        with self.trouble(seed):
            for _ in range(ROUNDS):
                for number in (0, 1, 2, 3, 12, 13):  # of four people, two of them in two months
                    if number not in wanted or chance.random() < 0.4:
                        few = chance.choice(("1.00", "250.00", "999.99", "1000.00", "33.33", None))
                        wanted[number] = self.value(number, few)
                death = dying(store, chance.randrange(1, 9), before=chance.random() < 0.5)
                with death if chance.random() < 0.6 else nullcontext():
                    self._runs(store, list(wanted.values()))
                self.meanwhile(chance)
                self.own_clock.advance(hours=chance.choice((0, 1, 7)))
        last = [self.value(number, f"{number + 1}.25") for number in wanted]
        for _ in range(4):
            self.own_clock.advance(hours=7)
            done = self._runs(store, last)
        store.close()
        assert done.is_clean, f"seed {seed}: {done}"
        self.assert_once(*last)
        assert self.foreign() == theirs, f"seed {seed}: what people made there was touched"

    def _runs(self, store: Store, values: Sequence[KpiValue]) -> object:
        """One run, by a process of its own."""
        to = self.make()
        try:
            persons, rules = self.persons(), Rules(asked=True)
            return deliver(store, to, NAME, values, persons, run="r", clock=self.own_clock, rules=rules)
        finally:
            to.close()


class ManyScripts(Scripts):
    """Two hundred more in the long proof."""

    @pytest.mark.long
    @pytest.mark.parametrize("seed", range(10, 210))
    def test_after_two_hundred_more(self, seed: int) -> None:
        self._lives(seed)


class TestOdooGoals(odoo.Served, ManyScripts):
    pass


class TestOdooGoalsOfAChallenge(odoo.OfAChallenge, Scripts):
    def meanwhile(self, chance: random.Random) -> None:
        """The daily job runs, and somebody presses "Refresh challenge"; both make goals anew."""
        with self.twin.lock:
            self.twin.refresh(self.challenge) if chance.random() < 0.4 else self.twin.cron()
            self._past_months()

    def _past_months(self) -> None:
        """Goals of September come back as well, as if the months had their own refresh."""
        line = max(self.twin.tables["gamification.challenge.line"])
        have = {row["user_id"] for row in self.twin.goals.values()
                if row["start_date"] == "2026-09-01" and row["line_id"] == line}
        for user in self.users.values():
            if user not in have:
                self.twin.add_goal(
                    self.definition, user, "2026-09-01", "2026-09-28", line_id=line, challenge_id=self.challenge,
                    target_goal=1000.0,
                )


class TestFrappeHrms(frappe.Served, ManyScripts):
    spoiled = 0.3  # it is asked little: with less, some scripts would have no trouble at all


class TestFrappeHrmsInACycle(frappe.InACycle, Scripts):
    pass


class TestRest(rest.Served, ManyScripts):
    def meanwhile(self, chance: random.Random) -> None:
        if chance.random() < 0.3:
            self.expire()


class TestSql(sql.Served, ManyScripts):
    @contextmanager
    def trouble(self, seed: int) -> Iterator[None]:
        """Half of the commits are lost, before or after they count."""
        chance = random.Random(f"trouble {seed}")
        self.left = 1_000_000
        self.pick = lambda: chance.choice((None, None, "gone", "lost"))
        yield
        self.left = 0

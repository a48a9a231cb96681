"""Through the connector itself: whatever happens on the way, each value ends there once, and only changes are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import select

from connector.deliver import DestinationSummary, deliver
from connector.model import KpiValue
from connector.ports import Destination
from connector.store import tables
from connector.store.store import Store, Writing
from connector.testing.contract.destinations.bench import NAME, Bench


class Dies(BaseException):
    """The process ends here."""


class MortalStore(Store):
    """A store of a process that dies right before or right after its n-th commit."""

    dies_at, before_commit, commits = 0, False, 0

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        self.commits += 1
        dying = self.commits == self.dies_at
        with super().writing() as writing:
            yield writing
            if dying and self.before_commit:
                raise Dies
        if dying:
            raise Dies


class ProductChecks(Bench):
    """Runs of `connector push` with a store of the contract's own."""

    @pytest.fixture
    def store(self, bench: None) -> Iterator[MortalStore]:
        """An empty store, on SQLite."""
        opened = MortalStore.open(f"sqlite:///{self.folder / 'contract.db'}", self.own_clock)
        assert isinstance(opened, MortalStore)
        yield opened
        opened.close()

    def run(self, store: Store, values: Sequence[KpiValue], to: Destination | None = None, **more: Any) -> Any:
        """One push by a new instance, as a run makes one; its summary."""
        destination = to or self.make()
        return deliver(store, destination, NAME, values, self.persons(), run="r", clock=self.own_clock, **more)

    def test_a_push_ends_with_every_value_there_once(self, store: MortalStore) -> None:
        """And the summary says so."""
        values = self.values(5)
        done = self.run(store, values)
        assert (done.confirmed, done.is_clean) == (5, True), done
        self.assert_once(*values)

    def test_a_second_push_writes_nothing(self, store: MortalStore) -> None:
        """What was confirmed and did not change is not sent."""
        values = self.values(5)
        self.run(store, values)
        before, asked = self.asked_to("everything"), self.asked()
        again = self.run(store, values)
        assert (again.confirmed, again.is_clean) == (0, True), again
        assert self.everything() == before
        written = [] if self.twin is None else [one for one in self.twin.requests[asked:] if self.is_write(one)]
        assert not written

    def test_a_push_of_one_change_writes_one_value(self, store: MortalStore) -> None:
        """The others are neither sent nor touched."""
        values = self.values(5)
        self.run(store, values)
        changed = [self.value(0, "77.00"), *values[1:]]
        assert self.run(store, changed).confirmed == 1
        self.assert_once(*changed) if self.make().kind != "log" else None

    def test_a_dry_run_writes_nothing_anywhere(self, store: MortalStore) -> None:
        """Neither there nor in our own store."""
        self.run(store, self.values(2))
        there, ours = self.asked_to("everything"), kept(store)
        asked = self.asked()
        planned = self.run(store, self.values(4, cents=50), dry_run=True)
        assert planned.owed == 4
        assert self.everything() == there
        assert kept(store) == ours
        written = [] if self.twin is None else [one for one in self.twin.requests[asked:] if self.is_write(one)]
        assert not written

    @pytest.mark.parametrize("fault", ["lost", "late", "torn", "page"])
    def test_lost_answers_end_in_one_record_each(self, store: MortalStore, fault: str) -> None:
        """Run after run, until all is clean."""
        self.needs("state", "file")
        values = self.values(6)
        self.asked_to("disturb", fault, times=3)
        self.run(store, values)
        self.calm()
        self._until_clean(store, values)
        self.assert_once(*values)

    def test_a_refused_credential_leaves_the_rest_owed(self, store: MortalStore) -> None:
        """And the run after the credential is mended brings it there."""
        values = self.values(4)
        self.asked_to("disturb", "denied", times=1_000_000)
        done = self.run(store, values)
        self.calm()
        assert (done.confirmed, done.owed, done.error is not None) == (0, 4, True), done
        self._until_clean(store, values)
        self.assert_once(*values)

    @pytest.mark.parametrize("before_commit", [False, True], ids=["after the commit", "before the commit"])
    def test_a_run_that_dies_at_any_commit_ends_as_one_that_did_not(
        self, store: MortalStore, before_commit: bool
    ) -> None:
        """Whatever was sent and not kept is read back, and nothing is written twice."""
        self.needs("state", "file")
        for commit in range(1, 7):
            values = self.values(3, cents=commit)
            store.dies_at, store.before_commit = store.commits + commit, before_commit
            with suppress(Dies):
                self.run(store, values)
            store.dies_at = 0
            self._until_clean(store, values)
            self.assert_once(*values)

    def _until_clean(self, store: MortalStore, values: Sequence[KpiValue]) -> None:
        done: DestinationSummary | None = None
        for _ in range(4):
            self.own_clock.advance(hours=7)
            done = self.run(store, values)
            if done.is_clean:
                return
        pytest.fail(f"not clean after four runs: {done}")


def kept(store: Store) -> list[Any]:
    """What our own store holds of deliveries and of time."""
    names = [name for name in ("delivery", "receipt", "lease", "knowledge_clock") if name in tables.metadata.tables]
    return [tuple(row) for name in names for row in store.rows(select(tables.metadata.tables[name]))]

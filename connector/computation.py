"""One computation of every KPI, from the ledger to the stored values: in this process, or in one of its own.

Arrow, DuckDB and ADBC take 130 MB, and what they compute with comes on top. A process that lives on, as `connector run`
does, leaves that to a child, which gives all of it back by ending.

The child is told its task through its standard input, since the store's address may hold a password, and answers
through its standard output. The input stays open while it works: at its end the parent is gone, and so is the child.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypedDict, TypeVar

from sqlalchemy import Connection

from connector import adjustments, frozen, journal, kpi, kpi_store, people
from connector.errors import ConnectorError
from connector.kpi import KpiDefinition
from connector.kpi_store import Changes, Key
from connector.model import KpiValue, Member
from connector.period import Calendar, Period
from connector.ports import Clock, SystemClock
from connector.store import quarantine
from connector.store.snapshot import open_snapshot
from connector.store.store import Lease, Store

_CHILD = "from connector.computation import main; main()"

Result_co = TypeVar("Result_co", covariant=True)


class Task(Protocol[Result_co]):
    """What a process of its own can be told to do; task and result can be pickled."""

    @property
    def store(self) -> str:
        """The address of the store."""

    def run(self, store: Store) -> Result_co:
        """Do it."""


@dataclass(frozen=True, slots=True)
class Computation:
    """What to compute, and the lease under which it is stored. `people` is the people table as it stands."""

    store: str = field(repr=False)  # may hold a password
    definitions: Sequence[KpiDefinition]
    calendar: Calendar
    currency: str
    people: people.Table | None
    lease: Lease

    def run(self, store: Store) -> Changes:
        """Compute every KPI for every period and store what changed. Raises ConfigError, StoreError."""
        with self.reading(store) as reading:
            return reading.store_values()

    @contextmanager
    def reading(self, store: Store) -> Iterator[Reading]:
        """What is known at one moment, to compute from; closed at the end. Raises as `run`."""
        with (
            open_snapshot(self.store) as snapshot,
            kpi.Reading(snapshot, self.calendar, self.currency, **gaps(store, snapshot.as_of)) as loaded,
        ):
            yield Reading(self, store, loaded, snapshot.as_of)

    @property
    def every(self) -> dict[str, str]:
        """The length of the periods each KPI has a value of."""
        return {one.id: one.every for one in self.definitions}

    @property
    def terms(self) -> dict[str, frozen.Terms]:
        """By which each KPI is computed."""
        return terms_of(self.definitions, self.calendar, self.currency)

    def run_apart(self, clock: Clock) -> Changes:
        """`run` in a child process."""
        return run_apart(self, clock)


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment's knowledge, loaded once for all that a computation makes of it."""

    computation: Computation
    store: Store
    known: kpi.Reading
    as_of: int

    def store_values(self) -> Changes:
        """Store what changed of every KPI and period, and propose what that means for closed ones."""
        asked, store = self.computation, self.store
        values = self.known.values(asked.definitions)
        values += self._emptied(values)
        changes = kpi_store.save(store, values, lease=asked.lease)
        today = {value.key: value for value in values}
        adjustments.propose(store, today, asked.terms, self.members_of, lease=asked.lease)
        return changes

    def members_of(self, name: str) -> Mapping[Key, Sequence[Member]]:
        """The rows behind every value of a period."""
        period = self.computation.calendar.parse(name)
        alike = [one for one in self.computation.definitions if one.every == period.every]
        return {value.key: members for value, members in self.known.with_members(alike, period)}

    def with_members(
        self, definitions: Sequence[KpiDefinition], period: Period
    ) -> list[tuple[KpiValue, list[Member]]]:
        """The values of these KPIs in one period, each with the rows behind it."""
        found = self.known.with_members(definitions, period)
        left = self._emptied([value for value, _ in found], definitions, period.name)
        return [*found, *((value, []) for value in left)]

    def _emptied(
        self, values: Sequence[KpiValue], definitions: Sequence[KpiDefinition] | None = None,
        period: str | None = None,
    ) -> list[KpiValue]:
        """Values stored earlier of which nothing is left: 0 or no data, or a destination would keep what it was told.

        A person who is no longer in the people file, or ignored there, is left alone: settling a leaver takes nothing
        back.
        """
        left = kpi_store.besides(self.store, {value.key for value in values}, period)
        known = {one.id: one for one in (self.computation.definitions if definitions is None else definitions)}
        staff = self._staff() if left else set()
        found = (
            self.known.emptied(known[value.kpi], value)
            for value in left
            if value.kpi in known and (value.subject.kind != "person" or value.subject.key in staff)
        )
        return [value for value in found if value is not None]

    def _staff(self) -> set[str]:
        """The codes of the employees who have values."""
        return {person.code for person in people.read_kept(self.computation.people).persons if not person.is_ignored}


def run_apart(task: Task[Result_co], clock: Clock) -> Result_co:
    """A task in a child process, with its errors; a clock that is not the machine's stands still meanwhile.

    Raises also ConnectorError when the child ended without an answer.
    """
    standing = None if isinstance(clock, SystemClock) else clock.now()
    command = [sys.executable, "-P", "-c", _CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603  # ourselves
        assert child.stdin is not None  # noqa: S101  # both are pipes
        assert child.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError):  # it died at once: then there is no answer either
            pickle.dump((task, standing), child.stdin)
            child.stdin.flush()
        answer = child.stdout.read()
    try:
        found: Result_co | _Failure = pickle.loads(answer)  # noqa: S301  # of our own child
    except (EOFError, pickle.UnpicklingError):  # nothing, or not the whole
        message = f"the process that computes KPIs ended {_how(child.returncode)}; the next run computes them again"
        raise ConnectorError(message) from None
    if isinstance(found, _Failure):
        raise found.error()
    return found


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error on its way to the parent: its parts, since ours are not all made from their `args`."""

    kind: type[Exception]
    args: tuple[object, ...]
    state: dict[str, Any]

    @classmethod
    def of(cls, error: Exception) -> _Failure:
        if isinstance(error, ConnectorError):
            return cls(type(error), error.args, vars(error))
        return cls(RuntimeError, ("".join(traceback.format_exception(error)),), {})

    def error(self) -> Exception:
        made = self.kind.__new__(self.kind)
        made.args = self.args
        vars(made).update(self.state)
        return made


def main() -> None:
    """The child: do the task that stands on standard input, and answer on standard output."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to a whole service at once; our parent decides, by the pipe
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed is no answer
    task, standing = pickle.load(sys.stdin.buffer)  # noqa: S301  # of our own parent
    threading.Thread(target=_end_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    store = Store(task.store, SystemClock() if standing is None else _Standing(standing))
    try:
        found = task.run(store)
    except Exception as error:  # noqa: BLE001  # the edge of the process: the parent raises it
        found = _Failure.of(error)
    with answers:
        pickle.dump(found, answers)


def _end_with_parent(pipe: int) -> None:
    while os.read(pipe, 1):  # not through a file object, whose lock would be held when the process ends by itself
        pass
    os._exit(1)


def _how(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"by {name}{' (is the memory full?)' if name == 'SIGKILL' else ''}"
    return f"by signal {-code}"


class _Standing:
    """A clock that stands at one instant."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant

    def sleep(self, seconds: float) -> None:
        """Nothing: nobody waits in a computation."""


def terms_of(definitions: Sequence[KpiDefinition], calendar: Calendar, currency: str) -> dict[str, frozen.Terms]:
    """By which each KPI is computed, to be compared with what a period was closed by."""
    zone, rules = str(calendar.zone), calendar.rules
    return {
        one.id: frozen.Terms(one.signature, timezone=zone, currency=currency, **rules)  # type: ignore[arg-type]  # as the fields are
        for one in definitions
    }


class Gaps(TypedDict):
    """What was known not to be known, as `kpi.compute` takes it."""

    withheld: Collection[tuple[str, str]]
    unknown: Collection[str] | None


def gaps(store: Store, known_at: int) -> Gaps:
    """Pipelines with a record whose stage nobody had mapped, and sources that had not been read as a whole."""
    with store.reading() as connection:
        return gaps_of(connection, known_at)


def gaps_of(connection: Connection, known_at: int) -> Gaps:
    """The same, as a transaction of ours sees it."""
    return {
        "withheld": quarantine.withheld(connection, known_at),
        "unknown": journal.unknown_sources(connection, known_at),
    }

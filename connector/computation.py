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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from connector import kpi, kpi_store, people
from connector.errors import ConnectorError
from connector.kpi import KpiDefinition
from connector.kpi_store import Changes
from connector.model import KpiValue
from connector.period import Calendar
from connector.ports import Clock, SystemClock
from connector.store import quarantine
from connector.store.snapshot import open_snapshot
from connector.store.store import Lease, Store

_CHILD = "from connector.computation import main; main()"


@dataclass(frozen=True, slots=True)
class Computation:
    """What to compute, and the lease under which it is stored. `people` is the people file as it stands."""

    store: str = field(repr=False)  # may hold a password
    definitions: Sequence[KpiDefinition]
    calendar: Calendar
    currency: str
    people: Path | None
    lease: Lease

    def run(self, store: Store) -> Changes:
        """Compute every KPI for every period and store what changed. Raises ConfigError, StoreError."""
        with open_snapshot(self.store) as snapshot:
            values = kpi.compute(
                self.definitions, snapshot, self.calendar, self.currency, withheld=withheld(store, snapshot.as_of)
            )
        values += self._emptied(store, values, snapshot.as_of)
        return kpi_store.save(store, values, lease=self.lease)

    def _emptied(self, store: Store, values: Sequence[KpiValue], as_of: int) -> list[KpiValue]:
        """Values stored earlier of which nothing is left: 0 or no data, or a destination would keep what it was told.

        A person who is no longer in the people file, or ignored there, is left alone: settling a leaver takes nothing
        back.
        """
        left = kpi_store.besides(store, {value.key for value in values})
        definitions = {one.id: one for one in self.definitions}
        staff = self._staff() if left else set()
        found = (
            kpi.emptied(definitions[value.kpi], value, self.calendar, self.currency, as_of)
            for value in left
            if value.kpi in definitions and (value.subject.kind != "person" or value.subject.key in staff)
        )
        return [value for value in found if value is not None]

    def _staff(self) -> set[str]:
        """The codes of the employees who have values."""
        return {person.code for person in people_of(self.people).persons if not person.is_ignored}

    def run_apart(self, clock: Clock) -> Changes:
        """`run` in a child process, with its errors; a clock that is not the machine's stands still meanwhile.

        Raises also ConnectorError when the child ended without an answer.
        """
        standing = None if isinstance(clock, SystemClock) else clock.now()
        command = [sys.executable, "-P", "-c", _CHILD]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603  # ourselves
            assert child.stdin is not None  # noqa: S101  # both are pipes
            assert child.stdout is not None  # noqa: S101
            with suppress(BrokenPipeError):  # it died at once: then there is no answer either
                pickle.dump((self, standing), child.stdin)
                child.stdin.flush()
            answer = child.stdout.read()
        try:
            found = pickle.loads(answer)  # noqa: S301  # of our own child
        except (EOFError, pickle.UnpicklingError):  # nothing, or not the whole
            message = f"the process that computes KPIs ended {_how(child.returncode)}; the next run computes them again"
            raise ConnectorError(message) from None
        if isinstance(found, Changes):
            return found
        raise found.error()


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
    """The child: do the computation that stands on standard input, and answer on standard output."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to a whole service at once; our parent decides, by the pipe
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed is no answer
    computation, standing = pickle.load(sys.stdin.buffer)  # noqa: S301  # of our own parent
    threading.Thread(target=_end_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    store = Store(computation.store, SystemClock() if standing is None else _Standing(standing))
    try:
        found = computation.run(store)
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


def people_of(path: Path | None) -> people.People:
    """The people file as it stands. Raises ConfigError."""
    if path is None:
        return people.People()
    from connector.config.beside import read_bytes

    return people.parse(read_bytes(path), str(path))


def withheld(store: Store, as_of: int) -> list[tuple[str, str]]:
    """The (source, pipeline id) of pipelines with a record whose stage nobody mapped, as known at `as_of`."""
    with store.reading() as connection:
        return quarantine.withheld(connection, as_of)

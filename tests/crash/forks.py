"""Processes in a few milliseconds: one Python that has everything imported, and forks.

Loading the product takes longer than a sync of a small account, so the proof asks this process for each run:

    with Forks() as forks:
        fake = forks.serve(folder, seed=7, deals=120, mutate_every=3, mutations=40)
        ended = forks.run(folder, ["sync", "--no-push"], Moment("statement", 40))   # ended.code == -9

A run is the real command in a process of its own, and ends by SIGKILL: at a statement it kills itself, at a request
the fake kills it. Nothing is cleaned up then, no `finally` runs, as when the machine's memory ends.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import requests

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL
LOADED = (
    "connector.app", "connector.cli.main", "connector.cli.running", "connector.cli.logs", "connector.cli.progress",
    "connector.jobs", "connector.metrics.engine", "connector.twins.seeded", "adapters.csv_folder", "adapters.hubspot",
    "adbc_driver_sqlite.dbapi", "adbc_driver_postgresql.dbapi", "alembic.command", "duckdb", "psycopg", "structlog",
    "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite",
)
ROWS = 20  # of a page, so that a small account has many pages; 10 where histories come with them


@dataclass(frozen=True, slots=True)
class Moment:
    """When a run dies: so long after its n-th request to the fake, or its n-th statement (commits count) to the store.

    A delay falls anywhere: while a body is packed, a page mapped, or a commit written.
    """

    by: Literal["request", "statement"]
    number: int
    delay_ms: float = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its exit code (KILLED), and how many statements it made if it came to its end."""

    code: int
    statements: int


@dataclass(frozen=True, slots=True)
class Fake:
    """A fake CRM in a process of its own."""

    pid: int
    url: str

    @property
    def requests(self) -> int:
        """How many it has answered."""
        return int(requests.get(f"{self.url}/_twin/log", timeout=30).json()["count"])

    def state(self) -> dict[str, Any]:
        """Every record it holds, as `HubSpotTwin.state`."""
        state: dict[str, Any] = requests.get(f"{self.url}/_twin/state", timeout=30).json()
        return state

    def tell(self, what: str, **parameters: Any) -> None:
        """`settle`, `mutate`, or `kill` (the run of the same folder, after so many requests)."""
        requests.post(f"{self.url}/_twin/{what}", params=parameters, timeout=30).raise_for_status()


class Forks:
    """The client: asks for one process after the other, and waits for each run to end."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forks"], cwd=ROOT, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, "TOKEN": "twin-token"},
        )
        return self

    def __exit__(self, *unused: object) -> None:
        self._process.communicate()  # the end of its input is the end of it and of every fake

    def run(self, folder: Path, arguments: list[str], moment: Moment | None = None, fake: Fake | None = None) -> Ended:
        """Run `connector` in that folder until it ends or the moment comes."""
        dies = {}
        if moment is not None and moment.by == "statement":
            dies = {"statement": moment.number, "delay_ms": moment.delay_ms}
        if fake is not None:
            after = moment.number if moment is not None and moment.by == "request" else 0
            fake.tell("kill", after=after, delay_ms=moment.delay_ms if moment else 0)
        return Ended(**self._ask(run=arguments, folder=str(folder), **dies))

    def serve(self, folder: Path, **twin: int) -> Fake:
        """A seeded HubSpot account; `folder` is that of the runs it may kill."""
        return Fake(**self._ask(serve=twin, folder=str(folder)))

    def stop(self, fake: Fake) -> None:
        self._ask(stop=fake.pid)

    def _ask(self, **job: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


# --- the process that forks ------------------------------------------------------------------------------------------


def main() -> None:
    """Answer each line of the input until it ends; single-threaded, so that a fork is a whole copy."""
    _load()
    gc.freeze()  # a collection in a fork would otherwise copy all that is shared
    fakes: set[int] = set()
    for line in sys.stdin:
        job = json.loads(line)
        folder = Path(job["folder"]) if "folder" in job else Path()
        if "run" in job:
            answer = _ended(_fork(partial(_run, folder, job)), folder)
        elif "serve" in job:
            answer = _served(folder, job["serve"])
            fakes.add(answer["pid"])
        else:
            fakes.discard(job["stop"])
            answer = _stopped(job["stop"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in fakes:
        _stopped(pid)
    os._exit(0)  # nothing to tidy up, and DuckDB would complain of it at length


def _load() -> None:
    """Import what runs and fakes need, and make their pages small."""
    for name in LOADED:
        importlib.import_module(name)
    import adapters.csv_folder
    import adapters.hubspot
    from connector.budget import Limit

    adapters.csv_folder.ROWS_PER_PAGE = ROWS
    adapters.hubspot.LISTED = adapters.hubspot.SEARCHED = adapters.hubspot.LINKED = ROWS
    adapters.hubspot.HubSpot.limits = (Limit(adapters.hubspot.SEARCH, 10_000, 1, named=True),)  # the fake does not mind


def _fork(work: Callable[[], int]) -> int:
    """The process id of a copy of this process that does the work and nothing else."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    return pid


def _run(folder: Path, job: dict[str, Any]) -> int:
    """One `connector` command, as its own process: in its folder, with its output in `output.txt`."""
    from connector.cli.main import call

    os.chdir(folder)
    Path("pid").write_text(str(os.getpid()))
    _speak(os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    made = _count_statements(job.get("statement", 0), job.get("delay_ms", 0))
    code = call(job["run"])
    Path("statements").write_text(str(made()))
    sys.stdout.flush()
    return code


def _speak(descriptor: int) -> None:
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _count_statements(fatal: int, delay_ms: float) -> Callable[[], int]:
    """Count statements and commits from now on, and die with the `fatal`th; gives the function that tells the count."""
    from sqlalchemy import Engine, event

    numbers, last = itertools.count(1), [0]

    def tick(*_unused: Any) -> None:
        last[0] = next(numbers)
        if last[0] == fatal:
            _kill_later(os.getpid(), delay_ms)

    event.listen(Engine, "before_cursor_execute", tick)
    event.listen(Engine, "commit", tick)
    return lambda: last[0]


def _kill_later(pid: int, delay_ms: float) -> None:
    if not delay_ms:
        os.kill(pid, signal.SIGKILL)
    timer = threading.Timer(delay_ms / 1000, os.kill, (pid, signal.SIGKILL))
    timer.daemon = True
    timer.start()


def _ended(pid: int, folder: Path) -> dict[str, Any]:
    """Wait for a run: only then is its process gone, and its lease free for the next one."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    (folder / "pid").unlink(missing_ok=True)
    told = folder / "statements"
    statements = int(told.read_text()) if code != KILLED else 0
    told.unlink(missing_ok=True)
    return {"code": code, "statements": statements}


def _served(folder: Path, twin: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    pid = _fork(partial(_serve, folder, twin, writing))
    os.close(writing)
    with os.fdopen(reading) as said:
        return {"pid": pid, "url": json.loads(said.readline())["url"]}


def _serve(folder: Path, twin: dict[str, Any], writing: int) -> int:
    """The fake, with one more control path: `/_twin/kill` ends the folder's run after so many requests from now."""
    from connector.twins.seeded import seeded_hubspot
    from connector.twins.server import Request, run_as_process

    _speak(writing)
    made, left, delay = seeded_hubspot(**twin), [0], [0.0]

    def arm(request: Request) -> dict[str, int]:
        left[0], delay[0] = int(request.one("after")), float(request.one("delay_ms"))
        return {"after": left[0]}

    def watch(_request: Request) -> None:
        with made.lock:
            left[0] -= 1
            if left[0] == 0:
                with suppress(ProcessLookupError, FileNotFoundError):  # it was faster
                    _kill_later(int((folder / "pid").read_text()), delay[0])

    made.route("POST", "/_twin/kill", arm)
    made.on_request(watch)
    run_as_process(made)
    return 0


def _stopped(pid: int) -> dict[str, Any]:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return {}


if __name__ == "__main__":
    main()

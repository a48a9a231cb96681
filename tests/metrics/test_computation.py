"""A computation in a process of its own: the same values and the same errors, and nothing of it stays or leaks."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from connector import computation, computing
from connector.computation import Computation
from connector.errors import ConfigError, ConnectorError, StoreError
from connector.kpi import KpiDefinition
from connector.kpi_store import Changes
from connector.metrics.catalogue import CATALOGUE
from connector.model import micros
from connector.period import Calendar
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock

from .fill import edge_cases

KPIS = tuple(KpiDefinition(metric, metric, per="owner") for metric in CATALOGUE)


@pytest.fixture
def store(database_url: str, clock: FakeClock) -> Iterator[Store]:
    """The edge cases on either kind of store."""
    edge_cases(database_url)
    opened = Store(database_url, clock)
    yield opened
    opened.close()


@pytest.fixture
def task(store: Store) -> Computation:
    """Every metric per owner."""
    return Computation(
        store.url, KPIS, Calendar(ZoneInfo("Asia/Ho_Chi_Minh")), "USD", people=None, lease=store.acquire("kpi")
    )


def test_a_child_stores_the_same_values(task: Computation, store: Store, clock: FakeClock) -> None:
    task.run(store)  # what is stored moves the knowledge clock on, here by a year: later answers have more periods
    apart = task.run_apart(clock)
    assert apart.new > 100
    assert task.run(store) == Changes(0, 0, sum(apart), 0)


def test_the_clock_of_the_parent_counts(task: Computation, store: Store, clock: FakeClock) -> None:
    """The clock stands still; each further transaction of 2,000 values is a microsecond later."""
    task.run_apart(clock)
    stamps = {row.seen_at for row in store.rows(tables.kpi_value.select())}
    assert stamps == {micros(clock.now()) + number for number in range(len(stamps))}


def test_a_fault_in_a_file_comes_back_with_its_place(task: Computation, store: Store, clock: FakeClock) -> None:
    with store.writing() as writing:
        writing.execute(insert(tables.file_version), {
            "seen_at": 1, "kind": "people", "name": "", "version": "1", "path": "people.csv", "content": b"name\nA\n",
            "settings": "{}",
        })
    with pytest.raises(ConfigError, match="employee_code") as raised:
        task.run_apart(clock)
    assert raised.value.faults[0].file == "people.csv"


def test_a_store_that_cannot_be_read_is_a_store_error(task: Computation, clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        replace(task, store=f"sqlite:///{tmp_path / 'none' / 'store.db'}").run_apart(clock)


def test_a_bug_comes_back_with_its_trace(task: Computation, clock: FakeClock) -> None:
    with pytest.raises(RuntimeError, match="ValueError: kpi x: per"):
        replace(task, definitions=[KpiDefinition("x", "won_count", per="nobody")]).run_apart(clock)


@pytest.mark.parametrize(("code", "how"), [
    ("import os; os.kill(os.getpid(), 9)", "by SIGKILL"),
    ("raise SystemExit(3)", "with exit code 3"),
    ("pass", "with exit code 0"),
])
def test_a_child_that_ends_without_an_answer_is_said(
    task: Computation, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, code: str, how: str
) -> None:
    monkeypatch.setattr(computation, "_CHILD", code)
    with pytest.raises(ConnectorError, match=f"ended {how}"):
        task.run_apart(clock)


def test_the_stores_password_is_in_no_process_list(
    task: Computation, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    reading = "b''.join(open(f'/proc/self/{name}', 'rb').read() for name in ('cmdline', 'environ'))"
    look = f"open({str(seen)!r}, 'wb').write({reading})"
    monkeypatch.setattr(computation, "_CHILD", look)
    secret = replace(task, store="postgresql+psycopg://me:hunter2@127.0.0.1:1/none")
    with pytest.raises(ConnectorError):
        secret.run_apart(clock)
    assert b"python" in seen.read_bytes()
    assert b"hunter2" not in seen.read_bytes()
    assert "hunter2" not in repr(secret)


def test_a_child_ends_with_its_parent(task: Computation, store: Store, clock: FakeClock) -> None:
    command = [sys.executable, "-P", "-c", computation._CHILD]
    with store.writing(), subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin  # the store is locked: the child cannot finish
        pickle.dump((task, clock.now()), child.stdin)
        child.stdin.close()
        assert child.wait(30) == 1


def test_who_leaves_it_to_a_child_loads_neither_duckdb_nor_arrow(task: Computation) -> None:
    script = (
        "import pickle, sys; from connector.ports import SystemClock; from connector import computing\n"
        "pickle.load(sys.stdin.buffer).run_apart(SystemClock())\n"
        "print([name for name in sys.modules if name.startswith(('duckdb', '_duckdb', 'pyarrow', 'adbc'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(task), capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


@pytest.mark.parametrize("in_thread", [True, False])
def test_a_job_beside_others_computes_apart(
    task: Computation, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, in_thread: bool
) -> None:
    done: list[str] = []
    monkeypatch.setattr(Computation, "run", lambda *_: done.append("here"))
    monkeypatch.setattr(Computation, "run_apart", lambda *_: done.append("apart"))
    store.release(task.lease)
    config = SimpleNamespace(kpis=KPIS, store=store.url, currency="USD", people=None, people_from=None)
    here = SimpleNamespace(config=config, store=store, calendar=task.calendar, clock=clock)
    if in_thread:
        thread = threading.Thread(target=computing.refresh, args=(here,))
        thread.start()
        thread.join()
    else:
        computing.refresh(here)  # type: ignore[arg-type]  # all of an Installation that it looks at
    assert done == ["apart" if in_thread else "here"]

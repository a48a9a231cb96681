"""Runs: what is kept of each, and pausing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from connector import runs
from connector.errors import ConfigError
from connector.model import canonical_json, micros
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    store = Store.open(store_url, clock)
    yield store
    store.close()


def summary(status: str = "ok", **stream: object) -> dict[str, object]:
    counts = dict.fromkeys(runs.COUNTS, 0)
    line = {"stream": "deals", "status": status, **counts, "cursor": None, "error": None, **stream}
    return {"status": status, "sources": [{"source": "crm", "status": status, "streams": [line]}], "destinations": []}


def test_a_run_is_listed_from_its_start_and_shown_with_its_summary_after_its_end(
    store: Store, clock: FakeClock
) -> None:
    run = runs.start(store, "sync")
    assert [(one["run"], one["status"]) for one in runs.recent(store)] == [(run, "running")]
    clock.advance(seconds=30)
    runs.end(store, run, "ok", summary(records=7))
    shown = runs.show(store, run)
    assert (shown["status"], shown["ended_at"]) == ("ok", "2026-03-02T08:00:30Z")
    assert shown["sources"][0]["streams"][0]["records"] == 7


def test_the_newest_run_comes_first_and_the_limit_holds(store: Store, clock: FakeClock) -> None:
    made = []
    for _ in range(3):
        made.append(runs.start(store, "sync"))
        clock.advance(minutes=1)
    assert [one["run"] for one in runs.recent(store, 2)] == [made[2], made[1]]


def test_a_run_whose_process_died_is_said_to_be_interrupted(store: Store) -> None:
    run = runs.start(store, "sync")
    gone = runs.this_process().split("/")[0] + "/4194304/1"  # beyond the largest process id Linux gives
    with store.writing() as writing:
        writing.execute(update(tables.run).values(summary=canonical_json({"process": gone})))
    assert runs.show(store, run)["status"] == "interrupted"


def test_success_is_the_end_of_the_last_sync_that_read_the_stream_to_its_end(store: Store, clock: FakeClock) -> None:
    for command, status in (("sync", "ok"), ("sync", "failed"), ("resync", "ok")):
        run = runs.start(store, command)
        clock.advance(minutes=1)
        runs.end(store, run, status, summary(status))
    assert runs.last_success(store) == {("crm", "deals"): micros(clock.now()) - 2 * 60_000_000}


def test_a_run_nobody_knows_is_a_fault(store: Store) -> None:
    with pytest.raises(ConfigError, match="no run of that id"):
        runs.show(store, "20260101-000000-ffff")


def test_a_name_is_paused_until_it_is_resumed_and_the_last_reason_holds(store: Store) -> None:
    runs.pause(store, "crm", "vendor maintenance")
    runs.pause(store, "hr", "audit")
    runs.pause(store, "crm", "still")
    runs.resume(store, "hr", None)
    paused = runs.paused(store)
    assert {name: found["reason"] for name, found in paused.items()} == {"crm": "still"}


def test_nothing_is_paused_at_first(store: Store, tmp_path: Path) -> None:
    assert runs.paused(store) == {}

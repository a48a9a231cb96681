"""What all users of an account share in the store: a rate budget that real processes keep together, and kept tokens.

The vendor is a real HTTP server that counts arrivals; its count decides.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from connector.auth import Bearer
from connector.budget import Limit
from connector.errors import AuthError, RateLimited
from connector.http import Client, Pace, RateHeaders
from connector.ports import SystemClock
from connector.store import tables
from connector.store.shared import StoreShared
from connector.store.store import Store
from connector.testing import FakeClock, context

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="  # 32 bytes anybody can guess
OTHER_KEY = "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="
HEADERS = RateHeaders("X-Max", "X-Left", "X-Interval-Ms")


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    store = Store.open(store_url, clock)
    yield store
    store.close()


@pytest.fixture
def arrivals(vendor: Any, answer: Any) -> list[float]:
    """When each request arrived, in seconds."""
    times: list[float] = []

    def arrived(_asked: Any) -> Any:
        times.append(time.monotonic())
        return answer()

    vendor.respond = arrived
    return times


def most_in_any(seconds: float, times: list[float]) -> int:
    return max(sum(1 for other in times if first <= other < first + seconds) for first in times)


def started(store: Store, vendor: Any, **given: Any) -> subprocess.Popen[bytes]:
    told = {"store": store.engine.url.render_as_string(hide_password=False), "url": vendor.url, "threads": 3,
            "budget": 1.0, "learns": False, **given}
    script = Path(__file__).with_name("budget_user.py")
    return subprocess.Popen([sys.executable, str(script), json.dumps(told)])


def client_of(store: Store, clock: Any, vendor: Any, pace: Pace, **how: Any) -> Client:
    """A client of a process of its own, as far as the store can tell."""
    shared = StoreShared(lambda: store, clock)
    return Client(vendor.url, system="crm", context=replace(context(clock), shared=shared), pace=pace, **how)


# --- the rate budget -------------------------------------------------------------------------------------------------


def test_four_processes_stay_within_our_share_of_the_limit_in_any_window(
    store: Store, vendor: Any, arrivals: list[float]
) -> None:
    """30 in 1.5 seconds, of which 24 are ours; 72 requests of four processes with three threads each."""
    users = [
        started(store, vendor, requests=18, limits=[["general", 30, 1.5], ["daily", 10_000, 86_400]], budget=0.8)
        for _ in range(4)
    ]
    assert [user.wait(300) for user in users] == [0, 0, 0, 0]
    assert len(arrivals) == 72
    assert most_in_any(1.5, arrivals) <= 24
    assert most_in_any(1.5, arrivals) > 15, "and much of it is used"


def test_what_one_process_was_told_holds_for_another_before_its_first_answer(
    store: Store, vendor: Any, answer: Any, arrivals: list[float]
) -> None:
    """The vendor's documentation says 1,000 in two seconds, its answers say 4; eight threads begin at once."""
    count = vendor.respond

    def telling(asked: Any) -> Any:
        count(asked)
        return answer(headers={"X-Max": "4", "X-Left": "4", "X-Interval-Ms": "2000"})

    vendor.respond = telling
    pace = Pace(limits=[Limit("general", 1000, 2)], headers=HEADERS)
    first = client_of(store, SystemClock(), vendor, pace)
    first.get("one")
    other = started(store, vendor, requests=8, threads=8, limits=[["general", 1000, 2]], learns=True)
    assert other.wait(300) == 0
    assert len(arrivals) == 9
    assert most_in_any(2, arrivals) <= 4


def test_a_vendor_that_says_wait_to_one_process_is_left_alone_by_all(
    store: Store, vendor: Any, answer: Any, clock: FakeClock
) -> None:
    one = client_of(store, clock, vendor, Pace(limits=[Limit("general", 100, 10)]), attempts=1)
    other = client_of(store, clock, vendor, Pace(limits=[Limit("general", 100, 10)]))
    vendor.answers = [answer(429, headers={"Retry-After": "45"}), answer()]
    with pytest.raises(RateLimited):
        one.get("x")
    assert sum(clock.slept) == 0
    other.get("x")
    assert sum(clock.slept) == 45


def test_a_day_used_up_by_one_process_is_used_up_for_another(store: Store, vendor: Any, clock: FakeClock) -> None:
    limits = [Limit("daily", 10, 86_400)]
    one = client_of(store, clock, vendor, Pace(limits=limits, budget=0.8))
    for _ in range(8):
        one.get("x")
    with pytest.raises(RateLimited, match="the next run goes on"):
        client_of(store, clock, vendor, Pace(limits=limits, budget=0.8)).get("x")
    assert len(vendor.asked) == 8


def test_a_source_without_limits_leaves_nothing_in_the_store(store: Store, vendor: Any, clock: FakeClock) -> None:
    client = client_of(store, clock, vendor, Pace(budget=0.8), auth=Bearer("s3cr3t-token"))
    client.get("x")
    client.close()
    assert store.rows(select(func.count()).select_from(tables.rate_budget))[0][0] == 0


def test_the_credential_is_not_in_the_store(store: Store, vendor: Any, clock: FakeClock) -> None:
    client = client_of(store, clock, vendor, Pace(requests_per_second=5), auth=Bearer("s3cr3t-token"))
    client.get("x")
    (row,) = store.rows(select(tables.rate_budget))
    assert "s3cr3t" not in str(tuple(row))
    assert json.loads(row.state)["used"] != []


def test_no_change_of_the_budget_waits_for_a_writer_of_knowledge(
    postgres_url: str, vendor: Any, clock: FakeClock
) -> None:
    """On PostgreSQL; SQLite has one writer for everything."""
    store = Store.open(postgres_url, clock)
    client = client_of(store, clock, vendor, Pace(requests_per_second=5))
    with store.writing():
        client.get("x")
    store.close()
    assert len(vendor.asked) == 1


def test_only_the_count_may_be_lost_in_a_power_cut(tmp_path: Path, clock: FakeClock) -> None:
    """SQLite writes it without waiting for the disk; whatever the same connection writes next waits again."""
    store = Store.open(f"sqlite:///{tmp_path / 'connector.db'}", clock)
    waits: list[int] = []
    shared = StoreShared(lambda: store, clock, KEY)
    with store.apart(durable=False) as connection:
        waits.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
    shared.budget("a", ["general"], lambda states: states.update(general="{}"))
    with store.apart() as connection:
        waits.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
    store.close()
    assert waits == [1, 2]  # NORMAL, FULL


def test_a_change_that_fails_changes_nothing(store: Store, clock: FakeClock) -> None:
    shared = StoreShared(lambda: store, clock)
    shared.budget("a", ["general"], lambda states: states.update(general="{}"))
    with pytest.raises(ZeroDivisionError):
        shared.budget("a", ["general"], lambda states: states.update(general=str(1 // 0)))
    seen: list[str] = []
    shared.budget("a", ["general"], lambda states: seen.append(states["general"]))
    assert seen == ["{}"]


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_kept_token_is_read_with_the_same_key_only(store: Store, clock: FakeClock) -> None:
    mine, wrong = StoreShared(lambda: store, clock, KEY), StoreShared(lambda: store, clock, OTHER_KEY)
    assert mine.token("a") is None
    assert mine.keep_token("a", "refresh-1")
    assert mine.keep_token("a", "refresh-2")
    assert mine.token("a") == "refresh-2"
    assert "refresh" not in str(store.rows(select(tables.token)))
    with pytest.raises(AuthError, match="encryption_key"):
        wrong.token("a")


def test_without_a_key_nothing_is_kept(store: Store, clock: FakeClock) -> None:
    shared = StoreShared(lambda: store, clock)
    assert not shared.keep_token("a", "refresh-1")
    assert shared.token("a") is None
    assert store.rows(select(tables.token)) == []


def test_only_one_is_alone_and_who_waits_follows(store_url: str) -> None:
    store = Store.open(store_url, SystemClock())
    one, other = (StoreShared(lambda: store, SystemClock()) for _ in range(2))
    order: list[str] = []
    begun = threading.Event()

    def enter() -> None:
        begun.set()
        with other.alone("a"):
            order.append("other")

    waiting = threading.Thread(target=enter)
    with one.alone("a"):
        waiting.start()
        assert begun.wait(20)
        with one.alone("b"):
            order.append("another account is another matter")
        order.append("one")
    waiting.join(20)
    store.close()
    assert order == ["another account is another matter", "one", "other"]


def test_who_holds_it_for_more_than_two_minutes_has_lost_it(store: Store, clock: FakeClock) -> None:
    one, other = (StoreShared(lambda: store, clock) for _ in range(2))
    before = clock.now()
    with one.alone("a"), other.alone("a"):
        assert 110 < (clock.now() - before).total_seconds() < 130

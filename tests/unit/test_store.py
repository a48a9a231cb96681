"""The store: stamps in the order of commits, leases with fences, and what happens when the database fails."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update

from connector.errors import Busy, ConfigError, LeaseLost, StoreError
from connector.store import landing, tables
from connector.store.store import LEASE_SECONDS, Store, is_alive, this_process
from connector.testing import FakeClock
from tests.properties.world import START, World, at, current, deal, page

# --- the knowledge clock ---------------------------------------------------------------------------------------------


def test_stamps_rise_strictly_also_when_the_clock_stands_still_or_goes_back(world: World) -> None:
    stamps = []
    for minutes in (0, 0, -60, 5):
        world.clock.advance(minutes=minutes)
        with world.store.writing() as writing:
            stamps += [writing.stamp(), writing.stamp()]
    assert stamps == sorted(set(stamps))


def test_a_transaction_rolled_back_leaves_no_stamp_behind(world: World) -> None:
    lost = []
    with pytest.raises(ZeroDivisionError), world.store.writing() as writing:
        lost.append(writing.stamp() // len(lost))
    before = last(world.store)
    with world.store.writing() as writing:
        assert writing.stamp() == before + 1


def known_at(store: Store, moment: int) -> set[tuple[str, str, int]]:
    """An as-of answer: the deals known at that moment, with their versions."""
    table = tables.LEDGER["deal"]
    known = (table.c.seen_at <= moment) & (table.c.replaced_at.is_(None) | (table.c.replaced_at > moment))
    return {tuple(row) for row in store.rows(select(table.c.id, table.c.stage, table.c.seen_at).where(known))}


def last(store: Store) -> int:
    return int(store.rows(select(tables.clock.c.last))[0].last)


def test_an_as_of_answer_never_changes_while_another_writer_stalls_before_its_commit(postgres_url: str) -> None:
    """Two writers on PostgreSQL: the one that took its stamp first and stalls keeps the other waiting."""
    world = World(postgres_url)
    other = Store.open(postgres_url, world.clock)
    stamped, go_on = threading.Event(), threading.Event()
    order: list[tuple[str, int]] = []

    def stalled() -> None:
        with other.writing() as writing:
            stamp = writing.stamp()
            stamped.set()
            assert go_on.wait(20)
            landing.land(
                writing, landing.pack(page("deals", [deal(9, 9)], 9).exchanges), page=stamp, applied_at=stamp,
                source="crm", stream="deals", run="r", read_at=at(9),
            )
            order.append(("stalled", stamp))

    def second() -> None:
        order.append(("second", world.take(page("deals", [deal(1, 10)], 11))))

    first_answer = known_at(world.store, last(world.store))
    asked_at = last(world.store)
    threads = [threading.Thread(target=stalled)]
    threads[0].start()
    assert stamped.wait(20)
    threads.append(threading.Thread(target=second))
    threads[1].start()
    assert wait_for_lock(world.store)
    in_between, as_of = known_at(world.store, last(world.store)), last(world.store)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert as_of == asked_at
    assert [name for name, _ in order] == ["stalled", "second"]
    assert order[0][1] < order[1][1]
    assert known_at(world.store, as_of) == in_between == first_answer
    other.close()


def wait_for_lock(store: Store) -> bool:
    """Whether, within a while, a writer is seen to wait for the lock."""
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return any(store.rows(query)[0][0] for _ in range(2000))


def test_many_writers_at_once_write_in_the_order_of_their_stamps(store_url: str) -> None:
    """Every answer given while four threads write stays true to the end."""
    world = World(store_url)
    answers: dict[int, Any] = {}

    def write(number: int) -> None:
        for minute in range(6):
            world.take(page("deals", [deal(number, minute, "ABC"[minute % 3])], 50))
            moment = last(world.store)
            answers[moment] = known_at(world.store, moment)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(current(world.store)["deal"]) == 4
    assert {moment: known_at(world.store, moment) for moment in answers} == answers


# --- leases ----------------------------------------------------------------------------------------------------------


def test_a_second_runner_is_busy_until_the_first_gives_back(world: World) -> None:
    lease = world.store.acquire("crm/deals")
    with pytest.raises(Busy, match="crm/deals is being worked on by"):
        world.store.acquire("crm/deals")
    world.store.acquire("crm/calls")
    world.store.release(lease)
    assert world.store.acquire("crm/deals").fence == lease.fence + 1


def test_an_expired_lease_is_taken_over_and_the_old_fence_is_refused(world: World) -> None:
    old = world.store.acquire("crm/deals")
    world.clock.advance(seconds=LEASE_SECONDS + 1)
    new = world.store.acquire("crm/deals")
    late = insert(tables.body), {"hash": "late", "content": b"", "size": 0}
    with pytest.raises(LeaseLost, match="nothing of the late batch was written"), world.store.writing() as writing:
        world.store.hold(writing, old) if writing.execute(*late) else None
    assert world.store.rows(select(func.count()).select_from(tables.body)) == [(0,)]
    world.store.release(old)
    with world.store.writing() as writing:
        world.store.hold(writing, new)


def test_holding_prolongs_the_lease(world: World) -> None:
    lease = world.store.acquire("crm/deals")
    for _ in range(3):
        world.clock.advance(seconds=LEASE_SECONDS - 1)
        with world.store.writing() as writing:
            world.store.hold(writing, lease)
    with pytest.raises(Busy):
        world.store.acquire("crm/deals")


@pytest.mark.parametrize("reaped", [True, False], ids=["gone", "a zombie nobody looked after"])
def test_the_lease_of_a_dead_process_is_taken_over_at_once(store_url: str, reaped: bool) -> None:
    world = World(store_url)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # the child: only its name counts, a store is not taken across a fork
        os.write(writing, this_process().encode())
        os.kill(os.getpid(), 9)
    os.close(writing)
    with os.fdopen(reading) as said:
        holder = said.read()
    os.waitid(os.P_PID, pid, os.WEXITED | (0 if reaped else os.WNOWAIT))
    lease = world.store.acquire("crm/deals")
    with world.store.writing() as held:
        held.execute(update(tables.lease).values(holder=f"{holder}/abcd"))
    try:
        assert world.store.acquire("crm/deals").fence == lease.fence + 1
    finally:
        if not reaped:
            os.waitpid(pid, 0)


def test_who_is_alive() -> None:
    host, pid, started = this_process().split("/")
    assert is_alive(f"{host}/{pid}/{started}/token")
    assert not is_alive(f"{host}/{pid}/1/token")  # the number was given to another process since
    assert is_alive(f"elsewhere/{pid}/1/token")  # nobody here can tell


# --- when the database fails -----------------------------------------------------------------------------------------


def fails_and_recovers(world: World, broken: Any, mended: Any) -> None:
    rows = {"deals": [deal(number, number) for number in range(1, 7)]}
    world.pull(world.memory({"deals": rows["deals"][:1]}))
    before, cursor = world.dump(), world.cursor("deals")
    world.clock.advance(minutes=60)
    more = {"deals": [{**deal(number, 43_210), "name": "n" * 4000} for number in range(1, 7)]}
    undo = broken()
    summary = world.pull(world.memory(more))["deals"]
    assert (summary.status, summary.exit_code) == ("failed", 5)
    assert "the store failed" in str(summary.error)
    mended(undo)
    assert (world.dump(), world.cursor("deals")) == (before, cursor)
    assert world.pull(world.memory(more))["deals"].status == "ok"
    assert len(world.current()["deal"]) == 6


def test_a_full_disk_ends_the_run_with_the_cursor_where_it_was(tmp_path: Path) -> None:
    world = World(f"sqlite:///{tmp_path / 'connector.db'}")
    from sqlalchemy import event

    @event.listens_for(world.store.engine, "begin")
    def limit(connection: Any) -> None:
        limits = "PRAGMA max_page_count = 1" if full else "PRAGMA max_page_count = 1000000"
        connection.exec_driver_sql(limits)

    full: list[bool] = []
    fails_and_recovers(world, lambda: full.append(True), lambda _undo: full.clear())


def test_a_database_that_goes_away_ends_the_run_with_the_cursor_where_it_was(postgres_url: str) -> None:
    """The server ends every session of the store as soon as the run writes its page."""
    world = World(postgres_url)
    from sqlalchemy import event

    gone: list[bool] = []

    @event.listens_for(world.store.engine, "before_cursor_execute")
    def leave(connection: Any, _cursor: Any, statement: str, *_unused: Any) -> None:
        if gone and statement.startswith("INSERT INTO page"):
            import psycopg

            pid = connection.connection.driver_connection.info.backend_pid
            url = world.store.engine.url
            place = {"host": url.query["host"], "user": "postgres", "dbname": url.database}
            with psycopg.connect(**place, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])

    fails_and_recovers(world, lambda: gone.append(True), lambda _undo: gone.clear())


def test_the_message_of_a_failure_holds_no_statement_and_no_value(world: World) -> None:
    with pytest.raises(StoreError) as caught, world.store.writing() as writing:
        writing.execute(text("SELECT secret_value FROM nowhere"))
    assert "SELECT" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_store_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store.open(f"sqlite:///{tmp_path / 'missing' / 'connector.db'}", FakeClock(START))


def test_a_database_locked_by_another_program_is_a_store_error(tmp_path: Path) -> None:
    world = World(f"sqlite:///{tmp_path / 'connector.db'}")
    from sqlalchemy import event

    event.listen(world.store.engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 1"))
    other = sqlite3.connect(tmp_path / "connector.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    world.store.engine.dispose()
    raw = world.store.engine.raw_connection()
    raw.driver_connection.execute("PRAGMA busy_timeout = 1")
    raw.close()
    with pytest.raises(StoreError, match="locked"), world.store.writing():
        pass
    other.close()


def test_another_kind_of_database_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="mysql is not a store; use SQLite or PostgreSQL"):
        Store("mysql://x/y", FakeClock(START))


# --- landing ---------------------------------------------------------------------------------------------------------


def test_an_unchanged_page_costs_a_reference_not_a_copy(world: World) -> None:
    for _ in range(3):
        world.take(page("deals", [deal(1, 10)], 11))
    assert world.store.rows(select(func.count()).select_from(tables.page)) == [(3,)]
    assert world.store.rows(select(func.count()).select_from(tables.body)) == [(1,)]


def test_an_as_of_answer_sees_what_was_observed_before_the_report_superseded_it(world: World) -> None:
    world.take(page("deals", [deal(1, 10, "A")], 11))
    before = world.take(page("deals", [deal(1, 20, "C")], 21))
    world.take(page("deals", [deal(1, 20, "C", history=[("A", 5), ("B", 12), ("C", 18)])], 31))
    table = tables.stage_transition
    known = (table.c.seen_at <= before) & (table.c.replaced_at.is_(None) | (table.c.replaced_at > before))
    found = world.store.rows(select(table.c.to_stage, table.c.origin).where(known).order_by(table.c.occurred_at))
    assert [tuple(row) for row in found] == [("A", "initial"), ("C", "observed")]

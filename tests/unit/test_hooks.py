"""Webhooks: kept once, read again by id, and never believed by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select

from connector import hooks, service, sync
from connector.errors import HookRefused, Transient
from connector.model import micros
from connector.ports import HookEvent, HookRequest
from connector.store.tables import hook_inbox, page
from connector.sync import Plan, StreamSummary
from connector.testing import MemorySource, context
from tests.properties.world import World, at, deal
from tests.unit.accounts import Account
from tests.unit.test_service import START
from tests.unit.test_service import World as Service

NOW = 30 * 24 * 60  # where the world's clock starts, in minutes


def call(signature: str = "good") -> HookRequest:
    return HookRequest("POST", "https://us.example/hooks/crm", {"signature": signature}, b"[]")


def events(*told: str) -> list[HookEvent]:
    """`id:key`, or `id:stream/key`."""
    made = []
    for text in told:
        number, _, what = text.partition(":")
        stream, _, key = what.rpartition("/")
        made.append(HookEvent(number, stream or "deals", key))
    return made


def told(world: World, source: Account, *what: str) -> int:
    source.events = events(*what)
    return hooks.receive(world.store, source, call())


def pull(
    world: World, source: Account, plan: Plan | None = None, *, since: datetime | None = None
) -> dict[str, StreamSummary]:
    world.clock.advance(minutes=1)
    plan, kept = plan or Plan(streams=["deals"]), sync.Settings(since)
    found = sync.pull(world.store, source, world.mapping, kept, run="r", plan=plan, clock=world.clock)
    return {summary.stream: summary for summary in found}


def stages(world: World) -> dict[str, str]:
    return {row["id"]: row["stage"] for row in world.current()["deal"]}


def account(world: World, count: int = 4) -> Account:
    source = Account(world, [deal(number, number) for number in range(count)])
    pull(world, source)
    return source


# --- the inbox -------------------------------------------------------------------------------------------------------


def test_an_event_told_twice_is_kept_once(world: World) -> None:
    source = account(world)
    assert told(world, source, "a:1", "b:2", "a:1") == 2
    assert told(world, source, "b:2", "c:2") == 1
    assert hooks.waiting(world.store, "crm") == {"deals": ["1", "2"]}
    assert hooks.counts(world.store) == {"crm": 3}
    pull(world, source, Plan("hooks"))
    assert told(world, source, "a:1") == 0
    assert hooks.waiting(world.store, "crm") == {}


def test_what_is_not_the_vendor_s_is_refused_and_nothing_is_written(world: World) -> None:
    source = account(world)
    source.events = events("a:1")
    with pytest.raises(HookRefused, match="signature"):
        hooks.receive(world.store, source, call("forged"))
    plain = MemorySource("crm", context(world.clock), {"deals": []})
    with pytest.raises(HookRefused, match="crm takes no calls"):
        hooks.receive(world.store, plain, call())
    assert hooks.counts(world.store) == {}


def test_two_sources_may_name_their_events_alike(world: World) -> None:
    one, other = account(world), account(world)
    other.name = "erp"
    told(world, one, "a:1")
    told(world, other, "a:1")
    assert hooks.counts(world.store) == {"crm": 1, "erp": 1}


def test_what_was_read_is_forgotten_after_a_week_and_what_waits_never(world: World) -> None:
    source = account(world)
    told(world, source, "a:1")
    pull(world, source, Plan("hooks"))
    told(world, source, "b:2")
    world.clock.advance(days=7, seconds=1)
    told(world, source, "c:3")
    kept = {row.id: row.read_at for row in world.store.rows(select(hook_inbox.c.id, hook_inbox.c.read_at))}
    assert kept == {"b": None, "c": None}


# --- reading again ---------------------------------------------------------------------------------------------------


def test_a_record_called_about_is_read_by_id_and_the_cursor_stays_where_it_was(world: World) -> None:
    source = account(world)
    cursor = world.cursor("deals")
    source.put(deal(1, NOW + 1, "B"))
    told(world, source, "a:1")
    summary = pull(world, source, Plan("hooks"))["deals"]
    assert (summary.changed, source.asked, stages(world)["1"]) == (1, ["1"], "B")
    assert (world.cursor("deals"), hooks.counts(world.store)) == (cursor, {})
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_a_sync_reads_the_inbox_first(world: World) -> None:
    """Also what no window would show: here a record whose stamp lies before it."""
    source = account(world)
    source.put(deal(1, 2, "B"))
    told(world, source, "a:1")
    assert pull(world, source)["deals"].status == "ok"
    assert (stages(world)["1"], hooks.counts(world.store)) == ("B", {})


def test_a_flood_for_one_record_costs_one_reading(world: World) -> None:
    source = account(world)
    assert told(world, source, *(f"{number}:1" for number in range(10_000))) == 10_000
    pull(world, source, Plan("hooks"))
    assert (source.asked, hooks.counts(world.store)) == (["1"], {})


def test_events_out_of_order_and_too_late_change_nothing(world: World) -> None:
    """Whatever they told: the record as it is now is read."""
    source = account(world)
    source.put(deal(1, NOW + 1, "C"))
    told(world, source, "z:1")
    pull(world, source, Plan("hooks"))
    before = world.dump()
    told(world, source, "y:1", "x:1")
    assert pull(world, source, Plan("hooks"))["deals"].unchanged == 1
    assert world.dump() == before


def test_an_event_that_comes_while_its_record_is_read_waits_for_the_next_time(world: World) -> None:
    source = account(world)
    told(world, source, "a:1")
    source.before_page = lambda *_: told(world, source, "b:1") and None
    pull(world, source, Plan("hooks"))
    assert hooks.waiting(world.store, "crm") == {"deals": ["1"]}


def test_a_reading_that_fails_leaves_what_was_not_applied_waiting(world: World) -> None:
    source = account(world)
    source.put(deal(0, NOW + 1, "B"))
    told(world, source, "a:0", "b:1", "c:2", "d:3")

    def fails(_stream: str, start: int) -> None:
        if start:
            raise Transient("the line is down", system="crm")

    source.before_page = fails
    summary = pull(world, source, Plan("hooks"))["deals"]
    assert (summary.status, summary.error, stages(world)["0"]) == ("failed", "the line is down", "B")
    assert hooks.waiting(world.store, "crm") == {"deals": ["2", "3"]}


def test_a_reading_that_fails_keeps_no_window_from_being_read(world: World) -> None:
    """A record that can never be read again must not hold up all others."""
    source = account(world)
    source.put(deal(3, NOW + 1, "C"))
    told(world, source, "a:1")
    by_id = source.read_ids
    source.read_ids = lambda *_: (_ for _ in ()).throw(Transient("the line is down", system="crm"))  # type: ignore[method-assign]
    summary = pull(world, source)["deals"]
    assert (summary.status, summary.error, stages(world)["3"]) == ("failed", "the line is down", "C")
    source.read_ids = by_id  # type: ignore[method-assign]
    assert pull(world, source)["deals"].status == "ok"
    assert hooks.counts(world.store) == {}


def test_a_record_that_answers_no_more_was_asked_and_is_not_deleted_by_it(world: World) -> None:
    """A deletion is told by its tombstone, or found by a pass; nothing of the empty answer is kept."""
    source = account(world)
    pages = world.store.rows(select(func.count()).select_from(page))[0][0]
    source.drop(1)
    told(world, source, "a:1")
    assert pull(world, source, Plan("hooks"))["deals"].deleted == 0
    assert ("1" in stages(world), hooks.counts(world.store)) == (True, {})
    assert world.store.rows(select(func.count()).select_from(page))[0][0] == pages


def test_a_record_older_than_since_is_not_taken_in_because_it_was_called_about(world: World) -> None:
    """A link of it was made, say. It was asked for, and nothing of the answer is kept; the one beside it is read."""
    source = Account(world, [deal(1, 1), deal(2, NOW - 5), deal(3, 3)])
    since = world.clock.now() - timedelta(days=1)
    pull(world, source, since=since)
    pages = world.store.rows(select(func.count()).select_from(page))[0][0]
    told(world, source, "a:1")
    summary = pull(world, source, Plan("hooks"), since=since)["deals"]
    assert (summary.status, summary.new, set(stages(world)), hooks.counts(world.store)) == ("ok", 0, {"2"}, {})
    assert world.store.rows(select(func.count()).select_from(page))[0][0] == pages
    source.put(deal(2, NOW - 5, "B"))
    told(world, source, "b:2", "c:3")
    pull(world, source, Plan("hooks"), since=since)
    assert (stages(world), hooks.counts(world.store)) == ({"2": "B"}, {})
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_a_merged_record_answers_as_its_survivor(world: World) -> None:
    source = account(world)
    source.drop(1)
    source.put(deal(2, NOW + 1, "C"))
    source.answers = {"1": "2"}
    told(world, source, "a:1")
    pull(world, source, Plan("hooks"))
    assert (stages(world)["2"], hooks.counts(world.store)) == ("C", {})


def test_streams_that_are_not_mapped_are_ignored(world: World) -> None:
    source = account(world)
    told(world, source, "a:tickets/1")
    assert pull(world, source, Plan("hooks")) == {}
    assert (hooks.counts(world.store), source.asked) == ({}, [])


def test_a_dry_run_leaves_them_waiting(world: World) -> None:
    source = account(world)
    told(world, source, "a:1")
    pull(world, source, Plan(streams=["deals"], dry_run=True))
    assert hooks.counts(world.store) == {"crm": 1}


def test_a_stream_somebody_else_reads_leaves_them_waiting(world: World) -> None:
    source = account(world)
    told(world, source, "a:1")
    lease = world.store.acquire("crm/deals")
    assert pull(world, source, Plan("hooks"))["deals"].status == "busy"
    world.store.release(lease)
    assert hooks.counts(world.store) == {"crm": 1}


# --- between the slots -----------------------------------------------------------------------------------------------


class Called:
    """A service with a watch: who is called for, and when each was served."""

    def __init__(self, service_: Service, *, ends_well: bool = True) -> None:
        self.service, self.waiting, self.served, self.ends_well = service_, set[str](), list[str](), ends_well
        self.watch = service.Watch(lambda: sorted(self.waiting), self.serve)

    def serve(self, name: str) -> bool:
        self.served.append(f"{name} {self.service.clock.now():%H:%M:%S}")
        return self.ends_well


def test_what_is_called_for_is_done_within_seconds_and_then_at_most_once_a_minute():
    world = Service(START)
    called = Called(world)
    runner = world.runner(world.job("crm", "0 * * * *"), watch=called.watch)
    world.live(runner, seconds=10)
    assert called.served == []
    called.waiting = {"crm"}
    world.live(runner, seconds=140)
    assert called.served == ["crm 08:00:15", "crm 08:01:15", "crm 08:02:15"]


def test_what_fails_is_left_alone_for_ten_minutes_and_the_service_goes_on():
    world = Service(START)
    called = Called(world, ends_well=False)
    called.waiting = {"crm"}
    world.live(world.runner(world.job("erp", "every 5m"), watch=called.watch), minutes=12)
    assert called.served == ["crm 08:00:00", "crm 08:10:00"]
    assert len(world.slots("erp")) == 2


def test_a_call_that_raises_ends_no_service():
    world = Service(START)
    called = Called(world)
    called.watch = service.Watch(lambda: ["crm"], lambda _name: (_ for _ in ()).throw(ZeroDivisionError))
    with structlog.testing.capture_logs() as logs:
        world.live(world.runner(watch=called.watch), minutes=1)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["call failed by a fault of ours"]


def test_a_source_is_never_read_by_its_slot_and_by_a_call_at_once():
    world = Service(START)
    called, begun = Called(world), list[Any]()
    called.waiting = {"crm"}
    runner = world.runner(
        world.job("crm", "every 1m"), watch=called.watch, start=lambda work, name: begun.append((name, work))
    )
    world.live(runner, minutes=5)
    assert [name for name, _ in begun] == ["called-crm"]
    begun[0][1]()
    world.live(runner, seconds=30)
    assert [name for name, _ in begun] == ["called-crm", "job-crm"]


def test_a_paused_source_s_calls_wait():
    world = Service(START)
    called = Called(world)
    called.waiting, world.paused = {"crm"}, {"crm"}
    runner = world.runner(watch=called.watch)
    world.live(runner, minutes=1)
    assert called.served == []
    world.paused = set()
    world.live(runner, seconds=6)
    assert len(called.served) == 1


def test_stamps_of_calls_are_those_of_the_knowledge_clock(world: World) -> None:
    source = account(world)
    told(world, source, "a:1", "b:2")
    stamps = [row.received_at for row in world.store.rows(select(hook_inbox.c.received_at))]
    assert len(set(stamps)) == 2
    assert min(stamps) >= micros(world.clock.now() - timedelta(seconds=1)) > at(0)

"""One run of one source: windows, positions, fences, full passes and their stops, resync, dry run."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connector.errors import Busy, LeaseLost, Permanent, Transient
from connector.model import micros
from connector.ports import Stream
from connector.store import tables
from connector.sync import Plan
from connector.testing import MemorySource, context
from tests.properties.world import MAPPING, START, World, at, deal, page, t

DAY = 24 * 60
NOW = 30 * DAY  # where the world's clock starts, in minutes


def ids(world: World, entity: str = "deal") -> set[str]:
    return {row["id"] for row in world.current()[entity]}


def later(world: World, minutes: float = 60) -> float:
    world.clock.advance(minutes=minutes)
    return (micros(world.clock.now()) - at(0)) / 60_000_000


# --- windows ---------------------------------------------------------------------------------------------------------


def test_the_cursor_becomes_the_window_s_end_minus_the_overlap_never_the_largest_value(world: World) -> None:
    world.pull(world.memory({"deals": [deal(1, 10)]}), overlap=15)
    until = {"cursor": t(NOW - 15).replace("+00:00", "Z"), "read_to": t(NOW).replace("+00:00", "Z")}
    assert world.cursor("deals") == until


def test_the_window_is_fixed_at_its_start_and_includes_both_ends(world: World) -> None:
    rows = {"deals": [deal(1, NOW), deal(2, NOW + 1)]}
    seen: list[Any] = []

    class Watched(MemorySource):
        def read(self, stream: str, window: Any, position: Any = None) -> Any:
            seen.append((window.lo, window.hi))
            return super().read(stream, window, position)

    world.pull(Watched("crm", context(world.clock), rows))
    assert ids(world) == {"1"}
    first = world.clock.now()
    world.clock.advance(minutes=60)
    world.pull(Watched("crm", context(world.clock), rows))
    assert ids(world) == {"1", "2"}
    assert seen == [(None, first), (first - timedelta(minutes=15), world.clock.now())]


def test_a_move_that_is_shown_late_may_have_happened_before_the_window_that_did_not_show_it_ended(world: World) -> None:
    """Within the overlap, as where a search is behind; so a history that comes later explains it."""
    source = world.memory({"deals": [deal(1, NOW - 100, "A", created=t(NOW - 100))]})
    world.pull(source)
    source.rows["deals"] = [deal(1, NOW - 5, "B", created=t(NOW - 100))]
    later(world)
    world.pull(source)
    moves = tables.stage_transition
    (row,) = world.store.rows(select(moves).where(moves.c.origin == "observed"))
    assert (row.occurred_after, row.occurred_at) == (at(NOW - 15), at(NOW - 5))


def test_what_the_overlap_shows_again_changes_nothing(world: World) -> None:
    source = world.memory({"deals": [deal(number, NOW - 1) for number in range(5)]})
    world.pull(source)
    before = world.dump()
    later(world, 5)
    summary = world.pull(source)["deals"]
    assert (summary.records, summary.unchanged) == (5, 5)
    assert world.dump() == before


def test_older_changes_than_since_are_never_read(world: World) -> None:
    source = world.memory({"deals": [deal(1, 10), deal(2, 2 * DAY)]})
    world.pull(source, since=START + timedelta(days=1))
    assert ids(world) == {"2"}


def test_a_killed_back_fill_goes_on_at_its_position(world: World) -> None:
    rows = {"deals": [deal(number, number) for number in range(1, 11)]}

    def fails(_stream: str, pages: int) -> None:
        if pages == 3:
            raise Transient("the line is down", system="crm")

    summary = world.pull(world.memory(rows, before_page=fails))["deals"]
    assert (summary.status, summary.exit_code, ids(world)) == ("failed", 3, {str(n) for n in range(1, 7)})
    assert world.cursor("deals")["position"] is not None
    first_hi = world.cursor("deals")["window"]["hi"]
    later(world)
    summary = world.pull(world.memory(rows))["deals"]
    assert (summary.records, ids(world)) == (4, {str(n) for n in range(1, 11)})
    assert world.cursor("deals")["cursor"] > first_hi  # then what changed since, in the same run


def test_rows_that_change_while_being_read_are_not_lost(world: World) -> None:
    rows = {"deals": [deal(number, number) for number in range(1, 7)]}

    def moves(_stream: str, pages: int) -> None:
        if pages == 1:  # the third row, not yet read, goes behind the window
            world.clock.advance(minutes=1)
            rows["deals"][2] = deal(3, NOW + 1, "C")

    world.pull(world.memory(rows, before_page=moves))
    assert "3" not in ids(world)
    later(world)
    world.pull(world.memory(rows))
    assert ids(world) == {str(number) for number in range(1, 7)}


def test_asked_to_stop_it_ends_after_the_page_at_hand_and_goes_on_later(world: World) -> None:
    rows = {"deals": [deal(number, number) for number in range(1, 7)]}
    summary = world.pull(world.memory(rows), stop=lambda: True)["deals"]
    assert (summary.exit_code, len(ids(world))) == (1, 2)
    world.pull(world.memory(rows))
    assert len(ids(world)) == 6


def test_one_stream_that_fails_stops_no_other(world: World) -> None:
    def fails(stream: str, _pages: int) -> None:
        if stream == "calls":
            raise Permanent("no right to read calls", system="crm", stream=stream)

    source = world.memory({"deals": [deal(1, 10)], "calls": []}, before_page=fails)
    found = world.pull(source)
    assert (found["deals"].status, found["calls"].status) == ("ok", "failed")
    assert "no right" in str(found["calls"].error)


def test_a_bug_in_one_stream_is_raised_once_all_have_ended(world: World) -> None:
    def fails(stream: str, _pages: int) -> None:
        if stream == "calls":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.pull(world.memory({"deals": [deal(1, 10)], "calls": []}, before_page=fails))
    assert ids(world) == {"1"}


def test_an_unknown_stream_is_named_with_the_known_ones(world: World) -> None:
    with pytest.raises(Permanent, match="no stream deels; it has deals"):
        world.pull(world.memory({"deals": []}), Plan(streams=["deels"]))


# --- resync and dry run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        Plan("window", ["deals"], since=START, until=START + timedelta(minutes=20)),
        Plan("ids", ids={"deals": ["1"]}),
        Plan("full", ["deals"]),
    ],
    ids=["window", "ids", "full"],
)
def test_a_resync_reads_the_same_way_and_leaves_the_cursor_alone(world: World, plan: Plan) -> None:
    world.pull(world.memory({"deals": []}))
    cursor = world.cursor("deals")
    later(world)
    summary = world.pull(world.memory({"deals": [deal(1, 10)]}), plan)["deals"]
    assert (summary.new, ids(world), world.cursor("deals")) == (1, {"1"}, cursor)


def test_single_records_of_a_stream_without_ids_are_refused_with_what_to_do(world: World) -> None:
    source = MemorySource("crm", context(world.clock), {"deals": []}, streams=[Stream("deals")])
    summary = world.pull(source, Plan("ids", ids={"deals": ["1"]}))["deals"]
    assert "use --since and --until" in str(summary.error)


def test_a_dry_run_says_what_would_change_and_writes_nothing(world: World) -> None:
    with world.store.reading() as connection:
        before = {name: connection.execute(select(table)).all() for name, table in tables.metadata.tables.items()}
    source = world.memory({"deals": [deal(1, 10), deal(2, 10, "?")]})
    summary = world.pull(source, Plan(streams=["deals"], dry_run=True))["deals"]
    assert (summary.new, summary.quarantined, summary.exit_code) == (1, 1, 1)
    with world.store.reading() as connection:
        after = {name: connection.execute(select(table)).all() for name, table in tables.metadata.tables.items()}
    assert after == before


# --- one writer ------------------------------------------------------------------------------------------------------


def test_a_stream_somebody_else_reads_is_busy_and_untouched(world: World) -> None:
    lease = world.store.acquire("crm/deals")
    summary = world.pull(world.memory({"deals": [deal(1, 10)]}))["deals"]
    assert (summary.status, summary.exit_code, ids(world)) == ("busy", 75, set())
    world.store.release(lease)
    assert world.pull(world.memory({"deals": [deal(1, 10)]}))["deals"].status == "ok"


def test_a_late_batch_of_an_old_fence_is_refused_and_writes_nothing(world: World) -> None:
    """Stalled beyond its lease: another runner read the stream meanwhile."""
    rows = {"deals": [deal(1, 10), deal(2, 20), deal(3, 30)]}
    other = world.memory({"deals": [deal(1, 10, "B")]})

    def stalls(_stream: str, pages: int) -> None:
        if pages == 1:
            world.clock.advance(minutes=10)
            world.pull(other)

    summary = world.pull(world.memory(rows, before_page=stalls))["deals"]
    assert (summary.status, summary.exit_code) == ("failed", LeaseLost.exit_code)
    assert ids(world) == {"1", "2"}
    assert world.cursor("deals")["cursor"] == t(NOW + 10 - 15).replace("+00:00", "Z")


def test_a_page_that_takes_longer_than_a_lease_keeps_it_while_its_source_is_at_work(world: World) -> None:
    """Waiting for a rate limit, or making the many calls of a page: `beat` says that it goes on."""
    rows = {"deals": [deal(number, number) for number in range(1, 5)]}
    found = list[str]()

    def slowly(_stream: str, pages: int) -> None:
        for _ in range(20 if pages == 1 else 0):
            world.clock.advance(seconds=20)
            source.context.beat()
        found.append(world.pull(world.memory(rows))["deals"].status)

    source = world.memory(rows, before_page=slowly)
    assert world.pull(source)["deals"].status == "ok"
    assert found == ["busy", "busy"]
    source.context.beat()
    assert world.pull(world.memory(rows))["deals"].status == "ok", "nobody holds it afterwards"


def test_a_beat_writes_no_more_than_a_lease_needs_and_ends_no_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, held = {"deals": [deal(1, 1)]}, list[Any]()
    real = world.store.hold

    def holds(writing: Any, lease: Any) -> None:
        held.append(world.clock.now())
        real(writing, lease)

    def beats(_stream: str, _pages: int) -> None:
        monkeypatch.setattr(world.store, "hold", holds)
        for _ in range(1000):
            source.context.beat()
        assert held == []
        world.clock.advance(seconds=30)
        monkeypatch.setattr(world.store, "hold", lambda *_: (_ for _ in ()).throw(LeaseLost("taken over")))
        source.context.beat()
        monkeypatch.setattr(world.store, "hold", holds)

    source = world.memory(rows, before_page=beats)
    assert world.pull(source)["deals"].status == "ok"


def test_a_mapping_replaced_meanwhile_ends_the_run_that_still_uses_the_old_one(world: World) -> None:
    """Or replay, which maps by what was in force, would find something else."""
    old = world.mapping

    def replaced(_stream: str, pages: int) -> None:
        if pages == 1:
            world.use(MAPPING.replace("owner: owner, amount", "amount"))
            world.mapping = old

    rows = {"deals": [deal(number, number, owner="7") for number in range(1, 6)]}
    source, plan = world.memory(rows, before_page=replaced), Plan(streams=["deals"])
    summary = world.pull(source, plan)["deals"]
    assert (summary.status, ids(world)) == ("busy", {"1", "2"})
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


# --- streams side by side ---------------------------------------------------------------------------------------------


def test_streams_are_read_side_by_side(world: World) -> None:
    """Each stream waits for the other to have begun: alone neither would end."""
    meet = threading.Barrier(2, timeout=20)
    source = world.memory({"deals": [deal(1, 1)], "calls": []}, before_page=lambda _stream, _pages: meet.wait())
    assert {one.status for one in world.pull(source).values()} == {"ok"}


def test_waiting_for_a_lease_gives_up_after_the_time_given(world: World) -> None:
    from connector import sync

    world.store.acquire("crm/deals")
    started = world.clock.now()
    source = world.memory({"deals": []})
    plan = Plan(streams=["deals"])
    (summary,) = sync.pull(
        world.store, source, world.mapping, sync.Settings(), run="r", plan=plan, clock=world.clock, wait=5
    )
    assert summary.exit_code == Busy.exit_code
    assert world.clock.now() - started >= timedelta(seconds=5)


def test_the_page_is_landed_as_the_vendor_sent_it(world: World) -> None:
    from connector.store import landing

    world.pull(world.memory({"deals": [deal(1, 10)]}))
    with world.store.reading() as connection:
        (landed,) = landing.pages(connection, source="crm")
        (exchange,) = landing.exchanges(connection, landed.id)
    assert exchange.answer == page("deals", [deal(1, 10)], 0).exchanges[0].answer
    assert datetime.fromisoformat(t(NOW)) == world.clock.now()


def test_text_that_no_store_keeps_sets_its_record_aside_while_the_rest_syncs(world: World) -> None:
    """PostgreSQL refuses a NUL character, and would refuse the whole page with it."""
    summary = world.pull(world.memory({"deals": [deal(1, 10), deal(2, 10, name="a\0b"), deal(3, 10)]}))["deals"]
    assert (summary.new, summary.quarantined, ids(world)) == (2, 1, {"1", "3"})

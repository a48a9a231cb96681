"""Id passes: from time to time all ids are compared with those known; nothing is deleted that still answers by id."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from connector import stops, sync
from connector.errors import Permanent, StoreError, Transient
from connector.model import micros
from connector.store import tables
from connector.store.store import Lease
from connector.sync import Plan, StreamSummary
from tests.properties.world import LAW, MAPPING, START, World, at, deal, t
from tests.unit.accounts import Account

WEEK = timedelta(days=7)
NOW = 30 * 24 * 60  # where the world's clock starts, in minutes


def pull(
    world: World, source: Account, plan: Plan | None = None, *, every: timedelta | None = WEEK, shrink: float = 0.2,
    since: datetime | None = None, stop: Any = lambda: False,
) -> StreamSummary:
    """A sync of the deals, or what the plan says."""
    kept = sync.Settings(since, shrink=shrink, ids_every=every)
    plan = plan or Plan(streams=["deals"])
    (summary,) = sync.pull(
        world.store, source, world.mapping, kept, run="run", plan=plan, clock=world.clock, stop=stop
    )
    return summary


def ids(world: World) -> set[str]:
    """The deals that are there and not gone by their own tombstone."""
    return {row["id"] for row in world.current()["deal"] if row["deleted_at"] is None and row["merged_into"] is None}


def of(*numbers: int) -> set[str]:
    return {str(number) for number in numbers}


def account(world: World, count: int = 10, **more: Any) -> Account:
    """So many deals, read by a first sync."""
    source = Account(world, [deal(number, number) for number in range(count)], **more)
    assert pull(world, source).status == "ok"
    return source


def week(world: World) -> float:
    """A week later; the minute it is then."""
    world.clock.advance(days=7)
    return (micros(world.clock.now()) - at(0)) / 60_000_000


def rebuilds(world: World) -> None:
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def checked(world: World) -> list[Any]:
    return [row.ids_checked_at for row in world.store.rows(select(tables.cursor.c.ids_checked_at))]


# --- when ------------------------------------------------------------------------------------------------------------


def test_a_first_reading_needs_no_id_pass_and_after_a_week_there_is_one_by_our_clock(world: World) -> None:
    source = account(world)
    for _ in range(3):
        world.clock.advance(days=2)
        source.skew += timedelta(days=3)
        pull(world, source)
    assert source.lists == 0
    world.clock.advance(days=1)
    assert pull(world, source).status == "ok"
    assert (source.lists, checked(world)) == (1, [micros(world.clock.now())])
    world.clock.advance(days=6)
    pull(world, source)
    assert source.lists == 1


def test_never_is_never_and_by_hand_it_is_now(world: World) -> None:
    source = account(world)
    week(world)
    pull(world, source, every=None)
    assert source.lists == 0
    source.drop(3)
    summary = pull(world, source, Plan("all_ids"), every=None)
    assert (summary.deleted, source.lists, ids(world)) == (1, 1, of(*range(10)) - {"3"})


def test_a_stream_that_lists_no_ids_is_left_out_and_one_asked_for_says_so(world: World) -> None:
    plain = world.memory({"deals": [deal(1, 1)]})
    with pytest.raises(Permanent, match="no stream of crm lists its ids; --full"):
        world.pull(plain, Plan("all_ids"))
    found = world.pull(plain, Plan("all_ids", ["deals"]))["deals"]
    assert "deals cannot list its ids; --full" in str(found.error)


def test_a_pass_that_failed_or_was_stopped_does_not_count(world: World) -> None:
    source = account(world)
    week(world)
    source.before_ids = lambda pages: (_ for _ in ()).throw(Transient("down", system="crm")) if pages == 2 else None  # type: ignore[method-assign]
    before = world.dump()
    assert pull(world, source).status == "failed"
    asked = iter([False] * 3 + [True] * 99)
    source.before_ids = lambda pages: None  # type: ignore[method-assign]
    assert pull(world, source, stop=lambda: next(asked)).status == "stopped"
    assert (world.dump(), checked(world)) == (before, [None])
    assert pull(world, source).status == "ok"
    assert source.lists == 3


# --- what ------------------------------------------------------------------------------------------------------------


def test_what_neither_is_listed_nor_answers_is_deleted_and_replay_finds_the_same(world: World) -> None:
    source = account(world)
    source.drop(4)
    week(world)
    summary = pull(world, source)
    assert (summary.status, summary.deleted, ids(world)) == ("ok", 1, of(*range(10)) - {"4"})
    assert source.asked == ["4"]
    rebuilds(world)


def test_hidden_is_not_deleted(world: World) -> None:
    """What the list leaves out and still answers by id is there."""
    source = account(world)
    source.unlisted = {"4"}
    week(world)
    assert pull(world, source).deleted == 0
    assert ids(world) == of(*range(10))
    rebuilds(world)


def test_what_was_never_seen_is_read_by_id(world: World) -> None:
    """Such as a record that became visible later than ones changed after it."""
    source = account(world)
    source.deals.append(deal(77, 5, "B"))
    week(world)
    summary = pull(world, source)
    assert (summary.new, ids(world), source.asked) == (1, of(*range(10), 77), ["77"])
    week(world)
    pull(world, source)
    assert source.asked == ["77"], "what is known is not asked again"
    rebuilds(world)


def test_what_makes_no_row_is_read_once(world: World) -> None:
    world.use(MAPPING.replace("    fields: {name: name, pipe", "    only_if: shown\n    fields: {name: name, pipe"))
    source = Account(world, [deal(1, 1, shown="yes"), deal(2, 2)])
    pull(world, source)
    source.deals.append(deal(3, 3))
    for _ in range(3):
        week(world)
        assert pull(world, source).status == "ok"
    assert (source.asked, ids(world)) == (["3"], {"1"})
    rebuilds(world)


SINCE = START + timedelta(days=1)  # minute 1440


@pytest.mark.parametrize(("tells", "asked"), [(True, ["3"]), (False, ["1", "3"])])
def test_what_is_older_than_since_is_never_taken_in_nor_asked_twice(
    world: World, tells: bool, asked: list[str]
) -> None:
    """Where the list tells when it was changed it is not even asked for."""
    source = Account(world, [deal(1, 5), deal(2, 3000)])
    source.tells = tells
    pull(world, source, since=SINCE)
    source.deals.append(deal(3, 3001))
    for _ in range(2):
        week(world)
        assert pull(world, source, since=SINCE).status == "ok"
    assert ids(world) == {"2", "3"}
    assert source.asked == asked
    rebuilds(world)


def test_a_record_older_than_since_that_changes_is_taken_in_even_where_no_window_shows_it(world: World) -> None:
    source = Account(world, [deal(1, 5), deal(2, 3000)])
    pull(world, source, since=SINCE)
    week(world)
    pull(world, source, since=SINCE)
    source.put(deal(1, NOW + 1, "B"))
    week(world)
    pull(world, source, every=None, since=SINCE)
    assert ids(world) == {"2"}, "seen too late for the window"
    week(world)
    pull(world, source, since=SINCE)
    assert (ids(world), source.asked) == ({"1", "2"}, ["1"])
    rebuilds(world)


def test_what_we_know_is_followed_also_where_since_was_set_to_a_later_day(world: World) -> None:
    """Here it was archived, and its stamp did not move."""
    source = account(world)
    source.put({**deal(4, 4), "deleted": t(100)})
    source.unlisted = {"4"}
    week(world)
    assert pull(world, source, since=SINCE).deleted == 0
    assert ids(world) == of(*range(10)) - {"4"}
    rebuilds(world)


@pytest.mark.parametrize("broken", ["asked to stop", "down"])
def test_an_id_pass_broken_off_among_records_older_than_since_goes_on_there(world: World, broken: str) -> None:
    source = Account(world, [*(deal(number, number) for number in range(10, 20)), deal(30, 3000)])
    source.tells = False
    pull(world, source, since=SINCE)
    week(world)

    def fails(_stream: str, start: int) -> None:
        if broken == "down" and start == 6:
            raise Transient("down", system="crm")

    source.before_page = fails
    pull(world, source, Plan("all_ids"), since=SINCE, stop=lambda: broken != "down" and len(source.asked) >= 6)
    first = len(source.asked)
    assert 6 <= first < 10
    source.before_page = lambda *_: None
    pull(world, source, Plan(streams=["deals"]), since=SINCE)
    assert source.lists == 1
    assert len(source.asked) - first <= 4, "nobody who has answered is asked again"
    assert ids(world) == {"30"}
    asked = len(source.asked)
    week(world)
    pull(world, source, since=SINCE)
    assert len(source.asked) == asked
    rebuilds(world)


def test_a_change_that_no_window_showed_is_found_by_the_next_id_pass(world: World) -> None:
    """The list says when each was changed, and that is later than what we know: it is read by id, and only once."""
    source = account(world)
    source.put(deal(4, 100, "B"))
    week(world)
    pull(world, source, every=None)
    stages = {row["id"]: row["stage"] for row in world.current()["deal"]}
    assert stages["4"] == "A", "seen later than the overlap allows"
    assert pull(world, source).changed == 1
    assert {row["id"]: row["stage"] for row in world.current()["deal"]}["4"] == "B"
    week(world)
    pull(world, source)
    assert source.asked == ["4"]
    rebuilds(world)


def test_a_listed_record_that_changed_and_does_not_answer_is_not_deleted(world: World) -> None:
    source = account(world)
    source.put(deal(4, 100, "B"))
    source.answers = {"4": "none"}
    week(world)
    assert pull(world, source).deleted == 0
    assert ids(world) == of(*range(10))
    source.answers = {}
    week(world)
    assert pull(world, source).changed == 1
    rebuilds(world)


def test_a_record_set_aside_is_read_again_once_it_changed(world: World) -> None:
    source = account(world)
    source.deals.append(deal(77, NOW + 60, "?"))
    world.clock.advance(minutes=70)
    pull(world, source, every=None)
    week(world)
    pull(world, source)
    assert source.asked in ([], ["77"])
    asked = len(source.asked)
    source.put(deal(77, NOW + 90, "B"))
    week(world)
    pull(world, source)
    assert (len(source.asked), "77" in ids(world)) == (asked + 1, True)
    rebuilds(world)


def test_an_archived_record_answers_with_its_tombstone_and_is_asked_no_more(world: World) -> None:
    source = account(world)
    source.put({**deal(4, 4), "deleted": t(100)})
    source.unlisted = {"4"}
    week(world)
    assert pull(world, source).deleted == 0
    (row,) = [row for row in world.current()["deal"] if row["id"] == "4"]
    assert row["deleted_at"] == at(100)
    source.drop(4)  # purged, 90 days later: its tombstone has said so before
    week(world)
    assert (pull(world, source).deleted, source.asked) == (0, ["4"])
    assert [row["deleted_at"] for row in world.current()["deal"] if row["id"] == "4"] == [at(100)]
    rebuilds(world)


MERGING = MAPPING.replace("extra.region: region}", "extra.region: region, merged_into: merged}") + (
    "  - {entity: deal, stream: deals, each: absorbed, key: item.id, fields: {merged_into: record.id}}\n"
)


def test_a_merged_record_is_answered_by_its_survivor_which_says_whom_it_absorbed(world: World) -> None:
    world.use(MERGING)
    source = account(world)
    source.tells = False  # or the survivor would be read, since it changed
    source.drop(4)
    source.put(deal(5, 50, "B", absorbed=[{"id": "4"}]))  # so late that no window shows it
    source.answers = {"4": "5"}
    week(world)
    pull(world, source)
    rows = {row["id"]: row for row in world.current()["deal"]}
    assert (rows["4"]["merged_into"], rows["5"]["stage"]) == ("crm:5", "B")
    assert ids(world) == of(*range(10)) - {"4"}
    week(world)
    assert (pull(world, source).deleted, source.asked) == (0, ["4"])
    assert {row["id"] for row in world.current()["deal"]} == of(*range(10)), "it is merged, not deleted"
    rebuilds(world)


@pytest.mark.parametrize("passes", [0, 1])
def test_records_merged_into_others_make_no_full_pass_look_too_small(world: World, passes: int) -> None:
    """Their past is still told, and an earlier full pass has shown them: they are accounted for all the same."""
    world.use(MERGING)
    past = [("A", 1), ("B", 2)]
    source = Account(world, [deal(number, number, "B", history=past) for number in range(8)], complete=True)
    pull(world, source)
    for _ in range(passes):
        pull(world, source, Plan("full", ["deals"]))
    source.drop(4, 5, 6)
    source.put(deal(7, NOW, "B", history=past, absorbed=[{"id": "4"}, {"id": "5"}, {"id": "6"}]))
    world.clock.advance(minutes=5)
    pull(world, source)
    summary = pull(world, source, Plan("full", ["deals"]))
    assert (summary.status, summary.error, ids(world)) == ("ok", None, of(0, 1, 2, 3, 7))


def test_a_merged_record_of_which_the_mapping_does_not_tell_is_deleted(world: World) -> None:
    source = account(world)
    source.drop(4)
    source.answers = {"4": "5"}
    week(world)
    assert pull(world, source).deleted == 1
    assert ids(world) == of(*range(10)) - {"4"}


# --- back again ------------------------------------------------------------------------------------------------------


def gone(world: World, *, complete: bool = False) -> Account:
    """An account of which an id pass has deleted the fourth deal."""
    source = account(world, complete=complete)
    source.drop(4)
    week(world)
    pull(world, source)
    assert "4" not in ids(world)
    return source


def test_a_restored_record_lives_again_by_a_sync(world: World) -> None:
    source = gone(world)
    source.put(deal(4, week(world), "B"))
    pull(world, source, every=None)
    assert ids(world) == of(*range(10))
    rebuilds(world)


def test_a_restored_record_whose_stamp_did_not_move_lives_again_by_an_id_pass(world: World) -> None:
    source = gone(world)
    source.put(deal(4, 4))
    pull(world, source, every=None)
    assert "4" not in ids(world)
    week(world)
    pull(world, source)
    assert ids(world) == of(*range(10))
    rebuilds(world)


RETRACTING = MAPPING.replace("    fields: {name: name, pipe", "    only_if: shown\n    fields: {name: name, pipe")


@pytest.mark.parametrize("passed", [(), ("ids",), ("full",), ("ids", "full", "ids")], ids=repr)
def test_a_record_that_made_no_row_while_it_was_archived_lives_again_by_an_id_pass(
    world: World, passed: tuple[str, ...]
) -> None:
    """A company or a call has no `deleted_at`: archived it makes no row, and restoring it moves no stamp."""
    world.use(RETRACTING)
    source = Account(world, [deal(number, number, shown="yes") for number in range(10)], complete=True)
    pull(world, source)
    week(world)
    pull(world, source)
    minute = week(world)
    source.put(deal(4, minute, shown=None))
    source.unlisted = {"4"}
    pull(world, source, every=None)
    assert "4" not in ids(world)
    for one in passed:
        week(world)
        pull(world, source, Plan("full", ["deals"]) if one == "full" else Plan("all_ids"))
    source.put(deal(4, minute, shown="yes"))
    source.unlisted = set()
    week(world)
    pull(world, source, Plan("all_ids"))
    assert ids(world) == of(*range(10))
    rebuilds(world)


def test_what_makes_no_row_any_more_is_read_once_more_and_then_left_alone(world: World) -> None:
    """As a contact that is no lead any more."""
    world.use(RETRACTING)
    source = Account(world, [deal(number, number, shown="yes") for number in range(10)])
    pull(world, source)
    source.put(deal(4, NOW + 1, shown=None))
    world.clock.advance(minutes=5)
    pull(world, source)
    for _ in range(3):
        week(world)
        pull(world, source)
    assert (source.asked, ids(world)) == (["4"], of(*range(10)) - {"4"})
    rebuilds(world)


def test_a_restored_record_lives_again_by_a_full_pass(world: World) -> None:
    source = gone(world, complete=True)
    source.put(deal(4, 4))
    pull(world, source, Plan("full", ["deals"]))
    assert ids(world) == of(*range(10))
    rebuilds(world)


@pytest.mark.parametrize("way", ["sync", "id pass", "full pass"])
def test_an_archived_record_that_is_restored_lives_again(world: World, way: str) -> None:
    source = account(world, complete=True)
    minute = week(world)
    source.put({**deal(4, minute), "deleted": t(minute)})
    pull(world, source, every=None)
    assert "4" not in ids(world)
    minute = week(world)
    source.put(deal(4, minute if way == "sync" else minute - 10_080))
    plan = {"sync": None, "id pass": Plan("all_ids"), "full pass": Plan("full", ["deals"])}[way]
    pull(world, source, plan, every=None)
    assert ids(world) == of(*range(10))
    rebuilds(world)


# --- the guard -------------------------------------------------------------------------------------------------------


def test_a_list_that_lacks_too_many_stops_before_anybody_is_asked_and_touches_nothing(world: World) -> None:
    source = account(world)
    source.drop(*range(3))
    week(world)
    before = world.dump()
    summary = pull(world, source)
    assert (summary.status, summary.exit_code, source.asked) == ("stopped", 4, [])
    assert "shows 7 records where 10 are known" in str(summary.error)
    assert world.dump() == before
    (stop,) = stops.list_stops(world.store)
    assert (stop["kind"], stop["shown"], stop["known"]) == ("id_pass", 7, 10)


def test_an_empty_list_stops_even_where_any_shrinking_is_allowed(world: World) -> None:
    source = account(world, 1)
    source.drop(0)
    week(world)
    assert pull(world, source, shrink=1.0).exit_code == 4


def test_while_a_stop_waits_the_windows_go_on_and_the_list_is_asked_once_an_hour(world: World) -> None:
    source = account(world)
    source.unlisted = of(*range(3))
    week(world)
    pull(world, source)
    world.clock.advance(minutes=30)
    source.deals.append(deal(50, NOW + 10_100))
    assert (pull(world, source).exit_code, source.lists) == (4, 1)
    assert "50" in ids(world)
    world.clock.advance(minutes=31)
    source.unlisted = set()
    assert (pull(world, source).exit_code, source.lists) == (0, 2)
    assert stops.list_stops(world.store) == []


def test_an_accepted_stop_asks_again_before_it_deletes(world: World) -> None:
    source = account(world)
    lost = [deal(number, number) for number in range(3)]
    source.drop(*range(3))
    week(world)
    pull(world, source)
    (stop,) = stops.list_stops(world.store)
    stops.accept(world.store, stop["id"], actor="me")
    source.deals.append(lost[1])
    assert pull(world, source, Plan("accepted", ["deals"])).deleted == 2
    assert ids(world) == of(*range(10)) - {"0", "2"}
    assert sorted(source.asked) == ["0", "1", "2"]
    rebuilds(world)


def test_an_accepted_stop_that_cannot_ask_yet_is_applied_by_the_next_sync(world: World) -> None:
    source = account(world)
    source.drop(*range(3))
    week(world)
    pull(world, source)
    (stop,) = stops.list_stops(world.store)
    stops.accept(world.store, stop["id"], actor="me")
    source.before_page = lambda *_: (_ for _ in ()).throw(Transient("down", system="crm"))
    assert pull(world, source, Plan("accepted", ["deals"])).status == "failed"
    source.before_page = lambda *_: None
    assert pull(world, source).deleted == 3
    assert source.lists == 1


def test_a_refused_stop_is_listed_anew(world: World) -> None:
    source = account(world)
    source.unlisted = of(*range(3))
    week(world)
    pull(world, source)
    (stop,) = stops.list_stops(world.store)
    stops.refuse(world.store, stop["id"], actor="me", reason="their outage")
    source.unlisted = set()
    assert pull(world, source).status == "ok"
    assert (ids(world), source.lists) == (of(*range(10)), 2)


# --- whatever happened -----------------------------------------------------------------------------------------------


WHAT = st.tuples(st.sampled_from(["add", "edit", "drop", "hide", "archive", "restore", "week"]), st.integers(0, 9))


@LAW
@given(st.lists(WHAT, max_size=25))
def test_after_an_id_pass_we_know_what_the_source_shows_whatever_no_window_showed(
    world: World, steps: list[tuple[str, int]]
) -> None:
    """Nothing here moves a change stamp into a window, but adding and editing half of the time."""
    world.fresh()
    source = Account(world, [deal(number, number) for number in range(5)])
    pull(world, source)
    for what, number in steps:
        rows = {row["id"]: row for row in source.deals}
        row = rows.get(str(number))
        minute = (micros(world.clock.now()) - at(0)) / 60_000_000 if number % 2 else 5.0
        if what == "week":
            week(world)
            pull(world, source, shrink=1.0)
        elif what in ("add", "edit"):
            source.put(deal(number, max(minute, number), "B"))
        elif what == "drop":
            source.drop(number)
        elif row is not None:
            source.put({**row, "deleted": t(100)} if what == "archive" else {**row, "deleted": None})
            (source.unlisted.discard if what == "restore" else source.unlisted.add)(str(number))
    week(world)
    for _ in range(2):
        summary = pull(world, source, Plan("all_ids"), shrink=1.0)
        if summary.exit_code == 4:  # nothing at all is listed, which only a person may believe
            (stop,) = stops.list_stops(world.store)
            stops.accept(world.store, stop["id"], actor="me")
            pull(world, source, Plan("accepted", ["deals"]), shrink=1.0)
    truth = {row["id"] for row in source.deals if not row.get("deleted")}
    never = {row["id"] for row in source.deals if row["id"] in source.unlisted} - known(world)
    assert ids(world) == truth - never
    rebuilds(world)


def known(world: World) -> set[str]:
    return {row["id"] for row in world.current()["deal"]}


# --- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", range(9))
def test_an_id_pass_killed_anywhere_ends_the_same_when_run_again(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """`after` that many transactions of the sync the store is gone."""
    source = account(world, 20)
    source.drop(4)
    source.unlisted = {"5"}
    source.put({**deal(6, 6), "deleted": t(100)})
    source.unlisted.add("6")
    source.deals.extend([deal(77, 7), deal(78, 8), deal(79, 9)])
    week(world)
    real, counted = world.store.hold, [0]

    def dies(writing: Any, lease: Lease) -> None:
        real(writing, lease)
        counted[0] += 1
        if counted[0] > after:
            raise StoreError("the machine went down")

    monkeypatch.setattr(world.store, "hold", dies)
    first = pull(world, source)
    monkeypatch.undo()
    assert pull(world, source).status == "ok"
    assert ids(world) == of(*range(20), 77, 78, 79) - {"4", "6"}
    assert (first.exit_code == 5) == (counted[0] > after)
    rebuilds(world)


# --- a dry run -------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_an_id_pass_would_do_and_writes_nothing(world: World) -> None:
    source = account(world)
    source.drop(4)
    source.deals.append(deal(77, 5))
    week(world)
    before = world.dump()
    summary = pull(world, source, Plan(streams=["deals"], dry_run=True))
    assert (summary.new, summary.deleted, summary.would_stop) == (1, 1, None)
    assert (world.dump(), checked(world)) == (before, [None])
    source.drop(*range(4))
    summary = pull(world, source, Plan("all_ids", dry_run=True))
    assert (summary.status, summary.exit_code) == ("stopped", 4)
    assert summary.would_stop == "5 of 10 known records shown"
    assert stops.list_stops(world.store) == []

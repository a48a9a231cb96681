"""Full passes: what is missing is deleted, an implausible one stops for a person, a killed one is finished."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connector import stops
from connector.errors import ConfigError, StoreError, Transient
from connector.model import micros
from connector.ports import Stream
from connector.store import tables
from connector.store.store import Lease
from connector.sync import Plan
from connector.testing import MemorySource, context
from tests.properties.world import MAPPING, START, World, at, deal, t
from tests.unit.accounts import Account


def ids(world: World, entity: str = "account") -> set[str]:
    return {row["id"] for row in world.current()[entity]}


def later(world: World, minutes: float = 60) -> float:
    world.clock.advance(minutes=minutes)
    return (micros(world.clock.now()) - at(0)) / 60_000_000


def accounts(*numbers: int) -> dict[str, list[dict[str, Any]]]:
    return {"accounts": [{"id": str(number), "name": f"n{number}"} for number in numbers]}


def full(world: World, *numbers: int, **more: Any) -> Any:
    return world.pull(world.memory(accounts(*numbers), whole=["accounts"], **more))["accounts"]


def held(world: World) -> list[Any]:
    return world.store.rows(select(tables.page).where(tables.page.c.applied_at.is_(None)))


def test_a_finished_full_pass_deletes_what_it_did_not_show(world: World) -> None:
    full(world, *range(10))
    later(world)
    summary = full(world, *range(9))
    assert (summary.deleted, len(ids(world))) == (1, 9)
    (gone,) = [row for row in world.dump()["account"] if "deleted" in row]
    assert gone[1] == "9"


@pytest.mark.parametrize("shown", [(), (1, 2, 3)], ids=["empty", "shrunken"])
def test_a_full_pass_suddenly_empty_or_shrunken_stops_and_touches_nothing(world: World, shown: tuple[int, ...]) -> None:
    full(world, *range(10))
    before, cursor = world.dump(), world.cursor("accounts")
    later(world)
    summary = full(world, *shown)
    assert (summary.status, summary.exit_code) == ("stopped", 4)
    assert (world.dump(), world.cursor("accounts")) == (before, cursor)
    assert len(held(world)) == max(1, (len(shown) + 1) // 2)
    (stop,) = stops.list_stops(world.store)
    assert (stop["shown"], stop["known"], stop["stream"]) == (len(shown), 10, "accounts")


def test_an_empty_pass_stops_even_where_any_shrinking_is_allowed(world: World) -> None:
    full(world, 1)
    source = world.memory(accounts(), whole=["accounts"])
    assert world.pull(source, shrink=1.0)["accounts"].exit_code == 4


def test_a_first_full_pass_may_be_empty(world: World) -> None:
    assert full(world).status == "ok"


def test_an_empty_incremental_read_is_normal(world: World) -> None:
    world.pull(world.memory({"deals": [deal(1, 10)]}))
    later(world)
    assert world.pull(world.memory({"deals": []}))["deals"].status == "ok"
    assert ids(world, "deal") == {"1"}


def test_an_accepted_stop_is_applied_by_the_next_sync(world: World) -> None:
    full(world, *range(10))
    full(world, 1)
    (stop,) = stops.list_stops(world.store)
    stops.accept(world.store, stop["id"], actor="me")
    assert len(ids(world)) == 10
    summary = full(world, 1)
    assert (summary.status, ids(world), stops.list_stops(world.store)) == ("ok", {"1"}, [])


def test_a_refused_stop_is_never_applied(world: World) -> None:
    full(world, *range(10))
    full(world, 1)
    (stop,) = stops.list_stops(world.store)
    stops.refuse(world.store, stop["id"], actor="me", reason="their outage")
    assert held(world) == []
    assert full(world, *range(10)).status == "ok"
    assert len(ids(world)) == 10
    with pytest.raises(ConfigError, match="no open stop"):
        stops.accept(world.store, stop["id"], actor="me")


def test_a_newer_pass_takes_the_place_of_an_undecided_stop(world: World) -> None:
    full(world, *range(10))
    full(world, 1)
    assert full(world, *range(10)).status == "ok"
    assert stops.list_stops(world.store) == []


def test_a_pass_killed_while_being_read_is_read_anew(world: World) -> None:
    full(world, *range(10))
    before = world.dump()

    def fails(_stream: str, pages: int) -> None:
        if pages == 2:
            raise Transient("the line is down", system="crm")

    assert full(world, *range(9), before_page=fails).exit_code == 3
    assert world.dump() == before
    assert full(world, *range(9)).deleted == 1
    assert held(world) == []


@pytest.mark.parametrize("after", range(6))
def test_a_pass_killed_while_being_applied_is_finished_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """`after` that many transactions of applying the store is gone."""
    full(world, *range(10))
    real, counted = world.store.hold, [0]

    def dies(writing: Any, lease: Lease) -> None:
        real(writing, lease)
        state = writing.execute(select(tables.id_pass.c.id).where(tables.id_pass.c.state == "accepted")).first()
        counted[0] += state is not None
        if counted[0] > after:
            raise StoreError("the machine went down")

    monkeypatch.setattr(world.store, "hold", dies)
    assert full(world, *range(1, 10)).exit_code == 5
    monkeypatch.undo()
    summary = full(world, *range(1, 10))
    assert (summary.status, len(ids(world))) == ("ok", 9)
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def both(world: World, rows: list[dict[str, Any]], plan: Plan | None = None) -> Any:
    """A stream with a cursor whose full read is complete as well."""
    stream = Stream("deals", cursor=True, by_id=True, complete=True)
    source = MemorySource("crm", context(world.clock), {"deals": rows}, streams=[stream])
    return world.pull(source, plan)["deals"]


def test_a_full_resync_of_a_stream_with_a_cursor_leaves_the_cursor_alone(world: World) -> None:
    both(world, [deal(number, number) for number in range(10)])
    cursor = world.cursor("deals")
    later(world)
    assert both(world, [deal(number, number) for number in range(9)], Plan("full", ["deals"])).deleted == 1
    assert world.cursor("deals") == cursor


def test_an_accepted_stop_of_a_stream_with_a_cursor_is_applied_by_the_next_sync(world: World) -> None:
    """And deletes nothing that was first seen after the pass it is about."""
    both(world, [deal(number, number) for number in range(10)])
    now = later(world)
    assert both(world, [deal(1, 1)], Plan("full", ["deals"])).exit_code == 4
    both(world, [deal(1, 1), deal(99, now)])
    (stop,) = stops.list_stops(world.store)
    stops.accept(world.store, stop["id"], actor="me")
    later(world)
    assert both(world, [deal(1, 1), deal(99, now)]).status == "ok"
    assert ids(world, "deal") == {"1", "99"}
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def stopped(world: World) -> tuple[Account, str]:
    """Twenty deals, of which a full pass has shown but ten and stopped: their source, and the stop."""
    rows = [deal(number, number) for number in range(20)]
    source = Account(world, rows, complete=True)
    world.pull(source)
    later(world)
    whole, rows[:] = list(rows), rows[:10]
    assert world.pull(source, Plan("full", ["deals"]))["deals"].exit_code == 4
    rows[:] = whole
    later(world)
    (stop,) = stops.list_stops(world.store)
    return source, stop["id"]


def accepted(world: World, source: Account, stop: str) -> Any:
    stops.accept(world.store, stop, actor="me")
    later(world)
    return world.pull(source, Plan("accepted", ["deals"]))["deals"]


def test_what_was_deleted_while_a_stopped_pass_waited_stays_deleted(world: World) -> None:
    """Its pages still show it as it was, with the very stamp that is known."""
    source, stop = stopped(world)
    source.drop(1)
    world.pull(source, Plan("all_ids"))
    assert "1" not in ids(world, "deal")
    assert accepted(world, source, stop).status == "ok"
    assert ids(world, "deal") == {str(number) for number in range(20) if number != 1}
    before = world.dump()
    world.rebuild()
    assert world.dump() == before
    world.use(MAPPING.replace("extra.region: region", "extra.area: region"))
    assert "1" not in ids(world, "deal"), "nor does another mapping bring it back"


def test_what_was_read_while_a_stopped_pass_waited_is_newer_than_its_pages(world: World) -> None:
    """Also where its stamp did not move, as when only its links changed."""
    source, stop = stopped(world)
    source.put(deal(1, 1, "B"))
    world.pull(source, Plan("ids", ids={"deals": ["1"]}))
    assert accepted(world, source, stop).status == "ok"
    assert {row["id"]: row["stage"] for row in world.current()["deal"]}["1"] == "B"
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_what_a_stopped_pass_alone_has_seen_is_taken_in_when_it_is_accepted(world: World) -> None:
    """A record that two of its pages show is as the later one has it."""
    rows = [deal(number, number) for number in range(20)]
    source = Account(world, rows, complete=True)
    world.pull(source)
    later(world)
    whole, rows[:] = list(rows), [*(row for row in rows[2:8]), deal(1, 1, "B"), deal(50, 8)]

    def moves(_stream: str, pages: int) -> None:
        if pages == 2:
            source.put(deal(1, 9, "C"))

    source.before_page = moves
    assert world.pull(source, Plan("full", ["deals"]))["deals"].exit_code == 4
    source.before_page = lambda *_: None
    rows[:] = [*whole[:1], *whole[2:], deal(50, 8), deal(1, 9, "C")]
    (stop,) = stops.list_stops(world.store)
    assert accepted(world, source, stop["id"]).status == "ok"
    stages = {row["id"]: row["stage"] for row in world.current()["deal"]}
    assert (stages["1"], stages["50"], len(stages)) == ("C", "A", 21)


SINCE = START + timedelta(days=1)  # minute 1440


def test_a_full_pass_takes_in_nothing_older_than_since(world: World) -> None:
    """It is shown, and part of no row, no stop and no deletion; a dry run says the same."""
    rows = [*(deal(number, number) for number in range(30)), *(deal(number, 1440 + number) for number in range(30, 40))]
    source = Account(world, rows, complete=True)
    world.pull(source, since=SINCE)
    young = {str(number) for number in range(30, 40)}
    assert ids(world, "deal") == young
    later(world)
    assert world.pull(source, Plan("full", ["deals"], dry_run=True), since=SINCE)["deals"].new == 0
    for _ in range(2):
        summary = world.pull(source, Plan("full", ["deals"]), since=SINCE)["deals"]
        assert (summary.status, summary.records, summary.new, summary.unchanged) == ("ok", 40, 0, 40)
        assert ids(world, "deal") == young
    before = world.dump()
    world.rebuild()
    assert world.dump() == before
    world.use(MAPPING.replace("extra.region: region", "extra.area: region"))
    assert ids(world, "deal") == young
    world.use(MAPPING)
    source.drop(*range(30, 35))
    later(world)
    summary = world.pull(source, Plan("full", ["deals"]), since=SINCE)["deals"]
    assert (summary.exit_code, "5 records where 10 are known" in str(summary.error)) == (4, True)


def test_a_full_pass_follows_what_we_know_also_where_since_was_set_to_a_later_day(world: World) -> None:
    source = Account(world, [deal(number, number) for number in range(10)], complete=True)
    world.pull(source)
    later(world)
    source.put({**deal(4, 4), "deleted": t(100)})
    world.pull(source, Plan("full", ["deals"]), since=SINCE)
    (row,) = [row for row in world.current()["deal"] if row["id"] == "4"]
    assert row["deleted_at"] == at(100)


def test_held_pages_are_not_part_of_the_journal(world: World) -> None:
    full(world, *range(10))
    full(world, 1)
    before = world.dump()
    world.rebuild()
    world.use(MAPPING.replace("fields: {name: name}}", "fields: {name: name, domain: name}}"))
    assert {row["domain"] for row in world.current()["account"]} == {f"n{number}" for number in range(10)}
    assert len(before["account"]) == 10


def test_deleted_records_that_come_back_live_again(world: World) -> None:
    full(world, *range(10))
    full(world, *range(9))
    full(world, *range(10))
    assert len(ids(world)) == 10


# --- asked before it is deleted --------------------------------------------------------------------------------------


class Moving(MemorySource):
    """Accounts read whole; `hidden` are left out by the list, not by a reading by id. `asked`: what was read by id."""

    def __init__(self, world: World, *numbers: int, by_id: bool = True) -> None:
        stream = Stream("accounts", cursor=False, by_id=by_id, complete=True)
        super().__init__("crm", context(world.clock), accounts(*numbers), streams=[stream])
        self.hidden: set[str] = set()
        self.asked: list[str] = []

    def read(self, stream: str, window: Any, position: Any = None) -> Any:
        for page in super().read(stream, window, position):
            rows = [row for row in json.loads(page.exchanges[0].answer) if row["id"] not in self.hidden]
            yield self._page(stream, rows, page.position)

    def read_ids(self, stream: str, ids: Any) -> Any:
        self.asked += ids
        return super().read_ids(stream, ids)


def sync(world: World, source: Moving, plan: Plan | None = None) -> Any:
    later(world)
    return world.pull(source, plan)["accounts"]


def test_a_record_that_moved_or_was_restored_while_everything_was_read_is_not_deleted(world: World) -> None:
    source = Moving(world, *range(10))
    sync(world, source)
    source.hidden = {"4"}
    assert (sync(world, source).deleted, source.asked, len(ids(world))) == (0, ["4"], 10)
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_only_what_does_not_answer_either_is_deleted(world: World) -> None:
    source = Moving(world, *range(10))
    sync(world, source)
    del source.rows["accounts"][7]
    source.hidden = {"4"}
    assert (sync(world, source).deleted, source.asked) == (1, ["4", "7"])
    assert ids(world) == {str(number) for number in range(10) if number != 7}


def test_a_stream_that_cannot_be_read_by_id_is_believed(world: World) -> None:
    source = Moving(world, *range(10), by_id=False)
    sync(world, source)
    source.hidden = {"4"}
    assert (sync(world, source).deleted, source.asked) == (1, [])


def test_nobody_is_asked_before_an_implausible_pass_was_accepted_and_then_everybody(world: World) -> None:
    """Whom it deletes is decided when it is accepted, not when it was read."""
    source = Moving(world, *range(10))
    sync(world, source)
    source.hidden = {str(number) for number in range(5)}
    assert (sync(world, source).exit_code, source.asked) == (4, [])
    (stop,) = stops.list_stops(world.store)
    stops.accept(world.store, stop["id"], actor="me")
    del source.rows["accounts"][0]
    assert sync(world, source, Plan("accepted", ["accounts"])).deleted == 1
    assert (source.asked, len(ids(world))) == (["0", "1", "2", "3", "4"], 9)


def test_what_a_record_s_own_tombstone_says_needs_no_pass_and_none_takes_it_away(world: World) -> None:
    """It is gone from the source for good, and still known as deleted at its time."""
    both(world, [*(deal(number, number) for number in range(9)), {**deal(9, 9), "deleted": t(5)}])
    later(world)
    summary = both(world, [deal(number, number) for number in range(9)], Plan("full", ["deals"]))
    assert (summary.status, summary.deleted) == ("ok", 0)
    (row,) = [row for row in world.current()["deal"] if row["id"] == "9"]
    assert row["deleted_at"] == at(5)


def test_tombstones_that_nobody_shows_any_more_make_no_pass_look_too_small(world: World) -> None:
    gone = [{**deal(number, number), "deleted": t(50)} for number in range(5, 10)]
    both(world, [*(deal(number, number) for number in range(5)), *gone])
    for _ in range(2):
        later(world)
        assert both(world, [deal(number, number) for number in range(5)], Plan("full", ["deals"])).status == "ok"
    later(world)
    assert both(world, [deal(number, number) for number in range(3)], Plan("full", ["deals"])).exit_code == 4


# --- a dry run -------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_a_full_pass_would_delete(world: World) -> None:
    full(world, *range(10))
    before = world.dump()
    summary = full_dry(world, *range(1, 11))
    assert (summary.status, summary.new, summary.deleted, summary.would_stop) == ("ok", 1, 1, None)
    assert world.dump() == before


def test_a_dry_run_says_that_a_full_pass_would_stop_and_leaves_nothing_to_decide(world: World) -> None:
    full(world, *range(10))
    before = world.dump()
    summary = full_dry(world, 1)
    assert (summary.status, summary.exit_code, summary.would_stop) == ("stopped", 4, "1 of 10 known records shown")
    assert "the full pass shows 1 records where 10 are known" in str(summary.error)
    assert (world.dump(), held(world), stops.list_stops(world.store)) == (before, [], [])


def full_dry(world: World, *numbers: int) -> Any:
    plan = Plan(streams=["accounts"], dry_run=True)
    return world.pull(world.memory(accounts(*numbers), whole=["accounts"]), plan)["accounts"]


def test_deciding_needs_a_stop_that_is_open(world: World) -> None:
    with pytest.raises(ConfigError, match="see `connector stops list`"):
        stops.refuse(world.store, "nonsense", actor="me", reason="r")

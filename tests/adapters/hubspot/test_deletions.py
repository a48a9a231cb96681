"""What is archived, restored, merged or purged in HubSpot, also while it is read: nothing is lost, nothing stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from connector.model import micros
from connector.ports import Window
from connector.store.store import Store
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.server import Reply
from tests.adapters.hubspot.account import (
    Sales,
    add_deal,
    asked,
    changed,
    everything,
    hubspot,
    made,
    named,
    pages_of,
    preset,
    records,
    rows,
)


@pytest.fixture
def store(tmp_path: object, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    yield opened
    opened.close()


KINDS = ["companies", "contacts", "deals", "leads", "calls", "meetings", "emails", "tasks"]


def test_a_full_reading_shows_archived_records_too(twin: HubSpotTwin, clock: FakeClock) -> None:
    ids = [add_deal(twin.portal, number) for number in range(60)]
    clock.advance(minutes=1)
    for id_ in ids[:55]:
        twin.portal.archive("deals", id_)
    found = everything(hubspot(twin, clock), "deals")
    assert {id_ for id_, one in found.items() if one.data["archived"]} == set(ids[:55])
    assert len(found) == 63
    assert found[ids[0]].data["archivedAt"] == "2026-03-02T08:01:00.000Z"
    assert found[ids[0]].data["propertiesWithHistory"]["dealstage"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_shows_what_was_archived_in_it_both_ends_included(
    empty: HubSpotTwin, clock: FakeClock, kind: str
) -> None:
    start = clock.now()
    ids = [empty.portal.create(kind, {}) for _ in range(6)]
    for minute, id_ in enumerate(ids[:5], start=1):
        clock.set(start + timedelta(minutes=minute))
        empty.portal.archive(kind, id_)
    source = hubspot(empty, clock)
    window = Window(start + timedelta(minutes=2), start + timedelta(minutes=4))
    found = records(source, kind, source.read(kind, window))
    assert list(found) == ids[1:4]
    assert all(one.data["archived"] for one in found.values())


def test_a_window_without_archived_records_has_no_page_of_them(twin: HubSpotTwin, clock: FakeClock) -> None:
    old = add_deal(twin.portal)
    twin.portal.archive("deals", old)
    clock.advance(days=2)
    source = hubspot(twin, clock)
    pages = list(source.read("deals", Window(clock.now() - timedelta(days=1), source.now())))
    assert [(len(page.exchanges), page.position) for page in pages] == [(1, None)]


def test_many_archived_records_come_in_pages_that_can_be_taken_up_again(empty: HubSpotTwin, clock: FakeClock) -> None:
    ids = [empty.portal.create("tasks", {}) for _ in range(1001)]
    for id_ in ids:
        empty.portal.archive("tasks", id_)
    window = Window(clock.now() - timedelta(minutes=1), clock.now())
    pages = list(hubspot(empty, clock).read("tasks", window))
    assert [page.position for page in pages] == [{"archived": "0"}, {"archived": ids[999]}, None]
    assert list(records(hubspot(empty, clock), "tasks", pages)) == ids
    again = hubspot(empty, clock)
    assert list(records(again, "tasks", again.read("tasks", window, {"archived": ids[999]}))) == ids[1000:]


def test_the_parts_of_a_long_window_share_one_list_of_archived_records(twin: HubSpotTwin, clock: FakeClock) -> None:
    archived = add_deal(twin.portal)
    clock.advance(days=3)
    twin.portal.archive("deals", archived)
    clock.advance(days=3)
    source, hi = hubspot(twin, clock), clock.now()
    parts = [Window(hi - timedelta(days=day + 1), hi - timedelta(days=day)) for day in range(6)]
    found = [list(records(source, "deals", source.read("deals", part))) for part in parts]
    assert [archived in keys for keys in found] == [False, False, True, True, False, False]
    assert asked(twin, "/deals?") == 1


def test_a_restored_record_is_found_by_the_next_window(twin: HubSpotTwin, clock: FakeClock) -> None:
    deal = add_deal(twin.portal)
    twin.portal.archive("deals", deal)
    clock.advance(days=1)
    twin.portal.restore("deals", deal)
    found = changed(hubspot(twin, clock), "deals", clock, minutes=1)
    assert list(found) == [deal]
    assert "archivedAt" not in found[deal].data


def test_a_record_archived_while_a_window_is_read_is_in_the_next_one(twin: HubSpotTwin, clock: FakeClock) -> None:
    """Search finds it, the batch read does not any more; its tombstone lies after the window's end."""
    source, lo, hi = hubspot(twin, clock), clock.now() - timedelta(minutes=1), clock.now()
    deal = next(iter(everything(source, "deals")))
    clock.advance(seconds=1)
    twin.on_request(lambda request: request.path.endswith("/batch/read") and _archive_once(twin, deal))
    first = records(source, "deals", source.read("deals", Window(lo, hi)))
    later = records(source, "deals", source.read("deals", Window(hi, clock.now())))
    assert deal not in first
    assert later[deal].data["archived"]
    assert set(first) | set(later) == set(everything(source, "deals"))


def test_deals_that_are_all_gone_when_search_still_finds_them_are_not_read_as_empty(
    empty: HubSpotTwin, clock: FakeClock
) -> None:
    """Search knows of them no more than their id: with that alone a deal would lose its stage, owner and amount."""
    deal = add_deal(empty.portal)
    empty.portal.index_lag = 600
    clock.advance(hours=1)
    empty.portal.update("deals", deal, {"amount": "7"})
    clock.advance(minutes=11)
    empty.portal.archive("deals", deal)
    source = hubspot(empty, clock)
    window = Window(clock.now() - timedelta(minutes=15), clock.now() - timedelta(minutes=1))
    pages = list(source.read("deals", window))
    assert b'"total":1' in pages[0].exchanges[0].answer.replace(b" ", b"")
    assert records(source, "deals", pages) == {}


def _without(twin: HubSpotTwin, *names: str) -> None:
    """No list of archived records says these from now on; HubSpot's specification calls archivedAt optional."""

    def less(reply: Reply) -> Reply:
        rows = [{name: told for name, told in row.items() if name not in names} for row in reply.body["results"]]
        return replace(reply, body={**reply.body, "results": rows})

    twin.on_request(lambda request: less if "archived=true" in request.target else None)


@pytest.mark.parametrize("lo", [None, timedelta(minutes=5)], ids=["everything", "window"])
def test_a_record_that_does_not_say_when_it_was_archived_was_so_when_it_changed_last(
    twin: HubSpotTwin, clock: FakeClock, lo: timedelta | None
) -> None:
    deal = add_deal(twin.portal)
    clock.advance(hours=1)
    twin.portal.archive("deals", deal)
    _without(twin, "archivedAt")
    source = hubspot(twin, clock)
    found = records(source, "deals", pages_of(source, "deals", clock, lo))
    (row,) = rows(made(preset(), "deals", {deal: found[deal]}), "deal").values()
    assert row["deleted_at"] == micros(clock.now())


def test_what_changed_is_kept_when_the_list_of_archived_records_cannot_be_read(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    deal = add_deal(twin.portal)
    sales = Sales(twin, clock, store)
    sales.sync()
    clock.advance(hours=1)
    twin.portal.archive("deals", add_deal(twin.portal))
    twin.portal.move_stage(deal, "closedwon", user=771)
    _without(twin, "archivedAt", "updatedAt")
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"deals: .*not the shape HubSpot documents"):
            sales.sync()
        assert sales.counted("deal")[deal].stage == "closedwon"
        clock.advance(hours=1)


def _archive_once(twin: HubSpotTwin, deal: str) -> None:
    if twin.portal.item("deals", deal).archived_at is None:
        twin.portal.archive("deals", deal)


def test_a_record_archived_while_everything_is_read_is_in_the_archived_half(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    ids = [add_deal(twin.portal, number) for number in range(60)]
    source = hubspot(twin, clock)
    pages = source.read("deals", Window(None, source.now()))
    first = next(pages)
    twin.portal.archive("deals", ids[-1])
    assert ids[-1] not in records(source, "deals", [first])
    assert records(source, "deals", pages)[ids[-1]].data["archived"]


def test_a_record_restored_while_everything_is_read_is_still_there_by_id(twin: HubSpotTwin, clock: FakeClock) -> None:
    """The live half has passed its place, the archived half does not have it any more: who misses it asks by id."""
    deal = add_deal(twin.portal)
    for number in range(60):
        add_deal(twin.portal, number)
    twin.portal.archive("deals", deal)
    source = hubspot(twin, clock)
    pages = source.read("deals", Window(None, source.now()))
    read = [next(pages), next(pages)]
    twin.portal.restore("deals", deal)
    assert deal not in records(source, "deals", [*read, *pages])
    assert deal in named(source, "deals", [deal])


def test_the_listed_ids_are_those_of_the_live_records(twin: HubSpotTwin, clock: FakeClock) -> None:
    ids = [add_deal(twin.portal, number) for number in range(250)]
    twin.portal.archive("deals", ids[0])
    twin.portal.merge("deals", ids[1], ids[2])
    source = hubspot(twin, clock)
    pages = list(source.list_ids("deals"))
    assert [len(page) for page in pages] == [100, 100, 51]
    live = {id_ for id_, one in twin.state()["deals"].items() if one["status"] == "live"}
    assert {one.key for page in pages for one in page} == live
    assert [stream.name for stream in source.streams() if stream.ids] == [
        "companies", "contacts", "leads", "deals", "calls", "meetings", "emails", "tasks",
    ]


def test_by_id_archived_records_come_with_the_live_ones_and_purged_ones_do_not(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    live, archived, purged = (add_deal(twin.portal, number) for number in range(3))
    twin.portal.archive("deals", archived)
    twin.portal.archive("deals", purged)
    twin.portal.purge("deals", purged)
    found = named(hubspot(twin, clock), "deals", [live, archived, purged])
    assert {id_: one.data["archived"] for id_, one in found.items()} == {live: False, archived: True}


@pytest.mark.parametrize("new_id", [False, True])
@pytest.mark.parametrize("kind", ["companies", "contacts", "deals"])
def test_a_merged_id_is_answered_by_the_survivor_which_names_it(
    twin: HubSpotTwin, clock: FakeClock, kind: str, new_id: bool
) -> None:
    one, other = (add_deal(twin.portal) if kind == "deals" else twin.portal.create(kind, {}) for _ in range(2))
    clock.advance(minutes=1)
    survivor = twin.portal.merge(kind, one, other, new_id=new_id)
    absorbed = {one, other} - {survivor}
    source = hubspot(twin, clock)
    for found in (
        named(source, kind, [one, other]), everything(source, kind), changed(source, kind, clock, seconds=30),
    ):
        assert {each["id"] for each in found[survivor].data["merged"]} == absorbed
        assert not absorbed & set(found)


@pytest.mark.parametrize("new_id", [False, True])
def test_absorbed_deals_and_leads_are_tombstones_in_the_model(
    twin: HubSpotTwin, clock: FakeClock, new_id: bool
) -> None:
    ids = {"deals": [add_deal(twin.portal) for _ in range(3)],
           "contacts": [twin.portal.create("contacts", {"lifecyclestage": "lead"}) for _ in range(3)]}
    clock.advance(minutes=1)
    for stream, entity in (("deals", "deal"), ("contacts", "lead")):
        first = twin.portal.merge(stream, ids[stream][0], ids[stream][1], new_id=new_id)
        last = twin.portal.merge(stream, ids[stream][2], first, new_id=new_id)  # what was merged is merged again
        found = rows(made(preset(), stream, changed(hubspot(twin, clock), stream, clock, seconds=30)), entity)
        gone = {id_ for id_, one in found.items() if one.get("merged_into") == f"hubspot:{last}"}
        assert gone == ({*ids[stream], first} - {last})
        assert "merged_into" not in found[last]


def test_a_record_merged_away_while_a_window_is_read_is_named_by_its_survivor_in_the_next_one(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    survivor, absorbed = add_deal(twin.portal, 1), add_deal(twin.portal, 2)
    source, hi = hubspot(twin, clock), clock.now()
    clock.advance(seconds=1)
    gone: list[str] = []
    twin.on_request(
        lambda request: request.path.endswith("/batch/read") and not gone
        and gone.append(twin.portal.merge("deals", survivor, absorbed))
    )
    first = records(source, "deals", source.read("deals", Window(hi - timedelta(minutes=1), hi)))
    assert absorbed not in first
    later = records(source, "deals", source.read("deals", Window(hi, clock.now())))
    assert later[survivor].data["merged"] == [{"id": absorbed}]

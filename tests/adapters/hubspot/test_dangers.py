"""Every danger that others met with HubSpot, by name, over the fake account.

The numbers are those of the list of dangers shared by all adapters; the issues are where it was reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from connector import document, mapping
from connector.ports import Window
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.hubspot_search import MAX_RESULTS
from connector.twins.portal import stamp
from tests.adapters.hubspot.account import (
    MAPPINGS,
    STAGES,
    Sales,
    add_deal,
    asked,
    changed,
    everything,
    hubspot,
    linked,
    made,
    named,
    preset,
    records,
    rows,
)


@pytest.fixture
def store(tmp_path: object, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    yield opened
    opened.close()


# --- 1: time cursors lose rows ---------------------------------------------------------------------------------------


def test_more_than_10_000_records_of_one_instant_are_all_read(empty: HubSpotTwin, clock: FakeClock) -> None:
    """airbytehq/airbyte#43317, #44899: paging by offset is refused, by last modified date it never ends."""
    ids = {empty.portal.create("tasks", {}) for _ in range(MAX_RESULTS + 50)}
    source = hubspot(empty, clock)
    window = Window(clock.now(), clock.now())
    assert set(records(source, "tasks", source.read("tasks", window))) == ids
    assert asked(empty, "/search") == -(-len(ids) // 200)


def test_a_record_that_search_shows_late_is_in_the_next_window(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    """The index is minutes behind: the next window begins before the end of this one (airbytehq/airbyte#69203)."""
    sales = Sales(twin, clock, store)
    sales.sync()
    twin.portal.index_lag = 600
    clock.advance(hours=1)
    deal = add_deal(twin.portal)
    clock.advance(minutes=1)
    sales.sync()
    assert deal not in sales.counted("deal")
    clock.advance(minutes=13)
    sales.sync()
    assert deal in sales.counted("deal")


def test_a_change_that_is_committed_late_is_in_the_next_window(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    sales = Sales(twin, clock, store)
    deal = add_deal(twin.portal)
    sales.sync()
    clock.advance(hours=1)
    twin.portal.hold(twin.portal.move_stage, deal, "contractsent", seconds=120)
    clock.advance(minutes=1)
    add_deal(twin.portal)  # what came after it is seen before it
    sales.sync()
    clock.advance(minutes=5)
    sales.sync()
    assert sales.counted("deal")[deal].stage == "contractsent"


def test_a_record_at_the_floor_of_a_window_is_in_it(twin: HubSpotTwin, clock: FakeClock) -> None:
    """NangoHQ/integration-templates#647: a strict comparison drops it."""
    deal = add_deal(twin.portal)
    source, at = hubspot(twin, clock), clock.now()
    clock.advance(minutes=1)
    assert deal in records(source, "deals", source.read("deals", Window(at, clock.now())))


def test_the_next_window_begins_before_the_start_of_this_one_not_at_the_largest_stamp_seen(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    """tap-hubspot 2.12.1."""
    clock.advance(hours=3)
    summary = Sales(twin, clock, store).sync()["deals"]
    assert summary.cursor == "2026-03-02T10:45:00Z"  # the start, 11:00, less the overlap of 15 minutes


def test_a_vendors_clock_that_is_behind_loses_nothing(clock: FakeClock, store: Store) -> None:
    behind = FakeClock(clock.now() - timedelta(minutes=20))
    with HubSpotTwin(clock=behind) as twin:
        twin.portal.add_pipeline("default", "Sales", STAGES)
        sales, ids = Sales(twin, clock, store), set[str]()
        for _ in range(4):
            ids.add(add_deal(twin.portal))
            sales.sync()
            for one in (clock, behind):
                one.advance(minutes=30)
        sales.sync()
        assert set(sales.counted("deal")) == ids


def test_contacts_have_a_modified_date_of_another_name(twin: HubSpotTwin, clock: FakeClock) -> None:
    contact = twin.portal.create("contacts", {"lifecyclestage": "lead"})
    twin.portal.drop_property("contacts", "hs_lastmodifieddate")
    assert contact in changed(hubspot(twin, clock), "contacts", clock, minutes=1)


# --- 2: hidden is not deleted ----------------------------------------------------------------------------------------


def test_an_archived_deal_is_read_as_deleted_and_counts_no_more(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    """airbytehq/airbyte#11179: it drops out of lists and search without a word."""
    sales, deal = Sales(twin, clock, store), add_deal(twin.portal)
    call = twin.portal.create("calls", {"hs_timestamp": "2026-03-01T09:00:00Z"})
    sales.sync()
    assert [deal in sales.counted("deal"), f"call-{call}" in sales.counted("activity")] == [True, True]
    clock.advance(hours=1)
    twin.portal.archive("deals", deal)
    twin.portal.archive("calls", call)
    sales.sync()
    assert [deal in sales.counted("deal"), f"call-{call}" in sales.counted("activity")] == [False, False]
    clock.advance(hours=1)
    twin.portal.restore("deals", deal)
    sales.sync()
    assert deal in sales.counted("deal")


def test_what_was_deleted_for_good_is_found_missing_by_a_full_pass(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    sales = Sales(twin, clock, store)
    ids = [add_deal(twin.portal, number) for number in range(10)]
    sales.sync()
    clock.advance(hours=1)
    twin.portal.archive("deals", ids[0])
    twin.portal.purge("deals", ids[0])
    sales.sync()
    assert ids[0] in sales.counted("deal")
    sales.sync("full")
    assert set(ids) - set(sales.counted("deal")) == {ids[0]}


def test_owners_who_left_still_own_their_deals(twin: HubSpotTwin, clock: FakeClock) -> None:
    found = rows(made(preset(), "owners", everything(hubspot(twin, clock), "owners")), "owner")
    assert {id_: (one["name"], one["active"], one["user"]) for id_, one in found.items()} == {
        "5": ("Ana Alvarez", True, "771"), "6": ("Bo Berg", False, "772"),
    }


# --- 3: the same deal twice ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new_id", [False, True])
def test_merged_records_count_once(twin: HubSpotTwin, clock: FakeClock, store: Store, new_id: bool) -> None:
    sales, portal = Sales(twin, clock, store), twin.portal
    ids = {"deals": [add_deal(portal) for _ in range(10)],
           "contacts": [portal.create("contacts", {"lifecyclestage": "lead"}) for _ in range(10)],
           "companies": [portal.create("companies", {}) for _ in range(10)]}
    sales.sync()
    clock.advance(hours=1)
    last = {kind: portal.merge(kind, *some[:2], new_id=new_id) for kind, some in ids.items()}
    sales.sync()
    for kind, entity in (("deals", "deal"), ("contacts", "lead")):
        assert set(sales.counted(entity)) & {*ids[kind][:2], last[kind]} == {last[kind]}
    sales.sync("full")  # a company has nothing that says what became of it, so a pass finds it missing
    assert set(sales.counted("account")) & {*ids["companies"][:2], last["companies"]} == {last["companies"]}


@pytest.mark.parametrize("histories", ["own", "both"])
def test_a_merge_doubles_no_move_of_a_deal_that_counts(
    twin: HubSpotTwin, clock: FakeClock, store: Store, histories: Any
) -> None:
    """Whether HubSpot puts the absorbed deal's history into the survivor's or drops it: the absorbed deal keeps what it
    told, and counts no more."""
    sales, one, other = Sales(twin, clock, store), add_deal(twin.portal), add_deal(twin.portal)
    clock.advance(hours=1)
    twin.portal.move_stage(other, "contractsent")
    sales.sync()
    before = moves(sales, other)
    clock.advance(hours=1)
    twin.portal.merge("deals", one, other, histories=histories)
    sales.sync()
    assert moves(sales, other) == before
    assert other not in sales.counted("deal")
    told = [(entry["timestamp"], entry["value"]) for entry in twin.state()["deals"][one]["history"]["dealstage"]]
    assert sorted(moves(sales, one)) == sorted(told)


def moves(sales: Sales, deal: str) -> list[tuple[str, str]]:
    """The reported moves of a deal: when, as HubSpot writes it, and into which stage."""
    table = tables.LEDGER["stage_transition"]
    mine = (table.c.deal == deal, table.c.replaced_at.is_(None), table.c.origin == "reported")
    rows_ = sales.store.rows(select(table).where(*mine))
    return [(stamp(row.occurred_at // 1000), row.to_stage) for row in rows_]


@pytest.mark.parametrize("name", ["hubspot", "hubspot_leads"])
def test_a_lead_and_its_deal_are_one_lead_and_one_deal(
    twin: HubSpotTwin, clock: FakeClock, store: Store, name: str
) -> None:
    """Whichever of contacts and HubSpot's leads are our leads; deal.lead and lead.deal name each other."""
    portal = twin.portal
    contact = portal.create("contacts", {"lifecyclestage": "opportunity"}, id_=501)
    lead = portal.create("leads", {"hs_lead_name": "x"}, id_=601)
    deal = add_deal(portal)
    for pair in (("leads", lead, "contacts", contact), ("deals", deal, "contacts", contact),
                 ("leads", lead, "deals", deal)):
        portal.associate(*pair)
    sales = Sales(twin, clock, store, name, associations={"deals": ["leads"]} if name == "hubspot_leads" else {})
    sales.sync()
    ours = contact if name == "hubspot" else lead
    assert [id_ for id_ in sales.counted("lead") if id_ in (contact, lead)] == [ours]
    assert sales.counted("lead")[ours].deal == f"hubspot:{deal}"
    assert sales.counted("deal")[deal].lead == f"hubspot:{ours}"


def test_a_deal_that_moves_to_another_pipeline_stays_one_deal_with_the_moves_of_both(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    """Stage ids are unique in an account, so a history of stages needs no pipeline beside it."""
    twin.portal.add_pipeline("75e28846", "Renewals", [("998877", "Due", "0.5")])
    deal = add_deal(twin.portal)
    clock.advance(minutes=1)
    twin.portal.update("deals", deal, {"pipeline": "75e28846", "dealstage": "998877"})
    found = changed(hubspot(twin, clock), "deals", clock, seconds=30)
    data = document.read(str(MAPPINGS / "hubspot.yaml"))
    stages = {"998877": "qualification", "998879": "closed_won", "998880": "closed_lost"}
    data.data["pipelines"]["75e28846"] = {"name": "renewals", "stages": stages}
    rules = mapping.load(data, source="hubspot", zone=UTC, sources=["hubspot"])
    mapped = made(rules, "deals", found)
    assert {id_: row["pipeline"] for id_, row in rows(mapped, "deal").items()} == {deal: "75e28846"}
    told = [fact.value for one in mapped for fact in one.reported if fact.timeline == "stage"]
    assert told == [("default", "appointmentscheduled"), ("75e28846", "998877")]


def test_rows_that_move_between_pages_are_none_twice_and_none_lost(empty: HubSpotTwin, clock: FakeClock) -> None:
    """Pages follow ids, which no change moves: new and removed records shift nothing."""
    ids = [add_deal(empty.portal, number) for number in range(160)]
    source = hubspot(empty, clock)
    seen: list[str] = []
    for page in source.read("deals", Window(None, clock.now())):
        seen += [record.key for record in source.records("deals", page.exchanges)]
        if len(seen) == 50:
            empty.portal.archive("deals", ids[0])
            late = add_deal(empty.portal)
    assert [id_ for id_ in seen if id_ != ids[0]] == [*ids[1:], late]


# --- 4: silent truncation --------------------------------------------------------------------------------------------


def test_a_list_goes_on_to_its_end_whatever_the_page_size(empty: HubSpotTwin, clock: FakeClock) -> None:
    ids = [empty.portal.create("contacts", {}) for _ in range(201)]
    assert list(everything(hubspot(empty, clock), "contacts")) == ids


def test_a_search_page_holds_200_and_none_is_skipped_between_two(empty: HubSpotTwin, clock: FakeClock) -> None:
    """airbytehq/airbyte#45653: a search gives more than a list does."""
    ids = [empty.portal.create("calls", {}) for _ in range(450)]
    assert list(changed(hubspot(empty, clock), "calls", clock, minutes=1)) == ids
    assert asked(empty, "/search") == 3


def test_histories_halve_the_page_and_no_deal_is_left_out(empty: HubSpotTwin, clock: FakeClock) -> None:
    ids = [add_deal(empty.portal, number) for number in range(101)]
    found = everything(hubspot(empty, clock), "deals")
    assert list(found) == ids
    assert asked(empty, "limit=50") == 4  # three of live ones, one of archived ones


def test_associations_beyond_the_first_page_are_read(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.links_per_page = 2
    deal, contacts = add_deal(twin.portal), [twin.portal.create("contacts", {}) for _ in range(5)]
    for contact in contacts:
        twin.portal.associate("deals", deal, "contacts", contact)
    assert linked(everything(hubspot(twin, clock), "deals")[deal])["contacts"] == contacts


# --- 5: stage history ------------------------------------------------------------------------------------------------


def test_re_entries_into_a_stage_and_the_first_stage_are_all_told(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    """hs_date_entered_… has one entry per stage; the history has all of them."""
    deal = add_deal(twin.portal)
    for stage in ("contractsent", "appointmentscheduled", "contractsent", "closedwon"):
        clock.advance(hours=1)
        twin.portal.move_stage(deal, stage, user=772)
    mapped = made(preset(), "deals", named(hubspot(twin, clock), "deals", [deal]))
    moves = [(one.value[1], one.actor) for each in mapped for one in each.reported if one.timeline == "stage"]
    assert moves == [
        ("appointmentscheduled", "771"), ("contractsent", "772"), ("appointmentscheduled", "772"),
        ("contractsent", "772"), ("closedwon", "772"),
    ]


def test_a_windows_deals_have_their_history_though_search_has_none(twin: HubSpotTwin, clock: FakeClock) -> None:
    found = changed(hubspot(twin, clock), "deals", clock, minutes=1)
    assert all(one.data["propertiesWithHistory"]["dealstage"] for one in found.values())


def test_a_stage_the_mapping_does_not_list_sets_the_deal_aside_and_no_other(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    twin.portal.add_stage("default", ("5551", "Legal check", "0.95"))
    deal = add_deal(twin.portal, dealstage="5551")
    mapped = list(preset().apply("deals", everything(hubspot(twin, clock), "deals").values()))
    assert [one.key for one in mapped if one.fault] == [deal]


def test_a_renamed_stage_keeps_its_id(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.rename_stage("contractsent", "Angebot liegt vor")
    found = rows(made(preset(), "pipelines", everything(hubspot(twin, clock), "pipelines")), "stage")
    assert found["default|contractsent"]["probability"] == 900_000


# --- 6: money and dates ----------------------------------------------------------------------------------------------


def test_an_amount_is_text_and_stays_exact_in_its_own_currency(twin: HubSpotTwin, clock: FakeClock) -> None:
    deal = add_deal(twin.portal, amount="90071992547409.9301", deal_currency_code="VND")
    found = everything(hubspot(twin, clock), "deals")
    assert found[deal].data["properties"]["amount"] == "90071992547409.9301"
    row = rows(made(preset(), "deals", {deal: found[deal]}), "deal")[deal]
    assert (row["amount"], row["currency"]) == (900_719_925_474_099_301, "VND")


@pytest.mark.parametrize(("zone", "day"), [(UTC, "2026-04-30"), (ZoneInfo("Asia/Ho_Chi_Minh"), "2026-05-01")])
def test_a_close_date_near_midnight_is_the_day_of_the_reporting_zone(
    twin: HubSpotTwin, clock: FakeClock, zone: ZoneInfo, day: str
) -> None:
    """closedate is an instant, 22:30 UTC on the last of April, though people see and set a day."""
    mapped = made(preset("hubspot", zone), "deals", everything(hubspot(twin, clock), "deals"))
    assert {row["expected_close_on"] for row in rows(mapped, "deal").values()} == {day}


def test_a_probability_is_text_from_0_to_1_and_no_percentage(twin: HubSpotTwin, clock: FakeClock) -> None:
    deal = add_deal(twin.portal)
    found = everything(hubspot(twin, clock), "deals")
    assert found[deal].data["properties"]["hs_deal_stage_probability"].startswith("0.2000000000000000111")
    assert rows(made(preset(), "deals", {deal: found[deal]}), "deal")[deal]["probability"] == 200_000
    stages = rows(made(preset(), "pipelines", everything(hubspot(twin, clock), "pipelines")), "stage")
    assert stages["default|closedwon"]["probability"] == 1_000_000


def test_every_property_is_text_or_null_and_empty_text_is_none(twin: HubSpotTwin, clock: FakeClock) -> None:
    deal = add_deal(twin.portal, amount="", closedate=None)
    row = rows(made(preset(), "deals", named(hubspot(twin, clock), "deals", [deal])), "deal")[deal]
    assert (row["amount"], row["expected_close_on"]) == (None, None)
    assert row["currency"] == "EUR"  # a deal's currency is told without an amount too


def test_enumerations_are_internal_names_and_not_labels(twin: HubSpotTwin, clock: FakeClock) -> None:
    deal = add_deal(twin.portal, dealtype="newbusiness")
    mapped = made(preset(), "deals", named(hubspot(twin, clock), "deals", [deal]))
    assert rows(mapped, "deal")[deal]["type"] == "newbusiness"


def test_histories_name_users_and_records_name_owners(twin: HubSpotTwin, clock: FakeClock) -> None:
    """hubspot_owner_id is the owner's id and never the user's."""
    deal = next(iter(everything(hubspot(twin, clock), "deals").values()))
    (item,) = deal.data["propertiesWithHistory"]["hubspot_owner_id"]
    assert (deal.data["properties"]["hubspot_owner_id"], item["updatedByUserId"]) == ("5", 771)


# --- 7: retry only what heals: tests/adapters/hubspot/test_answers.py -------------------------------------------------


def test_limits_are_kept_without_ever_being_told_off(clock: FakeClock) -> None:
    """100 calls in 10 seconds and 5 searches in one, of which 80 % are ours."""
    with HubSpotTwin(clock=clock, rate=100, search_rate=5, retry_after=False) as twin:
        twin.portal.add_pipeline("default", "Sales", STAGES)
        for number in range(2200):
            add_deal(twin.portal, number)
        source = hubspot(twin, clock)
        assert len(changed(source, "deals", clock, minutes=1)) == 2200
        began = clock.now()
        assert len(everything(source, "deals")) == 2200
        assert source.requests == len(twin.requests) == 1 + 11 + 44 + 6 + 1 + 45
        assert clock.now() - began < timedelta(seconds=20)


# --- which streams cost ----------------------------------------------------------------------------------------------


def test_streams_that_a_mapping_does_not_read_cost_nothing(twin: HubSpotTwin, clock: FakeClock, store: Store) -> None:
    twin.forbidden |= {"leads"}
    Sales(twin, clock, store).sync()
    assert asked(twin, "/leads") == 0


def test_an_unread_type_without_its_scope_stops_no_other(twin: HubSpotTwin, clock: FakeClock, store: Store) -> None:
    """The deals of an account without deal splits, leads or a contacts scope are read all the same."""
    twin.forbidden |= {"contacts", "splits", "leads"}
    sales = Sales(twin, clock, store)
    with pytest.raises(AssertionError, match=r"crm\.objects\.contacts\.read"):
        sales.sync()
    assert len(sales.counted("deal")) == 3

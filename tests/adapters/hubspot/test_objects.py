"""Activities, leads, splits, teams, own properties and associations: what is read of each, and by how many calls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr, ValidationError

from adapters.hubspot import HubSpot, HubSpotSettings
from connector.errors import Permanent
from connector.ports import Record, Window
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal_setup import LEAD_PIPELINE, LEAD_STAGES
from tests.adapters.hubspot.account import (
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

ACTIVITIES = {
    "calls": {"hs_timestamp": "2026-03-01T09:00:00.000Z", "hs_call_direction": "OUTBOUND", "hs_call_duration": "95400",
              "hs_call_disposition": "f240bbac-87c9-4f6e-bf70-924b57d47db7", "hubspot_owner_id": "5"},
    "meetings": {"hs_timestamp": "2026-03-01T09:00:00.000Z", "hs_meeting_start_time": "2026-03-01T10:00:00.000Z",
                 "hs_meeting_end_time": "2026-03-01T10:45:00.000Z", "hs_meeting_outcome": "COMPLETED"},
    "emails": {"hs_timestamp": "2026-03-01T09:00:00.000Z", "hs_email_direction": "EMAIL", "hs_email_status": "SENT"},
    "tasks": {"hs_timestamp": "2026-03-04T09:00:00.000Z", "hs_task_status": "COMPLETED",
              "hs_task_completion_date": "2026-03-01T11:00:00.000Z", "hs_task_type": "CALL"},
}
MEANT = {
    "calls": ("call", "out", "connected", "09:00", 95),
    "meetings": ("meeting", None, "held", "10:00", 2700),
    "emails": ("email", "out", "sent", "09:00", None),
    "tasks": ("task", None, "done", "11:00", None),
}


def each_way(source: HubSpot, clock: FakeClock, deal: str) -> list[dict[str, Record]]:
    """The deals of now, as a list, a window, and a reading by id give them."""
    return [everything(source, "deals"), changed(source, "deals", clock, minutes=1), named(source, "deals", [deal])]


@pytest.mark.parametrize("version", ["2026-03", "v3"])
@pytest.mark.parametrize("kind", [*ACTIVITIES, "leads"])
def test_activities_and_leads_read_alike_by_list_window_and_id(
    twin: HubSpotTwin, clock: FakeClock, kind: str, version: str
) -> None:
    portal = twin.portal
    ends = [portal.create("contacts", {}), portal.create("companies", {}), add_deal(portal)]
    one = portal.create(kind, ACTIVITIES.get(kind, {"hs_lead_name": "x"}))
    for other, id_ in zip(("contacts", "companies", "deals"), ends, strict=True):
        portal.associate(kind, one, other, id_)
    source = hubspot(twin, clock, api_version=version)
    listed, searched, by_id = (
        found[one] for found in (
            everything(source, kind), changed(source, kind, clock, minutes=1), named(source, kind, [one]),
        )
    )
    assert listed == searched == by_id
    assert linked(listed) == {"contacts": [ends[0]], "companies": [ends[1]], "deals": [ends[2]]}


@pytest.mark.parametrize("kind", ACTIVITIES)
def test_what_an_activity_means(twin: HubSpotTwin, clock: FakeClock, kind: str) -> None:
    one = twin.portal.create(kind, ACTIVITIES[kind])
    deals = [add_deal(twin.portal, number) for number in range(2)]
    for deal in reversed(deals):
        twin.portal.associate(kind, one, "deals", deal)
    type_, direction, outcome, at, seconds = MEANT[kind]
    (row,) = rows(made(preset(), kind, everything(hubspot(twin, clock), kind)), "activity").values()
    assert (row["type"], row.get("direction"), row["outcome"], row.get("duration_seconds")) == (
        type_, direction, outcome, seconds,
    )
    hour, minute = map(int, at.split(":"))
    assert row["occurred_at"] == (20513 * 24 * 60 + hour * 60 + minute) * 60_000_000  # 2026-03-01 is day 20,513
    assert row["deal"] == f"hubspot:{deals[0]}"


def test_activities_of_two_types_with_one_id_stay_two(twin: HubSpotTwin, clock: FakeClock) -> None:
    for kind, properties in ACTIVITIES.items():
        twin.portal.create(kind, properties, id_=77)
    source = hubspot(twin, clock)
    ids = [id_ for kind in ACTIVITIES for id_ in rows(made(preset(), kind, everything(source, kind)), "activity")]
    assert ids == ["call-77", "meeting-77", "email-77", "task-77"]


def test_owners_come_with_their_teams_of_which_the_main_one_counts(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.set_teams("5", ["North", "Everybody"])
    found = made(preset(), "owners", everything(hubspot(twin, clock), "owners"))
    assert [(row["owner"], row["team"]) for row in rows(found, "owner_team").values()] == [("hubspot:5", "North")]


def test_pipelines_of_deals_and_of_leads_are_two_streams(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.add_pipeline(LEAD_PIPELINE, "Leads", LEAD_STAGES, kind="leads")
    source = hubspot(twin, clock)
    assert list(everything(source, "pipelines")) == ["default"]
    leads = everything(source, "lead_pipelines")[LEAD_PIPELINE]
    assert [stage["id"] for stage in leads.data["stages"]][:2] == ["new-stage-id", "attempting-stage-id"]


# --- deal splits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2026-03", "v3"])
def test_splits_come_with_their_deal_where_the_settings_ask_for_them(
    twin: HubSpotTwin, clock: FakeClock, version: str
) -> None:
    deal = add_deal(twin.portal)
    twin.portal.set_splits(deal, {"5": "0.6", "6": "0.4"})
    source = hubspot(twin, clock, splits=True, api_version=version)
    for found in each_way(source, clock, deal):
        shares = rows(made(preset(), "deals", {deal: found[deal]}), "deal_owner").values()
        assert [(row["owner"], row["share"]) for row in shares] == [("hubspot:5", 600_000), ("hubspot:6", 400_000)]
    assert "splits" not in everything(hubspot(twin, clock), "deals")[deal].data


def test_an_account_without_splits_is_told_which_scope_is_missing(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.forbidden.add("splits")
    with pytest.raises(Permanent, match=r"crm\.dealsplits\.read_write"):
        everything(hubspot(twin, clock, splits=True), "deals")


# --- associations ----------------------------------------------------------------------------------------------------


def test_associations_that_fill_several_pages_are_all_read(twin: HubSpotTwin, clock: FakeClock) -> None:
    """A list has only the first of them, a batch read gives them page by page."""
    twin.portal.links_per_page = 3
    deal, other = add_deal(twin.portal, 1), add_deal(twin.portal, 2)
    contacts = [twin.portal.create("contacts", {}) for _ in range(8)]
    for contact in contacts:
        twin.portal.associate("deals", deal, "contacts", contact)
    twin.portal.associate("deals", other, "contacts", contacts[0])
    source = hubspot(twin, clock)
    for found in each_way(source, clock, deal):
        assert linked(found[deal])["contacts"] == contacts
    assert linked(everything(source, "deals")[other])["contacts"] == [contacts[0]]


def test_associations_of_own_choice_are_read_beside_ours(twin: HubSpotTwin, clock: FakeClock) -> None:
    deal, lead = add_deal(twin.portal), twin.portal.create("leads", {})
    twin.portal.associate("deals", deal, "leads", lead)
    source = hubspot(twin, clock, associations={"deals": ["leads"]})
    for found in (everything(source, "deals"), changed(source, "deals", clock, minutes=1)):
        assert linked(found[deal]) == {"leads": [lead]}
    assert linked(everything(hubspot(twin, clock), "deals")[deal]) == {}


# --- own properties --------------------------------------------------------------------------------------------------


def test_more_properties_than_an_address_holds_are_read_all_the_same(twin: HubSpotTwin, clock: FakeClock) -> None:
    """Then a list gives ids and associations, and batch reads the rest."""
    names = [f"an_own_property_with_a_long_name_{number:04}" for number in range(500)]
    for name in names:
        twin.portal.add_property("deals", name)
    contact = twin.portal.create("contacts", {})
    ids = [add_deal(twin.portal, number, **{names[number]: str(number)}) for number in range(120)]
    twin.portal.associate("deals", ids[0], "contacts", contact)
    twin.portal.archive("deals", ids[-1])
    source = hubspot(twin, clock, properties={"deals": names})
    found = everything(source, "deals")
    assert all(found[id_].data["properties"][names[number]] == str(number) for number, id_ in enumerate(ids))
    assert linked(found[ids[0]])["contacts"] == [contact]
    assert found[ids[-1]].data["archived"]
    assert found[ids[0]].data["propertiesWithHistory"]["dealstage"]
    assert (asked(twin, "/deals?"), asked(twin, "/deals/batch/read")) == (3, 4)  # 122 live ones, and the archived one


def test_properties_that_vanish_from_the_account_do_not_break_the_reading(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.add_property("deals", "khu_vuc")
    deal = add_deal(twin.portal, khu_vuc="Nam")
    source = hubspot(twin, clock, properties={"deals": ["khu_vuc"]})
    twin.portal.drop_property("deals", "khu_vuc")
    twin.portal.drop_property("deals", "deal_currency_code")
    for found in each_way(source, clock, deal):
        assert "khu_vuc" not in found[deal].data["properties"]


def test_check_names_own_properties_that_the_account_does_not_have(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.add_property("calls", "khu_vuc")
    source = hubspot(twin, clock, properties={"calls": ["khu_vuc", "kenh"], "deals": ["nganh"]})
    found = {check.what: check.detail for check in source.check() if not check.ok}
    assert found == {
        "calls": "the account has no property kenh; correct properties: {calls: …}",
        "deals": "the account has no property nganh; correct properties: {deals: …}",
    }


def test_the_fields_of_a_stream_are_what_is_asked_for_and_the_account_has(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.drop_property("deals", "dealtype")
    told = hubspot(twin, clock, history=["dealstage"]).metadata(["deals", "owners"]).fields
    fields = {path for path, one in told["deals"].items() if one.is_read}
    assert "properties.amount" in fields
    assert "propertiesWithHistory.dealstage" in fields
    assert not {"properties.dealtype", "propertiesWithHistory.amount", "properties.hs_is_closed"} & set(fields)
    assert not told["deals"]["properties.hs_is_closed"].is_read
    assert "owners" not in told


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [
    {"properties": {"owners": ["x"]}}, {"associations": {"deals": ["owners"]}}, {"splits": "perhaps"}, {"hooks": {}},
])  # fmt: skip
def test_settings_that_mean_nothing_are_faults(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HubSpotSettings(token=SecretStr("t"), **wrong)  # type: ignore[arg-type]


# --- how many calls --------------------------------------------------------------------------------------------------


def test_a_first_reading_of_deals_is_a_call_for_fifty_and_one_for_the_archived(
    empty: HubSpotTwin, clock: FakeClock
) -> None:
    for number in range(220):
        add_deal(empty.portal, number)
    source = hubspot(empty, clock, splits=False)
    list(source.read("deals", Window(None, clock.now())))
    assert source.requests == 5 + 1


def test_a_first_reading_without_histories_is_a_call_for_a_hundred(empty: HubSpotTwin, clock: FakeClock) -> None:
    for _ in range(220):
        empty.portal.create("calls", {})
    source = hubspot(empty, clock)
    list(source.read("calls", Window(None, clock.now())))
    assert source.requests == 3 + 1


def test_splits_are_a_call_for_a_hundred_more(empty: HubSpotTwin, clock: FakeClock) -> None:
    for number in range(220):
        add_deal(empty.portal, number)
    source = hubspot(empty, clock, splits=True)
    list(source.read("deals", Window(None, clock.now())))
    assert source.requests == 5 + 3 + 1


@pytest.mark.parametrize(("kind", "calls"), [
    ("deals", 6 + 21 + 2 * 2 + 1),  # searches, batch reads, associations to two types, the list of archived ones
    ("calls", 6 + 3 * 2 + 1),  # their properties come with the search
])  # fmt: skip
def test_a_window_fills_each_of_its_calls(empty: HubSpotTwin, clock: FakeClock, kind: str, calls: int) -> None:
    for number in range(1040):
        if kind == "deals":
            add_deal(empty.portal, number)
        else:
            empty.portal.create(kind, {})
    source = hubspot(empty, clock)
    list(source.read(kind, Window(clock.now() - timedelta(minutes=1), clock.now())))
    assert source.requests == calls


def test_a_window_in_which_nothing_happened_is_two_calls(twin: HubSpotTwin, clock: FakeClock) -> None:
    clock.advance(days=1)
    source = hubspot(twin, clock)
    pages = list(source.read("deals", Window(clock.now() - timedelta(minutes=1), clock.now())))
    assert (source.requests, len(records(source, "deals", pages))) == (2, 0)

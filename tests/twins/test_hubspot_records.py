"""What becomes of records of the fake HubSpot account: merged, restored, purged; and those of every type."""

from __future__ import annotations

import pytest

from connector.twins.portal_setup import LEAD_PIPELINE, LEAD_STAGES
from tests.twins.accounts import DEALS

ACTIVITIES = {
    "calls": {"hs_timestamp": "2026-03-02T08:00:00.000Z", "hs_call_direction": "OUTBOUND", "hs_call_duration": "61000"},
    "meetings": {"hs_timestamp": "2026-03-02T08:00:00.000Z", "hs_meeting_outcome": "COMPLETED"},
    "emails": {"hs_timestamp": "2026-03-02T08:00:00.000Z", "hs_email_direction": "INCOMING_EMAIL"},
    "tasks": {"hs_timestamp": "2026-03-02T08:00:00.000Z", "hs_task_status": "NOT_STARTED"},
}


# --- merges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [f"{DEALS}/merge", "/crm/objects/2026-03/0-3/merge"])
def test_a_merge_moves_the_survivor_and_makes_the_absorbed_one_vanish_from_every_list(account, path):
    kept, absorbed = account.deals[:2]
    account.clock.sleep(60)
    answer = account.post(path, {"primaryObjectId": kept, "objectIdToMerge": absorbed})
    assert (answer["id"], answer["updatedAt"]) == (kept, "2026-03-02T09:01:07.000Z")
    row = account.get(f"{DEALS}/{kept}", properties="hs_merged_object_ids,amount", propertiesWithHistory="dealstage")
    assert (row["properties"]["hs_merged_object_ids"], row["properties"]["amount"]) == (absorbed, "000.50")
    assert [entry["timestamp"] for entry in row["propertiesWithHistory"]["dealstage"]] == ["2026-03-02T09:00:01.000Z"]
    assert absorbed not in account.ids() + account.ids(archived="true") + account.found()


def test_an_absorbed_id_is_answered_by_the_survivor_under_its_own_id(account):
    kept, absorbed = account.deals[:2]
    account.portal.merge("deals", kept, absorbed)
    assert account.get(f"{DEALS}/{absorbed}")["id"] == kept
    answer = account.batch(absorbed, kept, account.deals[2])
    assert [row["id"] for row in answer["results"]] == [kept, account.deals[2]]


def test_a_merge_may_make_a_third_record_that_has_absorbed_both(account):
    first, second, third = account.deals[:3]
    account.twin.new_ids = True
    account.portal.move_stage(first, "contractsent")
    made = account.post(f"{DEALS}/merge", {"primaryObjectId": first, "objectIdToMerge": second})["id"]
    assert made not in account.deals
    assert {row["id"] for row in account.batch(first, second)["results"]} == {made}
    last = account.post(f"{DEALS}/merge", {"primaryObjectId": third, "objectIdToMerge": made})["id"]
    row = account.get(f"{DEALS}/{first}", properties="hs_merged_object_ids")
    absorbed = set(row["properties"]["hs_merged_object_ids"].split(";"))
    assert (row["id"], absorbed) == (last, {first, second, third, made})
    assert account.truth(second)["merged_into"] == last
    assert len(account.truth(made)["history"]["dealstage"]) == 2


def test_a_survivor_takes_over_associations_and_what_it_had_not_and_is_as_old_as_the_older(account):
    older, kept = account.deals[:2]
    contact = account.portal.create("contacts", {"email": "a@example.com"})
    account.portal.associate("deals", older, "contacts", contact)
    account.portal.update("deals", older, {"closed_lost_reason": "price"})
    account.portal.merge("deals", kept, older)
    row = account.get(f"{DEALS}/{kept}", properties="closed_lost_reason,amount", associations="contacts")
    assert (row["properties"]["closed_lost_reason"], row["properties"]["amount"]) == ("price", "100.50")
    assert row["createdAt"] == row["properties"]["createdate"] == "2026-03-02T09:00:01.000Z"
    assert row["associations"]["contacts"]["results"][0]["id"] == contact
    assert account.truth(contact, "contacts")["associations"] == {"deals": [kept]}
    assert account.truth(older)["associations"] == {}


def test_a_merge_may_mix_the_histories(account):
    kept, absorbed = account.deals[:2]
    account.portal.move_stage(absorbed, "contractsent")
    account.portal.merge("deals", kept, absorbed, histories="both")
    row = account.get(f"{DEALS}/{kept}", properties="dealstage", propertiesWithHistory="dealstage")
    assert row["properties"]["dealstage"] == "appointmentscheduled"
    assert [entry["value"] for entry in row["propertiesWithHistory"]["dealstage"]] == [
        "contractsent", "appointmentscheduled", "appointmentscheduled",
    ]


def test_what_cannot_be_merged_is_refused(account):
    kept, archived = account.deals[:2]
    account.portal.archive("deals", archived)
    account.post(f"{DEALS}/merge", {"primaryObjectId": kept, "objectIdToMerge": kept}, 400)
    account.post(f"{DEALS}/merge", {"primaryObjectId": kept, "objectIdToMerge": archived}, 404)
    calls = [account.portal.create("calls", {}) for _ in range(2)]
    body = {"primaryObjectId": calls[0], "objectIdToMerge": calls[1]}
    account.post("/crm/v3/objects/calls/merge", body, 400)


# --- archived, restored, purged --------------------------------------------------------------------------------------


def test_a_restored_record_is_back_with_a_new_modified_date(account):
    account.portal.archive("deals", account.deals[0])
    account.clock.sleep(60)
    account.portal.restore("deals", account.deals[0])
    row = account.get(f"{DEALS}/{account.deals[0]}")
    assert (row["archived"], "archivedAt" in row, row["updatedAt"]) == (False, False, "2026-03-02T09:01:07.000Z")
    assert account.ids(archived="true") == []


def test_after_ninety_days_an_archived_record_is_gone_from_everywhere(account):
    first, second = account.deals[:2]
    account.portal.archive("deals", first)
    account.clock.sleep(89 * 86_400)
    account.portal.archive("deals", second)
    assert account.portal.purge_old() == 0
    account.clock.sleep(86_400)
    assert account.portal.purge_old() == 1
    assert account.ids(archived="true") == [second]
    account.get(f"{DEALS}/{first}", 404, archived="true")
    assert account.batch(first, status=207)["errors"][0]["context"] == {"ids": [first]}
    assert (account.truth(first)["status"], account.truth(second)["status"]) == ("purged", "archived")


def test_the_truth_names_the_standing_of_every_record(account):
    account.portal.archive("deals", account.deals[1])
    account.portal.merge("deals", account.deals[2], account.deals[3])
    standing = [(account.truth(id_)["status"], account.truth(id_)["merged_into"]) for id_ in account.deals[:4]]
    assert standing == [("live", None), ("archived", None), ("live", None), ("merged", account.deals[2])]
    state = account.twin.state()
    assert (list(state["pipelines"]["deals"]), list(state["owners"])) == (["default"], ["51"])


# --- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ACTIVITIES)
def test_activities_are_records_like_all_others(account, kind):
    made = account.post(f"/crm/v3/objects/{kind}", {"properties": ACTIVITIES[kind]}, 201)
    account.clock.sleep(60)
    name = next(name for name in ACTIVITIES[kind] if name != "hs_timestamp")
    account.session.patch(f"{account.twin.url}/crm/v3/objects/{kind}/{made['id']}", json={"properties": {name: "X"}})
    row = account.get(f"/crm/objects/2026-03/{kind}/{made['id']}", properties=name, propertiesWithHistory=name)
    assert row["properties"] == {name: "X", "hs_createdate": made["createdAt"],
                                 "hs_lastmodifieddate": "2026-03-02T09:01:07.000Z", "hs_object_id": made["id"]}
    assert [entry["value"] for entry in row["propertiesWithHistory"][name]] == ["X", ACTIVITIES[kind][name]]
    since = {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "2026-03-02T09:01:07Z"}
    assert account.found(kind, filterGroups=[{"filters": [since]}]) == [made["id"]]
    assert account.batch(made["id"], kind=kind)["results"][0]["id"] == made["id"]
    account.portal.archive(kind, made["id"])
    assert account.ids(kind, archived="true") == [made["id"]]


@pytest.mark.parametrize(("kind", "there", "back"), [("calls", 206, 205), ("meetings", 212, 211), ("emails", 210, 209),
                                                     ("tasks", 216, 215), ("leads", 584, 583)])
def test_activities_and_leads_are_linked_to_deals_both_ways(account, kind, there, back):
    one = account.portal.create(kind, {}, links=[("deals", account.deals[0])])
    for path, from_, to, number in (
        (f"{kind}/deals", one, account.deals[0], there), (f"deals/{kind}", account.deals[0], one, back),
    ):
        (found,) = account.post(f"/crm/v4/associations/{path}/batch/read", {"inputs": [{"id": from_}]})["results"]
        type_ = {"category": "HUBSPOT_DEFINED", "typeId": number, "label": None}
        assert found["to"] == [{"toObjectId": int(to), "associationTypes": [type_]}]


def test_a_lead_needs_a_contact_and_has_a_pipeline_of_its_own(account):
    account.portal.add_pipeline(LEAD_PIPELINE, "Lead pipeline", LEAD_STAGES, kind="leads")
    contact = account.portal.create("contacts", {"email": "a@example.com"})
    properties = {"hs_lead_name": "North", "hs_pipeline": LEAD_PIPELINE, "hs_pipeline_stage": "new-stage-id"}
    account.post("/crm/v3/objects/leads", {"properties": properties}, 400)
    link = {"to": {"id": contact}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 578}]}
    made = account.post("/crm/v3/objects/0-136", {"properties": properties, "associations": [link]}, 201)
    account.clock.sleep(60)
    account.portal.update("leads", made["id"], {"hs_pipeline_stage": "qualified-stage-id"})
    (row,) = account.get("/crm/v3/objects/leads", propertiesWithHistory="hs_pipeline_stage", associations="contacts",
                         limit=50)["results"]
    stages = [entry["value"] for entry in row["propertiesWithHistory"]["hs_pipeline_stage"]]
    assert stages == ["qualified-stage-id", "new-stage-id"]
    assert row["associations"]["contacts"]["results"] == [{"id": contact, "type": "lead_to_contact"}]
    assert [one["id"] for one in account.get("/crm/v3/pipelines/leads")["results"]] == [LEAD_PIPELINE]
    assert [one["id"] for one in account.get("/crm/v3/pipelines/deals")["results"]] == ["default"]


def test_a_lifecycle_stage_keeps_the_time_it_was_reached_in_a_property_of_its_own(account):
    contact = account.portal.create("contacts", {"email": "a@example.com", "lifecyclestage": "lead"})
    account.clock.sleep(60)
    account.portal.update("contacts", contact, {"lifecyclestage": "marketingqualifiedlead"})
    row = account.get(f"/crm/v3/objects/contacts/{contact}", propertiesWithHistory="lifecyclestage",
                      properties="hs_lifecyclestage_lead_date,hs_lifecyclestage_marketingqualifiedlead_date")
    assert row["properties"]["hs_lifecyclestage_lead_date"] == "2026-03-02T09:00:07.000Z"
    assert row["properties"]["hs_lifecyclestage_marketingqualifiedlead_date"] == "2026-03-02T09:01:07.000Z"
    assert [entry["value"] for entry in row["propertiesWithHistory"]["lifecyclestage"]] == [
        "marketingqualifiedlead", "lead",
    ]


# --- properties ------------------------------------------------------------------------------------------------------


def test_a_dropped_property_vanishes_without_a_word_and_comes_back_with_its_values(account):
    deal = account.deals[0]
    account.portal.add_property("deals", "khu_vuc")
    account.portal.update("deals", deal, {"khu_vuc": "north"})
    account.portal.drop_property("deals", "khu_vuc")
    row = account.get(f"{DEALS}/{deal}", properties="khu_vuc,amount", propertiesWithHistory="khu_vuc")
    assert "khu_vuc" not in row["properties"]
    assert "propertiesWithHistory" not in row
    account.post(f"{DEALS}/search", {"filterGroups": [{"filters": [
        {"propertyName": "khu_vuc", "operator": "HAS_PROPERTY"}]}]}, 400)
    account.get("/crm/v3/properties/deals/khu_vuc", 404)
    assert "khu_vuc" not in [one["name"] for one in account.get("/crm/v3/properties/deals")["results"]]
    account.post(DEALS, {"properties": {"khu_vuc": "south"}}, 400)
    account.portal.add_property("deals", "khu_vuc")
    assert account.get(f"{DEALS}/{deal}", properties="khu_vuc")["properties"]["khu_vuc"] == "north"


def test_a_bulk_edit_of_ten_thousand_records_is_beyond_what_one_search_shows(account):
    for _ in range(10_050):
        account.portal.create("companies", {"name": "x"})
    account.clock.sleep(60)
    account.portal.bulk_update("companies", account.portal.collections["companies"].ids, {"name": "y"})
    path = "/crm/v3/objects/companies/search"
    found = account.post(path, {"after": "9800", "limit": 200})
    assert {row["updatedAt"] for row in found["results"]} == {"2026-03-02T09:01:07.000Z"}
    assert (found["total"], found["paging"]["next"]["after"]) == (10_050, "10000")
    account.post(path, {"after": "10000", "limit": 200}, 400)


def test_a_bulk_edit_gives_all_records_one_modified_date(account):
    account.clock.sleep(60)
    account.portal.bulk_update("deals", account.deals, {"amount": "9"})
    rows = account.get(DEALS)["results"]
    assert {row["updatedAt"] for row in rows} == {"2026-03-02T09:01:07.000Z"}

"""The fake HubSpot account: shapes, limits and errors as HubSpot has them, over real sockets."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial

import pytest
import requests

from connector.twins.clock import SimulatedClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal import Portal, milliseconds
from tests.twins.accounts import NINE

get, post = partial(requests.get, timeout=10), partial(requests.post, timeout=10)
OBJECTS = ("/crm/v3/objects", "/crm/objects/2026-03")


@pytest.mark.parametrize("base", OBJECTS)
def test_a_list_is_paged_by_after_in_both_naming_schemes(account, base):
    seen, after = [], ""
    while True:
        page = account.get(base + "/deals", limit=3, after=after)
        seen += [row["id"] for row in page["results"]]
        if "paging" not in page:
            break
        after = page["paging"]["next"]["after"]
    assert seen == account.deals


def test_a_record_has_the_properties_asked_for_as_text_or_null_and_unknown_ones_are_ignored(account):
    row = account.get(f"/crm/v3/objects/deals/{account.deals[3]}", properties="amount,hs_is_closed,closedate,nonsense")
    assert row == {
        "id": account.deals[3],
        "properties": {
            "amount": "300.50", "hs_is_closed": "false", "closedate": None, "createdate": "2026-03-02T09:00:04.000Z",
            "hs_lastmodifieddate": "2026-03-02T09:00:04.000Z", "hs_object_id": account.deals[3],
        },
        "createdAt": "2026-03-02T09:00:04.000Z", "updatedAt": "2026-03-02T09:00:04.000Z", "archived": False,
    }


def test_a_stage_history_is_newest_first_and_the_win_sets_what_hubspot_computes(account):
    deal = account.deals[0]
    for stage in ("contractsent", "closedwon"):
        account.clock.sleep(60)
        account.portal.move_stage(deal, stage, user=771)
    row = account.get(f"/crm/v3/objects/deals/{deal}", propertiesWithHistory="dealstage,amount",
                      properties="closedate,hs_is_closed_won,hs_deal_stage_probability")
    history = row["propertiesWithHistory"]["dealstage"]
    assert [(entry["value"], entry["timestamp"]) for entry in history] == [
        ("closedwon", "2026-03-02T09:02:07.000Z"), ("contractsent", "2026-03-02T09:01:07.000Z"),
        ("appointmentscheduled", "2026-03-02T09:00:01.000Z"),
    ]
    assert history[0]["updatedByUserId"] == 771
    assert row["properties"]["closedate"] == row["updatedAt"] == "2026-03-02T09:02:07.000Z"
    assert (row["properties"]["hs_is_closed_won"], row["properties"]["hs_deal_stage_probability"]) == ("true", "1")


def test_writing_the_same_value_again_leaves_the_modified_date_alone(account):
    before = account.portal.item("deals", account.deals[0]).modified_at
    account.clock.sleep(60)
    account.portal.change_owner(account.deals[0], "51")
    assert account.portal.item("deals", account.deals[0]).modified_at == before


@pytest.mark.parametrize(("query", "most"), [({}, 100), ({"propertiesWithHistory": "dealstage"}, 50)])
def test_a_page_is_limited_and_more_narrowly_with_history(account, query, most):
    account.get("/crm/v3/objects/deals", limit=most, **query)
    fault = account.get("/crm/v3/objects/deals", 400, limit=most + 1, **query)
    assert (fault["status"], fault["category"], len(fault["correlationId"])) == ("error", "VALIDATION_ERROR", 36)


def test_archived_records_are_hidden_and_listed_apart(account):
    gone = account.deals[2]
    account.clock.sleep(5)
    account.portal.archive("deals", gone)
    assert gone not in [row["id"] for row in account.get("/crm/v3/objects/deals")["results"]]
    (row,) = account.get("/crm/v3/objects/deals", archived="true")["results"]
    assert (row["id"], row["archived"], row["archivedAt"]) == (gone, True, "2026-03-02T09:00:12.000Z")
    assert account.post("/crm/v3/objects/deals/search", {})["total"] == 6
    account.get(f"/crm/v3/objects/deals/{gone}", 404)


def test_search_takes_a_closed_window_of_modified_times_and_a_position_by_id(account):
    stamp = [str(account.portal.item("deals", id_).modified_at) for id_ in account.deals]
    found = account.post("/crm/objects/2026-03/deals/search", {
        "filterGroups": [{"filters": [
            {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": stamp[1]},
            {"propertyName": "hs_lastmodifieddate", "operator": "LTE", "value": stamp[5]},
            {"propertyName": "hs_object_id", "operator": "GT", "value": account.deals[2]},
        ]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}], "properties": ["amount"], "limit": 2,
    })
    assert [row["id"] for row in found["results"]] == account.deals[3:5]
    assert (found["total"], found["paging"]["next"]["after"]) == (3, "2")
    assert "propertiesWithHistory" not in found["results"][0]


@pytest.mark.parametrize(("one", "expected"), [
    ({"operator": "EQ", "propertyName": "amount", "value": "300.5"}, {3}),
    ({"operator": "NEQ", "propertyName": "dealname", "value": "Deal 1"}, {0, 2, 3, 4, 5, 6}),
    ({"operator": "LT", "propertyName": "amount", "value": "100.5"}, {0}),
    ({"operator": "BETWEEN", "propertyName": "amount", "value": "100.5", "highValue": "200.5"}, {1, 2}),
    ({"operator": "IN", "propertyName": "dealname", "values": ["deal 1", "deal 6"]}, {1, 6}),
    ({"operator": "NOT_IN", "propertyName": "dealname", "values": ["deal 1", "deal 6"]}, {0, 2, 3, 4, 5}),
    ({"operator": "HAS_PROPERTY", "propertyName": "closed_lost_reason"}, set()),
    ({"operator": "NOT_HAS_PROPERTY", "propertyName": "closed_lost_reason"}, set(range(7))),
    ({"operator": "CONTAINS_TOKEN", "propertyName": "dealname", "value": "De*"}, set(range(7))),
    ({"operator": "NOT_CONTAINS_TOKEN", "propertyName": "dealname", "value": "4"}, {0, 1, 2, 3, 5, 6}),
    ({"operator": "GTE", "propertyName": "createdate", "value": "2026-03-02T09:00:06Z"}, {5, 6}),
])
def test_search_knows_each_operator(account, one, expected):
    found = account.post("/crm/v3/objects/deals/search", {"filterGroups": [{"filters": [one]}], "limit": 200})
    assert {account.deals.index(row["id"]) for row in found["results"]} == expected


@pytest.mark.parametrize("body", [
    {"limit": 201}, {"after": "9900", "limit": 200}, {"sorts": ["amount", "dealname"]},
    {"filterGroups": [{"filters": [{"propertyName": "nonsense", "operator": "EQ", "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "LIKE", "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "amount", "operator": "GT", "value": "much"}]}]},
])
def test_a_search_hubspot_would_refuse_is_refused(account, body):
    assert account.post("/crm/v3/objects/deals/search", body, 400)["category"] == "VALIDATION_ERROR"


def test_search_has_no_rate_headers_and_lists_have(account):
    searched = account.session.post(account.twin.url + "/crm/v3/objects/deals/search", json={})
    listed = account.session.get(account.twin.url + "/crm/v3/objects/deals")
    assert not [name for name in searched.headers if "ratelimit" in name.lower()]
    assert listed.headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"


def test_beyond_the_rate_the_answer_is_429_until_ten_seconds_have_passed():
    with HubSpotTwin(clock=SimulatedClock(NINE), rate=2) as twin:
        answers = [get(twin.url + "/crm/v3/owners", headers=twin.headers) for _ in range(3)]
        assert [one.headers["X-HubSpot-RateLimit-Remaining"] for one in answers] == ["1", "0", "0"]
        assert (answers[2].status_code, answers[2].json()["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
        twin.clock.sleep(10)
        assert get(twin.url + "/crm/v3/owners", headers=twin.headers).status_code == 200


@pytest.mark.parametrize("base", OBJECTS)
def test_a_batch_read_gives_history_and_names_what_is_missing(account, base):
    wanted = [{"id": account.deals[1]}, {"id": "12"}, {"id": account.deals[0]}]
    body = {"inputs": wanted, "properties": ["amount"], "propertiesWithHistory": ["dealstage"]}
    answer = account.post(base + "/deals/batch/read", body, 207)
    assert {row["id"] for row in answer["results"]} == {account.deals[0], account.deals[1]}
    assert answer["results"][0]["propertiesWithHistory"]["dealstage"][0]["value"] == "appointmentscheduled"
    assert answer["errors"][0]["context"] == {"ids": ["12"]}
    account.post(base + "/deals/batch/read", {**body, "inputs": [{"id": "1"}] * 51}, 400)
    assert account.post(base + "/deals/batch/read", {"inputs": wanted[:1]})["status"] == "COMPLETE"


@pytest.mark.parametrize("path", ["/crm/v3/owners", "/crm/owners/2026-03"])
def test_an_owner_who_left_is_shown_by_archived_only(account, path):
    account.portal.add_owner("52", email="old@example.com", first="Old", last="Hand", user=772)
    account.portal.archive_owner("52")
    (here,), (gone,) = account.get(path)["results"], account.get(path, archived="true")["results"]
    assert (here["id"], here["userId"], here["archived"], here["teams"][0]["name"]) == ("51", 771, False, "north")
    assert (gone["id"], gone["userId"], gone["userIdIncludingInactive"]) == ("52", None, 772)


@pytest.mark.parametrize("path", ["/crm/v3/pipelines/deals", "/crm/pipelines/2026-03/deals"])
def test_a_pipeline_has_its_stages_with_probabilities_as_text(account, path):
    (pipeline,) = account.get(path)["results"]
    assert (pipeline["id"], len(pipeline["stages"])) == ("default", 6)
    assert pipeline["stages"][4]["metadata"] == {"isClosed": "true", "probability": "1.0"}


@pytest.mark.parametrize("path", ["/crm/v4/associations/deals/contacts", "/crm/associations/2026-03/deal/contact"])
def test_associations_come_by_batch_and_with_the_list(account, path):
    deal, other = account.deals[:2]
    contact = account.portal.create("contacts", {"email": "a@example.com"})
    account.portal.associate("deals", deal, "contacts", contact)
    answer = account.post(path + "/batch/read", {"inputs": [{"id": deal}, {"id": other}]}, 207)
    (found,) = answer["results"]
    assert (found["from"], found["to"][0]["toObjectId"]) == ({"id": deal}, int(contact))
    assert answer["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    rows = account.get("/crm/v3/objects/deals", associations="contacts")["results"]
    assert rows[0]["associations"] == {"contacts": {"results": [{"id": contact, "type": "deal_to_contact"}]}}
    assert "associations" not in rows[1]


def test_records_can_be_written_over_the_api(account):
    properties = {"dealstage": "qualifiedtobuy", "pipeline": "default"}
    made = account.post("/crm/v3/objects/deals", {"properties": properties}, 201)
    url = f"{account.twin.url}/crm/v3/objects/deals/{made['id']}"
    account.clock.sleep(1)
    changed = account.session.patch(url, json={"properties": {"dealstage": "closedlost", "amount": 5}}).json()
    assert (changed["properties"]["dealstage"], changed["properties"]["amount"]) == ("closedlost", "5")
    assert account.session.patch(url, json={"properties": {"dealstage": "nowhere"}}).status_code == 400
    assert account.session.delete(url).status_code == 204
    account.get(f"/crm/v3/objects/deals/{made['id']}", 404)


def test_without_the_token_the_answer_is_hubspots_401(account):
    answer = get(account.twin.url + "/crm/v3/owners", headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_ids_get_another_digit_so_that_sorting_them_as_text_is_found_out():
    portal = Portal(SimulatedClock(NINE), first_id=99)
    ids = [portal.create("companies", {"name": "x"}) for _ in range(2)]
    assert ids == ["99", "100"]
    assert [item.id for item in portal.collections["companies"].from_id(0)] == [99, 100]


def test_milliseconds_count_from_1970():
    assert milliseconds(datetime(1970, 1, 2, 0, 0, 1, 5000, tzinfo=UTC)) == 86_401_005


def started(*arguments):
    """The twin as a process, and what it announced."""
    process = subprocess.Popen(
        [sys.executable, "-m", "connector.twins.hubspot", "--deals", "40", *arguments],
        stdout=subprocess.PIPE, text=True,
    )
    return process, json.loads(process.stdout.readline())


def test_in_its_own_process_the_data_end_up_the_same_whatever_was_asked_in_between():
    states = []
    for asked in (0, 7, 30):
        process, said = started("--mutate-every", "3", "--mutations", "8")
        headers = {"Authorization": f"Bearer {said['token']}"}
        for _ in range(asked):
            get(said["url"] + "/crm/v3/objects/deals", headers=headers)
        settled = post(said["url"] + "/_twin/settle").json()["applied"]
        states.append(get(said["url"] + "/_twin/state").json())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        process.stdout.close()
        assert settled == max(0, 8 - asked // 3)
    assert states[0] == states[1] == states[2]
    assert len(states[0]["deals"]) >= 40

"""The fake HubSpot account beside its records: teams, stages, associations in pages, deal splits."""

from __future__ import annotations

import pytest

DEALS = "/crm/v3/objects/deals"


def test_a_team_keeps_its_id_whoever_joins_it(account):
    account.portal.add_owner("52", email="b@example.com", first="B", last="C", user=772, teams=["south", "north"])
    account.portal.set_teams("51", ["south"])
    rows = {one["id"]: one["teams"] for one in account.get("/crm/v3/owners")["results"]}
    assert rows == {
        "51": [{"id": "2", "name": "south", "primary": True}],
        "52": [{"id": "2", "name": "south", "primary": True}, {"id": "1", "name": "north", "primary": False}],
    }


def test_an_owner_who_comes_back_is_listed_again(account):
    account.portal.archive_owner("51")
    account.portal.restore_owner("51")
    (row,) = account.get("/crm/v3/owners")["results"]
    assert (row["archived"], row["userId"]) == (False, 771)


def stages(account):
    return {one["id"]: one for one in account.get("/crm/v3/pipelines/deals/default")["stages"]}


def test_a_stage_is_renamed_added_archived_and_removed(account):
    account.portal.rename_stage("contractsent", "Signature")
    account.portal.add_stage("default", ("legal", "Legal", "0.85"))
    account.portal.archive_stage("qualifiedtobuy")
    shown = stages(account)
    assert (shown["contractsent"]["label"], shown["legal"]["displayOrder"]) == ("Signature", 6)
    assert (shown["qualifiedtobuy"]["archived"], shown["contractsent"]["archived"]) == (True, False)
    account.portal.remove_stage("appointmentscheduled")
    assert "appointmentscheduled" not in stages(account)
    row = account.get(f"{DEALS}/{account.deals[0]}", properties="dealstage")
    assert row["properties"]["dealstage"] == "appointmentscheduled"
    with pytest.raises(ValueError, match="no stage"):
        account.portal.move_stage(account.deals[0], "appointmentscheduled")


def test_many_associations_come_in_pages(account):
    deal, other = account.deals[:2]
    contacts = [account.portal.create("contacts", {}, links=[("deals", deal)]) for _ in range(5)]
    account.portal.associate("deals", other, "contacts", contacts[0])
    account.portal.links_per_page = 2
    path, seen, after = "/crm/v4/associations/deals/contacts/batch/read", [], ""
    while True:
        inputs = [{"id": deal, **({"after": after} if after else {})}, {"id": other}]
        first, second = account.post(path, {"inputs": inputs})["results"]
        assert ([one["toObjectId"] for one in second["to"]], "paging" in second) == ([int(contacts[0])], False)
        seen += [str(one["toObjectId"]) for one in first["to"]]
        if "paging" not in first:
            break
        after = first["paging"]["next"]["after"]
    assert seen == contacts


def test_a_list_shows_the_first_page_of_associations_and_where_the_rest_is(account):
    contacts = [account.portal.create("contacts", {}, links=[("deals", account.deals[0])]) for _ in range(3)]
    account.portal.links_per_page = 2
    row = account.get(DEALS, associations="contacts")["results"][0]
    shown = row["associations"]["contacts"]
    assert [one["id"] for one in shown["results"]] == contacts[:2]
    rest = account.get(shown["paging"]["next"]["link"])
    assert ([one["toObjectId"] for one in rest["results"]], "paging" in rest) == ([int(contacts[2])], False)
    assert account.get(f"/crm/objects/2026-03/deals/{account.deals[0]}/associations/contacts")["paging"]


def test_links_to_archived_records_are_hidden_and_undone_links_are_gone(account):
    deal = account.deals[0]
    contacts = [account.portal.create("contacts", {}, links=[("deals", deal)]) for _ in range(3)]
    account.portal.archive("contacts", contacts[0])
    account.portal.dissociate("deals", deal, "contacts", contacts[1])
    assert account.truth(deal)["associations"] == {"contacts": contacts[2:]}
    account.portal.restore("contacts", contacts[0])
    assert account.truth(deal)["associations"] == {"contacts": [contacts[0], contacts[2]]}


def test_there_are_no_associations_between_types_hubspot_does_not_link(account):
    account.post("/crm/v4/associations/calls/meetings/batch/read", {"inputs": [{"id": "1"}]}, 400)


@pytest.mark.parametrize("path", ["/crm/v3/objects/deals/splits", "/deal-splits/2026-03"])
def test_deal_splits_are_read_and_written_in_batches(account, path):
    deal, other = account.deals[:2]
    account.clock.sleep(60)
    splits = [{"ownerId": 51, "percentage": 0.6}, {"ownerId": 12, "percentage": 0.4}]
    account.post(f"{path}/batch/upsert", {"inputs": [{"id": deal, "splits": splits}]})
    answer = account.post(f"{path}/batch/read", {"inputs": [{"id": deal}, {"id": other}]})
    assert answer["status"] == "COMPLETE"
    assert [one["properties"] for one in answer["results"][0]["splits"]] == [
        {"hs_deal_split_percentage": "0.6", "hubspot_owner_id": "51"},
        {"hs_deal_split_percentage": "0.4", "hubspot_owner_id": "12"},
    ]
    assert answer["results"][1] == {"id": other, "splits": []}
    assert account.truth(deal)["splits"] == {"51": "0.6", "12": "0.4"}
    assert account.get(f"{DEALS}/{deal}")["updatedAt"] == "2026-03-02T09:01:07.000Z"
    account.post(f"{path}/batch/read", {"inputs": [{"id": "1"}] * 101}, 400)
    assert account.post(f"{path}/batch/read", {"inputs": [{"id": "1"}]}, 207)["errors"][0]["context"] == {"ids": ["1"]}


@pytest.mark.parametrize("shares", [{"51": "0.6", "12": "0.3"}, {"12": "1"}])
def test_splits_must_add_up_and_include_the_deals_owner(account, shares):
    with pytest.raises(ValueError, match="split users"):
        account.portal.set_splits(account.deals[0], shares)
    account.portal.set_splits(account.deals[0], {"51": "1"})
    account.portal.set_splits(account.deals[0], {})
    assert account.truth(account.deals[0])["splits"] == {}


@pytest.mark.parametrize(("what", "path", "scope"), [
    ("splits", "/crm/v3/objects/deals/splits/batch/read", "crm.dealsplits.read_write"),
    ("leads", "/crm/objects/2026-03/leads/search", "crm.objects.leads.read"),
])
def test_without_its_scope_a_type_is_answered_by_403_and_the_others_go_on(account, what, path, scope):
    account.twin.forbidden.add(what)
    fault = account.post(path, {"inputs": []}, 403)
    assert (fault["category"], fault["errors"][0]["context"]) == ("MISSING_SCOPES", {"requiredGranularScopes": [scope]})
    assert account.ids() == account.deals

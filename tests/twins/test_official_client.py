"""HubSpot's own client for Python (`hubspot-api-client`) reads the twin: its typed models take our shapes.

Each model refuses an answer that lacks what HubSpot's specification requires.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hubspot import Client
from hubspot.crm.associations.v4 import (
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicFetchAssociationsBatchRequest,
)
from hubspot.crm.deals import (
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicMergeInput,
    PublicObjectSearchRequest,
    SimplePublicObjectId,
    SimplePublicObjectInput,
)
from hubspot.crm.deals.exceptions import ApiException
from hubspot.crm.objects.deal_splits import BatchInputPublicObjectId, PublicObjectId
from hubspot.crm.objects.leads import AssociationSpec, PublicAssociationsForObject, SimplePublicObjectInputForCreate
from hubspot.crm.objects.leads import PublicObjectId as LeadTarget

from connector.twins.portal_setup import LEAD_PIPELINE, LEAD_STAGES


def client_of(account, token=None):
    return Client.create(access_token=token or account.twin.token, host=account.twin.url)


@pytest.fixture
def client(account):
    return client_of(account)


def test_it_lists_deals_with_history_and_associations_page_by_page(account, client):
    deal = account.deals[0]
    contact = account.portal.create("contacts", {"email": "a@example.com"}, links=[("deals", deal)])
    account.clock.sleep(60)
    account.portal.move_stage(deal, "closedwon", user=771)
    page = client.crm.deals.basic_api.get_page(
        limit=3, properties=["amount", "closedate"], properties_with_history=["dealstage"], associations=["contacts"],
    )
    first = page.results[0]
    assert (first.id, first.properties["amount"], first.archived) == (deal, "000.50", False)
    assert first.created_at == datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)
    entries = first.properties_with_history["dealstage"]
    assert [(entry.value, entry.updated_by_user_id) for entry in entries] == [
        ("closedwon", 771), ("appointmentscheduled", 771),
    ]
    assert entries[0].timestamp == datetime(2026, 3, 2, 9, 1, 7, tzinfo=UTC)
    assert first.associations["contacts"].results[0].id == contact
    rest = client.crm.deals.basic_api.get_page(limit=100, after=page.paging.next.after)
    assert ([one.id for one in (*page.results, *rest.results)], rest.paging) == (account.deals, None)
    assert [one.id for one in client.crm.deals.get_all()] == account.deals


def test_it_reads_an_archived_deal_and_writes_a_deal(account, client):
    account.portal.archive("deals", account.deals[0])
    (gone,) = client.crm.deals.basic_api.get_page(archived=True).results
    assert (gone.id, gone.archived, gone.archived_at) == (account.deals[0], True, account.clock.now())
    with pytest.raises(ApiException) as caught:
        client.crm.deals.basic_api.get_by_id(account.deals[0])
    assert caught.value.status == 404
    changed = client.crm.deals.basic_api.update(
        account.deals[1], simple_public_object_input=SimplePublicObjectInput(properties={"amount": "7"}))
    assert changed.properties["amount"] == "7"
    client.crm.deals.basic_api.archive(account.deals[1])
    assert account.ids(archived="true") == account.deals[:2]


def test_it_searches(account, client):
    wanted = Filter(property_name="hs_object_id", operator="GT", value=account.deals[3])
    found = client.crm.deals.search_api.do_search(PublicObjectSearchRequest(
        filter_groups=[FilterGroup(filters=[wanted])], sorts=["hs_object_id"], properties=["amount"], limit=2,
        after="0",
    ))
    assert (found.total, [one.id for one in found.results], found.paging.next.after) == (3, account.deals[4:6], "2")


def test_it_reads_a_batch_in_which_an_id_is_missing(account, client):
    answer = client.crm.deals.batch_api.read(BatchReadInputSimplePublicObjectId(
        properties=["amount"], properties_with_history=["dealstage"],
        inputs=[SimplePublicObjectId(id=id_) for id_ in (account.deals[0], "12")],
    ))
    assert type(answer).__name__ == "BatchResponseSimplePublicObjectWithErrors"
    assert ([one.id for one in answer.results], answer.status, answer.num_errors) == (account.deals[:1], "COMPLETE", 1)
    assert (answer.errors[0].category, answer.errors[0].context) == ("OBJECT_NOT_FOUND", {"ids": ["12"]})


def test_it_merges_deals_and_an_absorbed_id_gives_the_survivor(account, client):
    kept, absorbed = account.deals[:2]
    merged = client.crm.deals.basic_api.merge(PublicMergeInput(primary_object_id=kept, object_id_to_merge=absorbed))
    assert merged.id == kept
    shown = client.crm.deals.basic_api.get_by_id(absorbed, properties=["hs_merged_object_ids"])
    assert (shown.id, shown.properties["hs_merged_object_ids"]) == (kept, absorbed)


def test_it_reads_associations_in_batches_and_in_pages(account, client):
    deal, other = account.deals[:2]
    contacts = [account.portal.create("contacts", {}, links=[("deals", deal)]) for _ in range(3)]
    account.portal.links_per_page = 2

    def ask(*inputs):
        return client.crm.associations.v4.batch_api.get_page(
            from_object_type="deals", to_object_type="contacts",
            batch_input_public_fetch_associations_batch_request=BatchInputPublicFetchAssociationsBatchRequest(
                inputs=[PublicFetchAssociationsBatchRequest(**one) for one in inputs]),
        )

    answer = ask({"id": deal}, {"id": other})
    (found,) = answer.results
    assert (found._from.id, [one.to_object_id for one in found.to]) == (deal, contacts[:2])
    assert (found.to[0].association_types[0].type_id, answer.errors[0].category) == (3, "OBJECT_NOT_FOUND")
    (rest,) = ask({"id": deal, "after": found.paging.next.after}).results
    assert [one.to_object_id for one in rest.to] == contacts[2:]
    one = client.crm.associations.v4.basic_api.get_page(
        object_type="deals", object_id=deal, to_object_type="contacts", limit=500)
    assert [end.to_object_id for end in one.results] == contacts[:2]


def test_it_reads_owners_with_teams_and_those_who_left(account, client):
    account.portal.add_owner("52", email="old@example.com", first="Old", last="Hand", user=772)
    account.portal.archive_owner("52")
    (here,) = client.crm.owners.owners_api.get_page(archived=False).results
    (gone,) = client.crm.owners.owners_api.get_page(archived=True).results
    assert (here.id, here.user_id, here.teams[0].name, here.teams[0].primary) == ("51", 771, "north", True)
    assert (gone.id, gone.archived, gone.user_id_including_inactive) == ("52", True, 772)


def test_it_reads_the_pipelines_of_deals_and_leads(account, client):
    account.portal.add_pipeline(LEAD_PIPELINE, "Lead pipeline", LEAD_STAGES, kind="leads")
    account.portal.archive_stage("contractsent")
    (deals,) = client.crm.pipelines.pipelines_api.get_all("deals").results
    assert [(stage.id, stage.archived) for stage in deals.stages if stage.archived] == [("contractsent", True)]
    assert deals.stages[4].metadata == {"isClosed": "true", "probability": "1.0"}
    (leads,) = client.crm.pipelines.pipelines_api.get_all("leads").results
    assert (leads.id, leads.stages[0].id) == (LEAD_PIPELINE, "new-stage-id")


def test_it_reads_the_properties_there_are(account, client):
    account.portal.add_property("deals", "khu_vuc")
    named = {one.name: one.type for one in client.crm.properties.core_api.get_all("deals").results}
    assert (named["khu_vuc"], named["amount"], named["closedate"]) == ("string", "number", "datetime")


def test_it_creates_and_reads_leads(account, client):
    contact = account.portal.create("contacts", {"email": "a@example.com"})
    link = PublicAssociationsForObject(
        to=LeadTarget(id=contact),
        types=[AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=578)])
    made = client.crm.objects.leads.basic_api.create(SimplePublicObjectInputForCreate(
        properties={"hs_lead_name": "North"}, associations=[link]))
    page = client.crm.objects.leads.basic_api.get_page(
        properties=["hs_lead_name"], associations=["contacts"], properties_with_history=["hs_lead_name"])
    assert (page.results[0].id, page.results[0].properties["hs_lead_name"]) == (made.id, "North")
    assert page.results[0].associations["contacts"].results[0].id == contact


@pytest.mark.parametrize("kind", ["calls", "meetings", "emails", "tasks"])
def test_it_reads_activities(account, client, kind):
    properties = {"hs_timestamp": "2026-03-02T08:00:00.000Z"}
    made = account.portal.create(kind, properties, links=[("deals", account.deals[0])])
    api = getattr(client.crm.objects, kind).basic_api
    (row,) = api.get_page(properties=["hs_timestamp"], associations=["deals"]).results
    assert (row.id, row.properties["hs_timestamp"]) == (made, "2026-03-02T08:00:00.000Z")
    assert row.associations["deals"].results[0].id == account.deals[0]


def test_it_reads_deal_splits(account, client):
    account.portal.set_splits(account.deals[0], {"51": "0.6", "12": "0.4"})
    answer = client.crm.objects.deal_splits.batch_api.read(
        BatchInputPublicObjectId(inputs=[PublicObjectId(id=account.deals[0])]))
    (found,) = answer.results
    assert [one.properties["hs_deal_split_percentage"] for one in found.splits] == ["0.6", "0.4"]


def test_it_gets_and_uses_oauth_tokens_until_they_expire(account, client):
    form = {"grant_type": "refresh_token", "client_id": "twin-client", "client_secret": "twin-secret"}
    given = client.oauth.tokens_api.create(refresh_token="twin-refresh", **form)
    assert (given.token_type, given.expires_in) == ("bearer", 1800)
    other = client_of(account, given.access_token)
    assert other.crm.deals.basic_api.get_by_id(account.deals[0]).id == account.deals[0]
    account.clock.sleep(1800)
    with pytest.raises(ApiException) as caught:
        other.crm.deals.basic_api.get_by_id(account.deals[0])
    assert (caught.value.status, "EXPIRED_AUTHENTICATION" in caught.value.body) == (401, True)

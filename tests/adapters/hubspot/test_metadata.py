"""What a HubSpot account tells of itself, for `connector init`, `mapping lint` and the check before each sync."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.errors import AuthError, UnexpectedShape
from connector.metadata import FieldInfo, Metadata, OwnerInfo, PipelineInfo, StageInfo
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal_setup import LEAD_PIPELINE, LEAD_STAGES
from connector.twins.server import Reply
from tests.adapters.hubspot.account import asked, hubspot


def test_pipelines_have_their_stages_in_order_with_what_hubspot_says_of_them(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    portal = twin.portal
    portal.add_pipeline("75e28846", "Renewal", [("r1", "Renewing", "0.5")])
    portal.add_pipeline(LEAD_PIPELINE, "Lead pipeline", LEAD_STAGES[:1], kind="leads")
    portal.archive_stage("contractsent")
    portal.stages_of("deals")["closedlost"]["displayOrder"] = -1  # dragged before all others
    told = hubspot(twin, clock).metadata(["deals"])
    assert told.pipelines == (
        PipelineInfo("default", "Sales", (
            StageInfo("closedlost", "Closed lost", "lost", Decimal("0.0")),
            StageInfo("appointmentscheduled", "Appointment scheduled", "open", Decimal("0.2")),
            StageInfo("contractsent", "Contract sent", "open", Decimal("0.9"), archived=True),
            StageInfo("closedwon", "Closed won", "won", Decimal("1.0")),
        )),
        PipelineInfo("75e28846", "Renewal", (StageInfo("r1", "Renewing", "open", Decimal("0.5")),)),
    )
    assert hubspot(twin, clock).metadata(["leads"]).pipelines == (
        PipelineInfo(LEAD_PIPELINE, "Lead pipeline", (StageInfo("new-stage-id", "New", "open"),), "leads"),
    )


def test_a_stage_of_which_hubspot_does_not_say_what_it_is_has_no_outcome(twin: HubSpotTwin, clock: FakeClock) -> None:
    stages = twin.portal.stages_of("deals")
    for id_, told in (("contractsent", {}), ("closedwon", {"isClosed": "true", "probability": "high"})):
        stages[id_]["metadata"] = told
    (pipeline,) = hubspot(twin, clock).metadata(["deals"]).pipelines
    found = {stage.id: (stage.outcome, stage.probability) for stage in pipeline.stages}
    assert (found["contractsent"], found["closedwon"]) == ((None, None), (None, None))


def test_properties_have_their_type_their_options_and_whose_they_are(twin: HubSpotTwin, clock: FakeClock) -> None:
    add = twin.portal.add_property
    add("deals", "khu_vuc", type="enumeration", label="Region", options={"n": "North", "s": "South"})
    add("deals", "products", type="enumeration", options={"a": "A", "b": "B"}, field_type="checkbox")
    add("deals", "signed_on", type="date")
    told = hubspot(twin, clock, properties={"deals": ["khu_vuc"]}).metadata(["deals", "calls"])
    deals = told.fields["deals"]
    assert deals["properties.khu_vuc"] == FieldInfo(
        "properties.khu_vuc", "Region", "choice", {"n": "North", "s": "South"}, own=True, is_read=True)
    assert deals["properties.products"] == FieldInfo(
        "properties.products", "Products", "choices", {"a": "A", "b": "B"}, own=True, is_read=False)
    assert deals["properties.dealtype"] == FieldInfo(
        "properties.dealtype", "Deal Type", "choice",
        {"newbusiness": "New Business", "existingbusiness": "Existing Business"})
    types = {name: deals[f"properties.{name}"].type for name in (
        "amount", "closedate", "dealname", "hs_is_closed", "hubspot_owner_id", "dealstage", "signed_on")}
    assert types == {"amount": "number", "closedate": "datetime", "dealname": "text", "hs_is_closed": "boolean",
                     "hubspot_owner_id": "reference", "dealstage": "reference", "signed_on": "date"}
    assert deals["propertiesWithHistory.dealstage"].type == "list"
    assert sorted(told.fields) == ["calls", "deals"]


def test_owners_who_left_are_told_too(twin: HubSpotTwin, clock: FakeClock) -> None:
    assert hubspot(twin, clock).metadata(["owners"]) == Metadata(owners=(
        OwnerInfo("5", "ana@example.com", "Ana Alvarez"), OwnerInfo("6", "bo@example.com", "Bo Berg", active=False),
    ))


@pytest.mark.parametrize("version", ["2026-03", "v3"])
def test_the_currencies_of_the_account_are_told_its_own_first(
    twin: HubSpotTwin, clock: FakeClock, version: str
) -> None:
    twin.portal.currency, twin.portal.currencies = "VND", ["EUR", "USD"]
    told = hubspot(twin, clock, api_version=version).metadata(["deals"])
    assert (told.currency, told.currencies) == ("VND", ("VND", "EUR", "USD"))


def test_it_costs_a_call_a_part_and_reads_no_record(twin: HubSpotTwin, clock: FakeClock) -> None:
    """Two pipelines, properties of two types, currencies; owners live and archived."""
    source = hubspot(twin, clock)
    source.metadata(["owners", "deals", "leads"])
    assert (source.requests, len(twin.requests), asked(twin, "/objects/")) == (7, 7, 0)


def test_what_the_app_may_not_read_is_left_out_and_the_rest_is_told(twin: HubSpotTwin, clock: FakeClock) -> None:
    """HubSpot names a scope for each; none is needed for all the others."""
    twin.forbidden |= {"leads", "owners", "account-info"}
    told = hubspot(twin, clock).metadata(["owners", "deals", "leads"])
    assert (list(told.fields), told.owners, told.currency, told.currencies) == (["deals"], (), None, ())
    assert [one.id for one in told.pipelines] == ["default"]


def test_a_refused_token_and_an_answer_of_another_shape_are_errors(twin: HubSpotTwin, clock: FakeClock) -> None:
    with pytest.raises(AuthError):
        hubspot(twin, clock, token="another").metadata(["deals"])
    twin.on_request(lambda request: Reply(200, {"results": [{"label": 1}]}) if "pipelines" in request.target else None)
    with pytest.raises(UnexpectedShape, match="pipelines/deals"):
        hubspot(twin, clock).metadata(["deals"])

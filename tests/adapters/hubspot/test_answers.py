"""What HubSpot answers when it does not give what was asked: which of it is tried again, and what a person is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from pydantic import SecretStr

from adapters.hubspot import HubSpot, HubSpotSettings
from connector.errors import AuthError, Permanent, RateLimited, RemoteError, Transient, UnexpectedShape
from connector.ports import Record, Window
from connector.testing import FakeClock, context
from connector.twins.faults import fault
from connector.twins.hubspot import HubSpotTwin
from connector.twins.server import Reply
from tests.adapters.hubspot.account import asked, changed, everything, hubspot, linked, named

LISTS = "/objects/2026-03/deals"


def limited(policy: str, **headers: str) -> Reply:
    return Reply(429, {"status": "error", "category": "RATE_LIMITS", "policyName": policy}, headers)


@pytest.mark.parametrize(("reply", "least", "most"), [
    (limited("SECONDLY"), 1, 2.1), (limited("TEN_SECONDLY_ROLLING"), 10, 11.1),
    (limited("TEN_SECONDLY_ROLLING", **{"Retry-After": "0"}), 10, 11.1),  # 0 does not end a rolling limit
    (limited("SECONDLY", **{"Retry-After": "7"}), 7, 8.1), (limited("NEW_POLICY"), 0.5, 1.1),
    (limited("SECONDLY", **{"Retry-After": "9" * 400}), 1, 2.1),  # no length of time
    (Reply(423, {"status": "error", "category": "LOCKED"}), 2, 3.1),
    (Reply(423, {"status": "error"}, {"Retry-After": "5"}), 5, 6.1),
    (Reply(200, {"status": "error", "category": "RATE_LIMITS", "policyName": "SECONDLY"}), 1, 2.1),
    (Reply(200, {"status": "error", "category": "INTERNAL_ERROR"}), 0.5, 1.1),
    (Reply(207, {"results": [], "errors": [{"category": "INTERNAL_ERROR"}]}), 0.5, 1.1),
    (Reply(207, {"results": [], "errors": ["something failed"]}), 0.5, 1.1),
    (Reply(207, {"results": [], "errors": {"category": "INTERNAL_ERROR"}}), 0.5, 1.1),
    (Reply(207, {"results": [], "errors": [{"category": {"name": "INTERNAL_ERROR"}}]}), 0.5, 1.1),
    (Reply(429, {"status": "error", "policyName": ["SECONDLY"], "errors": "too many"}), 0.5, 1.1),
    (Reply(502, "<html>bad gateway</html>"), 0.5, 1.1),
])  # fmt: skip
def test_what_heals_is_tried_again_after_the_right_wait(
    twin: HubSpotTwin, clock: FakeClock, reply: Reply, least: float, most: float
) -> None:
    source = hubspot(twin, clock)
    source.now()
    twin.disturb(reply, path=LISTS, times=1)
    assert len(everything(source, "deals")) == 3
    assert least <= sum(clock.slept) <= most


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "5"}])
def test_a_used_up_day_ends_the_run(twin: HubSpotTwin, clock: FakeClock, headers: dict[str, str]) -> None:
    twin.disturb(limited("DAILY", **headers), path=LISTS, times=1)
    with pytest.raises(RateLimited, match="DAILY"):
        everything(hubspot(twin, clock), "deals")
    assert clock.slept == []


@pytest.mark.parametrize(("reply", "kind"), [
    (Reply(400, {"status": "error", "category": "VALIDATION_ERROR"}), Permanent),
    (Reply(401, {"status": "error", "category": "INVALID_AUTHENTICATION"}), AuthError),
    (Reply(403, {"status": "error", "category": "MISSING_SCOPES"}), Permanent),
    (Reply(404, {"status": "error", "category": "OBJECT_NOT_FOUND"}), Permanent),
    (Reply(200, {"status": "error", "category": "EXPIRED_AUTHENTICATION"}), AuthError),
    (Reply(200, {"status": "error", "category": "VALIDATION_ERROR"}), Permanent),
    (Reply(200, {"status": "error", "message": "of no category"}), UnexpectedShape),
    (Reply(200, "<html>we will be back</html>"), UnexpectedShape),
    (Reply(200, {"results": "none"}), UnexpectedShape),
    (Reply(200, {}), UnexpectedShape),
    (Reply(200, {"results": [{"properties": {}}]}), UnexpectedShape),
    (Reply(200, {"results": [{"id": "1", "updatedAt": "yesterday"}]}), UnexpectedShape),
])  # fmt: skip
@pytest.mark.parametrize("stream", ["deals", "owners"])
def test_what_does_not_heal_is_asked_once(
    twin: HubSpotTwin, clock: FakeClock, reply: Reply, kind: type[RemoteError], stream: str
) -> None:
    path = LISTS if stream == "deals" else "/owners/"
    twin.disturb(reply, path=path, times=5)
    with pytest.raises(kind) as caught:
        everything(hubspot(twin, clock), stream)
    assert type(caught.value) is kind
    assert asked(twin, path) == 1
    assert clock.slept == []


@pytest.mark.parametrize("kind", ["truncated", "drop before", "drop after"])
def test_an_answer_that_does_not_come_whole_is_asked_for_again(
    twin: HubSpotTwin, clock: FakeClock, kind: str
) -> None:
    twin.disturb(fault(twin, kind), path=LISTS, times=2)
    assert len(everything(hubspot(twin, clock), "deals")) == 3
    twin.disturb(fault(twin, kind), path="/search", times=2)
    assert len(changed(hubspot(twin, clock), "deals", clock, minutes=1)) == 3


def test_a_missing_scope_is_named_and_the_other_types_are_read(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.forbidden |= {"contacts", "owners"}
    source = hubspot(twin, clock)
    for stream in ("contacts", "owners"):
        with pytest.raises(Permanent, match=rf"403.* the app needs crm\.objects\.{stream}\.read; grant it in HubSpot"):
            everything(source, stream)
    assert len(everything(source, "deals")) == 3
    assert {check.what for check in source.check() if not check.ok} == {"contacts", "owners"}


@pytest.mark.parametrize("errors", [None, [], {}, "", [None], [{"category": "OBJECT_NOT_FOUND", "context": "1"}]])
def test_a_part_of_a_batch_without_errors_but_for_what_is_gone_is_whole(
    vendor: responses.RequestsMock, clock: FakeClock, errors: Any
) -> None:
    row = {"id": "1", "updatedAt": "2026-03-01T00:00:00Z", "properties": {}}
    address = "https://api.hubapi.com/crm/objects/2026-03/companies/batch/read"
    vendor.add(responses.POST, address, status=207, json={"status": "COMPLETE", "results": [row], "errors": errors})
    source = HubSpot("hubspot", HubSpotSettings(token=SecretStr("t")), context(clock))
    assert list(named(source, "companies", ["1"])) == ["1"]


@pytest.mark.parametrize("more", [
    {"errors": ["x"]}, {"errors": [{"context": "x"}]}, {"errors": [{"context": {"requiredScopes": None}}]},
    {"errors": 5}, {"context": ["x"]}, {"context": {"requiredScopes": 7}}, {"category": None}, {"message": {"a": []}},
])  # fmt: skip
def test_a_refusal_of_an_odd_shape_is_a_refusal(
    vendor: responses.RequestsMock, clock: FakeClock, more: dict[str, Any]
) -> None:
    body = {"status": "error", "category": "MISSING_SCOPES", **more}
    vendor.add(responses.GET, "https://api.hubapi.com/crm/owners/2026-03", status=403, json=body)
    source = HubSpot("hubspot", HubSpotSettings(token=SecretStr("t")), context(clock))
    with pytest.raises(Permanent, match="403"):
        source.client.get("/crm/owners/2026-03")


@pytest.mark.parametrize("scopes", ["crm.objects.deals.read", ["crm.objects.deals.read", None, 5]])
def test_a_missing_scope_is_named_however_it_is_told(
    vendor: responses.RequestsMock, clock: FakeClock, scopes: Any
) -> None:
    body = {"category": "MISSING_SCOPES", "errors": [None, {"context": {"requiredGranularScopes": scopes}}]}
    vendor.add(responses.GET, "https://api.hubapi.com/crm/owners/2026-03", status=403, json=body)
    source = HubSpot("hubspot", HubSpotSettings(token=SecretStr("t")), context(clock))
    with pytest.raises(Permanent, match=r"the app needs crm\.objects\.deals\.read; grant it"):
        source.client.get("/crm/owners/2026-03")


def test_a_search_that_counts_records_but_shows_none_is_no_empty_window(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.disturb(Reply(200, {"total": 3, "results": []}), path="/search", times=1)
    with pytest.raises(Transient, match="counts 3 records and shows none"):
        changed(hubspot(twin, clock), "deals", clock, minutes=1)


def test_associations_that_go_on_where_they_began_end_the_reading(twin: HubSpotTwin, clock: FakeClock) -> None:
    row = {"from": {"id": "9999901"}, "to": [], "paging": {"next": {"after": "5"}}}
    twin.disturb(Reply(200, {"results": [row]}), path="/associations/", times=9)
    with pytest.raises(UnexpectedShape, match="where they began"):
        changed(hubspot(twin, clock), "deals", clock, minutes=1)


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    """A vendor that is nothing but the answers a test gives it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
        yield made


def listed(vendor: responses.RequestsMock, clock: FakeClock, row: dict[str, Any]) -> Record:
    """The record that comes of one row of a list."""
    vendor.add(responses.GET, "https://api.hubapi.com/crm/objects/2026-03/deals", json={"results": [row]})
    source = HubSpot("hubspot", HubSpotSettings(token=SecretStr("t")), context(clock))
    page = next(source.read("deals", Window(None, clock.now())))
    (record,) = source.records("deals", page.exchanges)
    return record


def test_an_own_property_named_error_is_no_error(vendor: responses.RequestsMock, clock: FakeClock) -> None:
    properties = {"status": "error", "error": "error", "category": "RATE_LIMITS"}
    row = {"id": "1", "updatedAt": "2026-03-01T00:00:00Z", "properties": properties}
    assert listed(vendor, clock, row).data["properties"] == properties


def test_a_company_linked_by_two_labels_is_one(vendor: responses.RequestsMock, clock: FakeClock) -> None:
    held = [
        {"id": "30", "type": "deal_to_company"}, {"id": "30", "type": "deal_to_company_unlabeled"},
        {"id": "4", "type": "deal_to_company_unlabeled"},
    ]  # fmt: skip
    row = {"id": "1", "updatedAt": "2026-03-01T00:00:00Z", "properties": {}, "associations": {
        "companies": {"results": held}}}
    assert linked(listed(vendor, clock, row)) == {"companies": ["4", "30"]}

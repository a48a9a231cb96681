"""The HubSpot source against the fake account: what it asks, what a page holds, and that nothing is lost or doubled."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest
from pydantic import SecretStr, ValidationError

from adapters.hubspot import HubSpotSettings
from connector.errors import AuthError, Permanent, RateLimited
from connector.model import micros
from connector.ports import Window
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.server import Reply
from tests.adapters.hubspot.account import add_deal, changed, everything, hubspot, linked, preset, records


@pytest.mark.parametrize("version", ["2026-03", "v3"])
@pytest.mark.parametrize("stream", ["owners", "pipelines", "companies", "contacts", "deals"])
def test_every_stream_is_read_in_both_naming_schemes(
    twin: HubSpotTwin, clock: FakeClock, version: str, stream: str
) -> None:
    source = hubspot(twin, clock, api_version=version)
    counts = {"owners": 2, "pipelines": 1, "companies": 1, "contacts": 1, "deals": 3}
    assert len(everything(source, stream)) == counts[stream]
    scheme = f"/crm/{version}/" if version == "v3" else f"/{version}"
    assert all(scheme in request.path for request in twin.requests)


def test_owners_who_left_are_read_too(twin: HubSpotTwin, clock: FakeClock) -> None:
    found = everything(hubspot(twin, clock), "owners")
    assert {key: record.data["archived"] for key, record in found.items()} == {"5": False, "6": True}


def test_a_list_and_a_search_give_the_same_record(twin: HubSpotTwin, clock: FakeClock) -> None:
    """Also the history and the associations, which search itself does not give."""
    source = hubspot(twin, clock)
    for stream in ("companies", "contacts", "deals"):
        listed, searched = everything(source, stream), changed(source, stream, clock, minutes=1)
        assert searched.keys() == listed.keys()
        for key, record in searched.items():
            assert record == listed[key]


def test_a_deal_comes_with_its_history_and_whom_it_belongs_to(twin: HubSpotTwin, clock: FakeClock) -> None:
    source, (deal, *_) = hubspot(twin, clock), list(everything(hubspot(twin, clock), "deals"))
    clock.advance(hours=1)
    twin.portal.move_stage(deal, "contractsent", user=772)
    found = changed(source, "deals", clock, minutes=1)[deal]
    moves = [(item["value"], item["updatedByUserId"]) for item in found.data["propertiesWithHistory"]["dealstage"]]
    assert moves == [("contractsent", 772), ("appointmentscheduled", 771)]
    assert set(linked(found)) == {"contacts", "companies"}


def test_a_window_holds_both_its_ends_and_nothing_else(twin: HubSpotTwin, clock: FakeClock) -> None:
    source, start = hubspot(twin, clock), clock.now()
    made = {}
    for minute in range(1, 6):
        clock.set(start + timedelta(minutes=minute))
        made[minute] = add_deal(twin.portal, minute)
    window = Window(start + timedelta(minutes=2), start + timedelta(minutes=4))
    assert set(records(source, "deals", source.read("deals", window))) == {made[2], made[3], made[4]}


def test_many_deals_of_one_instant_are_read_once_each_by_id(twin: HubSpotTwin, clock: FakeClock) -> None:
    """A bulk edit gives all the same modified date (airbytehq/airbyte#43317); ids also get one digit longer here."""
    clock.advance(minutes=1)
    ids = [add_deal(twin.portal, number) for number in range(1250)]
    assert {len(id_) for id_ in ids} == {7, 8}
    source = hubspot(twin, clock)
    pages = list(source.read("deals", Window(clock.now(), clock.now())))
    assert [page.position for page in pages] == [{"after_id": ids[999]}, None]
    assert list(records(source, "deals", pages)) == ids


@pytest.mark.parametrize("lo", [None, timedelta(hours=1)])
def test_a_saved_position_goes_on_exactly_there(twin: HubSpotTwin, clock: FakeClock, lo: timedelta | None) -> None:
    for number in range(1097):
        add_deal(twin.portal, number)
    window = Window(clock.now() - lo if lo else None, clock.now())
    first = next(hubspot(twin, clock).read("deals", window))
    rest = hubspot(twin, clock).read("deals", window, json.loads(json.dumps(first.position)))
    assert len(records(hubspot(twin, clock), "deals", [first, *rest])) == 1100


def test_nothing_is_lost_when_deals_change_while_they_are_read(twin: HubSpotTwin, clock: FakeClock) -> None:
    """What leaves the window while it is read has a later stamp, and is in the next one."""
    ids = {add_deal(twin.portal, number) for number in range(1247)} | set(everything(hubspot(twin, clock), "deals"))
    source, lo, hi = hubspot(twin, clock), clock.now() - timedelta(minutes=1), clock.now()
    clock.advance(minutes=1)
    seen: set[str] = set()
    for page in source.read("deals", Window(lo, hi)):
        seen |= {record.key for record in source.records("deals", page.exchanges)}
        for id_ in sorted(ids)[50::100]:
            twin.portal.update("deals", id_, {"amount": str(len(seen))})
    assert len(seen) < len(ids)
    assert seen | set(records(source, "deals", source.read("deals", Window(hi, clock.now())))) == ids


def test_named_ids_are_read_and_unknown_ones_are_absent(twin: HubSpotTwin, clock: FakeClock) -> None:
    source, (one, two, _) = hubspot(twin, clock), list(everything(hubspot(twin, clock), "deals"))
    found = records(source, "deals", source.read_ids("deals", [two, "404404", "no-number", one, two]))
    assert set(found) == {one, two}
    assert found[two].data["propertiesWithHistory"]["dealstage"]


def test_a_merged_id_gives_the_survivor_under_its_own_id(twin: HubSpotTwin, clock: FakeClock) -> None:
    merged, survivor = "1", {"id": "2", "properties": {}, "updatedAt": "2026-03-01T00:00:00Z"}
    twin.disturb(Reply(200, {"results": [survivor]}), path="/batch/read", times=1)
    source = hubspot(twin, clock)
    assert list(records(source, "deals", source.read_ids("deals", [merged]))) == ["2"]


def test_a_batch_that_could_not_give_a_record_is_asked_again(twin: HubSpotTwin, clock: FakeClock) -> None:
    broken = {"results": [], "errors": [{"category": "INTERNAL_ERROR", "context": {"ids": ["1"]}}]}
    twin.disturb(Reply(207, broken), path="/objects/2026-03/deals/batch/read", times=1)
    assert len(changed(hubspot(twin, clock), "deals", clock, minutes=1)) == 3


def test_the_first_association_is_the_one_of_the_lowest_id_however_it_is_read(
    twin: HubSpotTwin, clock: FakeClock
) -> None:
    deal = add_deal(twin.portal, 9)
    contacts = [twin.portal.create("contacts", {}, id_=id_) for id_ in (30, 4, 200)]
    for contact in contacts:
        twin.portal.associate("deals", deal, "contacts", contact)
    source = hubspot(twin, clock)
    for found in (everything(source, "deals"), changed(source, "deals", clock, minutes=1)):
        assert linked(found[deal])["contacts"] == ["4", "30", "200"]


def test_the_modified_stamp_is_the_envelopes(twin: HubSpotTwin, clock: FakeClock) -> None:
    assert {record.modified for record in everything(hubspot(twin, clock), "deals").values()} == {micros(clock.now())}


def test_own_properties_are_read_beside_ours(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.portal.add_property("deals", "khu_vuc")
    twin.portal.create("deals", {"dealname": "x", "khu_vuc": "Bắc"})
    source = hubspot(twin, clock, properties={"deals": ["khu_vuc"]})
    for found in (everything(source, "deals"), changed(source, "deals", clock, minutes=1)):
        assert "Bắc" in {record.data["properties"]["khu_vuc"] for record in found.values()}


def test_settings_name_the_streams_that_take_own_properties() -> None:
    for wrong in ({"properties": {"owners": ["x"]}}, {"api_version": "latest"}, {"tokens": "x"}):
        with pytest.raises(ValidationError):
            HubSpotSettings(token=SecretStr("t"), **wrong)  # type: ignore[arg-type]


def test_the_token_is_in_no_landed_page(twin: HubSpotTwin, clock: FakeClock) -> None:
    source = hubspot(twin, clock)
    pages = [page for stream in source.streams() for page in source.read(stream.name, Window(None, clock.now()))]
    assert twin.token not in repr((pages, source.settings, source.client))


@pytest.mark.parametrize(("policy", "pause"), [("SECONDLY", 1), ("TEN_SECONDLY_ROLLING", 10)])
def test_a_limit_without_retry_after_waits_as_its_policy_says(
    twin: HubSpotTwin, clock: FakeClock, policy: str, pause: int
) -> None:
    twin.disturb(Reply(429, {"status": "error", "policyName": policy}), times=1)
    assert len(everything(hubspot(twin, clock), "pipelines")) == 1
    assert pause <= sum(clock.slept) < pause + 1


def test_the_daily_limit_ends_the_run_instead_of_waiting_for_midnight(twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.disturb(Reply(429, {"status": "error", "policyName": "DAILY"}), times=1)
    with pytest.raises(RateLimited, match="DAILY"):
        everything(hubspot(twin, clock), "pipelines")
    assert clock.slept == []


def test_a_learned_limit_is_kept_with_its_budget(clock: FakeClock) -> None:
    """20 requests in 10 seconds, of which 80 % are ours: no 429 is ever met."""
    with HubSpotTwin(clock=clock, rate=20) as small:
        small.portal.add_pipeline("default", "Sales", [("appointmentscheduled", "Appointment scheduled", "0.2")])
        for number in range(2000):
            add_deal(small.portal, number)
        source = hubspot(small, clock)
        assert len(everything(source, "deals")) == 2000
        assert sum(clock.slept) >= 20  # 42 requests, 16 in each 10 s: the clock, 40 lists, and one of archived deals
        assert source.requests == 42


def test_a_refused_token_is_an_auth_error_and_a_missing_scope_is_not(twin: HubSpotTwin, clock: FakeClock) -> None:
    with pytest.raises(AuthError):
        everything(hubspot(twin, clock, token="wrong-token"), "pipelines")
    refusal = Reply(403, {"status": "error", "category": "MISSING_SCOPES", "message": "scope"})
    twin.disturb(refusal, times=2)  # the vendor's clock is asked on this path too
    with pytest.raises(Permanent, match="status 403, scope") as caught:
        everything(hubspot(twin, clock), "pipelines")
    assert not isinstance(caught.value, AuthError)


def test_check_reads_a_page_of_every_stream(twin: HubSpotTwin, clock: FakeClock) -> None:
    checks = list(hubspot(twin, clock).check())
    assert [(check.what, check.ok) for check in checks] == [
        (stream, True) for stream in (
            "owners", "pipelines", "lead_pipelines", "companies", "contacts", "leads", "deals", "calls", "meetings",
            "emails", "tasks",
        )
    ]  # fmt: skip


def test_the_shipped_mapping_makes_the_model_of_it(twin: HubSpotTwin, clock: FakeClock) -> None:
    source = hubspot(twin, clock)
    rules = preset()
    rows: Counter[str] = Counter()
    facts: Counter[str] = Counter()
    for stream in rules.streams():
        for mapped in rules.apply(stream, everything(source, stream).values()):
            assert mapped.fault is None
            rows.update(entry.entity for entry in mapped.entries)
            facts.update(fact.timeline for fact in mapped.reported)
    assert rows == {"owner": 2, "stage": 4, "account": 1, "lead": 1, "deal": 3}
    histories = ("stage", "pipeline", "owner", "amount", "currency", "expected_close_on", "probability")
    assert facts == dict.fromkeys(histories, 3)

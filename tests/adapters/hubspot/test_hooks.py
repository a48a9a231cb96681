"""HubSpot's calls to us: only those it signed, none that is old, and each says which records are to be read again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.hubspot import HookSettings, HubSpot, HubSpotSettings
from connector.errors import HookRefused, UnexpectedShape
from connector.ports import HookRequest
from connector.testing import FakeClock, context

SECRET = "hook-secret"
URL = "https://sales.example.vn/hooks/hubspot"
EVENT = {
    "eventId": 100, "subscriptionId": 7, "portalId": 62515, "appId": 1160452, "occurredAt": 1772438400000,
    "subscriptionType": "deal.propertyChange", "attemptNumber": 0, "objectId": 123, "propertyName": "amount",
    "propertyValue": "5", "changeSource": "CRM",
}  # fmt: skip


@pytest.fixture
def source(clock: FakeClock) -> HubSpot:
    settings = HubSpotSettings(token=SecretStr("t"), hooks=HookSettings(secret=SecretStr(SECRET)))
    return HubSpot("hubspot", settings, context(clock))


def called(
    events: Any, sent_at: datetime, *, secret: str = SECRET, url: str = URL, signed_url: str = ""
) -> HookRequest:
    """A call as HubSpot makes it: base64 of HMAC-SHA256 over method, address, body and time."""
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    sent = str(int(sent_at.timestamp() * 1000))
    text = b"POST" + (signed_url or url).encode() + body + sent.encode()
    signature = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    headers = {"x-hubspot-request-timestamp": sent, "x-hubspot-signature-v3": signature}
    return HookRequest("POST", url, headers, body)


def heard(source: HubSpot, *events: dict[str, Any]) -> list[tuple[str, str]]:
    told = source.hook(called(list(events), source.context.clock.now()))
    return [(event.stream, event.key) for event in told]


def test_a_signed_call_names_the_record_and_when_it_changed(source: HubSpot, clock: FakeClock) -> None:
    (event,) = source.hook(called([EVENT], clock.now()))
    assert (event.stream, event.key) == ("deals", "123")
    assert event.occurred_at == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_a_signature_made_by_another_program_is_taken(source: HubSpot) -> None:
    """printf 'POSThttps://…[{…}]1772438400000' | openssl dgst -sha256 -hmac hook-secret -binary | base64."""
    headers = {
        "x-hubspot-request-timestamp": "1772438400000",
        "x-hubspot-signature-v3": "+fRCIb9GdoJe9n1TbUxLszIKTiKcZ9Ey5Vpna/gK5Ok=",
    }
    body = b'[{"subscriptionType":"deal.creation","objectId":5}]'
    (event,) = source.hook(HookRequest("POST", URL, headers, body))
    assert (event.stream, event.key, event.occurred_at) == ("deals", "5", None)


@pytest.mark.parametrize("change", [
    {"body": b"[]"}, {"method": "PUT"}, {"url": URL + "?x=1"},
    {"headers": {"x-hubspot-request-timestamp": "1772438400000"}}, {"headers": {}},
    {"headers": {"x-hubspot-request-timestamp": "soon", "x-hubspot-signature-v3": "x"}},
])  # fmt: skip
def test_a_call_that_is_not_as_it_was_signed_is_refused(
    source: HubSpot, clock: FakeClock, change: dict[str, Any]
) -> None:
    given = called([EVENT], clock.now())
    request = HookRequest(
        change.get("method", given.method), change.get("url", given.url), change.get("headers", given.headers),
        change.get("body", given.body),
    )
    with pytest.raises(HookRefused):
        source.hook(request)


@pytest.mark.parametrize("sent", ["9" * 18, "9" * 5000, "-1", "1e12", "", "²"])
def test_an_unsigned_call_of_an_absurd_time_is_refused(source: HubSpot, sent: str) -> None:
    headers = {"x-hubspot-request-timestamp": sent, "x-hubspot-signature-v3": "x"}
    with pytest.raises(HookRefused):
        source.hook(HookRequest("POST", URL, headers, b"[]"))


def test_an_unsigned_call_whose_address_no_encoding_writes_is_refused(source: HubSpot, clock: FakeClock) -> None:
    given = called([EVENT], clock.now())
    with pytest.raises(HookRefused):
        source.hook(HookRequest("POST", URL + "?x=\udc80", given.headers, given.body))


@pytest.mark.parametrize("at", [10**18, 10**30, -1, True, "soon", 1.5, None, [1]])
def test_an_absurd_time_of_a_change_is_none_and_the_record_is_read(source: HubSpot, clock: FakeClock, at: Any) -> None:
    (event,) = source.hook(called([{**EVENT, "occurredAt": at}], clock.now()))
    assert (event.stream, event.key, event.occurred_at) == ("deals", "123", None)


@pytest.mark.parametrize("told", [
    {"objectId": {"id": 5}}, {"objectId": [5]}, {"objectId": True}, {"objectId": 1.5}, {"subscriptionType": ["x"]},
    {"subscriptionType": "deal.merge", "mergedObjectIds": 5, "primaryObjectId": {}},
    {"subscriptionType": "deal.merge", "mergedObjectIds": [{}, [], None]},
])  # fmt: skip
def test_a_signed_event_of_an_odd_shape_is_left_out_and_the_rest_is_taken(
    source: HubSpot, told: dict[str, Any]
) -> None:
    assert heard(source, {**EVENT, **told}, {**EVENT, "eventId": 101}) == [("deals", "123")]


def test_a_call_signed_with_another_secret_is_refused_without_telling_ours(source: HubSpot, clock: FakeClock) -> None:
    with pytest.raises(HookRefused) as caught:
        source.hook(called([EVENT], clock.now(), secret="another"))
    assert SECRET not in f"{caught.value} {source.settings!r}"


@pytest.mark.parametrize(("age", "is_taken"), [
    (timedelta(minutes=5), True), (timedelta(minutes=5, seconds=1), False), (timedelta(minutes=-5), True),
    (timedelta(minutes=-5, seconds=-1), False),
])  # fmt: skip
def test_a_call_older_than_five_minutes_or_that_far_ahead_is_refused(
    source: HubSpot, clock: FakeClock, age: timedelta, is_taken: bool
) -> None:
    request = called([EVENT], clock.now() - age)
    if is_taken:
        assert source.hook(request)
    else:
        with pytest.raises(HookRefused, match="seconds ago"):
            source.hook(request)


def test_hubspot_signs_some_characters_of_an_address_decoded(source: HubSpot, clock: FakeClock) -> None:
    url = URL + "?to=a%40b.vn%2Cc&path=%2fx"
    assert source.hook(called([EVENT], clock.now(), url=url, signed_url=URL + "?to=a@b.vn,c&path=/x"))
    assert source.hook(called([EVENT], clock.now(), url=url))


def test_without_a_secret_no_call_is_taken(clock: FakeClock) -> None:
    source = HubSpot("hubspot", HubSpotSettings(token=SecretStr("t")), context(clock))
    with pytest.raises(HookRefused, match="hooks"):
        source.hook(called([EVENT], clock.now()))


def test_a_repeated_call_has_the_same_ids_and_another_event_has_another(source: HubSpot, clock: FakeClock) -> None:
    first = source.hook(called([EVENT], clock.now()))
    clock.advance(minutes=2)
    again = source.hook(called([{**EVENT, "attemptNumber": 1}], clock.now()))
    later = source.hook(called([{**EVENT, "occurredAt": EVENT["occurredAt"] + 1}], clock.now()))  # type: ignore[operator]
    assert [event.id for event in first] == [event.id for event in again] != [event.id for event in later]
    assert len(source.hook(called([EVENT, EVENT], clock.now()))) == 1


@pytest.mark.parametrize("kind", ["creation", "propertyChange", "deletion", "privacyDeletion", "restore"])
@pytest.mark.parametrize(("old", "number", "stream"), [
    ("contact", "0-1", "contacts"), ("company", "0-2", "companies"), ("deal", "0-3", "deals"),
    ("lead", "0-136", "leads"), ("call", "0-48", "calls"), ("meeting_event", "0-47", "meetings"),
    ("email", "0-49", "emails"), ("task", "0-27", "tasks"),
])  # fmt: skip
def test_older_and_newer_apps_are_told_of_the_same_record(
    source: HubSpot, old: str, number: str, stream: str, kind: str
) -> None:
    assert heard(source, {**EVENT, "subscriptionType": f"{old}.{kind}"}) == [(stream, "123")]
    assert heard(source, {**EVENT, "subscriptionType": f"object.{kind}", "objectTypeId": number}) == [(stream, "123")]


def test_a_merge_is_about_every_record_in_it(source: HubSpot) -> None:
    merge = {**EVENT, "subscriptionType": "deal.merge", "objectId": 9, "primaryObjectId": 1, "mergedObjectIds": [2, 3],
             "newObjectId": 9}
    assert heard(source, merge) == [("deals", "9"), ("deals", "1"), ("deals", "2"), ("deals", "3")]
    newer = {**merge, "subscriptionType": "object.merge", "objectTypeId": "0-1", "newObjectId": None}
    assert heard(source, newer) == [("contacts", "1"), ("contacts", "2"), ("contacts", "3")]


def test_a_change_of_an_association_is_about_both_ends_that_we_read(source: HubSpot) -> None:
    old = {**EVENT, "subscriptionType": "deal.associationChange", "objectId": None, "fromObjectId": 1, "toObjectId": 2}
    assert heard(source, {**old, "associationType": "DEAL_TO_CONTACT"}) == [("deals", "1"), ("contacts", "2")]
    assert heard(source, {**old, "associationType": "DEAL_TO_LINE_ITEM"}) == [("deals", "1")]
    new = {**old, "subscriptionType": "object.associationChange", "fromObjectTypeId": "0-48", "toObjectTypeId": "0-3"}
    assert heard(source, new) == [("calls", "1"), ("deals", "2")]


@pytest.mark.parametrize("told", [
    {"subscriptionType": "ticket.creation"}, {"subscriptionType": "deal.unheardOf"}, {"subscriptionType": "deal.merge"},
    {"subscriptionType": "object.creation", "objectTypeId": "2-99"}, {"subscriptionType": None},
    {"subscriptionType": "deal.creation", "objectId": None},
])  # fmt: skip
def test_what_we_do_not_know_is_left_out_and_the_rest_is_taken(source: HubSpot, told: dict[str, Any]) -> None:
    assert heard(source, {**EVENT, **told}, {**EVENT, "eventId": 101}) == [("deals", "123")]


def test_what_is_signed_but_no_json_is_unexpected(source: HubSpot, clock: FakeClock) -> None:
    with pytest.raises(UnexpectedShape):
        source.hook(called(b"<html>", clock.now()))
    assert source.hook(called([], clock.now())) == []
    assert source.hook(called(["x", 5], clock.now())) == []

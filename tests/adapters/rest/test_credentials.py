"""Point 1 of ten: nine ways to prove who we are, each against a server that looks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from connector.errors import AuthError
from connector.rest.grammar import RestSettings
from connector.testing import FakeClock
from connector.twins.server import Refused, Reply, Request
from tests.adapters.rest.ten import Vendor, delivery, outcome, rest, send

SECRET = "s3cret/ü ?"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as twin:
        yield twin


def test_without_auth_nothing_is_sent(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert "authorization" not in vendor.last.headers


def test_a_header_of_any_name_and_prefix(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, auth={"header": "X-Token", "value": "abcd1", "prefix": "Key "}) as to:
        send(to, delivery())
    assert vendor.last.headers["x-token"] == "Key abcd1"


def test_a_parameter_of_the_query(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, auth={"query": "access_token", "value": SECRET}) as to:
        send(to, delivery())
    assert vendor.last.one("access_token") == SECRET


def test_a_field_of_every_body_also_of_readings(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/staff"] = [{"code": "NV001", "id": 7}]
    with rest(vendor, clock, auth={"field": "access_token", "value": SECRET}, send={"post": "/kpi", "as": "form"},
              employees={"post": "/staff", "as": "form", "code": "code", "body": {"path": {"const": "sales"}}}) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    staff, kpi = (parse_qs(vendor.sent(path)[0].body.decode()) for path in ("/staff", "/kpi"))
    assert staff == {"path": ["sales"], "access_token": [SECRET]}
    assert (kpi["access_token"], kpi["value"]) == ([SECRET], ["100.00"])


def test_user_and_password(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, auth={"basic": {"user": "key", "password": "x"}}) as to:
        send(to, delivery())
    assert vendor.last.headers["authorization"] == "Basic a2V5Ong="


def token_server(vendor: Vendor) -> list[dict[str, list[str]]]:
    """Gives t1, t2 … and keeps the forms it is asked with; the API takes only the last."""
    forms: list[dict[str, list[str]]] = []

    def token(request: Request) -> Any:
        forms.append(parse_qs(request.body.decode()))
        if forms[-1].get("client_secret") != ["right"]:
            raise Refused(Reply(401, {"error": "invalid_client"}))
        return {"access_token": f"token-{len(forms)}", "expires_in": 3600}

    def kpi(request: Request) -> Any:
        if request.headers.get("authorization") != f"Bearer token-{len(forms)}":
            raise Refused(Reply(401, {"message": "expired"}))
        return {}

    vendor.said |= {"/oauth/token": token, "/kpi": kpi}
    return forms


def test_oauth_by_client_credentials_renewed_before_it_ends(vendor: Vendor, clock: FakeClock) -> None:
    forms = token_server(vendor)
    auth = {"oauth": {"token_url": vendor.url + "/oauth/token", "client_id": "me", "client_secret": "right",
                      "fields": {"scope": "kpi:write"}}}
    with rest(vendor, clock, auth=auth) as to:
        assert outcome(to, delivery()) == ["confirmed"]
        clock.advance(minutes=59, seconds=30)
        assert outcome(to, delivery("2.00")) == ["confirmed"]
    assert forms[0] == {"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": ["right"],
                        "scope": ["kpi:write"]}
    assert len(forms) == 2


def test_oauth_by_refresh_token(vendor: Vendor, clock: FakeClock) -> None:
    forms = token_server(vendor)
    auth = {"oauth": {"token_url": vendor.url + "/oauth/token", "client_id": "me", "client_secret": "right",
                      "refresh_token": "again"}}
    with rest(vendor, clock, auth=auth) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert (forms[0]["grant_type"], forms[0]["refresh_token"]) == (["refresh_token"], ["again"])


def test_a_refused_client_stops_the_destination_after_one_question(vendor: Vendor, clock: FakeClock) -> None:
    forms = token_server(vendor)
    auth = {"oauth": {"token_url": vendor.url + "/oauth/token", "client_id": "me", "client_secret": "wrong"}}
    with rest(vendor, clock, auth=auth) as to, pytest.raises(AuthError, match="the client was refused"):
        send(to, delivery())
    assert len(forms) == 1


def test_a_login_by_form_whose_token_goes_into_the_query(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/login"] = lambda request: {"Data": '{"sid": "' + parse_qs(request.body.decode())["u"][0] + '-1"}'}
    login = {"post": "/login", "as": "form", "body": {"u": "an", "p": "pass"}, "token": "Data.sid"}
    with rest(vendor, clock, auth={"login": login, "query": "sid"}, decode=["Data"]) as to:
        send(to, delivery())
    assert vendor.last.one("sid") == "an-1"


def test_a_signature_of_each_request_as_it_leaves(vendor: Vendor, clock: FakeClock) -> None:
    keys = {"secret": SECRET, "header": "X-Sign", "prefix": "v1=", "sign": "{method}|{path}|{timestamp}|{nonce}|{body}",
            "timestamp": "X-Time", "nonce": "X-Nonce"}
    vendor.disturb(Reply(503, {}, {"Retry-After": "1"}), path="/kpi", times=1)
    with rest(vendor, clock, auth={"hmac": keys}) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    first, second = vendor.sent("/kpi")
    for one in (first, second):
        text = f"POST|/kpi|{one.headers['x-time']}|{one.headers['x-nonce']}|".encode() + one.body
        assert one.headers["x-sign"] == "v1=" + hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert first.headers["x-nonce"] != second.headers["x-nonce"]


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({"value": "x"}, "a value needs its header, query or field"),
        ({"value": "x", "header": "A", "query": "b"}, "expected exactly one"),
        ({"bearer": "x", "header": "A"}, "have their own place"),
        ({"bearer": "x", "basic": {"user": "u", "password": "p"}}, "expected exactly one of value, bearer"),
        ({"login": {"post": "/l", "body": {}, "token": "t"}, "field": "f"}, "header or query beside it"),
        ({"hmac": {"secret": "x", "sign": "{path}{boby}"}}, "there is no 'boby', expected of: method, path"),
        ({"hmac": {"secret": "x", "sign": "{nonce}"}}, "expected nonce: HEADER"),
        ({"oauth": {"token_url": "/token", "client_id": "a"}}, "expected an address"),
        ({"oauth": {"token_url": "https://a/t", "client_id": "a", "refresh_token": "r", "grant": "g"}},
         "expected no grant"),
    ],
)
def test_credentials_that_do_not_fit_together_are_faults(auth: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RestSettings.model_validate({"base_url": "https://x", "auth": auth, "body": {"a": "value"},
                                     "send": {"post": "/"}})


def test_no_secret_stands_in_a_repr(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, auth={"hmac": {"secret": "hidden-one"}}) as to:
        assert "hidden-one" not in repr(to.settings) + repr(to._calls.client)

"""Points 2, 3, 4 and 7 of ten: methods, bodies, typed templates and batches, as they arrive at a server."""

from __future__ import annotations

from collections.abc import Iterator
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from pydantic import ValidationError

from connector.rest.grammar import RestSettings
from connector.testing import FakeClock
from connector.twins.server import Reply
from tests.adapters.rest.ten import AN, Vendor, delivery, outcome, rest, send

BINH = {"employee_code": "NV002", "email": "binh@example.vn", "name": "Bình"}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as twin:
        yield twin


# --- 2: method and address -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post", "put", "patch"])
def test_the_method_is_free_and_each_may_have_a_body(vendor: Vendor, clock: FakeClock, method: str) -> None:
    with rest(vendor, clock, send={method: "/t/{subject.key}/kpi", "query": {"ky": "{period}"}}) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    request = vendor.last
    assert (request.method, request.path, request.one("ky")) == (method.upper(), "/t/NV001/kpi", "2026-10")
    assert request.json() == {"who": "NV001", "value": 100.0}


def test_a_value_may_go_in_the_query_alone(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"get": "/kpi", "as": "none", "query": {"v": "{body.value}"}}) as to:
        send(to, delivery())
    assert (vendor.last.target, vendor.last.body) == ("/kpi?v=100.00", b"")


# --- 3: bodies -------------------------------------------------------------------------------------------------------


def test_a_form_says_numbers_exactly_and_leaves_null_out(vendor: Vendor, clock: FakeClock) -> None:
    body = {"Mã": "subject.key", "value": {"path": "value", "as": "number"}, "none": "target", "list[0]": "kpi"}
    with rest(vendor, clock, body=body, send={"post": "/kpi", "as": "form", "beside": {"APICode": "IN"}}) as to:
        send(to, delivery("98765432109876543.21"))
    assert vendor.last.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(vendor.last.body.decode()) == {
        "APICode": ["IN"], "Mã": ["NV001"], "value": ["98765432109876543.21"], "list": ['["won_value"]'],
    }


def test_multipart(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"post": "/kpi", "as": "multipart"}) as to:
        send(to, delivery())
    head = f"Content-Type: {vendor.last.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser().parsebytes(head + vendor.last.body).get_payload()
    assert [(part.get_param("name", header="content-disposition"), part.get_payload()) for part in parts] == [  # type: ignore[union-attr]  # they are parts
        ("who", "NV001"), ("value", "100.00"),
    ]


def test_text_and_xml_whose_values_cannot_break_it(vendor: Vendor, clock: FakeClock) -> None:
    sender = {"post": "/kpi", "as": "text", "content_type": "application/xml",
              "text": "<kpi who='{subject.name}'>{body.value}</kpi>"}
    with rest(vendor, clock, send=sender) as to:
        send(to, delivery(person={**AN, "name": "A & 'B' <c>"}))
    assert vendor.last.headers["content-type"] == "application/xml"
    assert vendor.last.body == b"<kpi who='A &amp; &apos;B&apos; &lt;c&gt;'>100.00</kpi>"


def test_json_inside_a_field_of_a_form_with_a_list_under_a_key(vendor: Vendor, clock: FakeClock) -> None:
    sender = {"post": "/gateway", "as": "form", "json_field": "data", "rows": "items", "beside": {"APICode": "IN_KPI"}}
    with rest(vendor, clock, send=sender) as to:
        send(to, delivery(), delivery("5.10", BINH))
    form = parse_qs(vendor.last.body.decode())
    assert form["APICode"] == ["IN_KPI"]
    assert form["data"] == ['{"items":[{"who":"NV001","value":100.00},{"who":"NV002","value":5.10}]}']


def test_constants_beside_a_list(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"post": "/kpi", "rows": "items", "beside": {"system": "crm"}}) as to:
        send(to, delivery())
    assert vendor.last.json() == {"system": "crm", "items": [{"who": "NV001", "value": 100.0}]}


# --- 4: typed templates ----------------------------------------------------------------------------------------------


def said(vendor: Vendor, clock: FakeClock, spec: Any, **more: Any) -> Any:
    with rest(vendor, clock, body={"a": "kpi", "x": spec}) as to:
        [receipt] = send(to, delivery(**more))
    return vendor.last.json().get("x", "left out") if receipt.outcome == "confirmed" else receipt.message


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        ({"path": "value", "as": {"number": {"scale": 100, "cap": 100, "digits": 0}}}, "1.27", 100),
        ({"path": "value", "as": {"number": {"scale": 100, "floor": 0}}}, "-0.5", 0),
        ({"path": "value", "as": {"number": {"digits": 0, "rounding": "half_up"}}}, "2.50", 3),
        ({"path": "value", "as": {"number": {"digits": 0, "rounding": "down"}}}, "2.99", 2),
        ({"path": "value", "as": {"number": {"digits": 2, "text": True}}}, "7", "7.00"),
        ({"path": "period_end", "as": {"date": {"format": "%d/%m/%Y"}}}, "1", "31/10/2026"),
        ({"path": "period_start", "as": {"date": {"format": "epoch", "zone": "Asia/Ho_Chi_Minh"}}}, "1", 1790787600),
        ({"path": "period_start", "as": {"date": {"format": "odata", "zone": "UTC"}}}, "1", "/Date(1790812800000)/"),
        ({"template": "[{kpi} {period}] {{{value}}}"}, "1", "[won_value 2026-10] {1}"),
        ({"const": [{"any": "thing"}]}, "1", [{"any": "thing"}]),
        ({"path": "target"}, "1", None),
        ({"path": "target", "omit_null": True}, "1", "left out"),
    ],
)
def test_values_keep_their_type_and_get_their_look(
    vendor: Vendor, clock: FakeClock, spec: Any, value: str, expected: Any
) -> None:
    found = said(vendor, clock, spec, value=value)
    assert (found, type(found)) == (expected, type(expected))


# --- 7: batches ------------------------------------------------------------------------------------------------------


def test_a_bare_list_of_at_most_so_many_rows(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"post": "/kpi", "rows": "@", "batch": 2}) as to:
        assert outcome(to, *(delivery(kpi=f"k{number}") for number in range(5))) == ["confirmed"] * 5
    assert [len(request.json()) for request in vendor.sent("/kpi")] == [2, 2, 1]


def test_at_most_so_many_bytes(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"post": "/kpi", "rows": "items", "max_bytes": 100}) as to:
        send(to, *(delivery(kpi=f"k{number}") for number in range(7)))
    sizes = [len(request.body) for request in vendor.sent("/kpi")]
    assert max(sizes) <= 100
    assert sum(len(request.json()["items"]) for request in vendor.sent("/kpi")) == 7


def test_a_mapping_by_employee_of_which_each_stands_once_in_a_call(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"post": "/kpi", "rows": "people", "by": "{subject.key}"}) as to:
        send(to, delivery(kpi="a"), delivery(kpi="a", person=BINH), delivery("2.00", kpi="b"))
    assert [request.json()["people"] for request in vendor.sent("/kpi")] == [
        {"NV001": {"who": "NV001", "value": 100.0}, "NV002": {"who": "NV002", "value": 100.0}},
        {"NV001": {"who": "NV001", "value": 2.0}},
    ]


def test_a_mapping_of_lists_by_employee(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"post": "/kpi", "rows": "@", "by": "{subject.key}", "many": True}) as to:
        send(to, delivery(kpi="a"), delivery("2.00", kpi="b"))
    assert vendor.last.json() == {"NV001": [{"who": "NV001", "value": 100.0}, {"who": "NV001", "value": 2.0}]}


def test_values_of_one_address_share_a_call(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock, send={"patch": "/goals/{subject.key}", "rows": "results"}) as to:
        send(to, delivery(kpi="a"), delivery(kpi="a", person=BINH), delivery(kpi="b"))
    assert [(request.path, len(request.json()["results"])) for request in vendor.requests] == [
        ("/goals/NV001", 2), ("/goals/NV002", 1),
    ]


def test_one_limit_of_requests_a_second(vendor: Vendor, clock: FakeClock) -> None:
    before = clock.now()
    with rest(vendor, clock, requests_per_second=2) as to:
        for number in range(10):
            send(to, delivery(kpi=f"k{number}"))
    assert (clock.now() - before).total_seconds() >= 4


def test_retry_after_is_kept_to(vendor: Vendor, clock: FakeClock) -> None:
    vendor.disturb(Reply(429, {}, {"Retry-After": "30"}), times=1)
    before = clock.now()
    with rest(vendor, clock) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert (clock.now() - before).total_seconds() >= 30


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"send": {"post": "/x", "as": "form", "rows": "items"}}, "expected json_field: FIELD beside rows"),
        ({"send": {"post": "/x", "as": "text"}}, "expected both or neither"),
        ({"send": {"post": "/x", "json_field": "d"}}, "expected as: form"),
        ({"send": {"post": "/x", "by": "{kpi}"}}, "expected rows as well"),
        ({"send": {"post": "/x", "rows": "i", "many": True}}, "expected by as well"),
        ({"send": {"post": "/x", "rows": "i", "beside": {"a": "{kpi}"}}}, "expected no"),
        ({"send": {"post": "/x", "put": "/y"}}, "expected exactly one of post, put, patch, get"),
        ({"auth": {"field": "t", "value": "x"}, "send": {"post": "/x", "rows": "@"}}, "expected send to have a body"),
        ({"body": {"a..b": "value"}}, "is no name of a field"),
        ({"body": {"a": {"template": "{vlaue}"}}}, "there is no 'vlaue'"),
        ({"body": {"a": {"path": "value", "as": {"number": {"rounding": "up"}}}}}, "expected one of: half_even"),
        ({"body": {"a": {"path": "period_end", "as": {"date": {"zone": "Hanoi"}}}}}, "no time zone 'Hanoi'"),
        ({"given": {"a": 1}}, "expected preset: NAME beside it"),
    ],
)
def test_slips_are_faults_when_the_config_is_read(changes: dict[str, Any], said: str) -> None:
    given = {"base_url": "https://x", "body": {"a": "value"}, "send": {"post": "/"}, **changes}
    with pytest.raises(ValidationError, match=said):
        RestSettings.model_validate(given)


def test_numbers_of_any_size_leave_as_they_were_given(vendor: Vendor, clock: FakeClock) -> None:
    with rest(vendor, clock) as to:
        send(to, delivery("12345678901234567.8901"))
    assert b'"value":12345678901234567.8901' in vendor.last.body
    assert msgspec.json.decode(vendor.last.body)["who"] == "NV001"

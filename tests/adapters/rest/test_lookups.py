"""Points 5, 6 and 9 of ten: who is meant there, what a value belongs to, and the record it already has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from connector.errors import Permanent, UnexpectedShape
from connector.rest.grammar import RestSettings
from connector.testing import FakeClock
from connector.twins.server import DROP, Refused, Reply, Request
from tests.adapters.rest.ten import AN, Vendor, delivery, outcome, rest, send

STAFF = [{"id": number, "code": f"NV{number:03}", "mail": f"nv{number}@example.vn"} for number in range(1, 8)]
BODY = {"who": "employee.id", "code": "subject.employee_code", "value": {"path": "value", "as": "number"}}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as twin:
        yield twin


def staff(**more: Any) -> dict[str, Any]:
    return {"get": "/staff", "rows": "data", "code": "code", "email": "mail", **more}


# --- 9: paging -------------------------------------------------------------------------------------------------------


def numbered(request: Request) -> Any:
    first = (int(request.one("page", "1")) - 1) * 3
    return {"data": STAFF[first:first + 3], "pages": 3}


def counted(request: Request) -> Any:
    first, size = int(request.one("offset", "0")), int(request.one("limit", "99"))
    return {"data": STAFF[first:first + size], "total": len(STAFF)}


def by_cursor(request: Request) -> Any:
    first = int(request.one("after", "0"))
    return {"data": STAFF[first:first + 3], "more": first + 3 < len(STAFF), "end": str(first + 3)}


def linked(request: Request) -> Any:
    first = int(request.one("at", "0"))
    following = f"/staff?at={first + 3}" if first + 3 < len(STAFF) else None
    return Reply(200, {"data": STAFF[first:first + 3], "links": {"next": following}},
                 {"Link": f'<{following}>; rel="next"'} if following else {})


@pytest.mark.parametrize(
    ("serve", "paging"),
    [
        (numbered, {"page": "page"}),
        (numbered, {"pages": {"number": {"sends": "page", "last": "pages"}}}),
        (counted, {"pages": {"offset": {"size": 3, "total": "total"}}}),
        (by_cursor, {"pages": {"cursor": {"reads": "end", "sends": "after", "more": "more"}}}),
        (linked, {"next": "links.next"}),
        (linked, {"pages": {"link": "links.next"}}),
        (linked, {"pages": {"header": "Link"}}),
    ],
)
def test_a_list_is_read_to_its_end_however_it_is_paged(
    vendor: Vendor, clock: FakeClock, serve: Any, paging: dict[str, Any]
) -> None:
    vendor.said["/staff"] = serve
    with rest(vendor, clock, body=BODY, employees=staff(**paging)) as to:
        person = {"employee_code": "NV007", "email": "nv7@example.vn"}
        assert outcome(to, delivery(person=person), delivery("2.00", person=person)) == ["confirmed", "confirmed"]
    assert vendor.last.json() == {"who": 7, "code": "NV007", "value": 2.0}
    assert len(vendor.sent("/staff")) in (3, 4)  # once a run, not once a value


# --- 5: employees ----------------------------------------------------------------------------------------------------


def test_a_post_that_searches_and_an_answer_whose_json_is_text(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/search"] = {"Data": '[{"id": 5, "code": "NV001"}]'}
    search = {"post": "/search", "rows": "Data", "code": "code", "body": {"filters[0].values[0]": {"const": "active"}}}
    with rest(vendor, clock, body=BODY, employees=search, decode=["Data"]) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert vendor.sent("/search")[0].json() == {"filters": [{"values": ["active"]}]}
    assert vendor.last.json()["who"] == 5


def test_codes_without_regard_to_case_and_blanks_where_the_config_says_so(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/staff"] = {"data": [{"id": 1, "code": " nv001", "mail": None}]}
    with rest(vendor, clock, body=BODY, employees=staff()) as to:
        assert outcome(to, delivery()) == ["refused"]
    with rest(vendor, clock, body=BODY, employees=staff(fold=True)) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert vendor.last.json()["code"] == " nv001"  # as they write it


def test_a_table_of_overrides_comes_before_everything(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/staff"] = {"data": STAFF}
    with rest(vendor, clock, body=BODY, employees=staff(overrides={"AN@example.vn": "NV003"})) as to:
        assert outcome(to, delivery()) == ["confirmed"]
        assert vendor.last.json()["who"] == 3
    with rest(vendor, clock, body=BODY, employees=staff(overrides={"NV001": "NV999"})) as to:
        [receipt] = send(to, delivery())
    assert receipt.message == "employees.overrides names an employee the destination has not; correct it"


def test_two_different_rows_of_one_code_are_nobody_where_their_row_is_needed(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/staff"] = {"data": [{"id": 1, "code": "NV001"}, {"id": 2, "code": "NV001"}]}
    with rest(vendor, clock, body=BODY, employees=staff()) as to:
        assert send(to, delivery())[0].message.startswith("several rows there have this employee's code")
    with rest(vendor, clock, employees=staff()) as to:
        assert outcome(to, delivery()) == ["confirmed"]


def test_nobody_found_is_a_refusal_or_null(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/staff"] = {"data": []}
    with rest(vendor, clock, body=BODY, employees=staff()) as to:
        assert outcome(to, delivery()) == ["refused"]
    with rest(vendor, clock, body=BODY, employees=staff(on_miss="null")) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert vendor.last.json() == {"who": None, "code": None, "value": 100.0}


def test_where_they_have_no_codes_the_mail_decides_and_our_code_stays(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/staff"] = {"data": [{"id": 1, "mail": "AN@example.vn"}, {"id": 2, "mail": "NV001"}]}
    with rest(vendor, clock, body=BODY, employees={"get": "/staff", "rows": "data", "email": "mail"}) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert vendor.last.json() == {"who": 1, "code": "NV001", "value": 100.0}


def test_names_are_compared_in_one_unicode_form(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/staff"] = {"data": [{"id": 1, "code": "Đặng-1".encode().decode()}]}
    decomposed = "Đặng-1"
    with rest(vendor, clock, body=BODY, employees=staff()) as to:
        assert outcome(to, delivery(person={"employee_code": decomposed})) == ["confirmed"]


# --- 5: what a value belongs to --------------------------------------------------------------------------------------

GOALS = [{"id": 71, "name": "won_value NV001", "owner": 1}, {"id": 72, "name": "won_value NV001", "owner": 2},
         {"id": 73, "name": "O'Brien `x` \\", "owner": 1}]
LOOKUP = {"goal": {"get": "/goals", "rows": "items",
                   "where": "name == '{kpi} {subject.key}' && owner == {employee.id}"}}


def test_a_look_up_of_any_list_by_what_we_know(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said |= {"/staff": {"data": STAFF}, "/goals": {"items": GOALS}}
    with rest(vendor, clock, employees=staff(), lookups=LOOKUP, send={"post": "/goals/{lookup.goal.id}/checkin"}) as to:
        assert outcome(to, delivery(), delivery("2.00"), delivery(kpi="other")) == ["confirmed", "confirmed", "refused"]
    assert vendor.last.path == "/goals/71/checkin"
    assert len(vendor.sent("/goals")) == 1


def test_no_value_changes_what_an_expression_says(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/goals"] = {"items": GOALS}
    lookup = {"goal": {"get": "/goals", "rows": "items", "where": "name == '{subject.name}'"}}
    with rest(vendor, clock, lookups=lookup, body={"goal": "lookup.goal.id"}) as to:
        assert outcome(to, delivery(person={**AN, "name": "O'Brien `x` \\"})) == ["confirmed"]
        assert vendor.last.json() == {"goal": 73}
        assert outcome(to, delivery(person={**AN, "name": "x' || name != '"})) == ["refused"]


def test_a_look_up_that_finds_several_or_none(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/goals"] = {"items": GOALS}
    several = {"goal": {"get": "/goals", "rows": "items", "where": "starts_with(name, '{kpi}')"}}
    with rest(vendor, clock, lookups=several) as to:
        assert send(to, delivery())[0].message == "lookups.goal gives 2 records, expected one; make it narrower"
    none = {"goal": {"get": "/goals", "rows": "items", "where": "id == `0`", "on_miss": "null"}}
    with rest(vendor, clock, lookups=none, body={"goal": "lookup.goal.id", "value": "value"}) as to:
        assert outcome(to, delivery()) == ["confirmed"]
    assert vendor.last.json() == {"goal": None, "value": "100.00"}


def test_an_answer_of_another_shape_is_never_taken_for_nothing_there(vendor: Vendor, clock: FakeClock) -> None:
    """Else a second record would be made of each value."""
    vendor.said["/goals"] = {"payload": []}
    sender = {"post": "/kpi", "update": {"put": ".../{remote_id}"}}
    with rest(vendor, clock, find={"get": "/goals", "rows": "items"}, send=sender) as to, \
            pytest.raises(UnexpectedShape, match=r"find\.rows: found NoneType at items"):
        send(to, delivery())


def test_a_no_of_a_look_up_in_a_200_is_no_empty_list(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/goals"] = {"code": 0, "message": "token_not_valid", "items": []}
    settings = {"find": {"get": "/goals", "rows": "items"}, "answer": {"read_ok": "code == `1`"}}
    with rest(vendor, clock, **settings, send={"post": "/kpi", "update": {"put": ".../{remote_id}"}}) as to, \
            pytest.raises(Permanent, match="token_not_valid"):
        send(to, delivery())


# --- 6: found, then created or changed -------------------------------------------------------------------------------


class Goals:
    """Goals whose PUT nulls what it is not told, and whose list has no filter."""

    def __init__(self, vendor: Vendor) -> None:
        self.rows: list[dict[str, Any]] = []
        vendor.said |= {"GET /goals": lambda _request: {"items": self.rows}, "POST /goals": self.add}
        vendor.route("PUT", "/never", lambda _request: None)
        for number in range(1, 4):
            vendor.said[f"PUT /goals/{number}"] = self.replace

    def add(self, request: Request) -> Any:
        self.rows.append({"id": len(self.rows) + 1, "note": None, "share": [], **request.json()})
        return {"id": len(self.rows)}

    def replace(self, request: Request) -> Any:
        number = int(request.path.rpartition("/")[2])
        given = request.json()
        if not given.get("title"):
            raise Refused(Reply(400, {"message": "title is required"}))
        blank = {"id": number, "note": None, "share": [], "percent": None}
        self.rows[number - 1] = {**blank, **given}
        return {}


GOAL = {
    "body": {"title": {"template": "Revenue [{kpi}:{period}]"},
             "percent": {"path": "attainment", "as": {"number": {"scale": 100, "cap": 100, "digits": 0}}}},
    "find": {"get": "/goals", "rows": "items", "where": "ends_with(title, '[{kpi}:{period}]')"},
    "read_back": {"compare": {"percent": 1}},
}


@pytest.mark.parametrize("keep", ["all", {"title": "title", "note": "note", "share": "share"}])
def test_what_a_person_wrote_there_survives_a_put_that_nulls_what_is_left_out(
    vendor: Vendor, clock: FakeClock, keep: Any
) -> None:
    goals = Goals(vendor)
    update = {"put": ".../{remote_id}", "body": {"percent": GOAL["body"]["percent"]}, "keep": keep}
    with rest(vendor, clock, **GOAL, send={"post": "/goals", "update": update}) as to:
        assert outcome(to, delivery(attainment="0.5")) == ["confirmed"]
        goals.rows[0] |= {"note": "a person's", "title": "Doanh thu [won_value:2026-10]", "share": [3]}
        assert outcome(to, delivery(attainment="1.4")) == ["confirmed"]
    assert goals.rows == [{"id": 1, "note": "a person's", "share": [3], "title": "Doanh thu [won_value:2026-10]",
                           "percent": 100}]


def test_a_lost_answer_is_settled_by_the_same_question(vendor: Vendor, clock: FakeClock) -> None:
    goals = Goals(vendor)
    vendor.disturb(DROP, path="/goals", method="POST")
    with rest(vendor, clock, **GOAL, send={"post": "/goals"}) as to:
        assert outcome(to, delivery(attainment="0.5")) == ["unanswered"]
        assert to.find(delivery(attainment="0.5")).outcome == "confirmed"  # type: ignore[union-attr]  # it can be read
        assert to.find(delivery(attainment="0.9")).outcome == "retry"  # type: ignore[union-attr]  # likewise
    assert len(goals.rows) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"employees": {"get": "/e"}}, "expected code, email or both"),
        ({"employees": {"get": "/e/{kpi}", "code": "c"}}, "expected nothing filled in, found kpi"),
        ({"body": {"a": "lookup.gaol.id"}, "lookups": LOOKUP | {"goal": {"get": "/g"}}}, "no look-up 'gaol'"),
        ({"body": {"a": "employee.id"}}, "expected employees beside it"),
        ({"lookups": {"goal": {"get": "/g", "where": "a == '{body.a}'"}}}, "which is made after it"),
        ({"lookups": {"goal": {"get": "/g", "where": "a == '{vlaue}'"}}}, "there is no 'vlaue'"),
        ({"lookups": {"goal": {"get": "/g", "page": "p", "pages": {"link": "l"}}}}, "two ways of paging"),
        ({"lookups": {"goal": {"get": "/g", "pages": {"link": "l", "header": "Link"}}}}, "expected exactly one of"),
        ({"send": {"post": "/x", "update": {"put": "/y", "keep": "all"}}, "answer": {"id": "id"}}, "expected find or"),
    ],
)
def test_slips_are_faults_when_the_config_is_read(changes: dict[str, Any], said: str) -> None:
    given = {"base_url": "https://x", "body": {"a": "value"}, "send": {"post": "/"}, **changes}
    with pytest.raises(ValidationError, match=said):
        RestSettings.model_validate(given)

"""Points 8 and 10 of ten: what an answer says of each value, and whether the value stands there afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import ValidationError

from connector.rest.grammar import RestSettings
from connector.testing import FakeClock
from connector.twins.server import Reply, Request
from tests.adapters.rest.ten import Vendor, delivery, outcome, rest, send

ROWS = {"post": "/kpi", "rows": "items"}
THREE = [delivery("1.00", kpi="a"), delivery("2.00", kpi="b"), delivery("3.00", kpi="c")]
KEYED = {"k": "kpi", "value": {"path": "value", "as": "number"}}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as twin:
        yield twin


# --- 8: the answer ---------------------------------------------------------------------------------------------------


def test_only_the_statuses_that_are_allowed_take_a_value(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/kpi"] = Reply(202, {"message": "queued for approval"})
    with rest(vendor, clock, answer={"statuses": [200, 201]}) as to:
        [receipt] = send(to, delivery())
    assert (receipt.outcome, receipt.message, receipt.status) == ("refused", "queued for approval", 202)


def test_a_body_that_says_no_in_a_200_and_where_its_reason_stands(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/kpi"] = {"Data": '{"code": 0, "why": {"text": "kỳ đã khóa"}}'}
    with rest(vendor, clock, decode=["Data"], answer={"ok": "Data.code == `1`", "error": "Data.why.text"}) as to:
        assert [(one.outcome, one.message) for one in send(to, delivery())] == [("refused", "kỳ đã khóa")]


def test_a_reason_in_a_header(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/kpi"] = Reply(400, None, {"X-Error-Message": "no such field"})
    with rest(vendor, clock, answer={"error_header": "X-Error-Message"}) as to:
        assert send(to, delivery())[0].message == "no such field"


def test_an_empty_200_proves_nothing_where_a_yes_is_expected(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/kpi"] = Reply(200, None)
    with rest(vendor, clock, answer={"ok": "code == `1`"}) as to:
        assert outcome(to, delivery()) == ["unanswered"]


def rows(*given: dict[str, Any]) -> Reply:
    return Reply(200, {"d": list(given)})


@pytest.mark.parametrize(
    ("said", "answer", "expected"),
    [
        (rows({"ok": 1, "id": 5}, {"ok": 0, "why": "locked"}, {"ok": 1}),
         {"row_ok": "ok == `1`"}, ["confirmed", "refused", "confirmed"]),
        (rows({"n": 2, "ok": 0}, {"n": 0, "ok": 1}, {"n": 1, "ok": 1}),
         {"row_ok": "ok == `1`", "row_index": "n"}, ["confirmed", "confirmed", "refused"]),
        (rows({"k": "c", "ok": 1}, {"k": "a", "ok": 0}, {"k": "b", "ok": 1}),
         {"row_ok": "ok == `1`", "row_key": "k", "sent_key": "{body.k}"}, ["refused", "confirmed", "confirmed"]),
        (rows({"k": "b", "why": "locked"}),
         {"row_key": "k", "sent_key": "{body.k}", "only_refused": True}, ["confirmed", "refused", "confirmed"]),
        (rows({"k": "a", "ok": 1}),
         {"row_ok": "ok == `1`", "row_key": "k", "sent_key": "{body.k}"}, ["confirmed", "unanswered", "unanswered"]),
        (rows({"k": "z", "ok": 1}), {"row_key": "k", "sent_key": "{body.k}"}, ["unanswered"] * 3),
        (rows({"k": "a"}, {"k": "a"}), {"row_key": "k", "sent_key": "{body.k}"}, ["unanswered"] * 3),
        (rows({"ok": 1}), {"row_ok": "ok == `1`"}, ["unanswered"] * 3),
        (Reply(200, {"other": 1}), {"row_ok": "ok == `1`"}, ["unanswered"] * 3),
    ],
    ids=["order", "index", "key", "only refused", "some missing", "a stranger", "one twice", "too few", "none"],
)
def test_verdicts_in_a_200_are_each_values_own(
    vendor: Vendor, clock: FakeClock, said: Reply, answer: dict[str, Any], expected: list[str]
) -> None:
    vendor.said["/kpi"] = said
    rules = {"rows": "d", "row_error": "why", "row_id": "id", **answer}
    with rest(vendor, clock, body=KEYED, send=ROWS, answer=rules) as to:
        assert outcome(to, *THREE) == expected


def test_verdicts_in_a_mapping_by_employee(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/kpi"] = {"d": {"a": {"ok": True}, "b": {"ok": False, "why": "left"}}}
    rules = {"rows": "d", "row_ok": "ok", "row_error": "why"}
    with rest(vendor, clock, body=KEYED, send={**ROWS, "by": "{kpi}"}, answer=rules) as to:
        assert outcome(to, *THREE) == ["confirmed", "refused", "unanswered"]


# --- 10: reading back ------------------------------------------------------------------------------------------------


class Held:
    """Holds the last value of each KPI, as `look` changes it, without the fields it `hides`."""

    def __init__(self, vendor: Vendor, look: Any = lambda value: value, hides: tuple[str, ...] = ()) -> None:
        self.rows: dict[str, Any] = {}
        self.look, self.hides = look, hides
        vendor.said |= {"POST /kpi": self.put, "POST /read": self.get}

    def put(self, request: Request) -> Any:
        given = request.json()
        self.rows[given["k"]] = {**given, "value": self.look(given["value"])}
        return {}

    def get(self, request: Request) -> Any:
        row = self.rows.get(request.json()["k"])
        shown = row and {"fields": [{"id": name, "v": value} for name, value in row.items() if name not in self.hides]}
        return {"row": shown}


READ = {"post": "/read", "body": {"k": "kpi"}, "row": "row"}
AT = "fields[?id == 'value'].v | [0]"


@pytest.mark.parametrize(("tolerance", "expected"), [(0, "refused"), ("0.5", "confirmed")])
def test_a_value_must_stand_there_within_the_tolerance(
    vendor: Vendor, clock: FakeClock, tolerance: Any, expected: str
) -> None:
    Held(vendor, round)
    back = {**READ, "compare": {"value": {"tolerance": tolerance, "path": AT}}}
    with rest(vendor, clock, body=KEYED, read_back=back) as to:
        [receipt] = send(to, delivery("7.4", kpi="a"))
    assert (receipt.outcome, receipt.written) == (expected, expected == "refused")


def test_a_field_that_cannot_be_seen_is_no_proof_either_way(vendor: Vendor, clock: FakeClock) -> None:
    """Some leave out what the credential may not see, with status 200."""
    Held(vendor, hides=("value",))
    with rest(vendor, clock, body=KEYED, read_back={**READ, "compare": {"value": {"path": AT}}}) as to:
        [receipt] = send(to, delivery("7.4", kpi="a"))
        assert receipt.outcome == "unanswered"
        assert "check the credential's rights" in receipt.message
        assert to.find(delivery("7.4", kpi="a")) is None


def test_what_stands_there_already_is_not_sent_again_where_that_is_looked_at_first(
    vendor: Vendor, clock: FakeClock
) -> None:
    held = Held(vendor)
    held.rows["a"] = {"k": "a", "value": 7.4}
    back = {**READ, "compare": {"value": {"path": AT}}, "first": True}
    with rest(vendor, clock, body=KEYED, read_back=back) as to:
        assert [one.message for one in send(to, delivery("7.4", kpi="a"))] == ["it stood there already"]
        assert outcome(to, delivery("8", kpi="a")) == ["confirmed"]
    assert len(vendor.sent("/kpi")) == 1


def test_a_record_that_its_expression_does_not_fit_is_no_proof_either(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/read"] = {"rows": None}
    back = {"get": "/read", "row": "sort_by(rows, &id) | [0]"}
    with rest(vendor, clock, read_back=back) as to:
        [receipt] = send(to, delivery())
    assert receipt.outcome == "unanswered"
    assert "taken, but not read back: hr: read_back.row: JMESPath" in receipt.message


def test_several_threads_ask_for_a_list_once(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["/goals"] = {"items": [{"id": 7, "name": "won_value"}]}
    lookup = {"goal": {"get": "/goals", "rows": "items", "where": "name == '{kpi}'"}}
    with rest(vendor, clock, lookups=lookup, body={"goal": "lookup.goal.id", "v": "value"}) as to, \
            ThreadPoolExecutor(8) as pool:
        assert to.concurrent
        found = list(pool.map(lambda number: outcome(to, delivery(f"{number}.00")), range(40)))
    assert found == [["confirmed"]] * 40
    assert (len(vendor.sent("/goals")), len(vendor.sent("/kpi"))) == (1, 40)


# --- taking back -----------------------------------------------------------------------------------------------------


def test_only_what_stands_as_we_wrote_it_is_taken_back(vendor: Vendor, clock: FakeClock) -> None:
    rows = {"1": {"id": 1, "k": "a", "value": 1.0}, "2": {"id": 2, "k": "b", "value": 99.0}}
    vendor.said["/find"] = lambda request: [row for row in rows.values() if row["k"] == request.one("k")]
    vendor.said["DELETE /kpi/1"] = lambda _request: rows.pop("1") and Reply(204)
    settings = {"find": {"get": "/find", "query": {"k": "{kpi}"}},
                "send": {"post": "/kpi", "withdraw": {"delete": ".../{remote_id}"}}}
    with rest(vendor, clock, body=KEYED, **settings) as to:
        assert to.withdraws
        receipts = list(to.withdraw(THREE))
    assert [receipt.outcome for receipt in receipts] == ["confirmed", "refused", "confirmed"]
    assert "somebody changed it there" in receipts[1].message
    assert list(rows) == ["2"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answer": {"rows": "d", "row_key": "k"}}, "expected both or neither"),
        ({"answer": {"rows": "d", "only_refused": True}}, "must say whose they are"),
        ({"answer": {"statuses": [302]}}, "less than or equal to 299"),
        ({"read_back": {"compare": {"value": 0, "other": 1}, "get": "/x"}}, "compare names 'other'"),
        ({"read_back": {"get": "/x", "post": "/y"}}, "expected exactly one of get, post"),
        ({"read_back": {"get": "/x", "compare": {"value": {"path": "a["}}}}, "not a JMESPath"),
    ],
)
def test_slips_are_faults_when_the_config_is_read(changes: dict[str, Any], said: str) -> None:
    given = {"base_url": "https://x", "body": {"value": "value"}, "send": ROWS, **changes}
    with pytest.raises(ValidationError, match=said):
        RestSettings.model_validate(given)

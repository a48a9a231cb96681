"""What must not happen at a REST destination: a value twice, in the place of another, or confirmed unseen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.rest import Rest
from connector.deliver import DestinationSummary, Rules, deliver
from connector.deliveries import list_deliveries
from connector.errors import UnexpectedShape
from connector.model import KpiValue
from connector.rest.grammar import RestSettings
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from connector.twins.hr_vendors import VENDORS
from connector.twins.hr_vendors.bamboohr import BambooTwin
from connector.twins.hr_vendors.coffeehr import CoffeeTwin
from connector.twins.hr_vendors.successfactors import SuccessTwin
from connector.twins.server import DROP, Reply, Request
from connector.withdrawing import Existing
from tests.adapters.rest.ten import AN, Vendor, delivery, outcome, rest, send

BY_CODE = {"get": "/emp", "code": "code"}
PUT_BY_CODE = {"body": {"who": "subject.employee_code", "value": {"path": "value", "as": "number"}},
               "send": {"put": "/kpi/{subject.employee_code}"}}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as twin:
        yield twin


@pytest.fixture
def store(clock: FakeClock) -> Iterator[Store]:
    opened = Store.open("sqlite://", clock)
    yield opened
    opened.close()


def push(store: Store, vendor: Vendor, *values: KpiValue, **settings: Any) -> DestinationSummary:
    clock = store.clock
    assert isinstance(clock, FakeClock)
    clock.advance(days=1)
    with rest(vendor, clock, **settings) as to:
        there_is = Existing.of("hr", values, [value.kpi for value in values])
        return deliver(store, to, "hr", values, {}, run="r", clock=clock, existing=there_is)


def writes(vendor: Vendor) -> list[str]:
    return [f"{one.method} {one.path}" for one in vendor.requests if one.method != "GET"]


class Records:
    """/kpi: a POST makes a record with an id, which can be read and, with `changes`, be put. `lost`: so many answers
    of POSTs never arrive."""

    def __init__(self, vendor: Vendor, *, changes: bool) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.made, self.lost = 0, 0
        vendor.said["POST /kpi"] = self._post
        vendor.on_request(self._lose)
        for number in map(str, range(1, 6)):
            vendor.said[f"GET /kpi/{number}"] = lambda _request, n=number: self.rows.get(n) or Reply(404, {})
            if changes:
                vendor.said[f"PUT /kpi/{number}"] = lambda request, n=number: self._put(n, request)

    def _lose(self, request: Request) -> Any:
        if request.method != "POST" or not self.lost:
            return None
        self.lost -= 1
        return DROP

    def _post(self, request: Request) -> Any:
        self.made += 1
        self.rows[str(self.made)] = {**request.json(), "id": self.made}
        return {"id": self.made}

    def _put(self, number: str, request: Request) -> Any:
        if number not in self.rows:
            return Reply(404, {})
        self.rows[number] = {**request.json(), "id": number}
        return {"id": number}

    @property
    def values(self) -> list[Any]:
        return [row["value"] for row in self.rows.values()]


BY_ID = {"answer": {"id": "id"}, "read_back": {"get": "/kpi/{remote_id}"}}


# --- an answer that was lost -----------------------------------------------------------------------------------------


def test_an_entry_that_was_made_before_tells_nothing_of_the_one_whose_answer_was_lost(
    store: Store, vendor: Vendor
) -> None:
    records = Records(vendor, changes=False)
    push(store, vendor, kpi_value(value="1.00"), **BY_ID)
    records.lost = 1
    for _ in range(3):
        assert push(store, vendor, kpi_value(value="2.00"), **BY_ID).unanswered == 1
    assert records.values == [1, 2]


def test_a_confirmed_entry_is_read_back_by_its_id_all_the_same(store: Store, vendor: Vendor, clock: FakeClock) -> None:
    records = Records(vendor, changes=False)
    push(store, vendor, kpi_value(), **BY_ID)
    records.rows["1"]["value"] = 99
    with rest(vendor, clock, **BY_ID) as to:
        done = deliver(store, to, "hr", [kpi_value()], {}, run="r", clock=clock, rules=Rules(verify=True))
    assert done.drifted == 1


def test_a_record_made_anew_for_one_that_was_deleted_is_not_made_a_third_time(store: Store, vendor: Vendor) -> None:
    settings = {**BY_ID, "send": {"post": "/kpi", "update": {"put": ".../{remote_id}"}}}
    records = Records(vendor, changes=True)
    push(store, vendor, kpi_value(value="1.00"), **settings)
    records.rows.clear()
    records.lost = 1
    for _ in range(3):
        assert push(store, vendor, kpi_value(value="2.00"), **settings).unanswered == 1
    assert records.values == [2]


def test_without_an_id_to_read_it_back_by_a_value_is_not_confirmed(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["POST /kpi"] = {"status": "accepted"}
    with rest(vendor, clock, **BY_ID) as to:
        [receipt] = send(to, delivery())
    assert (receipt.outcome, receipt.message) == ("unanswered", "taken, but the answer gave no id to read it back by")
    with pytest.raises(ValidationError, match=r"read_back names \{remote_id\}, expected answer.id"):
        RestSettings.model_validate({"base_url": "https://x", "body": {"v": "value"}, "send": {"post": "/kpi"},
                                     "read_back": {"get": "/kpi/{remote_id}"}})


# --- what an answer says ---------------------------------------------------------------------------------------------

ROWS = {"post": "/kpi", "rows": "items"}
ONLY_REFUSED = {"rows": "failed || `[]`", "only_refused": True, "row_key": "who", "sent_key": "{body.who}"}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (Reply(200, {"code": 0, "message": "maintenance"}), {"ok": "code == `1`", **ONLY_REFUSED}),
        (Reply(200, {"code": 0, "results": [{"id": 1}]}), {"ok": "code == `1`", "rows": "results", "row_id": "id"}),
        (Reply(400, {"results": [{"id": 1}]}), {"rows": "results", "row_id": "id"}),
        (Reply(202, {}), {"statuses": [200], **ONLY_REFUSED}),
    ],
    ids=["no as a whole, none listed", "no as a whole, rows without a yes", "400 with rows", "another status"],
)
def test_a_call_that_was_refused_took_nothing_whatever_rows_it_lists(
    vendor: Vendor, clock: FakeClock, said: Reply, answer: dict[str, Any]
) -> None:
    vendor.said["POST /kpi"] = said
    with rest(vendor, clock, send=ROWS, answer=answer) as to:
        assert outcome(to, delivery()) == ["refused"]


def test_an_answer_that_is_no_json_lists_no_refusals_and_confirms_nothing(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["POST /kpi"] = Reply(200, "<html>", content_type="text/html")
    with rest(vendor, clock, send=ROWS, answer=ONLY_REFUSED) as to:
        assert outcome(to, delivery()) == ["unanswered"]


def test_a_row_that_says_yes_was_taken_although_the_call_says_no(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["POST /kpi"] = Reply(400, {"results": [{"done": True}, {"done": False}]})
    with rest(vendor, clock, send=ROWS, answer={"rows": "results", "row_ok": "done"}) as to:
        assert outcome(to, delivery(kpi="a"), delivery(kpi="b")) == ["confirmed", "refused"]


def test_an_answer_that_is_neither_yes_nor_no_waits_for_a_person(vendor: Vendor, clock: FakeClock) -> None:
    rules = {"ok": "state == 'done'", "refused": "state == 'failed'"}
    with rest(vendor, clock, answer=rules) as to:
        for state, expected in (("done", "confirmed"), ("failed", "refused"), ("queued", "unanswered")):
            vendor.said["POST /kpi"] = {"state": state}
            assert outcome(to, delivery()) == [expected]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([{"ok": True}, {"ok": False}], ["confirmed", "refused"]),
        ([{"ok": True}], ["unanswered", "unanswered"]),
        ({"ok": True}, ["confirmed", "confirmed"]),
        (None, ["refused", "refused"]),
    ],
    ids=["one each", "too few", "one for all", "nothing"],
)
def test_verdicts_in_lists_by_employee(vendor: Vendor, clock: FakeClock, told: Any, expected: list[str]) -> None:
    vendor.said["POST /kpi"] = {"results": {"NV001": told}}
    by_employee = {**ROWS, "by": "{subject.key}", "many": True}
    with rest(vendor, clock, send=by_employee, answer={"rows": "results", "row_ok": "ok"}) as to:
        assert outcome(to, delivery(kpi="a"), delivery(kpi="b")) == expected


# --- one value nobody may see ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["find", "lookups.goal"])
def test_a_record_that_may_not_be_looked_up_is_one_values_refusal(vendor: Vendor, clock: FakeClock, key: str) -> None:
    vendor.said["GET /emp/A"] = Reply(403, {"message": "no permission for this employee"})
    vendor.said["GET /emp/B"] = {"items": []}
    listing = {"get": "/emp/{subject.key}", "rows": "items"}
    settings = {"find": listing, "send": {"post": "/kpi", "update": {"put": ".../{remote_id}"}}} if key == "find" else {
        "lookups": {"goal": {**listing, "on_miss": "null"}}}
    with rest(vendor, clock, **settings) as to:
        one, other = send(to, *(delivery(person={"employee_code": code}) for code in "AB"))
    assert (one.outcome, one.message) == ("refused", f"{key} was refused: no permission for this employee")
    assert other.outcome == "confirmed"


def test_an_unanswered_value_that_may_not_be_read_holds_up_nobody(store: Store, vendor: Vendor) -> None:
    settings = {"send": {"post": "/kpi"}, "read_back": {"get": "/kpi/{subject.key}"}}
    vendor.said["GET /kpi/A"] = Reply(403, {"message": "left the company"})
    vendor.said["GET /kpi/B"] = {"who": "B", "value": 5}
    vendor.disturb(DROP, path="/kpi", method="POST")
    push(store, vendor, kpi_value(subject="person:A"), **settings)
    done = push(store, vendor, kpi_value(subject="person:A"), kpi_value(subject="person:B", value="5.00"), **settings)
    assert (done.confirmed, done.unanswered, done.error) == (1, 1, None)


def test_a_list_that_may_not_be_read_at_all_stops_the_destination(store: Store, vendor: Vendor) -> None:
    vendor.said["GET /all"] = Reply(403, {"message": "no scope"})
    settings = {"find": {"get": "/all"}, "send": {"post": "/kpi", "update": {"put": ".../{remote_id}"}}}
    done = push(store, vendor, kpi_value(), kpi_value("win_rate"), **settings)
    assert (done.owed, done.refused, "no scope" in str(done.error)) == (2, 0, True)


# --- whose value it is -----------------------------------------------------------------------------------------------


def test_two_of_ours_who_are_one_of_theirs_are_refused_both(store: Store, vendor: Vendor) -> None:
    vendor.said["GET /emp"] = [{"code": "NV009"}]
    settings = {**PUT_BY_CODE, "employees": {**BY_CODE, "overrides": {"NV001": "NV009"}}}
    both = [kpi_value(subject="person:NV009", value="9.00"), kpi_value(subject="person:NV001", value="1.00")]
    for _ in range(2):
        assert push(store, vendor, *both, **settings).refused == 2
    assert writes(vendor) == []
    earlier = kpi_value(subject="person:NV001", period="2026-09")
    assert push(store, vendor, earlier, both[0], **settings).confirmed == 2  # hired again: each has a month


def test_a_corrected_override_is_delivered(store: Store, vendor: Vendor) -> None:
    vendor.said["GET /emp"] = [{"code": "X1"}, {"code": "X2"}]
    for code in ("X1", "X2"):
        done = push(store, vendor, kpi_value(), **PUT_BY_CODE,
                    employees={**BY_CODE, "overrides": {"NV001": code}})
        assert done.confirmed == 1
    assert writes(vendor) == ["PUT /kpi/X1", "PUT /kpi/X2"]


def test_a_code_that_is_an_object_is_an_unexpected_shape(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["GET /emp"] = [{"code": {"label": "No", "value": "NV001"}}]
    with rest(vendor, clock, employees=BY_CODE) as to, pytest.raises(UnexpectedShape, match=r"employees\.code: "):
        send(to, delivery())


def test_a_code_stored_as_a_number_is_not_the_code_that_was_sent(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["GET /kpi"] = {"who": 12, "value": "100.000"}
    with rest(vendor, clock, send={"put": "/kpi"}, read_back={"get": "/kpi"}) as to:
        [receipt] = send(to, delivery(person={"employee_code": "0012"}))
        assert receipt.message == "the destination took it and holds another who"
        assert outcome(to, delivery(person={"employee_code": "12"})) == ["confirmed"]


def test_a_place_for_one_value_takes_none_of_two(store: Store, vendor: Vendor) -> None:
    months = [kpi_value(period=f"2026-{month}") for month in ("09", "10")]
    settings = {"one_value": "{subject.key} {kpi}", "send": {"put": "/kpi"}}
    assert push(store, vendor, *months, **settings).refused == 2
    assert "2 values would go to one place there (NV001 won_value)" in str(list_deliveries(store)[0]["message"])
    assert (writes(vendor), push(store, vendor, months[1], **settings).confirmed) == ([], 1)


@pytest.mark.parametrize("name", ["lattice", "hibob", "personio", "perdoo", "quantive", "base_vn", "coffeehr"])
def test_a_preset_never_sends_two_values_to_one_place(store: Store, clock: FakeClock, name: str) -> None:
    split = [kpi_value(value=f"{number}.00", dimensions={"stage": f"stage {number}"}) for number in (1, 7)]
    with VENDORS[name](clock=clock) as twin:
        to = Rest("hr", RestSettings.model_validate(twin.settings()), context(clock))
        done = deliver(store, to, "hr", split, {}, run="r", clock=clock)
        to.close()
        assert (done.confirmed, done.refused, twin.standing()) == (0, 2, {})


# --- presets ---------------------------------------------------------------------------------------------------------


def test_bamboohr_that_skips_the_target_is_not_confirmed(clock: FakeClock) -> None:
    with BambooTwin(clock=clock) as twin:
        twin.skipped = {"target"}
        to = Rest("hr", RestSettings.model_validate(twin.settings()), context(clock))
        assert outcome(to, delivery(target="200.00")) == ["unanswered"]
        to.close()


def test_successfactors_has_a_key_without_quotation_marks(clock: FakeClock) -> None:
    with SuccessTwin(clock=clock) as twin:
        to = Rest("hr", RestSettings.model_validate(twin.settings()), context(clock))
        assert outcome(to, delivery(dimensions={"reason": "Customer's budget"})) == ["confirmed"]
        to.close()
        [row] = twin.rows.values()
    assert row["externalCode"].isalnum()
    assert row["__metadata"]["uri"] == f"cust_KpiResult('{row['externalCode']}')"
    assert row["cust_kpi"] == "won_value Customer's budget"


def test_coffeehr_that_answers_with_an_empty_list_is_not_sent_the_value_again(store: Store, clock: FakeClock) -> None:
    with CoffeeTwin(clock=clock) as twin:
        taken = []

        def empty(request: Request) -> Any:
            if b"MaKPI" not in request.body:
                return None
            taken.append(request)
            return lambda _proper: Reply(200, {"Data": "[]"})

        twin.on_request(empty)
        for _ in range(3):
            to = Rest("hr", RestSettings.model_validate(twin.settings()), context(clock))
            assert deliver(store, to, "hr", [kpi_value()], {}, run="r", clock=clock).unanswered == 1
            to.close()
            clock.advance(days=1)
        assert len(taken) == 1


# --- secrets, and taking back ----------------------------------------------------------------------------------------


def test_a_key_in_a_header_that_the_vendor_repeats_is_not_shown(vendor: Vendor, clock: FakeClock) -> None:
    vendor.said["POST /kpi"] = Reply(400, {"message": "key 9f8e7d6c5b4a39281706 may not write application/json"})
    headers = {"Ocp-Apim-Subscription-Key": "9f8e7d6c5b4a39281706", "Accept": "application/json"}
    with rest(vendor, clock, headers=headers) as to:
        assert send(to, delivery())[0].message == "key *** may not write application/json"


def test_what_has_a_natural_address_is_taken_back_without_an_id(vendor: Vendor, clock: FakeClock) -> None:
    at = "/kpi/{subject.key}"
    with rest(vendor, clock, send={"put": at, "withdraw": {"delete": "..."}}) as to:
        assert [one.outcome for one in to.withdraw([delivery(person=AN)])] == ["confirmed"]
    assert writes(vendor) == ["DELETE /kpi/NV001"]

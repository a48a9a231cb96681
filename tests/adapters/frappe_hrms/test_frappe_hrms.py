"""What is particular to goals in Frappe HRMS: percentages, appraisals, groups, and how ours are known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.frappe_hrms import FrappeHrms
from connector import outbox
from connector.errors import Permanent, UnexpectedShape
from connector.model import KpiValue
from connector.ports import Delivery, Receipt
from connector.testing import FakeClock, context, kpi_value
from connector.twins.frappe import FrappeTwin
from connector.twins.frappe_records import Fault
from connector.twins.server import Reply

IN_CYCLE = {"cycle": "2026-H2", "kra": "Sales"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 10, 15, 8, tzinfo=UTC))


@pytest.fixture
def frappe(clock: FakeClock) -> Iterator[FrappeTwin]:
    """Lan has an appraisal of the half-year, in which sales weigh 100 %."""
    with FrappeTwin(clock=clock) as twin:
        twin.add_cycle("2026-H2", "2026-07-01", "2026-12-31")
        twin.add_kra("Sales")
        twin.lan = twin.add_employee("Lan", number="NV001", email="lan@example.vn", user="lan@example.vn")
        twin.appraisal = twin.add_appraisal(twin.lan, "2026-H2", {"Sales": 100.0})
        yield twin


def make(frappe: FrappeTwin, goal: dict[str, Any] | None = None, **more: Any) -> FrappeHrms:
    settings = {**frappe.settings, "goals": {"won_value": goal or {}}, **more}
    return FrappeHrms("hr", FrappeHrms.Settings.model_validate(settings), context(frappe.clock))


def value(code: str = "NV001", attainment: str | None = "0.4137", **more: Any) -> KpiValue:
    return kpi_value("won_value", f"person:{code}", "413.70", **{"target": "1000.00", "attainment": attainment, **more})


def delivery(one: KpiValue, **person: str) -> Delivery:
    return Delivery(outbox.key("hr", one), one.as_json(), {"employee_code": one.subject.key, **person})


def sent(to: FrappeHrms, *values: KpiValue) -> list[Receipt]:
    found = list(to.send([delivery(one) for one in values]))
    to.close()
    return found


def score(frappe: FrappeTwin) -> float:
    return float(frappe.docs["Appraisal"][frappe.appraisal]["goal_score_percentage"])


def only(frappe: FrappeTwin) -> dict[str, Any]:
    (goal,) = [one for one in frappe.goals.values() if one["external_id"]]
    return goal


def test_the_attainment_becomes_the_progress_of_a_goal_in_the_appraisal(frappe: FrappeTwin) -> None:
    (receipt,) = sent(make(frappe, {**IN_CYCLE, "name": "Revenue {period}"}), value())
    goal = only(frappe)
    assert (receipt.outcome, receipt.remote_id) == ("confirmed", goal["name"])
    assert (goal["goal_name"], goal["progress"], goal["status"]) == ("Revenue 2026-10", 41.37, "In Progress")
    assert (goal["start_date"], goal["end_date"]) == ("2026-10-01", "2026-10-31")
    assert score(frappe) == 41.37


@pytest.mark.parametrize(("attainment", "progress", "status"), [
    ("1.300000", 100.0, "Completed"), ("1.000000", 100.0, "Completed"), ("-0.050000", 0.0, "Pending"),
    ("0.123456", 12.35, "In Progress"),
])
def test_progress_is_cut_to_a_percentage(
    frappe: FrappeTwin, attainment: str, progress: float, status: str
) -> None:
    """The site refuses more than 100 and takes -5."""
    sent(make(frappe), value(attainment=attainment))
    assert (only(frappe)["progress"], only(frappe)["status"]) == (progress, status)


@pytest.mark.parametrize("progress", [{"path": "value"}, {"const": "abc"}, {"const": -5}])
def test_what_is_no_percentage_never_leaves(frappe: FrappeTwin, progress: dict[str, Any]) -> None:
    """The site would make 0 of "abc", keep -5, and say 417 to 413.70."""
    (receipt,) = sent(make(frappe, {"progress": progress}), value())
    assert receipt.outcome == "refused"
    assert "progress: expected a" in receipt.message
    assert not frappe.goals


def test_a_value_without_a_target_has_no_goal(frappe: FrappeTwin) -> None:
    (receipt,) = sent(make(frappe), value(attainment=None))
    assert (receipt.outcome, "there is no attainment" in receipt.message) == ("refused", True)


def test_amounts_go_into_fields_of_the_customers_own(frappe: FrappeTwin) -> None:
    frappe.custom = ("external_id", "custom_actual")
    goal = {"fields": {"custom_actual": "value", "description": {"template": "{kpi}: {value} {currency}"}}}
    sent(make(frappe, goal), value())
    assert (only(frappe)["custom_actual"], only(frappe)["description"]) == ("413.70", "won_value: 413.70 USD")


def test_a_goal_under_a_group_moves_the_groups_average(frappe: FrappeTwin) -> None:
    """41.37 and 20 are 30.685 on average; the group itself is never written."""
    group = frappe.add_goal(frappe.lan, "Sales goals", is_group=1, appraisal_cycle="2026-H2", kra="Sales")
    frappe.add_goal(frappe.lan, "Their own", progress=20, parent_goal=group, appraisal_cycle="2026-H2", kra="Sales")
    (receipt,) = sent(make(frappe, {**IN_CYCLE, "parent": "Sales goals"}), value())
    assert receipt.outcome == "confirmed"
    assert only(frappe)["parent_goal"] == group
    assert frappe.goals[group]["progress"] == 30.685


def test_a_parent_that_is_not_there_is_said(frappe: FrappeTwin) -> None:
    (receipt,) = sent(make(frappe, {**IN_CYCLE, "parent": "Sales goals"}), value())
    assert (receipt.outcome, "no one group goal 'Sales goals'" in receipt.message) == ("refused", True)


# --- what stands there already ---------------------------------------------------------------------------------------


def test_a_goal_of_the_same_name_that_a_person_made_is_not_ours(frappe: FrappeTwin) -> None:
    """It is left as it is; in the appraisal the two are averaged: (10 + 41.37) / 2 = 25.685, shown as 25.68."""
    theirs = frappe.add_goal(frappe.lan, "won_value 2026-10", progress=10, appraisal_cycle="2026-H2", kra="Sales")
    before = dict(frappe.goals[theirs])
    sent(make(frappe, IN_CYCLE), value())
    assert frappe.goals[theirs] == before
    assert score(frappe) == pytest.approx(25.68, abs=0.01)


def test_a_submitted_appraisal_is_not_changed(frappe: FrappeTwin) -> None:
    """Frappe would change it: a goal written after the submission moves the score that was signed."""
    sent(make(frappe, IN_CYCLE), value())
    frappe.submit(frappe.appraisal)
    (receipt,) = sent(make(frappe, IN_CYCLE), value(attainment="0.9"))
    assert (receipt.outcome, "is submitted" in receipt.message) == ("refused", True)
    assert score(frappe) == 41.37
    (receipt,) = sent(make(frappe, IN_CYCLE, submitted="write"), value(attainment="0.9"))
    assert (receipt.outcome, score(frappe)) == ("confirmed", 90.0)


@pytest.mark.parametrize("status", ["Closed", "Archived"])
def test_a_goal_that_somebody_closed_is_not_taken_up_again(frappe: FrappeTwin, status: str) -> None:
    sent(make(frappe), value())
    only(frappe)["status"] = status
    (receipt,) = sent(make(frappe), value(attainment="0.5"))
    assert (receipt.outcome, f"is {status} there" in receipt.message) == ("refused", True)
    assert (only(frappe)["status"], only(frappe)["progress"]) == (status, 41.37)


def test_a_finished_cycle_is_refused_in_the_sites_own_words(frappe: FrappeTwin) -> None:
    """They come as JSON in JSON, with HTML in it."""
    frappe.docs["Appraisal Cycle"]["2026-H2"]["status"] = "Completed"
    (receipt,) = sent(make(frappe, IN_CYCLE), value())
    assert receipt.status == 417
    assert receipt.message == "Cannot create or change transactions against a Completed Appraisal Cycle 2026-H2."


def test_two_goals_with_our_id_are_an_error_and_neither_is_written(frappe: FrappeTwin) -> None:
    """The field was not made unique, and somebody duplicated a goal."""
    frappe.unique = ()
    sent(make(frappe), value())
    frappe.insert("Goal", {name: only(frappe)[name] for name in ("goal_name", "employee", "start_date", "external_id")})
    before = frappe.state()
    (receipt,) = sent(make(frappe), value(attainment="0.9"))
    assert (receipt.outcome, receipt.message[:28]) == ("refused", "2 goals there have our id, e")
    assert frappe.state() == before


def test_without_the_field_for_our_id_nothing_is_written(frappe: FrappeTwin) -> None:
    """The site drops fields it does not know: each run would make another goal."""
    frappe.custom = frappe.unique = ()
    to = make(frappe)
    with pytest.raises(Permanent, match="external_id"):
        list(to.send([delivery(value())]))
    lines = {line.what: line for line in to.check()}
    to.close()
    assert not frappe.goals
    assert "Customize Form" in lines["Goal has the field external_id"].detail


def test_a_goal_that_another_run_made_meanwhile_is_changed(frappe: FrappeTwin) -> None:
    """The unique field refuses a second one, so the first is looked up."""
    other = delivery(value())

    def sneak(request: Any) -> None:
        if request.method == "POST" and request.path.endswith("/Goal") and not frappe.goals:
            frappe.insert("Goal", {"goal_name": "x", "employee": frappe.lan, "start_date": "2026-10-01",
                                   "external_id": other.key})

    frappe.on_request(sneak)
    (receipt,) = sent(make(frappe), value())
    assert receipt.outcome == "confirmed"
    assert only(frappe)["progress"] == 41.37


def test_a_key_longer_than_the_field_is_cut_and_stays_its_own(frappe: FrappeTwin) -> None:
    long = [value(dimensions={"stage": "x" * 150 + end}) for end in "ab"]
    sent(make(frappe), *long)
    ids = [goal["external_id"] for goal in frappe.goals.values()]
    assert (len(ids), len(set(ids)), max(map(len, ids)) <= 140) == (2, 2, True)


# --- people ----------------------------------------------------------------------------------------------------------


def test_all_employees_are_read_though_the_site_shows_twenty(frappe: FrappeTwin) -> None:
    for number in range(2, 60):
        frappe.add_employee(f"Employee {number}", number=f"NV{number:03d}")
    receipts = sent(make(frappe), value("NV059"))
    assert [one.outcome for one in receipts] == ["confirmed"]


@pytest.mark.parametrize(("code", "email", "found"), [
    ("NV001", "", "HR-EMP-00001"), ("HR-EMP-00002", "", "HR-EMP-00002"), ("?", "MINH@example.vn", "HR-EMP-00002"),
    ("?", "minh.login@example.vn", "HR-EMP-00002"),
])
def test_an_employee_is_found_by_number_name_and_e_mails(
    frappe: FrappeTwin, code: str, email: str, found: str
) -> None:
    frappe.add_employee("Minh", email="minh@example.vn", user="minh.login@example.vn")
    to = make(frappe)
    assert [one.outcome for one in to.send([delivery(value(code), email=email)])] == ["confirmed"]
    to.close()
    assert only(frappe)["employee"] == found


def test_who_has_left_and_came_back_is_the_active_one(frappe: FrappeTwin) -> None:
    frappe.docs["Employee"][frappe.lan]["status"] = "Left"
    (receipt,) = sent(make(frappe), value())
    assert (receipt.outcome, "is Left there" in receipt.message) == ("refused", True)
    again = frappe.add_employee("Lan", number="NV001")
    (receipt,) = sent(make(frappe), value())
    assert (receipt.outcome, only(frappe)["employee"]) == ("confirmed", again)


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_a_document_somebody_else_was_saving_is_tried_again(frappe: FrappeTwin) -> None:
    from connector.twins.frappe import _refusal

    sent(make(frappe), value())
    busy = _refusal(Fault("TimestampMismatchError", "Document has been modified after you have opened it"))
    left: list[Reply] = [busy, busy]
    frappe.on_request(lambda request: left.pop() if request.method == "PUT" and left else None)
    assert [one.outcome for one in sent(make(frappe), value(attainment="0.5"))] == ["confirmed"]
    assert (left, only(frappe)["progress"]) == ([], 50.0)


def test_a_user_who_may_not_write_is_told_so_for_each_value(frappe: FrappeTwin) -> None:
    from connector.twins.frappe import _refusal

    no = _refusal(Fault("PermissionError", "User <strong>connector</strong> does not have access", 403))
    frappe.on_request(lambda request: no if request.path.endswith("/Goal") else None)
    (receipt,) = sent(make(frappe), value())
    assert (receipt.outcome, receipt.status, receipt.message) == (
        "refused", 403, "User connector does not have access",
    )


def test_a_page_of_what_stands_before_the_site_is_no_answer(frappe: FrappeTwin) -> None:
    """502 and HTML after the goal was made: read again, it is there."""
    left = [1]
    frappe.on_request(lambda request: (lambda _proper: frappe.refusal(502)) if request.method == "POST"
                      and request.path.endswith("/Goal") and left and left.pop() else None)
    (receipt,) = sent(make(frappe), value())
    assert receipt.outcome == "confirmed"
    assert only(frappe)["progress"] == 41.37


def test_check_names_cycles_and_kras_that_are_missing(frappe: FrappeTwin) -> None:
    to = make(frappe, {"cycle": "2026-H1", "kra": "Sales"})
    assert {line.what for line in to.check() if not line.ok} == {"Appraisal Cycle 2026-H1"}
    to.close()


# --- taking back -----------------------------------------------------------------------------------------------------


def taken_back(to: FrappeHrms, *values: KpiValue) -> list[tuple[str, str]]:
    receipts = to.withdraw([delivery(one) for one in values])
    found: list[tuple[str, str]] = [(receipt.outcome, receipt.message) for receipt in receipts]
    to.close()
    return found


@pytest.mark.parametrize(("by_hr", "why"), [
    ({"status": "Archived"}, "is Archived there, so it is left alone"),
    ({"status": "Closed"}, "is Closed there, so it is left alone"),
    ({"is_group": 1}, "is a group there, so it is left alone"),
    ({"progress": 77.0}, "somebody changed it there, so it was not taken back: progress 77.0"),
], ids=["archived", "closed", "group", "changed"])
def test_a_goal_that_a_person_took_over_is_not_taken_back(
    frappe: FrappeTwin, by_hr: dict[str, Any], why: str
) -> None:
    sent(make(frappe), value())
    only(frappe).update(by_hr)
    ((outcome, message),) = taken_back(make(frappe), value())
    assert (outcome, why in message) == ("refused", True), message
    assert only(frappe)["name"]


def test_a_goal_of_a_kpi_that_the_config_no_longer_names_is_taken_back_unless_it_is_closed(frappe: FrappeTwin) -> None:
    """What was written is not known then, but not that somebody closed it."""
    frappe.add_employee("Minh", number="NV002")
    sent(make(frappe), value("NV001"), value("NV002"))
    closed = min(frappe.goals)
    frappe.goals[closed]["status"] = "Closed"
    other = make(frappe, goals={"calls": {}})
    assert [outcome for outcome, _ in taken_back(other, value("NV001"), value("NV002"))] == ["refused", "confirmed"]
    assert list(frappe.goals) == [closed]


# --- answers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", ["progress", "custom_actual", "name", "status", "employee"])
def test_a_field_that_may_not_be_read_is_said(frappe: FrappeTwin, hidden: str) -> None:
    """get_list leaves fields above the user's permission level out of its rows without a word."""
    frappe.custom = ("external_id", "custom_actual")
    to = make(frappe, {"fields": {"custom_actual": "value"}})
    sent(to, value())
    listed = frappe.listed
    frappe.listed = lambda *a, **k: [  # type: ignore[method-assign]
        {name: text for name, text in row.items() if name != hidden} for row in listed(*a, **k)
    ]
    again = make(frappe, {"fields": {"custom_actual": "value"}})
    with pytest.raises(UnexpectedShape, match=f"without {hidden}.*permission level"):
        sent(again, value(attainment="0.5"))


@pytest.mark.parametrize("rows", [[1, 2], ["HR-EMP-00001"], [None]])
def test_rows_that_are_none_are_said(frappe: FrappeTwin, rows: list[Any]) -> None:
    frappe.disturb(Reply(200, {"message": rows}), times=9)
    with pytest.raises(UnexpectedShape, match="expected objects"):
        sent(make(frappe), value())


def test_a_cycle_without_a_kra_is_a_fault_of_the_config(frappe: FrappeTwin) -> None:
    with pytest.raises(ValidationError, match="a goal with a cycle needs a kra"):
        make(frappe, {"cycle": "2026-H2"})

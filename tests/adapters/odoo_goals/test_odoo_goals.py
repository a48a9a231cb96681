"""What is particular to goals in Odoo: challenges, states, users, and what Odoo does to goals by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.odoo_goals import OdooGoals
from connector import outbox
from connector.deliver import deliver
from connector.errors import AuthError, Permanent, UnexpectedShape
from connector.model import KpiValue
from connector.ports import Delivery, Receipt
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from connector.twins.odoo import OdooTwin
from connector.twins.odoo_records import Fault
from connector.twins.server import Reply

OURS = {"definition": "Won value"}
THEIRS = {"definition": "Won value", "challenge": "Sales"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 10, 15, 8, tzinfo=UTC))


@pytest.fixture
def odoo(clock: FakeClock) -> Iterator[OdooTwin]:
    """Lan and Minh have users, and a goal each in a monthly challenge with a target of 1000; An has no user."""
    with OdooTwin(clock=clock) as twin:
        twin.won = twin.add_definition("Won value")
        twin.lan, twin.minh = twin.add_user("Lan", "lan@example.vn"), twin.add_user("Minh", "minh@example.vn")
        twin.add_employee("Lan", code="NV001", email="lan@example.vn", user=twin.lan)
        twin.add_employee("Minh", code="NV002", email="minh@example.vn", user=twin.minh)
        twin.add_employee("An", code="NV003", email="an@example.vn")
        twin.sales = twin.add_challenge("Sales", {twin.won: 1000.0}, [twin.lan, twin.minh])
        yield twin


def make(odoo: OdooTwin, goal: dict[str, Any], **more: Any) -> OdooGoals:
    settings = {**odoo.settings, "goals": {"won_value": goal}, **more}
    return OdooGoals("hr", OdooGoals.Settings.model_validate(settings), context(odoo.clock))


def value(code: str = "NV001", amount: str | None = "250.00", **more: Any) -> KpiValue:
    return kpi_value("won_value", f"person:{code}", amount, **{"target": "1000.00", **more})


def delivery(one: KpiValue) -> Delivery:
    return Delivery(outbox.key("hr", one), one.as_json(), {"employee_code": one.subject.key})


def sent(to: OdooGoals, *values: KpiValue) -> list[Receipt]:
    found = list(to.send([delivery(one) for one in values]))
    to.close()
    return found


def goal_of(odoo: OdooTwin, user: int) -> dict[str, Any]:
    (found,) = [row for row in odoo.goals.values() if row["user_id"] == user]
    return found


def test_a_goal_of_a_challenge_gets_value_and_state_and_keeps_its_target(odoo: OdooTwin) -> None:
    (receipt,) = sent(make(odoo, THEIRS), value(target="5.00"))
    assert receipt.outcome == "confirmed"
    goal = goal_of(odoo, odoo.lan)
    assert (goal["current"], goal["state"], goal["target_goal"]) == (250.0, "inprogress", 1000.0)
    assert goal_of(odoo, odoo.minh)["current"] == 0.0


@pytest.mark.parametrize(("amount", "status", "state"), [
    ("999.99", "open", "inprogress"), ("1000.00", "open", "reached"), ("999.99", "frozen", "failed"),
    ("1000.00", "frozen", "reached"),
])
def test_the_state_follows_the_target_and_the_end_of_the_period(
    odoo: OdooTwin, amount: str, status: str, state: str
) -> None:
    """Manual goals never become reached or failed by themselves."""
    sent(make(odoo, THEIRS), value(amount=amount, status=status))
    assert goal_of(odoo, odoo.lan)["state"] == state


def test_less_is_better_where_the_definition_says_so(odoo: OdooTwin) -> None:
    odoo.tables["gamification.goal.definition"][odoo.won]["condition"] = "lower"
    sent(make(odoo, THEIRS), value("NV001", "999.00"), value("NV002", "1001.00"))
    assert [goal_of(odoo, user)["state"] for user in (odoo.lan, odoo.minh)] == ["reached", "inprogress"]


def test_the_state_may_be_left_to_people(odoo: OdooTwin) -> None:
    sent(make(odoo, THEIRS, state=False), value(amount="1000.00"))
    assert goal_of(odoo, odoo.lan)["state"] == "inprogress"


def test_goals_that_a_refresh_made_anew_get_their_value_again(odoo: OdooTwin, clock: FakeClock, tmp_path: Path) -> None:
    """Goals in progress have other ids and the value 0 then; those reached stayed."""
    store = Store.open(f"sqlite:///{tmp_path / 'connector.db'}", clock)
    values = [value("NV001", "250.00"), value("NV002", "1000.00")]

    def push() -> int:
        to = make(odoo, THEIRS)
        done = deliver(store, to, "hr", values, {}, run="r", clock=clock)
        to.close()
        return done.confirmed

    assert (push(), push()) == (2, 0)
    before = {row["user_id"]: id_ for id_, row in odoo.goals.items()}
    odoo.refresh(odoo.sales)
    after = {row["user_id"]: id_ for id_, row in odoo.goals.items()}
    assert (before[odoo.lan] != after[odoo.lan], before[odoo.minh] == after[odoo.minh]) == (True, True)
    assert push() == 1
    assert [goal_of(odoo, user)["current"] for user in (odoo.lan, odoo.minh)] == [250.0, 1000.0]
    store.close()


def test_a_value_that_somebody_typed_over_ours_is_not_missing(odoo: OdooTwin) -> None:
    """That is for `on_drift` to decide."""
    sent(make(odoo, THEIRS), value())
    odoo.write("gamification.goal", [next(iter(odoo.goals))], {"current": 7.0})
    to = make(odoo, THEIRS)
    assert set(to.lacks([delivery(value())])) == set()
    to.close()


def test_a_goal_that_is_made_anew_while_it_is_written_is_written_again(odoo: OdooTwin) -> None:
    left = [1]

    def refresh(request: Any) -> None:
        if b'"write"' in request.body and left:
            left.pop()
            odoo.refresh(odoo.sales)

    odoo.on_request(refresh)
    (receipt,) = sent(make(odoo, THEIRS), value())
    assert receipt.outcome == "confirmed"
    assert goal_of(odoo, odoo.lan)["current"] == 250.0


def test_an_employee_without_a_user_cannot_hold_a_goal(odoo: OdooTwin) -> None:
    (receipt,) = sent(make(odoo, OURS), value("NV003"))
    assert receipt.outcome == "refused"
    assert "has no user in Odoo" in receipt.message


def test_two_employments_of_one_user_are_one_person(odoo: OdooTwin) -> None:
    odoo.add_employee("Lan (second company)", code="NV001", user=odoo.lan)
    (receipt,) = sent(make(odoo, THEIRS), value())
    assert receipt.outcome == "confirmed"


def test_two_users_with_one_code_are_nobody(odoo: OdooTwin) -> None:
    odoo.add_employee("Another", code="NV001", user=odoo.minh)
    (receipt,) = sent(make(odoo, THEIRS), value())
    assert (receipt.outcome, receipt.message[:14]) == ("refused", "2 users in Odo")


@pytest.mark.parametrize(("spoil", "reason"), [
    (lambda odoo: odoo.add_definition("Won value"), "2 goal definition"),
    (lambda odoo: odoo.tables["gamification.goal.definition"][odoo.won].update(computation_mode="sum"), "itself (sum)"),
    (lambda odoo: goal_of(odoo, odoo.lan).update(state="canceled"), "is canceled in Odoo"),
    (lambda odoo: goal_of(odoo, odoo.lan).update(start_date="2026-09-01"), "has no goals of this person"),
    (lambda odoo: odoo.goals.update({990: dict(goal_of(odoo, odoo.lan))}), "has 2 goals of this person"),
], ids=["two definitions", "computed", "canceled", "another month", "a duplicate"])
def test_what_cannot_be_filled_in_is_refused_with_its_reason(odoo: OdooTwin, spoil: Any, reason: str) -> None:
    spoil(odoo)
    before = odoo.state()
    (receipt,) = sent(make(odoo, THEIRS), value())
    assert receipt.outcome == "refused"
    assert reason in receipt.message
    assert odoo.state() == before


@pytest.mark.parametrize(("goal", "one", "reason"), [
    (THEIRS, value(amount=None), "there is no value"),
    (OURS, value(target=None), "there is no target"),
    (THEIRS, value(dimensions={"stage": "demo"}), "split by dimensions"),
    (OURS, kpi_value("win_rate", "person:NV001", "0.5"), "says nothing of the KPI win_rate"),
    (OURS, kpi_value("won_value", "team:north", "5", target="9"), "a goal belongs to a person"),
    (OURS, value(amount="12345678901234567.89"), "15 digits"),
], ids=["no value", "no target", "dimensions", "another KPI", "a team", "too many digits"])
def test_a_value_that_no_goal_can_say_is_refused_with_its_reason(
    odoo: OdooTwin, goal: dict[str, Any], one: KpiValue, reason: str
) -> None:
    (receipt,) = sent(make(odoo, goal), one)
    assert receipt.outcome == "refused"
    assert reason in receipt.message


def test_a_goal_somebody_made_where_ours_would_stand_is_left_alone(odoo: OdooTwin) -> None:
    """Odoo would take a duplicate; people would see two."""
    (receipt,) = sent(make(odoo, OURS), value())
    assert receipt.outcome == "refused"
    assert "not ours" in receipt.message
    assert goal_of(odoo, odoo.lan)["current"] == 0.0


def test_of_many_new_goals_only_the_bad_one_is_refused(odoo: OdooTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load` takes all or none: the rest is tried again without the row Odoo named."""
    odoo.goals.clear()
    imported = odoo._imported

    def picky(model: str, cells: dict[str, Any]) -> int:
        if cells["user_id/.id"] == str(odoo.lan):
            raise Fault("odoo.exceptions.ValidationError", "Lan holds enough goals")
        return imported(model, cells)

    monkeypatch.setattr(odoo, "_imported", picky)
    receipts = {one.key[-15:-8]: one for one in sent(make(odoo, OURS), value("NV001"), value("NV002"))}
    assert {one.outcome: one.message for one in receipts.values()} == {
        "refused": "Lan holds enough goals", "confirmed": "read back",
    }
    assert [row["user_id"] for row in odoo.goals.values()] == [odoo.minh]


def test_percentages_are_said_as_the_config_says(odoo: OdooTwin) -> None:
    odoo.goals.clear()
    percent = {"path": "value", "as": {"number": {"scale": 100, "digits": 1}}}
    sent(make(odoo, {**OURS, "current": percent, "target": {"const": 40}}), value(amount="0.3333"))
    assert (goal_of(odoo, odoo.lan)["current"], goal_of(odoo, odoo.lan)["target_goal"]) == (33.3, 40.0)


# --- rights and refusals ---------------------------------------------------------------------------------------------


def test_a_wrong_key_is_tried_once(odoo: OdooTwin) -> None:
    to = make(odoo, THEIRS, key="wrong-key-1")
    for _ in range(3):
        with pytest.raises(AuthError, match="the login was refused"):
            list(to.send([delivery(value())]))
    to.close()
    assert len(odoo.requests) == 1


def test_a_database_that_is_not_there_is_said(odoo: OdooTwin) -> None:
    to = make(odoo, THEIRS, database="other")
    with pytest.raises(Permanent, match='database "other" does not exist'):
        list(to.send([delivery(value())]))
    to.close()


def test_without_rights_to_employees_nothing_is_written(odoo: OdooTwin) -> None:
    odoo.reads_employees = False
    to = make(odoo, THEIRS)
    with pytest.raises(Permanent, match=r"hr\.employee cannot be read"):
        list(to.send([delivery(value())]))
    assert [line.ok for line in to.check()] == [False]
    to.close()


def test_a_plain_user_fills_in_a_challenge_and_makes_no_goals(odoo: OdooTwin) -> None:
    odoo.may_create = False
    assert [one.outcome for one in sent(make(odoo, THEIRS), value())] == ["confirmed"]
    checks = {line.what: line for line in make(odoo, OURS).check()}
    assert (checks["make goals"].ok, "Access Rights" in checks["make goals"].detail) == (False, True)


def test_check_names_what_is_missing_for_a_kpi(odoo: OdooTwin) -> None:
    (line,) = [one for one in make(odoo, {"definition": "Won", "challenge": "Sales"}).check() if not one.ok]
    assert line.what == "goals of won_value"
    assert line.detail == "Odoo has no goal definition 'Won', expected one of that name"


def test_a_write_that_met_another_is_tried_again(odoo: OdooTwin) -> None:
    """The exception says that the transaction was undone, with status 200."""
    error = {"code": 200, "message": "Odoo Server Error", "data": {"name": "psycopg2.errors.SerializationFailure",
                                                                  "message": "could not serialize access"}}
    busy = Reply(200, {"jsonrpc": "2.0", "id": 1, "error": error})
    left = [busy, busy]
    odoo.on_request(lambda request: left.pop() if b'"write"' in request.body and left else None)
    assert [one.outcome for one in sent(make(odoo, THEIRS), value())] == ["confirmed"]
    assert not left


# --- taking back -----------------------------------------------------------------------------------------------------


def taken_back(to: OdooGoals, *values: KpiValue) -> list[tuple[str, str]]:
    receipts = to.withdraw([delivery(one) for one in values])
    found: list[tuple[str, str]] = [(receipt.outcome, receipt.message) for receipt in receipts]
    to.close()
    return found


def ours_of(odoo: OdooTwin) -> dict[str, Any]:
    (found,) = [row for row in odoo.goals.values() if not row["challenge_id"]]
    return found


@pytest.mark.parametrize(("by_hr", "why"), [
    ({"current": 999.0}, "somebody changed it there, so it was not taken back: current 999.0"),
    ({"target_goal": 5.0}, "somebody changed it there, so it was not taken back: target_goal 5.0"),
    ({"state": "canceled"}, "canceled in Odoo, so it is left alone"),
])
def test_a_goal_that_a_person_took_over_is_not_taken_back(odoo: OdooTwin, by_hr: dict[str, Any], why: str) -> None:
    odoo.goals.clear()
    sent(make(odoo, OURS), value())
    ours_of(odoo).update(by_hr)
    ((outcome, message),) = taken_back(make(odoo, OURS), value())
    assert (outcome, why in message) == ("refused", True), message
    assert ours_of(odoo)  # it is there


def test_a_goal_as_we_wrote_it_is_taken_back_also_of_a_person_who_left(odoo: OdooTwin) -> None:
    odoo.goals.clear()
    sent(make(odoo, OURS), value())
    odoo.tables["hr.employee"].clear()
    assert taken_back(make(odoo, OURS), value()) == [("confirmed", "our goal is gone")]
    assert not odoo.goals


# --- answers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [
    [{"id": 1}], [1, 2], [None],
    [{"name": "Won value", "id": 1, "computation_mode": "manually", "condition": "higher", "user_id": 7,
      "barcode": "NV001", "work_email": False}],
], ids=["fields missing", "ids", "nothing", "a link that is a number"])
def test_rows_that_are_none_are_said(odoo: OdooTwin, rows: list[Any]) -> None:
    to = make(odoo, OURS)
    list(to.check())  # the login is known
    odoo.disturb(Reply(200, {"jsonrpc": "2.0", "id": 1, "result": rows}), times=9)
    with pytest.raises(UnexpectedShape):
        sent(to, value())

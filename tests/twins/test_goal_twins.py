"""The twins of Odoo and Frappe HRMS behave as the running servers that were looked at did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from connector.testing import FakeClock
from connector.twins.frappe import FrappeTwin
from connector.twins.odoo import OdooTwin

CLOCK = datetime(2026, 10, 15, 8, tzinfo=UTC)


@pytest.fixture
def odoo() -> Iterator[OdooTwin]:
    with OdooTwin(clock=FakeClock(CLOCK)) as twin:
        twin.won = twin.add_definition("Won value")
        twin.lan = twin.add_user("Lan", "lan@example.vn")
        yield twin


def call(odoo: OdooTwin, model: str, method: str, *ids: Any, **named: Any) -> Any:
    """The answer over JSON-RPC, whose status is 200 whatever happened."""
    arguments = [odoo.database, odoo.uid, odoo.key, model, method, list(ids), named]
    body = {"jsonrpc": "2.0", "method": "call", "id": 1,
            "params": {"service": "object", "method": "execute_kw", "args": arguments}}
    answer = requests.post(f"{odoo.url}/jsonrpc", json=body, timeout=10)
    assert answer.status_code == 200
    return answer.json()


GOAL = "gamification.goal"


def test_odoo_refuses_with_status_200_and_the_name_of_its_exception(odoo: OdooTwin) -> None:
    error = call(odoo, GOAL, "write", [999], vals={"current": 1})["error"]
    assert (error["message"], error["data"]["name"]) == ("Odoo Server Error", "odoo.exceptions.MissingError")


def test_odoo_takes_duplicates_of_a_goal(odoo: OdooTwin) -> None:
    row = {"definition_id": odoo.won, "user_id": odoo.lan, "start_date": "2026-10-01", "target_goal": 5}
    made = call(odoo, GOAL, "create", vals_list=[row, row])["result"]
    assert len(set(made)) == 2


def test_odoos_write_changes_no_state_and_notes_the_day(odoo: OdooTwin) -> None:
    goal = odoo.add_goal(odoo.won, odoo.lan, "2026-10-01", "2026-10-31", target_goal=5.0)
    call(odoo, GOAL, "write", [goal], vals={"current": 7.25})
    fields = ["current", "state", "last_update"]
    (row,) = call(odoo, GOAL, "search_read", domain=[["id", "=", goal]], fields=fields)["result"]
    assert (row["current"], row["state"], row["last_update"]) == (7.25, "inprogress", "2026-10-15")


def test_odoo_keeps_definition_and_user_of_a_started_goal(odoo: OdooTwin) -> None:
    goal = odoo.add_goal(odoo.won, odoo.lan, "2026-10-01", "2026-10-31")
    error = call(odoo, GOAL, "write", [goal], vals={"user_id": odoo.uid})["error"]
    assert error["data"]["message"] == "Can not modify the configuration of a started goal"


def test_odoos_refresh_makes_goals_in_progress_anew(odoo: OdooTwin) -> None:
    challenge = odoo.add_challenge("Sales", {odoo.won: 1000.0}, [odoo.lan])
    (before,) = odoo.goals
    call(odoo, GOAL, "write", [before], vals={"current": 250.0})
    odoo.refresh(challenge)
    ((after, row),) = odoo.goals.items()
    assert (after != before, row["current"], row["start_date"]) == (True, 0.0, "2026-10-01")


def test_odoos_daily_job_overwrites_what_it_computes(odoo: OdooTwin) -> None:
    computed = odoo.add_definition("Calls", mode="count", computes=lambda _row: 3.0)
    goal = odoo.add_goal(computed, odoo.lan, "2026-10-01", "2026-10-31")
    call(odoo, GOAL, "write", [goal], vals={"current": 250.0})
    odoo.cron()
    assert odoo.goals[goal]["current"] == 3.0


def test_odoos_load_upserts_by_external_id_and_takes_all_or_none(odoo: OdooTwin) -> None:
    fields = ["id", "definition_id/.id", "user_id/.id", "target_goal", "current"]
    about = [str(odoo.won), str(odoo.lan), "5"]
    rows = [["m.one", *about, "1"], ["m.two", *about, "no number"]]
    answer = call(odoo, GOAL, "load", fields=fields, data=rows)["result"]
    assert (answer["ids"], answer["messages"][0]["rows"]) == (False, {"from": 1, "to": 1})
    assert not odoo.goals
    first = call(odoo, GOAL, "load", fields=fields, data=rows[:1])["result"]["ids"]
    again = call(odoo, GOAL, "load", fields=["id", "current"], data=[["m.one", "2"]])["result"]["ids"]
    assert (first == again, odoo.goals[first[0]]["current"]) == (True, 2.0)


def test_odoos_json2_answers_with_statuses(odoo: OdooTwin) -> None:
    url, headers = f"{odoo.url}/json/2/{GOAL}/write", {"Authorization": f"bearer {odoo.key}"}
    goal = odoo.add_goal(odoo.won, odoo.lan, "2026-10-01", "2026-10-31")
    answers = [
        requests.post(url, json={"ids": [goal], "vals": {"current": 5}}, headers=headers, timeout=10),
        requests.post(url, json={"ids": [999], "vals": {"current": 5}}, headers=headers, timeout=10),
        requests.post(url, json={"ids": [goal], "vals": {"user_id": 1}}, headers=headers, timeout=10),
        requests.post(url, json={}, headers={"Authorization": "bearer wrong"}, timeout=10),
    ]
    assert [one.status_code for one in answers] == [200, 404, 422, 401]


# --- Frappe HRMS -----------------------------------------------------------------------------------------------------


@pytest.fixture
def frappe() -> Iterator[FrappeTwin]:
    with FrappeTwin(clock=FakeClock(CLOCK)) as twin:
        twin.add_cycle("2026-H2", "2026-07-01", "2026-12-31")
        twin.add_kra("Sales")
        twin.lan = twin.add_employee("Lan", number="NV001")
        yield twin


def ask(frappe: FrappeTwin, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
    headers = {"Authorization": f"token {frappe.key}:{frappe.secret}"}
    return requests.request(method, f"{frappe.url}/api/resource/{path}", json=body, params=query, headers=headers,
                            timeout=10)


def test_frappe_refuses_more_than_100_percent_in_json_within_json(frappe: FrappeTwin) -> None:
    goal = frappe.add_goal(frappe.lan, "Goal")
    answer = ask(frappe, "PUT", f"Goal/{goal}", {"progress": 101})
    (message,) = json.loads(answer.json()["_server_messages"])
    assert (answer.status_code, answer.json()["exc_type"]) == (417, "ValidationError")
    assert json.loads(message)["message"] == "Goal progress percentage cannot be more than 100."


@pytest.mark.parametrize(("progress", "kept"), [(-5, -5.0), ("abc", 0.0), (41.37, 41.37)])
def test_frappe_takes_what_it_should_not(frappe: FrappeTwin, progress: Any, kept: float) -> None:
    goal = frappe.add_goal(frappe.lan, "Goal")
    assert ask(frappe, "PUT", f"Goal/{goal}", {"progress": progress}).json()["data"]["progress"] == kept


def test_frappe_averages_duplicates_and_changes_a_submitted_appraisal(frappe: FrappeTwin) -> None:
    """41.37 becomes 20.68."""
    appraisal = frappe.add_appraisal(frappe.lan, "2026-H2", {"Sales": 100.0})
    frappe.submit(appraisal)
    row = {"goal_name": "Goal", "employee": frappe.lan, "appraisal_cycle": "2026-H2", "kra": "Sales"}
    ask(frappe, "POST", "Goal", {**row, "progress": 41.37})
    assert frappe.docs["Appraisal"][appraisal]["goal_score_percentage"] == 41.37
    ask(frappe, "POST", "Goal", row)
    assert frappe.docs["Appraisal"][appraisal]["goal_score_percentage"] == 20.68


def test_frappe_shows_twenty_rows_and_drops_fields_it_does_not_know(frappe: FrappeTwin) -> None:
    for number in range(25):
        row = {"goal_name": f"Goal {number}", "employee": frappe.lan, "start_date": "2026-10-01", "unknown_field": "x"}
        assert "unknown_field" not in ask(frappe, "POST", "Goal", row).json()["data"]
    assert len(ask(frappe, "GET", "Goal").json()["data"]) == 20
    assert len(ask(frappe, "GET", "Goal", limit_page_length=100).json()["data"]) == 25


def test_frappe_keeps_a_unique_field_unique(frappe: FrappeTwin) -> None:
    row = {"goal_name": "Goal", "employee": frappe.lan, "start_date": "2026-10-01", "external_id": "one"}
    assert [ask(frappe, "POST", "Goal", row).status_code for _ in range(2)] == [200, 409]


def test_frappe_asks_for_its_token_and_deletes_with_202(frappe: FrappeTwin) -> None:
    goal = frappe.add_goal(frappe.lan, "Goal")
    assert requests.get(f"{frappe.url}/api/resource/Goal", timeout=10).status_code == 401
    assert ask(frappe, "DELETE", f"Goal/{goal}").status_code == 202
    assert ask(frappe, "GET", f"Goal/{goal}").status_code == 404

"""The fake HR system: what it takes, what it refuses with status 200, over real sockets."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial

import pytest
import requests

from connector.twins.clock import SimulatedClock
from connector.twins.hr import HrTwin
from connector.twins.server import DROP

get, post = partial(requests.get, timeout=10), partial(requests.post, timeout=10)
PEOPLE = [{"code": f"NV{n:04d}", "email": f"p{n}@example.com", "name": f"Person {n}"} for n in (1, 2, 3)]
RESULT = {"MaNhanVien": "NV0001", "MaKPI": "DOANHSO", "Ky": "10/2026", "ThucHien": 1250.5, "ChiTieu": None}


class Client:
    """A session that is logged in."""

    def __init__(self, twin):
        self.twin, self.session = twin, requests.Session()
        login = {"user": twin.user, "password": twin.password}
        self.session.headers["Token"] = self.call("POST", "/login", login)["token"]

    def call(self, method, path, body=None, status=200):
        answer = self.session.request(method, self.twin.url + "/api" + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def add(self, *items):
        return self.call("POST", "/kpi-results", {"items": list(items)})["results"]


@pytest.fixture
def hr():
    clock = SimulatedClock(datetime(2026, 11, 3, 1, 0, tzinfo=UTC))
    with HrTwin(PEOPLE, clock=clock, page_size=2, token_seconds=3600) as twin:
        client = Client(twin)
        yield client
        client.session.close()
        assert twin.crashes == []


def test_employees_come_in_pages_counted_from_one(hr):
    first, second = hr.call("GET", "/employees"), hr.call("GET", "/employees?page=2")
    assert [one["MaNhanVien"] for one in first["data"] + second["data"]] == ["NV0001", "NV0002", "NV0003"]
    assert (first["pages"], second["total"], first["data"][0]["Email"]) == (2, 3, "p1@example.com")


def test_each_row_of_a_batch_has_its_own_verdict_under_status_200(hr):
    bad = [{**RESULT, "MaNhanVien": "NV9999"}, {**RESULT, "Ky": "2026-10"}, {**RESULT, "ThucHien": "1250.5"}]
    rows = hr.add(RESULT, *bad)
    assert [row["success"] for row in rows] == [True, False, False, False]
    assert [row["message"] for row in rows[1:]] == [
        "unknown employee", "Ky must be mm/YYYY", "ThucHien must be a number",
    ]


def test_a_second_result_for_the_same_key_is_refused_but_not_for_other_dimensions(hr):
    again, other = {**RESULT, "ThucHien": 1}, {**RESULT, "KichThuoc": '{"stage":"won"}'}
    assert [row["success"] for row in hr.add(RESULT, again, other)] == [True, False, True]
    (held,) = hr.call("GET", "/kpi-results?employee=NV0001&kpi=DOANHSO&period=10/2026&dimensions=")["items"]
    assert held["ThucHien"] == 1250.5


def test_a_result_is_corrected_by_its_id_and_read_back(hr):
    (row,) = hr.add(RESULT)
    hr.call("PUT", f"/kpi-results/{row['id']}", {"ThucHien": 900, "ChiTieu": 1000})
    held = hr.call("GET", f"/kpi-results/{row['id']}")
    assert (held["ThucHien"], held["ChiTieu"], held["Ky"]) == (900, 1000, "10/2026")
    assert hr.call("PUT", f"/kpi-results/{row['id']}", {"Ky": "11/2026"})["code"] == 0
    hr.call("PUT", "/kpi-results/1", {"ThucHien": 1}, status=404)


def test_a_dropped_answer_leaves_the_results_there(hr):
    hr.twin.disturb(DROP, path="/kpi-results", method="POST")
    with pytest.raises(requests.ConnectionError):
        hr.add(RESULT)
    assert len(hr.call("GET", "/kpi-results")["items"]) == 1


def test_a_goal_takes_a_percentage(hr):
    (goal,) = hr.call("GET", "/goals?employee=NV0002")["items"]
    assert hr.call("PUT", f"/goals/{goal['id']}", {"TienDo": 62.5})["code"] == 1
    assert hr.call("PUT", f"/goals/{goal['id']}", {"TienDo": 101})["code"] == 0
    assert hr.call("GET", f"/goals/{goal['id']}")["TienDo"] == 62.5


def test_without_a_living_token_or_with_a_wrong_password_the_answer_is_401(hr):
    hr.call("POST", "/login", {"user": "connector", "password": "wrong"}, status=401)
    hr.twin.clock.sleep(3601)
    assert hr.call("GET", "/employees", status=401)["message"] == "token missing or expired"


def test_a_body_that_is_no_object_is_refused_with_status_200(hr):
    assert hr.call("POST", "/kpi-results", [RESULT])["code"] == 0
    assert hr.call("POST", "/kpi-results", {"items": [RESULT] * 101})["message"].startswith("at most 100")


def test_the_page_lists_what_is_held_with_everything_escaped(hr):
    hr.add({**RESULT, "MaKPI": "<b>"})
    page = get(hr.twin.url + "/").text
    assert "1 KPI results of 3 employees" in page
    assert "<td>&lt;b&gt;</td><td>10/2026</td><td></td><td>1250.5</td>" in page


def test_as_a_process_it_knows_the_sellers_of_the_demo():
    process = subprocess.Popen([sys.executable, "-m", "connector.twins.hr"], stdout=subprocess.PIPE, text=True)
    said = json.loads(process.stdout.readline())
    login = {key: said[key] for key in ("user", "password")}
    token = post(said["url"] + "/api/login", json=login).json()["token"]
    rows = get(said["url"] + "/api/employees", headers={"Token": token}).json()["data"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()
    assert "NV0007" in {row["MaNhanVien"] for row in rows}

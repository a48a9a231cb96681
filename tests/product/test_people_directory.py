"""Employees out of the list of an HR system, over real HTTP: who they are, who was what then, and what cannot be read.

An (crm:o1) won 1,000.50 in January, Bình (crm:o2) lost a deal and has one open (tests/e2e/project.py). It is the
second of March.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connector.app import App
from connector.errors import ConfigError
from connector.store import tables
from connector.testing import FakeClock
from connector.twins.hr import HrTwin
from connector.twins.server import Reply
from tests.e2e.project import Project, make

STAFF = [
    {"code": "NV001", "email": "an@example.vn", "name": "An", "department": "north", "manager": "NV009",
     "since": "2025-01-01"},
    {"code": "NV002", "email": "Binh@example.vn", "name": "Bình", "department": "north"},
    {"code": "NV003", "email": "chi@example.vn", "name": "Chi"},
    {"code": "NV004", "email": "dung@example.vn", "name": "Dũng"},
    {"code": "NV009", "email": "giang@example.vn", "name": "Giang"},
]
HR = """\
destinations:
  hr:
    adapter: rest
    base_url: {url}/api
    auth:
      header: Token
      login: {{post: /login, body: {{user: connector, password: "${{HR_PASSWORD}}"}}, token: token}}
    employees: {{get: /employees, rows: data, page: page, code: MaNhanVien, email: Email, name: HoTen,
      team: TenPhongBan, manager: MaNhanVienQuanLy, from: NgayBatDauLam, to: NgayNghiViec}}
    send: {{post: /kpi-results}}
    body: {{MaNhanVien: subject.employee_code}}
"""
TEAMS = "kpis:\n  - {id: team_value, metric: won_value, per: team, every: month}\n"


class Company:
    """An installation whose employees are those of an HR system; every sync takes some minutes of its clock."""

    def __init__(self, folder: Path, url: str, clock: FakeClock) -> None:
        self.hr = HrTwin(STAFF, clock=clock, page_size=2).__enter__()
        self.project, self.clock, self.hr_url = make(folder), clock, self.hr.url
        self.project.replace("config.yaml", "people: people.csv", f"store: {url}\npeople: {{from: hr}}")
        self.project.replace("config.yaml", "destinations:\n", HR.format(url=self.hr.url))
        self.project.replace("config.yaml", "kpis:\n", TEAMS)
        self.environment = {"HR_PASSWORD": "hr-password"}
        self.app = self._load()

    def _load(self) -> App:
        return App.load(str(self.project.folder / "config.yaml"), self.clock, self.environment)

    def configured(self, old: str, new: str) -> None:
        """The config is changed, and the program started again."""
        self.project.replace("config.yaml", old, new)
        self.app.close()
        self.app = self._load()

    def sync(self, code: int = 0, **span: float) -> dict[str, Any]:
        self.clock.advance(**(span or {"minutes": 5}))
        answer = self.app.sync(push=False)
        assert answer.exit_code == code, answer.value
        return dict(answer.value)

    def moment(self) -> str:
        """An instant with nothing on either side of it."""
        self.clock.advance(minutes=1)
        return self.clock.now().isoformat()

    def change(self, code: str, **fields: Any) -> None:
        """Something else stands in the HR system for that employee."""
        self.hr.employees[code].update(fields)

    def values(self, kpi: str = "won_value", period: str = "2026-01", **question: Any) -> dict[str, Any]:
        return {one["subject"]["key"]: one["value"] for one in self.app.kpi(kpi, period=period, **question).value}

    def staff(self) -> dict[str, dict[str, Any]]:
        """The employees as `connector people` tells them, by code."""
        return {one["employee_code"]: one for one in self.app.people().value["people"]}

    def versions(self, kind: str) -> list[str]:
        table = tables.file_version
        rows = self.app.here.store.rows(select(table).where(table.c.kind == kind).order_by(table.c.seen_at))
        return [bytes(row.content).decode() for row in rows]

    def close(self) -> None:
        self.app.close()
        self.hr.__exit__(None, None, None)


@pytest.fixture
def company(tmp_path: Path, clock: FakeClock) -> Iterator[Company]:
    with closing(Company(tmp_path, "sqlite:///connector.db", clock)) as made:
        yield made


@pytest.fixture
def stored(tmp_path: Path, clock: FakeClock, store_url: str) -> Iterator[Company]:
    """The same on either kind of store."""
    with closing(Company(tmp_path, store_url, clock)) as made:
        yield made


# --- what the list says ----------------------------------------------------------------------------------------------


def test_a_first_run_knows_the_employees_of_the_list_and_their_owners_by_mail(stored: Company) -> None:
    said = stored.sync()
    assert stored.values() == {"NV001": "1000.50", "NV002": "0.00", "NV003": "0.00", "NV004": "0.00", "NV009": "0.00"}
    assert stored.values("team_value") == {"north": "1000.50"}
    assert said["people"] == {"from": "hr", "last_read_at": said["ended_at"], "employees": 5, "problem": None}
    assert stored.staff()["NV001"] == {
        "employee_code": "NV001", "name": "An", "emails": ["an@example.vn"], "owners": ["crm:o1"], "team": "north",
        "manager": "NV009", "from": "2025-01-01", "to": None,
    }
    assert stored.app.people().value["unmatched"] == []


def test_the_list_is_read_once_a_run_and_kept_only_where_it_says_something_new(company: Company) -> None:
    company.sync()
    company.sync()
    pages = [request.one("page") for request in company.hr.requests if request.path == "/api/employees"]
    assert pages == ["1", "2", "3", "4"] * 2  # the fourth is empty: the end
    assert [len(company.versions(kind)) for kind in ("directory", "people")] == [1, 1]
    company.hr.employees = dict(reversed(company.hr.employees.items()))  # another order says nothing new
    company.sync()
    assert [len(company.versions(kind)) for kind in ("directory", "people")] == [1, 1]


def test_a_joiner_is_known_from_the_run_that_reads_them(stored: Company) -> None:
    """An is new on the list: what she won was an owner's, and still is as of the day before."""
    an = stored.hr.employees.pop("NV001")
    stored.sync()
    before = stored.moment()
    assert (stored.values()["crm:o1"], "NV001" in stored.values()) == ("1000.50", False)
    stored.hr.employees["NV001"] = an
    stored.sync(days=1)
    assert (stored.values()["NV001"], "crm:o1" in stored.values()) == ("1000.50", False)
    then = stored.values(as_of=before)
    assert (then["crm:o1"], "NV001" in then) == ("1000.50", False)


def test_a_leaver_keeps_the_numbers_and_is_employed_until_that_was_seen(stored: Company) -> None:
    stored.sync()
    del stored.hr.employees["NV001"]
    stored.sync(days=1)
    assert stored.values()["NV001"] == "1000.50"
    assert stored.staff()["NV001"]["to"] == "2026-03-03"
    assert stored.staff()["NV001"]["owners"] == ["crm:o1"]


def test_a_last_day_on_the_list_is_the_last_day(company: Company) -> None:
    company.sync()
    company.change("NV001", NgayNghiViec="2026-02-28T00:00:00")
    company.sync()
    assert company.staff()["NV001"]["to"] == "2026-02-28"


def test_who_moves_leaves_the_past_to_the_old_team(stored: Company) -> None:
    """An is moved in March: January stays north's, also as of then, and nothing of it is south's."""
    stored.sync()
    before = stored.moment()
    stored.change("NV001", TenPhongBan="south", MaNhanVienQuanLy="NV003")
    stored.sync(days=1)
    now = stored.staff()["NV001"]
    assert (now["team"], now["manager"], now["from"]) == ("south", "NV003", "2025-01-01")
    assert stored.values("team_value") == {"north": "1000.50"}
    assert stored.values("team_value", period="2026-03") == {"north": "0.00", "south": "0.00"}
    assert stored.values("team_value", as_of=before) == {"north": "1000.50"}


def test_questions_about_then_have_the_list_of_then(stored: Company) -> None:
    """The HR system corrects a code: what is asked as of a date before it has the code of then."""
    stored.sync()
    before = stored.moment()
    an = stored.hr.employees.pop("NV001")
    stored.hr.employees["NV101"] = {**an, "MaNhanVien": "NV101"}
    stored.sync(days=1)
    assert (stored.values().get("NV101"), stored.values()["NV001"]) == ("1000.50", "0.00")
    then = stored.values(as_of=before)
    assert (then["NV001"], "NV101" in then) == ("1000.50", False)


def test_rebuild_and_a_seal_stand_on_the_versions_that_were_kept(company: Company) -> None:
    company.sync()
    before = company.values()
    assert company.app.close_period("2026-01").value["state"] == "closed"
    company.change("NV001", TenPhongBan="south")
    company.sync()
    assert company.app.adjustments().value == []  # January is what it was
    company.app.rebuild()
    assert company.values(view="restated") == before
    seal = company.app.here.store.rows(select(tables.seal))[0]
    kept = [one for one in _files(seal.header) if one["kind"] in ("directory", "people")]
    assert [(one["kind"], one["name"]) for one in kept] == [("directory", "hr"), ("people", "")]


def _files(header: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(header)["files"]
    return found


# --- what cannot be read changes nothing -----------------------------------------------------------------------------


def _emptied(company: Company) -> None:
    company.hr.employees.clear()


def _shrunk(company: Company) -> None:
    """Two of five, with a guard of 20 %: one may always leave."""
    del company.hr.employees["NV001"], company.hr.employees["NV003"]


def _recoded(company: Company) -> None:
    """As many as before, and all others: nobody it knew is on it."""
    company.hr.employees = {
        f"X{code}": {**row, "MaNhanVien": f"X{code}"} for code, row in company.hr.employees.items()
    }


def _broken_off(company: Company) -> None:
    """The second page is never answered well, though the first was."""
    company.hr.on_request(lambda request: Reply(500, {}) if request.one("page") == "2" else None)


def _refused(company: Company) -> None:
    company.hr.password = "another"


def _no_list(company: Company) -> None:
    company.hr.on_request(lambda request: Reply(200, {"code": 0}) if request.path == "/api/employees" else None)


def _unsortable(company: Company) -> None:
    """The config asks for an order by days, which some do not have."""
    company.configured("rows: data", 'rows: "sort_by(data, &NgayBatDauLam)"')


def _two_of_a_code(company: Company) -> None:
    company.hr.employees["more"] = {**company.hr.employees["NV002"], "MaNhanVien": "NV001"}


def _two_of_a_mail(company: Company) -> None:
    company.change("NV003", Email="AN@example.vn")


def _no_day(company: Company) -> None:
    company.change("NV004", NgayBatDauLam="31/12/2025")


def _left_before(company: Company) -> None:
    company.change("NV001", NgayNghiViec="2024-12-31")


@pytest.mark.parametrize(("happens", "words"), [
    (_emptied, "its list is empty"),
    (_shrunk, "of 5 employees its list shows 2 no longer, more than guard.shrink allows"),
    (_recoded, "of 5 employees its list shows 5 no longer"),
    (_broken_off, "500"),
    (_refused, "the credential was refused"),
    (_no_list, "employees.rows: found NoneType at data, expected a list"),
    (_unsortable, "employees.rows: JMESPath sort_by(data, &NgayBatDauLam): JMESPathTypeError"),
    (_two_of_a_code, "hr employees:6: name: row 1 has another for the same employee_code; expected one person"),
    (_two_of_a_mail, "hr employees:3: email: stands at another employee_code too; it belongs to one person"),
    (_no_day, "hr employees:4: from: expected a date as ISO 8601"),
    (_left_before, "hr employees:1: to: the last day lies before the first"),
])
def test_a_list_that_cannot_be_taken_leaves_everybody_and_says_why(
    company: Company, happens: Callable[[Company], None], words: str
) -> None:
    company.sync()
    before, read_at = company.values(), company.app.status().value["people"]["last_read_at"]
    happens(company)
    said = company.sync(code=1)
    (note,) = said["notes"]
    assert words in note
    assert said["next"] == ["connector check hr"]
    assert note.startswith("the employees of hr were not taken: ")
    assert "hr-password" not in note
    assert company.app.status().value["people"] == {
        "from": "hr", "last_read_at": read_at, "employees": 5, "problem": note,
    }
    assert company.values() == before
    assert len(company.versions("directory")) == len(company.versions("people")) == 1


def test_a_list_that_is_well_again_is_taken_and_the_problem_is_gone(stored: Company) -> None:
    stored.sync()
    employees = dict(stored.hr.employees)
    _emptied(stored)
    stored.sync(code=1)
    stored.hr.employees.update(employees)
    stored.change("NV003", TenPhongBan="south")
    assert stored.sync()["people"]["problem"] is None
    assert stored.staff()["NV003"]["team"] == "south"


def test_a_guard_that_was_raised_lets_many_leave(company: Company) -> None:
    company.sync()
    _shrunk(company)
    company.configured("people:", "guard: {shrink: 50%}\npeople:")
    company.sync()
    assert [code for code, one in company.staff().items() if one["to"]] == ["NV001", "NV003"]


def test_a_first_list_at_fault_knows_nobody_and_keeps_who_a_file_knew(company: Company) -> None:
    company.configured("people: {from: hr}", "people: people.csv")
    company.sync()
    assert set(company.values()) == {"NV001", "NV002"}
    company.configured("people: people.csv", "people: {from: hr}")
    _emptied(company)
    company.sync(code=1)
    assert set(company.values()) == {"NV001", "NV002"}


def test_a_paused_destination_is_not_asked(company: Company) -> None:
    company.sync()
    company.app.pause("hr", "moving house")
    asked = len(company.hr.requests)
    assert "hr is paused (moving house), so its employees were not read" in company.sync(code=1)["notes"][0]
    assert len(company.hr.requests) == asked


def test_a_close_waits_for_the_list_or_takes_force(company: Company) -> None:
    company.sync()
    _refused(company)
    waiting = company.app.close_period("2026-01").value
    assert (waiting["state"], len(waiting["findings"])) == ("open", 1)
    assert "the employees of hr were not taken" in waiting["findings"][0]
    assert company.app.close_period("2026-01", force=True, reason="known").value["state"] == "closed"


# --- with a file beside it -------------------------------------------------------------------------------------------


def test_a_file_beside_the_list_adds_owners_and_people_and_overrides(company: Company) -> None:
    """Bình has another mail in the HR system; the file gives him his owner, and An's team is the file's."""
    company.change("NV002", Email="binh.tran@example.vn")
    company.project.write("people.csv", "employee_code,owner,name,team\nNV002,crm:o2,,\nNV001,,,key\nX1,,Out,\n")
    company.configured("{from: hr}", "{from: hr, file: people.csv}")
    company.sync()
    staff = company.staff()
    assert (staff["NV002"]["owners"], staff["NV002"]["name"], staff["NV002"]["team"]) == (["crm:o2"], "Bình", "north")
    assert (staff["NV001"]["team"], staff["X1"]["name"], len(staff)) == ("key", "Out", 6)
    assert company.values("team_value") == {"key": "1000.50", "north": "0.00"}


def test_a_changed_file_counts_also_while_the_list_cannot_be_read(company: Company) -> None:
    company.project.write("people.csv", "employee_code,team\nNV001,east\n")
    company.configured("{from: hr}", "{from: hr, file: people.csv}")
    company.sync()
    company.project.write("people.csv", "employee_code,team\nNV001,west\n")
    _refused(company)
    company.sync(code=1)
    assert company.staff()["NV001"]["team"] == "west"
    assert set(company.values("team_value")) == {"west", "north"}


def test_a_list_at_fault_beside_a_file_is_said_and_changes_nothing(company: Company) -> None:
    """On the list Bình has An's mail now, of which the file says nothing: what was in force stays."""
    company.project.write("people.csv", "employee_code,team\nNV001,east\n")
    company.configured("{from: hr}", "{from: hr, file: people.csv}")
    company.sync()
    before = company.values("team_value")
    company.change("NV002", Email="an@example.vn")
    note = company.sync(code=1)["notes"][0]
    assert "hr employees:2: email: stands at another employee_code too" in note
    assert company.values("team_value") == before


def test_whom_a_table_names_and_the_list_does_not_is_a_finding(company: Company) -> None:
    """NV777 may be new on the list and in the table on one day, so it is judged after the list was read."""
    company.project.write("ask.csv", "person,group,item,rater,round,score\nNV777,skill,calls,NV001,2026-Q1,4\n")
    company.configured("people:", "ask: ask.csv\npeople:")
    (note,) = company.sync(code=1)["notes"]
    assert "ask.csv:2: person: nobody is known as 'NV777'" in note
    company.hr.add_employee("NV777", "moi@example.vn", "Mới")
    company.sync()


# --- looking ---------------------------------------------------------------------------------------------------------


def test_check_says_how_many_there_are_and_writes_nothing(company: Company) -> None:
    def employees() -> dict[str, Any]:
        (found,) = [one for one in company.app.check(["hr"]).value["destinations"][0]["checks"]
                    if one["what"] == "employees"]
        return dict(found)

    assert employees() == {"what": "employees", "ok": True, "detail": "5", "exit_code": 0}
    _no_day(company)
    assert (employees()["ok"], employees()["exit_code"]) == (False, 1)
    assert "hr employees:4: from: expected a date" in employees()["detail"]
    _refused(company)
    assert company.app.check(["hr"]).exit_code == 3
    assert not (company.project.folder / "connector.db").exists()


def test_the_command_says_when_the_list_was_read_and_what_is_wrong(company: Company) -> None:
    company.sync()
    project = Project(company.project.folder)
    assert "employees of hr: 5, read 2026-03-02 08:05:00Z" in project("status", **company.environment).out
    _emptied(company)
    company.sync(code=1)
    assert "its list is empty" in project("status", **company.environment).out.replace("\n", " ")


@pytest.mark.parametrize(("people", "words"), [
    ("{from: hrm}", "people.from: there is no destination 'hrm', expected one of: hr, table; did you mean hr?"),
    ("{from: table}", "people.from: table lists no employees, expected a destination that does (rest: its key"),
    ("{}", "people: expected the name of a file, or a mapping of from (a destination), file, or both"),
    ("{from: hr, file: nobody.csv}", "people.file: there is no file"),
])
def test_a_config_whose_list_is_none_is_at_fault(company: Company, people: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        company.configured("{from: hr}", people)
    assert words in str(raised.value)

"""`connector people`: who is an employee, and whose deals belong to nobody, with their money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connector.app import App
from connector.testing import FakeClock
from tests.e2e.project import Project


@pytest.fixture
def app(project: Project, clock: FakeClock) -> Iterator[App]:
    """An (o1) won 1,000.50; Binh (o2) lost a deal and has one of 700 that is open; a third user has none."""
    project.replace("export/owners.csv", "o2,", "o3,gone@example.vn,Old Hand\no2,")
    made = App.load(str(project.folder / "config.yaml"), clock, {})
    assert made.sync(push=False).exit_code == 0
    yield made
    made.close()


def told(app: App) -> dict[str, dict[str, Any]]:
    """The unmatched by owner."""
    return {one["owner"]: one for one in app.people().value["unmatched"]}


def test_an_owner_that_is_nobody_s_is_told_with_deals_and_money(app: App, project: Project) -> None:
    """Binh is taken out of the people file: 1 open deal of 700, 1 closed one. Money comes first, no deals last."""
    assert list(told(app)) == ["crm:o3"]
    project.replace("people.csv", "NV002,binh@example.vn,Bình\n", "")
    found = told(app)
    assert list(found) == ["crm:o2", "crm:o3"]
    assert found["crm:o2"] == {
        "owner": "crm:o2", "name": "Binh Tran", "email": "binh@example.vn", "open_deals": "1", "open_value": "700.00",
        "won_deals": "0", "won_value": "0.00", "closed_deals": "1",
    }


def test_who_is_ignored_is_settled(app: App, project: Project) -> None:
    rows = "NV001,an@example.vn,\n,binh@example.vn,yes\n,gone@example.vn,yes\n"
    project.write("people.csv", f"employee_code,email,ignore\n{rows}")
    assert told(app) == {}


def test_a_deal_without_owner_is_nobody_s(app: App, project: Project) -> None:
    project.replace("export/deals.csv", "3,4,", "4,2,2026-01-07T02:00:00Z,250,USD,\n3,4,")
    app.sync(push=False)
    found = told(app)["none"]
    assert (found["name"], found["open_deals"], found["open_value"]) == ("no owner", "1", "250.00")


def test_an_employee_is_told_with_all_owners_and_the_team_and_manager_of_today(app: App, project: Project) -> None:
    """The clock stands in 2026: one team has ended, the next goes on."""
    project.write(
        "people.csv",
        "employee_code,email,owner,name,team,manager,from,to\n"
        "NV001,an@example.vn,,An,north,NV009,2025-01-01,2025-12-31\n"
        "NV001,,crm:o3,,south,NV008,2026-01-01,\n",
    )
    (one,) = app.people().value["people"]
    assert one == {
        "employee_code": "NV001", "name": "An", "emails": ["an@example.vn"], "owners": ["crm:o1", "crm:o3"],
        "team": "south", "manager": "NV008", "from": "2025-01-01", "to": None,
    }


def test_the_command_says_what_to_do(app: App, project: Project) -> None:
    project.replace("people.csv", "NV002,binh@example.vn,Bình\n", "")
    said = project("people").out
    assert "Owners that are nobody's" in said
    assert "crm:o2" in said
    assert "700.00" in said
    assert "ignore: yes" in said

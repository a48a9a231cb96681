"""frappe_hrms passes the contract of a destination: the attainment as a percentage, under a cycle or without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from adapters.frappe_hrms import FrappeHrms
from connector.model import KpiValue
from connector.testing import DestinationContract, FakeClock
from connector.testing.contract.destinations import PEOPLE, Bench
from connector.twins.frappe import FrappeTwin
from connector.twins.server import Request


class Served(Bench):
    """By default: the attainment, times 100, cut to 0..100, with two places."""

    adapter = FrappeHrms
    locked_out = "NV050"
    ambiguous = "shared@example.vn"
    goal: Mapping[str, Any] = {"name": "Revenue {period}"}

    @pytest.fixture
    def served(self, clock: FakeClock) -> Iterator[Mapping[str, Any]]:
        """A company whose HR has goals of its own, one of which is called as ours are."""
        with FrappeTwin(clock=clock) as self.twin:
            self.twin.add_cycle("2026-H2", "2026-07-01", "2026-12-31")
            self.twin.add_kra("Sales")
            self.employees = {
                code: self.twin.add_employee(name, number=code, email=email) for code, email, name in PEOPLE
            }
            self.twin.add_employee("Who left", number="NV050", status="Left")
            for number in (1, 2):
                self.twin.add_employee(f"Namesake {number}", email="shared@example.vn")
            first, second = self.employees["NV001"], self.employees["NV002"]
            self.theirs = [
                self.twin.add_goal(first, "Learn Odoo", progress=40),
                self.twin.add_goal(second, "Revenue 2026-10", progress=12.5, end_date="2026-10-31"),
            ]
            yield {**self.twin.settings, "goals": {self.kpi: dict(self.goal)}}

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        return [
            Decimal(repr(goal["progress"])) for goal in self.twin.goals.values()
            if goal["external_id"] and (goal["employee"], goal["start_date"])
            == (self.employees.get(value.subject.key), value.period_start)
        ]

    def expected(self, value: KpiValue) -> Decimal | None:
        """The percentage by hand: a target of 1000 makes a tenth of the value, cut to 0..100, two places."""
        if value.attainment is None:
            return None
        return min(max(round(Decimal(value.attainment) * 100, 2), Decimal(0)), Decimal(100))

    def everything(self) -> Any:
        return json.loads(json.dumps(self.twin.state(), sort_keys=True))

    def foreign(self) -> Any:
        return [dict(self.twin.goals[name]) for name in self.theirs]

    def is_write(self, request: Request) -> bool:
        return request.method != "GET" and not request.path.endswith("get_list")


class TestFrappeHrms(Served, DestinationContract):
    """Goals for themselves."""


class InACycle(Served):
    """Goals that count in an appraisal, under a group goal, with the amount in a field of the customer's own."""

    goal: Mapping[str, Any] = {
        "name": "Revenue {period}", "cycle": "2026-H2", "kra": "Sales", "parent": "Sales goals",
        "fields": {"custom_actual": "value"},
    }

    @pytest.fixture
    def served(self, clock: FakeClock) -> Iterator[Mapping[str, Any]]:
        with FrappeTwin(clock=clock, custom=("external_id", "custom_actual")) as self.twin:
            cycle = self.twin.add_cycle("2026-H2", "2026-07-01", "2026-12-31")
            kra = self.twin.add_kra("Sales")
            self.employees = {}
            for code, email, name in PEOPLE:
                self.employees[code] = one = self.twin.add_employee(name, number=code, email=email)
                self.twin.add_appraisal(one, cycle, {kra: 100.0})
                self.twin.add_goal(one, "Sales goals", is_group=1, appraisal_cycle=cycle, kra=kra)
            self.twin.add_employee("Who left", number="NV050", status="Left")
            for number in (1, 2):
                self.twin.add_employee(f"Namesake {number}", email="shared@example.vn")
            self.theirs = [self.twin.add_goal(self.employees["NV001"], "Learn Odoo", progress=40)]
            yield {**self.twin.settings, "goals": {self.kpi: dict(self.goal)}}

    def foreign(self) -> Any:
        """A group goal is the average of its children, so its progress follows ours; the rest of it does not."""
        return [dict(self.twin.goals[name]) for name in self.theirs]


class TestInACycle(InACycle, DestinationContract):
    """Goals that count."""

"""odoo_goals passes the contract of a destination: goals of ours, those of a challenge, and over both APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from adapters.odoo_goals import OdooGoals
from connector.model import KpiValue
from connector.testing import DestinationContract, FakeClock
from connector.testing.contract.destinations import PEOPLE, Bench
from connector.testing.contract.destinations.faults import FaultChecks
from connector.testing.contract.destinations.receipts import ReceiptChecks
from connector.testing.contract.destinations.refusals import RefusalChecks
from connector.twins.odoo import OdooTwin
from connector.twins.server import Request

RPC_READS = ("search_read", "read", "authenticate", "check_access_rights")


class Served(Bench):
    adapter = OdooGoals
    locked_out = "NV050"
    ambiguous = "shared@example.vn"
    api = "jsonrpc"
    goal: Mapping[str, Any] = {"definition": "Won value"}

    @pytest.fixture
    def served(self, clock: FakeClock) -> Iterator[Mapping[str, Any]]:
        """A company in which everybody but one has a user, and a person keeps goals of her own for some."""
        with OdooTwin(clock=clock) as self.twin:
            self.definition = self.twin.add_definition("Won value")
            self.users = {code: self.twin.add_user(name, email) for code, email, name in PEOPLE}
            for code, email, name in PEOPLE:
                self.twin.add_employee(name, email=email, code=code, user=self.users[code])
            self.twin.add_employee("No User", email="nouser@example.vn", code="NV050")
            for number in (1, 2):
                user = self.twin.add_user(f"Namesake {number}", f"n{number}@example.vn")
                self.twin.add_employee(f"Namesake {number}", email="shared@example.vn", user=user)
            self.others()
            yield {**self.twin.settings, "api": self.api, "goals": {self.kpi: dict(self.goal)}}

    def others(self) -> None:
        """A goal of another definition, and one of ours in a month that nobody sends."""
        other = self.twin.add_definition("Own plans")
        self.theirs = [
            self.twin.add_goal(other, self.users["NV001"], "2026-10-01", "2026-10-31", current=3.0, target_goal=5.0),
            self.twin.add_goal(self.definition, self.users["NV002"], "2020-01-01", "2020-01-31", current=4.0),
        ]

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        user = self.users.get(value.subject.key)
        return [
            Decimal(repr(row["current"])) for row in self.twin.goals.values()
            if (row["definition_id"], row["user_id"], row["start_date"]) == (self.definition, user, value.period_start)
        ]

    def everything(self) -> Any:
        return json.loads(json.dumps(self.twin.state(), sort_keys=True, default=str))

    def foreign(self) -> Any:
        return [dict(self.twin.goals[id_]) for id_ in self.theirs]

    def is_write(self, request: Request) -> bool:
        text = request.body.decode() + request.path
        return not any(f'"{method}"' in text or request.path.endswith(f"/{method}") for method in RPC_READS)


class TestOurGoals(Served, DestinationContract):
    """Made by us, one for each value."""


class TestOverJson2(Served, ReceiptChecks, FaultChecks, RefusalChecks):
    """What differs is how calls and refusals travel."""

    api = "json2"


class OfAChallenge(Served):
    """Odoo makes the goals of each month; what we write is in the one that is there."""

    goal: Mapping[str, Any] = {"definition": "Won value", "challenge": "Sales"}
    longest = 110  # there are goals of ten months for twelve people

    def others(self) -> None:
        super().others()
        users = [self.users[code] for code, _, _ in PEOPLE]
        self.challenge = self.twin.add_challenge("Sales", {self.definition: 1000.0}, users)
        line = max(self.twin.tables["gamification.challenge.line"])
        for month in range(1, 10):
            for user in users:
                self.twin.add_goal(
                    self.definition, user, f"2026-{month:02d}-01", f"2026-{month:02d}-28", line_id=line,
                    challenge_id=self.challenge, target_goal=1000.0,
                )

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        """A goal nobody has written yet holds nothing of ours."""
        user = self.users.get(value.subject.key)
        return [
            Decimal(repr(row["current"])) for row in self.twin.goals.values()
            if (row["definition_id"], row["user_id"], row["start_date"]) == (self.definition, user, value.period_start)
            and row["last_update"]
        ]


class TestGoalsOfAChallenge(OfAChallenge, DestinationContract):
    """None is taken back: they were there before us."""

    @pytest.mark.skip("a goal of a challenge was there before us, so none is taken back")
    def test_a_withdrawal_takes_what_it_was_asked_for(self) -> None: ...

    test_a_withdrawal_of_what_is_not_there_is_done = test_a_withdrawal_takes_what_it_was_asked_for
    test_a_lost_answer_to_a_withdrawal_is_not_taken_for_one = test_a_withdrawal_takes_what_it_was_asked_for
    test_a_value_may_come_back_after_a_withdrawal = test_a_withdrawal_takes_what_it_was_asked_for

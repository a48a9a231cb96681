"""Whose value it is: nobody is guessed, and one that nobody can have stops no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.model import KpiValue, Subject
from connector.testing.contract.destinations.bench import PEOPLE, Bench


class PersonChecks(Bench):
    """Of destinations that know people."""

    def test_an_unknown_person_is_refused_with_a_reason(self) -> None:
        """The words say what to mend, and nothing is written."""
        self._knows()
        self._refused(self.of("NV998"), {"employee_code": "NV998", "email": "nobody@example.vn"})

    def test_a_person_without_an_account_is_refused_with_a_reason(self) -> None:
        """Somebody the system knows and cannot hold values of: most employees have no user."""
        if self.locked_out is None:
            pytest.skip(f"{type(self).__name__} names nobody as `locked_out`")
        self._refused(self.of(self.locked_out), {"employee_code": self.locked_out})

    def test_two_who_fit_are_nobody(self) -> None:
        """An e-mail that two have there decides nothing."""
        if self.ambiguous is None:
            pytest.skip(f"{type(self).__name__} names no `ambiguous` e-mail")
        self._refused(self.of("NV997"), {"employee_code": "NV997", "email": self.ambiguous})

    def test_who_is_refused_stops_no_other(self) -> None:
        """The values before and after are taken in the same batch."""
        self._knows()
        to = self.make()
        values = [self.value(0), self.of("NV998"), self.value(1)]
        receipts = {one.key: one.outcome for one in to.send([self.delivery(value) for value in values])}
        assert receipts == {
            self.key(values[0]): "confirmed", self.key(values[1]): "refused", self.key(values[2]): "confirmed",
        }
        self.assert_once(values[0], values[2])

    def test_a_person_is_found_by_e_mail_as_well(self) -> None:
        """Where the code is not known there; however the e-mail is spelled."""
        self._knows()
        code, email, _ = PEOPLE[2]
        value = self.of("OTHER-CODE")
        found = list(self.make().send([self.delivery(value, person={"employee_code": "OTHER-CODE",
                                                                     "email": email.upper()})]))
        assert [one.outcome for one in found] == ["confirmed"], (code, found)

    def test_a_value_of_no_person_is_taken_or_refused(self) -> None:
        """A team's value where only people have some: refused with a reason, not given to anybody."""
        value = replace(self.value(), subject=Subject("team", "north", "North"))
        (receipt,) = self.make().send([self.delivery(value, person={})])
        assert receipt.outcome in ("confirmed", "refused")
        assert receipt.outcome == "confirmed" or receipt.message

    def of(self, code: str) -> KpiValue:
        """A value of somebody who is not one of PEOPLE."""
        return replace(self.value(), subject=Subject("person", code, code))

    def _knows(self) -> None:
        if not self.knows_people:
            pytest.skip(f"{self.adapter.__name__} takes values of anybody")

    def _refused(self, value: KpiValue, person: dict[str, str]) -> None:
        self.make()
        before = self.asked_to("everything")
        (receipt,) = self.make().send([self.delivery(value, person=person)])
        assert receipt.outcome == "refused", receipt
        assert len(receipt.message) > 10, f"the reason says nothing: {receipt.message!r}"
        assert self.everything() == before, "something was written all the same"

"""Taking back: only what we wrote; and what people made there is theirs, whatever we do."""

from __future__ import annotations

import pytest

from connector.ports import Destination
from connector.testing.contract.destinations.bench import Bench


class WithdrawalChecks(Bench):
    """The first ones of all destinations, the others of those that take back."""

    def test_what_people_made_there_stays(self) -> None:
        """Sending, correcting, and refusing touches nothing of theirs."""
        before = self.asked_to("foreign")
        assert before, "let `served` begin with something that a person made"
        to = self.make()
        self.taken(to, self.values(4))
        self.taken(to, self.values(4, cents=50))
        self.send(to, [self.value(0, None), self.value(1, "12345678901234567.89")])
        assert self.foreign() == before

    def test_a_withdrawal_takes_what_it_was_asked_for(self) -> None:
        """These and no others."""
        to = self._withdraws()
        values = self.values(4)
        self.taken(to, values)
        receipts = list(to.withdraw([self.delivery(value) for value in values[:2]]))
        assert {one.key: one.outcome for one in receipts} == {self.key(value): "confirmed" for value in values[:2]}
        self.assert_none(*values[:2])
        self.assert_once(*values[2:])

    def test_a_withdrawal_of_what_is_not_there_is_done(self) -> None:
        """Again, after a lost answer, and of what was never sent."""
        to = self._withdraws()
        self.taken(to, self.values(1))
        for _ in range(2):
            receipts = list(to.withdraw([self.delivery(value) for value in self.values(2)]))
            assert [one.outcome for one in receipts] == ["confirmed", "confirmed"], receipts

    def test_a_withdrawal_leaves_what_people_made(self) -> None:
        """Also where it looks like ours."""
        to = self._withdraws()
        before = self.asked_to("foreign")
        self.taken(to, self.values(3))
        list(to.withdraw([self.delivery(value) for value in self.values(12)]))
        assert self.foreign() == before

    def test_a_lost_answer_to_a_withdrawal_is_not_taken_for_one(self) -> None:
        """Confirmed is gone; what nobody can tell is `unanswered`."""
        to = self._withdraws()
        values = self.values(2)
        self.taken(to, values)
        self.asked_to("disturb", "broken", times=1)
        receipts = {one.key: one.outcome for one in to.withdraw([self.delivery(value) for value in values])}
        self.calm()
        for value in values:
            assert receipts[self.key(value)] != "confirmed" or not self.standing(value)
        list(self.make().withdraw([self.delivery(value) for value in values]))
        self.assert_none(*values)

    def test_a_value_may_come_back_after_a_withdrawal(self) -> None:
        """A person returns to the scope."""
        to = self._withdraws()
        value = self.value()
        self.taken(to, [value])
        list(to.withdraw([self.delivery(value)]))
        self.taken(to, [value])
        self.assert_once(value)

    def _withdraws(self) -> Destination:
        made = self.make()
        if not made.withdraws:
            pytest.skip(f"{self.adapter.__name__} takes nothing back")
        return made

"""What a value says there: exact numbers, names in any script, nothing as nothing, and each in its own place."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from connector.ports import Delivery
from connector.testing.contract.destinations.bench import Bench

EXACT = ("0.10", "0.30", "19.99", "1234567.89", "999999999999.99", "0.00", "33.333333")
LONG = ("12345678901234567.89", "0.123456789012345678")


class ValueChecks(Bench):
    """By the system's own books."""

    @pytest.mark.parametrize("amount", EXACT)
    def test_a_number_arrives_as_it_is(self, amount: str) -> None:
        """No binary float in between, or none that changes it."""
        value = self.value(0, amount)
        self.taken(self.make(), [value])
        self.assert_once(value)

    @pytest.mark.parametrize("amount", LONG)
    def test_a_number_the_system_cannot_hold_is_refused_or_held(self, amount: str) -> None:
        """It never becomes another number without a word."""
        value = self.value(0, amount)
        (receipt,) = self.send(self.make(), [value])
        if receipt.outcome == "confirmed":
            self.assert_once(value)
        else:
            assert receipt.outcome == "refused"
            assert receipt.message, "a refusal without a reason"
            if not receipt.written:  # else it says itself that something else stands there now
                self.assert_none(value)

    def test_a_negative_number_is_no_other_number(self) -> None:
        """Credit notes outweigh sales in some months: below zero, or refused, but as `expected` has it."""
        value = self.value(0, "-12.50")
        (receipt,) = self.send(self.make(), [value])
        if receipt.outcome == "confirmed":
            self.assert_once(value)
        else:
            assert (receipt.outcome, bool(receipt.message)) == ("refused", True)
            self.assert_none(value)

    def test_nothing_is_no_zero(self) -> None:
        """A ratio without a denominator has no value: an empty record, none at all, or a refusal with its reason."""
        value = self.value(0, None)
        (receipt,) = self.send(self.make(), [value])
        held = list(self.asked_to("standing", value))
        if receipt.outcome == "confirmed":
            assert held in ([], [None]), f"the system shows {held} for no value"
        else:
            assert (receipt.outcome, bool(receipt.message)) == ("refused", True)
            assert held == []

    def test_nothing_after_a_number_is_not_that_number_confirmed(self) -> None:
        """Either the number is gone, or the receipt says that it is not."""
        self.needs("state", "file")
        to = self.make()
        self.taken(to, [self.value(0, "100.00")])
        (receipt,) = self.send(to, [self.value(0, None)])
        if receipt.outcome == "confirmed":
            assert list(self.standing(self.value(0, None))) in ([], [None])
        else:
            assert (receipt.outcome, bool(receipt.message)) == ("refused", True)

    def test_names_and_codes_of_any_script(self) -> None:
        """Quotes, markup and signs beyond ASCII are text, wherever they stand in a request."""
        values = self.values(12)
        self.taken(self.make(), values)
        self.assert_once(*values)

    def test_periods_of_one_person_stay_apart(self) -> None:
        """The value of a month is not overwritten by the next month's."""
        values = [self.value(0, "10.00"), self.value(12, "20.00"), self.value(24, "30.00")]
        to = self.make()
        for value in values:
            self.taken(to, [value])
        self.assert_once(*values)

    def test_a_changed_value_replaces_the_old_one(self) -> None:
        """In the same record, or in a later one where the system is a log."""
        to = self.make()
        old, new = self.value(0, "100.00"), self.value(0, "250.00")
        receipt = self.taken(to, [old])[self.key(old)]
        found = list(to.send([self.delivery(new, remote_id=receipt.remote_id, revision=1)]))
        assert [one.outcome for one in found] == ["confirmed"]
        held = list(self.asked_to("standing", new))
        assert held == [self.expected(new)] or (to.kind == "log" and held == [self.expected(old), self.expected(new)])

    def test_a_value_may_go_back_to_what_it_was(self) -> None:
        """100, 250, 100: an idempotency key made of the content alone would swallow the third."""
        self.needs("state", "file")
        to = self.make()
        for amount in ("100.00", "250.00", "100.00"):
            self.taken(to, [self.value(0, amount)])
            self.assert_once(self.value(0, amount))

    def test_the_same_again_makes_no_second(self) -> None:
        """Whoever sends after a lost answer does no harm."""
        self.needs("state", "file")
        values = self.values(3)
        to = self.make()
        self.taken(to, values)
        self.taken(to, values)
        self.taken(self.make(), values)
        self.assert_once(*values)

    def test_a_remote_id_that_is_no_longer_one_does_no_harm(self) -> None:
        """The record was deleted there, or made anew under another id: it is looked for, not taken for granted."""
        self.needs("state", "file")
        value = self.value()
        for remote_id in ("404404404", "no such record"):
            found = list(self.make().send([replace(self.delivery(value), remote_id=remote_id)]))
            assert [one.outcome for one in found] == ["confirmed"], found
            self.assert_once(value)

    def test_what_is_expected_is_said(self) -> None:
        """The subclass's own figures: a hundred is expected where a hundred, or its share, is shown."""
        value = self.value(0, "100.00")
        assert isinstance(self.expected(value), Decimal)
        assert isinstance(self.delivery(value), Delivery)

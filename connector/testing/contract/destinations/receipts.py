"""One receipt for each delivery, under its key, in whatever order; and it says what is so."""

from __future__ import annotations

from typing import get_args

from connector.ports import Kind, Outcome
from connector.testing.contract.destinations.bench import Bench


class ReceiptChecks(Bench):
    """Of a system that is well."""

    def test_each_delivery_has_one_receipt_under_its_key(self) -> None:
        """Whoever sends knows of every value what became of it."""
        to = self.make()
        values = self.values(min(7, to.batch))
        receipts = self.send(to, values)
        assert sorted(receipt.key for receipt in receipts) == sorted(self.key(value) for value in values)
        assert {receipt.outcome for receipt in receipts} <= set(get_args(Outcome))

    def test_what_is_confirmed_stands_there(self) -> None:
        """By the system's own books: as it was sent, in one record."""
        to = self.make()
        values = self.values(5, cents=25)
        self.taken(to, values)
        self.assert_once(*values)

    def test_a_long_batch_arrives_whole(self) -> None:
        """Also where the system takes fewer at once, or shows its lists in pages."""
        to = self.make()
        values = self.values(min(self.longest, 3 * to.batch + 1))
        self.taken(to, values)
        self.assert_once(*values)

    def test_one_by_one_and_all_at_once_end_alike(self) -> None:
        """What a value ends as depends on nothing else in its batch."""
        to = self.make()
        values = self.values(4)
        for value in values:
            self.taken(to, [value])
        self.assert_once(*values)
        changed = self.values(4, cents=50)
        self.taken(to, changed)
        if to.kind != "log":
            self.assert_once(*changed)

    def test_the_order_of_deliveries_does_not_matter(self) -> None:
        """A receipt belongs to its key, not to its place in the list."""
        to = self.make()
        values = self.values(6)
        self.taken(to, values[::-1])
        self.assert_once(*values)

    def test_an_empty_batch_does_nothing(self) -> None:
        """No receipt, and no request that writes."""
        to = self.make()
        before = self.asked()
        assert self.send(to, []) == []
        written = [] if self.twin is None else [one for one in self.twin.requests[before:] if self.is_write(one)]
        assert not written

    def test_it_says_of_which_kind_it_is(self) -> None:
        """state, log or file: what a run does after a lost answer depends on it."""
        to = self.make()
        assert to.kind in get_args(Kind)
        assert to.batch >= 1

    def test_another_instance_goes_on_where_one_ended(self) -> None:
        """What an instance knows is not lost with it: the next run is another process."""
        self.needs("state", "file")
        values = self.values(3)
        self.taken(self.make(), values)
        self.taken(self.make(), self.values(3, cents=75))
        self.assert_once(*self.values(3, cents=75))

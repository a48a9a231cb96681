"""Reading back: what `find` says is so, and asking changes nothing."""

from __future__ import annotations

from connector.testing.contract.destinations.bench import Bench


class FindingChecks(Bench):
    """Of destinations that can be read."""

    def test_find_confirms_what_stands_there(self) -> None:
        """By an instance that did not send it, without knowing its remote id."""
        self.readable()
        values = self.values(3)
        self.taken(self.make(), values)
        for value in values:
            found = self.make().find(self.delivery(value))
            assert found is not None
            assert (found.key, found.outcome) == (self.key(value), "confirmed"), found

    def test_find_misses_what_is_not_there(self) -> None:
        """`retry`: it certainly is not there."""
        to = self.readable()
        self.taken(to, [self.value(0)])
        found = to.find(self.delivery(self.value(1)))
        assert found is not None
        assert found.outcome == "retry", found

    def test_find_does_not_take_another_value_for_this_one(self) -> None:
        """The record is there and says something else; the message says so."""
        to = self.readable()
        self.taken(to, [self.value(0, "100.00")])
        found = to.find(self.delivery(self.value(0, "250.00")))
        assert found is not None
        assert found.outcome == "retry", found
        assert found.message, "what is there instead is not said"

    def test_find_changes_nothing(self) -> None:
        """However often it is asked."""
        to = self.readable()
        self.taken(to, self.values(2))
        before = self.asked_to("everything")
        for value in (*self.values(3), self.value(0, "9.99")):
            to.find(self.delivery(value))
        assert self.everything() == before

    def test_find_all_says_what_find_says(self) -> None:
        """In the order asked, one for each."""
        to = self.readable()
        self.taken(to, self.values(2))
        asked = [self.delivery(value) for value in (self.value(3), self.value(1, "2.00"), self.value(0, "9.99"))]
        all_at_once = [one and one.outcome for one in to.find_all(asked)]
        one_by_one = [(found := to.find(one)) and found.outcome for one in asked]
        assert all_at_once == one_by_one == ["retry", "confirmed", "retry"]

    def test_what_it_lacks_was_there_before(self) -> None:
        """Nothing is missed that stands there, so nothing is written for no reason."""
        to = self.make()
        values = self.values(3)
        self.taken(to, values)
        assert not set(to.lacks([self.delivery(value) for value in values]))

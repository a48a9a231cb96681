"""`content`, by which a value is owed again, and `fields`, by which people are shown what would change."""

from __future__ import annotations

import json
from dataclasses import replace

from connector.testing.contract.destinations.bench import Bench


class ContentChecks(Bench):
    """Pure: nothing is asked of the system."""

    def test_content_is_plain_and_asks_nothing(self) -> None:
        """It is hashed for every value in every run."""
        to = self.make()
        before = self.asked()
        for value in (self.value(), self.value(1, None), self.value(2, None, target=None)):
            json.dumps([to.content(self.delivery(value)), dict(to.fields(self.delivery(value)))], default=str)
        assert self.asked() == before

    def test_the_same_value_has_the_same_content(self) -> None:
        """Also computed at another moment, sent another time and by another instance: else it is sent for ever."""
        value = self.value()
        one, other = self.make(), self.make()
        later = replace(value, as_of=value.as_of + 60_000_000)
        again = self.delivery(later, attempt=3, remote_id="r1")
        assert one.content(self.delivery(value)) == other.content(again)

    def test_another_value_has_another_content(self) -> None:
        """Else a correction is never sent."""
        to = self.make()
        one, other = self.value(0, "100.00"), self.value(0, "250.00")
        assert to.content(self.delivery(one)) != to.content(self.delivery(other))

    def test_a_person_is_part_of_the_content(self) -> None:
        """A value that was refused for its e-mail is sent again once the people file is mended."""
        if not self.knows_people:
            return
        to = self.make()
        value = self.value()
        mended = {**self.persons()[value.subject.key], "email": "other@example.vn"}
        assert to.content(self.delivery(value)) != to.content(self.delivery(value, person=mended))

    def test_fields_name_what_changes(self) -> None:
        """A dry run shows them old and new, so a change of the value is a change of some field."""
        to = self.make()
        one, other = self.value(0, "100.00"), self.value(0, "250.00")
        assert dict(to.fields(self.delivery(one))) != dict(to.fields(self.delivery(other)))

"""What is there and what is gone: complete streams and lists of ids decide about deletions."""

from __future__ import annotations

import pytest

from connector.ports import Source
from connector.sync import Plan
from connector.testing.contract.books import BookBench


class DeleteChecks(BookBench):
    """Of streams that are `complete`, or offer `ids`."""

    def listed(self, source: Source, stream: str) -> list[str]:
        """The ids a stream lists."""
        return [one.key for page in source.list_ids(stream) for one in page]

    def test_a_deleted_record_is_in_no_complete_reading(self) -> None:
        """What is missing from it will be deleted, and what is in it stays, unless the mapping finds it deleted."""
        source = self.live()
        for stream, keys in self.grown(source, 3, complete=True).items():
            assert keys[1] in self.whole(source, stream)
            self.asked_to("delete", stream, keys[1])
            self.tick()
            shown = self.whole(source, stream)
            assert keys[1] not in shown, f"{stream}: a deleted record is still shown by a complete reading"
            assert {keys[0], keys[2]} <= shown.keys(), stream

    def test_a_hidden_record_is_in_a_complete_reading(self) -> None:
        """Hidden is not deleted: archived and inactive records are still there."""
        source = self.live()
        hidden = 0
        for stream, keys in self.grown(source, 3, complete=True).items():
            try:
                self.hide(stream, keys[1])
            except NotImplementedError:
                continue  # not every collection can hide a record
            hidden += 1
            self.tick()
            assert keys[1] in self.whole(source, stream), f"{stream}: a hidden record would be taken for deleted"
        if not hidden:
            pytest.skip(f"{type(self).__name__} does not say how to hide a record of a complete stream")

    def test_a_full_sync_deletes_just_what_was_deleted(self) -> None:
        """Through the connector: the other records keep their rows."""
        source = self.live()
        grown = self.grown(source, 4, complete=True)
        with self.books(source, grown) as books:
            books.pull(source, Plan("full"))
            before = books.rows()
            for stream, keys in grown.items():
                assert {(stream, key) for key in keys} <= before.keys()
                self.asked_to("delete", stream, keys[1])
            self.tick()
            books.pull(source, Plan("full"))
            gone = {key for key in before if key not in books.rows()}
            assert gone == {(stream, keys[1]) for stream, keys in grown.items()}

    def test_listed_ids_are_those_of_the_reading(self) -> None:
        """What is listed is there, what is there is listed: a missing id would delete a record."""
        source = self.live()
        complete = {one.name for one in source.streams() if one.complete}
        for stream, keys in self.grown(source, self.many, ids=True).items():
            listed = self.listed(source, stream)
            assert len(listed) == len(set(listed)), f"{stream}: ids listed twice"
            assert set(keys) <= set(listed), f"{stream}: {len(set(keys) - set(listed))} records are not listed"
            shown = self.whole(source, stream).keys()
            assert set(listed) <= shown, f"{stream}: ids that no reading shows: {sorted(set(listed) - shown)[:5]}"
            if stream in complete:
                assert shown <= set(listed), f"{stream}: shown and not listed: {sorted(shown - set(listed))[:5]}"

    def test_a_listed_record_was_changed_when_a_reading_says_so(self) -> None:
        """Or an id pass would read all of them again each time, or none of those that no window showed."""
        source = self.live()
        for stream in self.grown(source, 3, ids=True):
            read = {one.key: one.modified for one in self.records(source, stream, self.pages(source, stream))}
            for key, modified in (one for page in source.list_ids(stream) for one in page):
                assert modified in (None, read.get(key)), f"{stream} {key}: listed as changed at another time"

    def test_a_deleted_record_is_not_listed(self) -> None:
        """Or nobody would learn that it is gone."""
        source = self.live()
        for stream, keys in self.grown(source, 3, ids=True).items():
            assert keys[1] in self.listed(source, stream)
            self.asked_to("delete", stream, keys[1])
            self.tick()
            assert set(self.listed(source, stream)) & set(keys) == {keys[0], keys[2]}, stream

    def test_what_is_not_offered_is_refused(self) -> None:
        """A stream that lists no ids raises, rather than list none: an empty list means that all are deleted."""
        source = self.live()
        for stream in self.offered(source, ids=False):
            with pytest.raises(NotImplementedError):
                self.listed(source, stream.name)

"""Through the connector itself: whatever happens on the way, the store ends with what the source shows."""

from __future__ import annotations

from contextlib import suppress

import pytest

from connector.ports import Source
from connector.sync import Plan
from connector.testing.contract.books import BookBench, Books, Killed, Rows
from connector.testing.contract.meaning import load


class ProductChecks(BookBench):
    """Syncs into stores of the contract's own, with everything a record says in one column."""

    def test_the_store_holds_what_the_source_shows(self) -> None:
        """After one sync, every record of every stream that can be changed."""
        source = self.live()
        grown = self.grown(source, self.many)
        with self.books(source, grown) as books:
            books.pull(source)
            assert books.rows() == self.expected(source, grown)

    def test_a_second_sync_changes_nothing(self) -> None:
        """Repeats are expected, and harmless: no new version of anything."""
        source = self.live()
        grown = self.grown(source, self.many, apart=True)
        with self.books(source, grown) as books:
            books.pull(source)
            before = books.ledger()
            again = books.pull(source)
            assert books.ledger() == before
            assert [(one.new, one.changed, one.deleted) for one in again.values()] == [(0, 0, 0)] * len(again)

    def test_a_sync_takes_over_what_changed(self) -> None:
        """And makes new versions of nothing else."""
        source = self.live()
        grown = self.grown(source, 4)
        with self.books(source, grown) as books:
            books.pull(source)
            for stream, keys in grown.items():
                self.asked_to("edit", stream, keys[2])
            self.tick()
            summaries = books.pull(source)
            assert books.rows() == self.expected(source, grown)
            assert {name: one.new + one.changed for name, one in summaries.items()} == dict.fromkeys(grown, 1)

    def test_a_change_during_a_sync_is_in_the_next(self) -> None:
        """The cursor comes of the sync's beginning, not of the largest stamp seen; without any overlap."""
        source = self.live()
        grown = self.grown(source, self.many, apart=True)
        with self.books(source, grown) as books:

            def change(stream: str, page: int) -> None:
                if page == 1:
                    self.tick()
                    self.asked_to("edit", stream, grown[stream][0])
                    self.asked_to("edit", stream, grown[stream][-1])
                    grown[stream].append(self.asked_to("add", stream))

            for stream in grown:  # one after the other: each changes as it is being read
                books.pull(source, Plan(streams=[stream]), overlap=0, before_page=change, fails=True)
            self.tick()
            books.pull(source, overlap=0)
            assert books.rows() == self.expected(source, grown)

    def test_a_sync_killed_after_every_page_ends_as_an_undisturbed_one(self) -> None:
        """Each time it goes on where it was, with what it had; a new instance each time, as in life."""
        source = self.live()
        grown = self.grown(source, self.many)
        expected = self.expected(source, grown)
        for pages in (1, 2):
            with self.books(source, grown) as books:
                self._killed(books, pages)
                assert books.rows() == expected, f"killed after every {pages} pages"

    def test_a_full_reading_after_windows_changes_nothing(self) -> None:
        """What came by windows is what a reading from the beginning shows."""
        source = self.live()
        grown = self.grown(source, self.many)
        with self.books(source, grown) as books:
            books.pull(source)
            for stream, keys in grown.items():
                self.asked_to("edit", stream, keys[0])
                self.asked_to("add", stream)
            self.tick()
            books.pull(source)
            before = books.rows()
            books.pull(source, Plan("full"))
            assert books.rows() == before == self.expected(source, grown)

    def test_a_resync_of_named_records_changes_nothing(self) -> None:
        """By id comes what the sync already had."""
        source = self.live()
        grown = self.grown(source, 3, by_id=True)
        with self.books(source, grown) as books:
            books.pull(source)
            before = books.rows()
            books.pull(source, Plan("ids", ids=dict(grown)))
            assert books.rows() == before

    def test_replay_makes_the_same_rows(self) -> None:
        """`connector rebuild`: from the landed pages alone, cell for cell."""
        source = self.live()
        grown = self.grown(source, self.many)
        with self.books(source, grown) as books:
            books.pull(source)
            for stream, keys in grown.items():
                self.asked_to("edit", stream, keys[1])
            self.tick()
            books.pull(source)
            before = books.ledger()
            asked = source.requests
            books.rebuild(source)
            assert books.ledger() == before
            assert source.requests == asked, "replay asked the vendor"

    def test_two_stores_end_alike(self, other_store: str) -> None:
        """One synced at every step, one at the end, perhaps on another database."""
        source = self.live()
        grown = self.grown(source, 3)
        with self.books(source, grown) as often, self.books(source, grown, url=other_store) as once:
            often.pull(source)
            for stream, keys in grown.items():
                self.asked_to("edit", stream, keys[0])
                self.asked_to("add", stream)
            self.tick()
            often.pull(source)
            once.pull(source)
            assert often.rows() == once.rows()

    def test_the_mapping_takes_every_record(self) -> None:
        """None goes to quarantine, and the tests of the mapping file hold."""
        if self.mapping is None:
            pytest.skip(f"{type(self).__name__} names no mapping")
        from connector import mapping_tests

        rules = load(str(self.mapping))
        source, found = self.everything()
        assert source
        unknown = set(rules.streams()) - found.keys()
        assert not unknown, f"the mapping reads streams that are none: {', '.join(sorted(unknown))}"
        for stream in rules.streams():
            faults = [f"{one.key}: {one.fault}" for one in rules.apply(stream, found[stream]) if one.fault]
            assert not faults, f"{stream}: {faults[:5]}"
        assert [one["message"] for one in mapping_tests.run(rules) if not one["ok"]] == []

    # --- how ---------------------------------------------------------------------------------------------------------

    def expected(self, source: Source, streams: dict[str, list[str]]) -> Rows:
        """What a reading from the beginning shows of these streams."""
        return {(name, key): text for name in streams for key, text in self.whole(source, name).items()}

    def _killed(self, books: Books, pages: int) -> None:
        """Sync again and again, each killed after so many pages, then one that is left alone."""

        def dies(_stream: str, given: int) -> None:
            if given == pages:
                raise Killed

        longest = max(len(self.pages(self.make(), name)) for name in books.names)
        for _ in range(longest // pages + 1):  # a reading of the whole that has no window begins anew each time
            with suppress(Killed):
                books.pull(self.make(), before_page=dies)
        books.pull(self.make())

"""A vendor that is unwell for a moment: the same rows come, and what came before an error stays good."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from connector.errors import RemoteError, Transient
from connector.ports import Page, Source, Window
from connector.testing.contract.books import BookBench
from connector.testing.contract.positions import flat

BRIEF = ["busy", "down", "broken", "lost", "torn"]


class FaultChecks(BookBench):
    """Needs a `twin`, or a `disturb` of the subclass's own."""

    @pytest.mark.parametrize("fault", BRIEF)
    def test_a_short_fault_is_waited_out(self, fault: str) -> None:
        """429, 5xx and a lost answer are asked again, and the same rows come."""
        source = self.live()
        for stream in self.grown(source, self.many):
            expected = self.whole(source, stream)
            self.asked_to("disturb", fault, times=2)
            found = self.whole(self.make(), stream)
            self.calm()
            assert found == expected, f"{stream}: after {fault} other rows"

    @pytest.mark.parametrize("fault", BRIEF)
    def test_a_short_fault_between_pages_is_waited_out(self, fault: str) -> None:
        """No page is left out and none is given half."""
        source = self.live()
        for stream in self.grown(source, self.many):
            expected = self._rows(source, stream, self.pages(source, stream))
            self.asked_to("disturb", fault, times=1, after=2)
            found = self._rows(source, stream, self.pages(source, stream))
            self.calm()
            assert found == expected, f"{stream}: after {fault} other rows"

    @pytest.mark.parametrize("fault", ["busy", "down", "lost"])
    def test_a_lasting_fault_ends_the_reading(self, fault: str) -> None:
        """As Transient, after a few attempts: the next run tries again, this one does not wait for ever."""
        source = self.live()
        for stream in self.grown(source, 2):
            source.now()
            before = source.requests
            self.asked_to("disturb", fault, times=1_000_000)
            with pytest.raises(Transient):
                self.pages(source, stream)
            self.calm()
            assert source.requests - before <= 50, f"{stream}: {source.requests - before} requests to a vendor in need"

    @pytest.mark.parametrize("fault", ["down", "denied", "page", "error"])
    def test_pages_given_before_an_error_stay_good(self, fault: str) -> None:
        """Their rows are whole, and from the last position the rest comes as if nothing had been."""
        source = self.live()
        tried = 0
        for stream in self.grown(source, self.many):
            window = Window(None, source.now())
            whole = list(source.read(stream, window))
            if len(whole) > 1:
                tried += 1
                given = self._until_error(source, stream, window, fault, len(whole))
                count = sum(len(one) for one in self._rows(source, stream, given))
                position = json.loads(json.dumps(given[-1].position))
                rest = self._rows(self.make(), stream, list(source.read(stream, window, position)))
                expected = self._rows(source, stream, whole)
                found = flat(self._rows(source, stream, given) + rest)
                assert count, f"{stream}: a page without rows before the error"
                assert set(found) == set(flat(expected)), f"{stream}: rows lost around an error, or others than before"
        if not tried:
            pytest.skip(f"{self.many} records are no more than a page in any stream: set `many`, or make pages smaller")

    def test_a_sync_goes_on_after_an_error(self) -> None:
        """Through the connector: the next sync ends with the rows of a vendor that was always well."""
        source = self.live()
        grown = self.grown(source, self.many)
        with self.books(source, grown) as books:
            self.asked_to("disturb", "down", times=1_000_000, after=3)
            books.pull(source, fails=True)
            self.calm()
            source = self.make()
            books.pull(source)
            expected = {
                (stream, key): text for stream in grown for key, text in self.whole(source, stream).items()
            }
            assert books.rows() == expected

    def _until_error(self, source: Source, stream: str, window: Window, fault: str, most: int) -> list[Page]:
        """The pages before a fault that begins once the first one is given."""
        given: list[Page] = []
        try:
            for page in source.read(stream, window):
                list(source.records(stream, page.exchanges))
                if not given:
                    self.asked_to("disturb", fault, times=1_000_000)
                given.append(page)
        except RemoteError:
            self.calm()
        assert 0 < len(given) < most, f"{stream}: {fault} ended the reading as if all had been read"
        return given

    def _rows(self, source: Source, stream: str, pages: Sequence[Page]) -> list[list[str]]:
        """The records of each page, as text."""
        return [[repr(one) for one in source.records(stream, page.exchanges)] for page in pages]

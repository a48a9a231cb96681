"""Positions: a reading may end after any page, and goes on there in another process, another day."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from connector.ports import Page, Source, Window
from connector.testing.contract.bench import Bench
from connector.testing.contract.elsewhere import importable, task


class PositionChecks(Bench):
    """Of whole readings, and of windows where a stream has them."""

    def readings(self, source: Source) -> Iterator[tuple[str, Window, list[Page]]]:
        """Each stream read whole and, by time of change, in a window; skips where none has several pages."""
        lo = source.now() - timedelta(days=1)
        grown = self.grown(source, self.many)
        streams = [stream for stream in source.streams() if stream.name in grown]
        hi = source.now()
        windows = [(one.name, Window(None, hi)) for one in streams]
        windows += [(one.name, Window(lo, hi)) for one in streams if one.cursor]
        read = [(name, window, list(source.read(name, window))) for name, window in windows]
        if all(len(pages) < 2 for _, _, pages in read):
            pytest.skip(f"{self.many} records are no more than a page in any stream: set `many`, or make pages smaller")
        yield from read

    def test_a_position_is_none_after_the_last_page_only(self) -> None:
        """None says that all was read."""
        source = self.live()
        for stream, window, pages in self.readings(source):
            assert pages, f"{stream}: a reading of {window.lo} gives no page, so nobody learns that it ended"
            assert [page.position is None for page in pages] == [False] * (len(pages) - 1) + [True], stream

    def test_positions_can_be_saved(self) -> None:
        """As JSON, from which the same comes back: the cursor table keeps text."""
        source = self.live()
        for stream, _, pages in self.readings(source):
            for page in pages:
                assert json.loads(json.dumps(page.position)) == page.position, f"{stream}: {page.position!r}"

    def test_the_order_of_records_is_fixed(self) -> None:
        """Nothing having changed, the same window gives the same records in the same order and pages."""
        source = self.live()
        for stream, window, pages in self.readings(source):
            again = list(source.read(stream, window))
            assert keys(source, pages) == keys(source, again), stream

    def test_a_whole_reading_goes_on_after_any_page(self) -> None:
        """In another instance, from the saved position: the rest is the same, nothing left out and nothing again."""
        self._goes_on(whole=True)

    def test_a_window_goes_on_after_any_page(self) -> None:
        """As the whole reading does."""
        self._goes_on(whole=False)

    def _goes_on(self, *, whole: bool) -> None:
        source = self.live()
        readings = [one for one in self.readings(source) if (one[1].lo is None) is whole]
        if not readings:
            pytest.skip("no stream is read by time of change")
        for stream, window, pages in readings:
            for done, page in enumerate(pages[:-1], start=1):
                rest = list(self.make().read(stream, window, json.loads(json.dumps(page.position))))
                assert flat(keys(source, rest)) == flat(keys(source, pages[done:])), f"{stream} after page {done}"

    def test_a_position_may_be_used_twice(self) -> None:
        """A run that died before its commit leaves the position as it was."""
        source = self.live()
        for stream, window, pages in self.readings(source):
            if len(pages) > 1:
                rests = [keys(source, list(source.read(stream, window, pages[0].position))) for _ in range(2)]
                assert rests[0] == rests[1], stream

    def test_an_abandoned_reading_disturbs_no_other(self) -> None:
        """A run asked to stop leaves the reading in its middle; two readings side by side do not share a place."""
        source = self.live()
        for stream, window, pages in self.readings(source):
            left, other = iter(source.read(stream, window)), iter(source.read(stream, window))
            for page, again in zip(left, other, strict=False):
                assert keys(source, [page]) == keys(source, [again]), stream
                break
            assert keys(source, list(source.read(stream, window))) == keys(source, pages), stream
            assert flat(keys(source, list(other))) == flat(keys(source, pages[1:])), stream

    def test_a_reading_goes_on_in_another_process(self) -> None:
        """Nothing of a position is kept in memory."""
        if not importable(self.adapter):
            pytest.skip(f"{self.adapter.__module__} cannot be imported by name in another process")
        source = self.live()
        asked = []
        expected = []
        for stream, window, pages in self.readings(source):
            if len(pages) > 1:
                asked.append({"stream": stream, **_saved(window), "position": pages[0].position})
                expected.append(flat(keys(source, pages[1:])))
        told = task(self.adapter, self.given, str(self.folder), self.own_clock.now(), asked)
        done = subprocess.run(
            [sys.executable, "-m", "connector.testing.contract.elsewhere"],
            input=json.dumps(told), capture_output=True, text=True, timeout=120, check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert json.loads(done.stdout) == expected


def keys(source: Source, pages: list[Page]) -> list[list[str]]:
    """The keys on each page, in order."""
    return [[record.key for record in source.records(page.stream, page.exchanges)] for page in pages]


def flat(pages: list[list[str]]) -> list[str]:
    return [key for page in pages for key in page]


def _saved(window: Window) -> dict[str, Any]:
    def text(at: datetime | None) -> str | None:
        return None if at is None else at.isoformat()

    return {"lo": text(window.lo), "hi": text(window.hi)}

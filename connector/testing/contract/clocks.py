"""Two clocks: the vendor's says what a window is, and ours may be wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from connector.model import micros
from connector.ports import Clock, Source
from connector.testing.contract.books import BookBench

SECOND = timedelta(seconds=1)  # a Date header has whole seconds
SKEWS = (timedelta(minutes=-20), timedelta(minutes=20))


class Shifted:
    """A machine's clock that is wrong by a fixed span; sleeping is the other one's."""

    def __init__(self, clock: Clock, by: timedelta) -> None:
        self._clock, self._by = clock, by

    def now(self) -> datetime:
        return self._clock.now() + self._by

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class ClockChecks(BookBench):
    """`now()` and `read_at`; of vendors that tell their time, also with our clock wrong by twenty minutes."""

    def test_now_is_aware_and_does_not_go_back(self) -> None:
        """The upper end of a window, each later than the last."""
        source = self.live()
        first = source.now()
        assert first.tzinfo is not None, "now() without a time zone"
        assert source.now() >= first
        self.asked_to("tick")
        assert source.now() > first

    @pytest.mark.parametrize("skew", SKEWS, ids=["ours is behind", "ours is ahead"])
    def test_now_is_the_vendors_time(self, skew: timedelta) -> None:
        """A window that ends by a clock ahead of the vendor's would pass over what is changed meanwhile."""
        source = self._skewed(skew)
        source.now()
        for stream in source.streams()[:1]:
            self.pages(source, stream.name)
        assert abs(source.now() - self.own_clock.now()) <= 2 * SECOND

    @pytest.mark.parametrize("skew", SKEWS, ids=["ours is behind", "ours is ahead"])
    def test_a_wrong_clock_of_ours_loses_nothing(self, skew: timedelta) -> None:
        """Through the connector: what changes between and during syncs is there in the end, without any overlap."""
        source = self._skewed(skew)
        grown = self.grown(source, 2, cursor=True)
        with self.books(source, grown, clock=Shifted(self.own_clock, skew)) as books:
            for _ in range(3):
                books.pull(source, overlap=0)
                for stream, keys in grown.items():
                    self.asked_to("edit", stream, keys[0])
                    keys.append(self.asked_to("add", stream))
                self.tick()
            books.pull(source, overlap=0)
            rows = books.rows()
            for stream in grown:
                now = self.whole(source, stream)
                kept = {key: text for (of, key), text in rows.items() if of == stream}
                assert kept == now, f"{stream}: {len(now.keys() - kept.keys())} records lost, others as they were"

    def test_pages_are_read_between_the_windows_end_and_now(self) -> None:
        """Nothing later than `read_at` can be in a page: it is neither before its records nor in the future."""
        source = self.live()
        for stream in self.grown(source, self.many):
            hi = source.now()
            for page in self.pages(source, stream, hi=hi):
                latest = max((one.modified or 0 for one in source.records(stream, page.exchanges)), default=0)
                assert page.read_at >= hi, f"{stream}: read before the window's end {hi}: {page.read_at}"
                assert micros(page.read_at) >= latest, f"{stream}: read before its own records were changed"
                assert page.read_at <= self._vendor_now(source.now()), f"{stream}: read in the future: {page.read_at}"

    def _vendor_now(self, told: datetime) -> datetime:
        ours = self.own_clock.now()
        return max(told, ours) + 2 * SECOND

    def _skewed(self, skew: timedelta) -> Source:
        self.live()
        if not self.vendor_has_clock:
            pytest.skip(f"the vendor of {self.adapter.__name__} has no clock of its own")
        return self.make(Shifted(self.own_clock, skew))

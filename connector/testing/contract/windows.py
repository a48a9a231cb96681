"""Windows of change time: closed, inclusive, and nothing lost between two of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connector.testing.contract.bench import LATER, Bench

INSTANT = timedelta(microseconds=1)


class WindowChecks(Bench):
    """Of streams that are read by time of change (`cursor`); whole readings of all."""

    def test_a_whole_reading_shows_every_record(self) -> None:
        """From the beginning, nothing that was added is missing."""
        source = self.live()
        for stream, keys in self.grown(source, self.many).items():
            missing = set(keys) - self.whole(source, stream).keys()
            assert not missing, f"{stream}: {len(missing)} of {len(keys)} records are not shown"

    def test_records_of_one_instant_all_come(self) -> None:
        """After a bulk edit many share one stamp, and no border between pages may swallow one."""
        source = self.live()
        start = source.now() - timedelta(days=1)
        for stream, keys in self.grown(source, self.many, cursor=True).items():
            missing = set(keys) - self.window(source, stream, start).keys()
            assert not missing, f"{stream}: {len(missing)} of {len(keys)} records of one instant are not shown"

    def test_a_window_includes_its_lower_end(self) -> None:
        """A record changed at exactly `lo` is given: the cursor may stand on it."""
        source = self.live()
        for stream, keys in self.grown(source, 3, apart=True, cursor=True).items():
            stamps = self.stamps(source, stream, keys)
            shown = self.window(source, stream, stamps[keys[1]])
            assert keys[1] in shown, f"{stream}: the record changed at the window's lower end is not shown"
            assert keys[2] in shown

    def test_a_window_includes_its_upper_end(self) -> None:
        """A record changed at exactly `hi` is given: the next window may begin after it."""
        source = self.live()
        for stream, keys in self.grown(source, 3, apart=True, cursor=True).items():
            stamps = self.stamps(source, stream, keys)
            shown = self.window(source, stream, stamps[keys[0]], stamps[keys[1]])
            assert keys[1] in shown, f"{stream}: the record changed at the window's upper end is not shown"

    def test_a_window_of_one_instant_shows_its_record(self) -> None:
        """`lo` and `hi` may be the same."""
        source = self.live()
        for stream, keys in self.grown(source, 3, apart=True, cursor=True).items():
            at = self.stamps(source, stream, keys)[keys[1]]
            assert keys[1] in self.window(source, stream, at, at), stream

    def test_older_records_than_the_window_are_not_read_again(self) -> None:
        """Or each sync would cost as much as the first."""
        source = self.live()
        for stream, keys in self.grown(source, 3, apart=True, cursor=True).items():
            stamps = self.stamps(source, stream, keys)
            shown = self.window(source, stream, stamps[keys[1]] + INSTANT)
            assert keys[0] not in shown, f"{stream}: a record changed a minute before the window is shown"

    def test_newer_records_than_the_window_are_not_given(self) -> None:
        """Of a `bounded` stream: `hi` limits what is read, so that the parts of a window may be read at once."""
        source = self.live()
        for stream, keys in self.grown(source, 3, apart=True, cursor=True, bounded=True).items():
            stamps = self.stamps(source, stream, keys)
            shown = self.window(source, stream, stamps[keys[0]], stamps[keys[2]] - INSTANT)
            assert keys[2] not in shown, f"{stream}: a record changed after the window is shown"
            assert keys[1] in shown

    def test_the_parts_of_a_window_make_the_whole(self) -> None:
        """Of a `bounded` stream: each record of a window is in one of its parts."""
        source = self.live()
        for stream, keys in self.grown(source, 6, apart=True, cursor=True, bounded=True).items():
            stamps = sorted(self.stamps(source, stream, keys).values())
            middle = stamps[2]
            parts = self.window(source, stream, stamps[0], middle) | self.window(source, stream, middle + INSTANT)
            assert set(keys) <= parts.keys(), stream
            assert parts == self.window(source, stream, stamps[0]), stream

    def test_an_empty_window_shows_nothing(self) -> None:
        """No record is changed in the future; the reading ends, and with a page or without makes no record."""
        source = self.live()
        for stream, keys in self.grown(source, 2, cursor=True).items():
            self.stamps(source, stream, keys)
            lo = source.now() + LATER
            shown = self.window(source, stream, lo, lo + timedelta(hours=1))
            assert not shown.keys() & set(keys), f"{stream}: a window in the future shows records"

    def test_a_change_shows_in_the_next_window(self) -> None:
        """With its new content and a later stamp."""
        source = self.live()
        for stream, keys in self.grown(source, 2, cursor=True).items():
            before, stamps = self.whole(source, stream), self.stamps(source, stream, keys)
            lo = source.now()
            self.tick()
            self.asked_to("edit", stream, keys[0])
            self.tick()
            shown = self.window(source, stream, lo)
            assert keys[0] in shown, f"{stream}: a changed record is not in the window of its change"
            assert shown[keys[0]] != before[keys[0]], f"{stream}: a changed record comes as it was"
            assert self.stamps(source, stream, keys)[keys[0]] > stamps[keys[0]], f"{stream}: its stamp did not move"

    def test_rows_that_change_while_they_are_read_are_not_lost(self) -> None:
        """What leaves the window during its reading is in the next one: two windows show everything, as it is now."""
        source = self.live()
        for stream, keys in self.grown(source, self.many, apart=True, cursor=True).items():
            lo, hi = min(self.stamps(source, stream, keys).values()), source.now()
            self.tick()
            seen: dict[str, str] = {}
            waiting = list(keys)
            for page in self.changing_pages(source, stream, lo, hi):
                seen |= self.said(stream, source.records(stream, page.exchanges))
                for key in (waiting.pop(0), waiting.pop()) if len(waiting) > 1 else ():
                    self.asked_to("edit", stream, key)
            self.tick()
            seen |= self.window(source, stream, hi)
            assert set(keys) <= seen.keys(), f"{stream}: lost while changing: {sorted(set(keys) - seen.keys())[:5]}"
            now = self.whole(source, stream)
            old = [key for key in keys if seen[key] != now[key]]
            assert not old, f"{stream}: an old state is left of {old[:5]}"

    def test_a_record_added_while_reading_is_in_the_next_window(self) -> None:
        """New rows move the others between pages; none falls out."""
        source = self.live()
        for stream, keys in self.grown(source, self.many, cursor=True).items():
            lo, hi = source.now() - timedelta(days=1), source.now()
            self.tick()
            seen: set[str] = set()
            for page in self.changing_pages(source, stream, lo, hi):
                seen |= {record.key for record in source.records(stream, page.exchanges)}
                if len(keys) < 2 * self.many:
                    keys.append(self.asked_to("add", stream))
            self.tick()
            seen |= self.window(source, stream, hi).keys()
            assert set(keys) <= seen, f"{stream}: {len(set(keys) - seen)} records are in neither window"

    def test_adjoining_windows_lose_nothing(self) -> None:
        """Each begins where the last one ended, as the cursor does without overlap."""
        source = self.live()
        for stream, keys in self.grown(source, 1, cursor=True).items():
            lo, seen = source.now() - timedelta(days=1), set[str]()
            for _ in range(4):
                hi = source.now()
                seen |= self.window(source, stream, lo, hi).keys()
                keys.append(self.asked_to("add", stream))
                self.tick()
                lo = hi
            seen |= self.window(source, stream, lo).keys()
            assert set(keys) <= seen, f"{stream}: {len(set(keys) - seen)} of {len(keys)} records are in no window"

    def test_a_record_changed_again_and_again_comes_once_a_window(self) -> None:
        """A stream shows what is, not a log: in one quiet window each record stands once."""
        source = self.live()
        for stream, (key, *_) in self.grown(source, 2, cursor=True).items():
            lo = source.now() - timedelta(days=1)
            for _ in range(3):
                self.asked_to("edit", stream, key)
                self.tick()
            found = [record.key for record in self.records(source, stream, self.pages(source, stream, lo))]
            if len(found) != len(set(found)):
                pytest.fail(f"{stream}: {len(found) - len(set(found))} records come more than once in a quiet window")

"""What streams, pages and records look like, and that records come of landed bytes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connector.model import canonical_json, micros
from connector.ports import Exchange
from connector.testing.contract.bench import LATER, Bench

FIRST = 631_152_000_000_000  # 1990-01-01 in microseconds: what is before it was counted in another unit


class ShapeChecks(Bench):
    """Of recorded pages too, where they are all there is."""

    def test_streams_have_names_of_their_own(self) -> None:
        """Names are not empty and not given twice; asked again, the streams are the same."""
        source = self.make()
        names = [stream.name for stream in source.streams()]
        assert names, "no stream"
        assert all(names)
        assert len(set(names)) == len(names), f"given twice: {[name for name, n in Counter(names).items() if n > 1]}"
        assert list(self.make().streams()) == list(source.streams())

    def test_every_record_has_a_key(self) -> None:
        """Keys are text and not empty: they are what versions of a record are told apart by."""
        _, found = self.everything()
        for stream, records in found.items():
            odd = [record.key for record in records if not isinstance(record.key, str) or not record.key.strip()]
            assert not odd, f"{stream}: keys that are no text, or empty: {odd[:5]}"

    def test_no_key_comes_twice_in_a_whole_reading(self) -> None:
        """Two records of one key would overwrite one another."""
        _, found = self.everything()
        for stream, records in found.items():
            twice = [key for key, count in Counter(record.key for record in records).items() if count > 1]
            assert not twice, f"{stream}: keys that come twice: {twice[:5]}"

    def test_records_are_the_same_twice(self) -> None:
        """`records` of the same exchanges gives the same, in the same order: it neither remembers nor changes them."""
        source, _ = self.everything()
        for stream in source.streams():
            for exchanges in self.shown(source, stream.name):
                once, again = (list(source.records(stream.name, exchanges)) for _ in range(2))
                assert once == again, f"{stream.name}: the second time other records"

    def test_records_come_of_landed_bytes_alone(self) -> None:
        """Replay has the exchanges as they were landed and another instance, and has to find the same."""
        source, _ = self.everything()
        replaying = self.make()
        for stream in source.streams():
            for exchanges in self.shown(source, stream.name):
                expected = list(source.records(stream.name, exchanges))
                assert list(replaying.records(stream.name, landed(exchanges))) == expected, stream.name

    def test_records_ask_the_vendor_nothing(self) -> None:
        """`records` makes no request: replay runs years later, without the vendor."""
        source, _ = self.everything()
        names = [stream.name for stream in source.streams()]
        pages = [(name, exchanges) for name in names for exchanges in self.shown(source, name)]
        before = source.requests, self.asked()
        for name, exchanges in pages:
            list(source.records(name, exchanges))
        assert (source.requests, self.asked()) == before

    def test_records_are_plain_values(self) -> None:
        """JSON with exact numbers: a float has already lost the amount that was meant."""
        _, found = self.everything()
        for stream, records in found.items():
            for record in records:
                assert isinstance(record.data, dict), f"{stream} {record.key}: {type(record.data).__name__}"
                canonical_json(record.data)
                odd = sorted({type(value).__name__ for value in leaves(record.data)} - PLAIN)
                assert not odd, f"{stream}: values of type {', '.join(odd)}, expected {', '.join(sorted(PLAIN))}"

    def test_modified_is_microseconds_and_not_in_the_future(self) -> None:
        """Seconds, milliseconds or local time would make old news out of news, or the reverse."""
        source, found = self.everything()
        latest = micros((self.own_clock if self.recorded is not None else source).now() + timedelta(seconds=2))
        if self.recorded is not None:
            latest += micros(self.own_clock.now() + LATER) - micros(self.own_clock.now())
        for stream, records in found.items():
            for record in records:
                assert record.modified is None or isinstance(record.modified, int), f"{stream}: {record.modified!r}"
                assert record.modified is None or FIRST < record.modified <= latest, (
                    f"{stream} {record.key}: modified {record.modified}, expected microseconds since 1970, until now"
                )

    def test_exchanges_are_as_received(self) -> None:
        """Each names its request and holds the answer's bytes; nothing but a good answer is landed."""
        source, _ = self.everything()
        for stream in source.streams():
            for exchanges in self.shown(source, stream.name):
                assert exchanges, f"{stream.name}: a page without an exchange cannot be replayed"
                for one in exchanges:
                    assert one.method, stream.name
                    assert one.url, stream.name
                    assert isinstance(one.answer, bytes), stream.name
                    assert 200 <= one.status < 300, f"{stream.name}: an answer of status {one.status} was landed"

    def test_pages_say_their_stream_and_an_aware_time(self) -> None:
        """A page is of the stream that was asked for."""
        source = self.live()
        self.fill(source)
        for stream in source.streams():
            for page in self.pages(source, stream.name):
                assert page.stream == stream.name
                assert page.read_at.tzinfo is not None, f"{stream.name}: read_at without a time zone"

    def test_no_secret_is_landed(self) -> None:
        """Neither in an address nor in a body, an answer or a position: pages are kept for years and shown."""
        source, found = self.everything()
        assert found
        for stream in source.streams():
            for exchanges in self.shown(source, stream.name):
                for one in exchanges:
                    said = (one.url, one.body, one.answer.decode("utf-8", "replace"), one.request_id)
                    assert not self.leaked(*said), f"{stream.name}: a secret in a {one.method} that is landed"
            if self.recorded is None:
                positions = [page.position for page in self.pages(source, stream.name)]
                assert not self.leaked(*positions), f"{stream.name}: a secret in a position"

    def test_no_secret_is_shown(self) -> None:
        """Neither by repr nor by str of the source, its settings and what hangs on it."""
        source, _ = self.everything()
        shown = [repr(source), str(source), repr(source.settings), str(source.settings)]
        for name, value in vars(source).items():
            assert not self.leaked(repr(value)), f"a secret in the repr of {name}"
        assert not self.leaked(*shown)

    def asked(self) -> int:
        """How many requests the twin has had."""
        return 0 if self.twin is None else len(self.twin.requests)


PLAIN = {"str", "int", "bool", "NoneType", "Decimal"}


def leaves(value: Any) -> list[Any]:
    """Every value in a record that holds no other."""
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in leaves(one)]
    if isinstance(value, (list, tuple)):
        return [leaf for one in value for leaf in leaves(one)]
    assert isinstance(value, (str, int, bool, type(None), Decimal, float)), f"a value of type {type(value).__name__}"
    return [value]


def landed(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """The same exchanges as they come back from landing: nothing decoded yet."""
    return [
        Exchange(one.method, one.url, one.body, one.status, bytes(one.answer), one.request_id, one.content_type)
        for one in exchanges
    ]

"""Single records by id: `resync --id`, hooks and the check before a deletion ask this way."""

from __future__ import annotations

from collections.abc import Sequence

from connector.ports import Record, Source
from connector.testing.contract.bench import Bench


class ByIdChecks(Bench):
    """Of streams that offer `by_id`."""

    def named(self, source: Source, stream: str, ids: Sequence[str]) -> list[Record]:
        """The records of these ids, in the order they came."""
        return self.records(source, stream, source.read_ids(stream, ids))

    def test_a_known_id_gives_its_record(self) -> None:
        """And no other."""
        source = self.live()
        for stream, keys in self.grown(source, 3, by_id=True).items():
            assert [record.key for record in self.named(source, stream, [keys[1]])] == [keys[1]], stream

    def test_a_record_by_id_is_the_one_of_the_reading(self) -> None:
        """The same stamp and, by the mapping where there is one, the same rows; else the same content."""
        source = self.live()
        for stream, keys in self.grown(source, 3, by_id=True).items():
            read = {one.key: one for one in self.records(source, stream, self.pages(source, stream))}
            for record in self.named(source, stream, keys):
                one, other = self.said(stream, [record]), self.said(stream, [read[record.key]])
                assert one == other, f"{stream}: {record.key} by id differs from the same in a whole reading"

    def test_unknown_ids_are_absent(self) -> None:
        """They are no fault, and hide no known one."""
        source = self.live()
        for stream, keys in self.grown(source, 2, by_id=True).items():
            assert self.named(source, stream, [self.unknown_id]) == [], stream
            found = [record.key for record in self.named(source, stream, [self.unknown_id, keys[0]])]
            assert found == [keys[0]], stream

    def test_an_id_given_twice_comes_once(self) -> None:
        """Hooks name one record again and again."""
        source = self.live()
        for stream, (one, two) in self.grown(source, 2, by_id=True).items():
            found = [record.key for record in self.named(source, stream, [one, two, one, one])]
            assert sorted(found) == sorted([one, two]), f"{stream}: {found}"

    def test_the_order_of_ids_does_not_matter(self) -> None:
        """The same records come, whatever was named first."""
        source = self.live()
        for stream, keys in self.grown(source, 5, by_id=True).items():
            shown = [self.said(stream, self.named(source, stream, asked)) for asked in (keys, keys[::-1], sorted(keys))]
            assert shown[0] == shown[1] == shown[2], stream
            assert shown[0].keys() == set(keys), stream

    def test_no_ids_ask_nothing(self) -> None:
        """An empty list is no question, least of all one for everything."""
        source = self.live()
        for stream in self.grown(source, 2, by_id=True):
            before = source.requests
            assert self.named(source, stream, []) == [], stream
            assert source.requests == before, f"{stream}: a request for no ids"

    def test_more_ids_than_a_batch_all_come(self) -> None:
        """Where the vendor takes so many at once, the rest is asked for in further calls."""
        source = self.live()
        for stream, keys in self.grown(source, self.many, by_id=True).items():
            found = [record.key for record in self.named(source, stream, keys)]
            assert sorted(found) == sorted(keys), f"{stream}: {len(found)} of {len(keys)}"

    def test_odd_ids_are_ids_and_nothing_else(self) -> None:
        """An id is quoted where it stands in an address, a filter or a statement: none of these finds a record."""
        source = self.live()
        for stream, (known, *_) in self.grown(source, 2, by_id=True).items():
            for odd in oddities(known):
                found = [record.key for record in self.named(source, stream, [odd])]
                assert found in ([], [odd]), f"{stream}: the id {odd!r} gives {found}"

    def test_odd_ids_do_not_hide_known_ones(self) -> None:
        """One strange id among many must not fail or empty the whole question."""
        source = self.live()
        for stream, (known, *_) in self.grown(source, 2, by_id=True).items():
            found = {record.key for record in self.named(source, stream, [*oddities(known), known])}
            assert known in found, f"{stream}: a known id is not found beside odd ones"


def oddities(known: str) -> list[str]:
    """Ids no vendor gives, made of one it gave: each finds that record where it is not taken as it is."""
    return [
        f"{known}?x=1", f"{known}#x", f"{known}/", f"x/../{known}", f"../{known}", f"{known}&x=1", f"{known};",
        f"0,{known}", f"{known} OR 1=1", f"{known}' OR '1'='1", f'{known}"', f"{known}\\", "*", "%", f"{known}%", "ü",
        f"{known}\n", ".", "..", "",
    ]

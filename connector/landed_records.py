"""Landed records that a person wants to see: those named, or what is set aside and the newest. No source is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

from sqlalchemy import Connection, Row

from connector import journal, quarantine
from connector.errors import ConfigError, Fault
from connector.journal import Reads
from connector.mapping import Mapping as SourceMapping
from connector.ports import Record
from connector.store import landing
from connector.store import quarantine as table


@dataclass(frozen=True, slots=True)
class LandedRecord:
    """The newest landed state of a record: the page it stands on, its place there, itself; `held` is its row in
    quarantine while that is open."""

    stream: str
    page: int
    index: int
    record: Record
    held: Row[Any] | None = None


def named(
    connection: Connection, reader: Reads, source: str, wanted: Mapping[str, Sequence[str]], option: str
) -> list[LandedRecord]:
    """The records of these keys by stream, in that order. Raises ConfigError for those that are not landed."""
    held = _held(connection, source)
    found: list[LandedRecord] = []
    faults: list[Fault] = []
    for stream, keys in wanted.items():
        there = {
            record.key: LandedRecord(stream, page, index, record, held.get((stream, record.key)))
            for page, index, record in journal.latest_records(connection, reader, source, stream)
            if record.key in keys
        }
        for key in dict.fromkeys(keys):
            if key in there:
                found.append(there[key])
            else:
                message = f"{stream}:{key} is not landed; connector resync {source} --id {stream}:{key} reads it"
                faults.append(Fault("command line", 0, option, message))
    if faults:
        raise ConfigError(faults)
    return found


def newest(
    connection: Connection, reader: Reads, source: str, streams: Sequence[str], held_of: Sequence[str], limit: int
) -> list[LandedRecord]:
    """At most `limit` records: first one of each cause that something of the streams `held_of` is set aside for, up to
    half of them and at least one, then the newest of `streams`.

    Newest is what changed last as the vendor says it, and where it does not say, what was landed last.
    """
    found: dict[tuple[str, str], LandedRecord] = {}
    causes: set[str] = set()
    for (stream, key), row in reversed(_held(connection, source).items()):
        cause = quarantine.cause_of(source, stream, row.reason)
        if stream in held_of and cause not in causes and len(found) < max(1, limit // 2):
            records = list(reader.records(stream, landing.exchanges(connection, row.page)))
            causes.add(cause)
            found[stream, key] = LandedRecord(stream, row.page, row.record_index, records[row.record_index], row)
    fresh = [
        LandedRecord(stream, page, index, record)
        for stream in streams
        for page, index, record in nlargest(
            limit, journal.latest_records(connection, reader, source, stream),
            key=lambda one: (one[2].modified or 0, one[0], one[1]),
        )
    ]
    held = _held(connection, source)
    for one in sorted(fresh, key=lambda one: (one.record.modified or 0, one.page, one.index), reverse=True):
        place = one.stream, one.record.key
        if len(found) < limit and place not in found:
            found[place] = LandedRecord(one.stream, one.page, one.index, one.record, held.get(place))
    return list(found.values())


def default_streams(source_mapping: SourceMapping) -> list[str]:
    """The streams to look at where none is named: those that make deals, or all."""
    known = source_mapping.streams()
    return [
        stream for stream in known
        if any(entry.entity.name == "deal" and entry.each is None for entry in source_mapping.entries[stream])
    ] or known


def _held(connection: Connection, source: str) -> dict[tuple[str, str], Row[Any]]:
    """What is open in quarantine by stream and record key, oldest first."""
    return {(row.stream, row.record_key): row for row in table.open_items(connection, source)}

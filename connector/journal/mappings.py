"""A mapping comes into force: what is landed is mapped again, as known from then on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from connector import pipelines
from connector.journal.entries import PageEntry, Reads, end_rows, made_by, map_page, take_page
from connector.journal.files import latest_version, write_file
from connector.ledger import Changes, Entered, Ledger
from connector.mapping import Mapping as SourceMapping
from connector.model import ENTITIES, Mapped
from connector.ports import Record
from connector.store import landing, rows, tables
from connector.store.store import Store, Writing

_ALL = 1 << 62  # after every stamp

Judge = Callable[[Writing, int], None]
"""Told the transaction in which a changed mapping came into force, and its stamp; it raises to undo all of it."""


def activate(
    store: Store, source: Reads, source_mapping: SourceMapping, content: bytes, settings: Mapping[str, Any],
    judge: Judge | None = None,
) -> Changes | None:
    """Put a mapping in force if its meaning changed: what is landed is mapped again, as known from now on."""
    name = source_mapping.source
    with store.writing() as writing:
        before = latest_version(writing.connection, "mapping", name)
        if before == source_mapping.version:
            return None
        stamp = writing.stamp()
        write_file(
            writing, stamp, "mapping", name, source_mapping.version, source_mapping.file, content, settings
        )
        changes = take_mapping(writing, source, source_mapping, stamp, first=before is None)
        if judge is not None and before is not None:
            judge(writing, stamp)
        return changes


def take_mapping(
    writing: Writing, source: Reads, source_mapping: SourceMapping, seen_at: int, *, first: bool
) -> Changes:
    """A mapping comes into force: its pipelines and stages, and the latest landed state of every record.

    The first version of a file holds for all earlier times, so its own rows count as always known.
    """
    total = Changes()
    for changes in map_again(writing, source, source_mapping, seen_at, first=first).values():
        total.changed += changes.changed + changes.new
        total.deleted += changes.deleted
    return total


def map_again(
    writing: Writing, source: Reads, source_mapping: SourceMapping, seen_at: int, *, first: bool
) -> dict[str, Changes]:
    """`take_mapping`, telling what became of each stream's records: new, changed, unchanged, deleted, set aside."""
    _take_pipelines(writing, source_mapping, seen_at, first=first)
    found: dict[str, Changes] = {}
    if first:
        return found
    for stream in source_mapping.streams():
        total, made = found.setdefault(stream, Changes()), Made(set(), set())
        for page, indexes in _latest(writing.connection, source, source_mapping.source, stream, seen_at).items():
            mapped = map_page(writing.connection, source, source_mapping, page.id, stream)
            mapped = [record for record in mapped if record.index in indexes]
            entry = PageEntry(page.id, seen_at, stream, page.read_at, mapped, page.known_until)
            changes = take_page(writing, source_mapping, entry)
            made.add(mapped, changes)
            total.new += changes.new
            total.changed += changes.changed
            total.unchanged += changes.unchanged
            total.deleted += changes.deleted
            total.quarantined += changes.quarantined
        total.deleted += _retract(writing, source_mapping, stream, seen_at, made)
    for stream in _former_streams(writing.connection, source_mapping):
        total = found.setdefault(stream, Changes())
        total.deleted += _retract(writing, source_mapping, stream, seen_at, Made(set(), set()))
    return found


@dataclass(slots=True)
class Made:
    """What a stream's records make by a new mapping: the records that could be mapped, and their rows."""

    records: set[str]
    rows: set[tuple[str, str]]

    def add(self, mapped: Sequence[Mapped], changes: Changes) -> None:
        for record in mapped:
            if record.fault is None and record.index not in changes.rejected:
                self.records.add(record.key)
                self.rows.update((entry.entity, entry.id) for entry in record.entries if not entry.absent)


def _retract(
    writing: Writing, source_mapping: SourceMapping, stream: str, seen_at: int, made: Made
) -> int:
    """Retract the rows that a stream made by the mapping before and does not make by this one.

    A record that cannot be mapped keeps its last good version.
    """
    source, entries, retracted = source_mapping.source, source_mapping.entries.get(stream, ()), 0
    for entity in [name for name, declared in ENTITIES.items() if not declared.facts]:
        still = any(entry.entity.name == entity for entry in entries)
        unmade = [
            (row_id, key)
            for row_id, key in made_by(writing.connection, source, stream, entity)
            if (entity, row_id) not in made.rows and (key in made.records or not still)
        ]
        retracted += end_rows(writing, source_mapping, stream, entity, unmade, seen_at, Ledger.retract)
    return retracted


def _former_streams(connection: Connection, source_mapping: SourceMapping) -> list[str]:
    """Streams that were read for this source and that the mapping names no longer."""
    table = tables.page
    read = select(table.c.stream).where(table.c.source == source_mapping.source).distinct()
    return sorted(set(connection.execute(read).scalars()) - set(source_mapping.streams()))


def _take_pipelines(writing: Writing, source_mapping: SourceMapping, seen_at: int, *, first: bool) -> None:
    entries = pipelines.rows(source_mapping.pipelines)
    source = source_mapping.source
    listed = {entry.id for entry in entries if entry.entity == "stage"}
    unlisted = {row_id for row_id, _ in made_by(writing.connection, source, "", "stage")} - listed
    entries += [pipelines.archived(row) for row in rows.current(writing.connection, "stage", source, unlisted)]
    for entry in entries:
        entry.seen_at = 0 if first else None
    record = Mapped(0, "pipelines", None, entries, [], set())
    before = rows.load(
        writing.connection, source, rows=[(entry.entity, entry.id) for entry in entries], deals=()
    )
    entered = Entered(source, "", seen_at, None, seen_at, source_mapping.version)
    ledger = Ledger(before, entered, source_mapping.pipelines, source_mapping.columns)
    ledger.apply(record)
    rows.write(writing, source, [(seen_at, ledger.changes)])


def _latest(
    connection: Connection, source: Reads, name: str, stream: str, before: int
) -> dict[landing.Landed, set[int]]:
    """Where the newest landed state of each record of a stream stands: pages in order, with record indexes.

    Records that a full pass found to be gone are left out.
    """
    passed_at, shown = _last_pass(connection, name, stream, before)
    newest: dict[str, tuple[int, int, landing.Landed]] = {}
    for page in landing.pages(connection, source=name, before=before):
        if page.stream != stream:
            continue
        left_out = landing.left_out(connection, page.id)
        for index, record in enumerate(source.records(stream, landing.exchanges(connection, page.id))):
            if record.key in left_out:
                continue
            stamp = record.modified if record.modified is not None else 0
            if record.key not in newest or stamp >= newest[record.key][0]:
                newest[record.key] = (stamp, index, page)
    found: dict[landing.Landed, set[int]] = {}
    for key, (_, _, page) in list(newest.items()):
        if page.id < passed_at and key not in shown:
            del newest[key]
    for _, index, page in sorted(newest.values(), key=lambda place: (place[2].applied_at or 0, place[1])):
        found.setdefault(page, set()).add(index)
    return found


def latest_records(
    connection: Connection, source: Reads, name: str, stream: str
) -> Iterator[tuple[int, int, Record]]:
    """The newest landed state of every record of a stream that is still there: its page, its place there, itself."""
    for page, indexes in _latest(connection, source, name, stream, _ALL).items():
        for index, record in enumerate(source.records(stream, landing.exchanges(connection, page.id))):
            if index in indexes:
                yield page.id, index, record


def _last_pass(connection: Connection, source: str, stream: str, before: int) -> tuple[int, set[str]]:
    """When the last full pass applied `before` began, and the record keys it showed; (0, nothing) without one."""
    table = tables.id_pass
    query = (
        select(table.c.started_at, table.c.body)
        .where(table.c.source == source, table.c.stream == stream, table.c.applied_at < before)
        .order_by(table.c.applied_at.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return (0, set()) if row is None else (row.started_at, set(json.loads(landing.body(connection, row.body))))

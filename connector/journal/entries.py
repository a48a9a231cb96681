"""Pages, as the ledger takes them in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, select

from connector.ledger import Before, Changes, Entered, Ledger, is_older, wanted
from connector.mapping import Mapping as SourceMapping
from connector.model import ENTITIES, Mapped
from connector.ports import Exchange, Record
from connector.store import landing, quarantine, rows, tables
from connector.store.store import Writing


class Reads(Protocol):
    """The pure part of a source: landed exchanges to records."""

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page in the journal: its id, its place (`seen_at`), and its records, mapped.

    `known_until`: up to when the stream had been read as a whole before, on the vendor's clock.
    """

    page: int
    seen_at: int
    stream: str
    read_at: int
    mapped: Sequence[Mapped]
    known_until: int | None = None


def take_page(writing: Writing, source_mapping: SourceMapping, entry: PageEntry) -> Changes:
    """Apply one page: versions, facts, quarantine."""
    return take_pages(writing, source_mapping, [entry])[0]


def take_pages(writing: Writing, source_mapping: SourceMapping, entries: Sequence[PageEntry]) -> list[Changes]:
    """Apply pages of one stream in their order, written together; what each of them changed."""
    made = plan_pages(writing.connection, source_mapping, entries)
    source, stream = source_mapping.source, entries[0].stream
    stamped = [(entry.seen_at, changes) for entry, changes in zip(entries, made, strict=True)]
    rows.write(writing, source, stamped, stream=stream)
    quarantine.record(writing, source, list(zip(entries, made, strict=True)))
    return made


def plan_pages(connection: Connection, source_mapping: SourceMapping, entries: Sequence[PageEntry]) -> list[Changes]:
    """What pages of one stream would change, each after the ones before it; writes nothing."""
    source, stream = source_mapping.source, entries[0].stream
    records = [record for entry in entries for record in entry.mapped]
    keys, deals = wanted(records)
    before = rows.load(
        connection,
        source,
        rows=keys,
        deals=deals,
        items=(stream, {record.key for record in records}, _list_entities(source_mapping, stream)),
        shared={
            str(made.fields["deal"])
            for record in records for made in record.entries
            if made.entity == "deal_owner" and not made.absent
        },
    )
    return [_plan(source_mapping, entry, before) for entry in entries]


def _plan(source_mapping: SourceMapping, entry: PageEntry, before: Before) -> Changes:
    """What one page changes of what was known; `before` is afterwards as it leaves it."""
    entered = Entered(
        source_mapping.source, entry.stream, entry.seen_at, entry.page, entry.read_at, source_mapping.version,
        entry.known_until,
    )
    ledger = Ledger(before, entered, source_mapping.pipelines, source_mapping.columns)
    for record in entry.mapped:
        if record.fault is None:
            ledger.apply(record)
        elif is_older(record.modified, before.stamps.get(record.key)):
            ledger.changes.old.add(record.index)
    changes = ledger.changes
    if not _keeps_stamps(source_mapping, entry.stream):
        changes.stamps.clear()
        before.stamps.clear()
    faults = {record.index for record in entry.mapped if record.fault is not None} | changes.rejected.keys()
    changes.quarantined = len(faults - changes.old)
    return changes


def _keeps_stamps(source_mapping: SourceMapping, stream: str) -> bool:
    """Whether it matters which state of a record is the newest: not where each is one fact that never changes."""
    entries = source_mapping.entries.get(stream, ())
    return any(not entry.entity.facts or entry.each is not None for entry in entries)


def _list_entities(source_mapping: SourceMapping, stream: str) -> set[str]:
    return {
        entry.entity.name
        for entry in source_mapping.entries.get(stream, ())
        if entry.each is not None and not entry.entity.facts
    }


def end_rows(
    writing: Writing, source_mapping: SourceMapping, stream: str, entity: str, ended: Sequence[tuple[str, str]],
    seen_at: int, end: Callable[[Ledger, tuple[str, str], str], None],
) -> int:
    """End a stream's part in these rows of an entity, (row id, record key) each, without a page; how many it was.

    `end` is `Ledger.delete` or `Ledger.retract`.
    """
    source = source_mapping.source
    before = rows.load(writing.connection, source, rows=[(entity, row_id) for row_id, _ in ended], deals=())
    entered = Entered(source, stream, seen_at, None, seen_at, source_mapping.version)
    ledger = Ledger(before, entered, source_mapping.pipelines, source_mapping.columns)
    for row_id, key in ended:
        end(ledger, (entity, row_id), key)
    rows.write(writing, source, [(seen_at, ledger.changes)])
    return ledger.changes.deleted


def made_by(
    connection: Connection, source: str, stream: str, entity: str, *, before: int | None = None
) -> Iterator[tuple[str, str]]:
    """The (row id, record key) of the current rows of an entity that a stream's records make, recorded `before`."""
    table = tables.LEDGER[entity]
    query = select(table.c.id, table.c.parts).where(
        table.c.source == source, table.c.replaced_at.is_(None), table.c.gone.is_(None)
    )
    if before is not None:
        query = query.where(table.c.recorded_at < before)
    for row in connection.execute(query):
        part = json.loads(row.parts).get(stream)
        if part is not None:
            yield row.id, part[1]


def map_page(
    connection: Connection, source: Reads, source_mapping: SourceMapping, page: int, stream: str
) -> list[Mapped]:
    """The records of a landed page, mapped, without those that are not taken in."""
    left_out = landing.left_out(connection, page)
    mapped = source_mapping.apply(stream, source.records(stream, landing.exchanges(connection, page)))
    return [record for record in mapped if record.key not in left_out]


assert set(tables.LEDGER) == set(ENTITIES)  # noqa: S101  # every entity has its table, checked once at import

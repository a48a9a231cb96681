"""Since when a source is known: before it had been read as a whole, no number of it means anything."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, insert, select, update

from connector.mapping import Mapping as SourceMapping
from connector.store import tables
from connector.store.store import Writing


def mark_known(writing: Writing, source_mapping: SourceMapping) -> None:
    """Note that the source is known from now on, if every stream of its mapping has been read to its end.

    With imported history it counts as known since the earliest moment that the import tells of.
    """
    source, known, cursor = source_mapping.source, tables.known_since, tables.cursor
    since = writing.execute(select(known.c.at).where(known.c.source == source)).scalar()
    imported = _imported_since(writing.connection, source_mapping)
    if since is not None:
        if imported is not None and imported < since:
            writing.execute(update(known).where(known.c.source == source).values(at=imported))
        return
    complete = select(cursor.c.stream).where(cursor.c.source == source, cursor.c.first_complete_at.is_not(None))
    if set(source_mapping.streams()) <= set(writing.execute(complete).scalars()):
        now = writing.stamp()
        writing.execute(insert(known).values(source=source, at=now if imported is None else min(imported, now)))


def _imported_since(connection: Connection, source_mapping: SourceMapping) -> int | None:
    """The earliest imported knowledge time; None where the mapping imports none."""
    entries = [entry for listed in source_mapping.entries.values() for entry in listed]
    entities = {entry.entity.name for entry in entries if any(rule.column == "seen_at" for rule in entry.rules)}
    found = []
    for table in (tables.LEDGER[entity] for entity in sorted(entities)):
        told = select(func.min(table.c.seen_at)).where(
            table.c.source == source_mapping.source, table.c.seen_at < table.c.recorded_at
        )
        found.append(connection.execute(told).scalar())
    return min((at for at in found if at is not None), default=None)


def unknown_sources(connection: Connection, as_of: int) -> Collection[str] | None:
    """The sources of which only a part had been read at `as_of`; None if there was nothing of any yet.

    One that never answered is none of them: the others go on without it, as they did before it was configured.
    """
    mapped, known, page = tables.file_version, tables.known_since, tables.page
    complete = set(connection.execute(select(known.c.source).where(known.c.at <= as_of)).scalars())
    sources = set(connection.execute(select(mapped.c.name).where(mapped.c.kind == "mapping")).scalars())
    begun = {
        source for source in sources - complete
        if connection.execute(
            select(page.c.id).where(page.c.source == source, page.c.applied_at <= as_of).limit(1)
        ).first()
    }
    return begun if begun or complete else None

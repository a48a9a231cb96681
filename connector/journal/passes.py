"""Finished passes, as the ledger takes them in, and what a pass has to know beforehand.

A full pass shows every record of a stream, an id pass every id. What neither shows nor answers by id is deleted, except
where the record's own tombstone (`deleted_at`, `merged_into`) has said so before: that says more than a pass can.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, or_, select

from connector.journal.entries import end_rows, made_by
from connector.ledger import Changes, Ledger
from connector.mapping import Mapping as SourceMapping
from connector.store import landing, tables
from connector.store.store import Writing

TOMBSTONES = ("deleted_at", "merged_into")


def take_pass(
    writing: Writing, source_mapping: SourceMapping, stream: str, seen_at: int, shown: Collection[str], started_at: int
) -> Changes:
    """A finished pass: rows of records it has not `shown` are deleted, save those made after it `started_at`."""
    total = Changes()
    for entity, gone in list(_missing_rows(writing.connection, source_mapping, stream, shown, started_at)):
        total.deleted += end_rows(writing, source_mapping, stream, entity, gone, seen_at, Ledger.delete)
    return total


def plan_pass(
    connection: Connection, source_mapping: SourceMapping, stream: str, shown: Collection[str]
) -> int:
    """How many rows a pass that is finished now would delete; nothing is written."""
    return sum(len(gone) for _, gone in _missing_rows(connection, source_mapping, stream, shown, None))


def _missing_rows(
    connection: Connection, source_mapping: SourceMapping, stream: str, shown: Collection[str], before: int | None
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """By entity, the (row id, record key) of current rows that were recorded before, of records that are not shown."""
    for entity in _entities(source_mapping, stream):
        made = made_by(connection, source_mapping.source, stream, entity, before=before)
        yield entity, [(row_id, key) for row_id, key in made if key not in shown]


def live_records(
    connection: Connection, source_mapping: SourceMapping, stream: str, *, before: int | None = None
) -> set[str]:
    """The keys of the records that make rows now, recorded `before`; none whose own tombstone says that it is gone."""
    return _made(connection, source_mapping, stream, before) - ended_records(connection, source_mapping, stream)


def ended_records(connection: Connection, source_mapping: SourceMapping, stream: str) -> set[str]:
    """The keys of the records that say themselves that they are deleted or merged into another one.

    Not by a list item: there a record tells of others, as a survivor of those it has absorbed.
    """
    found: set[str] = set()
    for table in (tables.LEDGER[entity] for entity in _entities(source_mapping, stream)):
        said = [table.c[name].is_not(None) for name in TOMBSTONES if name in table.c]
        if said:
            query = select(table.c.parts).where(
                table.c.source == source_mapping.source, table.c.replaced_at.is_(None), table.c.gone.is_(None),
                table.c.item.is_(None), or_(*said),
            )
            found.update(_keys(connection.execute(query).scalars(), stream))
    return found


def known_records(connection: Connection, source_mapping: SourceMapping, stream: str) -> set[str]:
    """The keys of a stream's records, for the guard of a full pass: those the last one showed, or that made rows.

    Without those that are gone by their own tombstone, or by what another record says of having absorbed them. Facts
    outlive their record, so they only stand for it before the first pass. What the last pass over ids has not found any
    more is none of those that a full pass showed.
    """
    keys = _made(connection, source_mapping, stream)
    showed = _last_body(connection, source_mapping, stream, "records")
    listed = _last_body(connection, source_mapping, stream, "ids")
    if showed is None:
        keys |= _told(connection, source_mapping, stream)
    elif listed is None or listed[0] < showed[0]:
        keys |= showed[1]
    else:
        keys |= showed[1] & listed[1]
    ended = ended_records(connection, source_mapping, stream)
    return keys - ended - _absorbed(connection, source_mapping, stream)


def unread_records(
    connection: Connection, source_mapping: SourceMapping, stream: str, listed: Collection[str]
) -> list[str]:
    """Those of the listed keys that have to be read by id: never seen, or taken for gone and there again.

    A record that makes no row is seen all the same: the last pass found it, or before the first one its stamp is kept,
    or it is in quarantine, or it told facts. Where records tell nothing but facts, no pass ever deletes them.
    """
    seen = set[str]()
    passes = [_last_body(connection, source_mapping, stream, kind) for kind in ("records", "ids")]
    latest = max((one for one in passes if one is not None), key=lambda one: one[0], default=None)
    if latest is None or not _entities(source_mapping, stream):
        seen |= _told(connection, source_mapping, stream)
    if latest is not None:
        seen |= latest[1]
    else:
        for table in (tables.record_stamp, tables.quarantine):
            mine = (table.c.source == source_mapping.source, table.c.stream == stream)
            seen.update(connection.execute(select(table.c.record_key).where(*mine)).scalars())
    seen |= _made(connection, source_mapping, stream)
    return sorted(set(listed) - (seen - ended_records(connection, source_mapping, stream)))


# --- keys ------------------------------------------------------------------------------------------------------------


def _entities(source_mapping: SourceMapping, stream: str) -> list[str]:
    """The entities a stream's records make rows of."""
    return sorted({entry.entity.name for entry in source_mapping.entries.get(stream, ()) if not entry.entity.facts})


def _made(
    connection: Connection, source_mapping: SourceMapping, stream: str, before: int | None = None
) -> set[str]:
    """The keys of the records that make current rows."""
    return {
        key for entity in _entities(source_mapping, stream)
        for _, key in made_by(connection, source_mapping.source, stream, entity, before=before)
    }


def _told(connection: Connection, source_mapping: SourceMapping, stream: str) -> set[str]:
    """The keys of the records that told facts."""
    keys: set[str] = set()
    facts = {entry.entity.name for entry in source_mapping.entries.get(stream, ()) if entry.entity.facts}
    for table in (tables.LEDGER[entity] for entity in sorted(facts)):
        mine = (table.c.source == source_mapping.source, table.c.stream == stream)
        keys.update(connection.execute(select(table.c.record_key).where(*mine).distinct()).scalars())
    return keys


def _absorbed(connection: Connection, source_mapping: SourceMapping, stream: str) -> set[str]:
    """The ids of rows that another record of the stream says to be gone; mostly they are those of their own records."""
    found: set[str] = set()
    for table in (tables.LEDGER[entity] for entity in _entities(source_mapping, stream)):
        said = [table.c[name].is_not(None) for name in TOMBSTONES if name in table.c]
        mine = (table.c.source == source_mapping.source, table.c.stream == stream, table.c.replaced_at.is_(None))
        if said:
            query = select(table.c.id).where(*mine, table.c.item.is_not(None), or_(*said))
            found.update(connection.execute(query).scalars())
    return found


def _keys(parts: Any, stream: str) -> Iterator[str]:
    """The record keys that a stream has in the `parts` of rows."""
    for text in parts:
        part = json.loads(text).get(stream)
        if part is not None:
            yield part[1]


def _last_body(
    connection: Connection, source_mapping: SourceMapping, stream: str, kind: str
) -> tuple[int, set[str]] | None:
    """When the last pass of a kind was applied, and the keys it found; None before the first."""
    table = tables.id_pass
    row = connection.execute(
        select(table.c.applied_at, table.c.body)
        .where(
            table.c.source == source_mapping.source, table.c.stream == stream, table.c.kind == kind,
            table.c.state == "applied",
        )
        .order_by(table.c.applied_at.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.applied_at, set(json.loads(landing.body(connection, row.body))))

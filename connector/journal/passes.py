"""Finished passes, as the ledger takes them in, and what a pass has to know beforehand.

A full pass shows every record of a stream, an id pass every id. What neither shows nor answers by id is deleted, except
where the record's own tombstone (`deleted_at`, `merged_into`) has said so before: that says more than a pass can.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, or_, select

from connector.journal.entries import end_rows, made_by
from connector.ledger import Changes, Ledger
from connector.mapping import Mapping as SourceMapping
from connector.store import bulk, landing, tables
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
    elif listed is None or listed.applied_at < showed.applied_at:
        keys |= showed.keys
    else:
        keys |= showed.keys & listed.keys
    ended = ended_records(connection, source_mapping, stream)
    return keys - ended - _absorbed(connection, source_mapping, stream)


class Unread(NamedTuple):
    """Listed records that have to be read by id: those we do not have, and those that changed since we read them."""

    missing: list[str]
    newer: list[str]


def unread_records(
    connection: Connection, source_mapping: SourceMapping, stream: str, listed: Mapping[str, int | None],
    since: int | None = None,
) -> Unread:
    """Which of the listed records, with their modified stamps, have to be read by id.

    Missing are those never seen, and those taken for gone and there again. A record that makes no row is seen all the
    same: the last pass found it, or before the first one its stamp is kept, or it is in quarantine, or it told facts.
    Where records tell nothing but facts, no pass ever deletes them. With `since` a record older than it is not asked
    for, and once it changes it is missing, though passes have found it before.
    """
    last = {kind: _last_body(connection, source_mapping, stream, kind) for kind in ("records", "ids")}
    latest = max((one for one in last.values() if one is not None), key=lambda one: one.applied_at, default=None)
    stamps, made = _stamps(connection, source_mapping, stream), _made(connection, source_mapping, stream)
    seen = set(made) if latest is None else made | latest.keys
    if latest is None or not _entities(source_mapping, stream):
        seen |= _told(connection, source_mapping, stream)
    if latest is None:
        seen |= stamps.keys()
    seen -= ended_records(connection, source_mapping, stream)
    seen -= _gone(connection, source_mapping, stream, last["ids"]) - made
    taken = seen if since is None else taken_records(connection, source_mapping, stream)
    missing, newer = list[str](), list[str]()
    for key, modified in sorted(listed.items()):
        if since is not None and modified is not None and key not in taken:
            if modified >= since:
                missing.append(key)
        elif key not in seen:
            missing.append(key)
        elif modified is not None and modified > (stamps.get(key) or modified):
            newer.append(key)
    return Unread(missing, newer)


def taken_records(connection: Connection, source_mapping: SourceMapping, stream: str) -> set[str]:
    """The keys of the records that were taken in or set aside, whether they make rows or not."""
    taken = _made(connection, source_mapping, stream) | _told(connection, source_mapping, stream)
    return taken | _stamps(connection, source_mapping, stream).keys()


def deleted_records(
    connection: Connection, source_mapping: SourceMapping, stream: str, after: int
) -> set[str]:
    """The keys of the records that passes have deleted after that stamp, and that make no row."""
    found = set[str]()
    for table in (tables.LEDGER[entity] for entity in _entities(source_mapping, stream)):
        query = select(table.c.parts).where(
            table.c.source == source_mapping.source, table.c.replaced_at.is_(None), table.c.gone == "deleted",
            table.c.recorded_at > after,
        )
        found.update(_keys(connection.execute(query).scalars(), stream))
    return found - _made(connection, source_mapping, stream)


def later_records(
    connection: Connection, source_mapping: SourceMapping, stream: str, after: int
) -> dict[str, int]:
    """The keys of records of which a version was read, or was ended without being read, after that stamp: and when."""
    found: dict[str, int] = {}
    for table in (tables.LEDGER[entity] for entity in _entities(source_mapping, stream)):
        known_at = func.coalesce(table.c.page, table.c.recorded_at)
        mine = (table.c.source == source_mapping.source, table.c.stream == stream, known_at > after)
        query = select(table.c.record_key, func.max(known_at)).where(*mine).group_by(table.c.record_key)
        for key, at in connection.execute(query):
            found[key] = max(at, found.get(key, 0))
    return found


def stamped_records(
    connection: Connection, source_mapping: SourceMapping, stream: str, keys: Collection[str]
) -> set[str]:
    """Those of the keys whose records were taken in with a modified stamp."""
    same = {"source": source_mapping.source, "stream": stream}
    rows = bulk.select(connection, tables.record_stamp, ["record_key"], same, "record_key", keys, "TRUE")
    return {row[0] for row in rows}


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


def _stamps(connection: Connection, source_mapping: SourceMapping, stream: str) -> dict[str, int | None]:
    """The newest modified stamp of each record that was taken in or set aside; None where it has none."""
    found: dict[str, int | None] = {}
    for table in (tables.record_stamp, tables.quarantine):
        mine = (table.c.source == source_mapping.source, table.c.stream == stream)
        for key, modified in connection.execute(select(table.c.record_key, table.c.modified).where(*mine)):
            if modified is not None and modified > (found.get(key) or 0):
                found[key] = modified
            else:
                found.setdefault(key, None)
    return found


def _gone(
    connection: Connection, source_mapping: SourceMapping, stream: str, listed: Applied | None
) -> set[str]:
    """The keys of records that make rows no more, save those that were listed and read all the same since then."""
    found = set[str]()
    for table in (tables.LEDGER[entity] for entity in _entities(source_mapping, stream)):
        query = select(table.c.parts, table.c.recorded_at).where(
            table.c.source == source_mapping.source, table.c.replaced_at.is_(None), table.c.gone.is_not(None),
        )
        for parts, recorded_at in connection.execute(query):
            for key in _keys([parts], stream):
                if listed is None or key not in listed.keys or recorded_at >= listed.started_at:
                    found.add(key)
    return found


class Applied(NamedTuple):
    """A pass that was applied, and the keys it found."""

    applied_at: int
    started_at: int
    keys: set[str]


def _last_body(connection: Connection, source_mapping: SourceMapping, stream: str, kind: str) -> Applied | None:
    """The last pass of a kind that was applied; None before the first."""
    table = tables.id_pass
    row = connection.execute(
        select(table.c.applied_at, table.c.started_at, table.c.body)
        .where(
            table.c.source == source_mapping.source, table.c.stream == stream, table.c.kind == kind,
            table.c.state == "applied",
        )
        .order_by(table.c.applied_at.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Applied(row.applied_at, row.started_at, set(json.loads(landing.body(connection, row.body))))

"""Records that cannot be used, with the reason. The record itself stays in landing; here is only where it stands.

States: open; accepted (no finding until the record changes); dropped (a person said it is not needed; the same until
the record changes); mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, and_, delete, func, select, update

from connector.model import Mapped
from connector.store.store import Writing
from connector.store.tables import quarantine

if TYPE_CHECKING:
    from connector.journal import PageEntry

KEY = ("source", "stream", "record_key")


def record(writing: Writing, source: str, entry: PageEntry, rejected: Mapping[int, str]) -> None:
    """Take in what one page shows of the quarantine: new faults, and records that can be used again."""
    faulty = {mapped.key: mapped for mapped in entry.mapped if mapped.fault is not None or mapped.index in rejected}
    table = quarantine
    mine = and_(table.c.source == source, table.c.stream == entry.stream)
    if not faulty and writing.execute(select(func.count()).select_from(table).where(mine)).scalar_one() == 0:
        return
    keys = {mapped.key for mapped in entry.mapped}
    known = {
        row.record_key: row
        for row in writing.execute(select(table).where(mine))
        if row.record_key in keys
    }
    for key, row in known.items():
        if key not in faulty and row.state != "mended":
            _set(writing, row, {"state": "mended", "seen_at": entry.seen_at})
    for key, mapped in faulty.items():
        _put(writing, source, entry, mapped, mapped.fault or rejected[mapped.index], known.get(key))


def _put(
    writing: Writing, source: str, entry: PageEntry, mapped: Mapped, reason: str, known: Row[Any] | None
) -> None:
    values = {
        "page": entry.page,
        "record_index": mapped.index,
        "pipeline": mapped.pipeline,
        "reason": reason,
        "content": mapped.digest,
        "seen_at": entry.seen_at,
        "modified": mapped.modified,
    }
    if known is None:
        key = {"source": source, "stream": entry.stream, "record_key": mapped.key}
        writing.execute(
            quarantine.insert(), {**key, **values, "state": "open", "first_seen_at": entry.seen_at}
        )
        return
    if known.modified is not None and mapped.modified is not None and mapped.modified < known.modified:
        return
    settled = known.state in ("accepted", "dropped") and known.content == mapped.digest
    _set(writing, known, {**values, "state": known.state if settled else "open"})


def _set(writing: Writing, row: Row[Any], values: dict[str, Any]) -> None:
    table = quarantine
    writing.execute(
        update(table)
        .where(table.c.source == row.source, table.c.stream == row.stream, table.c.record_key == row.record_key)
        .values(**values)
    )


def find(connection: Connection, subject: Mapping[str, Any]) -> Row[Any] | None:
    """The item of that source, stream and record key."""
    table = quarantine
    return connection.execute(select(table).where(*[table.c[name] == subject[name] for name in KEY])).one_or_none()


def settle(writing: Writing, subject: Mapping[str, Any], decision: str) -> None:
    """A person's decision: `accept` or `drop`."""
    row = find(writing.connection, subject)
    if row is not None:
        _set(writing, row, {"state": {"accept": "accepted", "drop": "dropped"}[decision]})


def open_items(connection: Connection, source: str | None = None, stream: str | None = None) -> list[Row[Any]]:
    """What is open, oldest first."""
    table = quarantine
    query = select(table).where(table.c.state == "open").order_by(table.c.first_seen_at, table.c.record_key)
    if source is not None:
        query = query.where(table.c.source == source)
    if stream is not None:
        query = query.where(table.c.stream == stream)
    return list(connection.execute(query).all())


def clear(writing: Writing) -> None:
    """Empty it, before replay fills it again."""
    writing.execute(delete(quarantine))

"""Records that cannot be used, with the reason. The record itself stays in landing; here is only where it stands.

States: open; accepted (no finding until the record changes); dropped (a person said it is not needed; the same until
the record changes); mended. Each time a record is set aside anew is a row of its own, from `first_seen_at` until
`seen_at` (still open: without end), so that what was set aside at a past instant stays known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from connector.ledger import Changes, is_older
from connector.model import Mapped, canonical_json
from connector.store.store import Writing
from connector.store.tables import quarantine

if TYPE_CHECKING:
    from connector.journal import PageEntry

KEY = ("source", "stream", "record_key")


def record(writing: Writing, source: str, taken: Sequence[tuple[PageEntry, Changes]]) -> None:
    """Take in what pages of one stream show of the quarantine: new faults, and records that can be used again.

    Sets `quarantined` of each page's changes: how many of its records are set aside and wait for a person.
    """
    table, stream = quarantine, taken[0][0].stream
    mine = and_(table.c.source == source, table.c.stream == stream)
    reasons = [_reasons(entry, changes) for entry, changes in taken]
    if not any(reasons) and writing.execute(select(func.count()).select_from(table).where(mine)).scalar_one() == 0:
        return
    for (entry, changes), why in zip(taken, reasons, strict=True):
        changes.quarantined = _record(writing, source, entry, changes, why)


def _reasons(entry: PageEntry, changes: Changes) -> dict[int, str]:
    return {mapped.index: mapped.fault for mapped in entry.mapped if mapped.fault is not None} | changes.rejected


def _record(writing: Writing, source: str, entry: PageEntry, changes: Changes, reasons: Mapping[int, str]) -> int:
    """One page; says how many of its records wait for a person."""
    table = quarantine
    mine = and_(table.c.source == source, table.c.stream == entry.stream)
    keys = {mapped.key for mapped in entry.mapped}
    query = select(table).where(mine, table.c.record_key.in_(keys)).order_by(table.c.first_seen_at)
    known = {row["record_key"]: dict(row) for row in writing.execute(query).mappings()}
    shown: set[str] = set()
    for mapped in entry.mapped:
        held = known.get(mapped.key)
        if mapped.index in changes.old or (held and is_older(mapped.modified, held["modified"])):
            continue
        if mapped.index in reasons:
            known[mapped.key] = _put(writing, source, entry, mapped, reasons[mapped.index], held)
            shown.add(mapped.key)
        elif held and held["state"] != "mended":
            known[mapped.key] = _set(writing, held, {"state": "mended", "seen_at": entry.seen_at})
    return sum(known[key]["state"] == "open" for key in shown)


def _put(
    writing: Writing, source: str, entry: PageEntry, mapped: Mapped, reason: str, held: dict[str, Any] | None
) -> dict[str, Any]:
    content = mapped.digest or _digest(mapped)
    values = {
        "page": entry.page,
        "record_index": mapped.index,
        "pipeline": mapped.pipeline,
        "reason": reason,
        "content": content,
        "seen_at": entry.seen_at,
        "modified": mapped.modified,
    }
    unchanged = held is not None and held["content"] == content
    if held is not None and unchanged and held["state"] in ("accepted", "dropped"):
        return held
    if held is None or (held["state"] != "open" and held["first_seen_at"] != entry.seen_at):
        key = {"source": source, "stream": entry.stream, "record_key": mapped.key}
        made = {**key, **values, "state": "open", "first_seen_at": entry.seen_at}
        writing.execute(quarantine.insert(), made)
        return made
    if unchanged and held["state"] == "open" and (held["reason"], held["modified"]) == (reason, mapped.modified):
        return held
    return _set(writing, held, {**values, "state": "open"})


def _digest(mapped: Mapped) -> str:
    """A hash of what a record says, for one that was mapped and could not be applied."""
    said = [[entry.entity, entry.id, entry.fields, entry.extra] for entry in mapped.entries]
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def _set(writing: Writing, held: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    table = quarantine
    same = [table.c[name] == held[name] for name in (*KEY, "first_seen_at")]
    writing.execute(update(table).where(*same).values(**values))
    return {**held, **values}


def find(connection: Connection, subject: Mapping[str, Any]) -> Row[Any] | None:
    """The item of that source, stream and record key; the latest, if it was set aside several times."""
    table = quarantine
    mine = [table.c[name] == subject[name] for name in KEY]
    return connection.execute(select(table).where(*mine).order_by(table.c.first_seen_at.desc()).limit(1)).one_or_none()


def settle(writing: Writing, subject: Mapping[str, Any], decision: str, at: int) -> None:
    """A person's decision, `accept` or `drop`, from `at` on."""
    row = find(writing.connection, subject)
    if row is not None:
        ended = {"seen_at": at} if row.state == "open" else {}
        _set(writing, dict(row._mapping), {"state": {"accept": "accepted", "drop": "dropped"}[decision], **ended})


def open_items(connection: Connection, source: str | None = None, stream: str | None = None) -> list[Row[Any]]:
    """What is open, oldest first."""
    table = quarantine
    query = select(table).where(table.c.state == "open").order_by(table.c.first_seen_at, table.c.record_key)
    if source is not None:
        query = query.where(table.c.source == source)
    if stream is not None:
        query = query.where(table.c.stream == stream)
    return list(connection.execute(query).all())


def mended(connection: Connection, source: str, since: int) -> int:
    """How many records of a source could be used again after that instant of knowledge."""
    table = quarantine
    found = select(func.count()).where(table.c.source == source, table.c.state == "mended", table.c.seen_at > since)
    return int(connection.execute(found).scalar_one())


def withheld(connection: Connection, as_of: int) -> list[tuple[str, str]]:
    """The (source, pipeline id) of pipelines that had a record in a stage nobody mapped, as known at `as_of`."""
    table = quarantine
    query = select(table.c.source, table.c.pipeline).where(
        table.c.pipeline.is_not(None),
        table.c.first_seen_at <= as_of,
        or_(table.c.state == "open", table.c.seen_at > as_of),
    )
    return [(row.source, row.pipeline) for row in connection.execute(query.distinct())]


def clear(writing: Writing) -> None:
    """Empty it, before replay fills it again."""
    writing.execute(delete(quarantine))

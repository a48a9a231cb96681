"""The inbox of webhooks: what a vendor called about, kept once, until its record was read again by id.

A call changes nothing by itself: it only says which record to look at. So an event that is forged, late, repeated or
out of order does no harm, one that is lost is healed by the next window, and a record that answers no more is left to
its tombstone or to the next pass, which alone may delete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select, update

from connector.errors import HookRefused
from connector.model import micros
from connector.ports import HookEvent, HookRequest, Source
from connector.store import bulk
from connector.store.store import Store, Writing
from connector.store.tables import hook_inbox

KEPT = timedelta(days=7)  # after it was read, so that an event told again is known; no vendor repeats one for longer
_CHUNK = 500  # values in one statement


@dataclass(frozen=True, slots=True)
class Waiting:
    """The records of one stream that a vendor called about, each once; `until` is the stamp of the last call."""

    keys: Sequence[str]
    until: int


def receive(store: Store, source: Source, request: HookRequest) -> int:
    """Keep what a vendor's call is about; how many events were not known before.

    Raises HookRefused where the call is not the vendor's, too old, or the source takes none: nothing is written.
    """
    try:
        events = {event.id: event for event in source.hook(request)}
    except NotImplementedError:
        raise HookRefused(f"{source.name} takes no calls", system=source.name) from None
    if not events:
        return 0
    with store.writing() as writing:
        known = {
            row[0] for row in bulk.select(
                writing.connection, hook_inbox, ["id"], {"source": source.name}, "id", events, "TRUE"
            )
        }
        news = [event for id_, event in events.items() if id_ not in known]
        bulk.insert(writing.connection, hook_inbox, [_row(writing, source.name, event) for event in news])
        old = micros(store.clock.now() - KEPT)
        writing.execute(delete(hook_inbox).where(hook_inbox.c.read_at < old))
    return len(news)


def _row(writing: Writing, source: str, event: HookEvent) -> tuple[str | int | None, ...]:
    """An event in the order of the table's columns."""
    occurred_at = None if event.occurred_at is None else micros(event.occurred_at)
    return source, event.id, event.stream, event.key, occurred_at, writing.stamp(), None


def counts(store: Store) -> dict[str, int]:
    """How many events wait, by source; none that has none."""
    table = hook_inbox
    query = select(table.c.source, func.count().label("waiting")).where(table.c.read_at.is_(None))
    return {row.source: row.waiting for row in store.rows(query.group_by(table.c.source))}


def waiting(store: Store, source: str) -> dict[str, list[str]]:
    """The records that wait to be read again, by stream: each once, who waits longest first."""
    table = hook_inbox
    query = select(table.c.stream, table.c.record_key, func.min(table.c.received_at).label("since"))
    query = query.where(table.c.source == source, table.c.read_at.is_(None))
    found: dict[str, list[str]] = {}
    for row in store.rows(query.group_by(table.c.stream, table.c.record_key).order_by("since")):
        found.setdefault(row.stream, []).append(row.record_key)
    return found


def of_stream(store: Store, source: str, stream: str) -> Waiting | None:
    """What waits of one stream, None where nothing does. What is told from now on is not in it."""
    table = hook_inbox
    query = select(table.c.record_key, func.min(table.c.received_at), func.max(table.c.received_at).label("until"))
    query = query.where(table.c.source == source, table.c.stream == stream, table.c.read_at.is_(None))
    rows = store.rows(query.group_by(table.c.record_key).order_by(func.min(table.c.received_at)))
    return Waiting([row.record_key for row in rows], max(row.until for row in rows)) if rows else None


def mark_read(writing: Writing, source: str, stream: str, keys: Iterable[str], until: int) -> None:
    """These records were read again after all that had been told of them up to then."""
    table = hook_inbox
    wanted, read_at = sorted(set(keys)), writing.stamp()
    for start in range(0, len(wanted), _CHUNK):
        writing.execute(
            update(table)
            .where(
                table.c.source == source, table.c.stream == stream, table.c.read_at.is_(None),
                table.c.received_at <= until, table.c.record_key.in_(wanted[start : start + _CHUNK]),
            )
            .values(read_at=read_at)
        )


def leave_out(store: Store, source: str, streams: Collection[str]) -> None:
    """Nobody reads the events of other streams than these: they are none the mapping names, or none read by id."""
    table = hook_inbox
    others = (table.c.source == source, table.c.read_at.is_(None), table.c.stream.not_in(sorted(streams)))
    if store.rows(select(table.c.id).where(*others).limit(1)):
        with store.writing() as writing:
            writing.execute(update(table).where(*others).values(read_at=writing.stamp()))

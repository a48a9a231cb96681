"""Records set aside: list, show, retry, accept, drop. Each decision is an entry of the journal."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, select

from connector import journal
from connector.errors import ConfigError, Fault
from connector.journal import Reads
from connector.mapping import Mapping
from connector.model import canonical_json, iso
from connector.store import landing, tables
from connector.store import quarantine as table
from connector.store.store import Store, Writing


def list_items(
    store: Store, source: str | None = None, state: str | None = "open", causes: Collection[str] = ()
) -> list[dict[str, Any]]:
    """What is set aside, oldest first; `state` None for all. `causes`: only what is set aside for one of these."""
    columns = tables.quarantine
    query = select(columns).order_by(columns.c.first_seen_at, columns.c.record_key)
    if source is not None:
        query = query.where(columns.c.source == source)
    if state is not None:
        query = query.where(columns.c.state == state)
    items = [_as_json(row) for row in store.rows(query)]
    return [item for item in items if not causes or item["cause"] in causes]


def cause_of(source: str, stream: str, reason: str) -> str:
    """The id of what records are set aside for together: the same reason in the same stream, whenever it comes.

    A reason holds no value of its record but the ids of its stage and pipeline: it is the same for all it is true of.
    """
    return hashlib.sha256(canonical_json([source, stream, reason]).encode()).hexdigest()[:8]


def show(store: Store, source: Reads, item: str) -> dict[str, Any]:
    """One item with the record as it was landed. Raises ConfigError for an unknown item."""
    with store.reading() as connection:
        row = table.find(connection, _subject(item))
        if row is None:
            raise _unknown(item)
        exchanges = landing.exchanges(connection, row.page)
    records = list(source.records(row.stream, exchanges))
    return {**_as_json(row), "record": records[row.record_index].data}


def retry(store: Store, source: Reads, mapping: Mapping, items: list[str] | None = None) -> dict[str, int]:
    """Map set-aside records again, all open ones of the mapping's source or those named; says how many are mended."""
    if items is None:
        items = [item["item"] for item in list_items(store, mapping.source)]
    mended = 0
    for item in items:
        with store.writing() as writing:
            subject = _existing(writing, item)
            stamp = journal.decide(writing, "quarantine_retry", subject, actor=who())
            mended += journal.retry(writing, source, mapping, subject, stamp)
    return {"tried": len(items), "mended": mended}


def accept(store: Store, item: str, *, reason: str | None = None) -> dict[str, Any]:
    """Leave the record aside without a finding, until it changes."""
    return _decide(store, item, "accept", reason)


def drop(store: Store, item: str, *, reason: str | None = None) -> dict[str, Any]:
    """Forget the record, until it changes."""
    return _decide(store, item, "drop", reason)


def who() -> str:
    """The person at the keyboard, for the audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _decide(store: Store, item: str, decision: str, reason: str | None) -> dict[str, Any]:
    with store.writing() as writing:
        subject = _existing(writing, item)
        stamp = journal.decide(writing, f"quarantine_{decision}", subject, actor=who(), reason=reason)
        table.settle(writing, subject, decision, stamp)
        row = table.find(writing.connection, subject)
        return _as_json(row) if row is not None else {}


def _existing(writing: Writing, item: str) -> dict[str, str]:
    subject = _subject(item)
    if table.find(writing.connection, subject) is None:
        raise _unknown(item)
    return subject


def _subject(item: str) -> dict[str, str]:
    """An item is named source/stream/record key."""
    parts = item.split("/", 2)
    if len(parts) != 3:
        raise _unknown(item)
    return dict(zip(table.KEY, parts, strict=True))


def _unknown(item: str) -> ConfigError:
    return ConfigError(
        [Fault("command line", 0, "item", f"no item {item!r}; expected SOURCE/STREAM/KEY as `quarantine list` has it")]
    )


def _as_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "item": f"{row.source}/{row.stream}/{row.record_key}",
        "source": row.source,
        "stream": row.stream,
        "key": row.record_key,
        "reason": row.reason,
        "pipeline": row.pipeline,
        "state": row.state,
        "page": row.page,
        "record_index": row.record_index,
        "first_seen_at": iso(row.first_seen_at),
        "seen_at": iso(row.seen_at),
        "cause": cause_of(row.source, row.stream, row.reason),
    }

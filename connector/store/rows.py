"""Ledger rows in and out of the database: what is current for a page's records, and what a page changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select, text, update

from connector.ledger import Before, Changes, Fact, Row
from connector.model import STAGE
from connector.store.store import Writing
from connector.store.tables import LEDGER, deal_change, record_stamp, stage_transition

_CHUNK = 500
_FACT_COLUMNS = (
    "origin", "occurred_after", "read_at", "actor", "flagged", "seen_at", "recorded_at", "page", "stream",
    "record_key", "record_index", "item", "mapping",
)


def load(
    connection: Connection,
    source: str,
    *,
    rows: Iterable[tuple[str, str]],
    deals: Collection[str],
    items: tuple[str, Collection[str], Collection[str]] = ("", (), ()),
    shared: Collection[str] = (),
) -> Before:
    """What is current for these rows, and the past of these deals.

    `items` = (stream, record keys, entities that lists make): those records' stamps, and the rows that their list items
    have made. `shared`: deals (as `source:id`) whose shares are wanted.
    """
    before = Before()
    wanted: dict[str, set[str]] = {}
    for entity, row_id in rows:
        wanted.setdefault(entity, set()).add(row_id)
    stream, keys, entities = items
    before.stamps = _stamps(connection, source, stream, keys)
    for entity in entities:
        for row_id, key in _items(connection, LEDGER[entity], source, stream, keys):
            before.items.setdefault((entity, key), set()).add(row_id)
            wanted.setdefault(entity, set()).add(row_id)
    for entity, ids in wanted.items():
        for row in current(connection, entity, source, ids):
            before.rows[entity, row["id"]] = row
    for row in _shares(connection, shared):
        before.shares.setdefault(row["deal"], {})[row["source"], row["id"]] = row
    for table in (stage_transition, deal_change):
        for fact in _facts(connection, table, source, deals):
            before.facts.setdefault(fact.deal, {}).setdefault(fact.timeline, []).append(fact)
    return before


def current(connection: Connection, entity: str, source: str, ids: Iterable[str]) -> Iterator[Row]:
    """The current versions of these rows."""
    table = LEDGER[entity]
    for chunk in _chunks(ids):
        query = select(table).where(
            table.c.source == source, table.c.id.in_(chunk), table.c.replaced_at.is_(None)
        )
        for row in connection.execute(query).mappings():
            yield dict(row)


def _shares(connection: Connection, deals: Collection[str]) -> Iterator[Row]:
    table = LEDGER["deal_owner"]
    for chunk in _chunks(deals):
        query = select(table).where(table.c.deal.in_(chunk), table.c.replaced_at.is_(None))
        for row in connection.execute(query).mappings():
            yield dict(row)


def _stamps(connection: Connection, source: str, stream: str, keys: Collection[str]) -> dict[str, int]:
    table, found = record_stamp, {}
    for chunk in _chunks(keys):
        query = select(table.c.record_key, table.c.modified).where(
            table.c.source == source, table.c.stream == stream, table.c.record_key.in_(chunk)
        )
        found.update({row.record_key: row.modified for row in connection.execute(query)})
    return found


def _items(
    connection: Connection, table: Table, source: str, stream: str, keys: Collection[str]
) -> Iterator[tuple[str, str]]:
    for chunk in _chunks(keys):
        query = select(table.c.id, table.c.record_key).where(
            table.c.source == source,
            table.c.stream == stream,
            table.c.record_key.in_(chunk),
            table.c.item.is_not(None),
            table.c.replaced_at.is_(None),
        )
        for row in connection.execute(query):
            yield row.id, row.record_key


def _facts(connection: Connection, table: Table, source: str, deals: Collection[str]) -> Iterator[Fact]:
    for chunk in _chunks(deals):
        query = select(table).where(
            table.c.source == source, table.c.deal.in_(chunk), table.c.replaced_at.is_(None)
        )
        for row in connection.execute(query).mappings():
            is_stage = table is stage_transition
            known = {column: row[column] for column in _FACT_COLUMNS}
            yield Fact(
                deal=row["deal"],
                timeline=STAGE if is_stage else row["field"],
                value=(row["to_pipeline"], row["to_stage"]) if is_stage else (row["new"],),
                occurred_at=row["occurred_at"],
                sequence=row["sequence"],
                **{**known, "flagged": bool(row["flagged"])},
            )


def write(writing: Writing, source: str, seen_at: int, changes: Changes, *, stream: str = "") -> None:
    """Write what one journal entry changed; `stream` is the one whose records it holds."""
    for entity, row_id, at in changes.erased:
        table = LEDGER[entity]
        writing.execute(
            delete(table).where(table.c.source == source, table.c.id == row_id, table.c.seen_at == at)
        )
    by_entity: dict[str, list[Row]] = {}
    for (entity, _, _), row in changes.rows.items():
        by_entity.setdefault(entity, []).append(row)
    for entity, made in by_entity.items():
        columns = LEDGER[entity].c.keys()
        writing.execute(LEDGER[entity].insert(), [{column: row.get(column) for column in columns} for row in made])
    ended: dict[str, list[dict[str, Any]]] = {}
    for entity, row_id, was_seen_at, replaced_at in changes.ended:
        ended.setdefault(entity, []).append(
            {"_source": source, "_id": row_id, "_seen_at": was_seen_at, "_set": replaced_at}
        )
    for entity, keys in ended.items():
        writing.execute(_update(LEDGER[entity], "replaced_at"), keys)
    touched: dict[str, list[dict[str, Any]]] = {}
    for (entity, row_id), row in changes.touched.items():
        if (entity, row_id, row["seen_at"]) not in changes.rows:
            touched.setdefault(entity, []).append(
                {"_source": source, "_id": row_id, "_seen_at": row["seen_at"], "_set": row["parts"]}
            )
    for entity, keys in touched.items():
        writing.execute(_update(LEDGER[entity], "parts"), keys)
    _write_facts(writing, source, seen_at, changes)
    if changes.stamps:
        _write_stamps(writing, source, stream, changes.stamps)


def _update(table: Table, column: str) -> Any:
    return (
        update(table)
        .where(
            table.c.source == bindparam("_source"),
            table.c.id == bindparam("_id"),
            table.c.seen_at == bindparam("_seen_at"),
        )
        .values({column: bindparam("_set")})
    )


_PUT_STAMP = text(
    "INSERT INTO record_stamp (source, stream, record_key, modified) VALUES (:source, :stream, :key, :modified) "
    "ON CONFLICT (source, stream, record_key) DO UPDATE SET modified = excluded.modified"
)


def _write_stamps(writing: Writing, source: str, stream: str, stamps: dict[str, int]) -> None:
    writing.execute(
        _PUT_STAMP,
        [{"source": source, "stream": stream, "key": key, "modified": stamp} for key, stamp in stamps.items()],
    )


def _write_facts(writing: Writing, source: str, seen_at: int, changes: Changes) -> None:
    for fact in changes.ended_facts:
        table = _table(fact)
        key = {**_fact_key(source, fact), "origin": fact.origin, "seen_at": fact.seen_at}
        here = [table.c[column] == value for column, value in key.items()]
        if fact.seen_at < seen_at:
            writing.execute(update(table).where(*here).values(replaced_at=seen_at))
        else:  # made by the same journal entry, so nobody ever knew it
            writing.execute(delete(table).where(*here))
    made: dict[str, list[dict[str, Any]]] = {}
    for fact in changes.facts.values():
        made.setdefault(_table(fact).name, []).append(
            {**_fact_key(source, fact), **{column: getattr(fact, column) for column in _FACT_COLUMNS},
             "flagged": int(fact.flagged), "replaced_at": None}
        )
    for name, rows in made.items():
        writing.execute(LEDGER[name].insert(), rows)


def _table(fact: Fact) -> Table:
    return stage_transition if fact.timeline == STAGE else deal_change


def _fact_key(source: str, fact: Fact) -> dict[str, Any]:
    key: dict[str, Any] = {
        "source": source, "deal": fact.deal, "occurred_at": fact.occurred_at, "sequence": fact.sequence,
    }
    if fact.timeline == STAGE:
        return {**key, "to_pipeline": fact.value[0], "to_stage": fact.value[1]}
    return {**key, "field": fact.timeline, "new": fact.value[0]}


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """Lists short enough for one IN; sorted, so that the same page always asks the same."""
    ordered = sorted(values)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]

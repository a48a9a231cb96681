"""Ledger rows in and out of the database: what is current for a page's records, and what pages changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, update

from connector.ledger import Before, Changes, Fact, Row
from connector.model import STAGE
from connector.store import bulk
from connector.store.store import Writing
from connector.store.tables import LEDGER, deal_change, record_stamp, stage_transition

_KNOWN = (  # what both kinds of fact have, in the order of `Fact`
    "deal", "occurred_at", "sequence", "origin", "occurred_after", "read_at", "actor", "flagged", "seen_at",
    "recorded_at", "page", "stream", "record_key", "record_index", "item", "mapping",
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
            before.items.setdefault(key, set()).add((entity, row_id))
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


def current(connection: Connection, entity: str, source: str, ids: Collection[str]) -> Iterator[Row]:
    """The current versions of these rows."""
    return _rows(connection, LEDGER[entity], {"source": source}, "id", ids)


def _shares(connection: Connection, deals: Collection[str]) -> Iterator[Row]:
    """The current shares of these deals, from whatever source."""
    return _rows(connection, LEDGER["deal_owner"], {}, "deal", deals)


def _rows(
    connection: Connection, table: Table, same: Mapping[str, Any], key: str, values: Collection[str]
) -> Iterator[Row]:
    columns = table.c.keys()
    for row in bulk.select(connection, table, columns, same, key, values):
        yield dict(zip(columns, row, strict=True))


def _stamps(connection: Connection, source: str, stream: str, keys: Collection[str]) -> dict[str, int]:
    columns, same = ("record_key", "modified"), {"source": source, "stream": stream}
    return dict(map(tuple, bulk.select(connection, record_stamp, columns, same, "record_key", keys, "TRUE")))


def _items(
    connection: Connection, table: Table, source: str, stream: str, keys: Collection[str]
) -> Iterator[Sequence[str]]:
    columns, same = ("id", "record_key"), {"source": source, "stream": stream}
    where = "item IS NOT NULL AND replaced_at IS NULL"
    return bulk.select(connection, table, columns, same, "record_key", keys, where)


def _facts(connection: Connection, table: Table, source: str, deals: Collection[str]) -> Iterator[Fact]:
    is_stage = table is stage_transition
    value = ("to_pipeline", "to_stage") if is_stage else ("new",)
    timeline = () if is_stage else ("field",)
    for row in bulk.select(connection, table, (*_KNOWN, *value, *timeline), {"source": source}, "deal", deals):
        deal, occurred_at, sequence, origin, after, read_at, actor, flagged, *known = row[: len(_KNOWN)]
        told = (row[-2], row[-1]) if is_stage else (row[-2],)
        of = STAGE if is_stage else row[-1]
        yield Fact(deal, of, told, occurred_at, sequence, origin, after, read_at, actor, bool(flagged), *known)


# --- writing ---------------------------------------------------------------------------------------------------------


def write(writing: Writing, source: str, batch: Sequence[tuple[int, Changes]], *, stream: str = "") -> None:
    """Write what some entries of the journal changed: (the stamp of each, its changes) in their order.

    `stream` is the one whose records they hold.
    """
    _write_rows(writing, source, [changes for _, changes in batch])
    _write_facts(writing, source, batch)
    stamps = {key: stamp for _, changes in batch for key, stamp in changes.stamps.items()}
    bulk.put(writing.connection, record_stamp, [(source, stream, key, stamp) for key, stamp in stamps.items()])


def _write_rows(writing: Writing, source: str, batch: Sequence[Changes]) -> None:
    """New versions, and what became of older ones; a version of this batch is inserted as it is at the end of it."""
    made: dict[tuple[str, str, int], Row] = {}
    erased: list[tuple[str, str, int]] = []
    for changes in batch:
        erased += [key for key in changes.erased if made.pop(key, None) is None]
        made.update(changes.rows)
    for entity, row_id, seen_at in erased:
        table = LEDGER[entity]
        writing.execute(delete(table).where(table.c.source == source, table.c.id == row_id, table.c.seen_at == seen_at))
    by_entity: dict[str, list[Row]] = {}
    for (entity, _, _), row in made.items():
        by_entity.setdefault(entity, []).append(row)
    for entity, rows in by_entity.items():
        columns = LEDGER[entity].c.keys()
        bulk.insert(writing.connection, LEDGER[entity], [tuple(map(row.get, columns)) for row in rows])
    ended = [key for changes in batch for key in changes.ended if key[:3] not in made]
    _set(writing, source, "replaced_at", ended)
    touched = {
        (entity, row_id, row["seen_at"]): row["parts"]
        for changes in batch for (entity, row_id), row in changes.touched.items()
    }
    _set(writing, source, "parts", [(*key, parts) for key, parts in touched.items() if key not in made])


_VERSION = ("source", "id", "seen_at")


def _set(writing: Writing, source: str, column: str, given: Sequence[tuple[str, str, int, Any]]) -> None:
    """Set one column of some versions: (entity, id, seen_at, the new value)."""
    by_entity: dict[str, list[tuple[Any, ...]]] = {}
    for entity, row_id, seen_at, value in given:
        by_entity.setdefault(entity, []).append((value, source, row_id, seen_at))
    for entity, rows in by_entity.items():
        bulk.update(writing.connection, LEDGER[entity], column, _VERSION, rows)


def _write_facts(writing: Writing, source: str, batch: Sequence[tuple[int, Changes]]) -> None:
    """New facts, and the ends of older ones."""
    made: dict[int, tuple[Fact, int | None]] = {}  # by identity: (the fact, when it ended again)
    for seen_at, changes in batch:
        for fact in changes.ended_facts:
            if id(fact) in made:
                made[id(fact)] = (fact, seen_at)
            else:
                _end(writing, source, fact, seen_at)
        for fact in changes.facts.values():
            made[id(fact)] = (fact, None)
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for fact, ended_at in made.values():
        rows.setdefault(_table(fact).name, []).append(_fact_row(source, fact, ended_at))
    for name, listed in rows.items():
        bulk.insert(writing.connection, LEDGER[name], listed)


def _end(writing: Writing, source: str, fact: Fact, seen_at: int) -> None:
    """A fact that was known before is no longer current."""
    table = _table(fact)
    key = {
        "source": source, "deal": fact.deal, "occurred_at": fact.occurred_at, "sequence": fact.sequence,
        "origin": fact.origin, "seen_at": fact.seen_at, **_fact_value(fact),
    }
    here = [table.c[column] == value for column, value in key.items()]
    if fact.seen_at < seen_at:
        writing.execute(update(table).where(*here).values(replaced_at=seen_at))
    else:  # made by the same journal entry, so nobody ever knew it
        writing.execute(delete(table).where(*here))


def _table(fact: Fact) -> Table:
    return stage_transition if fact.timeline == STAGE else deal_change


def _fact_value(fact: Fact) -> dict[str, str]:
    if fact.timeline == STAGE:
        return {"to_pipeline": fact.value[0], "to_stage": fact.value[1]}
    return {"field": fact.timeline, "new": fact.value[0]}


def _fact_row(source: str, fact: Fact, ended_at: int | None) -> tuple[Any, ...]:
    """A fact in the order of its table's columns."""
    known = (
        fact.origin, fact.seen_at, fact.occurred_after, fact.read_at, fact.actor, int(fact.flagged), ended_at,
        fact.recorded_at, fact.page, fact.stream, fact.record_key, fact.record_index, fact.item, fact.mapping,
    )
    if fact.timeline == STAGE:
        return (source, fact.deal, fact.occurred_at, fact.sequence, *fact.value, *known)
    return (source, fact.deal, fact.timeline, fact.occurred_at, fact.sequence, *fact.value, *known)

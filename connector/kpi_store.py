"""The history of computed KPI values: a row is written only on change, so any older answer is still there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Column, Row, Table, and_, bindparam, insert, select, update

from connector.model import KpiValue, Subject, iso, stored_json
from connector.store import tables
from connector.store.store import Lease, Store, Writing

BATCH = 2_000  # rows of one writing transaction: short enough that a stream waiting for the lock does not notice

Key = tuple[str, str, str, str, str]
"""kpi, subject kind, subject key, dimensions as canonical JSON, period: what names a value (`KpiValue.key`)."""


class Changes(NamedTuple):
    """What a computation did to the stored values."""

    new: int
    changed: int
    unchanged: int
    gone: int  # no longer a value at all: its person, stage or period is not there any more

    @property
    def any(self) -> bool:
        return bool(self.new or self.changed or self.gone)


def save(store: Store, values: Iterable[KpiValue], *, lease: Lease | None = None) -> Changes:
    """Make the stored current values these (of every KPI and period), and count what changed.

    A stored value that is not among them is ended. The moment of the question (`as_of`) alone is no change.
    """
    table = tables.kpi_value
    query = select(*_named(table), table.c.as_of, table.c.object).where(table.c.replaced_at.is_(None))
    before = {_key(row): row for row in store.rows(query)}
    same, new, changed = 0, [], []
    for value in values:
        key = value.key
        known = before.pop(key, None)
        if known is None:
            new.append((key, value))
        elif _is_same(known, value):
            same += 1
        else:
            changed.append((key, value))
    written = iter([*((key, None) for key in before), *changed, *new])
    while batch := list(islice(written, BATCH)):
        with store.writing() as writing:
            if lease:
                store.hold(writing, lease)
            _write(writing, batch)
    return Changes(len(new), len(changed), same, len(before))


def current(store: Store, kpis: Collection[str] | None = None) -> list[KpiValue]:
    """The stored current values, of these KPIs or of all, in the order of their keys."""
    table = tables.kpi_value
    query = select(table.c.kpi, table.c.as_of, table.c.object).where(table.c.replaced_at.is_(None))
    found = [
        from_json(json.loads(row.object), row.as_of) for row in store.rows(query) if kpis is None or row.kpi in kpis
    ]
    return sorted(found, key=lambda value: value.key)  # here, since databases sort text each in its own way


def besides(store: Store, keys: Collection[Key], period: str | None = None) -> list[KpiValue]:
    """The stored current values, of that period or of all, that have none of these keys."""
    table = tables.kpi_value
    query = select(*_named(table)).where(table.c.replaced_at.is_(None))
    if period is not None:
        query = query.where(table.c.period == period)
    left = {_key(row) for row in store.rows(query)}.difference(keys)
    return [value for value in current(store, {key[0] for key in left}) if value.key in left] if left else []


def _named(table: Table) -> list[Column[Any]]:
    """The columns of a Key."""
    return [table.c[name] for name in ("kpi", "subject_kind", "subject_key", "dimensions", "period")]


def _key(row: Row[Any]) -> Key:
    return row.kpi, row.subject_kind, row.subject_key, row.dimensions, row.period


def _is_same(known: Row[Any], value: KpiValue) -> bool:
    """Whether a stored row says this value, whenever it was asked; mostly its text already tells."""
    asked_then = {**value.as_json(), "as_of": iso(known.as_of)}
    if stored_json(asked_then) == known.object:
        return True
    return replace(from_json(json.loads(known.object), known.as_of), as_of=value.as_of) == value


def from_json(kpi: Mapping[str, Any], as_of: int) -> KpiValue:
    """The value whose KPI object this is, as of that moment (the object has it as text)."""
    fields = {name: kpi[name] for name in kpi if name not in ("subject", "left_out", "interval", "options", "as_of")}
    return KpiValue(
        **fields, subject=Subject(**kpi["subject"]), as_of=as_of, options=kpi["options"] or None,
        left_out_amount=int(kpi["left_out"]["amount"]), left_out_rate=int(kpi["left_out"]["rate"]),
        left_out_duration=int(kpi["left_out"]["duration"]),
        interval=tuple(kpi["interval"]) if kpi["interval"] else None,
    )


def _write(writing: Writing, batch: Sequence[tuple[Key, KpiValue | None]]) -> None:
    """End the current row of each key, and begin the row of each that has a value."""
    table = tables.kpi_value
    stamp = writing.stamp()
    names = [column.name for column in _named(table)]
    of_key = and_(*(table.c[name] == bindparam(f"of_{name}") for name in names))
    writing.execute(
        update(table).where(of_key, table.c.replaced_at.is_(None)).values(replaced_at=stamp),
        [{f"of_{name}": part for name, part in zip(names, key, strict=True)} for key, _ in batch],
    )
    rows = list(_rows(batch, stamp))
    if rows:
        writing.execute(insert(table), rows)


def _rows(batch: Sequence[tuple[Key, KpiValue | None]], stamp: int) -> Iterator[dict[str, Any]]:
    for key, value in batch:
        if value is not None:
            kpi, kind, subject, dimensions, period = key
            yield {
                "kpi": kpi, "subject_kind": kind, "subject_key": subject, "dimensions": dimensions, "period": period,
                "seen_at": stamp, "replaced_at": None, "value": value.value, "unit": value.unit,
                "currency": value.currency, "status": value.status, "as_of": value.as_of,
                "object": stored_json(value.as_json()),
            }

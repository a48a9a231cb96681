"""The history of computed KPI values: a row is written only when a value changed, so any older answer is still there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, bindparam, insert, select, update

from connector.model import KpiValue, Subject, canonical_json
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


def save(
    store: Store, values: Iterable[KpiValue], kpis: Collection[str], *, lease: Lease | None = None
) -> Changes:
    """Make the stored current values of these KPIs the ones computed (for every period), and count what changed.

    A stored value that was not computed again is ended. The moment of the question (`as_of`) alone is no change.
    """
    before = {value.key: value for value in values_of(store, kpis)}
    same, new, changed = 0, [], []
    for value in values:
        known = before.pop(value.key, None)
        if known is None:
            new.append(value)
        elif _meaning(known) == _meaning(value.as_json()):
            same += 1
        else:
            changed.append(value)
    written = iter([*((key, None) for key in before), *((value.key, value) for value in [*changed, *new])])
    while batch := list(islice(written, BATCH)):
        with store.writing() as writing:
            if lease:
                store.hold(writing, lease)
            _write(writing, batch)
    return Changes(len(new), len(changed), same, len(before))


def current(store: Store, pairs: Collection[tuple[str, str]]) -> dict[Key, dict[str, Any]]:
    """The KPI objects stored as current for those (kpi, period) pairs, by key."""
    table = tables.kpi_value
    found: dict[Key, dict[str, Any]] = {}
    for kpi in sorted({kpi for kpi, _ in pairs}):
        periods = {period for name, period in pairs if name == kpi}
        rows = store.rows(select(table).where(table.c.kpi == kpi, table.c.replaced_at.is_(None)))
        found.update((_key(row), json.loads(row.object)) for row in rows if row.period in periods)
    return found


def values(store: Store, kpis: Collection[str], periods: Collection[str] | None = None) -> list[KpiValue]:
    """The stored current values of these KPIs, in the order of their keys."""
    table = tables.kpi_value
    query = select(table.c.kpi, table.c.period, table.c.as_of, table.c.object).where(
        table.c.kpi.in_(list(kpis)), table.c.replaced_at.is_(None)
    )
    found = (
        _value(json.loads(row.object), row.as_of)
        for row in store.rows(query)
        if periods is None or row.period in periods
    )
    return sorted(found, key=lambda value: value.key)  # here, since databases sort text each in its own way


def _value(kpi: Mapping[str, Any], as_of: int) -> KpiValue:
    """The value whose KPI object this is."""
    fields = {name: kpi[name] for name in kpi if name not in ("subject", "left_out", "interval", "options", "as_of")}
    return KpiValue(
        **fields, subject=Subject(**kpi["subject"]), as_of=as_of, options=kpi["options"] or None,
        left_out_amount=kpi["left_out"]["amount"], left_out_rate=kpi["left_out"]["rate"],
        left_out_duration=kpi["left_out"]["duration"],
        interval=tuple(kpi["interval"]) if kpi["interval"] else None,
    )


def _write(writing: Writing, batch: Sequence[tuple[Key, KpiValue | None]]) -> None:
    """End the current row of each key, and begin the row of each that has a value."""
    table = tables.kpi_value
    stamp = writing.stamp()
    names = ("kpi", "subject_kind", "subject_key", "dimensions", "period")
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
                "object": canonical_json(value.as_json()),
            }


def _meaning(kpi: Mapping[str, Any]) -> str:
    return canonical_json({key: value for key, value in kpi.items() if key != "as_of"})


def _key(row: Row[Any]) -> Key:
    return row.kpi, row.subject_kind, row.subject_key, row.dimensions, row.period

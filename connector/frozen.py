"""What closed periods hold: seals, and the values and members frozen under them, as the store keeps them.

Nothing here is computed, and nothing is altered but what may be: that a seal is no longer in force (`reopen`), and that
the content of a value is gone (`erase`). Any value and its members are found by the value's key (`kpi_store.Key`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, insert, or_, select, update

from connector import kpi_store
from connector.kpi_store import Key
from connector.model import KpiValue, Member, canonical_json, micros, stored_json
from connector.period import Period
from connector.seal import Entry, Seal, member_json, seal_hash
from connector.store import bulk, tables
from connector.store.store import Store, Writing

Frozen = tuple[KpiValue, Sequence[Member], Entry]
"""A value about to be sealed, with its members and the commitment to both."""

_CONTENT = ("salt", "kpi", "subject_kind", "subject_key", "dimensions", "object")  # what erasing takes away


class Terms(NamedTuple):
    """By which a KPI's value is computed, beside what is known: today's value compares with a frozen one of the same
    terms only. `definition` is the KPI's signature."""

    definition: str
    timezone: str
    fiscal_year_start: int
    currency: str
    week_start: str = "monday"
    fiscal_year_named: str = "ends"


@dataclass(frozen=True, slots=True)
class Closed:
    """The closed periods of one moment: which KPIs each one's seals hold, and all frozen values by their keys.

    `waiting`: the cohort KPIs that a period's close left open, since their values still grow. A KPI defined after a
    close is in no seal of it: its values of that period are neither frozen nor open. `terms` are of a KPI and
    period, `seals` the numbers in force.
    """

    kpis: Mapping[str, frozenset[str]]
    values: Mapping[Key, KpiValue]
    waiting: Mapping[str, frozenset[str]] = field(default_factory=dict)
    terms: Mapping[tuple[str, str], Terms] = field(default_factory=dict)
    seals: frozenset[tuple[str, int]] = frozenset()

    def holds(self, value: KpiValue) -> bool:
        """Whether the value's KPI is sealed for its period, so that only the frozen values count."""
        return value.kpi in self.kpis.get(value.period, ())

    def is_open(self, value: KpiValue) -> bool:
        """Whether the computed value is the one that counts: of an open period, or of a cohort that still grows."""
        return value.period not in self.kpis or value.kpi in self.waiting.get(value.period, ())


# --- reading ---------------------------------------------------------------------------------------------------------


def closed(store: Store, *, periods: Collection[str] | None = None, as_of: int | None = None) -> Closed:
    """What is closed now, or was at `as_of`; of these periods, or of all."""
    seal, table = tables.seal, tables.frozen_value
    wanted = _in_force(as_of)
    if periods is not None:
        wanted = and_(wanted, seal.c.period.in_(periods))
    seals = store.rows(select(seal.c.period, seal.c.number, seal.c.header).where(wanted))
    if not seals:
        return Closed({}, {})
    pairs = [and_(table.c.period == row.period, table.c.seal == row.number) for row in seals]
    rows = store.rows(select(table.c.object).where(or_(*pairs), table.c.object.is_not(None)))  # these never change
    values = [_value(row.object) for row in rows]
    kpis: dict[str, frozenset[str]] = {}
    waiting: dict[str, frozenset[str]] = {}
    terms: dict[tuple[str, str], Terms] = {}
    for row in seals:
        header = json.loads(row.header)
        kpis[row.period] = kpis.get(row.period, frozenset()).union(header["kpis"])
        waiting[row.period] = waiting.get(row.period, frozenset()).union(header["waiting"])
        for kpi in header["kpis"]:
            common = {name: header[name] for name in Terms._fields if name in header}
            terms[kpi, row.period] = Terms(header["signatures"][kpi], **common)
    open_ = {period: waiting[period] - held for period, held in kpis.items()}
    numbers = frozenset((row.period, row.number) for row in seals)
    return Closed(kpis, {value.key: value for value in values}, open_, terms, numbers)


def members(store: Store, key: Key, *, as_of: int | None = None) -> list[Member] | None:
    """The members of a frozen value, in their order; None where none of that key is frozen, now or at `as_of`."""
    table = tables.frozen_value
    names = ("kpi", "subject_kind", "subject_key", "dimensions", "period")
    same = [table.c[name] == part for name, part in zip(names, key, strict=True)]
    found = store.rows(_values(table.c.commitment).where(_in_force(as_of), *same))
    if not found:
        return None
    member = tables.kpi_member
    rows = store.rows(select(member).where(member.c.commitment == found[0].commitment).order_by(member.c.position))
    return [_member(row) for row in rows]


def state(connection: Connection, period: str) -> Row[Any] | None:
    """The period's row; None when it was never closed."""
    return connection.execute(select(tables.period).where(tables.period.c.name == period)).one_or_none()


def latest_closed(connection: Connection, every: str) -> Row[Any] | None:
    """The closed period of that length that ends last."""
    table = tables.period
    mine = select(table).where(table.c.every == every, table.c.state == "closed")
    return connection.execute(mine.order_by(table.c.ends_at.desc()).limit(1)).one_or_none()


def seals(connection: Connection) -> Iterator[Seal]:
    """Every seal in the order of the chain, with its commitments only."""
    table = tables.frozen_value
    rows = connection.execute(select(tables.seal).order_by(tables.seal.c.seen_at)).all()
    query = select(table.c.period, table.c.seal, table.c.commitment)
    found: dict[tuple[str, int], list[Entry]] = {}
    for row in connection.execute(query):
        found.setdefault((row.period, row.seal), []).append(Entry(row.commitment))
    for row in rows:
        yield Seal(told(row.header), row.hash, found.get((row.period, row.number), []))


def read(connection: Connection, period: str, number: int) -> Seal | None:
    """One seal with all it commits to."""
    seal, table, member = tables.seal, tables.frozen_value, tables.kpi_member
    row = connection.execute(select(seal).where(seal.c.period == period, seal.c.number == number)).one_or_none()
    if row is None:
        return None
    mine = and_(table.c.period == period, table.c.seal == number)
    joined = select(member).join(table, table.c.commitment == member.c.commitment).where(mine)
    listed = connection.execute(joined.order_by(member.c.commitment, member.c.position))
    members = {key: list(rows) for key, rows in groupby(listed, key=lambda one: one.commitment)}
    entries = [_entry(one, members.get(one.commitment, ())) for one in connection.execute(select(table).where(mine))]
    return Seal(told(row.header), row.hash, entries)


def _entry(row: Row[Any], members: Iterable[Row[Any]]) -> Entry:
    try:
        listed = [member_json(_member(one)) for one in members]
    except OverflowError:  # an instant that is none any more
        return Entry(row.commitment, row.salt, None, None)
    if row.object is None and row.salt is None and not listed:
        return Entry(row.commitment)
    return Entry(row.commitment, row.salt, None if row.object is None else told(row.object), listed)


def told(text: str) -> dict[str, Any]:
    """A stored JSON object; one that was made unreadable is something else than what was sealed, not an error."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": text}


def misfiled(connection: Connection, period: str, number: int) -> list[str]:
    """The values of a seal that are kept under another key than their own, each in a sentence."""
    table = tables.frozen_value
    query = select(table).where(table.c.period == period, table.c.seal == number, table.c.object.is_not(None))
    found = []
    for row in connection.execute(query):
        kept = (row.kpi, row.subject_kind, row.subject_key, row.dimensions, row.period)
        try:
            is_own = kept == _value(row.object).key
        except (KeyError, TypeError, ValueError):  # what it became is no value at all
            is_own = False
        if not is_own:
            found.append(f"{period} seal {number}: the value of {row.commitment[:16]}… is kept under another name")
    return found


def touched(connection: Connection, period: str, since: int) -> set[tuple[str, str, str]]:
    """The records frozen in a closed period, as (deal or lead, source, id), of which something was learnt since."""
    table, member, seal = tables.frozen_value, tables.kpi_member, tables.seal
    joined = select(member.c.entity, member.c.source, member.c.id).distinct().select_from(
        member.join(table, table.c.commitment == member.c.commitment)
        .join(seal, and_(seal.c.period == table.c.period, seal.c.number == table.c.seal))
    ).where(seal.c.period == period, seal.c.reopened_at.is_(None))
    frozen = {("lead" if row.entity == "lead" else "deal", row.source, row.id) for row in connection.execute(joined)}
    learnt: set[tuple[str, str, str]] = set()
    for name, column in (("deal", "id"), ("lead", "id"), ("stage_transition", "deal"), ("deal_change", "deal")):
        told = tables.LEDGER[name]
        query = select(told.c.source, told.c[column]).distinct().where(told.c.recorded_at > since)
        learnt |= {("lead" if name == "lead" else "deal", *row) for row in connection.execute(query)}
    return frozen & learnt


def _values(*columns: Any) -> Select[Any]:
    """Frozen values joined with their seals."""
    table, seal = tables.frozen_value, tables.seal
    return select(*columns).join(seal, and_(seal.c.period == table.c.period, seal.c.number == table.c.seal))


def _in_force(as_of: int | None) -> ColumnElement[bool]:
    seal = tables.seal
    if as_of is None:
        return seal.c.reopened_at.is_(None)
    return and_(seal.c.seen_at <= as_of, or_(seal.c.reopened_at.is_(None), seal.c.reopened_at > as_of))


def _value(text: str) -> KpiValue:
    told = json.loads(text)
    return kpi_store.from_json(told, micros(datetime.fromisoformat(told["as_of"])))


def _member(row: Row[Any]) -> Member:
    return Member(
        row.side, row.entity, row.source, row.id, row.occurred_at, row.amount, row.currency, row.share, row.duration
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def write(
    writing: Writing, period: Period, frozen: Sequence[Frozen], header: Callable[[int, int, str | None], dict[str, Any]]
) -> Seal:
    """Seal these values: the next number of the period, chained to the last seal of the store.

    `header` is told the seal's stamp, number and the hash before it.
    """
    seal, connection = tables.seal, writing.connection
    stamp = writing.stamp()
    last = connection.execute(select(func.max(seal.c.number)).where(seal.c.period == period.name)).scalar()
    previous = connection.execute(select(seal.c.hash).order_by(seal.c.seen_at.desc()).limit(1)).scalar()
    number = (last or 0) + 1
    made = header(stamp, number, previous)
    hash_ = seal_hash(made, (one.commitment for _, _, one in frozen))
    bulk.insert(connection, tables.frozen_value, [_value_row(period.name, number, *one) for one in frozen])
    members = [row for _, listed, one in frozen for row in _member_rows(listed, one)]
    bulk.insert(connection, tables.kpi_member, members)
    writing.execute(insert(seal), {
        "period": period.name, "number": number, "seen_at": stamp, "previous": previous, "hash": hash_,
        "header": canonical_json(made), "reopened_at": None,
    })
    _put_state(writing, period, number)
    return Seal(made, hash_, [one for _, _, one in frozen])


def _value_row(period: str, number: int, value: KpiValue, _members: Sequence[Member], entry: Entry) -> tuple[Any, ...]:
    kpi, kind, subject, dimensions, _ = value.key
    return entry.commitment, period, number, entry.salt, kpi, kind, subject, dimensions, stored_json(value.as_json())


def _member_rows(members: Sequence[Member], entry: Entry) -> Iterator[tuple[Any, ...]]:
    for position, one in enumerate(members):
        yield (
            entry.commitment, position, one.side, one.entity, one.source, one.id, one.occurred_at, one.amount,
            one.currency, one.share, one.duration,
        )


def _put_state(writing: Writing, period: Period, number: int) -> None:
    table = tables.period
    values = {"every": period.every, "ends_at": period.end, "state": "closed", "seal": number}
    if writing.execute(update(table).where(table.c.name == period.name).values(**values)).rowcount == 0:
        writing.execute(insert(table), {"name": period.name, **values})


def reopen(writing: Writing, period: str, seen_at: int) -> None:
    """Take the period's seal out of force from `seen_at` on; it stays where it is in the chain."""
    seal = tables.seal
    of_period = seal.c.period == period
    writing.execute(update(seal).where(of_period, seal.c.reopened_at.is_(None)).values(reopened_at=seen_at))
    writing.execute(update(tables.period).where(tables.period.c.name == period).values(state="open"))


def erase(writing: Writing, subject_kind: str, subject_key: str) -> int:
    """Erase every frozen value of a subject, of all periods and seals; only their commitments stay. How many."""
    table, member = tables.frozen_value, tables.kpi_member
    mine = and_(table.c.subject_kind == subject_kind, table.c.subject_key == subject_key)
    writing.execute(delete(member).where(member.c.commitment.in_(select(table.c.commitment).where(mine))))
    return writing.execute(update(table).where(mine).values(**dict.fromkeys(_CONTENT))).rowcount


# --- showing ---------------------------------------------------------------------------------------------------------


def in_place_of(values: Sequence[KpiValue], closed: Closed) -> list[KpiValue]:
    """Computed values with the frozen ones in place of those of closed periods, each with today's beside it.

    What a close knew nothing of (a subject that came later) is left out; a KPI that is in no seal is marked restated.
    """
    place = {value.key: number for number, value in enumerate(values)}
    kpis = {kpi: number for number, kpi in enumerate(dict.fromkeys(value.kpi for value in values))}
    found = [
        value if closed.is_open(value) else replace(value, view="restated")
        for value in values if not closed.holds(value)
    ]
    for key, value in closed.values.items():
        found.append(replace(value, restated_value=values[place[key]].value if key in place else None))
    return sorted(found, key=lambda one: (kpis.get(one.kpi, len(kpis)), one.kpi, one.period,
                                          place.get(one.key, len(place)), one.key))


def to_deliver(values: Iterable[KpiValue], closed: Closed, kpis: Collection[str]) -> list[KpiValue]:
    """What destinations are to hold: of closed periods the frozen values and nothing computed later."""
    current = [value for value in values if closed.is_open(value)]
    return current + [value for value in closed.values.values() if value.kpi in kpis]

"""Adjustments as the store keeps them: proposed when a closed period's past changes, and settled by a person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from connector import adjusting, frozen, journal, kpi_store
from connector.adjusting import OPEN, SETTLED, Amounts
from connector.attainment import attained
from connector.errors import ConfigError, Fault
from connector.kpi_store import Key
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue, Member, canonical_json, iso
from connector.period import Calendar
from connector.store import tables
from connector.store.store import Lease, Store, Writing
from connector.store.tables import adjustment

_KEY = ("kpi", "subject_kind", "subject_key", "dimensions", "period")
DECISIONS = {"accept": "accepted", "reject": "rejected", "defer": "deferred"}


# --- what is proposed ------------------------------------------------------------------------------------------------


_Rows = Sequence[Row[Any]]
_Comparable = Callable[[Key], bool]


def propose(
    store: Store, restated: Mapping[Key, KpiValue], today: Mapping[str, frozen.Terms],
    members_of: Callable[[str], Mapping[Key, Sequence[Member]]], *, lease: Lease | None = None,
) -> None:
    """Bring the open adjustments to what today's values say; one that came to nothing goes.

    `today`: by which each KPI is computed; where that is not what a closed period was frozen by, its numbers do not
    compare, and its adjustments stay as they are. `members_of`: the rows behind today's values of a period, asked only
    for a period in which something changed. The lease keeps periods from being closed or opened meanwhile; decisions
    that are made meanwhile stand.
    """
    closed = frozen.closed(store)

    def compares(key: Key) -> bool:
        return closed.terms.get((key[0], key[4])) == today.get(key[0])

    rows = store.rows(select(adjustment))
    changed = _changed(rows, restated, closed, compares)
    if not changed:
        return
    now = {period: members_of(period) for period in sorted({key[4] for key in changed})}
    told = {key: _told(store, key, rows, restated, closed, now[key[4]].get(key, ())) for key in changed}
    with store.writing() as writing:
        if lease is not None:
            store.hold(writing, lease)
        rows = list(writing.execute(select(adjustment)))
        stamp = writing.stamp()
        seals = dict(_seals(writing, {key[4] for key in changed}))
        known = _open(rows)
        for key, amount in _changed(rows, restated, closed, compares).items():
            if key in told:
                causes, elsewhere = told[key]
                left = amount - elsewhere
                if _differs(known.get(key), left):
                    _replace(writing, known.get(key), restated[key], left, causes, seals[key[4]], stamp)


def planned(
    store: Store, restated: Mapping[Key, KpiValue], today: Mapping[str, frozen.Terms],
    members_of: Callable[[str], Mapping[Key, Sequence[Member]]],
) -> dict[Key, Amounts]:
    """The open adjustments that `propose` would change if today's values were these, as they would then be.

    Nothing is written. Members are asked only for periods in which somebody was frozen with what is another's now.
    """
    closed = frozen.closed(store)
    rows = store.rows(select(adjustment))
    found = _changed(rows, restated, closed, lambda key: closed.terms.get((key[0], key[4])) == today.get(key[0]))
    kept = {(other[0], *other[3:]) for other in closed.values if restated.get(other) is None}
    shared = [key for key in found if (key[0], *key[3:]) in kept]
    now = {period: members_of(period) for period in sorted({key[4] for key in shared})}
    for key in shared:
        _, elsewhere = _told(store, key, rows, restated, closed, now[key[4]].get(key, ()))
        found[key] = found[key] - elsewhere
    return found


def open_amounts(store: Store) -> dict[Key, Amounts]:
    """The adjustments that nobody has settled yet, as they stand."""
    return {key: _amounts(row) for key, row in _open(store.rows(select(adjustment))).items()}


def _changed(
    rows: _Rows, restated: Mapping[Key, KpiValue], closed: frozen.Closed, compares: _Comparable
) -> dict[Key, Amounts]:
    """The values of closed periods whose open amount is not what stands in the table."""
    settled: dict[Key, list[Amounts]] = {}
    for row in rows:
        if row.state in SETTLED:
            settled.setdefault(_key(row), []).append(_amounts(row))
    known, found = _open(rows), dict[Key, Amounts]()
    for before, now in adjusting.of_closed(closed.values, restated, closed.holds):
        value = now or before
        if value is not None and compares(value.key):
            key, kind = value.key, METRICS[value.metric].kind
            amount = adjusting.open_amount(before, now, kind, settled.get(key, ()))
            if amount is not None and _differs(known.get(key), amount):
                found[key] = amount
    return found


def _told(
    store: Store, key: Key, rows: _Rows, restated: Mapping[Key, KpiValue], closed: frozen.Closed,
    members: Sequence[Member],
) -> tuple[list[dict[str, Any]], Amounts]:
    """The causes of a difference, and how much of it is credit that another subject was frozen with and keeps.

    Nobody computes a value any more for a person who was taken out of the people file, or has another code there. What
    they were closed with stays theirs, so it is not given to anybody else a second time.
    """
    settled = sorted((row for row in rows if row.state in SETTLED and _key(row) == key), key=_decided)
    in_force = {number for period, number in closed.seals if period == key[4]}
    causes = adjusting.causes(
        frozen.members(store, key) or (), members,
        [(json.loads(row.causes), row.seal not in in_force) for row in settled],
    )
    gone = [
        other for other in closed.values
        if (other[0], *other[3:]) == (key[0], *key[3:]) and other != key and restated.get(other) is None
    ]
    kept = {adjusting.place(member) for other in gone for member in frozen.members(store, other) or ()}
    return adjusting.apart(causes, kept, METRICS[restated[key].metric].kind)


def _decided(row: Row[Any]) -> int:
    return int(row.decided_at)


def _replace(
    writing: Writing, row: Row[Any] | None, value: KpiValue, amount: Amounts, causes: Sequence[Mapping[str, Any]],
    seal: int, stamp: int,
) -> None:
    """An adjustment with another amount, under its id; none where it came to nothing."""
    table = adjustment
    if row is not None:
        writing.execute(delete(table).where(table.c.id == row.id, table.c.state.in_(OPEN)))
    if not amount.is_nothing:
        state = row.state if row is not None else adjusting.first_state(METRICS[value.metric].kind)
        made = _row(value, amount, state, causes, seal, stamp)
        writing.execute(insert(table).values({**made, "id": row.id if row is not None else _id(value.key, stamp)}))


def forget(writing: Writing, period: str) -> None:
    """Take away what is open of a period that is opened again: its next close takes it in."""
    writing.execute(delete(adjustment).where(adjustment.c.period == period, adjustment.c.state.in_(OPEN)))


def _open(rows: _Rows) -> dict[Key, Row[Any]]:
    return {_key(row): row for row in rows if row.state in OPEN}


def _row(
    value: KpiValue, amount: Amounts, state: str, causes: Sequence[Mapping[str, Any]], seal: int, stamp: int
) -> dict[str, Any]:
    return {
        **dict(zip(_KEY, value.key, strict=True)), "subject_name": value.subject.name,
        "kind": METRICS[value.metric].kind, "seal": seal, "unit": value.unit, "currency": value.currency,
        "value": _text(amount.value), "numerator": _text(amount.numerator), "denominator": _text(amount.denominator),
        "state": state, "causes": canonical_json(causes), "seen_at": stamp,
    }


def _seals(writing: Writing, periods: Collection[str]) -> Iterable[tuple[str, int]]:
    for name in periods:
        found = frozen.state(writing.connection, name)
        yield name, found.seal if found is not None else 0


def _differs(row: Row[Any] | None, amount: Amounts) -> bool:
    return not amount.is_nothing if row is None else _amounts(row) != amount


def _key(row: Row[Any]) -> Key:
    return row.kpi, row.subject_kind, row.subject_key, row.dimensions, row.period


def _id(key: Key, stamp: int) -> str:
    """Short enough to type; the same adjustment keeps it however its amount changes."""
    return hashlib.sha256(canonical_json([*key, stamp]).encode()).hexdigest()[:10]


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _amounts(row: Row[Any]) -> Amounts:
    return Amounts(*(None if text is None else Decimal(text) for text in (row.value, row.numerator, row.denominator)))


# --- what is decided -------------------------------------------------------------------------------------------------


def list_adjustments(
    store: Store, *, period: str | None = None, state: str | None = None
) -> list[dict[str, Any]]:
    """Adjustments, of that origin period or in that state; oldest period first, the largest of each first."""
    query = select(adjustment)
    if period is not None:
        query = query.where(adjustment.c.period == period)
    if state is not None:
        query = query.where(adjustment.c.state == state)
    rows = sorted(store.rows(query), key=lambda row: (row.period, row.kpi, -abs(Decimal(row.value or 0)), row.id))
    return [as_json(row) for row in rows]


def decide(
    store: Store, given: str, decision: str, calendar: Calendar, every: Mapping[str, str], *, actor: str,
    reason: str | None = None,
) -> dict[str, Any]:
    """Accept, reject or defer a proposed or deferred adjustment; an accepted one is posted to the next open period.

    `every`: the length of the periods each KPI has a value of. Raises ConfigError for an adjustment that is not known
    or cannot be decided.
    """
    with store.writing() as writing:
        return settle(writing, given, decision, calendar, every, actor=actor, reason=reason)


def settle(
    writing: Writing, given: str, decision: str, calendar: Calendar, every: Mapping[str, str], *, actor: str,
    reason: str | None,
) -> dict[str, Any]:
    """`decide` within a transaction."""
    row = writing.execute(select(adjustment).where(adjustment.c.id == given)).one_or_none()
    if row is None:
        raise _fault(f"there is no adjustment {given!r}; `connector adjustment list` shows them")
    if row.state in SETTLED:
        raise _fault(f"{given} is {row.state} already; what comes later is an adjustment of its own")
    if row.state == "noted":
        raise _fault(f"{given} is of a ratio, duration or stock: restated, and never paid with another period")
    origin = frozen.state(writing.connection, row.period)
    if origin is None or origin.state != "closed":
        raise _fault(f"{row.period} is open again, and its next close takes in what {given} says")
    if decision == "accept" and every.get(row.kpi) != origin.every:
        raise _fault(
            f"no {origin.every} has a value of {row.kpi} any more that {given} could be paid with; reject it, or "
            "define the KPI again"
        )
    posted = _posted_to(writing, calendar, origin) if decision == "accept" else None
    subject = {"adjustment": given, "value": row.value, "posted_to": posted}
    stamp = journal.decide(writing, f"adjustment_{decision}", subject, actor=actor, reason=reason)
    writing.execute(
        update(adjustment).where(adjustment.c.id == given).values(
            state=DECISIONS[decision], decided_at=stamp, posted_to=posted, actor=actor, reason=reason
        )
    )
    return as_json(writing.execute(select(adjustment).where(adjustment.c.id == given)).one())


def _posted_to(writing: Writing, calendar: Calendar, origin: Row[Any]) -> str:
    """The first period after the origin that is not closed."""
    ends_at = origin.ends_at
    while True:
        period = calendar.at(origin.every, ends_at)
        found = frozen.state(writing.connection, period.name)
        if found is None or found.state != "closed":
            return period.name
        ends_at = period.end


def undecided(store: Store, ends_at: int) -> list[dict[str, Any]]:
    """The proposed adjustments of closed periods that ended by then: the next close asks for a decision about them."""
    table = tables.period
    over = {row.name for row in store.rows(select(table).where(table.c.ends_at <= ends_at, table.c.state == "closed"))}
    return [one for one in list_adjustments(store, state="proposed") if one["period"] in over]


def apart(
    proposed: Iterable[dict[str, Any]], below: Decimal | None, kpis: Collection[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The money adjustments of these KPIs that are too small to ask about, and the others."""
    small: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for one in proposed:
        is_money = one["kind"] == "V" and one["kpi"] in kpis
        is_small = is_money and below is not None and abs(Decimal(one["value"])) < below
        (small if is_small else others).append(one)
    return small, others


def shown(store: Store, values: Sequence[KpiValue], *, as_of: int | None = None) -> list[KpiValue]:
    """The values with the sum of their accepted adjustments."""
    own: dict[Key, Decimal] = {}
    for row in _accepted(store, as_of):
        own[_key(row)] = own.get(_key(row), Decimal(0)) + (_amounts(row).value or 0)
    return [replace(one, adjustments=_text(own[one.key])) if one.key in own else one for one in values]


def payable(
    store: Store, values: Sequence[KpiValue], calendar: Calendar, wanted: Callable[[Key], bool], *,
    as_of: int | None = None,
) -> list[KpiValue]:
    """The values plus what was accepted into their period; also of those who have nothing else in it.

    `wanted`: whether a value of that key was asked for.
    """
    posted: dict[Key, list[Row[Any]]] = {}
    for row in _accepted(store, as_of):
        posted.setdefault((*_key(row)[:4], row.posted_to), []).append(row)
    there = {value.key for value in values}
    alone = [key for key in posted if key not in there and wanted(key)]
    closed = frozen.closed(store, as_of=as_of)
    known = kpi_store.current(store, {key[0] for key in alone}) if alone else []
    named = {one.key[:4]: one for one in (*known, *closed.values.values())}
    made = [_alone(named[key[:4]], key[4], calendar, closed) for key in alone if key[:4] in named]
    found = []
    for value in [*values, *made]:
        amounts = [_amounts(row) for row in posted.get(value.key, ())]
        total = adjusting.payable(value, amounts, METRICS[value.metric].kind)
        found.append(replace(value, value=_text(total), view="payable", attainment=_attained(value, total)))
    return found


def _attained(value: KpiValue, total: Decimal | None) -> str | None:
    """How far what is paid attains the value's target: as it stands where nothing was posted to it."""
    if total is None or value.target is None or total == Decimal(value.value or 0):
        return value.attainment
    way = (value.options or {}).get("attainment")
    return attained(METRICS[value.metric], Fraction(total), Fraction(value.target), way)


def _accepted(store: Store, as_of: int | None) -> list[Row[Any]]:
    rows = store.rows(select(adjustment).where(adjustment.c.state == "accepted"))
    return [row for row in rows if as_of is None or row.decided_at <= as_of]


def _alone(like: KpiValue, name: str, calendar: Calendar, closed: frozen.Closed) -> KpiValue:
    """The value, of nothing yet, of somebody to whom an amount is paid in a period that has no value of theirs."""
    period = calendar.parse(name)
    return replace(
        like, period=name, period_start=period.start_on.isoformat(), period_end=period.end_on.isoformat(), value="0",
        numerator=None, denominator=None, status="frozen" if name in closed.kpis else "open", restated_value=None,
        adjustments=None, target=None, attainment=None,
    )


def as_json(row: Row[Any]) -> dict[str, Any]:
    """One adjustment as JSON shows it; amounts of causes are base money with all its digits."""
    return {
        "id": row.id, "kpi": row.kpi,
        "subject": {"kind": row.subject_kind, "key": row.subject_key, "name": row.subject_name},
        "dimensions": json.loads(row.dimensions), "period": row.period, "seal": row.seal, "kind": row.kind,
        "unit": row.unit, "currency": row.currency, "value": row.value, "numerator": row.numerator,
        "denominator": row.denominator, "state": row.state, "causes": json.loads(row.causes),
        "proposed_at": iso(row.seen_at), "decided_at": iso(row.decided_at), "posted_to": row.posted_to,
        "actor": row.actor, "reason": row.reason,
    }


def _fault(message: str) -> ConfigError:
    return ConfigError([Fault("command line", 0, "adjustment", message)])

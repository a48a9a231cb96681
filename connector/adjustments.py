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

from connector import adjusting, frozen, journal
from connector.adjusting import OPEN, SETTLED, Amounts
from connector.attainment import attained
from connector.errors import ConfigError, Fault
from connector.kpi_store import Key
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue, Member, canonical_json, iso
from connector.period import Calendar
from connector.store.store import Lease, Store, Writing
from connector.store.tables import adjustment

_KEY = ("kpi", "subject_kind", "subject_key", "dimensions", "period")
DECISIONS = {"accept": "accepted", "reject": "rejected", "defer": "deferred"}


# --- what is proposed ------------------------------------------------------------------------------------------------


def moved(store: Store, restated: Mapping[Key, KpiValue], closed: frozen.Closed) -> dict[Key, Amounts]:
    """The values of closed periods with their open amount, which is nothing where all is as frozen or settled."""
    settled = _settled(store)
    found: dict[Key, Amounts] = {}
    for before, now in adjusting.of_closed(closed.values, restated, closed.holds):
        value = now or before
        if value is not None:
            kind = METRICS[value.metric].kind
            amount = adjusting.open_amount(before, now, kind, settled.get(value.key, ()))
            if amount is not None:
                found[value.key] = amount
    return found


def propose(
    store: Store, restated: Mapping[Key, KpiValue], members_of: Callable[[str], Mapping[Key, Sequence[Member]]], *,
    lease: Lease | None = None,
) -> int:
    """Bring the open adjustments to what today's values say; one that came to nothing goes. How many changed.

    `members_of`: the rows behind today's values of a period, asked only for a period in which something changed.
    """
    closed = frozen.closed(store)
    amounts = moved(store, restated, closed)
    table, known = adjustment, {_key(row): row for row in store.rows(select(adjustment)) if row.state in OPEN}
    changed = {
        key: amount for key, amount in amounts.items()
        if (key in known or not amount.is_nothing) and _differs(known.get(key), amount)
    }
    reopened = [row.id for key, row in known.items() if key[4] not in closed.kpis]  # open again: nothing to adjust
    if not changed and not reopened:
        return 0
    today = {period: members_of(period) for period in sorted({key[4] for key in changed})}
    told = {key: adjusting.causes(frozen.members(store, key) or (), today[key[4]].get(key, ())) for key in changed}
    with store.writing() as writing:
        if lease is not None:
            store.hold(writing, lease)
        writing.execute(delete(table).where(table.c.id.in_(reopened)))
        stamp = writing.stamp()
        seals = dict(_seals(writing, {key[4] for key in changed}))
        for key, amount in changed.items():
            row = known.get(key)
            if row is not None:
                writing.execute(delete(table).where(table.c.id == row.id))
            if not amount.is_nothing:
                state = row.state if row is not None else adjusting.first_state(METRICS[restated[key].metric].kind)
                made = _row(restated[key], amount, state, told[key], seals[key[4]], stamp)
                writing.execute(insert(table).values({**made, "id": row.id if row is not None else _id(key, stamp)}))
    return len(changed)


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
    return row is None or _amounts(row) != amount


def _key(row: Row[Any]) -> Key:
    return row.kpi, row.subject_kind, row.subject_key, row.dimensions, row.period


def _id(key: Key, stamp: int) -> str:
    """Short enough to type; the same adjustment keeps it however its amount changes."""
    return hashlib.sha256(canonical_json([*key, stamp]).encode()).hexdigest()[:10]


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _amounts(row: Row[Any]) -> Amounts:
    return Amounts(*(None if text is None else Decimal(text) for text in (row.value, row.numerator, row.denominator)))


def _settled(store: Store) -> dict[Key, list[Amounts]]:
    found: dict[Key, list[Amounts]] = {}
    for row in store.rows(select(adjustment).where(adjustment.c.state.in_(SETTLED))):
        found.setdefault(_key(row), []).append(_amounts(row))
    return found


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
    store: Store, given: str, decision: str, calendar: Calendar, *, actor: str, reason: str | None = None
) -> dict[str, Any]:
    """Accept, reject or defer a proposed or deferred adjustment; an accepted one is posted to the next open period.

    Raises ConfigError for one that is not known or cannot be decided.
    """
    with store.writing() as writing:
        return settle(writing, given, decision, calendar, actor=actor, reason=reason)


def settle(
    writing: Writing, given: str, decision: str, calendar: Calendar, *, actor: str, reason: str | None
) -> dict[str, Any]:
    """`decide` within a transaction."""
    row = writing.execute(select(adjustment).where(adjustment.c.id == given)).one_or_none()
    if row is None:
        raise _fault(f"there is no adjustment {given!r}; `connector adjustment list` shows them")
    if row.state in SETTLED:
        raise _fault(f"{given} is {row.state} already; what comes later is an adjustment of its own")
    if row.state == "noted":
        raise _fault(f"{given} is of a ratio, duration or stock: restated, and never paid with another period")
    posted = _posted_to(writing, calendar, row.period) if decision == "accept" else None
    subject = {"adjustment": given, "value": row.value, "posted_to": posted}
    stamp = journal.decide(writing, f"adjustment_{decision}", subject, actor=actor, reason=reason)
    writing.execute(
        update(adjustment).where(adjustment.c.id == given).values(
            state=DECISIONS[decision], decided_at=stamp, posted_to=posted, actor=actor, reason=reason
        )
    )
    return as_json(writing.execute(select(adjustment).where(adjustment.c.id == given)).one())


def _posted_to(writing: Writing, calendar: Calendar, origin: str) -> str:
    """The first period after the origin that is not closed."""
    period = calendar.parse(origin)
    while True:
        period = calendar.at(period.every, period.end)
        found = frozen.state(writing.connection, period.name)
        if found is None or found.state != "closed":
            return period.name


def undecided(store: Store, ends_at: int, calendar: Calendar) -> list[dict[str, Any]]:
    """The proposed adjustments of periods that ended by then: the next close asks for a decision about them."""
    return [one for one in list_adjustments(store, state="proposed") if calendar.parse(one["period"]).end <= ends_at]


def apart(
    proposed: Iterable[dict[str, Any]], below: Decimal | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The money adjustments that are too small to ask about, and the others."""
    small: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for one in proposed:
        is_small = below is not None and one["kind"] == "V" and abs(Decimal(one["value"])) < below
        (small if is_small else others).append(one)
    return small, others


def shown(store: Store, values: Sequence[KpiValue], *, payable: bool, as_of: int | None = None) -> list[KpiValue]:
    """The values with the sum of their accepted adjustments; `payable`: plus those that were posted to their period."""
    rows = store.rows(select(adjustment).where(adjustment.c.state == "accepted"))
    own: dict[Key, list[Amounts]] = {}
    posted: dict[Key, list[Amounts]] = {}
    for row in rows:
        if as_of is None or row.decided_at <= as_of:
            own.setdefault(_key(row), []).append(_amounts(row))
            posted.setdefault((*_key(row)[:4], row.posted_to), []).append(_amounts(row))
    found = []
    for value in values:
        mine = sum((one.value or Decimal(0) for one in own.get(value.key, ())), Decimal(0))
        made = replace(value, adjustments=_text(mine)) if value.key in own else value
        if payable:
            total = adjusting.payable(value, posted.get(value.key, ()), METRICS[value.metric].kind)
            made = replace(made, value=_text(total), view="payable", attainment=_attained(value, total))
        found.append(made)
    return found


def _attained(value: KpiValue, total: Decimal | None) -> str | None:
    """How far what is paid attains the value's target: as it stands where nothing was posted to it."""
    if total is None or value.target is None or total == Decimal(value.value or 0):
        return value.attainment
    return attained(METRICS[value.metric], Fraction(total), Fraction(value.target))


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

"""Which KPI values move between two computations, as `mapping diff` tells them: by KPI and period, and each. Pure.

What moves most comes first. A value is weighed against all of its KPI and period, so that money and rates stand side by
side; what comes from nothing is before all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector import shift
from connector.adjusting import Amounts, first_state
from connector.frozen import Closed
from connector.kpi_store import Key
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue
from connector.shift import Beside, Move


@dataclass(frozen=True, slots=True)
class Closing:
    """What is closed, and what is proposed for it: the amounts that nobody has settled, by the keys of values."""

    closed: Closed
    amounts: Mapping[Key, Amounts]


@dataclass(frozen=True, slots=True)
class _Moving:
    """A value that moves."""

    key: Key
    pair: Beside
    one: KpiValue
    difference: Decimal
    is_open: bool


def told(
    before: Sequence[KpiValue], after: Mapping[Key, KpiValue], closing: Closing, limit: float | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The moves and the values that move, as JSON. `limit` (0..1): `beyond` tells whether a move is larger.

    A KPI that had no value at all before does not move: it is new.
    """
    kpis = {value.kpi for value in before}
    pairs = shift.beside(before, (value for value in after.values() if value.kpi in kpis))
    moving, bases = [], dict[tuple[str, str], Decimal]()
    for pair in pairs:
        one = pair[1] or pair[0]
        if one is not None:
            then, now = shift.numbers(pair)
            place = one.kpi, one.period
            bases[place] = bases.get(place, Decimal(0)) + abs(then)
            if then != now:
                moving.append(_Moving(one.key, pair, one, now - then, closing.closed.is_open(one)))
    moving.sort(key=lambda one: _most_first(one, bases[one.one.kpi, one.one.period]))
    adjusted = _adjusted(moving, closing)
    states = {(one.one.kpi, one.one.period): one.is_open for one in moving}
    moves = [
        _move(one, states[one.kpi, one.period], adjusted.get((one.kpi, one.period)), limit)
        for one in shift.moved(pairs)
    ]
    return moves, [_value(one, after.get(one.key), closing) for one in moving]


def released(
    before: Sequence[KpiValue], after: Mapping[Key, KpiValue], closing: Closing
) -> list[dict[str, Any]]:
    """The numbers, other than 0, that were withheld and would be told: they move by nothing, as the guard sees it."""
    kpis = {value.kpi for value in before}
    judged = {one.key for pair in shift.beside(before, after.values()) for one in pair if one is not None}
    return [
        {
            "kpi": one.kpi, "metric": one.metric, "subject": _subject(one), "dimensions": dict(one.dimensions),
            "period": one.period, "state": "open" if closing.closed.is_open(one) else "closed", "after": one.value,
            "currency": one.currency, "unit": one.unit,
        }
        for key, one in sorted(after.items())
        if one.kpi in kpis and key not in judged and one.value is not None and Decimal(one.value)
    ]


def _most_first(moving: _Moving, base: Decimal) -> tuple[bool, Decimal, Key]:
    moved = abs(moving.difference)
    return bool(base), -(moved / base if base else moved), moving.key


def _adjusted(moving: Iterable[_Moving], closing: Closing) -> dict[tuple[str, str], Decimal]:
    """What is proposed for each KPI and closed period, where a difference can be paid."""
    found: dict[tuple[str, str], Decimal] = {}
    for one in moving:
        amounts = None if one.is_open else closing.amounts.get(one.key)
        if amounts is not None and amounts.value is not None and _state(one.one) == "proposed":
            place = one.one.kpi, one.one.period
            found[place] = found.get(place, Decimal(0)) + amounts.value
    return found


def _move(move: Move, is_open: bool, adjustment: Decimal | None, limit: float | None) -> dict[str, Any]:
    return {
        **move.as_json(), "state": "open" if is_open else "closed",
        "adjustment": None if adjustment is None else format(adjustment, "f"),
        "beyond": None if limit is None else move.is_beyond(limit),
    }


def _value(moving: _Moving, later: KpiValue | None, closing: Closing) -> dict[str, Any]:
    """One value; of a closed period also what it was frozen as, and the adjustment that a run would propose."""
    one, (then, now) = moving.one, moving.pair
    kept, amounts = closing.closed.values.get(moving.key), closing.amounts.get(moving.key)
    adjusted = None if amounts is None or amounts.is_nothing or moving.is_open else amounts
    return {
        "kpi": one.kpi, "metric": one.metric,
        "subject": _subject(one),
        "dimensions": dict(one.dimensions), "period": one.period, "state": "open" if moving.is_open else "closed",
        "before": then.value if then else None, "after": now.value if now else None,
        "difference": format(moving.difference, "f") if _compare(then, now) else None,
        "currency": one.currency, "unit": one.unit,
        "status": later.status if later else "gone",
        "frozen": kept.value if kept and not moving.is_open else None,
        "adjustment": None if adjusted is None else {"state": _state(one), **_texts(adjusted)},
    }


def _subject(one: KpiValue) -> dict[str, str]:
    return {"kind": one.subject.kind, "key": one.subject.key, "name": one.subject.name}


def _compare(then: KpiValue | None, now: KpiValue | None) -> bool:
    """Whether the two numbers are of one kind; a KPI that was made another has others."""
    return then is None or now is None or (then.unit, then.currency) == (now.unit, now.currency)


def _state(value: KpiValue) -> str:
    """Whether a difference would be proposed, since it can be paid, or only noted."""
    return first_state(METRICS[value.metric].kind)


def _texts(amounts: Amounts) -> dict[str, str | None]:
    parts = {"value": amounts.value, "numerator": amounts.numerator, "denominator": amounts.denominator}
    return {name: None if number is None else format(number, "f") for name, number in parts.items()}

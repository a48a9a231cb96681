"""How a KPI value comes out of its members: the formula in words, and the same with its numbers.

    won deals / (won + lost deals)
    12 / (12 + 30) = 0.285714
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from connector import formula_terms
from connector.exact import money_text
from connector.metrics.catalogue import METRICS
from connector.metrics.value import count_text, length_text
from connector.model import KpiValue, Member

_WORDS = {
    "measure": {"value": "sum of the amounts", "count": "number"},
    "stat": {"median": "median", "mean": "mean", "p90": "90th percentile"},
}
_NO_NUMBER = {
    "withheld": "withheld: a record of a pipeline that it counts has a stage the mapping does not name",
    "unknown_before": "no data: a source that it counts had not been read as a whole by then",
}
_WRITTEN_OUT = 6  # addends; of more the three largest stand for all


def in_words(value: KpiValue) -> str:
    """The formula of the value's metric, with the options it was computed with."""
    chosen = {name: words[(value.options or {}).get(name, next(iter(words)))] for name, words in _WORDS.items()}
    return METRICS[value.metric].formula.format(**chosen)


def in_numbers(value: KpiValue, members: Sequence[Member], days: Sequence[Fraction] = ()) -> str:
    """The formula with its numbers written out, and what it gives.

    `days`: of the value's period so far, and of the eleven before it, where the formula counts days.
    """
    metric = METRICS[value.metric]
    if value.status in _NO_NUMBER:
        return _NO_NUMBER[value.status]
    of_terms = formula_terms.written(value, members, days) if members else None
    if metric.kind == "P":
        left, result = _weighed(value, members), value.value
    elif of_terms is not None:
        left, result = of_terms, value.value
    elif metric.made_of and metric.kind == "V" and value.value is not None:
        left, result = _sum(value, members), value.value
    elif metric.made_of and value.denominator is None:
        left, result = "", value.value
    elif metric.is_survival:
        left = f"{value.denominator or '0'} deals, {value.open_share or '0'} of them open"
        result = value.value if value.denominator in {None, "0"} else value.value or "not reached"
    elif metric.id == "dso":  # the days stand on neither side
        left, result = f"{value.numerator} owed, {value.denominator} invoiced", value.value
    elif metric.made_of or (metric.kind == "R" and not metric.is_median):
        left, result = _ratio(value, metric.adds_up), value.value
    elif metric.is_duration or metric.is_median:
        left, result = _ordered(value, members), value.value
    else:
        left, result = _sum(value, members), value.value
    if result is None:
        return f"{left}: no data" if left else "no data"
    return result if left in {"", result} else f"{left} = {result}"


def _weighed(value: KpiValue, members: Sequence[Member]) -> str:
    """Each part's level by the weight it counts with."""
    told = [member.told for member in members if member.told is not None and member.side == "numerator"]
    if value.value is None or (len(told) == 1 and told[0]["spread_weight"] == "1.000000"):
        return ""
    parts = [f"{one['spread_weight']} × {one['level']}" for one in told]
    return " + ".join(parts) if len(parts) <= _WRITTEN_OUT else f"{' + '.join(parts[:3])} + … ({len(parts)} in all)"


def _ratio(value: KpiValue, adds_up: bool) -> str:
    """`top / bottom`, or `top / (top + rest)` where the base is the numerator and what is beside it."""
    top, bottom = value.numerator or "0", value.denominator or "0"
    if not adds_up:
        return f"{top} / {bottom}"
    rest = Decimal(bottom) - Decimal(top)
    return f"{top} / ({top} + {rest:f})"


def _sum(value: KpiValue, members: Sequence[Member]) -> str:
    """The amounts, or the shares where records were split, added up."""
    if value.currency is not None:
        amounts = [member.amount or 0 for member in members]
        if len(amounts) > _WRITTEN_OUT:
            amounts.sort(reverse=True)
        parts = [money_text(amount, value.currency) for amount in amounts]
    else:
        parts = [count_text(member.share or 0) for member in members]
        if set(parts) <= {"1"}:  # whole records: their number says it
            return ""
    if len(parts) <= _WRITTEN_OUT:
        return " + ".join(parts).replace(" + -", " − ")
    return f"{' + '.join(parts[:3])} + … ({len(parts):,} in all)"


def _ordered(value: KpiValue, members: Sequence[Member]) -> str:
    """The sum by the number; or the value at the statistic's place in the order, between two where it falls there."""
    currency, unit = value.currency, METRICS[value.metric].unit
    told = [member.duration if currency is None else member.amount for member in members]
    spans = sorted(one for one in told if one is not None)
    stat = (value.options or {}).get("stat", "median")
    if not spans:
        return ""

    def shown(number: int) -> str:
        return length_text(number, unit) if currency is None else money_text(number, currency)

    if stat == "mean":
        return f"{shown(sum(spans))} / {len(spans)}"
    top, bottom = (1, 2) if stat == "median" else (9, 10)
    place, beyond = divmod((len(spans) - 1) * top, bottom)
    if not beyond:
        return f"number {place + 1} of {len(spans)} in order"
    low, high = shown(spans[place]), shown(spans[place + 1])
    between = f"numbers {place + 1} and {place + 2} of {len(spans)} in order"
    return f"{between}: {low} + {Decimal(beyond) / bottom} × ({high} − {low})".replace("− -", "+ ")

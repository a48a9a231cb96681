"""From exact sums to the numbers others read: kinds of metrics, formats, Wilson intervals.

Only here is anything divided: integers in, decimal text out, rounded once (metrics.md R16, R17; design.md section 8).
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import NamedTuple

from connector.exact import decimal_text, money_text
from connector.metrics.question import DAY, Group, Question
from connector.model import RATIO_SCALE

PLACES = 6
_PLAIN = {"0..1", "ratio", "days"}
"""Units of what is made of money and is none."""
_UNITS = {"days": DAY, "min": 60_000_000, "activities": RATIO_SCALE}  # in microseconds; counts in millionths
_INTERVAL_FROM = 5  # below this denominator the counts speak for themselves (R16)
_Z = Decimal("1.959963984540054")  # the normal quantile of a two-sided 95 % interval


class Numbers(NamedTuple):
    """The numbers of one value, as text."""

    value: str | None
    numerator: str | None = None
    denominator: str | None = None
    interval: tuple[str, str] | None = None
    open_share: str | None = None


def numbers(question: Question, group: Group, currency: str) -> Numbers:
    """The value of one group by its metric's kind; an empty base gives "0" or None as the registry says."""
    if question.metric.is_survival:
        return _survival(question, group)
    if question.metric.is_duration:
        return _duration(question, group)
    if question.metric.is_median:
        return _median(group, currency)
    if question.metric.kind == "R":
        return _ratio(question, group, currency)
    return Numbers(money_text(group.amount, currency) if question.counts_money else count_text(group.share))


def unit(question: Question, currency: str) -> tuple[str, str | None]:
    """The unit of a question's values, and their currency if they are money."""
    declared = question.metric.unit
    if declared in _PLAIN or not question.metric.money:
        return declared, None
    is_money = declared.startswith("money")
    if question.counts_money:
        return declared if is_money else "money", currency
    return "deals" if is_money else declared, None


def count_text(share: int) -> str:
    """Records counted in millionths: whole, or with six places where they were split."""
    return decimal_text(share, RATIO_SCALE, 0 if share % RATIO_SCALE == 0 else PLACES)


def _ratio(question: Question, group: Group, currency: str) -> Numbers:
    metric = question.metric
    if metric.unit == "money":  # an average: money per record
        top, bottom = money_text(group.amount, currency), count_text(group.base_share)
        if not group.base_share:
            return Numbers(None, top, bottom)
        return Numbers(money_text(group.amount * RATIO_SCALE, currency, group.base_share), top, bottom)
    if metric.money:
        top, bottom = money_text(group.amount, currency), money_text(group.base_amount, currency)
        return Numbers(_quotient(group.amount, group.base_amount), top, bottom)
    return Numbers(
        _quotient(group.share, group.base_share),
        count_text(group.share),
        count_text(group.base_share),
        wilson(group.share, group.base_share) if metric.unit == "0..1" else None,
        _quotient(group.open_share, group.base_share) if metric.shows_open else None,
    )


def _median(group: Group, currency: str) -> Numbers:
    """The middle one of amounts in order, or the mean of the two in the middle; exact until it is shown."""
    if not group.durations:
        return Numbers(None, None, "0")
    middle = 2 * group.low if group.durations % 2 else group.low + group.high
    return Numbers(money_text(middle, currency, 2), None, str(group.durations))


def _quotient(top: int, bottom: int) -> str | None:
    if not bottom:
        return None
    return decimal_text(top, bottom, PLACES) if bottom > 0 else decimal_text(-top, -bottom, PLACES)


def _duration(question: Question, group: Group) -> Numbers:
    """Mean, or a quantile by linear interpolation: rank 1 + (n - 1) p (R17)."""
    count, stat, whole = group.durations, question.options["stat"], _UNITS[question.metric.unit]
    if not count:
        return Numbers(None, None, "0")
    if stat == "mean":
        return Numbers(
            decimal_text(group.total, count * whole, PLACES), decimal_text(group.total, whole, PLACES), str(count)
        )
    parts = 2 if stat == "median" else 10
    beyond = (count - 1) * (1 if stat == "median" else 9) % parts
    between = group.low * parts + (group.high - group.low) * beyond
    return Numbers(decimal_text(between, parts * whole, PLACES), None, str(count))


def length_text(duration: int, unit: str) -> str:
    """What a member adds to a duration, in the unit of its metric."""
    return decimal_text(duration, _UNITS.get(unit, DAY), PLACES)


def _survival(question: Question, group: Group) -> Numbers:
    """The median of Kaplan-Meier, None where it is not reached; beside it the share that is still open."""
    if not group.durations:
        return Numbers(None, None, "0")
    reached = decimal_text(group.low, _UNITS[question.metric.unit], PLACES) if group.low >= 0 else None
    open_share = _quotient(group.open_share, group.base_share)
    return Numbers(reached, None, str(group.durations), open_share=open_share)


def wilson(share: int, base: int) -> tuple[str, str] | None:
    """The Wilson 95 % interval of share / base (both in millionths); None below five records."""
    if base < _INTERVAL_FROM * RATIO_SCALE:
        return None
    with localcontext() as exactly:
        exactly.prec = 40
        count, ratio, square = Decimal(base) / RATIO_SCALE, Decimal(share) / base, _Z * _Z
        middle = ratio + square / (2 * count)
        spread = _Z * (ratio * (1 - ratio) / count + square / (4 * count * count)).sqrt()
        whole = 1 + square / count
        low, high = (max(Decimal(0), min(Decimal(1), (middle + side * spread) / whole)) for side in (-1, 1))
        return f"{low:.{PLACES}f}", f"{high:.{PLACES}f}"

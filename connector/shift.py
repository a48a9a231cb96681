"""How far a KPI moves between two computations of the same values. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.model import KpiValue

_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of one KPI in one period, over all its values.

    before, after: the sums of the values, which of ratios and durations say no more than that something moved.
    share: the sum of all differences, whichever way they go, for one of what was there (0.05 = 5 %); None where there
    was nothing.
    """

    kpi: str
    period: str
    before: Decimal
    after: Decimal
    share: Decimal | None
    values: int  # how many of them differ

    def is_beyond(self, limit: float) -> bool:
        """Whether it moves by more than that share (0..1); from nothing to something is beyond any but 1."""
        return limit < 1 and (self.share is None or self.share > Decimal(str(limit)))

    def __str__(self) -> str:
        share = "from nothing" if self.share is None else f"by {self.share:.1%}"
        return f"{self.kpi} of {self.period} {share}, {self.before:f} to {self.after:f}"

    def as_json(self) -> dict[str, Any]:
        share = None if self.share is None else format(self.share, "f")
        return {
            "kpi": self.kpi, "period": self.period, "before": format(self.before, "f"),
            "after": format(self.after, "f"), "share": share, "values": self.values,
        }


def moves(before: Iterable[KpiValue], after: Iterable[KpiValue]) -> list[Move]:
    """The KPIs and periods whose values differ, those that move most first."""
    return moved(beside(before, after))


Beside = tuple[KpiValue | None, KpiValue | None]
"""A value before and after, each None where it has no number."""


def beside(before: Iterable[KpiValue], after: Iterable[KpiValue]) -> list[Beside]:
    """Every value that has a number before or after, or both.

    What has no number (no data, withheld from now on, not there at all) counts as 0. What was withheld before
    does not move by being told, nor does what nobody knew of beside it, as the stage that was missing, or a month of
    which no record could be read: it is left out.
    """
    known = [(value.key, value) for value in before]
    told = {key: value.status == "open" for key, value in known}
    untold = {(key[0], key[4]) for key, is_told in told.items() if not is_told}
    withheld = {key[0] for key, value in known if value.status == "withheld"}
    periods = {(key[0], key[4]) for key in told}
    then = {key: value for key, value in known if value.value is not None}
    now: dict[tuple[str, str, str, str, str], KpiValue] = {}
    for value in after:
        key, period = value.key, (value.kpi, value.period)
        beside_it = period not in untold if period in periods else value.kpi not in withheld
        if value.value is not None and told.get(key, beside_it):
            now[key] = value
    return [(then.get(key), now.get(key)) for key in {**then, **now}]


def numbers(pair: Beside) -> tuple[Decimal, Decimal]:
    """The two numbers."""
    then, now = pair
    return Decimal(then.value or 0) if then else Decimal(0), Decimal(now.value or 0) if now else Decimal(0)


def moved(values: Iterable[Beside]) -> list[Move]:
    """The KPIs and periods of which any of these values differ, those that move most first."""
    found: dict[tuple[str, str], list[tuple[Decimal, Decimal]]] = {}
    for pair in values:
        one = pair[1] or pair[0]
        if one is not None:
            found.setdefault((one.kpi, one.period), []).append(numbers(pair))
    made = (_move(kpi, period, pairs) for (kpi, period), pairs in found.items())
    return sorted((one for one in made if one.values), key=_most_first)


def _move(kpi: str, period: str, pairs: list[tuple[Decimal, Decimal]]) -> Move:
    base = sum((abs(then) for then, _ in pairs), Decimal(0))
    moved = sum((abs(now - then) for then, now in pairs), Decimal(0))
    return Move(
        kpi, period, sum((then for then, _ in pairs), Decimal(0)), sum((now for _, now in pairs), Decimal(0)),
        (moved / base).quantize(_PLACES) if base else None, sum(1 for then, now in pairs if then != now),
    )


def _most_first(move: Move) -> tuple[bool, Decimal, str, str]:
    return move.share is not None, -(move.share or Decimal(0)), move.kpi, move.period

"""What a closed period has become since: the differences between its frozen and today's values, and their causes. Pure.

    adjustment = restated - (frozen + what was settled)         per KPI, subject, dimensions and origin period

so that all adjustments of a value, in whatever state, always add up to restated - frozen. What a KPI's kind allows
(design.md section 5): counts and money post their difference to a later period; of ratios the differences of numerator
and denominator are shown, never added into another period's ratio; durations, stocks and scores are only noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.model import KpiValue, Member

POSTED = frozenset({"C", "V"})
"""The kinds of metric whose difference is money or counts of another period, once somebody accepts it."""

OPEN, SETTLED = ("proposed", "deferred", "noted"), ("accepted", "rejected")
"""States that follow what is known, and those that a person has settled for good."""

UNKNOWN = frozenset({"withheld", "unknown_before"})


@dataclass(frozen=True, slots=True)
class Amounts:
    """Differences as exact decimals; each is absent where the values have no such number."""

    value: Decimal | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None

    @property
    def is_nothing(self) -> bool:
        return not (self.value or self.numerator or self.denominator)

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(*(_sum(mine, its) for mine, its in zip(self._parts, other._parts, strict=True)))

    def __sub__(self, other: Amounts) -> Amounts:
        return self + Amounts(*(None if part is None else -part for part in other._parts))

    @property
    def _parts(self) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        return self.value, self.numerator, self.denominator


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def amounts(value: KpiValue | None, kind: str) -> Amounts:
    """The numbers of a value that can be told apart from another's: of a ratio only what it is made of."""
    if value is None:
        return Amounts()
    number, top, bottom = (None if text is None else Decimal(text) for text in
                           (value.value, value.numerator, value.denominator))
    return Amounts(None, top, bottom) if kind == "R" else Amounts(number)


def open_amount(
    frozen: KpiValue | None, restated: KpiValue | None, kind: str, settled: Iterable[Amounts]
) -> Amounts | None:
    """What is still between the frozen and today's value after what was settled; None while today's is not known.

    A value nobody computes any more (a KPI taken out, a leaver settled) takes nothing back either: what is really gone
    is computed as 0.
    """
    if restated is None or restated.status in UNKNOWN:
        return None
    left = amounts(restated, kind) - amounts(frozen, kind)
    for one in settled:
        left = left - one
    return left


def first_state(kind: str) -> str:
    """The state an adjustment begins in."""
    return "proposed" if kind in POSTED else "noted"


# --- causes ----------------------------------------------------------------------------------------------------------

_Place = tuple[str, str, str, str]  # side, entity, source, id


def causes(before: Iterable[Member], now: Iterable[Member]) -> list[dict[str, Any]]:
    """Which rows make the difference, each with what it counted for then and now; the heaviest first.

    `change`: entered (a late win), left (deleted, reopened, of somebody else now), changed (another amount or share).
    """
    then, today = _by_row(before), _by_row(now)
    found = [
        _cause(place, then.get(place, ()), today.get(place, ()))
        for place in sorted(then.keys() | today.keys())
        if then.get(place) != today.get(place)
    ]
    return sorted(found, key=_weight)


def _weight(cause: Mapping[str, Any]) -> int:
    moved: int = (cause["amount_now"] or 0) - (cause["amount_before"] or 0)
    return -abs(moved)


def _by_row(members: Iterable[Member]) -> dict[_Place, list[tuple[int | None, int | None, int | None]]]:
    """What each row counts for on each side: amount, share, duration; a row may count several times."""
    found: dict[_Place, list[tuple[int | None, int | None, int | None]]] = {}
    for one in members:
        key = one.side, one.entity, one.source, one.id
        found.setdefault(key, []).append((one.amount, one.share, one.duration))
    return {key: sorted(rows, key=repr) for key, rows in found.items()}


def _cause(place: _Place, then: Sequence[tuple[Any, ...]], today: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    side, entity, source, id_ = place
    change = "entered" if not then else "left" if not today else "changed"
    return {
        "side": side, "entity": entity, "source": source, "id": id_, "change": change,
        "amount_before": _total(then), "amount_now": _total(today),
    }


def _total(rows: Sequence[tuple[Any, ...]]) -> int | None:
    """Base money in ten-thousandths; None where nothing of it is money."""
    given = [row[0] for row in rows if row[0] is not None]
    return sum(given) if given else None


# --- what is paid ----------------------------------------------------------------------------------------------------


def payable(own: KpiValue, posted: Iterable[Amounts], kind: str) -> Decimal | None:
    """The value with the adjustments that were accepted into its period; only counts and money have such a sum."""
    if own.value is None or kind not in POSTED:
        return None if own.value is None else Decimal(own.value)
    total = Decimal(own.value)
    for one in posted:
        total += one.value or 0
    return total


def of_closed(
    frozen: Mapping[Any, KpiValue], restated: Mapping[Any, KpiValue], holds: Callable[[KpiValue], bool]
) -> Iterator[tuple[KpiValue | None, KpiValue | None]]:
    """Each value of a closed period beside today's: also what is gone today, and what nobody knew of then.

    `holds`: whether a value's KPI is sealed for its period.
    """
    for key, value in frozen.items():
        yield value, restated.get(key)
    for key, value in restated.items():
        if key not in frozen and holds(value):
            yield None, value

"""What a closed period has become since: the differences between its frozen and today's values, and their causes. Pure.

    adjustment = restated - (frozen + what was settled)         per KPI, subject, dimensions and origin period

so that all adjustments of a value, in whatever state, always add up to restated - frozen. What a KPI's kind allows
(design.md section 5): counts and money post their difference to a later period; of ratios the differences of numerator
and denominator are shown, never added into another period's ratio; durations, stocks and scores are only noted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.model import MONEY_SCALE, RATIO_SCALE, KpiValue, Member

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

Place = tuple[str, str, str, str]
"""side, entity, source, id: a record as a member."""

_Counted = tuple[int | None, int | None, int | None]  # amount, share, duration
_NOTHING: tuple[int | None, int | None] = (None, None)


def place(member: Member) -> Place:
    """Which record on which side a member is."""
    return member.side, member.entity, member.source, member.id


def causes(
    before: Iterable[Member], now: Iterable[Member],
    settled: Iterable[tuple[Sequence[Mapping[str, Any]], bool]] = (),
) -> list[dict[str, Any]]:
    """Which rows make the difference, each with what it counted for and counts for now; the heaviest first.

    `settled`: the causes of what was settled, in the order of the decisions, and whether the period was sealed anew
    since, which took them in. What was settled is not told again: a row is told from where the last decision left it.

    `change`: entered (a late win), left (deleted, reopened, of somebody else now), changed (another amount or share),
    sealed (settled once, and counted again by the period's new seal).
    """
    then, today = _by_row(before), _by_row(now)
    old, left = {key: _sums(rows) for key, rows in then.items()}, {key: _sums(rows) for key, rows in today.items()}
    found: list[dict[str, Any]] = []
    told: dict[Place, tuple[int | None, int | None]] = {}
    for listed, is_sealed in settled:
        for one in listed:
            key = one["side"], one["entity"], one["source"], one["id"]
            was, is_ = (one["amount_before"], one["share_before"]), (one["amount_now"], one["share_now"])
            if is_sealed:
                found.append(_cause(key, is_, was, "sealed"))
            else:
                told[key] = is_
    for key in sorted(then.keys() | today.keys() | told.keys()):
        was, is_ = told.get(key, old.get(key, _NOTHING)), left.get(key, _NOTHING)
        differs = was != is_ if key in told else then.get(key) != today.get(key)
        if differs:
            change = "entered" if was == _NOTHING else "left" if is_ == _NOTHING else "changed"
            found.append(_cause(key, was, is_, change))
    return sorted(found, key=_weight)


def apart(
    causes: Iterable[dict[str, Any]], kept: Collection[Place], kind: str
) -> tuple[list[dict[str, Any]], Amounts]:
    """The causes without those of records that another subject keeps, and what these make of the amount.

    Only of counts and money, which can be paid.
    """
    own: list[dict[str, Any]] = []
    moved = Decimal(0)
    for one in causes:
        key = one["side"], one["entity"], one["source"], one["id"]
        if kind in POSTED and key in kept:
            name, scale = ("amount", MONEY_SCALE) if kind == "V" else ("share", RATIO_SCALE)
            moved += Decimal((one[f"{name}_now"] or 0) - (one[f"{name}_before"] or 0)) / scale
        else:
            own.append(one)
    return own, Amounts(moved) if moved else Amounts()


def _weight(cause: Mapping[str, Any]) -> int:
    moved: int = (cause["amount_now"] or 0) - (cause["amount_before"] or 0)
    return -abs(moved)


def _by_row(members: Iterable[Member]) -> dict[Place, list[_Counted]]:
    """What each row counts for on each side: amount, share, duration; a row may count several times."""
    found: dict[Place, list[_Counted]] = {}
    for one in members:
        found.setdefault(place(one), []).append((one.amount, one.share, one.duration))
    return {key: sorted(rows, key=repr) for key, rows in found.items()}


def _sums(rows: Sequence[_Counted]) -> tuple[int | None, int | None]:
    """Base money in ten-thousandths and shares in millionths; None where nothing of it is that."""
    amounts, shares = ([row[at] for row in rows] for at in (0, 1))
    return _total(amounts), _total(shares)


def _total(numbers: Iterable[int | None]) -> int | None:
    given = [number for number in numbers if number is not None]
    return sum(given) if given else None


def _cause(
    key: Place, was: tuple[int | None, int | None], is_: tuple[int | None, int | None], change: str
) -> dict[str, Any]:
    side, entity, source, id_ = key
    return {
        "side": side, "entity": entity, "source": source, "id": id_, "change": change, "amount_before": was[0],
        "amount_now": is_[0], "share_before": was[1], "share_now": is_[1],
    }


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

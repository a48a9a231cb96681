"""Weighted means of parts of which some may have no number: their weight is spread over the others, and shown. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from connector.exact import decimal_text, half_even
from connector.metrics.value import PLACES
from connector.model import RATIO_SCALE, Member


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score: how much it weighs and how far it got; None is no data.

    `entity`, `source` and `id` say what it is; `told` what else is shown of it, as plain JSON.
    """

    entity: str
    id: str
    weight: Fraction
    level: Fraction | None
    source: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


def mean(parts: Sequence[Part]) -> Fraction | None:
    """The weighted mean of the parts that have a level; None where none has."""
    known = [(part.weight, part.level) for part in parts if part.level is not None]
    total = sum((weight for weight, _ in known), Fraction(0))
    return sum((weight * level for weight, level in known), Fraction(0)) / total if total else None


def spread(parts: Sequence[Part]) -> list[Fraction]:
    """The weight with which each part counts: those with a level share what the others have; in sum 1, or all 0."""
    total = sum((part.weight for part in parts if part.level is not None), Fraction(0))
    return [part.weight / total if total and part.level is not None else Fraction(0) for part in parts]


def members(parts: Sequence[Part]) -> Iterator[Member]:
    """Each part as members of the score: its weight in the denominator, and in the numerator what it adds.

    The score is the sum of the shares of the numerator by that of the denominator; a part without level only has a
    denominator, of 0.
    """
    for part, weight in zip(parts, spread(parts), strict=True):
        told = {"weight": text(part.weight), "spread_weight": text(weight), "level": text(part.level), **part.told}
        if part.level is not None:
            yield _member(part, "numerator", weight * part.level, told)
        yield _member(part, "denominator", weight, told)


def _member(part: Part, side: str, share: Fraction, told: Mapping[str, Any]) -> Member:
    counted = half_even(share.numerator * RATIO_SCALE, share.denominator)
    return Member(side, part.entity, part.source, part.id, share=counted, told=told)


def text(number: Fraction | None) -> str | None:
    """With six places, rounded half-even."""
    return None if number is None else decimal_text(number.numerator, number.denominator, PLACES)


def weight(written: object) -> Fraction:
    """A weight above 0, from a number, its text or a fraction such as 1/3. Raises ValueError."""
    try:
        found = Fraction(str(written)) if isinstance(written, str | int | float) else None
    except (ValueError, ZeroDivisionError):
        found = None
    if found is None or isinstance(written, bool) or found <= 0:
        raise ValueError("expected a weight above 0, such as 0.4 or 1/3")
    return found

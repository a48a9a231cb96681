"""Objectives and key results: the okrs table, and how far each has come (metrics.md, `okr_kr_progress`). Pure.

| kind | progress |
| --- | --- |
| `number` (default) | (current − start) / (target − start), from 0 to 1; the target may lie below the start |
| `yes_no` | current: yes is 1, no is 0 |
| `milestones` | a row for each `milestone`: the `points` (1) of those whose current is yes, of all |
| `keep_above`, `keep_below` | periods of the KPI that ended with target or better, of those that ended |

`current` is told in the table, or is the value of `kpi`. An objective is the weighted mean of its key results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from connector.weighing import Part, mean, text

OBJECTIVE, KEY_RESULT = "okr_objective", "okr_kr_progress"
KINDS = ("number", "yes_no", "milestones", "keep_above", "keep_below")
KEPT = ("keep_above", "keep_below")
GREEN, AMBER = "0.7", "0.4"
"""From where on an objective is green or amber; below it is red."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A step of a key result, and how much of it it is."""

    name: str
    points: Decimal
    is_done: bool


@dataclass(frozen=True, slots=True)
class KeyResult:
    """One key result as the table has it; whose it is as written: `kind_of` is subject, person, team or company.

    `current` is None where the KPI tells it, or nobody has yet; of `yes_no` it is 1 or 0.
    """

    objective: str
    name: str
    kind_of: str
    subject: str
    period: str
    kind: str = "number"
    kpi: str = ""
    start: Decimal | None = None
    target: Decimal | None = None
    current: Decimal | None = None
    weight: Decimal = Decimal(1)
    milestones: Sequence[Milestone] = field(default=())


@dataclass(frozen=True, slots=True)
class Current:
    """What a KPI says of a key result: its value, or of one to keep its values by the name of each period that ended.

    `status` is that of the KPI's values: `open` where they can be told.
    """

    value: Fraction | None = None
    by_period: Mapping[str, Fraction | None] = field(default_factory=dict)
    status: str = "open"


def progress(one: KeyResult, said: Current | None = None) -> Fraction | None:
    """How far it has come, 0 to 1; None where start and target are the same, or nothing is known."""
    if one.kind == "milestones":
        total = sum((step.points for step in one.milestones), Decimal(0))
        done = sum((step.points for step in one.milestones if step.is_done), Decimal(0))
        return Fraction(done) / Fraction(total) if total else None
    if one.kind in KEPT:
        return _kept(one, said.by_period if said else {})
    current = said.value if said else None if one.current is None else Fraction(one.current)
    if one.kind == "yes_no" or current is None:
        return current
    if one.start is None or one.target is None or one.start == one.target:
        return None
    start, target = Fraction(one.start), Fraction(one.target)
    return min(max((current - start) / (target - start), Fraction(0)), Fraction(1))


def _kept(one: KeyResult, values: Mapping[str, Fraction | None]) -> Fraction | None:
    known = [value for value in values.values() if value is not None]
    if not known or one.target is None:
        return None
    limit = Fraction(one.target)
    held = sum(value >= limit if one.kind == "keep_above" else value <= limit for value in known)
    return Fraction(held, len(known))


def part(one: KeyResult, said: Current | None = None) -> Part:
    """A key result as part of its objective, with what it is made of."""
    current = said.value if said else None if one.current is None else Fraction(one.current)
    told: dict[str, Any] = {
        "kind": one.kind, "kpi": one.kpi or None, "start": _text(one.start), "target": _text(one.target),
        "current": text(current),
    }
    if one.milestones:
        told["milestones"] = [
            {"milestone": step.name, "points": format(step.points, "f"), "done": step.is_done}
            for step in one.milestones
        ]
    if one.kind in KEPT and said:
        told["periods"] = [{"period": name, "value": text(value)} for name, value in said.by_period.items()]
    return Part("key_result", one.name, Fraction(one.weight), progress(one, said), told=told)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def objectives(
    results: Iterable[KeyResult], said: Callable[[KeyResult], Current | None]
) -> dict[str, list[tuple[KeyResult, Part, str]]]:
    """The key results of each objective, as parts, with the status of each; in the order of the table."""
    found: dict[str, list[tuple[KeyResult, Part, str]]] = {}
    for one in results:
        current = said(one)
        status = current.status if current else "open"
        found.setdefault(one.objective, []).append((one, part(one, current), status))
    return found


def objective(parts: Sequence[Part]) -> Fraction | None:
    """The weighted mean of the key results that have a progress."""
    return mean(parts)


def colour(value: str | None, options: Mapping[str, str]) -> str | None:
    """`green`, `amber` or `red`; None where there is no data."""
    if value is None:
        return None
    number = Decimal(value)
    if number >= Decimal(options.get("green", GREEN)):
        return "green"
    return "amber" if number >= Decimal(options.get("amber", AMBER)) else "red"

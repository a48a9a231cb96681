"""What a digest says, out of the values that are owed: plain text and the bars of its chart. Pure.

Teams, pipelines and the company are named. People are counted (`3 of 12 people`) unless the config says that they may
be named, and so are values split by anything but `IMPERSONAL`: a field of a deal, or who did it, may name somebody.
Only values with a target are on or off track; the bottleneck is the stage that `bottleneck_score` (lost money) or,
without one, `bottleneck_wait` (deals more) says most of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from connector.ports import Delivery

_PEOPLE = ("person", "owner")
IMPERSONAL = frozenset((
    "pipeline", "stage", "canonical_stage", "reason", "type", "source", "direction", "removal", "outcome", "step",
    "rule", "customer", "objective", "key_result", "adjustment", "origin", "seal",
))
"""Dimensions that never tell a person (`customer` says new or repeat)."""

_BOTTLENECK = ("bottleneck_score", "bottleneck_wait")  # in the order in which they are asked
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the chart: its number in the text, how much of the target is attained (1 = all), and if on track."""

    number: int
    attained: Decimal
    is_on_track: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted."""

    title: str
    body: str
    bars: tuple[Bar, ...]


def compose(
    deliveries: Sequence[Delivery], *, title: str, link: str, off_track: Decimal, people: bool, lines: int
) -> Message:
    """The digest of these values. `off_track`: below that attainment (1 = all); `lines`: at most so many of a list."""
    values = sorted((delivery.kpi for delivery in deliveries), key=_order)
    shown = [kpi for kpi in values if people or not (_is_person(kpi) or _telling(kpi))]
    periods = sorted({str(kpi["period"]) for kpi in values})
    numbered = [kpi for kpi in shown if kpi["attainment"] is not None][:lines]
    parts = [_changed(values, shown, numbered, lines), _off_track(values, shown, off_track, lines), _bottleneck(shown)]
    body = "\n\n".join("\n".join(part) for part in [*parts, [link] if link else []] if part)
    return Message(
        f"{plain(title)} {_listed(periods)}", body,
        tuple(
            Bar(number, Decimal(kpi["attainment"]), Decimal(kpi["attainment"]) >= off_track)
            for number, kpi in enumerate(numbered, 1)
        ),
    )


def _is_person(kpi: Mapping[str, Any]) -> bool:
    return kpi["subject"]["kind"] in _PEOPLE


def _telling(kpi: Mapping[str, Any]) -> set[str]:
    """The dimensions of a value that may name somebody."""
    return set(kpi["dimensions"]) - IMPERSONAL


def _order(kpi: Mapping[str, Any]) -> tuple[Any, ...]:
    """The latest period first, then KPI by KPI, the company before teams before people."""
    kinds = ("company", "team", "pipeline", "person", "owner")
    subject = kpi["subject"]
    days = tuple(-int(part) for part in str(kpi["period_start"]).split("-"))
    return days, kpi["kpi"], kinds.index(subject["kind"]), subject["key"], sorted(kpi["dimensions"].items())


def _listed(periods: Sequence[str]) -> str:
    return ", ".join(periods[-3:]) + (f" and {len(periods) - 3} more" if len(periods) > 3 else "")


def _changed(values: Sequence[Any], shown: Sequence[Any], numbered: Sequence[Any], lines: int) -> list[str]:
    ordered = [*numbered, *(kpi for kpi in shown if kpi not in numbered)][:lines]
    said = [f"{_count(len(values), 'value')} changed"]
    for place, kpi in enumerate(ordered, 1):
        mark = f"{place}." if place <= len(numbered) else "-"
        said.append(f"{mark} {_name(kpi)}: {_amount(kpi['value'], kpi)}{_of_target(kpi)}")
    if len(shown) > len(ordered):
        said.append(f"- and {len(shown) - len(ordered)} more")
    hidden = [kpi for kpi in values if kpi not in shown]
    if persons := [kpi["subject"]["key"] for kpi in hidden if _is_person(kpi)]:
        said.append(f"- {_count(len(persons), 'value')} of {_count(len(set(persons)), 'person')}, not named here")
    if split := [kpi for kpi in hidden if not _is_person(kpi)]:
        names = sorted({name for kpi in split for name in _telling(kpi)})
        said.append(f"- {_count(len(split), 'value')} split by {plain(', '.join(names))}, not shown here")
    return said


def _off_track(values: Sequence[Any], shown: Sequence[Any], off_track: Decimal, lines: int) -> list[str]:
    aimed = [kpi for kpi in values if kpi["attainment"] is not None]
    late = [kpi for kpi in aimed if Decimal(kpi["attainment"]) < off_track]
    if not aimed:
        return []
    said = [f"Off track (below {_percent(off_track)} of the target)"]
    named = [kpi for kpi in late if kpi in shown]
    said += [f"- {_name(kpi)}: {_percent(Decimal(kpi['attainment']))}" for kpi in named[:lines]]
    if len(named) > lines:
        said.append(f"- and {len(named) - lines} more")
    hidden = [kpi for kpi in late if kpi not in shown]
    if persons := {kpi["subject"]["key"] for kpi in hidden if _is_person(kpi)}:
        everybody = {kpi["subject"]["key"] for kpi in aimed if kpi not in shown and _is_person(kpi)}
        said.append(f"- {len(persons)} of {_count(len(everybody), 'person')}")
    if split := sum(not _is_person(kpi) for kpi in hidden):
        said.append(f"- {_count(split, 'value')} not shown here")
    return said if late else [f"Nobody is off track (below {_percent(off_track)} of the target)"]


def _bottleneck(shown: Sequence[Any]) -> list[str]:
    for metric in _BOTTLENECK:
        found = [kpi for kpi in shown if kpi["metric"] == metric and kpi["value"] is not None and Decimal(kpi["value"])]
        if found:
            worst = max(found, key=lambda kpi: (kpi["period_start"], Decimal(kpi["value"])))
            return ["Bottleneck", f"- {_name(worst)}: {_amount(worst['value'], worst)}"]
    return []


def _name(kpi: Mapping[str, Any]) -> str:
    """What a value is of: `won_value, Miền Bắc, demo (2026-10)`."""
    subject = kpi["subject"]
    whose = subject["name"] or subject["key"] or subject["kind"]
    parts = [kpi["kpi"], whose, *(kpi["dimensions"][name] for name in sorted(kpi["dimensions"]))]
    return f"{', '.join(plain(str(part)) for part in parts)} ({plain(str(kpi['period']))})"


def _amount(text: str | None, kpi: Mapping[str, Any]) -> str:
    """A number as people read it: 19,000.00 USD, 55.0 %, 12 days."""
    if text is None:
        return "no data"
    number, unit = Decimal(text), kpi["unit"]
    if unit.startswith("money"):  # and `money per day`
        return f"{number:,} {kpi['currency'] or ''}{unit.removeprefix('money')}".rstrip()
    if unit == "0..1":
        return _percent(number)
    short = number if number == number.to_integral_value() else number.quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    return f"{short.normalize():,f} {'' if unit == 'count' else plain(unit)}".rstrip()


def _of_target(kpi: Mapping[str, Any]) -> str:
    if kpi["attainment"] is None or kpi["target"] is None:
        return ""
    return f", {_percent(Decimal(kpi['attainment']))} of {_amount(kpi['target'], kpi)}"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).quantize(Decimal('0.1'), ROUND_HALF_EVEN):,} %"


def _count(number: int, what: str) -> str:
    many = {"person": "people"}.get(what, f"{what}s")
    return f"{number} {what if number == 1 else many}"


def plain(text: str) -> str:
    """A name as it is, in one line, that no chat takes for a mention, a link or markup."""
    one_line = _CONTROL.sub(" ", text).strip()
    for sign, harmless in (("<", "‹"), (">", "›"), ("@", "＠"), ("[", "("), ("]", ")"), ("`", "'"), ("*", "∗")):
        one_line = one_line.replace(sign, harmless)
    return one_line

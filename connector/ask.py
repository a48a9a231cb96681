"""Attitude, skill, knowledge: the ask table, and the score of each person in a review round (metrics.md). Pure.

    item  = weighted mean of what others say, 1 to 5; what the person says of themselves is shown apart
    group = mean of its items; level = (group − 1) / 4
    score = sum of weight × level over the three groups; None where one of them has no item

| column | what |
| --- | --- |
| person | employee code or e-mail |
| group | attitude, skill, knowledge |
| item | what is rated |
| rater | who says so; the person, or `self`, is counted apart |
| round | the period the review is of |
| score | 1 to 5 |
| required | the level the role asks for; the gap is required − level |
| weight | of the rater; 1 |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from connector.cells import above_zero, code, name, number, period_of, read, required
from connector.errors import ConfigError, Fault
from connector.period import Calendar, Period
from connector.tabular import Cell, Row, columns, read_table
from connector.weighing import Part, text

if TYPE_CHECKING:
    from connector.people import People

METRIC = "ask_score"
GROUPS = ("attitude", "skill", "knowledge")
EQUAL = dict.fromkeys(GROUPS, "1/3")
"""The weights of the groups where nothing else is said."""

COLUMNS = ("person", "group", "item", "rater", "round", "score")
SELF = "self"
LOWEST, HIGHEST = 1, 5


@dataclass(frozen=True, slots=True)
class Rating:
    """What one rater says of one item of a person. `is_self`: the person themselves."""

    person: str
    group: str
    item: str
    rater: str
    period: str
    score: Decimal
    weight: Decimal = Decimal(1)
    required: Decimal | None = None
    is_self: bool = False


# --- the score -------------------------------------------------------------------------------------------------------


def parts(ratings: Iterable[Rating], weights: Mapping[str, str]) -> list[Part]:
    """Each item of one person and round, as it counts: its group's weight, shared by the items others rated.

    An item only the person rated has a level of None and does not count.
    """
    found: dict[tuple[str, str], list[Rating]] = {}
    for one in ratings:
        found.setdefault((one.group, one.item), []).append(one)
    levels = {key: _mean(one for one in told if not one.is_self) for key, told in found.items()}
    counts = {group: sum(key[0] == group and level is not None for key, level in levels.items()) for group in GROUPS}
    made = []
    for key in sorted(found, key=lambda key: (GROUPS.index(key[0]), key[1])):
        level, weight = levels[key], Fraction(weights[key[0]])
        told = _told(found[key], level) | {"group": key[0], "group_weight": text(weight)}
        share = weight / counts[key[0]] if level is not None else Fraction(0)
        made.append(Part("ask_item", key[1], share, None if level is None else (level - 1) / 4, key[0], told))
    return made


def score(parts: Sequence[Part]) -> Fraction | None:
    """The composite, 0 to 1; None where a group has no item that others rated."""
    known = [part for part in parts if part.level is not None]
    if {part.source for part in known} != set(GROUPS):
        return None
    return sum((part.weight * (part.level or 0) for part in known), Fraction(0))


def _mean(ratings: Iterable[Rating]) -> Fraction | None:
    told = [(Fraction(one.weight), Fraction(one.score)) for one in ratings]
    total = sum((weight for weight, _ in told), Fraction(0))
    return sum((weight * score for weight, score in told), Fraction(0)) / total if total else None


def _told(ratings: Sequence[Rating], level: Fraction | None) -> dict[str, Any]:
    """What is shown of an item beside its weight: 1 to 5 as rated, the gap, the person's own view, the raters."""
    needed = next((one.required for one in ratings if one.required is not None), None)
    own = _mean(one for one in ratings if one.is_self)
    gap = None if needed is None or level is None else Fraction(needed) - level
    return {
        "rated": text(level), "required": None if needed is None else text(Fraction(needed)), "gap": text(gap),
        "self": text(own), "raters": sum(not one.is_self for one in ratings),
    }


# --- the table -------------------------------------------------------------------------------------------------------


def parse(
    content: bytes, file: str, every: str, calendar: Calendar, decimal: str = ".", staff: People | None = None
) -> list[Rating]:
    """The ratings of a table. All faults at once as ConfigError; without `staff` persons are not judged."""
    reading = _Reading(file, every, calendar, decimal, staff)
    reading.table(content)
    if reading.faults:
        raise ConfigError(reading.faults)
    return reading.found


def kept(content: bytes, file: str, every: str, calendar: Calendar, decimal: str, staff: People) -> list[Rating]:
    """Those of a version the journal keeps; who is not known then is left out."""
    reading = _Reading(file, every, calendar, decimal, staff)
    reading.table(content)
    return reading.found


class _Reading:
    """One table being read: what was found, and every fault."""

    def __init__(self, file: str, every: str, calendar: Calendar, decimal: str, staff: People | None) -> None:
        self.file, self.every, self.calendar, self.decimal, self.staff = file, every, calendar, decimal, staff
        self.found: list[Rating] = []
        self.faults: list[Fault] = []
        self._lines: dict[tuple[str, ...], int] = {}
        self._required: dict[tuple[str, ...], tuple[Decimal, int]] = {}

    def table(self, content: bytes) -> None:
        given = columns(content, self.file)
        missing = [column for column in COLUMNS if column not in given]
        wanted = f"expected {', '.join(COLUMNS)}, and if you like weight and required"
        self.faults += [Fault(self.file, 1, column, f"no such column; {wanted}") for column in missing]
        if not missing:
            for row in read_table(content, self.file):
                self._row(row)

    def _row(self, row: Row) -> None:
        before = len(self.faults)
        written = required(row, "person", code, self.faults)
        group, item = required(row, "group", _group, self.faults), required(row, "item", name, self.faults)
        rater, period = required(row, "rater", name, self.faults), required(row, "round", self._round, self.faults)
        score = required(row, "score", self._score, self.faults)
        weight = read(row, "weight", lambda value: above_zero(value, self.decimal), self.faults)
        needed = read(row, "required", self._score, self.faults)
        person = self._person(row, "person", written)
        if len(self.faults) > before or score is None:
            return
        assert person and group and item and rater and period  # noqa: S101, PT018  # a missing one is a fault
        rated_by = self.staff.find(rater) if self.staff else None
        by = rated_by.code if rated_by and rated_by.code else rater
        is_self = by in (person, written) or by.casefold() == SELF
        self._add(row, Rating(
            person, group, item, SELF if is_self else by, period.name, score,
            Decimal(1) if weight is None else weight, needed, is_self,
        ))

    def _add(self, row: Row, made: Rating) -> None:
        """Keep a rating, unless the same rater rated it before, or another level is required."""
        item = made.person, made.period, made.group, made.item
        line = self._lines.setdefault((*item, made.rater), row.number)
        if line != row.number:
            self.faults.append(row.fault("rater", f"{made.rater} rates {made.item} on line {line} too; keep one"))
            return
        if made.required is not None:
            needed, line = self._required.setdefault(item, (made.required, row.number))
            if needed != made.required:
                message = f"{made.item} requires {needed:f} on line {line}; one level is required of an item"
                self.faults.append(row.fault("required", message))
                return
        self.found.append(made)

    def _person(self, row: Row, column: str, written: str | None) -> str | None:
        """The code of the person meant."""
        if written is None or self.staff is None:
            return written
        person = self.staff.find(written)
        if person is None or not person.code:
            message = f"nobody is known as {written!r}; expected an employee code or e-mail of the people file"
            self.faults.append(row.fault(column, message + self.staff.lost_zeros(written)))
            return None
        return person.code

    def _round(self, value: Cell) -> Period:
        found = period_of(value, self.calendar)
        if found.every != self.every:
            raise ValueError(f"{found.name} is a {found.every}, and the rounds are of every {self.every}; set "
                             "ask.every in the config for others")
        return found

    def _score(self, value: Cell) -> Decimal:
        found = number(value, self.decimal)
        if not LOWEST <= found <= HIGHEST:
            raise ValueError("expected a score from 1 to 5")
        return found


def _group(value: Cell) -> str:
    word = code(value).lower()
    if word not in GROUPS:
        raise ValueError(f"expected one of {', '.join(GROUPS)}")
    return word

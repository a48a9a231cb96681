"""Metrics made of other metrics: each term is computed like any metric over a window of the period; then combined.

A window may be longer than the period, so that those of neighbouring periods overlap. The instants at which windows
begin and end cut time into pieces; a term is computed over the pieces, and a window adds up those that are in it. So a
term of a longer window must add up over time: counts, amounts, shares and mean durations do, quantiles do not. What is
told by day does not either, and is computed over the windows as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import accumulate, pairwise
from operator import add, attrgetter, sub
from typing import Any

from connector.metrics.engine import Engine, meaning
from connector.metrics.metric import Metric, Window
from connector.metrics.question import DAY, Group, Question
from connector.metrics.value import Numbers
from connector.period import Calendar, Period

Key = tuple[str, str, tuple[str, ...]]
"""Kind and key of a subject, and the words of the dimensions."""

_ADDED = Group._fields[4:-3]  # low, high and stays are of one piece only
_sums, _piece = attrgetter(*_ADDED), attrgetter("period")
_NONE = (0,) * len(_ADDED)


@dataclass(frozen=True, slots=True)
class Composition:
    """What a value of a metric made of others is made of; terms without members are empty."""

    terms: Mapping[str, Group]
    period: Period
    as_of: int
    currency: str
    options: Mapping[str, str]
    target: Fraction | None = None

    @property
    def days(self) -> int:
        """How many days the period has."""
        return (self.period.end_on - self.period.start_on).days + 1

    @property
    def year(self) -> int:
        """How much of the 12 months that end with the period had passed by the as-of moment, in microseconds."""
        after = self.period.end_on + timedelta(days=1)
        return (after - _a_year_before(after)).days * DAY - max(0, self.period.end - self.as_of)

    def days_before(self, steps: int) -> int:
        """How many days the period so many before it has."""
        calendar, found = Calendar(fiscal_year_start=self.period.start_on.month), self.period
        for _ in range(steps):
            found = calendar.holding(found.every, found.start_on - timedelta(days=1))
        return (found.end_on - found.start_on).days + 1


def combined(question: Question, terms: Composition) -> Numbers:
    """The numbers of one value."""
    assert question.metric.combine is not None  # noqa: S101  # every metric with terms has it (test of the registry)
    return question.metric.combine(terms)


def questions(
    question: Question, catalogue: Mapping[str, Metric], calendar: Calendar
) -> Iterator[tuple[str, Question]]:
    """The question of each term, over its windows of the same periods."""
    for name, term in question.metric.made_of.items():
        if any(question.options.get(option) != word for option, word in term.when.items()):
            continue
        metric = catalogue[term.metric]
        shared = {key: word for key, word in question.options.items() if key in metric.options}
        yield name, replace(
            question, metric=metric, options={**metric.default_options, **shared, **term.options},
            where={**question.where, **term.where},
            periods=tuple(window(term.window, period, calendar, term.steps) for period in question.periods),
        )


def asked(named: Iterable[tuple[str, Question]]) -> list[tuple[Question, list[tuple[str, tuple[Period, ...]]]]]:
    """The questions for the engine, each with the terms it is asked for and their windows.

    Terms that differ in their windows only are one question, over all of these, or over their pieces.
    """
    alike: dict[tuple[Hashable, bool], list[tuple[str, Question]]] = {}
    for name, one in named:
        is_cut = _overlap(one.periods) and not one.metric.by_day
        alike.setdefault((meaning(one), is_cut), []).append((name, one))
    found: list[tuple[Question, list[tuple[str, tuple[Period, ...]]]]] = []
    for (_, are_cut), terms in alike.items():
        told = {(one.start, one.end): one for _, question in terms for one in question.periods}
        windows = tuple(told[bounds] for bounds in sorted(told))
        by_day = terms[0][1].metric.by_day
        if not (are_cut or by_day) and _overlap(windows):  # of different lengths: none is a sum of others
            found += [(question, [(name, question.periods)]) for name, question in terms]
        else:
            periods = _pieces(windows) if are_cut else windows
            found.append((replace(terms[0][1], periods=periods), [(name, one.periods) for name, one in terms]))
    return found


def groups(
    engine: Engine, question: Question, catalogue: Mapping[str, Metric]
) -> list[dict[Key, dict[str, Group]]]:
    """For each period the terms of every subject and combination of dimensions that has members of any."""
    found: list[dict[Key, dict[str, Group]]] = [{} for _ in question.periods]
    for one, terms in asked(questions(question, catalogue, engine.calendar)):
        of_pieces = engine.groups(one)
        for name, windows in terms:
            for place, (key, group) in _folded(of_pieces, one.periods, windows):
                found[place].setdefault(key, {})[name] = group
    return found


def members(
    engine: Engine, question: Question, catalogue: Mapping[str, Metric]
) -> Iterator[tuple[Question, str, tuple[Any, ...]]]:
    """The rows of every term's members (`Engine.members`), with the question and the name of the term they are of."""
    for name, asked in questions(question, catalogue, engine.calendar):
        for row in engine.members(asked):
            yield asked, name, row


def window(kind: Window, period: Period, calendar: Calendar, steps: int = 1) -> Period:
    """A window of a period; of periods before it the one so many steps back, under its own name."""
    if kind == "period" or period.every == "all":
        return period
    if kind == "before":
        for _ in range(steps):
            period = calendar.at(period.every, period.start - 1)
        return period
    if kind == "year_earlier":
        return _year_until(window("year", period, calendar).start, period.name, calendar)
    return _year_until(period.end if kind == "year" else period.start, period.name, calendar)


def _year_until(end: int, name: str, calendar: Calendar) -> Period:
    """The 12 months that end at an instant, the first of a local day."""
    last, after = calendar.day_of(end - 1), calendar.day_of(end)
    first = _a_year_before(after)
    return Period(name, "year", first, last, calendar.start_of(first), end)


def _a_year_before(day: date) -> date:
    return date(day.year - 1, day.month, min(day.day, 28) if day.month == 2 else day.day)


def _overlap(windows: Sequence[Period]) -> bool:
    return any(one.end > later.start for one, later in pairwise(sorted(windows, key=lambda one: one.start)))


def _pieces(windows: Sequence[Period]) -> tuple[Period, ...]:
    """The time of all windows, cut wherever one of them begins or ends."""
    bounds = sorted({instant for one in windows for instant in (one.start, one.end)})
    first, last = windows[0].start_on, windows[-1].end_on
    return tuple(Period("", "", first, last, start, end) for start, end in pairwise(bounds))


def _folded(
    found: Sequence[Group], pieces: Sequence[Period], windows: Sequence[Period]
) -> Iterator[tuple[int, tuple[Key, Group]]]:
    """The groups of each window, by its place; a window of several pieces has their sums."""
    whole = {(piece.start, piece.end): place for place, piece in enumerate(pieces)}
    if all((one.start, one.end) in whole for one in windows):
        of_piece: dict[int, list[int]] = {}
        for place, one in enumerate(windows):
            of_piece.setdefault(whole[one.start, one.end], []).append(place)
        for group in found:
            for place in of_piece.get(group.period, ()):
                yield place, ((group.kind, group.key, group.dimensions), group)
        return
    begins = {piece.start: place for place, piece in enumerate(pieces)}
    ends = {piece.end: place + 1 for place, piece in enumerate(pieces)}
    spans = [(place, begins[one.start], ends[one.end]) for place, one in enumerate(windows)]
    of_key: dict[Key, list[Group]] = {}
    for group in sorted(found, key=_piece):
        of_key.setdefault((group.kind, group.key, group.dimensions), []).append(group)
    for key, own in of_key.items():
        upto = list(accumulate(map(_sums, own), _plus, initial=_NONE))  # of the first so many of them
        at = [group.period for group in own]
        for place, first, end in spans:
            low, high = bisect_left(at, first), bisect_left(at, end)
            if low < high:
                yield place, (key, Group(place, *key, *map(sub, upto[high], upto[low])))


def _plus(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(add, one, other))

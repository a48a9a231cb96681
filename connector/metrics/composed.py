"""Metrics made of other metrics: each term is computed like any metric over a window of the period; then combined.

A window may be longer than the period, so that those of neighbouring periods overlap. The instants at which windows
begin and end cut time into pieces; a term is computed over the pieces, and a window adds up those that are in it. So a
term of a longer window must add up over time: counts, amounts, shares and mean durations do, quantiles do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

from connector.metrics.engine import Engine
from connector.metrics.metric import Metric, Term, Window
from connector.metrics.question import Group, Question
from connector.metrics.value import Numbers
from connector.period import Calendar, Period

Key = tuple[str, str, tuple[str, ...]]
"""Kind and key of a subject, and the words of the dimensions."""

_ADDED = Group._fields[4:-2]  # low and high are of one piece only


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
            periods=tuple(window(term.window, period, calendar) for period in question.periods),
        )


def groups(
    engine: Engine, question: Question, catalogue: Mapping[str, Metric]
) -> list[dict[Key, dict[str, Group]]]:
    """For each period the terms of every subject and combination of dimensions that has members of any."""
    found: list[dict[Key, dict[str, Group]]] = [{} for _ in question.periods]
    for name, asked in questions(question, catalogue, engine.calendar):
        for place, (key, group) in _folded(engine, asked):
            found[place].setdefault(key, {})[name] = group
    return found


def members(
    engine: Engine, question: Question, catalogue: Mapping[str, Metric]
) -> Iterator[tuple[Question, Term, tuple[Any, ...]]]:
    """The rows of every term's members (`Engine.members`), with the question and the term they are of."""
    for name, asked in questions(question, catalogue, engine.calendar):
        for row in engine.members(asked):
            yield asked, question.metric.made_of[name], row


def window(kind: Window, period: Period, calendar: Calendar) -> Period:
    """A window of a period, under its name."""
    if kind == "period" or period.every == "all":
        return period
    if kind == "before":
        return calendar.at(period.every, period.start - 1)
    end = period.end if kind == "year" else period.start
    last = calendar.day_of(end - 1)
    after = calendar.day_of(end)
    first = date(after.year - 1, after.month, min(after.day, 28) if after.month == 2 else after.day)
    return Period(period.name, "year", first, last, calendar.start_of(first), end)


def _folded(engine: Engine, question: Question) -> Iterator[tuple[int, tuple[Key, Group]]]:
    """The groups of each window of the question, by its place; windows may overlap."""
    wanted = question.periods
    ordered = sorted(wanted, key=lambda one: one.start)
    if all(one.end <= next_.start for one, next_ in pairwise(ordered)):
        for group in engine.groups(question):
            yield group.period, ((group.kind, group.key, group.dimensions), group)
        return
    bounds = sorted({instant for one in wanted for instant in (one.start, one.end)})
    pieces = tuple(
        Period("", "", wanted[0].start_on, wanted[0].end_on, start, end)
        for start, end in pairwise(bounds)
    )
    asked = replace(question, periods=pieces)
    of_piece: list[dict[Key, Group]] = [{} for _ in pieces]
    for group in engine.groups(asked):
        of_piece[group.period][group.kind, group.key, group.dimensions] = group
    for place, one in enumerate(wanted):
        added: dict[Key, Group] = {}
        for piece, found in zip(pieces, of_piece, strict=True):
            if one.start <= piece.start and piece.end <= one.end:
                for key, group in found.items():
                    added[key] = _sum(added[key], group) if key in added else group
        yield from ((place, item) for item in added.items())


def _sum(one: Group, other: Group) -> Group:
    return one._replace(**{name: getattr(one, name) + getattr(other, name) for name in _ADDED})

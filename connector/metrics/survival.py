"""How long deals take where some are not decided yet: Kaplan-Meier, Aalen-Johansen of those won, log-rank (R11).

A deal that is still open has lasted so long and will last longer: it is at risk up to its age and then leaves the
count unfinished. What lasted as long as a decision took was still at risk at it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import groupby
from math import prod
from operator import itemgetter
from typing import Any, NamedTuple

from connector.metrics.question import Group
from connector.model import RATIO_SCALE

WHOLE = 10**15
"""What stands for 1 in a curve."""

NOT_REACHED = -1
"""The `low` of a group whose median is not reached."""

_DIGITS, _CLOSE = 50, Decimal("1e-30")
_NOBODY = (0, 0)
_CHI_SQUARE = Fraction("3.841458820694124")  # above it lies a twentieth of chi-square with one degree of freedom


def told(group: Any) -> Group:
    """A group with its median under `low`, of the lengths that stand under `low` (decided) and `high` (running)."""
    middle = median(group.low, group.high)
    at = NOT_REACHED if middle is None else middle
    running, everyone = len(group.high), group.durations
    return Group(*group[:4])._replace(
        low=at, high=at, durations=everyone, without_duration=group.without_duration,
        open_share=running * RATIO_SCALE, base_share=everyone * RATIO_SCALE,
    )


def median(decided: Sequence[int], running: Sequence[int]) -> int | None:
    """The first time at which at most half are undecided; None if that is never reached.

    `decided` and `running` (of those still open: so far): lengths in any unit, each in order.
    """
    everyone = len(decided) + len(running)
    before, tops, bottoms = 0, list[int](), list[int]()
    with localcontext() as exactly:
        exactly.prec = _DIGITS
        share = Decimal(1)
        for time, same in groupby(decided):
            ended = sum(1 for _ in same)
            at_risk = everyone - before - bisect_left(running, time)
            before += ended
            tops.append(at_risk - ended)
            bottoms.append(at_risk)
            share *= Decimal(at_risk - ended) / at_risk
            off = 2 * share - 1
            if off < -_CLOSE or (off <= _CLOSE and 2 * prod(tops) <= prod(bottoms)):  # too close for rounded numbers
                return time
    return None


class Compared(NamedTuple):
    """Two groups of stays beside each other, in 1 / WHOLE.

    `days`: by how many days a stay of the first is longer on average; `fewer`: by how many fewer of the first ended
    than if the two were alike, and the `variance` of that.
    """

    days: int
    fewer: int
    variance: int

    @property
    def is_longer(self) -> bool:
        """Whether stays of the first surely last longer: the log-rank test, two-sided, p < 0.05."""
        return self.days > 0 and self.fewer > 0 and self.fewer**2 > _CHI_SQUARE * self.variance * WHOLE


def compared(now: Sequence[Sequence[int]], before: Sequence[Sequence[int]]) -> Compared:
    """How much longer the first last than the second; each is `Group.stays`: days, how many ended then, how many go on.

    By whole days. On each, those who lasted so long are at risk; of those who end as many should be of the first as is
    its part of them (log-rank). The means are the areas under the two curves of Kaplan-Meier, as far as both were
    followed: one of which nobody is left is known for ever. Each day's part is rounded down to a whole number, so that
    no order of members and no computer makes a difference.
    """
    first, second = _by_day(now), _by_day(before)
    left, left_before = (sum(map(sum, stays[1:])) for stays in (now, before))
    share = share_before = WHOLE
    days = fewer = variance = last = 0
    for day in sorted(first.keys() | second.keys()):
        if (share and not left) or (share_before and not left_before):
            break
        days += (share - share_before) * (day - last)
        last = day
        ended, running = first.get(day, _NOBODY)
        ended_before, running_before = second.get(day, _NOBODY)
        if ends := ended + ended_before:
            at_risk = left + left_before
            fewer += ends * left * WHOLE // at_risk - ended * WHOLE
            if at_risk > ends:
                variance += ends * (at_risk - ends) * left * left_before * WHOLE // (at_risk * at_risk * (at_risk - 1))
        if ended:
            share = share * (left - ended) // left
        if ended_before:
            share_before = share_before * (left_before - ended_before) // left_before
        left -= ended + running
        left_before -= ended_before + running_before
    return Compared(days, fewer, variance)


def _by_day(stays: Sequence[Sequence[int]]) -> dict[int, tuple[int, int]]:
    """Of each day how many ended, and how many go on."""
    rows = list(zip(*stays, strict=True))
    found = {day: (ended, running) for day, ended, running in rows}
    if len(found) == len(rows):
        return found
    found = {}
    for day, ended, running in rows:
        was = found.get(day)
        found[day] = (was[0] + ended, was[1] + running) if was else (ended, running)
    return found


def curves(lives: Iterable[tuple[int, int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """(pipeline, day, undecided, won): from that day of a deal's life on, until the pipeline's next row.

    `lives`: (pipeline, day, won, lost, still open) in order: how many deals ended, or stand, on which day of life.
    `undecided` is the share that gets to the day's beginning, `won` the share won before it, both of WHOLE. Won and
    lost compete: a loss takes a deal from those that may still be won (Aalen-Johansen).
    """
    found: list[tuple[int, int, int, int]] = []
    for pipeline, days in groupby(lives, itemgetter(0)):
        found += [(pipeline, *row) for row in _curve([day[1:] for day in days])]
    return found


def _curve(days: Sequence[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int]]:
    at_risk = sum(won + lost + running for _, won, lost, running in days)
    with localcontext() as exactly:
        exactly.prec = _DIGITS
        undecided, won_so_far = Decimal(1), Decimal(0)
        if any(won or lost for _, won, lost, _ in days):  # else nothing was learned
            yield 0, WHOLE, 0
        for day, won, lost, running in days:
            if won or lost:
                won_so_far += undecided * won / at_risk
                undecided -= undecided * (won + lost) / at_risk
                yield day + 1, round(undecided * WHOLE), round(won_so_far * WHOLE)
            at_risk -= won + lost + running

"""How long deals take where some are not decided yet: Kaplan-Meier, and Aalen-Johansen of those won (metrics.md R11).

A deal that is still open has lasted so long and will last longer: it is at risk up to its age and then leaves the
count unfinished. What lasted as long as a decision took was still at risk at it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from itertools import groupby
from math import prod
from operator import itemgetter
from typing import Any

from connector.metrics.question import Group
from connector.model import RATIO_SCALE

WHOLE = 10**15
"""What stands for 1 in a curve."""

NOT_REACHED = -1
"""The `low` of a group whose median is not reached."""

_DIGITS, _CLOSE = 50, Decimal("1e-30")


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

"""What a resync will cost, without asking the source: calls, share of the day's quota, time. Pure.

Each stream's calls are what its source says, else what the past says: as many records a call as its fullest run had.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connector.ports import Allowance, Way

DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of one stream: how, how many records as far as we know, and in how many calls."""

    stream: str
    way: Way
    records: int
    calls: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """The streams of a resync and their calls in all; `seconds` it takes, None where nothing is known of the pace.

    `quota` is our share of the account's limit of a day, None where the vendor tells none.
    """

    parts: Sequence[Part]
    seconds: int | None
    quota: Allowance | None

    @property
    def calls(self) -> int:
        """Of all streams."""
        return sum(part.calls for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """{"streams": [{stream, way, records, calls}], "calls", "seconds", "quota": {limit, left, share} or null}.

        `share` is that of the day's limit, 1 is all of it.
        """
        told = [
            {"stream": one.stream, "way": one.way, "records": one.records, "calls": one.calls} for one in self.parts
        ]
        quota = None
        if self.quota is not None:
            share = round(self.calls / self.quota.limit, 6)
            quota = {"limit": self.quota.limit, "left": self.quota.left, "share": share}
        return {"streams": told, "calls": self.calls, "seconds": self.seconds, "quota": quota}


def calls_by_past(records: int, runs: Sequence[tuple[int, int]]) -> int:
    """The calls for so many records, by the (requests, records) of earlier runs of the stream.

    Short readings end with a page that is hardly filled, so the fullest run counts. Before the first one: one call.
    """
    most = max((read / made for made, read in runs if made), default=0.0)
    return max(1, math.ceil(round(records / most, 6))) if most else 1


def estimate(parts: Sequence[Part], allowances: Sequence[Allowance], seconds_a_call: float | None) -> Estimate:
    """Put together: the pace is that of the tightest limit, or that of earlier runs where they were slower.

    A day's limit sets no pace; it is the quota. `seconds_a_call`: as measured, None where nothing was.
    """
    paces = [one.seconds / one.limit for one in allowances if one.seconds < DAY]
    if seconds_a_call is not None:
        paces.append(seconds_a_call)
    calls = sum(part.calls for part in parts)
    days = [one for one in allowances if one.seconds >= DAY]
    return Estimate(
        parts, math.ceil(round(calls * max(paces), 3)) if paces else None, min(days, key=_left) if days else None
    )


def _left(one: Allowance) -> int:
    return one.left

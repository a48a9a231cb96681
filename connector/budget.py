"""How much of a vendor's limit is used, counted exactly over a sliding window by all who use it. Pure.

Time is cut into 40 buckets a window. Who takes a request charges it to the bucket by whose end it must have left, and
a bucket later it counts as arrived. So what may lie in one rolling window with a request taken in bucket b was charged
to buckets b - 41 or later: 42 buckets where the vendor counts 40, by which 5 % of the limit is given up. A request that
took longer is charged anew to the bucket before the one in which its answer came, since it arrived no later than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BUCKETS = 40
COUNTED = BUCKETS + 2  # the taker's own bucket, and one for the time under way
SECOND = 1_000_000  # instants and spans are microseconds here
SHORTEST = SECOND // 20  # a request may leave for so long after it was taken, at least
FAR = 4  # while no more than a quarter is used, room is taken for longer: fewer questions, and nobody is short of it
LONGEST_HOLD = 86_400 * SECOND  # whatever a vendor said, nobody is held longer: it may have been an instant, no span
BACK_AT = 3600 * SECOND  # nobody is held longer than this on a guess: a vendor's day ends when it ends


@dataclass(frozen=True, slots=True)
class Limit:
    """What a vendor documents: `count` requests in any `seconds`, rolling.

    Every request is subject to it, or, if `named`, those that name it: `client.request(…, limits=("search",))`.
    The limits called `general` and `daily` are those that rate headers tell; what they tell counts instead.
    """

    name: str
    count: float
    seconds: float
    named: bool = False

    def __post_init__(self) -> None:
        if self.count <= 0 or self.seconds <= 0:
            raise ValueError(f"the limit {self.name} needs a count and seconds above 0")


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for `count` requests until the instant `until`; they are charged to `bucket`."""

    bucket: int
    count: int
    until: int


@dataclass(slots=True)
class Window:
    """What all users of an account have used of one limit: its length, and requests by bucket.

    `maximum` is the limit a vendor's answer told, None before one did; until `held_until` nobody may ask.
    """

    length: int
    used: dict[int, int] = field(default_factory=dict)
    maximum: int | None = None
    held_until: int = 0

    @classmethod
    def load(cls, state: Mapping[str, Any], length: int, now: int) -> Window:
        """From `state`, as `dump` gave it. Its length is the told one, else the longest that any user documents.

        Held for longer than anybody may be, it was by a clock that was put back since: from now on it is a day.
        """
        window = cls(
            state.get("length", length), {int(bucket): count for bucket, count in state.get("used", ())},
            state.get("maximum"), min(state.get("held_until", 0), now + LONGEST_HOLD),
        )
        if window.maximum is None and (length > window.length or not window.used):
            window.resize(length)
        return window

    def dump(self, now: int) -> dict[str, Any]:
        """JSON-able; without what no longer counts."""
        used = sorted((bucket, count) for bucket, count in self._counted(now).items() if count)
        return {"length": self.length, "maximum": self.maximum, "held_until": self.held_until, "used": used}

    @property
    def width(self) -> int:
        """Of a bucket."""
        return max(1, -(-self.length // BUCKETS))

    def resize(self, length: int) -> None:
        """Cut the time anew, where the vendor told another window than its documentation; no bucket ends earlier."""
        if length == self.length:
            return
        before, self.length = self.width, length
        used, self.used = self.used, {}
        for bucket, count in used.items():
            self._charge(-(-(bucket + 1) * before // self.width) - 1, count)

    def total(self, now: int) -> int:
        """How many requests may lie in a window of the vendor with one that leaves now or later."""
        return sum(self._counted(now).values())

    def take(self, now: int, wanted: int, most: int, life: int = SHORTEST) -> Grant | int:
        """Leave for up to `wanted` requests, at most `most` in a window; or the instant at which to ask again.

        `life` is how long the leave lasts at least.
        """
        counted = self._counted(now)
        used = sum(counted.values())
        count = min(wanted, most - used)
        if now < self.held_until or count < 1:
            return max(self.held_until, self._free_at(counted, used, most) if count < 1 else now)
        if (used + count) * FAR <= most:
            life = max(life, 2 * self.width)
        bucket = (now + min(life, self.length)) // self.width
        self._charge(bucket, count)
        return Grant(bucket, count, (bucket + 1) * self.width)

    def give_back(self, bucket: int, count: int) -> None:
        """Of what was granted so many never left."""
        self._charge(bucket, -min(count, self.used.get(bucket, 0)))

    def arrived(self, bucket: int, answered: int, count: int = 1) -> None:
        """Their answers came at `answered`, later than their bucket allows: they may have arrived that late."""
        self.give_back(bucket, count)
        self._charge(self.late(bucket, answered) or bucket, count)

    def late(self, bucket: int, answered: int) -> int | None:
        """The bucket to charge a request to whose answer came then; None where its own covers it."""
        needed = -(-answered // self.width) - 2
        return needed if needed > bucket else None

    def hold(self, until: int) -> None:
        """Nobody asks before."""
        self.held_until = max(self.held_until, until)

    def _charge(self, bucket: int, count: int) -> None:
        self.used[bucket] = self.used.get(bucket, 0) + count

    def _counted(self, now: int) -> dict[int, int]:
        """The buckets that count; those beyond a whole window ahead are of a clock that was put back since."""
        present = now // self.width
        return {
            bucket: count for bucket, count in self.used.items() if present - COUNTED < bucket <= present + COUNTED
        }

    def _free_at(self, counted: Mapping[int, int], used: int, most: int) -> int:
        """The start of the bucket in which enough of the oldest no longer count for one more."""
        for bucket in sorted(counted):
            used -= counted[bucket]
            if used < most:
                return (bucket + COUNTED) * self.width
        raise ValueError("at least one request must be allowed in a window")


def allowed(count: float, length: int, budget: float) -> tuple[int, int]:
    """Our share of a limit: whole requests, and the window; below one request the window is the longer."""
    ours = count * budget
    if ours < 1:
        return 1, math.ceil(length / ours)
    return int(ours + 1e-9), length  # 0.29 of 100 is 29, also in binary fractions

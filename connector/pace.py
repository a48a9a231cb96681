"""How fast we may ask: our share of a vendor's limits, kept by all users of an account together (`budget`)."""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.budget import BACK_AT, LONGEST_HOLD, SECOND, SHORTEST, Grant, Limit, Window, allowed
from connector.model import micros
from connector.ports import Allowance, MemoryShared, Shared

GENERAL, DAILY = "general", "daily"  # the limits that rate headers tell
UNTOLD = 10 * SECOND  # the window assumed of a limit that only headers tell, until they did
DAY, DAY_MS = 86_400 * SECOND, 86_400_000
LONGEST_GRANT = 10 * SECOND  # then the shared count is looked at again: somebody may have been told to wait
Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """The names of the headers that tell a limit: requests per interval, those left, the interval in milliseconds.

    `daily_maximum` and `daily_remaining`: the same of a day; empty where a vendor does not tell it.
    """

    maximum: str
    remaining: str
    interval_ms: str
    daily_maximum: str = ""
    daily_remaining: str = ""

    def told(self, headers: Mapping[str, str]) -> dict[str, tuple[int, int | None, int]]:
        """By limit: its maximum, what is left if told, its length in µs. Missing ones, no numbers and an interval of
        more than a day tell nothing."""
        interval = _whole(headers.get(self.interval_ms))
        found = {}
        if (maximum := _whole(headers.get(self.maximum))) and interval and interval <= DAY_MS:
            found[GENERAL] = maximum, _whole(headers.get(self.remaining)), interval * SECOND // 1000
        if self.daily_maximum and (maximum := _whole(headers.get(self.daily_maximum))):
            found[DAILY] = maximum, _whole(headers.get(self.daily_remaining)), DAY
        return found


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave for one request, charged to a bucket of each limit; or `wait`, the seconds after which to ask again."""

    wait: float = 0.0
    buckets: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Own:
    """What this process knows and holds of one limit; times in µs.

    `length` is the documented window's; `grant` is what it took and `left` of it; `recent` when it asked last, by which
    the next grant is sized. `unspent` and `late` are told with the next change of the shared count: what it did not
    use, and when answers came too late.
    """

    limit: Limit | None
    length: int
    window: Window
    grant: Grant | None = None
    left: int = 0
    recent: deque[int] = field(default_factory=deque)
    not_before: int = 0
    unspent: list[tuple[int, int]] = field(default_factory=list)
    late: list[tuple[int, int]] = field(default_factory=list)

    def is_ready(self, now: int) -> bool:
        return self.grant is not None and self.left > 0 and now < self.grant.until

    def drop_grant(self) -> None:
        if self.grant is not None and self.left:
            self.unspent.append((self.grant.bucket, self.left))
        self.grant, self.left = None, 0

    def wanted(self, now: int) -> int:
        """As many as this process asked in the last moment, a twentieth of the window."""
        since = now - min(self.window.length // 20, LONGEST_GRANT)
        while self.recent and self.recent[0] < since:
            self.recent.popleft()
        return max(1, len(self.recent))


class Pace:
    """When the next request may leave; one object for all threads of one client.

    `budget` (0..1) is our share of any limit. `requests_per_second` and `limits` are what the vendor documents;
    `headers` name those that tell the real limits, which then count instead of `general` and `daily`. Without limits
    and headers nobody waits, unless told to. Room is taken for several requests at once and used until its bucket ends,
    so that the shared count is asked about four times a second at the limit. Nothing here waits.
    """

    def __init__(
        self,
        *,
        requests_per_second: float | None = None,
        limits: Sequence[Limit] = (),
        budget: float = 1.0,
        headers: RateHeaders | None = None,
    ) -> None:
        if not 0 < budget <= 1:
            raise ValueError("a budget is a share above 0 and up to 1")
        self.budget, self._headers = budget, headers
        known = [*limits, *([Limit("second", requests_per_second, 1)] if requests_per_second else [])]
        self._own = {limit.name: self._make(limit) for limit in known}
        if len(self._own) < len(known):
            raise ValueError("each limit needs a name of its own; `second` is that of requests_per_second")
        if headers is not None:
            self._own.setdefault(GENERAL, _Own(None, UNTOLD, Window(UNTOLD)))
            if headers.daily_maximum:  # counted from the first request on: a day has many runs
                self._own.setdefault(DAILY, _Own(None, DAY, Window(DAY)))
        self._always = [name for name, own in self._own.items() if own.limit is None or not own.limit.named]
        self._lock = threading.Lock()
        self._shared: Shared = MemoryShared()
        self._account: Callable[[], str] = str
        self._held_until = 0  # where there is no limit to keep it in
        self._under_way = 0

    def share(self, shared: Shared, account: Callable[[], str]) -> None:
        """Keep the count there, under the account's name, which is asked for when there is something to count."""
        self._shared, self._account = shared, account

    def take(self, now: Now, named: Sequence[str] = ()) -> Turn:
        """Leave for one request that is to be sent at once, subject to the limits of all and to those named.

        Raises StoreError, and KeyError for a limit there is not.
        """
        names = list(dict.fromkeys((*self._always, *named)))
        tries = 0
        with self._lock:
            while True:
                present = micros(now())
                self._held_until = min(self._held_until, present + LONGEST_HOLD)  # the clock may have been put back
                wait = max([self._held_until, *(self._own[name].not_before for name in names)]) - present
                lacking = [name for name in names if not self._own[name].is_ready(present)]
                if wait > 0:
                    return Turn(wait / SECOND)
                if lacking:
                    self._ask(lacking, now, SHORTEST << tries)
                    tries += 1  # the store took longer to answer than the leave lasts: ask for a longer one
                    continue
                self._under_way += 1
                return Turn(buckets={name: self._spend(self._own[name], present) for name in names})

    def give_back(self, turn: Turn) -> None:
        """The request was not made."""
        with self._lock:
            self._under_way -= 1
            for name, bucket in turn.buckets.items():
                own = self._own[name]
                if own.recent:
                    own.recent.pop()
                if own.grant is not None and own.grant.bucket == bucket:
                    own.left += 1
                else:
                    own.unspent.append((bucket, 1))

    def done(self, turn: Turn, now: datetime) -> None:
        """Its answer came, or none will. The last one under way tells what came late. Raises StoreError."""
        answered = micros(now)
        with self._lock:
            self._under_way -= 1
            for name, bucket in turn.buckets.items():
                if self._own[name].window.late(bucket, answered) is not None:
                    self._own[name].late.append((bucket, answered))
            late = [name for name, own in self._own.items() if own.late]
            if late and not self._under_way:
                self._change(late, lambda: answered, lambda _own, _window, _now: None)

    def learn(self, headers: Mapping[str, str], now: datetime) -> None:
        """Take over the limits an answer tells, for everybody. Raises StoreError."""
        told = self._headers.told(headers) if self._headers else {}
        present = micros(now)
        with self._lock:
            for name, (maximum, remaining, length) in told.items():
                if name not in self._own:
                    self._own[name] = _Own(None, length, Window(length))
                    self._always.append(name)
                self._learn(self._own[name], name, maximum, remaining, length, present)

    def hold(self, seconds: float, now: datetime) -> None:
        """Nobody asks before this many seconds have passed, a day at most: the vendor said so to one of us.

        What is no length of time holds nobody. Raises StoreError.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            return
        until = micros(now) + min(int(seconds * SECOND), LONGEST_HOLD)
        with self._lock:
            self._held_until = max(self._held_until, until)
            if self._always:
                self._change(self._always[:1], lambda: micros(now), lambda _own, window, _now: window.hold(until))

    def allowances(self, now: datetime) -> list[Allowance]:
        """The limits of every request as they stand for all users of the account, so far as they are known.

        Raises StoreError.
        """
        states, present, found = self._shared.limits(self._account()), micros(now), []
        for name in self._always:
            own = self._own[name]
            window = Window.load(json.loads(states.get(name) or "{}"), own.length, present)
            count = window.maximum or (own.limit.count if own.limit else None)
            if count is not None:
                most, length = allowed(count, window.length, self.budget)
                found.append(Allowance(name, length / SECOND, most, max(0, most - window.total(present))))
        return found

    def close(self, now: datetime) -> None:
        """Tell what was not used and what came late; taking more is possible. Raises StoreError."""
        with self._lock:
            for own in self._own.values():
                own.drop_grant()
            if told := [name for name, own in self._own.items() if own.unspent or own.late]:
                self._change(told, lambda: micros(now), lambda _own, _window, _now: None)

    # --- inside the lock ---------------------------------------------------------------------------------------------

    def _make(self, limit: Limit) -> _Own:
        _most, length = allowed(limit.count, int(limit.seconds * SECOND), self.budget)
        return _Own(limit, length, Window(length))

    def _most(self, own: _Own, window: Window) -> int | None:
        """Our share of what the vendor told, else of what it documents; None where neither is known."""
        count = window.maximum or (own.limit.count if own.limit else None)
        return None if count is None else allowed(count, window.length, self.budget)[0]

    def _spend(self, own: _Own, now: int) -> int:
        assert own.grant is not None  # noqa: S101  # it is ready
        own.left -= 1
        own.recent.append(now)
        return own.grant.bucket

    def _ask(self, names: Sequence[str], now: Now, life: int) -> None:
        """Room of each of these limits for this process, or when to ask again."""

        def take(own: _Own, window: Window, present: int) -> None:
            wanted, most = own.wanted(present), self._most(own, window)
            given = window.take(present, wanted, window.total(present) + wanted if most is None else most, life)
            if isinstance(given, Grant):
                until = min(given.until, present + LONGEST_GRANT)
                own.grant, own.left = Grant(given.bucket, given.count, until), given.count
            else:
                own.not_before = given

        for name in names:
            self._own[name].drop_grant()
        self._change(names, lambda: micros(now()), take)

    def _learn(self, own: _Own, name: str, maximum: int, remaining: int | None, length: int, now: int) -> None:
        ours = allowed(maximum, length, self.budget)[0]
        is_used_up = remaining is not None and remaining <= maximum - ours and own.window.held_until <= now
        if (own.window.maximum, own.window.length) == (maximum, length) and not is_used_up:
            return

        def learn(_own: _Own, window: Window, present: int) -> None:
            window.resize(length)
            window.maximum = maximum
            if is_used_up and window.total(present) < ours:
                # What is left is the customer's, and others than we used it up: a window later it is free again.
                window.hold(present + min(length, BACK_AT))
                own.not_before = window.held_until

        self._change([name], lambda: now, learn)

    def _change(
        self, names: Sequence[str], now: Callable[[], int], change: Callable[[_Own, Window, int], None]
    ) -> None:
        """Look at what all have used of these limits, alone, tell what is to be told, and change it."""

        def step(states: MutableMapping[str, str]) -> None:
            present = now()
            for name in names:
                own = self._own[name]
                window = Window.load(json.loads(states.get(name) or "{}"), own.length, present)
                for bucket, count in own.unspent:
                    window.give_back(bucket, count)
                for bucket, answered in own.late:
                    window.arrived(bucket, answered)
                change(own, window, present)
                states[name] = json.dumps(window.dump(present))
                own.window = window

        self._shared.budget(self._account(), names, step)
        for name in names:  # only now, since a change that failed told nothing
            self._own[name].unspent.clear()
            self._own[name].late.clear()


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 15 else None

"""How fast we may ask: a share of the vendor's rate limit, learned from its answers; the rest stays the customer's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """The names of the headers that tell a limit: requests per interval, those left, the interval in milliseconds."""

    maximum: str
    remaining: str
    interval_ms: str


class Pace:
    """When the next request may leave; one object for all threads of one credential.

    `budget` (0..1) is our share of any limit. `requests_per_second` is the vendor's documented ceiling; `headers` name
    those that tell the real one. Time is an argument, nothing here waits.
    """

    def __init__(
        self, *, requests_per_second: float | None = None, budget: float = 1.0, headers: RateHeaders | None = None
    ) -> None:
        if not 0 < budget <= 1:
            raise ValueError("a budget is a share above 0 and up to 1")
        self.budget, self._headers = budget, headers
        self._spacing = 1 / (requests_per_second * budget) if requests_per_second else 0.0
        self._lock = threading.Lock()
        self._sent: deque[float] = deque()
        self._held_until = 0.0
        self._most: int | None = None  # our requests per interval, learned
        self._interval = 0.0

    def reserve(self, now: datetime) -> float:
        """Seconds to wait before the next request; its place in the queue is taken with this call."""
        with self._lock:
            present = now.timestamp()
            at = max(present, self._held_until)
            if self._sent:
                at = max(at, self._sent[-1] + self._spacing)
            if self._most is not None and len(self._sent) >= self._most:
                at = max(at, self._sent[-self._most] + self._interval)
            self._sent.append(at)
            while len(self._sent) > 1 and self._sent[0] <= present - self._interval:
                self._sent.popleft()
            return at - present

    def learn(self, headers: Mapping[str, str], now: datetime) -> None:
        """Take over the limit an answer tells; headers that are missing or no numbers teach nothing."""
        if self._headers is None:
            return
        names = self._headers
        told = [_whole(headers.get(name)) for name in (names.maximum, names.remaining, names.interval_ms)]
        maximum, remaining, interval_ms = told
        if not maximum or not interval_ms:
            return
        with self._lock:
            self._interval = interval_ms / 1000
            self._most = max(1, int(maximum * self.budget))
            if remaining is not None and remaining <= maximum - self._most:
                # What is left is the customer's, or others used it up: a whole interval later it is free again.
                self._held_until = max(self._held_until, now.timestamp() + self._interval)

    def hold(self, seconds: float, now: datetime) -> None:
        """Nobody asks before this many seconds have passed: the vendor said so to one of us."""
        with self._lock:
            self._held_until = max(self._held_until, now.timestamp() + seconds)

    def held(self, now: datetime) -> float:
        """Seconds for which the vendor wants no request; 0 when it does not mind."""
        with self._lock:
            return max(0.0, self._held_until - now.timestamp())


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None

"""A clock that stands still until it is moved: the time of the demo, and of twins that must be repeatable."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """A `ports.Clock` whose sleep only moves it on; safe to share between threads."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The simulated instant, aware, UTC."""
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by that many seconds at once."""
        if seconds > 0:
            with self._lock:
                self._now += timedelta(seconds=seconds)

    def move_to(self, moment: datetime) -> None:
        """Move on to `moment`; an earlier one changes nothing, since time never runs back."""
        with self._lock:
            self._now = max(self._now, moment.astimezone(UTC))

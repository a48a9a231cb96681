"""A clock that stands still until it is moved: the time of the demo, and of twins that must be repeatable."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from connector.ports import Clock


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


class RunningClock(SimulatedClock):
    """Begins at an instant and goes on with the machine's time; `sleep` puts it forward at once."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._began = time.monotonic()

    def now(self) -> datetime:
        """The instant it stands at, aware, UTC."""
        return super().now() + timedelta(seconds=time.monotonic() - self._began)


class SkewedClock:
    """Another clock that is always the same span before or behind: `SkewedClock(ours, minutes=-20)`."""

    def __init__(self, clock: Clock, **span: float) -> None:
        self.clock, self.span = clock, timedelta(**span)

    def now(self) -> datetime:
        """The other clock's instant and the span."""
        return self.clock.now() + self.span

    def sleep(self, seconds: float) -> None:
        """As the other clock sleeps."""
        self.clock.sleep(seconds)

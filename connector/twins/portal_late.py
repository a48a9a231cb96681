"""Changes of the fake HubSpot account that are seen later than they are stamped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.ports import Clock
from connector.twins.portal_setup import Setup


class Late(Setup):
    """Keeps changes back until their time has come: late commits, as databases of vendors have them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._held: list[tuple[int | None, Callable[[], Any]]] = []

    def release(self) -> int:
        """Let everything be seen that is held; how many changes that were."""
        held, self._held = self._held, []
        for _due, change in held:
            change()
        return len(held)

    def catch_up(self) -> None:
        """Let be seen what was held for a time that is over; the twin calls this before each request."""
        if self._held:
            now = self._at()
            due = [change for until, change in self._held if until is not None and until <= now]
            self._held = [one for one in self._held if one[0] is None or one[0] > now]
            for change in due:
                change()

    def _keep(self, change: Callable[[], Any], seconds: float | None) -> None:
        """Make a change after so many seconds, or at `release`."""
        self._held.append((None if seconds is None else self._at() + int(seconds * 1000), change))

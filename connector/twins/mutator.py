"""Changes a twin's data while they are read: one action before every so many requests, so between two pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from connector.ports import Clock
from connector.twins.server import Request, Twin

Action = Callable[[], object]


class Mutator:
    """Does the actions in their order, one after every `every` requests (0: none by itself) until none are left.

    Where a clock is given, each comes so many seconds later on it than the one before. What an action does should
    depend on the seed and on what was done before, not on what was asked: then, after `settle`, the data are the same
    whatever was asked in between.
    """

    def __init__(self, actions: Iterable[Action], *, every: int = 1, clock: Clock | None = None,
                 seconds: float = 2) -> None:
        self.every, self.clock, self.seconds = every, clock, seconds
        self._left = iter(actions)

    def into(self, twin: Twin) -> Mutator:
        """Begin with the twin's next request; the actions run under its lock."""

        def hook(request: Request) -> None:
            with twin.lock:
                self.before_request(request.number)

        twin.on_request(hook)
        return self

    def before_request(self, number: int) -> None:
        """Called with the number of each request, from 1."""
        if self.every and number % self.every == 0:
            self.apply(1)

    def apply(self, count: int | None) -> int:
        """Do up to that many of the actions left, all of them if None; how many were done."""
        done = 0
        for action in islice(self._left, count):
            if self.clock is not None:
                self.clock.sleep(self.seconds)
            action()
            done += 1
        return done

    def settle(self) -> int:
        """Do all that are left; a clock then stands a minute later."""
        done = self.apply(None)
        if self.clock is not None:
            self.clock.sleep(60)
        return done

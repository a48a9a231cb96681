"""A store that dies at a named commit point, and our side of a script: one process after the other on one database."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Executable, Row

from connector.ports import Clock
from connector.store import store as store_
from connector.store.store import Lease, Store, Writing

POINTS = {
    "sync": ("acquire", "activate", "take", "_windows", "budget", "release"),
    "since": ("take", "acquire", "release"),
    "full": ("_begin_pass", "_full_pass", "_full_pass", "_judge", "_apply_pass", "_apply_pass", "_finish_pass", "take"),
    "id": ("take", "release"),
    "all_ids": ("_begin_pass", "_judge", "take", "_finish_pass"),
    "hooks": ("acquire", "take", "release"),
}
"""The functions that open a transaction in each kind of run: the points at which it may die."""
SELDOM = {"keep", "leave_out", "receive", "keep_token", "accept", "forget_resync", "_end", "_settle"}
"""Others: only in long readings, of streams that are not mapped, in other commands, when a token is renewed, or at the
end of a resync."""


class Died(BaseException):
    """The process is gone: nothing it does from here on has any effect, and nothing but the test may catch it."""


@dataclass(frozen=True, slots=True)
class Death:
    """When a process dies: at the `number`th transaction that the function `point` opens, before or after its commit.

    `found`: whether the others see at once that it is gone (they run on its machine), or wait for its leases to expire.
    `killed`: a real process, by SIGKILL, instead of an exception.
    """

    point: str
    number: int
    when: Literal["before", "after"]
    found: bool = True
    killed: bool = False


class MortalStore(Store):
    """A `Store` that dies as told, and is of no use from then on. `points` says which functions opened transactions.

    With `kills` the process itself dies, by SIGKILL. `until`: it also dies at the first commit from then on.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, clock)
        self.death: Death | None = None
        self.kills = False
        self.until: datetime | None = None
        self.died_at: str | None = None
        self.points: dict[str, int] = {}

    def writing(self) -> AbstractContextManager[Writing]:
        return self._mortal(sys._getframe(1).f_code.co_name)

    def apart(self, **how: Any) -> AbstractContextManager[Connection]:
        return self._mortal_apart(sys._getframe(1).f_code.co_name, **how)

    @contextmanager
    def _mortal(self, point: str) -> Iterator[Writing]:
        with self._until(point) as before_commit, super().writing() as writing:
            yield writing
            before_commit()

    @contextmanager
    def _mortal_apart(self, point: str, **how: Any) -> Iterator[Connection]:
        with self._until(point) as before_commit, super().apart(**how) as connection:
            yield connection
            before_commit()

    @contextmanager
    def _until(self, point: str) -> Iterator[Callable[[], None]]:
        """Around a transaction: gives what is to be called last in it, and dies if it is the one."""
        self._alive()
        self.points[point] = self.points.get(point, 0) + 1
        death = self.death
        now = death is not None and (death.point, death.number) == (point, self.points[point])

        def before_commit() -> None:
            self._alive()  # another thread of the process may have died in between
            if self.until is not None and self.clock.now() >= self.until:
                self._die(point)
            if now and death is not None and death.when == "before":
                self._die(point)

        yield before_commit
        if now:
            self._die(point)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        self._alive()
        with super().reading() as connection:
            yield connection

    def rows(self, statement: Executable, parameters: Any = None) -> list[Row[Any]]:
        self._alive()
        return super().rows(statement, parameters)

    def release(self, lease: Lease) -> None:
        self._alive()  # the dead release nothing: their leases expire, or are found to be nobody's
        super().release(lease)

    def bury(self) -> None:
        """The process is known to be gone: its leases are free at once, as `store._is_held` finds out of a process."""
        store_._HELD.clear()

    def _alive(self) -> None:
        if self.died_at is not None:
            raise Died(self.died_at)

    def _die(self, point: str) -> None:
        if self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        self.died_at = point
        raise Died(point)

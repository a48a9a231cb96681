"""A long window of change time cut into parts that are read side by side, each at its own position.

What is far away in time costs the same call as what is near, so a first load waits mostly for answers. Parts touch:
both ends of a window are included, so nothing falls between two, and what stands on the border comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.model import iso, micros, moment
from connector.ports import Window

LONG = timedelta(days=30)  # a shorter window is a page or two
PARTS = 8  # for each reader: who is done early takes the next one


@dataclass(slots=True, eq=False)
class Part:
    """A window, and where reading goes on in it; None: at its beginning."""

    window: Window
    position: Any = None


def cut(window: Window, readers: int) -> list[Part]:
    """The parts of a window for that many readers, the oldest first; the window itself where it is not worth it.

    One without a beginning is never cut: it may hold records that a filter by time does not show.
    """
    lo, hi = window.lo, window.hi
    if readers == 1 or lo is None or hi - lo < LONG:
        return [Part(window)]
    number = readers * PARTS
    borders = [lo + (hi - lo) * place / number for place in range(number)]
    return [Part(Window(since, until)) for since, until in zip(borders, [*borders[1:], hi], strict=True)]


class Reading:
    """A window on its way: the parts that are not finished yet, as they are saved and taken up again."""

    def __init__(self, window: Window, parts: Sequence[Part]) -> None:
        self.window, self.left = window, list(parts)
        self._is_whole = len(self.left) == 1 and self.left[0].window == window
        self.is_read = False  # all of it

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Reading | None:
        """The window that a cursor's state says was begun."""
        if "parts" in state:
            parts = [Part(between(one), one["position"]) for one in state["parts"]]
            return cls(between(state["window"]), parts)
        if state.get("position") is not None:
            window = between(state["window"])
            return cls(window, [Part(window, state["position"])])
        return None

    def moved(self, part: Part, position: Any) -> None:
        """A part was read up to there; None: to its end."""
        part.position = position
        if position is None and not self._is_whole:
            self.left.remove(part)
        self.is_read = position is None and (self._is_whole or not self.left)

    def state(self) -> dict[str, Any]:
        """What the cursor's state keeps of it."""
        told = bounds(self.window)
        if self._is_whole:
            return {"window": told, "position": self.left[0].position}
        return {"window": told, "parts": [{**bounds(part.window), "position": part.position} for part in self.left]}


def bounds(window: Window) -> dict[str, str | None]:
    """A window in JSON."""
    return {"lo": None if window.lo is None else iso(micros(window.lo)), "hi": iso(micros(window.hi))}


def between(told: Mapping[str, Any]) -> Window:
    """The window that `bounds` wrote."""
    return Window(None if told["lo"] is None else instant(told["lo"]), instant(told["hi"]))


def instant(text: str) -> datetime:
    """A saved instant, aware, UTC."""
    return moment(micros(datetime.fromisoformat(text)))

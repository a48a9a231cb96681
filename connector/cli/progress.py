"""How far a run is, on standard error: bars on a terminal, else one plain line when a stream is done."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Progress:
    """Takes `(name, stream, records since the last time)` from any thread.

    `quiet` (JSON was asked for) shows nothing where no person watches.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._lock = threading.Lock()
        self._quiet = quiet
        self._bars: Bars | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        elif not self._quiet:
            for (name, stream), count in sorted(self._counts.items()):
                print(f"{name} {stream}: {count} records".replace("  ", " "), file=sys.stderr)

    def __call__(self, name: str, stream: str, count: int) -> None:
        key = (name, stream)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + count
            if self._bars is None:
                return
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(f"{name} {stream}".strip(), total=None)
            self._bars.update(self._tasks[key], completed=self._counts[key])


def _bars() -> Bars:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    from connector.cli.session import console

    return Bars(
        TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.completed:>9,.0f}"),
        TimeElapsedColumn(), console=console(stderr=True), transient=True,
    )

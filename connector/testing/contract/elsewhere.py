"""Read on from a position in another process: a task as JSON on stdin, the keys found as JSON on stdout."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connector.ports import Context, Source, Window
from connector.testing.doubles import FakeClock


def importable(adapter: type[Source]) -> bool:
    """Whether another process finds the class by the names it has here."""
    if "<locals>" in adapter.__qualname__:
        return False
    try:
        return importlib.util.find_spec(adapter.__module__) is not None
    except (ImportError, ValueError):
        return False


def task(
    adapter: type[Source], given: Mapping[str, Any], folder: str, now: datetime, readings: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the other process is told; it goes through a pipe, since the settings hold secrets."""
    place = {"module": adapter.__module__, "adapter": adapter.__qualname__, "path": sys.path}
    return {**place, "settings": dict(given), "folder": folder, "now": now.isoformat(), "readings": list(readings)}


def main() -> None:
    """Do the task."""
    told = json.load(sys.stdin)
    sys.path[:] = told["path"]
    adapter = getattr(importlib.import_module(told["module"]), told["adapter"])
    settings = adapter.Settings.model_validate(told["settings"])
    clock = FakeClock(datetime.fromisoformat(told["now"]))
    source: Source = adapter("contract", settings, Context(clock=clock, zone=UTC, folder=told["folder"]))
    found = []
    for one in told["readings"]:
        lo = None if one["lo"] is None else datetime.fromisoformat(one["lo"])
        pages = source.read(one["stream"], Window(lo, datetime.fromisoformat(one["hi"])), one["position"])
        found.append([record.key for page in pages for record in source.records(one["stream"], page.exchanges)])
    source.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

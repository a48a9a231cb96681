"""What a run is to read of a source, and by which rules."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from connector.model import canonical_json, iso, micros

Mode = Literal["sync", "window", "ids", "full", "accepted", "all_ids", "hooks"]
Asked = dict[str, Any]
"""What a resync of a stream was asked, as JSON: the same asked again goes on where the last one was interrupted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A source's common settings. `since`: older changes are never read; `shrink`: what a pass may lose (0..1);
    `windows`: how many parts of a long window are read at once; `ids_every`: how often a sync compares all ids with
    those known, None never."""

    since: datetime | None = None
    overlap: timedelta = timedelta(minutes=15)
    shrink: float = 0.2
    windows: int = 1
    ids_every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read. `streams` None = all that are mapped; window: [since, until]; ids: by stream; full: everything;
    accepted: only what a person has accepted of earlier passes; all_ids: the ids of all there is, now; hooks: only what
    the vendor called about. `chosen_by`: what the ids were chosen by, where nobody named them; `restart`: the same that
    was interrupted begins anew."""

    mode: Mode = "sync"
    streams: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: dict[str, list[str]] = field(default_factory=dict)
    dry_run: bool = False
    chosen_by: str = ""
    restart: bool = False

    def asked(self, stream: str) -> Asked:
        """What is asked of a stream: the same asked again goes on where it was interrupted."""
        told: Asked = {"mode": self.mode}
        if self.mode == "ids":
            named = canonical_json(sorted(set(self.ids.get(stream, ()))))
            told["of"] = self.chosen_by or hashlib.sha256(named.encode()).hexdigest()
        for name, day in (("since", self.since), ("until", self.until)):
            if day is not None:
                told[name] = iso(micros(day))
        return told

"""By which rules a destination is delivered to, and what a run of it says afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

OnUnanswered = Literal["hold", "resend"]
OnDrift = Literal["report", "overwrite"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How a destination is delivered to, beside `on_unanswered`.

    `verify_every`: confirmed values are read back when that long ago; None: never. `verify`: all of them, now.
    `withdraw`: whether values that are none any more are taken back, up to `shrink` (0..1) of all that stand there.
    `parallel`: so many calls at once. `asked`: a person wants it now, so that refused values need not wait.
    """

    on_drift: OnDrift = "report"
    verify_every: timedelta | None = None
    verify: bool = False
    withdraw: bool = False
    shrink: float = 0.2
    parallel: int = 1
    asked: bool = False


@dataclass(frozen=True, slots=True)
class DestinationSummary:
    """What one run did and what now stands there.

    `confirmed`, `withdrawn` and `drifted` count what this run confirmed, took back, and found changed there by somebody
    else; the others what stands in that state after it (after a dry run: what a real one would send). `notes` are
    findings in words. `preview` is filled by a dry run only: `changes`, and the requests it made and left out.
    """

    destination: str
    owed: int = 0
    confirmed: int = 0
    refused: int = 0
    unanswered: int = 0
    dead: int = 0
    withdrawn: int = 0
    drifted: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()
    preview: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether everything that was owed is confirmed, and nothing else was found."""
        left = self.owed or self.refused or self.unanswered or self.dead or self.drifted
        return self.error is None and not left and not self.notes

    @property
    def changes(self) -> Sequence[Mapping[str, Any]]:
        """What a dry run says would be sent."""
        found: Sequence[Mapping[str, Any]] = self.preview.get("changes", ())
        return found

    def as_json(self) -> dict[str, Any]:
        """The object of design.md section 8; what it counts beside that, where there is any; a dry run's preview."""
        counts = {name: getattr(self, name) for name in ("owed", "confirmed", "refused", "unanswered", "dead")}
        more = {name: getattr(self, name) for name in ("withdrawn", "drifted") if getattr(self, name)}
        notes = {"notes": list(self.notes)} if self.notes else {}
        return {"destination": self.destination, **counts, "error": self.error, **more, **notes, **self.preview}

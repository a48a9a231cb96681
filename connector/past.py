"""One deal's past as the ledger knows it: visits, how it ended, and what its fields were at an instant.

The same reading of moves and changes as the metrics' SQL (`metrics/sql/visits.sql`), for a few deals, with the rows
kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from connector.model import Canonical
from connector.store.known import Row

LAST = 2**62
"""The place of a stage that has none, and of a win: after all others."""


class Stages:
    """The stages known, by source and the vendor's ids."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {(row["source"], row["pipeline"], row["stage"]): row for row in rows}

    def into(self, move: Row) -> Row | None:
        """The stage a move went into; None for one that no mapping names any more."""
        return self._rows.get((move["source"], *stage_of(move)))

    def kind(self, move: Row) -> str:
        """What the deal was after the move: open, won or lost."""
        found = self.into(move)
        return Canonical(found["canonical"]).kind if found and found["canonical"] else "open"

    def place(self, move: Row, unknown: int) -> int:
        """Where the stage that a move went into stands in its pipeline."""
        found = self.into(move)
        return unknown if found is None or found["position"] is None else int(found["position"])

    def place_of(self, source: str, pipeline: str, stage: str) -> int:
        """Where a stage stands in its pipeline."""
        return self.place({"source": source, "to_pipeline": pipeline, "to_stage": stage}, LAST)

    def named(self, move: Row) -> dict[str, str]:
        """The stage a move went into: the vendor's id of it under `to` and, under `stage`, its name."""
        found = self.into(move)
        return {"to": move["to_stage"], "stage": found["name"] if found and found["name"] else move["to_stage"]}


class Past:
    """One deal: its version, its visits (the moves that began them, in order), the changes of its fields.

    `version` is None for a deal that is only named, by a lead.
    """

    def __init__(self, version: Row | None, moves: Iterable[Row], changes: Iterable[Row], stages: Stages) -> None:
        self.version, self.stages = version, stages
        self.visits: list[Row] = []
        for move in sorted(moves, key=self._order):
            if not self.visits or stage_of(self.visits[-1]) != stage_of(move):  # into the stage already held: no move
                self.visits.append(move)
        self._changes = sorted(changes, key=itemgetter("occurred_at", "sequence", "new"))

    def _order(self, move: Row) -> tuple[Any, ...]:
        """Moves of one instant by their sequence, then by the place of their stage."""
        place = self.stages.place(move, LAST)
        return move["occurred_at"], move["sequence"], move["to_pipeline"], place, move["to_stage"]

    def ending(self) -> Row | None:
        """The move into the last state of a closed deal: the first of the won (or lost) stages it went through."""
        ending = None
        for move in reversed(self.visits):
            kind = self.stages.kind(move)
            if kind == "open" or (ending and kind != self.stages.kind(ending)):
                break
            ending = move
        return ending

    def held(self, instant: int) -> Row | None:
        """The move into the stage held at that instant; a first sight stands for the time before it too."""
        begun = [move for move in self.visits if move["occurred_at"] <= instant]
        return begun[-1] if begun else next((move for move in self.visits[:1] if move["origin"] == "initial"), None)

    def begun(self, stage: tuple[str, str], at: int) -> int | None:
        """The place among the visits of the one of that stage which began at that instant."""
        return next(
            (place for place, move in enumerate(self.visits) if (stage_of(move), move["occurred_at"]) == (stage, at)),
            None,
        )

    def of_stage(self, stage: tuple[str, str]) -> list[int]:
        """The places among the visits of those of that stage."""
        return [place for place, move in enumerate(self.visits) if stage_of(move) == stage]

    def left_at(self, place: int) -> int | None:
        """When that visit ended; None for the last one."""
        return int(self.visits[place + 1]["occurred_at"]) if place + 1 < len(self.visits) else None

    def won_in(self, pipeline: str) -> Row | None:
        """The last move that won the deal in a pipeline; into another won stage is none."""
        kinds = ["", *(self.stages.kind(move) for move in self.visits)]
        won = [
            move for move, kind, before in zip(self.visits, kinds[1:], kinds, strict=False)
            if kind == "won" != before and move["to_pipeline"] == pipeline
        ]
        return won[-1] if won else None

    def value(self, column: str) -> Any:
        """What the deal's own version has."""
        return self.version and self.version[column]

    def before(self, field: str, instant: int) -> Row | None:
        """The last change of a field before that instant."""
        return next((change for change in reversed(self._chain(field)) if change["occurred_at"] < instant), None)

    def then(self, field: str, instant: int) -> Row | None:
        """The change that told the field's value at that instant; None where the deal's own version does.

        Changes tell it from the first known value on, up to the last one: what holds since then is the deal's own.
        """
        chain = self._chain(field)
        if len(chain) < 2 or chain[-1]["occurred_at"] <= instant:
            return None
        return next((change for change in reversed(chain) if change["occurred_at"] <= instant), chain[0])

    def _chain(self, field: str) -> list[Row]:
        return [change for change in self._changes if change["field"] == field]


def stage_of(move: Row) -> tuple[str, str]:
    """The vendor's ids of the pipeline and stage a move went into."""
    return move["to_pipeline"], move["to_stage"]

"""Which activity called or answered a lead: the same reading as the metrics' SQL, for a few leads, with the rows kept.

The rules are those of `metrics/sql/activities.sql` and `response.sql`.
"""

from __future__ import annotations

from collections.abc import Collection

from connector.store.known import Key, KnownRows, Row

NOT_DONE = {"planned", "cancelled"}
"""The outcomes of what was never done."""


class Contacts:
    """The activities done with these leads up to the as-of moment."""

    def __init__(self, known: KnownRows, leads: Collection[Key]) -> None:
        self._of: dict[str, list[Row]] = {}
        for row in known.where("activity", "lead", {_reference(lead) for lead in leads}):
            is_past = row["occurred_at"] is not None and row["occurred_at"] <= known.as_of
            if is_past and not row["gone"] and _outcome(row) not in NOT_DONE:
                self._of.setdefault(row["lead"], []).append(row)

    def call(self, lead: Key, at: int | None) -> Row | None:
        """The outbound call at that instant."""
        calls = (row for row in self._of.get(_reference(lead), ()) if _is_call(row) and row["occurred_at"] == at)
        return min(calls, key=_order, default=None)

    def first_touch(self, lead: Key) -> Row | None:
        """The first outbound touch by a person."""
        return min(filter(_is_touch, self._of.get(_reference(lead), ())), key=_order, default=None)


def _reference(key: Key) -> str:
    """How others name the row."""
    return f"{key[0]}:{key[1]}"


def _order(row: Row) -> tuple[int, str, str]:
    return row["occurred_at"], row["owner"] or "", row["id"]


def _outcome(row: Row) -> str:
    return (row["outcome"] or "").lower()


def _is_call(row: Row) -> bool:
    return bool(row["type"] == "call" and row["direction"] == "out")


def _is_touch(row: Row) -> bool:
    """An outbound call or mail, or a meeting that did not come from the other side; the mail of a person."""
    if row["type"] == "meeting":
        return bool(row["direction"] != "in")
    is_of_person = row["type"] == "call" or (bool(row["owner"]) and _outcome(row) != "automatic")
    return row["type"] in {"call", "email"} and row["direction"] == "out" and is_of_person

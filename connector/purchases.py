"""What customers bought: the won deals, orders or invoices of a few accounts, with the rows kept.

The rules are those of `metrics/sql/customers.sql`; a purchase without a moment is in no period.
"""

from __future__ import annotations

from collections.abc import Collection

from connector.documents import Documents, counts, happened_at
from connector.metrics.metric import Metric
from connector.model import Member
from connector.past import Past, Stages
from connector.period import Calendar, Period
from connector.store.known import Key, KnownRows, Row

_ENTITIES = {"ordered": "sales_order", "invoiced": "invoice"}

_Bought = tuple[int, list[tuple[str, Row]]]
"""When, and the rows that say so, each with its role."""


class Purchases:
    """What these accounts bought up to the as-of moment, by the `source` of the metric: won, ordered or invoiced."""

    def __init__(self, known: KnownRows, stages: Stages, source: str, accounts: Collection[Key]) -> None:
        self._known, self._stages = known, stages
        self._of: dict[str, list[_Bought]] = {}
        names = {_reference(key) for key in accounts}
        if not names:
            return
        if source in _ENTITIES:
            self._read_documents(_ENTITIES[source], names)
        else:
            self._read_deals(names)

    def of(self, account: Key, start: int, end: int) -> list[tuple[str, Row]]:
        """The rows of what an account bought in that time, in order of time, each with its role."""
        found = [one for one in self._of.get(_reference(account), ()) if start <= one[0] < end]
        return [row for _, rows in sorted(found, key=lambda one: one[0]) for row in rows]

    def _read_documents(self, entity: str, accounts: Collection[str]) -> None:
        for row in self._known.where(entity, "account", accounts):
            at = happened_at(row)
            if counts(row, credit_notes=True) and at is not None and at <= self._known.as_of:
                self._of.setdefault(row["account"], []).append((at, [(entity, row)]))

    def _read_deals(self, accounts: Collection[str]) -> None:
        """Won deals: by the move that won them, or where documents do, by these."""
        deals = {(row["source"], row["id"]): row for row in self._known.where("deal", "account", accounts)}
        moves = self._known.facts("stage_transition", deals)
        won_by = {(row["source"], row["id"]): row["won"] or "" for row in self._known.all("pipeline")}
        documents = Documents(self._known, "deal", deals)
        for key, deal in deals.items():
            deleted = deal["deleted_at"] is not None and deal["deleted_at"] <= self._known.as_of
            if deal["gone"] or deal["merged_into"] or deleted:  # R8
                continue
            event = won_by.get((deal["source"], deal["pipeline"] or ""), "").partition(".")[0]
            told = [row for row in documents.of(key) if row["entity"] == event]
            ending = Past(deal, moves.get(key, ()), (), self._stages).ending()
            if told:
                at = happened_at(told[0])
                rows = [("deal", deal), (event, told[0])]
            elif ending is not None and self._stages.kind(ending) == "won":
                at = ending["occurred_at"]
                rows = [("deal", deal), ("won", ending)]
            else:
                continue
            if at is not None:
                self._of.setdefault(deal["account"], []).append((at, rows))


def window(metric: Metric, member: Member, period: Period, calendar: Calendar) -> tuple[int, int]:
    """The time in which what the customer bought makes it a member: the first instant, and the one after the last."""
    if metric.id == "new_customers":  # of the first purchase
        at = member.event_at or 0
        return at, at + 1
    is_of_before = metric.id != "concentration" and member.side == "denominator"
    if is_of_before and period.every != "all":
        period = calendar.at(period.every, period.start - 1)
    return period.start, period.end


def _reference(key: Key) -> str:
    """How others name the row."""
    return f"{key[0]}:{key[1]}"

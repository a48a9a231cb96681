"""Which documents stand behind an order, an invoice or a deal: deliveries, invoices, payments, contracts.

The rules are those of `metrics/sql/orders.sql` and of the pipelines of any start in `starts.sql`, for a few records.
"""

from __future__ import annotations

from collections.abc import Collection

from connector.store.known import Key, KnownRows, Row

_HAPPENED = {
    "sales_order": "ordered_at", "delivery_note": "delivered_at", "invoice": "invoiced_at", "payment": "paid_at",
    "contract": "signed_at",
}
_NEXT = {  # by the kind of record: what names it, and by which field
    "deal": (("sales_order", "deal"), ("contract", "deal")),
    "sales_order": (("delivery_note", "sales_order"), ("invoice", "sales_order")),
    "invoice": (("payment", "invoice"),),
}
_NOT_COUNTED = {"draft", "cancelled", "credited", "declined", "voided"}


class Documents:
    """The documents that follow these records of one kind, and had happened by the as-of moment."""

    def __init__(self, known: KnownRows, record: str, keys: Collection[Key]) -> None:
        self._known = known
        self._of: dict[str, list[Row]] = {}
        self._read(record, {_reference(key): _reference(key) for key in keys})

    def of(self, key: Key) -> list[Row]:
        """Those of one record, in order of time."""
        found = self._of.get(_reference(key), ())
        return sorted(found, key=lambda row: (row[_HAPPENED[row["entity"]]], row["entity"], row["id"]))

    def _read(self, record: str, behind: dict[str, str]) -> None:
        """What names these, and what names that; `behind`: by reference, the record it is told for."""
        for entity, field in _NEXT.get(record, ()) if behind else ():
            rows = [row for row in self._known.where(entity, field, behind.keys()) if counts(row)]
            for row in rows:
                at = happened_at(row)
                if at is not None and at <= self._known.as_of:
                    self._of.setdefault(behind[row[field]], []).append(row)
            self._read(entity, {_reference((row["source"], row["id"])): behind[row[field]] for row in rows})


def counts(row: Row, *, credit_notes: bool = False) -> bool:
    """Whether a document is one: not retracted, no draft, not cancelled; a credit note only where these count too."""
    is_other = row.get("kind") == "credit_note" and not credit_notes
    return not row["gone"] and row.get("state") not in _NOT_COUNTED and not is_other


def happened_at(row: Row) -> int | None:
    """When a document's own event was."""
    at: int | None = row[_HAPPENED[row["entity"]]]
    return at


def _reference(key: Key) -> str:
    """How others name the row."""
    return f"{key[0]}:{key[1]}"

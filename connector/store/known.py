"""Single rows of the ledger as known at one instant, with where they came from: what a number is explained by."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection

from connector.store import bulk
from connector.store.tables import LEDGER

Key = tuple[str, str]
"""Source and id."""

Row = dict[str, Any]
"""A version or fact by column, with the name of its table under `entity`."""


class KnownRows:
    """Rows known at `known_at`, of facts those that had happened by `as_of` (both microseconds)."""

    def __init__(self, connection: Connection, as_of: int, known_at: int) -> None:
        self.connection, self.as_of = connection, as_of
        self._known = f"seen_at <= {known_at} AND (replaced_at IS NULL OR replaced_at > {known_at})"

    def versions(self, entity: str, keys: Collection[Key]) -> dict[Key, Row]:
        """The versions of these rows; one that was not known is missing."""
        found = self._by_source(entity, keys, "id", self._known)
        return {(row["source"], row["id"]): row for row in found}

    def replaced(self, entity: str, key: Key, at: int) -> Row | None:
        """The version of a row that another one replaced at that instant."""
        found = self._rows(entity, {"source": key[0], "replaced_at": at}, "id", [key[1]], "TRUE")
        return found[0] if found else None

    def history(self, entity: str, key: Key, since: int) -> list[Row]:
        """Every version of a row that was recorded after that instant, the oldest first."""
        found = self._rows(entity, {"source": key[0]}, "id", [key[1]], f"recorded_at > {since}")
        return sorted(found, key=lambda row: row["seen_at"])

    def facts(self, entity: str, deals: Collection[Key]) -> dict[Key, list[Row]]:
        """The facts of these deals, in no order."""
        found: dict[Key, list[Row]] = {}
        for row in self._by_source(entity, deals, "deal", f"{self._known} AND occurred_at <= {self.as_of}"):
            found.setdefault((row["source"], row["deal"]), []).append(row)
        return found

    def where(self, entity: str, column: str, values: Collection[str]) -> list[Row]:
        """The rows of any source that have one of these values in a column."""
        return self._rows(entity, {}, column, values, self._known)

    def all(self, entity: str) -> list[Row]:
        """Every row of a table that has few."""
        names = LEDGER[entity].c.keys()
        columns = ", ".join(f'"{name}"' for name in names)
        found = self.connection.exec_driver_sql(f"SELECT {columns} FROM {entity} WHERE {self._known}")
        return [{**dict(zip(names, row, strict=True)), "entity": entity} for row in found]

    def _by_source(self, entity: str, keys: Iterable[Key], column: str, where: str) -> list[Row]:
        ids: dict[str, set[str]] = {}
        for source, id_ in keys:
            ids.setdefault(source, set()).add(id_)
        return [
            row for source, wanted in ids.items()
            for row in self._rows(entity, {"source": source}, column, wanted, where)
        ]

    def _rows(
        self, entity: str, same: dict[str, Any], column: str, values: Collection[str], where: str
    ) -> list[Row]:
        names = LEDGER[entity].c.keys()
        found = bulk.select(self.connection, LEDGER[entity], names, same, column, values, where)
        return [{**dict(zip(names, row, strict=True)), "entity": entity} for row in found]

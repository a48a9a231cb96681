"""What must be the same after any crash, read from a store; and what must hold in every store."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from connector import journal
from connector.mapping import Mapping
from connector.model import Mapped
from connector.ports import Source
from connector.store import landing, tables
from connector.store.store import Store
from connector.wiring import Installation
from tests.crash.worlds import Truth
from tests.properties.world import dump

ROW_TABLES = {name: table for name, table in tables.LEDGER.items() if "gone" in table.c}
APART = {"replaced_at", "seen_at", "recorded_at", "page", "stream", "record_key", "record_index", "item", "mapping"}
Place = tuple[tuple[str, ...], int, int | None]
"""Where something was read: the hashes of a page's bodies, the record in it, the item of a list in that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a store knows. `rows` and `reported` by their keys; `cited` and `cited_facts` say where each was read."""

    rows: dict[tuple[str, ...], dict[str, Any]]
    reported: dict[tuple[Any, ...], dict[str, Any]]
    cited: dict[tuple[str, ...], Place | None]
    cited_facts: dict[tuple[Any, ...], Place | None]

    def deals(self) -> Truth:
        """Each deal that is there: its stage, and those that reported transitions say it entered, in order."""
        moves: dict[str, list[tuple[int, int, str]]] = {}
        for row in self.reported.values():
            if "to_stage" in row:
                moves.setdefault(row["deal"], []).append((row["occurred_at"], row["sequence"], row["to_stage"]))
        return {
            id_: (row["stage"], tuple(stage for _, _, stage in sorted(moves.get(id_, []))))
            for (entity, _, id_), row in self.rows.items() if entity == "deal" and row["gone"] is None
        }


def examine(folder: Path, *, shows_gone: bool, again: bool = False) -> Outcome:
    """What the installation in that folder knows, after checking that nothing of a crash is left.

    again: also that the journal gives the same store once more, cell for cell.
    """
    here = Installation.load(str(folder / "config.yaml"), environment={"TOKEN": "twin-token"})
    source = here.source("crm")
    try:
        _nothing_is_left(here.store)
        with here.store.reading() as connection:
            found = _Reader(connection, source).outcome(shows_gone=shows_gone)
        if again:
            before = dump(here.store)
            journal.rebuild(here.store, {"crm": source})
            assert dump(here.store) == before
        return found
    finally:
        source.close()
        here.close()


def _nothing_is_left(store: Store) -> None:
    """No lease, no open window, no half-applied pass, no page outside the journal, no doubled row, and the last run
    known as done."""
    assert [row.name for row in store.rows(select(tables.lease)) if row.holder is not None] == []
    for row in store.rows(select(tables.cursor)):
        assert json.loads(row.state).keys().isdisjoint({"window", "position"}), (row.stream, row.state)
    assert {row.state for row in store.rows(select(tables.id_pass))} <= {"applied", "abandoned"}
    assert store.rows(select(tables.page.c.id).where(tables.page.c.applied_at.is_(None))) == []
    assert store.rows(select(tables.quarantine)) == []
    assert [row.status for row in store.rows(select(tables.run).order_by(tables.run.c.started_at))][-1] == "ok"
    for table in ROW_TABLES.values():
        query = select(table.c.source, table.c.id).where(table.c.replaced_at.is_(None))
        assert [key for key, count in Counter(map(tuple, store.rows(query))).items() if count > 1] == []


class _Reader:
    """Reads one store, and follows each citation to the landed page."""

    def __init__(self, connection: Connection, source: Source) -> None:
        self.connection, self.source = connection, source
        self._mappings: dict[str, Mapping] = {}
        self._mapped: dict[tuple[int, str], dict[int, Mapped]] = {}
        self._bodies: dict[int, tuple[str, ...]] = {}
        self._sound: set[str] = set()
        for row in connection.execute(select(tables.file_version).where(tables.file_version.c.kind == "mapping")):
            settings = json.loads(row.settings)
            self._mappings[row.version] = journal.load_mapping(row.path, bytes(row.content), row.name, settings)

    def outcome(self, *, shows_gone: bool) -> Outcome:
        found = Outcome({}, {}, {}, {})
        for name, table in ROW_TABLES.items():
            for row in self._current(table):
                if row["gone"] is None:
                    self._check_row(name, row)
                if row["gone"] is None or shows_gone:
                    key = (name, row["source"], row["id"])
                    found.rows[key] = {column: value for column, value in row.items() if column not in APART}
                    found.cited[key] = self._place(row)
        for table in (tables.stage_transition, tables.deal_change):
            for row in self._current(table):
                if row["origin"] == "reported":
                    key = self._check_fact(table.name, row)
                    assert key not in found.reported
                    apart = APART | {"read_at"}  # when it was told, not what
                    found.reported[key] = {column: value for column, value in row.items() if column not in apart}
                    found.cited_facts[key] = self._place(row)
        return found

    def _current(self, table: Any) -> list[dict[str, Any]]:
        query = select(table).where(table.c.replaced_at.is_(None))
        return [dict(row) for row in self.connection.execute(query).mappings()]

    def _check_row(self, entity: str, row: dict[str, Any]) -> None:
        """The record it cites, mapped by the version it cites, says just what the row says."""
        if row["page"] is None:
            assert row["stream"] == ""  # of the mapping's own pipelines
            return
        record = self._record(row)
        (entry,) = [one for one in record.entries if (one.entity, one.id, one.item) == (entity, row["id"], row["item"])]
        assert not entry.absent
        assert {name: int(v) if isinstance(v, bool) else v for name, v in entry.fields.items()} == {
            name: row[name] for name in entry.fields
        }
        own = json.loads(row["extra"] or "{}")
        assert {name: own.get(name) for name in entry.extra or ()} == (entry.extra or {})

    def _check_fact(self, table: str, row: dict[str, Any]) -> tuple[Any, ...]:
        """The record it cites, mapped by the version it cites, tells that fact; gives its key."""
        is_stage = table == "stage_transition"
        timeline = "stage" if is_stage else row["field"]
        value = (row["to_pipeline"], row["to_stage"]) if is_stage else (row["new"],)
        key = (row["deal"], timeline, value, row["occurred_at"], row["sequence"])
        told = {
            (one.deal, one.timeline, one.value, one.occurred_at, one.sequence): one.actor
            for one in self._record(row).reported
        }
        assert told[key] == row["actor"]
        return (row["source"], *key)

    def _record(self, row: dict[str, Any]) -> Mapped:
        page, version = row["page"], row["mapping"]
        if (page, version) not in self._mapped:
            mapped = journal.map_page(
                self.connection, self.source, self._mappings[version], page, landing.page(self.connection, page).stream
            )
            self._mapped[page, version] = {record.index: record for record in mapped}
        record = self._mapped[page, version][row["record_index"]]
        assert record.key == row["record_key"]
        return record

    def _place(self, row: dict[str, Any]) -> Place | None:
        page = row["page"]
        if page is None:
            return None
        if page not in self._bodies:
            query = select(tables.page.c.exchanges).where(tables.page.c.id == page)
            listed = json.loads(self.connection.execute(query).scalar_one())
            self._bodies[page] = tuple(one["answer"] for one in listed)
            for name in set(self._bodies[page]) - self._sound:
                assert hashlib.sha256(landing.body(self.connection, name)).hexdigest() == name
                self._sound.add(name)
        return self._bodies[page], row["record_index"], row["item"]

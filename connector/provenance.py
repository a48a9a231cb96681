"""Where a row of the ledger came from: the mapping that made it, the entry and its line there, and the landed page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, select

from connector import journal
from connector.journal import Reads
from connector.mapping import EntryRule
from connector.mapping import Mapping as SourceMapping
from connector.model import STAGE, iso
from connector.ports import Record
from connector.store import landing, tables
from connector.store.known import Row


class Provenance:
    """Looks up rows, and remembers the pages and mappings it met.

    `reader` gives who reads a source's landed pages, None for a source the config no longer names.
    """

    def __init__(self, connection: Connection, reader: Callable[[str], Reads | None]) -> None:
        self._connection, self._reader = connection, cache(reader)
        self._versions: dict[tuple[str, str], list[Any]] = {}
        self._mappings: dict[int, SourceMapping] = {}
        self._texts: dict[int, list[str]] = {}
        self._records: dict[int, list[Record]] = {}
        self._pages: set[int] = set()

    def of(self, row: Row) -> dict[str, Any]:
        """When the row was known and from where: `seen_at`, `page`, `record_index`, `mapping` and what finds them.

        `page` is None for a row made without one; `without_page` says why.
        """
        page, is_read = row["page"], bool(row["stream"])  # else the mapping file itself made it
        if page is not None:
            self._pages.add(page)
        return {
            "occurred_at": iso(row.get("occurred_at")), "seen_at": iso(row["seen_at"]), "page": page,
            "record_index": None if page is None else row["record_index"], "item": row["item"],
            "stream": row["stream"] if is_read else None, "record_key": row["record_key"] if is_read else None,
            "mapping": self._mapping(row), "without_page": None if page is not None else _without_page(row),
        }

    def pages(self) -> list[dict[str, Any]]:
        """The pages met, in the order of their landing: when each was read, and the requests that got it."""
        return [
            {
                "page": page.id, "source": page.source, "stream": page.stream, "run": page.run,
                "read_at": iso(page.read_at), "landed_at": iso(page.id), "requests": requests,
            }
            for page, requests in landing.requests(self._connection, self._pages)
        ]

    # --- mappings ----------------------------------------------------------------------------------------------------

    def _mapping(self, row: Row) -> dict[str, Any]:
        """The file as it was when it made the row; `text` is what stands on that line."""
        found = self._file(row)
        if found is None:  # a store filled by other means
            return {"file": None, "line": None, "version": row["mapping"] or None, "text": None}
        mapping = self._loaded(row["source"], found)
        line = self._line(mapping, row)
        text = self._texts[found.seen_at][line - 1].strip() if line else None
        return {"file": found.path, "line": line, "version": found.version, "text": text}

    def _file(self, row: Row) -> Any:
        """The journal's entry of that version: a file that was put back has several, of which the last one before."""
        key = row["source"], row["mapping"]
        if key not in self._versions:
            table = tables.file_version
            query = select(table).where(
                table.c.kind == "mapping", table.c.name == row["source"], table.c.version == row["mapping"]
            )
            self._versions[key] = list(self._connection.execute(query.order_by(table.c.seen_at)).all())
        found = self._versions[key]
        return next((one for one in reversed(found) if one.seen_at <= row["recorded_at"]), found[0] if found else None)

    def _loaded(self, source: str, found: Any) -> SourceMapping:
        if found.seen_at not in self._mappings:
            settings, content = json.loads(found.settings), bytes(found.content)
            self._mappings[found.seen_at] = journal.load_mapping(found.path, content, source, settings)
            self._texts[found.seen_at] = content.decode().splitlines()
        return self._mappings[found.seen_at]

    def _line(self, mapping: SourceMapping, row: Row) -> int | None:
        """The line of the entry that made the row; None where the mapping no longer has it."""
        if not row["stream"]:  # the file itself says which pipelines and stages there are
            place = ("pipelines", row["pipeline"], "stages", row["stage"]) if row["entity"] == "stage" \
                else ("pipelines", row["id"])
            return mapping.document.line(place)
        entries = _candidates(mapping, row)
        if len(entries) > 1 and row["page"] is not None:
            record = self._record(row)
            entries = [entry for entry in entries if record and _makes(mapping, entry, row, record)] or entries
        return entries[0].line if entries else None

    # --- pages -------------------------------------------------------------------------------------------------------

    def _record(self, row: Row) -> Record | None:
        page, index = row["page"], row["record_index"]
        if page not in self._records:
            reader = self._reader(row["source"])
            exchanges = landing.exchanges(self._connection, page)
            self._records[page] = list(reader.records(row["stream"], exchanges)) if reader else []
        records = self._records[page]
        return records[index] if index < len(records) else None


def _without_page(row: Row) -> str:
    if not row["stream"]:
        return "the mapping file itself says it"
    return f"what was left when stream {row['stream']} no longer showed or made record {row['record_key']}"


def _made_as(row: Row) -> tuple[str, str]:
    """Entity and id of what an entry makes when it makes this row: what was observed came of the deal's own entry."""
    if "id" in row:
        return row["entity"], row["id"]
    return row["entity"] if row["origin"] == "reported" else "deal", row["deal"]


def _candidates(mapping: SourceMapping, row: Row) -> list[EntryRule]:
    """The entries that may have made the row: of its stream, and list items by an `each`.

    A deal that nobody has told of came of its first fact; what is left of a row came of the other streams.
    """
    entity, _ = _made_as(row)
    streams = [row["stream"]] if row["page"] is not None else json.loads(row.get("parts") or "{}")
    entries = [entry for stream in streams for entry in mapping.entries.get(stream, ())]
    named = [entry for entry in entries if entry.entity.name == entity]
    found = named or [entry for entry in entries if entry.entity.facts]
    return [entry for entry in found if (entry.each is None) == (row["item"] is None)] or found


def _makes(mapping: SourceMapping, entry: EntryRule, row: Row, record: Record) -> bool:
    """Whether that entry alone makes that row of the record."""
    entity, id_ = _made_as(row)
    (made,) = replace(mapping, entries={entry.stream: [entry]}).apply(entry.stream, [record])
    if not entry.entity.facts:
        return any((one.entity, one.id, one.absent) == (entity, id_, False) for one in made.entries)
    facts = [fact for fact in made.reported if fact.deal == id_]
    if entity == "deal":
        return bool(facts)
    told = row.get("field", STAGE), row["occurred_at"], row["item"]
    return any((fact.timeline, fact.occurred_at, fact.item) == told for fact in facts)

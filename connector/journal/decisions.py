"""What people decided, as entries of the journal, and the one that maps again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.journal.entries import PageEntry, Reads, map_page, take_page
from connector.mapping import Mapping as SourceMapping
from connector.model import canonical_json
from connector.store import landing, quarantine, tables
from connector.store.store import Writing


def decide(writing: Writing, action: str, subject: Any, *, actor: str, reason: str | None = None) -> int:
    """Write down that a person decided something; the stamp is its place in the journal."""
    stamp = writing.stamp()
    writing.execute(
        tables.audit.insert(),
        {"seen_at": stamp, "action": action, "subject": canonical_json(subject), "actor": actor, "reason": reason},
    )
    return stamp


def retry(
    writing: Writing, source: Reads, source_mapping: SourceMapping, subject: Mapping[str, Any], seen_at: int
) -> bool:
    """Map one record that is set aside again from its landed page; says whether it is mended."""
    held = quarantine.find(writing.connection, subject)
    if held is None or held.state == "mended":
        return held is not None
    page = landing.page(writing.connection, held.page)
    mapped = [
        record
        for record in map_page(writing.connection, source, source_mapping, held.page, held.stream)
        if record.index == held.record_index
    ]
    changes = take_page(writing, source_mapping, PageEntry(held.page, seen_at, held.stream, page.read_at, mapped))
    return not changes.rejected and all(record.fault is None for record in mapped)

"""What records mean: the rows a mapping makes of them, or their whole content where none is given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from functools import cache
from pathlib import Path

from connector import document, mapping
from connector.mapping import Mapping as SourceMapping
from connector.model import Mapped, canonical_json
from connector.ports import Record

NAME = "contract"
"""What every source is called in a contract."""


@cache
def load(path: str) -> SourceMapping:
    """The mapping file of a contract."""
    return mapping.load(document.load(Path(path).read_bytes(), path), source=NAME, zone=UTC, sources=[NAME])


def meaning(path: str | Path | None, stream: str, records: Iterable[Record]) -> dict[str, str]:
    """By key: what each record is to the connector, as text that is equal where the meaning is.

    Where a key comes twice, the last one; a record that the mapping takes for deleted is left out.
    """
    if path is None or stream not in load(str(path)).streams():
        return {one.key: f"{one.modified} {canonical_json(one.data)}" for one in records}
    found: dict[str, str] = {}
    for one in load(str(path)).apply(stream, records):
        found.pop(one.key, None)
        if not _is_gone(one):
            found[one.key] = repr((one.modified, one.fault, one.entries, one.reported))
    return found


def _is_gone(mapped: Mapped) -> bool:
    """Whether a record says that it is deleted, or makes none of the rows it could make."""
    if any(entry.fields.get("deleted_at") for entry in mapped.entries):
        return True
    return bool(mapped.entries) and all(entry.absent for entry in mapped.entries)

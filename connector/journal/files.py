"""Versions of files: which one is in force, and what a mapping of the journal means."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from connector import document, mapping
from connector.errors import Busy
from connector.mapping import Mapping as SourceMapping
from connector.model import canonical_json
from connector.store import tables
from connector.store.store import Store, Writing


def latest_version(connection: Connection, kind: str, name: str) -> str | None:
    """The version of a file that is in force, None before the first."""
    table = tables.file_version
    return connection.execute(
        select(table.c.version)
        .where(table.c.kind == kind, table.c.name == name)
        .order_by(table.c.seen_at.desc())
        .limit(1)
    ).scalar()


def latest_file(connection: Connection, kind: str, name: str) -> tuple[str, str, bytes] | None:
    """Version, path and content of the file in force, None before the first and after it was withdrawn."""
    table = tables.file_version
    row = connection.execute(
        select(table.c.version, table.c.path, table.c.content)
        .where(table.c.kind == kind, table.c.name == name)
        .order_by(table.c.seen_at.desc())
        .limit(1)
    ).first()
    return (row.version, row.path, bytes(row.content)) if row is not None and row.content else None


def check_in_force(connection: Connection, source_mapping: SourceMapping) -> None:
    """Make sure, inside the transaction that writes, that nobody put another mapping in force. Raises Busy.

    Otherwise replay would map the page by the new one, and find something else than was written.
    """
    in_force = latest_version(connection, "mapping", source_mapping.source)
    if in_force is not None and in_force != source_mapping.version:
        raise Busy(
            f"the mapping of {source_mapping.source} was changed by another run while this one read; "
            "nothing of the late batch was written"
        )


def put_file(
    store: Store, kind: str, name: str, *, version: str, path: str, content: bytes, settings: Any = None
) -> bool:
    """A new version of a file, from now on; nothing when its meaning (`version`) is the one in force."""
    with store.writing() as writing:
        if latest_version(writing.connection, kind, name) == version:
            return False
        write_file(writing, writing.stamp(), kind, name, version, path, content, settings)
        return True


def write_file(
    writing: Writing, seen_at: int, kind: str, name: str, version: str, path: str, content: bytes, settings: Any
) -> None:
    """Write that version down."""
    writing.execute(
        tables.file_version.insert(),
        {
            "seen_at": seen_at,
            "kind": kind,
            "name": name,
            "version": version,
            "path": path,
            "content": content,
            "settings": canonical_json(settings or {}),
        },
    )


def load_mapping(path: str, content: bytes, source: str, settings: Mapping[str, Any]) -> SourceMapping:
    """A mapping from its journal entry: the content, and the settings it was read with (`mapping_settings`)."""
    return mapping.load(
        document.load(content, path),
        source=source,
        zone=ZoneInfo(settings["timezone"]),
        sources=settings["sources"],
        history_import=settings["history_import"],
    )


def mapping_settings(*, timezone: str, sources: Collection[str], history_import: bool) -> dict[str, Any]:
    """What beside the file decides what a mapping means; kept with each version."""
    return {"timezone": timezone, "sources": sorted(sources), "history_import": history_import}

"""Replay: the ledger and the quarantine made again from the journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, select

from connector.errors import StoreError
from connector.journal.decisions import retry
from connector.journal.entries import PageEntry, Reads, map_page, take_page
from connector.journal.files import load_mapping
from connector.journal.mappings import take_mapping
from connector.journal.passes import take_pass
from connector.mapping import Mapping as SourceMapping
from connector.store import landing, quarantine, tables
from connector.store.store import Store, Writing


def rebuild(
    store: Store, sources: Mapping[str, Reads], progress: Callable[[int], None] = lambda _done: None
) -> dict[str, int]:
    """Make the ledger and the quarantine again from the journal, in one transaction; says how many rows each table has.

    `sources` by name must hold every source that ever landed a page. Raises StoreError; on any error nothing changes.
    """
    with store.writing() as writing:
        _check_sources(writing.connection, sources)
        for table in [*tables.LEDGER.values(), tables.record_stamp, tables.quarantine]:
            writing.execute(delete(table))
        in_force: dict[str, SourceMapping] = {}
        for done, (_, take) in enumerate(_entries(writing, sources, in_force), start=1):
            take()
            progress(done)
        return {
            name: len(writing.execute(select(table.c.seen_at)).all()) for name, table in tables.LEDGER.items()
        }


def _check_sources(connection: Connection, sources: Mapping[str, Reads]) -> None:
    mapped = select(tables.file_version.c.name).where(tables.file_version.c.kind == "mapping")
    landed = select(tables.page.c.source).where(tables.page.c.applied_at.is_not(None))
    missing = set(connection.execute(mapped.union(landed)).scalars()) - sources.keys()
    if missing:
        raise StoreError(
            f"the journal has pages of {', '.join(sorted(missing))}, which the config does not name; "
            "put the source back to rebuild, nothing was changed"
        )


def _entries(
    writing: Writing, sources: Mapping[str, Reads], in_force: dict[str, SourceMapping]
) -> Iterable[tuple[int, Callable[[], None]]]:
    """Every entry of the journal in order, with what takes it in."""
    connection = writing.connection
    found: list[tuple[int, Callable[[], None]]] = []
    files = tables.file_version
    for row in connection.execute(select(files).where(files.c.kind == "mapping")).all():
        found.append((row.seen_at, _again_mapping(writing, sources[row.name], row, in_force)))
    for page in landing.pages(connection):
        found.append((page.applied_at or 0, _again_page(writing, sources[page.source], page, in_force)))
    passes = tables.id_pass
    for row in connection.execute(select(passes).where(passes.c.state == "applied")).all():
        found.append((row.applied_at, _again_pass(writing, row, in_force)))
    decisions = tables.audit
    for row in connection.execute(select(decisions).where(decisions.c.action.like("quarantine_%"))).all():
        found.append((row.seen_at, _again_decision(writing, sources, row, in_force)))
    return sorted(found, key=lambda entry: entry[0])


def _again_mapping(
    writing: Writing, source: Reads, row: Any, in_force: dict[str, SourceMapping]
) -> Callable[[], None]:
    def take() -> None:
        first = row.name not in in_force
        loaded = load_mapping(row.path, bytes(row.content), row.name, json.loads(row.settings))
        in_force[row.name] = replace(loaded, version=row.version)  # as it was named then, whatever we would name it now
        take_mapping(writing, source, in_force[row.name], row.seen_at, first=first)

    return take


def _again_page(
    writing: Writing, source: Reads, page: landing.Landed, in_force: dict[str, SourceMapping]
) -> Callable[[], None]:
    def take() -> None:
        source_mapping = in_force[page.source]
        mapped = map_page(writing.connection, source, source_mapping, page.id, page.stream)
        entry = PageEntry(
            page.id, page.applied_at or page.id, page.stream, page.read_at, mapped, page.known_until
        )
        take_page(writing, source_mapping, entry)

    return take


def _again_pass(writing: Writing, row: Any, in_force: dict[str, SourceMapping]) -> Callable[[], None]:
    def take() -> None:
        shown = set(json.loads(landing.body(writing.connection, row.body)))
        take_pass(writing, in_force[row.source], row.stream, row.applied_at, shown, row.started_at)

    return take


def _again_decision(
    writing: Writing, sources: Mapping[str, Reads], row: Any, in_force: dict[str, SourceMapping]
) -> Callable[[], None]:
    def take() -> None:
        subject = json.loads(row.subject)
        if row.action == "quarantine_retry":
            retry(writing, sources[subject["source"]], in_force[subject["source"]], subject, row.seen_at)
        else:
            quarantine.settle(writing, subject, row.action.removeprefix("quarantine_"), row.seen_at)

    return take

"""What the ledger depends on, in order of knowledge: pages, finished full passes, file versions, decisions.

Each kind of entry has one function that takes it in (`take_page`, `take_pass`, `take_mapping`, `take_decision`); live
runs call it as the entry is written, `rebuild` calls it again for every entry. So ledger = replay(journal).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, select

from connector import document, mapping, pipelines
from connector.errors import Busy, StoreError
from connector.ledger import Changes, Entered, Ledger, is_older, wanted
from connector.mapping import Mapping as SourceMapping
from connector.model import ENTITIES, Mapped, canonical_json
from connector.ports import Exchange, Record
from connector.store import landing, quarantine, rows, tables
from connector.store.store import Store, Writing


class Reads(Protocol):
    """The pure part of a source: landed exchanges to records."""

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page in the journal: its id, its place (`seen_at`), and its records, mapped."""

    page: int
    seen_at: int
    stream: str
    read_at: int
    mapped: Sequence[Mapped]


def take_page(writing: Writing, source_mapping: SourceMapping, entry: PageEntry) -> Changes:
    """Apply one page: versions, facts, quarantine."""
    changes = plan_page(writing.connection, source_mapping, entry)
    rows.write(writing, source_mapping.source, entry.seen_at, changes, stream=entry.stream)
    changes.quarantined = quarantine.record(writing, source_mapping.source, entry, changes)
    return changes


def plan_page(connection: Connection, source_mapping: SourceMapping, entry: PageEntry) -> Changes:
    """What one page would change; writes nothing."""
    source, stream = source_mapping.source, entry.stream
    keys, deals = wanted(entry.mapped)
    before = rows.load(
        connection,
        source,
        rows=keys,
        deals=deals,
        items=(stream, {record.key for record in entry.mapped}, _list_entities(source_mapping, stream)),
    )
    entered = Entered(source, stream, entry.seen_at, entry.page, entry.read_at, source_mapping.version)
    ledger = Ledger(before, entered, source_mapping.pipelines, source_mapping.columns)
    for record in entry.mapped:
        if record.fault is None:
            ledger.apply(record)
        elif is_older(record.modified, before.stamps.get(record.key)):
            ledger.changes.old.add(record.index)
    changes = ledger.changes
    if not _keeps_stamps(source_mapping, stream):
        changes.stamps.clear()
    faults = {record.index for record in entry.mapped if record.fault is not None} | changes.rejected.keys()
    changes.quarantined = len(faults - changes.old)
    return changes


def _keeps_stamps(source_mapping: SourceMapping, stream: str) -> bool:
    """Whether it matters which state of a record is the newest: not where each is one fact that never changes."""
    entries = source_mapping.entries.get(stream, ())
    return any(not entry.entity.facts or entry.each is not None for entry in entries)


def _list_entities(source_mapping: SourceMapping, stream: str) -> set[str]:
    return {
        entry.entity.name
        for entry in source_mapping.entries.get(stream, ())
        if entry.each is not None and not entry.entity.facts
    }


def take_pass(
    writing: Writing, source_mapping: SourceMapping, stream: str, seen_at: int, shown: set[str], started_at: int
) -> Changes:
    """A finished full pass: rows whose record it did not show are deleted, save those made after it `started_at`."""
    source = source_mapping.source
    total = Changes()
    entries = source_mapping.entries.get(stream, ())
    for entity in sorted({entry.entity.name for entry in entries if not entry.entity.facts}):
        made = made_by(writing.connection, source, stream, entity, before=started_at)
        gone = [(row_id, key) for row_id, key in made if key not in shown]
        before = rows.load(writing.connection, source, rows=[(entity, row_id) for row_id, _ in gone], deals=())
        entered = Entered(source, stream, seen_at, None, seen_at, source_mapping.version)
        ledger = Ledger(before, entered, source_mapping.pipelines, source_mapping.columns)
        for row_id, key in gone:
            ledger.delete((entity, row_id), key)
        rows.write(writing, source, seen_at, ledger.changes)
        total.deleted += ledger.changes.deleted
    return total


def made_by(
    connection: Connection, source: str, stream: str, entity: str, *, before: int | None = None
) -> Iterator[tuple[str, str]]:
    """The (row id, record key) of the current rows of an entity that a stream's records make, recorded `before`."""
    table = tables.LEDGER[entity]
    query = select(table.c.id, table.c.parts).where(
        table.c.source == source, table.c.replaced_at.is_(None), table.c.gone.is_(None)
    )
    if before is not None:
        query = query.where(table.c.recorded_at < before)
    for row in connection.execute(query):
        part = json.loads(row.parts).get(stream)
        if part is not None:
            yield row.id, part[1]


def known_records(connection: Connection, source_mapping: SourceMapping, stream: str) -> int:
    """How many records of a stream are known, for the guard of a full pass: those the last one showed, or made rows.

    Facts outlive their record, so they only stand for it before the first pass.
    """
    source, keys, entries = source_mapping.source, set[str](), source_mapping.entries.get(stream, ())
    for entity in {entry.entity.name for entry in entries if not entry.entity.facts}:
        keys.update(key for _, key in made_by(connection, source, stream, entity))
    passes = tables.id_pass
    last = connection.execute(
        select(passes.c.body)
        .where(passes.c.source == source, passes.c.stream == stream, passes.c.state == "applied")
        .order_by(passes.c.applied_at.desc())
        .limit(1)
    ).scalar()
    if last is not None:
        return len(keys.union(json.loads(landing.body(connection, last))))
    for table in (tables.LEDGER[entry.entity.name] for entry in entries if entry.entity.facts):
        query = select(table.c.record_key).where(table.c.source == source, table.c.stream == stream).distinct()
        keys.update(connection.execute(query).scalars())
    return len(keys)


# --- files -----------------------------------------------------------------------------------------------------------


def latest_version(connection: Connection, kind: str, name: str) -> str | None:
    """The version of a file that is in force, None before the first."""
    table = tables.file_version
    return connection.execute(
        select(table.c.version)
        .where(table.c.kind == kind, table.c.name == name)
        .order_by(table.c.seen_at.desc())
        .limit(1)
    ).scalar()


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
        _write_file(writing, writing.stamp(), kind, name, version, path, content, settings)
        return True


def _write_file(
    writing: Writing, seen_at: int, kind: str, name: str, version: str, path: str, content: bytes, settings: Any
) -> None:
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


def activate(
    store: Store, source: Reads, source_mapping: SourceMapping, content: bytes, settings: Mapping[str, Any]
) -> Changes | None:
    """Put a mapping in force if its meaning changed: what is landed is mapped again, as known from now on."""
    name = source_mapping.source
    with store.writing() as writing:
        before = latest_version(writing.connection, "mapping", name)
        if before == source_mapping.version:
            return None
        stamp = writing.stamp()
        _write_file(
            writing, stamp, "mapping", name, source_mapping.version, source_mapping.file, content, settings
        )
        return take_mapping(writing, source, source_mapping, stamp, first=before is None)


def take_mapping(
    writing: Writing, source: Reads, source_mapping: SourceMapping, seen_at: int, *, first: bool
) -> Changes:
    """A mapping comes into force: its pipelines and stages, and the latest landed state of every record.

    The first version of a file holds for all earlier times, so its own rows count as always known.
    """
    _take_pipelines(writing, source_mapping, seen_at, first=first)
    total = Changes()
    if first:
        return total
    for stream in source_mapping.streams():
        for page, indexes in _latest(writing.connection, source, source_mapping.source, stream, seen_at).items():
            mapped = map_page(writing.connection, source, source_mapping, page.id, stream)
            mapped = [record for record in mapped if record.index in indexes]
            changes = take_page(writing, source_mapping, PageEntry(page.id, seen_at, stream, page.read_at, mapped))
            total.changed += changes.changed + changes.new
            total.deleted += changes.deleted
    return total


def _take_pipelines(writing: Writing, source_mapping: SourceMapping, seen_at: int, *, first: bool) -> None:
    entries = pipelines.rows(source_mapping.pipelines)
    source = source_mapping.source
    listed = {entry.id for entry in entries if entry.entity == "stage"}
    unlisted = {row_id for row_id, _ in made_by(writing.connection, source, "", "stage")} - listed
    entries += [pipelines.archived(row) for row in rows.current(writing.connection, "stage", source, unlisted)]
    for entry in entries:
        entry.seen_at = 0 if first else None
    record = Mapped(0, "pipelines", None, entries, [], set())
    before = rows.load(
        writing.connection, source, rows=[(entry.entity, entry.id) for entry in entries], deals=()
    )
    entered = Entered(source, "", seen_at, None, seen_at, source_mapping.version)
    ledger = Ledger(before, entered, source_mapping.pipelines, source_mapping.columns)
    ledger.apply(record)
    rows.write(writing, source, seen_at, ledger.changes)


def map_page(
    connection: Connection, source: Reads, source_mapping: SourceMapping, page: int, stream: str
) -> list[Mapped]:
    """The records of a landed page, mapped."""
    return list(source_mapping.apply(stream, source.records(stream, landing.exchanges(connection, page))))


def _latest(
    connection: Connection, source: Reads, name: str, stream: str, before: int
) -> dict[landing.Landed, set[int]]:
    """Where the newest landed state of each record of a stream stands: pages in order, with record indexes."""
    newest: dict[str, tuple[int, int, landing.Landed]] = {}
    for page in landing.pages(connection, source=name, before=before):
        if page.stream != stream:
            continue
        for index, record in enumerate(source.records(stream, landing.exchanges(connection, page.id))):
            stamp = record.modified if record.modified is not None else 0
            if record.key not in newest or stamp >= newest[record.key][0]:
                newest[record.key] = (stamp, index, page)
    found: dict[landing.Landed, set[int]] = {}
    for _, index, page in sorted(newest.values(), key=lambda place: (place[2].applied_at or 0, place[1])):
        found.setdefault(page, set()).add(index)
    return found


# --- decisions -------------------------------------------------------------------------------------------------------


def decide(writing: Writing, action: str, subject: Any, *, actor: str, reason: str | None = None) -> int:
    """Write down that a person decided something; the stamp is its place in the journal."""
    stamp = writing.stamp()
    writing.execute(
        tables.audit.insert(),
        {"seen_at": stamp, "action": action, "subject": canonical_json(subject), "actor": actor, "reason": reason},
    )
    return stamp


# --- replay ----------------------------------------------------------------------------------------------------------


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
        in_force[row.name] = load_mapping(row.path, bytes(row.content), row.name, json.loads(row.settings))
        take_mapping(writing, source, in_force[row.name], row.seen_at, first=first)

    return take


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


def _again_page(
    writing: Writing, source: Reads, page: landing.Landed, in_force: dict[str, SourceMapping]
) -> Callable[[], None]:
    def take() -> None:
        source_mapping = in_force[page.source]
        mapped = map_page(writing.connection, source, source_mapping, page.id, page.stream)
        entry = PageEntry(page.id, page.applied_at or page.id, page.stream, page.read_at, mapped)
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
            quarantine.settle(writing, subject, row.action.removeprefix("quarantine_"))

    return take


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


assert set(tables.LEDGER) == set(ENTITIES)  # noqa: S101  # every entity has its table, checked once at import

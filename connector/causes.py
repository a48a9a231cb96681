"""What is in quarantine, by cause: which reasons there are, how many records, deals and how much money each holds up,
and which line of the mapping file to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from connector import affected, blame, journal, quarantine
from connector.errors import ConfigError, Fault
from connector.mapping import Mapping as SourceMapping
from connector.model import iso
from connector.ports import Record, Source
from connector.store import landing, tables
from connector.store import quarantine as table
from connector.wiring import Installation, closing

FIRST = 5
"""How many items of a cause are named with it."""


def causes(here: Installation) -> list[dict[str, Any]]:
    """The causes of what is open, the one that holds up most deals first.

    [{"cause", "source", "stream", "reason", "pipeline", "pipeline_name", "stage", "mapping": {"file", "line"} | null,
    "records", "deals", "money": [{"currency", "amount"}], "since", "items": the first keys}]. `mapping` is where the
    file as it stands says so; null once it does no longer. What a source that is configured no longer left counts
    without deals.
    """
    with here.store.reading() as connection:
        held: dict[tuple[str, str], list[Row[Any]]] = {}
        for row in table.open_items(connection):
            held.setdefault((row.source, row.stream), []).append(row)
        found = [
            cause
            for (source, stream), rows in held.items()
            for cause in _of_stream(here, connection, source, stream, rows)
        ]
    return sorted(found, key=lambda one: (-one["deals"], -one["records"], one["since"], one["cause"]))


def items_of(here: Installation, named: Sequence[str]) -> list[str]:
    """The open items of these causes, as SOURCE/STREAM/KEY. Raises ConfigError for a cause that nothing is open of."""
    items = quarantine.list_items(here.store, causes=named) if named else []
    known = {item["cause"] for item in items}
    faults = [
        Fault("command line", 0, "--cause", f"nothing is open of a cause {one!r}; `connector quarantine list` has them")
        for one in named if one not in known
    ]
    if faults:
        raise ConfigError(faults)
    return [str(item["item"]) for item in items]


def _of_stream(
    here: Installation, connection: Connection, source: str, stream: str, rows: Sequence[Row[Any]]
) -> Iterator[dict[str, Any]]:
    """The causes of one stream, with what their records stand for."""
    by_cause: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_cause.setdefault(quarantine.cause_of(source, stream, row.reason), []).append(row)
    mapping = _mapping(here, connection, source)
    records: dict[str, Record] = {}
    if mapping is not None:
        reader = here.source(source)
        with closing(reader):
            records = _records(connection, reader, stream, rows)
    for cause, items in by_cause.items():
        own = [records[item.record_key] for item in items if item.record_key in records]
        stands_for = affected.of_records(mapping, stream, own) if mapping else affected.Affected()
        found = blame.of(mapping, stream, own[0]) if mapping and own else None
        pipeline = mapping.pipelines.get(items[0].pipeline) if mapping else None
        yield {
            "cause": cause, "source": source, "stream": stream, "reason": items[0].reason,
            "pipeline": items[0].pipeline, "pipeline_name": pipeline.name if pipeline else None,
            "stage": found.stage if found else None, "mapping": found.mapping if found else None,
            **stands_for.as_json(), "records": len(items),
            "since": iso(min(item.first_seen_at for item in items)),
            "items": [f"{source}/{stream}/{item.record_key}" for item in items[:FIRST]],
        }


def _mapping(here: Installation, connection: Connection, source: str) -> SourceMapping | None:
    """The source's mapping as its file stands, or, while that has faults, as it is in force; None for a former source.
    """
    if source not in here.config.sources:
        return None
    try:
        return here.mapping(source)
    except ConfigError:
        versions = tables.file_version
        query = select(versions).where(versions.c.kind == "mapping", versions.c.name == source)
        row = connection.execute(query.order_by(versions.c.seen_at.desc()).limit(1)).one()
        return journal.load_mapping(row.path, bytes(row.content), source, json.loads(row.settings))


def _records(connection: Connection, reader: Source, stream: str, rows: Sequence[Row[Any]]) -> dict[str, Record]:
    """The landed records that are set aside, by key; each page is read once."""
    wanted: dict[int, dict[int, str]] = {}
    for row in rows:
        wanted.setdefault(row.page, {})[row.record_index] = row.record_key
    found: dict[str, Record] = {}
    for page, places in sorted(wanted.items()):
        for index, record in enumerate(reader.records(stream, landing.exchanges(connection, page))):
            if index in places:
                found[places[index]] = record
    return found

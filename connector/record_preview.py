"""Landed records beside what they become: each field with the vendor's path and value, and the line that did it.

Nothing is written and no source is asked. `file`: by another mapping file, which is not in force and need not be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from connector import blame, document, landed_records, mapping
from connector.config.beside import read_bytes, shown
from connector.errors import ConfigError, Fault
from connector.exact import money_text
from connector.landed_records import LandedRecord
from connector.mapping import EntryRule
from connector.mapping import Mapping as SourceMapping
from connector.mapping_tests import entity_of, row_of, written
from connector.model import Entry, Mapped, Reported, column, iso
from connector.paths import compile_path, steps
from connector.redaction import Redactor
from connector.resync import named
from connector.rules import Rule
from connector.wiring import Installation, closing


def preview(
    here: Installation, source: str, *, stream: str | None = None, ids: Sequence[str] = (), limit: int = 5,
    file: str | None = None,
) -> dict[str, Any]:
    """{"source", "mapping": {"file", "version"}, "records": [a record as `_shown` has it]}.

    Records are those of `ids` ([STREAM:]ID), else at most `limit` of the stream (default: the one that makes deals),
    the newest, after one of each cause that something is set aside for. Raises ConfigError: for faults of the mapping,
    for what is not landed, and where nothing is landed at all.
    """
    here.chosen_sources([source])
    source_mapping = here.mapping(source) if file is None else _other(here, source, file)
    if stream is not None and stream not in source_mapping.streams():
        known = ", ".join(source_mapping.streams())
        message = f"the mapping reads no {stream!r}, expected one of: {known}"
        raise ConfigError([Fault("command line", 0, "--stream", message)])
    faults: list[Fault] = []
    wanted = named(source_mapping, ids, [stream] if stream else None, faults)
    if faults:
        raise ConfigError(faults)
    streams = [stream] if stream else landed_records.default_streams(source_mapping)
    reader = here.source(source)
    with closing(reader), here.store.reading() as connection:
        if ids:
            found = landed_records.named(connection, reader, source, wanted, "--id")
        else:
            held_of = [stream] if stream else source_mapping.streams()
            found = landed_records.newest(connection, reader, source, streams, held_of, limit)
    if not found:
        message = f"nothing is landed of {', '.join(streams)} yet; run connector sync {source} first"
        raise ConfigError([Fault("command line", 0, source, message)])
    answer = {
        "source": source,
        "mapping": {"file": source_mapping.file, "version": source_mapping.version},
        "records": [_shown(source_mapping, one) for one in found],
    }
    redact = Redactor(lambda: here.config.secrets)
    hidden: dict[str, Any] = json.loads(redact.content(json.dumps(answer, default=str).encode()))
    return hidden


def _other(here: Installation, source: str, file: str) -> SourceMapping:
    """The mapping in another file, as it would be in force for that source. Raises ConfigError."""
    path = Path(file)
    return mapping.load(
        document.load(read_bytes(path), shown(path)), source=source, zone=here.zone,
        sources=list(here.config.sources), history_import=here.config.sources[source].history_import,
    )


def _shown(source_mapping: SourceMapping, one: LandedRecord) -> dict[str, Any]:
    """One record: {"stream", "key", "page", "record_index", "modified", "quarantine": {"reason", "since"} | null,
    "fault": {"reason", "mapping", "path", "raw"} | null, "rows": […]}.

    `quarantine` is why it is set aside now; `fault` why it cannot be mapped by this mapping, which then makes no row.
    """
    record = one.record
    fault = _fault(source_mapping, one)
    held = one.held and {"reason": one.held.reason, "since": iso(one.held.first_seen_at)}
    return {
        "stream": one.stream, "key": record.key, "page": one.page, "record_index": one.index,
        "modified": iso(record.modified), "quarantine": held, "fault": fault,
        "rows": [] if fault else list(_rows(source_mapping, one)),
    }


def _fault(source_mapping: SourceMapping, one: LandedRecord) -> dict[str, Any] | None:
    """Why it cannot be mapped, with the line; and what the vendor sent where one field of the record is at fault."""
    found = blame.of(source_mapping, one.stream, one.record)
    if found is None:
        return None
    why = source_mapping.why(one.stream, one.record)
    error, entry = why if why else (None, None)
    rule = next((rule for rule in entry.rules if error and rule.field == error.field), None) if entry else None
    path, raw = _found(source_mapping, rule, one.record.data) if rule and entry and entry.each is None else (None, None)
    return {"reason": found.reason, "mapping": found.mapping, "path": path, "raw": raw}


def _rows(source_mapping: SourceMapping, one: LandedRecord) -> Iterator[dict[str, Any]]:
    """What each entry of the mapping makes of it: {"entity", "id", "retracted", "mapping", "fields"}; of facts `id` is
    the deal's. A row whose condition does not hold is retracted and has no fields."""
    for entry in source_mapping.entries.get(one.stream, ()):
        alone = replace(source_mapping, entries={one.stream: [entry]})
        (mapped,) = alone.apply(one.stream, [one.record])
        items = entry.each(one.record.data) if entry.each is not None else None
        for made in _made(mapped):
            scope = one.record.data if items is None else {"record": one.record.data, "item": items[made.item or 0]}
            retracted = isinstance(made, Entry) and made.absent
            yield {
                "entity": entity_of(made), "id": made.id if isinstance(made, Entry) else made.deal,
                "retracted": retracted, "mapping": {"file": source_mapping.file, "line": entry.line},
                "fields": [] if retracted else list(_fields(source_mapping, entry, made, scope)),
            }


def _made(mapped: Mapped) -> Iterator[Entry | Reported]:
    yield from mapped.entries
    yield from mapped.reported


def _fields(
    source_mapping: SourceMapping, entry: EntryRule, made: Entry | Reported, scope: Any
) -> Iterator[dict[str, Any]]:
    """Each field that the entry fills: {"field", "value", "path", "raw", "mapping"}; of a stage also `means`, the line
    of the mapping that says what it is. A pipeline that only the stage tells has no path."""
    row, entity = row_of(made), entity_of(made)
    told = set[str]()
    for rule in entry.rules:
        path, raw = _found(source_mapping, rule, scope)
        path = _in_record(source_mapping, entry, made.item, path)
        name = "currency" if rule.field.endswith(".currency") else rule.field
        told.add(name)
        shown_ = {
            "field": rule.field, "value": _value(source_mapping, entity, name, row), "path": path, "raw": raw,
            "mapping": {"file": source_mapping.file, "line": source_mapping.document.line(rule.place)},
        }
        if line := _meaning(source_mapping, entity, name, row):
            shown_["means"] = {"file": source_mapping.file, "line": line}
        yield shown_
    if row.get("pipeline") is not None and "pipeline" not in told:
        line = _meaning(source_mapping, entity, "to" if entity == "stage_transition" else "stage", row) or entry.line
        yield {
            "field": "pipeline", "value": _value(source_mapping, entity, "pipeline", row), "path": None, "raw": None,
            "mapping": {"file": source_mapping.file, "line": line},
        }


def _found(source_mapping: SourceMapping, rule: Rule, scope: Any) -> tuple[str | None, Any]:
    """The vendor's path of a field and the value there, as it came: of several paths the first that has one.

    A constant has no path.
    """
    spec = source_mapping.document.get(rule.place)
    given = spec if isinstance(spec, dict) else {"path": spec}
    paths = given["first_of"] if "first_of" in given else [given["path"]] if "path" in given else []
    for path in paths:
        try:
            raw = compile_path(str(path))(scope)
        except ValueError:
            return str(path), None
        if raw is not None and raw != "":
            return str(path), raw
    return (str(paths[0]), None) if paths else (None, given.get("const"))


def _in_record(source_mapping: SourceMapping, entry: EntryRule, item: int | None, path: str | None) -> str | None:
    """A path of a list item as it leads there from the record: `item.value` of the third is `history[2].value`."""
    each = source_mapping.document.get((*entry.place, "each"))
    if item is None or path is None or steps(path) is None or steps(str(each)) is None:
        return path
    first, _, rest = path.partition(".")
    return rest if first == "record" and rest else f"{each}[{item}]{path.removeprefix('item')}"


def _value(source_mapping: SourceMapping, entity: str, field: str, row: Mapping[str, Any]) -> Any:
    """A stored value for a person: money with its currency's decimals, a stage as `Demo (proposal)`."""
    value = row.get(field, row.get(column(field)))
    said = written(source_mapping, entity, field, row)
    if field == "amount" and isinstance(value, int):
        text = money_text(value, str(row.get("currency") or ""))
        return text if Decimal(text) == Decimal(str(said)) else said
    pipeline = source_mapping.pipelines.get(str(row.get("pipeline")))
    stage = pipeline.stage(str(value)) if pipeline and _is_stage(entity, field) else None
    return said if stage is None else f"{stage.name} ({said})" if stage.name != said else said


def _meaning(source_mapping: SourceMapping, entity: str, field: str, row: Mapping[str, Any]) -> int | None:
    """The line of `pipelines:` that says what a stage is."""
    if not _is_stage(entity, field) or row.get(field) is None:
        return None
    place = ("pipelines", str(row.get("pipeline")), "stages", str(row[field]))
    return source_mapping.document.lines.get(place)


def _is_stage(entity: str, field: str) -> bool:
    return (entity, field) in {("deal", "stage"), ("stage_transition", "to")}

"""Rules of a mapping that no landed record needs, and fields that stay empty: what `Landed` counted, as findings."""

from __future__ import annotations

from collections.abc import Iterator

from connector.affected import Affected
from connector.concerned import Read
from connector.drift.finding import Field, Finding, Written, named, pipeline_line, reads
from connector.drift.landed import TOMBSTONES, Filled, Landed, Table
from connector.mapping import Mapping as SourceMapping
from connector.rules import as_column

LEAST = 20
"""Landed records by which a rule may be called unused, or a field empty: fewer say nothing."""
EMPTY = 0.95
"""Share of empty records beyond which a field is."""


def find(source_mapping: SourceMapping, landed: Landed) -> Iterator[Finding]:
    """All of them; not again what was found by the metadata."""
    gone = {one.key[1:] for one in landed.live if one.kind == "vanished_stage"}
    quiet = {place for one in landed.live for place in one.fields}
    yield from _stages(source_mapping, landed, gone)
    for stream, entries in landed.entries.items():
        count = landed.records.get(stream, 0)
        for entry in entries:
            if count >= LEAST and not entry.made and not _is_tombstone(entry.written):
                yield _entry(entry.written, count)
            for table in entry.tables:
                if table.read >= LEAST and table.words.keys() - table.used:
                    yield _words(source_mapping, table)
            for one in entry.filled:
                is_low = one.read >= LEAST and one.empty > EMPTY * one.read
                if is_low and Field(one.entry.number, one.rule.field) not in quiet:
                    yield _low(source_mapping, one)


def _stages(source_mapping: SourceMapping, landed: Landed, gone: set[tuple[str, ...]]) -> Iterator[Finding]:
    counts = landed.in_pipeline
    for pipeline in source_mapping.pipelines.values() if sum(counts.values()) >= LEAST else ():
        who = named(pipeline.id, pipeline.name)
        if pipeline.id not in counts and (pipeline.id, "") not in gone:
            line = pipeline_line(source_mapping, pipeline)
            yield _unused(("pipeline", pipeline.id), "", f"no landed record is in the pipeline {who}", line)
        for stage in pipeline.stages if counts.get(pipeline.id, 0) >= LEAST else ():
            place = pipeline.id, stage.id
            if not stage.archived and place not in gone and place not in landed.in_stage:
                yield _unused(
                    ("stage", *place), "",
                    f"no landed record ever was in the stage {named(stage.id, stage.name)} of the pipeline {who}",
                    pipeline_line(source_mapping, pipeline, stage.id),
                )


def _entry(entry: Written, count: int) -> Finding:
    stream, entity = entry.rule.stream, entry.rule.entity.name
    said = f"none of the {count:,} landed records of {stream} makes a {entity} by this entry"
    return _unused(("entry", f"{entry.number}"), stream, said, entry.rule.line)


def _words(source_mapping: SourceMapping, table: Table) -> Finding:
    entry, stream = table.entry, table.entry.rule.stream
    unused = ", ".join(f'"{word}"' for word in table.words if word not in table.used)
    return _unused(
        ("table", f"{entry.number}", table.name), stream,
        f"no landed record of {stream} needs {unused} in the table of {entry.rule.entity.name}.{table.name}",
        source_mapping.document.line(("entities", entry.number, "fields", table.name, "table")),
    )


def _unused(key: tuple[str, ...], stream: str, said: str, line: int) -> Finding:
    return Finding(
        "unused_rule", ("unused_rule", *key), stream, said, line, "leave it if it may still come; else take it out",
        affected=Affected(),
    )


def _low(source_mapping: SourceMapping, one: Filled) -> Finding:
    entity, name, stream = one.entry.rule.entity.name, one.rule.field, one.entry.rule.stream
    share = "all" if one.empty == one.read else f"{min(one.empty / one.read * 100, 99.9):.1f} %"
    return Finding(
        "low_fill", ("low_fill", stream, f"{one.entry.number}", name), stream,
        f"{entity}.{name} is empty in {one.empty:,} of {one.read:,} landed records of {stream} ({share})",
        source_mapping.document.line(("entities", one.entry.number, "fields", name)),
        f"see whether {one.rule.path} is the right path, and is filled in at all",
        reads(source_mapping, [Read(entity, as_column(name))]),
        affected=Affected(one.empty, one.deals, dict(sorted(one.money.items()))), share=one.empty / one.read,
    )


def _is_tombstone(entry: Written) -> bool:
    """Whether it only says what was deleted or merged away, which many sources never show."""
    return {rule.field for rule in entry.rule.rules} <= TOMBSTONES

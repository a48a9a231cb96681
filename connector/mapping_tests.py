"""The `tests:` of a mapping file: what a record should make of the model, compared with what it makes.

    tests: [{stream: deals, record: {id: "7", …}, expect: {deal: {stage: closed_won}}}]

`expect` names entities, each with the fields of one row (a list for several, null for none). A stage may be named by
its id, its own name or its canonical step, a pipeline by id or name, another row by its id alone; amounts, times and
ratios are written as people write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.mapping import Mapping as SourceMapping
from connector.model import ENTITIES, MONEY_SCALE, RATIO_SCALE, STAGE, Kind, Mapped, column, iso, micros
from connector.ports import Record

Row = Mapping[str, Any]


def run(source_mapping: SourceMapping) -> list[dict[str, Any]]:
    """Every test of the file with its line, whether it holds, and else what differs."""
    return [
        {
            "test": str(test.get("name") or number + 1),
            "file": source_mapping.file,
            "line": source_mapping.document.line(("tests", number)),
            "ok": not (message := difference(source_mapping, test)),
            "message": message,
        }
        for number, test in enumerate(source_mapping.tests)
    ]


def difference(source_mapping: SourceMapping, test: Mapping[str, Any]) -> str:
    """How what the record makes differs from what the test expects; empty where it does not."""
    stream, data, expected = test.get("stream"), test.get("record"), test.get("expect")
    if stream not in source_mapping.streams() or not isinstance(data, dict) or not isinstance(expected, dict):
        return f"expected a stream (one of {', '.join(source_mapping.streams())}), a record and expect"
    mapped = next(iter(source_mapping.apply(str(stream), [Record("test", None, data)])))
    if mapped.fault is not None:
        return f"the record goes to quarantine: {mapped.fault}"
    for entity, wanted in expected.items():
        if entity not in ENTITIES:
            return f"there is no entity {entity}, expected one of: {', '.join(ENTITIES)}"
        if message := _entity(source_mapping, entity, wanted, list(_rows(mapped, entity))):
            return message
    return ""


def _entity(source_mapping: SourceMapping, entity: str, wanted: Any, rows: list[Row]) -> str:
    if wanted is None:
        return f"{entity}: expected none, found {len(rows)}" if rows else ""
    for one in wanted if isinstance(wanted, list) else [wanted]:
        if not isinstance(one, dict):
            return f"{entity}: expected the fields of a row"
        if not any(_holds(source_mapping, entity, one, row) for row in rows):
            shown = "; ".join(_shown(source_mapping, entity, one, row) for row in rows) or "none"
            return f"{entity}: expected {_text(one)}, found {shown}"
    return ""


def _rows(mapped: Mapped, entity: str) -> Iterator[Row]:
    """What the record makes of one entity, with the model's field names."""
    for entry in mapped.entries:
        if entry.entity == entity and not entry.absent:
            extra = {f"extra.{name}": value for name, value in (entry.extra or {}).items()}
            yield {"id": entry.id, **entry.fields, **extra}
    for fact in mapped.reported:
        common = {"deal": fact.deal, "at": fact.occurred_at, "by": fact.actor, "sequence": fact.sequence}
        if entity == "stage_transition" and fact.timeline == STAGE:
            yield {**common, "pipeline": fact.value[0], "to": fact.value[1]}
        elif entity == "deal_change" and fact.timeline != STAGE:
            yield {**common, "field": fact.timeline, "new": fact.value[0]}


def _holds(source_mapping: SourceMapping, entity: str, wanted: Row, row: Row) -> bool:
    return all(
        _same(value, readings)
        for field, value in wanted.items()
        for readings in [_readings(source_mapping, entity, field, row)]
    )


def _same(wanted: Any, readings: list[str]) -> bool:
    if wanted is None:
        return not readings
    text = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    return text in readings or any(_equal(text, reading) for reading in readings)


def _equal(one: str, other: str) -> bool:
    """Whether two texts are the same number or the same instant."""
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:
        pass
    try:
        moments = datetime.fromisoformat(one), datetime.fromisoformat(other)
        return micros(moments[0]) == micros(moments[1])
    except ValueError:
        return False


def _readings(source_mapping: SourceMapping, entity: str, field: str, row: Row) -> list[str]:
    """How the stored value of a field may be written; nothing where it has none."""
    value = row.get(field, row.get(column(field)))
    if value is None:
        return []
    declared = ENTITIES[entity].fields.get(field)
    kind = declared.kind if declared else Kind.TEXT
    if scale := {Kind.MONEY: MONEY_SCALE, Kind.RATIO: RATIO_SCALE}.get(kind):
        return [str(Decimal(value) / scale)]
    if kind is Kind.INSTANT:
        return [str(iso(value))]
    if kind is Kind.FLAG:
        return ["true" if value else "false", "yes" if value else "no"]
    own = str(value).removeprefix(f"{source_mapping.source}:") if kind is Kind.REFERENCE else str(value)
    return [str(value), own, *_names(source_mapping, entity, field, row)]


def _names(source_mapping: SourceMapping, entity: str, field: str, row: Row) -> list[str]:
    """The user's names of a pipeline or stage beside the vendor's id."""
    pipeline = source_mapping.pipelines.get(str(row.get("pipeline")))
    if pipeline is None or (entity, field) not in {
        ("deal", "pipeline"), ("deal", "stage"), ("stage_transition", "pipeline"), ("stage_transition", "to"),
    }:
        return []
    if field == "pipeline":
        return [pipeline.name]
    stage = pipeline.stage(str(row[field]))
    return [stage.name, stage.canonical.value] if stage else []


def _shown(source_mapping: SourceMapping, entity: str, wanted: Row, row: Row) -> str:
    read = {field: dict.fromkeys(_readings(source_mapping, entity, field, row)) for field in wanted}
    return _text({field: " = ".join(readings) or None for field, readings in read.items()})


def _text(fields: Row) -> str:
    return ", ".join(f"{field} {'nothing' if value is None else value}" for field, value in fields.items())

"""The `tests:` of a mapping file: what a record should make of the model, compared with what it makes.

    tests: [{stream: deals, record: {id: "7", …}, expect: {deal: {stage: closed_won}}}]

`expect` names entities, each with the fields of one row (a list for several, null for none). A stage may be named by
its id, its own name or its canonical step, a pipeline by id or name, another row by its id alone; amounts, times and
ratios are written as people write them (`written`), also the new value of a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.mapping import Mapping as SourceMapping
from connector.model import (
    ENTITIES,
    MONEY_SCALE,
    RATIO_SCALE,
    STAGE,
    Entry,
    Kind,
    Mapped,
    Reported,
    column,
    iso,
    micros,
)
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
        if message := _entity(source_mapping, entity, wanted, list(rows(mapped, entity))):
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


def rows(mapped: Mapped, entity: str) -> Iterator[Row]:
    """What the record makes of one entity, with the model's field names and stored values."""
    for entry in mapped.entries:
        if entry.entity == entity and not entry.absent:
            yield row_of(entry)
    for fact in mapped.reported:
        if entity_of(fact) == entity:
            yield row_of(fact)


def row_of(made: Entry | Reported) -> Row:
    """A row or a fact as one mapping of fields."""
    if isinstance(made, Entry):
        return {"id": made.id, **made.fields, **{f"extra.{name}": value for name, value in (made.extra or {}).items()}}
    common = {"deal": made.deal, "at": made.occurred_at, "by": made.actor, "sequence": made.sequence}
    if made.timeline == STAGE:
        return {**common, "pipeline": made.value[0], "to": made.value[1]}
    return {**common, "field": made.timeline, "new": made.value[0]}


def entity_of(made: Entry | Reported) -> str:
    """The entity of a row or fact."""
    if isinstance(made, Entry):
        return made.entity
    return "stage_transition" if made.timeline == STAGE else "deal_change"


def written(source_mapping: SourceMapping, entity: str, field: str, row: Row) -> str | bool | int | None:
    """The stored value of a field as a person writes it in a test: a stage by its canonical step, a pipeline by its
    name, another row of the source by its id."""
    value = row.get(field, row.get(column(field)))
    kind = _kind(entity, field, row)
    if value is None or value == "":
        return None
    if kind is Kind.FLAG:
        return bool(value)
    if kind is Kind.INTEGER:
        return int(value)
    if names := _names(source_mapping, entity, field, row):
        return names[-1]
    readings = _readings(source_mapping, entity, field, row)
    return readings[1] if kind is Kind.REFERENCE else readings[0]


def _holds(source_mapping: SourceMapping, entity: str, wanted: Row, row: Row) -> bool:
    return all(
        _same(value, readings)
        for field, value in wanted.items()
        for readings in [_readings(source_mapping, entity, field, row)]
    )


def _same(wanted: Any, readings: list[str]) -> bool:
    if wanted is None or wanted == "":
        return not any(readings)
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
    kind = _kind(entity, field, row)
    if scale := {Kind.MONEY: MONEY_SCALE, Kind.RATIO: RATIO_SCALE}.get(kind):
        return [] if value == "" else [format(Decimal(value) / scale, "f")]
    if kind is Kind.INSTANT:
        return [str(iso(value))]
    if kind is Kind.FLAG:
        return ["true" if value else "false", "yes" if value else "no"]
    own = str(value).removeprefix(f"{source_mapping.source}:") if kind is Kind.REFERENCE else str(value)
    return [str(value), own, *_names(source_mapping, entity, field, row)]


def _kind(entity: str, field: str, row: Row) -> Kind:
    """The kind of a field; the new value of a change is of its deal field's."""
    changed = (entity, field) == ("deal_change", "new")
    declared = ENTITIES["deal"].fields.get(str(row["field"])) if changed else ENTITIES[entity].fields.get(field)
    return declared.kind if declared else Kind.TEXT


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

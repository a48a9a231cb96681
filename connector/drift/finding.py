"""One thing in which a mapping and its source differ: where it stands, what to do, and which KPIs it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from connector import concerned
from connector.affected import Affected
from connector.concerned import Read
from connector.kpi import KpiDefinition
from connector.mapping import EntryRule
from connector.mapping import Mapping as SourceMapping
from connector.model import Pipeline

Kind = Literal[
    "unmapped_stage", "unmapped_value", "vanished_field", "type_changed", "missing_field", "unread_field",
    "vanished_stage", "unused_rule", "low_fill",
]
"""unmapped_stage: a stage, or a whole pipeline, that the mapping does not list; unmapped_value: a word that it cannot
read; both set their records aside. vanished_field: a field that was there and is gone; type_changed: one of a type that
ours cannot be read from. missing_field: it never was there; unread_field: it is there and not asked for.
vanished_stage: a mapped stage that is no longer there; unused_rule: nothing landed needs it; low_fill: nearly always
empty."""

DRIFT: frozenset[Kind] = frozenset({"unmapped_stage", "unmapped_value", "vanished_field", "type_changed"})
"""What changed at the source and takes something from the numbers: such a finding makes a sync one with findings."""

SETS_ASIDE: frozenset[Kind] = frozenset({"unmapped_stage", "unmapped_value"})


class Field(NamedTuple):
    """A field of an entry: the entry's place in `entities:`, and the field's name."""

    entry: int
    name: str


@dataclass(frozen=True, slots=True)
class Finding:
    """`key` is the same whoever finds it. `line` is of the mapping file. `reads`: what of the ledger it is about, by
    which the KPIs concerned are found; `pipeline` limits them (see `concerned.kpis`). `fields`: those whose landed
    values it is about. `affected`: what is landed of it, None where nobody looked. `share` of low_fill: how many of the
    records are empty, 0..1."""

    kind: Kind
    key: tuple[str, ...]
    stream: str
    message: str
    line: int
    remedy: str
    reads: tuple[Read, ...] = ()
    pipeline: str | None = None
    fields: tuple[Field, ...] = ()
    affected: Affected | None = None
    share: float | None = None

    def as_json(self, source_mapping: SourceMapping, definitions: Sequence[KpiDefinition]) -> dict[str, Any]:
        """{"kind", "stream", "message", "file", "line", "remedy", "kpis", "records", "deals", "money", "is_drift"};
        the counts are null where nobody looked."""
        found = self.affected
        counted = found.as_json() if found else {"records": None, "deals": None, "money": []}
        return {
            "kind": self.kind, "stream": self.stream, "message": self.message, "file": source_mapping.file,
            "line": self.line, "remedy": self.remedy,
            "kpis": concerned.kpis(definitions, self.reads, self.pipeline), **counted,
            **({} if self.share is None else {"share": f"{self.share:.6f}"}), "is_drift": self.kind in DRIFT,
        }


class Written(NamedTuple):
    """An entry of the file beside what it was compiled to; `number` is its place in `entities:`."""

    number: int
    spec: Mapping[str, Any]
    rule: EntryRule


def written(source_mapping: SourceMapping) -> Iterator[Written]:
    """The entries in the order of the file."""
    compiled = {stream: iter(entries) for stream, entries in source_mapping.entries.items()}
    for number, spec in enumerate(source_mapping.document.data["entities"]):
        yield Written(number, spec, next(compiled[spec["stream"]]))


def read_of_stream(source_mapping: SourceMapping, stream: str) -> tuple[Read, ...]:
    """What is out of date while records of a stream are set aside: all that they make."""
    return reads(source_mapping, (Read(entry.entity.name) for entry in source_mapping.entries.get(stream, ())))


def reads(source_mapping: SourceMapping, given: Iterable[Read]) -> tuple[Read, ...]:
    """These, and deals where a pipeline of theirs begins or is won at an event of one of these."""
    listed = list(dict.fromkeys(given))
    events = {event.partition(".")[0] for one in source_mapping.pipelines.values() for event in (one.starts, one.won)}
    if any(one.entity in events for one in listed):
        listed.append(Read("deal"))
    return tuple(listed)


def named(id_: str, name: str) -> str:
    """A thing of the source as people know it, with the id that the mapping needs: `"Legal review" (998877)`."""
    return f'"{name}" ({id_})' if name and name != id_ else f'"{id_}"'


def pipeline_line(source_mapping: SourceMapping, pipeline: Pipeline | None, stage: str | None = None) -> int:
    """The line of a pipeline's stages, or of one of them; of `pipelines:` without one."""
    if pipeline is None:
        return source_mapping.document.line(("pipelines",))
    place: tuple[str, ...] = ("pipelines", pipeline.id, "stages")
    return source_mapping.document.line(place if stage is None else (*place, stage))

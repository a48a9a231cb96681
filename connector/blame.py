"""Why a record cannot be mapped, and which line of the mapping file says so. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.errors import MappingError
from connector.mapping import EntryRule
from connector.mapping import Mapping as SourceMapping
from connector.pipelines import UnmappedStage
from connector.ports import Record


@dataclass(frozen=True, slots=True)
class Blame:
    """The reason as quarantine has it, where the mapping says so, and the vendor's ids where it is a stage."""

    reason: str
    file: str
    line: int
    pipeline: str | None = None
    stage: str | None = None

    @property
    def mapping(self) -> dict[str, Any]:
        """{"file", "line"}."""
        return {"file": self.file, "line": self.line}


def of(source_mapping: SourceMapping, stream: str, record: Record) -> Blame | None:
    """Why a record cannot be mapped; None where it can be. A stage that is not listed has the line it is missing in."""
    found = source_mapping.why(stream, record)
    if found is None:
        return None
    error, entry = found
    line = _line(source_mapping, error, entry)
    if isinstance(error, UnmappedStage):
        return Blame(str(error), source_mapping.file, line, error.pipeline, error.stage)
    return Blame(str(error), source_mapping.file, line)


def _line(source_mapping: SourceMapping, error: MappingError, entry: EntryRule | None) -> int:
    """The line to look at: of the list of stages, the field, or the entry's own key."""
    line = source_mapping.document.line
    if isinstance(error, UnmappedStage):
        known = error.pipeline in source_mapping.pipelines
        return line(("pipelines", str(error.pipeline), "stages") if known else ("pipelines",))
    if entry is None:
        return line(("entities",))
    name = error.field.partition(" ")[0]  # the new value of a change says of which field: `new (owner)`
    rule = next((rule for rule in entry.rules if rule.field == name), None)
    return line((*entry.place, name) if rule is None else rule.place)

"""What `connector init` answers: plain JSON-able values. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from connector.metadata import Metadata
from connector.starting.config_file import EXAMPLE
from connector.starting.mapping_file import Made


@dataclass(frozen=True, slots=True)
class Found:
    """What a source told and what was made of it; `notes` keep the mapping from being read, or are to be known."""

    source: str
    adapter: str
    made: Made
    told: Metadata
    currency: str
    mapping: str
    notes: list[str] = field(default_factory=list)


def told(found: Found, files: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], int]:
    """The answer and its exit code: 1 where a stage waits for somebody's word, or the mapping is not ready."""
    pipelines: dict[str, dict[str, Any]] = {}
    for row in found.made.stages:
        one = pipelines.setdefault(row.pipeline, {"id": row.pipeline, "name": row.pipeline_name, "stages": []})
        if row.stage:
            one["stages"].append({"id": row.stage, "name": row.name, "to": row.to, "state": row.state, "why": row.why})
        else:
            one["state"] = row.state
    counts = Counter(row.state for row in found.made.stages if row.stage)
    waits = counts["open"] + counts["waits"]
    guessed = [
        {"entity": entity, "stream": stream, "field": name, "path": path}
        for entity, stream, name, path in found.made.guessed
    ]
    has_findings = bool(waits or found.notes)
    value = {
        "status": "findings" if has_findings else "ok", "source": found.source, "adapter": found.adapter,
        "people": next((name for name, state in files if name.endswith(EXAMPLE) and state == "written"), None),
        "mapping": found.mapping, "currency": found.currency, "owners": len(found.told.owners),
        "files": [{"file": name, "state": state} for name, state in files],
        "pipelines": list(pipelines.values()), "stages": dict(counts), "guessed": guessed,
        "fields": [asdict(row) for row in found.made.fields], "notes": found.notes,
    }
    return value, 1 if has_findings else 0

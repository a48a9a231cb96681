"""The `pipelines:` section: which canonical step each of the vendor's stages is, and what a deal's stage means.

A stage that is not listed is never guessed: the record is set aside and its pipeline's KPIs are withheld.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connector.errors import MappingError
from connector.model import RATIO_SCALE, Canonical, Entry, Pipeline, Stage, Value, stored_json
from connector.nearest import hint
from connector.rules import Faults, Place
from connector.schedule import parse_duration

_PIPELINE_KEYS = ("name", "stages", "starts", "won", "recycle")
EVENTS = (
    "sales_order.ordered_at", "delivery_note.delivered_at", "invoice.invoiced_at", "payment.paid_at",
    "contract.signed_at",
)
_STAGE_KEYS = ("to", "name", "probability", "archived")


class UnmappedStage(MappingError):
    """A stage or pipeline that the mapping does not list; both are the vendor's ids, None if it is not known which."""

    def __init__(self, reason: str, pipeline: str | None, stage: str | None = None) -> None:
        self.pipeline, self.stage = pipeline, stage
        super().__init__("deal", "stage", "stage", reason)


def resolve(pipelines: Mapping[str, Pipeline], pipeline: str | None, stage: str) -> tuple[str, str]:
    """The (pipeline, stage) ids of a stage; the pipeline may be left out where stage ids are unique.

    Raises UnmappedStage.
    """
    if pipeline is not None:
        found = pipelines.get(pipeline)
        if found is None:
            raise UnmappedStage(f"pipeline {pipeline!r} is not in pipelines:", pipeline, stage)
        if found.stage(stage) is None:
            raise UnmappedStage(f"stage {stage!r} is not among the stages of pipeline {pipeline!r}", pipeline, stage)
        return pipeline, stage
    having = [candidate for candidate in pipelines.values() if candidate.stage(stage) is not None]
    if len(having) == 1:
        return having[0].id, stage
    if not having and len(pipelines) == 1:
        pipeline = next(iter(pipelines))
        raise UnmappedStage(f"stage {stage!r} is not among the stages of pipeline {pipeline!r}", pipeline, stage)
    if not having:
        raise UnmappedStage(f"stage {stage!r} is in no pipeline", None, stage)
    raise UnmappedStage(f"stage {stage!r} is in several pipelines; map pipeline as well", None, stage)


def settle(pipelines: Mapping[str, Pipeline], fields: dict[str, Value]) -> None:
    """Check a deal's stage and fill in its pipeline where the stage alone says it. Raises UnmappedStage."""
    pipeline, stage = fields.get("pipeline"), fields.get("stage")
    if stage is not None:
        fields["pipeline"], fields["stage"] = resolve(
            pipelines, None if pipeline is None else str(pipeline), str(stage)
        )
    elif pipeline is not None and pipelines and str(pipeline) not in pipelines:
        raise UnmappedStage(f"pipeline {pipeline!r} is not in pipelines:", str(pipeline))


def rows(pipelines: Mapping[str, Pipeline]) -> list[Entry]:
    """The pipeline and stage rows that a mapping file itself makes."""
    made: list[Entry] = []
    for pipeline in pipelines.values():
        named: dict[str, Value] = {"name": pipeline.name}
        if pipeline.recycle:
            named["recycle"] = stored_json(pipeline.recycle)
        if pipeline.starts != "created":
            named["starts"] = pipeline.starts
        if pipeline.won:
            named["won"] = pipeline.won
        made.append(Entry("pipeline", pipeline.id, named))
        for stage in pipeline.stages:
            fields: dict[str, Value] = {
                "pipeline": pipeline.id,
                "stage": stage.id,
                "name": stage.name,
                "position": stage.order,
                "canonical": stage.canonical.value,
            }
            if stage.probability is not None:
                fields["probability"] = stage.probability
            if stage.archived:
                fields["archived"] = True
            key = "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in (pipeline.id, stage.id))
            made.append(Entry("stage", key, fields))
    return made


def read(faults: Faults, given: Any) -> dict[str, Pipeline]:
    """The pipelines of a mapping file by the vendor's id, in its order."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        faults.add(("pipelines",), 'expected "vendor id": {name, stages}')
        return {}
    found: dict[str, Pipeline] = {}
    for written, spec in given.items():
        place: Place = ("pipelines", written)
        key = str(written)
        if not isinstance(written, str):
            faults.quote(place)  # and read on, for the faults below it
        if isinstance(spec, dict):
            faults.unknown(place, spec, _PIPELINE_KEYS, "a pipeline")
            for event, words in (("starts", ("created", *EVENTS)), ("won", EVENTS)):
                if event in spec and spec[event] not in words:
                    faults.add((*place, event), f"expected one of {', '.join(words)}")
        if not isinstance(spec, dict) or not isinstance(spec.get("stages"), dict):
            faults.add(place, 'expected {name: yours, stages: {"vendor stage id": canonical stage}}')
        else:
            found[key] = Pipeline(
                key, str(spec.get("name", key)), _stages(faults, place, spec["stages"]),
                starts=str(spec.get("starts", "created")), won=str(spec.get("won", "")),
                recycle=_recycle(faults, (*place, "recycle"), spec.get("recycle")),
            )
    names = [pipeline.name for pipeline in found.values()]
    for key, pipeline in found.items():
        if names.count(pipeline.name) > 1:
            faults.add(("pipelines", key, "name"), f"two pipelines are named {pipeline.name!r}")
    return found


def meaning(given: Any) -> list[Any]:
    """What of the section decides what records mean: the order of stages does."""
    return [
        [key, {**spec, "stages": list(spec["stages"].items())} if isinstance(spec, dict) else spec]
        for key, spec in (given or {}).items()
    ]


def _stages(faults: Faults, place: Place, given: dict[Any, Any]) -> tuple[Stage, ...]:
    made: list[Stage] = []
    for order, (written, spec) in enumerate(given.items(), start=1):
        there: Place = (*place, "stages", written)
        key = str(written)
        if not isinstance(written, str):
            faults.quote(there)
        long = {"to": spec} if isinstance(spec, str) else spec
        if not isinstance(long, dict):
            faults.add(there, "expected a canonical stage, or {to, name, probability, archived}")
            continue
        faults.unknown(there, long, _STAGE_KEYS, "a stage")
        if long.get("to") not in list(Canonical):
            known = f"{', '.join(Canonical)}{hint(long.get('to'), Canonical)}"
            faults.add(there, f"no canonical stage {long.get('to')!r}; known: {known}")
            continue
        made.append(
            Stage(
                id=key,
                name=str(long.get("name", key)),
                order=order,
                canonical=Canonical(long["to"]),
                probability=_probability(faults, (*there, "probability"), long.get("probability")),
                archived=_archived(faults, (*there, "archived"), long.get("archived", False)),
            )
        )
    for kind in ("won", "lost"):
        if made and not any(stage.kind == kind for stage in made):
            faults.add((*place, "stages"), f"expected a stage that is closed_{kind}")
    return tuple(made)


def _recycle(faults: Faults, place: Place, given: Any) -> dict[str, int | None]:
    """The days from a loss to a retry by reason; None is never."""
    if given is None:
        return {}
    if not isinstance(given, dict) or "default" not in given:
        faults.add(place, "expected {default: 90d, your lost reason: 180d, another: never}")
        return {}
    found: dict[str, int | None] = {}
    for reason, wait in given.items():
        there: Place = (*place, reason)
        if not isinstance(reason, str):
            faults.quote(there)
        elif reason.strip().lower() in found:
            faults.add(there, "the same reason twice; capital letters make no difference")
        else:
            found[reason.strip().lower()] = None if wait == "never" else _days(faults, there, wait)
    return found


def _days(faults: Faults, place: Place, given: Any) -> int | None:
    try:
        length = parse_duration(given if isinstance(given, str) else "")
    except ValueError:
        length = timedelta.max
    if length % timedelta(days=1):
        faults.add(place, "expected whole days such as 90d, or never")
        return None
    return length.days


def _probability(faults: Faults, place: Place, given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        faults.add(place, "expected a number from 0 to 1")
        return None
    return int(Decimal(str(given)) * RATIO_SCALE)


def _archived(faults: Faults, place: Place, given: Any) -> bool:
    if not isinstance(given, bool):
        faults.add(place, "expected true or false")
    return given is True


_FILLED = {
    "pipeline": ("name", "recycle", "starts", "won"),
    "stage": ("pipeline", "stage", "name", "position", "canonical", "probability", "archived"),
}


def filled(entity: str, stream: str) -> tuple[str, ...]:
    """The columns that the file itself (stream "") fills in an entity; a mapped stage is filled by its key as well."""
    if stream == "":
        return _FILLED.get(entity, ())
    return ("pipeline", "stage") if entity == "stage" else ()


def archived(row: Mapping[str, Any]) -> Entry:
    """A stage that the mapping lists no longer: it keeps its name and place and is archived (R9)."""
    return Entry("stage", row["id"], {**{column: row[column] for column in _FILLED["stage"]}, "archived": True})

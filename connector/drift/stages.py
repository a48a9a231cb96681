"""The source's pipelines and stages beside those of the mapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connector.drift import probing
from connector.drift.finding import Finding, Written, named, pipeline_line, read_of_stream, written
from connector.mapping import Mapping as SourceMapping
from connector.metadata import Metadata, PipelineInfo, StageInfo
from connector.paths import steps
from connector.pipelines import UnmappedStage, resolve
from connector.rules import Rule

_STAGE = {"deal": "stage", "stage_transition": "to"}


@dataclass(frozen=True, slots=True)
class Staged:
    """An entry by which records go through stages, with the rules that read the stage and, if any, the pipeline."""

    entry: Written
    stage: Rule
    pipeline: Rule | None

    def held(self, pipeline: PipelineInfo, stage: str) -> tuple[str | None, str]:
        """The pipeline and stage that a record in them is taken to be in. Raises ValueError for one set aside."""
        told = None if self.pipeline is None else probing.stored(self.pipeline, self.pipeline.path, pipeline.id)
        return None if told is None else str(told), str(probing.stored(self.stage, self.stage.path, stage))

    def is_left_out(self, pipeline: PipelineInfo, stage: str) -> bool:
        """Whether the entry leaves records of that stage out on purpose."""
        values = {self.stage.path: stage}
        if self.pipeline is not None and steps(self.pipeline.path):
            values[self.pipeline.path] = pipeline.id
        return probing.is_left_out(self.entry, values)


def staged(source_mapping: SourceMapping) -> dict[str, list[Staged]]:
    """The entries that read stages, by stream; deals before moves."""
    found: dict[str, list[Staged]] = {}
    for entry in written(source_mapping):
        rules = {rule.field: rule for rule in entry.rule.rules}
        name = _STAGE.get(entry.rule.entity.name)
        if name in rules:
            found.setdefault(entry.rule.stream, []).append(Staged(entry, rules[name], rules.get("pipeline")))
    for listed in found.values():
        listed.sort(key=lambda one: one.entry.rule.entity.name != "deal")
    return found


def compare(source_mapping: SourceMapping, metadata: Metadata) -> Iterator[Finding]:
    """Live stages that are not mapped, and mapped ones that are no longer live."""
    there: dict[str, set[str]] = {}  # what is live, by the pipeline's id in the mapping
    is_told = []
    for stream, entries in staged(source_mapping).items():
        live = [one for one in metadata.pipelines if one.stream == stream]
        is_told.append(bool(live))
        for pipeline in live:
            yield from _unmapped(source_mapping, stream, entries[0], pipeline)
            for stage in pipeline.stages:
                try:
                    home, held = _home(source_mapping, *entries[0].held(pipeline, stage.id))
                except ValueError:
                    continue
                there.setdefault(home or pipeline.id, set()).add(held)
    if is_told and all(is_told):
        yield from _vanished(source_mapping, there)


def _home(source_mapping: SourceMapping, pipeline: str | None, stage: str) -> tuple[str | None, str]:
    """Where a stage stands in the mapping; as it is given where it stands nowhere."""
    try:
        return resolve(source_mapping.pipelines, pipeline, stage)
    except UnmappedStage:
        return pipeline, stage


def _unmapped(
    source_mapping: SourceMapping, stream: str, entry: Staged, pipeline: PipelineInfo
) -> Iterator[Finding]:
    if pipeline.archived:
        return
    unmapped = [
        stage for stage in pipeline.stages
        if not stage.archived and not entry.is_left_out(pipeline, stage.id) and _is_unmapped(
            source_mapping, entry, pipeline, stage
        )
    ]
    if not unmapped:
        return
    id_ = _mapped_id(entry, pipeline)
    if id_ not in source_mapping.pipelines and len(unmapped) == sum(not one.archived for one in pipeline.stages):
        yield unmapped_pipeline(source_mapping, stream, id_, pipeline)
        return
    for stage in unmapped:
        yield unmapped_stage(source_mapping, stream, id_, stage.id, pipeline, stage)


def _is_unmapped(source_mapping: SourceMapping, entry: Staged, pipeline: PipelineInfo, stage: StageInfo) -> bool:
    try:
        resolve(source_mapping.pipelines, *entry.held(pipeline, stage.id))
    except (ValueError, UnmappedStage):
        return True
    return False


def _mapped_id(entry: Staged, pipeline: PipelineInfo) -> str:
    """The id under which the mapping would list a live pipeline."""
    try:
        told = None if entry.pipeline is None else probing.stored(entry.pipeline, entry.pipeline.path, pipeline.id)
    except ValueError:
        return pipeline.id
    return pipeline.id if told is None else str(told)


def unmapped_pipeline(
    source_mapping: SourceMapping, stream: str, id_: str, pipeline: PipelineInfo | None
) -> Finding:
    """A pipeline that the mapping does not list; `pipeline`: as the source has it, where it is known."""
    who = named(id_, pipeline.name if pipeline else "")
    several = f", {len(pipeline.stages)} stages," if pipeline else ""
    return Finding(
        "unmapped_stage", ("unmapped_stage", stream, id_, ""), stream,
        f"the pipeline {who}{several} is not in the mapping; its records are set aside",
        pipeline_line(source_mapping, None),
        f'list "{id_}" with its stages under pipelines:, or leave its records out by an only_if',
        read_of_stream(source_mapping, stream), pipeline="",
    )


def unmapped_stage(
    source_mapping: SourceMapping, stream: str, id_: str, stage_id: str, pipeline: PipelineInfo | None,
    stage: StageInfo | None,
) -> Finding:
    """A stage that the mapping does not list, in a pipeline that it does; `stage`: as the source has it."""
    mapped = source_mapping.pipelines.get(id_)
    title = pipeline.name if pipeline else mapped.name if mapped else ""
    which = f" of the pipeline {named(id_, title)}" if id_ else ""
    name = f"{{to: …, name: {stage.name}}}" if stage and stage.name else "…"
    return Finding(
        "unmapped_stage", ("unmapped_stage", stream, id_, stage_id), stream,
        f"the stage {named(stage_id, stage.name if stage else '')}{which} is not in the mapping; records that reach it "
        "are set aside",
        pipeline_line(source_mapping, mapped), f'add "{stage_id}": {name} to its stages, with the step it stands for',
        read_of_stream(source_mapping, stream), pipeline=mapped.name if mapped else None,
    )


def _vanished(source_mapping: SourceMapping, there: dict[str, set[str]]) -> Iterator[Finding]:
    """Mapped pipelines and stages that the source does not have any more."""
    for mapped in source_mapping.pipelines.values():
        if mapped.id not in there:
            yield _rule_of_nothing(
                source_mapping, mapped.id, "", f"the source has no pipeline {named(mapped.id, mapped.name)}",
                "keep it while records of it count; else take it out",
            )
            continue
        gone = [stage for stage in mapped.stages if stage.id not in there[mapped.id] and not stage.archived]
        for stage in gone:
            yield _rule_of_nothing(
                source_mapping, mapped.id, stage.id,
                f"the pipeline {named(mapped.id, mapped.name)} has no stage {named(stage.id, stage.name)}",
                f'past moves may go through it: {{to: {stage.canonical.value}, archived: true}} keeps it; else take it '
                "out",
            )


def _rule_of_nothing(source_mapping: SourceMapping, pipeline: str, stage: str, said: str, remedy: str) -> Finding:
    mapped = source_mapping.pipelines[pipeline]
    return Finding(
        "vanished_stage", ("vanished_stage", pipeline, stage), "", said,
        pipeline_line(source_mapping, mapped, stage or None), remedy, pipeline=mapped.name,
    )


def place_of(metadata: Metadata, stream: str, stage: str) -> Sequence[tuple[PipelineInfo, StageInfo]]:
    """Where the source has a stage of that id."""
    return [
        (pipeline, one) for pipeline in metadata.pipelines if pipeline.stream == stream
        for one in pipeline.stages if one.id == stage
    ]

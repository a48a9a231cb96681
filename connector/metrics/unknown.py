"""What a reading of the ledger does not know: values that a record we could not read, or have not read, may be in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from connector.metrics.engine import StageRow
from connector.metrics.question import NOBODY, Question


class Unknown:
    """Pipelines with an unmapped stage, and sources that had not been read as a whole (None: none was in use yet).

    `withheld`: (source, pipeline id). `stages`: those that are known.
    """

    def __init__(
        self, stages: Sequence[StageRow], withheld: Collection[tuple[str, str]], sources: Collection[str] | None
    ) -> None:
        self._sources, self._withheld = sources, _stages(stages, withheld)

    def status(self, question: Question, kind: str, key: str, dimensions: Mapping[str, str]) -> str:
        """`unknown_before`, `withheld` or `open`: of the question's value of that subject and those dimensions."""
        of_one_source = kind == "owner" and key != NOBODY  # anybody else may have members of each
        if self._sources is None or (key.partition(":")[0] in self._sources if of_one_source else self._sources):
            return "unknown_before"
        return "withheld" if self._withheld and self._touches(question, kind, key, dimensions) else "open"

    def _touches(self, question: Question, kind: str, key: str, dimensions: Mapping[str, str]) -> bool:
        """Whether a record of a withheld pipeline could be in this value."""
        if not question.metric.is_staged and not {"pipeline"} & {*question.where, *question.by}:
            return False
        named = {**dimensions, **({"pipeline": key} if kind == "pipeline" else {})}
        return any(
            all(stage.get(name) == word for name, word in named.items() if name in stage)
            and all(stage[name] in words for name, words in question.where.items() if name in stage)
            for stage in self._withheld
        )


def _stages(stages: Sequence[StageRow], withheld: Collection[tuple[str, str]]) -> list[dict[str, str]]:
    """The stages of the withheld pipelines; a pipeline we know nothing of stands for itself, without stages."""
    unknown = set(withheld) - {(stage.source, stage.pipeline_id) for stage in stages}
    return [
        {"pipeline": stage.pipeline, "stage": stage.stage, "canonical_stage": stage.canonical_stage}
        for stage in stages if (stage.source, stage.pipeline_id) in withheld
    ] + [{"pipeline": pipeline, "stage": "", "canonical_stage": ""} for _, pipeline in unknown]

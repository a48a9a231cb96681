"""Who has a value even without a member: everyone employed in the period, every owner, team, pipeline and stage.

A value that is 0 must be a row, or a destination would keep the number it had before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from connector.metrics.engine import Engine, StageRow
from connector.metrics.metric import STAGE_DIMENSIONS
from connector.metrics.question import NOBODY, Question
from connector.model import Subject
from connector.people import Person, Stay
from connector.period import Period


class Subjects:
    """The subjects of one question, and the names of those members point to."""

    def __init__(self, engine: Engine, question: Question) -> None:
        self.engine, self.question = engine, question
        self._names = _names(engine)
        self._subjects: dict[tuple[str, str], Subject] = {}
        self._owners_of = _owners_of(engine)
        self._combinations: dict[str, list[tuple[str, ...]]] = {}

    def named(self, kind: str, key: str) -> Subject:
        """The subject of a group, with its name."""
        if (kind, key) not in self._subjects:
            self._subjects[kind, key] = Subject(kind, key, self._names.get((kind, key), ""))
        return self._subjects[kind, key]

    def expected(self, period: Period) -> Iterator[tuple[str, str]]:
        """Kind and key of those who have a value in the period whether or not anything happened."""
        kind = self.question.per
        if kind == "company":
            yield kind, kind
        elif kind == "pipeline":
            yield from ((kind, name) for name in self._pipelines())
        elif kind == "team":
            yield from ((kind, team) for team in self._teams(period))
        elif kind == "owner":
            for owner in self.engine.owners:
                if not owner.is_gone and self._may_have([owner.key], period):
                    yield kind, owner.key
        else:
            for person in self.engine.people.persons:
                if self._is_paid(person, period):
                    yield kind, person.code

    def _is_paid(self, person: Person, period: Period) -> bool:
        employed = not person.is_ignored and person.employed(period.start_on, period.end_on)
        return employed and self._may_have(self._owners_of.get(person.code, ()), period)

    def _may_have(self, owners: Sequence[str], period: Period) -> bool:
        """Whether the question's filters on owner and team leave any of a subject's owners in."""
        where = self.question.where
        if "owner" in where and not set(owners) & set(where["owner"]):
            return False
        if "team" not in where:
            return True
        within = Stay("", period.start_on, period.end_on)
        stays = chain.from_iterable(self.engine.stays.get(owner, ()) for owner in owners)
        return any(stay.team in where["team"] and stay.overlaps(within) for stay in stays)

    def _teams(self, period: Period) -> list[str]:
        within = Stay("", period.start_on, period.end_on)
        allowed = self.question.where.get("team")
        of_staff = (person.stays for person in self.engine.people.persons if not person.is_ignored)
        return sorted({
            stay.team for stays in (*self.engine.stays.values(), *of_staff) for stay in stays
            if stay.team and stay.overlaps(within) and (allowed is None or stay.team in allowed)
        })

    def _pipelines(self) -> list[str]:
        return list(dict.fromkeys(stage.pipeline for stage in self._stages()))

    def _stages(self) -> list[StageRow]:
        return [stage for stage in self.engine.stages if all(
            _of_stage(stage, name) in allowed
            for name, allowed in self.question.where.items() if name in STAGE_DIMENSIONS
        )]

    def combinations(self, kind: str, key: str) -> list[tuple[str, ...]]:
        """The dimensions every such subject has a value for; elsewhere only those with members are shown."""
        pipeline = key if kind == "pipeline" else ""
        if pipeline not in self._combinations:
            self._combinations[pipeline] = list(dict.fromkeys(self._of_stages(pipeline)))
        return self._combinations[pipeline]

    def _of_stages(self, pipeline: str) -> Iterator[tuple[str, ...]]:
        by, metric = self.question.by, self.question.metric
        words = self._words()
        staged = tuple(name for name in by if name != metric.word)
        if not staged:
            yield from ((word,) if by else () for word in words)
            return
        is_by_stage = "stage" in metric.always_by or metric.kind == "S" or staged == ("pipeline",)
        if not is_by_stage or not set(staged) <= set(STAGE_DIMENSIONS):
            return
        for stage in self._stages():
            counts = not stage.is_archived and (stage.kind == "open" or not metric.open_stages)
            if counts and pipeline in {"", stage.pipeline}:
                for word in words:
                    yield tuple(word if name == metric.word else _of_stage(stage, name) for name in by)

    def _words(self) -> Sequence[str]:
        """The words of the metric's own dimension that the question is about; one that stands for none otherwise."""
        metric = self.question.metric
        if metric.word not in self.question.by:
            return ("",)
        allowed = self.question.where.get(metric.word)
        return [word for word in metric.words if allowed is None or word in allowed]


def _of_stage(stage: StageRow, name: str) -> str:
    return {"pipeline": stage.pipeline, "stage": stage.stage, "canonical_stage": stage.canonical_stage}[name]


def _names(engine: Engine) -> Mapping[tuple[str, str], str]:
    names = {("owner", owner.key): owner.name or owner.email for owner in engine.owners}
    names.update({("person", person.code): person.name for person in engine.people.persons})
    names["company", "company"] = "company"
    for kind in ("owner", "team", "pipeline"):
        names[kind, NOBODY] = f"no {kind}"
    for stage in engine.stages:
        names["pipeline", stage.pipeline] = stage.pipeline
    for stays in (*engine.stays.values(), *(person.stays for person in engine.people.persons)):
        names.update({("team", stay.team): stay.team for stay in stays if stay.team})
    return names


def _owners_of(engine: Engine) -> Mapping[str, Sequence[str]]:
    owners: dict[str, list[str]] = {}
    for owner in engine.owners:
        person = engine.people.person_of(owner.key, owner.email)
        if person:
            owners.setdefault(person.code, []).append(owner.key)
    return owners

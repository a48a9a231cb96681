"""What a stage stands for, guessed only where its name, its place in the order and the source's own flags agree. Pure.

What is not guessed is left to a person: records in such a stage are set aside, so none of them is counted by a mistake
of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from connector.metadata import PipelineInfo, StageInfo
from connector.model import Canonical
from connector.starting.words import meaning, plain

State = Literal["shipped", "told", "guessed", "open"]
"""shipped: the mapping we ship says it of the stage of that id and name; told: the source says it is won or lost."""

Shipped = Mapping[tuple[str, str], tuple[str, Canonical]]
"""The name and step of each (pipeline id, stage id) in a mapping that we ship."""

_RANKS = {step: rank for rank, step in enumerate(Canonical)}


@dataclass(frozen=True, slots=True)
class Placed:
    """A stage and what it stands for; None, and state `open`, where a person has to say it. `why` is for people."""

    stage: StageInfo
    to: Canonical | None
    state: State
    why: str


def place(pipeline: PipelineInfo, shipped: Shipped) -> list[Placed]:
    """Every stage of a pipeline, in its order."""
    guesses = guess(pipeline.stages)
    return [_placed(pipeline, stage, found, shipped) for stage, found in zip(pipeline.stages, guesses, strict=True)]


def guess(stages: Sequence[StageInfo]) -> list[Canonical | None]:
    """The step of each stage whose name, order and flags agree; None for every other.

    The name has to speak of one step, of the same kind (open, won, lost) as the flags say. Steps and probabilities of
    open stages rise along the order: of those that do not fit together none is guessed, unless all but a few agree. A
    stage that only its name calls closed has to stand behind all open ones.
    """
    named = [_named(stage) for stage in stages]
    rising = _rising([(number, stages[number], step) for number, step in enumerate(named) if step and _is_open(step)])
    last_open = max((n for n, step in enumerate(named) if step is None or _is_open(step)), default=-1)
    found: list[Canonical | None] = []
    for number, (stage, step) in enumerate(zip(stages, named, strict=True)):
        if step is None:
            found.append(None)
        elif _is_open(step):
            found.append(step if number in rising else None)
        else:
            is_told = stage.outcome is not None or stage.probability is not None
            found.append(step if is_told or number > last_open else None)
    return found


def _named(stage: StageInfo) -> Canonical | None:
    """The step that a stage's name speaks of, where its flags allow it."""
    step = meaning(stage.name)
    if step is None or (stage.outcome is not None and stage.outcome != step.kind):
        return None
    if stage.probability is None:
        return step
    likely = {"won": stage.probability == 1, "lost": stage.probability == 0, "open": stage.probability < 1}
    return step if likely[step.kind] else None


def _is_open(step: Canonical) -> bool:
    return step.kind == "open"


def _rising(steps: Sequence[tuple[int, StageInfo, Canonical]]) -> set[int]:
    """The places that belong to every longest run of steps and probabilities that never fall."""
    def fits(one: tuple[int, StageInfo, Canonical], later: tuple[int, StageInfo, Canonical]) -> bool:
        (_, before, first), (_, after, second) = one, later
        falls = None not in (before.probability, after.probability) and before.probability > after.probability  # type: ignore[operator]  # both are there
        return _RANKS[first] <= _RANKS[second] and not falls

    size = len(steps)
    until, onward = [1] * size, [1] * size
    for number in range(size):
        until[number] += max((until[n] for n in range(number) if fits(steps[n], steps[number])), default=0)
    for number in reversed(range(size)):
        onward[number] += max((onward[n] for n in range(number + 1, size) if fits(steps[number], steps[n])), default=0)
    longest = max(until, default=0)
    inside = [n for n in range(size) if until[n] + onward[n] - 1 == longest]
    depths = [until[n] for n in inside]
    return {steps[n][0] for n in inside if depths.count(until[n]) == 1}


def _placed(pipeline: PipelineInfo, stage: StageInfo, guessed: Canonical | None, shipped: Shipped) -> Placed:
    name, step = shipped.get((pipeline.id, stage.id), ("", None))
    if step is not None and plain(name) == plain(stage.name) and stage.outcome in (None, step.kind):
        return Placed(stage, step, "shipped", "as in the mapping we ship")
    if guessed is not None:
        flag = "probability" if stage.probability is not None else "outcome" if stage.outcome is not None else ""
        return Placed(stage, guessed, "guessed", f"guessed from name, order and {flag}" if flag else
                      "guessed from name and order")
    step = {"won": Canonical.CLOSED_WON, "lost": Canonical.CLOSED_LOST}.get(stage.outcome or "")
    spoken = meaning(stage.name)
    if step is not None and spoken in (None, step):
        return Placed(stage, step, "told", f"the source says that it is {stage.outcome}")
    return Placed(stage, None, "open", _reason(stage, spoken))


def _reason(stage: StageInfo, spoken: Canonical | None) -> str:
    """Why a stage is not guessed."""
    if spoken is None:
        return "its name is not one we know"
    if stage.outcome is not None and stage.outcome != spoken.kind:
        return f"its name says {spoken}, the source says {stage.outcome}"
    if stage.probability is not None and (spoken.kind != "open") != (stage.probability in (0, 1)):
        return f"its name says {spoken}, its probability is {stage.probability}"
    return f"its name says {spoken}, its place in the order or its probability does not"

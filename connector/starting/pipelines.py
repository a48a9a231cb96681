"""The `pipelines:` section of a mapping, of the pipelines a source has: written anew, or added to. Pure.

A stage that is not guessed stands as a comment, ready to be filled in. It is in no `stages:` then, so records in it are
set aside, and its pipeline's KPIs are withheld, until a person has said what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ruamel.yaml.nodes import MappingNode, Node

from connector.metadata import PipelineInfo
from connector.model import Canonical
from connector.starting.stages import Placed, Shipped, State, place
from connector.starting.writing import (
    Text,
    entries,
    first_line,
    indent,
    is_comment,
    is_flow,
    last_line,
    quoted,
    remark,
    remarked,
    root,
    scalar,
    text_of,
    value,
)

SAY = "???"  # what a person puts a canonical stage in the place of
GONE = "no longer at the source:"


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage for the answer. `kept`: the file says it already; `waits`: it stands there as a comment from before;
    `gone`: the file has it, the source no longer."""

    pipeline: str
    pipeline_name: str
    stage: str
    name: str
    to: str | None
    state: State | Literal["kept", "waits", "gone"]
    why: str = ""


def shipped_stages(data: Any) -> Shipped:
    """What the data of a mapping we ship say of its stages."""
    return {
        (str(pipeline), str(stage)): (str(spec["name"]), Canonical(spec["to"]))
        for pipeline, given in (data.get("pipelines") or {}).items() for stage, spec in given["stages"].items()
        if isinstance(spec, dict) and "name" in spec
    }


# --- written anew ----------------------------------------------------------------------------------------------------


def drafted(
    pipelines: Sequence[PipelineInfo], shipped: Shipped, above: Mapping[tuple[str, str], Sequence[str]],
    *, likely: bool, taken: Collection[str] = (),
) -> tuple[list[str], list[StageRow]]:
    """The lines of these pipelines, and their stages.

    `above`: comments that stand over a stage; `likely`: stages say their probability, which else the mapping reads;
    `taken`: names that other pipelines have.
    """
    lines, rows, names = list[str](), list[StageRow](), set(taken)
    for pipeline in pipelines:
        name = _free(pipeline.name or pipeline.id, names)
        names.add(name)
        placed = place(pipeline, shipped)
        lines += _pipeline(pipeline, name, placed, above, likely=likely)
        rows += [_row(pipeline, name, one) for one in placed]
    return lines, rows


def is_readable(pipeline: PipelineInfo, shipped: Shipped | None = None) -> bool:
    """Whether enough of its stages is known: without one that is won and one that is lost nothing would ever end."""
    return {"won", "lost"} <= _kinds(place(pipeline, shipped or {}))


def _kinds(placed: Sequence[Placed]) -> set[str]:
    return {one.to.kind for one in placed if one.to is not None}


def _free(name: str, taken: Collection[str]) -> str:
    """A name that no other pipeline has."""
    numbered = (f"{name} {number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def _pipeline(
    pipeline: PipelineInfo, name: str, placed: Sequence[Placed], above: Mapping[tuple[str, str], Sequence[str]],
    *, likely: bool,
) -> list[str]:
    stages = remarked([_stage(one, likely=likely) for one in placed])
    listed = [line for one, text in zip(placed, stages, strict=True)
              for line in (*above.get((pipeline.id, one.stage.id), ()), text)]
    key = f"{quoted(pipeline.id)}:"
    kinds = _kinds(placed)
    if {"won", "lost"} <= kinds:
        return [f"  {key}", f"    name: {scalar(name)}", "    stages:", *(f"      {line}" for line in listed)]
    lacks = " and one ".join(f"closed_{kind}" for kind in ("won", "lost") if kind not in kinds)
    return [
        f"  # {key}  # left out until one stage of it is {lacks}",
        f"  #   name: {scalar(name)}", "  #   stages:", *(f"  #     {line}" for line in listed),
    ]


def _stage(one: Placed, *, likely: bool) -> tuple[str, str]:
    """The line of a stage, and what is said of it."""
    stage, said = one.stage, {"to": one.to.value if one.to else SAY, "name": scalar(one.stage.name or one.stage.id)}
    if likely and stage.probability is not None:
        said["probability"] = format(stage.probability, "f")
    if stage.archived:
        said["archived"] = "true"
    text = f"{quoted(stage.id)}: {{{', '.join(f'{key}: {given}' for key, given in said.items())}}}"
    return (text, one.why) if one.to else (f"# {text}", f"say what it stands for: {one.why}")


def _row(pipeline: PipelineInfo, name: str, one: Placed) -> StageRow:
    to = one.to.value if one.to else None
    return StageRow(pipeline.id, name, one.stage.id, one.stage.name, to, one.state, one.why)


def comments_above(text: str) -> dict[tuple[str, str], list[str]]:
    """The comments over single stages of a mapping, by (pipeline id, stage id), without their indentation."""
    lines, found = text.split("\n"), dict[tuple[str, str], list[str]]()
    for pipeline, (_, spec) in entries(value(root(text), "pipelines")).items():
        for number, (stage, (key, _)) in enumerate(entries(value(spec, "stages")).items()):
            first = first_line(key)
            begin = first
            while is_comment(lines[begin - 1]) and number:
                begin -= 1
            if begin < first:
                found[pipeline, stage] = [line.strip() for line in lines[begin:first]]
    return found


def replaced(text: str, lines: Sequence[str]) -> str:
    """A mapping with these lines as its pipelines, in the place of those it has; comments over the first one stay."""
    held = entries(root(text))["pipelines"]
    first, last = first_line(held[0]), last_line(held[1])
    made, begin = Text(text), first_line(next(iter(entries(held[1]).values()))[0])
    for number in range(begin, last + 1):
        made.drop(number)
    made.insert(begin, lines)
    return made.made() if begin > first else text


# --- added to what is there ------------------------------------------------------------------------------------------


def merged(text: str, pipelines: Sequence[PipelineInfo], *, likely: bool) -> tuple[str, list[StageRow]]:
    """A mapping file with the pipelines and stages it does not have yet, and remarks where the source has them no more.

    What is there stays as it is. Without pipelines, none told, nothing is done.
    """
    rows: list[StageRow] = []
    if not pipelines:
        return text, rows
    held = entries(value(root(text), "pipelines"))
    for pipeline in pipelines:
        if pipeline.id in held:
            text, found = _with_stages(text, pipeline, likely=likely)
            rows += found
    new = [pipeline for pipeline in pipelines if pipeline.id not in held]
    waiting = [pipeline for pipeline in new if _waits(text, pipeline.id)]
    rows += [StageRow(one.id, one.name, stage.id, stage.name, None, "waits") for one in waiting for stage in one.stages]
    names = {text_of(value(spec, "name")) or key for key, (_, spec) in held.items()}
    lines, found = drafted([one for one in new if one not in waiting], {}, {}, likely=likely, taken=names)
    text = _appended(text, lines) if lines else text
    added = entries(value(root(text), "pipelines"))
    found = [one if one.pipeline in added else replace(one, to=None, state="open") for one in found]
    live = {pipeline.id for pipeline in pipelines}
    for pipeline_id, (_, spec) in held.items():
        name = text_of(value(spec, "name")) or pipeline_id
        text = _marked(text, pipeline_id, None, is_gone=pipeline_id not in live)
        if pipeline_id not in live:
            rows.append(StageRow(pipeline_id, name, "", "", None, "gone"))
    return text, [*rows, *found]


def _waits(text: str, id_: str) -> bool:
    """Whether a pipeline or stage of that id stands in a comment, to be filled in."""
    return re.search(rf"^\s*#\s*{re.escape(quoted(id_))}\s*:", text, re.M) is not None


def _appended(text: str, lines: Sequence[str]) -> str:
    """With these pipelines behind the last one."""
    made, whole = Text(text), root(text)
    held = entries(whole).get("pipelines")
    if held is None:
        first = first_line(whole.value[0][0]) if whole is not None and whole.value else len(made.lines) - 1
        made.insert(first, ["pipelines:", *lines, ""])
        return made.made()
    key, section = held
    inside = entries(section)
    if not inside:
        return _below(text, key, section, lines)
    if is_flow(section):  # nothing is put between somebody's braces that spans lines: it waits over them
        made.insert(first_line(key), [f"# {line}" for line in lines])
        return made.made()
    margin = next(iter(inside.values()))[0].start_mark.column
    made.insert(_behind(made.lines, last_line(section), margin + 1), [f"{' ' * (margin - 2)}{line}" for line in lines])
    return made.made()


def _below(text: str, key: Node, section: Node, lines: Sequence[str]) -> str:
    """In the place of an empty section: `pipelines:`, `pipelines: {}`."""
    start, end = key.end_mark.index, max(key.end_mark.index + 1, section.end_mark.index)
    text = f"{text[:start]}:{text[end:]}"
    made = Text(text)
    made.insert(first_line(key) + 1, lines)
    return made.made()


def _behind(lines: Sequence[str], last: int, margin: int) -> int:
    """The line behind a node that ends there and the comments that belong to it: those at least so far in."""
    after = last + 1
    while after < len(lines) and is_comment(lines[after]) and indent(lines[after]) >= margin:
        after += 1
    return after


def _with_stages(text: str, pipeline: PipelineInfo, *, likely: bool) -> tuple[str, list[StageRow]]:
    """With the stages a pipeline does not have yet, each behind the one it follows at the source."""
    rows: list[StageRow] = []
    held = _stages(text, pipeline.id)
    name = text_of(value(root(text), "pipelines", pipeline.id, "name")) or pipeline.id
    placed, before = place(pipeline, {}), list[str]()
    for one in placed:
        id_ = one.stage.id
        if id_ in held:
            rows.append(StageRow(pipeline.id, name, id_, one.stage.name, _canonical(held[id_][1]), "kept"))
        elif _waits(_region(text, pipeline.id), id_):
            rows.append(StageRow(pipeline.id, name, id_, one.stage.name, None, "waits"))
        else:
            text = _put(text, pipeline.id, one, before, likely=likely)
            rows.append(_row(pipeline, name, one))
        before.insert(0, id_)
    live = {one.stage.id for one in placed}
    for id_, (_, spec) in held.items():
        text = _marked(text, pipeline.id, id_, is_gone=id_ not in live)
        if id_ not in live:
            rows.append(StageRow(pipeline.id, name, id_, text_of(value(spec, "name")) or "", _canonical(spec), "gone"))
    return text, rows


def _stages(text: str, pipeline: str) -> dict[str, tuple[Node, Node]]:
    return entries(value(root(text), "pipelines", pipeline, "stages"))


def _canonical(spec: Node) -> str | None:
    return text_of(spec) or text_of(value(spec, "to"))


def _lines_of(text: str, pipeline: str) -> tuple[int, int]:
    """The first line of a pipeline with the comments over it, and the line behind what belongs to it."""
    lines, held = text.split("\n"), entries(value(root(text), "pipelines"))
    key, spec = held[pipeline]
    first, margin = first_line(key), key.start_mark.column
    while first and is_comment(lines[first - 1]) and indent(lines[first - 1]) == margin:
        first -= 1
    return first, _behind(lines, last_line(spec), margin + 1)


def _region(text: str, pipeline: str) -> str:
    """The lines that belong to a pipeline."""
    first, behind = _lines_of(text, pipeline)
    return "\n".join(text.split("\n")[first:behind])


def _put(text: str, pipeline: str, one: Placed, before: Sequence[str], *, likely: bool) -> str:
    """With one more stage, behind the first of those before it that is there."""
    line, said = _stage(one, likely=likely)
    section, held = value(root(text), "pipelines", pipeline, "stages"), _stages(text, pipeline)
    if not isinstance(section, MappingNode) or not held:
        return text
    if is_flow(section):
        return _put_in_braces(text, pipeline, one, before, (line, said))
    made = Text(text)
    margin = next(iter(held.values()))[0].start_mark.column
    new = f"{' ' * margin}{line}  # {remark(said)}"
    first, behind = _lines_of(text, pipeline)
    behind_them = [last_line(held[id_][1]) + 1 for id_ in before if id_ in held]
    for id_ in before[:1]:
        behind_them = [n + 1 for n in range(first, behind) if _waits(made.lines[n], id_)] + behind_them
    made.insert([*behind_them, first_line(next(iter(held.values()))[0])][0], [new])
    return made.made()


def _put_in_braces(text: str, pipeline: str, one: Placed, before: Sequence[str], said: tuple[str, str]) -> str:
    """The same among stages in braces; what would be a comment there stands over the pipeline."""
    key, _ = entries(value(root(text), "pipelines"))[pipeline]
    held = _stages(text, pipeline)
    if one.to is not None:
        place_ = next((held[id_][1].end_mark.index for id_ in before if id_ in held), None)
        start = next(iter(held.values()))[0].start_mark.index
        text = (f"{text[:start]}{said[0]}, {text[start:]}" if place_ is None else
                f"{text[:place_]}, {said[0]}{text[place_:]}")
    made = Text(text)
    over = f"{said[0]}  # {said[1]}" if one.to is None else f"{quoted(one.stage.id)} {said[1]}"
    made.insert(first_line(key), [f"{' ' * indent(made.lines[first_line(key)])}# {remark(over).removeprefix('# ')}"])
    return made.made()


def _marked(text: str, pipeline: str, stage: str | None, *, is_gone: bool) -> str:
    """With a remark over a pipeline, or a stage of it, that the source has no more; without where it has it again."""
    made, (key, _) = Text(text), entries(value(root(text), "pipelines"))[pipeline]
    mark = f"# {GONE} pipeline {quoted(pipeline)}" if stage is None else f"# {GONE} {quoted(stage)}"
    first, behind = _lines_of(text, pipeline)
    there = [number for number in range(first, behind) if made.lines[number].strip() == mark]
    if is_gone and not there:
        section = value(root(text), "pipelines", pipeline, "stages")
        if stage is not None and section is not None and not is_flow(section):
            key = _stages(text, pipeline)[stage][0]
        made.insert(first_line(key), [f"{' ' * indent(made.lines[first_line(key)])}{mark}"])
    for number in there if not is_gone else ():
        made.drop(number)
    return made.made()

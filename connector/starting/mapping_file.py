"""A source's mapping file: begun on a mapping we ship, or on nothing but the source's fields, or added to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.errors import ConfigError, Fault
from connector.metadata import Metadata, PipelineInfo
from connector.starting import fields as fields_
from connector.starting import pipelines as pipelines_
from connector.starting.entries import draft
from connector.starting.fields import FieldRow
from connector.starting.pipelines import StageRow
from connector.starting.writing import Text, entries, first_line, items, last_line, reads, root, value

SCHEMA = "# yaml-language-server: $schema={schema}"
EMPTY = """\
pipelines:
  # The source does not tell its pipelines. Say what the values of the stage field stand for: prospecting,
  # qualification, proposal, negotiation, closed_won, closed_lost. Ids in quotes, in the order of the pipeline:
  #   "sales":
  #     name: sales
  #     stages: {"1": prospecting, "2": proposal, "3": closed_won, "4": closed_lost}
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A mapping file's text, and what was done: its stages, its fields, the guesses (entity, stream, field, path)."""

    text: str
    stages: list[StageRow]
    fields: list[FieldRow]
    guessed: list[tuple[str, str, str, str]] = field(default_factory=list)


def begun(source: str, adapter: str, schema: str, shipped: str, told: Metadata, hint: str = "") -> Made:
    """A first mapping on the base of one that we ship. `schema`: where the file's JSON Schema lies, from there."""
    data = reads(shipped)
    pipelines = staged(data, told)
    text, stages, known = shipped, list[StageRow](), pipelines_.shipped_stages(data)
    if pipelines:
        above = pipelines_.comments_above(shipped)
        lines, stages = pipelines_.drafted(pipelines, known, above, likely=not _reads_likely(data))
        text = pipelines_.replaced(text, lines)
    if told.currency and set(told.currencies) <= {told.currency}:
        text = fields_.with_home_currency(text, told.fields, told.currency)
    text, left_out = fields_.without_missing(text, told.fields)
    text, offered = fields_.offered(text, told.fields, hint)
    head = _head(source, schema, f"on the base of the mapping {adapter} that we ship")
    return Made(head + text, stages, [*left_out, *offered])


def drafted(source: str, schema: str, told: Metadata, streams: Sequence[str]) -> Made:
    """A first mapping for a source that we ship none for."""
    made = draft(told, streams)
    lines, stages = pipelines_.drafted(made.pipelines, {}, {}, likely=True)
    above = "".join(f"{line}\n" for line in ("pipelines:", *lines)) if made.pipelines else EMPTY
    entities = "".join(f"{line}\n" for line in ("entities:", *made.lines[1:]))
    if not any(line.startswith("  - ") for line in made.lines):
        entities = entities.replace("entities:\n", "entities: []\n", 1)
    text = f"{_head(source, schema, 'from the names of its fields')}\n{above}\n{entities}"
    return Made(text, stages, [FieldRow(stream, path, "offered") for stream, path in made.left], made.guessed)


def merged(text: str, told: Metadata, file: str, hint: str = "") -> Made:
    """The file with what the source has beside it. Raises ConfigError where it is written in a way that takes nothing.

    What is there stays byte for byte; with nothing new the text is the same.
    """
    before = reads(text)
    if not isinstance(before, dict):
        raise ConfigError([Fault(file, 1, "", "says nothing, expected a mapping; remove it to have one written")])
    pipelines = staged(before, told)
    made, stages = pipelines_.merged(text, pipelines, likely=not _reads_likely(before))
    made, gone = fields_.marked(made, told.fields)
    made, offered = fields_.offered(made, told.fields, hint)
    try:
        after = reads(made)
        apart = [{key: said for key, said in data.items() if key != "pipelines"} for data in (before, after)]
        is_kept = apart[0] == apart[1] and _holds(after.get("pipelines"), before.get("pipelines"))
    except ConfigError:
        is_kept = False
    if not is_kept:
        message = "is written in a way that nothing can be added to, expected block style; add by hand what is new"
        raise ConfigError([Fault(file, 0, "pipelines", message)])
    return Made(made, stages, [*gone, *offered])


def without_failing(text: str, failing: Sequence[int]) -> str:
    """The mapping without these of its `tests:` (by place): they are about stages and fields that are others here."""
    made, whole = Text(text), root(text)
    listed = items(value(whole, "tests"))
    if failing and len(failing) == len(listed):
        made.comment(first_line(entries(whole)["tests"][0]), first_line(entries(whole)["tests"][0]))
    for number in failing:
        made.comment(first_line(listed[number]), last_line(listed[number]))
    return made.made()


def staged(data: Any, told: Metadata) -> list[PipelineInfo]:
    """The pipelines whose stages the deals of a mapping go through."""
    streams = {
        entry.get("stream") for entry in data.get("entities") or () if isinstance(entry, Mapping)
        if entry.get("entity") in ("deal", "stage_transition")
    }
    return [pipeline for pipeline in told.pipelines if pipeline.stream in streams]


def _reads_likely(data: Any) -> bool:
    """Whether the mapping reads how likely stages are: a field is filled by one of both."""
    listed = [entry for entry in data.get("entities") or () if isinstance(entry, Mapping)]
    return any(one.get("entity") == "stage" and "probability" in (one.get("fields") or {}) for one in listed)


def _holds(now: Any, before: Any) -> bool:
    """Whether everything that was said is still said, and nothing else about it."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(key in now and _holds(now[key], value) for key, value in before.items())
    return bool(now == before) or before is None


def _head(source: str, schema: str, base: str) -> str:
    return (
        f"{SCHEMA.format(schema=schema)}\n"
        f"# Written by `connector init` from what {source} tells of itself, {base}.\n"
        "# It is yours: change it as you like, a later `connector init` only adds. Look at every line that is\n"
        "# marked as guessed; what stands as a comment with ??? waits for your word.\n"
    )

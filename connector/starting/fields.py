"""The fields of a mapping beside those of a source: what it lacks is made a comment, what is new is offered. Pure.

An offered field is a comment ready to be taken into use. A field is known to a file, and not offered again, when its
path stands anywhere in it, in a comment too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.nodes import Node

from connector.mapped_paths import unserved
from connector.mapping import NEEDED
from connector.metadata import FieldInfo
from connector.model import ENTITIES
from connector.starting.pipelines import GONE
from connector.starting.words import bare
from connector.starting.writing import (
    Text,
    entries,
    first_line,
    indent,
    is_comment,
    is_flow,
    items,
    last_line,
    reads,
    remark,
    root,
    scalar,
    text_of,
    value,
)

Fields = Mapping[str, Mapping[str, FieldInfo]]
"""By stream and path, as `Metadata.fields`."""

NOT_THERE = "the source has no such field"
NOT_READ = "the source does not read it as it is set up"
OFFERED = "fields of your own, ready to be used: take the # away, rename what stands left"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field for the answer; `state`: left_out (a comment now), offered (a new comment), gone (marked)."""

    stream: str
    path: str
    state: str
    label: str = ""


# --- what the source does not have -----------------------------------------------------------------------------------


def without_missing(text: str, fields: Fields) -> tuple[str, list[FieldRow]]:
    """A mapping we ship without what this source does not send: fields, and entries that live of them, as comments."""
    text, rows = _with_what_is_left(text, fields)
    made = Text(text)
    for entry, data in _listed(text):
        stream = str(data.get("stream"))
        if stream not in fields:
            continue
        read = [path for path, one in fields[stream].items() if one.is_read]
        missing = unserved([data], stream, read)
        whole = unserved([{**data, "fields": {}}], stream, read)
        specs, held = data.get("fields") or {}, value(entry, "fields")
        lacking = {name: unserved([{"stream": stream, "fields": {name: spec}}], stream, read)
                   for name, spec in specs.items()}
        lacking = {name: paths for name, paths in lacking.items() if paths}
        needed = set(NEEDED.get(str(data.get("entity")), ())) & set(lacking)
        if whole or needed or (lacking and (held is None or is_flow(held) or len(lacking) == len(specs))):
            made.comment(first_line(entry), last_line(entry), f"{', '.join(missing)}: {_why(fields[stream], missing)}")
        else:
            for name, paths in lacking.items():
                key, spec = entries(held)[name]
                made.comment(first_line(key), last_line(spec), _why(fields[stream], paths))
        rows += [FieldRow(stream, path, "left_out") for path in missing]
    return made.made(), list(dict.fromkeys(rows))


def _with_what_is_left(text: str, fields: Fields) -> tuple[str, list[FieldRow]]:
    """Each `first_of` without the paths that lead to nothing, as long as one is left."""
    rows: list[FieldRow] = []
    changed = True
    while changed:
        changed = False
        for entry, data in _listed(text):
            stream = str(data.get("stream"))
            for node in (value(spec, "first_of") for _, spec in entries(value(entry, "fields")).values()):
                paths = [text_of(one) or "" for one in items(node)]
                read = [path for path, one in fields.get(stream, {}).items() if one.is_read]
                lost = [path for path in paths if unserved([{"stream": stream, "key": path}], stream, read)]
                if node is not None and is_flow(node) and lost and len(lost) < len(paths) and not changed:
                    left = ", ".join(scalar(path) for path in paths if path not in lost)
                    text = f"{text[:node.start_mark.index]}[{left}]{text[node.end_mark.index:]}"
                    rows += [FieldRow(stream, path, "left_out") for path in lost]
                    changed = True
    return text, rows


def _why(fields: Mapping[str, FieldInfo], paths: Sequence[str]) -> str:
    return NOT_READ if all(path in fields for path in paths) else NOT_THERE


def marked(text: str, fields: Fields) -> tuple[str, list[FieldRow]]:
    """A file of the user's with a remark over each rule that reads what the source has no more."""
    made, rows = Text(text), list[FieldRow]()
    for entry, data in _listed(text):
        stream = str(data.get("stream"))
        if stream not in fields:
            continue
        held = value(entry, "fields")
        places = [(first_line(entry), unserved([{**data, "fields": {}}], stream, fields[stream]))]
        for name, spec in (data.get("fields") or {}).items():
            gone = unserved([{"stream": stream, "fields": {name: spec}}], stream, fields[stream])
            key = entry if held is None or is_flow(held) else entries(held)[name][0]
            places.append((first_line(key), gone))
        for line, gone in places:
            rows += [FieldRow(stream, path, "gone") for path in gone]
            new = [f"# {GONE} {path}" for path in gone]
            above = {one.strip() for one in made.lines[max(0, line - len(new) - 3) : line]}
            made.insert(line, [f"{' ' * indent(made.lines[line])}{mark}" for mark in new if mark not in above])
    there = {path for told in fields.values() for path in told} - {row.path for row in rows}
    for number, written in enumerate(made.lines):
        if written.strip().startswith(f"# {GONE} ") and written.strip().removeprefix(f"# {GONE} ") in there:
            made.drop(number)
    return made.made(), list(dict.fromkeys(rows))


# --- what the source has beside --------------------------------------------------------------------------------------


def offered(text: str, fields: Fields, hint: str = "") -> tuple[str, list[FieldRow]]:
    """With the source's own fields that the file does not know yet as comments behind those of their stream's entry.

    `hint`: the setting of the source that makes it send more fields of a stream; empty where it sends what it has.
    """
    made, rows = Text(text), list[FieldRow]()
    done: set[str] = set()
    for entry, data in _listed(text):
        stream, held = str(data.get("stream")), value(entry, "fields")
        is_plain = str(data.get("entity")) in ENTITIES and not ENTITIES[data["entity"]].facts and "each" not in data
        if stream in done or not is_plain or held is None or is_flow(held) or not entries(held):
            continue
        done.add(stream)
        new = [one for one in fields.get(stream, {}).values() if one.own and not knows(text, one.path)]
        if not new:
            continue
        first = next(iter(entries(held).values()))[0]
        lines = offers(new, taken=data["fields"])
        if not re.search(rf"^\s*# {re.escape(OFFERED)}", _lines_between(made, entry), re.M):
            lines.insert(0, f"# {OFFERED}")
        unread = [one.path.rpartition(".")[2] for one in new if not one.is_read]
        if unread and hint:
            setting = f"{hint}: {{{stream}: [{', '.join(unread)}]}}"
            lines.append(f"# they are read with  {setting}  under the source in the config")
        at = last_line(held) + 1
        while at < len(made.lines) and is_comment(made.lines[at]) and (
            indent(made.lines[at]) == first.start_mark.column
        ):
            at += 1
        made.insert(at, [f"{' ' * first.start_mark.column}{line}" for line in lines])
        rows += [FieldRow(stream, one.path, "offered", one.label) for one in new]
    return made.made(), rows


def _lines_between(made: Text, entry: Node) -> str:
    """An entry's lines and the comments behind it."""
    end = last_line(entry) + 1
    while end < len(made.lines) and is_comment(made.lines[end]):
        end += 1
    return "\n".join(made.lines[first_line(entry) : end])


def offers(fields: Sequence[FieldInfo], taken: Mapping[str, Any]) -> list[str]:
    """A comment for each field, which makes it an own field once its # is taken away."""
    names, lines = set(taken), list[str]()
    for one in fields:
        name = f"extra.{slug(one.path.rpartition('.')[2])}"
        while name in names:
            name += "_"
        names.add(name)
        said = f"{one.label} ({one.type})" if one.label else one.type
        lines.append(f"# {name}: {scalar(one.path)}  # {remark(said)}")
    return lines


def slug(name: str) -> str:
    """A name as an own field may have it: `Khu vực` is khu_vuc."""
    return re.sub(r"[^a-z0-9]+", "_", bare(name.strip('"').casefold())).strip("_") or "field"


def knows(text: str, path: str) -> bool:
    """Whether a path stands anywhere in a file."""
    return re.search(rf"(?<![\w.]){re.escape(path)}(?!\w)", text) is not None


# --- money -----------------------------------------------------------------------------------------------------------


def with_home_currency(text: str, fields: Fields, currency: str) -> str:
    """A mapping we ship for an account that has one currency only, and whose amounts may come without it."""
    while (found := next(_currencies(text, fields), None)) is not None:
        node, path, is_there = found
        told = f"{{path: {scalar(path)}, default: {currency}}}" if is_there else f"{{const: {currency}}}"
        text = f"{text[:node.start_mark.index]}{told}{text[node.end_mark.index:]}"
    return text


def _currencies(text: str, fields: Fields) -> Iterator[tuple[Node, str, bool]]:
    """Each currency of an amount that is nothing but a path, and whether the source sends it."""
    for entry, data in _listed(text):
        sent = [path for path, one in fields.get(str(data.get("stream")), {}).items() if one.is_read]
        for _, (_, spec) in entries(value(entry, "fields")).items():
            node = value(spec, "currency")
            path = text_of(node)
            if node is not None and path is not None:
                rule = {"stream": data["stream"], "key": path}
                yield node, path, not sent or not unserved([rule], str(data["stream"]), sent)


def _listed(text: str) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """Each entry of `entities:` as a node and as data."""
    data = reads(text)
    listed = data.get("entities") if isinstance(data, dict) else None
    for node, given in zip(items(value(root(text), "entities")), listed or (), strict=False):
        if isinstance(given, dict):
            yield node, given

"""The source's fields beside the paths of the mapping: what is gone, what is not asked for, what changed its type, and
words of a picklist that cannot be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from connector.concerned import Read
from connector.drift import probing
from connector.drift.finding import Field, Finding, Kind, Written, named, read_of_stream, reads, written
from connector.mapped_paths import unserved
from connector.mapping import Mapping as SourceMapping
from connector.metadata import FieldInfo, Metadata
from connector.model import CHOICES
from connector.model import Kind as Stored
from connector.rules import Rule, as_column

Types = Mapping[str, Mapping[str, str]]
"""What type a field had, by stream and path: when the mapping was first compared with the source."""

_NUMBERS = {"money", "number", "integer", "ratio", "percent", "duration"}
_TIMES = {"datetime", "date"}
_CONVERTERS = {
    Stored.MONEY: "money", Stored.NUMBER: "number", Stored.INTEGER: "integer", Stored.RATIO: "ratio",
    Stored.INSTANT: "datetime", Stored.DAY: "date", Stored.FLAG: "flag",
}
_STAGES = {("deal", "pipeline"), ("deal", "stage"), ("stage_transition", "pipeline"), ("stage_transition", "to")}
_TYPES = {
    "text": "text", "number": "a number", "datetime": "an instant", "date": "a date", "boolean": "yes or no",
    "choice": "one of a list", "choices": "several of a list", "reference": "a reference", "list": "a list",
}


class Use(NamedTuple):
    """A path that the mapping reads: where it stands in the file, and which field it fills ('' for none)."""

    path: str
    place: tuple[str | int, ...]
    entry: Written
    field: str


# --- whether it is there ---------------------------------------------------------------------------------------------


def missing(
    source_mapping: SourceMapping, metadata: Metadata, known: Types | None = None, settings: Collection[str] = ()
) -> Iterator[Finding]:
    """Mapped paths of which nothing comes. `known`: what was once there; `settings`: the keys by which a source is told
    what to read, where one is named like what a path begins with."""
    entities = source_mapping.document.data["entities"]
    for stream in source_mapping.streams():
        told = metadata.fields.get(stream, {})
        read = [path for path, one in told.items() if one.is_read]
        lacking = unserved(entities, stream, read)
        if not lacking:
            continue
        uses = list(_uses(source_mapping, stream, read))
        for path in lacking:
            using = [use for use in uses if use.path == path]
            if using:
                yield _missing(source_mapping, stream, path, using, told, known or {}, settings)


def _uses(source_mapping: SourceMapping, stream: str, read: Collection[str]) -> Iterator[Use]:
    """Where each path stands that leads to nothing of what is read."""
    for entry in written(source_mapping):
        if entry.rule.stream != stream:
            continue
        for key in ("key", "each", "only_if"):
            for path in unserved([{"stream": stream, key: entry.spec.get(key)}], stream, read):
                yield Use(path, ("entities", entry.number, key), entry, "")
        for name, spec in (entry.spec.get("fields") or {}).items():
            for path in unserved([{"stream": stream, "fields": {name: spec}}], stream, read):
                yield Use(path, ("entities", entry.number, "fields", name), entry, name)


def _missing(
    source_mapping: SourceMapping, stream: str, path: str, using: Sequence[Use], told: Mapping[str, FieldInfo],
    known: Types, settings: Collection[str],
) -> Finding:
    info, (parent, _, name) = told.get(path), path.rpartition(".")
    asked = f"{parent}: {{{stream}: [{name}]}} under the source {source_mapping.source} in the config" if (
        parent in settings
    ) else "the source's settings in the config"
    fills = ", ".join(dict.fromkeys(
        f"{use.entry.rule.entity.name}.{use.field}" if use.field else use.entry.rule.entity.name for use in using
    ))
    kind: Kind
    if info is not None:
        kind, said = "unread_field", f"{named(path, info.label)} of {stream} is there but not asked for"
        remedy = f"ask for it: {asked}"
    elif path in known.get(stream, {}):
        kind, said = "vanished_field", f"the source does not send {path} of {stream} any more"
        remedy = "bring it back in the source, or map what took its place"
    else:
        kind, said = "missing_field", f"the source has no {path} of {stream}"
        tells_all = any(one.path.startswith(f"{parent}.") and not one.is_read for one in told.values())
        hint = "" if tells_all or parent not in settings else f"; or ask for it: {asked}"
        remedy = f"correct the path, or leave the field out{hint}"
    columns = (
        Read(use.entry.rule.entity.name, as_column(use.field) if use.field else "") for use in using
    )
    return Finding(
        kind, (kind, stream, path), stream, f"{said}; {fills} is read from it", source_mapping.document.line(
            using[0].place
        ), remedy, reads(source_mapping, columns),
        fields=tuple(Field(use.entry.number, use.field) for use in using),
    )


# --- whether it can be read ------------------------------------------------------------------------------------------


def unreadable(source_mapping: SourceMapping, metadata: Metadata, known: Types | None = None) -> Iterator[Finding]:
    """Fields whose type is none that ours can be read from, and words of picklists that a field cannot read."""
    for entry in written(source_mapping):
        told, stream = metadata.fields.get(entry.rule.stream, {}), entry.rule.stream
        if not told or entry.rule.entity.facts:
            continue
        rules = {rule.field: rule for rule in entry.rule.rules}
        for name, spec in (entry.spec.get("fields") or {}).items():
            if name not in rules or (entry.rule.entity.name, name) in _STAGES:
                continue
            for path in paths(spec):
                info = told.get(path.removeprefix("record."))
                if info is None or not info.is_read:
                    continue
                had = (known or {}).get(stream, {}).get(info.path)
                if _is_misfit(entry, name, spec, info, had):
                    yield _type_changed(source_mapping, entry, name, spec, info, had)
                elif info.type == "choice":
                    yield from _words(source_mapping, entry, rules[name], path, info)


def paths(spec: Any) -> list[str]:
    """The paths by which a field is read, the first that is not empty."""
    if isinstance(spec, str):
        return [spec]
    given = spec.get("first_of", spec.get("path")) if isinstance(spec, Mapping) else None
    return [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str)]


def _converter(entry: Written, name: str, spec: Any) -> tuple[str, bool]:
    """The name of the converter of a field, and whether the file says it; '' for a function of the user's own."""
    given = spec.get("as") if isinstance(spec, Mapping) else None
    if given is not None:
        own = given if isinstance(given, str) else next(iter(given))
        return ("" if "." in own else own), True
    field = entry.rule.entity.fields.get(name)
    return _CONVERTERS.get(field.kind, "text") if field else "text", False


def _is_misfit(entry: Written, name: str, spec: Any, info: FieldInfo, had: str | None) -> bool:
    """Whether nothing, or next to nothing, of that type can be read. What a mapping says itself by `as` is believed as
    long as the type is what it was (`had`): numbers and dates are kept as text in many places."""
    converter, is_said = _converter(entry, name, spec)
    if not converter or info.is_guessed or (isinstance(spec, Mapping) and "table" in spec):
        return False
    has_changed = had is not None and had not in (info.type, "other")
    is_loose = is_said and not has_changed
    if converter in _NUMBERS:
        wrong = {"datetime", "date", "boolean", "list", "choices"} | (set() if is_loose else {"text"})
    elif converter in _TIMES:
        wrong = {"boolean", "list", "choices"} | ({"number"} if not is_said else set())
        wrong |= {"text", "number"} if has_changed else set()
    elif converter == "flag":
        wrong = {"datetime", "date", "list", "choices"} | ({"text"} if has_changed else set())
    else:
        wrong = {"list"}
    return info.type in wrong


def _type_changed(
    source_mapping: SourceMapping, entry: Written, name: str, spec: Any, info: FieldInfo, had: str | None
) -> Finding:
    stream, entity = entry.rule.stream, entry.rule.entity.name
    was = f" (it was {_TYPES.get(had, had)})" if had not in (None, info.type) else ""
    converter, is_said = _converter(entry, name, spec)
    hint = f"; where all of its text is {converter} say so: as: {converter}" if (
        info.type == "text" and not is_said
    ) else ""
    return Finding(
        "type_changed", ("type_changed", stream, info.path), stream,
        f"{named(info.path, info.label)} of {stream} is {_TYPES.get(info.type, info.type)}{was}, which {entity}.{name} "
        f"cannot be read from as {converter}",
        source_mapping.document.line(("entities", entry.number, "fields", name)),
        f"change the field back in the source, or map another{hint}",
        read_of_stream(source_mapping, stream), fields=(Field(entry.number, name),),
    )


def _words(
    source_mapping: SourceMapping, entry: Written, rule: Rule, path: str, info: FieldInfo
) -> Iterator[Finding]:
    """The words of a picklist for which a record would be set aside."""
    for word, label in info.options.items():
        try:
            probing.stored(rule, path, word)
        except ValueError:
            if not probing.is_left_out(entry, {path: word}):
                yield unmapped_value(source_mapping, entry, rule.field, word, label, info)


def unmapped_value(
    source_mapping: SourceMapping, entry: Written, name: str, word: str, label: str = "", info: FieldInfo | None = None
) -> Finding:
    """A word that a field cannot read; `label`, `info`: as the source calls it and its field, where that is known."""
    spec, entity, stream = entry.spec["fields"][name], entry.rule.entity.name, entry.rule.stream
    place = ("entities", entry.number, "fields", name)
    has_table = isinstance(spec, Mapping) and "table" in spec
    words = CHOICES.get((entity, name))
    which = f" of {named(info.path, info.label)}" if info else ""
    what = f"is not in the table of {entity}.{name}" if has_table else f"cannot be read as {entity}.{name}"
    ours = f", one of {', '.join(words)}" if words else ""
    add = f'add "{word}": … to its table{ours}, or a default' if has_table else f"give {name} a table{ours}"
    return Finding(
        "unmapped_value", ("unmapped_value", stream, f"{entry.number}", name, word), stream,
        f"the value {named(word, label)}{which} {what}; records of {stream} with it are set aside",
        source_mapping.document.line((*place, "table") if has_table else place), add,
        read_of_stream(source_mapping, stream),
    )

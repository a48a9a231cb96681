"""A record made a case of the mapping's `tests:`: what the mapping reads of it, with personal data replaced, and what
it becomes. Pure.

What stays is what a number is made of: ids, stages, amounts, currencies, dates, and the words the mapping file itself
names. Everything else that is text is made up, whatever field it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal

from connector import read_paths
from connector.convert import Converter
from connector.errors import MappingError
from connector.made_up import MadeUp
from connector.mapping import EntryRule
from connector.mapping import Mapping as SourceMapping
from connector.mapping_tests import rows, written
from connector.model import CHOICES, COLUMNS, ENTITIES, Kind
from connector.ports import Record
from connector.read_paths import ITEM, Parts, Place
from connector.rules import Rule

_IDS = {
    ("deal", "pipeline"), ("deal", "stage"), ("stage_transition", "deal"), ("stage_transition", "pipeline"),
    ("stage_transition", "to"), ("stage_transition", "by"), ("deal_change", "deal"), ("deal_change", "by"),
    ("owner", "user"), ("stage", "pipeline"), ("stage", "stage"),
}
_ID = re.compile(r"[\w.:/|+=-]*\d[\w.:/|+=-]*", re.ASCII)
_PLAIN = re.compile(r"-?\d{1,6}([.,]\d+)?|\d{4}-\d{2}-\d{2}([T ][\d:.]+(Z|[+-]\d{2}:?\d{2})?)?")
_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'|`\"?([^`\"]*)\"?`")
_SMALL = 1_000_000


@dataclass(frozen=True)
class Use:
    """What a place of the record is read for: an `id`, a `value` that `convert` reads (an amount, a date), or `text`.
    """

    kind: Literal["id", "value", "text"]
    convert: Converter | None = None


def case(source_mapping: SourceMapping, stream: str, record: Record, salt: str) -> dict[str, Any]:
    """{"stream", "record", "expect"}. Raises MappingError for a record that cannot be mapped, as it is or made up."""
    parts: Parts[Use] = Parts()
    for entry in source_mapping.entries.get(stream, ()):
        for place, uses in _places(source_mapping, entry):
            parts.add(place, *uses)
    words, made_up = _words(source_mapping), MadeUp(salt)
    data = parts.cut(
        record.data, lambda value, uses: _replaced(value, uses, words, made_up),
        lambda key: made_up.text(key) if re.search(r"[@\s]", key) else key,
    )
    data = _told(data)
    for one in (record, Record(record.key, None, data)):
        if why := source_mapping.why(stream, one):
            raise why[0]
    return {"stream": stream, "record": data, "expect": expected(source_mapping, stream, data)}


def _told(data: Any) -> Any:
    """The data without its nulls, which mean what is not there."""
    if isinstance(data, Mapping):
        return {key: _told(value) for key, value in data.items() if value is not None}
    return [_told(value) for value in data] if isinstance(data, list) else data


def name_of(source_mapping: SourceMapping, key: str, salt: str) -> str:
    """A record's key as it may stand in the file: made up where it may be somebody's."""
    return str(_replaced(key, {Use("id")}, _words(source_mapping), MadeUp(salt)))


def expected(source_mapping: SourceMapping, stream: str, data: Any) -> dict[str, Any]:
    """What a record becomes, in the words of a test: each entity with its row, its rows, or null for none."""
    (mapped,) = source_mapping.apply(stream, [Record("test", None, data)])
    found: dict[str, Any] = {}
    for name in dict.fromkeys(entry.entity.name for entry in source_mapping.entries.get(stream, ())):
        made = [_row(source_mapping, name, row) for row in rows(mapped, name)]
        found[name] = None if not made else made[0] if len(made) == 1 else made
    return found


def _row(source_mapping: SourceMapping, entity: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """One row as a person writes it; what is null or numbered by ourselves is left out."""
    names = {COLUMNS.get(name, name): name for name in ENTITIES[entity].fields}
    left_out = {"id"} if ENTITIES[entity].key else {"sequence"} if ENTITIES[entity].facts else set()
    fields = {names.get(column, column): column for column in row if column not in left_out}
    return {
        name: value for name in fields
        if (value := written(source_mapping, entity, name, row)) is not None
    }


# --- what is read ----------------------------------------------------------------------------------------------------


def _places(source_mapping: SourceMapping, entry: EntryRule) -> Iterator[tuple[Place, list[Use]]]:
    """Every place of the record that an entry reads, with its uses."""
    spec: Mapping[str, Any] = source_mapping.document.get(entry.place)
    lists = read_paths.reads(spec["each"]) if "each" in spec else set()
    items = {(*place, ITEM) for place in lists} | {place for place in lists if place[-1:] == (ITEM,)}
    yield from ((place, []) for place in items)

    def places(path: str, use: Use) -> Iterator[tuple[Place, list[Use]]]:
        for place in read_paths.reads(path):
            if not lists:
                yield place, [use]
            elif place[:1] != ("item",):
                yield (place[1:] if place[:1] == ("record",) else ()), [use]
            if lists and place[:1] != ("record",):
                yield from (((*one, *place[1:]), [use]) for one in items)

    keys = spec.get("key") or []
    for path in keys if isinstance(keys, list) else [keys]:
        yield from places(path, Use("id"))
    if "only_if" in spec:
        yield from places(spec["only_if"], Use("text"))
    for rule in entry.rules:
        given = source_mapping.document.get(rule.place)
        field: Mapping[str, Any] = given if isinstance(given, Mapping) else {"path": given}
        for path in [field["path"]] if "path" in field else field.get("first_of", []):
            yield from places(path, _use(entry, rule, field))


def _use(entry: EntryRule, rule: Rule, spec: Mapping[str, Any]) -> Use:
    """What a field is read for. A function of the user's own may read anything: that is text."""
    name = (entry.entity.name, rule.field)
    named = spec.get("as")
    if (isinstance(named, str) and "." in named) or "table" in spec or name in CHOICES:
        return Use("text")
    if name == ("deal_change", "new"):
        return _use_of_change(entry)
    declared = entry.entity.fields.get(rule.field)
    if name in _IDS or (declared and declared.kind is Kind.REFERENCE):
        return Use("id")
    is_text = (declared.kind if declared else Kind.TEXT) is Kind.TEXT and not rule.field.endswith(".currency")
    return Use("text") if is_text and rule.field != "seen_at" else Use("value", rule.convert)


def _use_of_change(entry: EntryRule) -> Use:
    """The new value of a change is what the field that changed is; any id, where the record says which."""
    changed = next((rule for rule in entry.rules if rule.field == "field"), None)
    name = changed.raw({}) if changed and changed.path == "a constant" else None
    declared = ENTITIES["deal"].fields.get(str(name))
    if name is None or name == "pipeline" or (declared and declared.kind is Kind.REFERENCE):
        return Use("id")
    if name != "currency" and (declared is None or declared.kind is Kind.TEXT):
        return Use("text")
    return Use("value", entry.changes[str(name)])


# --- what is replaced ------------------------------------------------------------------------------------------------


def _replaced(value: Any, uses: Set[Use], words: Set[str], made_up: MadeUp) -> Any:
    """The value, or a made-up one where it may be somebody's."""
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if abs(value) < _SMALL or _is_kept(str(value), uses) else made_up.number(value)
    text = str(value)
    stays = not text.strip() or text in words or _PLAIN.fullmatch(text) or _is_kept(text, uses)
    return value if stays else made_up.text(text)


def _is_kept(text: str, uses: Set[Use]) -> bool:
    """Whether it is an id, an amount, a date: what it is read for, and looks like."""
    if "@" in text:
        return False
    kinds = {use.kind for use in uses}
    if "id" in kinds and _ID.fullmatch(text):
        return True
    return "value" in kinds and any(_reads(use.convert, text) for use in uses if use.convert)


def _reads(convert: Converter | None, text: str) -> bool:
    try:
        return convert is not None and convert(text) is not None
    except (ValueError, MappingError):
        return False


def _words(source_mapping: SourceMapping) -> set[str]:
    """The words of the mapping file: its ids of pipelines and stages, the words of its tables, the texts its paths
    compare with; and the model's own."""
    found = {word for choices in CHOICES.values() for word in choices}
    for section in ("pipelines", "entities"):
        for text in _texts(source_mapping.document.get((section,))):
            found.add(text)
            found.update(one or other for one, other in _LITERAL.findall(text))
    return found - {""}


def _texts(value: Any) -> Iterator[str]:
    """Every key and value below, as text."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)

"""A source's mapping file, compiled: records in, what they say of the model out, or the reason they cannot be used.

`load` reads the file and raises every fault at once; `Mapping.apply` is pure, so replay gives what the first reading
gave. The language is design.md section 6; `rules` has its field part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

from connector import convert, pipelines
from connector.document import Document
from connector.errors import ConfigError, MappingError
from connector.model import (
    CHOICES,
    ENTITIES,
    RATIO_SCALE,
    STAGE,
    Entity,
    Entry,
    Kind,
    Mapped,
    Pipeline,
    Reported,
    Value,
    canonical_json,
)
from connector.paths import Getter, compile_path, holds
from connector.pipelines import UnmappedStage
from connector.ports import Record
from connector.rules import Faults, Place, Rule, as_column, entity_named, field_rules, named_converter, reader

_UNNUMBERED = -(2**62)
_ENTRY_KEYS = ("entity", "stream", "key", "each", "only_if", "fields")


class RowFields(NamedTuple):
    """Where an entry's values stand: (column, place), (own field, place), the place of the imported knowledge time."""

    columns: list[tuple[str, int]]
    extra: list[tuple[str, int]]
    seen_at: int


class FactFields(NamedTuple):
    """Where the values of a fact stand."""

    deal: int
    at: int
    by: int
    sequence: int
    seen_at: int
    pipeline: int
    to: int
    field: int
    new: int


@dataclass
class EntryRule:
    """One entry of `entities:`, compiled. `line` and `place` are where it stands in the file."""

    entity: Entity
    stream: str
    line: int
    key: list[Getter]
    each: Getter | None
    only_if: Getter | None
    rules: list[Rule]
    changes: dict[str, convert.Converter] = field(default_factory=dict)
    place: Place = ()

    @cached_property
    def read(self) -> Callable[[Any], list[Value]]:
        """The stored values of a record or list item, in the order of `fields`."""
        return reader(self.rules)

    @cached_property
    def row(self) -> RowFields:
        """Where in the values that `read` gives a row's columns and own fields stand."""
        columns = [(rule.column, place) for place, rule in enumerate(self.rules) if rule.column != "seen_at"]
        return RowFields(
            [(column, place) for column, place in columns if not column.startswith("extra.")],
            [(column[6:], place) for column, place in columns if column.startswith("extra.")],
            self._place("seen_at"),
        )

    @cached_property
    def fact(self) -> FactFields:
        """Where in the values that `read` gives those of a fact stand."""
        return FactFields._make(map(self._place, FactFields._fields))

    def _place(self, field_: str) -> int:
        """Where the value of a field stands; at the end, where there is none, for one that no rule fills."""
        return next((place for place, rule in enumerate(self.rules) if rule.field == field_), -1)


@dataclass(slots=True)
class Mapping:
    """The mapping of one source. `version` is a hash of its meaning: comments and layout do not change it."""

    source: str
    version: str
    file: str
    pipelines: Dict[str, Pipeline]
    entries: Dict[str, list[EntryRule]]
    tests: list[dict[str, Any]]
    document: Document
    _columns: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _stages: dict[tuple[str | None, str], tuple[str, str]] = field(default_factory=dict)

    def streams(self) -> list[str]:
        """The streams it reads, in the order of the file."""
        return list(self.entries)

    def columns(self, entity: str, stream: str) -> set[str]:
        """The columns that a stream fills in an entity; own fields as `extra.NAME`. The file itself is stream ""."""
        known = self._columns.get((entity, stream))
        if known is None:
            rules = [entry.rules for entry in self.entries.get(stream, ()) if entry.entity.name == entity]
            known = {rule.column for group in rules for rule in group} | set(pipelines.filled(entity, stream))
            if entity == "deal" and "stage" in known:
                known.add("pipeline")
            self._columns[entity, stream] = known
        return known

    def apply(self, stream: str, records: Iterable[Record]) -> Iterator[Mapped]:
        """What each record says, in order; one that cannot be mapped comes with its `fault` and nothing else."""
        entries = self.entries.get(stream, [])
        shared = any(entry.entity.name == "deal_owner" for entry in entries)
        for index, record in enumerate(records):
            mapped = Mapped(index, record.key, record.modified, [], [], set())
            try:
                for entry in entries:
                    self._entry(entry, record.data, mapped)
                if shared:
                    _check_shares(mapped.entries)
                if len(mapped.entries) > 1:
                    mapped.entries = _joined(mapped.entries)
                if mapped.lists:
                    _turn(mapped)
            except MappingError as error:
                pipeline = error.pipeline if isinstance(error, UnmappedStage) else None
                mapped = Mapped(
                    index, record.key, record.modified, [], [], set(), str(error), pipeline, _digest(record.data)
                )
            yield mapped

    def why(self, stream: str, record: Record) -> tuple[MappingError, EntryRule | None] | None:
        """Why a record cannot be mapped, and the entry that says so where it is one alone; None where it can be."""
        made = Mapped(0, record.key, record.modified, [], [], set())
        entries = self.entries.get(stream, [])
        for entry in entries:
            try:
                self._entry(entry, record.data, made)
            except MappingError as error:
                return error, entry
        try:
            _check_shares(made.entries)
            _joined(made.entries)
        except MappingError as error:
            return error, None
        return None

    def _entry(self, entry: EntryRule, data: Any, mapped: Mapped) -> None:
        if entry.each is None:
            if entry.entity.facts:
                self._facts(entry, [(None, data)], mapped)
            else:
                self._row(entry, data, None, mapped)
            return
        try:
            items = entry.each(data)
        except ValueError as error:
            raise MappingError(entry.entity.name, "each", "each", str(error)) from None
        if items is None or items == "":
            return
        if not isinstance(items, list):
            raise MappingError(entry.entity.name, "each", "each", f"expected a list, found {type(items).__name__}")
        scopes: list[tuple[int | None, Any]] = [
            (number, {"record": data, "item": item}) for number, item in enumerate(items)
        ]
        if entry.entity.facts:
            self._facts(entry, scopes, mapped)
        else:
            for number, scope in scopes:
                self._row(entry, scope, number, mapped)

    def _row(self, entry: EntryRule, scope: Any, item: int | None, mapped: Mapped) -> None:
        """The (part of a) row that one entry makes of a record or list item."""
        name = entry.entity.name
        if entry.only_if is not None and not holds(_only_if(entry, scope)):
            if item is None and (parts := [getter(scope) for getter in entry.key]) and None not in parts:
                mapped.entries.append(Entry(name, row_id(parts), {}, absent=True))
            return
        values, told = entry.read(scope), entry.row
        fields = {column: values[place] for column, place in told.columns}
        if fields.get("amount") is not None and fields.get("currency") is None:
            raise MappingError(name, "amount.currency", "currency", "an amount without currency")
        if name == "deal":
            pipelines.settle(self.pipelines, fields)
        parts = [getter(scope) for getter in entry.key] or [fields.get(as_column(key)) for key in entry.entity.key]
        if name == "stage" and len(parts) == 2:
            fields["pipeline"], fields["stage"] = str(parts[0]), str(parts[1])
        extra = {own: values[place] for own, place in told.extra} or None
        seen_at = values[told.seen_at]
        known_at = None if seen_at is None else int(seen_at)
        mapped.entries.append(Entry(name, _row_key(name, parts), fields, extra, item, False, known_at))

    def _facts(self, entry: EntryRule, scopes: Sequence[tuple[int | None, Any]], mapped: Mapped) -> None:
        """The facts of one record or list, oldest first, equal times in the order of the source.

        Facts of one instant without a `sequence` are numbered ..., -1, 0 up to the newest: so a history that lost its
        oldest items numbers the others as before. Where all are of one instant see `_turn`.
        """
        made: list[Reported] = []
        for item, scope in scopes:
            if entry.only_if is None or holds(_only_if(entry, scope)):
                fact = self._fact(entry, scope, item)
                if fact is not None:
                    made.append(fact)
        if len(made) > 1 and made[0].occurred_at > made[-1].occurred_at:
            made.reverse()  # newest first, as some vendors list them
        made.sort(key=attrgetter("occurred_at"))
        ties: dict[tuple[str, str, int], int] = {}
        for fact in reversed(made):
            if fact.sequence == _UNNUMBERED:
                tie = (fact.deal, fact.timeline, fact.occurred_at)
                fact.sequence = ties[tie] = ties.get(tie, 1) - 1
            if entry.each is not None:
                mapped.lists.add((fact.deal, fact.timeline))
        mapped.reported += made

    def _fact(self, entry: EntryRule, scope: Any, item: int | None) -> Reported | None:
        values, told = entry.read(scope), entry.fact
        deal, at = values[told.deal], values[told.at]
        if deal is None or at is None:
            missing = "deal" if deal is None else "at"
            raise MappingError(entry.entity.name, missing, missing, "expected a value, found none")
        timeline, value = self._fact_value(entry, values)
        if timeline is None:
            return None
        sequence, actor, seen_at = values[told.sequence], values[told.by], values[told.seen_at]
        return Reported(
            str(deal), timeline, value, int(at), _UNNUMBERED if sequence is None else int(sequence),
            None if actor is None else str(actor), item, None if seen_at is None else int(seen_at),
        )

    def _fact_value(self, entry: EntryRule, values: list[Value]) -> tuple[str | None, tuple[str, ...]]:
        """The timeline a fact belongs to and its value there; no timeline for a field we keep no history of."""
        told = entry.fact
        if entry.entity.name == "stage_transition":
            pipeline, to = values[told.pipeline], values[told.to]
            if to is None:
                raise MappingError("stage_transition", "to", "to", "expected a stage, found none")
            given = None if pipeline is None else str(pipeline), str(to)
            found = self._stages.get(given)
            if found is None:
                found = self._stages[given] = pipelines.resolve(self.pipelines, *given)
            return STAGE, found
        changed, new = values[told.field], values[told.new]
        if changed is None:
            return None, ()
        try:
            stored = "" if new is None else entry.changes[str(changed)](new)
        except ValueError as error:
            raise MappingError("deal_change", f"new ({changed})", "new", str(error)) from None
        return str(changed), (stored_text(stored),)


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()


def stored_text(value: Value) -> str:
    """A stored value as `deal_change.new` keeps it: its text, empty for none."""
    return "" if value is None else str(value)


def row_id(parts: list[Any]) -> str:
    """The id of a row from the parts of its key, as text; several are joined by "|"."""
    texts = [convert.text(part) or "" for part in parts]
    if len(texts) == 1:
        return texts[0]
    return "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in texts)


def _row_key(entity: str, parts: list[Any]) -> str:
    if not parts or parts[0] is None or parts[0] == "":
        raise MappingError(entity, "key", "key", "expected a key, found none")
    try:
        return row_id([part if part is not None else "" for part in parts])
    except ValueError as error:
        raise MappingError(entity, "key", "key", str(error)) from None


def _only_if(entry: EntryRule, scope: Any) -> Any:
    try:
        return entry.only_if(scope) if entry.only_if else True
    except ValueError as error:
        raise MappingError(entry.entity.name, "only_if", "only_if", str(error)) from None


def _joined(entries: list[Entry]) -> list[Entry]:
    """Entries of one row made one: their fields together; absent only if none of them makes the row."""
    made: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        there = made.get((entry.entity, entry.id))
        if there is None or (there.absent and not entry.absent):
            made[entry.entity, entry.id] = entry
        elif not entry.absent:
            if there.item is None and entry.item is None:
                _check_apart(there, entry)
            there.fields.update(entry.fields)
            there.extra = {**(there.extra or {}), **(entry.extra or {})} or None
            there.seen_at = max(filter(None, (there.seen_at, entry.seen_at)), default=None)
    return list(made.values())


def _turn(mapped: Mapped) -> None:
    """Lists whose facts are all of one instant do not show which end is the newest: it is what the record holds now.

    Otherwise they would be numbered the other way round as soon as a later fact shows the order of the list.
    """
    if len(mapped.reported) == len(mapped.lists):
        return
    told: dict[tuple[str, str], list[Reported]] = {}
    for fact in mapped.reported:
        told.setdefault((fact.deal, fact.timeline), []).append(fact)
    for (deal, timeline), facts in told.items():
        numbered = [fact.sequence for fact in facts] == list(range(1 - len(facts), 1))
        if len(facts) == 1 or not numbered or facts[0].occurred_at != facts[-1].occurred_at:
            continue
        held = next((one.fields for one in mapped.entries if (one.entity, one.id) == ("deal", deal)), None)
        names = ("pipeline", "stage") if timeline == STAGE else (timeline,)
        now = held and tuple(stored_text(held.get(name)) for name in names)
        if facts[0].value == now != facts[-1].value:
            for fact in facts:
                fact.sequence = 1 - len(facts) - fact.sequence


def _check_apart(one: Entry, other: Entry) -> None:
    shared = (one.fields.keys() & other.fields.keys()) - set(ENTITIES[one.entity].key)
    shared |= {f"extra.{name}" for name in (one.extra or {}).keys() & (other.extra or {}).keys()}
    if shared:
        name = min(shared)
        raise MappingError(one.entity, name, "two entries", "filled by two entries of the mapping for one row")


def _check_shares(entries: list[Entry]) -> None:
    shares: dict[tuple[Value, Value], int] = {}
    for entry in entries:
        if entry.entity == "deal_owner" and not entry.absent:
            whose = (entry.fields.get("deal"), entry.fields.get("from_at"))
            shares[whose] = shares.get(whose, 0) + int(entry.fields.get("share") or 0)
            if shares[whose] > RATIO_SCALE:
                raise MappingError("deal_owner", "share", "share", "the shares of one deal add up to more than 1")


# --- reading the file ------------------------------------------------------------------------------------------------


def load(
    document: Document, *, source: str, zone: tzinfo, sources: Collection[str], history_import: bool = False
) -> Mapping:
    """The mapping in that file for that source. Raises ConfigError with every fault.

    `sources` are all configured names: a reference `other:id` to one of them is taken as it is, any other text is an
    id of this source. `zone` is the reporting zone, in which bare dates are local.
    """
    faults = Faults(document, [*document.faults])
    data = document.data
    if not isinstance(data, dict):
        raise ConfigError([document.fault((), "expected a mapping file with pipelines: and entities:")])
    faults.unknown((), data, ("pipelines", "entities", "tests"), "a mapping")

    def qualify(value: str) -> str:
        other, colon, _ = value.partition(":")
        return value if colon and other in sources else f"{source}:{value}"

    found = pipelines.read(faults, data.get("pipelines"))
    entries: dict[str, list[EntryRule]] = {}
    listed = data.get("entities")
    if not isinstance(listed, list) or not listed:
        faults.add(("entities",), "expected a list of entries, each with entity, stream and fields")
        listed = []
    for number, spec in enumerate(listed):
        entry = _read_entry(faults, ("entities", number), spec, zone=zone, qualify=qualify, imported=history_import)
        if entry is not None:
            entries.setdefault(entry.stream, []).append(entry)
            _check_stages(faults, ("entities", number), entry, found)
    _check_filled_once(faults, listed)
    tests = data.get("tests") or []
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        faults.add(("tests",), "expected a list of {stream, record, expect}")
        tests = []
    if faults.found:
        raise ConfigError(sorted(faults.found, key=lambda fault: fault.line))
    meaning = [pipelines.meaning(data.get("pipelines")), listed, source, sorted(sources), str(zone), history_import]
    version = hashlib.sha256(canonical_json(meaning).encode()).hexdigest()[:16]
    return Mapping(source, version, document.file, found, entries, tests, document)


def _read_entry(
    faults: Faults, place: Place, spec: Any, *, zone: tzinfo, qualify: Any, imported: bool
) -> EntryRule | None:
    if not isinstance(spec, dict):
        faults.add(place, "expected {entity, stream, key, fields}")
        return None
    faults.unknown(place, spec, _ENTRY_KEYS, "an entry")
    entity = entity_named(faults, place, spec.get("entity"))
    stream = spec.get("stream")
    if not isinstance(stream, str):
        faults.add((*place, "stream"), "expected the name of a stream")
    if entity is None:
        return None
    fields = spec.get("fields", {})
    if not isinstance(fields, dict):
        faults.add((*place, "fields"), "expected a mapping of our fields to the source's paths")
    entry = EntryRule(
        entity=entity,
        stream=str(stream),
        line=faults.document.line(place),
        key=_key(faults, place, entity, spec),
        each=_path(faults, (*place, "each"), spec.get("each")),
        only_if=_path(faults, (*place, "only_if"), spec.get("only_if")),
        rules=[],
        place=place,
    )
    if not isinstance(fields, dict):
        return None
    plain = (lambda value: value) if entity.facts else qualify
    for name, given in fields.items():
        there: Place = (*place, "fields", name)
        if not isinstance(name, str):
            faults.quote(there)
        elif name == "seen_at" and not imported:
            faults.add(there, "seen_at is only taken from the source with history_import: true")
        elif entity.name == "deal_change" and name == "new":
            entry.rules += _raw_rule(faults, there, entity, given)
            entry.changes = _change_converters(faults, there, given, zone, qualify)
        else:
            entry.rules += field_rules(faults, there, entity, name, given, zone=zone, qualify=plain)
    _check_entry(faults, place, entity, fields)
    return entry


def _raw_rule(faults: Faults, place: Place, entity: Entity, given: Any) -> list[Rule]:
    """`new` as it comes: it is converted later, as the deal field that changed."""
    spec = {"path": given} if isinstance(given, str) else dict(given) if isinstance(given, dict) else {}
    spec.pop("as", None)
    spec.pop("currency", None)
    rules = field_rules(faults, place, entity, "new", spec, zone=UTC, qualify=str)
    for rule in rules:
        rule.convert = _as_it_is
    return rules


def _as_it_is(value: Any) -> Any:
    return value


def _change_converters(
    faults: Faults, place: Place, given: Any, zone: tzinfo, qualify: Any
) -> dict[str, convert.Converter]:
    """A converter for each field whose changes are kept; `as` in the entry takes the place of the field's own."""
    own = given.get("as") if isinstance(given, dict) else None
    named = None if own in (None, "money") else named_converter(faults, (*place, "as"), own, zone)
    made: dict[str, convert.Converter] = {}
    for name in CHOICES["deal_change", "field"]:
        field_ = ENTITIES["deal"].fields.get(name)
        kind = field_.kind if field_ else Kind.TEXT
        if named is not None:
            converter = named[0]
        else:
            converter = convert.currency if name == "currency" else convert.default(kind, zone)
        made[name] = _reference(converter, qualify) if kind is Kind.REFERENCE else converter
    return made


def _reference(converter: convert.Converter, qualify: Any) -> convert.Converter:
    return lambda value: qualify(str(converter(value)))


def _key(faults: Faults, place: Place, entity: Entity, spec: dict[str, Any]) -> list[Getter]:
    given = spec.get("key")
    if given is None:
        if not entity.key and not entity.facts:
            faults.add(place, f"{entity.name} needs key: the path of the record's id")
        return []
    if given == [] or (entity.name == "stage" and not (isinstance(given, list) and len(given) == 2)):
        wanted = "[PATH of the pipeline's id, PATH of the stage's]" if entity.name == "stage" else "a path, or a list"
        faults.add((*place, "key"), f"expected {wanted}")
        return []
    getters = [_path(faults, (*place, "key"), path) for path in (given if isinstance(given, list) else [given])]
    return [getter for getter in getters if getter is not None]


def _path(faults: Faults, place: Place, given: Any) -> Getter | None:
    if given is None:
        return None
    if not isinstance(given, str):
        faults.add(place, "expected a path")
        return None
    try:
        return compile_path(given)
    except ValueError as error:
        faults.add(place, str(error))
        return None


NEEDED = {
    "stage_transition": ("deal", "to", "at"),
    "deal_change": ("deal", "field", "new", "at"),
    "deal_owner": ("deal", "owner", "share"),
    "owner_team": ("owner", "team"),
    "fx_rate": ("currency", "valid_from_on", "rate"),
}


def _check_entry(faults: Faults, place: Place, entity: Entity, fields: dict[str, Any]) -> None:
    for name in NEEDED.get(entity.name, ()):
        if name not in fields:
            faults.add((*place, "fields"), f"{entity.name} needs {name}")
    if entity.name in ("stage", "pipeline"):
        for name in ("name", "order", "canonical", "recycle", "starts", "won"):
            if name in fields:
                faults.add((*place, "fields", name), "the pipelines: section decides it; leave it out here")


def _check_filled_once(faults: Faults, listed: list[Any]) -> None:
    """A field has one entry: two that always make the same row may not fill the same one."""
    filled: dict[tuple[str, str], int] = {}
    for number, spec in enumerate(listed):
        if not isinstance(spec, dict) or not isinstance(spec.get("fields"), dict) or "only_if" in spec:
            continue
        entity = ENTITIES.get(str(spec.get("entity")))
        if entity is None or entity.facts:
            continue
        row = canonical_json([entity.name, spec.get("stream"), spec.get("key"), spec.get("each")])
        for name in spec["fields"]:
            place: Place = ("entities", number, "fields", name)
            first = filled.setdefault((row, str(name)), faults.document.line(place))
            if first != faults.document.line(place) and name not in entity.key:
                faults.add(place, f"already filled on line {first}; a field has one entry, leave it out of one")


def _check_stages(faults: Faults, place: Place, entry: EntryRule, found: Dict[str, Pipeline]) -> None:
    staged = {rule.field for rule in entry.rules} & {"stage", "to"}
    if staged and not found and entry.entity.name in ("deal", "stage_transition"):
        faults.add(place, "stages need a pipelines: section that says what each one means")

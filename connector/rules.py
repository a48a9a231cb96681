"""The mapping file's field language, compiled once: `path, first_of, const, default, table, currency, as`.

Reading a file collects every fault it has (file:line: key) instead of stopping at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby
from typing import Any

from connector import convert
from connector.document import Document
from connector.errors import Fault, MappingError
from connector.model import CHOICES, ENTITIES, Entity, Field, Kind, Value, column
from connector.nearest import hint
from connector.paths import Getter, compile_path, steps, within

Place = tuple[str | int, ...]

_KEYS = ("path", "first_of", "const", "default", "table", "currency", "as")


@dataclass(slots=True)
class Faults:
    """The faults found so far in one mapping file."""

    document: Document
    found: list[Fault]

    def add(self, place: Place, message: str) -> None:
        self.found.append(self.document.fault(place, message))

    def quote(self, place: Place) -> None:
        self.found.append(self.document.quote_it(place))

    def unknown(self, place: Place, given: Mapping[Any, Any], known: tuple[str, ...], what: str) -> None:
        """Faults for keys that are not known, which list the known ones."""
        for key in given:
            if key not in known:
                self.add((*place, key), f"{what} has no {key!r}; known: {', '.join(known)}{hint(key, known)}")


@dataclass(slots=True)
class Rule:
    """How one field is filled: where its raw value is found, what stands for null, and how it is converted.

    `steps`: the keys that lead to the raw value where the path is a plain dotted one; else `raw` finds it. `place`:
    where it stands in the mapping file.
    """

    entity: str
    field: str
    column: str
    path: str
    raw: Getter
    convert: convert.Converter
    steps: tuple[str, ...] | None = None
    place: Place = ()


def reader(rules: Sequence[Rule]) -> Callable[[Any], list[Value]]:
    """A function from a record (or list item with its record) to the stored values of these rules, in their order.

    After the last one stands a None, for what no rule fills. The function raises MappingError. It is where most of the
    time of a sync goes, so the raw values under a common parent are taken in one sweep, and text is not converted.
    """
    sweeps = list(_sweeps(rules))
    is_text = [rule.convert is convert.text for rule in rules]
    converters = [rule.convert for rule in rules]

    def read(scope: Any) -> list[Value]:
        raw: list[Any] = []
        try:
            for sweep in sweeps:
                raw += sweep(scope)
            values = [
                value if text and type(value) is str and value and "\0" not in value
                else None if value is None or value == "" else converted(value)
                for value, text, converted in zip(raw, is_text, converters, strict=True)
            ]
        except ValueError:
            raise _first_fault(rules, scope) from None
        values.append(None)
        return values

    return read


def _sweeps(rules: Sequence[Rule]) -> Iterator[Callable[[Any], Iterable[Any]]]:
    """Functions that give the raw values of neighbouring rules with one parent, or of a rule that is no plain path."""
    for parent, group in groupby(rules, key=lambda rule: rule.steps and rule.steps[:-1]):
        if parent is None:
            yield from (_alone(rule.raw) for rule in group)
        else:
            yield _under(within(parent), [rule.steps[-1] for rule in group if rule.steps])


def _alone(raw: Getter) -> Callable[[Any], Iterable[Any]]:
    return lambda scope: (raw(scope),)


def _under(parent: Callable[[Any], Mapping[str, Any]], keys: Sequence[str]) -> Callable[[Any], Iterable[Any]]:
    return lambda scope: map(parent(scope).get, keys)


def _first_fault(rules: Sequence[Rule], scope: Any) -> MappingError:
    """The fault of the first rule that cannot read what it finds."""
    for rule in rules:
        try:
            value = rule.raw(scope)
            if value is not None and value != "":
                rule.convert(value)
        except ValueError as error:
            return MappingError(rule.entity, rule.field, rule.path, str(error))
    raise AssertionError("a record that could not be read can be read")


def as_column(field: str) -> str:
    """The column of a field of the mapping language; own fields keep their name."""
    return field if field.startswith("extra.") else column(field)


def field_rules(
    faults: Faults, place: Place, entity: Entity, name: str, spec: Any, *, zone: tzinfo, qualify: Callable[[str], str]
) -> list[Rule]:
    """The rules of one field: one, or two for money with its currency. Empty when it has faults."""
    field = _known_field(faults, place, entity, name)
    if field is None:
        return []
    if isinstance(spec, str):
        spec = {"path": spec}
    if not isinstance(spec, dict):
        faults.add(place, "expected a path, or a mapping with path, first_of or const")
        return []
    faults.unknown(place, spec, _KEYS, "a field")
    raw = _raw(faults, place, spec)
    converter = _converter(faults, place, field, spec, zone)
    if raw is None or converter is None:
        return []
    if field.kind is Kind.REFERENCE:
        converter = _qualified(converter, qualify)
    choices = CHOICES.get((entity.name, name))
    if choices:
        converter = _chosen(converter, choices)
    _check_constants(faults, place, spec, converter)
    rules = [Rule(entity.name, name, as_column(name), _source_path(spec), raw, converter, _steps(spec), place)]
    if field.kind is Kind.MONEY:
        rules += _currency_rules(faults, place, entity.name, name, spec)
    elif "currency" in spec:
        faults.add((*place, "currency"), "only money has a currency")
    return rules


def _known_field(faults: Faults, place: Place, entity: Entity, name: str) -> Field | None:
    if name.startswith("extra.") and not entity.facts:
        return Field(Kind.TEXT)
    if name == "seen_at":
        return Field(Kind.INSTANT)
    field = entity.fields.get(name)
    if field is None:
        known = ", ".join(entity.fields) + ("" if entity.facts else ", extra.NAME")
        faults.add(place, f"{entity.name} has no field {name!r}; known: {known}{hint(name, entity.fields)}")
    return field


def _currency_rules(faults: Faults, place: Place, entity: str, name: str, spec: dict[str, Any]) -> list[Rule]:
    if "currency" not in spec:
        faults.add(place, "an amount never travels without its currency; add currency: PATH or currency: {const: EUR}")
        return []
    inner, there = spec["currency"], (*place, "currency")
    if isinstance(inner, str):
        inner = {"path": inner}
    if not isinstance(inner, dict):
        faults.add(there, "expected a path, or a mapping with path, first_of or const")
        return []
    faults.unknown(there, inner, tuple(key for key in _KEYS if key != "currency"), "a currency")
    raw = _raw(faults, there, inner)
    if raw is None:
        return []
    _check_constants(faults, there, inner, convert.currency)
    path = _source_path(inner)
    return [Rule(entity, f"{name}.currency", "currency", path, raw, convert.currency, _steps(inner), there)]


def _check_constants(faults: Faults, place: Place, spec: dict[str, Any], converter: convert.Converter) -> None:
    """What the file itself says must be what the field takes, before any record is read."""
    given: list[tuple[Place, Any]] = [((*place, name), spec.get(name)) for name in ("const", "default")]
    if isinstance(spec.get("table"), dict):
        given += [((*place, "table", word), ours) for word, ours in spec["table"].items()]
    for there, value in given:
        try:
            if value is not None and value != "":
                converter(value)
        except ValueError as error:
            faults.add(there, str(error))


def _source_path(spec: Mapping[str, Any]) -> str:
    if "path" in spec:
        return str(spec["path"])
    if isinstance(spec.get("first_of"), list):
        return " or ".join(str(path) for path in spec["first_of"])
    return "a constant"


def _steps(spec: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The keys of a field that is nothing but a plain path."""
    return None if "table" in spec or "default" in spec or "path" not in spec else steps(spec["path"])


def _raw(faults: Faults, place: Place, spec: dict[str, Any]) -> Getter | None:
    """The function that finds a field's raw value: path, first_of or const, then table, then default."""
    ways = [way for way in ("path", "first_of", "const") if way in spec]
    if len(ways) != 1:
        faults.add(place, "expected exactly one of path, first_of, const")
        return None
    (way,) = ways
    there = (*place, way) if isinstance(faults.document.get(place), dict) else place  # `name: path` has no key `path`
    getter = _getter(faults, there, way, spec[way])
    if getter is None:
        return None
    if "table" in spec:
        getter = _looked_up(faults, (*place, "table"), spec, getter)
    fallback = spec.get("default")
    if fallback is None or getter is None:
        return getter
    found = getter

    def or_default(scope: Any) -> Any:
        value = found(scope)
        return fallback if value is None or value == "" else value

    return or_default


def _getter(faults: Faults, place: Place, way: str, given: Any) -> Getter | None:
    if way == "const":
        return lambda _scope: given
    paths = given if way == "first_of" else [given]
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        faults.add(place, "expected a path" if way == "path" else "expected a list of paths")
        return None
    getters = []
    for number, path in enumerate(paths):
        try:
            getters.append(compile_path(path))
        except ValueError as error:
            faults.add((*place, number) if way == "first_of" else place, str(error))
    if len(getters) != len(paths):
        return None
    if len(getters) == 1:
        return getters[0]

    def first(scope: Any) -> Any:
        for getter in getters:
            value = getter(scope)
            if value is not None and value != "":
                return value
        return None

    return first


def _looked_up(faults: Faults, place: Place, spec: dict[str, Any], getter: Getter) -> Getter | None:
    table = spec["table"]
    if not isinstance(table, dict):
        faults.add(place, "expected a mapping from the source's words to ours")
        return None
    for key in table:
        if not isinstance(key, str):
            faults.quote((*place, key))
    known = ", ".join(str(key) for key in table)
    lenient = "default" in spec

    def look_up(scope: Any) -> Any:
        value = getter(scope)
        if value is None or value == "":
            return None
        key = convert.text(value)
        if key in table:
            return table[key]
        if lenient:
            return None
        raise ValueError(f"not in its table; the table has {known}; add the word or a default")

    return look_up


def _converter(
    faults: Faults, place: Place, field: Field, spec: dict[str, Any], zone: tzinfo
) -> convert.Converter | None:
    given = spec.get("as")
    if given is None:
        return convert.default(field.kind, zone)
    named = named_converter(faults, (*place, "as"), given, zone)
    if named is None:
        return None
    made, own = named
    return _then(made, convert.default(field.kind, zone)) if own else made


def named_converter(
    faults: Faults, place: Place, given: Any, zone: tzinfo
) -> tuple[convert.Converter, bool] | None:
    """The converter an `as` names, and whether it is a function of the user's; None when it has faults."""
    name, arguments = given, None
    if isinstance(given, dict) and len(given) == 1:
        ((name, arguments),) = given.items()
    try:
        if not isinstance(name, str) or not isinstance(arguments, dict | None):
            raise ValueError("expected a converter's name, or {name: {argument: value}}")
        return convert.build(name, arguments or {}, zone), "." in name
    except (ValueError, TypeError) as error:
        faults.add(place, str(error))
        return None


def _then(own: convert.Converter, kind: convert.Converter) -> convert.Converter:
    """A user's function, then the conversion of the field's kind, so what is stored always has its form."""

    def both(value: Any) -> Value:
        found = own(value)
        return None if found is None or found == "" else kind(found)

    return both


def _qualified(converter: convert.Converter, qualify: Callable[[str], str]) -> convert.Converter:
    return lambda value: qualify(str(found)) if (found := converter(value)) is not None else None


def _chosen(converter: convert.Converter, choices: tuple[str, ...]) -> convert.Converter:
    def one_of(value: Any) -> Value:
        found = converter(value)
        if found is not None and found not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}; use a table to say which word means what")
        return found

    return one_of


def entity_named(faults: Faults, place: Place, name: Any) -> Entity | None:
    """The entity of that name, or a fault that lists them."""
    entity = ENTITIES.get(name) if isinstance(name, str) else None
    if entity is None:
        faults.add((*place, "entity"), f"no entity {name!r}; known: {', '.join(ENTITIES)}{hint(name, ENTITIES)}")
    return entity

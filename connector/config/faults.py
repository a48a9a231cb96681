"""What pydantic finds wrong, as faults of the file: line, dotted key, what was found and what is expected."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from connector.document import Document
from connector.errors import Fault
from connector.nearest import hint
from connector.yaml_reader import Place

_KINDS = {
    str: "text", bool: "a boolean", int: "a number", float: "a number", dict: "a mapping", list: "a list",
    type(None): "nothing",
}
_WANTED = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "object": "a mapping", "array": "a list",
}
_PLAIN_WORDS = {  # of pydantic's error types
    "model_type": "a mapping", "model_attributes_type": "a mapping", "dict_type": "a mapping", "string_type": "text",
    "list_type": "a list",
}


def unknown_key(document: Document, place: Place, known: Collection[str]) -> Fault:
    """The fault of a key nobody reads: the known ones and, where it looks like a slip, the nearest."""
    listed = ", ".join(sorted(known)) or "none"
    return document.fault(place, f"unknown key, expected one of: {listed}{hint(place[-1], known)}")


def unknown_name(document: Document, place: Place, found: str, known: Collection[str], what: str) -> Fault:
    """The fault of a value that names nothing."""
    listed = ", ".join(sorted(known)) or "none is there"
    return document.fault(place, f"there is no {what} {found!r}, expected one of: {listed}{hint(found, known)}")


def of(
    error: ValidationError, document: Document, place: Place, model: type[BaseModel], beside: Collection[str] = ()
) -> list[Fault]:
    """The faults of one model that was read at that place; `beside` are more keys known there.

    Never says a value, since it may be a secret.
    """
    schema = model.model_json_schema()
    found: dict[str, Fault] = {}
    for one in error.errors(include_url=False, include_input=True, include_context=False):
        inside, given = _real_place(one["loc"], document.get(place), one["type"])
        fault = _fault(document, (*place, *inside), one, given, schema, beside if len(one["loc"]) == 1 else ())
        earlier = found.get(fault.key)
        found[fault.key] = _either(earlier, fault) if earlier else fault
    return list(found.values())


def without(data: Any, model: type[BaseModel]) -> dict[str, Any]:
    """The data less what is at fault in it; empty where it is no mapping."""
    if not isinstance(data, dict):
        return {}
    left = copy.deepcopy(data)
    try:
        model.model_validate(left)
    except ValidationError as error:
        places = {_real_place(one["loc"], left, one["type"])[0] for one in error.errors(include_url=False)}
        for place in sorted(places - {()}, key=_order, reverse=True):  # the later items of a list first
            _remove(left, place)
    return left


def _order(place: Place) -> list[str]:
    return [str(step).zfill(9) for step in place]


def _remove(data: Any, place: Place) -> None:
    *above, last = place
    for step in above:
        data = data[int(step)] if isinstance(data, list) else data.get(step, {})
    if isinstance(data, list):
        del data[int(last)]
    else:
        data.pop(last, None)


def _either(one: Fault, other: Fault) -> Fault:
    """One fault of two at the same place, where a value fits no member of a union."""
    if "quote it" in one.message or other.message in one.message:
        return one
    if "quote it" in other.message:
        return other
    wanted = other.message.partition("expected ")[2]
    return replace(one, message=f"{one.message}, or {wanted}") if wanted else one


def _fault(
    document: Document, place: Place, error: Any, given: Any, schema: Mapping[str, Any], beside: Collection[str]
) -> Fault:
    kind, message, location = error["type"], error["msg"], error["loc"]
    if kind == "extra_forbidden":
        known = {key for node in _nodes(schema, schema, location[:-1]) for key in node.get("properties", ())}
        return unknown_key(document, place, known | set(beside))
    if kind == "missing":
        wanted = dict.fromkeys(_wanted(node) for node in _nodes(schema, schema, location))
        return document.fault(place, f"is missing, expected {' or '.join(wanted) or 'a value'}")
    if kind == "string_type" and isinstance(given, (int, float)) and document.written(place):
        return document.quote_it(place)
    if kind in ("value_error", "assertion_error"):
        text = message.split(", ", 1)[1]
        return document.fault(place, text if "expected" in text else f"not as expected: {text}")
    if kind == "too_short" or (kind == "string_too_short" and given == ""):
        return document.fault(place, f"is empty, expected {'text' if given == '' else 'at least one'}")
    if kind in _PLAIN_WORDS:
        text = f"expected {_PLAIN_WORDS[kind]}"
    else:
        text = message.replace("Input should be", "expected").replace("String should", "expected text that should")
        text = text[:1].lower() + text[1:]
    return document.fault(place, f"found {_KINDS.get(type(given), 'something else')}, {text}")


def _real_place(location: tuple[Any, ...], data: Any, kind: str) -> tuple[Place, Any]:
    """The part of pydantic's location that stands in the file (it also names the members of a union), and its value."""
    place: list[str | int] = []
    for number, step in enumerate(location):
        is_last = number == len(location) - 1
        in_list = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if in_list or (isinstance(data, dict) and step in data):
            data = data[step]
        elif not (is_last and kind == "missing"):
            continue
        place.append(step)
    return tuple(place), data


def _nodes(node: Mapping[str, Any], root: Mapping[str, Any], location: tuple[Any, ...]) -> Iterator[Mapping[str, Any]]:
    """The parts of a JSON Schema that speak of that location."""
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        yield from _nodes(root["$defs"][name] | {"x-name": name}, root, location)
        return
    options = node.get("anyOf") or node.get("oneOf")
    if options:
        for option in options:
            yield from _nodes(option, root, location)
        return
    if not location:
        yield node
        return
    step, rest = location[0], location[1:]
    if step in node.get("properties", {}):
        yield from _nodes(node["properties"][step], root, rest)
    elif isinstance(step, int) and isinstance(node.get("items"), dict):
        yield from _nodes(node["items"], root, rest)
    elif isinstance(node.get("additionalProperties"), dict):
        yield from _nodes(node["additionalProperties"], root, rest)
    elif step == node.get("x-name"):  # the member of a union that pydantic tried
        yield from _nodes(node, root, rest)


def _wanted(node: Mapping[str, Any]) -> str:
    if "enum" in node:
        return "one of: " + ", ".join(map(str, node["enum"]))
    example = f", such as {node['examples'][0]}" if node.get("examples") else ""
    return _WANTED.get(str(node.get("type")), "a value") + example

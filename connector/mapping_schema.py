"""The JSON Schema of mapping files, for editors: `docs/mapping.schema.json`, and `connector mapping schema`.

In a file: `# yaml-language-server: $schema=…/mapping.schema.json`. It is made of the model, the named converters and
the pipelines' keys; what a schema cannot say (paths that lead to nothing, a field filled twice) `connector check` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from connector import convert, pipelines
from connector.mapping import NEEDED
from connector.mapping_words import (
    CONVERTER_WORDS,
    ENTITY_WORDS,
    ENTRY_WORDS,
    FIELD_WORDS,
    KIND_WORDS,
    SPEC_WORDS,
    STAGE_WORDS,
)
from connector.model import CHOICES, ENTITIES, Canonical, Entity, Kind

_TEXT = {"type": "string"}
_DECIDED = ("name", "order", "canonical", "recycle", "starts", "won")
"""Fields of stage and pipeline that the pipelines section decides."""


def schema() -> dict[str, Any]:
    """The schema as plain values."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mapping file of pipeline-connector",
        "description": "What a source's records mean: left of a colon our name, right of it the path in the record.",
        "type": "object",
        "properties": {
            "pipelines": {
                "description": "By the source's pipeline id, in quotes: its name and what its stages stand for. "
                "A record in a stage that is not listed is set aside.",
                "type": ["object", "null"], "additionalProperties": {"$ref": "#/$defs/pipeline"},
            },
            "entities": {
                "description": "What records become; one entity may be filled from several streams.",
                "type": "array", "items": {"$ref": "#/$defs/entry"},
            },
            "tests": {
                "description": "Records and what they have to become: `connector mapping test`.",
                "type": "array", "items": {"$ref": "#/$defs/test"},
            },
        },
        "required": ["entities"],
        "additionalProperties": False,
        "$defs": {
            "pipeline": _pipeline(), "stage": _stage(), "entry": _entry(), "test": _test(), "as": _as(),
            "spec": _spec(with_currency=True), "currency": _spec(with_currency=False),
        },
    }


def text() -> str:
    """The schema as it is kept in docs/mapping.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _pipeline() -> dict[str, Any]:
    events = list(pipelines.EVENTS)
    return {
        "type": "object", "required": ["stages"], "additionalProperties": False,
        "properties": {
            "name": {**_TEXT, "description": "Yours: used in `where`, `by` and reports. The id without one."},
            "stages": {
                "description": "By the source's stage id, in quotes, in the order of the pipeline. One has to be "
                "closed_won and one closed_lost.",
                "type": "object", "additionalProperties": {"$ref": "#/$defs/stage"},
            },
            "starts": {"description": "At which event a deal begins; created is the default.",
                       "enum": ["created", *events]},
            "won": {"description": "At which event a deal is won; the closed_won stage without.", "enum": events},
            "recycle": {
                "description": "By lost reason how long after the loss a deal is due for a retry: 90d, or never.",
                "type": "object", "required": ["default"],
                "additionalProperties": {"type": "string", "pattern": "^(never|[0-9].*)$"},
            },
        },
    }


def _stage() -> dict[str, Any]:
    step = {"description": "The canonical stage: the step of selling it stands for.",
            "oneOf": [{"const": one.value, "description": STAGE_WORDS[one.value]} for one in Canonical]}
    long = {
        "type": "object", "required": ["to"], "additionalProperties": False,
        "properties": {
            "to": step, "name": {"description": "The stage's name to show; the id without one."},
            "probability": {
                "type": "number", "minimum": 0, "maximum": 1, "description": "How likely a deal in it is won.",
            },
            "archived": {"type": "boolean", "description": "No longer in use."},
        },
    }
    return {"if": {"type": "string"}, "then": step, "else": long}


def _entry() -> dict[str, Any]:
    keys = {name: {"description": said} for name, said in ENTRY_WORDS.items()}
    keys["entity"]["oneOf"] = [  # type: ignore[assignment]  # a schema's values are of any kind
        {"const": name, "description": ENTITY_WORDS[name]} for name in ENTITIES
    ]
    keys["key"] |= {"type": ["string", "array"], "items": _TEXT}  # type: ignore[dict-item]  # as above
    for name in ("stream", "each", "only_if"):
        keys[name] |= _TEXT
    return {
        "type": "object", "required": ["entity", "stream", "fields"], "additionalProperties": False, "properties": keys,
        "allOf": [_of_entity(entity) for entity in ENTITIES.values()],
    }


def _of_entity(entity: Entity) -> dict[str, Any]:
    """What holds for the entries of one entity: its fields, and whether it needs a key."""
    fields = {name: _field(entity, name) for name in entity.fields if entity.name not in ("stage", "pipeline")
              or name not in _DECIDED}
    fields["seen_at"] = {"description": "When a row was known (history_import).", **_either()}
    own = {} if entity.facts else {
        "patternProperties": {r"^extra\.": {"description": "A field of your own.", **_either()}}
    }
    held = {"type": "object", "properties": fields, "additionalProperties": False, **own}
    if needed := NEEDED.get(entity.name):
        held["required"] = list(needed)
    then: dict[str, Any] = {"properties": {"fields": held}}
    if not entity.key and not entity.facts:
        then["required"] = ["key"]
    return {"if": {"properties": {"entity": {"const": entity.name}}, "required": ["entity"]}, "then": then}


def _field(entity: Entity, name: str) -> dict[str, Any]:
    """One field: what it means and is, which words it takes."""
    kind, choices = entity.fields[name].kind, CHOICES.get((entity.name, name))
    said = f"{FIELD_WORDS[entity.name][name]} {KIND_WORDS[kind.value]}"
    if choices:
        said += f" One of {', '.join(choices)}: use a table to say which word means what."
    if kind is Kind.MONEY:
        return {"description": said, "allOf": [{"$ref": "#/$defs/spec"}], "type": "object", "required": ["currency"]}
    return {"description": said, **_either()}


def _either() -> dict[str, Any]:
    """A path, or a mapping."""
    return {"if": {"type": "string"}, "else": {"$ref": "#/$defs/currency"}, "type": ["string", "object"]}


def _spec(*, with_currency: bool) -> dict[str, Any]:
    """A field that is more than a path; only money has a currency."""
    keys: dict[str, dict[str, Any]] = {name: {"description": said} for name, said in SPEC_WORDS.items()}
    keys["path"] |= _TEXT
    keys["first_of"] |= {"type": "array", "minItems": 1, "items": _TEXT}
    keys["table"] |= {"type": "object"}
    keys["as"] |= {"$ref": "#/$defs/as"}
    keys["currency"] |= _either()
    if not with_currency:
        del keys["currency"]
    ways = [{"required": [way]} for way in ("path", "first_of", "const")]
    return {"type": "object", "additionalProperties": False, "properties": keys, "oneOf": ways}


def _as() -> dict[str, Any]:
    names = [{"const": name, "description": CONVERTER_WORDS[name]} for name in convert.NAMES]
    own = {"type": "string", "pattern": r"^\w+(\.\w+)+$", "description": "A function of your own."}
    with_arguments = {
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False,
        "properties": {name: _arguments(name, arguments) for name, arguments in convert.NAMES.items()},
    }
    return {"if": {"type": "string"}, "then": {"anyOf": [*names, own]}, "else": with_arguments}


def _arguments(name: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    return {
        "description": CONVERTER_WORDS[name], "type": "object", "additionalProperties": False,
        "properties": dict.fromkeys(arguments, _TEXT),
    }


def _test() -> dict[str, Any]:
    keys: Mapping[str, Any] = {
        "name": {**_TEXT, "description": "What it shows."}, "stream": {**_TEXT, "description": "Of which stream."},
        "record": {"type": "object", "description": "A record as the source sends it."},
        "expect": {
            "type": "object", "description": "By entity the fields of a row, of several a list, null for none.",
            "propertyNames": {"enum": list(ENTITIES)},
        },
    }
    return {"type": "object", "required": ["stream", "record", "expect"], "properties": keys}


if __name__ == "__main__":  # python -m connector.mapping_schema > docs/mapping.schema.json
    print(text(), end="")

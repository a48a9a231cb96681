"""The JSON Schema of config.yaml, for editors: `docs/config.schema.json`, and `connector config schema`.

In a file: `# yaml-language-server: $schema=…/config.schema.json`. The keys of our own adapters are in it; an adapter of
your own takes any key here and is checked when the config is loaded.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from connector.config.adapters import Either, load_adapter, shipped
from connector.config.keys import ConfigKeys, DestinationKeys, KpiKeys, ScorecardKeys, SourceKeys
from connector.ports import Destination, Source


def schema() -> dict[str, Any]:
    """The schema, with the adapters found beside this package."""
    definitions: dict[str, Any] = {}
    whole = _of(ConfigKeys, definitions, "")
    keys = whole["properties"]
    keys["sources"]["additionalProperties"] = _part(SourceKeys, Source, definitions)
    keys["destinations"]["additionalProperties"] = _part(DestinationKeys, Destination, definitions)
    keys["scorecards"]["items"] = _of(ScorecardKeys, definitions, "")
    keys["kpis"]["items"] = _of(KpiKeys, definitions, "")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "config.yaml of pipeline-connector",
        **{key: value for key, value in whole.items() if key != "title"},
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as it is kept in docs/config.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _part(keys: type[BaseModel], port: Either, definitions: dict[str, Any]) -> dict[str, Any]:
    """A source or destination: the common keys, and by `adapter` those of our own ones."""
    common = _of(keys, definitions, "")
    known = []
    for name in shipped(port):
        make: Either = load_adapter(name, port)  # type: ignore[type-var]  # one of the two ports
        own = _of(make.Settings, definitions, f"{name}_{port.__name__.lower()}_")
        every = dict.fromkeys(common["properties"], True) | own.get("properties", {})
        known.append(
            {
                "if": {"properties": {"adapter": {"const": name}}, "required": ["adapter"]},
                "then": {"properties": every, "required": own.get("required", []), "additionalProperties": False},
            }
        )
    common["properties"]["adapter"]["examples"] = shipped(port)
    return {**common, "additionalProperties": True, "allOf": known}


def _of(model: type[BaseModel], definitions: dict[str, Any], prefix: str) -> dict[str, Any]:
    """One model's schema; what it refers to goes into `definitions`, its names prefixed."""
    made = model.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}")
    definitions |= {f"{prefix}{name}": _plain(part) for name, part in made.pop("$defs", {}).items()}
    plain: dict[str, Any] = _plain(made)
    return plain


def _plain(node: Any) -> Any:
    """Without pydantic's automatic titles, which only repeat the key."""
    if isinstance(node, dict):
        return {
            key: _plain(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
        }
    return [_plain(value) for value in node] if isinstance(node, list) else node


if __name__ == "__main__":  # python -m connector.config.schema > docs/config.schema.json
    print(text(), end="")

"""The JSON Schema of config.yaml, for editors: `docs/config.schema.json`, and `connector config schema`.

In a file: `# yaml-language-server: $schema=…/config.schema.json`. The keys of our own adapters are in it; an adapter of
your own takes any key here and is checked when the config is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from connector.config.adapters import Either, load_adapter, shipped
from connector.config.keys import ConfigKeys, DestinationKeys, KpiKeys, ScorecardKeys, SourceKeys
from connector.ports import Destination, Source

WORDS: Mapping[str, str] = {
    "algorithm": "The hash.", "answer": "What an answer says: the id, whether it is there already, whether it is well.",
    "api_version": "Which version of the vendor's API.",
    "associations": "By stream the further types whose links are read with its records.",
    "auth": "How it is signed in.", "base_url": "Its address; the vendor's own where it has one.",
    "basic": "User and password with each call.", "client_id": "The app's id.",
    "client_secret": "The app's secret: ${VARIABLE}.", "compare": "By field how far it may differ.",
    "complete": "Whether the file shows every row there is: those missing from it are deleted, guarded.",
    "cursor": "Pages that name where the next one begins.", "database": "The database's name.",
    "delete": "The call that takes it away.", "employees": "How its list of employees is read.",
    "encoding": "How the signature is written.", "file": "The file's name, .csv or .xlsx.",
    "files": "By stream its file, and the columns that identify a row.", "find": "How what is there already is found.",
    "folder": "Where the files lie, from the config file.", "get": "The address of the list.",
    "history": "The fields whose past is read.", "hmac": "A signature of each call.",
    "hooks": "What the vendor's calls to us are signed with.", "key": "What it is signed in with: ${VARIABLE}.",
    "login": "A first call that gives a token.", "modified": "The column that says when a row last changed.",
    "nest": "By name the tables whose rows belong to a record: a list in it.", "number": "Pages by number.",
    "oauth": "An app's id, secret and refresh token, instead of a token.", "offset": "Pages by the rows before them.",
    "on": "The column both files have, or {column here: column there}.", "password": "The user's: ${VARIABLE}.",
    "patch": "The call that changes it.", "post": "The call that makes it.",
    "properties": "By stream fields of your own to read beside the usual ones.", "put": "The call that replaces it.",
    "query": "What stands behind the address.", "read_back": "How what was sent is read and compared.",
    "refresh_token": "The token that gives new ones: ${VARIABLE}.", "secret": "What is signed with: ${VARIABLE}.",
    "sheet": "Of a workbook; its first without.", "splits": "Whether deals are read with their shares.",
    "timestamp_format": "How the time of a call is written.", "token": "What it is signed in with: ${VARIABLE}.",
    "user": "Who signs in.",
}
"""What a key of an adapter means that the adapter itself does not describe."""

FILE_KEYS = {"key": "The column that identifies a row, or a list of them."}
"""The same of a table's keys, where `key` is a column."""


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
    names = made.pop("$defs", {})
    definitions |= {f"{prefix}{name}": _plain(part) for name, part in names.items()}
    plain: dict[str, Any] = _plain(made)
    for part in (plain, *(definitions[f"{prefix}{name}"] for name in names)):
        _described(part)
    return plain


def _described(model: dict[str, Any]) -> None:
    """Say what those keys of a model mean that it says nothing of itself."""
    keys = model.get("properties", {})
    known = {**WORDS, **FILE_KEYS} if "file" in keys else WORDS
    for name, told in keys.items():
        if "description" not in told and name in known:
            told["description"] = known[name]


def _plain(node: Any) -> Any:
    """Without pydantic's automatic titles, which only repeat the key."""
    if isinstance(node, dict):
        return {
            key: _plain(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
        }
    return [_plain(value) for value in node] if isinstance(node, list) else node


if __name__ == "__main__":  # python -m connector.config.schema > docs/config.schema.json
    print(text(), end="")

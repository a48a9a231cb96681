"""Destinations described beforehand: `preset: bamboohr` is the file presets/bamboohr.yaml, with what `given` says.

A preset is a file of the keys of a REST destination. Its own `given` names what it asks for (`is: mapping` where it is
one, `sends: true` where nothing can be sent without it); `((name))` in it stands
for that: as it is where it is the whole value, else as text. What the config says beside `preset` goes before it: a
mapping is merged by its keys, `auth` and everything else replaced; null leaves a key out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from connector import document

_IN_WHEEL = Path(__file__).parents[1] / "presets"
_IN_REPOSITORY = Path(__file__).parents[2] / "presets"
PRESETS = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_REPOSITORY

_HOLE = re.compile(r"\(\((\w+)\)\)")
_REPLACED = {"auth", "headers", "decode"}
_EXCLUSIVE = ({"post", "put", "patch", "get", "delete"}, {"next", "page", "pages"})


def names() -> list[str]:
    """Every preset we ship."""
    return sorted(file.stem for file in PRESETS.glob("*.yaml"))


def applied(data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a destination with its preset filled in. Raises ValidationError for what is missing or unknown."""
    name, given = data["preset"], data.get("given") or {}
    if not isinstance(name, str) or name not in names():
        raise _faults({("preset",): f"there is no preset {name!r}, expected one of: {', '.join(names())}"})
    if not isinstance(given, dict):
        raise _faults({("given",): "expected a mapping of what the preset asks for"})
    written = read(name)
    asked: Mapping[str, Any] = written["given"]
    faults: dict[tuple[str, ...], str] = {}
    for key in given:
        if key not in asked:
            faults["given", str(key)] = f"the preset {name} asks for no {key!r}, expected of: {', '.join(asked)}"
    missing = [key for key, about in asked.items() if "default" not in about and given.get(key) in (None, "")]
    if missing:
        wanted = "; ".join(f"{key} ({asked[key]['about']})" for key in missing)
        faults["given",] = f"the preset {name} asks for more, expected also {wanted}"
    for key in given.keys() & asked.keys():
        is_mapping = isinstance(given[key], dict)
        if is_mapping != (asked[key].get("is") == "mapping") and given[key] is not None:
            found = "a mapping" if is_mapping else type(given[key]).__name__
            wanted = asked[key]["about"] if not is_mapping else "one text or number"
            faults["given", key] = f"found {found}, expected {wanted}"
    if faults:
        raise _faults(faults)
    said = {key: given.get(key, about.get("default")) for key, about in asked.items()}
    whole = {key: value for key, value in written.items() if key not in ("about", "given")}
    if lacking := [key for key, about in asked.items() if about.get("sends") and not said[key]]:
        whole["unready"] = f"expected given.{lacking[0]} before anything is sent: {asked[lacking[0]]['about']}"
    made = _merged(_filled(whole, said), {key: value for key, value in data.items() if key != "given"})
    return {key: value for key, value in made.items() if value is not None}


@lru_cache(maxsize=32)
def read(name: str) -> Mapping[str, Any]:
    """A preset as it is written; not to be changed."""
    data: Mapping[str, Any] = document.read(str(PRESETS / f"{name}.yaml")).data
    return data


def _filled(value: Any, said: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        made = {_text(key, said): _filled(inner, said) for key, inner in value.items()}
        return {key: inner for key, inner in made.items() if inner is not None}
    if isinstance(value, list):
        return [_filled(inner, said) for inner in value]
    if isinstance(value, str):
        whole = _HOLE.fullmatch(value)
        return said[whole[1]] if whole else _text(value, said)
    return value


def _text(text: str, said: Mapping[str, Any]) -> str:
    return _HOLE.sub(lambda hole: str(said[hole[1]]), text)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any], *, is_top: bool = True) -> dict[str, Any]:
    """The keys of both, those of `over` first; mappings at the top are merged by key."""
    made = dict(under)
    for group in _EXCLUSIVE if not is_top else ():
        if group & over.keys():
            made = {key: value for key, value in made.items() if key not in group}
    for key, value in over.items():
        merges = is_top and key not in _REPLACED and isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = _merged(made[key], value, is_top=False) if merges else value
    return made if is_top else {key: value for key, value in made.items() if value is not None}


def _faults(found: Mapping[tuple[str, ...], str]) -> ValidationError:
    return ValidationError.from_exception_data(
        "preset",
        [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "Value error, {words}", {"words": words}), loc=place, input=None
            )
            for place, words in found.items()
        ],
    )

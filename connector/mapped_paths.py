"""Which paths of a mapping lead to nothing a source sends, by what it says it has. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from connector.paths import steps

_PATHS = ("key", "each", "only_if", "path", "first_of", "currency")
"""The keys of the mapping language that hold paths; what stands under a field's name is one, or holds some."""


def unserved(entities: Sequence[Any], stream: str, fields: Collection[str]) -> list[str]:
    """The mapped fields of a stream that are none of these, sorted.

    Only paths under what they stand under are looked at: with `properties.amount` among them any other `properties.…`
    of a record has to be as well; `associations.` alone says that there are none. With one that stands alone, such as
    `amount`, every plain path of a record has to begin like one of them. Paths of list items are not the record's.
    """
    parents = {field.rpartition(".")[0] for field in fields} - {""}
    heads = {keys[0]: False for field in fields if (keys := steps(field))}
    heads |= {keys[0]: True for field in fields if (keys := steps(field)) and len(keys) == 1}
    found: set[str] = set()
    for entry in entities:
        if isinstance(entry, Mapping) and entry.get("stream") == stream:
            for path in _paths(entry):
                own = re.sub(r"\brecord\.", "", path)
                for parent in parents:
                    names = re.findall(rf'(?<![\w.]){re.escape(parent)}\.(?:(\w+)|"([^"]+)")', own)
                    found.update(f"{parent}.{plain or quoted}" for plain, quoted in names)
            if any(heads.values()):
                found.update(_alone(entry, heads))
    return sorted(found - set(fields))


def _alone(entry: Mapping[str, Any], heads: Collection[str]) -> Iterator[str]:
    """The plain paths of an entry that lead into a record and begin like none of these."""
    of_items = {path for path in _paths(entry) if path != entry.get("each")} if entry.get("each") else set()
    for path in _paths(entry):
        if path in of_items and not path.startswith("record."):
            continue
        keys = steps(path.removeprefix("record.") if path in of_items else path)
        if keys and keys[0] not in heads:
            yield keys[0] if steps(keys[0]) else f'"{keys[0]}"'


def _paths(spec: Mapping[str, Any]) -> Iterator[str]:
    """Every path in an entry, or in a field of it."""
    for name in _PATHS:
        given = spec.get(name)
        if isinstance(given, Mapping):
            yield from _paths(given)
        else:
            yield from (one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str))
    for given in (spec.get("fields") or {}).values():
        yield from [given] if isinstance(given, str) else _paths(given) if isinstance(given, Mapping) else ()

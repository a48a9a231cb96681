"""Which paths of a mapping lead to nothing a source sends, by what it says it has. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

_PATHS = ("key", "each", "only_if", "path", "first_of", "currency")
"""The keys of the mapping language that hold paths; what stands under a field's name is one, or holds some."""


def unserved(entities: Sequence[Any], stream: str, fields: Collection[str]) -> list[str]:
    """The mapped fields of a stream that are none of these, sorted.

    Only paths under what they stand under are looked at: with `properties.amount` among them any other `properties.…`
    of a record has to be as well; `associations.` alone says that there are none. Paths of list items are not the
    record's.
    """
    parents = {field.rpartition(".")[0] for field in fields} - {""}
    found: set[str] = set()
    for entry in entities:
        if isinstance(entry, Mapping) and entry.get("stream") == stream:
            for path in _paths(entry):
                own = re.sub(r"\brecord\.", "", path)
                for parent in parents:
                    names = re.findall(rf'(?<![\w.]){re.escape(parent)}\.(?:(\w+)|"([^"]+)")', own)
                    found.update(f"{parent}.{plain or quoted}" for plain, quoted in names)
    return sorted(found - set(fields))


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

"""What a mapping makes of a value that no record holds yet: the field's own rule reads it out of a made-up record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.drift.finding import Written
from connector.model import Value
from connector.paths import holds, steps
from connector.rules import Rule


def record(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """A record (or a list item with its record) with these values at these paths; None where one is no plain path."""
    made: dict[str, Any] = {}
    for path, value in values.items():
        keys = steps(path)
        if keys is None:
            return None
        inner = made
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
    return made


def stored(rule: Rule, path: str, value: Any) -> Value:
    """What the rule makes of the value at that path of its own; a constant is that, and where the path is more than a
    plain one nobody can tell, and it is the value itself.

    Raises ValueError where a record with it would be set aside.
    """
    scope = record({path: value})
    raw = rule.raw({} if scope is None else scope)
    if raw is None or raw == "":
        return None if scope is not None else str(value)
    return rule.convert(raw)


def is_left_out(entry: Written, values: Mapping[str, Any]) -> bool:
    """Whether the entry's `only_if` says, by these values alone, that records with them are none of its business."""
    condition = entry.spec.get("only_if")
    if entry.rule.only_if is None or not isinstance(condition, str) or not any(path in condition for path in values):
        return False
    scope = record(values)
    try:
        return scope is not None and not holds(entry.rule.only_if(scope))
    except ValueError:
        return False

"""Which row of an answer speaks of which value sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from connector import convert
from connector.outgoing import Template
from connector.paths import compile_path
from connector.rest.calls import Item
from connector.rest.grammar import MORE, Answer


class Told(Enum):
    """What is known of a value no row speaks of."""

    TAKEN = "its row is not among the refused ones"
    NOTHING = "the answer has no verdict on it"


def verdicts(answer: Answer, items: Sequence[Item], keys: Sequence[str] | None, found: Any) -> list[Any] | str:
    """For each value its row, or what its absence tells; a text says why nothing can be told of any.

    `found` is what stands where `answer.rows` looks; `keys` are those of a mapping sent, one for each value.
    """
    if isinstance(found, Mapping) and keys is not None:
        return _under_keys(answer, items, keys, found)
    if not isinstance(found, list):
        return f"no verdicts on {len(items)} values, expected one each"
    if answer.row_index is not None:
        return _by_key(answer, [str(number) for number in range(len(items))], found, answer.row_index)
    if answer.row_key is not None:
        sent = Template(str(answer.sent_key), more=MORE)
        return _by_key(answer, [sent(item.named(None)) for item in items], found, answer.row_key)
    if len(found) != len(items):
        return f"{len(found)} verdicts on {len(items)} values, expected one each"
    return list(found)


def _under_keys(answer: Answer, items: Sequence[Item], keys: Sequence[str], found: Mapping[str, Any]) -> list[Any]:
    """A verdict under a key is for all values sent under it; a list of them is matched like any other."""
    told: list[Any] = [None] * len(items)
    for key in dict.fromkeys(keys):
        places = [number for number, one in enumerate(keys) if one == key]
        row = found.get(key, _absent(answer))
        if isinstance(row, list):
            rows = verdicts(answer, [items[number] for number in places], None, row)
            row = Told.NOTHING
        else:
            rows = [row] * len(places)
        for number, one in zip(places, [row] * len(places) if isinstance(rows, str) else rows, strict=True):
            told[number] = one
    return told


def _by_key(answer: Answer, sent: Sequence[str], found: Sequence[Any], path: str) -> list[Any] | str:
    rows: dict[str, Any] = {}
    get = compile_path(path)
    for row in found:
        try:
            key = convert.text(get(row))
        except ValueError:
            key = None
        if key is None or key not in sent:
            return "a verdict does not say whose it is, expected what was sent"
        if key in rows:
            return "two verdicts on one value, expected one each"
        rows[key] = row
    if len(set(sent)) != len(sent):
        return "two values were sent under one key; make sent_key tell them apart"
    return [rows.get(key, _absent(answer)) for key in sent]


def _absent(answer: Answer) -> Told:
    return Told.TAKEN if answer.only_refused else Told.NOTHING

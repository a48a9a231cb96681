"""Landed records beside what they become, as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from connector.cli.tables import table, when

if TYPE_CHECKING:
    from rich.console import Console

LONGEST = 40
"""Characters of a vendor's value, and of ours, that are shown."""

_HISTORY = ("stage_transition", "deal_change")


def show(console: Console, found: Mapping[str, Any]) -> None:
    """Each record: a line per field of what it makes, and a line per step of its history; or why it makes nothing."""
    for record in found["records"]:
        _record(console, record)
    console.print(f"by {found['mapping']['file']}; nothing was asked and nothing was written")


def _record(console: Console, record: Mapping[str, Any]) -> None:
    changed = f", changed {when(record['modified'])}" if record["modified"] else ""
    title = f"{record['stream']} {record['key']}{changed}"
    fault = record["fault"]
    if fault is None:
        table(console, title, ("becomes", "field", "value", "path", "found there", "line"), _lines(record))
    else:
        console.print(title, style="bold")
        console.print(f"cannot be mapped: {fault['reason']} ({_place(fault)})")
        if fault["path"]:
            console.print(f"{fault['path']} is {_raw(fault['raw'])}")
    if record["quarantine"] and not fault:
        held = record["quarantine"]
        console.print(f"set aside since {when(held['since'])}: {held['reason']}")
    for row in record["rows"]:
        if row["retracted"]:
            console.print(f"no {row['entity']} {row['id']}: its condition does not hold ({_place(row)})")
        elif empty := [one["field"] for one in row["fields"] if one["value"] is None and row["entity"] not in _HISTORY]:
            console.print(f"{row['entity']} {row['id']} has no {', '.join(empty)}")


def _lines(record: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The fields that have a value; each row is named once."""
    for row in record["rows"]:
        if row["entity"] in _HISTORY:
            yield _step(row)
            continue
        name = f"{row['entity']} {row['id']}"
        for one in row["fields"]:
            if one["value"] is not None:
                path, raw = one["path"] or "", _raw(one["raw"]) if one["path"] else ""
                yield name, one["field"], _ours(one["value"]), path, raw, _place(one)
                name = ""


def _step(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A fact of the past on one line: what came to be, when and by whom, and where that stands in the record."""
    fields = {one["field"]: one for one in row["fields"]}
    told = {name: one["value"] for name, one in fields.items()}
    main = fields["to" if row["entity"] == "stage_transition" else "new"]
    by = f" by {told['by']}" if told.get("by") else ""
    value = "none" if main["value"] is None else _cut(str(main["value"]))
    return (
        f"{row['entity']} of {row['id']}", str(told.get("field", "to")), f"{value} at {when(told['at'])}{by}",
        main["path"] or "", _raw(main["raw"]) if main["path"] else "", _place(main),
    )


def _place(one: Mapping[str, Any]) -> str:
    """`hubspot.yaml:93`, and the line that says what a stage is: `hubspot.yaml:93 and 14`."""
    means = f" and {one['means']['line']}" if one.get("means") else ""
    return f"{one['mapping']['file']}:{one['mapping']['line']}{means}"


def _ours(value: Any) -> str:
    return _cut(("yes" if value else "no") if isinstance(value, bool) else str(value))


def _raw(value: Any) -> str:
    """What the vendor sent, as JSON has it."""
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"

"""How `connector init` says what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector.cli.tables import table

if TYPE_CHECKING:
    from rich.console import Console

_HOW = {
    "open": "say it: ", "waits": "still waits for your word", "gone": "no longer at the source; kept, with a remark",
}
_FIELDS = {
    "left_out": "left out, the source does not send them", "offered": "offered as comments",
    "gone": "no longer at the source, marked",
}


def started(console: Console, found: Mapping[str, Any]) -> None:
    """The stages that were placed or are to be placed, the fields, the files, and what to do next."""
    rows = [
        (pipeline["name"], stage["id"], stage["name"], stage["to"] or "?", _how(stage))
        for pipeline in found["pipelines"] for stage in pipeline["stages"] if stage["state"] != "kept"
    ]
    if rows:
        table(console, f"Stages of {found['source']}", ("pipeline", "stage", "name", "stands for", "how"), rows)
    for pipeline in found["pipelines"]:
        if "state" in pipeline:
            console.print(f"pipeline {pipeline['name']}: {_HOW['gone']}")
    if found["guessed"]:
        table(
            console, "Guessed from names", ("entity", "stream", "field", "path"),
            [(one["entity"], one["stream"], one["field"], one["path"]) for one in found["guessed"]],
        )
    for state, said in _FIELDS.items():
        if paths := [f"{one['stream']} {one['path']}" for one in found["fields"] if one["state"] == state]:
            console.print(f"fields {said}: {_some(paths)}")
    table(console, "Files", ("file", "state"), [(one["file"], one["state"]) for one in found["files"]])
    for note in found["notes"]:
        console.print(note)
    _next(console, found)


def _how(stage: Mapping[str, Any]) -> str:
    return f"{_HOW['open']}{stage['why']}" if stage["state"] == "open" else _HOW.get(stage["state"], stage["why"])


def _some(paths: Sequence[str], most: int = 8) -> str:
    more = len(paths) - most
    return ", ".join(paths[:most]) + (f" and {more} more" if more > 0 else "")


def _next(console: Console, found: Mapping[str, Any]) -> None:
    counts = found["stages"]
    waits = counts.get("open", 0) + counts.get("waits", 0)
    guessed = counts.get("guessed", 0)
    if guessed:
        console.print(f"{guessed} {_stages(guessed)} guessed, marked so in {found['mapping']}: look at them")
    if waits:
        said = f"records in them are set aside until {found['mapping']} says it"
        console.print(f"{waits} {_stages(waits)} not guessed: {said}")
    if found["people"]:
        said = "put their employee codes in, save it as people.csv, and take the # before people: in the config away"
        console.print(f"{found['people']} lists {found['owners']} owners: {said}")
    if not any(one["state"] != "unchanged" for one in found["files"]):
        console.print("nothing new: no file was changed")
    console.print("→ connector check, then connector sync")


def _stages(count: int) -> str:
    return "stage" if count == 1 else "stages"

"""Answers of the App as tables a person can read; nothing is decided here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

COUNTS = ("requests", "records", "new", "changed", "unchanged", "deleted", "quarantined")
_NOT_DIGITS = re.compile(r" of | / |[-,.% ]")  # what may stand in a number, or between two of them
DELIVERED = ("owed", "confirmed", "refused", "unanswered", "dead")


def table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A title and a table; columns of numbers stand to the right. Without rows the title says "none"."""
    from rich import box
    from rich.table import Table

    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        console.print(f"{title}: none")
        return
    console.print(title, style="bold")
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        numbers = all(row[place] == "" or _is_number(row[place]) for row in cells)
        made.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        made.add_row(*row)
    console.print(made)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def _is_number(text: str) -> bool:
    return text in ("no data", "not reached") or _NOT_DIGITS.sub("", text).isdigit()


# --- runs ------------------------------------------------------------------------------------------------------------


def summary(console: Console, run: Mapping[str, Any]) -> None:
    """A run: a line per stream and per destination, what went wrong, and what to do next."""
    streams = [(source, stream) for source in run.get("sources", ()) for stream in source["streams"]]
    if streams:
        title = f"Run {run['run']}{' (dry run: nothing is written)' if run.get('dry_run') else ''}"
        table(
            console, title, ("source", "stream", "status", *COUNTS, "read up to"),
            [
                (source["source"], stream["stream"], stream.get("status"), *(stream[name] for name in COUNTS),
                 when(stream["cursor"]))
                for source, stream in streams
            ],
        )
    if run.get("destinations"):
        table(
            console, "Destinations", ("destination", *DELIVERED),
            [(one["destination"], *(one[name] for name in DELIVERED)) for one in run["destinations"]],
        )
    for one in run.get("destinations", ()):
        for change in one.get("changes", ()):
            console.print(_change({**change, "destination": one["destination"]}))
        for drift in one.get("drift", ()):
            console.print(f"{drift['key']}: changed there: {drift['message']}")
        if one.get("withdrawn") or one.get("drifted"):
            told = {"taken back": one.get("withdrawn"), "changed there by somebody": one.get("drifted")}
            said = ", ".join(f"{what}: {count:,}" for what, count in told.items() if count)
            console.print(f"{one['destination']}: {said}")
        if "requests" in one:
            console.print(
                f"{one['destination']}: {one['requests']:,} requests made; a push first reads back "
                f"{one['reads_first']:,} values nobody answered for"
            )
    for text in _troubles(run, streams):
        console.print(text)
    ended = f" at {when(run['ended_at'])}" if run.get("ended_at") else ""
    console.print(f"{run['status']}{ended}")


def _troubles(run: Mapping[str, Any], streams: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> Iterable[str]:
    from connector.cli import drifts

    for source in run.get("sources", ()):
        if source.get("error"):
            yield f"{source['source']}: {source['error']}"
        if source.get("mended"):
            yield f"{source['source']}: {source['mended']:,} records that were set aside are mapped again"
        yield from drifts.lines(source["source"], source.get("drift"))
    for source, stream in streams:
        if stream["error"]:
            yield f"{source['source']} {stream['stream']}: {stream['error']}"
        if stream.get("resumed"):
            yield f"{source['source']} {stream['stream']}: went on where the same resync was interrupted"
    for one in run.get("destinations", ()):
        if one["error"]:
            yield f"{one['destination']}: {one['error']}"
        yield from one.get("notes", ())
    for note in run.get("notes", ()):
        yield str(note)
    yield from (f"→ {step}" for step in run.get("next", ()))


def _change(change: Mapping[str, Any]) -> str:
    """What a dry push would send: `hr won_value NV007 2026-10: value 12000.00 → 19000.00`."""
    fields = change["fields"]
    told = {"value": fields["value"]} if "value" in fields and fields["value"]["old"] is None else fields
    moves = ", ".join(f"{name} {_said(move['old'])} → {_said(move['new'])}" for name, move in told.items())
    dimensions = "".join(f" {name}={value}" for name, value in change["dimensions"].items())
    subject = change["subject"]["name"] or change["subject"]["key"]
    return f"{change['destination']} {change['kpi']} {subject}{dimensions} {change['period']}: {moves}"


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)


def runs(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    names = ("run", "command", "status", "started_at", "ended_at")
    table(
        console, "Runs", names,
        [[*(run[name] for name in names[:3]), when(run["started_at"]), when(run["ended_at"])] for run in found],
    )


def status(console: Console, now: Mapping[str, Any]) -> None:
    """Freshness of each source and what waits."""
    from connector.cli import drifts

    table(
        console, "Sources", ("source", "adapter", "last success", "age", "streams", "paused"),
        [
            (
                one["source"], one["adapter"], when(one["last_success_at"]) or "never", age(one["age_seconds"]),
                len(one["streams"]), one.get("paused"),
            )
            for one in now["sources"]
        ],
    )
    for one in now["sources"]:
        for line in drifts.lines(one["source"], one["drift"]):
            console.print(line)
        if one["drift"]:
            console.print(f"→ connector mapping lint {one['source']}")
    if people := now.get("people"):
        read = people["last_read_at"] and f"{people['employees']:,}, read {when(people['last_read_at'])}"
        console.print(f"employees of {people['from']}: {read or 'never read'}")
        if people["problem"]:
            console.print(people["problem"])
    waits = ("quarantine", "owed", "refused", "dead", "stops")
    console.print(", ".join(f"{name}: {now[name]:,}" for name in waits))
    for lease in now["leases"]:
        console.print(f"at work: {lease['name']} by {lease['holder']}")
    console.print(f"landing: {size(now['landing_bytes'])}")


def size(count: int) -> str:
    """Bytes as `12 kB` or, from a million on, `3.4 MB`; what is there is at least 1 kB."""
    return f"{count / 1_000_000:,.1f} MB" if count >= 1_000_000 else f"{-(-count // 1000)} kB"


def when(text: str | None) -> str:
    """A moment to the second: `2026-10-31 17:00:05Z`."""
    return "" if text is None else f"{text[:19].replace('T', ' ')}Z"


def age(seconds: float | None) -> str:
    """`3 d 4 h`, `5 min`, `20 s`: the two largest units."""
    if seconds is None:
        return ""
    whole = int(timedelta(seconds=seconds).total_seconds())
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        number, whole = divmod(whole, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


# --- decisions -------------------------------------------------------------------------------------------------------


def stops(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    rows = [[one["id"], one["source"], one["stream"] or "mapping", one["at"], one["reason"]] for one in found]
    table(console, "Safety stops", ("id", "source", "of", "since", "reason"), rows)
    if found:
        console.print("→ connector stops accept ID, or connector stops refuse ID --reason TEXT")


def deliveries(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    names = ("key", "state", "value", "confirmed_value", "attempt", "message")
    table(
        console, "Deliveries", names,
        [
            [f"changed there: {one['drift']}" if name == "message" and one["drift"] else one[name]
             for name in names]
            for one in found
        ],
    )


def decided(console: Console, what: Mapping[str, Any]) -> None:
    """One decision or fact, as `name: value` on one line."""
    console.print(", ".join(f"{name.replace('_', ' ')}: {_cell(value)}" for name, value in what.items()))


counts = decided


def document(console: Console, what: object) -> None:
    """Something with depth, indented."""
    console.print(json.dumps(what, indent=2, ensure_ascii=False))


# --- checks ----------------------------------------------------------------------------------------------------------


def checks(console: Console, found: Mapping[str, Any]) -> None:
    for one in [*found["sources"], *found["destinations"]]:
        table(
            console, f"{one['name']} ({one['adapter']})", ("", "what", "detail"),
            [("ok" if check["ok"] else "FAILED", check["what"], check["detail"]) for check in one["checks"]],
        )
        if one["next"]:
            console.print(f"next: {one['next']}")
    console.print("all good" if found["status"] == "ok" else "some checks failed; see above")


def mapping_tests(console: Console, found: Sequence[Mapping[str, Any]]) -> None:
    table(
        console, "Mapping tests", ("source", "test", "line", "result"),
        [(one["source"], one["test"], one["line"], "ok" if one["ok"] else one["message"]) for one in found],
    )
    for one in found:
        if one.get("recorded"):
            console.print(f"recorded: {one['file']}:{one['line']}")

"""What happened: runs, what each did with every stream, and which sources and destinations a person has paused."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from connector.errors import ConfigError, Fault
from connector.model import canonical_json, iso, micros, moment
from connector.quarantine import who
from connector.store import tables
from connector.store.store import Store, is_alive, this_process

COUNTS = ("requests", "records", "new", "changed", "unchanged", "deleted", "quarantined")
SLOTS = ""  # the "stream" whose cursor is how far the service is with a name's schedule
READ = ("ok", "findings")  # a stream whose window was read to its end, with or without records set aside


def new_id(store: Store) -> str:
    """A name for a run that sorts by time and can be read out: `20261122-155317-3fa2`."""
    return f"{store.clock.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def start(store: Store, command: str) -> str:
    """Note that a run begins, and give its id."""
    run = new_id(store)
    with store.writing() as writing:
        writing.execute(
            insert(tables.run).values(
                id=run, command=command, status="running", started_at=micros(store.clock.now()),
                summary=canonical_json({"process": this_process()}),
            )
        )
    return run


def end(store: Store, run: str, status: str, summary: Mapping[str, Any]) -> None:
    """Note how the run ended: ok, findings, failed or stopped, and its summary (design.md section 8)."""
    streams = [
        {
            "run": run, "source": source["source"], "stream": stream["stream"], "status": stream["status"],
            **{name: stream[name] for name in COUNTS}, "cursor": stream["cursor"], "error": stream["error"],
        }
        for source in summary.get("sources", ())
        for stream in source["streams"]
    ]
    with store.writing() as writing:
        writing.execute(
            update(tables.run)
            .where(tables.run.c.id == run)
            .values(status=status, ended_at=micros(store.clock.now()), summary=canonical_json(summary))
        )
        if streams:
            writing.execute(insert(tables.run_stream), streams)


def forget(store: Store, run: str) -> None:
    """Take back that a run began: it did nothing, since others were at it."""
    with store.writing() as writing:
        writing.execute(delete(tables.run).where(tables.run.c.id == run, tables.run.c.status == "running"))


def recent(store: Store, limit: int = 20) -> list[dict[str, Any]]:
    """The last runs, the newest first."""
    table = tables.run
    rows = store.rows(select(table).order_by(table.c.started_at.desc(), table.c.id.desc()).limit(limit))
    return [_as_json(row) for row in rows]


def show(store: Store, run: str) -> dict[str, Any]:
    """One run with its summary. Raises ConfigError when there is none of that id."""
    rows = store.rows(select(tables.run).where(tables.run.c.id == run))
    if not rows:
        raise ConfigError([Fault("command line", 0, run, "there is no run of that id; `connector runs` lists them")])
    shown = _as_json(rows[0])
    summary = json.loads(rows[0].summary or "{}")
    return {**shown, **{key: value for key, value in summary.items() if key not in {*shown, "process"}}}


def last_success(store: Store) -> dict[tuple[str, str], int]:
    """When each (source, stream) was last read to its end by a sync: microseconds."""
    stream, run = tables.run_stream, tables.run
    rows = store.rows(
        select(stream.c.source, stream.c.stream, func.max(run.c.ended_at).label("ended_at"))
        .join(run, run.c.id == stream.c.run)
        .where(stream.c.status.in_(READ), run.c.command == "sync")
        .group_by(stream.c.source, stream.c.stream)
    )
    return {(row.source, row.stream): row.ended_at for row in rows}


def _as_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "run": row.id,
        "command": row.command,
        "status": _status(row),
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
    }


def _status(row: Row[Any]) -> str:
    """The run's status; `interrupted` when the process that ran it is gone without having ended it."""
    if row.status == "running" and not is_alive(json.loads(row.summary or "{}").get("process", "")):
        return "interrupted"
    return str(row.status)


# --- slots of the service --------------------------------------------------------------------------------------------


def last_slot(store: Store, name: str) -> datetime | None:
    """The last slot of a source's or destination's schedule that was done, None before the first."""
    table = tables.cursor
    rows = store.rows(select(table.c.state).where(table.c.source == name, table.c.stream == SLOTS))
    return moment(json.loads(rows[0].state)["slot"]) if rows else None


def slot_done(store: Store, name: str, slot: datetime) -> None:
    """Note that the job of a slot has ended."""
    table = tables.cursor
    values = {"state": canonical_json({"slot": micros(slot)}), "updated_at": micros(store.clock.now())}
    with store.writing() as writing:
        mine = (table.c.source == name, table.c.stream == SLOTS)
        if writing.execute(update(table).where(*mine).values(**values)).rowcount == 0:
            writing.execute(insert(table).values(source=name, stream=SLOTS, **values))


# --- pausing ---------------------------------------------------------------------------------------------------------


def pause(store: Store, name: str, reason: str) -> None:
    """Leave the source or destination out of every run until it is resumed."""
    _decide(store, "pause", name, reason)


def resume(store: Store, name: str, reason: str | None) -> None:
    """Take it in again from the next run on."""
    _decide(store, "resume", name, reason)


def paused(store: Store, names: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """The names paused now, each with since when, by whom and why."""
    table = tables.audit
    found: dict[str, dict[str, Any]] = {}
    rows = store.rows(select(table).where(table.c.action.in_(("pause", "resume"))).order_by(table.c.seen_at))
    for row in rows:
        found.pop(row.subject, None)
        if row.action == "pause":
            found[row.subject] = {"since": iso(row.seen_at), "actor": row.actor, "reason": row.reason}
    wanted: Sequence[str] = list(found) if names is None else list(names)
    return {name: found[name] for name in wanted if name in found}


def _decide(store: Store, action: str, name: str, reason: str | None) -> None:
    with store.writing() as writing:
        writing.execute(
            insert(tables.audit).values(
                seen_at=writing.stamp(), action=action, subject=name, actor=who(), reason=reason
            )
        )

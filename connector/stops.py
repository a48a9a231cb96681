"""Safety stops: full passes that were valid but implausible, and what a person decided about them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from connector import journal
from connector.errors import ConfigError, Fault
from connector.model import iso
from connector.store import landing
from connector.store.store import Store, Writing
from connector.store.tables import id_pass


def list_stops(store: Store) -> list[dict[str, Any]]:
    """The stops that wait for a decision, oldest first."""
    query = select(id_pass).where(id_pass.c.state == "stopped").order_by(id_pass.c.started_at)
    return [
        {
            "id": row.id,
            "source": row.source,
            "stream": row.stream,
            "run": row.run,
            "at": iso(row.started_at),
            "shown": row.shown,
            "known": row.known,
            "reason": row.reason,
        }
        for row in store.rows(query)
    ]


def accept(store: Store, stop: str, *, actor: str, reason: str | None = None) -> dict[str, Any]:
    """The pass is right: a run in mode `accepted`, or the next sync, applies it. ConfigError for an unknown stop."""
    with store.writing() as writing:
        row = _open(writing, stop)
        stamp = journal.decide(writing, "stop_accept", {"stop": stop}, actor=actor, reason=reason)
        writing.execute(update(id_pass).where(id_pass.c.id == stop).values(state="accepted", accepted_at=stamp))
    return {"stop": stop, "source": row.source, "stream": row.stream, "state": "accepted"}


def refuse(store: Store, stop: str, *, actor: str, reason: str) -> dict[str, Any]:
    """The pass is wrong: it is never applied; the next sync reads anew. Raises ConfigError for an unknown stop."""
    with store.writing() as writing:
        row = _open(writing, stop)
        journal.decide(writing, "stop_refuse", {"stop": stop}, actor=actor, reason=reason)
        landing.drop_held(writing, stop)
        writing.execute(update(id_pass).where(id_pass.c.id == stop).values(state="refused", reason=reason))
    return {"stop": stop, "source": row.source, "stream": row.stream, "state": "refused"}


def _open(writing: Writing, stop: str) -> Any:
    row = writing.execute(select(id_pass).where(id_pass.c.id == stop, id_pass.c.state == "stopped")).one_or_none()
    if row is None:
        raise ConfigError([Fault("command line", 0, "stop", f"no open stop {stop!r}; see `connector stops list`")])
    return row

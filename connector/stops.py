"""Safety stops, and what a person decided about them: full passes and lists of ids that were valid but implausible,
and changed mappings that move a KPI too far."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from connector import journal
from connector.errors import ConfigError, Fault
from connector.model import canonical_json, iso
from connector.shift import Move
from connector.store import landing
from connector.store.store import Store, Writing
from connector.store.tables import id_pass, mapping_stop

_PASSES = {"records": "full_pass", "ids": "id_pass"}


def list_stops(store: Store) -> list[dict[str, Any]]:
    """The stops that wait for a decision, oldest first; `kind` is full_pass, id_pass or mapping (of no stream)."""
    passes = store.rows(select(id_pass).where(id_pass.c.state == "stopped"))
    mappings = store.rows(select(mapping_stop).where(mapping_stop.c.state == "stopped"))
    found = [(row.started_at, _pass_json(row)) for row in passes]
    found += [(row.seen_at, _mapping_json(row)) for row in mappings]
    return [told for _, told in sorted(found, key=lambda pair: pair[0])]


def _pass_json(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id, "kind": _PASSES[row.kind], "source": row.source, "stream": row.stream, "run": row.run,
        "at": iso(row.started_at), "shown": row.shown, "known": row.known, "reason": row.reason, "moves": None,
    }


def _mapping_json(row: Row[Any]) -> dict[str, Any]:
    stop = _mapping_stop(row)
    told = "; ".join(str(move) for move in stop.moves[:3])
    more = f"; and {len(stop.moves) - 3} more" if len(stop.moves) > 3 else ""
    return {
        "id": row.id, "kind": "mapping", "source": row.source, "stream": None, "run": None, "at": iso(row.seen_at),
        "shown": None, "known": None, "reason": f"the changed mapping moves {told}{more}",
        "moves": [move.as_json() for move in stop.moves],
    }


def source_of(store: Store, stop: str) -> str:
    """The source a waiting stop is of. Raises ConfigError for an unknown stop."""
    with store.writing() as writing:
        return str(_open(writing, stop)[1].source)


def accept(store: Store, stop: str, *, actor: str, reason: str | None = None) -> dict[str, Any]:
    """It is right: the next sync applies it. Raises ConfigError for an unknown stop."""
    with store.writing() as writing:
        kind, row = _open(writing, stop)
        stamp = journal.decide(writing, "stop_accept", {"stop": stop}, actor=actor, reason=reason)
        if kind == "mapping":
            writing.execute(update(mapping_stop).where(mapping_stop.c.id == stop).values(state="accepted"))
        else:
            writing.execute(update(id_pass).where(id_pass.c.id == stop).values(state="accepted", accepted_at=stamp))
    return _decided(kind, row, "accepted")


def refuse(store: Store, stop: str, *, actor: str, reason: str) -> dict[str, Any]:
    """It is wrong: a pass is never applied, the next sync reads anew; a mapping never comes into force in place
    of the one that is. Raises ConfigError for an unknown stop."""
    with store.writing() as writing:
        kind, row = _open(writing, stop)
        journal.decide(writing, "stop_refuse", {"stop": stop}, actor=actor, reason=reason)
        table = mapping_stop if kind == "mapping" else id_pass
        if kind != "mapping":
            landing.drop_held(writing, stop)
        writing.execute(update(table).where(table.c.id == stop).values(state="refused", reason=reason))
    return _decided(kind, row, "refused")


def _decided(kind: str, row: Row[Any], state: str) -> dict[str, Any]:
    stream = None if kind == "mapping" else row.stream
    return {"stop": row.id, "kind": kind, "source": row.source, "stream": stream, "state": state}


def _open(writing: Writing, stop: str) -> tuple[str, Row[Any]]:
    for table in (id_pass, mapping_stop):
        row = writing.execute(select(table).where(table.c.id == stop, table.c.state == "stopped")).one_or_none()
        if row is not None:
            return _PASSES[row.kind] if table is id_pass else "mapping", row
    raise ConfigError([Fault("command line", 0, "stop", f"no open stop {stop!r}; see `connector stops list`")])


# --- changed mappings ------------------------------------------------------------------------------------------------


_WAITING = ("stopped", "accepted")  # an accepted one has done its work once it is in force


@dataclass(frozen=True, slots=True)
class MappingStop:
    """A version of a source's mapping that moves KPIs too far; `previous` is the version it would have replaced."""

    id: str
    version: str
    previous: str
    state: str
    moves: Sequence[Move]
    reason: str | None


def of_mapping(connection: Connection, source: str, version: str, previous: str) -> MappingStop | None:
    """What was last decided, or waits, about that version in place of that one; None where nothing does."""
    table = mapping_stop
    mine = select(table).where(
        table.c.source == source, table.c.version == version, table.c.previous == previous,
        table.c.state != "abandoned",
    )
    row = connection.execute(mine.order_by(table.c.seen_at.desc()).limit(1)).first()
    return None if row is None else _mapping_stop(row)


def is_waiting(connection: Connection, source: str) -> bool:
    """Whether a changed mapping waits for a decision, or was accepted and is not in force."""
    mine = select(mapping_stop.c.id).where(mapping_stop.c.source == source, mapping_stop.c.state.in_(_WAITING))
    return connection.execute(mine.limit(1)).first() is not None


def stop_mapping(store: Store, source: str, version: str, previous: str, moves: Sequence[Move]) -> MappingStop:
    """Note that this version waits for a person, in the place of what waited before."""
    with store.writing() as writing:
        _abandon(writing, source)
        told = canonical_json([move.as_json() for move in moves])
        made = MappingStop(secrets.token_hex(8), version, previous, "stopped", moves, None)
        kept = {"id": made.id, "source": source, "version": version, "previous": previous, "state": made.state}
        writing.execute(insert(mapping_stop), {**kept, "seen_at": writing.stamp(), "moves": told, "reason": None})
    return made


def withdraw(store: Store, source: str) -> None:
    """There is nothing to decide any more: the file was put back, or is in force now."""
    with store.writing() as writing:
        _abandon(writing, source)


def _abandon(writing: Writing, source: str) -> None:
    waiting = (mapping_stop.c.source == source, mapping_stop.c.state.in_(_WAITING))
    writing.execute(update(mapping_stop).where(*waiting).values(state="abandoned"))


def _mapping_stop(row: Row[Any]) -> MappingStop:
    moves = [
        Move(
            one["kpi"], one["period"], Decimal(one["before"]), Decimal(one["after"]),
            None if one["share"] is None else Decimal(one["share"]), one["values"],
        )
        for one in json.loads(row.moves)
    ]
    return MappingStop(row.id, row.version, row.previous, row.state, moves, row.reason)

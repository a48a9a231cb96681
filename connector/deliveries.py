"""Looking at deliveries, and the two things a person may do with one: try it again, or say what became of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Row, and_, insert, or_, select, update

from connector.errors import ConfigError, Fault
from connector.model import iso, micros
from connector.outbox import STATES
from connector.store import tables
from connector.store.store import Store, Writing

RETRIED = ("refused", "dead")
DRIFTED = "drifted"  # no state: confirmed, and changed there by somebody since


def list_deliveries(
    store: Store, destination: str | None = None, state: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """Deliveries as JSON-able rows, by destination and key; `drifted`: those that somebody changed there.

    Raises ConfigError for a state there is not.
    """
    table = tables.delivery
    if state is not None and state not in (*STATES, DRIFTED):
        raise _unknown(state, f"is no state of a delivery; known: {', '.join((*STATES, DRIFTED))}")
    query = select(table).order_by(table.c.destination, table.c.key).limit(limit)
    if destination is not None:
        query = query.where(table.c.destination == destination)
    if state == DRIFTED:
        query = query.where(table.c.drift.is_not(None))
    elif state is not None:
        query = query.where(table.c.state == state)
    return [_as_json(row) for row in store.rows(query)]


def show(store: Store, key: str) -> dict[str, Any]:
    """One delivery with all its content and every receipt, the oldest first. Raises ConfigError for an unknown key."""
    row = _row(store, key)
    receipt = tables.receipt
    receipts = store.rows(
        select(receipt)
        .where(receipt.c.destination == row.destination, receipt.c.key == key)
        .order_by(receipt.c.at)
    )
    return {
        **_as_json(row),
        "payload": json.loads(row.payload),
        "person": json.loads(row.person),
        "confirmed_payload": json.loads(row.confirmed_payload) if row.confirmed_payload else None,
        "receipts": [{**one._mapping, "at": iso(one.at)} for one in receipts],
    }


def retry(store: Store, key: str | None = None, *, destination: str | None = None, state: str | None = None) -> int:
    """Owe refused and dead deliveries again: the one named, or all (of a destination, in one state). How many.

    Confirmed ones only if that state is named: what stands there, perhaps in the words of an older mapping, is then
    written once more; not what somebody changed there, unless it is the one named. Raises ConfigError for an unknown
    key, and for one whose state needs no retry.
    """
    table = tables.delivery
    wanted = RETRIED if state is None else (state,)
    if state is not None and state not in (*RETRIED, "confirmed"):
        raise _unknown(state, f"cannot be retried; expected {', '.join(RETRIED)} or confirmed")
    query = update(table).where(table.c.state.in_(wanted))
    if destination is not None:
        query = query.where(table.c.destination == destination)
    if key is not None:
        found = _row(store, key).state
        if found not in wanted:
            hint = "; say what became of it with `deliveries resolve`" if found == "unanswered" else ""
            raise _unknown(key, f"is {found}, expected {' or '.join(wanted)}{hint}")
        query = query.where(table.c.key == key)
    else:
        query = query.where(table.c.drift.is_(None))
    with store.writing() as writing:
        now = micros(store.clock.now())
        values: dict[str, Any] = {"state": "owed", "attempt": 0, "next_at": None, "message": None, "updated_at": now}
        values |= {"owed_at": now, "drift": None, "revision": table.c.revision + 1}
        if state == "confirmed":
            values["confirmed_hash"] = None
        return writing.execute(query.values(values)).rowcount


def resolve(
    store: Store, key: str, outcome: Literal["confirmed", "owed"], reason: str, *, actor: str = ""
) -> None:
    """A person says what became of an unanswered delivery: it is there (confirmed), or it is not (owed).

    One that somebody changed there is written again (owed), or left as it is (confirmed) until it is read back again.
    Raises ConfigError for an unknown key and for one that needs no decision.
    """
    row = _row(store, key)
    with store.writing() as writing:
        if not _decide(writing, row, outcome, reason, actor, micros(store.clock.now())):
            raise _unknown(key, f"is {row.state}, expected unanswered; only such a delivery needs a decision")


def resolve_all(
    store: Store, destination: str, outcome: Literal["confirmed", "owed"], reason: str, *, state: str = "unanswered",
    actor: str = "",
) -> int:
    """`resolve` of every delivery of a destination that is unanswered, or `drifted`, at once; how many those are.

    Raises ConfigError for another state.
    """
    if state not in _DECIDED:
        raise _unknown(state, "needs no decision, expected unanswered or drifted")
    with store.writing() as writing:
        query = select(tables.delivery).where(tables.delivery.c.destination == destination, _DECIDED[state])
        rows = writing.execute(query.order_by(tables.delivery.c.key)).all()
        now = micros(store.clock.now())
        return sum(_decide(writing, row, outcome, reason, actor, now) for row in rows)


_DECIDED = {
    "unanswered": and_(tables.delivery.c.state == "unanswered", tables.delivery.c.action == "send"),
    DRIFTED: and_(tables.delivery.c.state == "confirmed", tables.delivery.c.drift.is_not(None)),
}


def _decide(
    writing: Writing, row: Row[Any], outcome: Literal["confirmed", "owed"], reason: str, actor: str, now: int
) -> bool:
    """Take a person's word for one delivery; False where it needs none."""
    table = tables.delivery
    values: dict[str, Any] = {"state": outcome, "next_at": None, "message": reason, "drift": None, "updated_at": now}
    if outcome == "confirmed":
        values |= {"attempt": 0, "confirmed_hash": table.c.hash, "confirmed_payload": table.c.payload}
    elif row.state == "confirmed":
        values |= {"confirmed_hash": None, "owed_at": now, "revision": table.c.revision + 1}
    done = writing.execute(
        update(table)
        .where(
            table.c.destination == row.destination, table.c.key == row.key, table.c.state == row.state,
            or_(*_DECIDED.values()),
        )
        .values(values)
    )
    if done.rowcount != 1:
        return False
    at = writing.stamp()
    writing.execute(
        insert(tables.receipt).values(
            at=at, destination=row.destination, key=row.key, attempt=row.attempt, run="", hash=row.hash,
            outcome="confirmed" if outcome == "confirmed" else "retry", remote_id=row.remote_id,
            message=f"decided by {actor or 'a person'}: {reason}",
        )
    )
    writing.execute(
        insert(tables.audit).values(
            seen_at=at, action=f"delivery {outcome}", subject=row.key, actor=actor, reason=reason
        )
    )
    return True


def _row(store: Store, key: str) -> Row[Any]:
    rows: Sequence[Row[Any]] = store.rows(select(tables.delivery).where(tables.delivery.c.key == key))
    if not rows:
        raise _unknown(key, "there is no delivery of that key; `connector deliveries list` shows them")
    return rows[0]


def _unknown(key: str, message: str) -> ConfigError:
    return ConfigError([Fault("command line", 0, key, message)])


def _as_json(row: Row[Any]) -> dict[str, Any]:
    kpi = json.loads(row.payload)
    old = json.loads(row.confirmed_payload) if row.confirmed_payload else None
    return {
        "destination": row.destination,
        "key": row.key,
        "kpi": row.kpi,
        "subject": kpi.get("subject"),
        "dimensions": kpi.get("dimensions"),
        "period": row.period,
        "state": row.state,
        "value": kpi.get("value"),
        "confirmed_value": old.get("value") if old else None,
        "attempt": row.attempt,
        "remote_id": row.remote_id,
        "message": row.message,
        "action": row.action,
        "drift": row.drift,
        "verified_at": iso(row.verified_at),
        "next_at": iso(row.next_at),
        "owed_at": iso(row.owed_at),
        "updated_at": iso(row.updated_at),
    }

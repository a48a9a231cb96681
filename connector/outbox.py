"""What is owed to each destination: one row per KPI value and destination, sent until a receipt proves it arrived.

| state | what it says | goes on to |
| --- | --- | --- |
| owed | the destination certainly does not hold this value yet | sending |
| sending | committed before the request leaves; left behind by a crash, it counts as unanswered | the receipt's state |
| unanswered | sent, and nobody knows whether it arrived | settled by reading back or by a person |
| confirmed | the destination holds exactly this value | owed when the value changes |
| refused | it said no to this value | owed when the value changes, or by `retry` |
| dead | given up after `ATTEMPTS` | likewise |

What was last confirmed (`confirmed_hash`) moves only on a confirmation, so a value that failed and did not change is
never taken for delivered. It is forgotten (null) when an unanswered value turns out not to stand there, or is sent
again without having been read back: then nobody knows what does, and only the next confirmation says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.sql import ColumnElement

from connector.model import KpiValue, Subject, canonical_json
from connector.ports import Delivery, Receipt
from connector.store import tables
from connector.store.store import Writing

STATES = ("owed", "sending", "unanswered", "confirmed", "refused", "dead")
ATTEMPTS = 8  # "certainly not taken" so often, then a person has to look
FIRST_WAIT, LONGEST_WAIT = 60, 6 * 3600  # seconds between attempts: doubled from the first to the longest

Content = Callable[[Delivery], Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A delivery that is to be sent or settled, and the hash of what it says."""

    delivery: Delivery
    hash: str


def key(destination: str, value: KpiValue) -> str:
    """The one name of a value at a destination, readable: `hr/won_value/person:NV007/2026-10/stage=demo`."""
    return _key(destination, value.kpi, value.subject, value.period, value.dimensions)


def _key(destination: str, kpi: str, subject: Subject, period: str, dimensions: Mapping[str, str]) -> str:
    parts = [destination, kpi, f"{subject.kind}:{subject.key}", period]
    escaped = [_escaped(part) for part in parts]
    if dimensions:
        pairs = (f"{_escaped(name)}={_escaped(dimensions[name])}" for name in sorted(dimensions))
        escaped.append(",".join(pairs))
    return "/".join(escaped)


def _escaped(text: str) -> str:
    """The text with the signs that part a key, and those no terminal shows, written as %XX."""
    return "".join(
        f"%{ord(sign):02X}" if sign in "%/,=" or not sign.isprintable() else sign for sign in text
    )


def fingerprint(content_: Any) -> str:
    """The hash of a JSON-able content."""
    return hashlib.sha256(canonical_json(content_).encode()).hexdigest()


# --- owing -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """One value that a push would send: `old` is the KPI object last confirmed there, None when there is none."""

    delivery: Delivery
    hash: str
    old: Mapping[str, Any] | None
    state: str  # before: absent, owed, confirmed, refused, dead


def plan(
    connection: Connection | Writing, destination: str, deliveries: Iterable[Delivery], content: Content
) -> tuple[list[Change], list[str]]:
    """What these values change: those that would be owed, and the keys of those that went back to what was confirmed.

    A key given twice counts with its last value. Nothing is written.
    """
    latest = {delivery.key: delivery for delivery in deliveries}
    known = _known(connection, destination, {str(delivery.kpi["period"]) for delivery in latest.values()})
    changes, settled = [], []
    for name, delivery in latest.items():
        row = known.get(name)
        hash_ = fingerprint(content(delivery))
        if row is None:
            changes.append(Change(delivery, hash_, None, "absent"))
        elif row.state in ("sending", "unanswered"):
            continue  # what was sent must be settled first; the next run compares again
        elif hash_ == row.confirmed_hash:
            if row.state != "confirmed":
                settled.append(name)
        elif hash_ != row.hash or row.state == "confirmed":
            changes.append(Change(delivery, hash_, _old(row), row.state))
    return changes, settled


def _old(row: Any) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = json.loads(row.confirmed_payload) if row.confirmed_payload else None
    return found


def owe(
    writing: Writing, destination: str, deliveries: Iterable[Delivery], *, now: int, content: Content
) -> int:
    """Make owed what differs from what was last confirmed there; how many that are."""
    changes, settled = plan(writing, destination, deliveries, content)
    table = tables.delivery
    fresh = [_row(destination, change, now) for change in changes if change.state == "absent"]
    changed = [_row(destination, change, now) for change in changes if change.state != "absent"]
    if fresh:
        writing.execute(insert(table), fresh)
    if changed:
        taken = ("payload", "person", "hash", "state", "attempt", "message", "next_at", "owed_at", "updated_at")
        writing.execute(
            _by_key().values({name: bindparam(f"new_{name}") for name in taken}),
            [
                {"at": destination, "named": row["key"], **{f"new_{name}": row[name] for name in taken}}
                for row in changed
            ],
        )
    if settled:
        back = {
            "state": "confirmed", "hash": table.c.confirmed_hash, "payload": table.c.confirmed_payload,
            "attempt": 0, "message": None, "next_at": None, "updated_at": now,
        }
        writing.execute(_by_key().values(back), [{"at": destination, "named": name} for name in settled])
    return len(changes)


def _row(destination: str, change: Change, now: int) -> dict[str, Any]:
    delivery = change.delivery
    return {
        "destination": destination, "key": delivery.key, "kpi": delivery.kpi["kpi"], "period": delivery.kpi["period"],
        "payload": canonical_json(delivery.kpi), "person": canonical_json(dict(delivery.person)), "hash": change.hash,
        "state": "owed", "attempt": 0, "message": None, "next_at": None, "owed_at": now, "updated_at": now,
    }


def _known(connection: Connection | Writing, destination: str, periods: Collection[str]) -> dict[str, Row[Any]]:
    table = tables.delivery
    columns = (table.c.key, table.c.state, table.c.hash, table.c.confirmed_hash, table.c.confirmed_payload)
    query = select(*columns).where(table.c.destination == destination)
    if len(periods) <= 500:
        query = query.where(table.c.period.in_(periods))
    found: Iterable[Row[Any]] = connection.execute(query)
    return {row.key: row for row in found}


def _by_key() -> Any:
    table = tables.delivery
    return update(table).where(table.c.destination == bindparam("at"), table.c.key == bindparam("named"))


# --- sending ---------------------------------------------------------------------------------------------------------


def recover(writing: Writing, destination: str, now: int) -> int:
    """Take what a dead run left in `sending` as unanswered; how many."""
    table = tables.delivery
    done = writing.execute(
        update(table)
        .where(table.c.destination == destination, table.c.state == "sending")
        .values(state="unanswered", message="the run ended before an answer came", updated_at=now)
    )
    return done.rowcount


def unanswered(connection: Connection, destination: str) -> list[Pending]:
    """What has to be settled, the oldest first; `attempt` is that of the send nobody answered."""
    return _pending(connection, destination, 0, tables.delivery.c.state == "unanswered")


def due(connection: Connection, destination: str, now: int) -> list[Pending]:
    """What may be sent now, the oldest first; the rest waits for its back-off."""
    table = tables.delivery
    at_once = table.c.next_at.is_(None) | (table.c.next_at <= now)
    return _pending(connection, destination, 1, table.c.state == "owed", at_once)


def _pending(connection: Connection, destination: str, next_: int, *conditions: ColumnElement[bool]) -> list[Pending]:
    table = tables.delivery
    query = select(table).where(table.c.destination == destination, *conditions)
    rows = connection.execute(query.order_by(table.c.owed_at, table.c.key))
    return [Pending(_delivery(row, next_), row.hash) for row in rows]


def _delivery(row: Any, next_: int) -> Delivery:
    return Delivery(row.key, json.loads(row.payload), json.loads(row.person), row.remote_id, row.attempt + next_)


def standing(connection: Connection, destination: str) -> list[Change]:
    """What is owed already, whether or not it waits for its back-off."""
    table = tables.delivery
    rows = connection.execute(select(table).where(table.c.destination == destination, table.c.state == "owed"))
    return [Change(_delivery(row, 1), row.hash, _old(row), row.state) for row in rows]


def begin(writing: Writing, destination: str, batch: Sequence[Pending], now: int) -> None:
    """Note that these are about to be sent; to be committed before the request leaves."""
    table = tables.delivery
    if not batch:
        return
    writing.execute(
        _by_key().values(state="sending", attempt=table.c.attempt + 1, updated_at=now),
        [{"at": destination, "named": pending.delivery.key} for pending in batch],
    )


def give_back(writing: Writing, destination: str, batch: Sequence[Pending], now: int) -> None:
    """Owe again what certainly never left, as if it had not been tried."""
    table = tables.delivery
    if batch:
        writing.execute(
            _by_key().values(state="owed", attempt=table.c.attempt - 1, updated_at=now),
            [{"at": destination, "named": pending.delivery.key} for pending in batch],
        )


def record(
    writing: Writing, destination: str, answers: Sequence[tuple[Pending, Receipt]], *, run: str, now: int
) -> None:
    """Keep the receipts and move the deliveries to the state they prove."""
    if not answers:
        return
    _keep(writing, destination, answers, run)
    for outcome in ("confirmed", "refused", "unanswered", "retry"):
        rows = [
            {
                "at": destination, "named": pending.delivery.key, "new_message": receipt.message or None,
                "new_remote_id": receipt.remote_id or pending.delivery.remote_id, **_next(outcome, pending, now),
            }
            for pending, receipt in answers
            if receipt.outcome == outcome
        ]
        if rows:
            writing.execute(_by_key().values(**_moves(outcome), updated_at=now), rows)


def _moves(outcome: str) -> dict[str, Any]:
    table = tables.delivery
    said: dict[str, Any] = {"message": bindparam("new_message"), "remote_id": bindparam("new_remote_id")}
    if outcome == "confirmed":
        return {
            **said, "state": "confirmed", "attempt": 0, "next_at": None,
            "confirmed_hash": table.c.hash, "confirmed_payload": table.c.payload,
        }
    if outcome == "retry":
        return {**said, "state": bindparam("new_state"), "next_at": bindparam("new_next_at")}
    return {**said, "state": outcome}


def _next(outcome: str, pending: Pending, now: int) -> dict[str, Any]:
    """After `retry`: when to try again, or that it is given up."""
    if outcome != "retry":
        return {}
    attempt = pending.delivery.attempt
    if attempt >= ATTEMPTS:
        return {"new_state": "dead", "new_next_at": None}
    return {"new_state": "owed", "new_next_at": now + wait_seconds(attempt) * 1_000_000}


def wait_seconds(attempt: int) -> int:
    """How long to wait after that attempt was not taken."""
    return int(min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT))


def _keep(writing: Writing, destination: str, answers: Sequence[tuple[Pending, Receipt]], run: str) -> None:
    writing.execute(
        insert(tables.receipt),
        [
            {
                "at": writing.stamp(), "destination": destination, "key": pending.delivery.key,
                "attempt": pending.delivery.attempt, "outcome": receipt.outcome, "hash": pending.hash,
                "remote_id": receipt.remote_id, "status": receipt.status, "request_id": receipt.request_id,
                "message": receipt.message or None, "run": run,
            }
            for pending, receipt in answers
        ],
    )


# --- settling --------------------------------------------------------------------------------------------------------


def settle(
    writing: Writing, destination: str, answers: Sequence[tuple[Pending, Receipt]], *, run: str, now: int
) -> None:
    """Take what reading back showed: confirmed, or certainly not there and so owed again at once."""
    record(writing, destination, answers, run=run, now=now)
    resend(writing, destination, [pending for pending, receipt in answers if receipt.outcome == "retry"])


def resend(writing: Writing, destination: str, batch: Sequence[Pending]) -> None:
    """Owe a value again at once without knowing what stands there; one sent `ATTEMPTS` times is dead."""
    for state in ("owed", "dead"):
        rows = [
            {"at": destination, "named": pending.delivery.key}
            for pending in batch
            if (pending.delivery.attempt >= ATTEMPTS) == (state == "dead")
        ]
        if rows:
            writing.execute(_by_key().values(state=state, next_at=None, confirmed_hash=None), rows)


def forget(writing: Writing, destination: str, keys: Collection[str], now: int) -> None:
    """Owe confirmed values again that the destination has lost."""
    table = tables.delivery
    if keys:
        writing.execute(
            _by_key().where(table.c.state == "confirmed").values(
                state="owed", confirmed_hash=None, attempt=0, owed_at=now, updated_at=now
            ),
            [{"at": destination, "named": name} for name in sorted(keys)],
        )


def counts(connection: Connection, destination: str) -> dict[str, int]:
    """How many deliveries stand in each state."""
    table = tables.delivery
    query = select(table.c.state, func.count()).where(table.c.destination == destination).group_by(table.c.state)
    found = {row[0]: int(row[1]) for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in STATES}


def batches(pending: Sequence[Pending], size: int) -> Iterator[Sequence[Pending]]:
    """The pending ones, `size` at a time."""
    for start in range(0, len(pending), size):
        yield pending[start : start + size]

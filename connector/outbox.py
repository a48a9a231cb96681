"""What is owed to each destination: one row per KPI value and destination, sent until a receipt proves it arrived.

| state | what it says | goes on to |
| --- | --- | --- |
| owed | the destination certainly does not hold this value yet | sending |
| sending | committed before the request leaves; left behind by a crash, it counts as unanswered | the receipt's state |
| unanswered | sent, and nobody knows whether it arrived | settled by reading back or by a person |
| confirmed | the destination holds exactly this value | owed when the value changes, or is lost there |
| refused | it said no to this value, and certainly does not hold it | sending, when its wait is over |
| dead | given up after `ATTEMPTS` | owed when the value changes, or by `retry` |
| withdrawn | it is no value any more, and nothing more is done for it | owed when it is one again |

What was last confirmed (`confirmed_hash`) moves only on a confirmation, so a value that failed and did not change is
never taken for delivered. It is forgotten (null) when an unanswered value turns out not to stand there, or is sent
again without having been read back, or was taken and kept as something else: then nobody knows what does, and only the
next confirmation says so.

A frozen value is confirmed once: that its person was renamed since, or that a later version of ours says more of it,
does not owe it again. Another mapping does where it overwrites what stands there, and never where it would be appended.
One confirmed while it was open counts as the frozen value once it is frozen and nothing else is to be written. What
somebody changed there (`drift`) is held until a person decides, where the rules say so. What is taken back (`action`
withdraw) goes through the same states.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, or_, select, tuple_, update

from connector.model import KpiValue, Subject, canonical_json
from connector.ports import Delivery, Receipt
from connector.store import tables
from connector.store.store import Writing

STATES = ("owed", "sending", "unanswered", "confirmed", "refused", "dead", "withdrawn")
ATTEMPTS = 8  # "certainly not taken" so often, then a person has to look
FIRST_WAIT, LONGEST_WAIT = 60, 6 * 3600  # seconds between attempts: doubled from the first to the longest
REFUSED_FIRST, REFUSED_LONGEST = 15 * 60, 24 * 3600  # seconds until a refused value is asked about again
AT_ONCE = 500  # keys looked up together

Some = TypeVar("Some")
Action = Literal["send", "withdraw"]
Content = Callable[[Delivery], Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A delivery that is to be sent, taken back or settled, and the hash of what it says.

    `state` is where it waits: owed, refused or unanswered, since `owed_at` (microseconds).
    """

    delivery: Delivery
    hash: str
    state: str = "owed"
    action: Action = "send"
    owed_at: int = 0


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
    """One value that a push would send: `old` is the KPI object last confirmed there, None when there is none.

    `state` is that before: absent, or one of `STATES`. `hash` is empty, and `is_gone` true, for one that is to be
    taken back. `is_repeat`: the same may stand there already.
    """

    delivery: Delivery
    hash: str
    old: Mapping[str, Any] | None
    state: str
    is_gone: bool = False
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What values change: those that would be owed, and the keys of those that went back to what was confirmed.

    `renewed`: whose status alone moved, so that nothing is written there. `held`: keys of those that would be owed, had
    nobody changed there what we wrote.
    """

    changes: Sequence[Change]
    settled: Sequence[str]
    renewed: Sequence[Delivery]
    held: Sequence[str]


def plan(
    connection: Connection | Writing, destination: str, deliveries: Iterable[Delivery], content: Content, *,
    overwrites: bool = False, holds: bool = False,
) -> Plan:
    """What these values change; nothing is written here.

    A key given twice counts with its last value. `overwrites`: writing a value again leaves one there. `holds`: what
    somebody changed there is left alone.
    """
    latest = {delivery.key: delivery for delivery in deliveries}
    known = _known(connection, destination, list(latest))
    changes, settled, renewed, held = [], [], [], []
    for name, delivery in latest.items():
        row = known.get(name)
        if row is None:
            changes.append(Change(delivery, fingerprint(content(delivery)), None, "absent"))
            continue
        is_leaving = row.action == "withdraw"
        if row.state in ("sending", "unanswered") or (is_leaving and row.confirmed_hash is None):
            continue  # what was tried must be settled first; the next run compares again
        old = _old(row)
        if row.state == "confirmed" and row.confirmed_hash is not None and _is_frozen_as(delivery.kpi, old):
            was = Delivery(name, old or {}, json.loads(row.person))
            if not overwrites or fingerprint(content(was)) == row.confirmed_hash:
                continue
        hash_ = fingerprint(content(delivery))
        if hash_ == row.confirmed_hash or (not overwrites and _is_frozen_since(delivery, row, old, content)):
            if row.state != "confirmed":
                settled.append(name)
            if old is not None and old["status"] != delivery.kpi["status"]:
                renewed.append(delivery)
        elif hash_ != row.hash or row.state in ("confirmed", "withdrawn") or is_leaving:
            if holds and row.drift is not None:
                held.append(name)
            else:
                is_repeat = row.state == "withdrawn" and bool(row.may_stand) and hash_ == row.hash
                changes.append(Change(delivery, hash_, old, row.state, is_repeat=is_repeat))
    return Plan(changes, settled, renewed, held)


def _old(row: Any) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = json.loads(row.confirmed_payload) if row.confirmed_payload else None
    return found


def _is_frozen_as(kpi: Mapping[str, Any], old: Mapping[str, Any] | None) -> bool:
    """Whether this is the frozen value that was confirmed; what a later version of ours adds to it does not count."""
    if old is None or kpi["status"] != "frozen":
        return False
    return all(kpi.get(name) == said for name, said in old.items())


def _is_frozen_since(delivery: Delivery, row: Row[Any], old: Mapping[str, Any] | None, content: Content) -> bool:
    """Whether what was confirmed while open is frozen now and only its person is written of otherwise."""
    if row.state != "confirmed" or row.confirmed_hash is None or old is None or old["status"] == "frozen":
        return False
    then = Delivery(delivery.key, delivery.kpi, json.loads(row.person))
    return delivery.kpi["status"] == "frozen" and bool(fingerprint(content(then)) == row.confirmed_hash)


def owe(
    writing: Writing, destination: str, deliveries: Iterable[Delivery], *, now: int, content: Content,
    overwrites: bool = False, holds: bool = False,
) -> Plan:
    """Make owed what differs from what was last confirmed there; what that was."""
    found = plan(writing, destination, deliveries, content, overwrites=overwrites, holds=holds)
    changes, settled = found.changes, found.settled
    table = tables.delivery
    fresh = [_row(destination, change, now) for change in changes if change.state == "absent"]
    changed = [
        {**_row(destination, change, now), "step": 0 if change.is_repeat else 1}
        for change in changes if change.state != "absent"
    ]
    if fresh:
        writing.execute(insert(table), fresh)
    if changed:
        taken = ("payload", "person", "hash", "state", "action", "attempt", "message", "next_at", "owed_at",
                 "updated_at")
        writing.execute(
            by_key().values(
                {name: bindparam(f"new_{name}") for name in taken} | {"revision": table.c.revision + bindparam("step")}
            ),
            [
                {"at": destination, "named": row["key"], "step": row["step"],
                 **{f"new_{name}": row[name] for name in taken}}
                for row in changed
            ],
        )
    if settled:
        back = {
            "state": "confirmed", "action": "send", "hash": table.c.confirmed_hash,
            "payload": table.c.confirmed_payload, "attempt": 0, "message": None, "next_at": None,
            "revision": table.c.revision + 1, "updated_at": now,
        }
        writing.execute(by_key().values(back), [{"at": destination, "named": name} for name in settled])
    if found.renewed:
        said = {"payload": bindparam("new_payload"), "confirmed_payload": bindparam("new_payload"), "updated_at": now}
        writing.execute(by_key().values(said), [
            {"at": destination, "named": one.key, "new_payload": canonical_json(one.kpi)} for one in found.renewed
        ])
    return found


def _row(destination: str, change: Change, now: int) -> dict[str, Any]:
    delivery = change.delivery
    return {
        "destination": destination, "key": delivery.key, "kpi": delivery.kpi["kpi"], "period": delivery.kpi["period"],
        "payload": canonical_json(delivery.kpi), "person": canonical_json(dict(delivery.person)), "hash": change.hash,
        "state": "owed", "action": "send", "attempt": 0, "message": None, "next_at": None, "owed_at": now,
        "updated_at": now,
    }


def _known(connection: Connection | Writing, destination: str, keys: Sequence[str]) -> dict[str, Row[Any]]:
    table = tables.delivery
    columns = (table.c.key, table.c.state, table.c.action, table.c.hash, table.c.person, table.c.confirmed_hash,
               table.c.confirmed_payload, table.c.drift, table.c.may_stand)
    query = select(*columns).where(table.c.destination == destination)
    found: dict[str, Row[Any]] = {}
    for some in batches(keys, AT_ONCE):
        rows: Iterable[Row[Any]] = connection.execute(query.where(table.c.key.in_(some)))
        found |= {row.key: row for row in rows}
    return found


def by_key() -> Any:
    """An update of the deliveries that the parameters `at` (destination) and `named` (key) tell."""
    table = tables.delivery
    return update(table).where(table.c.destination == bindparam("at"), table.c.key == bindparam("named"))


# --- sending ---------------------------------------------------------------------------------------------------------


def recover(writing: Writing, destination: str, now: int) -> int:
    """Take what a dead run left in `sending` as unanswered; how many."""
    table = tables.delivery
    done = writing.execute(
        update(table)
        .where(table.c.destination == destination, table.c.state == "sending")
        .values(state="unanswered", may_stand=1, message="the run ended before an answer came", updated_at=now)
    )
    return done.rowcount


def unanswered(connection: Connection, destination: str) -> list[Pending]:
    """What has to be settled, the oldest first; `attempt` is that of the send nobody answered."""
    table = tables.delivery
    query = select(table).where(table.c.destination == destination, table.c.state == "unanswered")
    return [pending_of(row) for row in connection.execute(query.order_by(table.c.owed_at, table.c.key))]


def due(
    connection: Connection, destination: str, now: int, *, action: Action = "send", asked: bool = False,
    after: Pending | None = None, limit: int | None = None,
) -> list[Pending]:
    """What may leave now, the oldest first, `limit` from `after` on; the rest waits for its back-off.

    `asked`: a person wants it now, so that refused values need not wait.
    """
    table = tables.delivery
    is_over = table.c.next_at <= now
    no = and_(table.c.state == "refused", table.c.next_at.is_not(None) if asked else is_over)
    query = select(table).where(
        table.c.destination == destination, table.c.action == action,
        or_(and_(table.c.state == "owed", or_(table.c.next_at.is_(None), is_over)), no),
    )
    if after is not None:
        query = query.where(tuple_(table.c.owed_at, table.c.key) > tuple_(after.owed_at, after.delivery.key))
    rows = connection.execute(query.order_by(table.c.owed_at, table.c.key).limit(limit))
    return [pending_of(row) for row in rows]


def pending_of(row: Row[Any]) -> Pending:
    """A row as what is to leave or to be looked at."""
    return Pending(delivery_of(row), row.hash, row.state, row.action, row.owed_at)


def delivery_of(row: Row[Any]) -> Delivery:
    """With the attempt it leaves with; a refused one begins anew, an unanswered one has left, a confirmed one stays."""
    attempt = {"unanswered": row.attempt, "refused": 1, "confirmed": 0}.get(row.state, row.attempt + 1)
    return Delivery(row.key, json.loads(row.payload), json.loads(row.person), row.remote_id, attempt, row.revision)


def standing(connection: Connection, destination: str) -> list[Change]:
    """What is owed already, or asked about again after a refusal, whether or not it waits for its back-off."""
    table = tables.delivery
    is_no = and_(table.c.state == "refused", table.c.next_at.is_not(None))
    query = select(table).where(table.c.destination == destination, or_(table.c.state == "owed", is_no))
    return [
        Change(delivery_of(row), row.hash, _old(row), row.state, is_gone=row.action == "withdraw")
        for row in connection.execute(query)
    ]


def begin(writing: Writing, destination: str, batch: Sequence[Pending], now: int) -> None:
    """Note that these are about to leave; to be committed before the request does."""
    _move(writing, destination, batch, {"state": "sending", "attempt": bindparam("new_attempt"), "updated_at": now})


def give_back(writing: Writing, destination: str, batch: Sequence[Pending], now: int) -> None:
    """Let wait again what certainly never left, as if it had not been tried."""
    table = tables.delivery
    _move(writing, destination, batch, {
        "state": bindparam("new_state"), "attempt": table.c.attempt - 1, "updated_at": now,
    })


def _move(writing: Writing, destination: str, batch: Sequence[Pending], values: Mapping[str, Any]) -> None:
    if batch:
        writing.execute(by_key().values(values), [
            {
                "at": destination, "named": one.delivery.key, "new_state": one.state,
                "new_attempt": one.delivery.attempt,
            }
            for one in batch
        ])


def record(
    writing: Writing, destination: str, answers: Sequence[tuple[Pending, Receipt]], *, run: str, now: int
) -> None:
    """Keep the receipts and move the deliveries to the state they prove."""
    if not answers:
        return
    _keep(writing, destination, answers, run)
    moves: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    for pending, receipt in answers:
        moves.setdefault((receipt.outcome, pending.action, receipt.written), []).append({
            "at": destination, "named": pending.delivery.key, "new_message": receipt.message or None,
            "new_remote_id": receipt.remote_id or pending.delivery.remote_id, **_next(pending, receipt, now),
        })
    for (outcome, action, is_written), rows in moves.items():
        writing.execute(by_key().values(**_moves(outcome, action, now, is_written=is_written)), rows)


def _moves(outcome: str, action: str, now: int, *, is_written: bool) -> dict[str, Any]:
    table = tables.delivery
    said: dict[str, Any] = {
        "message": bindparam("new_message"), "remote_id": bindparam("new_remote_id"), "updated_at": now,
    }
    if outcome == "confirmed" and action == "withdraw":
        gone = dict.fromkeys(("confirmed_hash", "confirmed_payload", "next_at", "drift", "verified_at"))
        return {**said, **gone, "state": "withdrawn", "action": "send", "attempt": 0, "may_stand": 0, "remote_id": None}
    if outcome == "confirmed":
        return {
            **said, "state": "confirmed", "attempt": 0, "next_at": None, "may_stand": 1, "drift": None,
            "verified_at": now, "confirmed_hash": table.c.hash, "confirmed_payload": table.c.payload,
        }
    if outcome in ("retry", "refused"):
        there: dict[str, Any] = {"confirmed_hash": None, "may_stand": 1} if is_written and action == "send" else {}
        return {**said, **there, "state": bindparam("new_state"), "next_at": bindparam("new_next_at")}
    return {**said, "state": outcome, "may_stand": 1}


def _next(pending: Pending, receipt: Receipt, now: int) -> dict[str, Any]:
    """After `retry` and `refused`: when to try again, or that it is given up."""
    if receipt.outcome == "refused":
        waited = (now - pending.owed_at) / 1_000_000
        wait = int(min(max(waited, REFUSED_FIRST), REFUSED_LONGEST))
        return {"new_state": "refused", "new_next_at": None if receipt.written else now + wait * 1_000_000}
    if receipt.outcome == "retry":
        attempt = pending.delivery.attempt
        if attempt >= ATTEMPTS:
            return {"new_state": "dead", "new_next_at": None}
        return {"new_state": "owed", "new_next_at": now + wait_seconds(attempt) * 1_000_000}
    return {}


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
    """Owe it again at once without knowing what stands there; one that left `ATTEMPTS` times is dead."""
    for state in ("owed", "dead"):
        rows = [
            {"at": destination, "named": pending.delivery.key}
            for pending in batch
            if (pending.delivery.attempt >= ATTEMPTS) == (state == "dead")
        ]
        if rows:
            writing.execute(by_key().values(state=state, next_at=None, confirmed_hash=None), rows)


def forget(
    writing: Writing, destination: str, keys: Collection[str], now: int, message: str | None = None
) -> None:
    """Owe confirmed values again that the destination has lost, or holds otherwise now."""
    table = tables.delivery
    if keys:
        writing.execute(
            by_key().where(table.c.state == "confirmed").values(
                state="owed", confirmed_hash=None, attempt=0, revision=table.c.revision + 1, next_at=None, drift=None,
                message=message, owed_at=now, updated_at=now,
            ),
            [{"at": destination, "named": name} for name in sorted(keys)],
        )


def waiting(destination: str, count: int) -> str:
    """What to tell a person of new values that would be written over somebody's change."""
    many = "1 new value waits" if count == 1 else f"{count:,} new values wait"
    return (
        f"{destination}: {many}, since somebody changed there what we wrote; "
        "`connector deliveries list --state drifted` and `resolve`"
    )


def counts(connection: Connection, destination: str) -> dict[str, int]:
    """How many deliveries stand in each state."""
    table = tables.delivery
    query = select(table.c.state, func.count()).where(table.c.destination == destination).group_by(table.c.state)
    found = {row[0]: int(row[1]) for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in STATES}


def batches(all_: Sequence[Some], size: int) -> Iterator[Sequence[Some]]:
    """All of them, `size` at a time."""
    for start in range(0, len(all_), size):
        yield all_[start : start + size]

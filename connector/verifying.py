"""Reading back what was confirmed: whether it still stands there as we wrote it, or somebody changed it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, or_, select

from connector.outbox import Pending, by_key, pending_of
from connector.ports import Receipt
from connector.store import tables
from connector.store.store import Writing

AT_ONCE = 100  # values read back together; what a crash loses is simply read again
CHANGED = "no longer as we wrote it"


@dataclass(frozen=True, slots=True)
class Verified:
    """What reading some values back showed: those that stand there, and of the others what stands there instead."""

    sound: Sequence[Pending]
    drifted: Sequence[tuple[Pending, str]]


def to_read(connection: Connection, destination: str, before: int, after: str = "") -> list[Pending]:
    """The next confirmed values that were last known to stand there before that instant, by key."""
    table = tables.delivery
    query = select(table).where(
        table.c.destination == destination, table.c.state == "confirmed", table.c.key > after,
        or_(table.c.verified_at.is_(None), table.c.verified_at < before),
    )
    return [pending_of(row) for row in connection.execute(query.order_by(table.c.key).limit(AT_ONCE))]


def compare(values: Sequence[Pending], receipts: Iterator[Receipt | None]) -> Verified:
    """What the destination says of each of these; one that cannot be read is taken for sound."""
    sound, drifted = [], []
    for pending, receipt in zip(values, receipts, strict=True):
        if receipt is not None and receipt.outcome == "retry":
            drifted.append((pending, receipt.message or CHANGED))
        else:
            sound.append(pending)
    return Verified(sound, drifted)


def note(writing: Writing, destination: str, found: Verified, *, run: str, now: int) -> None:
    """Keep what was found; what drifted also among its receipts."""
    rows = [{"at": destination, "named": one.delivery.key, "new_drift": None} for one in found.sound]
    rows += [{"at": destination, "named": one.delivery.key, "new_drift": said} for one, said in found.drifted]
    if rows:
        writing.execute(by_key().values(drift=bindparam("new_drift"), verified_at=now), rows)
    if found.drifted:
        writing.execute(insert(tables.receipt), [
            {
                "at": writing.stamp(), "destination": destination, "key": one.delivery.key,
                "attempt": one.delivery.attempt, "outcome": "drifted", "hash": one.hash,
                "remote_id": one.delivery.remote_id, "status": None, "request_id": None, "message": said, "run": run,
            }
            for one, said in found.drifted
        ])

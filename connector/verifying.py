"""What reading back shows of confirmed values: that they stand there as we wrote them, or somebody changed them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """What reading some values back showed: those that stand there, and of the others what stands there instead.

    `unread` could not be read: what was known of them is all that is known.
    """

    sound: Sequence[Pending]
    drifted: Sequence[tuple[Pending, str]]
    unread: Sequence[Pending]


def to_read(connection: Connection, destination: str, before: int, keys: Sequence[str]) -> list[Pending]:
    """Those of these keys that are confirmed and were last known to stand there before that instant, by key.

    One that could not be read is asked for again as late as if it had been.
    """
    table = tables.delivery
    query = select(table).where(
        table.c.destination == destination, table.c.state == "confirmed", table.c.key.in_(keys),
        table.c.updated_at < before, or_(table.c.verified_at.is_(None), table.c.verified_at < before),
    )
    return [pending_of(row) for row in connection.execute(query.order_by(table.c.key))]


def compare(read: Iterable[tuple[Pending, Receipt | None]]) -> Verified:
    """What the destination says of each of these; None: it cannot be read."""
    sound: list[Pending] = []
    drifted: list[tuple[Pending, str]] = []
    unread: list[Pending] = []
    for pending, receipt in read:
        if receipt is None:
            unread.append(pending)
        elif receipt.outcome == "retry":
            drifted.append((pending, receipt.message or CHANGED))
        else:
            sound.append(pending)
    return Verified(sound, drifted, unread)


def note(writing: Writing, destination: str, found: Verified, *, run: str, now: int) -> None:
    """Keep what was found; what drifted also among its receipts."""
    rows = [{"at": destination, "named": one.delivery.key, "new_drift": None} for one in found.sound]
    rows += [{"at": destination, "named": one.delivery.key, "new_drift": said} for one, said in found.drifted]
    if rows:
        writing.execute(by_key().values(drift=bindparam("new_drift"), verified_at=now), rows)
    if found.unread:
        writing.execute(by_key().values(updated_at=now), [
            {"at": destination, "named": one.delivery.key} for one in found.unread
        ])
    if found.drifted:
        writing.execute(insert(tables.receipt), [
            {
                "at": writing.stamp(), "destination": destination, "key": one.delivery.key,
                "attempt": one.delivery.attempt, "outcome": "drifted", "hash": one.hash,
                "remote_id": one.delivery.remote_id, "status": None, "request_id": None, "message": said, "run": run,
            }
            for one, said in found.drifted
        ])

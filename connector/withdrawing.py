"""Values that are none any more: taken back where the destination can, dropped where they never arrived.

Only what we wrote, and never because a computation gave nothing: where no value exists at all, or none of a KPI that is
still pushed, nothing of it is gone. What somebody was paid on stays: a frozen value is never taken back. More than the
guard allows is left to a person, since a computation that went wrong looks just like people who left.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from connector.model import KpiValue
from connector.outbox import AT_ONCE, Change, batches, by_key, delivery_of, key
from connector.store import tables
from connector.store.store import Writing

UNSENT = "no longer a value; it was never sent"


@dataclass(frozen=True, slots=True)
class Existing:
    """The values there are: their keys at a destination, and the KPIs that have any. `pushed` KPIs should have some.

    `over`: the keys of those that a destination of the current period no longer takes, which nobody needs to look at.
    """

    keys: frozenset[str]
    kpis: frozenset[str]
    pushed: frozenset[str]
    over: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, destination: str, values: Collection[KpiValue], pushed: Collection[str], over: Collection[KpiValue] = ()
    ) -> Existing:
        """Of all values computed or frozen for that destination, whether or not they are sent there now."""
        keys = frozenset(key(destination, value) for value in values)
        left = frozenset(key(destination, value) for value in over) - keys
        return cls(keys, frozenset(value.kpi for value in values), frozenset(pushed), left)

    def lacks(self, name: str, kpi: str) -> bool:
        """Whether the delivery of that key and KPI surely is of no value any more."""
        is_gone = name in self.over or kpi in self.kpis or kpi not in self.pushed
        return bool(self.keys) and name not in self.keys and is_gone


@dataclass(frozen=True, slots=True)
class Gone:
    """What is no value any more: to be taken back, to be dropped unsent, and to be left as it was last confirmed.

    `there`: those that stand at the destination, or may; `odd`: how many of them have not simply passed; `standing`:
    how many values stand there that have not, the odd ones included.
    """

    there: Sequence[str]
    unsent: Sequence[str]
    unchanged: Sequence[str]
    odd: int
    standing: int

    def is_too_much(self, share: float) -> bool:
        """Whether more than this share (0..1) of all that stands there is odd; one may always leave."""
        return self.odd > max(1, share * self.standing)


def gone(connection: Connection, destination: str, existing: Existing) -> Gone:
    """What of all deliveries to the destination is no value any more."""
    table = tables.delivery
    mine = table.c.destination == destination
    query = select(
        table.c.key, table.c.kpi, table.c.state, table.c.action, table.c.may_stand, table.c.confirmed_hash,
    ).where(mine, table.c.state.in_(("owed", "confirmed", "refused", "dead"))).order_by(table.c.key)
    lost = [row for row in connection.execute(query) if existing.lacks(row.key, row.kpi)]
    frozen = _frozen(connection, destination, [row.key for row in lost if row.may_stand])
    there = [row.key for row in lost if row.may_stand and row.action == "send" and row.key not in frozen]
    unsent = [row.key for row in lost if not row.may_stand]
    unchanged = [row.key for row in lost if row.state != "confirmed" and row.action == "send" and row.confirmed_hash]
    standing = connection.execute(select(func.count()).where(mine, table.c.may_stand == 1)).scalar_one()
    over = sum(name in existing.over for name in there)
    return Gone(there, unsent, unchanged, len(there) - over, standing - over)


def _frozen(connection: Connection, destination: str, keys: Sequence[str]) -> set[str]:
    """Those of the keys under which a frozen value stands there."""
    return {
        row.key for row in _rows(connection, destination, keys)
        if json.loads(row.confirmed_payload or row.payload)["status"] == "frozen"
    }


def _rows(connection: Connection, destination: str, keys: Sequence[str]) -> list[Row[Any]]:
    table = tables.delivery
    query = select(table).where(table.c.destination == destination)
    return [
        row for some in batches(keys, AT_ONCE)
        for row in connection.execute(query.where(table.c.key.in_(some)))
    ]


def shown(connection: Connection, destination: str, keys: Sequence[str]) -> list[Change]:
    """What taking these back changes, for a dry run."""
    return [
        Change(delivery_of(row), "", json.loads(row.confirmed_payload or row.payload), row.state, is_gone=True)
        for row in _rows(connection, destination, keys)
    ]


def drop(writing: Writing, destination: str, found: Gone, now: int) -> None:
    """Owe no more what is no value: the unsent go, of the others what was last confirmed stays there."""
    table = tables.delivery
    common = {"next_at": None, "attempt": 0, "updated_at": now}
    _move(writing, destination, found.unsent, {**common, "state": "withdrawn", "message": UNSENT})
    _move(writing, destination, found.unchanged, {
        **common, "state": "confirmed", "hash": table.c.confirmed_hash, "payload": table.c.confirmed_payload,
        "message": None, "revision": table.c.revision + 1,
    })


def withdraw(writing: Writing, destination: str, keys: Sequence[str], now: int) -> None:
    """Owe that these are taken back."""
    table = tables.delivery
    _move(writing, destination, keys, {
        "state": "owed", "action": "withdraw", "attempt": 0, "message": None, "next_at": None,
        "revision": table.c.revision + 1, "owed_at": now, "updated_at": now,
    })


def _move(writing: Writing, destination: str, keys: Sequence[str], values: dict[str, Any]) -> None:
    if keys:
        writing.execute(by_key().values(values), [{"at": destination, "named": name} for name in keys])


def leave(writing: Writing, destination: str, now: int) -> None:
    """Take nothing back any more that still stands there: somebody switched it off."""
    table = tables.delivery
    writing.execute(
        update(table).where(
            table.c.destination == destination, table.c.action == "withdraw", table.c.confirmed_hash.is_not(None),
            table.c.state.in_(("owed", "refused", "dead")),
        ).values(state="confirmed", action="send", attempt=0, message=None, next_at=None, updated_at=now)
    )


def too_much(destination: str, found: Gone) -> str:
    """What to tell a person who has to decide."""
    return (
        f"{destination}: {found.odd:,} of {found.standing:,} values there are none any more, which is more than "
        f"guard.shrink; nothing was taken back; if it is right, `connector push {destination} --withdraw`"
    )

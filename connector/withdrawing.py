"""Values that are none any more: taken back where the destination can, dropped where they never arrived.

Only what we wrote, and never because a computation gave nothing: where no value exists at all, or none of a KPI that is
still pushed in a period, nothing of it is gone. What somebody was paid on stays: a frozen value is never taken back.
More than the guard allows, in all or of one KPI and period, is left to a person, since a computation that went wrong
looks just like people who left. What leaves within `WITHIN` counts together, however many runs it takes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update

from connector.model import KpiValue
from connector.outbox import AT_ONCE, Change, batches, by_key, delivery_of, key
from connector.store import tables
from connector.store.store import Writing

UNSENT = "no longer a value; it was never sent"
LEFT = "no longer a value; what stands there was left as it is"
DAYS = 7
WITHIN = DAYS * 86_400_000_000  # microseconds

Group = tuple[str, str]  # a KPI and a period


@dataclass(frozen=True, slots=True)
class Existing:
    """The values there are: their keys at a destination, the KPIs that have any, and these KPIs' periods (`filled`).

    `pushed` KPIs should have some. `over`: the keys of those that a destination of the current period no longer takes,
    which nobody needs to look at.
    """

    keys: frozenset[str]
    kpis: frozenset[str]
    filled: frozenset[Group]
    pushed: frozenset[str]
    over: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, destination: str, values: Collection[KpiValue], pushed: Collection[str], over: Collection[KpiValue] = ()
    ) -> Existing:
        """Of all values computed or frozen for that destination, whether or not they are sent there now."""
        keys = frozenset(key(destination, value) for value in values)
        left = frozenset(key(destination, value) for value in over) - keys
        filled = frozenset((value.kpi, value.period) for some in (values, over) for value in some)
        return cls(keys, frozenset(kpi for kpi, _ in filled), filled, frozenset(pushed), left)

    def lacks(self, name: str, kpi: str) -> bool:
        """Whether the delivery of that key and KPI is of no value any more, so that nothing more is sent of it."""
        is_gone = name in self.over or kpi in self.kpis or kpi not in self.pushed
        return bool(self.keys) and name not in self.keys and is_gone

    def may_leave(self, name: str, kpi: str, period: str) -> bool:
        """Whether what is lacking is so surely: not because a period's computation gave nothing."""
        return name in self.over or (kpi, period) in self.filled or kpi not in self.pushed


@dataclass(frozen=True, slots=True)
class Gone:
    """What is no value any more: to be taken back, to be dropped unsent, and to be left as it was last confirmed.

    `there`: those that stand at the destination, or may; `passed`: those of them whose period is simply over;
    `forgotten`: those of which nobody knows what stands there. `shares`: how many are gone in all, and of each KPI and
    period.
    """

    there: Sequence[str]
    passed: frozenset[str]
    unsent: Sequence[str]
    unchanged: Sequence[str]
    forgotten: Sequence[str]
    shares: Sequence[Share]

    def excess(self, share: float) -> Share | None:
        """Where more than this share (0..1) of what stands there is gone, if anywhere; one may always leave."""
        return next((one for one in self.shares if one.odd and one.left > max(1, share * one.stood)), None)


@dataclass(frozen=True, slots=True)
class Share:
    """How many values have no other reason to leave than that they are gone (`odd`), of how many that `stood` there.

    `left` counts also those that were taken back within `WITHIN`, as `stood` does. `group` None: of all values.
    """

    group: Group | None
    odd: int
    left: int
    stood: int


def gone(connection: Connection, destination: str, existing: Existing, now: int) -> Gone:
    """What of all deliveries to the destination is no value any more."""
    table = tables.delivery
    columns = (table.c.key, table.c.kpi, table.c.period, table.c.state, table.c.action, table.c.may_stand,
               table.c.confirmed_hash)
    is_open = table.c.state.in_(("owed", "confirmed", "refused", "dead"))
    is_left = and_(table.c.state == "withdrawn", table.c.may_stand == 1)
    query = select(*columns).where(table.c.destination == destination, or_(is_open, is_left)).order_by(table.c.key)
    lost = [row for row in connection.execute(query) if existing.lacks(row.key, row.kpi)]
    stands = [row for row in lost if row.may_stand and existing.may_leave(row.key, row.kpi, row.period)]
    frozen = _frozen(connection, destination, [row.key for row in stands])
    there: list[Any] = [row for row in stands if row.action == "send" and row.key not in frozen]
    failed = [row for row in lost if row.may_stand and row.action == "send"
              and row.state not in ("confirmed", "withdrawn")]
    passed = frozenset(row.key for row in there if row.key in existing.over)
    return Gone(
        there=[row.key for row in there], passed=passed,
        unsent=[row.key for row in lost if not row.may_stand],
        unchanged=[row.key for row in failed if row.confirmed_hash],
        forgotten=[row.key for row in failed if not row.confirmed_hash],
        shares=_shares(connection, destination, existing, there, passed, now - WITHIN),
    )


def _shares(
    connection: Connection, destination: str, existing: Existing, there: Sequence[Any],
    passed: Collection[str], since: int,
) -> list[Share]:
    """Of all values, then of each pushed KPI and period; `since`: from when on what was taken back counts too."""
    table = tables.delivery
    by_group = select(table.c.kpi, table.c.period, func.count()).where(table.c.destination == destination)
    by_group = by_group.group_by(table.c.kpi, table.c.period)
    recent = by_group.where(
        table.c.withdrawn_at >= since, or_(table.c.action == "withdraw", table.c.state == "withdrawn")
    )
    odd = Counter((row.kpi, row.period) for row in there if row.key not in passed)
    gone_by = Counter((row.kpi, row.period) for row in there if row.key in passed)
    stood: Counter[Group] = Counter()
    for kpi, period, count in connection.execute(by_group.where(table.c.may_stand == 1)):
        stood[kpi, period] += count - gone_by[kpi, period]
    for kpi, period, count in connection.execute(recent.where(table.c.may_stand == 0)):
        stood[kpi, period] += count
    left = odd + Counter({(kpi, period): count for kpi, period, count in connection.execute(recent)})
    every = Share(None, odd.total(), left.total(), stood.total())
    return [every, *(
        Share(group, count, left[group], stood[group])
        for group, count in sorted(odd.items()) if group[0] in existing.pushed
    )]


def _frozen(connection: Connection, destination: str, keys: Sequence[str]) -> set[str]:
    """Those of the keys under which a frozen value stands there, or may."""
    return {
        row.key for row in _rows(connection, destination, keys)
        if any(json.loads(said)["status"] == "frozen" for said in (row.confirmed_payload, row.payload) if said)
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
    """Owe no more what is no value: the unsent go, of the others what stands there stays."""
    table = tables.delivery
    common = {"next_at": None, "attempt": 0, "updated_at": now}
    _move(writing, destination, found.unsent, {**common, "state": "withdrawn", "message": UNSENT})
    _move(writing, destination, found.unchanged, {
        **common, "state": "confirmed", "hash": table.c.confirmed_hash, "payload": table.c.confirmed_payload,
        "message": None, "revision": table.c.revision + 1,
    })
    _move(writing, destination, found.forgotten, {**common, "state": "withdrawn", "message": LEFT})


def withdraw(writing: Writing, destination: str, found: Gone, now: int, *, is_decided: bool) -> None:
    """Owe that what is gone is taken back. `is_decided`: a person said so, and of what left before too."""
    table = tables.delivery
    if is_decided:
        mine = (table.c.destination == destination, table.c.withdrawn_at.is_not(None))
        writing.execute(update(table).where(*mine).values(withdrawn_at=None))
    counted = [] if is_decided else [name for name in found.there if name not in found.passed]
    common = {
        "state": "owed", "action": "withdraw", "attempt": 0, "message": None, "next_at": None,
        "revision": table.c.revision + 1, "owed_at": now, "updated_at": now,
    }
    _move(writing, destination, counted, {**common, "withdrawn_at": now})
    others = [name for name in found.there if is_decided or name in found.passed]
    _move(writing, destination, others, {**common, "withdrawn_at": None})


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


def too_much(destination: str, found: Share) -> str:
    """What to tell a person who has to decide."""
    of = "" if found.group is None else f" of {found.group[0]} in {found.group[1]}"
    lately = "" if found.left == found.odd else f", with those taken back in the last {DAYS} days"
    return (
        f"{destination}: {found.left:,} of {found.stood:,} values{of} there are none any more{lately}, which is more "
        f"than guard.shrink; nothing was taken back; if it is right, `connector push {destination} --withdraw`"
    )

"""What a push would do, and that without doing any of it: the dry run. It writes nothing, here or there.

What stands at the destination is what was last confirmed there; only `--verify` asks it. The answer says how many
requests were made (`requests`), and how many values a real push would read back before it sends anything, since nobody
answered for them (`reads_first`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from connector import outbox, verifying, withdrawing
from connector.delivering import DestinationSummary, Rules
from connector.errors import RemoteError
from connector.outbox import Change
from connector.ports import Delivery, Destination
from connector.store.store import Store
from connector.withdrawing import Existing


def preview(
    store: Store, destination: Destination, name: str, owing: Iterable[Delivery], existing: Existing | None,
    rules: Rules,
) -> DestinationSummary:
    """Old → new of each field that a push would change, as the destination names its fields where it does."""
    notes: list[str] = []
    with store.reading() as connection:
        overwrites = destination.kind != "log"
        changes, settled = outbox.plan(connection, name, owing, destination.content, overwrites=overwrites)
        counts = outbox.counts(connection, name)
        open_ones = outbox.unanswered(connection, name)
        again = {change.delivery.key for change in changes} | set(settled)
        standing = [change for change in outbox.standing(connection, name) if change.delivery.key not in again]
        if existing is not None:
            gone = withdrawing.gone(connection, name, existing)
            leaving = {*gone.unsent, *gone.unchanged, *gone.there}
            standing = [change for change in standing if change.is_gone or change.delivery.key not in leaving]
            if rules.withdraw and destination.withdraws and gone.is_too_much(rules.shrink):
                notes.append(withdrawing.too_much(name, gone))
            elif rules.withdraw and destination.withdraws:
                changes += withdrawing.shown(connection, name, gone.there)
    found = [*standing, *changes]
    drifted, error = _read_back(store, destination, name, rules)
    shown = [_shown(destination, change) for change in sorted(found, key=lambda one: one.delivery.key)]
    return DestinationSummary(
        name, owed=len(shown), refused=counts["refused"], unanswered=counts["unanswered"] + counts["sending"],
        dead=counts["dead"], drifted=len(drifted), error=error, notes=tuple(notes),
        preview={
            **({"changes": shown} if shown else {}), **({"drift": drifted} if drifted else {}),
            "requests": destination.requests, "reads_first": sum(one.action == "send" for one in open_ones),
        },
    )


def _read_back(
    store: Store, destination: Destination, name: str, rules: Rules
) -> tuple[list[dict[str, Any]], str | None]:
    """What no longer stands there as it was confirmed; only if that was asked for."""
    if not rules.verify:
        return [], None
    drifted: list[dict[str, Any]] = []
    after = ""
    try:
        while True:
            with store.reading() as connection:
                some = verifying.to_read(connection, name, 1 << 62, after)
            if not some:
                return drifted, None
            after = some[-1].delivery.key
            read = destination.find_all([pending.delivery for pending in some])
            for pending, said in verifying.compare(some, iter(read)).drifted:
                drifted.append({"key": pending.delivery.key, "message": said})
    except RemoteError as failure:
        return drifted, str(failure)


def _shown(destination: Destination, change: Change) -> dict[str, Any]:
    """One line of a dry run: what is there, what would be, field by field."""
    kpi, delivery = change.delivery.kpi, change.delivery
    new: Mapping[str, Any] = {} if change.is_gone else destination.fields(delivery)
    old = {} if change.old is None else destination.fields(replace(delivery, kpi=change.old))
    names = [name for name in {**new, **old} if new.get(name) != old.get(name)]
    return {
        "key": delivery.key,
        "kpi": kpi["kpi"],
        "subject": kpi["subject"],
        "dimensions": kpi["dimensions"],
        "period": kpi["period"],
        "state": change.state,
        **({"action": "withdraw"} if change.is_gone else {}),
        "fields": {name: {"old": old.get(name), "new": new.get(name)} for name in names},
    }

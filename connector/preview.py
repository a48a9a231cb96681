"""What a push would do, and that without doing any of it: the dry run. It writes nothing, here or there.

What stands at the destination is what was last confirmed there; only `--verify` asks it. The answer says how many
requests were made (`requests`), and how many values a real push would read back before it sends anything, since nobody
answered for them (`reads_first`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connector import outbox, verifying, withdrawing
from connector.delivering import DestinationSummary, Rules
from connector.errors import AuthError
from connector.model import micros
from connector.outbox import Change
from connector.ports import Delivery, Destination
from connector.reading import Reading
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
        owing = list(owing)
        planned = outbox.plan(
            connection, name, owing, destination.content, overwrites=overwrites, holds=rules.on_drift == "report"
        )
        changes = [*planned.changes]
        if planned.held:
            notes.append(outbox.waiting(name, len(planned.held)))
        counts = outbox.counts(connection, name)
        open_ones = outbox.unanswered(connection, name)
        again = {change.delivery.key for change in changes} | set(planned.settled)
        standing = [change for change in outbox.standing(connection, name) if change.delivery.key not in again]
        if existing is not None:
            gone = withdrawing.gone(connection, name, existing, micros(store.clock.now()))
            leaving = {*gone.unsent, *gone.unchanged, *gone.forgotten, *gone.there}
            standing = [change for change in standing if change.is_gone or change.delivery.key not in leaving]
            excess = gone.excess(rules.shrink)
            if rules.withdraw and destination.withdraws and excess is not None:
                notes.append(withdrawing.too_much(name, excess))
            elif rules.withdraw and destination.withdraws:
                changes += withdrawing.shown(connection, name, gone.there)
    found = [*standing, *changes]
    drifted, error = _read_back(store, destination, name, sorted({one.key for one in owing}), rules, notes)
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
    store: Store, destination: Destination, name: str, wanted: Sequence[str], rules: Rules, notes: list[str]
) -> tuple[list[dict[str, Any]], str | None]:
    """What of `wanted` no longer stands there as it was confirmed, and why reading ended early; only if asked for."""
    if not rules.verify:
        return [], None
    drifted: list[dict[str, Any]] = []
    reading = Reading(destination)
    try:
        for keys in outbox.batches(wanted, verifying.AT_ONCE):
            with store.reading() as connection:
                some = verifying.to_read(connection, name, 1 << 62, keys)
            for pending, said in verifying.compare(reading.read(some)).drifted:
                drifted.append({"key": pending.delivery.key, "message": said})
    except AuthError as failure:
        return drifted, str(failure)
    if reading.note is not None:
        notes.append(reading.note)
    return drifted, None


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

"""One run of one destination: settle what is unanswered, owe what changed, send it, keep the receipts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from connector import outbox
from connector.errors import RemoteError, Unanswered
from connector.model import KpiValue, micros
from connector.outbox import Pending
from connector.period import Calendar
from connector.ports import Clock, Delivery, Destination, Receipt
from connector.store.store import Lease, Store, Writing

Periods = Literal["current", "open", "closed", "all"]
OnUnanswered = Literal["hold", "resend"]

SETTLED_AT_ONCE = 100  # findings committed together; those lost in a crash are simply asked for again
SILENT_BATCHES = 3  # so many batches without a single answer, and the destination is left alone until the next run


@dataclass(frozen=True, slots=True)
class DestinationSummary:
    """What one run did and what now stands there.

    `confirmed` counts this run's confirmations; the others what stands in that state after it (after a dry run: what
    a real one would send). `changes` is filled by a dry run only.
    """

    destination: str
    owed: int = 0
    confirmed: int = 0
    refused: int = 0
    unanswered: int = 0
    dead: int = 0
    error: str | None = None
    changes: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether everything that was owed is confirmed."""
        return self.error is None and not (self.owed or self.refused or self.unanswered or self.dead)

    def as_json(self) -> dict[str, Any]:
        """The object of design.md section 8; a dry run adds `changes`."""
        counts = {name: getattr(self, name) for name in ("owed", "confirmed", "refused", "unanswered", "dead")}
        shown = {"destination": self.destination, **counts, "error": self.error}
        return {**shown, "changes": list(self.changes)} if self.changes else shown


# --- which values ----------------------------------------------------------------------------------------------------


def scope(values: Iterable[KpiValue], periods: Periods, *, now: datetime, calendar: Calendar) -> list[KpiValue]:
    """The values whose period a destination takes.

    current: the period that contains now; closed: frozen ones; open: those that are not.
    """
    today = calendar.day_of(micros(now)).isoformat()
    wanted: Mapping[str, Callable[[KpiValue], bool]] = {
        "current": lambda value: value.period_start <= today <= value.period_end,
        "open": lambda value: value.status != "frozen",
        "closed": lambda value: value.status == "frozen",
        "all": lambda _value: True,
    }
    return [value for value in values if wanted[periods](value)]


def pushable(values: Iterable[KpiValue], owner_kpis: Collection[str] = ()) -> list[KpiValue]:
    """The values that may leave at all.

    Not what is withheld or not known yet, and not an owner nobody matched to a person: a subject of kind `owner` is
    only pushed where the KPI is defined per owner (`owner_kpis`).
    """
    return [
        value
        for value in values
        if value.status not in ("withheld", "unknown_before")
        and (value.subject.kind != "owner" or value.kpi in owner_kpis)
    ]


def deliveries(
    destination: str, values: Iterable[KpiValue], persons: Mapping[str, Mapping[str, str]]
) -> list[Delivery]:
    """The values as deliveries to that destination; `persons` by employee code, as the people file has them."""
    return [
        Delivery(
            outbox.key(destination, value),
            value.as_json(),
            persons.get(value.subject.key, {}) if value.subject.kind == "person" else {},
        )
        for value in values
    ]


# --- one run ---------------------------------------------------------------------------------------------------------


def deliver(
    store: Store,
    destination: Destination,
    name: str,
    values: Sequence[KpiValue],
    persons: Mapping[str, Mapping[str, str]],
    *,
    run: str,
    clock: Clock,
    stop: Callable[[], bool] = lambda: False,
    on_unanswered: OnUnanswered = "hold",
    owner_kpis: Collection[str] = (),
    dry_run: bool = False,
) -> DestinationSummary:
    """Bring the destination to these values, and say how far that came.

    What was confirmed and did not change is not sent. A destination that fails is left with the rest owed, and the
    summary says why. A dry run writes nothing anywhere. Raises Busy when another run delivers to it, StoreError.
    """
    owing = deliveries(name, pushable(values, owner_kpis), persons)
    if dry_run:
        return _preview(store, destination, name, owing)
    lease = store.acquire(f"destination/{name}")
    try:
        may_resend = destination.idempotent or on_unanswered == "resend"
        return _Run(store, destination, name, lease, run, clock, stop, may_resend).go(owing)
    finally:
        store.release(lease)


@dataclass
class _Run:
    """The steps of one run, each committed under the lease."""

    store: Store
    destination: Destination
    name: str
    lease: Lease
    run: str
    clock: Clock
    stop: Callable[[], bool]
    may_resend: bool
    confirmed: int = 0

    def go(self, owing: Sequence[Delivery]) -> DestinationSummary:
        with self._writing() as writing:
            outbox.recover(writing, self.name, self._now())
        error = None
        try:
            self._settle()
        except RemoteError as failure:
            error = str(failure)
        lacking = self.destination.lacks(owing)
        with self._writing() as writing:
            outbox.owe(writing, self.name, owing, now=self._now(), content=self.destination.content)
            outbox.forget(writing, self.name, lacking, self._now())
        if error is None:
            error = self._send()
        with self.store.reading() as connection:
            counts = outbox.counts(connection, self.name)
        return DestinationSummary(
            self.name, owed=counts["owed"], confirmed=self.confirmed, refused=counts["refused"],
            unanswered=counts["unanswered"], dead=counts["dead"], error=error,
        )

    def _settle(self) -> None:
        """Ask the destination what became of each unanswered delivery. Raises RemoteError."""
        with self.store.reading() as connection:
            open_ones = outbox.unanswered(connection, self.name)
        for batch in outbox.batches(open_ones, SETTLED_AT_ONCE):
            found: list[tuple[Pending, Receipt]] = []
            unreadable: list[Pending] = []
            try:
                for pending in batch:
                    if self.stop():
                        return
                    receipt = self.destination.find(pending.delivery)
                    if receipt is None:
                        unreadable.append(pending)
                    else:
                        found.append((pending, replace(receipt, message=receipt.message or "read back")))
            finally:
                self._settled(found, unreadable)

    def _settled(self, found: Sequence[tuple[Pending, Receipt]], unreadable: Sequence[Pending]) -> None:
        with self._writing() as writing:
            outbox.settle(writing, self.name, found, run=self.run, now=self._now())
            if self.may_resend:
                outbox.resend(writing, self.name, unreadable)
        self.confirmed += sum(receipt.outcome == "confirmed" for _, receipt in found)

    def _send(self) -> str | None:
        """Send what is due, batch by batch; why it ended early, None if it did not."""
        with self.store.reading() as connection:
            due = outbox.due(connection, self.name, self._now())
        silent = 0
        for batch in outbox.batches(due, self.destination.batch):
            if self.stop():
                return None
            with self._writing() as writing:
                outbox.begin(writing, self.name, batch, self._now())
            error, answered = self._send_batch(batch)
            silent = 0 if answered else silent + 1
            if error is None and silent == SILENT_BATCHES:
                error = f"{self.name}: {silent} requests in a row had no answer; the rest stays owed"
            if error is not None:
                return error
        try:
            self.destination.finish()
        except RemoteError as failure:
            return str(failure)
        return None

    def _send_batch(self, batch: Sequence[Pending]) -> tuple[str | None, bool]:
        """Send one batch and commit its receipts: what went wrong with the whole, and whether anything answered."""
        waiting = {pending.delivery.key: pending for pending in batch}
        answers: list[tuple[Pending, Receipt]] = []
        error, not_sent = None, False
        try:
            for receipt in self.destination.send([pending.delivery for pending in batch]):
                pending = waiting.pop(receipt.key, None)
                if pending is not None:
                    answers.append((pending, receipt))
        except Unanswered as failure:
            error = str(failure)
        except RemoteError as failure:
            error, not_sent = str(failure), True
        left = list(waiting.values())
        if not not_sent:
            answers += [(pending, _no_receipt(pending, error)) for pending in left]
        with self._writing() as writing:
            outbox.record(writing, self.name, answers, run=self.run, now=self._now())
            if not_sent:
                outbox.give_back(writing, self.name, left, self._now())
        self.confirmed += sum(receipt.outcome == "confirmed" for _, receipt in answers)
        return error, any(receipt.outcome != "unanswered" for _, receipt in answers)

    @contextmanager
    def _writing(self) -> Iterator[Writing]:
        with self.store.writing() as writing:
            self.store.hold(writing, self.lease)
            yield writing

    def _now(self) -> int:
        return micros(self.clock.now())


def _no_receipt(pending: Pending, error: str | None) -> Receipt:
    return Receipt(pending.delivery.key, "unanswered", message=error or "the destination gave no verdict on this value")


# --- the preview -----------------------------------------------------------------------------------------------------


def _preview(store: Store, destination: Destination, name: str, owing: Sequence[Delivery]) -> DestinationSummary:
    with store.reading() as connection:
        changes, settled = outbox.plan(connection, name, owing, destination.content)
        counts = outbox.counts(connection, name)
        again = {change.delivery.key for change in changes} | set(settled)
        standing = [change for change in outbox.standing(connection, name) if change.delivery.key not in again]
    shown = tuple(_shown(change) for change in sorted([*standing, *changes], key=lambda one: one.delivery.key))
    return DestinationSummary(
        name, owed=len(shown), refused=counts["refused"], unanswered=counts["unanswered"] + counts["sending"],
        dead=counts["dead"], changes=shown,
    )


def _shown(change: outbox.Change) -> dict[str, Any]:
    """One line of a dry run: what is there, what would be, field by field."""
    new, old = change.delivery.kpi, change.old or {}
    names = [name for name in new if name != "as_of" and new.get(name) != old.get(name)]
    return {
        "key": change.delivery.key,
        "kpi": new["kpi"],
        "subject": new["subject"],
        "dimensions": new["dimensions"],
        "period": new["period"],
        "state": change.state,
        "fields": {name: {"old": old.get(name), "new": new.get(name)} for name in names},
    }

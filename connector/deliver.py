"""One run of one destination: settle what is unanswered, owe what changed, send it, keep the receipts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from connector import outbox, preview, verifying, withdrawing
from connector.delivering import DestinationSummary, OnDrift, OnUnanswered, Rules
from connector.errors import AuthError, ConnectorError, RemoteError
from connector.model import KpiValue, micros
from connector.outbox import Pending
from connector.period import Calendar
from connector.ports import Clock, Delivery, Destination, Receipt
from connector.reading import Reading
from connector.sending import Sender, Sent
from connector.store.store import Lease, Store, Writing
from connector.withdrawing import Existing

Periods = Literal["current", "open", "closed", "all"]

__all__ = [
    "DestinationSummary", "OnDrift", "OnUnanswered", "Periods", "Rules", "deliver", "deliveries", "pushable", "scope",
]

OWED_AT_ONCE = 1000  # values owed together, and rows read together: memory stays flat however many there are
_BY_DEFAULT = Rules()
HOLD = timedelta(seconds=30)  # the longest time without a write before the lease is prolonged by one of its own
SETTLED_AT_ONCE = 100  # findings committed together; those lost in a crash are simply asked for again


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
) -> Iterator[Delivery]:
    """The values as deliveries to that destination; `persons` by employee code, as the people file has them."""
    for value in values:
        person = persons.get(value.subject.key, {}) if value.subject.kind == "person" else {}
        yield Delivery(outbox.key(destination, value), value.as_json(), person)


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
    existing: Existing | None = None,
    rules: Rules = _BY_DEFAULT,
) -> DestinationSummary:
    """Bring the destination to these values, and say how far that came.

    What was confirmed and did not change is not sent. A destination that fails is left with the rest owed, and the
    summary says why. `existing` are all values there are: what is none of them is sent no more, and taken back where
    the rules say so. A dry run writes nothing anywhere. Raises Busy when another run delivers to it, StoreError.
    """
    owing = list(pushable(values, owner_kpis))
    if dry_run:
        return preview.preview(store, destination, name, deliveries(name, owing, persons), existing, rules)
    wanted = frozenset(outbox.key(name, value) for value in owing)
    lease = store.acquire(f"destination/{name}")
    try:
        made = _Run(
            store, destination, name, lease, run, clock, stop, on_unanswered == "resend", rules, existing, wanted
        )
        with destination.context.beat.heard_by(made.beat):
            return made.go(deliveries(name, owing, persons))
    finally:
        store.release(lease)


@dataclass
class _Run:
    """The steps of one run, each committed under the lease. `wanted`: the keys of what the destination is to hold."""

    store: Store
    destination: Destination
    name: str
    lease: Lease
    run: str
    clock: Clock
    stop: Callable[[], bool]
    resends: bool
    rules: Rules
    existing: Existing | None
    wanted: frozenset[str]
    confirmed: int = 0
    withdrawn: int = 0
    drifted: int = 0
    held: int = 0
    notes: list[str] = field(default_factory=list)
    reading: Reading = field(init=False)
    _held_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.reading, self._held_at = Reading(self.destination), self.clock.now()

    def go(self, owing: Iterable[Delivery]) -> DestinationSummary:
        with self._writing() as writing:
            outbox.recover(writing, self.name, self._now())
            if not self._withdraws:
                withdrawing.leave(writing, self.name, self._now())
        error = None
        try:
            self._settle()
        except AuthError as failure:
            error = failure
        self._owe(owing, ask=error is None)
        if error is None:
            error = self._verify()
        if self.reading.note is not None:
            self.notes.append(self.reading.note)
        self._leave()
        said = str(error) if error is not None else self._send()
        with self.store.reading() as connection:
            counts = outbox.counts(connection, self.name)
        return DestinationSummary(
            self.name, owed=counts["owed"], confirmed=self.confirmed, refused=counts["refused"],
            unanswered=counts["unanswered"], dead=counts["dead"], withdrawn=self.withdrawn, drifted=self.drifted,
            error=said, notes=tuple(self.notes),
        )

    # --- settling ----------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Ask the destination what became of each unanswered delivery. Raises AuthError.

        What was to be taken back is simply taken back again. What nobody can tell of today waits for the next run, and
        nothing else does.
        """
        with self.store.reading() as connection:
            open_ones = outbox.unanswered(connection, self.name)
        leaving = [one for one in open_ones if one.action == "withdraw"]
        if leaving:
            with self._writing() as writing:
                outbox.resend(writing, self.name, leaving)
        for batch in outbox.batches([one for one in open_ones if one.action == "send"], SETTLED_AT_ONCE):
            found: list[tuple[Pending, Receipt]] = []
            unreadable: list[Pending] = []
            try:
                for pending, receipt in self.reading.read(batch):
                    if self.stop():
                        return
                    if receipt is None:
                        unreadable.append(pending)
                    else:
                        found.append((pending, replace(receipt, message=receipt.message or "read back")))
            finally:
                self._settled(found, unreadable)

    def _settled(self, found: Sequence[tuple[Pending, Receipt]], unreadable: Sequence[Pending]) -> None:
        with self._writing() as writing:
            outbox.settle(writing, self.name, found, run=self.run, now=self._now())
            again = [one for one in unreadable if self.resends or self.destination.may_repeat(one.delivery)]
            outbox.resend(writing, self.name, again)
        self.confirmed += sum(receipt.outcome == "confirmed" for _, receipt in found)

    # --- owing -------------------------------------------------------------------------------------------------------

    def _owe(self, owing: Iterable[Delivery], *, ask: bool) -> None:
        """Owe what differs from what was confirmed, and, if the destination may be asked, what it has lost."""
        for some in _some(owing, OWED_AT_ONCE):
            lacking = self.destination.lacks(some) if ask else ()
            with self._writing() as writing:
                found = outbox.owe(
                    writing, self.name, some, now=self._now(), content=self.destination.content,
                    overwrites=self.destination.kind != "log", holds=self.rules.on_drift == "report",
                )
                outbox.forget(writing, self.name, lacking, self._now())
            self.held += len(found.held)
        if self.held:
            self.notes.append(outbox.waiting(self.name, self.held))

    @property
    def _withdraws(self) -> bool:
        return self.rules.withdraw and self.destination.withdraws

    def _leave(self) -> None:
        """Owe no more what is no value any more; where the rules say so, owe that it is taken back."""
        if self.existing is None:
            return
        with self.store.reading() as connection:
            found = withdrawing.gone(connection, self.name, self.existing, self._now())
        excess = found.excess(self.rules.shrink)
        with self._writing() as writing:
            withdrawing.drop(writing, self.name, found, self._now())
            if self._withdraws and excess is None:
                withdrawing.withdraw(writing, self.name, found, self._now(), is_decided=self.rules.shrink >= 1)
        if self._withdraws and excess is not None:
            self.notes.append(withdrawing.too_much(self.name, excess))

    # --- verifying ---------------------------------------------------------------------------------------------------

    def _verify(self) -> AuthError | None:
        """Read back what the rules say is to be; a refused credential ends the run, any other failure is a finding.

        Only what the destination is to hold now: what it held before may have made way for it, or been removed.
        """
        before = verify_before(self.rules, self.clock.now())
        if before is None:
            return None
        try:
            for keys in outbox.batches(sorted(self.wanted), verifying.AT_ONCE):
                if self.stop() or self.reading.is_over:
                    break
                with self.store.reading() as connection:
                    some = verifying.to_read(connection, self.name, before, keys)
                if some:
                    self._verified(verifying.compare(self.reading.read(some)))
        except AuthError as error:
            return error
        return None

    def _verified(self, found: verifying.Verified) -> None:
        with self._writing() as writing:
            verifying.note(writing, self.name, found, run=self.run, now=self._now())
            if self.rules.on_drift == "overwrite":
                said = {one.delivery.key: message for one, message in found.drifted}
                outbox.forget(writing, self.name, said, self._now(), "changed there, and written again")
        if self.rules.on_drift == "report":
            self.drifted += len(found.drifted)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _send(self) -> str | None:
        """Take back and send what is due; why it ended early, None if it did not."""
        parallel = self.rules.parallel if self.destination.concurrent else 1
        sender = Sender(self.name, self.destination, self._commit, self.stop, parallel)
        if (error := sender.go(self._due())) is not None or self.stop():
            return error
        try:
            self.destination.finish()
        except RemoteError as failure:
            return str(failure)
        return None

    def _due(self) -> Iterator[Sequence[Pending]]:
        """What may leave, batch by batch; a page of rows at a time."""
        now, size = self._now(), self.destination.batch
        limit = size * max(1, OWED_AT_ONCE // size)
        actions: tuple[outbox.Action, ...] = ("withdraw", "send") if self._withdraws else ("send",)
        for action in actions:
            page: list[Pending] = []
            while not page or len(page) == limit:
                with self.store.reading() as connection:
                    page = outbox.due(
                        connection, self.name, now, action=action, asked=self.rules.asked,
                        after=page[-1] if page else None, limit=limit,
                    )
                if not page:
                    break
                yield from outbox.batches(page, size)

    def _commit(self, finished: Sequence[Sent], leaving: Sequence[Sequence[Pending]]) -> None:
        """Keep what came back, and note what is about to leave, in one transaction."""
        with self._writing() as writing:
            for sent in finished:
                outbox.record(writing, self.name, sent.answers, run=self.run, now=self._now())
                outbox.give_back(writing, self.name, sent.not_sent, self._now())
            for batch in leaving:
                outbox.begin(writing, self.name, batch, self._now())
        for sent in finished:
            for pending, receipt in sent.answers:
                self.confirmed += receipt.outcome == "confirmed" and pending.action == "send"
                self.withdrawn += receipt.outcome == "confirmed" and pending.action == "withdraw"

    @contextmanager
    def _writing(self) -> Iterator[Writing]:
        with self.store.writing() as writing:
            self.store.hold(writing, self.lease)
            self._held_at = self.clock.now()
            yield writing

    def beat(self) -> None:
        """Prolong the lease in the middle of a long call, from any thread; what is wrong the next writing will say."""
        if self.clock.now() - self._held_at >= HOLD:
            with suppress(ConnectorError), self._writing():
                pass
            self._held_at = self.clock.now()  # also where that failed: it is not tried again at each beat

    def _now(self) -> int:
        return micros(self.clock.now())


def verify_before(rules: Rules, now: datetime) -> int | None:
    """Confirmed values last known to stand there before this instant are to be read back; None: none are."""
    if rules.verify:
        return micros(now) + 1
    return None if rules.verify_every is None else micros(now - rules.verify_every)


def _some(owing: Iterable[Delivery], size: int) -> Iterator[list[Delivery]]:
    some: list[Delivery] = []
    for delivery in owing:
        some.append(delivery)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some

"""What one stream's run records: pages mapped, landed and applied in one transaction, the cursor, and the counts.

Windows, full passes, id passes and webhooks read differently and record by the same `Recorder`, under one lease.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, func, select, update

from connector import journal
from connector.errors import ConnectorError
from connector.journal import PageEntry
from connector.ledger import Changes
from connector.mapping import Mapping
from connector.model import Mapped, micros
from connector.ports import Clock, Page, Source, Stream
from connector.slices import instant
from connector.store import landing, tables
from connector.store.store import Lease, Store, Writing

BUSY = 75
BATCH = 500  # records written in one transaction, unless the pages come so slowly that they should not wait
PATIENCE = timedelta(seconds=1)
HOLD = timedelta(seconds=30)  # the longest time without a write before the lease is prolonged by one of its own

Progress = Callable[[str, int], None]


@dataclass(slots=True)
class StreamSummary:
    """What happened to one stream; the fields are those of design.md section 8.

    `would_stop`: of a dry run, why a person would have to decide; None where nobody would. `resumed`: it went on where
    the same resync had been interrupted.
    """

    source: str
    stream: str
    status: str = "ok"
    requests: int = 0
    records: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    quarantined: int = 0
    cursor: str | None = None
    error: str | None = None
    would_stop: str | None = None
    resumed: bool = False
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in (
                "stream", "requests", "records", "new", "changed", "unchanged", "deleted", "quarantined", "cursor",
                "error", "would_stop", "resumed",
            )
        }

    def count(self, mapped: Sequence[Mapped], changes: Changes) -> None:
        """Add one page."""
        self.records += len(mapped)
        self.new += changes.new
        self.changed += changes.changed
        self.deleted += changes.deleted
        self.quarantined += changes.quarantined
        self.unchanged += len(mapped) - changes.quarantined - changes.new - changes.changed - changes.deleted

    def fail(self, error: ConnectorError) -> None:
        """Take over how the stream ended."""
        self.status = {4: "stopped", BUSY: "busy"}.get(error.exit_code, "failed")
        self.error, self.exit_code = str(error), error.exit_code

    def stopped(self, goes_on: str = "the next run goes on from here") -> None:
        """Somebody asked the run to end."""
        self.status, self.exit_code = "stopped", 1
        self.error = f"asked to stop; {goes_on}"


class AlsoKeys(Protocol):
    """What is written in the transaction of some records, of their keys."""

    def __call__(self, writing: Writing, keys: Sequence[str]) -> None: ...


class Read(NamedTuple):
    """A page as read: with its records mapped and its bodies packed, ready to be written.

    `left_out`: the keys of those of its records that are not taken in.
    """

    page: Page
    mapped: list[Mapped]
    packed: landing.Packed
    left_out: frozenset[str] = frozenset()

    @property
    def taken(self) -> list[Mapped]:
        """The records that are taken in."""
        return [record for record in self.mapped if record.key not in self.left_out]


def _nothing(writing: Writing, keys: Sequence[str] = ()) -> None:
    """A batch of pages that nothing else is written with."""


@dataclass(slots=True)
class Recorder:
    """One stream of one run. `lease` is set while it is held; nothing is written without one.

    `since`: what did not change after it is taken in by no pass and no webhook, unless we know it already.
    `known_until`: up to when all changes of the stream had been read before, in microseconds on the vendor's clock.
    """

    store: Store
    source: Source
    mapping: Mapping
    stream: Stream
    run: str
    clock: Clock
    stop: Callable[[], bool]
    progress: Progress
    summary: StreamSummary
    since: datetime | None = None
    lease: Lease | None = None
    known_until: int | None = field(init=False, default=None)
    _held_at: datetime | None = field(init=False, default=None)

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.stream.name

    # --- the lease ---------------------------------------------------------------------------------------------------

    def hold(self, writing: Writing) -> None:
        """Make sure that this transaction may write: the lease is ours, and the mapping still the one in force.

        Raises LeaseLost and Busy.
        """
        assert self.lease is not None  # noqa: S101  # set by whoever runs the stream
        self.store.hold(writing, self.lease)
        journal.check_in_force(writing.connection, self.mapping)
        self._held_at = self.clock.now()

    def begin(self, lease: Lease) -> None:
        """This is the right to write, as of now."""
        self.lease, self._held_at = lease, self.clock.now()

    def keep(self) -> None:
        """Prolong the lease where nothing was written for a while: reading long must not lose it."""
        if self._is_due():
            with self.store.writing() as writing:
                self.hold(writing)

    def beat(self) -> None:
        """As `keep`, from whatever thread, and in the middle of a page; what is wrong the next writing will say."""
        if self._is_due():
            with suppress(ConnectorError):
                self.keep()
            self._held_at = self.clock.now()  # also where that failed: it is not tried again at each beat

    def _is_due(self) -> bool:
        return self._held_at is None or self.clock.now() - self._held_at >= HOLD

    # --- pages -------------------------------------------------------------------------------------------------------

    def map(self, page: Page) -> list[Mapped]:
        """The page's records, mapped."""
        return list(self.mapping.apply(self.name, self.source.records(self.name, page.exchanges)))

    def batches(self, pages: Iterator[Page]) -> Iterator[list[Read]]:
        """Pages, read and mapped, as many as are written at once; what came before an error is given before it.

        The first page comes alone, so that what is wrong with it shows at once; then twice as many each time.
        """
        batch: list[Read] = []
        most = 1
        failure: ConnectorError | None = None
        ended, began = False, self.clock.now()
        while not ended:
            try:
                page = next(pages, None)
                if page is None:
                    ended = True
                else:
                    batch.append(Read(page, self.map(page), landing.pack(page.exchanges)))
            except ConnectorError as error:
                ended, failure = True, error
            full = len(batch) >= most or self.clock.now() - began >= PATIENCE
            if batch and (ended or full or self.stop()):
                yield batch
                records = sum(len(read.mapped) for read in batch)
                most = max(1, min(2 * most, BATCH * len(batch) // max(records, 1)))
                batch, began = [], self.clock.now()
        if failure is not None:
            raise failure

    def take(self, batch: Sequence[Read], also: Callable[[Writing], None] = _nothing) -> None:
        """Land pages and apply them, and write what belongs with them: one transaction."""
        with self.store.writing() as writing:  # one reader at a time
            self.hold(writing)
            entries = []
            for read in batch:
                self.summary.requests += len(read.page.exchanges)
                stamp = writing.stamp()
                read_at = micros(read.page.read_at)
                entries.append(PageEntry(stamp, stamp, self.name, read_at, read.taken, self.known_until))
                self.land(writing, read.page, read.packed, stamp, applied_at=stamp, left_out=read.left_out)
            changes = journal.take_pages(writing, self.mapping, entries)
            also(writing)
            for read, changed in zip(batch, changes, strict=True):
                self.summary.count(read.mapped, changed)
        self.progress(self.name, sum(len(read.mapped) for read in batch))

    def take_named(
        self, keys: Sequence[str], also: AlsoKeys = _nothing
    ) -> Iterator[list[str]]:
        """Read these records by id and apply what comes; gives the keys under which it came, a batch at a time.

        `also` is written with each batch, of its keys. A page that holds no record to be taken in is not kept.
        """
        for reads in self.batches(self.source.read_ids(self.name, keys)):
            found = [record.key for read in reads for record in read.mapped]
            batch = [read._replace(left_out=self.too_old(read.mapped)) for read in reads]
            told = [read for read in batch if read.taken]
            self.summary.requests += sum(len(read.page.exchanges) for read in batch if not read.taken)
            if told:
                self.take(told, partial(also, keys=found))
            elif found:
                with self.store.writing() as writing:
                    self.hold(writing)
                    also(writing, found)
            else:
                self.keep()
            yield found

    @property
    def oldest(self) -> int | None:
        """`since` in microseconds; None where the stream does not tell what changed when, and all of it is read."""
        return None if self.since is None or not self.stream.cursor else micros(self.since)

    def too_old(self, mapped: Sequence[Mapped]) -> frozenset[str]:
        """The keys of those records that did not change after `since` and that we do not know."""
        oldest = self.oldest
        old = {one.key for one in mapped if oldest is not None and one.modified is not None and one.modified < oldest}
        if not old:
            return frozenset()
        with self.store.reading() as connection:
            return frozenset(old - journal.stamped_records(connection, self.mapping, self.name, old))

    def land(
        self, writing: Writing, page: Page, packed: landing.Packed, stamp: int, *, applied_at: int | None,
        full_pass: str | None = None, left_out: Collection[str] = (),
    ) -> None:
        """Write a page down; one without `applied_at` is held by its full pass."""
        landing.land(
            writing,
            packed,
            page=stamp,
            applied_at=applied_at,
            source=self.source.name,
            stream=self.name,
            run=self.run,
            read_at=micros(page.read_at),
            known_until=self.known_until,
            full_pass=full_pass,
            left_out=left_out,
        )

    def foresee(self, page: Page, *, only_young: bool = False) -> list[Mapped]:
        """Count what a page would change; nothing is written. Gives its records, mapped.

        only_young: none is taken in that did not change after `since`.
        """
        self.summary.requests += len(page.exchanges)
        mapped = self.map(page)
        left_out = self.too_old(mapped) if only_young else frozenset[str]()
        taken = [record for record in mapped if record.key not in left_out]
        with self.store.reading() as connection:
            stamp = micros(self.clock.now())
            entry = PageEntry(stamp, stamp, self.name, micros(page.read_at), taken)
            self.summary.count(mapped, journal.plan_pages(connection, self.mapping, [entry])[0])
        self.progress(self.name, len(mapped))
        return mapped

    # --- the cursor --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the cursor holds: how far the stream was read. Sets `known_until`."""
        table = tables.cursor
        found = self.store.rows(
            select(table.c.state).where(table.c.source == self.source.name, table.c.stream == self.name)
        )
        state: dict[str, Any] = json.loads(found[0].state) if found else {}
        whole = moment(state.get("cursor"))  # not `read_to`: what changed since may be shown later
        self.known_until = None if whole is None else micros(whole)
        return state

    def save_cursor(self, writing: Writing, state: dict[str, Any], *, complete: bool) -> None:
        """Write how far the stream was read; `complete`: it was read to its end."""
        table = tables.cursor
        now = micros(self.clock.now())
        values: dict[str, Any] = {"state": json.dumps(state)}
        first: dict[str, Any] = {}
        if complete:
            values["last_complete_at"] = now
            values["first_complete_at"] = func.coalesce(table.c.first_complete_at, now)
            first["first_complete_at"] = now
        self._put_cursor(writing, values, first)
        if complete:
            journal.mark_known(writing, self.mapping)

    def save_ids_checked(self, writing: Writing) -> None:
        """Write that all ids were compared with those known, now."""
        self._put_cursor(writing, {"ids_checked_at": micros(self.clock.now())}, {"state": "{}"})

    # --- a resync that is interrupted --------------------------------------------------------------------------------

    def resync(self, connection: Connection | None = None) -> dict[str, Any] | None:
        """How far the last resync of the stream came that did not come to its end: `asked`, and where it goes on.

        `at`: when that was, by our clock, in microseconds. `done`: the stream was, and others of the resync were not.
        """
        table = tables.cursor
        query = select(table.c.resync).where(table.c.source == self.source.name, table.c.stream == self.name)
        rows = self.store.rows(query) if connection is None else connection.execute(query).all()
        return json.loads(rows[0].resync) if rows and rows[0].resync else None

    def save_resync(self, writing: Writing, state: dict[str, Any] | None) -> None:
        """Write how far a resync has come, in the place of any other; None: nothing goes on from here."""
        kept = None if state is None else json.dumps({**state, "at": micros(self.clock.now())})
        self._put_cursor(writing, {"resync": kept}, {"state": "{}"})

    def forget_resync(self) -> None:
        """What was asked is begun anew."""
        if self.resync() is not None:
            with self.store.writing() as writing:
                self.hold(writing)
                self.save_resync(writing, None)

    def _put_cursor(self, writing: Writing, values: dict[str, Any], first: dict[str, Any]) -> None:
        """Set these columns; `first` are those of a cursor that is not there yet."""
        table = tables.cursor
        values = {**values, "updated_at": micros(self.clock.now())}
        mine = (table.c.source == self.source.name, table.c.stream == self.name)
        if writing.execute(update(table).where(*mine).values(**values)).rowcount == 0:
            writing.execute(table.insert(), {"source": self.source.name, "stream": self.name, **values, **first})


def moment(text: str | None) -> datetime | None:
    """A saved instant."""
    return None if text is None else instant(text)

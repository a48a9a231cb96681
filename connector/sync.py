"""One run of one source: read, map, record, stream by stream, each in a thread of its own.

A stream is read in closed windows [lo, hi] of change time, `hi` fixed at the start on the vendor's clock. The position
in the window is committed with each page, so a killed run goes on where it was; when the window is exhausted the
cursor becomes `hi - overlap`, never the largest value seen. A manual resync is the same path over another window, and
leaves the cursor alone.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import func, select, update

from connector import journal
from connector.errors import Busy, ConnectorError, Permanent, SafetyStop
from connector.journal import PageEntry
from connector.ledger import Changes
from connector.mapping import Mapping
from connector.model import Mapped, iso, micros
from connector.ports import Clock, Page, Source, Stream, Window
from connector.slices import Part, Reading, cut, instant
from connector.store import landing, tables
from connector.store.store import Lease, Store, Writing

Mode = Literal["sync", "window", "ids", "full", "accepted"]
BUSY = 75
BATCH = 500  # records written in one transaction, unless the pages come so slowly that they should not wait
PATIENCE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Settings:
    """A source's common settings. `since`: older changes are never read; `shrink`: what a full pass may lose (0..1);
    `windows`: how many parts of a long window are read at once."""

    since: datetime | None = None
    overlap: timedelta = timedelta(minutes=15)
    shrink: float = 0.2
    windows: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read. `streams` None = all that are mapped; window: [since, until]; ids: by stream; full: everything;
    accepted: only what a person has accepted of earlier full passes."""

    mode: Mode = "sync"
    streams: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: dict[str, list[str]] = field(default_factory=dict)
    dry_run: bool = False


@dataclass(slots=True)
class StreamSummary:
    """What happened to one stream; the fields are those of design.md section 8."""

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
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in (
                "stream", "requests", "records", "new", "changed", "unchanged", "deleted", "quarantined", "cursor",
                "error",
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


class Read(NamedTuple):
    """A page as read: with its records mapped and its bodies packed, ready to be written."""

    page: Page
    mapped: list[Mapped]
    packed: landing.Packed


Progress = Callable[[str, int], None]


def pull(
    store: Store,
    source: Source,
    mapping: Mapping,
    settings: Settings,
    *,
    run: str,
    plan: Plan | None = None,
    clock: Clock,
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda _stream, _records: None,
    wait: float = 0,
) -> list[StreamSummary]:
    """Read a source's streams side by side and record them; one summary each.

    What fails is said in the summary; the others go on. Raises Permanent for a stream nobody knows, and whatever is
    not a ConnectorError (a bug) after all threads have ended.
    """
    plan = plan or Plan()
    runs = [
        StreamRun(store, source, mapping, settings, stream, run, plan, clock, stop, progress, wait)
        for stream in _chosen(source, mapping, plan)
    ]
    threads = [threading.Thread(target=one.guarded, name=f"{source.name}/{one.stream.name}") for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in runs:
        if one.bug is not None:
            raise one.bug
    return [one.summary for one in runs]


def _chosen(source: Source, mapping: Mapping, plan: Plan) -> list[Stream]:
    offered = {stream.name: stream for stream in source.streams()}
    names = list(plan.ids) if plan.mode == "ids" else list(plan.streams or mapping.streams())
    unknown = [name for name in names if name not in offered]
    if unknown:
        raise Permanent(
            f"{source.name} has no stream {', '.join(unknown)}; it has {', '.join(offered)}", system=source.name
        )
    return [offered[name] for name in names]


@dataclass(slots=True)
class StreamRun:
    """One stream of one run."""

    store: Store
    source: Source
    mapping: Mapping
    settings: Settings
    stream: Stream
    run: str
    plan: Plan
    clock: Clock
    stop: Callable[[], bool]
    progress: Progress
    wait: float
    summary: StreamSummary = field(init=False)
    bug: BaseException | None = field(init=False, default=None)
    known_until: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.summary = StreamSummary(self.source.name, self.stream.name)

    def guarded(self) -> None:
        """Run, and keep what went wrong: ours in the summary, a bug for the caller's edge."""
        try:
            self._leased()
        except ConnectorError as error:
            self.summary.fail(error)
        except BaseException as error:  # noqa: BLE001  # raised again by `pull` once every thread has ended
            self.bug = error
        if self.summary.status == "ok" and self.summary.quarantined:
            self.summary.status, self.summary.exit_code = "findings", 1

    def _leased(self) -> None:
        if self.plan.dry_run:
            self._dry()
            return
        lease = self._lease()
        self._state()
        try:
            if self.stream.complete and self.plan.mode in ("sync", "full", "accepted"):
                self._finish_accepted(lease)
            if self.plan.mode == "accepted":
                return
            full = self.plan.mode == "full" or (self.plan.mode == "sync" and not self.stream.cursor)
            if full and self.stream.complete:
                self._full_pass(lease)
            elif self.plan.mode == "sync":
                self._windows(lease)
            else:
                self._aside(lease)
        finally:
            self.store.release(lease)

    def _lease(self) -> Lease:
        until = self.clock.now() + timedelta(seconds=self.wait)
        while True:
            try:
                return self.store.acquire(f"{self.source.name}/{self.stream.name}")
            except Busy:
                if self.clock.now() >= until or self.stop():
                    raise
                self.clock.sleep(min(1.0, self.wait))

    def _hold(self, writing: Writing, lease: Lease) -> None:
        """Make sure that this transaction may write: the lease is ours, and the mapping still the one in force."""
        self.store.hold(writing, lease)
        journal.check_in_force(writing.connection, self.mapping)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _windows(self, lease: Lease) -> None:
        """Go on with the window that was begun, or read the next one."""
        state = self._state()
        self.summary.cursor = state.get("cursor")
        begun = self._begun(state)
        reading = begun or self._next(state)
        if not self._read(reading, lease, state if self.stream.cursor else None):
            return
        hi = reading.window.hi
        state = {"cursor": iso(micros(hi - self.settings.overlap)), "read_to": iso(micros(hi))}
        with self.store.writing() as writing:
            self._hold(writing, lease)
            self._save_cursor(writing, state, complete=True)
        self.summary.cursor = state["cursor"]
        if begun and not self.stop():
            self._windows(lease)  # the window begun by an earlier run is done: now what changed since

    def _begun(self, state: dict[str, Any]) -> Reading | None:
        return Reading.restored(state) if self.stream.cursor else None

    def _next(self, state: dict[str, Any]) -> Reading:
        lo = _moment(state.get("cursor")) or self.settings.since
        return self._over(Window(lo if self.stream.cursor else None, self.source.now()))

    def _over(self, window: Window) -> Reading:
        """A window to be read, by as many readers as the source's settings and the stream allow."""
        return Reading(window, cut(window, self.settings.windows if self.stream.bounded else 1))

    def _read(self, reading: Reading, lease: Lease, state: dict[str, Any] | None) -> bool:
        """Read the parts of a window, side by side where there are several; says whether they are finished.

        With `state` each position is saved with its pages.
        """
        waiting, stopped, failures = deque(reading.left), threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                while not stopped.is_set() and (part := _next(waiting)) is not None:
                    for batch in self._batches(self.source.read(self.stream.name, part.window, part.position)):
                        self._take(batch, lease, (reading, part, state))
                        if self.stop():
                            stopped.set()
                        if stopped.is_set():
                            return
            except BaseException as error:  # noqa: BLE001  # raised again below, once every reader has ended
                failures.append(error)
                stopped.set()

        readers = [threading.Thread(target=work) for _ in range(min(self.settings.windows, len(waiting)) - 1)]
        for reader in readers:
            reader.start()
        work()
        for reader in readers:
            reader.join()
        if failures:
            raise failures[0]
        if stopped.is_set():
            self._stopped()
        return not stopped.is_set()

    def _aside(self, lease: Lease) -> None:
        """A resync: an older window, named records or everything, without touching the cursor."""
        if self.plan.mode != "ids":
            self._read(self._window_aside(), lease, None)
            return
        missing = dict.fromkeys(self.plan.ids.get(self.stream.name, ()))
        for batch in self._batches(self._named()):
            self._take(batch, lease)
            for record in (record for read in batch for record in read.mapped):
                missing.pop(record.key, None)
            if self.stop():
                self._stopped()
                return
        if missing:
            self.summary.status, self.summary.exit_code = "findings", 1
            self.summary.error = f"the source shows no record {', '.join(missing)}"

    def _window_aside(self) -> Reading:
        lo = self.plan.since if self.plan.mode == "window" else self.settings.since
        return self._over(Window(lo, self.plan.until or self.source.now()))

    def _named(self) -> Iterator[Page]:
        name = self.stream.name
        if not self.stream.by_id:
            raise Permanent(
                f"stream {name} cannot be read by id; use --since and --until", system=self.source.name, stream=name
            )
        return self.source.read_ids(name, self.plan.ids[name])

    def _stopped(self) -> None:
        self.summary.status, self.summary.exit_code = "stopped", 1
        self.summary.error = "asked to stop; the next run goes on from here"

    # --- recording ---------------------------------------------------------------------------------------------------

    def _map(self, page: Page) -> list[Mapped]:
        name = self.stream.name
        return list(self.mapping.apply(name, self.source.records(name, page.exchanges)))

    def _batches(self, pages: Iterator[Page]) -> Iterator[list[Read]]:
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
                    batch.append(Read(page, self._map(page), landing.pack(page.exchanges)))
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

    def _take(
        self, batch: list[Read], lease: Lease, place: tuple[Reading, Part, dict[str, Any] | None] | None = None
    ) -> None:
        """Land pages, apply them, and move the position in the window they are of: one transaction."""
        with self.store.writing() as writing:  # one reader at a time
            self._hold(writing, lease)
            entries = []
            for read in batch:
                self.summary.requests += len(read.page.exchanges)
                stamp = writing.stamp()
                read_at = micros(read.page.read_at)
                entries.append(PageEntry(stamp, stamp, self.stream.name, read_at, read.mapped, self.known_until))
                self._land(writing, read.page, read.packed, stamp, applied_at=stamp)
            changes = journal.take_pages(writing, self.mapping, entries)
            if place is not None:
                reading, part, state = place
                reading.moved(part, batch[-1].page.position)
                if state is not None:
                    self._save_cursor(writing, {**state, **reading.state()}, complete=False)
            for read, changed in zip(batch, changes, strict=True):
                self.summary.count(read.mapped, changed)
        self.progress(self.stream.name, sum(len(read.mapped) for read in batch))

    def _land(
        self, writing: Writing, page: Page, packed: landing.Packed, stamp: int, *, applied_at: int | None,
        full_pass: str | None = None,
    ) -> None:
        landing.land(
            writing,
            packed,
            page=stamp,
            applied_at=applied_at,
            source=self.source.name,
            stream=self.stream.name,
            run=self.run,
            read_at=micros(page.read_at),
            known_until=self.known_until,
            full_pass=full_pass,
        )

    def _state(self) -> dict[str, Any]:
        table = tables.cursor
        found = self.store.rows(
            select(table.c.state).where(table.c.source == self.source.name, table.c.stream == self.stream.name)
        )
        state: dict[str, Any] = json.loads(found[0].state) if found else {}
        self.known_until = _micros(_moment(state.get("read_to")))
        return state

    def _save_cursor(self, writing: Writing, state: dict[str, Any], *, complete: bool) -> None:
        table = tables.cursor
        now = micros(self.clock.now())
        mine = (table.c.source == self.source.name, table.c.stream == self.stream.name)
        values: dict[str, Any] = {"state": json.dumps(state), "updated_at": now}
        if complete:
            values["last_complete_at"] = now
            values["first_complete_at"] = func.coalesce(table.c.first_complete_at, now)
        if writing.execute(update(table).where(*mine).values(**values)).rowcount == 0:
            first = {"first_complete_at": now} if complete else {}
            key = {"source": self.source.name, "stream": self.stream.name}
            writing.execute(table.insert(), {**key, **values, **first})
        if complete:
            journal.mark_known(writing, self.mapping)

    # --- full passes -------------------------------------------------------------------------------------------------

    def _full_pass(self, lease: Lease) -> None:
        """Read everything of a complete stream; its pages are held until the whole is known to be plausible."""
        pass_id = self._begin_pass(lease)
        shown: set[str] = set()
        for page in self.source.read(self.stream.name, Window(None, self.source.now()), None):
            self.summary.requests += len(page.exchanges)
            shown.update(record.key for record in self.source.records(self.stream.name, page.exchanges))
            packed = landing.pack(page.exchanges)
            with self.store.writing() as writing:
                self._hold(writing, lease)
                self._land(writing, page, packed, writing.stamp(), applied_at=None, full_pass=pass_id)
            self.progress(self.stream.name, 0)
            if self.stop():
                self._stopped()
                return
        self._judge(lease, pass_id, shown)
        self._apply_pass(lease, pass_id)

    def _begin_pass(self, lease: Lease) -> str:
        pass_id = secrets.token_hex(8)
        table = tables.id_pass
        with self.store.writing() as writing:
            self._hold(writing, lease)
            mine = (table.c.source == self.source.name, table.c.stream == self.stream.name)
            for row in writing.execute(select(table.c.id).where(*mine, table.c.state == "reading")).all():
                landing.drop_held(writing, row.id)
                writing.execute(update(table).where(table.c.id == row.id).values(state="abandoned"))
            writing.execute(
                table.insert(),
                {
                    "id": pass_id,
                    "source": self.source.name,
                    "stream": self.stream.name,
                    "run": self.run,
                    "started_at": writing.stamp(),
                    "state": "reading",
                    "shown": 0,
                    "known": 0,
                },
            )
        return pass_id

    def _judge(self, lease: Lease, pass_id: str, shown: set[str]) -> None:
        """Accept the pass, or stop for a person. Raises SafetyStop."""
        body = json.dumps(sorted(shown)).encode()
        packed = {landing.body_hash(body): landing.compressed(body)}
        table = tables.id_pass
        with self.store.writing() as writing:
            self._hold(writing, lease)
            known = journal.known_records(writing.connection, self.mapping, self.stream.name)
            suspicious = known > 0 and (not shown or len(shown) < known * (1 - self.settings.shrink))
            landing.put_bodies(writing, packed)
            self._replace_stops(writing)
            writing.execute(
                update(table)
                .where(table.c.id == pass_id)
                .values(
                    state="stopped" if suspicious else "accepted",
                    shown=len(shown),
                    known=known,
                    body=next(iter(packed)),
                    accepted_at=None if suspicious else writing.stamp(),
                    reason=f"{len(shown)} of {known} known records shown" if suspicious else None,
                )
            )
        if suspicious:
            raise SafetyStop(
                f"the full pass shows {len(shown)} records where {known} are known; nothing was applied",
                system=self.source.name,
                stream=self.stream.name,
                stop=pass_id,
            )

    def _replace_stops(self, writing: Writing) -> None:
        """A newer pass takes the place of stops nobody has decided yet."""
        table = tables.id_pass
        mine = (table.c.source == self.source.name, table.c.stream == self.stream.name, table.c.state == "stopped")
        for row in writing.execute(select(table.c.id).where(*mine)).all():
            landing.drop_held(writing, row.id)
            writing.execute(update(table).where(table.c.id == row.id).values(state="abandoned"))

    def _finish_accepted(self, lease: Lease) -> None:
        """Apply passes that were accepted (by us before a crash, or by a person after a stop)."""
        table = tables.id_pass
        query = (
            select(table.c.id)
            .where(
                table.c.source == self.source.name,
                table.c.stream == self.stream.name,
                table.c.state == "accepted",
            )
            .order_by(table.c.started_at)
        )
        for row in self.store.rows(query):
            self._apply_pass(lease, row.id)

    def _apply_pass(self, lease: Lease, pass_id: str) -> None:
        """Apply the held pages one by one, then delete what the pass did not show; goes on after a crash."""
        with self.store.reading() as connection:
            held = list(landing.pages(connection, full_pass=pass_id))
        for page in held:
            with self.store.reading() as connection:
                mapped = journal.map_page(connection, self.source, self.mapping, page.id, page.stream)
            with self.store.writing() as writing:
                self._hold(writing, lease)
                stamp = writing.stamp()
                landing.mark_applied(writing, page.id, stamp)
                entry = PageEntry(page.id, stamp, page.stream, page.read_at, mapped, page.known_until)
                changes = journal.take_page(writing, self.mapping, entry)
            self.summary.count(mapped, changes)
            self.progress(self.stream.name, len(mapped))
        table = tables.id_pass
        with self.store.writing() as writing:
            self._hold(writing, lease)
            row = writing.execute(select(table).where(table.c.id == pass_id)).one()
            stamp = writing.stamp()
            shown = set(json.loads(landing.body(writing.connection, row.body)))
            changes = journal.take_pass(writing, self.mapping, self.stream.name, stamp, shown, row.started_at)
            writing.execute(
                update(table).where(table.c.id == pass_id).values(state="applied", applied_at=stamp)
            )
            if not self.stream.cursor:  # where there is one, it is only moved by its own windows
                began = iso(row.started_at)
                self._save_cursor(writing, {"cursor": began, "read_to": began}, complete=True)
        self.summary.deleted += changes.deleted
        self.summary.cursor = self._state().get("cursor")

    # --- dry run -----------------------------------------------------------------------------------------------------

    def _dry(self) -> None:
        """Read and map, and say what would change; nothing is written, not even the pages."""
        state = self._state()
        if self.plan.mode == "ids":
            pages = self._named()
        else:
            reading = (self._begun(state) or self._next(state)) if self.plan.mode == "sync" else self._window_aside()
            pages = (
                page for part in reading.left
                for page in self.source.read(self.stream.name, part.window, part.position)
            )
        self.summary.cursor = state.get("cursor")
        for page in pages:
            self.summary.requests += len(page.exchanges)
            mapped = self._map(page)
            with self.store.reading() as connection:
                stamp = micros(self.clock.now())
                entry = PageEntry(stamp, stamp, self.stream.name, micros(page.read_at), mapped)
                self.summary.count(mapped, journal.plan_pages(connection, self.mapping, [entry])[0])
            self.progress(self.stream.name, len(mapped))
            if self.stop():
                self._stopped()
                return


def _next(waiting: deque[Part]) -> Part | None:
    try:
        return waiting.popleft()
    except IndexError:  # another reader took the last one
        return None


def _micros(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else instant(text)

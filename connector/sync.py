"""One run of one source: read, map, record, stream by stream, each in a thread of its own.

A stream is read in closed windows [lo, hi] of change time, `hi` fixed at the start on the vendor's clock. The position
in the window is committed with each page, so a killed run goes on where it was; when the window is exhausted the
cursor becomes `hi - overlap`, never the largest value seen. Before the window come the records a vendor called about
(`hooks`), after it from time to time a comparison of all ids (`passes`). A manual resync is the same path over another
window, and leaves the cursor alone; its own place is kept beside it, so that the same asked again goes on there.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from connector import hooks
from connector.errors import Busy, ConnectorError, Permanent, RemoteError, StoreError, Transient
from connector.mapping import Mapping
from connector.model import iso, micros
from connector.passes import Passes
from connector.plan import Asked, Mode, Plan, Settings
from connector.ports import AdapterSettings, Clock, Page, Source, Stream, Window
from connector.recording import BATCH, BUSY, PATIENCE, Progress, Read, Recorder, StreamSummary, moment
from connector.slices import Part, Reading, cut
from connector.store.store import Lease, Store, Writing

__all__ = ["BATCH", "BUSY", "PATIENCE", "Mode", "Plan", "Settings", "StreamRun", "StreamSummary", "chosen", "pull"]

SavePlace = Callable[[Writing, dict[str, Any]], None]
"""Writes where in a window reading goes on, in the transaction of the pages before."""
ASIDE = ("window", "ids", "full")  # a resync: it leaves the cursor alone, and goes on where it was interrupted
SHOWN = 20  # ids in a message
KEPT = timedelta(days=7)  # a resync that was interrupted goes on so long after its last page


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
    if plan.mode in ("sync", "hooks") and not plan.dry_run:
        by_id = {stream.name for stream in source.streams() if stream.by_id}
        hooks.leave_out(store, source.name, by_id.intersection(mapping.streams()))
    runs = []
    for stream in chosen(store, source, mapping, plan):
        summary = StreamSummary(source.name, stream.name)
        recorder = Recorder(
            store, source, mapping, stream, run, clock, stop, progress, summary, since=settings.since
        )
        runs.append(StreamRun(recorder, settings, plan, wait))
    is_aside = plan.mode in ASIDE and not plan.dry_run
    if is_aside and all(one.is_done() for one in runs):  # it came to its end, and was stopped before it could say so
        for one in runs:
            one.plan = replace(plan, restart=True)
    threads = [threading.Thread(target=one.guarded, name=f"{source.name}/{one.recorder.name}") for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in runs:
        if one.bug is not None:
            raise one.bug
    if is_aside and not any(one.goes_on for one in runs):
        _settle(store, runs)
    return [one.summary for one in runs]


def chosen(store: Store, source: Source, mapping: Mapping, plan: Plan) -> list[Stream]:
    """The streams that a plan reads. Raises Permanent for one nobody knows."""
    offered = {stream.name: stream for stream in source.streams()}
    names = list(plan.streams or mapping.streams())
    if plan.mode == "ids":
        names = list(plan.ids)
    elif plan.mode == "hooks":
        called = hooks.waiting(store, source.name)
        names = [name for name in names if name in called]
    elif plan.mode == "all_ids" and plan.streams is None:
        names = [name for name in names if name in offered and offered[name].ids]
        if not names:
            raise Permanent(f"no stream of {source.name} lists its ids; --full reads all of it", system=source.name)
    unknown = [name for name in names if name not in offered]
    if unknown:
        raise Permanent(
            f"{source.name} has no stream {', '.join(unknown)}; it has {', '.join(offered)}", system=source.name
        )
    return [offered[name] for name in names]


def _settle(store: Store, runs: Sequence[StreamRun]) -> None:
    """A resync has come to its end: the streams that are done need not be known any more."""
    with store.writing() as writing:
        for one in runs:
            if one.is_done(writing.connection):
                one.recorder.save_resync(writing, None)


@dataclass(slots=True)
class StreamRun:
    """One stream of one run. `goes_on`: it was interrupted, and the same resync asked again goes on."""

    recorder: Recorder
    settings: Settings
    plan: Plan
    wait: float
    bug: BaseException | None = field(init=False, default=None)
    goes_on: bool = field(init=False, default=False)
    passes: Passes = field(init=False)
    read_at: datetime = field(init=False, default=datetime.max.replace(tzinfo=UTC))
    """The end of the window at hand, or when the first of its pages was read, whichever is earlier."""

    def __post_init__(self) -> None:
        self.passes = Passes(self.recorder, shrink=self.settings.shrink)

    @property
    def summary(self) -> StreamSummary:
        """What happened so far."""
        return self.recorder.summary

    @property
    def stream(self) -> Stream:
        """The stream."""
        return self.recorder.stream

    @property
    def source(self) -> Source:
        """The source it is of."""
        return self.recorder.source

    def guarded(self) -> None:
        """Run, and keep what went wrong: ours in the summary, a bug for the caller's edge."""
        try:
            self._leased()
        except ConnectorError as error:
            self.summary.fail(error)
            self.goes_on = isinstance(error, (Transient, Busy, StoreError))
        except BaseException as error:  # noqa: BLE001  # raised again by `pull` once every thread has ended
            self.bug = error
        if self.summary.status == "ok" and self.summary.quarantined:
            self.summary.status, self.summary.exit_code = "findings", 1

    def _leased(self) -> None:
        if self.plan.dry_run:
            self._dry()
            return
        lease = self._lease()
        self.recorder.begin(lease)
        self.recorder.state()
        try:
            with self.source.context.beat.heard_by(self.recorder.beat):
                self._work()
        finally:
            self.recorder.store.release(lease)

    def _work(self) -> None:
        mode = self.plan.mode
        if mode == "accepted":
            self.passes.finish_accepted("records", "ids")
        elif mode == "all_ids":
            self.passes.finish_accepted("ids")
            self.passes.ids()
        elif mode == "hooks":
            self._read_hooks()
        elif mode in ASIDE:
            begun = self._interrupted()
            if begun is not None and "done" in begun:
                self.summary.resumed = True
            elif mode == "ids":
                self._read_named(begun)
            elif mode == "window":
                self._aside(begun)
            else:
                self._sync(begun)
        else:
            self._sync()

    def _sync(self, begun: dict[str, Any] | None = None) -> None:
        """A sync, or a reading of everything: first what was left to do, then the window or pass, then the ids.

        `begun`: how far the same reading of everything came that was interrupted.
        """
        failure: RemoteError | None = None
        if self.stream.complete:
            self.passes.finish_accepted("records")
        if self.plan.mode == "sync":
            try:
                self._read_hooks()
            except RemoteError as error:  # it waits on; the window may be read all the same
                failure = error
        if self.summary.status == "stopped":
            return
        if self._is_full and begun is not None and self.passes.is_applied(begun.get("pass")):
            self.summary.resumed = True  # it had been read and judged before it was interrupted
        elif self._is_full:
            self.passes.full(self._asked() if self.plan.mode == "full" else None, begun)
            self.goes_on = self.summary.status == "stopped"
        elif self.plan.mode == "full":
            self._aside(begun)
        else:
            self._windows()
            if self.stream.ids and not self.recorder.stop():
                self._compare_ids()
        if failure is not None:
            raise failure

    @property
    def _is_full(self) -> bool:
        """Whether everything is read, and what is not shown is deleted."""
        whole = self.plan.mode == "full" or (self.plan.mode == "sync" and not self.stream.cursor)
        return whole and self.stream.complete

    def _compare_ids(self) -> None:
        """Finish an id pass that was accepted, or begin one where it is time."""
        every = self.settings.ids_every
        if self.passes.finish_accepted("ids"):
            return
        if every is not None and self.passes.ids_due(every):
            self.passes.ids(again=False)

    def _lease(self) -> Lease:
        clock = self.recorder.clock
        until = clock.now() + timedelta(seconds=self.wait)
        while True:
            try:
                return self.recorder.store.acquire(f"{self.source.name}/{self.stream.name}")
            except Busy:
                if clock.now() >= until or self.recorder.stop():
                    raise
                clock.sleep(min(1.0, self.wait))

    # --- windows -----------------------------------------------------------------------------------------------------

    def _windows(self) -> None:
        """Go on with the window that was begun, or read the next one."""
        state = self.recorder.state()
        self.summary.cursor = state.get("cursor")
        begun = self._begun(state)
        reading = begun or self._next(state)
        self.read_at = reading.window.hi

        def save(writing: Writing, told: dict[str, Any]) -> None:
            self.recorder.save_cursor(writing, {**state, **told}, complete=False)

        if not self._read(reading, save if self.stream.cursor else None):
            return
        hi = self.read_at  # not beyond what its pages tell: the vendor may have told a wrong time once
        state = {"cursor": iso(micros(hi - self.settings.overlap)), "read_to": iso(micros(hi))}
        with self.recorder.store.writing() as writing:
            self.recorder.hold(writing)
            self.recorder.save_cursor(writing, state, complete=True)
        self.summary.cursor = state["cursor"]
        if begun and not self.recorder.stop():
            self._windows()  # the window begun by an earlier run is done: now what changed since

    def _begun(self, state: dict[str, Any]) -> Reading | None:
        return Reading.restored(state) if self.stream.cursor else None

    def _next(self, state: dict[str, Any]) -> Reading:
        hi = self.source.now()
        cursor = moment(state.get("cursor"))  # may lie in the future, where the vendor's clock or ours was put back
        lo = self.settings.since if cursor is None else min(cursor, hi - self.settings.overlap)
        return self._over(Window(lo if self.stream.cursor else None, hi))

    def _over(self, window: Window) -> Reading:
        """A window to be read, by as many readers as the source's settings and the stream allow."""
        return Reading(window, cut(window, self.settings.windows if self.stream.bounded else 1))

    def _read(self, reading: Reading, save: SavePlace | None) -> bool:
        """Read the parts of a window, side by side where there are several; says whether they are finished.

        `save` writes each position with its pages.
        """
        waiting, stopped, failures = deque(reading.left), threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                while not stopped.is_set() and (part := _next(waiting)) is not None:
                    pages = self.source.read(self.stream.name, part.window, part.position)
                    for batch in self.recorder.batches(pages):
                        self._take(batch, reading, part, save)
                        if self.recorder.stop():
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
            self._stop()
        return not stopped.is_set()

    def _stop(self) -> None:
        """The run is asked to end; say what goes on from here."""
        self.goes_on = True
        self.summary.stopped(*("the same resync goes on from here",) if self.plan.mode in ASIDE else ())

    def _take(self, batch: Sequence[Read], reading: Reading, part: Part, save: SavePlace | None) -> None:
        """Record pages, and with them where in the window reading goes on."""

        def also(writing: Writing) -> None:
            reading.moved(part, batch[-1].page.position)
            self.read_at = min(self.read_at, *(read.page.read_at for read in batch))
            if save is not None:
                save(writing, reading.state())

        self.recorder.take(batch, also)

    # --- a resync ----------------------------------------------------------------------------------------------------

    def is_done(self, connection: Connection | None = None) -> bool:
        """Whether the same resync was interrupted when it was done with this stream, or is done with it now."""
        begun = self.recorder.resync(connection)
        return begun is not None and "done" in begun and begun["asked"] == self._asked()

    def _end(self) -> None:
        """The resync is done with this stream."""
        if not self.is_done():
            with self.recorder.store.writing() as writing:
                self.recorder.hold(writing)
                self.recorder.save_resync(writing, self._done())

    def _done(self) -> dict[str, Any]:
        return {"asked": self._asked(), "done": True}

    def _interrupted(self) -> dict[str, Any] | None:
        """How far the same resync came that was interrupted; None where there is none, or it is to begin anew.

        What lies long back is read anew: what it has read may have changed in a way that no sync shows.
        """
        if self.plan.restart:
            self.recorder.forget_resync()
            return None
        begun = self.recorder.resync()
        if begun is None or begun["asked"] != self._asked():
            return None
        return begun if begun["at"] > micros(self.recorder.clock.now() - KEPT) else None

    def _asked(self) -> Asked:
        """What is asked of the stream, by these settings of its source: others may show other things."""
        settings = self.source.settings
        told = settings.model_dump_json() if isinstance(settings, AdapterSettings) else ""  # secrets are left out of it
        return {**self.plan.asked(self.stream.name), "settings": hashlib.sha256(told.encode()).hexdigest()}

    def _aside(self, begun: dict[str, Any] | None) -> None:
        """An older window or everything, without touching the cursor; its place is kept apart until its end.

        One without an end that had been interrupted also reads what changed since it was begun.
        """
        asked = self._asked()
        restored = None if begun is None else Reading.restored(begun)
        reading = restored or self._window_aside()
        self.summary.resumed = restored is not None
        reads_on = restored is not None and self.plan.until is None and self.stream.cursor

        def save(writing: Writing, told: dict[str, Any]) -> None:
            is_done = reading.is_read and not reads_on
            self.recorder.save_resync(writing, self._done() if is_done else {"asked": asked, **told})

        is_read = self._read(reading, save)
        if is_read and reads_on:
            is_read = self._read(self._over(Window(reading.window.hi, self.source.now())), None)
        if is_read:
            self._end()

    def _read_named(self, begun: dict[str, Any] | None) -> None:
        """Single records by id; those not taken yet are kept, so that an interrupted reading asks for them alone."""
        asked, wanted = self._asked(), self.plan.ids[self.stream.name] if begun is None else begun["left"]
        left = dict.fromkeys(wanted)
        self.summary.resumed = begun is not None

        def save(writing: Writing) -> None:
            self.recorder.save_resync(writing, {"asked": asked, "left": list(left)} if left else self._done())

        for batch in self.recorder.batches(self._named(wanted)):
            for record in (record for read in batch for record in read.mapped):
                left.pop(record.key, None)
            self.recorder.take(batch, save)
            if self.recorder.stop():
                self._stop()
                return
        self._end()
        if left:
            self.summary.status, self.summary.exit_code = "findings", 1
            self.summary.error = f"the source shows no record {some(left)}"

    def _window_aside(self) -> Reading:
        lo = self.plan.since if self.plan.mode == "window" else self.settings.since
        return self._over(Window(lo, self.plan.until or self.source.now()))

    def _named(self, keys: Sequence[str]) -> Iterator[Page]:
        name = self.stream.name
        if not self.stream.by_id:
            raise Permanent(
                f"stream {name} cannot be read by id; use --since and --until", system=self.source.name, stream=name
            )
        return self.source.read_ids(name, keys)

    def _read_hooks(self) -> None:
        """Read again by id what the vendor called about; an event has been read once its record is applied.

        One that does not answer has been asked, and is left to its tombstone or to the next pass.
        """
        called = hooks.of_stream(self.recorder.store, self.source.name, self.stream.name)
        if called is None or not self.stream.by_id:
            return
        left = dict.fromkeys(called.keys)

        def mark(writing: Writing, keys: Sequence[str]) -> None:
            hooks.mark_read(writing, self.source.name, self.stream.name, keys, called.until)

        for found in self.recorder.take_named(called.keys, mark):
            for key in found:
                left.pop(key, None)
            if self.recorder.stop():
                self.summary.stopped()
                return
        if left:
            with self.recorder.store.writing() as writing:
                self.recorder.hold(writing)
                mark(writing, list(left))

    # --- dry run -----------------------------------------------------------------------------------------------------

    def _dry(self) -> None:
        """Read and map, and say what would change, be deleted or stop; nothing is written, not even the pages."""
        state = self.recorder.state()
        self.summary.cursor = state.get("cursor")
        mode = self.plan.mode
        if mode == "all_ids":
            self.passes.foresee_ids()
        elif self._is_full:
            self.passes.foresee_full()
        else:
            self._foresee(self._dry_pages(state))
            every = self.settings.ids_every
            if mode == "sync" and self.stream.ids and every is not None and self.passes.ids_due(every):
                self.passes.foresee_ids()

    def _dry_pages(self, state: dict[str, Any]) -> Iterator[Page]:
        if self.plan.mode == "ids":
            yield from self._named(self.plan.ids[self.stream.name])
            return
        reading = (self._begun(state) or self._next(state)) if self.plan.mode == "sync" else self._window_aside()
        for part in reading.left:
            yield from self.source.read(self.stream.name, part.window, part.position)

    def _foresee(self, pages: Iterator[Page]) -> None:
        for page in pages:
            self.recorder.foresee(page)
            if self.recorder.stop():
                self.summary.stopped()
                return


def some(names: Collection[str]) -> str:
    """The names, or the first of many and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(islice(names, SHOWN)) + more


def _next(waiting: deque[Part]) -> Part | None:
    try:
        return waiting.popleft()
    except IndexError:  # another reader took the last one
        return None

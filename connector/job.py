"""One run: pull the sources, compute the KPIs, deliver; each part's failure is said, and stops no other."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select

from connector import activation, computing, directory, files, frozen, kpi_store, runs, sync
from connector import quarantine as quarantine_
from connector.drift import watch
from connector.errors import Busy, ConnectorError, RemoteError, StoreError
from connector.model import iso, micros
from connector.ports import Source
from connector.store import quarantine, tables
from connector.sync import BUSY, Plan, StreamSummary
from connector.wiring import Answer, Installation, Progress, Stop, closing, never, silent

if TYPE_CHECKING:
    from connector.deliver import DestinationSummary
    from connector.model import KpiValue
    from connector.withdrawing import Existing

ORDER = (5, 4, 3, 1)  # of several exit codes the first that holds
STATUS = {0: "ok", 1: "findings", 3: "failed", 4: "stopped", 5: "failed"}


@dataclass(slots=True)
class SourceResult:
    """What happened to one source: its streams, or why none was read."""

    source: str
    streams: list[StreamSummary] = field(default_factory=list)
    error: ConnectorError | None = None
    bug: Exception | None = None
    open_items: int = 0  # records in quarantine that nobody has accepted
    mended: int = 0  # records taken out of quarantine by this run: a changed mapping or record, or another try
    drift: list[dict[str, Any]] | None = None  # in what mapping and source differ; None where nobody looked

    @property
    def exit_code(self) -> int:
        """The worst of it; a stream that somebody else holds is unread, which is a finding."""
        codes = [1 if stream.exit_code == BUSY else stream.exit_code for stream in self.streams]
        if self.error is not None:
            codes.append(self.error.exit_code)
        return worst([*codes, 1 if self.open_items or self.drift else 0])

    def as_json(self) -> dict[str, Any]:
        found = {
            "source": self.source,
            "status": STATUS[self.exit_code],
            "streams": [{**stream.as_json(), "status": stream.status} for stream in self.streams],
            "mended": self.mended,
        }
        if self.drift is not None:
            found["drift"] = self.drift
        return found if self.error is None else {**found, "error": str(self.error)}


def worst(codes: Sequence[int]) -> int:
    """The exit code of a run out of those of its parts."""
    return next((code for code in ORDER if code in codes), 0)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person who asks for a push wants beside it: everything read back, or all taken back that is gone."""

    verify: bool = False
    withdraw: bool = False


@dataclass
class Job:
    """One run of one command, from its start to its summary."""

    here: Installation
    command: str
    progress: Progress = silent
    stop: Stop = never
    dry_run: bool = False
    wait: float = 0
    sources: list[SourceResult] = field(default_factory=list)
    destinations: list[DestinationSummary] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)  # destinations that another run is delivering to

    def __post_init__(self) -> None:
        self.mappings = files.checked(self.here)
        self.started_at = micros(self.here.clock.now())
        store = self.here.store
        self.known_at = int(store.rows(select(tables.clock.c.last))[0].last)
        self.run = runs.new_id(store) if self.dry_run else runs.start(store, self.command)

    # --- pulling -----------------------------------------------------------------------------------------------------

    def pull(self, plans: Mapping[str, Plan]) -> None:
        """Read these sources side by side. Raises StoreError, and Busy when others hold all there is to read."""
        self.sources = [SourceResult(name) for name in plans]
        threads = [
            threading.Thread(target=self._pull, args=(result, plans[result.source]), name=result.source)
            for result in self.sources
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result in self.sources:
            if isinstance(result.error, StoreError):
                raise result.error
        streams = [stream for result in self.sources for stream in result.streams]
        for stream in streams:
            if stream.exit_code == StoreError.exit_code:
                raise StoreError(stream.error or "the store failed")
        if streams and all(stream.exit_code == BUSY for stream in streams):
            raise Busy(streams[0].error or "every stream is being read by another run")

    def _pull(self, result: SourceResult, plan: Plan) -> None:
        """One source; whatever happens is kept in its result."""
        here, name = self.here, result.source
        try:
            source = here.source(name, self.stop)
            with closing(source):
                if not self.dry_run:
                    activation.activate(here, source, self.mappings[name])
                result.streams = sync.pull(
                    here.store, source, self.mappings[name], here.reading(name), run=self.run, plan=plan,
                    clock=here.clock, stop=self.stop, wait=self.wait,
                    progress=lambda stream, records: self.progress(name, stream, records),
                )
                if plan.mode == "sync":
                    self._watch(result, source)
            if not self.dry_run:
                self._judge(result)
        except ConnectorError as error:
            result.error = error
        except Exception as error:  # noqa: BLE001  # a bug in one source: the others go on, then `finish` raises it
            result.bug = error

    def _watch(self, result: SourceResult, source: Source) -> None:
        """What drifted between source and mapping. Not asked again is a source that just did not answer."""
        here, source_mapping = self.here, self.mappings[result.source]
        kept = None
        try:
            if not self.stop() and any(stream.exit_code not in (3, BUSY) for stream in result.streams):
                kept = watch.refresh(here, source, source_mapping, dry_run=self.dry_run)
        except RemoteError as error:
            self.notes.append(f"{result.source} did not tell what it has, so its last answer counts: {error}")
        result.drift = watch.drift(here, source_mapping, kept) if kept else watch.last_drift(here, source_mapping)

    def from_landing(self, name: str, streams: Sequence[str] | None) -> SourceResult:
        """One source's landed records mapped again; `changed` counts those that are no longer set aside."""
        here, result = self.here, SourceResult(name)
        source = here.source(name, self.stop)
        with closing(source):
            activation.activate(here, source, self.mappings[name])
            for stream in streams or self.mappings[name].streams():
                held = [one["item"] for one in quarantine_.list_items(here.store, name) if one["stream"] == stream]
                done = quarantine_.retry(here.store, source, self.mappings[name], held)
                summary = StreamSummary(name, stream, records=done["tried"], changed=done["mended"])
                summary.quarantined = done["tried"] - done["mended"]
                result.streams.append(summary)
                self.progress(name, stream, done["tried"])
        self._judge(result)
        return result

    def _judge(self, result: SourceResult) -> None:
        """A stream has findings while a record of it is in quarantine that nobody accepted, also from earlier runs."""
        with self.here.store.reading() as connection:
            found = quarantine.open_items(connection, result.source)
            result.mended = quarantine.mended(connection, result.source, self.known_at)
        result.open_items = len(found)
        unread = {row.stream for row in found}
        for stream in result.streams:
            if stream.status in runs.READ:
                stream.status = "findings" if stream.stream in unread else "ok"
                stream.exit_code = 1 if stream.stream in unread else 0

    # --- computing and delivering ------------------------------------------------------------------------------------

    def compute(self) -> None:
        """Bring the stored KPI values up to date."""
        if self.dry_run or self.stop():
            return
        self._read_people()
        files.register(self.here)
        try:
            changes = computing.refresh(self.here, wait=max(self.wait, computing.PATIENCE))
        except Busy as error:
            self.notes.append(f"KPIs were not computed: {error}")
            self.codes.append(1)
        else:
            self.extra["kpis"] = changes._asdict()

    def _read_people(self) -> None:
        """Bring the employees that a destination lists up to date; what is wrong with them is a finding."""
        problem = directory.refresh(self.here, self.stop)
        found = [problem] if problem else [str(fault) for fault in files.misnamed(self.here)]
        if found:
            self.notes += found
            self.codes.append(1)
        if (people := directory.status(self.here)) is not None:
            self.extra["people"] = people

    def deliver(self, names: Sequence[str], asked: Asked | None = None) -> None:
        """Bring these destinations to the stored values, one after the other; `asked`: what a person wants of it."""
        if not names:
            return
        persons = computing.persons(self.here)
        for name in names:
            if not self.stop():
                self.destinations.append(self._deliver(name, persons, asked))

    def _values(self, name: str) -> tuple[list[KpiValue], Existing]:
        """What a destination is to hold, and all values there are for it."""
        from connector import deliver, payables
        from connector.withdrawing import Existing

        here, now = self.here, self.here.clock.now()
        found = here.config.destinations[name]
        metrics = {one.id: one.metric for one in here.config.kpis if name in one.push}
        closed = frozen.closed(here.store)
        values = frozen.to_deliver(kpi_store.current(here.store, metrics.keys()), closed, metrics.keys())
        if found.adjustments == "included":
            values = payables.included(here.store, values, here.calendar, metrics.keys())
        periods = cast(deliver.Periods, found.periods)  # the config takes no other words
        wanted = deliver.scope(values, periods, now=now, calendar=here.calendar)
        there_is, over = (wanted, values) if periods == "current" else (values, [])  # others keep what is over
        if found.adjustments == "separate":
            apart = list(payables.separate(here.store, here.calendar, metrics))
            there_is = [*there_is, *apart]
            wanted = wanted + payables.in_scope(apart, periods, closed.kpis.keys(), now=now, calendar=here.calendar)
        return wanted, Existing.of(name, there_is, metrics.keys(), over)

    def _deliver(
        self, name: str, persons: Mapping[str, Mapping[str, str]], asked: Asked | None
    ) -> DestinationSummary:
        from connector import deliver

        here = self.here
        found = here.config.destinations[name]
        wanted, existing = self._values(name)
        rules = deliver.Rules(
            on_drift=cast(deliver.OnDrift, found.on_drift), verify_every=found.verify_every,
            verify=asked is not None and asked.verify, withdraw=found.withdraw,
            shrink=1.0 if asked is not None and asked.withdraw else here.config.guard_shrink,
            parallel=found.parallel, asked=asked is not None,
        )
        until = here.clock.now() + timedelta(seconds=max(self.wait, computing.PATIENCE))
        while True:
            destination = here.destination(name, self.stop)
            try:
                with closing(destination):
                    return deliver.deliver(
                        here.store, destination, name, wanted, persons, run=self.run, clock=here.clock,
                        on_unanswered=cast(deliver.OnUnanswered, found.on_unanswered), dry_run=self.dry_run,
                        stop=self.stop,
                        owner_kpis={one.id for one in here.config.kpis if one.per == "owner" and name in one.push},
                        existing=existing, rules=rules,
                    )
            except Busy as busy:
                if here.clock.now() >= until or self.stop():
                    self.busy.add(name)
                    return deliver.DestinationSummary(name, error=str(busy))
                here.clock.sleep(1.0)

    # --- the end -----------------------------------------------------------------------------------------------------

    def finish(self) -> Answer:
        """The summary, kept with the run. Raises what was a bug of ours once everything else is done."""
        code = worst([*self.codes, *(one.exit_code for one in self.sources), *map(self._exit_code, self.destinations)])
        if code == 0 and self.stop():
            code = 1
            self.notes.append("asked to stop; the next run goes on from here")
        status = STATUS[code]
        bugs = [one.bug for one in self.sources if one.bug is not None]
        summary: dict[str, Any] = {
            "run": self.run,
            "status": "failed" if bugs else status,
            "started_at": iso(self.started_at),
            "ended_at": iso(micros(self.here.clock.now())),
            "sources": [one.as_json() for one in self.sources if one.bug is None],
            "destinations": [one.as_json() for one in self.destinations],
            **({"dry_run": True} if self.dry_run else {}),
            **self.extra,
            **({"notes": self.notes} if self.notes else {}),
            **({"next": steps} if (steps := self._next()) else {}),
        }
        if not self.dry_run:
            runs.end(self.here.store, self.run, summary["status"], summary)
        if bugs:
            raise bugs[0]
        return Answer(summary, code)

    def abandon(self, error: BaseException) -> None:
        """Note that the run broke off; one that did nothing because others are at it is forgotten."""
        if self.dry_run:
            return
        try:
            if isinstance(error, Busy):
                runs.forget(self.here.store, self.run)
            else:
                text = str(error) if isinstance(error, ConnectorError) else type(error).__name__
                ended = {"run": self.run, "status": "failed", "notes": [text], "sources": [], "destinations": []}
                runs.end(self.here.store, self.run, "failed", ended)
        except StoreError:
            pass  # it is the store that broke: the run stays as running, and is shown as interrupted

    def _next(self) -> list[str]:
        """What a person may do now."""
        steps = []
        items = sum(one.open_items for one in self.sources)
        if items:
            steps.append(f"connector quarantine list  ({items} records could not be mapped)")
        if drifted := [one for one in self.sources if one.drift]:
            count = sum(len(one.drift or ()) for one in drifted)
            names = " ".join(one.source for one in drifted)
            steps.append(f"connector mapping lint {names}  (what the source has and the mapping does not fit: {count})")
        if any(one.exit_code == 4 for one in self.sources) and not self.dry_run:
            steps.append("connector stops list  (what came was too implausible to apply)")
        if (self.extra.get("people") or {}).get("problem"):
            steps.append(f"connector check {self.here.config.people_from}")
        failed = [one.source for one in self.sources if one.exit_code == 3]
        failed += [one.destination for one in self.destinations if self._exit_code(one) == 3]
        if failed:
            steps.append(f"connector check {' '.join(failed)}")
        if any(one.refused or one.unanswered or one.dead for one in self.destinations):
            steps.append("connector deliveries list  (values were refused, not answered or given up)")
        if any(one.drifted for one in self.destinations):
            steps.append("connector deliveries list --state drifted  (values that somebody changed there)")
        return steps

    def _exit_code(self, summary: DestinationSummary) -> int:
        """A destination that failed as a whole is 3; values that did not arrive are findings."""
        if summary.error is not None:
            return 1 if summary.destination in self.busy else 3
        is_well = summary.is_clean or (self.dry_run and not summary.drifted and not summary.notes)
        return 0 if is_well else 1

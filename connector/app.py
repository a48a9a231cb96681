"""The whole product behind the command line and the web: one method a command, each giving plain JSON-able values.

    with closing(App.load("config.yaml")) as app:
        answer = app.sync()          # Answer(value, exit_code)

What a method does stands in `jobs` (runs that write), `computing` (KPIs) and `report` (looking); here they are wired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from connector.ports import Clock
from connector.wiring import Answer, Installation, Progress, Stop, never, silent


def unheard(_told: dict[str, Any]) -> None:
    """Nobody wants to hear it."""


class App:
    """One installation, ready for commands. `close` when done."""

    def __init__(self, here: Installation) -> None:
        self.here = here

    @classmethod
    def load(cls, path: str, clock: Clock | None = None, environment: Mapping[str, str] | None = None) -> App:
        """The App of that config file. Raises ConfigError with every fault."""
        return cls(Installation.load(path, clock, environment))

    def secrets(self) -> Iterable[str]:
        """What must not be shown anywhere."""
        return self.here.config.secrets

    def close(self) -> None:
        """Release the store."""
        self.here.close()

    # --- doing the work ----------------------------------------------------------------------------------------------

    def sync(
        self, names: Sequence[str] = (), *, streams: Sequence[str] | None = None, push: bool = True,
        dry_run: bool = False, wait: float = 0, progress: Progress = silent, stop: Stop = never,
    ) -> Answer:
        """Pull what changed, compute, deliver: the sync object of design.md section 8.

        Raises ConfigError, StoreError, and Busy when others hold all there is to read.
        """
        from connector import jobs

        return jobs.run_sync(
            self.here, names, streams=streams, push=push, dry_run=dry_run, wait=wait, progress=progress, stop=stop
        )

    def resync(
        self, source: str, *, streams: Sequence[str] | None = None, ids: Sequence[str] = (), owner: str | None = None,
        pipeline: str | None = None, since: str | None = None, until: str | None = None, full: bool = False,
        all_ids: bool = False, from_landing: bool = False, restart: bool = False, reason: str | None = None,
        dry_run: bool = False, wait: float = 0, progress: Progress = silent, stop: Stop = never,
        announce: Callable[[dict[str, Any]], None] = unheard,
    ) -> Answer:
        """Read an older window (local dates, `until` included), named records, those of an owner or pipeline,
        everything, all ids, or what is landed, again.

        The same asked again goes on where it was interrupted; `restart` begins anew. `announce` is told the plan, as
        `plan_resync` has it, before anything is read. A dry run has it as `plan`, before what it found. Raises
        ConfigError, StoreError, Permanent, and Busy when others hold all there is to read.
        """
        from connector import jobs, resync

        asked = resync.Asked(source, streams, ids, owner, pipeline, since, until, full, all_ids, from_landing, restart)
        plan = resync.plan(self.here, asked, dry_run=dry_run)
        told = resync.estimate(self.here, asked, plan)
        announce(told)
        if plan is None and not dry_run:
            return jobs.run_from_landing(
                self.here, source, streams, asked=asked.as_json(), reason=reason, progress=progress, stop=stop
            )
        if plan is None:
            answer = jobs.foresee_landing(
                self.here, source, streams, asked=asked.as_json(), progress=progress, stop=stop
            )
        else:
            answer = jobs.run_resync(
                self.here, source, plan, asked=asked.as_json(), reason=reason, wait=wait, progress=progress, stop=stop
            )
        return Answer({"plan": told, **answer.value}, answer.exit_code) if dry_run else answer

    def plan_resync(
        self, source: str, *, streams: Sequence[str] | None = None, ids: Sequence[str] = (), owner: str | None = None,
        pipeline: str | None = None, since: str | None = None, until: str | None = None, full: bool = False,
        all_ids: bool = False, from_landing: bool = False,
    ) -> Answer:
        """What a resync would take, without asking the source: {"source", "plan": {streams, calls, seconds, quota}}."""
        from connector import resync

        asked = resync.Asked(source, streams, ids, owner, pipeline, since, until, full, all_ids, from_landing)
        told = resync.estimate(self.here, asked, resync.plan(self.here, asked))
        return Answer({"source": source, "plan": told})

    def push(
        self, names: Sequence[str] = (), *, dry_run: bool = False, verify: bool = False, withdraw: bool = False,
        progress: Progress = silent, stop: Stop = never,
    ) -> Answer:
        """Deliver what is owed; a dry run shows old → new.

        `verify` reads back everything that was confirmed; `withdraw` takes back what is gone however much it is.
        """
        from connector import jobs
        from connector.job import Asked

        asked = Asked(verify, withdraw)
        return jobs.run_push(self.here, names, dry_run=dry_run, progress=progress, stop=stop, asked=asked)

    def rebuild(self, *, progress: Progress = silent) -> Answer:
        """The ledger made again from the journal: how many rows each table has."""
        from connector import journal

        with self.here.all_sources() as sources:
            made = journal.rebuild(self.here.store, sources, lambda _done: progress("journal", "entries", 1))
        return Answer(made)

    def run(self, *, stop: Stop = never) -> Answer:
        """Sync and push on the config's schedules until asked to stop."""
        from connector import serving

        return serving.run(self.here, stop)

    # --- looking -----------------------------------------------------------------------------------------------------

    def status(self) -> Answer:
        """The status object of design.md section 8."""
        from connector import report

        return Answer(report.status(self.here))

    def people(self) -> Answer:
        """The employees of the people file, and the owners that are none of them with their deals and money."""
        from connector import staff

        return Answer(staff.listed(self.here))

    def runs(self, limit: int = 20) -> Answer:
        """The last runs, the newest first."""
        from connector import runs

        return Answer(runs.recent(self.here.store, limit))

    def show_run(self, run: str) -> Answer:
        """One run with its summary."""
        from connector import runs

        return Answer(runs.show(self.here.store, run))

    def kpi(
        self, kpi: str | None = None, *, period: str | None = None, subject: str | None = None,
        by: Mapping[str, str] | None = None, as_of: str | None = None, basis: str = "known",
        options: Mapping[str, str] | None = None, view: str | None = None,
    ) -> Answer:
        """KPI values, computed now, or as their period was closed: a list of the KPI objects of design.md section 8."""
        from connector import computing

        values = computing.ask(
            self.here, kpi, period=period, subject=subject, by=by or {}, as_of=as_of, basis=basis,
            options=options or {}, view=view,
        )
        return Answer([value.as_json() for value in values])

    def explain(
        self, kpi: str, *, subject: str | None = None, period: str | None = None, by: Mapping[str, str] | None = None,
        as_of: str | None = None, basis: str = "known", options: Mapping[str, str] | None = None,
        view: str | None = None,
    ) -> Answer:
        """One KPI value with its formula, its members, and where each comes from: design.md section 8."""
        from connector import explain

        return Answer(explain.explain(
            self.here, kpi, subject=subject, period=period, by=by or {}, as_of=as_of, basis=basis,
            options=options or {}, view=view,
        ))

    def page(self, page: str, record: int | None = None) -> Answer:
        """A landed page without secrets, or one record of it."""
        from connector import report

        return Answer(report.page(self.here, page, record))

    # --- adjustments -------------------------------------------------------------------------------------------------

    def adjustments(self, *, period: str | None = None, state: str | None = None) -> Answer:
        """What closed periods have become since, with causes."""
        from connector import adjustments

        return Answer(adjustments.list_adjustments(self.here.store, period=period, state=state))

    def edits(self, period: str) -> Answer:
        """What was edited in the CRM after a period was closed, by whom, and what it moves."""
        from connector import edits

        return Answer(edits.edits(self.here.store, period))

    def decide_adjustment(self, adjustment: str, decision: str, reason: str | None = None) -> Answer:
        """Accept, reject or defer one."""
        from connector import adjustments, quarantine

        return Answer(
            adjustments.decide(
                self.here.store, adjustment, decision, self.here.calendar,
                {one.id: one.every for one in self.here.config.kpis}, actor=quarantine.who(), reason=reason,
            )
        )

    # --- deciding ----------------------------------------------------------------------------------------------------

    def stops(self) -> Answer:
        """The safety stops that wait for a decision."""
        from connector import stops

        return Answer(stops.list_stops(self.here.store))

    def accept_stop(self, stop: str, reason: str | None = None) -> Answer:
        """It was right: the answer is applied, or the mapping comes into force; the KPIs are computed and delivered."""
        from connector import jobs, quarantine, stops

        jobs.refuse_paused(self.here, stops.source_of(self.here.store, stop))
        accepted = stops.accept(self.here.store, stop, actor=quarantine.who(), reason=reason)
        if accepted["kind"] == "mapping":
            answer = jobs.run_from_landing(self.here, accepted["source"])
        else:
            answer = jobs.run_accepted(self.here, accepted["source"], accepted["stream"])
        return Answer({**accepted, "run": answer.value["run"], "status": answer.value["status"]}, answer.exit_code)

    def refuse_stop(self, stop: str, reason: str) -> Answer:
        """It was wrong; nothing of it is applied."""
        from connector import quarantine, stops

        return Answer(stops.refuse(self.here.store, stop, actor=quarantine.who(), reason=reason))

    def pause(self, name: str, reason: str) -> Answer:
        """Leave a source or destination out of every run."""
        from connector import runs

        runs.pause(self.here.store, self.here.known(name), reason)
        return Answer({"name": name, "state": "paused", "reason": reason})

    def resume(self, name: str, reason: str | None = None) -> Answer:
        """Take it in again; nothing when it was not paused."""
        from connector import runs

        if runs.paused(self.here.store, [self.here.known(name)]):
            runs.resume(self.here.store, name, reason)
        return Answer({"name": name, "state": "active"})

    def quarantine(self, state: str | None = "open", *, causes: Sequence[str] = ()) -> Answer:
        """The records set aside; `causes`: only those of these."""
        from connector import quarantine

        return Answer(quarantine.list_items(self.here.store, state=state, causes=causes))

    def quarantine_causes(self) -> Answer:
        """Why records are set aside: each cause with its records, deals and money, most deals first."""
        from connector import causes

        return Answer(causes.causes(self.here))

    def quarantine_item(self, item: str) -> Answer:
        """One record set aside, with its content."""
        from connector import quarantine
        from connector.wiring import closing

        source = self.here.source(self._source_of(item))
        with closing(source):
            return Answer(quarantine.show(self.here.store, source, item))

    def quarantine_retry(self, items: Sequence[str], causes: Sequence[str] = ()) -> Answer:
        """Map records set aside again, those named and all of these causes; 1 while some cannot be mapped."""
        from connector import jobs

        return jobs.retry_quarantined(self.here, self._items(items, causes))

    def quarantine_decide(
        self, decision: Literal["accept", "drop"], items: Sequence[str], reason: str | None = None,
        causes: Sequence[str] = (),
    ) -> Answer:
        """Settle records set aside, those named and all of these causes: known and left so, or never wanted."""
        from connector import quarantine

        decide = quarantine.accept if decision == "accept" else quarantine.drop
        decided = [decide(self.here.store, item, reason=reason) for item in self._items(items, causes)]
        return Answer({"decision": decision, "records": len(decided)})

    def _items(self, items: Sequence[str], named: Sequence[str]) -> list[str]:
        """The items named, `all` for every open one, and the open ones of the causes named. Raises ConfigError."""
        from connector import causes, quarantine
        from connector.errors import ConfigError, Fault

        if not items and not named:
            message = "which ones? expected SOURCE/STREAM/KEY as `quarantine list` has it, `all`, or --cause ID"
            raise ConfigError([Fault("command line", 0, "item", message)])
        if list(items) == ["all"]:
            items = [str(one["item"]) for one in quarantine.list_items(self.here.store)]
        return list(dict.fromkeys([*items, *causes.items_of(self.here, named)]))

    def _source_of(self, item: str) -> str:
        return self.here.chosen_sources([item.split("/", 1)[0]])[0]

    # --- periods -----------------------------------------------------------------------------------------------------

    def periods(self) -> Answer:
        """The periods that were closed, with their seals, and those that can be closed next."""
        from connector import periods

        return Answer(periods.list_periods(self.here))

    def close_period(self, period: str, *, force: bool = False, reason: str | None = None) -> Answer:
        """Freeze and seal a period; 1 with the findings when it is not complete, or was closed by force."""
        from connector import closing, quarantine
        from connector.model import iso

        outcome = closing.close(self.here, period, actor=quarantine.who(), force=force, reason=reason)
        made = outcome.seal
        sealed = {"seal": made.header["number"], "hash": made.hash, "values": len(made.entries)} if made else {}
        state = "closed" if made else "open"
        shown = {"period": period, "state": state, **sealed, "findings": list(outcome.findings)}
        shown["waiting"] = {name: iso(at) for name, at in outcome.waiting.items()}
        return Answer(shown, 1 if outcome.findings else 0)

    def reopen_period(self, period: str, reason: str) -> Answer:
        """Open the latest closed period again; its next close makes its next seal."""
        from connector import closing, quarantine

        return Answer(closing.reopen(self.here, period, reason, actor=quarantine.who()))

    def export_period(self, period: str, file: str, seal: int | None = None) -> Answer:
        """Write the export of a period's latest seal, or of that one, to a file."""
        from connector import periods

        return Answer(periods.export(self.here, period, file, seal))

    def verify_period(self, period: str | None = None) -> Answer:
        """Whether every seal of the store, or of one period, and the chain of all of them still hold; 1 if not."""
        from connector import periods

        found = periods.verify(self.here, period)
        return Answer(found, 0 if found["status"] == "ok" else 1)

    # --- deliveries --------------------------------------------------------------------------------------------------

    def deliveries(self, destination: str | None = None, state: str | None = None) -> Answer:
        """What is owed and what became of it."""
        from connector import deliveries

        if destination is not None:
            self.here.chosen_destinations([destination])
        return Answer(deliveries.list_deliveries(self.here.store, destination, state))

    def delivery(self, key: str) -> Answer:
        """One delivery with every receipt."""
        from connector import deliveries

        return Answer(deliveries.show(self.here.store, key))

    def retry_deliveries(
        self, keys: Sequence[str] = (), destination: str | None = None, state: str | None = None
    ) -> Answer:
        """Owe refused and dead deliveries again."""
        from connector import deliveries

        if destination is not None:
            self.here.chosen_destinations([destination])
        asked: list[str | None] = [*keys] or [None]
        owed = sum(deliveries.retry(self.here.store, key, destination=destination, state=state) for key in asked)
        return Answer({"owed": owed})

    def resolve_deliveries(
        self, keys: Sequence[str], outcome: Literal["confirmed", "owed"], reason: str,
        destination: str | None = None, state: str | None = None,
    ) -> Answer:
        """Settle unanswered deliveries by what a person found at the destination: those named, or all of one."""
        from connector import deliveries, quarantine
        from connector.errors import ConfigError, Fault

        store, actor = self.here.store, quarantine.who()
        if bool(keys) == (destination is not None) or (keys and state is not None):
            raise ConfigError([Fault("command line", 0, "", "which ones? expected keys, or --destination alone")])
        if destination is None:
            for key in keys:
                deliveries.resolve(store, key, outcome, reason, actor=actor)
            named = {"key": keys[0]} if len(keys) == 1 else {"decided": len(keys)}
            return Answer({**named, "state": outcome})
        self.here.chosen_destinations([destination])
        done = deliveries.resolve_all(store, destination, outcome, reason, state=state or "unanswered", actor=actor)
        return Answer({"destination": destination, "decided": done, "state": outcome})

    # --- setting up --------------------------------------------------------------------------------------------------

    def check(self, names: Sequence[str] = ()) -> Answer:
        """Sources, destinations, mapping tests and the next times of the schedules; changes nothing there, and no
        knowledge here: its requests are counted, and a token that was renewed is kept."""
        from connector import report

        return Answer(*report.check(self.here, names))

    def mapping_tests(self, names: Sequence[str] = (), record: Sequence[str] = ()) -> Answer:
        """The tests of the mapping files; 1 where one does not hold.

        `record`: first write these landed records ([STREAM:]ID) of the one source into its file as cases, with personal
        data replaced; their tests say `recorded`. Raises ConfigError.
        """
        from connector import case_recorder, report
        from connector.errors import ConfigError, Fault

        if not record:
            return Answer(*report.mapping_tests(self.here, names))
        chosen = self.here.chosen_sources(names)
        if len(chosen) != 1:
            message = f"whose record? name one source: {', '.join(chosen)}"
            raise ConfigError([Fault("command line", 0, "--record", message)])
        recorded = case_recorder.record(self.here, chosen[0], record)
        found, code = report.mapping_tests(self.here, chosen)
        return Answer([{**one, **({"recorded": True} if one["test"] in recorded else {})} for one in found], code)

    def mapping_diff(
        self, new: str, *, source: str | None = None, kind: str | None = None, limit: float | None = None
    ) -> Answer:
        """What that file would do to every KPI value; 1 if one moves beyond the limit (0..1). Nothing is applied."""
        from connector import diffing

        found = diffing.diff(self.here, new, source=source, kind=kind, limit=limit)
        return Answer(found, 1 if diffing.is_beyond(found) else 0)

    def mapping_preview(
        self, source: str, *, stream: str | None = None, ids: Sequence[str] = (), limit: int = 5,
        file: str | None = None,
    ) -> Answer:
        """Landed records beside what they become, by the source's mapping or by another file: 1 where one cannot be
        mapped."""
        from connector import record_preview

        found = record_preview.preview(self.here, source, stream=stream, ids=ids, limit=limit, file=file)
        return Answer(found, 1 if any(one["fault"] for one in found["records"]) else 0)

    def mapping_lint(self, names: Sequence[str] = (), *, from_landing: bool = False) -> Answer:
        """In what mappings and sources differ, by what these tell now and by what is landed; 1 with findings.

        `from_landing`: no source is asked.
        """
        from connector.drift import lint

        return Answer(*lint.lint(self.here, names, from_landing=from_landing))

    def upgrade_database(self) -> Answer:
        """The tables made, or brought up to this version."""
        from connector.store import schema

        store = self.here.store
        return Answer({"database": store.engine.dialect.name, "version": schema.HEAD, "state": "ready"})

    def check_database(self) -> Answer:
        """Whether the database answers and is of this version; nothing is changed."""
        from connector import report

        return Answer(*report.check_database(self.here))


def init(
    config: str, adapter: str, *, name: str | None = None, secrets: Sequence[str] = (), settings: Sequence[str] = (),
    folder: str = ".", timezone: str | None = None, currency: str | None = None, clock: Clock | None = None,
) -> Answer:
    """A config and a mapping written from what a source tells of itself, or completed; there need be no config yet.

    `secrets` are [KEY=]VARIABLE, `settings` KEY=VALUE. Raises ConfigError, and RemoteError where the source does not
    answer; nothing is written then.
    """
    from pathlib import Path

    from connector.ports import SystemClock
    from connector.starting.start import Wanted, start

    wanted = Wanted(adapter, name or "", settings, secrets, timezone or "", currency or "")
    return Answer(*start(wanted, Path(folder, config), clock or SystemClock()))


def mapping_schema() -> dict[str, Any]:
    """The JSON Schema of mapping files."""
    from connector import mapping_schema

    return mapping_schema.schema()


def config_schema() -> dict[str, Any]:
    """The JSON Schema of config.yaml."""
    from connector.config.schema import schema

    return schema()

"""Closing periods: is everything in, then freeze the values and seal them; and opening the latest one again.

A close computes every KPI of the period's length in one snapshot, keeps each value with its members, and seals them
(`seal`), all in one transaction: it is done as a whole or not at all. From then on the frozen values are what is shown
and delivered; what is learnt later shows as today's value beside them. A reopened period is open again, keeps its seal,
and gets the next one when it is closed again.

A cohort still grows when its period is over. Its KPI stays open until its horizon is reached, and is then sealed by the
period's next close, which adds a seal beside the first; one without a horizon is never frozen.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, func, select

from connector import adjustments, completeness, computing, directory, files, frozen, journal, kpi, seal, workdays
from connector.computation import Computation, run_apart
from connector.config.beside import read_bytes, shown
from connector.errors import ConfigError, Fault
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue, Member, canonical_json, iso, micros
from connector.period import Period
from connector.seal import Seal
from connector.store import tables
from connector.store.store import Store
from connector.wiring import Installation

LEASE = "kpi"
"""A close is a computation: no other computes, and none closes or opens a period, while it is at it."""
SERVICE = "connector run"  # the actor of what nobody did by hand
JOB = "period close"  # the service's job; no source or destination can be called so

_log = structlog.get_logger("connector.closing")


class Outcome(NamedTuple):
    """What a close came to: the seal, or why there is none. With `force` the findings stand beside the seal.

    `waiting`: the KPIs that stay open, with the instant at which they can be frozen; None is never.
    """

    seal: Seal | None
    findings: tuple[str, ...]
    waiting: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Closing:
    """One close: `run` does it, here or in a process of its own. `streams` of each source are those its mapping reads.

    The computation is of every KPI: what closed periods have become is brought up to date first, so that the close
    asks about all of it.
    """

    computation: Computation
    period: Period
    streams: Mapping[str, Sequence[str]]
    actor: str
    force: bool = False
    reason: str | None = None
    auto_accept_below: Decimal | None = None
    found: Sequence[str] = ()  # what is missing by what was looked at before

    @property
    def store(self) -> str:
        return self.computation.store

    def run(self, store: Store) -> Outcome:
        """Freeze and seal the period if it is complete, or by force. Raises ConfigError, StoreError, LeaseLost."""
        now, period, streams = micros(store.clock.now()), self.period, self.streams
        with store.reading() as connection:  # before the snapshot: what comes in after it is not in the values
            state = frozen.state(connection, period.name)
            ripe, waiting = self._ripe(store, now, is_closed=state is not None and state.state == "closed")
            if state is not None and state.state == "closed" and not ripe:
                return Outcome(None, (_already(period, state.seal),), waiting)
            until = max([period.end, *(one.matures_at(period) or 0 for one in ripe)])
            before = list(completeness.missing(connection, period, streams, now, until=until))
            read_to = completeness.read_to(connection, streams)
        with self.computation.reading(store) as reading:
            reading.store_values()
            found, as_of = reading.with_members(ripe, period), reading.as_of
        sealed = [_frozen(value, members) for value, members in found]
        with store.writing() as writing:
            store.hold(writing, self.computation.lease)  # so nobody else has closed it meanwhile
            since = completeness.missing(writing.connection, period, streams, now, until=until)
            proposed = adjustments.undecided(store, period.end)
            small, proposed = adjustments.apart(proposed, self.auto_accept_below, self.computation.every)
            undecided = completeness.undecided(writing.connection, proposed)
            left_out = completeness.left_out(value for value, _ in found)
            findings = tuple(dict.fromkeys([*self.found, *before, *since, *left_out, *undecided]))
            if findings and not self.force:
                return Outcome(None, findings, waiting)
            for one in small:
                reason = f"below auto_accept_below, {self.auto_accept_below}"
                adjustments.settle(
                    writing, one["id"], "accept", self.computation.calendar, self.computation.every,
                    actor=self.actor, reason=reason,
                )

            def header(stamp: int, number: int, previous: str | None) -> dict[str, Any]:
                told = {"number": number, "previous": previous, "sealed_at": iso(stamp), "as_of": iso(as_of)}
                known = {"files": _files(writing.connection, as_of), "read_to": read_to, "forced": list(findings)}
                return {**told, **self._header(ripe, waiting), **known}

            made = frozen.write(writing, period, sealed, header)
            journal.decide(
                writing, "period_close",
                {"period": period.name, "seal": made.header["number"], "hash": made.hash, "forced": findings},
                actor=self.actor, reason=self.reason,
            )
        return Outcome(made, findings, waiting)

    def _ripe(
        self, store: Store, now: int, *, is_closed: bool
    ) -> tuple[list[KpiDefinition], dict[str, int | None]]:
        """The KPIs to freeze now, and those that wait for later; of a closed period only what it left waiting."""
        asked = [one for one in self.computation.definitions if one.every == self.period.every]
        if is_closed:
            left = frozen.closed(store, periods=[self.period.name]).waiting.get(self.period.name, ())
            asked = [one for one in asked if one.id in left]
        matures = {one.id: one.matures_at(self.period) for one in asked}
        is_late = {name: at is None or (at > self.period.end and at > now) for name, at in matures.items()}
        ripe = [one for one in asked if not is_late[one.id]]
        return ripe, {name: at for name, at in matures.items() if is_late[name]}

    def _header(self, ripe: Sequence[KpiDefinition], waiting: Mapping[str, int | None]) -> dict[str, Any]:
        """What the seal says of itself beside its place in the chain: of what, by which rules, by whom."""
        known, calendar = self.computation, self.computation.calendar
        definitions = canonical_json([kpi.as_json(one) for one in ripe])
        return {
            "format": seal.FORMAT, "period": self.period.name, "every": self.period.every,
            "period_start": self.period.start_on.isoformat(), "period_end": self.period.end_on.isoformat(),
            "timezone": str(calendar.zone), **calendar.rules,
            "currency": known.currency, "kpis": {one.id: METRICS[one.metric].version for one in ripe},
            "waiting": {name: iso(at) for name, at in waiting.items()},
            "signatures": {one.id: one.signature for one in ripe},
            "definitions": hashlib.sha256(definitions.encode()).hexdigest(), "actor": self.actor, "reason": self.reason,
        }


def _frozen(value: KpiValue, members: Sequence[Member]) -> frozen.Frozen:
    """The value as it is frozen: what is withheld stays so, and has no number."""
    made = replace(value, view="frozen", status="frozen" if value.status == "open" else value.status)
    return made, members, seal.entry(made, members)


def _already(period: Period, seal: int) -> str:
    """That the period is closed, in a sentence."""
    return (
        f"{period.name} is already closed (seal {seal}); to close it anew, "
        f"`connector period reopen {period.name} --reason TEXT` first"
    )


def _files(connection: Connection, as_of: int) -> list[dict[str, str]]:
    """The version of each file in force at that moment."""
    table = tables.file_version
    query = select(table.c.kind, table.c.name, table.c.version).where(table.c.seen_at <= as_of)
    found = {(row.kind, row.name): row.version for row in connection.execute(query.order_by(table.c.seen_at))}
    return [{"kind": kind, "name": name, "version": version} for (kind, name), version in sorted(found.items())]


# --- by hand ---------------------------------------------------------------------------------------------------------


def close(
    here: Installation, name: str, *, actor: str, force: bool = False, reason: str | None = None,
    wait: float = computing.PATIENCE,
) -> Outcome:
    """Close the period of that name. Raises ConfigError for a name that cannot be closed, and Busy when another run
    computes, closes or opens for longer than that."""
    if force and not (reason or "").strip():
        raise fault("--force", "a close by force needs --reason: why is it closed although something is missing?")
    period = _period(here, name)
    if not _definitions(here, period.every):
        lengths = ", ".join(sorted({one.every for one in here.config.kpis})) or "none is there"
        raise fault("period", f"{name} is a {period.every}; the KPIs of the config have a value every: {lengths}")
    streams = {source: mapping.streams() for source, mapping in files.checked(here).items()}
    problem = directory.refresh(here)
    files.register(here)
    lease = computing.lease(here, wait)
    config = here.config
    try:
        table = directory.table(here)
        computation = Computation(config.store, config.kpis, here.calendar, config.currency, table, lease)
        found = [problem] if problem else []
        task = Closing(computation, period, streams, actor, force, reason, config.auto_accept_below, found)
        if threading.current_thread() is threading.main_thread():
            return task.run(here.store)
        return run_apart(task, here.clock)
    finally:
        here.store.release(lease)


def reopen(here: Installation, name: str, reason: str, *, actor: str) -> dict[str, Any]:
    """Open the latest closed period of its length again. Raises ConfigError when it is not that, and Busy."""
    period = _period(here, name)
    lease = computing.lease(here, computing.PATIENCE)
    try:
        with here.store.writing() as writing:
            here.store.hold(writing, lease)
            found = frozen.state(writing.connection, name)
            if found is None or found.state != "closed":
                raise fault("period", f"{name} is not closed; `connector period list` shows which are")
            latest = frozen.latest_closed(writing.connection, period.every)
            if latest is not None and latest.name != name:
                message = f"only the latest closed {period.every} can be reopened, which is {latest.name}"
                raise fault("period", message)
            subject = {"period": name, "seal": found.seal}
            stamp = journal.decide(writing, "period_reopen", subject, actor=actor, reason=reason)
            frozen.reopen(writing, name, stamp)
            adjustments.forget(writing, name)
    finally:
        here.store.release(lease)
    return {"period": name, "state": "open", "seal": found.seal, "reason": reason}


# --- by itself -------------------------------------------------------------------------------------------------------


def close_due(here: Installation) -> list[Outcome]:
    """Close what the config's `close:` says is due, the oldest first; what is incomplete is a finding of the day.

    Of a length of which nothing was ever closed only the last period that is due; a reopened one is left to a person.
    """
    outcomes: list[Outcome] = []
    waiting: set[str] = set()  # lengths of which an earlier period is not complete
    for period in due(here):
        if period.every in waiting:
            continue
        with here.store.reading() as connection:
            known = frozen.state(connection, period.name)
        outcome = close(here, period.name, actor=SERVICE)
        outcomes.append(outcome)
        if outcome.seal:
            _log.info("period closed", period=period.name, seal=outcome.seal.header["number"], hash=outcome.seal.hash)
            continue
        if known is None or known.state != "closed":  # a cohort of a closed one holds nobody up
            waiting.add(period.every)
        with here.store.writing() as writing:
            subject = {"period": period.name, "findings": outcome.findings}
            journal.decide(writing, "period_incomplete", subject, actor=SERVICE)
        _log.warning("period not closed: it is not complete", period=period.name, findings=outcome.findings)
    return outcomes


def due(here: Installation) -> list[Period]:
    """The periods that should be closed by now."""
    now, days = micros(here.clock.now()), days_off(here)
    found: list[Period] = []
    for every, number in here.config.close.items():
        if _definitions(here, every):
            table = tables.period
            last = here.store.rows(select(func.max(table.c.ends_at)).where(table.c.every == every))[0][0]
            found += [*_grown(here, every, now), *workdays.due(number, every, here.calendar, days, now, last)]
    return found


def _grown(here: Installation, every: str, now: int) -> list[Period]:
    """The closed periods of that length with a cohort that has reached its horizon since."""
    waiting = frozen.closed(here.store).waiting
    periods = sorted(_named(here, (name for name, left in waiting.items() if left)), key=lambda one: one.start)
    defined = _definitions(here, every)
    return [
        period for period in periods
        if period.every == every
        and any((one.matures_at(period) or now + 1) <= now for one in defined if one.id in waiting[period.name])
    ]


def _named(here: Installation, names: Iterable[str]) -> Iterator[Period]:
    """The periods of these names; none for what the calendar called so once, before the fiscal year was moved."""
    for name in names:
        with suppress(ValueError):
            yield here.calendar.parse(name)


def days_off(here: Installation) -> workdays.DaysOff:
    """The days that are no working days by the config and its holidays file. Raises ConfigError."""
    path = here.config.holidays
    holidays = frozenset[date]() if path is None else workdays.holidays(read_bytes(path), shown(path))
    return workdays.DaysOff(holidays, here.config.working_days)


def _definitions(here: Installation, every: str) -> list[KpiDefinition]:
    return [one for one in here.config.kpis if one.every == every]


def _period(here: Installation, name: str) -> Period:
    """The period of that name, if it is one that can be closed."""
    try:
        found = here.calendar.parse(name)
    except ValueError as error:
        raise fault("period", str(error)) from None
    if found.every == "all":
        raise fault("period", "`all` never ends and cannot be closed")
    if micros(here.clock.now()) < found.start:
        raise fault("period", f"{name} has not begun")
    return found


def fault(key: str, message: str) -> ConfigError:
    """What is wrong with the command line."""
    return ConfigError([Fault("command line", 0, key, message)])

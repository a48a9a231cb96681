"""KPIs of an installation: the stored values brought up to date, and questions answered on the spot."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from connector import kpi, kpi_store, naming
from connector.computation import Computation, people_of, withheld
from connector.errors import Busy, ConfigError, Fault
from connector.kpi import KpiDefinition
from connector.kpi_store import Changes
from connector.metrics.catalogue import CATALOGUE
from connector.model import KpiValue, micros
from connector.period import Calendar
from connector.store.snapshot import open_snapshot
from connector.store.store import Lease
from connector.wiring import Installation

PATIENCE = 300.0  # seconds to wait for another run's computation or delivery: its values may be older than ours


def refresh(here: Installation, *, wait: float = PATIENCE, apart: bool | None = None) -> Changes:
    """Compute every KPI for every period and store what changed. Raises Busy when another run does so for too long.

    `apart`: in a process of its own, so that this one stays small; None: where a job runs in a thread beside others, as
    in `connector run`. A command is about to end anyway, and spares itself the second start.
    """
    definitions = here.config.kpis
    if not definitions and not kpi_store.current(here.store):
        return Changes(0, 0, 0, 0)
    lease = _lease(here, wait)
    try:
        computation = Computation(
            here.config.store, definitions, here.calendar, here.config.currency, here.config.people, lease
        )
        if apart is None:
            apart = threading.current_thread() is not threading.main_thread()
        if apart:
            return computation.run_apart(here.clock)
        return computation.run(here.store)
    finally:
        here.store.release(lease)


def _lease(here: Installation, wait: float) -> Lease:
    until = here.clock.now() + timedelta(seconds=wait)
    while True:
        try:
            return here.store.acquire("kpi")
        except Busy:
            if here.clock.now() >= until:
                raise
            here.clock.sleep(0.2)


def persons(here: Installation) -> dict[str, dict[str, str]]:
    """What destinations may be told of each employee, by code."""
    return {
        person.code: {"employee_code": person.code, "email": min(person.emails, default=""), "name": person.name}
        for person in people_of(here.config.people).persons
        if person.code
    }


# --- questions -------------------------------------------------------------------------------------------------------


def ask(
    here: Installation, wanted: str | None, *, period: str | None = None, subject: str | None = None,
    by: Mapping[str, str] | None = None, as_of: str | None = None, options: Mapping[str, str] | None = None,
) -> list[KpiValue]:
    """The values of one KPI or all, computed now, as known now or at `as_of`. Raises ConfigError for unknown names."""
    definitions = _definitions(here, wanted, by or {}, options or {})
    moment = None if as_of is None else instant(as_of, here.calendar)
    names = _periods(here, definitions, period, moment)
    store = here.store  # opened first: a question to an installation that never ran finds empty tables
    with open_snapshot(here.config.store, moment) as snapshot:
        values = kpi.compute(
            definitions, snapshot, here.calendar, here.config.currency, periods=names, subject=subject,
            withheld=withheld(store, snapshot.as_of),
        )
    found = [value for value in values if all(value.dimensions.get(name) == word for name, word in (by or {}).items())]
    if not found and (subject is not None or by):
        _check_names(here, definitions, subject, by or {})
    return found


def _check_names(
    here: Installation, definitions: Sequence[KpiDefinition], subject: str | None, by: Mapping[str, str]
) -> None:
    """Raise ConfigError where the answer is empty because the question names what nobody knows, today either."""
    with open_snapshot(here.config.store) as snapshot:
        naming.check(
            snapshot, here.calendar, people_of(here.config.people),
            {kind for one in definitions for kind in _kinds(one)}, subject, by,
            lambda: kpi.compute(definitions, snapshot, here.calendar, here.config.currency),
        )


def _kinds(definition: KpiDefinition) -> tuple[str, ...]:
    """The kinds of subject a KPI has; who is no employee stays an owner."""
    return ("person", "owner") if definition.per == "person" else (definition.per,)


def _definitions(
    here: Installation, wanted: str | None, by: Mapping[str, str], options: Mapping[str, str]
) -> list[KpiDefinition]:
    known = {one.id: one for one in here.config.kpis}
    if wanted is not None and wanted not in known:
        metric = "; it is a metric, write a KPI of it into the config's kpis" if wanted in CATALOGUE else ""
        raise _fault(wanted, f"there is no KPI of that id, expected one of: {', '.join(known) or 'none'}{metric}")
    chosen = [known[wanted]] if wanted is not None else list(known.values())
    chosen = [replace(one, options={**one.options, **options}) for one in chosen]
    faults = [Fault("command line", 0, one.id, text) for one in chosen for text in kpi.validate(one)]
    if faults:
        raise ConfigError(faults)
    if missing := [name for name in by if not any(name in one.dimensions for one in chosen)]:
        split = ", ".join(dict.fromkeys(name for one in chosen for name in one.dimensions)) or "nothing"
        raise _fault("--by", f"no KPI asked for is split by {', '.join(missing)}; they are split by {split}")
    return [one for one in chosen if all(name in one.dimensions for name in by)]


def _periods(
    here: Installation, definitions: Sequence[KpiDefinition], period: str | None, as_of: int | None
) -> list[str]:
    """The period asked for, else of each length the one that is running (or was, at `as_of`)."""
    if period is None:
        now = micros(here.clock.now()) if as_of is None else as_of
        return [here.calendar.at(every, now).name for every in dict.fromkeys(one.every for one in definitions)]
    try:
        found = here.calendar.parse(period)
    except ValueError as error:
        raise _fault("--period", str(error)) from None
    if not any(one.every == found.every for one in definitions):
        lengths = ", ".join(sorted({one.every for one in definitions})) or "none is there"
        raise _fault("--period", f"{period} is a {found.every}; the KPIs asked for have a value every: {lengths}")
    return [found.name]


def instant(text: str, calendar: Calendar) -> int:
    """The moment that was written, in microseconds: a date is the end of that local day, a time without zone local."""
    try:
        if len(text) == len("2026-10-31"):
            return calendar.start_of(date.fromisoformat(text) + timedelta(days=1)) - 1
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _fault("--as-of", f"{text!r} is no moment, expected 2026-10-31 or 2026-10-31T17:00") from None
    return micros(found if found.tzinfo else found.replace(tzinfo=calendar.zone))


def _fault(key: str, message: str) -> ConfigError:
    return ConfigError([Fault("command line", 0, key, message)])

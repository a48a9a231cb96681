"""KPIs of an installation: the stored values brought up to date, and questions answered on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from connector import kpi, kpi_store, naming, people
from connector.config.beside import read_bytes
from connector.errors import Busy, ConfigError, Fault
from connector.kpi import KpiDefinition
from connector.kpi_store import Changes
from connector.metrics.catalogue import CATALOGUE
from connector.model import KpiValue, micros
from connector.period import Calendar
from connector.store import quarantine
from connector.store.snapshot import open_snapshot
from connector.store.store import Lease, Store
from connector.wiring import Installation

PATIENCE = 300.0  # seconds to wait for another run's computation or delivery: its values may be older than ours


def refresh(here: Installation, *, wait: float = PATIENCE) -> Changes:
    """Compute every KPI for every period and store what changed. Raises Busy when another run does so for too long."""
    definitions = here.config.kpis
    if not definitions and not kpi_store.current(here.store):
        return Changes(0, 0, 0, 0)
    lease = _lease(here, wait)
    try:
        with open_snapshot(here.config.store) as snapshot:
            values = kpi.compute(
                definitions, snapshot, here.calendar, here.config.currency,
                withheld=withheld(here.store, snapshot.as_of),
            )
        values += _emptied(here, values, snapshot.as_of)
        return kpi_store.save(here.store, values, lease=lease)
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


def _emptied(here: Installation, values: Sequence[KpiValue], as_of: int) -> list[KpiValue]:
    """Values stored earlier of which nothing is left: 0 or no data, or a destination would keep what it was told.

    A person who is no longer in the people file, or ignored there, is left alone: settling a leaver takes nothing back.
    """
    left = kpi_store.besides(here.store, {value.key for value in values})
    definitions = {one.id: one for one in here.config.kpis}
    staff = _staff(here) if left else set()
    found = (
        kpi.emptied(definitions[value.kpi], value, here.calendar, here.config.currency, as_of)
        for value in left
        if value.kpi in definitions and (value.subject.kind != "person" or value.subject.key in staff)
    )
    return [value for value in found if value is not None]


def _staff(here: Installation) -> set[str]:
    """The codes of the employees who have values."""
    return {person.code for person in _people(here).persons if not person.is_ignored}


def _people(here: Installation) -> people.People:
    """The people file as it stands."""
    path = here.config.people
    return people.parse(read_bytes(path), str(path)) if path else people.People()


def withheld(store: Store, as_of: int) -> list[tuple[str, str]]:
    """The (source, pipeline id) of pipelines with a record whose stage nobody mapped, as known at `as_of`."""
    with store.reading() as connection:
        return quarantine.withheld(connection, as_of)


def persons(here: Installation) -> dict[str, dict[str, str]]:
    """What destinations may be told of each employee, by code."""
    return {
        person.code: {"employee_code": person.code, "email": min(person.emails, default=""), "name": person.name}
        for person in _people(here).persons
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
            snapshot, here.calendar, _people(here), {kind for one in definitions for kind in _kinds(one)}, subject, by,
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

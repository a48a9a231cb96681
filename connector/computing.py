"""KPIs of an installation: the stored values brought up to date, and questions answered on the spot."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connector import adjustments, directory, frozen, kpi, kpi_store, naming, scores
from connector.computation import Computation, gaps
from connector.errors import Busy, ConfigError, Fault
from connector.fx import Rates
from connector.kpi import KpiDefinition
from connector.kpi_store import Changes, Key
from connector.metrics.catalogue import CATALOGUE
from connector.model import KpiValue, Member, micros
from connector.period import Calendar
from connector.store.snapshot import Snapshot, open_snapshot
from connector.store.store import Lease
from connector.wiring import Installation

BASES = ("known", "reconstructed")
VIEWS = ("frozen", "restated", "payable")
"""How a value of a closed period may be asked for."""

PATIENCE = 300.0  # seconds to wait for another run's computation or delivery: its values may be older than ours


def refresh(here: Installation, *, wait: float = PATIENCE, apart: bool | None = None) -> Changes:
    """Compute every KPI for every period and store what changed. Raises Busy when another run does so for too long.

    `apart`: in a process of its own, so that this one stays small; None: where a job runs in a thread beside others, as
    in `connector run`. A command is about to end anyway, and spares itself the second start.
    """
    definitions = here.config.kpis
    if not definitions and not kpi_store.current(here.store):
        return Changes(0, 0, 0, 0)
    held = lease(here, wait)
    try:
        computation = Computation(
            here.config.store, definitions, here.calendar, here.config.currency, directory.table(here), held
        )
        if apart is None:
            apart = threading.current_thread() is not threading.main_thread()
        if apart:
            return computation.run_apart(here.clock)
        return computation.run(here.store)
    finally:
        here.store.release(held)


def lease(here: Installation, wait: float) -> Lease:
    """The lease of who computes, closes or opens a period. Raises Busy when another has it for so many seconds."""
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
        for person in directory.people_of(here).persons
        if person.code
    }


# --- questions -------------------------------------------------------------------------------------------------------


def ask(
    here: Installation, wanted: str | None, *, period: str | None = None, subject: str | None = None,
    by: Mapping[str, str] | None = None, as_of: str | None = None, basis: str = "known",
    options: Mapping[str, str] | None = None, view: str | None = None,
) -> list[KpiValue]:
    """The values of one KPI or all, computed now, as known now or at `as_of`. Raises ConfigError for unknown names.

    `basis` reconstructed: from what is known now of what had happened by `as_of`. `view` frozen: as they were closed;
    restated: as they are today, closed or not; None: frozen where closed, else open.
    """
    _check_basis(basis)
    if view == "frozen" and period and wanted and wanted not in {one.id for one in here.config.kpis}:
        return _kept(here, wanted, period, subject, by or {}, as_of)
    definitions = _definitions(here, wanted, by or {}, options or {})
    moment = None if as_of is None else instant(as_of, here.calendar)
    store = here.store  # opened first: a question to an installation that never ran finds empty tables
    with open_snapshot(here.config.store, moment, reconstructed=basis == "reconstructed") as snapshot:
        asked = _asked(here, snapshot, definitions, options or {}, moment)
        names = _periods(here, asked, period, moment)
        values = kpi.compute(
            asked.definitions, snapshot, asked.calendar, asked.currency, periods=names, subject=subject, basis=basis,
            **gaps(store, snapshot.known_at),
        )
    values = _in_view(here, view, values, asked, names, subject, moment, options, basis)
    found = [value for value in values if all(value.dimensions.get(name) == word for name, word in (by or {}).items())]
    if not found and (subject is not None or by):
        _check_names(here, definitions, subject, by or {})
    return found


def _kept(
    here: Installation, kpi_id: str, period: str, subject: str | None, by: Mapping[str, str], as_of: str | None
) -> list[KpiValue]:
    """The frozen values of a KPI that the config has no longer."""
    moment = None if as_of is None else instant(as_of, here.calendar)
    found = frozen.closed(here.store, periods=[period], as_of=moment).values.values()
    kept = [
        value for value in found
        if value.kpi == kpi_id and subject in (None, value.subject.key)
        and all(value.dimensions.get(name) == word for name, word in by.items())
    ]
    if not kept:
        _definitions(here, kpi_id, by, {})  # raises: nobody knows it
    return sorted(kept, key=lambda value: value.key)


@dataclass(frozen=True, slots=True)
class _Terms:
    """By which a question is answered: those of the config, or of then."""

    definitions: Sequence[KpiDefinition]
    calendar: Calendar
    currency: str


def _asked(
    here: Installation, snapshot: Snapshot, definitions: Sequence[KpiDefinition], options: Mapping[str, str],
    moment: int | None,
) -> _Terms:
    """The KPIs, the calendar and the currency as the config had them at the asked moment; as they are, without one."""
    if moment is None:
        return _Terms(definitions, here.calendar, here.config.currency)
    then = []
    for one in definitions:
        made = replace(was := _as_defined(snapshot, one), options={**was.options, **options})
        then.append(one if kpi.validate(made) else made)
    told = snapshot.document("calendar")
    if told is None:
        return _Terms(then, here.calendar, here.config.currency)
    calendar = json.loads(told.content)
    return _Terms(then, Calendar(ZoneInfo(calendar["timezone"])).told(calendar), calendar["currency"])


@dataclass(frozen=True, slots=True)
class Asked:
    """One value and its members, with the rates it was converted with and up to when everything was known."""

    value: KpiValue
    members: Sequence[Member]
    rates: Rates
    known_at: int


def ask_one(
    here: Installation, wanted: str, *, period: str | None = None, subject: str | None = None,
    by: Mapping[str, str] | None = None, as_of: str | None = None, basis: str = "known",
    options: Mapping[str, str] | None = None, view: str | None = None,
) -> Asked:
    """The one value that a question names (`ask`), with its members; of a frozen value those it was frozen with.

    Raises ConfigError for unknown names, and where the question names no value or several.
    """
    _check_basis(basis)
    if view == "payable":
        raise _fault("--view", "what is paid is the frozen value, which can be explained, and accepted adjustments, "
                     "whose causes `connector adjustment list --json` has; expected frozen or restated")
    (definition,) = _definitions(here, wanted, by or {}, options or {})
    moment = None if as_of is None else instant(as_of, here.calendar)
    store = here.store
    with open_snapshot(here.config.store, moment, reconstructed=basis == "reconstructed") as snapshot:
        asked = _asked(here, snapshot, [definition], options or {}, moment)
        (definition,) = asked.definitions
        (name,) = _periods(here, asked, period, moment)
        found = kpi.detail(
            definition, snapshot, asked.calendar, asked.currency, name, subject=subject, dimensions=by,
            basis=basis, **gaps(store, snapshot.known_at),
        )
    shown = _in_view(here, view, list(found.values), asked, [name], subject, moment, options, basis)
    values = [value for value in shown if all(value.dimensions.get(name) == word for name, word in (by or {}).items())]
    if len(values) > 1:
        raise _several(definition, values)
    if not values:
        _check_names(here, [definition], subject, by or {})
        raise _fault(wanted, f"nothing of it has a value in {name}; `connector kpi {wanted} --period {name}` lists who")
    if values[0].view == "frozen":
        return _frozen(here, definition, values[0], moment)
    return Asked(values[0], found.members, found.rates, snapshot.known_at)


def _frozen(here: Installation, definition: KpiDefinition, value: KpiValue, moment: int | None) -> Asked:
    """A frozen value with the members it was frozen with.

    What they do not keep, as which stage each was about, is computed again as it was known then.
    """
    kept = frozen.members(here.store, value.key, as_of=moment) or []
    currency = value.currency or here.config.currency
    with open_snapshot(here.config.store, value.as_of) as snapshot:
        then = _asked(here, snapshot, [definition], {}, value.as_of)
        found = kpi.detail(
            then.definitions[0], snapshot, then.calendar, currency, value.period,
            subject=value.subject, dimensions=value.dimensions,
        )
    again: dict[Member, list[Member]] = {}
    for member in found.members:
        again.setdefault(member, []).append(member)
    listed = [twins.pop(0) if (twins := again.get(member)) else member for member in kept]
    return Asked(value, listed, found.rates, value.as_of)


def _as_defined(snapshot: Snapshot, definition: KpiDefinition) -> KpiDefinition:
    """The KPI as the config had it then; as it has it now, where that is not known or no longer possible."""
    told = snapshot.document("kpis")
    for one in json.loads(told.content) if told else ():
        if one["id"] == definition.id and not kpi.validate(then := kpi.from_json(one)):
            return then
    return definition


def _several(definition: KpiDefinition, values: Sequence[KpiValue]) -> ConfigError:
    """Which of them is meant is still to be said: whose, or which part."""
    subjects = list(dict.fromkeys(value.subject.key for value in values))
    if len(subjects) > 1:
        return _fault("--subject", f"{definition.id} is per {definition.per}, say whose: {naming.listed(subjects)}")
    parts = (" ".join(f"--by {name}={word}" for name, word in value.dimensions.items()) for value in values)
    return _fault("--by", f"{definition.id} is in parts, say which: {naming.listed(parts)}")


def _check_basis(basis: str) -> None:
    if basis not in BASES:
        raise _fault("--basis", f"there is no basis {basis!r}, expected one of: {', '.join(BASES)}")


def _in_view(
    here: Installation, view: str | None, values: list[KpiValue], asked: _Terms, periods: Sequence[str],
    subject: str | None, moment: int | None, options: Mapping[str, str] | None, basis: str,
) -> list[KpiValue]:
    """The values as that view has them; those of another basis, or with other options, were never frozen."""
    if view not in (None, *VIEWS):
        raise _fault("--view", f"there is no view {view!r}, expected one of: {', '.join(VIEWS)}")
    if view in ("frozen", "payable") and basis != "known":
        raise _fault("--view", f"what is {view} was closed as it was known then; leave --basis {basis} out")
    if view == "restated":
        return [replace(value, view="restated") for value in values]
    closed = frozen.closed(here.store, periods=periods, as_of=moment)
    if view == "frozen" and not closed.kpis:
        named = ", ".join(periods) or "no period"
        raise _fault("--view", f"{named} is not closed, so nothing is frozen; `connector period list` shows what is")
    kpis = {one.id for one in asked.definitions}
    computed = {(value.subject.kind, value.subject.key) for value in values}
    told = {
        key: value for key, value in closed.values.items()
        if value.kpi in kpis and (subject is None or value.subject.key == subject or key[1:3] in computed)
    }
    if options or basis != "known":
        closed, told = frozen.Closed({period: frozenset() for period in closed.kpis}, {}), {}
    values = [*values, *_emptied(here, asked, values, told)]
    found = frozen.in_place_of(values, replace(closed, values=told))
    if view == "frozen":
        found = [value for value in found if value.view == "frozen"]
    found = adjustments.shown(here.store, found, as_of=moment)
    if view != "payable":
        return found
    person = directory.people_of(here).find(subject) if subject else None
    keys = {subject, person.code if person else subject}

    def wanted(key: Key) -> bool:
        of_subject = subject is None or key[2] in keys or key[1:3] in computed
        return key[0] in kpis and key[4] in periods and of_subject

    return adjustments.payable(here.store, found, asked.calendar, wanted, as_of=moment)


def _emptied(
    here: Installation, asked: _Terms, values: Sequence[KpiValue], told: Mapping[Key, KpiValue]
) -> list[KpiValue]:
    """What frozen values are today of which nothing is left; a person who was taken out of the people file has none."""
    there, definitions = {value.key for value in values}, {one.id: one for one in asked.definitions}
    left = [value for key, value in told.items() if key not in there and value.kpi in definitions]
    staff = {one.code for one in directory.people_of(here).persons if not one.is_ignored} if left else set()
    made = (
        kpi.emptied(definitions[value.kpi], value, asked.calendar, asked.currency, value.as_of)
        for value in left if value.subject.kind != "person" or value.subject.key in staff
    )
    return [value for value in made if value is not None]


def _check_names(
    here: Installation, definitions: Sequence[KpiDefinition], subject: str | None, by: Mapping[str, str]
) -> None:
    """Raise ConfigError where the answer is empty because the question names what nobody knows, today either."""
    with open_snapshot(here.config.store) as snapshot:
        naming.check(
            snapshot, here.calendar, directory.people_of(here),
            {kind for one in definitions for kind in _kinds(one)}, subject, by,
            lambda: kpi.compute(definitions, snapshot, here.calendar, here.config.currency),
        )


def _kinds(definition: KpiDefinition) -> tuple[str, ...]:
    """The kinds of subject a KPI has; who is no employee stays an owner."""
    if scores.is_score(definition):
        return scores.kinds(definition)
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


def _periods(here: Installation, asked: _Terms, period: str | None, as_of: int | None) -> list[str]:
    """The period asked for, else of each length the one that is running (or was, at `as_of`)."""
    definitions = asked.definitions
    if period is None:
        now = micros(here.clock.now()) if as_of is None else as_of
        return [asked.calendar.at(every, now).name for every in dict.fromkeys(one.every for one in definitions)]
    try:
        found = asked.calendar.parse(period)
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

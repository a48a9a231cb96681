"""Scores as KPI values: scorecards out of the values of other KPIs, OKR and ASK out of their tables.

A score is computed as of the snapshot's moment, with the files valid then; what it is made of are its members.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from connector import ask, attainment, okr_table, okrs, scorecards, weighing
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue, Member, Subject
from connector.okrs import Current, KeyResult
from connector.people import Stay
from connector.period import Calendar, Period
from connector.weighing import Part

if TYPE_CHECKING:
    from connector.attainment import Targets
    from connector.kpi import KpiDefinition, Snapshot
    from connector.metrics.engine import Engine

Values = Callable[["KpiDefinition", "Sequence[str] | None"], "Sequence[KpiValue]"]
"""The values of a KPI, of these periods or (None) of all."""

_Found = tuple[KpiValue, list[Member]]
_Place = tuple[str, str, str]  # subject kind and key, period


def is_score(definition: KpiDefinition) -> bool:
    """Whether the KPI is made of values or a table, not of the ledger."""
    metric = METRICS.get(definition.metric)
    return metric is not None and metric.kind == "P"


def options(definition: KpiDefinition) -> dict[str, str]:
    """What a score's values say of how they were made."""
    rules = definition.rules
    if definition.metric == scorecards.METRIC:
        return scorecards.shown(rules)
    if definition.metric == ask.METRIC:
        return _weights(rules["weights"])
    return dict(rules) if definition.metric == okrs.OBJECTIVE else {}


def kinds(definition: KpiDefinition) -> tuple[str, ...]:
    """The kinds of subject a score can be of."""
    return ("person", "team", "company", "owner") if definition.metric in (okrs.OBJECTIVE, okrs.KEY_RESULT) \
        else (definition.per,)


def _weights(weights: Mapping[str, str]) -> dict[str, str]:
    return {"weights": ", ".join(f"{name} {scorecards.plain(Fraction(one))}" for name, one in weights.items())}


@dataclass(frozen=True, slots=True)
class _Made:
    """A score before it is written: None is no data."""

    subject: Subject
    dimensions: Mapping[str, str]
    period: Period
    number: Fraction | None
    parts: Sequence[Part]
    status: str
    options: Mapping[str, str]


class Scores:
    """The scores of one snapshot. `values` gives the KPIs they are made of."""

    def __init__(self, snapshot: Snapshot, engine: Engine, targets: Targets, values: Values) -> None:
        self._snapshot, self._engine, self._targets, self._values = snapshot, engine, targets, values
        self._calendar, self._as_of = engine.calendar, engine.known.as_of
        self._owners: dict[str, list[str]] = {}
        for owner in engine.owners:
            if person := engine.people.person_of(owner.key, owner.email):
                self._owners.setdefault(person.code, []).append(owner.key)

    def of(self, definition: KpiDefinition, names: Sequence[str] | None) -> list[_Found]:
        """The values of a score, of these periods or of all up to now, each with its members."""
        make = {scorecards.METRIC: self._scorecards, ask.METRIC: self._asked}.get(definition.metric, self._okrs)
        found = sorted(make(definition, names), key=_order)
        return [(self._value(definition, one), self._members(one)) for one in found]

    def _value(self, definition: KpiDefinition, one: _Made) -> KpiValue:
        metric, number = METRICS[definition.metric], one.number if one.status == "open" else None
        held = self._targets.of(definition.id, one.period, (one.subject.kind, one.subject.key))
        return KpiValue(
            kpi=definition.id, metric=metric.id, subject=one.subject, dimensions=one.dimensions,
            period=one.period.name, period_start=one.period.start_on.isoformat(),
            period_end=one.period.end_on.isoformat(), value=weighing.text(number), unit=metric.unit, currency=None,
            numerator=None, denominator=None, as_of=self._as_of, status=one.status, options=one.options,
            catalogue_version=metric.version, target=held.text(metric.unit, None) if held else None,
            attainment=attainment.attained(metric, number, held.exact) if held and number is not None else None,
        )

    def _members(self, one: _Made) -> list[Member]:
        return list(weighing.members(one.parts)) if one.status == "open" else []

    # --- scorecards --------------------------------------------------------------------------------------------------

    def _scorecards(self, definition: KpiDefinition, names: Sequence[str] | None) -> Iterator[_Made]:
        """One for everybody of its kind who has a value of any of its KPIs in the period, and whom it is for."""
        card = scorecards.Scorecard.of(definition.rules)
        found: dict[_Place, dict[str, KpiValue]] = {}
        for part in definition.parts:
            for value in self._values(part, names):
                if value.subject.kind == definition.per:
                    found.setdefault((value.subject.kind, value.subject.key, value.period), {})[part.id] = value
        for place, values in found.items():
            subject, period = next(iter(values.values())).subject, self._calendar.parse(place[2])
            if self._is_for(card.who, subject, period):
                parts = card.parts(values)
                status = _status(value.status for value in values.values())
                yield _Made(subject, {}, period, weighing.mean(parts), parts, status, options(definition))

    def _is_for(self, who: Mapping[str, Sequence[str]], subject: Subject, period: Period) -> bool:
        """Whether a subject is among those that rules are for; of a team is who was in it on any day of the period."""
        return all(self._is_one_of(kind, allowed, subject, period) for kind, allowed in who.items())

    def _is_one_of(self, kind: str, allowed: Sequence[str], subject: Subject, period: Period) -> bool:
        if kind == subject.kind:
            person = self._engine.people.find(subject.key) if kind == "person" else None
            named = {subject.key, *(person.emails if person else ())}
            return any(word in named or word.casefold() in named for word in allowed)
        return kind == "team" and bool({*allowed} & self._teams(subject, period))

    def _teams(self, subject: Subject, period: Period) -> set[str]:
        """The teams a person or owner was in on any day of the period, by the people file, else by the source."""
        person = self._engine.people.find(subject.key) if subject.kind == "person" else None
        stays = [stay for stay in person.stays if stay.team] if person else []
        owners = self._owners.get(subject.key, []) if person else [subject.key]
        stays = stays or [stay for owner in owners for stay in self._engine.stays.get(owner, ())]
        within = Stay("", period.start_on, period.end_on)
        return {stay.team for stay in stays if stay.team and stay.overlaps(within)}

    # --- OKR ---------------------------------------------------------------------------------------------------------

    def _okrs(self, definition: KpiDefinition, names: Sequence[str] | None) -> Iterator[_Made]:
        file = self._snapshot.document("okrs")
        if file is None:
            return
        kpis = {one.id: one for one in definition.parts}
        calendar, decimal = self._then(file.settings)
        told = okr_table.kept(file.content, file.path, definition.every, kpis, calendar, decimal)
        found: dict[_Place, list[KeyResult]] = {}
        for one in told:
            period = self._wanted(one.period, names)
            if period is not None:
                subject = self._subject(one.kind_of, one.subject)
                found.setdefault((subject.kind, subject.key, period.name), []).append(one)
        currents = _Currents(self._values, self._calendar, self._as_of, kpis, found)
        for place, results in found.items():
            subject, period = self._named(place[0], place[1]), self._calendar.parse(place[2])
            yield from _of_table(definition, subject, period, results, currents)

    def _subject(self, kind: str, written: str) -> Subject:
        """Whose a key result is. A person nobody knows is shown as an owner is."""
        person = self._engine.people.find(written) if kind in ("person", "subject") else None
        if person is not None and person.code:
            return self._named("person", person.code)
        return self._named("owner" if kind == "person" else "team" if kind == "subject" else kind, written)

    def _named(self, kind: str, key: str) -> Subject:
        person = self._engine.people.find(key) if kind == "person" else None
        return Subject(kind, key, person.name if person else key)

    # --- ASK ---------------------------------------------------------------------------------------------------------

    def _asked(self, definition: KpiDefinition, names: Sequence[str] | None) -> Iterator[_Made]:
        file = self._snapshot.document("ask")
        if file is None:
            return
        calendar, decimal = self._then(file.settings)
        people = self._engine.people
        told = ask.kept(file.content, file.path, definition.every, calendar, decimal, people)
        found: dict[tuple[str, str], list[ask.Rating]] = {}
        for one in told:
            found.setdefault((one.person, one.period), []).append(one)
        for (code, name), ratings in found.items():
            period, person = self._wanted(name, names), people.find(code)
            if period is None or person is None or person.is_ignored:
                continue
            subject = Subject("person", code, person.name)
            weights = self._profile(definition, subject, period)
            parts = ask.parts(ratings, weights)
            yield _Made(subject, {}, period, ask.score(parts), parts, "open", _weights(weights))

    def _profile(self, definition: KpiDefinition, subject: Subject, period: Period) -> Mapping[str, str]:
        """The weights of the first profile that is for them, else the usual ones."""
        for profile in definition.rules.get("profiles", ()):
            if self._is_for(profile["for"], subject, period):
                found: Mapping[str, str] = profile["weights"]
                return found
        usual: Mapping[str, str] = definition.rules["weights"]
        return usual

    # --- both tables -------------------------------------------------------------------------------------------------

    def _then(self, settings: str) -> tuple[Calendar, str]:
        """The calendar and decimal mark with which a table is read as it was then."""
        then = json.loads(settings or "{}")
        return self._calendar.told(then), then.get("decimal", ".")

    def _wanted(self, name: str, names: Sequence[str] | None) -> Period | None:
        """The period of that name, if it is asked for and has begun."""
        try:
            period = self._calendar.parse(name)
        except ValueError:  # the fiscal year was moved since: there is no such period any more
            return None
        return period if (names is None or name in names) and period.start <= self._as_of else None


def _of_table(
    definition: KpiDefinition, subject: Subject, period: Period, results: Sequence[KeyResult], currents: _Currents
) -> Iterator[_Made]:
    """The objectives or the key results of somebody in a period."""
    said = {id(one): currents.of(one, subject, period) for one in results}
    for objective, found in okrs.objectives(results, lambda one: said[id(one)]).items():
        parts = [part for _, part, _ in found]
        if definition.metric == okrs.OBJECTIVE:
            status = _status(status for _, _, status in found)
            yield _Made(
                subject, {"objective": objective}, period, okrs.objective(parts), parts, status, options(definition)
            )
            continue
        for one, part, status in found:
            cut = {"objective": objective, "key_result": one.name}
            yield _Made(subject, cut, period, part.level, [part], status, {})


class _Currents:
    """What KPIs say of key results; each KPI is asked once for all periods that any of them needs."""

    def __init__(
        self, values: Values, calendar: Calendar, as_of: int, kpis: Mapping[str, KpiDefinition],
        results: Mapping[_Place, Iterable[KeyResult]],
    ) -> None:
        self._calendar, self._as_of, self._kpis = calendar, as_of, kpis
        needed: dict[str, dict[str, None]] = {}
        for place, of_place in results.items():
            for one in of_place:
                if one.kpi:
                    periods = self._periods(one, calendar.parse(place[2]))
                    needed.setdefault(one.kpi, {}).update(dict.fromkeys(periods))
        self._known = {
            (name, value.subject.kind, value.subject.key, value.period): value
            for name, periods in needed.items() for value in values(kpis[name], list(periods))
        }

    def _periods(self, one: KeyResult, period: Period) -> list[str]:
        """The periods of its KPI that it needs: its own, or of one to keep those that ended within it."""
        if one.kind not in okrs.KEPT:
            return [period.name]
        until = min(period.end, self._as_of)
        of_kpi = self._calendar.periods(self._kpis[one.kpi].every, period.start, max(period.start, until))
        return [inner.name for inner in of_kpi if inner.end <= until]

    def of(self, one: KeyResult, subject: Subject, period: Period) -> Current | None:
        """None for one that the table tells."""
        if not one.kpi:
            return None
        names = self._periods(one, period)
        values = {name: self._known.get((one.kpi, subject.kind, subject.key, name)) for name in names}
        status = _status(value.status for value in values.values() if value)
        exact = {name: _exact(value) for name, value in values.items()}
        return Current(None, exact, status) if one.kind in okrs.KEPT else Current(exact[period.name], {}, status)


def _exact(value: KpiValue | None) -> Fraction | None:
    if value is None or value.value is None:
        return None
    return attainment.exact(value.value, value.numerator, value.denominator)


def _status(statuses: Iterable[str]) -> str:
    """What a score is that is made of these: the first that is not open."""
    return next((status for status in statuses if status != "open"), "open")


def _order(one: _Made) -> tuple[int, str, str]:
    return one.period.start, one.subject.kind, one.subject.key

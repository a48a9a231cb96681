"""Who holds which target in a period, and how far a value attains it (metrics.md, `kpi_attainment`).

A target of counts or money is prorated for a person who joins or leaves within the period: target x working days
employed / working days of the period. One of a ratio, an average, a duration or a stock is not: half a month makes no
smaller share. Everything is exact until it is shown, and rounded once, half-even.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from connector import targets, workdays
from connector.exact import decimal_text, minor_digits
from connector.metrics.catalogue import METRICS
from connector.metrics.engine import Engine
from connector.metrics.metric import Metric
from connector.metrics.value import PLACES
from connector.people import People, Person
from connector.period import Period
from connector.targets import Target

if TYPE_CHECKING:
    from connector.kpi import KpiDefinition, Snapshot

_TOLD = ("source", "id", "kpi", "subject", "period", "target", "currency", "gone")
_WHOLE = Fraction(1)

_Subject = tuple[str, str]  # kind and key


class Held(NamedTuple):
    """A target as one subject holds it: as given, and the part of it that counts (1 unless prorated)."""

    given: Decimal
    part: Fraction = _WHOLE

    @property
    def exact(self) -> Fraction:
        """What is to be reached."""
        return Fraction(self.given) * self.part

    def text(self, unit: str, currency: str | None) -> str:
        """As it is shown: in the format of the value; a count as given unless it is prorated."""
        exact = self.exact
        if currency is not None:
            return _text(exact, minor_digits(currency))
        if unit in ("0..1", "days"):
            return _text(exact, PLACES)
        if exact.denominator == 1:
            return str(exact.numerator)
        return format(self.given, "f") if self.part == _WHOLE else _text(exact, PLACES)


def ways(metric: Metric) -> tuple[str, ...]:
    """How attainment may be told (option `attainment`), the default first; none of what has its target in itself."""
    if metric.takes_target:
        return ()
    return ("difference", "quotient", "met") if metric.lower_is_better else ("quotient", "met")


def attained(metric: Metric, value: Fraction, target: Fraction, way: str | None = None) -> str | None:
    """The value as a part of the target. Where lower is better what it is below twice the target, at least 0
    (`difference`), or the target as a part of it (`quotient`). `met`: 1 or 0.

    None where the target is 0, and for the part of a value that is.
    """
    if target <= 0:
        return None
    if way == "met":
        return _text(Fraction(value <= target if metric.lower_is_better else value >= target), PLACES)
    if not metric.lower_is_better:
        return _text(value / target, PLACES)
    if way == "quotient":
        return _text(target / value, PLACES) if value > 0 else None
    return _text(max(2 - value / target, Fraction(0)), PLACES)


def exact(value: str, numerator: str | None, denominator: str | None) -> Fraction:
    """A shown value before it was rounded, where its two sides tell it: those of some metrics make it with more."""
    shown = Fraction(value)
    if numerator is None or denominator is None or not Fraction(denominator):
        return shown
    quotient = Fraction(numerator) / Fraction(denominator)
    last = Fraction(1, 10 ** len(value.partition(".")[2]))
    return quotient if abs(quotient - shown) < last else shown


def _text(number: Fraction, digits: int) -> str:
    return decimal_text(number.numerator, number.denominator, digits)


class Targets:
    """The targets of some KPIs, looked up by KPI, period and subject. Of several for one subject the first counts."""

    def __init__(
        self, given: Iterable[Target], kpis: Mapping[str, KpiDefinition], engine: Engine, off: Container[date]
    ) -> None:
        self._kpis, self._people, self._off = kpis, engine.people, off
        self._held: dict[tuple[str, date], dict[_Subject, Decimal]] = {}
        self._days: dict[str, list[date]] = {}
        self._parts: dict[tuple[str, str], Fraction | None] = {}
        who = _Names(engine)
        for one in given:
            subject = who.subject(kpis[one.kpi].per, one)
            if subject is not None:
                self._held.setdefault((one.kpi, one.start_on), {}).setdefault(subject, one.amount)

    def of(self, kpi: str, period: Period, subject: _Subject) -> Held | None:
        """The target the subject holds in that period of the KPI's own length; None where there is none."""
        given = self._held.get((kpi, period.start_on), {}).get(subject)
        if given is None:
            return None
        part = self._part(subject[1], period) if subject[0] == "person" else _WHOLE
        if part is None:
            return None
        adds_up = "t" in METRICS[self._kpis[kpi].metric].adds.split()
        return Held(given, part) if adds_up else Held(given)

    def holders(self, kpi: str, period: Period) -> Iterator[_Subject]:
        """Kind and key of everyone who holds a target then."""
        found = self._held.get((kpi, period.start_on), {})
        return (subject for subject in found if subject[0] != "person" or self._part(subject[1], period) is not None)

    def _part(self, code: str, period: Period) -> Fraction | None:
        """The part of the period's working days a person is employed; None for who is not employed on any day."""
        key = code, period.name
        if key not in self._parts:
            self._parts[key] = self._employed(self._people.find(code), period)
        return self._parts[key]

    def _employed(self, person: Person | None, period: Period) -> Fraction | None:
        first, last = period.start_on, period.end_on
        if person is None or not person.employed(first, last):
            return None
        if period.every == "all" or person.employed_throughout(first, last):
            return _WHOLE
        if period.name not in self._days:
            self._days[period.name] = workdays.within(first, last, self._off)
        days = self._days[period.name]
        return Fraction(sum(person.employed(day, day) for day in days), len(days)) if days else _WHOLE


class _Names:
    """Whose the subjects written in targets are."""

    def __init__(self, engine: Engine) -> None:
        self._people: People = engine.people
        self._mails: dict[str, str] = {owner.key: owner.email for owner in engine.owners}
        named: dict[str, set[str]] = {}
        for key, mail in self._mails.items():
            for name in {_name(key.partition(":")[2]), _name(mail.strip())} - {""}:
                named.setdefault(name, set()).add(key)
        self._sole = {name: min(keys) for name, keys in named.items() if len(keys) == 1}  # nobody is guessed

    def subject(self, per: str, target: Target) -> _Subject | None:
        """The subject of a target of a KPI that is `per` that kind; None for the company's of another name.

        A person by code or e-mail, else the one behind an owner; an owner by `source:id`, by the id in the source that
        told the target, or by an id or e-mail that only one has. Who is nobody's is shown as an owner, and so found.
        """
        written = target.subject
        if per == "company":
            return (per, per) if written == per else None
        if per in ("team", "pipeline"):
            return per, written
        person = self._people.find(written) if per == "person" else None
        owner = self._owner(written, target.source)
        if person is None and per == "person":
            person = self._people.person_of(owner, self._mails.get(owner, ""))
        if person is None:
            return "owner", owner
        return None if person.is_ignored else ("person", person.code)

    def _owner(self, written: str, source: str) -> str:
        if written in self._mails:
            return written
        own = f"{source}:{written}"
        return own if own in self._mails else self._sole.get(_name(written), written)


def _name(written: str) -> str:
    """An id as it is, an e-mail in small letters."""
    return written.casefold() if "@" in written else written


def known(snapshot: Snapshot, engine: Engine, definitions: Iterable[KpiDefinition], currency: str) -> Targets:
    """The targets known in a snapshot: those of the file valid then and, where it has none, those the sources told.

    Of money only those in that currency. Raises ConfigError for a holidays file at fault.
    """
    sound = {one.id: one for one in definitions if one.metric in METRICS}
    file, given = snapshot.document("targets"), list[Target]()
    if file is not None:
        then = json.loads(file.settings or "{}").get("currency", currency)
        kpis = {id_: one for id_, one in sound.items() if then == currency or not _is_money(one)}
        given = targets.kept(file.content, file.path, file.settings, kpis, engine.calendar)
    rows = [row for row in snapshot.table("target", _TOLD).to_pylist() if not row["gone"]]
    given += targets.told(rows, sound, engine.calendar, currency)
    return Targets(given, sound, engine, _days_off(snapshot) if given else workdays.DaysOff())


def _days_off(snapshot: Snapshot) -> workdays.DaysOff:
    """The days that were no working days by the files of then."""
    file, calendar = snapshot.document("holidays"), snapshot.document("calendar")
    told = json.loads(calendar.content) if calendar else {}
    holidays = workdays.holidays(file.content, file.path) if file else frozenset[date]()
    return workdays.DaysOff(holidays, told.get("working_days", workdays.WORKED))


def _is_money(definition: KpiDefinition) -> bool:
    metric = METRICS[definition.metric]
    return metric.money and metric.unit != "0..1" and definition.effective_options.get("measure", "value") == "value"

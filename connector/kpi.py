"""KPIs: metrics with a grain, filters and options, computed from one snapshot of the ledger; values and their members.

Everything is asked as of the snapshot's moment, so the same snapshot always gives the same values.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from connector import attainment, fx, people
from connector.attainment import Targets
from connector.metrics.catalogue import CATALOGUE, Metric
from connector.metrics.engine import Engine, Known
from connector.metrics.question import DAY, EXTRA, NOBODY, Group, Question
from connector.metrics.subjects import Subjects
from connector.metrics.value import Numbers, numbers, unit
from connector.model import KpiValue, Member, Subject, canonical_json
from connector.period import EVERY, Calendar, Period

PER = ("person", "team", "owner", "pipeline", "company")
"""Whose number a KPI is."""

_LONGEST_HORIZON = 36_500  # days


class Document(Protocol):
    """A file as the journal keeps it."""

    @property
    def path(self) -> str: ...
    @property
    def content(self) -> bytes: ...
    @property
    def settings(self) -> str: ...


class Snapshot(Known, Protocol):
    """The ledger as known at `as_of`, with the files valid then (`store.snapshot.Snapshot`)."""

    def document(self, kind: str, name: str = "") -> Document | None:
        """The file of that kind, or None."""


@dataclass(frozen=True)
class KpiDefinition:
    """One entry of the config's `kpis`. `by` may be one name, a filter one word; options are words or numbers."""

    id: str
    metric: str
    per: str = "company"
    by: Sequence[str] | str = ()
    every: str = "month"
    where: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    options: Mapping[str, str | int] = field(default_factory=dict)
    push: Sequence[str] = ()

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the values are split by, with what the metric always splits by."""
        asked = (self.by,) if isinstance(self.by, str) else tuple(self.by)
        always = CATALOGUE[self.metric].always_by
        return tuple(dict.fromkeys([*([always] if always else []), *asked]))

    @property
    def filters(self) -> dict[str, tuple[str, ...]]:
        """The filters, each as the words allowed."""
        return {name: (given,) if isinstance(given, str) else tuple(given) for name, given in self.where.items()}

    @property
    def effective_options(self) -> dict[str, str]:
        """The options given, over the metric's defaults."""
        return {**CATALOGUE[self.metric].default_options, **{name: str(word) for name, word in self.options.items()}}

    @property
    def signature(self) -> str:
        """A hash of what the numbers mean: all but the name and where they are pushed to."""
        meant = (self.metric, self.per, self.dimensions, self.every, self.filters, self.effective_options)
        return hashlib.sha256(canonical_json(meant).encode()).hexdigest()[:16]

    def matures_at(self, period: Period) -> int | None:
        """The instant from which the period's value no longer grows by itself, and can be frozen.

        Its end; of a cohort its horizon later, and never (None) without one.
        """
        if not CATALOGUE[self.metric].is_cohort(self.effective_options):
            return period.end
        days = self.options.get("horizon")
        return period.end + int(days) * DAY if days else None


def validate(definition: KpiDefinition) -> list[str]:
    """What is wrong with a definition, each as `key: what is wrong, what is known`; empty if nothing is."""
    metric = CATALOGUE.get(definition.metric)
    if metric is None:
        return [f"metric: no metric '{definition.metric}'; known: {', '.join(sorted(CATALOGUE))}"]
    faults = [
        f"{key}: no '{given}'; known: {', '.join(known)}"
        for key, given, known in (("per", definition.per, PER), ("every", definition.every, EVERY))
        if given not in known
    ]
    known = (*metric.dimensions, f"{EXTRA}NAME")
    for key, names, more in (("by", definition.dimensions, ()), ("where", definition.filters, ("owner", "team"))):
        for name in names:
            if name not in (*metric.dimensions, *more) and not re.fullmatch(r"extra\.\w.*", name):
                faults.append(f"{key}: {metric.id} has no '{name}'; known: {', '.join((*known, *more))}")
    faults += [fault for name, word in definition.options.items() if (fault := _option_fault(metric, name, word))]
    if not faults and "horizon" in definition.options and not metric.is_cohort(definition.effective_options):
        faults.append("options.horizon: is of a cohort, expected count_by: cohort beside it")
    return faults


def _option_fault(metric: Metric, name: str, word: str | int) -> str | None:
    if name not in metric.options:
        return f"options: {metric.id} has no option '{name}'; known: {', '.join(metric.options)}"
    words = metric.options[name]
    if words is None:
        is_days = re.fullmatch(r"[0-9]+", str(word)) and 0 < int(word) <= _LONGEST_HORIZON
        return None if is_days else f"options.{name}: expected a whole number of days above 0"
    return None if word in words else f"options.{name}: no '{word}'; known: {', '.join(words)}"


def compute(
    definitions: Iterable[KpiDefinition],
    snapshot: Snapshot,
    calendar: Calendar,
    currency: str,
    *,
    periods: Sequence[str] | None = None,
    subject: str | Subject | None = None,
    withheld: Collection[tuple[str, str]] = (),
    unknown: Collection[str] | None = (),
    basis: str = "known",
) -> list[KpiValue]:
    """The values of each KPI, by period and subject.

    `periods`: names; a KPI answers for those of its own length (`every`). Without it, for every period from the first
    thing known to the as-of moment. `subject`: a Subject, or its key, name or e-mail. `withheld`: (source, pipeline
    id) of pipelines with an unmapped stage; what touches them has status `withheld` and no number. `unknown`: sources
    that had not been read as a whole (None: no source was in use yet); what they could be in is
    `unknown_before`. `basis`: what the snapshot is, for the values to say.
    Raises ConfigError for a people, fx or holidays file at fault, ValueError for an unknown period or definition.
    """
    definitions = list(definitions)
    with _engine(snapshot, calendar, currency) as engine:
        given = _Given(engine, attainment.known(snapshot, engine, definitions, currency), withheld, unknown)
        return _values(given, definitions, periods, subject, basis)


def _values(
    given: _Given, definitions: Iterable[KpiDefinition], periods: Sequence[str] | None, subject: str | Subject | None,
    basis: str,
) -> list[KpiValue]:
    wanted = _wanted(given.engine, subject)
    return [
        value if basis == value.basis else replace(value, basis=basis)
        for definition in definitions
        for value in _Computation(given, definition, _periods(given.engine, definition, periods)).values()
        if wanted is None or (value.subject.kind, value.subject.key) in wanted
    ]


def with_members(
    definitions: Iterable[KpiDefinition],
    snapshot: Snapshot,
    calendar: Calendar,
    currency: str,
    period: Period,
    *,
    withheld: Collection[tuple[str, str]] = (),
    unknown: Collection[str] | None = (),
) -> list[tuple[KpiValue, list[Member]]]:
    """The values of one period as `compute` gives them, each with its `members`; one that is not told has none."""
    found: list[tuple[KpiValue, list[Member]]] = []
    definitions = list(definitions)
    with _engine(snapshot, calendar, currency) as engine:
        given = _Given(engine, attainment.known(snapshot, engine, definitions, currency), withheld, unknown)
        for definition in definitions:
            computation = _Computation(given, definition, (period,))
            question = computation.question
            behind: dict[tuple[str, ...], list[Member]] = {}
            cut = 2 + len(question.by)
            for row in engine.members(question):
                behind.setdefault(tuple(row[:cut]), []).extend(_members(question, row[cut:], currency))
            for value in computation.values():
                words = (value.dimensions[name] for name in question.by)
                own = behind.get((value.subject.kind, value.subject.key, *words), [])
                found.append((value, own if value.status == "open" else []))
    return found


def emptied(
    definition: KpiDefinition, value: KpiValue, calendar: Calendar, currency: str, as_of: int
) -> KpiValue | None:
    """What an earlier value of the KPI is once nothing of it is left: 0, or no data.

    None where the definition no longer has such a value at all: another metric, grain, dimensions or length of period.
    """
    kinds = {definition.per, "owner"} if definition.per == "person" else {definition.per}
    try:
        every = calendar.parse(value.period).every
    except ValueError:  # the fiscal year was moved: the period has no such name any more
        return None
    if (value.metric, every, {*value.dimensions}) != (definition.metric, definition.every, {*definition.dimensions}):
        return None
    if value.subject.kind not in kinds:
        return None
    question = _question(definition, ())
    given, (unit_, currency_) = numbers(question, _EMPTY, currency), unit(question, currency)
    return KpiValue(
        kpi=value.kpi, metric=value.metric, subject=value.subject, dimensions=value.dimensions, period=value.period,
        period_start=value.period_start, period_end=value.period_end, value=given.value, unit=unit_,
        currency=currency_, numerator=given.numerator, denominator=given.denominator, as_of=as_of,
        options=question.options, catalogue_version=question.metric.version,
    )


def members(
    definition: KpiDefinition,
    snapshot: Snapshot,
    calendar: Calendar,
    currency: str,
    subject: Subject,
    period: str,
    dimensions: Mapping[str, str] | None = None,
) -> list[Member]:
    """The rows behind one value, in order of time; a row in numerator and denominator is there twice."""
    with _engine(snapshot, calendar, currency) as engine:
        return _listed(engine, definition, subject, period, dimensions or {})


def _listed(
    engine: Engine, definition: KpiDefinition, subject: Subject, period: str, dimensions: Mapping[str, str]
) -> list[Member]:
    question = _question(definition, (engine.calendar.parse(period),))
    wanted = (subject.kind, subject.key, *(dimensions.get(name, "") for name in question.by))
    return [
        member
        for row in engine.members(question) if row[: len(wanted)] == wanted
        for member in _members(question, row[len(wanted) :], engine.currency)
    ]


@dataclass(frozen=True, slots=True)
class Detail:
    """The values a question names and, where that is one, its members and the rates they were converted with."""

    values: Sequence[KpiValue]
    members: Sequence[Member]
    rates: fx.Rates


def detail(
    definition: KpiDefinition,
    snapshot: Snapshot,
    calendar: Calendar,
    currency: str,
    period: str,
    *,
    subject: str | Subject | None = None,
    dimensions: Mapping[str, str] | None = None,
    withheld: Collection[tuple[str, str]] = (),
    unknown: Collection[str] | None = (),
    basis: str = "known",
) -> Detail:
    """`compute` for one KPI and period, only the parts that have these `dimensions`, and `members`, in one reading."""
    with _engine(snapshot, calendar, currency) as engine:
        given = _Given(engine, attainment.known(snapshot, engine, [definition], currency), withheld, unknown)
        values = [
            value for value in _values(given, [definition], [period], subject, basis)
            if all(value.dimensions.get(name) == word for name, word in (dimensions or {}).items())
        ]
        one = values[0] if len(values) == 1 else None
        listed = _listed(engine, definition, one.subject, one.period, one.dimensions) if one else []
    return Detail(values, listed, rates(snapshot, currency))


def _members(question: Question, row: tuple[object, ...], currency: str) -> Iterator[Member]:
    is_numerator, is_denominator, source, id_, occurred_at, amount, share, duration, event_at, pipeline, stage = row
    for side, is_in in (("numerator", is_numerator), ("denominator", is_denominator)):
        if is_in:
            yield Member(
                side, question.metric.entity, str(source), str(id_), occurred_at, amount,  # type: ignore[arg-type]
                currency if amount is not None else None, share, duration,  # type: ignore[arg-type]  # ints of the SQL
                event_at, str(pipeline), str(stage),  # type: ignore[arg-type]
            )


def _engine(snapshot: Snapshot, calendar: Calendar, currency: str) -> Engine:
    staff = snapshot.document("people")
    who = people.parse(staff.content, staff.path) if staff else people.People()
    return Engine(snapshot, calendar, currency, who, rates(snapshot, currency).known)


def rates(snapshot: Snapshot, currency: str) -> fx.Rates:
    """The rates into that currency: the file's, else those the sources told. Raises ConfigError."""
    file = snapshot.document("fx")
    if file and json.loads(file.settings or "{}").get("currency", currency) != currency:
        return fx.Rates(currency, [], file.path)  # rates into another money say nothing
    if file:
        decimal = json.loads(file.settings or "{}").get("decimal", ".")
        return fx.Rates(currency, fx.parse(file.content, file.path, currency, decimal), file.path)
    told = snapshot.table("fx_rate", ("currency", "valid_from_on", "rate", "gone")).to_pylist()
    known = fx.stored((row["currency"], row["valid_from_on"], row["rate"]) for row in told if not row["gone"])
    return fx.Rates(currency, known)


def _question(definition: KpiDefinition, periods: tuple[Period, ...]) -> Question:
    faults = validate(definition)
    if faults:
        raise ValueError(f"kpi {definition.id}: {'; '.join(faults)}")
    return Question(
        CATALOGUE[definition.metric], definition.per, definition.dimensions, definition.filters,
        definition.effective_options, periods,
    )


def _periods(engine: Engine, definition: KpiDefinition, names: Sequence[str] | None) -> tuple[Period, ...]:
    if names is not None:
        asked = (engine.calendar.parse(name) for name in names)
        return tuple(period for period in asked if period.every == definition.every)
    if definition.metric not in CATALOGUE or definition.every not in EVERY:
        return ()  # the definition is refused when it is asked
    first = engine.first(CATALOGUE[definition.metric].family)
    return tuple(engine.calendar.periods(definition.every, min(first, engine.known.as_of), engine.known.as_of))


def _wanted(engine: Engine, subject: str | Subject | None) -> set[tuple[str, str]] | None:
    """The (kind, key) a caller means; by text also a person's or owner's e-mail, and the person behind an owner."""
    if subject is None:
        return None
    if isinstance(subject, Subject):
        return {(subject.kind, subject.key)}
    found = {(kind, subject) for kind in PER}
    person = engine.people.find(subject)
    if person:
        found.add(("person", person.code))
    mail = subject.strip().casefold()
    for owner in engine.owners:
        behind = engine.people.person_of(owner.key, owner.email) if owner.key == subject else None
        if behind:
            found.add(("person", behind.code))
        if owner.email.casefold() == mail or owner.name == subject:
            found.add(("owner", owner.key))
    return found


_Key = tuple[str, str, tuple[str, ...]]  # subject kind and key, dimensions
_EMPTY = Group(0, "", "", ())


class _Given:
    """What every KPI of a question is computed with: the engine, the targets, and what is known not to be known.

    `withheld`: the stages of withheld pipelines; `unknown`: sources not read as a whole yet (None: all).
    """

    def __init__(
        self, engine: Engine, targets: Targets, withheld: Collection[tuple[str, str]], unknown: Collection[str] | None,
    ) -> None:
        self.engine, self.targets, self.unknown = engine, targets, unknown
        self.withheld = _withheld_stages(engine, withheld)


class _Computation:
    """One KPI over its periods."""

    def __init__(self, given: _Given, definition: KpiDefinition, periods: tuple[Period, ...]) -> None:
        engine = given.engine
        self.given, self.engine, self.definition = given, engine, definition
        self.question = _question(definition, periods)
        self.subjects = Subjects(engine, self.question)
        self.unit, self.currency = unit(self.question, engine.currency)
        self.empty = numbers(self.question, _EMPTY, engine.currency)
        self.counts_money = self.question.counts_money
        self.cuts: dict[tuple[str, ...], tuple[Mapping[str, str], int]] = {}
        self.order: dict[tuple[str | None, str | None], int] = {}
        for place, stage in enumerate(engine.stages):
            self.order.setdefault((stage.pipeline, stage.stage), place)
            self.order.setdefault((None, stage.stage), place)

    def values(self) -> Iterator[KpiValue]:
        """Every value: of the groups that have members, and of those who have a value without."""
        found: list[dict[_Key, Group]] = [{} for _ in self.question.periods]
        for group in self.engine.groups(self.question):
            found[group.period][group.kind, group.key, group.dimensions] = group
        shown: dict[tuple[str, str], set[tuple[str, ...]]] = {}
        for kind, key, dimensions in (key for groups in found for key in groups):
            shown.setdefault((kind, key), set()).add(dimensions)
        for period, groups in zip(self.question.periods, found, strict=True):
            keys = set(groups)
            for kind, key in self.subjects.expected(period):
                keys |= {(kind, key, cut) for cut in self.subjects.combinations(kind, key)}
                keys |= {(kind, key, cut) for cut in shown.get((kind, key), ())}
            keys |= {(kind, key, ()) for kind, key in self.given.targets.holders(self.definition.id, period)}
            dates = period.start_on.isoformat(), period.end_on.isoformat()
            yield from (self._value(period, dates, key, groups.get(key)) for key in sorted(keys, key=self._place))

    def _place(self, key: _Key) -> tuple[str, str, int, tuple[str, ...]]:
        """Subjects by name, stages in the order of their pipeline."""
        return *key[:2], self._cut(key[2])[1], key[2]

    def _cut(self, words: tuple[str, ...]) -> tuple[Mapping[str, str], int]:
        """The dimensions by name, and the place of their stage."""
        found = self.cuts.get(words)
        if found is None:
            named = dict(zip(self.question.by, words, strict=True))
            stage = (named.get("pipeline"), named.get("stage"))
            found = self.cuts[words] = named, self.order.get(stage, len(self.order))
        return found

    def _value(self, period: Period, dates: tuple[str, str], key: _Key, group: Group | None) -> KpiValue:
        question, metric, as_of = self.question, self.question.metric, self.engine.known.as_of
        cut, _ = self._cut(key[2])
        status = self._status(key, cut)
        if status != "open" or (metric.kind == "S" and period.start > as_of):  # a stock of the future is not known
            given = Numbers(None)
        else:
            given = self.empty if group is None else numbers(question, group, self.engine.currency)
        group = group or _EMPTY
        target, attained = self._target(period, key, given)
        return KpiValue(
            kpi=self.definition.id, metric=metric.id, subject=self.subjects.named(*key[:2]), dimensions=cut,
            period=period.name, period_start=dates[0], period_end=dates[1],
            value=given.value, unit=self.unit, currency=self.currency, numerator=given.numerator,
            denominator=given.denominator, as_of=as_of, status=status,
            left_out_amount=group.without_amount if self.counts_money else 0,
            left_out_rate=group.without_rate if self.counts_money else 0,
            left_out_duration=group.without_duration, interval=given.interval, open_share=given.open_share,
            options=question.options, catalogue_version=metric.version, target=target, attainment=attained,
        )

    def _target(self, period: Period, key: _Key, shown: Numbers) -> tuple[str | None, str | None]:
        """What is to be reached, and how far that value attains it."""
        held = self.given.targets.of(self.definition.id, period, key[:2])
        if held is None:
            return None, None
        target = held.text(self.unit, self.currency)
        if shown.value is None:
            return target, None
        value = attainment.exact(shown.value, shown.numerator, shown.denominator)
        return target, attainment.attained(self.question.metric, value, held.exact)

    def _status(self, key: _Key, dimensions: Mapping[str, str]) -> str:
        unknown = self.given.unknown
        of_one_source = key[0] == "owner" and key[1] != NOBODY  # anybody else may have members of each
        if unknown is None or (key[1].partition(":")[0] in unknown if of_one_source else unknown):
            return "unknown_before"
        return "withheld" if self.given.withheld and self._touches(key, dimensions) else "open"

    def _touches(self, key: _Key, dimensions: Mapping[str, str]) -> bool:
        """Whether a record of a withheld pipeline could be in this value."""
        if self.question.metric.id == "lead_volume" and not {"pipeline"} & {*self.question.where, *self.question.by}:
            return False
        named = {**dimensions, **({"pipeline": key[1]} if key[0] == "pipeline" else {})}
        return any(
            all(stage.get(name) == word for name, word in named.items() if name in stage)
            and all(stage[name] in words for name, words in self.question.where.items() if name in stage)
            for stage in self.given.withheld
        )


def _withheld_stages(engine: Engine, withheld: Collection[tuple[str, str]]) -> list[dict[str, str]]:
    """The stages of the withheld pipelines; a pipeline we know nothing of stands for itself, without stages."""
    stages = engine.stages
    unknown = set(withheld) - {(stage.source, stage.pipeline_id) for stage in stages}
    return [
        {"pipeline": stage.pipeline, "stage": stage.stage, "canonical_stage": stage.canonical_stage}
        for stage in stages if (stage.source, stage.pipeline_id) in withheld
    ] + [{"pipeline": pipeline, "stage": "", "canonical_stage": ""} for _, pipeline in unknown]

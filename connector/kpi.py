"""KPIs: metrics with a grain, filters and options, computed from one snapshot of the ledger; values and their members.

Everything is asked as of the snapshot's moment, so the same snapshot always gives the same values.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from connector import attainment, fx, people, scorecards, scores
from connector.attainment import Held, Targets
from connector.metrics import composed
from connector.metrics.catalogue import CATALOGUE, METRICS
from connector.metrics.composed import Composition
from connector.metrics.engine import Engine, Known
from connector.metrics.metric import Metric
from connector.metrics.question import DAY, EXTRA, Group, Question
from connector.metrics.subjects import Subjects
from connector.metrics.unknown import Unknown
from connector.metrics.value import Numbers, numbers, unit
from connector.model import KpiValue, Member, Subject, canonical_json
from connector.nearest import hint
from connector.period import EVERY, Calendar, Period

PER = ("person", "team", "owner", "pipeline", "company")
"""Whose number a KPI is."""

_MOST = 36_500  # of days, or whatever a whole number of an option counts


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
    """One entry of the config's `kpis`. `by` may be one name, a filter one word; options are words or numbers.

    A score (`scores`) is one too: `rules` say how it is made, as plain JSON, and `parts` which KPIs it may be made of.
    """

    id: str
    metric: str
    per: str = "company"
    by: Sequence[str] | str = ()
    every: str = "month"
    where: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    options: Mapping[str, str | int] = field(default_factory=dict)
    push: Sequence[str] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[KpiDefinition] = ()

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the values are split by, with what the metric always splits by."""
        asked = (self.by,) if isinstance(self.by, str) else tuple(self.by)
        return tuple(dict.fromkeys([*METRICS[self.metric].always_by, *asked]))

    @property
    def filters(self) -> dict[str, tuple[str, ...]]:
        """The filters, each as the words allowed."""
        return {name: (given,) if isinstance(given, str) else tuple(given) for name, given in self.where.items()}

    @property
    def effective_options(self) -> dict[str, str]:
        """The options given, over the metric's defaults."""
        return {**METRICS[self.metric].default_options, **{name: str(word) for name, word in self.options.items()}}

    @property
    def signature(self) -> str:
        """A hash of what the numbers mean: all but the name and where they are pushed to."""
        meant = [self.metric, self.per, self.dimensions, self.every, self.filters, self.effective_options]
        if self.rules or self.parts:
            meant += [self.rules, {one.id: one.signature for one in self.parts}]
        return hashlib.sha256(canonical_json(meant).encode()).hexdigest()[:16]

    def matures_at(self, period: Period) -> int | None:
        """The instant from which the period's value no longer grows by itself, and can be frozen.

        Its end; of a cohort its horizon later, and never (None) without one. A scorecard waits for all its KPIs.
        """
        if self.metric == scorecards.METRIC:
            matures = [one.matures_at(period) for one in self.parts]
            known = [at for at in matures if at is not None]
            return max([period.end, *known]) if len(known) == len(matures) else None
        if not METRICS[self.metric].is_cohort(self.effective_options):
            return period.end
        days = self.options.get("horizon")
        return period.end + int(days) * DAY if days else None


def as_json(definition: KpiDefinition) -> dict[str, Any]:
    """A definition as plain data; what only scores have stands in it only of them."""
    return {name: one for name, one in asdict(definition).items() if one or name not in ("rules", "parts")} | (
        {"parts": [as_json(one) for one in definition.parts]} if definition.parts else {}
    )


def from_json(told: Mapping[str, Any]) -> KpiDefinition:
    """The definition that was written so."""
    return KpiDefinition(**{**told, "parts": tuple(from_json(one) for one in told.get("parts", ()))})


def validate(definition: KpiDefinition) -> list[str]:
    """What is wrong with a definition, each as `key: what is wrong, what is known`; empty if nothing is."""
    metric = CATALOGUE.get(definition.metric)
    if scores.is_score(definition):
        return _score_faults(definition)
    if metric is None:
        near = hint(definition.metric, CATALOGUE)  # beside it the list of all would hide it
        listed = f"; docs/metrics.md has them all{near}" if near else f"; known: {', '.join(sorted(CATALOGUE))}"
        return [f"metric: no metric '{definition.metric}'{listed}"]
    faults = [
        f"{key}: no '{given}'; known: {', '.join(known)}{hint(given, known)}"
        for key, given, known in (("per", definition.per, PER), ("every", definition.every, EVERY))
        if given not in known
    ]
    known = (*metric.dimensions, f"{EXTRA}NAME")
    for key, names, more in (("by", definition.dimensions, ()), ("where", definition.filters, ("owner", "team"))):
        for name in names:
            if name not in (*metric.dimensions, *more) and not re.fullmatch(r"extra\.\w.*", name):
                words = (*known, *more)
                place = f"where.{name}" if key == "where" else key
                faults.append(f"{place}: {metric.id} has no '{name}'; known: {', '.join(words)}{hint(name, words)}")
    faults += [fault for name, word in definition.options.items() if (fault := _option_fault(metric, name, word))]
    if not faults and "horizon" in definition.options and not metric.is_cohort(definition.effective_options):
        faults.append("options.horizon: is of a cohort, expected count_by: cohort beside it")
    return faults


def _score_faults(definition: KpiDefinition) -> list[str]:
    """A score is made by a key of its own, which checks it; what is asked with options is not."""
    key = {scorecards.METRIC: "scorecards", "ask_score": "ask"}.get(definition.metric, "okrs")
    if not definition.rules:
        return [f"metric: {definition.metric} has a key of its own in the config, {key}; expected another metric"]
    return [f"options.{name}: {definition.metric} has no such option; known: none" for name in definition.options]


def _option_fault(metric: Metric, name: str, word: str | int) -> str | None:
    ways = attainment.ways(metric) if name == "attainment" else ()
    if name not in metric.options and not ways:
        known = f"{', '.join(metric.options) or 'none'}{hint(name, metric.options)}"
        return f"options.{name}: {metric.id} has no such option; known: {known}"
    words = ways or metric.options[name]
    if not isinstance(words, tuple):
        is_whole = re.fullmatch(r"[0-9]+", str(word)) and 0 < int(word) <= _MOST
        of_days = " of days" if words is None else ""
        return None if is_whole else f"options.{name}: expected a whole number{of_days} above 0"
    return None if word in words else f"options.{name}: no '{word}'; known: {', '.join(words)}{hint(word, words)}"


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
    with Reading(snapshot, calendar, currency, withheld=withheld, unknown=unknown) as reading:
        return reading.values(definitions, periods=periods, subject=subject, basis=basis)


class Reading:
    """One snapshot, loaded once for several questions, so that all answers are of one moment; a context manager.

    What it is made of and what its questions are, `compute` says.
    """

    def __init__(
        self, snapshot: Snapshot, calendar: Calendar, currency: str, *,
        withheld: Collection[tuple[str, str]] = (), unknown: Collection[str] | None = (),
    ) -> None:
        self._snapshot, self._engine = snapshot, _engine(snapshot, calendar, currency)
        self._unknown = Unknown(self._engine.stages, withheld, unknown)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def values(
        self, definitions: Iterable[KpiDefinition], *, periods: Sequence[str] | None = None,
        subject: str | Subject | None = None, basis: str = "known",
    ) -> list[KpiValue]:
        """The values of each KPI, by period and subject."""
        definitions = list(definitions)
        wanted = _wanted(self._engine, subject)
        given = self._given(definitions)
        places = sorted(range(len(definitions)), key=lambda place: _looks_elsewhere(definitions[place]))
        found = {}
        asked = _one_ahead([definitions[place] for place in places], lambda one: given.asked(one, periods))
        with _uncollected(), closing(asked):
            for place, computation in zip(places, asked, strict=True):
                found[place] = [
                    value if basis == value.basis else replace(value, basis=basis)
                    for value in given.values(definitions[place], periods, computation)
                    if wanted is None or (value.subject.kind, value.subject.key) in wanted
                ]
        return [value for place in range(len(definitions)) for value in found[place]]

    def with_members(
        self, definitions: Iterable[KpiDefinition], period: Period
    ) -> list[tuple[KpiValue, list[Member]]]:
        """The values of one period, each with its `members`; one that is not told has none."""
        found: list[tuple[KpiValue, list[Member]]] = []
        definitions = list(definitions)
        given = self._given(definitions)
        for definition in definitions:
            if scores.is_score(definition):
                found += given.scores.of(definition, [period.name] if definition.every == period.every else [])
                continue
            computation = _Computation(given, definition, (period,))
            question = computation.question
            behind: dict[tuple[str, ...], list[Member]] = {}
            for key, member in _behind(self._engine, question):
                behind.setdefault(key, []).append(member)
            for value in computation.values():
                words = (value.dimensions[name] for name in question.by)
                own = behind.get((value.subject.kind, value.subject.key, *words), [])
                found.append((value, own if value.status == "open" else []))
        return found

    def members(
        self, definition: KpiDefinition, subject: Subject, period: str, dimensions: Mapping[str, str] | None = None
    ) -> list[Member]:
        """The rows behind one value, in order of time; a row in numerator and denominator is there twice."""
        if scores.is_score(definition):
            for value, made_of in self._given([definition]).scores.of(definition, [period]):
                if value.subject == subject and value.dimensions == (dimensions or {}):
                    return made_of
            return []
        question = _question(definition, (self._engine.calendar.parse(period),))
        wanted = (subject.kind, subject.key, *((dimensions or {}).get(name, "") for name in question.by))
        return [member for key, member in _behind(self._engine, question) if key == wanted]

    def emptied(self, definition: KpiDefinition, value: KpiValue) -> KpiValue | None:
        """As the function `emptied`; without a number where it is not known that nothing is left."""
        engine = self._engine
        made = emptied(definition, value, engine.calendar, engine.currency, engine.known.as_of)
        if made is None or scores.is_score(definition):
            return made
        subject, question = value.subject, _question(definition, ())
        status = self._unknown.status(question, subject.kind, subject.key, value.dimensions)
        if status == "open":
            return made
        return replace(made, status=status, value=None, numerator=None, denominator=None)

    def _given(self, definitions: Sequence[KpiDefinition]) -> _Given:
        return _Given(self._snapshot, self._engine, definitions, self._unknown)


def emptied(
    definition: KpiDefinition, value: KpiValue, calendar: Calendar, currency: str, as_of: int
) -> KpiValue | None:
    """What an earlier value of the KPI is once nothing of it is left: 0, or no data.

    None where the definition no longer has such a value at all: another metric, grain, dimensions or length of period.
    """
    is_score = scores.is_score(definition)
    kinds = {definition.per, "owner"} if definition.per == "person" else {definition.per}
    kinds |= set(scores.kinds(definition)) if is_score else set()
    try:
        period = calendar.parse(value.period)
    except ValueError:  # the fiscal year was moved: the period has no such name any more
        return None
    before, now = (value.metric, period.every, {*value.dimensions}), (definition.metric, definition.every)
    if before != (*now, {*definition.dimensions}):
        return None
    if value.subject.kind not in kinds:
        return None
    if is_score:
        return replace(
            value, value=None, as_of=as_of, status="open", target=None, attainment=None,
            options=scores.options(definition), catalogue_version=METRICS[definition.metric].version,
        )
    question = _question(definition, ())
    given, (unit_, currency_) = _numbers(question, None, period, as_of, currency), unit(question, currency)
    return KpiValue(
        kpi=value.kpi, metric=value.metric, subject=value.subject, dimensions=value.dimensions, period=value.period,
        period_start=value.period_start, period_end=value.period_end, value=given.value, unit=unit_,
        currency=currency_, numerator=given.numerator, denominator=given.denominator, as_of=as_of,
        options=question.options, catalogue_version=question.metric.version,
    )


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
    with Reading(snapshot, calendar, currency, withheld=withheld, unknown=unknown) as reading:
        values = [
            value for value in reading.values([definition], periods=[period], subject=subject, basis=basis)
            if all(value.dimensions.get(name) == word for name, word in (dimensions or {}).items())
        ]
        one = values[0] if len(values) == 1 else None
        listed = reading.members(definition, one.subject, one.period, one.dimensions) if one else []
    return Detail(values, listed, rates(snapshot, currency))


def _behind(engine: Engine, question: Question) -> Iterator[tuple[tuple[str, ...], Member]]:
    """Every member of a question, with the kind and key of its subject and its dimensions."""
    cut = 2 + len(question.by)
    if not question.metric.made_of:
        for row in engine.members(question):
            yield from ((row[:cut], member) for member in _members(question, row[cut:], engine.currency))
        return
    for asked, name, row in composed.members(engine, question, CATALOGUE):
        side = question.metric.made_of[name].side
        for member in _members(asked, row[cut:], engine.currency):
            yield row[:cut], replace(member, side=side or member.side, term=name)


def _members(question: Question, row: tuple[object, ...], currency: str) -> Iterator[Member]:
    is_numerator, is_denominator, *told, is_open = row
    source, id_, occurred_at, amount, share, duration, event_at, pipeline, stage = told
    for side, is_in in (("numerator", is_numerator), ("denominator", is_denominator)):
        if is_in:
            yield Member(
                side, question.metric.entity, str(source), str(id_), occurred_at, amount,  # type: ignore[arg-type]
                currency if amount is not None else None, share, duration,  # type: ignore[arg-type]  # ints of the SQL
                event_at, str(pipeline), str(stage), question.metric.id,  # type: ignore[arg-type]
                is_open=bool(is_open),
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
    metric = CATALOGUE[definition.metric]
    families = {CATALOGUE[term.metric].family for term in metric.made_of.values()} or {metric.family}
    first = min(engine.first(family) for family in families)
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
_Sums = Group | dict[str, Group]  # those of a metric, or of each term of one that is made of others
_EMPTY = Group(0, "", "", ())


def _numbers(
    question: Question, sums: _Sums | None, period: Period, as_of: int, currency: str, held: Held | None = None
) -> Numbers:
    """The numbers of one value; without sums those of an empty one."""
    if not question.metric.made_of:
        return numbers(question, sums if isinstance(sums, Group) else _EMPTY, currency)
    given = sums if isinstance(sums, dict) else {}
    terms = {name: given.get(name, _EMPTY) for name in question.metric.made_of}
    target = held.exact if held else None
    return composed.combined(question, Composition(terms, period, as_of, currency, question.options, target))


class _Given:
    """What every KPI of a question is computed with: the engine, the targets, and what is not known.

    The scores too, and the values they are made of.
    """

    def __init__(
        self, snapshot: Snapshot, engine: Engine, definitions: Sequence[KpiDefinition], unknown: Unknown
    ) -> None:
        self.engine, self.unknown = engine, unknown
        self._parts = {part.id for one in definitions for part in one.parts}
        of_scores = (part for one in definitions for part in one.parts)
        every = {one.id: one for one in (*of_scores, *definitions)}
        self.targets: Targets = attainment.known(snapshot, engine, every.values(), engine.currency)
        self.scores = scores.Scores(snapshot, engine, self.targets, self.values)
        self._known: dict[str, tuple[KpiDefinition, Sequence[str] | None, list[KpiValue]]] = {}
        engine.expect(asked for one in every.values() for asked in _asked(engine, one))

    def asked(self, definition: KpiDefinition, names: Sequence[str] | None) -> _Computation | None:
        """The computation of a KPI, answered by the engine; of a score, and of what is known, there is none."""
        if scores.is_score(definition) or self._kept(definition, names) is not None:
            return None
        return _Computation(self, definition, _periods(self.engine, definition, names))

    def values(
        self, definition: KpiDefinition, names: Sequence[str] | None, asked: _Computation | None = None
    ) -> list[KpiValue]:
        """The values of a KPI, of these periods or of all; those that scores are made of are computed once."""
        found = self._kept(definition, names)
        if found is not None:
            return found
        if scores.is_score(definition):
            found = [value for value, _ in self.scores.of(definition, names)]
        else:
            asked = asked or _Computation(self, definition, _periods(self.engine, definition, names))
            found = list(asked.values())
        if definition.id in self._parts:
            self._known[definition.id] = definition, names, found
        return found

    def _kept(self, definition: KpiDefinition, names: Sequence[str] | None) -> list[KpiValue] | None:
        """The values that are known already."""
        definition_, names_, known = self._known.get(definition.id, (None, (), []))
        if definition_ != definition or not (names_ is None or names_ == names):
            return None
        return known if names_ == names else [one for one in known if one.period in (names or ())]


def _one_ahead(
    definitions: Sequence[KpiDefinition], ask: Callable[[KpiDefinition], _Computation | None]
) -> Generator[_Computation | None, None, None]:
    """What `ask` gives for each: a thread asks for the next one while the caller looks at this one.

    Not beside a score, which asks by itself: the engine, and the store behind it, are for one at a time.
    """
    coming: Future[_Computation | None] | None = None
    with ThreadPoolExecutor(1) as thread:
        for place, definition in enumerate(definitions):
            asked = coming.result() if coming else ask(definition)
            following = definitions[place + 1 : place + 2]
            is_alone = any(map(scores.is_score, (definition, *following)))
            coming = thread.submit(ask, *following) if following and not is_alone else None
            yield asked


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: of hundreds of thousands of values none is, and to look at them takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _looks_elsewhere(definition: KpiDefinition) -> bool:
    """Whether a KPI needs other periods than its own. Such ones come last: the engine prepares periods, not metrics."""
    metric = METRICS.get(definition.metric)
    return metric is not None and any(term.window != "period" for term in metric.made_of.values())


def _asked(engine: Engine, definition: KpiDefinition) -> list[Question]:
    """What the engine is asked for a KPI, of whatever periods."""
    if scores.is_score(definition) or validate(definition):
        return []
    question = _question(definition, ())
    if not question.metric.made_of:
        return [question]
    return [one for one, _ in composed.asked(composed.questions(question, CATALOGUE, engine.calendar))]


class _Computation:
    """One KPI over its periods, its question answered."""

    def __init__(self, given: _Given, definition: KpiDefinition, periods: tuple[Period, ...]) -> None:
        engine = given.engine
        self.given, self.engine, self.definition = given, engine, definition
        self.question = _question(definition, periods)
        self.subjects = Subjects(engine, self.question)
        self.unit, self.currency = unit(self.question, engine.currency)
        self.counts_money = self.question.counts_money
        self.empty = Numbers(None) if self.question.metric.made_of else numbers(self.question, _EMPTY, engine.currency)
        self.cuts: dict[tuple[str, ...], tuple[Mapping[str, str], int]] = {}
        self.order: dict[tuple[str | None, str | None], int] = {}
        for place, stage in enumerate(engine.stages):
            self.order.setdefault((stage.pipeline, stage.stage), place)
            self.order.setdefault((None, stage.stage), place)
        self.found = self._groups()

    def values(self) -> Iterator[KpiValue]:
        """Every value: of the groups that have members, and of those who have a value without."""
        found = self.found
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

    def _groups(self) -> list[dict[_Key, _Sums]]:
        """For each period the sums of every subject and combination of dimensions that has members."""
        if self.question.metric.made_of:
            return [dict(sums) for sums in composed.groups(self.engine, self.question, CATALOGUE)]
        found: list[dict[_Key, _Sums]] = [{} for _ in self.question.periods]
        for group in self.engine.groups(self.question):
            found[group.period][group.kind, group.key, group.dimensions] = group
        return found

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

    def _value(self, period: Period, dates: tuple[str, str], key: _Key, sums: _Sums | None) -> KpiValue:
        question, metric, as_of = self.question, self.question.metric, self.engine.known.as_of
        cut, _ = self._cut(key[2])
        status = self.given.unknown.status(question, *key[:2], cut)
        held = self.given.targets.of(self.definition.id, period, key[:2])
        if status != "open" or (metric.kind == "S" and period.start > as_of):  # a stock of the future is not known
            given = Numbers(None)
        elif sums is None and not metric.made_of:
            given = self.empty
        else:
            given = _numbers(question, sums, period, as_of, self.engine.currency, held)
        target, attained = self._target(held, given)
        amount, rate, duration = self._left_out(sums)
        return KpiValue(
            kpi=self.definition.id, metric=metric.id, subject=self.subjects.named(*key[:2]), dimensions=cut,
            period=period.name, period_start=dates[0], period_end=dates[1],
            value=given.value, unit=self.unit, currency=self.currency, numerator=given.numerator,
            denominator=given.denominator, as_of=as_of, status=status,
            left_out_amount=amount, left_out_rate=rate, left_out_duration=duration,
            interval=given.interval, open_share=given.open_share,
            options=question.options, catalogue_version=metric.version, target=target, attainment=attained,
        )

    def _left_out(self, sums: _Sums | None) -> tuple[int, int, int]:
        """How many records are left out for want of an amount, a rate, a possible duration."""
        if not sums:
            return 0, 0, 0
        parts = sums.values() if isinstance(sums, dict) else (sums,)
        duration = sum([one.without_duration for one in parts])
        if not self.counts_money:
            return 0, 0, duration
        return sum([one.without_amount for one in parts]), sum([one.without_rate for one in parts]), duration

    def _target(self, held: Held | None, shown: Numbers) -> tuple[str | None, str | None]:
        """What is to be reached, and how far that value attains it."""
        if held is None:
            return None, None
        target = held.text(self.unit, self.currency)
        if shown.value is None or self.question.metric.takes_target:
            return target, None
        value = attainment.exact(shown.value, shown.numerator, shown.denominator)
        way = self.question.options.get("attainment")
        return target, attainment.attained(self.question.metric, value, held.exact, way)

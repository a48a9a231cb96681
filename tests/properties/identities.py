"""The ten identities of metrics.md section 5, all of them on one ledger that came in as any does: as pages.

A story (`lives`) is told by two vendors: by one in order; by the other in pages cut otherwise, in any order, some of
them twice. In between March is closed. Then it is asked about in four readings: by the close; of all that is known in
the end (1 to 5, 8 to 10); again as of the close (6); and in another zone (7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from connector import adjustments, frozen, journal, kpi
from connector.closing import LEASE, Closing
from connector.computation import Computation
from connector.journal import PageEntry
from connector.kpi import KpiDefinition
from connector.kpi_store import Key
from connector.model import KpiValue, Member, micros, moment
from connector.period import Calendar
from connector.ports import Page
from connector.store import landing, tables
from connector.store.snapshot import open_snapshot
from tests.properties.lives import AGAIN, FIRST, KINDS, MAPPING, ORDER, RATES, READINGS, Story, stories
from tests.properties.started_once import started_once
from tests.properties.world import LAW, SEARCH, SETTINGS, World, load

MARCH = "2026-03"
OUT = {"won", "lost", "deleted", "handed_over", "owner_out", "amount_down"}
"""The steps of the bridge that make the open pipeline smaller."""
Values = Mapping[str, Sequence[KpiValue]]
Members = Mapping[str, Sequence[Member]]
"""By KPI."""


# --- what is asked ---------------------------------------------------------------------------------------------------

ENTRIES = "stage_entries"


def frozen_kpis(story: Story) -> list[KpiDefinition]:
    """What is frozen and adjusted, in count or in money: wins, whose difference can be accepted, and a ratio."""
    flow, ratio = ("won_value", "win_rate_value") if story.in_money else ("won_count", "win_rate_count")
    return [
        KpiDefinition("wins", flow, "owner", options={"credit": story.credit}),
        KpiDefinition("ratio of all", ratio),
    ]


def asked(story: Story) -> list[KpiDefinition]:
    """What else identities 1 to 5 and 10 are about, by pipeline, and so by vendor. A bridge has no shares."""
    _, ratio = frozen_kpis(story)
    shown = {"per": "owner", "by": "pipeline", "options": {"credit": story.credit}}
    measure = {"measure": "value" if story.in_money else "count"}
    bridge = {**measure, "credit": "current" if story.credit == "current" else "at_event"}
    return [
        KpiDefinition("ratio", ratio.metric, **shown),
        KpiDefinition("bridge", "pipeline_bridge", "owner", "pipeline", options=bridge),
        KpiDefinition("open", "open_pipeline", options=measure),
        KpiDefinition("outcomes", "stage_outcomes", every="all", **shown),
        KpiDefinition("reached", "stage_conversion", by="pipeline", every="all"),
    ]


def listed(story: Story) -> list[KpiDefinition]:
    """Of all time, with the records behind them: entries, completed visits, and closes with the deal's beginning."""
    return [
        KpiDefinition("entries", ENTRIES, "owner", "pipeline", every="all", options={"credit": story.credit}),
        KpiDefinition("visits", "stage_duration", every="all"),
        KpiDefinition("closes", "win_rate_count", every="all", options={"count_by": "cohort"}),
    ]


PLACED = [KpiDefinition("by day", "win_rate_count", every="day"), KpiDefinition("by week", ENTRIES, every="week")]
"""What puts records into periods: closes and entries."""


# --- what happens ----------------------------------------------------------------------------------------------------


class Told:
    """A store to which a story is told. `asked_at`: as of when March was closed; `frozen`: what it was frozen with."""

    def __init__(self, world: World, story: Story) -> None:
        self.world, self.store, self.story = world.fresh(MAPPING), world.store, story
        self.again = load(AGAIN, source="again")
        self.calendar, self.kpis = Calendar(ZoneInfo(story.zone)), frozen_kpis(story)
        journal.activate(self.store, world.source, self.again, AGAIN.encode(), {**SETTINGS, "sources": ["again"]})
        settings_ = {"currency": story.currency, "decimal": "."}
        rates = RATES[story.currency].encode()
        journal.put_file(self.store, "fx", "", version="1", path="fx.csv", content=rates, settings=settings_)
        with self.store.writing() as writing:  # as if every stream had been read to its end before
            for source in ("crm", "again"):
                writing.execute(insert(tables.known_since), {"source": source, "at": writing.stamp()})
        self._read(0, story.before, story.again[: story.early])
        with self._computation() as computation:
            closing = Closing(computation, self.calendar.parse(MARCH), {"crm": ["deals"]}, "An", True, "law")
            outcome = closing.run(self.store)
        assert outcome.seal is not None
        self.closed_at = micros(datetime.fromisoformat(outcome.seal.header["as_of"]))
        self.frozen = frozen.closed(self.store).values
        self._read(1, story.after, story.again[story.early :])

    def _read(self, reading: int, pages: Sequence[Page], again: Sequence[Page]) -> None:
        self.world.clock.set(moment(READINGS[reading]))
        for one in pages:
            self.world.take(one)
        for one in again:
            self._take_again(one)

    def _take_again(self, taken: Page) -> None:
        """`World.take`, of the other source."""
        mapped = list(self.again.apply(taken.stream, self.world.source.records(taken.stream, taken.exchanges)))
        read_at = micros(taken.read_at)
        with self.store.writing() as writing:
            stamp = writing.stamp()
            landing.land(
                writing, landing.pack(taken.exchanges), page=stamp, applied_at=stamp, source="again",
                stream=taken.stream, run="test", read_at=read_at,
            )
            journal.take_page(writing, self.again, PageEntry(stamp, stamp, taken.stream, read_at, mapped))

    @contextmanager
    def _computation(self) -> Iterator[Computation]:
        held = self.store.acquire(LEASE)
        try:
            yield Computation(self.store.url, self.kpis, self.calendar, self.story.currency, None, held)
        finally:
            self.store.release(held)

    def answers(self) -> tuple[Values, Members]:
        """Of all that is known: what was frozen as it is now, which is stored and adjusted by, and what is asked."""
        asked_, names = [*self.kpis, *asked(self.story), *PLACED], periods(self.calendar)
        listed_, all_ = listed(self.story), self.calendar.parse("all")
        found = {one.id: list[KpiValue]() for one in (*asked_, *listed_)}
        members = {one.id: list[Member]() for one in listed_}
        with self._computation() as computation, computation.reading(self.store) as reading:
            reading.store_values()
            for value in reading.known.values(asked_, periods=names):
                found[value.kpi].append(value)
            for value, own in reading.known.with_members(listed_, all_):
                found[value.kpi].append(value)
                members[value.kpi] += (one for one in own if one.side == "denominator" or value.metric == ENTRIES)
        return found, members

    def elsewhere(self) -> tuple[Values, Calendar]:
        """The same knowledge in another zone."""
        calendar, found = Calendar(ZoneInfo(self.story.other)), {one.id: list[KpiValue]() for one in PLACED}
        with open_snapshot(self.store.url) as snapshot:
            for value in kpi.compute(PLACED, snapshot, calendar, self.story.currency, periods=periods(calendar)):
                found[value.kpi].append(value)
        return found, calendar

    def then(self) -> Sequence[KpiValue]:
        """What was frozen, recomputed from what had been seen before the close."""
        with open_snapshot(self.store.url, self.closed_at) as snapshot:
            return kpi.compute(self.kpis, snapshot, self.calendar, self.story.currency, periods=[MARCH])


@cache
def periods(calendar: Calendar) -> list[str]:
    """The names of all days, weeks and months in which anything happens, and `all`."""
    lengths = ("day", "week", "month", "all")
    return [one.name for every in lengths for one in calendar.periods(every, FIRST, READINGS[-1])]


# --- what must hold --------------------------------------------------------------------------------------------------


def holds(world: World, story: Story) -> None:
    """All ten, of one story."""
    told = Told(world, story)
    values, members = told.answers()
    outcomes_add_up(values)
    bridges_balance(values)
    owners_add_up(values)
    reached_never_rises(values, members)
    both_vendors_say_the_same(values, members)
    frozen_again(told)
    zones_only_move(told, values, members)
    lives_are_whole(story, members)
    adjustments_add_up(told, values)
    ratios_lie_between(values)


def number(value: KpiValue | None, of: str = "value") -> Decimal:
    return Decimal((getattr(value, of) if value else None) or 0)


def total(values: Iterable[KpiValue], of: str = "value") -> Decimal:
    return sum((number(value, of) for value in values), Decimal(0))


def cells(values: Iterable[KpiValue], *names: str, of: str = "value") -> Counter[tuple[str, ...]]:
    """Sums by subject, period and these dimensions, without what is 0."""
    found: Counter[tuple[str, ...]] = Counter()
    for value in values:
        found[value.subject.key, value.period, *(value.dimensions[name] for name in names)] += number(value, of)
    return Counter({key: sum_ for key, sum_ in found.items() if sum_})


def outcomes_add_up(values: Values) -> None:
    """1, of each owner and stage, over all time."""
    assert cells(values["outcomes"], "pipeline", "stage") == cells(values["entries"], "pipeline", "stage")


def bridges_balance(values: Values) -> None:
    """2, in count or money: of each owner in each pipeline, and from one month to the next."""
    steps = cells(values["bridge"], "pipeline", "step")
    flows: Counter[tuple[str, ...]] = Counter()
    for (owner, month, pipeline, step), sum_ in steps.items():
        flows[owner, month, pipeline] += -sum_ if step in OUT or step == "closing" else sum_
    assert not any(flows.values()), flows
    stocks = {value.period: number(value) for value in values["open"]}
    for month, stock in stocks.items():
        assert sum(at_border(steps, month, "closing").values()) == stock
    for before, after in pairwise(sorted(stocks)):
        assert at_border(steps, before, "closing") == at_border(steps, after, "opening")


def at_border(steps: Mapping[tuple[str, ...], Decimal], month: str, word: str) -> Mapping[tuple[str, ...], Decimal]:
    """The stocks of owners and pipelines at one end of a month."""
    return {(owner, pipeline): sum_ for (owner, told, pipeline, step), sum_ in steps.items()
            if (told, step) == (month, word)}


def owners_add_up(values: Values) -> None:
    """3: what was won and lost in each month, in count or money; and entries, which are told whole by the week."""
    for part in ("numerator", "denominator"):
        assert by_period(values["ratio"], part) == by_period(values["ratio of all"], part)
    assert by_period(values["wins"]) == by_period(values["ratio of all"], "numerator")
    assert total(values["entries"]) == total(values["by week"])


def by_period(values: Iterable[KpiValue], of: str = "value") -> Counter[str]:
    """Sums without what is 0."""
    found: Counter[str] = Counter()
    for value in values:
        found[value.period] += number(value, of)
    return Counter({period: sum_ for period, sum_ in found.items() if sum_})


def reached_never_rises(values: Values, members: Members) -> None:
    """4, along the open stages of each pipeline; each deal that entered a stage has reached it."""
    entered = Counter(
        (source, stage) for source, stage, _ in {(one.source, one.stage, one.id) for one in members["entries"]}
    )
    for pipeline, stages in ORDER.items():
        for source, name in (("crm", pipeline), ("again", f"{pipeline} again")):
            found = {
                value.dimensions["stage"]: number(value, "denominator")
                for value in values["reached"] if value.dimensions["pipeline"] == name
            }
            reached = [found.get(stage, Decimal(0)) for stage in stages]
            assert reached == sorted(reached, reverse=True)
            assert all(entered[source, stage] <= number_ for stage, number_ in zip(stages, reached, strict=True))


def both_vendors_say_the_same(values: Values, members: Members) -> None:
    """5: the one in order; the other in any order, in other pages, and some of them twice."""
    for name in ("ratio", "bridge", "outcomes", "reached", "entries"):
        crm, again = (Counter(said_by(values[name], source)) for source in ("crm", "again"))
        assert crm == again, name
    for found in members.values():
        crm, again = (
            Counter(replace(one, source="") for one in found if one.source == source) for source in ("crm", "again")
        )
        assert crm == again


def said_by(values: Iterable[KpiValue], source: str) -> Iterator[tuple[Any, ...]]:
    """The values of one vendor's pipelines, with whose they are; not what his pipelines are to the other's owners."""
    for value in values:
        whose, _, owner = value.subject.key.rpartition(":")
        pipeline = value.dimensions["pipeline"]
        if pipeline.endswith(" again") == (source == "again") and whose in ("", source):
            dimensions = {**value.dimensions, "pipeline": pipeline.removesuffix(" again")}
            yield owner, str(dimensions), value.period, value.value, value.numerator, value.denominator, \
                value.interval, value.open_share, value.left_out_amount, value.left_out_rate


def frozen_again(told: Told) -> None:
    """6."""
    found = {value.key: said(value) for value in told.then()}
    assert {key: said(value) for key, value in told.frozen.items() if key in found} == found
    assert not any(number(value) for key, value in told.frozen.items() if key not in found)


def said(value: KpiValue) -> KpiValue:
    """The value without when and as what it was told."""
    return replace(value, as_of=0, view="open", status="open" if value.status == "frozen" else value.status)


def zones_only_move(told: Told, values: Values, members: Members) -> None:
    """7: the same records, each in the period of its local time, which in another zone is a neighbour at most."""
    closes = [one.event_at for one in members["closes"] if one.event_at]
    entries = Counter[int]()  # in millionths, since owners may have shares of one
    for one in members["entries"]:
        entries[one.event_at or 0] += one.share or 0
    other, calendar = told.elsewhere()
    for found, zone in ((values, told.calendar), (other, calendar)):
        days, weeks = Counter(local(zone, at).isoformat() for at in closes), Counter[str]()
        for at, millionths in entries.items():
            year, week, _ = local(zone, at).isocalendar()
            weeks[f"{year}-W{week:02}"] += millionths // 1_000_000
        assert by_period(found["by day"], "denominator") == days
        assert by_period(found["by week"]) == weeks
    for at in (*closes, *entries):
        assert abs(local(calendar, at) - local(told.calendar, at)) <= timedelta(days=1)


def local(calendar: Calendar, instant: int) -> date:
    """The local day of an instant."""
    return moment(instant).astimezone(calendar.zone).date()


def lives_are_whole(story: Story, members: Members) -> None:
    """8, of each closed deal whose history was told, won or lost: to the microsecond."""
    open_for: Counter[tuple[str, str]] = Counter()
    for one in members["visits"]:
        open_for[one.source, one.id] += one.duration or 0
    closed = {(one.source, one.id): (one.event_at or 0) - (one.occurred_at or 0) for one in members["closes"]}
    for id_, moves in story.lives.items():
        runs = [(kind, next(run).at) for kind, run in groupby(moves, lambda move: KINDS[move.stage])]
        was_closed = sum(end - begin for (kind, begin), (_, end) in pairwise(runs) if kind != "open")
        for source in ("crm", "again"):
            if not moves or runs[-1][0] == "open":
                assert not moves or (source, id_) not in closed
                continue
            life = closed[source, id_]
            assert life == runs[-1][1] - moves[0].at
            assert open_for[source, id_] + was_closed == life


def adjustments_add_up(told: Told, values: Values) -> None:
    """9, before and after one of them is decided."""
    every = {one.id: one.every for one in told.kpis}
    today = {value.key: value for name in every for value in values[name] if value.period == MARCH}
    proposed = adjustments.list_adjustments(told.store)
    add_up(proposed, told.frozen, today)
    for one in [one for one in proposed if one["kpi"] == "wins"][:1]:
        decision = told.story.decision
        adjustments.decide(told.store, one["id"], decision, told.calendar, every, actor="An", reason="law")
        add_up(adjustments.list_adjustments(told.store), told.frozen, today)


def add_up(found: Iterable[Mapping[str, Any]], before: Mapping[Key, KpiValue], now: Mapping[Key, KpiValue]) -> None:
    """What was adjusted is what moved, of every value and in every part."""
    moved: Counter[tuple[Key, str]] = Counter()
    for sign, values in ((1, now), (-1, before)):
        for key, value in values.items():
            for part in parts_of(key):
                moved[key, part] += sign * number(value, part)
    for one in found:
        key = one["kpi"], one["subject"]["kind"], one["subject"]["key"], "{}", one["period"]
        for part in parts_of(key):
            moved[key, part] -= Decimal(one[part] or 0)
    assert not any(moved.values()), moved


def parts_of(key: Key) -> Sequence[str]:
    """A difference of ratios is told as that of its parts."""
    return ["value"] if key[0] == "wins" else ["numerator", "denominator"]


def ratios_lie_between(values: Values) -> None:
    """10, of each month, between those of owners in pipelines."""
    parts: dict[str, list[Decimal]] = {}
    for value in values["ratio"]:
        if value.value is not None:
            parts.setdefault(value.period, []).append(Decimal(value.value))
    for whole in values["ratio of all"]:
        assert (whole.value is None) == (whole.period not in parts)
        if whole.value is not None:
            assert min(parts[whole.period]) <= Decimal(whole.value) <= max(parts[whole.period])


# --- how it is proven ------------------------------------------------------------------------------------------------


def prove(world: World, part: int) -> None:
    """50 stories, the same ones in every run; another 50 for each part."""
    _search(world, seed(part), settings(LAW, max_examples=50), stories())


def search(world: World) -> None:
    """250 stories, of more deals, and others in every run."""
    _search(world, lambda law: law, settings(SEARCH, max_examples=250), stories(most=9))


def _search(world: World, seeded: Callable[[Any], Any], how: settings, drawn: st.SearchStrategy[Story]) -> None:
    @seeded
    @how
    @given(drawn)
    def law(story: Story) -> None:
        holds(world, story)

    with started_once():
        law()

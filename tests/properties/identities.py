"""The ten identities of metrics.md section 5, all of them on one ledger that came in as any does: as pages.

`lives` says what may be told, `telling` how it comes in and what is asked; here stands what must hold of the answers.
What is in money in one story is in count in another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from connector import adjustments
from connector.kpi_store import Key
from connector.model import KpiValue, moment
from connector.period import Calendar
from tests.properties.lives import KINDS, ORDER, Story, stories
from tests.properties.started_once import started_once
from tests.properties.telling import MARCH, Members, Told, Values
from tests.properties.world import LAW, SEARCH, World

OUT = {"won", "lost", "deleted", "handed_over", "owner_out", "amount_down"}
"""The steps of the bridge that make the open pipeline smaller."""


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
    """A number of a value, 0 where there is none."""
    return Decimal((getattr(value, of) if value else None) or 0)


def cells(values: Iterable[KpiValue], *names: str) -> Counter[tuple[str, ...]]:
    """Sums by subject, period and these dimensions, without what is 0."""
    found: Counter[tuple[str, ...]] = Counter()
    for value in values:
        found[value.subject.key, value.period, *(value.dimensions[name] for name in names)] += number(value)
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
    assert sum(map(number, values["entries"])) == sum(map(number, values["by week"]))


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
    """6: to the letter; of what is no longer there nothing was left then."""
    found = {value.key: said(value) for value in told.then()}
    assert {key: said(value) for key, value in told.frozen.items() if key in found} == found
    assert not any(number(value) for key, value in told.frozen.items() if key not in found)


def said(value: KpiValue) -> KpiValue:
    """The value without when and as what it was told."""
    return replace(value, as_of=0, view="open", status="open" if value.status == "frozen" else value.status)


def zones_only_move(told: Told, values: Values, members: Members) -> None:
    """7: the same records, each in the period of its local time, which in another zone is a neighbour at most."""
    closes = [one.event_at for one in members["closes"] if one.event_at and one.side == "denominator"]
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
        for deal in (("crm", id_), ("again", id_)):
            assert (deal in closed) == (runs[-1][0] != "open")
            if deal in closed:
                assert open_for[deal] + was_closed == closed[deal] == runs[-1][1] - moves[0].at


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
    """50 stories, of more deals, and others in every run."""
    _search(world, lambda law: law, settings(SEARCH, max_examples=50), stories(most=9))


def _search(world: World, seeded: Callable[[Any], Any], how: settings, drawn: st.SearchStrategy[Story]) -> None:
    @seeded
    @how
    @given(drawn)
    def law(story: Story) -> None:
        holds(world, story)

    with started_once():
        law()

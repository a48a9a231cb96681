"""The law of closed books: one history of a store whose months are closed, and everything that must hold of it.

A history tells pages of deals in any order (late, corrected, deleted and restored ones), hands deals over to other
owners, closes months and reopens the latest one, decides about adjustments and changes the mapping. Then:

1. what was answered as of a moment is answered so again, also after a rebuild: KPI values, and what was closed;
2. all adjustments of a value, in whatever state, are today's value less the frozen one (metrics.md section 5, 9), and
   the causes of each add up to it;
3. a deal that only changes hands moves no money and no count over all owners together, who have the whole (5, 3);
4. every seal verifies;
5. a rebuild gives every cell of every table again;
6. the same mapping again, also with other comments and layout, changes nothing;
7. a frozen value is what the rows known before the freeze give (5, 6).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given as given_
from hypothesis import seed, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from connector import adjustments, closing, frozen, kpi, kpi_store, periods
from connector.adjusting import SETTLED, UNKNOWN
from connector.closing import LEASE, Closing
from connector.computation import Computation, gaps
from connector.kpi import KpiDefinition
from connector.kpi_store import Key
from connector.model import MONEY_SCALE, RATIO_SCALE, KpiValue, micros
from connector.period import Calendar
from connector.store import tables
from connector.store.snapshot import open_snapshot
from tests.properties import histories as given
from tests.properties.histories import BASE, DAY, LAST, MAPPINGS, NOW, History, Told, histories
from tests.properties.started_once import started_once
from tests.properties.world import LAW, SEARCH, START, World, page, t

CALENDAR = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
MONTHS = {name: CALENDAR.parse(name) for name in ("2026-01", "2026-02")}
SCALES = {"wins": ("share", RATIO_SCALE), "won": ("amount", MONEY_SCALE)}
"""What of a cause counts for a KPI, and in which unit."""


class Answer(NamedTuple):
    """What was said as of a moment: of one period by its seal, or (None) of all by a run."""

    as_of: int
    period: str | None
    values: Mapping[Key, KpiValue]


# --- what happens ----------------------------------------------------------------------------------------------------


class Books:
    """A world with closes and decisions. `closed`: what was closed, by moment; `is_current`: a run has seen it all;
    `is_ahead`: the vendor's clock was once, so that we were told what had not happened yet.
    """

    def __init__(self, world: World, history: History) -> None:
        self.world, self.store, self.is_current = world.fresh(BASE), world.store, True
        self.kpis = [
            KpiDefinition("wins", "won_count", "owner", options={"credit": history.count}),
            KpiDefinition("won", "won_value", "owner", options={"credit": history.value}),
            KpiDefinition("rate", history.ratio),
        ]
        self.whole = "wins" if history.ratio == "win_rate_count" else "won"  # whose sum the ratio has above its line
        self.here: Any = SimpleNamespace(store=world.store, calendar=CALENDAR, clock=world.clock)
        self.mapping, self.told, self.is_ahead = "base", list[Told](), False
        self.answers: list[Answer] = []
        self.closed: dict[int, Mapping[Key, KpiValue]] = {}
        world.clock.set(START + timedelta(days=NOW))  # both months are over
        with self.store.writing() as writing:  # as if every stream had been read to its end before
            writing.execute(insert(tables.known_since), {"source": "crm", "at": writing.stamp()})

    def do(self, step: Any) -> None:
        self.world.clock.advance(days=1)
        work: dict[type, Callable[[Any], None]] = {
            list: self.tell, given.Owners: self.tell_owners, given.HandOver: self.hand_over, given.Close: self.close,
            given.Reopen: self.reopen, given.Decide: self.decide, given.Remap: self.remap,
        }
        work[type(step)](step)
        self.closed[self.now()] = frozen.closed(self.store).values

    def tell(self, step: Sequence[Told]) -> None:
        self.take([one.record() for one in step])
        self.told += step
        self.is_ahead |= any(START + timedelta(days=one.day + 1) > self.world.clock.now() for one in step)

    def take(self, records: Sequence[dict[str, Any]], stream: str = "deals") -> None:
        self.world.take(page(stream, records, LAST * DAY + 120))
        self.is_current = False

    def tell_owners(self, step: given.Owners) -> None:
        self.take([{"id": owner, "name": f"Owner {owner}", "modified": t(0)} for owner in "12"], "owners")

    def remap(self, step: given.Remap) -> None:
        self.mapping, self.is_current = step.name, False
        self.world.use(MAPPINGS[step.name])

    def compute(self) -> None:
        """A run computes: laws 2 and 3 hold from here on."""
        asked_at = self.now()
        self._computed(lambda one: one.run(self.store))
        self.answers.append(Answer(asked_at, None, self.values()))
        self.is_current = True
        add_up(self)

    def catch_up(self) -> None:
        if not self.is_current:
            self.compute()

    def hand_over(self, step: given.HandOver) -> None:
        """Law 3. What else the record may say to the ledger, late as others came, it says by itself before."""
        states = {one.number: one for one in sorted(self.told, key=lambda one: (one.day, one.later))}
        won = [one for one in states.values() if one.moves[-1][0] == "W"] or list(states.values())
        newest = won[step.place % len(won)]
        newest = newest._replace(later=newest.later + 1)
        self.take([newest.record(name="touched")])
        self.compute()
        before = over_all_owners(self)
        newest = newest._replace(credit=step.credit, later=newest.later + 1)
        self.take([newest.record(name="touched")])
        self.told.append(newest)
        self.compute()
        assert over_all_owners(self) == before

    def close(self, step: given.Close) -> None:
        """The first month that is open, by force: nothing of it must be complete."""
        name = next((name for name in MONTHS if name not in frozen.closed(self.store).kpis), None)
        if name is None:
            return
        streams, asked_at = {"crm": ["deals"]}, self.now()
        outcome = self._computed(lambda one: Closing(one, MONTHS[name], streams, "An", True, "law").run(self.store))
        assert outcome.seal is not None
        as_of = micros(datetime.fromisoformat(outcome.seal.header["as_of"]))
        sealed = frozen.closed(self.store, periods=[name]).values
        self.answers += [Answer(asked_at, None, self.values()), Answer(as_of, name, sealed)]
        self.is_current = False

    def reopen(self, step: given.Reopen) -> None:
        shut = sorted(frozen.closed(self.store).kpis)
        if shut:
            closing.reopen(self.here, shut[-1], "law", actor="An")

    def decide(self, step: given.Decide) -> None:
        """The sum over all states stays what it is, and the next run finds nothing to propose for it."""
        self.catch_up()
        every = {one.id: one.every for one in self.kpis}
        waiting = [
            one["id"] for one in adjustments.list_adjustments(self.store) if one["state"] in ("proposed", "deferred")
        ]
        if waiting:
            one = waiting[step.place % len(waiting)]
            adjustments.decide(self.store, one, step.decision, CALENDAR, every, actor="An", reason="law")
            add_up(self)
            self.is_current = False

    def now(self) -> int:
        return int(self.store.rows(select(tables.clock.c.last))[0].last)

    def values(self) -> dict[Key, KpiValue]:
        """What is stored of every KPI."""
        return {value.key: value for value in kpi_store.current(self.store)}

    def _computed(self, work: Callable[[Computation], Any]) -> Any:
        held = self.store.acquire(LEASE)
        try:
            return work(Computation(self.store.url, self.kpis, CALENDAR, "USD", None, held))
        finally:
            self.store.release(held)


# --- what must hold --------------------------------------------------------------------------------------------------


def add_up(books: Books) -> None:
    """Law 2, for each value of a closed month: what was frozen, and what nobody knew of then."""
    closed = frozen.closed(books.store)
    restated = {key: value for key, value in books.values().items() if closed.holds(value)}
    found: dict[Key, list[dict[str, Any]]] = {}
    for one in adjustments.list_adjustments(books.store):
        whose = one["subject"]
        found.setdefault((one["kpi"], whose["kind"], whose["key"], "{}", one["period"]), []).append(one)
        assert one["period"] in closed.kpis or one["state"] in SETTLED  # a reopened month has nothing to adjust
        if not books.is_ahead:  # see test_the_causes_of_an_adjustment_are_of_the_moment_of_its_amount
            causes_add_up(one)
    assert {key for key in found if key[4] in closed.kpis} <= closed.values.keys() | restated.keys()
    for key in closed.values.keys() | restated.keys():
        before, now, own = closed.values.get(key), restated.get(key), found.get(key, [])
        if now is not None and now.status in UNKNOWN:
            continue  # while it is withheld its adjustments stand as they were
        for part in ("numerator", "denominator") if key[0] == "rate" else ("value",):
            was, is_ = (Decimal(getattr(value, part) or 0) if value else Decimal(0) for value in (before, now))
            assert sum(Decimal(one[part] or 0) for one in own) == is_ - was, (key, part)


def causes_add_up(one: Mapping[str, Any]) -> None:
    """Law 2: what the records behind an adjustment of count or money counted for and count for now is its amount."""
    if one["kpi"] in SCALES:
        of, scale = SCALES[one["kpi"]]
        moved = sum((cause[f"{of}_now"] or 0) - (cause[f"{of}_before"] or 0) for cause in one["causes"])
        assert Decimal(moved) / scale == Decimal(one["value"])


def over_all_owners(books: Books) -> dict[tuple[str, str, str], Decimal]:
    """Law 3: by KPI and period the sum of all values and that of all adjustments, without what is 0."""
    found: Counter[tuple[str, str, str]] = Counter()
    whole: dict[str, Decimal] = {}
    for value in books.values().values():
        if value.kpi == "rate":
            whole[value.period] = Decimal(value.numerator or 0)
        found["values", value.kpi, value.period] += Decimal(value.value or 0)
    for period, total in whole.items():
        assert found["values", books.whole, period] == total
    for one in adjustments.list_adjustments(books.store):
        found["adjustments", one["kpi"], one["period"]] += Decimal(one["value"] or 0)
    return {key: total for key, total in found.items() if total}


def answers_again(books: Books, moment: int) -> None:
    """Laws 1 and 7: asked as of that moment, every answer given then."""
    with open_snapshot(books.store.url, moment) as snapshot:
        found = kpi.compute(books.kpis, snapshot, CALENDAR, "USD", **gaps(books.store, snapshot.as_of))
    again = {value.key: _said(value) for value in found}
    for answer in (one for one in books.answers if one.as_of == moment):
        assert {key for key in again if answer.period in (None, key[4])} <= answer.values.keys()
        for key, value in answer.values.items():
            if key in again:
                assert again[key] == _said(value)
            else:  # of which nothing was left: told as nothing, so that nobody keeps what it was before
                assert not Decimal(value.value or 0)


def _said(value: KpiValue) -> KpiValue:
    """The value without when and as what it was told."""
    return replace(value, as_of=0, view="open", status="open" if value.status == "frozen" else value.status)


def hashes(world: World) -> Mapping[str, str]:
    """Every table of the store."""
    with world.store.reading() as connection:
        found = {
            name: sorted(repr(tuple(row)) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"'))
            for name in tables.metadata.tables
        }
    return {name: hashlib.sha256("\n".join(rows).encode()).hexdigest() for name, rows in found.items()}


def prove(world: World, part: int) -> None:
    """50 histories, the same ones in every run; another 50 for each part."""
    _search(world, seed(part), settings(LAW, max_examples=50), histories())


def search(world: World) -> None:
    """250 histories, others in every run."""
    _search(world, lambda law: law, settings(SEARCH, max_examples=250), histories())


def _search(world: World, seeded: Callable[[Any], Any], how: settings, drawn: st.SearchStrategy[History]) -> None:
    @seeded
    @how
    @given_(drawn)
    def law(history: History) -> None:
        holds(world, history)

    with started_once():
        law()


def holds(world: World, history: History) -> None:
    """All laws, of one history."""
    books = Books(world, history)
    for step in history.steps:
        books.do(step)
    books.catch_up()
    assert periods.verify(books.here)["faults"] == []
    text, before = MAPPINGS[books.mapping], hashes(world)
    world.use(text)
    world.use("# other words\n" + text.replace("key: id\n", "key:   id # of the vendor\n\n"))
    assert hashes(world) == before
    world.rebuild()
    assert hashes(world) == before
    for moment, values in books.closed.items():
        assert frozen.closed(world.store, as_of=moment).values == values
    sealed = [answer.as_of for answer in books.answers if answer.period]
    ran = [answer.as_of for answer in books.answers if not answer.period]
    for moment in sorted({*sealed, *(ran[:-1][-1:] if len(sealed) == 1 else [])}):  # after the last run nothing came
        answers_again(books, moment)

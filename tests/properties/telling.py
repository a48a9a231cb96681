"""A story told to a store, and what is asked about it: the ledger of the ten identities, in four readings.

The story is told by two vendors: by one in order; by the other in pages cut otherwise, in any order, some of them
twice. In between March is closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from sqlalchemy import insert

from connector import frozen, journal, kpi, kpi_store
from connector.closing import LEASE, Closing
from connector.computation import Computation
from connector.journal import PageEntry
from connector.kpi import KpiDefinition
from connector.model import KpiValue, Member, Subject, micros, moment
from connector.period import Calendar
from connector.ports import Page
from connector.store import landing, tables
from connector.store.snapshot import open_snapshot
from tests.properties.lives import AGAIN, FIRST, MAPPING, RATES, READINGS, Story
from tests.properties.world import SETTINGS, World, load

MARCH = "2026-03"
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
    """Of all time, with the records behind them: entries and completed visits."""
    return [
        KpiDefinition("entries", ENTRIES, "owner", "pipeline", every="all", options={"credit": story.credit}),
        KpiDefinition("visits", "stage_duration", every="all"),
    ]


CLOSES = KpiDefinition("closes", "win_rate_count", every="all", options={"count_by": "cohort"})
"""The records behind it tell both when a deal began and when it was closed."""
COMPANY = Subject("company", "company", "")


PLACED = [KpiDefinition("by day", "win_rate_count", every="day"), KpiDefinition("by week", ENTRIES, every="week")]
"""What puts records into periods: closes and entries."""


# --- what happens ----------------------------------------------------------------------------------------------------


class Told:
    """A store to which a story is told. `closed_at`: the moment as of which March was frozen; `frozen`: its values."""

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
        asked_, listed_, all_ = [*asked(self.story), *PLACED], listed(self.story), self.calendar.parse("all")
        found = {one.id: list[KpiValue]() for one in (*self.kpis, *asked_, *listed_)}
        members = {one.id: list[Member]() for one in listed_}
        with self._computation() as computation, computation.reading(self.store) as reading:
            reading.store_values()
            values = [*kpi_store.current(self.store), *reading.known.values(asked_, periods=periods(self.calendar))]
            for value, own in reading.known.with_members(listed_, all_):
                values.append(value)
                members[value.kpi] += own
            members["closes"] = reading.known.members(CLOSES, COMPANY, "all")
        for value in values:
            found[value.kpi].append(value)
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

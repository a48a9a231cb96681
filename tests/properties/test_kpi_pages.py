"""Identity 5 of metrics.md section 5 on KPI values: same input in other order, in pages, or twice: same output.

In any order only where the records tell their whole past: what is observed between two reads depends on which came
first (tests/properties/test_pages.py says what of the ledger does not). Pages go through mapping and ledger, as in a
run; rows put straight into the tables in another order are in tests/metrics/test_identities.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import kpi
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE
from connector.model import KpiValue
from connector.period import Calendar
from connector.ports import Page
from connector.store.snapshot import open_snapshot
from tests.properties.test_evidence import DEALS, RICH, priced
from tests.properties.world import LAW, SEARCH, START, World, deal, move, page, t

CALENDAR = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
READ_AT = 500  # minutes: all pages are of one reading, however they are cut
SHARED = [name for name in DEALS if "split" in CATALOGUE[name].options["credit"]]
KPIS = [
    *(KpiDefinition(name, name, every="day") for name in DEALS),
    *(KpiDefinition(f"{name} of owners", name, per="owner", every="all") for name in DEALS),
    *(KpiDefinition(f"{name} shared", name, per="owner", every="all", options={"credit": "split"}) for name in SHARED),
]
Records = dict[str, list[dict[str, Any]]]
"""By stream, in the order in which the vendor gives them."""


def outcome(world: World, taken: list[Page]) -> list[KpiValue]:
    """Every value after these pages; the moment of asking, which is that of the last page, is no part of it."""
    world.fresh(RICH)
    for one in taken:
        world.take(one)
    world.clock.set(START + timedelta(days=40))
    with world.store.writing() as writing:  # asked at one moment, however many pages came: ages grow with it
        writing.stamp()
    with open_snapshot(world.store.url) as snapshot:
        found = kpi.compute(KPIS, snapshot, CALENDAR, "USD", periods=["2026-01-01", "2026-01-02", "all"])
    return [replace(value, as_of=0) for value in found]


@st.composite
def told(draw: st.DrawFn) -> Records:
    """Deals that tell all moves and all changes of owner and amount since their creation, each in several states; and
    deals without a stage of their own, whose moves are rows of another stream."""
    deals, moves = [], []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        times = st.lists(st.integers(1, 300), max_size=5, unique=True)
        stages = [("A", 0), *((draw(st.sampled_from("ABCWL")), at) for at in sorted(draw(times)))]
        owned = [(draw(st.sampled_from("78")), draw(st.sampled_from(["5", "7.77"])), at)
                 for at in [0, *sorted(draw(times))]]
        shares = draw(st.sets(st.sampled_from("789"), max_size=2))
        for minute in sorted(draw(st.sets(st.integers(1, 300), min_size=1, max_size=4))):
            history, owners = ([one for one in known if one[-1] <= minute] for known in (stages, owned))
            deals.append(deal(
                number, minute, history[-1][0], history=history, created=t(0), owner=owners[-1][0],
                amount=owners[-1][1], currency="USD", splits=[{"owner": one, "share": 0.3} for one in sorted(shares)],
                owners=[{"owner": owner, "amount": amount, "at": t(at)} for owner, amount, at in owners],
            ))
    for number in range(4, draw(st.integers(4, 6))):
        deals.append(deal(number, 1, None, created=t(1), amount="3.5", currency="USD", owner="9"))
        moves += [move(number, stage, at) for at, stage in draw(st.dictionaries(
            st.integers(1, 300), st.sampled_from("ABCWL"), max_size=4)).items()]
    return {"deals": deals, "moves": moves}


def cut(draw: st.DrawFn, records: Records) -> list[Page]:
    """The records of each stream in pages of one or more, in their order."""
    found = []
    for stream, rows in records.items():
        start = 0
        while start < len(rows):
            size = draw(st.integers(1, 4))
            found.append(page(stream, rows[start : start + size], READ_AT))
            start += size
    return found


cuts = st.composite(cut)


def in_any_order(world: World, records: Records, data: st.DataObject) -> None:
    """Cut twice; the second time other pages, in any order, some of them twice."""
    first = outcome(world, data.draw(cuts(records)))
    again = data.draw(cuts(records))
    again += data.draw(st.lists(st.sampled_from(again), max_size=2))
    assert outcome(world, data.draw(st.permutations(again))) == first


@settings(LAW, max_examples=4)
@given(told(), st.data())
def test_5_in_any_order_in_other_pages_and_twice_the_values_are_the_same(
    world: World, records: Records, data: st.DataObject
) -> None:
    in_any_order(world, records, data)


@pytest.mark.long
@settings(SEARCH, max_examples=12)
@given(told(), st.data())
def test_5_in_any_order_at_length(world: World, records: Records, data: st.DataObject) -> None:
    in_any_order(world, records, data)


@settings(LAW, max_examples=4)
@given(priced(), st.data())
def test_5_whatever_records_tell_record_by_record_and_twice_the_values_are_the_same(
    world: World, taken: list[Page], data: st.DataObject
) -> None:
    """Also where a past is only observed, cut off, or told wrong: each record a page of its own, each page twice at
    once, or all pages again afterwards."""
    once = outcome(world, taken)
    assert outcome(world, [single for one in taken for single in singles(one)]) == once
    assert outcome(world, [one for one in taken for _ in range(2)]) == once
    assert outcome(world, taken + data.draw(st.permutations(taken))) == once


def singles(one: Page) -> list[Page]:
    """A page's records as pages, read at the same time."""
    minute = (one.read_at - START).total_seconds() / 60
    return [page(one.stream, [row], minute) for row in json.loads(one.exchanges[0].answer)]

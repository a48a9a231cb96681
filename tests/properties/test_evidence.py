"""Whatever happened to a store: each member of each metric is found again in the ledger, with its money and its page.

The members come of the metrics' SQL, the rows behind them of `connector.evidence`, which walks the ledger in its own
way: where the two agree for any history, an explanation explains the number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import fx, journal, kpi
from connector.evidence import Evidence, Evidences
from connector.exact import NO_CURRENCY
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE
from connector.model import Member
from connector.period import Calendar
from connector.ports import Exchange, Page
from connector.provenance import Provenance
from connector.store import landing
from connector.store.known import KnownRows
from connector.store.snapshot import open_snapshot
from tests.properties.test_pages import pages
from tests.properties.test_rebuild import STEPS, Step, do
from tests.properties.world import LAW, MAPPING, SEARCH, World, t

CALENDAR = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
RATES = b"currency,valid_from,rate\nEUR,2025-01-01,1.07\nEUR,2026-01-02,1.13\n"
DEALS = [name for name, metric in CATALOGUE.items() if metric.record == "deal" and not metric.made_of]
STOCKS = [name for name in DEALS if CATALOGUE[name].kind == "S"]
RICH = MAPPING.replace('"A": prospecting', '"A": {to: prospecting, probability: 0.35}').replace(
    "  - {entity: deal_owner,",
    "  - {entity: deal_change, stream: deals, each: owners,\n"
    "     fields: {deal: record.id, field: {const: amount}, new: item.amount, at: item.at}}\n  - {entity: deal_owner,",
)


@st.composite
def priced(draw: st.DrawFn) -> list[Page]:
    """Pages whose deals have amounts, creation and close dates, and a history of amounts."""
    return [one if one.stream != "deals" else _priced(draw, one) for one in draw(pages())]


def _priced(draw: st.DrawFn, one: Page) -> Page:
    rows = json.loads(one.exchanges[0].answer)
    for row in rows:
        row["amount"] = draw(st.sampled_from([None, "0", "10.005", "99.99"]))
        row["currency"] = draw(st.sampled_from(["USD", "EUR", "EUR", NO_CURRENCY]))  # the last has no rate
        row["created"] = draw(st.sampled_from([None, t(0), t(150)]))
        row["closed"] = draw(st.sampled_from([None, t(120)]))
        told = draw(st.lists(st.tuples(st.sampled_from(["5", "", "7.77"]), st.integers(1, 400)), max_size=3))
        row["owners"] = [{"owner": "7", "amount": amount, "at": t(minute)} for amount, minute in told]
    exchange = Exchange("GET", "memory://deals", None, 200, json.dumps(rows).encode())
    return Page(one.stream, [exchange], None, one.read_at)


def evidenced(world: World, as_of: int | None) -> Iterator[tuple[str, Member, Evidence, dict[str, Any]]]:
    """Every member of every metric of deals, as known then, with its evidence; read by one engine."""
    with open_snapshot(world.store.url, as_of) as snapshot, world.store.reading() as connection, \
            kpi._engine(snapshot, CALENDAR, "USD") as engine:
        provenance = Provenance(connection, lambda _source: world.source)
        known = KnownRows(connection, snapshot.as_of, snapshot.known_at)
        for name, period in [*((name, "all") for name in DEALS), *((name, "2026-01-01") for name in STOCKS)]:
            question = kpi._question(KpiDefinition(name, name), (CALENDAR.parse(period),))
            listed = (row[2 + len(question.by) :] for row in engine.members(question))
            members = [member for row in listed for member in kpi._members(question, row, "USD")]
            evidences = Evidences(CATALOGUE[name], members, known, kpi.rates(snapshot, "USD"), CALENDAR)
            for member in members:
                evidence = evidences.of(member)
                yield name, member, evidence, {cited.role: provenance.of(cited.row) for cited in evidence.cited}


def explains(world: World, taken: list[Page], steps: list[Step]) -> None:
    world.fresh(RICH)
    journal.put_file(
        world.store, "fx", "", version="1", path="fx.csv", content=RATES, settings={"currency": "USD", "decimal": "."}
    )
    stamps = [world.take(one) for one in taken]
    for step in steps:
        do(world, step)
    for moment in (stamps[len(stamps) // 2], None):
        for name, member, evidence, rows in evidenced(world, moment):
            moves = {cited.role: cited.row for cited in evidence.cited if cited.row["entity"] == "stage_transition"}
            assert rows.keys() >= {"deal"}, (name, member)
            check_moves(name, member, moves)
            check_money(name, member, evidence)
            check_pages(world, evidence, rows)


def check_moves(name: str, member: Member, moves: dict[str, Any]) -> None:
    """The moves are those the metric counted."""
    family, at = CATALOGUE[name].family, member.event_at or 0
    stage = member.pipeline, member.stage
    if name in {"stage_entries", "stage_entries_deals", "stage_outcomes", "stage_to_won"}:
        entered = moves["entered"]
        assert (entered["occurred_at"], entered["to_pipeline"], entered["to_stage"]) == (at, *stage)
        assert name != "stage_to_won" or ("won" in moves) == (member.side == "numerator")
    elif name == "queue_ratio":
        assert moves["entered" if member.side == "numerator" else "left"]["occurred_at"] == at
        assert (moves["entered"]["to_pipeline"], moves["entered"]["to_stage"]) == stage
    elif name in {"stage_skips", "stage_regress_rate", "quality_moved_back", "quality_stage_skipped"}:
        assert moves["left"]["occurred_at"] == at
        assert (moves["entered"]["to_pipeline"], moves["entered"]["to_stage"]) == stage
    elif name == "quality_duplicate":
        assert not moves
    elif name == "quality_history_gap":
        assert moves["held"]["occurred_at"] == at
    elif family == "bottleneck" or name in {"win_rate_cohort", "km_time_to_decision"}:  # by their beginning
        assert member.side != "numerator" or "won" in moves
    elif family in {"bridge", "chances"}:
        assert moves.keys() == (set() if name == "pipeline_created" else {"held"})
    elif family in {"winning", "touches"} or moves.keys() & {"won", "lost"}:
        (ending,) = moves.values()
        assert ending["occurred_at"] == at or (name == "quality_history_missing" and ending["origin"] == "initial")
        assert name == "loss_stage" or (ending["to_pipeline"], ending["to_stage"]) == stage
    elif family in {"pipeline", "forecast", "standing", "slipping", "quality", "quality_links"}:
        held = moves["held"]
        assert held["occurred_at"] <= at or held["origin"] == "initial"
        assert (held["to_pipeline"], held["to_stage"]) == stage
    elif name == "stage_stay":  # which goes on, of all time, where nothing ended it
        entered = moves["entered"]
        assert (entered["occurred_at"], entered["to_pipeline"], entered["to_stage"]) == (at, *stage)
        assert "left" not in moves or moves["left"]["occurred_at"] - at == member.duration
    elif name == "stage_duration":
        assert moves["left"]["occurred_at"] == at
        entered = moves["entered"]
        assert (entered["to_pipeline"], entered["to_stage"]) == stage
        assert at - entered["occurred_at"] == member.duration
    else:
        reached = moves["reached"]
        assert reached["occurred_at"] == at or reached["origin"] == "initial"
        assert ("advanced" in moves) == (member.side == "numerator")


def check_money(name: str, member: Member, evidence: Evidence) -> None:
    """What the record was worth, at the rate (and probability) named, is what it counts with."""
    if member.amount is None or name in {"pipeline_bridge", "expected_won_by_month"}:  # of no single row
        return
    worth = evidence.worth
    assert worth is not None
    assert worth.rate is not None
    amount = fx.convert(worth.amount, worth.rate.rate, "USD")
    if name == "weighted_pipeline":
        assert worth.probability is not None
        cents, parts = divmod(amount // 100 * worth.probability, 1_000_000)
        up = parts * 2 > 1_000_000 or (parts * 2 == 1_000_000 and cents % 2 == 1)
        amount = (cents + up) * 100
    assert amount == member.amount


def check_pages(world: World, evidence: Evidence, rows: dict[str, Any]) -> None:
    """Each row's page holds its record, and its mapping had an entry for it."""
    for cited in evidence.cited:
        row, found = cited.row, rows[cited.role]
        if found["page"] is None:
            assert found["without_page"]
            continue
        with world.store.reading() as connection:
            records = list(world.source.records(row["stream"], landing.exchanges(connection, found["page"])))
        assert records[found["record_index"]].key == row["record_key"]
        line = found["mapping"]["line"]
        assert "entity: " in found["mapping"]["text"], (row, line)


@settings(LAW, max_examples=5)
@given(priced(), st.lists(STEPS, max_size=3))
def test_each_member_is_found_again_in_the_ledger(world: World, taken: list[Page], steps: list[Step]) -> None:
    explains(world, taken, steps)


@pytest.mark.long
@settings(SEARCH, max_examples=30)
@given(priced(), st.lists(STEPS, max_size=8))
def test_each_member_is_found_again_at_length(world: World, taken: list[Page], steps: list[Step]) -> None:
    explains(world, taken, steps)

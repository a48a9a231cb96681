"""The identities of metrics.md section 5, over random pipelines."""

from __future__ import annotations

import random
import tempfile
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from connector import kpi
from connector.kpi import KpiDefinition
from connector.model import KpiValue
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import Filled, at, ref, stage_rows
from .test_rules import STAGES, pipeline_of

START = at("2025-01-01T00:00:00+00:00")
HOUR = 3_600_000_000
OWNERS = "ABC"
NAMES = [row["stage"] for row in STAGES]

moves = st.lists(st.tuples(st.integers(0, 24 * 80), st.sampled_from(NAMES)), min_size=1, max_size=6)
deals = st.lists(
    st.tuples(
        moves,
        st.none() | st.integers(0, 9_999_999),  # ten-thousandths, also below the cent
        st.sampled_from(["USD", "EUR", "GBP"]),
        st.lists(st.tuples(st.integers(0, 24 * 80), st.sampled_from([*OWNERS, ""])), max_size=3),
        st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(1, 333_333)), max_size=3, unique_by=itemgetter(0)),
    ),
    min_size=1, max_size=8,
)
Deals = list[tuple[Any, ...]]
Answer = dict[str, list[KpiValue]]
laws = settings(max_examples=10, deadline=None)


def filled(given_deals: Deals, *, shuffle: int | None = None) -> str:
    """The URL of a store with these deals; `shuffle` is a seed for the order in which the rows are put in."""
    store = Filled(f"sqlite:///{Path(tempfile.mkdtemp()) / 'store.db'}")
    rows: dict[str, list[dict[str, Any]]] = {"deal": [], "stage_transition": [], "deal_change": [], "deal_owner": []}
    for number, (chain, amount, currency, changes, shares) in enumerate(given_deals):
        deal = str(number)
        rows["deal"].append({"id": deal, "created_at": START + min(chain)[0] * HOUR, "amount": amount,
                             "currency": currency, "owner": ref("A")})
        rows["stage_transition"] += [
            {"deal": deal, "occurred_at": START + hours * HOUR, "sequence": place, "to_stage": stage,
             "to_pipeline": pipeline_of(stage), "actor": OWNERS[place % 3]}
            for place, (hours, stage) in enumerate(chain)
        ]
        rows["deal_change"] += [
            {"deal": deal, "field": "owner", "occurred_at": START + hours * HOUR, "sequence": place,
             "new": ref(owner) or ""} for place, (hours, owner) in enumerate(changes)
        ]
        rows["deal_owner"] += [
            {"id": f"{deal}{owner}", "deal": ref(deal), "owner": ref(owner), "share": share} for owner, share in shares
        ]
    rows |= {"pipeline": [{"id": name, "name": name} for name in ("sales", "renewal")], "stage": stage_rows(STAGES),
             "owner": [{"id": owner, "user": owner} for owner in OWNERS]}
    for entity, made in rows.items():
        if shuffle is not None:
            random.Random(shuffle).shuffle(made)
        store.put(entity, made)
    store.file("fx", "fx.csv", "currency,valid_from,rate\nEUR,2025-01-01,1.1234\nEUR,2025-02-01,1.0931\n")
    return store.known_until("2025-03-31T12:00:00+00:00").url


def ask(url: str, zone: str = "UTC", periods: list[str] | None = None, **definitions: dict[str, Any]) -> Answer:
    """The values of some definitions, by the name each is given here; all in one computation."""
    made = [KpiDefinition(name, given.pop("metric", name), **given) for name, given in definitions.items()]
    with open_snapshot(url) as snapshot:
        values = kpi.compute(made, snapshot, Calendar(ZoneInfo(zone)), "USD", periods=periods)
    return {name: [value for value in values if value.kpi == name] for name in definitions}


def total(values: list[KpiValue]) -> Decimal:
    return sum((Decimal(value.value or 0) for value in values), Decimal(0))


@laws
@given(deals, st.sampled_from(["at_event", "actor", "current", "split"]))
def test_3_the_owners_with_none_add_up_to_the_total(given_deals: Deals, credit: str) -> None:
    flows = ("won_count", "won_value", "lost_reasons", "stage_entries")
    stocks = ("open_pipeline", "weighted_pipeline")
    asked: dict[str, dict[str, Any]] = {}
    for metric in (*flows, *stocks):
        used = "at_event" if metric in stocks and credit == "actor" else credit
        asked[metric] = {"options": {"credit": used}}
        asked[f"{metric} of owners"] = {"metric": metric, "per": "owner", "options": {"credit": used}}
    found = ask(filled(given_deals), periods=["2025-01", "2025-02", "2025-03"], **asked)
    for metric in (*flows, *stocks):
        assert total(found[f"{metric} of owners"]) == total(found[metric])


@laws
@given(deals)
def test_4_reached_never_rises_along_the_order(given_deals: Deals) -> None:
    found = ask(filled(given_deals), stage_conversion={"every": "all"})["stage_conversion"]
    reached = {value.dimensions["stage"]: int(value.denominator or 0) for value in found}
    assert reached["new"] >= reached["offer"]
    assert reached["r_new"] >= reached["r_offer"]


@laws
@given(deals, st.integers(0, 99))
def test_5_the_order_of_the_rows_changes_nothing(given_deals: Deals, seed: int) -> None:
    asked = {"won_value": {"options": {"credit": "split"}}, "stage_conversion": {}, "stage_duration": {}}
    answers = [
        ask(filled(given_deals, shuffle=shuffle), **{name: {"per": "owner", **more} for name, more in asked.items()})
        for shuffle in (None, seed)
    ]
    assert answers[0] == answers[1]


@laws
@given(deals, st.sampled_from(["Asia/Ho_Chi_Minh", "America/New_York", "Pacific/Apia"]))
def test_7_the_zone_moves_records_between_periods_only(given_deals: Deals, zone: str) -> None:
    url = filled(given_deals)
    asked = {f"{metric} {every}": {"metric": metric, "every": every}
             for metric in ("won_count", "stage_entries") for every in ("week", "month", "all")}
    here, there = (ask(url, where, **{name: dict(given) for name, given in asked.items()}) for where in ("UTC", zone))
    for metric in ("won_count", "stage_entries"):
        assert len({total(found[f"{metric} {every}"]) for found in (here, there)
                    for every in ("week", "month", "all")}) == 1


@laws
@given(deals)
def test_10_a_ratio_of_a_union_lies_between_those_of_its_parts(given_deals: Deals) -> None:
    metrics = ("win_rate_count", "win_rate_value", "average_deal_value")
    asked = {f"{metric} {per}": {"metric": metric, "every": "all", "per": per}
             for metric in metrics for per in ("owner", "company")}
    found = ask(filled(given_deals), **asked)
    for metric in metrics:
        parts = [Decimal(value.value) for value in found[f"{metric} owner"] if value.value is not None]
        (whole,) = found[f"{metric} company"]
        if whole.value is not None:
            assert min(parts) <= Decimal(whole.value) <= max(parts)

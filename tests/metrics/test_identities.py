"""The identities of metrics.md section 5, over random pipelines."""

from __future__ import annotations

import random
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.model import KpiValue

from .conftest import Ask, asking
from .fill import Filled, at, ref, stage_rows
from .test_rules import STAGES

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
        st.lists(st.tuples(st.sampled_from(OWNERS), st.integers(1, 333_333)), max_size=3, unique_by=lambda part: part[0]),
    ),
    min_size=1, max_size=8,
)
Deals = list[tuple[Any, ...]]


def filled(given_deals: Deals, zone: str, *, shuffle: int | None = None) -> Ask:
    """A store with these deals; `shuffle` is a seed for the order in which the rows are put in."""
    store = Filled(f"sqlite:///{Path(tempfile.mkdtemp()) / 'store.db'}")
    rows: dict[str, list[dict[str, Any]]] = {"deal": [], "stage_transition": [], "deal_change": [], "deal_owner": []}
    for number, (chain, amount, currency, changes, shares) in enumerate(given_deals):
        deal = str(number)
        rows["deal"].append({"id": deal, "created_at": START + min(chain)[0] * HOUR, "amount": amount,
                             "currency": currency, "owner": ref("A")})
        rows["stage_transition"] += [
            {"deal": deal, "occurred_at": START + hours * HOUR, "sequence": place, "to_stage": stage,
             "to_pipeline": "renewal" if stage.startswith("r_") else "sales", "actor": OWNERS[place % 3]}
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
    store.known_until("2025-03-31T12:00:00+00:00")
    return asking(store.url, zone, "USD")


def total(values: list[KpiValue]) -> Decimal:
    return sum((Decimal(value.value or 0) for value in values), Decimal(0))


@settings(max_examples=15, deadline=None)
@given(deals, st.sampled_from(["at_event", "actor", "current", "split"]))
def test_3_the_owners_with_none_add_up_to_the_total(given_deals: Deals, credit: str) -> None:
    ask = filled(given_deals, "UTC")
    for metric in ("won_count", "won_value", "lost_reasons", "stage_entries"):
        options = {"options": {"credit": credit}}
        assert total(ask(metric, per="owner", **options)) == total(ask(metric, **options))
    stock = {"options": {"credit": "at_event" if credit == "actor" else credit}, "periods": ["2025-02"]}
    for metric in ("open_pipeline", "weighted_pipeline"):
        assert total(ask(metric, per="owner", **stock)) == total(ask(metric, **stock))


@settings(max_examples=15, deadline=None)
@given(deals)
def test_4_reached_never_rises_and_entered_is_within_it(given_deals: Deals) -> None:
    ask = filled(given_deals, "UTC")
    reached = [int(value.denominator or 0) for name in ("new", "offer") for value in
               ask("stage_conversion", every="all", where={"stage": name})]
    assert reached == sorted(reached, reverse=True)


@settings(max_examples=15, deadline=None)
@given(deals, st.integers(0, 99))
def test_5_the_order_of_the_rows_changes_nothing(given_deals: Deals, seed: int) -> None:
    one, other = filled(given_deals, "UTC"), filled(given_deals, "UTC", shuffle=seed)
    for metric, more in (("won_value", {"credit": "split"}), ("stage_conversion", {}), ("stage_duration", {})):
        assert one(metric, per="owner", options=more) == other(metric, per="owner", options=more)


@settings(max_examples=15, deadline=None)
@given(deals, st.sampled_from(["Asia/Ho_Chi_Minh", "America/New_York", "Pacific/Apia"]))
def test_7_the_zone_moves_records_between_periods_only(given_deals: Deals, zone: str) -> None:
    here, there = filled(given_deals, "UTC"), filled(given_deals, zone)
    for metric in ("won_count", "stage_entries"):
        assert total(here(metric, every="day")) == total(there(metric, every="month")) == total(there(metric, every="all"))


@settings(max_examples=15, deadline=None)
@given(deals)
def test_10_a_ratio_of_a_union_lies_between_those_of_its_parts(given_deals: Deals) -> None:
    ask = filled(given_deals, "UTC")
    for metric in ("win_rate_count", "win_rate_value", "average_deal_value"):
        parts = [Decimal(value.value) for value in ask(metric, per="owner", every="all") if value.value is not None]
        (whole,) = ask(metric, every="all")
        if whole.value is not None:
            assert min(parts) <= Decimal(whole.value) <= max(parts)

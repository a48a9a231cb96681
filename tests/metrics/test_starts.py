"""Pipelines that begin, or are won, at the event of a document: orders, deliveries, invoices, payments, contracts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Ask, asking
from .fill import Filled, northwind, ref, rows, stage_rows
from .test_orders import cited, day, delivery, invoice, one, order, payment

STAGES = [
    {"pipeline": pipeline, "stage": f"{prefix}{stage}", "display_order": str(place), "canonical": canonical,
     "probability": "0.5", "archived": "0"}
    for pipeline, prefix in (("goods", ""), ("sales", "s_"))
    for place, (stage, canonical) in enumerate([
        ("placed", "proposal"), ("packed", "negotiation"), ("won", "closed_won"), ("lost", "closed_lost"),
    ])
]
Build = Callable[..., Ask]
Moves = dict[str, list[tuple[str, str]]]
COUNT = {"measure": "count"}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """build(moves={deal: [(day, stage)]}, starts, won, **rows by entity) -> ask; deals of `goods` created 1 January."""

    def make(moves: Moves, starts: str = "", won: str = "", **given: list[dict[str, Any]]) -> Ask:
        store = Filled(f"sqlite:///{tmp_path / 'store.db'}")
        store.put("pipeline", [{"id": "sales", "name": "sales"},
                               {"id": "goods", "name": "goods", "starts": starts or None, "won": won or None}])
        store.put("stage", stage_rows(STAGES))
        store.put("deal", [{"id": deal, "created_at": day("01-01"), "amount": 1000_0000, "currency": "USD",
                            "pipeline": "goods"} for deal in moves])
        store.put("stage_transition", [
            {"deal": deal, "occurred_at": day(on), "sequence": number, "to_stage": stage,
             "to_pipeline": "sales" if stage.startswith("s_") else "goods"}
            for deal, chain in moves.items() for number, (on, stage) in enumerate(chain)
        ])
        for entity, entries in given.items():
            store.put(entity, entries)
        store.known_until("2025-06-01T00:00:00+00:00")
        return asking(store.url, "UTC", "USD")

    return make


def opened(ask: Ask, *months: str, **given: Any) -> list[str | None]:
    """How many deals are open at the end of each month."""
    return [value.value for value in ask("open_pipeline", options=COUNT, periods=list(months), **given)]


def test_a_deal_begins_at_its_first_order(build: Build) -> None:
    """Created 1 January, ordered 1 and 5 March, won 11 March: a cycle of 10 days, a deal of March's cohort."""
    ask = build({"1": [("01-01", "placed"), ("03-11", "won")]}, "sales_order.ordered_at",
                sales_order=[order("o1", "03-01", deal=ref("1")), order("o2", "03-05", deal=ref("1"))])
    assert one(ask, "cycle_length") == "10.000000"
    cohort = {value.period: value.value for value in ask("won_count", options={"count_by": "cohort"}, periods=[
        "2025-01", "2025-03"])}
    assert cohort == {"2025-01": "0", "2025-03": "1"}
    assert one(ask, "stage_duration", where={"stage": "placed"}) == "10.000000"  # identity 8: nothing before the start


def test_before_its_start_a_deal_is_in_no_number(build: Build) -> None:
    """As of 28 February no order is known to have happened."""
    moves: Moves = {"1": [("01-01", "placed"), ("02-01", "packed")]}
    ask = build(moves, "sales_order.ordered_at", sales_order=[order("o1", "03-01", deal=ref("1"))])
    assert opened(ask, "2025-02", "2025-03") == ["0", "1"]
    assert opened(ask, "2025-02", as_of="2025-02-28T00:00:00+00:00") == ["0"]
    entries = {value.dimensions["stage"]: value.value for value in ask("stage_entries", every="all")}
    assert (entries["placed"], entries["packed"]) == ("0", "1")  # it begins in the stage it is in by then
    early = ask("stage_entries", every="all", as_of="2025-02-28T00:00:00+00:00")
    assert {value.value for value in early} == {"0"}


def test_drafts_and_cancelled_orders_start_nothing(build: Build) -> None:
    ask = build({"1": [("01-01", "placed")]}, "sales_order.ordered_at", sales_order=[
        order("o1", "03-01", deal=ref("1"), state="draft"), order("o2", "03-02", deal=ref("1"), state="cancelled"),
    ])
    assert opened(ask, "2025-03") == ["0"]


def test_a_deal_without_moves_enters_the_first_stage(build: Build) -> None:
    ask = build({"1": []}, "sales_order.ordered_at", sales_order=[order("o1", "03-01", deal=ref("1"))])
    (value,) = ask("open_pipeline", options=COUNT, by="stage", periods=["2025-03"], where={"stage": "placed"})
    assert value.value == "1"


def test_a_deal_whose_first_move_comes_after_its_start_is_in_the_first_stage_until_then(build: Build) -> None:
    ask = build({"1": [("03-05", "packed")]}, "sales_order.ordered_at",
                sales_order=[order("o1", "03-01", deal=ref("1"))])
    assert one(ask, "stage_duration", where={"stage": "placed"}) == "4.000000"


@pytest.mark.parametrize(("won", "on"), [
    ("delivery_note.delivered_at", "5"), ("invoice.invoiced_at", "7"), ("payment.paid_at", "9"),
    ("contract.signed_at", "11"),
])
def test_a_deal_is_won_at_the_first_event_through_its_order(build: Build, won: str, on: str) -> None:
    """Ordered 1 March; delivered on the 6th, invoiced on the 8th, paid on the 10th and 20th, signed on the 12th."""
    ask = build(
        {"1": [("01-01", "placed"), ("03-04", "won")]}, "sales_order.ordered_at", won,
        sales_order=[order("o", "03-01", deal=ref("1"))],
        delivery_note=[delivery("d", "o", "03-06")], invoice=[invoice("i", "o", "03-08")],
        payment=[payment("p1", "i", "03-10", 1), payment("p2", "i", "03-20", 1)],
        contract=[{"id": "c", "deal": ref("1"), "signed_at": day("03-12")}],
    )
    assert one(ask, "cycle_length") == f"{on}.000000"
    before = ask("won_count", every="all", as_of="2025-03-05T00:00:00+00:00")[0]
    assert before.value == "0"  # the CRM's own won stage is not the event
    (still,) = ask("open_pipeline", options=COUNT, every="all", as_of="2025-03-05T00:00:00+00:00")
    assert still.value == "1"


def test_an_invoice_taken_back_wins_no_deal(build: Build) -> None:
    """Ordered 1 March; invoiced on the 8th, credited as a whole, and invoiced again on the 20th: 19 days."""
    ask = build({"1": [("01-01", "placed")]}, "sales_order.ordered_at", "invoice.invoiced_at",
                sales_order=[order("o", "03-01", deal=ref("1"))],
                invoice=[invoice("wrong", "o", "03-08", state="credited"), invoice("right", "o", "03-20")])
    assert one(ask, "cycle_length") == "19.000000"


def test_after_the_won_event_open_stages_count_for_nothing_and_a_loss_does(build: Build) -> None:
    moves: Moves = {"1": [("01-01", "placed"), ("03-20", "packed")], "2": [("01-01", "placed"), ("03-20", "lost")]}
    ask = build(moves, "", "delivery_note.delivered_at",
                sales_order=[order("o1", "03-01", deal=ref("1")), order("o2", "03-01", deal=ref("2"))],
                delivery_note=[delivery("d1", "o1", "03-06"), delivery("d2", "o2", "03-06")])
    (rate,) = ask("win_rate_count", every="all")
    assert (rate.numerator, rate.denominator) == ("1", "2")
    assert one(ask, "cycle_length") == "64.000000"  # from its creation on 1 January


def test_paid_before_it_was_ordered_is_won_at_once(build: Build) -> None:
    ask = build({"1": []}, "sales_order.ordered_at", "payment.paid_at",
                sales_order=[order("o", "03-10", deal=ref("1"))], invoice=[invoice("i", "o", "03-01")],
                payment=[payment("p", "i", "03-02", 1)])
    assert one(ask, "cycle_length") == "0.000000"
    assert opened(ask, "2025-03") == ["0"]


def test_a_deal_handed_over_began_when_it_was_created(build: Build) -> None:
    """R10: created 1 January in sales, handed over on 10 March, delivered on 20 March: 78 days."""
    moves: Moves = {"1": [("01-01", "s_placed"), ("03-10", "placed")], "2": [("01-01", "s_placed"), ("02-01", "s_won")]}
    ask = build(moves, "sales_order.ordered_at", "delivery_note.delivered_at",
                sales_order=[order("o", "03-01", deal=ref("1")), order("o2", "03-01", deal=ref("2"))],
                delivery_note=[delivery("d", "o", "03-20"), delivery("d2", "o2", "03-20")])
    days = {value.subject.key: value.value for value in ask("cycle_length", per="pipeline", every="all")}
    assert days == {"goods": "78.000000", "sales": "31.000000"}


def test_a_deal_begun_by_an_order_is_explained_by_it(build: Build, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "moves": {"1": [("01-01", "placed"), ("03-04", "won")]}, "starts": "sales_order.ordered_at",
        "won": "delivery_note.delivered_at", "sales_order": [order("o", "03-01", deal=ref("1"))],
        "delivery_note": [delivery("d", "o", "03-06")],
    }
    assert cited(build, tmp_path, "won_value", **given) == [
        ([("deal", "1"), ("sales_order", "o"), ("delivery_note", "d")], 1000_0000)
    ]


def test_northwind_as_a_pipeline_from_order_to_shipment(tmp_path: Path) -> None:
    """The same 830 orders as deals without a stage: begun when ordered, won when shipped; its ground truth again."""
    ask = asking(northwind(f"sqlite:///{tmp_path / 'store.db'}", as_deals=True).url, "UTC", "USD")
    for row in rows("northwind_erp/ground_truth/06_open_orders.csv"):
        given: dict[str, Any] = {"every": "day", "periods": [row["as_of"]]}
        (count,), (value,) = (ask("open_pipeline", options=option, **given) for option in (COUNT, {}))
        assert (count.value, value.value) == (row["open_orders"], row["amount"])
    (truth,) = rows("northwind_erp/ground_truth/03_order_to_ship.csv")
    (median,) = ask("cycle_length", every="all")
    assert (median.denominator, float(median.value or 0)) == (truth["shipped"], float(truth["median_days"]))

"""Orders, deliveries, invoices, money and contracts: the "E:" examples of metrics.md, and the awkward cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from connector import kpi
from connector.evidence import Evidences
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.composed import Composition
from connector.metrics.question import Group
from connector.metrics.registry.orders import dso
from connector.model import Subject
from connector.period import Calendar
from connector.store.known import KnownRows
from connector.store.snapshot import open_snapshot

from .conftest import Ask, asking
from .fill import Filled, at, ref, stage_rows

STAGES = [
    {"pipeline": "sales", "stage": stage, "display_order": str(place), "canonical": canonical, "probability": "0.5",
     "archived": "0"}
    for place, (stage, canonical) in enumerate([("new", "prospecting"), ("won", "closed_won"), ("lost", "closed_lost")])
]
Build = Callable[..., Ask]
ALL = {"every": "all"}


def day(text: str) -> int:
    """Midnight UTC of a day of 2025, as MM-DD; with a clock time after a blank."""
    on, _, clock = text.partition(" ")
    return at(f"2025-{on}T{clock or '00:00'}:00+00:00")


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """build(won={deal: day}, fx=…, **rows by entity) -> ask; deals are of A and worth 1,000 USD; 1 June is now."""

    def make(*, won: dict[str, str] | None = None, fx: str = "", **given: list[dict[str, Any]]) -> Ask:
        store = Filled(f"sqlite:///{tmp_path / 'store.db'}")
        store.put("pipeline", [{"id": "sales", "name": "sales"}])
        store.put("stage", stage_rows(STAGES))
        store.put("owner", [{"id": owner} for owner in "AB"])
        store.put("deal", [{"id": deal, "created_at": day("01-01"), "amount": 1000_0000, "currency": "USD",
                            "owner": ref("A")} for deal in won or {}])
        store.put("stage_transition", [
            {"deal": deal, "occurred_at": day(on), "to_pipeline": "sales", "to_stage": stage}
            for deal, closed in (won or {}).items() for on, stage in (("01-01", "new"), (closed, "won"))
        ])
        if fx:
            store.file("fx", "fx.csv", fx)
        for entity, entries in given.items():
            store.put(entity, entries)
        store.known_until("2025-06-01T00:00:00+00:00")
        return asking(store.url, "UTC", "USD")

    return make


def order(id_: str, on: str | None, **more: Any) -> dict[str, Any]:
    """An order of 1,000 USD."""
    when = {} if on is None else {"ordered_at": day(on)}
    return {"id": id_, "amount": 1000_0000, "currency": "USD", "state": "confirmed", **when, **more}


def delivery(id_: str, of: str, on: str, complete: int | None = None) -> dict[str, Any]:
    return {"id": id_, "sales_order": ref(of), "delivered_at": day(on), "complete": complete}


def invoice(id_: str, of: str, on: str, units: int | None = 1000_0000, **more: Any) -> dict[str, Any]:
    return {"id": id_, "sales_order": ref(of), "invoiced_at": day(on), "kind": "invoice", "amount": units,
            "currency": "USD", **more}


def payment(id_: str, of: str, on: str, units: int | None, currency: str = "USD") -> dict[str, Any]:
    return {"id": id_, "invoice": ref(of), "paid_at": day(on), "amount": units, "currency": currency}


EXAMPLE = {
    "sales_order": [order("1", "03-01")],
    "delivery_note": [delivery("d1", "1", "03-05", 0), delivery("d2", "1", "03-09", 1)],
    "invoice": [invoice("i1", "1", "03-10")],
    "payment": [payment("p1", "i1", "03-12", 300_0000), payment("p2", "i1", "04-20", 700_0000)],
}
"""E: ordered 1 Mar, delivered 5 and 9 Mar, invoiced 10 Mar, paid 30 % 12 Mar and 70 % 20 Apr."""


def one(ask: Ask, metric: str, **given: Any) -> str | None:
    """The only value of a question."""
    (value,) = ask(metric, **{**ALL, **given})
    return value.value


@pytest.mark.parametrize(("metric", "complete", "first"), [
    ("order_to_delivery", "8", "4"), ("delivery_to_invoice", "1", "5"), ("invoice_to_payment", "41", "2"),
    ("order_to_cash", "50", "11"),
])
def test_the_way_of_an_order_in_parts(build: Build, metric: str, complete: str, first: str) -> None:
    """E: order_to_delivery 8, order_to_cash 50."""
    ask = build(**EXAMPLE)
    assert one(ask, metric) == f"{complete}.000000"
    assert one(ask, metric, options={"variant": "first"}) == f"{first}.000000"


def test_a_step_is_in_the_period_of_its_end(build: Build) -> None:
    """order_to_cash: the last money came in April; before it the order is open, not short (R11)."""
    ask = build(**EXAMPLE)
    found = {value.period: value.denominator for value in ask("order_to_cash")}
    assert found == {"2025-03": "0", "2025-04": "1", "2025-05": "0", "2025-06": "0"}
    before = ask("order_to_cash", as_of="2025-04-19T00:00:00+00:00", every="all")[0]
    assert (before.value, before.denominator) == (None, "0")
    assert one(ask, "order_to_delivery", as_of="2025-03-08T00:00:00+00:00") is None


def test_notes_that_do_not_say_whether_they_complete_the_order(build: Build) -> None:
    """The last one so far is taken as the last one."""
    notes = [delivery("d1", "1", "03-05"), delivery("d2", "1", "03-09")]
    assert one(build(sales_order=[order("1", "03-01")], delivery_note=notes), "order_to_delivery") == "8.000000"


def test_an_order_not_wholly_delivered_has_no_complete_delivery_unless_it_is_done(build: Build) -> None:
    orders = [order("1", "03-01"), order("2", "03-01", state="done")]
    ask = build(sales_order=orders, delivery_note=[delivery(f"d{id_}", id_, "03-05", 0) for id_ in "12"])
    (value,) = ask("order_to_delivery", every="all")
    assert (value.value, value.denominator) == ("4.000000", "1")


def test_prepayment_gives_a_negative_step_that_is_kept(build: Build) -> None:
    """R17."""
    ask = build(sales_order=[order("1", "03-01")], invoice=[invoice("i1", "1", "03-10")],
                payment=[payment("p1", "i1", "03-03", 1000_0000)])
    assert one(ask, "invoice_to_payment") == "-7.000000"
    assert one(ask, "order_to_cash") == "2.000000"


def test_half_invoiced_or_half_paid_is_not_complete(build: Build) -> None:
    orders = [order("1", "03-01"), order("2", "03-01")]
    ask = build(sales_order=orders, invoice=[invoice("i1", "1", "03-10", 500_0000), invoice("i2", "2", "03-10")],
                payment=[payment("p1", "i1", "03-12", 500_0000), payment("p2", "i2", "03-12", 999_9900)])
    assert one(ask, "order_to_cash") is None
    assert one(ask, "order_to_cash", options={"variant": "first"}) == "11.000000"
    assert one(ask, "invoice_to_payment") == "2.000000"  # the one paid in full


def test_an_invoice_whose_state_says_paid_is_complete_with_its_last_payment(build: Build) -> None:
    """A discount was taken: 980 of 1,000."""
    ask = build(sales_order=[order("1", "03-01")], invoice=[invoice("i1", "1", "03-10", state="paid")],
                payment=[payment("p1", "i1", "03-20", 980_0000)])
    assert one(ask, "invoice_to_payment") == "10.000000"
    assert {value.period: value.value for value in ask("receivables")} == {
        "2025-03": "0.00", "2025-04": "0.00", "2025-05": "0.00", "2025-06": "0.00",
    }


def test_an_invoice_without_amount_is_no_invoice_of_nothing(build: Build) -> None:
    """R14: nobody knows what it comes to, but when money first came is known, and the last of it where it is paid. One
    of nothing needs no money."""
    ask = build(
        sales_order=[order("1", "03-01")],
        invoice=[invoice("i1", "1", "03-10", None), invoice("i2", "1", "03-10", None, state="paid"),
                 invoice("i3", "1", "03-10", 0)],
        payment=[payment(f"p{number}", f"i{number}", on, None) for number, on in ((1, "03-14"), (2, "03-20"))],
    )
    first, complete = (ask("invoice_to_payment", every="all", options={"stat": "mean", "variant": word})[0]
                       for word in ("first", "complete"))
    assert (first.value, first.denominator) == ("7.000000", "2")
    assert (complete.value, complete.denominator) == ("10.000000", "1")


def test_a_payment_in_another_currency_counts_at_the_rates_of_its_day(build: Build) -> None:
    """800 EUR at 1.25 are the 1,000 USD of the invoice."""
    ask = build(fx="currency,valid_from,rate\nEUR,2025-01-01,1.25\n", sales_order=[order("1", "03-01")],
                invoice=[invoice("i1", "1", "03-10")], payment=[payment("p1", "i1", "03-20", 800_0000, "EUR")])
    assert one(ask, "invoice_to_payment") == "10.000000"


def test_drafts_and_cancelled_orders_count_nowhere(build: Build) -> None:
    """Cancelled apart. One of tomorrow is not placed yet; one without amount is in the count only (R14)."""
    orders = [order("1", "03-01"), order("2", "03-01", state="draft"), order("3", "03-02", state="cancelled"),
              order("4", "06-02"), order("5", "03-31 23:59", amount=None), order("6", None)]
    ask = build(sales_order=orders, delivery_note=[delivery("d", "3", "03-05", 1)])
    assert one(ask, "order_count", every="month", periods=["2025-03"]) == "2"
    (value,) = ask("order_value", periods=["2025-03"])
    assert (value.value, value.left_out_amount, value.left_out_rate) == ("1000.00", 1, 0)
    assert one(ask, "order_to_delivery") is None


def test_order_value_is_converted_at_the_day_of_the_order(build: Build) -> None:
    """R13; GBP has no rate and is left out."""
    rates = "currency,valid_from,rate\nEUR,2025-01-01,2\nEUR,2025-03-02,3\n"
    orders = [order("1", "03-01", currency="EUR"), order("2", "03-02", currency="EUR"),
              order("3", "03-02", currency="GBP")]
    (value,) = build(fx=rates, sales_order=orders)("order_value", periods=["2025-03"])
    assert (value.value, value.left_out_rate) == ("5000.00", 1)


def test_an_order_is_its_owner_s_or_else_that_of_its_deal_then(build: Build) -> None:
    """Identity 3: with nobody, owners add up to the total. C is known from an order only."""
    changes = [{"deal": "1", "field": "owner", "occurred_at": day(on), "new": ref(new)}
               for on, new in (("01-01", "A"), ("03-10", "B"))]
    orders = [order("1", "03-01", deal=ref("1")), order("2", "03-11", deal=ref("1")),
              order("3", "03-11", deal=ref("1"), owner=ref("A")), order("4", "03-12"),
              order("5", "03-12", owner=ref("C"))]
    ask = build(won={"1": "02-20"}, deal_change=changes, sales_order=orders)
    found = {value.subject.key: value.value for value in ask("order_count", per="owner", periods=["2025-03"])}
    assert found == {"crm:A": "2", "crm:B": "1", "crm:C": "1", "none": "1"}
    of_pipeline = ask("order_count", per="pipeline", periods=["2025-03"])
    assert {value.subject.key: value.value for value in of_pipeline} == {"sales": "3", "none": "2"}


def test_deal_to_order_lag_runs_from_the_win_and_may_be_negative(build: Build) -> None:
    ask = build(won={"1": "02-20", "2": "03-06"}, sales_order=[
        order("1", "03-01", deal=ref("1")), order("2", "03-01", deal=ref("2")), order("3", "03-01"),
    ])
    (value,) = ask("deal_to_order_lag", every="all", options={"stat": "mean"})
    assert (value.value, value.denominator) == ("2.000000", "2")  # 9 and -5


def test_on_time_is_on_the_agreed_day(build: Build) -> None:
    """A day has no hour: delivered at 17:00 of the agreed day is on time. Without such a day it is in neither."""
    orders = [order(id_, "03-01", required_at=day("03-10")) for id_ in "123"] + [order("4", "03-01")]
    notes = [delivery("d1", "1", "03-10 17:00"), delivery("d2", "2", "03-11"), delivery("d3", "3", "03-02"),
             delivery("d4", "4", "03-02")]
    (value,) = build(sales_order=orders, delivery_note=notes)("on_time_rate", every="all")
    assert (value.numerator, value.denominator) == ("2", "3")


def test_late_payment_is_paid_after_the_due_day_or_unpaid_past_it(build: Build) -> None:
    due = {"due_at": day("04-10")}
    invoices = [invoice(id_, "1", "03-10", **due) for id_ in ("on the day", "late", "unpaid")]
    invoices += [invoice("paid, unknown when", "1", "03-10", state="paid", **due),
                 invoice("credit", "1", "03-10", **due) | {"kind": "credit_note"},
                 invoice("no due day", "1", "03-10"), invoice("not due", "1", "03-10", due_at=day("06-10"))]
    payments = [payment("p1", "on the day", "04-10 15:00", 1000_0000), payment("p2", "late", "04-11", 1000_0000)]
    ask = build(sales_order=[order("1", "03-01")], invoice=invoices, payment=payments)
    (value,) = ask("late_payment_rate", periods=["2025-04"])
    assert (value.numerator, value.denominator) == ("2", "3")
    on_the_day = ask("late_payment_rate", as_of="2025-04-10T12:00:00+00:00", every="all")[0]
    assert (on_the_day.numerator, on_the_day.denominator) == ("0", "3")  # the day is not over


def test_receivables_and_days_of_sales_they_are(build: Build) -> None:
    """E: 150 000 / 450 000 x 30 = 10 d; April has 30 days."""
    ask = build(invoice=[invoice("i1", "", "04-05", 300_000_0000), invoice("i2", "", "04-20", 150_000_0000)],
                payment=[payment("p1", "i1", "04-10", 300_000_0000)])
    assert one(ask, "receivables", every="month", periods=["2025-04"]) == "150000.00"
    (value,) = ask("dso", periods=["2025-04"])
    assert (value.value, value.numerator, value.denominator, value.unit, value.currency) == (
        "10.000000", "150000.00", "450000.00", "days", None,
    )
    assert one(ask, "dso", every="month", periods=["2025-05"]) is None  # nothing sold


def test_days_of_sales_counted_back(build: Build) -> None:
    """Sold 300 000 in March, 200 000 in April, 100 000 in May, of which 250 000 are owed at May's end: all of May, 31
    days, and 150 of April's 200, 22.5 of 30. The simple way has 250 / 100 x 31. At March's end nothing was owed."""
    ask = build(invoice=[invoice("i1", "", "03-05", 300_000_0000), invoice("i2", "", "04-20", 200_000_0000),
                         invoice("i3", "", "05-20", 100_000_0000)],
                payment=[payment("p1", "i1", "03-10", 300_000_0000), payment("p2", "i2", "05-10", 50_000_0000)])
    back = {"every": "month", "options": {"method": "countback"}}
    (may,) = ask("dso", periods=["2025-05"], **back)
    assert (may.value, may.numerator, may.denominator) == ("53.500000", "250000.00", "100000.00")
    assert one(ask, "dso", every="month", periods=["2025-05"]) == "77.500000"
    assert one(ask, "dso", periods=["2025-03"], **back) == "0.000000"


def countback(owed: int, *sold: int, period: str = "2025-07", as_of: int = 2**62) -> str | None:
    """The metric of numbers given by hand: what was sold in the period, in the one before it, and so on."""
    terms = {name: Group(0, "company", "company", ()) for name in CATALOGUE["dso"].made_of}
    names = ["invoiced", *(name for name in terms if name.startswith("invoiced_"))]
    terms |= {name: terms[name]._replace(amount=amount) for name, amount in zip(names, sold, strict=False)}
    terms["receivables"] = terms["receivables"]._replace(amount=owed)
    return dso(Composition(terms, Calendar().parse(period), as_of, "USD", {"method": "countback"})).value


def test_counting_back_goes_through_months_without_sales_and_as_far_as_a_year() -> None:
    """July nothing, June 100, May 200, of 250 owed: 31 + 30 + 0.75 x 31. Of a quarter the quarter before has 91 days.

    What is not covered by twelve periods is no number. Of nothing owed it is 0, and more credited than sold covers
    nothing."""
    assert countback(250, 0, 100, 200) == "84.250000"
    assert countback(150, 50, 200, period="2025-Q3") == "137.500000"  # 92 + 91 / 2
    assert countback(1200, *[100] * 12) == "365.000000"
    assert countback(1201, *[100] * 12) is None
    assert (countback(0, 100), countback(-50, 100), countback(50, -20, 100)) == ("0.000000", "0.000000", "46.000000")


@pytest.mark.parametrize("told", [100_0000, -100_0000])
def test_credit_notes_reduce_both(build: Build, told: int) -> None:
    """100 of 500 credited, told as a positive or as a negative amount; nothing paid yet: 30 days."""
    ask = build(invoice=[invoice("i1", "", "04-05", 500_0000),
                         invoice("c1", "", "04-06", told) | {"kind": "credit_note"}])
    april = {"every": "month", "periods": ["2025-04"]}
    found = [one(ask, metric, **april) for metric in ("receivables", "invoiced_value", "dso")]
    assert found == ["400.00", "400.00", "30.000000"]


def test_an_invoice_taken_back_was_invoiced_but_is_no_way_to_cash(build: Build) -> None:
    """1 000 invoiced in March, credited in April, invoiced again in May; paid on 20 May, 80 days after the order."""
    ask = build(
        sales_order=[order("1", "03-01")],
        invoice=[invoice("wrong", "1", "03-10", state="credited", due_at=day("04-01")),
                 invoice("note", "1", "04-05", -1000_0000, state="credited") | {"kind": "credit_note"},
                 invoice("right", "1", "05-02", due_at=day("06-10"))],
        payment=[payment("p1", "right", "05-20", 1000_0000)],
    )
    months = {"every": "month", "periods": ["2025-03", "2025-04", "2025-05"]}
    sold = [value.value for value in ask("invoiced_value", **months)]
    owed = [value.value for value in ask("receivables", **months)]
    assert (sold, owed) == (["1000.00", "-1000.00", "1000.00"], ["1000.00", "0.00", "0.00"])
    assert one(ask, "order_to_cash") == "80.000000"
    assert ask("late_payment_rate", every="all")[0].denominator == "0"


def test_a_running_period_has_the_days_so_far(build: Build) -> None:
    """As of 10 April midnight: 9 days, all of it owed."""
    ask = build(invoice=[invoice("i1", "", "04-05", 500_0000)])
    assert one(ask, "dso", as_of="2025-04-09T23:59:59.999999+00:00", every="month", periods=["2025-04"]) == "9.000000"


def test_part_payments_and_money_in_advance(build: Build) -> None:
    """1 000 invoiced in March, 250 paid in February, 250 in April; unknown amounts are left out and counted."""
    ask = build(invoice=[invoice("i1", "", "03-10"), invoice("i2", "", "04-10", None)],
                payment=[payment("p1", "i1", "02-10", 250_0000), payment("p2", "i1", "04-10", 250_0000)])
    found = {value.period: (value.value, value.left_out_amount) for value in ask("receivables")}
    assert found == {"2025-03": ("750.00", 0), "2025-04": ("500.00", 1), "2025-05": ("500.00", 1),
                     "2025-06": ("500.00", 1)}


def contract(id_: str, deal: str, sent: str | None, signed: str | None, **more: Any) -> dict[str, Any]:
    return {"id": id_, "deal": ref(deal), "sent_at": sent and day(sent), "signed_at": signed and day(signed), **more}


def test_contracts_from_the_win_to_the_last_signature(build: Build) -> None:
    """E: won 20 Jan, signed 27 Jan: 7 d. One signed four days before the win is kept; turnaround is of one document."""
    ask = build(won={"1": "01-20", "2": "01-31"}, contract=[
        contract("1", "1", "01-22", "01-27"), contract("2", "2", "01-28", "01-27"), contract("3", "", "01-20", "01-27"),
    ])
    assert one(ask, "contract_signed_lag", options={"stat": "mean"}) == "1.500000"  # 7 and -4
    assert one(ask, "contract_signed_lag", where={"owner": "crm:A"}, options={"stat": "p90"}) == "5.900000"
    (value,) = ask("e_sign_turnaround", every="all")
    assert (value.value, value.denominator, value.left_out_duration) == ("6.000000", "2", 1)  # 5 and 7


def test_a_contract_unsigned_after_14_days_is_flagged(build: Build) -> None:
    """Won 20 January: flagged from 3 February until it is signed on 5 March; one of no won deal from its sending on."""
    ask = build(won={"1": "01-20"}, contract=[
        contract("1", "1", None, "03-05"), contract("2", "", "02-20", None), contract("3", "1", None, None,
                                                                                    state="voided"),
    ])
    found = {value.period: value.value for value in ask("contracts_unsigned", every="month", periods=[
        "2025-01", "2025-02", "2025-03", "2025-04"])}
    assert found == {"2025-01": "0", "2025-02": "1", "2025-03": "1", "2025-04": "1"}
    early = ask("contracts_unsigned", options={"days": 40}, periods=["2025-02", "2025-03"])
    assert [value.value for value in early] == ["0", "0"]
    owned = ask("contracts_unsigned", per="owner", periods=["2025-02"])
    assert {value.subject.key: value.value for value in owned} == {"crm:A": "1", "crm:B": "0"}


def cited(build: Build, folder: Path, metric: str, **given: Any) -> list[tuple[list[tuple[str, str]], int | None]]:
    """What each member of a metric over all time is explained by: role and id of its rows, and its own amount."""
    build(**given)
    url = f"sqlite:///{folder / 'store.db'}"
    question = kpi.KpiDefinition(metric, metric, every="all")
    engine = create_engine(url)
    with (
        open_snapshot(url) as snapshot, kpi.Reading(snapshot, Calendar(), "USD") as reading,
        engine.connect() as connection,
    ):
        found = reading.members(question, Subject("company", "company"), "all")
        known = KnownRows(connection, snapshot.as_of, snapshot.known_at)
        evidences = Evidences(CATALOGUE[metric], found, known, kpi.rates(snapshot, "USD"), Calendar())
        told = [evidences.of(member) for member in found]
    engine.dispose()
    return [([(one.role, one.row["id"]) for one in each.cited], each.worth and each.worth.amount) for each in told]


def test_an_order_s_way_is_explained_by_its_documents(build: Build, tmp_path: Path) -> None:
    """In order of time; what is to come, or was cancelled, is no part of it."""
    more = {**EXAMPLE, "delivery_note": [*EXAMPLE["delivery_note"], delivery("d3", "1", "07-01", 1)]}
    assert cited(build, tmp_path, "order_to_cash", **more) == [([
        ("sales_order", "1"), ("delivery_note", "d1"), ("delivery_note", "d2"), ("invoice", "i1"), ("payment", "p1"),
        ("payment", "p2"),
    ], None)]


def test_what_is_owed_is_explained_by_the_invoice_and_its_payments(build: Build, tmp_path: Path) -> None:
    given = {**EXAMPLE, "payment": EXAMPLE["payment"][:1]}
    assert cited(build, tmp_path, "receivables", **given) == [([("invoice", "i1"), ("payment", "p1")], None)]


def test_a_credit_note_is_worth_less_than_nothing(build: Build, tmp_path: Path) -> None:
    credit = invoice("c1", "", "04-06", 100_0000) | {"kind": "credit_note"}
    assert cited(build, tmp_path, "invoiced_value", invoice=[credit]) == [([("invoice", "c1")], -100_0000)]

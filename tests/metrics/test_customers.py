"""New and repeat revenue, retention, concentration: the "E:" examples of metrics.md, and the awkward cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Ask, asking
from .fill import Filled, ref, stage_rows
from .test_orders import STAGES, day, invoice, one, order

Build = Callable[..., Ask]
ORDERED = {"source": "ordered"}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """build(deals={id: (customer, day won, units of USD)}, fx=…, **rows by entity) -> ask; 1 June is now."""

    def make(
        deals: dict[str, tuple[str, str, int]] | None = None, *, fx: str = "", **given: list[dict[str, Any]]
    ) -> Ask:
        store = Filled(f"sqlite:///{tmp_path / 'store.db'}")
        store.put("pipeline", [{"id": "sales", "name": "sales"}])
        store.put("stage", stage_rows(STAGES))
        store.put("owner", [{"id": owner} for owner in "AB"])
        store.put("deal", [
            {"id": id_, "created_at": day("01-01"), "amount": units * 10_000, "currency": "USD", "owner": ref("A"),
             "account": ref(account)}
            for id_, (account, _, units) in (deals or {}).items()
        ])
        store.put("stage_transition", [
            {"deal": id_, "occurred_at": day(on), "to_pipeline": "sales", "to_stage": stage}
            for id_, (_, closed, _) in (deals or {}).items() for on, stage in (("01-01", "new"), (closed, "won"))
        ])
        if fx:
            store.file("fx", "fx.csv", fx)
        for entity, entries in given.items():
            store.put(entity, entries)
        store.known_until("2025-06-01T00:00:00+00:00")
        return asking(store.url, "UTC", "USD")

    return make


def by_word(ask: Ask, month: str, **given: Any) -> dict[str, str | None]:
    """New, repeat and unknown revenue of a month."""
    values = ask("new_vs_repeat_revenue", periods=[month], **given)
    return {value.dimensions["customer"]: value.value for value in values}


def test_new_and_repeat_revenue(build: Build) -> None:
    """E: 4 000 new, 6 000 repeat: 0.60. C buys twice on its first day: both are new. No customer: a row of its own."""
    ask = build({
        "1": ("C", "03-05 09:00", 1000), "2": ("C", "03-05 17:00", 3000), "3": ("D", "02-05", 500),
        "4": ("D", "03-06", 6000), "5": ("", "03-07", 700),
    })
    assert by_word(ask, "2025-03") == {"new": "4000.00", "repeat": "6000.00", "unknown": "700.00"}
    (share,) = ask("repeat_share", periods=["2025-03"])
    assert (share.value, share.numerator, share.denominator) == ("0.600000", "6000.00", "10000.00")
    assert by_word(ask, "2025-04") == {"new": "0.00", "repeat": "0.00", "unknown": "0.00"}
    assert ask("repeat_share", periods=["2025-04"])[0].value is None
    assert by_word(ask, "2025-03", per="owner", subject="crm:A")["repeat"] == "6000.00"


def test_a_later_win_is_not_known_before_it(build: Build) -> None:
    """As of 1 March D has bought nothing."""
    ask = build({"1": ("D", "03-05", 1000)})
    assert one(ask, "new_customers", as_of="2025-03-01T00:00:00+00:00") == "0"
    assert one(ask, "new_customers") == "1"


def test_a_customer_that_had_bought_before_anything_is_told_is_no_new_one(build: Build) -> None:
    """Its first deal was already won, nobody knows when, at the first sight."""
    moves = [{"deal": "0", "occurred_at": day("01-15"), "to_pipeline": "sales", "to_stage": "won", "origin": "initial"}]
    ask = build({"1": ("C", "03-05", 1000)}, stage_transition=moves, deal=[
        {"id": "0", "amount": 500_0000, "currency": "USD", "account": ref("C")},
    ])
    assert by_word(ask, "2025-03")["repeat"] == "1000.00"
    assert one(ask, "new_customers") == "0"


def test_what_counts_as_buying_is_an_option(build: Build) -> None:
    """Won 1 000 in March; ordered 900 in April, of D who ordered in March; invoiced 800 in May, 100 of it credited."""
    ask = build(
        {"1": ("C", "03-05", 1000)},
        sales_order=[order("1", "03-01", account=ref("D")),
                     order("2", "04-01", account=ref("D"), amount=900_0000),
                     order("3", "04-01", account=ref("E"), state="cancelled")],
        invoice=[invoice("1", "", "05-05", 800_0000, account=ref("F")),
                 invoice("2", "", "05-06", 100_0000, account=ref("F")) | {"kind": "credit_note"}],
    )
    assert by_word(ask, "2025-03")["new"] == "1000.00"
    assert by_word(ask, "2025-04", options=ORDERED) == {"new": "0.00", "repeat": "900.00", "unknown": "0.00"}
    invoiced = by_word(ask, "2025-05", options={"source": "invoiced"})
    assert invoiced == {"new": "800.00", "repeat": "-100.00", "unknown": "0.00"}
    (share,) = ask("repeat_share", periods=["2025-04"], options=ORDERED)
    assert (share.value, share.left_out_amount) == ("1.000000", 0)


def test_retention_of_customers(build: Build) -> None:
    """E: 46 customers, 33 return: 0.717. Who comes only now is in neither; twice in a month counts once."""
    deals = {f"a{number}": (f"C{number}", "02-10", 100) for number in range(46)}
    deals |= {f"b{number}": (f"C{number}", "03-10", 100) for number in range(33)}
    deals |= {"again": ("C0", "03-20", 100), "twice": ("C45", "02-20", 100), "new": ("N", "03-10", 100)}
    ask = build(deals)
    (value,) = ask("customer_retention", periods=["2025-03"])
    assert (value.value, value.numerator, value.denominator) == ("0.717391", "33", "46")
    april = ask("customer_retention", periods=["2025-04"])[0]
    assert (april.value, april.numerator, april.denominator) == ("0.000000", "0", "34")
    assert ask("customer_retention", periods=["2025-02"])[0].value is None  # nobody bought in January
    assert one(ask, "customer_retention") is None  # there is nothing before all time
    (quarter,) = ask("customer_retention", every="quarter", periods=["2025-Q2"])
    assert (quarter.numerator, quarter.denominator) == ("0", "47")


def test_retention_of_revenue(build: Build) -> None:
    """C 1 000, then 1 500; D 1 000, then 400; E only then; F only now. Net 1 900 / 2 500, gross 1 400 / 2 500."""
    ask = build({
        "1": ("C", "02-10", 1000), "2": ("C", "03-10", 1500), "3": ("D", "02-10", 600), "4": ("D", "02-11", 400),
        "5": ("D", "03-10", 400), "6": ("E", "02-10", 500), "7": ("F", "03-10", 9000),
    })
    (net,), (gross,) = (ask(f"revenue_retention_{kind}", periods=["2025-03"]) for kind in ("net", "gross"))
    assert (net.value, net.numerator, net.denominator, net.unit) == ("0.760000", "1900.00", "2500.00", "ratio")
    assert (gross.value, gross.numerator) == ("0.560000", "1400.00")


def test_a_change_of_rates_is_no_change_of_customers(build: Build) -> None:
    """R13, constant rate: 100 EUR in both months, at 1 in February and 2 in March."""
    rates = "currency,valid_from,rate\nEUR,2025-01-01,1\nEUR,2025-03-01,2\n"
    orders = [order(id_, on, account=ref("C"), amount=100_0000, currency="EUR")
              for id_, on in (("1", "02-10"), ("2", "03-10"))]
    (net,) = build(fx=rates, sales_order=orders)("revenue_retention_net", periods=["2025-03"], options=ORDERED)
    assert (net.value, net.denominator) == ("1.000000", "200.00")


def test_concentration_in_the_top_fifth_rounded_up(build: Build) -> None:
    """Six customers: the top two (6 / 5, rounded up) have 500 + 400 of 1 200; they are the company's, per owner too."""
    spent = {"C": 500, "D": 400, "E": 100, "F": 100, "G": 50, "H": 50}
    accounts = [{"id": id_, "owner": ref("A" if id_ in "CE" else "B")} for id_ in spent]
    ask = build({id_: (id_, "03-10", units) for id_, units in spent.items()}, account=accounts)
    (value,) = ask("concentration", periods=["2025-03"])
    assert (value.value, value.numerator, value.denominator) == ("0.750000", "900.00", "1200.00")
    owned = {value.subject.key: value.numerator for value in ask("concentration", per="owner", periods=["2025-03"])}
    assert owned == {"crm:A": "500.00", "crm:B": "400.00"}


def test_customers_without_rate_or_amount_are_left_out_and_counted(build: Build) -> None:
    """R13, R14: of D only a part is known."""
    orders = [order("1", "03-01", account=ref("C"), currency="GBP"), order("2", "03-01", account=ref("D"), amount=None),
              order("3", "03-02", account=ref("D"))]
    (value,) = build(sales_order=orders)("concentration", periods=["2025-03"], options=ORDERED)
    assert (value.denominator, value.left_out_rate, value.left_out_amount) == ("1000.00", 1, 1)

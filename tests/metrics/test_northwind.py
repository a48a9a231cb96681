"""The ground truth of tests/data/northwind_erp: 830 orders of 89 customers, some never shipped; no deals, no invoices.

Money is compared to the cent, ratios and days to the places the ground truth has.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from connector.model import KpiValue

from .conftest import Ask, asking
from .fill import northwind, rows

TRUTH = "northwind_erp/ground_truth"
ORDERED = {"source": "ordered"}


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Questions about tests/data/northwind_erp, in UTC and USD, at the end of its last day."""
    return asking(northwind(f"sqlite:///{tmp_path_factory.mktemp('northwind') / 'store.db'}").url, "UTC", "USD")


def one(ask: Ask, metric: str, **given: Any) -> KpiValue:
    (value,) = ask(metric, every="all", **given)
    return value


def money(text: str) -> str:
    """The ground truth's number with the places of USD."""
    return f"{Decimal(text):.2f}"


def days(value: KpiValue, places: int = 4) -> Decimal:
    """A number of days as the ground truth is rounded."""
    return Decimal(value.value or "NaN").quantize(Decimal(10) ** -places, ROUND_HALF_UP)


def test_totals(ask: Ask) -> None:
    (truth,) = rows(f"{TRUTH}/01_totals.csv")
    assert one(ask, "order_count").value == truth["orders"]
    assert one(ask, "order_value").value == money(truth["revenue"])
    assert one(ask, "open_orders").value == truth["not_shipped"]
    assert one(ask, "open_orders", options={"measure": "value"}).value == money(truth["not_shipped_value"])
    on_time = one(ask, "on_time_rate")
    late = int(on_time.denominator or 0) - int(on_time.numerator or 0)
    assert str(late) == truth["shipped_late"]
    assert abs(1 - Decimal(on_time.value or 0) - Decimal(truth["late_share"])) <= Decimal("0.000001")
    assert one(ask, "new_customers", options=ORDERED).value == truth["customers"]
    daily = [value.period for value in ask("order_count", every="day") if value.value != "0"]
    assert (daily[0], daily[-1]) == (truth["first_day"], truth["last_day"])


def test_revenue_by_person_and_month(ask: Ask) -> None:
    truth = {(row["period"], f"crm:{row['EmployeeID']}"): row
             for row in rows(f"{TRUTH}/02_revenue_by_employee_month.csv")}
    for metric, column in (("order_count", "orders"), ("order_value", "revenue")):
        found = {(value.period, value.subject.key): value.value for value in ask(metric, per="owner")}
        wanted = {key: money(row[column]) if column == "revenue" else row[column] for key, row in truth.items()}
        assert {key: text for key, text in found.items() if Decimal(text or 0)} == wanted


def test_order_to_shipment(ask: Ask) -> None:
    (truth,) = rows(f"{TRUTH}/03_order_to_ship.csv")
    for stat in ("mean", "median", "p90"):
        value = one(ask, "order_to_delivery", options={"stat": stat})
        assert (value.denominator, days(value)) == (truth["shipped"], Decimal(truth[f"{stat}_days"]))
    delay = one(ask, "delivery_delay", options={"stat": "mean"})  # the ground truth has 0 for orders never shipped, too
    assert round(Decimal(delay.numerator or 0) / 830, 4) == Decimal(truth["mean_days_late"])


def test_order_to_shipment_by_month(ask: Ask) -> None:
    truth = rows(f"{TRUTH}/04_order_to_ship_by_month.csv")
    for stat in ("mean", "median"):
        found = {value.period: value for value in ask("order_to_delivery", options={"stat": stat})}
        assert {month: (value.denominator, days(value)) for month, value in found.items() if value.value} == {
            row["period"]: (row["shipped"], Decimal(row[f"{stat}_days"])) for row in truth
        }
    on_time = {value.period: value for value in ask("on_time_rate")}
    for row in truth:
        value = on_time[row["period"]]
        assert int(value.denominator or 0) - int(value.numerator or 0) == int(row["late"])


def test_new_and_repeat_revenue_by_month(ask: Ask) -> None:
    """All of a customer's first day is new."""
    truth = {row["period"]: row for row in rows(f"{TRUTH}/05_new_vs_repeat_by_month.csv")}
    found = {(value.period, value.dimensions["customer"]): value.value
             for value in ask("new_vs_repeat_revenue", options=ORDERED)}
    shares = {value.period: value for value in ask("repeat_share", options=ORDERED)}
    customers = {value.period: value.value for value in ask("new_customers", options=ORDERED)}
    assert set(customers) == set(truth)
    for month, row in truth.items():
        new, repeat = Decimal(row["new_revenue"]), Decimal(row["repeat_revenue"])
        assert (found[month, "new"], found[month, "repeat"]) == (f"{new:.2f}", f"{repeat:.2f}")
        assert found[month, "unknown"] == "0.00"
        assert shares[month].value == f"{repeat / (new + repeat):.6f}"
        assert customers[month] == row["new_customers"]


def test_open_orders_at_the_end_of_some_days(ask: Ask) -> None:
    for row in rows(f"{TRUTH}/06_open_orders.csv"):
        day: dict[str, Any] = {"every": "day", "periods": [row["as_of"]]}
        (count,) = ask("open_orders", **day)
        (value,) = ask("open_orders", options={"measure": "value"}, **day)
        assert (count.value, count.unit, value.value, value.unit) == (
            row["open_orders"], "orders", money(row["amount"]), "money",
        )

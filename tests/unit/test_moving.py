"""Which values move, and what is proposed for closed ones; by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.adjusting import Amounts
from connector.frozen import Closed
from connector.model import KpiValue, Subject
from connector.moving import Closing, told


def value(number: str | None, whose: str = "NV1", kpi: str = "won", metric: str = "won_value", **more: Any) -> KpiValue:
    unit, currency = ("money", "USD") if metric == "won_value" else ("0..1", None)
    return KpiValue(
        kpi=kpi, metric=metric, subject=Subject("person", whose, whose), dimensions={}, period_start="", period_end="",
        value=number, unit=unit, currency=currency, numerator=None, denominator=None, as_of=0,
        **{"period": "2026-01", **more},
    )


def rate(number: str) -> KpiValue:
    return value(number, kpi="rate", metric="win_rate_count")


OPEN = Closing(Closed({}, {}), {})


def moved(before: list[KpiValue], after: list[KpiValue], closing: Closing = OPEN, limit: float | None = None) -> Any:
    return told(before, {one.key: one for one in after}, closing, limit)


def test_money_and_rates_stand_in_the_order_of_their_share_in_what_was_there() -> None:
    """100 of 1,000 USD is less than 0.25 of 0.5; a KPI that had nothing comes first."""
    before = [value("900"), value("100", "NV2"), rate("0.5"), value("0", kpi="new")]
    after = [value("800"), value("100", "NV2"), rate("0.75"), value("1", kpi="new")]
    _, values = moved(before, after)
    assert [(one["kpi"], one["difference"]) for one in values] == [("new", "1"), ("rate", "0.25"), ("won", "-100")]


def test_a_kpi_without_any_value_before_is_new_and_moves_nothing() -> None:
    assert moved([value("5")], [value("5"), value("7", kpi="fresh")]) == ([], [])


def test_the_limit_judges_each_kpi_and_period() -> None:
    moves, _ = moved([value("100"), value("100", period="2026-02")], [value("99"), value("98", period="2026-02")],
                     limit=0.01)
    assert {one["period"]: one["beyond"] for one in moves} == {"2026-01": False, "2026-02": True}


def test_of_a_closed_period_money_is_proposed_and_a_rate_is_noted() -> None:
    before = [value("100"), rate("0.5")]
    after = [value("150"), rate("0.6")]
    kept = {one.key: one for one in before}
    amounts = {before[0].key: Amounts(Decimal("50")), before[1].key: Amounts(None, Decimal(1), Decimal(0))}
    moves, values = moved(before, after, Closing(Closed({"2026-01": frozenset({"won", "rate"})}, kept), amounts))
    assert [(one["kpi"], one["state"], one["adjustment"]) for one in moves] == [
        ("won", "closed", "50"), ("rate", "closed", None)
    ]
    assert [(one["frozen"], one["adjustment"]["state"]) for one in values] == [("100", "proposed"), ("0.5", "noted")]


def test_what_is_not_there_any_more_says_so() -> None:
    _, ((one),) = moved([value("5")], [])
    assert (one["before"], one["after"], one["difference"], one["status"]) == ("5", None, "-5", "gone")

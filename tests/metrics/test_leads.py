"""What became of leads: steps, conversions of a cohort, orders, and who is still with marketing."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Ask
from .fill import ref
from .test_edge_cases import by_period
from .test_rules import Build, build, day, move

__all__ = ["build"]

WON = [move("01-03", "new"), move("01-20", "won")]


def lead(id_: str, created: str = "01-02", **given: Any) -> dict[str, Any]:
    return {"id": id_, "created_at": day(created), "owner": ref("A"), **given}


def counts(ask: Ask, metric: str, **given: Any) -> tuple[str | None, str | None, str | None]:
    value = by_period(ask(metric, **given))["2025-01"]
    return value.value, value.numerator, value.denominator


# --- the small data set ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("lead_to_mql", ("0.800000", "4", "5")), ("mql_to_sql", ("0.750000", "3", "4")),
        ("sql_to_deal", ("1.000000", "3", "3")), ("deal_to_won", ("0.666667", "2", "3")),
        ("lead_to_won", ("0.400000", "2", "5")), ("leads_to_orders", ("0.400000", "2", "5")),
        ("orders_per_lead", ("0.400000", "2", "5")),
    ],
)
def test_the_january_cohort_of_leads_step_by_step(edge: Ask, metric: str, expected: tuple[str, str, str]) -> None:
    """E: 5 leads, 4 MQL, 3 SQL, 3 deals, 2 won; no ERP here, so won deals are the orders."""
    assert counts(edge, metric) == expected


def test_leads_that_qualified_by_month(edge: Ask) -> None:
    """E: MQL January 4, February 1; sales-qualified L01, L02, L03, then L06."""
    assert [value.value for value in edge("mql_count")] == ["4", "1", "0"]
    assert [value.value for value in edge("sql_count")] == ["3", "1", "0"]


def test_the_share_still_undecided_stands_beside_a_conversion(edge: Ask) -> None:
    """R11: of January's five L04 (nothing happened) and L05 (an MQL) may still come to something; L03 was lost."""
    undecided = {
        "lead_to_mql": "0.200000", "mql_to_sql": "0.250000", "deal_to_won": "0.000000", "lead_to_won": "0.400000",
    }
    for metric, share in undecided.items():
        assert by_period(edge(metric))["2025-01"].open_share == share


def test_who_is_still_with_marketing_at_the_end_of_each_month(edge: Ask) -> None:
    """L04 and L05 were never handed over; L01, L02, L03, L06 became sales-qualified in the month they were created."""
    assert [value.value for value in edge("nurture_pool")] == ["2", "2", "2"]
    owners = {value.subject.key: value.value for value in edge("nurture_pool", per="owner", periods=["2025-01"])}
    assert owners == {"crm:A": "0", "crm:B": "2", "crm:C": "0"}


def test_how_long_they_have_been_there(edge: Ask) -> None:
    """As of 31 March 00:00 local = 30 March 17:00Z: L04 since 20 January 03:00Z, 69.583333 d; L05 five days less."""
    ages = {stat: by_period(edge("nurture_age", options={"stat": stat}))["2025-03"] for stat in ("mean", "median")}
    assert (ages["mean"].value, ages["median"].value, ages["median"].denominator) == ("67.083333", "67.083333", "2")


# --- awkward leads ---------------------------------------------------------------------------------------------------


def test_a_lead_that_jumps_straight_to_a_deal_was_qualified_at_that_moment(build: Build) -> None:
    """R5: no mql_at, no sql_at, a deal created on 3 February."""
    ask = build({"1": {"created_at": day("02-03")}}, {}, lead=[lead("L", deal=ref("1"))])
    for metric in ("mql_count", "sql_count"):
        assert [value.value for value in ask(metric)][:3] == ["0", "1", "0"]
    assert counts(ask, "sql_to_deal") == ("1.000000", "1", "1")


def test_sales_qualified_implies_marketing_qualified(build: Build) -> None:
    """R5: sql_at in January without mql_at, or with a later one; the first time counts."""
    ask = build({}, {}, lead=[
        lead("1", sql_at=day("01-05")), lead("2", sql_at=day("01-05"), mql_at=day("02-05")),
    ])
    assert [value.value for value in ask("mql_count")][:2] == ["2", "0"]
    assert counts(ask, "mql_to_sql") == ("1.000000", "2", "2")


def test_nothing_counts_before_it_has_happened(build: Build) -> None:
    """As of 10 January neither a qualification nor a deal of later days is there."""
    ask = build(
        {"1": {"created_at": day("01-20"), "lead": ref("L")}}, {},
        lead=[lead("L", mql_at=day("01-08"), sql_at=day("01-15"))],
    )
    then = {"as_of": "2025-01-10T00:00:00+00:00"}
    assert [ask(metric, **then)[0].value for metric in ("mql_count", "sql_count")] == ["1", "0"]
    assert counts(ask, "mql_to_sql", **then) == ("0.000000", "0", "1")
    assert counts(ask, "sql_to_deal", **then) == (None, "0", "0")


def test_a_horizon_holds_for_both_sides(build: Build) -> None:
    """Created 2 January. Within 10 days: 1 qualified on the 5th, 2 on the 20th, which is too late for either side."""
    ask = build({}, {}, lead=[
        lead("1", mql_at=day("01-03"), sql_at=day("01-05")), lead("2", mql_at=day("01-20"), sql_at=day("01-20")),
        lead("3", mql_at=day("01-04"), sql_at=day("01-20")),
    ])
    assert counts(ask, "lead_to_mql", options={"horizon": 10}) == ("0.666667", "2", "3")
    assert counts(ask, "mql_to_sql", options={"horizon": 10}) == ("0.500000", "1", "2")
    assert by_period(ask("mql_to_sql", options={"horizon": 10}))["2025-01"].open_share == "0.000000"


def test_a_deleted_deal_is_no_step_and_a_merged_lead_is_none(build: Build) -> None:
    """R8."""
    ask = build(
        {"1": {"deleted_at": day("02-01"), "lead": ref("L")}}, {"1": WON},
        lead=[lead("L"), lead("M", merged_into=ref("L"), mql_at=day("01-03"))],
    )
    assert counts(ask, "lead_to_mql") == ("0.000000", "0", "1")


def test_a_lead_with_a_deal_that_was_re_opened_is_undecided_again(build: Build) -> None:
    """R7: the win was undone."""
    ask = build({"1": {"lead": ref("L")}}, {"1": [*WON, move("02-01", "offer")]}, lead=[lead("L")])
    value = by_period(ask("deal_to_won"))["2025-01"]
    assert (value.value, value.open_share) == ("0.000000", "1.000000")


# --- orders ----------------------------------------------------------------------------------------------------------


def order(id_: str, ordered: str | None = "02-01", **given: Any) -> dict[str, Any]:
    return {"id": id_, "ordered_at": day(ordered) if ordered else None, "state": "confirmed", **given}


def test_orders_of_the_erp_count_a_lead_once_and_each_order_for_itself(build: Build) -> None:
    """Lead 1 has three orders, of its deal and of its account; lead 2 a won deal but no order; lead 3 nothing."""
    ask = build(
        {"1": {"lead": ref("1")}, "2": {"lead": ref("2")}}, {"1": WON, "2": WON},
        lead=[lead("1", account=ref("X")), lead("2"), lead("3")],
        sales_order=[order("a", deal=ref("1")), order("b", deal=ref("1")), order("c", account=ref("X"))],
    )
    assert counts(ask, "leads_to_orders") == ("0.666667", "2", "3")
    assert counts(ask, "orders_per_lead") == ("1.333333", "4", "3")


@pytest.mark.parametrize("state", ["draft", "cancelled"])
def test_what_the_erp_did_not_confirm_is_no_order_even_of_a_won_deal(build: Build, state: str) -> None:
    ask = build({"1": {"lead": ref("1")}}, {"1": WON}, lead=[lead("1")],
                sales_order=[order("a", deal=ref("1"), state=state)])
    assert counts(ask, "leads_to_orders") == ("0.000000", "0", "1")


def test_an_order_of_an_account_is_that_of_its_last_lead_before_it(build: Build) -> None:
    """Ordered on 1 January (before any lead), 15 January (lead 1, after 13 days), 1 February (lead 2, after 12)."""
    ask = build({}, {}, lead=[lead("1", account=ref("X")), lead("2", "01-20", account=ref("X"))],
                sales_order=[order(day_, day_, account=ref("X")) for day_ in ("01-01", "01-15", "02-01")])
    assert counts(ask, "leads_to_orders") == ("1.000000", "2", "2")
    assert counts(ask, "orders_per_lead") == ("1.000000", "2", "2")
    assert counts(ask, "orders_per_lead", options={"horizon": 13}) == ("1.000000", "2", "2")
    assert counts(ask, "orders_per_lead", options={"horizon": 12}) == ("0.500000", "1", "2")


def test_an_order_of_later_is_not_known_yet(build: Build) -> None:
    ask = build({}, {}, lead=[lead("1", account=ref("X"))], sales_order=[order("a", account=ref("X"))])
    assert counts(ask, "leads_to_orders", as_of="2025-01-31T00:00:00+00:00") == ("0.000000", "0", "1")
    assert counts(ask, "leads_to_orders") == ("1.000000", "1", "1")


def test_orders_per_lead_of_the_same_month_are_no_conversion_and_may_exceed_one(build: Build) -> None:
    """R2: January has two leads and three orders, whoever's they are; February an order, but no lead: no data."""
    ask = build({}, {}, lead=[lead("1"), lead("2")], sales_order=[
        order("a", "01-03"), order("b", "01-04"), order("c", "01-31"), order("d"), order("e", "01-05", state="draft"),
    ])
    assert counts(ask, "orders_per_lead_event") == ("1.500000", "3", "2")
    february = by_period(ask("orders_per_lead_event"))["2025-02"]
    assert (february.value, february.numerator, february.denominator) == (None, "1", "0")


# --- with marketing --------------------------------------------------------------------------------------------------


def test_a_lead_leaves_marketing_by_qualification_by_a_deal_or_by_disqualification(build: Build) -> None:
    """At the end of January four are there; then one becomes sales-qualified, one gets a deal, one is disqualified.

    Lead 1, of 2 January, is 58 days old when February ends.
    """
    ask = build(
        {"1": {"created_at": day("02-10"), "lead": ref("3")}}, {},
        lead=[lead("1", mql_at=day("01-03")), lead("2", sql_at=day("02-05")), lead("3"),
              lead("4", disqualified_at=day("02-20"))],
    )
    assert [value.value for value in ask("nurture_pool")] == ["4", "1", "1", "1"]
    assert by_period(ask("nurture_age"))["2025-02"].value == "58.000000"


def test_nobody_with_marketing_is_zero_leads_and_no_age(build: Build) -> None:
    ask = build({}, {}, lead=[lead("1", disqualified_at=day("01-10"))])
    assert ask("nurture_pool")[0].value == "0"
    assert ask("nurture_age")[0].value is None

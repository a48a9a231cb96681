"""Cohorts, medians, stages of loss, net cycles and the time to a decision: their examples and their awkward cases."""

from __future__ import annotations

import pytest

from connector.metrics import survival
from connector.model import KpiValue

from .conftest import Ask
from .fill import rows
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

TRUTH = "edge_cases/ground_truth"


def by_period(values: list[KpiValue]) -> dict[str, KpiValue]:
    return {value.period: value for value in values}


# --- win_rate_cohort -------------------------------------------------------------------------------------------------


def test_a_cohort_is_all_that_was_created_then_won_lost_or_open(edge: Ask) -> None:
    """R2: of January's eight deals (D08 deleted, D09 merged) five were won, D03, D10, D11 lost; of February's two D07
    was won and D06 is open: immature."""
    found = by_period(edge("win_rate_cohort"))
    assert [(one.numerator, one.denominator, one.open_share) for one in found.values()] == [
        ("5", "8", "0.000000"), ("1", "2", "0.500000"), ("1", "1", "0.000000"),
    ]
    assert found["2025-01"].value == "0.625000"


def test_a_cohort_with_a_horizon_takes_deals_that_old_and_wins_within_it(edge: Ask) -> None:
    """Within 20 days of their creation D01 (18 d) and D12 (13 d) were won."""
    january = by_period(edge("win_rate_cohort", options={"horizon": 20}))["2025-01"]
    assert (january.numerator, january.denominator, january.open_share) == ("2", "8", "0.000000")


def test_a_deal_closed_at_first_sight_is_in_its_cohort_but_in_none_with_a_horizon(build: Build) -> None:
    """Nobody knows when it was won."""
    ask = build({"1": {}, "2": {}}, {"1": [move("02-10", "won", origin="initial")], "2": [move("01-01", "new")]})
    (plain,) = ask("win_rate_cohort", periods=["2025-01"])
    (within,) = ask("win_rate_cohort", periods=["2025-01"], options={"horizon": 30})
    assert (plain.numerator, plain.denominator, plain.open_share) == ("1", "2", "0.500000")
    assert (within.numerator, within.denominator) == ("0", "1")


# --- median_deal_value -----------------------------------------------------------------------------------------------


def test_the_median_leaves_missing_amounts_out(edge: Ask) -> None:
    """February 6 000, 8 000, 12 000, and D07 without amount; January 9 000, 10 000: 9 500 in between."""
    found = by_period(edge("median_deal_value"))
    assert [(one.value, one.denominator, one.left_out_amount) for one in found.values()] == [
        ("9500.00", "2", 0), ("8000.00", "3", 1), ("5000.00", "1", 0),
    ]
    assert (found["2025-01"].unit, found["2025-01"].currency) == ("money", "USD")


@pytest.mark.parametrize(
    ("cents", "median"), [((1, 2), "0.02"), ((1, 4), "0.02"), ((3, 4), "0.04"), ((1, 2, 9), "0.02")]
)
def test_a_median_between_two_cents_is_rounded_half_even(build: Build, cents: tuple[int, ...], median: str) -> None:
    """Exact until it is shown: 1.5 cents are 2, 2.5 are 2, 3.5 are 4."""
    deals = {str(place): {"amount": cent * 100} for place, cent in enumerate(cents)}
    won = [move("01-01", "new"), move("01-11", "won")]
    ask = build(deals, dict.fromkeys(deals, won))
    assert ask("median_deal_value", periods=["2025-01"])[0].value == median


def test_a_median_of_nothing_is_no_data(edge: Ask) -> None:
    value = edge("median_deal_value", per="owner", subject="crm:C", periods=["2025-01"])[0]
    assert (value.value, value.denominator) == (None, "0")


# --- loss_stage ------------------------------------------------------------------------------------------------------


def test_deals_are_lost_in_the_open_stage_they_were_in(edge: Ask) -> None:
    """E: D10 hearing, D03 and D11 proposal; D04's loss in hearing was undone (R7)."""
    counted = {one.dimensions["stage"]: one.value for one in edge("loss_stage", every="all") if one.value != "0"}
    assert counted == {"hearing": "1", "proposal": "2"}
    money = edge("loss_stage", periods=["2025-02"], options={"measure": "value"})
    assert {one.dimensions["stage"]: one.value for one in money if one.value != "0.00"} == {
        "hearing": "3000.00", "proposal": "2000.00",
    }


def test_a_deal_that_was_never_open_was_lost_in_no_stage(build: Build) -> None:
    ask = build({"1": {}}, {"1": [move("01-11", "lost")]})
    found = {one.dimensions["stage"]: one.value for one in ask("loss_stage", periods=["2025-01"])}
    assert found == {"new": "0", "offer": "0", "r_new": "0", "r_offer": "0", "": "1"}


# --- cycle_length ----------------------------------------------------------------------------------------------------


def test_lost_cycles_stand_apart(edge: Ask) -> None:
    """Ground truth: D03 16 days in January; D10 and D11 26 days each in February."""
    truth = {row["deal_id"]: row["cycle_days"] for row in rows(f"{TRUTH}/01_deals.csv")}
    assert (truth["D03"], truth["D10"], truth["D11"]) == ("16.0", "26.0", "26.0")
    found = edge("cycle_length", options={"outcome": "lost"})
    assert [(one.value, one.denominator) for one in found] == [("16.000000", "1"), ("26.000000", "2"), (None, "0")]


def test_the_net_cycle_leaves_out_the_time_a_deal_was_closed(edge: Ask) -> None:
    """E: D04 was created 5 January, lost on the 10th, re-opened 10 February, won on the 20th: 46 days, net 15."""
    only = {"every": "all", "where": {"owner": "crm:B"}, "periods": ["all"]}
    full, net = (edge("cycle_length", **only, options={"stat": "mean", "closed": word})[0] for word in ("in", "net"))
    assert (full.numerator, full.denominator) == ("95.000000", "3")  # D04 46, D05 26, D07 23
    assert net.numerator == "64.000000"  # 31 days less


def test_a_time_closed_that_nobody_saw_begin_makes_a_net_cycle_impossible(build: Build) -> None:
    """First seen lost on 10 February; whether since yesterday or since January nobody knows: left out and counted."""
    chain = [move("02-10", "lost", origin="initial"), move("02-20", "offer"), move("03-01", "won")]
    ask = build({"1": {"created_at": day("01-01")}}, {"1": chain})
    full, net = (ask("cycle_length", every="all", options={"closed": word})[0] for word in ("in", "net"))
    assert (full.value, full.left_out_duration) == ("59.000000", 0)
    assert (net.value, net.left_out_duration) == (None, 1)


# --- km_time_to_decision ---------------------------------------------------------------------------------------------


def test_the_median_time_to_a_decision_by_the_small_example(build: Build) -> None:
    """Section 10: decided after 5 (won), 10 (lost), 20 (won) days, open at ages 8 and 30: 20 days, not 10."""
    lives = {"1": (day("01-01"), [("01-06", "won")]), "2": (day("01-01"), [("01-11", "lost")]),
             "3": (day("01-01"), [("01-21", "won")]), "4": (day("03-24"), []), "5": (day("03-02"), [])}
    ask = build(
        {deal: {"created_at": began} for deal, (began, _) in lives.items()},
        {deal: [{"occurred_at": began, "to_stage": "new"}, *(move(*end) for end in ends)]
         for deal, (began, ends) in lives.items()},
    )
    (value,) = ask("km_time_to_decision", every="all")
    assert (value.value, value.denominator, value.open_share) == ("20.000000", "5", "0.400000")
    (closed,) = ask("cycle_length", every="all", options={"stat": "mean"})
    assert closed.value == "12.500000"  # of the won ones alone: too short


def test_a_median_that_is_not_reached_is_no_number(edge: Ask) -> None:
    """February: D07 decided after 23 days, D06 still open after 57: at 23 days one of two is undecided, which is half.
    Of owner A's one deal nothing is decided."""
    february = by_period(edge("km_time_to_decision"))["2025-02"]
    assert (february.value, february.denominator, february.open_share) == ("23.000000", "2", "0.500000")
    of_a = edge("km_time_to_decision", per="owner", subject="crm:A", periods=["2025-02"])[0]
    assert (of_a.value, of_a.denominator, of_a.open_share) == (None, "1", "1.000000")


@pytest.mark.parametrize(("decided", "running", "found"), [
    ([5, 10, 20], [8, 30], 20), ([], [], None), ([], [7], None), ([7], [], 7), ([5, 5], [5, 9], 5), ([5], [5, 9], None),
    ([1, 2, 3, 4], [], 2), ([1, 2, 3], [], 2), ([0, 0], [0], 0), ([10], [1, 2, 3], 10),
])
def test_the_median_of_kaplan_and_meier_by_hand(decided: list[int], running: list[int], found: int | None) -> None:
    """Who is open at the time of a decision is still at risk; exactly one half is reached."""
    assert survival.median(decided, running) == found


@pytest.mark.parametrize("half", [7, 49, 333])
def test_a_half_that_rounded_parts_would_miss_is_reached(half: int) -> None:
    """Half of the deals decided one by one, the others open longer: 13/14 x 12/13 x ... x 7/8 is one half."""
    assert survival.median(range(1, half + 1), [10**6] * half) == half

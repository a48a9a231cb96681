"""What is expected to be won: forecast columns, coverage of a target, and how far expected dates are from real ones."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from connector.metrics import survival
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.composed import Composition
from connector.metrics.question import Group
from connector.metrics.value import Numbers
from connector.period import Calendar

from .conftest import Ask
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

OPEN = [move("01-01", "new")]
CATEGORIES = {"commit": 100, "best": 100, "most": 50, "pipeline": 200, "omitted": 1, "": 10}
WORDS = {"commit": "COMMIT", "best": "BestCase", "most": "MOST_LIKELY", "pipeline": "Pipeline", "omitted": "OMIT"}


def combine(metric: str, period: str = "2025-04", target: int | None = None, **terms: Group) -> Numbers:
    """A metric made of others, of numbers given by hand."""
    made = CATALOGUE[metric]
    given = {name: terms.get(name, Group(0, "company", "company", ())) for name in made.made_of}
    assert made.combine is not None
    return made.combine(Composition(
        given, Calendar().parse(period), 0, "USD", {}, None if target is None else Fraction(target)
    ))


def group(**sums: int) -> Group:
    return Group(0, "company", "company", (), **sums)


@pytest.fixture
def columns(build: Build) -> Ask:
    """Deals of each category expected in April, one in May; 50 won in April. As of 15 April 2025 by the store's end."""
    deals: dict[str, dict[str, Any]] = {
        name: {"amount": amount * 10_000, "expected_close_on": "2025-04-20", "forecast_category": WORDS.get(name)}
        for name, amount in CATEGORIES.items()
    }
    deals["later"] = {"expected_close_on": "2025-05-01", "forecast_category": "Commit"}
    deals["won"] = {"amount": 50_0000, "expected_close_on": "2025-06-01", "forecast_category": "Closed"}
    deals["undated"] = {"forecast_category": "Commit"}
    moves = dict.fromkeys(deals, OPEN) | {"won": [*OPEN, move("04-01", "won")]}
    return build(deals, moves)


@pytest.mark.parametrize(("metric", "single", "cumulative"), [
    ("forecast_closed", "50.00", None), ("forecast_commit", "100.00", "150.00"), ("forecast_best", "150.00", "300.00"),
    ("forecast_pipeline", "210.00", "460.00"),
])
def test_columns_single_and_cumulative(columns: Ask, metric: str, single: str, cumulative: str | None) -> None:
    """E: closed 50, commit 100, best 150 (most likely 50 in it), pipeline 200 and 10 of a deal without category:
    cumulative commit 150, best 300, and the open pipeline 460; the omitted deal is in none."""
    assert columns(metric, periods=["2025-04"])[0].value == single
    if cumulative:
        assert columns(metric, periods=["2025-04"], options={"cumulative": "yes"})[0].value == cumulative


def test_a_future_period_has_what_is_expected_in_it_now(columns: Ask) -> None:
    (may,) = columns("forecast_commit", periods=["2025-05"])
    (june,) = columns("forecast_commit", periods=["2025-06"])
    assert (may.value, june.value) == ("1000.00", "0.00")


def test_every_open_deal_expected_in_the_period_counts_whatever_its_category(columns: Ask) -> None:
    (value,) = columns("pipeline_expected", periods=["2025-04"])
    (count,) = columns("pipeline_expected", periods=["2025-04"], options={"measure": "count"})
    assert (value.value, count.value) == ("461.00", "6")


def test_an_expected_date_is_the_one_known_at_the_period_s_end(build: Build) -> None:
    """Expected 20 January until 10 February, then 20 March; category commit only since then. It is still open."""
    changes = [
        {"deal": "1", "field": field, "occurred_at": day(text), "new": new} for field, text, new in (
            ("expected_close_on", "01-01", "2025-01-20"), ("expected_close_on", "02-10", "2025-03-20"),
            ("forecast_category", "01-01", "Pipeline"), ("forecast_category", "02-10", "Commit"),
            ("amount", "01-01", "8000000"), ("amount", "02-10", "10000000"),
        )
    ]
    deal = {"expected_close_on": "2025-03-20", "forecast_category": "Commit"}
    ask = build({"1": deal}, {"1": OPEN}, deal_change=changes)
    assert [one.value for one in ask("pipeline_expected")] == ["800.00", "0.00", "1000.00", "0.00"]
    assert [one.value for one in ask("forecast_pipeline")] == ["800.00", "0.00", "0.00", "0.00"]
    assert [one.value for one in ask("forecast_commit")] == ["0.00", "0.00", "1000.00", "0.00"]


def test_an_expected_date_is_a_local_day(edge: Ask) -> None:
    """R1: D06 (7 000) was expected on 15 March, and is still open; a bare date is never shifted by a zone."""
    days = edge("pipeline_expected", every="day", periods=["2025-03-14", "2025-03-15", "2025-03-16"])
    assert [one.value for one in days] == ["0.00", "7000.00", "0.00"]


# --- coverage --------------------------------------------------------------------------------------------------------


def test_coverage_by_the_example_of_the_catalogue() -> None:
    """E: target 21 000, won so far 0, open expected in Q2 63 000: 3.0."""
    found = combine("coverage", target=21_000, expected=group(amount=63_000_0000))
    assert (found.value, found.numerator, found.denominator) == ("3.000000", "63000.00", "21000.00")


@pytest.mark.parametrize(("target", "won", "value"), [
    (21_000, 7_000, "4.500000"), (21_000, 21_000, None), (21_000, 30_000, None), (None, 0, None),
])
def test_coverage_is_of_what_is_missing(target: int | None, won: int, value: str | None) -> None:
    """Met, or without a target: no data."""
    found = combine("coverage", target=target, expected=group(amount=63_000_0000), won=group(amount=won * 10_000))
    assert found.value == value


def test_coverage_takes_its_target_from_the_targets(build: Build) -> None:
    """A target of 1 500 in April, 500 won in it on the 1st: of 1 000 missing 3 000 are expected."""
    deals = {"1": {"amount": 3_000_0000, "expected_close_on": "2025-04-30"}, "2": {"amount": 500_0000}}
    ask = build(deals, {"1": OPEN, "2": [*OPEN, move("04-01", "won")]}, target=[
        {"id": "t", "kpi": "coverage", "subject": "company", "period": "2025-04", "target": "1500", "currency": "USD"},
    ])
    (value,) = ask("coverage", periods=["2025-04"])
    assert (value.value, value.numerator, value.denominator) == ("3.000000", "3000.00", "1000.00")
    assert (value.target, value.attainment) == ("1500", None)


# --- sales_velocity --------------------------------------------------------------------------------------------------

DAY = 86_400_000_000


@pytest.mark.parametrize(("metric", "count"), [
    ("sales_velocity_open", group(share=40_000_000)), ("sales_velocity_closed", group(base_share=40_000_000)),
])
def test_velocity_by_the_example_of_the_catalogue(metric: str, count: Group) -> None:
    """E: 40 x 0.25 x 25 000 / 90 = 2 777.78 per day."""
    found = combine(
        metric, count=count, rate=group(share=3_000_000, base_share=12_000_000),
        value=group(amount=75_000_0000, base_share=3_000_000), cycle=group(total=270 * DAY, durations=3),
    )
    assert found.value == "2777.78"


def test_velocity_without_a_win_in_the_year_is_no_data() -> None:
    assert combine("sales_velocity_open", count=group(share=40_000_000)).value is None


def test_velocity_of_what_was_closed_takes_its_rates_from_the_year(edge: Ask) -> None:
    """February: 6 closed x 6 won of 9 since March 2024 x 45 000 / 5 (D07 has none) / mean of 18, 13, 28.75, 46, 26,
    23 days = 25.791667: 36 000 / 25.791667 = 1 395.80."""
    (value,) = edge("sales_velocity_closed", periods=["2025-02"])
    assert (value.value, value.unit, value.currency) == ("1395.80", "money per day", "USD")


def test_velocity_of_what_is_open_counts_qualified_deals_at_the_start(edge: Ask) -> None:
    """At the end of January D02, D05, D10, D11 are open, all past inquiry; before it 2 of 3 were won, 9 500 on average,
    in 15.5 days: 4 x 2/3 x 9 500 / 15.5 = 1 634.41."""
    (value,) = edge("sales_velocity_open", periods=["2025-02"])
    assert value.value == "1634.41"


# --- expected_close_bias ---------------------------------------------------------------------------------------------


def test_bias_is_from_the_date_that_stood_30_days_before(build: Build) -> None:
    """Won 11 March. On 9 February it was expected on 1 March: 10 days late; the date typed in later does not count.

    The second was expected on 21 March: 10 days early; the third is younger than 30 days; the median of two is 0."""
    changes = [{"deal": "1", "field": "expected_close_on", "occurred_at": day(text), "new": new}
               for text, new in (("01-01", "2025-02-01"), ("02-01", "2025-03-01"), ("03-01", "2025-03-11"))]
    deals = {"1": {"expected_close_on": "2025-03-11"}, "2": {"expected_close_on": "2025-03-21"},
             "3": {"expected_close_on": "2025-03-20", "created_at": day("02-20")}}
    won = [*OPEN, move("03-11", "won")]
    ask = build(deals, {"1": won, "2": won, "3": [move("02-20", "new"), move("03-11", "won")]}, deal_change=changes)
    (value,) = ask("expected_close_bias", periods=["2025-03"])
    assert (value.value, value.denominator) == ("0.000000", "2")
    (p90,) = ask("expected_close_bias", periods=["2025-03"], options={"stat": "p90"})
    assert p90.value == "8.000000"  # between -10 and 10, at 0.9


# --- expected_won_by_month -------------------------------------------------------------------------------------------

FIVE = [(1, 5, 1, 0, 0), (1, 8, 0, 0, 1), (1, 10, 0, 1, 0), (1, 20, 1, 0, 0), (1, 30, 0, 0, 1)]


def test_the_shares_undecided_and_won_of_the_small_example() -> None:
    """Section 10: 0.80 after day 5, 0.5333 after 10, 0.2667 after 20; won 0.20, then 0.4667: a loss competes."""
    rows = survival.curves([*FIVE, (2, 3, 0, 0, 4)])  # of the second pipeline nothing is learned
    assert [(day, round(undecided / survival.WHOLE, 4), round(won / survival.WHOLE, 4))
            for _, day, undecided, won in rows] == [(0, 1, 0), (6, 0.8, 0.2), (11, 0.5333, 0.2), (21, 0.2667, 0.4667)]


def test_what_open_deals_will_bring_and_when(build: Build) -> None:
    """Four deals of 1 January: won after 10 days, won and lost after 40, won after 70. The fifth, of 1 March, is open
    at 31 days. At risk 5, then 3 (the open one has left), then 1: undecided 0.8, 0.8 / 3, 0; won 0.2, and twice 0.8 / 3
    more. Its chance by day 61 (1 May) is 0.8 / 3 of 0.8, a third; by day 92 (1 June) another third."""
    days = {"1": ("01-11", "won"), "2": ("02-10", "won"), "3": ("02-10", "lost"), "4": ("03-12", "won")}
    ask = build({**{deal: {} for deal in days}, "5": {"created_at": day("03-01"), "amount": 900_0000}},
                {**{deal: [*OPEN, move(*end)] for deal, end in days.items()}, "5": [move("03-01", "new")]})
    found = ask("expected_won_by_month", periods=["2025-03", "2025-04", "2025-05", "2025-06"])
    assert [one.value for one in found] == ["0.00", "300.00", "300.00", "0.00"]


def test_a_deal_older_than_any_that_was_decided_has_no_known_chance(build: Build) -> None:
    ask = build({"1": {"created_at": day("03-01")}, "2": {}}, {
        "1": [move("03-01", "new"), move("03-02", "won")], "2": OPEN,
    })
    (april,) = ask("expected_won_by_month", periods=["2025-04"])
    assert (april.value, april.left_out_amount) == ("0.00", 0)  # at risk 2 then: half stayed open for ever
    alone = ask("expected_won_by_month", periods=["2025-04"], per="pipeline")
    assert {one.subject.key: one.value for one in alone} == {"sales": "0.00", "renewal": "0.00"}

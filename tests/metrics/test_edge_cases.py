"""Every ground truth of tests/data/edge_cases that our metrics cover, and the "E:" examples of metrics.md."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.model import KpiValue

from .conftest import Ask
from .fill import rows

TRUTH = "edge_cases/ground_truth"
FROZEN_AT = "2025-02-04T16:59:59.999999+00:00"  # the last moment before 5 February 00:00 local


def by_period(values: list[KpiValue]) -> dict[str, KpiValue]:
    return {value.period: value for value in values}


def by_dimension(values: list[KpiValue], name: str) -> dict[str, KpiValue]:
    return {value.dimensions[name]: value for value in values}


def same(text: str | None, truth: str) -> bool:
    """Whether a value equals the ground truth, which is rounded to six places at most."""
    return text is not None and abs(Decimal(text) - Decimal(truth)) <= Decimal("0.000001")


@pytest.mark.parametrize("truth", rows(f"{TRUTH}/02_by_month_restated.csv"), ids=lambda row: row["period"])
def test_winning_by_month_as_known_today(edge: Ask, truth: dict[str, str]) -> None:
    month = truth["period"]
    assert by_period(edge("won_count"))[month].value == truth["won"]
    rate, value = by_period(edge("win_rate_count"))[month], by_period(edge("win_rate_value"))[month]
    assert (rate.numerator, rate.denominator) == (truth["won"], str(int(truth["won"]) + int(truth["lost"])))
    assert same(rate.value, truth["win_rate_count"])
    assert same(value.value, truth["win_rate_value"])
    by_value = [value.value for value in edge("lost_reasons", options={"measure": "value"}, periods=[month])]
    lost_value = sum((Decimal(text or 0) for text in by_value), Decimal(0))
    assert (value.numerator, value.denominator) == (truth["won_value"], str(Decimal(truth["won_value"]) + lost_value))
    won = by_period(edge("won_value"))[month]
    assert (won.value, won.currency) == (truth["won_value"], "USD")
    assert won.left_out_amount == int(truth["won_without_amount"])
    assert same(by_period(edge("cycle_length", options={"stat": "mean"}))[month].value, truth["mean_cycle"])
    assert same(by_period(edge("cycle_length"))[month].value, truth["median_cycle"])


def test_january_as_frozen_on_5_february_does_not_know_what_came_later(edge: Ask) -> None:
    """R15: D12 arrived late, D04 was re-opened later."""
    (truth,) = rows(f"{TRUTH}/03_january_as_frozen.csv")
    january = {"as_of": FROZEN_AT, "periods": ["2025-01"]}
    assert edge("won_count", **january)[0].value == truth["won"]
    rate = edge("win_rate_count", **january)[0]
    assert (rate.numerator, rate.denominator) == (truth["won"], str(int(truth["won"]) + int(truth["lost"])))
    assert same(rate.value, truth["win_rate_count"])
    assert edge("won_value", **january)[0].value == truth["won_value"]
    assert edge("lost_reasons", **january)[0].value == "1"


def test_a_moment_after_the_last_commit_is_that_commit(edge: Ask) -> None:
    later, today = edge("won_value", as_of="2030-01-01T00:00:00+00:00"), edge("won_value")
    assert later == today


@pytest.mark.parametrize("credit", ["at_event", "actor"])
def test_won_by_owner_and_month(edge: Ask, credit: str) -> None:
    """R12: whoever owned the deal at the close, or whoever closed it; here the same. The rest have 0."""
    truth = {(row["period"], f"crm:{row['credited']}"): row for row in rows(f"{TRUTH}/04_won_by_owner_month.csv")}
    for metric, column, zero in (("won_count", "won", "0"), ("won_value", "won_value", "0.00")):
        values = edge(metric, per="owner", options={"credit": credit})
        assert len(values) == 9  # three owners, three months
        for value in values:
            row = truth.get((value.period, value.subject.key))
            assert value.value == (row[column] if row else zero)


def test_the_funnel_reached_and_entered(edge: Ask) -> None:
    """R5: reached counts skipped stages, entered only visits; the identity 4: reached never rises."""
    truth = rows(f"{TRUTH}/05_funnel.csv")
    of_sales = {"every": "all", "where": {"pipeline": "sales"}}
    reached = by_dimension(edge("stage_conversion", **of_sales), "stage")
    assert {stage: value.denominator for stage, value in reached.items()} == {
        row["stage"]: row["reached"] for row in truth
    }
    further = {"inquiry": "11", "hearing": "9", "demo": "9", "proposal": "7", "estimate": "7"}
    assert {stage: value.numerator for stage, value in reached.items()} == further
    assert reached["hearing"].open_share == "0.090909"  # D06 still sits there


def test_moves_backward_and_the_deals_that_were_moved_back(edge: Ask) -> None:
    """R6: between open stages of one pipeline. E: 1 move, 1 deal (D03); D04's way out of lost is a re-opening."""
    (truth,) = rows(f"{TRUTH}/07_backward_moves.csv")
    open_stages = {row["stage"] for row in rows("edge_cases/stages.csv") if row["kind"] == "open"}
    back = {value.dimensions["stage"]: int(value.value or 0) for value in edge("stage_outcomes", every="all")
            if value.dimensions["outcome"] == "moved_back"}
    assert str(sum(back.get(stage, 0) for stage in open_stages)) == truth["backward_moves"]
    assert edge("stage_regress_rate", every="all")[0].numerator == truth["deals"]


def test_stage_entries_count_every_visit(edge: Ask) -> None:
    """E: hearing, 8 entries by 6 deals."""
    entries = by_dimension(edge("stage_entries", every="all", where={"pipeline": "sales"}), "stage")
    found = {stage: value.value for stage, value in entries.items()}
    assert found == {
        "inquiry": "10", "hearing": "8", "demo": "1", "proposal": "9", "estimate": "2", "won": "7", "lost": "4",
    }


@pytest.mark.parametrize(("stat", "column"), [("mean", "mean_days"), ("median", "median_days"), ("p90", "p90_days")])
def test_days_per_completed_visit(edge: Ask, stat: str, column: str) -> None:
    found = by_dimension(
        edge("stage_duration", every="all", where={"pipeline": "sales"}, options={"stat": stat}), "stage"
    )
    for row in rows(f"{TRUTH}/06_stage_duration.csv"):
        assert found[row["stage"]].denominator == row["completed_visits"]
        assert same(found[row["stage"]].value, row[column])


def test_the_open_pipeline_at_the_end_of_each_month(edge: Ask) -> None:
    """R13: in January EUR 5 000 at the rate of 31 January, 1.10; March ends at the as-of moment."""
    truth = rows(f"{TRUTH}/08_open_pipeline.csv")
    assert [value.value for value in edge("open_pipeline")] == [row["open_value"] for row in truth]
    counted = edge("open_pipeline", options={"measure": "count"})
    assert [(value.value, value.unit, value.currency) for value in counted] == [
        (row["open_deals"], "deals", None) for row in truth
    ]


def test_the_weighted_pipeline_takes_the_stage_s_probability(edge: Ask) -> None:
    """E: D06 7 000 x 0.3 = 2 100."""
    assert by_period(edge("weighted_pipeline"))["2025-03"].value == "2100.00"


def test_deals_and_money_are_converted_at_the_close_day_s_rate(edge: Ask) -> None:
    """E: D02, EUR 5 000 closed 1 February at 1.20 = 6 000.00 USD. D05 at the close belongs to B: 12 000."""
    found = {value.subject.key: value.value for value in edge("won_value", per="owner", periods=["2025-02"])}
    assert found == {"crm:A": "6000.00", "crm:B": "20000.00", "crm:C": "0.00"}


def test_leads_by_month_and_what_came_of_them(edge: Ask) -> None:
    """E: January 5, February 1; of January's five two were won: 0.40."""
    assert [value.value for value in edge("lead_volume")][:2] == ["5", "1"]
    won = by_period(edge("lead_to_won"))["2025-01"]
    assert (won.value, won.numerator, won.denominator) == ("0.400000", "2", "5")


def test_a_horizon_takes_only_leads_that_old_and_wins_within_it(edge: Ask) -> None:
    """L01 was won after 18 days, L02 after 29. On 31 March only L05 of January's leads is younger than 66 days."""
    within = by_period(edge("lead_to_won", options={"horizon": 20}))["2025-01"]
    assert (within.numerator, within.denominator) == ("1", "5")
    old = by_period(edge("lead_to_won", options={"horizon": 66}))["2025-01"]
    assert (old.numerator, old.denominator) == ("2", "4")


def test_lost_reasons_show_the_missing_one_in_a_row_of_its_own(edge: Ask) -> None:
    """E: January price 1; February competitor 1, missing 1 (D11)."""
    values = edge("lost_reasons")
    found = {(value.period, value.dimensions["reason"]): value.value for value in values if value.value != "0"}
    assert found == {("2025-01", "price"): "1", ("2025-02", "competitor"): "1", ("2025-02", ""): "1"}
    money = edge("lost_reasons", options={"measure": "value"}, periods=["2025-02"])
    assert {value.dimensions["reason"]: value.value for value in money} == {"competitor": "3000.00", "": "2000.00"}


def test_the_average_leaves_missing_amounts_out_of_both(edge: Ask) -> None:
    """E: February 26 000 over 3 = 8 666.67; D07 has no amount."""
    value = by_period(edge("average_deal_value"))["2025-02"]
    assert (value.value, value.numerator, value.denominator, value.left_out_amount) == ("8666.67", "26000.00", "3", 1)


def test_an_empty_ratio_is_no_data_and_a_small_one_shows_its_counts(edge: Ask) -> None:
    """R16."""
    nobody = edge("win_rate_count", per="owner", subject="crm:C", periods=["2025-01"])[0]
    assert (nobody.value, nobody.numerator, nobody.denominator, nobody.interval) == (None, "0", "0", None)
    february = by_period(edge("win_rate_count"))["2025-02"]
    assert february.interval == ("0.299993", "0.903229")  # Wilson, 4 of 6


def test_teams_are_those_of_the_owner_at_the_event(edge: Ask) -> None:
    found = {value.subject.key: value.value for value in edge("won_value", per="team", periods=["2025-02"])}
    assert found == {"north": "6000.00", "south": "20000.00"}


def test_a_deal_handed_over_is_open_in_the_first_pipeline_until_then(edge: Ask) -> None:
    """R10: D10 entered partner on 20 January, sales on the 25th; its cohort of partner got no further there."""
    assert edge("stage_conversion", every="all", where={"stage": "p_new"})[0].numerator == "0"
    open_deals = edge("open_pipeline", per="pipeline", every="day", periods=["2025-01-24", "2025-01-25"],
                      options={"measure": "count"}, subject="partner")
    assert [value.value for value in open_deals] == ["1", "0"]


def test_where_takes_one_word_or_a_list(edge: Ask) -> None:
    one = edge("won_value", where={"team": "south"}, periods=["2025-02"])[0]
    both = edge("won_value", where={"owner": ["crm:A", "crm:B"], "team": ["north", "south"]}, periods=["2025-02"])[0]
    assert (one.value, both.value) == ("20000.00", "26000.00")


def test_a_cohort_is_placed_by_creation(edge: Ask) -> None:
    """Of the deals created in January, 5 were won at some time: D01, D02, D04, D05, D12."""
    created = by_period(edge("won_count", options={"count_by": "cohort"}))
    assert [created[month].value for month in ("2025-01", "2025-02", "2025-03")] == ["5", "1", "1"]

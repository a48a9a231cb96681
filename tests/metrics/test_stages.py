"""Flow through stages: outcomes, conversions to won and of settled deals, spans of durations, skips, moves back."""

from __future__ import annotations

from typing import Any

import pytest

from connector.model import KpiValue

from .conftest import Ask
from .fill import rows
from .test_rules import Build, build, move

__all__ = ["build"]  # the fixture

OF_SALES: dict[str, Any] = {"every": "all", "where": {"pipeline": "sales"}}
OUTCOMES = ("advanced", "won", "lost", "moved_back", "handed_over", "still_there")


def by_stage(values: list[KpiValue]) -> dict[str, KpiValue]:
    return {value.dimensions["stage"]: value for value in values}


def outcomes(ask: Ask, stage: str, **given: Any) -> dict[str, str | None]:
    """The outcomes of a stage's entries that are not 0."""
    values = ask("stage_outcomes", **{"every": "all", "where": {"stage": stage}, **given})
    assert {value.dimensions["outcome"] for value in values} == set(OUTCOMES)
    return {value.dimensions["outcome"]: value.value for value in values if value.value != "0"}


# --- entries and what became of them ---------------------------------------------------------------------------------


def test_deals_that_entered_each_stage(edge: Ask) -> None:
    """E: hearing, 8 entries by 6 deals; the funnel's `entered`."""
    found = by_stage(edge("stage_entries_deals", **OF_SALES))
    truth = {row["stage"]: row["entered"] for row in rows("edge_cases/ground_truth/05_funnel.csv")}
    assert {stage: found[stage].value for stage in truth} == truth


def test_a_deal_counts_as_entered_when_it_first_did(edge: Ask) -> None:
    """R6: D04 entered hearing on 6 January and again on 10 February. So months add up to the total of 6."""
    values = edge("stage_entries_deals", where={"stage": "hearing"})
    assert [(value.period, value.value) for value in values] == [("2025-01", "5"), ("2025-02", "1"), ("2025-03", "0")]
    assert [value.value for value in edge("stage_entries", where={"stage": "hearing"})] == ["6", "2", "0"]


def test_what_became_of_the_entries_into_hearing(edge: Ask) -> None:
    """E: advanced 5, lost 2 (D10, and D04's first visit, although it was re-opened), still there 1 (D06)."""
    assert outcomes(edge, "hearing") == {"advanced": "5", "lost": "2", "still_there": "1"}


def test_a_visit_that_went_backward_or_to_another_pipeline_has_an_outcome_of_its_own(edge: Ask) -> None:
    """R6: D03 went back from proposal; R10: D10 left partner for sales, neither won nor lost.

    Proposal by hand: won D02 D04 D05 D07 D12, lost D03 D11, advanced D01, moved back D03.
    """
    assert outcomes(edge, "proposal") == {"won": "5", "lost": "2", "advanced": "1", "moved_back": "1"}
    assert outcomes(edge, "p_new") == {"handed_over": "1"}


def test_a_re_opened_loss_has_moved_back_and_a_standing_one_is_still_there(edge: Ask) -> None:
    """R7: four entries into lost; D04's was undone."""
    assert outcomes(edge, "lost") == {"still_there": "3", "moved_back": "1"}


def test_an_outcome_counts_in_the_month_of_the_entry(edge: Ask) -> None:
    """D10 entered hearing in January and was lost in February."""
    january = outcomes(edge, "hearing", every="month", periods=["2025-01"])
    assert january == {"advanced": "4", "lost": "2"}


def test_with_a_horizon_outcomes_are_those_after_as_many_days(edge: Ask) -> None:
    """Visits of 4, 3, 3, 4, 2, 8, 21 days and one open: D05 (8), D10 (21) and D06 were still there after 4 days."""
    assert outcomes(edge, "hearing", options={"horizon": 4}) == {"advanced": "4", "lost": "1", "still_there": "3"}


def test_a_stage_that_no_mapping_names_any_more_has_outcomes_too(build: Build) -> None:
    """R9: it has no place in the order, so that no move to or from it is known to be backward."""
    ask = build({"1": {}}, {"1": [move("01-01", "offer"), move("01-05", "old"), move("01-09", "new")]})
    assert outcomes(ask, "offer") == {"advanced": "1"}
    values = ask("stage_outcomes", every="all", where={"stage": "old"})
    assert [value.dimensions["outcome"] for value in values if value.value == "1"] == ["advanced"]


# --- conversion ------------------------------------------------------------------------------------------------------


def test_deals_won_of_those_that_entered_each_stage(edge: Ask) -> None:
    """E: entered 10, 6, 8, 2. Won by hand: of hearing D01 D04 D05, of proposal all but D03 and D11, of demo none."""
    found = by_stage(edge("stage_to_won", **OF_SALES))
    assert {stage: (value.numerator, value.denominator) for stage, value in found.items()} == {
        "inquiry": ("7", "10"), "hearing": ("3", "6"), "demo": ("0", "1"), "proposal": ("6", "8"),
        "estimate": ("2", "2"),
    }
    assert (found["hearing"].value, found["hearing"].open_share) == ("0.500000", "0.166667")


def test_the_base_of_settled_deals_leaves_out_those_still_in_the_stage(edge: Ask) -> None:
    """Only D06 still sits in hearing; of inquiry and the others all deals left."""
    found = by_stage(edge("stage_conversion", **OF_SALES, options={"base": "settled"}))
    assert {stage: (value.numerator, value.denominator) for stage, value in found.items()} == {
        "inquiry": ("11", "11"), "hearing": ("9", "10"), "demo": ("9", "9"), "proposal": ("7", "9"),
        "estimate": ("7", "7"),
    }
    assert found["hearing"].open_share == "0.000000"
    won = by_stage(edge("stage_to_won", **OF_SALES, options={"base": "settled"}))
    assert (won["inquiry"].numerator, won["inquiry"].denominator) == ("7", "9")  # D06 is not decided


def test_a_deal_that_got_further_and_came_back_is_settled(build: Build) -> None:
    """R6: moving back does not undo what was reached; it left the stage once."""
    ask = build({"1": {}}, {"1": [move("01-01", "new"), move("01-05", "offer"), move("01-09", "new")]})
    for base in ("all", "settled"):
        (new,) = ask("stage_conversion", every="all", where={"stage": "new"}, options={"base": base})
        assert (new.value, new.denominator, new.open_share) == ("1.000000", "1", "0.000000")


def test_a_win_counts_in_its_own_pipeline_once_it_stands(build: Build) -> None:
    """R10: deal 1, handed over from sales and won as a renewal, is no win of sales. R7: that of deal 2 was undone."""
    chains = {
        "1": [move("01-01", "new"), move("01-05", "r_new"), move("01-09", "r_won")],
        "2": [move("01-01", "new"), move("01-05", "won"), move("01-09", "offer"), move("01-11", "lost")],
        "3": [move("01-01", "new"), move("01-05", "won"), move("02-01", "r_new"), move("02-09", "r_won")],
    }
    found = by_stage(build({deal: {} for deal in chains}, chains)("stage_to_won", every="all"))
    assert {stage: (value.numerator, value.denominator) for stage, value in found.items()} == {
        "new": ("1", "3"), "offer": ("0", "1"), "r_new": ("2", "2"), "r_offer": ("0", "0"),
    }


@pytest.mark.parametrize(("horizon", "won"), [(9, "0"), (10, "1")])
def test_a_win_counts_within_the_horizon_of_the_first_entry(build: Build, horizon: int, won: str) -> None:
    chain = [move("01-01", "new"), move("01-03", "offer"), move("01-05", "new"), move("01-11", "won")]
    (new,) = build({"1": {}}, {"1": chain})(
        "stage_to_won", every="all", where={"stage": "new"}, options={"horizon": horizon}
    )
    assert (new.numerator, new.denominator, new.open_share) == (won, "1", "0.000000")


# --- durations per deal ----------------------------------------------------------------------------------------------


def days_of_hearing(edge: Ask, span: str, **given: Any) -> list[KpiValue]:
    return edge("stage_duration", **{"every": "all", "where": {"stage": "hearing"}, **given},
                options={"span": span, "stat": "mean"})


def test_all_visits_of_a_deal_added(edge: Ask) -> None:
    """E: D03 cumulative 6. D04 4 + 2, D01 4, D05 8, D10 21: mean 45 / 5; D06 is still there."""
    (value,) = days_of_hearing(edge, "cumulative")
    assert (value.value, value.numerator, value.denominator) == ("9.000000", "45.000000", "5")


def test_the_last_visit_of_a_deal(edge: Ask) -> None:
    """D03 3, D04 2, D01 4, D05 8, D10 21."""
    (value,) = days_of_hearing(edge, "last")
    assert (value.numerator, value.denominator) == ("38.000000", "5")


def test_the_visits_of_a_deal_count_when_it_left_for_the_last_time(edge: Ask) -> None:
    """January: D01 4, D03 6, D05 8; February: D04 4 + 2, D10 21."""
    found = days_of_hearing(edge, "cumulative", every="month")
    assert [(value.numerator, value.denominator) for value in found][:2] == [("18.000000", "3"), ("27.000000", "2")]


@pytest.mark.parametrize("span", ["cumulative", "last"])
def test_a_deal_that_is_back_in_the_stage_has_no_span_yet(build: Build, span: str) -> None:
    """R11."""
    ask = build({"1": {}}, {"1": [move("01-01", "new"), move("01-05", "offer"), move("01-09", "new")]})
    assert ask("stage_duration", every="all", where={"stage": "new"}, options={"span": span})[0].value is None


def test_visits_of_unknown_length_cannot_be_added_up(build: Build) -> None:
    """A first sight has no known entry; the last visit, of 6 days, has."""
    ask = build({"1": {}}, {"1": [
        move("01-03", "new", origin="initial"), move("01-05", "offer"), move("01-09", "new"), move("01-15", "offer"),
    ]})
    found = {span: ask("stage_duration", every="all", where={"stage": "new"}, options={"span": span})[0].value
             for span in ("visit", "cumulative", "last")}
    assert found == {"visit": "6.000000", "cumulative": None, "last": "6.000000"}


# --- skips and moves back --------------------------------------------------------------------------------------------


def test_moves_that_jump_over_a_stage_in_use(edge: Ask) -> None:
    """R5, R9: demo is archived, to pass it by is no skip; a win jumps over what it leaves out, a loss over nothing.

    Forward moves by deal: D01 4, D02 2, D03 3, D04 3, D05 3, D06 1, D07 2, D11 2, D12 2, D13 2; of them jumped:
    D02 2, D04 1, D05 1, D07 2, D11 1 (hearing), D12 2, D13 1. D10 came from another pipeline and was lost.
    """
    (value,) = edge("stage_skips", every="all")
    assert (value.numerator, value.denominator, value.value) == ("10", "24", "0.416667")
    left = by_stage(edge("stage_skips", every="all", by="stage"))
    assert (left["inquiry"].numerator, left["inquiry"].denominator) == ("5", "10")


def test_a_skip_is_the_one_s_who_moved(edge: Ask) -> None:
    """R12 actor: B moved D03, D04 and D07, and D05 from 21 January on: 3 + 3 + 2 + 2, with jumps 1 + 2 + 1."""
    (value,) = edge("stage_skips", every="all", per="owner", subject="crm:B")
    assert (value.options["credit"], value.numerator, value.denominator) == ("actor", "4", "10")


def test_deals_that_were_moved_back(edge: Ask) -> None:
    """E: backward: 1 move, 1 deal (D03); its re-opening is none of D04's. Eleven deals have two open visits."""
    (truth,) = rows("edge_cases/ground_truth/07_backward_moves.csv")
    (value,) = edge("stage_regress_rate", every="all")
    assert (value.numerator, value.denominator) == (truth["deals"], "11")


def test_a_deal_moved_back_twice_counts_once(build: Build) -> None:
    chain = [move(f"01-0{number}", stage) for number, stage in enumerate(("new", "offer", "new", "offer", "new"), 1)]
    (value,) = build({"1": {}}, {"1": chain})("stage_regress_rate", every="all")
    assert (value.numerator, value.denominator) == ("1", "1")


def test_a_re_opened_deal_has_a_second_open_visit_but_was_not_moved_back(build: Build) -> None:
    ask = build({"1": {}, "2": {}}, {
        "1": [move("01-01", "offer"), move("01-05", "lost"), move("01-09", "new")],
        "2": [move("01-01", "lost"), move("01-09", "new")],  # one open visit only
    })
    (value,) = ask("stage_regress_rate", every="all")
    assert (value.numerator, value.denominator) == ("0", "1")

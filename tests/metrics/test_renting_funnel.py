"""The ground truth of tests/data/renting_funnel: 2,500 cases, no money, nobody owns a deal but somebody acts.

What came after the contract (07) is in tests/product/test_renting_funnel.py, as documents and activities.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from .conftest import Ask
from .fill import rows

TRUTH = "renting_funnel/ground_truth"


def test_totals(renting: Ask) -> None:
    (truth,) = rows(f"{TRUTH}/01_totals.csv")
    (value,) = renting("win_rate_count", every="all")
    (cohort,) = renting("win_rate_cohort", every="all")
    assert (cohort.denominator, cohort.numerator) == (truth["deals"], truth["won"])
    assert (value.numerator, value.value) == (truth["won"], f"{Decimal(truth['win_rate_count']):.6f}")
    assert value.denominator == str(int(truth["won"]) + int(truth["lost"]))


def test_what_became_of_the_entries_into_each_stage(renting: Ask) -> None:
    """Every column of a stage that is no conversion. The ground truth says of what moves to another stage only; our
    skips are those and the wins from any stage but the last (R5): a win jumps over what it leaves out."""
    (total,) = rows(f"{TRUTH}/01_totals.csv")
    truth = rows(f"{TRUTH}/02_stages.csv")
    deals = {value.dimensions["stage"]: value.value for value in renting("stage_entries_deals", every="all")}
    outcomes = {(value.dimensions["stage"], value.dimensions["outcome"]): value.value
                for value in renting("stage_outcomes", every="all")}
    skips = {value.dimensions["stage"]: value for value in renting("stage_skips", every="all", by="stage")}
    columns = {"won": "to_won", "lost": "to_lost", "advanced": "to_later_open", "moved_back": "moved_back"}
    for row in truth:
        stage, won_from_before_the_last = row["stage"], int(row["to_won"]) if row is not truth[-1] else 0
        assert deals[stage] == row["deals"]
        assert {word: outcomes[stage, word] for word in columns} == {word: row[name] for word, name in columns.items()}
        assert (outcomes[stage, "still_there"], outcomes[stage, "handed_over"]) == ("0", "0")
        assert skips[stage].numerator == str(int(row["skipped_ahead"]) + won_from_before_the_last)
        assert skips[stage].denominator == str(int(row["to_later_open"]) + int(row["to_won"]))
    assert deals["Sign Contract"] == total["won"]
    (regress,) = renting("stage_regress_rate", every="all")
    assert regress.numerator == str(sum(int(row["moved_back"]) for row in truth))


def test_entries_and_reached_per_stage(renting: Ask) -> None:
    entries = {value.dimensions["stage"]: value.value for value in renting("stage_entries", every="all")}
    reached = {value.dimensions["stage"]: value for value in renting("stage_conversion", every="all")}
    truth = rows(f"{TRUTH}/02_stages.csv")
    for row, after in zip(truth, [*truth[1:], None], strict=True):
        assert entries[row["stage"]] == row["entries"]
        assert reached[row["stage"]].denominator == row["reached"]
        assert reached[row["stage"]].numerator == (after["reached"] if after else "701")


@pytest.mark.parametrize(("stat", "column"), [("mean", "mean_days"), ("median", "median_days"), ("p90", "p90_days")])
def test_durations(renting: Ask, stat: str, column: str) -> None:
    values = renting("stage_duration", every="all", options={"stat": stat})
    found = {value.dimensions["stage"]: value for value in values}
    for row in rows(f"{TRUTH}/03_stage_duration.csv"):
        assert found[row["stage"]].denominator == row["n"]
        assert round(Decimal(found[row["stage"]].value or 0), 4) == Decimal(row[column])
    for row in rows(f"{TRUTH}/04_cycle_length.csv"):
        (cycle,) = renting("cycle_length", every="all", options={"stat": stat, "outcome": row["outcome"]})
        assert (cycle.denominator, round(Decimal(cycle.value or 0), 4)) == (row["n"], Decimal(row[column]))


def test_won_by_person_and_day(renting: Ask) -> None:
    """R12 actor: the one who made the closing move; identity 3: with them all, the total."""
    values = renting("won_count", per="owner", every="day", options={"credit": "actor"})
    found = {(value.period, value.subject.key): value.value for value in values if value.value != "0"}
    truth = {(row["day"], f"crm:{row['closed_by']}"): row["won"] for row in rows(f"{TRUTH}/05_won_by_person_day.csv")}
    assert found == truth


def test_open_by_stage_and_day(renting: Ask) -> None:
    """The stock at the end of a day is what the ground truth calls the start of the next."""
    days = [f"2015-01-{day:02}" for day in range(5, 15)]
    values = renting("open_pipeline", by="stage", every="day", options={"measure": "count"}, periods=days)
    found = {(value.period, value.dimensions["stage"]): value.value for value in values if value.value != "0"}
    truth = {
        (f"2015-01-{int(row['as_of_start_of_day'][-2:]) - 1:02}", row["stage"]): row["deals"]
        for row in rows(f"{TRUTH}/06_open_by_stage_day.csv")
    }
    assert found == truth

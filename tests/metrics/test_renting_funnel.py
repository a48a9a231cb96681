"""The ground truth of tests/data/renting_funnel: 2,500 cases, no money, nobody owns a deal but somebody acts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from .conftest import Ask
from .fill import rows

TRUTH = "renting_funnel/ground_truth"


def test_totals(renting: Ask) -> None:
    (truth,) = rows(f"{TRUTH}/01_totals.csv")
    (value,) = renting("win_rate_count", every="all")
    assert (value.numerator, value.value) == (truth["won"], f"{Decimal(truth['win_rate_count']):.6f}")
    assert value.denominator == str(int(truth["won"]) + int(truth["lost"]))


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
    won = next(row for row in rows(f"{TRUTH}/04_cycle_length.csv") if row["outcome"] == "won")
    (cycle,) = renting("cycle_length", every="all", options={"stat": stat})
    assert (cycle.denominator, round(Decimal(cycle.value or 0), 4)) == (won["n"], Decimal(won[column]))


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

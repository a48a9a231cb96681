"""How good the forecasts were: what was forecast before a period began, beside what was won in it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from connector.metrics.catalogue import CATALOGUE
from connector.metrics.composed import Composition
from connector.metrics.value import Numbers
from connector.period import Calendar

from .conftest import Ask
from .test_forecast import group
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

OPEN = [move("01-01", "new")]


def judged(metric: str, forecast: int, actual: int, *, is_over: bool = True) -> Numbers:
    """The metric of April 2025, of numbers given by hand."""
    april, combine = Calendar().parse("2025-04"), CATALOGUE[metric].combine
    assert combine is not None
    terms = {"forecast": group(amount=forecast * 10_000), "actual": group(amount=actual * 10_000)}
    return combine(Composition(terms, april, april.end - (1 if is_over else 2), "USD", {}))


@pytest.mark.parametrize(("forecast", "actual", "accuracy", "bias"), [
    (90, 100, "0.900000", "-0.100000"), (110, 100, "0.900000", "0.100000"), (250, 100, "-0.500000", "1.500000"),
    (0, 100, "0.000000", "-1.000000"), (90, 0, None, None),
])
def test_the_example_of_the_catalogue_and_its_neighbours(
    forecast: int, actual: int, accuracy: str | None, bias: str | None
) -> None:
    """E: 90 forecast, 100 actual: 0.90, bias -0.10. Too much is as wrong as too little; of nothing won: none."""
    assert judged("forecast_accuracy", forecast, actual).value == accuracy
    assert judged("forecast_bias", forecast, actual).value == bias


def test_the_two_sides_of_it_make_the_value() -> None:
    """R16, so that teams can be compared: 90 / 100, and 10 / 100."""
    for metric, top in (("forecast_accuracy", "90.00"), ("forecast_bias", "10.00")):
        found = judged(metric, 110, 100)
        assert (found.numerator, found.denominator) == (top, "100.00")
        assert Fraction(found.value or "") == Fraction(top) / 100


def test_a_period_that_is_not_over_has_none() -> None:
    """What was won so far is no measure of a forecast of the whole month."""
    assert judged("forecast_accuracy", 90, 100, is_over=False).value is None


@pytest.fixture
def february(build: Build) -> Ask:
    """What was known of February, before it began and at other times; as of 1 April 2025.

    1 was expected in it for 800 (from 10 February on: 1 000), and won in it. 2 (500) was expected then, and slipped
    to March on 5 February. 3 (300) came to be expected there on 5 February only. 4 (200) was best case then. 5 (50)
    was omitted. 6 (70) has no category. 7 (400) was created in February and won in it."""
    deals: dict[str, dict[str, Any]] = {
        "1": {"forecast_category": "Commit", "expected_close_on": "2025-02-20"},
        "2": {"forecast_category": "Commit", "expected_close_on": "2025-03-20", "amount": 500_0000},
        "3": {"forecast_category": "Commit", "expected_close_on": "2025-02-25", "amount": 300_0000},
        "4": {"forecast_category": "Commit", "expected_close_on": "2025-02-25", "amount": 200_0000},
        "5": {"forecast_category": "Omitted", "expected_close_on": "2025-02-25", "amount": 50_0000},
        "6": {"expected_close_on": "2025-02-28", "amount": 70_0000, "probability": 200_000},
        "7": {"forecast_category": "Commit", "expected_close_on": "2025-02-28", "amount": 400_0000},
    }
    chains = dict.fromkeys(deals, OPEN)
    chains["1"] = [*OPEN, move("02-15", "won")]
    chains["7"] = [move("02-03", "new"), move("02-15", "won")]
    fields = {
        ("1", "amount"): {"01-01": "8000000", "02-10": "10000000"},
        ("2", "expected_close_on"): {"01-01": "2025-02-20", "02-05": "2025-03-20"},
        ("3", "expected_close_on"): {"01-01": "2025-06-01", "02-05": "2025-02-25"},
        ("4", "forecast_category"): {"01-10": "Best Case", "02-05": "Commit"},
    }
    return build(deals, chains, deal_change=[
        {"deal": deal, "field": field, "occurred_at": day(text), "new": new}
        for (deal, field), told in fields.items() for text, new in told.items()
    ])


@pytest.mark.parametrize(("column", "value"), [
    ("commit", "1300.00"),  # 1 and 2, for what they were worth then
    ("best", "1500.00"),  # and 4
    ("pipeline", "1570.00"),  # and 6
    ("weighted", "164.00"),  # in new, 0.1 of 1 500; 6 has a probability of its own, 0.2
])
def test_the_forecast_is_the_one_that_stood_when_the_period_began(february: Ask, column: str, value: str) -> None:
    (found,) = february("forecast_at_start", periods=["2025-02"], options={"forecast": column})
    assert found.value == value


def test_a_forecast_may_be_taken_earlier(february: Ask) -> None:
    """25 days before February 4 was not in best case yet: by its first known category it was, and stays (R12's rule
    for owners holds for fields). 40 days before there was no deal."""
    (soon,) = february("forecast_at_start", periods=["2025-02"], options={"forecast": "best", "lead": 25})
    (early,) = february("forecast_at_start", periods=["2025-02"], options={"forecast": "best", "lead": 40})
    assert (soon.value, early.value) == ("1500.00", "0.00")


def test_what_was_won_is_all_that_was_won_whether_forecast_or_not(february: Ask) -> None:
    """1 000 + 400 won of 1 300 forecast: 1 300 / 1 400, and 100 too little."""
    (accuracy,) = february("forecast_accuracy", periods=["2025-02"])
    (bias,) = february("forecast_bias", periods=["2025-02"])
    assert (accuracy.value, accuracy.numerator, accuracy.denominator) == ("0.928571", "1300.00", "1400.00")
    assert (bias.value, bias.numerator) == ("-0.071429", "-100.00")


def test_a_period_before_its_forecast_could_be_made_has_none(february: Ask) -> None:
    (value,) = february("forecast_at_start", periods=["2025-06"])
    assert value.value == "0.00"
    (accuracy,) = february("forecast_accuracy", periods=["2025-06"])
    assert accuracy.value is None


def test_what_is_learnt_later_changes_no_forecast_of_before(build: Build) -> None:
    """Moved to March on 5 February: it was forecast for February all the same."""
    changes = [
        {"deal": "1", "field": "expected_close_on", "occurred_at": day(text), "new": new}
        for text, new in (("01-01", "2025-02-20"), ("02-05", "2025-03-20"))
    ]
    ask = build({"1": {"expected_close_on": "2025-03-20"}}, {"1": OPEN}, deal_change=changes)
    (now,) = ask("forecast_at_start", periods=["2025-02"], options={"forecast": "pipeline"})
    assert now.value == "1000.00"


def test_a_forecast_of_a_person_is_by_who_owned_the_deal_then(build: Build) -> None:
    """R12: A forecast 1 000 for February and gave the deal to B on the 10th, who won it: A has nothing won, B no
    forecast: bias of B -1."""
    ask = build(
        {"1": {"expected_close_on": "2025-02-20", "forecast_category": "commit", "owner": "crm:B"}},
        {"1": [*OPEN, move("02-15", "won")]},
        deal_change=[{"deal": "1", "field": "owner", "occurred_at": day(text), "new": owner}
                     for text, owner in (("01-01", "crm:A"), ("02-10", "crm:B"))],
    )
    forecast = {one.subject.key: one.value for one in ask("forecast_at_start", per="owner", periods=["2025-02"])}
    assert (forecast["crm:A"], forecast.get("crm:B", "0.00")) == ("1000.00", "0.00")
    bias = {one.subject.key: one.value for one in ask("forecast_bias", per="owner", periods=["2025-02"])}
    assert (bias["crm:A"], bias["crm:B"]) == (None, "-1.000000")

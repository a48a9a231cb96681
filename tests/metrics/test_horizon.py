"""Cohorts followed for a number of days: what comes later does not count, and ratios compare only those old enough."""

from __future__ import annotations

import pytest

from .conftest import Ask
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture


@pytest.fixture
def cohort(build: Build) -> Ask:
    """As of 1 April: deal 1 got to the offer on its 10th day and was won on its 40th; deal 2 was lost on its 20th; deal
    3 is a month old and still new."""
    deals = {"1": {}, "2": {}, "3": {"created_at": day("03-02")}}
    moves = {
        "1": [move("01-01", "new"), move("01-11", "offer"), move("02-10", "won")],
        "2": [move("01-01", "new"), move("01-21", "lost")],
        "3": [move("03-02", "new")],
    }
    return build(deals, moves)


@pytest.mark.parametrize(("horizon", "further"), [(9, "0"), (10, "1"), (90, "1")])
def test_a_deal_gets_further_within_the_horizon_or_not_at_all(cohort: Ask, horizon: int, further: str) -> None:
    (new,) = cohort("stage_conversion", periods=["2025-01"], where={"stage": "new"}, options={"horizon": horizon})
    assert (new.numerator, new.denominator, new.open_share) == (further, "2", "0.000000")


@pytest.mark.parametrize(("horizon", "entered"), [(30, "1"), (31, "0")])
def test_only_deals_as_old_as_the_horizon_enter_a_ratio(cohort: Ask, horizon: int, entered: str) -> None:
    """2 March + 30 days is 1 April, the as-of moment."""
    (new,) = cohort("stage_conversion", periods=["2025-03"], where={"stage": "new"}, options={"horizon": horizon})
    assert (new.denominator, new.value) == (entered, "0.000000" if entered == "1" else None)


@pytest.mark.parametrize(
    ("horizon", "rate"), [(19, (None, "0")), (20, ("0", "1")), (39, ("0", "1")), (40, ("1", "2")), (91, (None, "0"))],
)
def test_a_win_rate_of_a_cohort_counts_closes_within_the_horizon(
    cohort: Ask, horizon: int, rate: tuple[str | None, str]
) -> None:
    """By the 91st day January's deals are not old enough: 1 January + 91 days is 2 April."""
    options = {"count_by": "cohort", "horizon": horizon}
    (found,) = cohort("win_rate_count", periods=["2025-01"], options=options)
    assert (found.numerator if found.value is not None else None, found.denominator) == rate


@pytest.mark.parametrize(("horizon", "won"), [(39, "0"), (40, "1"), (91, "1")])
def test_a_count_of_a_cohort_grows_from_its_first_day(cohort: Ask, horizon: int, won: str) -> None:
    """Nothing is compared, so nobody has to be old enough."""
    options = {"count_by": "cohort", "horizon": horizon}
    assert cohort("won_count", periods=["2025-01"], options=options)[0].value == won

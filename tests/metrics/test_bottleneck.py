"""What a stage costs, and when it may be said."""

from __future__ import annotations

from fractions import Fraction

import pytest

from connector.metrics.question import Group
from connector.metrics.registry.bottleneck import loss

from .conftest import Ask
from .test_forecast import combine, group
from .test_rules import Build, build, move

__all__ = ["build"]  # the fixture

ONE = 1_000_000  # millionths of a deal
BEHIND = {"behind": group(share=6 * ONE, base_share=10 * ONE), "value": group(amount=30_000_0000, base_share=6 * ONE)}


def conversion(further: int, reached: int, still_there: int = 0) -> Group:
    return group(share=further * ONE, base_share=reached * ONE, open_share=still_there * ONE)


def test_the_loss_of_the_example_of_the_catalogue() -> None:
    """E: N 200, c 0.40 against 0.50, w_next 0.6, v 5 000: 60 000."""
    assert loss(Fraction(200), Fraction(2, 5), Fraction(1, 2), Fraction(3, 5), Fraction(5000)) == 60_000
    assert loss(Fraction(200), Fraction(3, 5), Fraction(1, 2), Fraction(3, 5), Fraction(5000)) == 0


def test_the_score_is_the_loss_against_the_year_before_shrunk_to_both() -> None:
    """80 of 200 now, 480 of 980 before; pooled 560 / 1 180; reference (480 + 20 x 560 / 1 180) / 1 000 = 0.489492:
    200 x 0.089492 x 0.6 x 5 000 = 53 694.92."""
    found = combine("bottleneck_score", now=conversion(80, 200), before=conversion(480, 980), **BEHIND)
    assert found.value == "53694.92"


def test_deals_still_in_the_stage_are_in_no_conversion() -> None:
    """Of 240, 40 sit there: 80 of 200 settled as above, but all 240 are at stake: a fifth more."""
    found = combine("bottleneck_score", now=conversion(80, 240, 40), before=conversion(480, 980), **BEHIND)
    assert found.value == "64433.90"


@pytest.mark.parametrize("now", [
    conversion(11, 29), conversion(14, 30), conversion(110, 200), conversion(0, 40, 40),
], ids=["29 deals", "not surely below", "better than before", "nothing settled"])
def test_what_is_not_evident_is_not_told(now: Group) -> None:
    assert combine("bottleneck_score", now=now, before=conversion(480, 980), **BEHIND).value is None


def test_a_stage_without_a_year_before_has_no_score(edge: Ask) -> None:
    assert {value.value for value in edge("bottleneck_score", periods=["2025-03"])} == {None}


def test_the_chance_and_the_value_behind_a_stage(build: Build) -> None:
    """Past `new` got 1 (won, 1 000), 2 (won, no amount), 3 (lost in offer); 4 was lost in new, 5 is open in offer."""
    deals = {"1": {}, "2": {"amount": None}, "3": {}, "4": {}, "5": {}}
    chains = {"1": ["offer", "won"], "2": ["won"], "3": ["offer", "lost"], "4": ["lost"], "5": ["offer"]}
    ask = build(deals, {
        deal: [move("01-01", "new"), *(move(f"01-1{place}", stage) for place, stage in enumerate(chain))]
        for deal, chain in chains.items()
    })
    sales = {"every": "all", "where": {"pipeline": "sales"}}
    won = {one.dimensions["stage"]: (one.numerator, one.denominator) for one in ask("won_after_stage", **sales)}
    assert won == {"new": ("2", "3"), "offer": ("2", "2")}
    value = {one.dimensions["stage"]: (one.value, one.left_out_amount) for one in ask("value_after_stage", **sales)}
    assert value == {"new": ("1000.00", 1), "offer": ("1000.00", 1)}

"""What a stage costs, and when it may be said."""

from __future__ import annotations

from fractions import Fraction

import pytest

from connector.metrics.catalogue import CATALOGUE
from connector.metrics.composed import window
from connector.metrics.question import Group
from connector.metrics.registry.bottleneck import loss
from connector.period import Calendar

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


# --- the queue of a stage --------------------------------------------------------------------------------------------


def queue(entered: int, left: int) -> Group:
    return group(share=entered * ONE, base_share=left * ONE)


@pytest.mark.parametrize(("queues", "value"), [
    ((queue(3, 1), queue(2, 1), queue(2, 1)), "4"), ((queue(3, 1), queue(1, 1), queue(2, 1)), "0"),
    ((queue(1, 3), queue(2, 1), queue(2, 1)), "0"), ((queue(2, 1), queue(2, 1), queue(0, 0)), "0"),
])
def test_a_queue_grows_where_more_enter_than_leave_for_three_periods(queues: tuple[Group, ...], value: str) -> None:
    now, before, earlier = queues
    assert combine("queue_growth", now=now, before=before, earlier=earlier).value == value


def test_a_growing_queue_is_counted_in_its_third_period(build: Build) -> None:
    """Into offer came 1 in January, 2 in February, 2 in March; one of February left in March: 1 + 2 + 1.

    1 was first seen in new: that is no entry (R4), but that it left is known, and new never grew."""
    ask = build({name: {} for name in "12345"}, {
        "1": [move("01-02", "new", origin="initial"), move("01-10", "offer")],
        "2": [move("02-01", "offer"), move("03-05", "lost")], "3": [move("02-02", "offer")],
        "4": [move("03-01", "offer")], "5": [move("03-02", "offer")],
    })
    grown = ask("queue_growth", where={"pipeline": "sales"})
    found = {(one.dimensions["stage"], one.period): one.value for one in grown}
    assert [found["offer", f"2025-0{month}"] for month in (1, 2, 3)] == ["0", "0", "4"]
    assert {value for (stage, _), value in found.items() if stage == "new"} == {"0"}
    ratio = {one.period: (one.value, one.numerator, one.denominator)
             for one in ask("queue_ratio", where={"stage": "offer"})}
    assert ratio["2025-03"] == ("2.000000", "2", "1")
    assert ratio["2025-02"] == (None, "2", "0")
    (new,) = ask("queue_ratio", where={"stage": "new"}, periods=["2025-01"])
    assert (new.numerator, new.denominator) == ("0", "1")


@pytest.mark.parametrize(("period", "first", "last"), [
    ("2025-03", "2023-04-01", "2024-03-31"), ("2025-02", "2023-03-01", "2024-02-29"),
    ("2025", "2024-01-01", "2024-12-31"),
])
def test_a_stage_is_compared_with_the_twelve_months_before_its_own(period: str, first: str, last: str) -> None:
    """Not with those up to the period's beginning: of a month, eleven of these would be the same."""
    assert {term.window for term in CATALOGUE["bottleneck_score"].made_of.values()} == {"year", "year_earlier"}
    calendar = Calendar()
    found = window("year_earlier", calendar.parse(period), calendar)
    assert (found.start_on.isoformat(), found.end_on.isoformat()) == (first, last)
    assert found.end == window("year", calendar.parse(period), calendar).start

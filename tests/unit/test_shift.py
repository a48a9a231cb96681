"""How far a KPI moves, by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.model import KpiValue, Subject
from connector.shift import moves


def value(
    number: str | None, *, status: str = "open", whose: str = "NV1", kpi: str = "won", period: str = "2026-01"
) -> KpiValue:
    return KpiValue(
        kpi=kpi, metric="won_value", subject=Subject("person", whose, whose), dimensions={}, period=period,
        period_start="", period_end="", value=number, unit="money", currency="USD", numerator=None, denominator=None,
        as_of=0, status=status,
    )


def test_what_one_loses_and_another_wins_both_count() -> None:
    """100 of 400 go from one to the other: 200 / 400, though the sum is the same."""
    before = [value("300.00"), value("100.00", whose="NV2")]
    (move,) = moves(before, [value("200.00"), value("200.00", whose="NV2")])
    assert (move.before, move.after, move.share, move.values) == (400, 400, Decimal("0.5"), 2)
    assert (move.is_beyond(0.5), move.is_beyond(0.49)) == (False, True)


def test_no_number_and_no_value_count_as_nothing() -> None:
    (move,) = moves([value("5"), value(None, whose="NV2")], [value("4")])
    assert (move.share, move.values) == (Decimal("0.2"), 1)


def test_from_nothing_to_something_is_beyond_any_share_but_100_percent() -> None:
    (move,) = moves([value("0")], [value("1")])
    assert (move.share, move.is_beyond(0.99), move.is_beyond(1)) == (None, True, False)


def test_a_number_that_was_withheld_does_not_move_by_being_told_but_by_being_withheld() -> None:
    told, withheld = value("7"), value(None, status="withheld")
    assert moves([withheld], [told]) == []
    (move,) = moves([told], [withheld])
    assert (move.before, move.after, move.share) == (7, 0, 1)


def test_a_period_of_which_no_record_could_be_read_does_not_move_by_being_told() -> None:
    """While a stage is missing, a month whose deals are all set aside has no value at all, not a withheld one."""
    withheld = value(None, status="withheld", period="2026-02")
    assert moves([withheld], [value("7"), value("8", period="2026-02")]) == []
    (move,) = moves([value("1", period="2026-02")], [value("7"), value("1", period="2026-02")])
    assert (move.period, move.share) == ("2026-01", None), "nothing was withheld: that is from nothing to something"


def test_what_stays_is_no_move_and_each_period_is_judged_alone() -> None:
    before = [value("100", period=f"2026-0{month}") for month in (1, 2, 3)]
    after = [value("100", period="2026-01"), value("95", period="2026-02"), value("50", period="2026-03")]
    assert [(one.period, one.share) for one in moves(before, after)] == [
        ("2026-03", Decimal("0.5")), ("2026-02", Decimal("0.05"))
    ]


@pytest.mark.parametrize(("limit", "beyond"), [(0.05, False), (0.0499, True)])
def test_exactly_the_guard_is_not_beyond_it(limit: float, beyond: bool) -> None:
    (move,) = moves([value("100")], [value("95")])
    assert move.is_beyond(limit) is beyond

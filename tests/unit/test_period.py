"""Period names and bounds (design.md section 5, metrics.md R1 and R3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model import micros
from connector.period import EVERY, FISCAL_NAMES, WEEK_STARTS, Calendar

HANOI = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
APRIL = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"), fiscal_year_start=4)
STARTS = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"), fiscal_year_start=4, fiscal_year_named="starts")
SUNDAY, SATURDAY = (Calendar(ZoneInfo("Asia/Ho_Chi_Minh"), week_start=day) for day in ("sunday", "saturday"))
ZONES = ["UTC", "Asia/Ho_Chi_Minh", "America/Sao_Paulo", "America/New_York", "Pacific/Apia", "Africa/Cairo"]


def at(text: str) -> int:
    return micros(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("calendar", "name", "first", "last"),
    [
        (HANOI, "2026-10", "2026-10-01", "2026-10-31"),
        (HANOI, "2026-10-31", "2026-10-31", "2026-10-31"),
        (HANOI, "2026-W41", "2026-10-05", "2026-10-11"),
        (HANOI, "2026-W53", "2026-12-28", "2027-01-03"),
        (HANOI, "2026-Q4", "2026-10-01", "2026-12-31"),
        (HANOI, "2026", "2026-01-01", "2026-12-31"),
        (APRIL, "FY2027", "2026-04-01", "2027-03-31"),
        (APRIL, "FY2027-Q3", "2026-10-01", "2026-12-31"),
        (APRIL, "FY2025-Q4", "2025-01-01", "2025-03-31"),
        (STARTS, "FY2026", "2026-04-01", "2027-03-31"),
        (STARTS, "FY2026-Q4", "2027-01-01", "2027-03-31"),
        (SUNDAY, "2026-W41", "2026-10-04", "2026-10-10"),
        (SUNDAY, "2026-W01", "2025-12-28", "2026-01-03"),
        (SATURDAY, "2026-W41", "2026-10-03", "2026-10-09"),
    ],
)
def test_a_name_says_its_days(calendar: Calendar, name: str, first: str, last: str) -> None:
    period = calendar.parse(name)
    assert (period.name, period.start_on, period.end_on) == (name, date.fromisoformat(first), date.fromisoformat(last))


def test_the_bounds_are_local_midnights_and_the_boundary_belongs_to_the_later_period() -> None:
    """R1: D02, won 2025-01-31T18:00Z, is 1 February in Ho Chi Minh City."""
    assert HANOI.at("month", at("2025-01-31T18:00:00+00:00")).name == "2025-02"
    assert HANOI.at("month", at("2025-01-31T17:00:00+00:00")).name == "2025-02"
    assert HANOI.at("month", at("2025-01-31T16:59:59.999999+00:00")).name == "2025-01"


def test_fiscal_years_are_named_after_the_year_they_end_in() -> None:
    """R3: with a start in April, 2025-02 lies in FY2025 Q4."""
    assert APRIL.at("quarter", at("2025-02-10T00:00:00+00:00")).name == "FY2025-Q4"
    assert APRIL.at("year", at("2025-04-10T00:00:00+00:00")).name == "FY2026"


def test_a_calendar_of_then_is_told_by_its_rules() -> None:
    """What was not told yet is as it is now."""
    assert STARTS.told(SUNDAY.rules) == SUNDAY
    assert SUNDAY.told({"fiscal_year_start": 4, "timezone": "UTC"}) == Calendar(SUNDAY.zone, 4, "sunday")


@pytest.mark.parametrize(
    ("key", "value"), [("fiscal_year_start", 13), ("week_start", "friday"), ("fiscal_year_named", "middle")],
)
def test_a_rule_that_there_is_none_of_is_a_fault(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{key}: expected"):
        HANOI.told({key: value})


@pytest.mark.parametrize(
    ("calendar", "name"),
    [
        (APRIL, "2026-Q4"), (APRIL, "2026"), (HANOI, "FY2027"), (HANOI, "FY2027-Q3"), (HANOI, "2026-13"),
        (HANOI, "2026-02-30"), (HANOI, "2025-W53"), (HANOI, "2026-1"), (HANOI, "october"), (HANOI, "2026-Q5"),
        (HANOI, "0000"), (HANOI, "FY2026-10"), (HANOI, "2026-10\n"), (HANOI, "٢٠٢٦-10"),
    ],
)
def test_any_other_name_is_a_fault_that_says_what_is_expected(calendar: Calendar, name: str) -> None:
    with pytest.raises(ValueError, match="expected a name like 2026-10"):
        calendar.parse(name)


def test_a_day_is_as_long_as_its_clock_says() -> None:
    """New York, 9 March 2025: the clocks go forward, the day has 23 hours."""
    period = Calendar(ZoneInfo("America/New_York")).parse("2025-03-09")
    assert period.end - period.start == 23 * 3600 * 1_000_000


def test_a_day_whose_midnight_does_not_exist_begins_when_the_clocks_jump() -> None:
    """Sao Paulo, 4 November 2018: 00:00 became 01:00, which is 03:00 UTC."""
    assert Calendar(ZoneInfo("America/Sao_Paulo")).parse("2018-11-04").start == at("2018-11-04T03:00:00+00:00")


def test_periods_lists_those_that_hold_any_instant_of_the_range() -> None:
    found = HANOI.periods("month", at("2025-01-31T16:59:59+00:00"), at("2025-02-28T17:00:00+00:00"))
    assert [period.name for period in found] == ["2025-01", "2025-02", "2025-03"]
    assert [period.name for period in HANOI.periods("all", 0, at("2025-01-01T00:00:00+00:00"))] == ["all"]


instants = st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1)).map(lambda when: micros(when.replace(tzinfo=UTC)))  # noqa: DTZ001


calendars = st.builds(
    Calendar, st.sampled_from(ZONES).map(ZoneInfo), st.integers(1, 12), st.sampled_from(sorted(WEEK_STARTS)),
    st.sampled_from(FISCAL_NAMES),
)


@given(instants, st.sampled_from(EVERY), calendars)
def test_every_instant_is_in_exactly_the_period_whose_name_is_read_back(
    instant: int, every: str, calendar: Calendar
) -> None:
    period = calendar.at(every, instant)
    assert period.start <= instant < period.end
    assert calendar.parse(period.name) == period


@given(instants, st.sampled_from(EVERY[:-1]), calendars)
def test_periods_follow_one_another_without_gap_or_overlap(instant: int, every: str, calendar: Calendar) -> None:
    period = calendar.at(every, instant)
    after = calendar.holding(every, period.end_on + timedelta(days=1))
    assert (after.start, after.start_on) == (period.end, period.end_on + timedelta(days=1))

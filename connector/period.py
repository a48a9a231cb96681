"""Names and bounds of reporting periods.

A period is [start, end) in the reporting zone; a moment on the boundary belongs to the later one (metrics.md R1).

| name | what |
| --- | --- |
| `2026-10`, `2026-10-31`, `2026-W41` | month, day, ISO week (from Monday, or from the Sunday or Saturday before it) |
| `2026-Q4`, `2026` | quarter and year where the fiscal year is the calendar year |
| `FY2027-Q3`, `FY2027` | otherwise; named after the calendar year in which the fiscal year ends (or starts) |
| `all` | everything; its dates stand for "no bound" |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from connector.model import micros, moment

EVERY = ("day", "week", "month", "quarter", "year", "all")
"""How long a period may be."""

WEEK_STARTS = {"monday": 0, "sunday": 1, "saturday": 2}
"""On which day a week may start, and how many days that is before the ISO week of the same name."""
FISCAL_NAMES = ("ends", "starts")
"""After which calendar year a fiscal year may be named: the one in which it ends, or starts."""

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9999, 12, 31)
"""The dates shown for `all`, and the range in which days can be named."""

_NAME = re.compile(
    r"(?P<fiscal>FY)?(?P<year>\d{4})"
    r"(?:-(?:Q(?P<quarter>[1-4])|W(?P<week>\d{2})|(?P<month>\d{2})(?:-(?P<day>\d{2}))?))?"
)


@dataclass(frozen=True, slots=True)
class Period:
    """One period: `start` and `end` in microseconds UTC, end excluded; the dates are local, the last day included."""

    name: str
    every: str
    start_on: date
    end_on: date
    start: int
    end: int


@dataclass(frozen=True)
class Calendar:
    """The reporting zone, the month (1..12) in which the fiscal year starts and the year it is named after, and the day
    on which weeks start."""

    zone: tzinfo = UTC
    fiscal_year_start: int = 1
    week_start: str = "monday"
    fiscal_year_named: str = "ends"

    def __post_init__(self) -> None:
        if self.fiscal_year_start not in range(1, 13):
            raise ValueError(f"fiscal_year_start: expected a month from 1 to 12, found {self.fiscal_year_start}")
        if self.week_start not in WEEK_STARTS:
            raise ValueError(f"week_start: expected one of {', '.join(WEEK_STARTS)}, found {self.week_start}")
        if self.fiscal_year_named not in FISCAL_NAMES:
            raise ValueError(f"fiscal_year_named: expected {' or '.join(FISCAL_NAMES)}, found {self.fiscal_year_named}")

    @property
    def rules(self) -> dict[str, int | str]:
        """Which days a name means, beside the zone: as a journal entry or a seal tells it."""
        return {
            "fiscal_year_start": self.fiscal_year_start, "week_start": self.week_start,
            "fiscal_year_named": self.fiscal_year_named,
        }

    def told(self, rules: Mapping[str, Any]) -> Calendar:
        """This calendar, by the rules that were told then; what was not told yet is as it is here."""
        return replace(self, **{name: rules[name] for name in self.rules if name in rules})

    def start_of(self, day: date) -> int:
        """The first instant of a local day, in microseconds UTC; also where the clocks change at midnight."""
        return micros(datetime(day.year, day.month, day.day, tzinfo=self.zone))

    def day_of(self, instant: int) -> date:
        """The local date of an instant."""
        return moment(instant).astimezone(self.zone).date()

    def parse(self, name: str) -> Period:
        """The period of that name. Raises ValueError that says which names there are."""
        if name == "all":
            return self._all
        match = _NAME.fullmatch(name)
        if not match:
            raise ValueError(f"'{name}' is no period; {self.expected}")
        year = int(match["year"])
        try:
            if match["week"]:
                monday = date.fromisocalendar(year, int(match["week"]), 1)
                found = self._of("week", monday - self._into_week)
            elif match["day"]:
                found = self._of("day", date(year, int(match["month"]), int(match["day"])))
            elif match["month"]:
                found = self._of("month", date(year, int(match["month"]), 1))
            else:
                every = "quarter" if match["quarter"] else "year"
                found = self._of(every, self._fiscal(year, int(match["quarter"] or 1)))
        except (ValueError, OverflowError):
            raise ValueError(f"'{name}' is not in the calendar; {self.expected}") from None
        if found.name != name:  # a bare quarter under a fiscal calendar, or FY under the plain one
            raise ValueError(f"'{name}' is not how this calendar names it; {self.expected}")
        return found

    def at(self, every: str, instant: int) -> Period:
        """The period of that length which holds the instant."""
        return self.holding(every, self.day_of(instant))

    def holding(self, every: str, day: date) -> Period:
        """The period of that length which holds the local day."""
        if every == "all":
            return self._all
        if every == "day":
            return self._of(every, day)
        if every == "week":
            return self._of(every, day - timedelta(days=(day + self._into_week).weekday()))
        if every == "month":
            return self._of(every, day.replace(day=1))
        if every not in EVERY:
            raise ValueError(f"'{every}' is no length of a period; expected one of {', '.join(EVERY)}")
        into = (day.month - self.fiscal_year_start) % (12 if every == "year" else 3)
        return self._of(every, _months_later(day.replace(day=1), -into))

    def periods(self, every: str, start: int, end: int) -> Iterator[Period]:
        """The periods that hold any instant from `start` to `end` (both microseconds, both included), in order."""
        period = self.at(every, start)
        while period.start <= end:
            yield period
            if period.every == "all":
                return
            period = self.holding(every, period.end_on + timedelta(days=1))

    @property
    def expected(self) -> str:
        """What a period may be called here, for messages."""
        years = "2026-Q4 or 2026" if self.fiscal_year_start == 1 else "FY2027-Q3 or FY2027"
        return f"expected a name like 2026-10, 2026-10-31, 2026-W41, {years} (fiscal years start in month " \
            f"{self.fiscal_year_start}), or all"

    @property
    def _into_week(self) -> timedelta:
        """How long before its ISO week a week starts."""
        return timedelta(days=WEEK_STARTS[self.week_start])

    @property
    def _all(self) -> Period:
        return Period("all", "all", FIRST_DAY, LAST_DAY, _day_in_utc(FIRST_DAY), _day_in_utc(LAST_DAY))

    def _fiscal(self, year: int, quarter: int) -> date:
        """The first day of a quarter of the fiscal year of that name."""
        starts = year if self.fiscal_year_start == 1 or self.fiscal_year_named == "starts" else year - 1
        return _months_later(date(starts, self.fiscal_year_start, 1), 3 * (quarter - 1))

    def _of(self, every: str, start: date) -> Period:
        return _period(self, every, start)

    def _name(self, every: str, start: date) -> str:
        if every == "day":
            return start.isoformat()
        if every == "week":
            year, week, _ = (start + self._into_week).isocalendar()
            return f"{year:04}-W{week:02}"
        if every == "month":
            return f"{start.year:04}-{start.month:02}"
        months = (start.month - self.fiscal_year_start) % 12
        year = start.year - (start.month < self.fiscal_year_start)  # in which it starts
        year += self.fiscal_year_start > 1 and self.fiscal_year_named == "ends"
        prefix = "" if self.fiscal_year_start == 1 else "FY"
        return f"{prefix}{year:04}" + (f"-Q{months // 3 + 1}" if every == "quarter" else "")


@lru_cache(maxsize=4096)
def _period(calendar: Calendar, every: str, start: date) -> Period:
    if every in {"day", "week"}:
        after = start + timedelta(days=1 if every == "day" else 7)
    else:
        after = _months_later(start, {"month": 1, "quarter": 3, "year": 12}[every])
    return Period(
        calendar._name(every, start), every, start, after - timedelta(days=1),
        calendar.start_of(start), calendar.start_of(after),
    )


def _months_later(first: date, months: int) -> date:
    """The first day of the month that many months after that of `first`."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _day_in_utc(day: date) -> int:
    return micros(datetime(day.year, day.month, day.day, tzinfo=UTC))

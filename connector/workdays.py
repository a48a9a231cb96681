"""Working days: which days are none, those of a period, and when the N-th one after it begins. Pure.

The days of the holidays file are no working days, nor are Saturdays and Sundays unless the config has them worked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container
from dataclasses import dataclass
from datetime import date, timedelta

from connector.cells import day, required
from connector.errors import ConfigError, Fault
from connector.period import Calendar, Period
from connector.tabular import columns, read_table

MOST = 60
"""The latest working day a close may be set to."""


WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WORKED = WEEK[:5]
"""The days of a week that are worked unless the config says otherwise."""


@dataclass(frozen=True, slots=True)
class DaysOff(Container[date]):
    """Days that are no working days: the holidays, and those of each week that are not `worked`."""

    holidays: Collection[date] = frozenset()
    worked: Collection[str] = WORKED

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and (WEEK[day.weekday()] not in self.worked or day in self.holidays)


def parse(text: str) -> int:
    """The number in `workday 5`. Raises ValueError."""
    found = re.fullmatch(r"workday +([1-9][0-9]?)", text.strip().lower())
    if not found or int(found[1]) > MOST:
        raise ValueError(f'expected a working day after the period, "workday 1" to "workday {MOST}"')
    return int(found[1])


def holidays(content: bytes, file: str) -> frozenset[date]:
    """The days of a table with the column date (and a name, for people). All faults at once as ConfigError."""
    if "date" not in columns(content, file):
        raise ConfigError([Fault(file, 1, "date", "no such column; expected date and, if you like, name")])
    faults: list[Fault] = []
    days = [required(row, "date", day, faults) for row in read_table(content, file)]
    if faults:
        raise ConfigError(faults)
    return frozenset(one for one in days if one is not None)


def due(
    number: int, every: str, calendar: Calendar, off: Container[date], now: int, after: int | None
) -> list[Period]:
    """The periods of that length whose `number`-th working day has begun, in order.

    Those that begin at the instant `after` or later; without it only the last one.
    """
    if after is not None:
        periods = calendar.periods(every, after, now)
        return [one for one in periods if begins(number, one, calendar, off) <= now]
    found = calendar.at(every, now)
    while begins(number, found, calendar, off) > now:
        found = calendar.at(every, found.start - 1)
    return [found]


def begins(number: int, period: Period, calendar: Calendar, off: Container[date]) -> int:
    """The first instant of the `number`-th working day after the period, in microseconds UTC."""
    found = period.end_on
    while number:
        found += timedelta(days=1)
        number -= found not in off
    return calendar.start_of(found)


def within(first: date, last: date, off: Container[date]) -> list[date]:
    """The working days from `first` to `last`, both included."""
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day not in off]

"""Reading the cells of a table into values, with every fault noted and none guessed away."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from connector import convert
from connector.errors import Fault
from connector.period import Calendar, Period
from connector.tabular import Cell, Row

MOST_DIGITS = 18
"""Digits a number may have before its decimal mark, and after it."""

_SHORT = re.compile(r"\d([.,]\d+)?E\+\d+")

T = TypeVar("T")


def read(row: Row, column: str, reader: Callable[[Cell], T], faults: list[Fault]) -> T | None:
    """The cell in `column` as `reader` understands it; None if it is empty, or at fault (then the fault is noted)."""
    value = row.cells.get(column)
    if value is None:
        return None
    try:
        return reader(value)
    except ValueError as error:
        faults.append(row.fault(column, str(error)))
        return None


def required(row: Row, column: str, reader: Callable[[Cell], T], faults: list[Fault]) -> T | None:
    """As `read`; an empty cell is a fault too."""
    if row.cells.get(column) is None:
        faults.append(row.fault(column, "empty; expected a value"))
    return read(row, column, reader, faults)


def code(value: Cell) -> str:
    """A code or a name: text. A number where a code belongs may have lost its leading zeros."""
    if isinstance(value, str):
        if _SHORT.fullmatch(value.strip()):
            raise ValueError("a number that a table program wrote short, as 1.2E+05, so digits are lost; format the "
                             "column as text, and fill it in again")
        return value.strip()
    raise ValueError(f"a number or date where a code belongs (found {type(value).__name__}), leading zeros may be lost;"
                     " format the cell as text, or quote it")


def day(value: Cell) -> date:
    """A local date."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str) and len(value.strip()) == len("2026-10-31"):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    found = "text that is none" if isinstance(value, str) else type(value).__name__
    raise ValueError(f"expected a date as YYYY-MM-DD, found {found}")


def name(value: Cell) -> str:
    """A name people gave: text, or a number as it is written."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"expected a name, found {type(value).__name__}")
    return str(value).strip()


def number(value: Cell, decimal: str = ".") -> Decimal:
    """An exact number of a size that can be computed with."""
    return sized(convert.exact(value, decimal))


def above_zero(value: Cell, decimal: str = ".") -> Decimal:
    """Such a number above 0."""
    found = number(value, decimal)
    if found <= 0:
        raise ValueError("expected a number above 0")
    return found


def sized(given: Decimal) -> Decimal:
    """The number, if it is of such a size. Raises ValueError."""
    exponent = given.as_tuple().exponent
    if (given and given.adjusted() >= MOST_DIGITS) or not isinstance(exponent, int) or exponent < -MOST_DIGITS:
        raise ValueError(f"expected a number of at most {MOST_DIGITS} digits before and after the decimal mark")
    return given


def period_of(value: Cell, calendar: Calendar) -> Period:
    """A period by its name; a number is a year's, and a date a day's, as a table program may have made of it."""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, bool) or not isinstance(value, str | int | date):
        raise ValueError(f"expected a period, found {type(value).__name__}; {calendar.expected}")
    return calendar.parse(value.isoformat() if isinstance(value, date) else str(value).strip())

"""Reading the cells of a table into values, with every fault noted and none guessed away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar

from connector.errors import Fault
from connector.tabular import Cell, Row

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
    raise ValueError(f"expected a date as YYYY-MM-DD, found {type(value).__name__}")

"""What the columns of a table hold, guessed from their first values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from connector.metadata import FieldInfo, FieldType
from connector.paths import steps
from connector.tabular import Cell

LOOKED_AT = 1_000
"""Rows from which a type is guessed."""
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")  # 007 is a code


def column(name: str, cells: Iterable[Cell], *, is_key: bool) -> FieldInfo:
    """The field of a column. A key is text, whatever it looks like; so is a column of which nothing is known."""
    kinds = {_kind(cell) for cell in cells if cell is not None}
    guessed: FieldType = kinds.pop() if len(kinds) == 1 else "datetime" if kinds == {"date", "datetime"} else "text"
    return FieldInfo(path(name), name, "text" if is_key else guessed, is_guessed=True)


def path(name: str) -> str:
    """A column as a mapping writes it, in quotes where its name is more than a word."""
    return name if steps(name) == (name,) else json.dumps(name, ensure_ascii=False)


def _kind(cell: Cell) -> FieldType:
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int | Decimal):
        return "number"
    if isinstance(cell, date):
        return "datetime" if isinstance(cell, datetime) else "date"
    return _kind_of_text(cell or "")


def _kind_of_text(text: str) -> FieldType:
    if text.lower() in ("true", "false", "yes", "no"):
        return "boolean"
    if _NUMBER.fullmatch(text):
        return "number"
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        return "text"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return "text"
    return "date" if len(text) == len("2026-10-31") else "datetime"

"""People, targets, rates, holidays, OKR and ASK: the same from .csv, .xlsx and .yaml, and every fault at its place."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from connector import ask, fx, okr_table, people, targets, workdays
from connector.errors import ConfigError
from connector.kpi import KpiDefinition
from connector.period import Calendar

KPIS = {"won": KpiDefinition("won", "won_value", per="person")}
Rows = list[list[Any]]

READ: dict[str, Callable[[bytes, str], Any]] = {
    "people": lambda content, name: [
        (one.code, one.name, one.emails, one.owners, one.stays) for one in people.parse(content, name).persons
    ],
    "targets": lambda content, name: targets.parse(content, name, KPIS, Calendar(), "USD"),
    "fx": lambda content, name: fx.parse(content, name, "USD"),
    "holidays": workdays.holidays,
    "okrs": lambda content, name: okr_table.parse(content, name, "month", KPIS, Calendar()),
    "ask": lambda content, name: ask.parse(content, name, "month", Calendar()),
}
SOUND: dict[str, Rows] = {
    "people": [["employee_code", "email", "owner", "name", "team", "from", "to"],
               ["007", "an@x.vn", "crm:1", "An", "north", "2026-01-01", "2026-06-30"],
               ["007", None, "crm:2", None, "south", "2026-07-01", None]],
    "targets": [["kpi", "subject", "period", "target"], ["won", "007", "2026-01", "1500.5"]],
    "fx": [["currency", "valid_from", "rate"], ["EUR", "2026-01-01", "1.25"]],
    "holidays": [["date", "name"], ["2026-01-01", "New Year"]],
    "okrs": [["objective", "key_result", "person", "period", "start", "target", "current"],
             ["O", "K", "007", "2026-01", "0", "1.5", "0.5"]],
    "ask": [["person", "group", "item", "rater", "round", "score"], ["007", "skill", "Asks", "boss", "2026-01", "3.5"]],
}
FAULTY: dict[str, tuple[Rows, list[tuple[int, str]]]] = {  # two rows of faults; the row (from 0) and column of each
    "people": ([["employee_code", "from", "owner"], ["007", "soon", "one"], [None, None, "crm:1"]],
               [(1, "from"), (1, "owner"), (2, "employee_code")]),
    "targets": ([["kpi", "subject", "period", "target"], ["sold", "007", "2026-01", "1"],
                 ["won", "007", "January", "much"]], [(1, "kpi"), (2, "period"), (2, "target")]),
    "fx": ([["currency", "valid_from", "rate"], ["euro", "2026-01-01", "-1"], ["EUR", "soon", "1"]],
           [(1, "currency"), (1, "rate"), (2, "valid_from")]),
    "holidays": ([["date"], ["soon"], ["later"]], [(1, "date"), (2, "date")]),
    "okrs": ([["objective", "key_result", "period", "start", "target", "kpi"], ["O", "K", "2026-Q1", "0", "1", None],
              ["O", "L", "2026-01", "x", "1", "sold"]], [(1, "period"), (2, "kpi"), (2, "start")]),
    "ask": ([["person", "group", "item", "rater", "round", "score"], ["007", "charm", "a", "b", "2026-01", "3"],
             ["007", "skill", "a", "b", "2026-01", "9"]], [(1, "group"), (2, "score")]),
}


def written(rows: Rows, kind: str) -> bytes:
    """The rows as a file of that kind; a workbook's sheet is called People 2026."""
    if kind == "yaml":
        named = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
        return ("".join(f"- {json.dumps(one)}\n" for one in named)).encode()
    if kind == "csv":
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        return text.getvalue().encode()
    book = openpyxl.Workbook()
    book.active.title = "People 2026"  # type: ignore[union-attr]
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("table", READ)
def test_a_table_says_the_same_in_every_format(table: str) -> None:
    told = [READ[table](written(SOUND[table], kind), f"{table}.{kind}") for kind in ("csv", "xlsx", "yaml")]
    assert told[0]
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "yaml"])
@pytest.mark.parametrize("table", READ)
def test_all_faults_are_told_by_file_sheet_and_row(table: str, kind: str) -> None:
    rows, places = FAULTY[table]
    with pytest.raises(ConfigError) as raised:
        READ[table](written(rows, kind), f"{table}.{kind}")
    sheet = "People 2026." if kind == "xlsx" else ""
    first = 0 if kind == "yaml" else 1  # a list has no header row
    told = [(fault.file, fault.line, fault.key) for fault in raised.value.faults]
    assert sorted(told) == sorted((f"{table}.{kind}", row + first, f"{sheet}{column}") for row, column in places)


@pytest.mark.parametrize(("table", "column"), [("people", 0), ("targets", 1), ("okrs", 2), ("ask", 0)])
def test_a_number_where_a_code_belongs_is_a_fault(table: str, column: int) -> None:
    """Excel makes 7 of 007."""
    rows = [list(row) for row in SOUND[table]]
    rows[1][column] = 7
    with pytest.raises(ConfigError, match=r"\.xlsx:2: People 2026\..*leading zeros may be lost"):
        READ[table](written(rows, "xlsx"), f"{table}.xlsx")

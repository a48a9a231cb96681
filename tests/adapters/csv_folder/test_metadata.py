"""What a folder of tables tells of itself: the columns there are, and what they look like."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from connector.errors import Permanent
from connector.metadata import FieldInfo
from connector.paths import compile_path
from tests.adapters.csv_folder.test_csv_folder import read, source, write_book

DEALS = """\
id,code,amount,won,closed_on,changed_at,Sale's name,empty
1,007,1200.50,yes,2026-03-01,2026-03-01T08:00:00Z,First,
2,008,-3,no,,2026-03-02,12,
"""


def test_columns_have_the_type_that_their_values_look_like(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text(DEALS, "utf-8")
    (tmp_path / "lines.csv").write_text("deal,amount\n1,5\n", "utf-8")
    found = source(tmp_path, deals={"file": "deals.csv", "key": "id", "nest": {
        "lines": {"file": "lines.csv", "on": {"id": "deal"}}}})
    told = found.metadata(["deals", "no such stream"]).fields
    assert {path: one.type for path, one in told["deals"].items()} == {
        "id": "text", "code": "text", "amount": "number", "won": "boolean", "closed_on": "date",
        "changed_at": "datetime", '"Sale\'s name"': "text", "empty": "text", "lines": "list",
    }
    assert list(told) == ["deals"]
    record = read(found, "deals")[0]
    assert compile_path('"Sale\'s name"')(record.data) == "First"


def test_a_workbook_says_its_types_itself(tmp_path: Path) -> None:
    write_book(tmp_path / "deals.xlsx", [
        ["id", "amount", "won", "closed_on", "changed_at"],
        ["A", 12.5, True, date(2026, 3, 1), datetime(2026, 3, 1, 8, 30)],  # noqa: DTZ001  # as Excel has it
    ])
    told = source(tmp_path, deals={"file": "deals.xlsx", "key": "id"}).metadata(["deals"]).fields["deals"]
    assert told["amount"] == FieldInfo("amount", "amount", "number", is_guessed=True)
    assert {told[name].type for name in ("won", "changed_at")} == {"boolean", "datetime"}


def test_a_file_that_is_not_there_is_an_error_and_not_an_empty_answer(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"deals\.csv"):
        source(tmp_path, deals={"file": "deals.csv", "key": "id"}).metadata(["deals"])


def test_only_the_first_thousand_rows_are_looked_at(tmp_path: Path) -> None:
    rows = ["id,amount", *(f"{number},1" for number in range(1000)), "1000,none"]
    (tmp_path / "deals.csv").write_text("\n".join(rows), "utf-8")
    told = source(tmp_path, deals={"file": "deals.csv", "key": "id"}).metadata(["deals"]).fields["deals"]
    assert told["amount"].type == "number"

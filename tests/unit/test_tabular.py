"""What reading a table promises: text stays text, types stay types, and every row knows where it stands."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ConfigError
from connector.tabular import columns, csv_header, read_table


def cells(content: bytes | Path, file: str = "t.csv", **options: Any) -> list[dict[str, Any]]:
    return [dict(row.cells) for row in read_table(content, file, **options)]


def workbook(**sheets: list[list[Any]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separator_and_encoding_are_found_from_the_file(separator: str, encoding: str) -> None:
    text = "code;tên\r\n007;Đặng\r\n".replace(";", separator)
    assert cells(text.encode(encoding)) == [{"code": "007", "tên": "Đặng"}]


def test_a_separator_inside_quotes_of_the_header_does_not_count() -> None:
    assert cells(b'"a;b;c",d\n1,2\n') == [{"a;b;c": "1", "d": "2"}]


def test_a_quoted_line_break_stays_in_its_cell_and_rows_are_numbered_by_line() -> None:
    rows = list(read_table(b'id,note\n1,"two\nlines"\n\n2,x\n', "t.csv"))
    assert [(row.number, row.cells["note"]) for row in rows] == [(2, "two\nlines"), (5, "x")]
    assert rows[0].text == '1,"two\nlines"\n'


def test_empty_and_blank_cells_are_none_and_short_rows_are_filled() -> None:
    assert cells(b"a,b,c\n1,,  \n2\n") == [{"a": "1", "b": None, "c": None}, {"a": "2", "b": None, "c": None}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "t.csv:1: no header"),
        (b"a,b,a\n", "t.csv:1: a: this column name stands twice"),
        (b"a,b\n1,2\n3,4,5\n", "t.csv:3: 3 cells under 2 columns"),
        (b'a,b\n1,"open\n', "t.csv:2: not a CSV row"),
        (b"a\n\xff\xff\n", "t.csv:2: not UTF-8 text"),
    ],
)
def test_a_csv_that_cannot_be_read_says_where_and_why(content: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cells(content)
    assert said in str(caught.value)


def test_an_unknown_ending_is_a_fault() -> None:
    with pytest.raises(ConfigError, match=r"t\.xls: a table ends in \.csv, \.xlsx"):
        cells(b"", "t.xls")


def test_xlsx_cells_keep_their_types_and_floats_become_exact_decimals() -> None:
    at = datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001  # as Excel has it
    book = workbook(
        people=[["code", "n", "price", "on", "at", "yes"], ["007", 7, 19.99, date(2026, 1, 31), at, True]]
    )
    assert cells(book, "t.xlsx") == [
        {"code": "007", "n": 7, "price": Decimal("19.99"), "on": date(2026, 1, 31), "at": at, "yes": True}
    ]


def test_xlsx_drops_the_binary_tail_excel_never_shows() -> None:
    assert cells(workbook(s=[["a"], [0.1 + 0.2]]), "t.xlsx") == [{"a": Decimal("0.3")}]


def test_xlsx_blank_rows_are_left_out_but_counted_and_nameless_columns_not_read() -> None:
    rows = list(read_table(workbook(s=[["a", None, "b"], [], [1, "note", None]]), "t.xlsx"))
    assert [(row.number, row.sheet, dict(row.cells)) for row in rows] == [(3, "s", {"a": 1, "b": None})]


def test_xlsx_sheet_is_chosen_by_name_and_an_unknown_one_lists_the_known() -> None:
    book = workbook(one=[["a"], [1]], two=[["a"], [2]])
    assert cells(book, "t.xlsx", sheet="two") == [{"a": 2}]
    with pytest.raises(ConfigError, match="no such sheet; the workbook has one, two"):
        cells(book, "t.xlsx", sheet="three")


def test_what_is_no_workbook_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="not an XLSX workbook"):
        cells(b"code,name\n", "t.xlsx")


def test_yaml_rows_keep_exact_decimals_and_lines_and_have_no_dates() -> None:
    first = "people:\n  - {code: '007', share: 0.10, from: 2026-01-31}\n"
    second = "  - code: 0123\n    at: 2026-01-31T10:00:00+07:00\n"
    rows = list(read_table((first + second).encode(), "t.yaml"))
    assert rows[0].cells == {"code": "007", "share": Decimal("0.10"), "from": "2026-01-31"}
    assert rows[1].cells == {"code": 123, "at": "2026-01-31T10:00:00+07:00"}
    assert [(row.sheet, row.number) for row in rows] == [("people", 2), ("people", 3)]
    assert str(rows[1].fault("at", "wrong")) == "t.yaml:4: people.at: wrong"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\n", "t.yaml:1: a: expected a list of rows, found int"),
        (b"- 1\n", "t.yaml:1: expected `column: value`"),
        (b"- {a: [1]}\n", "t.yaml:1: a: a cell holds one value"),
        (b"- {a: 1\n", "t.yaml:1: not valid YAML"),
        (b"- {a: 1,\n   a: 2}\n", "t.yaml:2: [0].a: the key is given twice, first on line 1"),
        (b"- a: 1\n\tb: 2\n", "t.yaml:2: a tab stands where YAML wants spaces"),
    ],
)
def test_yaml_that_is_no_table_says_where_and_why(content: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cells(content, "t.yaml")
    assert said in str(caught.value)


def test_a_path_reads_the_same_as_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa;b\n1;2\n")
    assert cells(path) == cells(path.read_bytes()) == [{"a": "1", "b": "2"}]
    assert columns(path, "t.csv") == ("a", "b")
    assert csv_header(path, "t.csv") == "a;b\n"


def test_a_long_file_is_read_as_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("a\n" + "x\n" * 50_000)
    import tracemalloc

    tracemalloc.start()
    count = sum(1 for _ in read_table(path, "long.csv"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 50_000
    assert peak < 1_000_000


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=8))
def test_what_a_csv_writer_writes_is_read_back(rows: list[list[str]]) -> None:
    """Any text survives, but cells of blanks alone (None) and rows of nothing else (left out)."""
    import csv

    out = io.StringIO(newline="")
    csv.writer(out).writerows([["a", "b"], *rows])
    blank_is_none = [[None if not cell or cell.isspace() else cell for cell in row] for row in rows]
    read = [list(row.values()) for row in cells(out.getvalue().encode())]
    assert read == [row for row in blank_is_none if row != [None, None]]

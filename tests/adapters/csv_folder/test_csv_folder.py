"""What a folder of tables promises: every row once, from landed bytes alone, the same bytes for the same file."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters import csv_folder
from adapters.csv_folder import CsvFolder, CsvFolderSettings
from connector.errors import Permanent, Transient
from connector.model import micros
from connector.ports import Context, Page, Record, Window
from connector.testing import FakeClock

DATA = Path(__file__).parents[2] / "data"
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ALL = Window(None, NOW)


def source(folder: Path, **files: Any) -> CsvFolder:
    context = Context(FakeClock(NOW), ZoneInfo("Asia/Ho_Chi_Minh"), str(folder))
    return CsvFolder("files", CsvFolderSettings.model_validate({"folder": ".", "files": files}), context)


def read(found: CsvFolder, stream: str, window: Window = ALL, position: Any = None) -> list[Record]:
    return [record for page in found.read(stream, window, position) for record in found.records(stream, page.exchanges)]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_folder, "ROWS_PER_PAGE", 2)


def write_book(path: Path, rows: list[list[Any]]) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]  # a new workbook has a sheet
    book.save(path)


def test_every_row_of_the_edge_cases_is_a_record_with_its_own_text() -> None:
    found = source(DATA / "edge_cases", deals={"file": "deals.csv", "key": "deal_id"})
    records = read(found, "deals")
    assert [record.key for record in records] == [f"D{n:02}" for n in range(1, 14)]
    assert records[1].data["amount"] == "5000.00"
    assert records[6].data["amount"] is None  # D07: an empty cell is null
    assert {record.modified for record in records} == {None}


def test_twenty_two_thousand_events_come_in_pages_and_each_once() -> None:
    found = source(DATA / "renting_funnel", events={"file": "events.csv", "key": ["case_id", "seq"]})
    pages = list(found.read("events", ALL))
    keys = [record.key for page in pages for record in found.records("events", page.exchanges)]
    assert (len(pages), len(keys), len(set(keys))) == (45, 22_434, 22_434)
    assert pages[1].exchanges[0].url == "file:events.csv#rows=501-1000"
    assert [page.position is None for page in pages] == [False] * 44 + [True]


@pytest.mark.usefixtures("small_pages")
def test_reading_goes_on_where_it_was_and_begins_again_when_the_file_is_another(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id\n1\n2\n3\n")
    found = source(tmp_path, t={"file": "t.csv", "key": "id"})
    first = next(iter(found.read("t", ALL)))
    assert [record.key for record in read(found, "t", ALL, first.position)] == ["3"]
    (tmp_path / "t.csv").write_text("id\n0\n1\n2\n3\n")
    assert [record.key for record in read(found, "t", ALL, first.position)] == ["0", "1", "2", "3"]


def test_an_unchanged_file_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "t.csv").write_bytes(b"\xef\xbb\xbfid;note\r\n1;\"two\r\nlines\"\r\n2;x")
        write_book(folder / "o.xlsx", [["no", "day"], ["A1", date(2026, 1, 31)]])
    files = {"t": {"file": "t.csv", "key": "id"}, "o": {"file": "o.xlsx", "key": "no"}}
    one, other = source(tmp_path / "a", **files), source(tmp_path / "b", **files)
    for stream in ("t", "o"):
        pages = [[page.exchanges for page in found.read(stream, ALL)] for found in (one, one, other)]
        assert pages[0] == pages[1] == pages[2]
    assert next(iter(one.read("t", ALL))).exchanges[0].answer == b'id;note\r\n1;"two\r\nlines"\r\n2;x\n'


def test_a_modified_column_is_filtered_by_the_window_both_ends_included(tmp_path: Path) -> None:
    """A bare date is a whole local day (17:00 UTC to 17:00 UTC in Vietnam); an empty or odd cell is always read."""
    rows = [
        "a,2026-02-01T00:00:00Z", "b,2026-02-02T00:00:00+07:00", "c,2026-02-01T12:00:00.000001Z", "d,2026-02-01", "e,",
        "f,2026-01-31", "g,1 Feb", "h,2026-02-01T07:00:00",
    ]
    (tmp_path / "t.csv").write_text("id,changed\n" + "\n".join(rows) + "\n")
    found = source(tmp_path, t={"file": "t.csv", "key": "id", "modified": "changed"})
    window = Window(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 1, 17, tzinfo=UTC))
    records = {record.key: record.modified for record in read(found, "t", window)}
    assert list(records) == ["a", "b", "c", "d", "e", "g", "h"]
    assert records["a"] == records["h"] == micros(datetime(2026, 2, 1, tzinfo=UTC))
    assert records["d"] == micros(datetime(2026, 1, 31, 17, tzinfo=UTC))
    assert records["e"] is records["g"] is None


def test_a_file_without_modified_column_or_that_is_complete_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,changed\n1,2020-01-01\n")
    found = source(
        tmp_path,
        plain={"file": "t.csv", "key": "id"},
        filtered={"file": "t.csv", "key": "id", "modified": "changed"},
        whole={"file": "t.csv", "key": "id", "modified": "changed", "complete": True},
    )
    kinds = {stream.name: (stream.cursor, stream.complete, stream.by_id) for stream in found.streams()}
    assert kinds == {
        "plain": (False, False, True), "filtered": (True, False, True), "whole": (False, True, True),
    }
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), NOW)
    assert [len(read(found, name, window)) for name in kinds] == [1, 0, 1]


def test_a_key_of_several_columns_is_joined_and_escaped(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\nx|y,\\\nx,y|\\\n')
    found = source(tmp_path, t={"file": "t.csv", "key": ["a", "b"]})
    assert [record.key for record in read(found, "t")] == ["x\\|y|\\\\", "x|y\\|\\\\"]


def test_a_row_without_key_is_a_record_all_the_same(tmp_path: Path) -> None:
    """The mapping then says what is wrong with it, in quarantine; two such rows are two."""
    (tmp_path / "t.csv").write_text("id,n\n,1\n,2\n,1\n")
    keys = [record.key for record in read(source(tmp_path, t={"file": "t.csv", "key": "id"}), "t")]
    assert keys[0] == keys[2] != keys[1]
    assert keys[0].startswith("without key ")


NESTED = {"file": "orders.csv", "key": "no", "nest": {"lines": {"file": "lines.csv", "on": {"no": "order"}}}}


@pytest.mark.usefixtures("small_pages")
def test_nested_rows_are_a_list_in_the_record_and_travel_with_its_page(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("no,who\nA,x\nB,y\nC,z\n")
    (tmp_path / "lines.csv").write_text("order,amount\nC,9\nA,1\nB,3\nA,2")
    found = source(tmp_path, orders=NESTED)
    pages = list(found.read("orders", ALL))
    assert [page.exchanges[1].answer for page in pages] == [b"order,amount\nA,1\nB,3\nA,2\n", b"order,amount\nC,9\n"]
    records = [record for page in pages for record in found.records("orders", page.exchanges)]
    assert [[line["amount"] for line in record.data["lines"]] for record in records] == [["1", "2"], ["3"], ["9"]]


def test_workbook_cells_are_plain_values_without_a_float(tmp_path: Path) -> None:
    write_book(
        tmp_path / "o.xlsx",
        [["no", "amount", "count", "day", "at", "paid"],
         ["007", 19.99, 3, date(2026, 1, 31), datetime(2026, 1, 31, 9, 30), True],  # noqa: DTZ001  # as Excel has it
         [8, None, None, None, None, None]],
    )
    records = read(source(tmp_path, o={"file": "o.xlsx", "key": "no"}), "o")
    assert records[0].data == {
        "no": "007", "amount": "19.99", "count": 3, "day": "2026-01-31", "at": "2026-01-31T09:30:00", "paid": True,
    }
    assert (records[1].key, records[1].data["amount"]) == ("8", None)


def test_single_rows_are_read_by_key() -> None:
    found = source(DATA / "edge_cases", deals={"file": "deals.csv", "key": "deal_id"})
    pages: list[Page] = list(found.read_ids("deals", ["D03", "D11", "nobody"]))
    assert [record.key for page in pages for record in found.records("deals", page.exchanges)] == ["D03", "D11"]


@pytest.mark.parametrize(
    ("content", "table", "said"),
    [
        (None, {"key": "id"}, "t.csv: No such file or directory in "),
        ("no\n1\n", {"key": "id"}, "t.csv: no column 'id'; its columns are no"),
        ("id\n1\n", {"key": "id", "modified": "changed"}, "t.csv: no column 'changed'"),
        ("id,id\n1,2\n", {"key": "id"}, "t.csv:1: id: this column name stands twice"),
        ("id\n1\n", {"key": "id", "nest": {"x": {"file": "x.csv", "on": "id"}}}, "x.csv: No such file"),
    ],
)
def test_a_file_that_is_not_as_configured_names_file_and_column(
    tmp_path: Path, content: str | None, table: dict[str, Any], said: str
) -> None:
    if content is not None:
        (tmp_path / "t.csv").write_text(content)
    found = source(tmp_path, t={"file": "t.csv", **table})
    with pytest.raises(Permanent) as caught:
        read(found, "t")
    assert said in str(caught.value)
    assert caught.value.where == "files t"
    assert [(check.ok, said in check.detail) for check in found.check()] == [(False, True)]


def test_a_file_written_while_it_is_read_is_left_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\n" + "1\n" * 600)
    pages = source(tmp_path, t={"file": "t.csv", "key": "id"}).read("t", ALL)
    next(pages)
    path.write_text("id\n2\n")
    os.utime(path, (1, 1))
    with pytest.raises(Transient, match="was changed while it was read"):
        next(pages)


def test_check_finds_a_key_that_does_not_identify_a_row() -> None:
    found = source(DATA / "edge_cases", t={"file": "stage_transitions.csv", "key": "deal_id"})
    (check,) = found.check()
    assert (check.ok, check.detail) == (
        False, "stage_transitions.csv: 12 keys stand in several rows; name more columns in `key`",
    )

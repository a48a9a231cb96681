"""Rows of a .csv, .xlsx or .yaml table, one at a time, each knowing its file, sheet and row.

Nothing is interpreted but what the file itself says: a CSV cell is text; an XLSX or YAML cell keeps its type, so that
a number where a code belongs (lost zeros) can be told from text. No money, no date is parsed here; in YAML
1.2 a date is text.

CSV: UTF-8 with or without BOM, or UTF-16 with BOM (Excel's "Unicode text"); comma, semicolon or tab, whichever the
header has most of; quoted line breaks. XLSX: values, not formulas; the first sheet unless one is named. YAML 1.2: a
list of mappings, or a mapping of name to such a list (then `sheet` is the name; the first unless one is named).
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain, zip_longest
from pathlib import Path
from typing import IO, Any

from connector import document
from connector.errors import ConfigError, Fault

Cell = str | int | Decimal | bool | date | datetime | None
"""A cell: None when it is empty or only blanks. A datetime (XLSX only) is naive, as Excel has it."""

SUFFIXES = (".csv", ".xlsx", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells by column name; `number` is the 1-based line (CSV, YAML) or row (XLSX) where it begins."""

    file: str
    sheet: str | None
    number: int
    cells: Mapping[str, Cell]
    text: str = ""  # CSV only: the row's own line(s), as in the file
    lines: Mapping[str, int] | None = None  # YAML only: the line of each cell

    def fault(self, column: str, message: str) -> Fault:
        """A fault at this row's cell in `column`."""
        line = (self.lines or {}).get(column, self.number)
        return Fault(self.file, line, f"{self.sheet}.{column}" if self.sheet else column, message)


def read_table(content: bytes | Path, file: str, *, sheet: str | None = None) -> Iterator[Row]:
    """The rows under the header row, in the file's order; blank rows are left out.

    `content` is the file's bytes, or its path to read it as it is needed; `file` is its name for messages, and its
    ending says which kind of table it is. Raises ConfigError with file, row and column.
    """
    suffix = Path(file).suffix.lower()
    if suffix == ".csv":
        return _csv_rows(content, file)
    if suffix == ".xlsx":
        return _xlsx_rows(content, file, sheet)
    if suffix in {".yaml", ".yml"}:
        return _yaml_rows(content, file, sheet)
    raise ConfigError([Fault(file, 0, "", f"a table ends in {', '.join(SUFFIXES)}, not in '{suffix}'")])


def columns(content: bytes | Path, file: str, *, sheet: str | None = None) -> tuple[str, ...]:
    """The header's column names, in order (YAML: the names used by any row). Raises ConfigError."""
    suffix = Path(file).suffix.lower()
    if suffix == ".csv":
        with _text_of(content) as lines:
            return tuple(name for name in _Csv(lines, file).header if name)
    if suffix == ".xlsx":
        for number, cells, name in _xlsx_raw(content, file, sheet):
            return tuple(filter(None, _header([_header_text(cell) for cell in cells], file, number, name)))
        raise _no_header(file)
    return tuple(dict.fromkeys(column for row in read_table(content, file, sheet=sheet) for column in row.cells))


def _no_header(file: str) -> ConfigError:
    return ConfigError([Fault(file, 1, "", "no header; expected the column names in the first row")])


def _header(names: list[str], file: str, number: int, sheet: str | None) -> list[str]:
    """The column names, checked: at least one, none twice. A nameless column stays "" and is not read."""
    seen: set[str] = set()
    faults = []
    for name in names:
        if name and name in seen:
            key = f"{sheet}.{name}" if sheet else name
            faults.append(Fault(file, number, key, "this column name stands twice in the header; give each its own"))
        seen.add(name)
    if faults:
        raise ConfigError(faults)
    if seen <= {""}:
        raise _no_header(file)
    return names


# --- CSV -------------------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a text, remembering those handed out since the last `taken`, so that a row can be kept verbatim."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._taken = iter(lines), list[str]()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._taken.append(line)
        return line

    def taken(self) -> str:
        text, self._taken = "".join(self._taken), []
        return text


class _Csv:
    """A CSV text: its header, then its rows."""

    def __init__(self, lines: io.TextIOWrapper, file: str) -> None:
        self.file, self.end, self._text = file, 0, lines
        try:
            first = next(lines, "")
        except UnicodeError:
            raise self._not_text() from None
        if not first.strip():
            raise _no_header(file)
        self._lines = _Lines(chain([first], lines))
        self._reader = csv.reader(self._lines, delimiter=_delimiter(first), strict=True)
        _, names, self.header_text = next(iter(self._raw()))
        self.header = _header([name.strip() for name in names], file, 1, None)

    def _not_text(self) -> ConfigError:
        """The fault of the first line that is no text: a file is decoded ahead of its rows."""
        raw: Any = self._text.buffer
        raw.seek(0)
        lines = enumerate(raw if self._text.encoding == "utf-8-sig" else (), 1)
        number = next((number for number, line in lines if not _is_utf_8(line)), self.end + 1)
        return ConfigError([Fault(self.file, number, "", "not UTF-8 text; save the file as 'CSV UTF-8'")])

    def _raw(self) -> Iterator[tuple[int, list[str], str]]:
        """Line number, cells and own text of each record."""
        while True:
            try:
                cells = next(self._reader, None)
            except csv.Error as error:
                place = self.end + 1
                raise ConfigError([Fault(self.file, place, "", f"not a CSV row ({error}); check its quotes")]) from None
            except UnicodeError:
                raise self._not_text() from None
            if cells is None:
                return
            number, self.end = self.end + 1, self._reader.line_num
            yield number, cells, self._lines.taken()

    def rows(self) -> Iterator[Row]:
        width = len(self.header)
        for number, cells, text in self._raw():
            if not any(cell and not cell.isspace() for cell in cells):
                continue
            if any(cells[width:]):
                message = f"{len(cells)} cells under {width} columns; a cell that holds the separator needs quotes"
                raise ConfigError([Fault(self.file, number, "", message)])
            named = {
                name: cell if cell and not cell.isspace() else None
                for name, cell in zip_longest(self.header, cells[:width], fillvalue="")
                if name
            }
            yield Row(self.file, None, number, named, text)


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(header: str) -> str:
    """The separator the header line has most of outside quotes; a comma where it has none."""
    outside = "".join(header.split('"')[::2])
    return max(",;\t", key=outside.count)


def _text_of(content: bytes | Path) -> io.TextIOWrapper:
    raw: IO[bytes] = content.open("rb") if isinstance(content, Path) else io.BytesIO(content)
    start = raw.read(2)
    raw.seek(0)
    encoding = "utf-16" if start in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} else "utf-8-sig"
    return io.TextIOWrapper(raw, encoding=encoding, newline="")


def _csv_rows(content: bytes | Path, file: str) -> Iterator[Row]:
    with _text_of(content) as lines:
        yield from _Csv(lines, file).rows()


def csv_header(content: bytes | Path, file: str) -> str:
    """The header line(s) of a CSV as they stand, without BOM."""
    with _text_of(content) as lines:
        return _Csv(lines, file).header_text


# --- XLSX ------------------------------------------------------------------------------------------------------------


def _xlsx_raw(content: bytes | Path, file: str, sheet: str | None) -> Iterator[tuple[int, list[Any], str]]:
    """Row number, cells (openpyxl's) and sheet name of each row that holds anything, read as needed."""
    import zipfile
    from xml.etree.ElementTree import ParseError

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    broken = ConfigError([Fault(file, 0, "", "not an XLSX workbook; save it again as 'Excel workbook (.xlsx)'")])
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        book = load_workbook(source, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError):
        raise broken from None
    try:
        pages = {page.title: page for page in book.worksheets}  # without sheets that hold a chart alone
        page = pages.get(sheet) if sheet is not None else next(iter(pages.values()), None)
        if page is None:
            known = ", ".join(pages) or "none"
            raise ConfigError([Fault(file, 0, sheet or "", f"no such sheet; the workbook has {known}")])
        page.reset_dimensions()  # some writers state a size smaller than the sheet
        for number, row in enumerate(page.iter_rows(), 1):
            if any(cell.value is not None for cell in row):
                yield number, list(row), page.title
    except (zipfile.BadZipFile, ParseError):
        raise broken from None
    finally:
        book.close()


def _xlsx_cell(cell: Any) -> Cell:
    """A workbook's cell as a plain value.

    Excel shows and promises 15 significant digits; the binary tail behind them (19.989999999999998) is not data.
    """
    value = cell.value
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, float):
        exact = Decimal(format(value, ".15g"))
        return int(exact) if exact == exact.to_integral_value() else exact
    if isinstance(value, datetime):
        from openpyxl.styles.numbers import is_datetime

        return value.date() if is_datetime(cell.number_format) == "date" else value
    if value is None or isinstance(value, bool | int | date):
        return value
    return str(value)  # a time of day or a duration, as text


def _header_text(cell: Any) -> str:
    value = _xlsx_cell(cell)
    return "" if value is None else value.isoformat() if isinstance(value, date) else str(value).strip()


def _xlsx_rows(content: bytes | Path, file: str, sheet: str | None) -> Iterator[Row]:
    header: list[str] | None = None
    for number, cells, name in _xlsx_raw(content, file, sheet):
        if header is None:
            header = _header([_header_text(cell) for cell in cells], file, number, name)
            continue
        named: dict[str, Cell] = dict.fromkeys(column for column in header if column)
        named.update({column: _xlsx_cell(cell) for column, cell in zip(header, cells, strict=False) if column})
        if any(value is not None for value in named.values()):
            yield Row(file, name, number, named)
    if header is None:
        raise _no_header(file)


# --- YAML ------------------------------------------------------------------------------------------------------------


def _yaml_rows(content: bytes | Path, file: str, sheet: str | None) -> Iterator[Row]:
    found = document.load(content.read_bytes() if isinstance(content, Path) else content, file)
    if found.faults:
        raise ConfigError(found.faults)
    table: Any = found.data
    if isinstance(table, Mapping):
        if sheet is None:
            sheet = str(next(iter(table), ""))
        if sheet not in table:
            known = ", ".join(str(name) for name in table)
            raise ConfigError([Fault(file, 0, sheet, f"no such table; the file has {known}")])
        table = table[sheet]
    place: tuple[str | int, ...] = () if table is found.data else (str(sheet),)
    if not isinstance(table, list):
        raise ConfigError([found.fault(place, f"expected a list of rows, found {type(table).__name__}")])
    for index, item in enumerate(table):
        number = found.line((*place, index))
        if not isinstance(item, Mapping):
            message = f"expected `column: value`, found {type(item).__name__}"
            raise ConfigError([Fault(file, number, sheet or "", message)])
        lines = {str(name): found.line((*place, index, name)) for name in item}
        row = Row(file, sheet, number, {}, lines=lines)
        cells = {
            str(name): _yaml_cell(row, str(name), cell, found.written((*place, index, name)))
            for name, cell in item.items()
        }
        yield Row(file, sheet, number, cells, lines=lines)


def _yaml_cell(row: Row, column: str, value: Any, written: str | None) -> Cell:
    """A cell; `written` are its characters in the file, so that a number with a point is exact."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, float):
        return Decimal(str(written))
    if value is None or isinstance(value, bool | int):
        return value
    raise ConfigError([row.fault(column, f"a cell holds one value, found {type(value).__name__}")])

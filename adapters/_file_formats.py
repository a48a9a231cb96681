"""How rows of text become a file and a file becomes rows again: CSV, Excel and Parquet. Same rows, same bytes.

A row has a text for each column of a KPI object, empty where there is none. What comes back may write a number
otherwise (Parquet keeps ten decimals of each), so rows are compared by `said`.

- CSV: RFC 4180, UTF-8. A cell that a spreadsheet would take for a formula begins with an apostrophe.
- Excel: codes are text cells, so no zero at the front is lost; numbers are numbers in the format of their decimals, as
  long as they have at most 15 digits, which is what Excel keeps, and text beyond. The file holds no time of writing.
- Parquet: text, decimal128(38,10), date32 and timestamp[us, UTC], zstd.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from connector.outgoing import FLAT, NATURAL_KEY
from connector.ports import decode

Row = Mapping[str, str]

NUMBERS = ("value", "numerator", "denominator", "restated_value", "adjustments", "open_share", "target", "attainment")
_DATES = ("period_start", "period_end")
_REAL_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what no cell of Excel may hold
_DECIMALS, _DIGITS = 10, 38  # of a number in Parquet


class Foreign(ValueError):
    """A file of ours has something that a person added, and that writing it anew would lose; the message names it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"has {what}, which is not ours and would be lost; move it to a file of its own")


class Format(ABC):
    """One kind of file."""

    content_type: str

    def row(self, cells: Mapping[str, str | None]) -> Row:
        """A KPI object's row in the words of this kind of file."""
        return {name: cells.get(name) or "" for name in FLAT}

    def fault(self, _row: Row) -> str:
        """Why this row cannot be written without loss; empty if it can."""
        return ""

    @abstractmethod
    def encode(self, rows: Sequence[Row]) -> bytes:
        """The file. Raises ValueError where they are too many."""

    @abstractmethod
    def decode(self, content: bytes) -> list[Row]:
        """Its rows. Raises ValueError for a file that is not ours, Foreign for one that a person added something to."""


def said(row: Row) -> dict[str, str]:
    """What a row says, however its numbers are written; the moment of computing is not part of it."""
    return {name: _plain(text) if name in NUMBERS else text for name, text in row.items() if name != "as_of"}


def _plain(text: str) -> str:
    return format(Decimal(text).normalize(), "f") if _REAL_NUMBER.fullmatch(text) else text


def _ours(columns: Sequence[str] | None) -> None:
    if not set(NATURAL_KEY) <= set(columns or ()):
        raise ValueError("no key columns")
    if added := [name for name in columns or () if name and name not in FLAT]:
        raise Foreign(f"the column {added[0]}")


class Csv(Format):
    """RFC 4180, UTF-8."""

    content_type = "text/csv; charset=utf-8"

    def row(self, cells: Mapping[str, str | None]) -> Row:
        return {name: _harmless(cell) for name, cell in super().row(cells).items()}

    def encode(self, rows: Sequence[Row]) -> bytes:
        made = io.StringIO(newline="")
        writer = csv.DictWriter(made, FLAT, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        return made.getvalue().encode()

    def decode(self, content: bytes) -> list[Row]:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), restval="", strict=True)
        try:
            _ours(reader.fieldnames)
            return [{name: row.get(name) or "" for name in FLAT} for row in reader]
        except csv.Error as error:
            raise ValueError(str(error)) from None


def _harmless(cell: str) -> str:
    """A cell no spreadsheet takes for a formula; real numbers stay as they are."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _REAL_NUMBER.fullmatch(cell) else cell


class Excel(Format):
    """One sheet, its first row the names of the columns."""

    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    _MOST_ROWS = 1_048_576
    _MOST_SIGNS = 32_767

    def row(self, cells: Mapping[str, str | None]) -> Row:
        return {name: _NO_XML.sub("", cell) for name, cell in super().row(cells).items()}

    def fault(self, row: Row) -> str:
        long = [name for name, cell in row.items() if len(cell) > self._MOST_SIGNS]
        return f"{long[0]} is longer than the {self._MOST_SIGNS} characters of a cell" if long else ""

    def encode(self, rows: Sequence[Row]) -> bytes:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell

        if len(rows) >= self._MOST_ROWS:
            raise ValueError(f"{len(rows)} rows are more than a sheet of Excel has")
        book = Workbook(write_only=True)
        sheet = book.create_sheet("KPI")
        sheet.freeze_panes = "A2"
        sheet.append(list(FLAT))
        for row in rows:
            line = []
            for name in FLAT:
                text = row[name]
                cell = WriteOnlyCell(sheet)
                if name in NUMBERS and _fits_excel(text):
                    cell.value = Decimal(text)
                    decimals = len(text.partition(".")[2])
                    cell.number_format = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
                elif text:
                    cell.value = text
                    cell.data_type = "s"  # a text that begins with = is no formula
                line.append(cell)
            sheet.append(line)
        made = io.BytesIO()
        book.save(made)
        return _timeless(made.getvalue())

    def decode(self, content: bytes) -> list[Row]:
        from openpyxl import load_workbook

        try:
            book = load_workbook(io.BytesIO(content), read_only=True)
        except (zipfile.BadZipFile, KeyError):
            raise ValueError("no Excel file") from None
        lines = book.worksheets[0].iter_rows()
        heads = ["" if cell.value is None else str(cell.value) for cell in next(lines, ())]
        _ours(heads)
        if len(book.sheetnames) > 1:
            raise Foreign(f"the sheet {book.sheetnames[1]}")
        rows: list[Row] = []
        for line in lines:
            beside = [cell for place, cell in enumerate(line) if place >= len(heads) or not heads[place]]
            if any(cell.value is not None for cell in beside):
                raise Foreign("a cell beside our columns")
            cells = dict(zip(heads, line, strict=False))
            rows.append({name: _shown(cells.get(name)) for name in FLAT})
        return rows


def _fits_excel(text: str) -> bool:
    return bool(_REAL_NUMBER.fullmatch(text)) and len(text.lstrip("-").replace(".", "").lstrip("0")) <= 15


def _shown(cell: Any) -> str:
    """The text of a cell: a number with the decimals of its format."""
    value = getattr(cell, "value", None)
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        decimals = len(str(cell.number_format).partition(".")[2])
        return format(Decimal(repr(value)), f".{decimals}f")
    return str(value)


def _timeless(content: bytes) -> bytes:
    """The same workbook without the moment it was written, in its properties and in the archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in sorted(old.namelist()):
            part = old.read(entry)
            if entry == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"1980-01-01T00:00:00Z", part)
            new.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), part, zipfile.ZIP_DEFLATED)
    return made.getvalue()


class Parquet(Format):
    """A column for each of a KPI object, typed."""

    content_type = "application/vnd.apache.parquet"

    def fault(self, row: Row) -> str:
        for name in NUMBERS:
            whole, _, decimals = _plain(row[name]).lstrip("-").partition(".")
            if row[name] and (len(decimals) > _DECIMALS or len(whole) > _DIGITS - _DECIMALS):
                return f"{name} has more digits than decimal({_DIGITS},{_DECIMALS}) keeps"
        return ""

    def encode(self, rows: Sequence[Row]) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {name: pa.decimal128(_DIGITS, _DECIMALS) for name in NUMBERS}
        types |= {name: pa.date32() for name in _DATES}
        types |= {"as_of": pa.timestamp("us", "UTC"), "catalogue_version": pa.int32()}
        schema = pa.schema([
            pa.field(name, types.get(name, pa.string()), nullable=name not in NATURAL_KEY) for name in FLAT
        ])
        columns = {name: [_typed(name, row[name]) for row in rows] for name in FLAT}
        made = io.BytesIO()
        pq.write_table(pa.table(columns, schema=schema), made, compression="zstd")
        return made.getvalue()

    def decode(self, content: bytes) -> list[Row]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(io.BytesIO(content))
        except pa.ArrowInvalid:
            raise ValueError("no Parquet file") from None
        _ours(table.column_names)
        return [{name: _told(row.get(name)) for name in FLAT} for row in table.to_pylist()]


def _typed(name: str, text: str) -> Any:
    if not text:
        return "" if name in NATURAL_KEY else None
    if name in NUMBERS:
        return Decimal(text)
    if name in _DATES:
        return date.fromisoformat(text)
    if name == "as_of":
        return datetime.fromisoformat(text)
    return int(text) if name == "catalogue_version" else text


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)


class Json:
    """The manifest: one JSON object, its keys sorted, a line for each."""

    @staticmethod
    def decode(content: bytes) -> dict[str, Any]:
        """Raises ValueError for what is no object."""
        found = decode(content)
        if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
            raise ValueError("no manifest")
        return found


FORMATS: Mapping[str, Format] = {".csv": Csv(), ".xlsx": Excel(), ".parquet": Parquet()}
"""By the ending of a path."""

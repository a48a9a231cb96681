"""A folder of exported tables, .csv or .xlsx: each file is a stream, each row a record.

    folder: exports
    files:
      deals: {file: deals.csv, key: deal_id, modified: changed_at}
      orders: {file: orders.xlsx, key: [order_no], complete: true, nest: {lines: {file: lines.csv, on: order_no}}}

A file with a `modified` column is filtered by the window of a sync; name one only where `overlap` is longer than the
time an export needs to arrive. Every other file is read whole each time; what did not change costs a reference in
landing, since its slices come out byte for byte the same. A `complete` file shows every record there is: rows that
are gone from it are deleted (guarded).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from adapters._csv_folder_columns import LOOKED_AT, column, path
from connector.errors import ConfigError, Permanent, Transient, UnexpectedShape
from connector.metadata import FieldInfo, Metadata
from connector.model import micros
from connector.ports import AdapterSettings, Check, Exchange, Page, Record, Source, Stream, Window
from connector.tabular import Cell, Row, columns, csv_header, read_table

ROWS_PER_PAGE = 500


class Nest(BaseModel):
    """Rows of another file that belong to a record: a list in it.

    `on` is the column both files have, or one pair `{column here: column there}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str
    sheet: str | None = None
    on: str | dict[str, str]

    @property
    def pair(self) -> tuple[str, str]:
        """The column of the record, and that of the nested row."""
        return (self.on, self.on) if isinstance(self.on, str) else next(iter(self.on.items()), ("", ""))


class Table(BaseModel):
    """One stream: its file, the columns that identify a row, and the column that says when a row last changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str
    sheet: str | None = None
    key: str | list[str]
    modified: str | None = None
    complete: bool = False
    nest: dict[str, Nest] = Field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        return [self.key] if isinstance(self.key, str) else self.key


class CsvFolderSettings(AdapterSettings):
    """The folder (relative to the config file) and its files by stream name."""

    folder: str = "."
    files: dict[str, Table]


class CsvFolder(Source):
    """Tables someone exports into a folder."""

    Settings = CsvFolderSettings

    _read_count = 0

    def streams(self) -> Sequence[Stream]:
        return [
            Stream(name, cursor=table.modified is not None and not table.complete, by_id=True, complete=table.complete)
            for name, table in self.settings.files.items()
        ]

    def now(self) -> datetime:
        return self.context.clock.now()

    @property
    def requests(self) -> int:
        return self._read_count

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        """Pages of the rows whose `modified` lies in the window; of all rows where that is empty or no ISO time."""
        table = self._table(stream)
        column = None if table.complete else table.modified

        def wanted(row: Row) -> bool:
            span = _span(row.cells.get(column), self.context.zone) if column else None
            return span is None or (span[0] <= window.hi and (window.lo is None or span[1] >= window.lo))

        return self._pages(stream, table, wanted, position)

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        table = self._table(stream)
        named = set(ids)
        return self._pages(stream, table, lambda row: _key(table, row.cells) in named, None) if named else iter(())

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        table = self._table(stream)
        nested: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for (name, nest), exchange in zip(table.nest.items(), exchanges[1:], strict=True):
            nested[name] = {}
            for cells in _unpack(exchange, nest.file):
                nested[name].setdefault(_text(cells.get(nest.pair[1])), []).append(cells)
        for cells in _unpack(exchanges[0], table.file):
            span = _span(cells.get(table.modified), self.context.zone) if table.modified else None
            key = _key(table, cells)
            for name, rows in nested.items():
                cells[name] = rows.get(_text(cells.get(table.nest[name].pair[0])), [])
            yield Record(key, micros(span[0]) if span else None, cells)

    def metadata(self, streams: Collection[str]) -> Metadata:
        """The columns of each file, with the type that its first rows look like, and the nested rows as lists."""
        tables = {name: table for name, table in self.settings.files.items() if name in streams}
        return Metadata(fields={name: self._columns(name, table) for name, table in tables.items()})

    def _columns(self, stream: str, table: Table) -> dict[str, FieldInfo]:
        rows = list(islice(self._rows(stream, table), LOOKED_AT))
        names = columns(self._path(table.file), table.file, sheet=table.sheet)
        found = [column(name, (row.cells.get(name) for row in rows), is_key=name in table.keys) for name in names]
        found += [FieldInfo(path(name), name, "list") for name in table.nest]
        return {one.path: one for one in found}

    def check(self) -> Iterator[Check]:
        """Each file: readable, its columns there, no key twice, every `modified` a time."""
        for name, table in self.settings.files.items():
            try:
                keys: Counter[str] = Counter()
                timeless = 0
                for row in self._rows(name, table):
                    keys[_key(table, row.cells)] += 1
                    timeless += bool(table.modified and _span(row.cells.get(table.modified), self.context.zone) is None)
                for nest in table.nest.values():
                    self._children(name, nest)
            except Permanent as fault:
                yield Check(f"read {name}", ok=False, detail=str(fault))
                continue
            twice = sum(count > 1 for count in keys.values())
            if twice:
                detail = f"{table.file}: {twice} keys stand in several rows; name more columns in `key`"
            elif timeless:
                detail = f"{table.file}: column {table.modified} has {timeless} rows without an ISO 8601 time"
            else:
                detail = f"{table.file}: {keys.total()} rows"
            yield Check(f"read {name}", ok=not twice and not timeless, detail=detail)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _table(self, stream: str) -> Table:
        table: Table | None = self.settings.files.get(stream)
        if table is None:
            known = ", ".join(self.settings.files)
            raise Permanent(f"no such stream; the config's `files` has {known}", system=self.name, stream=stream)
        return table

    def _path(self, file: str) -> Path:
        return Path(self.context.folder, self.settings.folder, file)

    def _rows(self, stream: str, table: Table | Nest) -> Iterator[Row]:
        """The file's rows. Raises Permanent, with file and column, where it is missing or not as configured."""
        path = self._path(table.file)
        needed = [table.pair[1]] if isinstance(table, Nest) else [*table.keys, *filter(None, [table.modified])]
        if isinstance(table, Table):
            needed += [nest.pair[0] for nest in table.nest.values()]
        try:
            present = columns(path, table.file, sheet=table.sheet)
            for column in needed:
                if column not in present:
                    raise UnexpectedShape(
                        f"{table.file}: no column '{column}'; its columns are {', '.join(present)}",
                        system=self.name, stream=stream,
                    )
            yield from read_table(path, table.file, sheet=table.sheet)
        except ConfigError as fault:
            raise Permanent(str(fault), system=self.name, stream=stream) from None
        except OSError as error:
            raise Permanent(
                f"{table.file}: {error.strerror} in {path.parent}; put the file there or correct `folder` and `file`",
                system=self.name, stream=stream,
            ) from None

    def _children(self, stream: str, nest: Nest) -> dict[str, list[tuple[int, Row]]]:
        """The nested file's rows by the value that joins them, each with its place in the file; held in memory."""
        children: dict[str, list[tuple[int, Row]]] = {}
        for ordinal, row in enumerate(self._rows(stream, nest)):
            children.setdefault(_text(row.cells[nest.pair[1]]), []).append((ordinal, row))
        return children

    def _mark(self, stream: str, table: Table) -> str:
        """Changes when the stream's files change: a position is worth nothing in other files."""
        stamps = []
        for file in [table.file, *(nest.file for nest in table.nest.values())]:
            try:
                found = self._path(file).stat()
            except OSError as error:
                raise Permanent(
                    f"{file}: {error.strerror} in {self._path(file).parent}; put the file there or correct `folder`",
                    system=self.name, stream=stream,
                ) from None
            stamps.append(f"{found.st_size}-{found.st_mtime_ns}")
        return " ".join(stamps)

    def _unchanged(self, stream: str, table: Table, mark: str) -> None:
        """Raises Transient when somebody wrote the files while they were read: half of each is no answer."""
        if self._mark(stream, table) != mark:
            raise Transient(
                f"{table.file} was changed while it was read; the next run reads it again",
                system=self.name, stream=stream,
            )

    def _pages(self, stream: str, table: Table, wanted: Any, position: Any) -> Iterator[Page]:
        """Pages of the wanted rows; the position is the number of rows passed, and of which files."""
        mark = self._mark(stream, table)
        passed = position["row"] if position and position["files"] == mark else 0
        children = {name: self._children(stream, nest) for name, nest in table.nest.items()}
        batch: list[tuple[int, Row]] = []
        for ordinal, row in enumerate(self._rows(stream, table), 1):
            if ordinal <= passed or not wanted(row):
                continue
            if len(batch) == ROWS_PER_PAGE:
                self._unchanged(stream, table, mark)
                yield self._page(stream, table, batch, children, {"row": batch[-1][0], "files": mark})
                batch = []
            batch.append((ordinal, row))
        self._unchanged(stream, table, mark)
        yield self._page(stream, table, batch, children, None)

    def _page(
        self, stream: str, table: Table, batch: Sequence[tuple[int, Row]],
        children: Mapping[str, Mapping[str, list[tuple[int, Row]]]], position: Any,
    ) -> Page:
        rows = [row for _, row in batch]
        span = f"{batch[0][0]}-{batch[-1][0]}" if batch else "none"
        exchanges = [self._slice(table, f"file:{table.file}#rows={span}", rows)]
        for name, nest in table.nest.items():
            joined = {_text(row.cells[nest.pair[0]]) for row in rows}
            own = sorted((child for value in joined for child in children[name].get(value, ())), key=lambda one: one[0])
            exchanges.append(self._slice(nest, f"file:{nest.file}#of={table.file}:{span}", [row for _, row in own]))
        self._read_count += len(exchanges)
        return Page(stream, exchanges, position, self.now())

    def _slice(self, table: Table | Nest, url: str, rows: Sequence[Row]) -> Exchange:
        """A self-contained part of a file: CSV text as it stands under its header, or JSON of a workbook's cells."""
        path = self._path(table.file)
        if path.suffix.lower() == ".csv":
            parts = [csv_header(path, table.file), *(row.text for row in rows)]
            answer = "".join(part if part.endswith(("\n", "\r")) else f"{part}\n" for part in parts).encode()
            return Exchange("GET", url, None, 200, answer, content_type="text/csv")
        names = columns(path, table.file, sheet=table.sheet)
        content = {"columns": names, "rows": [[_plain(row.cells.get(name)) for name in names] for row in rows]}
        answer = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return Exchange("GET", url, None, 200, answer)


# --- cells -----------------------------------------------------------------------------------------------------------


def _unpack(exchange: Exchange, file: str) -> Iterator[dict[str, Any]]:
    """The rows of a landed slice as plain values; an empty cell is None."""
    if exchange.content_type == "text/csv":
        for row in read_table(exchange.answer, f"{Path(file).stem}.csv"):
            yield dict(row.cells)
        return
    content = json.loads(exchange.answer)
    for cells in content["rows"]:
        yield dict(zip(content["columns"], cells, strict=True))


def _plain(cell: Cell) -> str | int | bool | None:
    """A workbook's cell as JSON has it: decimals as exact text, dates and times in ISO 8601 (local, as in Excel)."""
    if isinstance(cell, Decimal):
        return format(cell, "f")
    return cell.isoformat() if isinstance(cell, date) else cell


def _text(cell: Any) -> str:
    return "" if cell is None else str(_plain(cell))


def _key(table: Table, cells: Mapping[str, Any]) -> str:
    r"""The record's key: its columns joined with |, where \ and | in them are escaped with \.

    A row without one of them has no key; it is named by its content, so that it can be quarantined and found.
    """
    parts = [_text(cells.get(column)) for column in table.keys]
    if not all(parts):
        content = json.dumps({name: _text(cell) for name, cell in cells.items()}, sort_keys=True)
        return f"without key {hashlib.sha256(content.encode()).hexdigest()[:16]}"
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


class Span(NamedTuple):
    """The first and last instant a `modified` cell may mean: a bare date is a whole local day."""

    first: datetime
    last: datetime


def _span(cell: Any, zone: tzinfo) -> Span | None:
    """When a row last changed, from ISO 8601 text or a workbook's date; local where it names no zone. None: unknown."""
    if isinstance(cell, str):
        try:
            cell = date.fromisoformat(cell) if len(cell) == len("2026-10-31") else datetime.fromisoformat(cell)
        except ValueError:
            return None
    if isinstance(cell, datetime):
        at = cell if cell.tzinfo else cell.replace(tzinfo=zone)
        return Span(at, at)
    if isinstance(cell, date):
        first = datetime.combine(cell, time(), zone)
        return Span(first, datetime.combine(cell + timedelta(days=1), time(), zone) - timedelta(microseconds=1))
    return None

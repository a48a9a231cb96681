"""Files: KPI values as CSV (RFC 4180, UTF-8), one row each, in a file for each period or whatever the path says.

A file always holds the whole current set of its values: what is owed is merged into the rows that are there, by
natural key, sorted, written aside, synced and renamed into place. So a reader sees the old file or the new one, the
same values give the same bytes, and whatever a crash interrupts the next run completes.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, field_validator

from connector.errors import Permanent, Transient
from connector.outgoing import FLAT, NATURAL_KEY, flat
from connector.ports import AdapterSettings, Check, Delivery, Destination, Receipt

_HOLE = re.compile(r"\{([^{}]*)\}")
_HOLES = ("period", "kpi", "metric", "subject_kind", "subject_key")
_REAL_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, str]
Key = tuple[str, ...]


class FileSettings(AdapterSettings):
    """Where the files go."""

    path: str = Field(
        description="Path from the config's folder, ending in .csv; {period}, {kpi}, {metric}, {subject_kind} and "
        "{subject_key} are filled in.",
        examples=["out/kpi-{period}.csv"],
    )

    @field_validator("path")
    @classmethod
    def _fits(cls, path: str) -> str:
        if not path.endswith(".csv"):
            raise ValueError(f"found a path ending in {Path(path).suffix or 'nothing'}, expected .csv")
        for name in _HOLE.findall(path):
            if name not in _HOLES:
                raise ValueError(f"there is no {{{name}}}, expected one of: {', '.join(_HOLES)}")
        return path


class File(Destination):
    """Rewrites each file that has something owed."""

    Settings = FileSettings
    settings: FileSettings
    batch = 1_000_000  # a run's values at once, so that each file is replaced once
    idempotent = True

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        by_path: dict[Path, list[Delivery]] = {}
        for delivery in deliveries:
            by_path.setdefault(self._path(delivery), []).append(delivery)
        for path, owed in by_path.items():
            with self._ours(path):
                rows = _read(path) | {_key(row): row for row in map(_row, owed)}
                _replace(path, [rows[key] for key in sorted(rows)])
            for delivery in owed:
                yield Receipt(delivery.key, "confirmed", remote_id=str(path))

    def find(self, delivery: Delivery) -> Receipt | None:
        path, row = self._path(delivery), _row(delivery)
        with self._ours(path):
            found = _read(path).get(_key(row))
        return Receipt(delivery.key, "confirmed" if found == row else "retry", message="read back")

    def lacks(self, deliveries: Sequence[Delivery]) -> Collection[str]:
        paths = [(delivery.key, self._path(delivery)) for delivery in deliveries]
        gone = {path for path in {path for _, path in paths} if not path.exists()}
        return {key for key, path in paths if path in gone}

    def check(self) -> Iterator[Check]:
        folder = Path(self.context.folder, _HOLE.split(self.settings.path)[0]).parent
        while not folder.exists():
            folder = folder.parent
        yield Check(f"{folder} may be written", os.access(folder, os.W_OK), "" if os.access(folder, os.W_OK) else
                    "give the user that runs the connector the right to write there")

    def _path(self, delivery: Delivery) -> Path:
        row = flat(delivery.kpi)
        filled = _HOLE.sub(lambda hole: _safe(row[hole[1]] or ""), self.settings.path)
        return Path(self.context.folder, filled)

    @contextmanager
    def _ours(self, path: Path) -> Iterator[None]:
        """A file that cannot be read or written becomes a RemoteError that names it."""
        try:
            yield
        except OSError as error:
            raise Transient(
                f"{self.name}: {path}: {error.strerror}; check the folder, its rights and the space left",
                system=self.name,
            ) from None
        except (ValueError, csv.Error):
            raise Permanent(
                f"{self.name}: {path} is no file of ours (expected UTF-8 CSV with the columns "
                f"{', '.join(NATURAL_KEY)}); move it away or choose another path",
                system=self.name,
            ) from None


def _safe(text: str) -> str:
    """A text as part of one file name: no separators, no way up, nothing a file system refuses."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]|^\.+', "_", text)


def _row(delivery: Delivery) -> Row:
    return {name: _harmless(value or "") for name, value in flat(delivery.kpi).items()}


def _harmless(cell: str) -> str:
    """A cell no spreadsheet takes for a formula; real numbers stay as they are."""
    return f"'{cell}" if cell.startswith(_FORMULA) and not _REAL_NUMBER.fullmatch(cell) else cell


def _key(row: Row) -> Key:
    return tuple(row[name] for name in NATURAL_KEY)


def _read(path: Path) -> dict[Key, Row]:
    """The rows that are there, by key; none where there is no file. Raises ValueError for a file that is not ours."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            if not set(NATURAL_KEY) <= set(reader.fieldnames or ()):
                raise ValueError("no key columns")
            rows = [{name: row.get(name) or "" for name in FLAT} for row in reader]
    except FileNotFoundError:
        return {}
    return {_key(row): row for row in rows}


def _replace(path: Path, rows: Sequence[Row]) -> None:
    """Write the file aside, make sure it is on the disk, and put it in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.writing")
    with aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FLAT, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

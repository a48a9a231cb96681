"""Files: KPI values as CSV, Excel or Parquet, one row each, in a file for each period or whatever the path says.

A file always holds the whole current set of its values: what is owed is merged into the rows that are there, by
natural key, sorted, and put in place as a whole (`_file_places`). So a reader sees the old file or the new one, the
same values give the same bytes, and whatever a crash interrupts the next run completes.

A run may replace several files. The manifest, written last, names each with its rows, its sums of money by currency and
its SHA-256: who takes only files that agree with it never takes half a set. A value counts as delivered once the
manifest holds its file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pydantic import Field, field_validator

from adapters._file_formats import FORMATS, Foreign, Format, Json, Row, said
from adapters._file_places import Folder, Objects, Place
from connector.errors import AuthError, Permanent, RemoteError, Transient
from connector.outgoing import NATURAL_KEY, flat
from connector.ports import AdapterSettings, Check, Context, Delivery, Destination, Receipt

_HOLE = re.compile(r"\{([^{}]*)\}")
_HOLES = ("period", "kpi", "metric", "subject_kind", "subject_key")
_PACKAGES = {"s3": "s3fs"}

Key = tuple[str, ...]
Made = TypeVar("Made")
Change = Callable[[str, dict[Key, Row], Sequence[Delivery]], tuple[list[Receipt], bool]]
"""Changes the rows of the file of that path in place; the receipts, and whether anything is otherwise now."""


class FileSettings(AdapterSettings):
    """Where the files go."""

    path: str = Field(
        description="Path from the config's folder, or s3://bucket/…, ending in .csv, .xlsx or .parquet; {period}, "
        "{kpi}, {metric}, {subject_kind} and {subject_key} are filled in.",
        examples=["out/kpi-{period}.csv"],
    )
    manifest: bool = Field(
        True, description="Write NAME.manifest.json last: each file's rows, sums by currency and SHA-256."
    )
    storage: dict[str, Any] = Field(
        default_factory=dict, repr=False,
        description="Of s3:// and its likes: fsspec's options, such as key, secret, endpoint_url.",
    )

    @field_validator("path")
    @classmethod
    def _fits(cls, path: str) -> str:
        suffix = PurePosixPath(path).suffix
        if suffix not in FORMATS:
            raise ValueError(f"found a path ending in {suffix or 'nothing'}, expected {', '.join(FORMATS)}")
        for name in _HOLE.findall(path):
            if name not in _HOLES:
                raise ValueError(f"there is no {{{name}}}, expected one of: {', '.join(_HOLES)}")
        protocol, _, place = path.rpartition("://")
        if protocol and "{" in place.partition("/")[0]:
            raise ValueError("expected a bucket without {…}: s3://bucket/kpi-{period}.csv")
        if protocol:
            _known(protocol)
        return path


def _known(protocol: str) -> None:
    """Raises ValueError for a kind of address that nothing installed reaches."""
    if find_spec("fsspec") is None:
        raise ValueError(f"{protocol}:// needs the package fsspec: pip install 'pipeline-connector[s3]'")
    from fsspec.registry import known_implementations

    if protocol not in known_implementations:
        raise ValueError(f"there is no {protocol}://, expected a path, s3:// or another that fsspec knows")
    package = _PACKAGES.get(protocol)
    if package and find_spec(package) is None:
        raise ValueError(f"{protocol}:// needs the package {package}: pip install 'pipeline-connector[{protocol}]'")


class File(Destination):
    """Rewrites each file that has something owed, then the manifest."""

    Settings = FileSettings
    settings: FileSettings
    batch = 1_000_000  # a run's values at once, so that each file is replaced once
    kind = "file"
    idempotent = True
    withdraws = True

    def __init__(self, name: str, settings: FileSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        self._format: Format = FORMATS[PurePosixPath(settings.path).suffix]
        self._is_remote = "://" in settings.path
        self._folder = str(PurePosixPath(_HOLE.split(settings.path.replace("://", ":///"))[0] + "x").parent)
        self._folder = self._folder.replace(":/", "://", 1) if self._is_remote else self._folder
        self._manifest = f"{self._folder}/{name}.manifest.json"
        self._place_: Place | None = None

    @property
    def _place(self) -> Place:
        if self._place_ is None:
            self._place_ = (
                Objects(self.name, self.settings.path, self.settings.storage) if self._is_remote
                else Folder(self.name, self.context.folder)
            )
        return self._place_

    # --- writing -----------------------------------------------------------------------------------------------------

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        return self._rewritten(deliveries, self._merged)

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """Take these rows out of their files; a file of which nothing is left stays, with its head alone."""
        return self._rewritten(deliveries, self._emptied)

    def _rewritten(self, deliveries: Sequence[Delivery], change: Change) -> Iterator[Receipt]:
        """Change the rows of each file; one that cannot be read or written holds up none of the others."""
        if self.settings.manifest:
            self._listed()  # a manifest that is none of ours is said before any file is replaced
        changed: dict[str, Mapping[str, Any]] = {}
        receipts: list[Receipt] = []
        failure: RemoteError | None = None
        for path, owed in self._by_path(deliveries).items():
            try:
                rows = self._rows(path)
                said, is_changed = change(path, rows, owed)
                if is_changed:
                    changed[path] = self._write(path, rows)
            except (AuthError, Transient) as error:
                failure = error
                break
            except Permanent as error:
                said = [Receipt(delivery.key, "refused", message=str(error)) for delivery in owed]
            receipts += said
        self._note(changed)
        yield from receipts
        if failure is not None:
            raise failure

    def _merged(self, path: str, rows: dict[Key, Row], owed: Sequence[Delivery]) -> tuple[list[Receipt], bool]:
        """Put what is owed among the rows."""
        receipts, is_new = [], False
        for delivery in owed:
            row = self._row(delivery)
            if fault := self._format.fault(row):
                receipts.append(Receipt(delivery.key, "refused", message=fault))
                continue
            rows[_key(row)], is_new = row, True
            receipts.append(Receipt(delivery.key, "confirmed", remote_id=path))
        return receipts, is_new

    def _emptied(self, _path: str, rows: dict[Key, Row], gone: Sequence[Delivery]) -> tuple[list[Receipt], bool]:
        """Take what is gone from among the rows."""
        taken = [rows.pop(_key(self._row(delivery)), None) for delivery in gone]
        receipts = [Receipt(delivery.key, "confirmed", message="taken out") for delivery in gone]
        return receipts, any(row is not None for row in taken)

    def _write(self, path: str, rows: Mapping[Key, Row]) -> Mapping[str, Any]:
        """Put the file in place; its entry in the manifest."""
        ordered = [rows[key] for key in sorted(rows)]
        try:
            content = self._format.encode(ordered)
        except ValueError as error:
            raise Permanent(f"{self.name}: {path}: {error}", system=self.name) from None
        self._place.replace(path, content)
        return _entry(ordered, content)

    def _note(self, changed: Mapping[str, Mapping[str, Any]]) -> None:
        """Bring the manifest up to date, after its files."""
        if not self.settings.manifest or not changed:
            return
        files = {**self._listed(), **{self._named(path): entry for path, entry in changed.items()}}
        content = json.dumps(
            {"destination": self.name, "files": files}, indent=1, sort_keys=True, ensure_ascii=False
        )
        self._place.replace(self._manifest, f"{content}\n".encode())

    # --- reading -----------------------------------------------------------------------------------------------------

    def find(self, delivery: Delivery) -> Receipt | None:
        return next(self.find_all([delivery]))

    def find_all(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt | None]:
        listed = self._listed() if self.settings.manifest else {}
        found: dict[str, Receipt | None] = {}
        for path, asked in self._by_path(deliveries).items():
            try:
                content = self._place.read(path)
                rows = self._decoded(path, content)
            except AuthError:
                raise
            except Permanent:  # no file of ours: what is in it cannot be told
                found |= dict.fromkeys((delivery.key for delivery in asked), None)
                continue
            is_whole = not self.settings.manifest or (
                content is not None and listed.get(self._named(path), {}).get("sha256") == _sha256(content)
            )
            found |= {delivery.key: self._compared(delivery, rows, is_whole) for delivery in asked}
        for delivery in deliveries:
            yield found[delivery.key]

    def _compared(self, delivery: Delivery, rows: Mapping[Key, Row], is_whole: bool) -> Receipt:
        wanted = self._row(delivery)
        there = rows.get(_key(wanted))
        if there is None:
            return Receipt(delivery.key, "retry", message="not there")
        if said(there) != said(wanted):
            others = [name for name, cell in said(wanted).items() if said(there)[name] != cell]
            told = ", ".join(f"{name} {there[name]}" for name in others)
            return Receipt(delivery.key, "retry", message=f"there is {told}"[:200])
        if not is_whole:
            return Receipt(delivery.key, "retry", message="the manifest does not hold this file as it stands")
        return Receipt(delivery.key, "confirmed", message="read back")

    def lacks(self, deliveries: Sequence[Delivery]) -> Collection[str]:
        by_path = self._by_path(deliveries)
        if not by_path:
            return ()
        if self.settings.manifest and not self._place.exists(self._manifest):
            return {delivery.key for delivery in deliveries}
        gone = [path for path in by_path if not self._place.exists(path)]
        return {delivery.key for path in gone for delivery in by_path[path]}

    def check(self) -> Iterator[Check]:
        trouble = self._place.trouble(self._folder)
        yield Check(f"{self._folder} may be written", not trouble, trouble)

    # --- the parts ---------------------------------------------------------------------------------------------------

    def _by_path(self, deliveries: Sequence[Delivery]) -> dict[str, list[Delivery]]:
        by_path: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            row = flat(delivery.kpi)
            path = _HOLE.sub(_filled(row), self.settings.path)
            by_path.setdefault(path, []).append(delivery)
        return by_path

    def _row(self, delivery: Delivery) -> Row:
        return self._format.row(flat(delivery.kpi))

    def _rows(self, path: str) -> dict[Key, Row]:
        """The rows that are there, by key; none where there is no file."""
        return self._decoded(path, self._place.read(path))

    def _decoded(self, path: str, content: bytes | None) -> dict[Key, Row]:
        rows = [] if content is None else self._told(path, content, self._format.decode)
        return {_key(row): row for row in rows}

    def _listed(self) -> dict[str, Mapping[str, Any]]:
        """The files in the manifest."""
        content = self._place.read(self._manifest)
        found = {} if content is None else self._told(self._manifest, content, Json.decode)["files"]
        return dict(found)

    def _told(self, path: str, content: bytes, decode: Callable[[bytes], Made]) -> Made:
        try:
            return decode(content)
        except Foreign as foreign:
            raise Permanent(f"{self.name}: {path} {foreign}", system=self.name) from None
        except ValueError:
            raise Permanent(
                f"{self.name}: {path} is no file of ours (expected {PurePosixPath(path).suffix} with the columns "
                f"{', '.join(NATURAL_KEY)}); move it away or choose another path",
                system=self.name,
            ) from None

    def _named(self, path: str) -> str:
        """A file's name in the manifest, from the manifest's folder."""
        return path.removeprefix(f"{self._folder}/") if self._folder != "." else path


def _filled(row: Mapping[str, str | None]) -> Callable[[re.Match[str]], str]:
    return lambda hole: _safe(row[hole[1]] or "")


def _safe(text: str) -> str:
    """A text as part of one file name: no separators, no way up, nothing a file system refuses."""
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]|^\.+', "_", text)


def _key(row: Row) -> Key:
    return tuple(row[name] for name in NATURAL_KEY)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _entry(rows: Sequence[Row], content: bytes) -> dict[str, Any]:
    """What the manifest says of one file; `sums` are of the values that are money, by currency."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        if row["unit"] == "money" and row["value"]:
            sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + Decimal(row["value"])
    return {
        "rows": len(rows), "bytes": len(content), "sha256": _sha256(content),
        "sums": {currency: format(total, "f") for currency, total in sums.items()},
    }

"""A folder of tables passes the contract of a source: one table with a column of change, one complete."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters import csv_folder
from adapters.csv_folder import CsvFolder
from connector.testing import SourceContract

COLUMNS = ["id", "name", "changed_at"]


class TestCsvFolder(SourceContract):
    adapter = CsvFolder
    vendor_has_clock = False

    @pytest.fixture
    def served(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
        """Two files and pages of three rows; an ordinary page would hold five hundred."""
        monkeypatch.setattr(csv_folder, "ROWS_PER_PAGE", 3)
        self.tables: dict[str, dict[str, list[str]]] = {"deals": {}, "accounts": {}}
        self.place = tmp_path
        for stream in self.tables:
            self.write(stream)
        return {
            "folder": ".",
            "files": {
                "deals": {"file": "deals.csv", "key": "id", "modified": "changed_at"},
                "accounts": {"file": "accounts.csv", "key": "id", "complete": True},
            },
        }

    @pytest.fixture
    def other_store(self, postgres_url: str) -> str:
        """The second store is a PostgreSQL."""
        return postgres_url

    def add(self, stream: str) -> str:
        key = f"{stream[0].upper()}{len(self.tables[stream]) + 1}"
        self.tables[stream][key] = [key, "Nord | Süd; \"1\"", self.own_clock.now().isoformat()]
        self.write(stream)
        return key

    def edit(self, stream: str, key: str) -> None:
        _, name, _ = self.tables[stream][key]
        self.tables[stream][key] = [key, f"{name}!", self.own_clock.now().isoformat()]
        self.write(stream)

    def delete(self, stream: str, key: str) -> None:
        del self.tables[stream][key]
        self.write(stream)

    def disturb(self, fault: str, *, times: int = 1, path: str = "", after: int = 0) -> None:
        """Of all faults a file can only hold something else than its table."""
        if fault not in ("page", "error"):
            raise NotImplementedError
        for stream in self.tables:
            (self.place / f"{stream}.csv").write_text("<html><body>Please log in</body></html>\n", encoding="utf-8")

    def calm(self) -> None:
        for stream in self.tables:
            self.write(stream)

    def write(self, stream: str) -> None:
        with (self.place / f"{stream}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *self.tables[stream].values()])

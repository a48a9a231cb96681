"""file passes the contract of a destination: a CSV for each period."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.file import File
from connector.model import KpiValue
from connector.outgoing import FLAT
from connector.testing import DestinationContract


class TestFile(DestinationContract):
    adapter = File
    knows_people = False

    @pytest.fixture
    def served(self, tmp_path: Path) -> Mapping[str, Any]:
        """A folder in which somebody keeps a file of their own, and a row in one of ours."""
        self.out = tmp_path / "out"
        self.out.mkdir()
        (self.out / "notes.csv").write_text("kpi,value\nmine,5\n", encoding="utf-8")
        row = dict.fromkeys(FLAT, "") | {
            "kpi": "own_plan", "subject_kind": "person", "subject_key": "NV001", "dimensions": "{}",
            "period": "2026-10", "value": "5",
        }
        with (self.out / "kpi-2026-10.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FLAT, lineterminator="\r\n")
            writer.writeheader()
            writer.writerow(row)
        return {"path": "out/kpi-{period}.csv"}

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        return [
            Decimal(row["value"]) if row["value"] else None for row in self._rows(self.out / f"kpi-{value.period}.csv")
            if (row["kpi"], row["subject_key"], row["period"]) == (value.kpi, value.subject.key, value.period)
        ]

    def everything(self) -> Any:
        return {path.name: path.read_bytes() for path in sorted(self.out.iterdir())}

    def foreign(self) -> Any:
        rows = [row for row in self._rows(self.out / "kpi-2026-10.csv") if row["kpi"] == "own_plan"]
        return [(self.out / "notes.csv").read_bytes(), *rows]

    def _rows(self, path: Path) -> list[dict[str, str]]:
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

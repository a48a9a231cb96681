"""Questions to a whole installation, asked once and looked up by what names a value."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from connector import kpi_store
from connector.app import App

DATA = Path(__file__).parents[1] / "data"

Values = Mapping[tuple[str, str], dict[str, Any]]
"""The KPI objects of one KPI and period by subject and dimension; '' where there is none."""


def truth(path: str) -> list[dict[str, str]]:
    """The rows of a file under tests/data."""
    with (DATA / path).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def same(found: str | None, told: str, places: int = 6) -> bool:
    """Whether a value is the one of the ground truth, which is rounded to that many places."""
    return found is not None and abs(Decimal(found) - Decimal(told)) <= Decimal(5).scaleb(-places - 1)


class Office:
    """One loaded App; all KPIs of a period are asked at once, and kept."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._asked: dict[tuple[str, str | None, str | None], list[dict[str, Any]]] = {}
        self._stored: list[dict[str, Any]] | None = None

    def asked(self, period: str, as_of: str | None = None, kpi: str | None = None) -> list[dict[str, Any]]:
        """What `connector kpi [KPI] --period … --as-of …` gives."""
        key = (period, as_of, kpi)
        if key not in self._asked:
            self._asked[key] = self.app.kpi(kpi, period=period, as_of=as_of).value
        return self._asked[key]

    def stored(self) -> list[dict[str, Any]]:
        """The stored values of every period: what the last run computed, and what is delivered."""
        if self._stored is None:
            self._stored = [value.as_json() for value in kpi_store.current(self.app.here.store)]
        return self._stored

    def values(self, kpi: str, period: str, as_of: str | None = None) -> Values:
        """The values of one KPI by (subject key, word of its one dimension)."""
        asked = self.asked(period, as_of, kpi) if as_of else self.asked(period)
        found = [value for value in asked if value["kpi"] == kpi]
        made = {(one["subject"]["key"], "|".join(one["dimensions"].values())): one for one in found}
        assert len(made) == len(found), "a subject and dimension has one value"
        return made

    def one(self, kpi: str, period: str, subject: str = "company", cut: str = "", as_of: str | None = None) -> Any:
        """The one value of a subject and dimension."""
        return self.values(kpi, period, as_of)[subject, cut]

    def text(self, kpi: str, period: str, subject: str = "company", cut: str = "", as_of: str | None = None) -> Any:
        """Its number as text, None where there is no data."""
        return self.one(kpi, period, subject, cut, as_of)["value"]

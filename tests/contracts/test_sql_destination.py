"""sql passes the contract of a destination, on SQLite; the databases that serve others are in tests/adapters/sql."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from adapters.sql import Sql
from connector.model import KpiValue
from connector.testing import DestinationContract
from connector.testing.contract.destinations import Bench

COLUMNS = "kpi, subject_kind, subject_key, dimensions, period, value"


class Served(Bench):
    adapter = Sql
    knows_people = False
    may_wait = False

    @pytest.fixture
    def served(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, Any]]:
        """A table of the customer's own, with a row that we never sent, and a column that is theirs."""
        self.url = f"sqlite:///{tmp_path / 'bi.db'}"
        self.engine = create_engine(self.url)
        with self.engine.begin() as connection:
            connection.execute(text(
                f"CREATE TABLE kpi_value ({COLUMNS.replace(',', ' TEXT NOT NULL,')} TEXT, target TEXT, note TEXT "
                "DEFAULT 'none', PRIMARY KEY (kpi, subject_kind, subject_key, dimensions, period))"
            ))
            connection.execute(text(
                "INSERT INTO kpi_value VALUES ('own_plan', 'person', 'NV001', '{}', '2026-10', '5', NULL, 'by hand')"
            ))
        self.fault: str | None = None
        self.pick: Callable[[], str | None] | None = None  # decides of each commit anew
        self.left, self.after = 0, 0
        commit = Connection.commit
        monkeypatch.setattr(Connection, "commit", lambda connection: self.committed(connection, commit))
        yield {"url": self.url}
        self.engine.dispose()

    def hidden(self) -> Sequence[str]:
        """The address of a file holds no password."""
        return ()

    def committed(self, connection: Connection, commit: Any) -> None:
        """A commit as the database answers it: well, or with the connection gone before or after it was done."""
        if self.left <= 0 or not str(connection.engine.url).endswith("bi.db"):
            return commit(connection)
        if self.after > 0:
            self.after -= 1
            return commit(connection)
        self.left -= 1
        fault = self.pick() if self.pick else self.fault
        if fault != "gone":
            commit(connection)
        if fault is None:
            return None
        raise OperationalError("COMMIT", {}, Exception("server closed the connection"), connection_invalidated=True)

    def disturb(self, fault: str, *, times: int = 1, after: int = 0, reads: bool = False) -> None:
        if fault not in ("lost", "late", "gone") or reads:
            raise NotImplementedError(fault)
        self.fault, self.left, self.after = fault, times, after

    def calm(self) -> None:
        self.left = 0

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        rows = self._rows(
            "WHERE kpi = :kpi AND subject_key = :subject AND period = :period",
            kpi=value.kpi, subject=value.subject.key, period=value.period,
        )
        return [None if row["value"] is None else Decimal(row["value"]) for row in rows]

    def everything(self) -> Any:
        return json.loads(json.dumps(self._rows(""), default=str))

    def foreign(self) -> Any:
        return self._rows("WHERE note = 'by hand'")

    def _rows(self, where: str, **given: str) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            found = connection.execute(text(f"SELECT * FROM kpi_value {where} ORDER BY 1, 3, 5"), given)
            return [dict(row._mapping) for row in found]


class TestSql(Served, DestinationContract):
    """Upserts into a table that was there before us."""

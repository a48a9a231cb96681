"""Tryton passes the contract of a source: a real server, read through a proxy that can misbehave and tells the time.

Records are written straight into the server's database, with stamps of the contract's clock, so that nothing waits for
real seconds to pass; everything the adapter reads is the server's own answer.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters import tryton
from adapters.tryton import Tryton
from connector.testing import FakeClock, SourceContract
from connector.testing.proxy import Proxy
from tests.real_servers import running

pytestmark = pytest.mark.real

TABLES = {"opportunities": "sale_opportunity", "parties": "party_party"}
SEEDED = {"opportunities": 4, "parties": 26}
TEXT = {"opportunities": "description", "parties": "name"}


@pytest.fixture(scope="module")
def server() -> Iterator[Mapping[str, Any]]:
    """A Tryton of this module's own, with a few of its opportunities."""
    with running("tryton") as found:
        yield found


@pytest.fixture(scope="module")
def database(server: Mapping[str, Any]) -> Iterator[sqlite3.Connection]:
    """The server's own database."""
    cache = Path(os.environ.get("CACHE", str(Path.home() / ".cache" / "connector-real")))
    port = server["base_url"].strip("/").rpartition(":")[2]
    file = cache / "run" / f"tryton-{port}" / "db" / f"{server['database']}.sqlite"
    made = sqlite3.connect(file, timeout=30, check_same_thread=False)  # one check changes rows while a run reads them
    made.execute("PRAGMA synchronous = OFF")
    yield made
    made.close()


class TestTryton(SourceContract):
    adapter = Tryton
    mapping = Path(__file__).parents[2] / "mappings" / "tryton.yaml"
    changing = ("opportunities", "parties")

    @pytest.fixture
    def clock(self) -> FakeClock:
        """After all that was seeded; never a whole second, since on SQLite stamps are compared as text."""
        return FakeClock(datetime(2027, 1, 4, 8, 0, 0, 1000, tzinfo=UTC))

    @pytest.fixture
    def served(
        self, server: Mapping[str, Any], database: sqlite3.Connection, clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[Mapping[str, Any]]:
        """By REST key, in pages of ten; what an earlier check added is gone."""
        monkeypatch.setattr(tryton, "ROWS_PER_PAGE", 10)
        self.database = database
        for stream, table in TABLES.items():
            for name in (table, f"{table}__history") if stream == "opportunities" else (table,):
                database.execute(f"DELETE FROM {name} WHERE id > ?", (SEEDED[stream],))
        database.commit()
        with Proxy(server["base_url"], clock=clock) as self.twin:
            yield {"base_url": f"{self.twin.url}/", "database": server["database"], "key": server["rest_key"]}

    def add(self, stream: str) -> str:
        table = TABLES[stream]
        (id_,) = self.database.execute(f"SELECT max(id) + 1 FROM {table}").fetchone()
        columns = self._columns(table)
        told = {"id": str(id_), "code": f"'C{id_}'", "create_date": "?1", "write_date": "NULL"}
        chosen = ", ".join(told.get(name, name) for name in columns)
        self.database.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} WHERE id = 1", (self._now(),)
        )
        return self._written(stream, str(id_))

    def edit(self, stream: str, key: str) -> None:
        column = TEXT[stream]
        self._write(stream, key, f"{column} = {column} || '!'")

    def hide(self, stream: str, key: str) -> None:
        if stream != "parties":
            raise NotImplementedError
        self._write(stream, key, "active = 0")

    def delete(self, stream: str, key: str) -> None:
        """As Tryton does: the row is gone, and its history ends with a revision that holds nothing."""
        self.database.execute(f"DELETE FROM {TABLES[stream]} WHERE id = ?", (key,))
        if stream == "opportunities":
            history = f"{TABLES[stream]}__history"
            self.database.execute(f"INSERT INTO {history} (id, write_date) VALUES (?, ?)", (key, self._now()))
        self.database.commit()

    def _write(self, stream: str, key: str, change: str) -> None:
        statement = f"UPDATE {TABLES[stream]} SET {change}, write_date = ? WHERE id = ?"
        self.database.execute(statement, (self._now(), key))
        self._written(stream, key)

    def _written(self, stream: str, key: str) -> str:
        """Keep the new version in the model's history, where it has one."""
        if stream == "opportunities":
            table = TABLES[stream]
            columns = ", ".join(self._columns(table))
            self.database.execute(
                f"INSERT INTO {table}__history ({columns}) SELECT {columns} FROM {table} WHERE id = ?", (key,)
            )
        self.database.commit()
        return key

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self.database.execute(f"PRAGMA table_info('{table}')")]

    def _now(self) -> str:
        return self.own_clock.now().replace(tzinfo=None).isoformat(" ", "microseconds")

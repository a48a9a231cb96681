"""What takes longer to start than all the laws ask of it, started once: DuckDB, and ADBC's view of a PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pytest

_NUMBERS = itertools.count(1)


class Database:
    """An empty in-memory database of a DuckDB that runs already, in place of a DuckDB of its own."""

    def __init__(self, running: duckdb.DuckDBPyConnection) -> None:
        self._name, self._connection = f"database{next(_NUMBERS)}", running.cursor()
        self._connection.execute(f"ATTACH ':memory:' AS {self._name}")
        self._connection.execute(f"USE {self._name}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def close(self) -> None:
        self._connection.execute("USE memory")
        self._connection.execute(f"DETACH {self._name}")
        self._connection.close()


@contextmanager
def started_once() -> Iterator[None]:
    """Until the end a computation has a database of its own in one DuckDB (20 ms less), with the first one's settings,
    and a connection of its own that knows PostgreSQL's types already (35 ms less)."""
    start, connect = duckdb.connect, adbc.connect
    running: list[duckdb.DuckDBPyConnection] = []
    connected: dict[str, adbc.Connection] = {}

    def database(config: Mapping[str, Any]) -> Database:
        if not running:  # without the folder for what memory does not hold: whoever named it deletes it
            kept = {name: value for name, value in config.items() if name != "temp_directory"}
            running.append(ends.enter_context(closing(start(config={**kept, "threads": 1}))))
        return Database(running[0])

    def connection(uri: str) -> adbc.Connection:
        if uri not in connected:
            connected[uri] = ends.enter_context(closing(connect(uri, autocommit=True)))
        return connected[uri].adbc_clone()

    with ExitStack() as ends, pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", database)
        patch.setattr(adbc, "connect", connection)
        yield

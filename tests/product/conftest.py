"""Databases that live as long as a module, so that what is loaded into them is loaded once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept_store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty store that every test of the module shares; the module runs once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('store') / 'connector.db'}"
        return
    socket = request.getfixturevalue("postgres_socket")
    with database(socket, f"product{next(_NUMBERS)}") as url:
        yield url


@contextmanager
def database(socket: str, name: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped at the end."""

    def do(statement: str) -> None:
        with psycopg.connect(f"host={socket} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)

    do(f"CREATE DATABASE {name}")
    yield f"postgresql+psycopg://postgres@/{name}?host={socket}"
    do(f"DROP DATABASE {name} WITH (FORCE)")

"""Databases that live as long as a module, so that what is loaded is loaded once; and a small installation each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.e2e.project import Project
from tests.product.command import Command

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


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Three deals of two sellers, one CSV destination; the installed command."""
    return Command(tmp_path).fill()


@pytest.fixture
def project(command: Command) -> Project:
    """The same, its command's edge called in this process, which saves seconds where many follow one another."""
    return Project(command.folder)

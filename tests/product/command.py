"""The installed command, in a process of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from connector.store.tables import LEDGER
from tests.e2e.project import FILES, Project, Result


class Command(Project):
    """A folder with a config; calling it runs `connector` there as a user does."""

    def __call__(self, *arguments: str, **environment: str) -> Result:
        return self.process(*arguments, **environment)

    def fill(self) -> Command:
        """Three deals of two sellers, a people file, a CSV destination: tests/e2e/project.py."""
        for name, content in FILES.items():
            self.write(name, content)
        return self


def rows(project: Project, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(project.folder / "connector.db")) as connection:
        return connection.execute(query).fetchall()


def ledger(project: Project) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows(project, f"SELECT * FROM {name} ORDER BY 1, 2, 3") for name in LEDGER}


def deals(project: Project) -> list[str]:
    return [id_ for (id_,) in rows(project, "SELECT id FROM current_deal ORDER BY id")]


def add_source(project: Project, text: str) -> None:
    project.replace("config.yaml", "sources:\n", f"sources:\n{text}")

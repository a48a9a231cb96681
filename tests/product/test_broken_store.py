"""Our own database breaks: exit code 5, no cursor has moved, and the next sync goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.project import COMMAND, Project
from tests.product.command import Command, deals, ledger, rows
from tests.product.conftest import database

STALLING = '''\
"""An export folder whose database breaks after the first page."""
import os
import psycopg
from adapters.csv_folder import CsvFolder

class Breaking(CsvFolder):
    """CSV files; `BREAK` says what happens to the store before the second stream's page is given."""

    def read(self, stream, window, position=None):
        for page in super().read(stream, window, position):
            if stream == "deals" and os.environ.get("BREAK"):
                with psycopg.connect(os.environ["BREAK_AT"], autocommit=True) as connection:
                    for statement in os.environ["BREAK"].split(";"):
                        connection.execute(statement)
            yield page
'''


@pytest.fixture
def on_postgres(command: Command, postgres_socket: str) -> Iterator[tuple[Project, str, str]]:
    """The project on a PostgreSQL of its own, with a source that can break it: (project, database, server)."""
    name, project = "bad_day", Project(command.folder)
    with database(postgres_socket, name) as url:
        project.write("breaking.py", STALLING)
        project.replace("config.yaml", "timezone:", f"store: {url}\ntimezone:")
        project.replace("config.yaml", "adapter: csv_folder", "adapter: breaking:Breaking")
        yield project, name, f"host={postgres_socket} user=postgres dbname=postgres"


BREAKS = {
    "read-only": "ALTER DATABASE bad_day SET default_transaction_read_only = on;"
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'bad_day'",
    "gone": "ALTER DATABASE bad_day ALLOW_CONNECTIONS false;"
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'bad_day'",
}
MENDS = {
    "read-only": "ALTER DATABASE bad_day RESET default_transaction_read_only",
    "gone": "ALTER DATABASE bad_day ALLOW_CONNECTIONS true",
}


@pytest.mark.parametrize("how", ["read-only", "gone"])
def test_a_database_that_breaks_in_mid_sync_is_5_and_the_cursor_has_not_moved(
    on_postgres: tuple[Project, str, str], how: str
) -> None:
    project, _, server = on_postgres
    assert project("sync").code == 0
    before = _cursor(server)
    project.replace("export/deals.csv", "2,2,2026-01-06T02:00:00Z,700", "2,2,2026-01-06T02:00:00Z,750")
    broken = project.process("sync", "--json", BREAK=BREAKS[how], BREAK_AT=server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(MENDS[how])
    assert (broken.code, broken.json["error"]["class"]) == (5, "StoreError")
    assert _cursor(server) == before
    mended = project("sync", "--json")
    assert (mended.code, mended.json["sources"][0]["streams"][1]["changed"]) == (0, 1)


def _cursor(server: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.replace("dbname=postgres", "dbname=bad_day")) as connection:
        return connection.execute("SELECT source, stream, state FROM cursor WHERE stream = 'deals'").fetchall()


def test_a_disk_that_is_full_is_5_and_the_next_sync_goes_on(project: Project) -> None:
    """A limit on the size of files (`ulimit -f`) makes the same error as a full disk."""
    assert project("sync").code == 0
    cursor = rows(project, "SELECT * FROM cursor ORDER BY 1, 2")
    before = ledger(project)
    many = [f"{number},2,2026-01-06T02:00:00Z,{number},USD,o2" for number in range(10, 8000)]
    full = (project.folder / "export/deals.csv").read_text()
    project.write("export/deals.csv", full + "\n".join(many) + "\n")
    kilobytes = (project.folder / "connector.db").stat().st_size // 1024 + 200
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f {kilobytes}; exec {COMMAND} sync --json"], cwd=project.folder, capture_output=True,
        text=True, check=False, timeout=120,
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert "StoreError" in done.stderr
    assert [row for row in rows(project, "SELECT * FROM cursor ORDER BY 1, 2") if row[1] == "deals"] == [
        row for row in cursor if row[1] == "deals"
    ]
    assert set(before["deal"]) <= set(ledger(project)["deal"])
    assert project("sync").code == 0
    assert len(deals(project)) == len(many) + 3


def test_a_store_that_was_never_reachable_is_5_before_anything_is_read(project: Project, tmp_path: Path) -> None:
    password = "store-päss-44"
    project.replace("config.yaml", "timezone:", "store: postgresql+psycopg://app:${PG}@127.0.0.1:9/none\ntimezone:")
    result = project("sync", "--json", PG=password)
    assert (result.code, result.json["error"]["class"]) == (5, "StoreError")
    assert password not in result.out + result.err
    assert not (project.folder / "out").exists()

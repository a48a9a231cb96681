"""What a command loads: most of a short one's time is loading, so what is heavy is loaded by those who need it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.project import CONFIG, Project

HEAVY = {
    "adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite", "alembic", "apscheduler", "duckdb",
    "openpyxl", "psycopg", "pyarrow",
}
CALL = """
import sys
from connector.cli.main import main
try:
    main()
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The packages that one call of `connector` has loaded when it ends."""
    done = subprocess.run([sys.executable, "-c", CALL, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_help_loads_neither_the_store_nor_the_config(tmp_path: Path) -> None:
    heavier = {*HEAVY, "pydantic", "requests", "rich", "ruamel", "sqlalchemy", "structlog"}
    assert loaded(tmp_path, "--help") & heavier == set()


def test_a_sync_without_kpis_loads_no_engine_and_no_migrations(project: Project) -> None:
    project.write("config.yaml", CONFIG.partition("destinations:")[0])
    assert "alembic" in loaded(project.folder, "sync", "--json")  # the first one makes the tables
    assert loaded(project.folder, "sync", "--json") & {*HEAVY, "rich", "structlog"} == set()
    assert loaded(project.folder, "sync") & HEAVY == set()


def test_a_command_that_computes_says_nothing_on_standard_error(project: Project) -> None:
    """DuckDB's bindings complain of leaks when Python's garbage is not collected at the end."""
    assert project.process("sync", "--json").code == 0
    assert project.process("kpi", "--json").err == ""

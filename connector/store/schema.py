"""Bringing a database to this version's tables and views, by the Alembic migrations beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, select, text

from connector.errors import StoreError
from connector.store import tables, views

HEAD = "0010"
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Make or bring up every table. Raises StoreError when the database is newer than this program."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": 0x70697066})
        found = revision(connection)
        if found == HEAD:
            return
        if found is not None and found not in known():
            raise StoreError(
                f"the store has schema {found}, newer than the {HEAD} this program knows; install the newer version"
            )
        _migrate(connection)
        views.create(connection)
        if connection.execute(select(tables.clock.c.one)).first() is None:
            connection.execute(tables.clock.insert(), {"one": 1, "last": 0})


def revision(connection: Connection) -> str | None:
    """The schema a database has, None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def known() -> set[str]:
    """The revisions this program can bring up to date."""
    return {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def configuration(connection: Connection) -> Any:
    """Alembic's configuration for that connection (an `alembic.config.Config`)."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: Connection) -> None:
    from alembic import command

    command.upgrade(configuration(connection), "head")

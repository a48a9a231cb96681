"""Bringing a database to this version's tables and views."""

from __future__ import annotations

from sqlalchemy import Engine, insert, select, text

from connector.store import tables

VERSION = 1


def upgrade(engine: Engine) -> None:
    """Make or bring up every table. Raises StoreError when the database is of a newer version than this program."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": 0x70697066})
        tables.metadata.create_all(connection)
        if connection.execute(select(tables.clock.c.one)).first() is None:
            connection.execute(insert(tables.clock), {"one": 1, "last": 0})

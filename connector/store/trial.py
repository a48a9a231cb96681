"""A trial: what a change would do to the store, found by doing it where nobody sees it, and where nothing of it stays.

SQLite: in a copy of the whole database, made page by page by SQLite's own backup while others read and write on; the
copy is of one moment, lies in a folder that only we may open, and is removed whatever happens. It takes the size of the
database in the folder for temporary files (`TMPDIR`), and about a second for each 500 MB.

PostgreSQL: in one REPEATABLE READ transaction that is rolled back. The tables that a mapping or a file writes are
shadowed by temporary ones with the same rows, which is what every statement then means; after that the transaction is
READ ONLY, so that the server itself refuses to write any other. No row of the store is locked. It takes the ledger's
size once more in temporary tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text

from connector.errors import StoreError
from connector.model import micros
from connector.store import tables
from connector.store.store import Store, Writing

_PAGES = 4096  # of SQLite, copied at once: 16 MB
_COPY = (  # nobody else reads the copy and nothing of it is kept: no write waits for the disk, none can be undone
    "journal_mode=OFF", "synchronous=OFF", "locking_mode=NORMAL", "temp_store=MEMORY", "cache_size=-65536",
)
_WRITTEN = (*tables.LEDGER, "record_stamp", "quarantine", "file_version")
"""What taking in a mapping or a file writes."""


class Trial(Writing):
    """A write transaction that is never committed to the store.

    `last` is the store's last stamp until one is taken. `url` is the address of our own copy of the database, None
    where there is none and only this transaction sees what it wrote.
    """

    def __init__(self, connection: Connection, now: int, url: str | None) -> None:
        super().__init__(connection, now)
        self.url = url

    def flush(self) -> None:
        """Let other connections to our own copy see what was written so far; nothing where there is no copy."""
        if self.url is not None:
            self.connection.commit()


@contextmanager
def trial(store: Store) -> Iterator[Trial]:
    """A trial in that store as it is now (`Store.trial`). Raises StoreError."""
    with (_in_a_copy if store.is_sqlite else _in_a_transaction)(store) as made:
        yield made


@contextmanager
def _in_a_copy(store: Store) -> Iterator[Trial]:
    with _folder() as folder:
        path = Path(folder) / "copy.db"
        _copy(store, path)
        url = f"sqlite:///{path}"
        engine = create_engine(url, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _ours_alone)
        event.listen(engine, "begin", _begin)
        try:
            with engine.connect() as connection:
                yield Trial(connection, micros(store.clock.now()), url)
        finally:
            engine.dispose()


def _folder() -> TemporaryDirectory[str]:
    """A new folder that only we may open."""
    try:
        return TemporaryDirectory(prefix="connector-trial-")
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: Exception) -> StoreError:
    message = f"a copy of the store could not be made ({error})"
    return StoreError(f"{message}; set TMPDIR to a folder with room for all of it")


def _copy(store: Store, path: Path) -> None:
    """The database as it is at one moment; what is committed meanwhile is not in it, nor does it begin anew."""
    try:
        with store.reading() as connection, closing(sqlite3.connect(path)) as target:
            connection.execute(select(tables.clock.c.last)).one()  # the moment: a transaction begins by reading
            source: Any = connection.connection.dbapi_connection
            source.backup(target, pages=_PAGES)
    except (sqlite3.Error, OSError) as error:
        raise _no_room(error) from error


def _ours_alone(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    with closing(connection.cursor()) as cursor:
        for pragma in _COPY:
            cursor.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


@contextmanager
def _in_a_transaction(store: Store) -> Iterator[Trial]:
    engine: Engine = store.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        try:
            _shadow(connection)
            yield Trial(connection, micros(store.clock.now()), None)
        finally:
            connection.rollback()


def _shadow(connection: Connection) -> None:
    """Temporary tables in place of those that are written, with their rows and indexes."""
    find = "SELECT quote_ident(nspname) FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid"
    schema = connection.execute(text(f"{find} WHERE pg_class.oid = 'clock'::regclass")).scalar_one()
    first = "set_config('search_path', 'pg_temp, ' || current_setting('search_path'), true)"
    connection.exec_driver_sql(f"SELECT {first}")
    for name in _WRITTEN:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} (LIKE {schema}.{name} INCLUDING ALL)")
        connection.exec_driver_sql(f"INSERT INTO pg_temp.{name} SELECT * FROM {schema}.{name}")
        connection.exec_driver_sql(f"ANALYZE pg_temp.{name}")
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")

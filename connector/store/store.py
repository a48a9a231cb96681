"""One database, SQLite or PostgreSQL: transactions under the knowledge lock, leases, and the errors that become ours.

Every write happens in `writing()`: one short transaction that holds the store-wide lock until its commit (SQLite
`BEGIN IMMEDIATE`, PostgreSQL `pg_advisory_xact_lock`). `Writing.stamp()` gives strictly rising instants there, so
stamps rise in the order of commits and a later commit can never change an answer already given as of an earlier one.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Executable, Row, create_engine, event, select, text, update
from sqlalchemy.engine import CursorResult, make_url
from sqlalchemy.exc import SQLAlchemyError

from connector.errors import Busy, ConfigError, Fault, LeaseLost, StoreError
from connector.model import micros
from connector.ports import Clock
from connector.store import schema, tables

if TYPE_CHECKING:
    from connector.store.trial import Trial

LOCK = 0x70697065  # the one advisory lock of our PostgreSQL writers: "pipe"
LEASE_SECONDS = 120


class Writing:
    """An open write transaction: statements, and the knowledge clock."""

    def __init__(self, connection: Connection, now: int) -> None:
        self.connection = connection
        self._now = now
        self._before = connection.execute(select(tables.clock.c.last)).scalar_one()
        self.last: int = self._before

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run one statement, or one for each of a list of parameters."""
        return self.connection.execute(statement, parameters)

    def stamp(self) -> int:
        """The next instant of the knowledge clock: now, or a microsecond after the last one."""
        self.last = max(self._now, self.last + 1)
        return self.last

    def finish(self) -> None:
        if self.last != self._before:
            self.connection.execute(update(tables.clock).values(last=self.last))


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one stream; `fence` rises with each holder, so a late batch of an old one is refused."""

    name: str
    holder: str
    fence: int


class Store:
    """The database of one installation. Thread-safe; one writer at a time."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url, self.clock = url, clock
        self._lock = threading.Lock()
        self.engine = _engine(url)

    @classmethod
    def open(cls, url: str, clock: Clock) -> Store:
        """The store at a SQLAlchemy URL, made or brought up to this version. Raises StoreError."""
        store = cls(url, clock)
        with _ours():
            schema.upgrade(store.engine)
        return store

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A write transaction under the store-wide lock; committed at the end, rolled back on any error."""
        alone = self._lock if self.is_sqlite else nullcontext()
        with _ours(), alone, self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            writing = Writing(connection, micros(self.clock.now()))
            yield writing
            writing.finish()

    @contextmanager
    def apart(self, *, durable: bool = True) -> Iterator[Connection]:
        """A short write transaction of what is no knowledge; PostgreSQL locks no more than the rows it asks for.

        Unless `durable`, a power cut may lose it: nobody waits for the disk then.
        """
        alone = self._lock if self.is_sqlite else nullcontext()
        is_loose = self.is_sqlite and not durable
        with _ours(), alone, self.engine.connect() as connection:
            if is_loose:
                _sqlite_synchronous(connection, "NORMAL")
            try:
                with connection.begin():
                    if not durable and not self.is_sqlite:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                    yield connection
            finally:
                if is_loose:
                    _sqlite_synchronous(connection, "FULL")

    @contextmanager
    def trial(self) -> Iterator[Trial]:
        """A transaction that is never committed and holds no lock of ours: what a change would do. Raises StoreError.

        It begins with the store as it is now; `connector.store.trial` says what it costs.
        """
        from connector.store.trial import trial  # which is made of what stands here

        with _ours(), trial(self) as made:
            yield made

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only look at what is committed."""
        with _ours(), self.engine.connect() as connection:
            yield connection.execution_options(connector_reading=True)

    def rows(self, statement: Executable, parameters: Any = None) -> list[Row[Any]]:
        """All rows of a query."""
        with self.reading() as connection:
            return list(connection.execute(statement, parameters).all())

    # --- leases ------------------------------------------------------------------------------------------------------

    def acquire(self, name: str) -> Lease:
        """The lease of that name. Raises Busy while a living holder has it.

        A holder of this machine whose process is gone has died and loses it at once; one elsewhere when it expires.
        """
        table = tables.lease
        holder = f"{this_process()}/{secrets.token_hex(4)}"
        with self.writing() as writing:
            now = micros(self.clock.now())
            row = writing.execute(select(table).where(table.c.name == name)).one_or_none()
            if row and row.holder and row.expires_at > now and _is_held(row.holder):
                raise Busy(f"{name} is being worked on by {row.holder}")
            fence = (row.fence if row else 0) + 1
            values = {"holder": holder, "fence": fence, "expires_at": now + LEASE_SECONDS * 1_000_000}
            if row:
                writing.execute(update(table).where(table.c.name == name).values(**values))
            else:
                writing.execute(table.insert(), {"name": name, **values})
        _HELD.add(holder)
        return Lease(name, holder, fence)

    def hold(self, writing: Writing, lease: Lease) -> None:
        """Make sure, inside the transaction that writes, that the lease is still ours, and prolong it.

        Raises LeaseLost.
        """
        table = tables.lease
        until = self.clock.now() + timedelta(seconds=LEASE_SECONDS)
        done = writing.execute(
            update(table)
            .where(table.c.name == lease.name, table.c.fence == lease.fence, table.c.holder == lease.holder)
            .values(expires_at=micros(until))
        )
        if done.rowcount != 1:
            raise LeaseLost(f"{lease.name} was taken over by another runner; nothing of the late batch was written")

    def release(self, lease: Lease) -> None:
        """Give the lease back; the fence stays, so it never falls."""
        _HELD.discard(lease.holder)
        table = tables.lease
        with self.writing() as writing:
            writing.execute(
                update(table)
                .where(table.c.name == lease.name, table.c.fence == lease.fence)
                .values(holder=None, expires_at=0)
            )


_HELD: set[str] = set()  # holders of this process that still work: a lease that a failed store kept is nobody's


def _is_held(holder: str) -> bool:
    mine = holder.startswith(f"{this_process()}/")
    return holder in _HELD if mine else is_alive(holder)


def this_process() -> str:
    """Who we are, for leases: host, process id, and the start time that tells a reused id apart."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def _started(pid: int) -> str:
    """When the process started, in kernel ticks; empty where the system does not say (no /proc), `ended` for one that
    is over and only waits for its parent to look."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else fields[19]


def is_alive(holder: str) -> bool:
    """Whether that process (`this_process`) still runs; one on another machine is taken to."""
    host, _, rest = holder.partition("/")
    pid, _, started = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not started or started.partition("/")[0] == _started(int(pid))


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise ConfigError([Fault("config", 0, "store", "expected sqlite:///path or postgresql+psycopg://…")]) from None
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": 60, "check_same_thread": False})
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed, pool_size=10, max_overflow=20)
    found = parsed.get_backend_name()
    raise ConfigError([Fault("config", 0, "store", f"{found} is not a store; use SQLite or PostgreSQL")])


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=60000", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_synchronous(connection: Connection, how: str) -> None:
    """Before or after a transaction, since SQLite does not change it inside of one."""
    raw: Any = connection.connection.dbapi_connection
    raw.execute(f"PRAGMA synchronous={how}")


def _sqlite_begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("connector_reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def _ours() -> Iterator[None]:
    """Database errors become StoreError, without statement or values (they may hold people's data)."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        reason = str(cause if cause is not None else type(error).__name__).splitlines()[0][:200]
        raise StoreError(f"the store failed: {reason}") from error

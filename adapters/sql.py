"""SQL: KPI values as rows of a table of yours, on PostgreSQL or SQLite.

One row per natural key (kpi, subject_kind, subject_key, dimensions, period), written by upsert, so the same value again
changes nothing. The table is made if it is not there; one that is there keeps its own types, and may have more columns
(with defaults) and lack those of ours that are neither part of the key nor the value.

Numbers are NUMERIC on PostgreSQL. On SQLite they are TEXT: its NUMERIC is a binary float or integer, which keeps
neither 17 digits nor a trailing zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator
from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    create_engine,
    inspect,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

from connector.errors import AuthError, Permanent, RemoteError, Transient, Unanswered
from connector.outgoing import FLAT, NATURAL_KEY, flat
from connector.ports import AdapterSettings, Check, Context, Delivery, Destination, Receipt

_NUMBERS = ("value", "numerator", "denominator", "restated_value", "adjustments", "open_share", "target", "attainment")
_DATES = ("period_start", "period_end")
_DIALECTS = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_REFUSED_CREDENTIAL = ("authentication failed", "no password supplied", "permission denied")


class SqlSettings(AdapterSettings):
    """Where the rows go."""

    url: SecretStr = Field(description="SQLAlchemy URL: postgresql+psycopg://user@host/db or sqlite:///file.db.")
    table: str = Field("kpi_value", pattern=r"^\w+(\.\w+)?$", description="Table, or schema.table.")

    @field_validator("url")
    @classmethod
    def _known(cls, url: SecretStr) -> SecretStr:
        try:
            backend = make_url(url.get_secret_value()).get_backend_name()
        except (ArgumentError, ValueError):
            raise ValueError("expected a SQLAlchemy URL such as postgresql+psycopg://user@host/db") from None
        if backend not in _DIALECTS:
            raise ValueError(f"found {backend}, expected postgresql+psycopg:// or sqlite://")
        return url


class Sql(Destination):
    """Upserts rows, a transaction per batch; a row the database refuses is found by halving the batch."""

    Settings = SqlSettings
    settings: SqlSettings
    batch = 500
    idempotent = True

    def __init__(self, name: str, settings: SqlSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        address = _address(settings.url.get_secret_value(), context.folder)
        patience = {"connect_timeout": 10} if address.get_backend_name() == "postgresql" else {}
        self._engine = create_engine(address, connect_args=patience)
        self._found: Table | None = None

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        table = self._table()
        latest = {_key(delivery): delivery for delivery in deliveries}  # one statement takes a key only once
        written = {_key(receipt_of): receipt for receipt_of, receipt in self._write(table, list(latest.values()))}
        for delivery in deliveries:
            receipt = written[_key(delivery)]
            yield Receipt(delivery.key, receipt.outcome, message=receipt.message)

    def _write(self, table: Table, deliveries: Sequence[Delivery]) -> Iterator[tuple[Delivery, Receipt]]:
        try:
            self._upsert(table, [_row(table, delivery) for delivery in deliveries])
        except (DataError, IntegrityError, ValueError, ArithmeticError) as error:
            if len(deliveries) == 1:
                yield deliveries[0], Receipt(deliveries[0].key, "refused", message=_reason(error))
                return
            middle = len(deliveries) // 2
            yield from self._write(table, deliveries[:middle])
            yield from self._write(table, deliveries[middle:])
        except SQLAlchemyError as error:
            raise self._remote(error) from None  # its text holds statement and values
        else:
            for delivery in deliveries:
                yield delivery, Receipt(delivery.key, "confirmed")

    def _upsert(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        statement: Any = _DIALECTS[self._engine.dialect.name](table)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in NATURAL_KEY}
        with self._engine.connect() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=list(NATURAL_KEY), set_=changed), list(rows)
            )
            try:
                connection.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise Unanswered(f"{self.name}: the connection broke during the commit", system=self.name) from None
                raise

    def find(self, delivery: Delivery) -> Receipt | None:
        table = self._table()
        wanted = _row(table, delivery)
        key = tuple_(*[table.c[name] for name in NATURAL_KEY])
        try:
            with self._engine.connect() as connection:
                found = connection.execute(
                    select(table).where(key == tuple_(*[wanted[name] for name in NATURAL_KEY]))
                ).one_or_none()
        except SQLAlchemyError as error:
            raise self._remote(error) from None
        is_there = found is not None and all(
            found._mapping[name] == value for name, value in wanted.items() if name != "as_of"
        )
        return Receipt(delivery.key, "confirmed" if is_there else "retry", message="read back")

    def check(self) -> Iterator[Check]:
        schema, name = _names(self.settings.table)
        if (file := self._file()) is not None and not file.exists():  # to connect would make it
            made = file.parent.is_dir()
            detail = f"{file} will be made by the first push" if made else f"no folder {file.parent}; make it"
            yield Check("the database answers", made, detail)
            return
        try:
            is_there = inspect(self._engine).has_table(name, schema)
        except SQLAlchemyError as error:
            yield Check("the database answers", False, str(self._remote(error)))
            return
        yield Check("the database answers", True)
        yield Check(f"table {self.settings.table}", True, "is there" if is_there else "will be made by the first push")

    def close(self) -> None:
        self._engine.dispose()

    def _file(self) -> Path | None:
        """The file of a SQLite database."""
        database = self._engine.url.database
        is_file = self._engine.dialect.name == "sqlite" and database and database != ":memory:"
        return Path(database) if is_file and database else None

    def _table(self) -> Table:
        """The table as it is in the database, made if it was not there."""
        if self._found is None:
            schema, name = _names(self.settings.table)
            try:
                if not inspect(self._engine).has_table(name, schema):
                    _declared(self._engine, schema, name).create(self._engine, checkfirst=True)
                found = Table(name, MetaData(), schema=schema, autoload_with=self._engine)
            except SQLAlchemyError as error:
                raise self._remote(error) from None
            lacking = [column for column in (*NATURAL_KEY, "value") if column not in found.c]
            if lacking:
                raise Permanent(
                    f"{self.name}: the table {self.settings.table} has no column {', '.join(lacking)}; expected them "
                    f"and a unique key over {', '.join(NATURAL_KEY)}, or no table of that name",
                    system=self.name,
                )
            self._found = found
        return self._found

    def _remote(self, error: SQLAlchemyError) -> RemoteError:
        """What a database error means: the credential, the connection, or a table that does not fit."""
        reason = _reason(error)
        said = f"{self.name}: {self.settings.table}: {reason}"
        if any(sign in reason for sign in _REFUSED_CREDENTIAL):
            return AuthError(said, system=self.name)
        state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
        busy = state[:2] in ("08", "40", "53", "55", "57") or (not state and type(error).__name__ == "OperationalError")
        return Transient(said, system=self.name) if busy else Permanent(said, system=self.name)


def _address(text: str, folder: str) -> URL:
    """The URL; a SQLite file is relative to the config's folder."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        return url.set(database=str(Path(folder, url.database)))
    return url


def _names(table: str) -> tuple[str | None, str]:
    schema, _, name = table.rpartition(".")
    return schema or None, name


def _declared(engine: Engine, schema: str | None, name: str) -> Table:
    """The table as we make it."""
    exact = engine.dialect.name != "sqlite"

    def kind(column: str) -> TypeEngine[Any]:
        if column == "catalogue_version":
            return Integer()
        if not exact:
            return Text()
        if column in _NUMBERS:
            return Numeric()
        if column in _DATES:
            return Date()
        return DateTime(timezone=True) if column == "as_of" else Text()

    columns = [
        Column(column, kind(column), primary_key=column in NATURAL_KEY, nullable=column not in NATURAL_KEY)
        for column in FLAT
    ]
    return Table(name, MetaData(), *columns, schema=schema)


def _key(delivery: Delivery) -> tuple[str, ...]:
    row = flat(delivery.kpi)
    return tuple(row[name] or "" for name in NATURAL_KEY)


def _row(table: Table, delivery: Delivery) -> dict[str, Any]:
    """The value in the types of the table's columns; a part of the key is never null."""
    return {
        name: "" if value is None and name in NATURAL_KEY else _typed(table.c[name].type, value)
        for name, value in flat(delivery.kpi).items()
        if name in table.c
    }


def _typed(kind: TypeEngine[Any], value: str | None) -> Any:
    if value is None:
        return None
    wanted = kind.python_type
    if wanted is datetime:
        return datetime.fromisoformat(value)
    if wanted is date:
        return date.fromisoformat(value)
    if wanted is int:
        return int(value)
    return Decimal(value) if wanted in (Decimal, float) else value


def _reason(error: Exception) -> str:
    """The database's own first line, without statement and values."""
    cause = getattr(error, "orig", None)
    return (str(cause).splitlines() or [""])[0][:200] if cause is not None else type(error).__name__

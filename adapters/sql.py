"""SQL: KPI values as rows of tables of yours, on PostgreSQL, MariaDB, MySQL or SQLite.

One row per natural key (kpi, subject_kind, subject_key, dimensions, period), written by upsert, so the same value again
changes nothing. With `star: true` the row stands in fact_kpi_value, beside dim_person, dim_kpi and dim_period, and two
views join them (`_sql_tables`). Tables are made if they are not there; one that is there keeps its own types, and may
have more columns (with defaults) and lack those of ours that are neither part of the key nor the value. Where all of
them are there nothing is made, so no right to make tables is needed.

Numbers are NUMERIC, DECIMAL(38,10) on MariaDB and MySQL. On SQLite they are TEXT: its NUMERIC is a binary float or
integer, which keeps neither 17 digits nor a trailing zero. A value with more decimals than its column is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator
from sqlalchemy import Connection, DateTime, MetaData, Table, create_engine, delete, inspect, select, text, tuple_
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.types import Float, TypeEngine

from adapters._sql_dialect import BACKENDS, Dialect, Misfit, reason
from adapters._sql_tables import Cells, Target, flat_table, star, views
from connector.errors import AuthError, Permanent, RemoteError, Transient, Unanswered
from connector.outgoing import NATURAL_KEY, flat
from connector.ports import AdapterSettings, Check, Context, Delivery, Destination, Receipt

_ABSENT = "not there"
_DRIVERS = {"postgresql": "psycopg", "sqlite": "pysqlite", "mysql": "pymysql", "mariadb": "pymysql"}


class SqlSettings(AdapterSettings):
    """Where the rows go."""

    url: SecretStr = Field(
        description="SQLAlchemy URL: postgresql+psycopg://user@host/db, mysql+pymysql://user@host/db, "
        "mariadb+pymysql://user@host/db or sqlite:///file.db."
    )
    table: str = Field(
        "kpi_value", pattern=r"^\w+(\.\w+)?$",
        description="Table, or schema.table. With star its schema counts; the names of a star's tables are fixed.",
    )
    star: bool = Field(
        False, description="Write dim_person, dim_kpi, dim_period and fact_kpi_value instead of one flat table."
    )

    @field_validator("url")
    @classmethod
    def _known(cls, url: SecretStr) -> SecretStr:
        try:
            name = make_url(url.get_secret_value()).drivername
        except (ArgumentError, ValueError):
            raise ValueError("expected a SQLAlchemy URL such as postgresql+psycopg://user@host/db") from None
        backend, _, driver = name.partition("+")
        if backend not in BACKENDS or driver not in ("", _DRIVERS[backend]):
            raise ValueError(
                f"found {name}, expected postgresql+psycopg://, mysql+pymysql://, mariadb+pymysql:// or sqlite://"
            )
        if backend in ("mysql", "mariadb") and find_spec("pymysql") is None:
            raise ValueError(f"{backend} needs the package PyMySQL: pip install 'pipeline-connector[mysql]'")
        return url


class Sql(Destination):
    """Upserts rows, a transaction per batch; a row the database refuses is found by halving the batch."""

    Settings = SqlSettings
    settings: SqlSettings
    batch = 500
    kind = "state"
    idempotent = True
    withdraws = True

    def __init__(self, name: str, settings: SqlSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        address = _address(settings.url.get_secret_value(), context.folder)
        self._dialect = Dialect(address.get_backend_name())
        self._engine = create_engine(address, connect_args=self._dialect.arguments())
        self._dialect.prepare(self._engine)
        self._schema, table = _names(settings.table)
        self._targets = star() if settings.star else flat_table(table)
        self._found: dict[str, Table] = {}

    def content(self, delivery: Delivery) -> Any:
        """What is written of it; all of it is owed anew where a star takes the place of the one table."""
        return {**super().content(delivery), **({"star": True} if self.settings.star else {})}

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        if not deliveries:
            return
        tables = self._tables()
        latest = {_key(delivery): delivery for delivery in deliveries}  # one statement takes a key only once
        written = {_key(of): receipt for of, receipt in self._write(tables, list(latest.values()))}
        for delivery in deliveries:
            receipt = written[_key(delivery)]
            yield Receipt(delivery.key, receipt.outcome, message=receipt.message)

    def _write(
        self, tables: Mapping[str, Table], deliveries: Sequence[Delivery]
    ) -> Iterator[tuple[Delivery, Receipt]]:
        try:
            self._upsert(tables, deliveries)
        except (SQLAlchemyError, ValueError, ArithmeticError) as error:
            if not self._dialect.is_of_a_row(error):
                raise self._remote(error) from None  # its text holds statement and values
            if len(deliveries) == 1:
                yield deliveries[0], Receipt(deliveries[0].key, "refused", message=reason(error))
                return
            middle = len(deliveries) // 2
            yield from self._write(tables, deliveries[:middle])
            yield from self._write(tables, deliveries[middle:])
        else:
            for delivery in deliveries:
                yield delivery, Receipt(delivery.key, "confirmed")

    def _upsert(self, tables: Mapping[str, Table], deliveries: Sequence[Delivery]) -> None:
        written = [(target, _rows(target, tables[target.name], deliveries)) for target in self._targets]
        with self._engine.connect() as connection:
            for target, rows in written:
                connection.execute(self._dialect.upsert(tables[target.name], target.key, list(rows[0])), rows)
            self._commit(connection)

    def _commit(self, connection: Connection) -> None:
        try:
            connection.commit()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise Unanswered(f"{self.name}: the connection broke during the commit", system=self.name) from None
            raise

    def find(self, delivery: Delivery) -> Receipt | None:
        return next(self.find_all([delivery]))

    def find_all(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt | None]:
        table = self._standing()
        for start in range(0, len(deliveries), self.batch):
            yield from self._compared(table, deliveries[start : start + self.batch])

    def _compared(self, table: Table | None, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """What stands there for each of these, as `find` says it."""
        target, rows = self._targets[-1], {}
        if table is not None:
            query = select(table).where(self._named(table, deliveries))
            try:
                with self._engine.connect() as connection:
                    found = connection.execute(query).mappings().all()
            except SQLAlchemyError as error:
                raise self._remote(error) from None
            rows = {tuple(row[name] for name in NATURAL_KEY): row for row in found}
        return [_compared(target, table, delivery, rows.get(_key(delivery))) for delivery in deliveries]

    def _named(self, table: Table, deliveries: Sequence[Delivery]) -> Any:
        """The rows of these deliveries."""
        columns = [table.c[name] for name in NATURAL_KEY]
        return tuple_(*columns).in_([_key(delivery) for delivery in deliveries])

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """Take the rows of these keys out, as long as they are as we wrote them; of a star the facts alone."""
        table = self._standing()
        for start in range(0, len(deliveries), self.batch):
            yield from self._taken_out(table, deliveries[start : start + self.batch])

    def _taken_out(self, table: Table | None, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        ours: list[Delivery] = []
        for delivery, there in zip(deliveries, self._compared(table, deliveries), strict=True):
            if there.outcome == "confirmed":
                ours.append(delivery)
            elif there.message == _ABSENT:
                yield Receipt(delivery.key, "confirmed", message="it is not there any more")
            else:
                said = f"somebody changed it there, so it was not taken back: {there.message}"
                yield Receipt(delivery.key, "refused", message=said)
        if table is None or not ours:
            return
        try:
            with self._engine.connect() as connection:
                connection.execute(delete(table).where(self._named(table, ours)))
                self._commit(connection)
        except SQLAlchemyError as error:
            raise self._remote(error) from None
        for delivery in ours:
            yield Receipt(delivery.key, "confirmed", message="taken out")

    def lacks(self, deliveries: Sequence[Delivery]) -> Collection[str]:
        """All of them where the table is gone; a row that somebody took out is not looked for."""
        if not deliveries or self._is_without_file():
            return {delivery.key for delivery in deliveries}
        try:
            is_there = inspect(self._engine).has_table(self._targets[-1].name, self._schema)
        except SQLAlchemyError:
            return ()  # `send` says what is the matter
        return () if is_there else {delivery.key for delivery in deliveries}

    # --- the tables --------------------------------------------------------------------------------------------------

    def check(self) -> Iterator[Check]:
        if self._is_without_file():  # to connect would make it
            file = Path(str(self._engine.url.database))
            made = file.parent.is_dir()
            detail = f"{file} will be made by the first push" if made else f"no folder {file.parent}; make it"
            yield Check("the database answers", made, detail)
            return
        try:
            seen = inspect(self._engine)
            names = [target.name for target in self._targets if seen.has_table(target.name, self._schema)]
            faults = {name: self._misfits(self._target(name), self._reflected(name)) for name in names}
        except SQLAlchemyError as error:
            yield Check("the database answers", False, str(self._remote(error)))
            return
        yield Check("the database answers", True)
        for target in self._targets:
            said = "; ".join(faults.get(target.name, []))
            state = "is there" if target.name in names else "will be made by the first push"
            yield Check(f"table {self._shown(target.name)}", not said, said or state)

    def close(self) -> None:
        self._engine.dispose()

    def _is_without_file(self) -> bool:
        """Whether it is a SQLite file that is not there yet."""
        database = self._engine.url.database
        is_file = self._dialect.name == "sqlite" and database and database != ":memory:"
        return bool(is_file) and not Path(str(database)).exists()

    def _tables(self) -> dict[str, Table]:
        """The tables as they are in the database, made if they were not there. Raises RemoteError."""
        if not self._found:
            try:
                self._make_lacking()
                found = {target.name: self._reflected(target.name) for target in self._targets}
                faults = [f"{self._shown(target.name)}: {fault}"
                          for target in self._targets for fault in self._misfits(target, found[target.name])]
            except SQLAlchemyError as error:
                raise self._remote(error) from None
            if faults:
                raise self._unfit(faults)
            self._found = found
        return self._found

    def _standing(self) -> Table | None:
        """The table with the values, None where there is none: reading makes nothing. Raises RemoteError."""
        target = self._targets[-1]
        if target.name in self._found:
            return self._found[target.name]
        if self._is_without_file():
            return None
        try:
            if not inspect(self._engine).has_table(target.name, self._schema):
                return None
            table = self._reflected(target.name)
            faults = self._misfits(target, table)
        except SQLAlchemyError as error:
            raise self._remote(error) from None
        if faults:
            raise self._unfit([f"{self._shown(target.name)}: {fault}" for fault in faults])
        return table

    def _unfit(self, faults: Sequence[str]) -> Permanent:
        said = f"{self.name}: {'; '.join(faults)}; mend the table, or let us make one of another name"
        return Permanent(said, system=self.name)

    def _make_lacking(self) -> None:
        """Make the tables that are not there, and with them the views of a star that are not there."""
        seen = inspect(self._engine)
        lacking = [target.name for target in self._targets if not seen.has_table(target.name, self._schema)]
        if not lacking:
            return
        metadata = MetaData()
        declared = [target.declared(self._dialect, metadata, self._schema) for target in self._targets]
        with self._engine.begin() as connection:
            metadata.create_all(connection, [table for table in declared if table.name in lacking])
            if self.settings.star:
                standing = inspect(connection).get_view_names(self._schema)
                for name, statement in views(self._dialect, self._engine.dialect, self._schema).items():
                    if name not in standing:
                        connection.execute(text(statement))

    def _reflected(self, name: str) -> Table:
        return Table(name, MetaData(), schema=self._schema, autoload_with=self._engine, resolve_fks=False)

    def _target(self, name: str) -> Target:
        return next(target for target in self._targets if target.name == name)

    def _misfits(self, target: Target, table: Table) -> list[str]:
        """Why that table cannot be written to."""
        lacking = [column for column in target.needs if column not in table.c]
        if lacking:
            return [f"has no column {', '.join(lacking)}; expected them and a unique key over {', '.join(target.key)}"]
        with self._engine.connect() as connection:
            return self._dialect.faults(connection, table, target.key)

    def _shown(self, name: str) -> str:
        return f"{self._schema}.{name}" if self._schema else name

    def _remote(self, error: Exception) -> RemoteError:
        """What a database error means: the credential, the connection, or a table that does not fit."""
        said = f"{self.name}: {self._shown(self._targets[-1].name)}: {reason(error)}"
        if isinstance(error, SQLAlchemyError):
            if self._dialect.is_credential(error):
                return AuthError(said, system=self.name)
            if self._dialect.is_busy(error):
                return Transient(said, system=self.name)
        return Permanent(said, system=self.name)


def _address(written: str, folder: str) -> URL:
    """The URL with the driver we know; a SQLite file is relative to the config's folder."""
    url = make_url(written)
    backend = url.drivername.partition("+")[0]
    url = url.set(drivername=f"{backend}+{_DRIVERS[backend]}")
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return url.set(database=str(Path(folder, url.database)))
    return url


def _names(table: str) -> tuple[str | None, str]:
    schema, _, name = table.rpartition(".")
    return schema or None, name


def _key(delivery: Delivery) -> tuple[str, ...]:
    row = flat(delivery.kpi)
    return tuple(row[name] or "" for name in NATURAL_KEY)


def _compared(target: Target, table: Table | None, delivery: Delivery, found: Mapping[Any, Any] | None) -> Receipt:
    """Whether the row found is exactly what the delivery says, and what is there instead."""
    if table is None or found is None:
        return Receipt(delivery.key, "retry", message=_ABSENT)
    try:
        wanted = _row(target, table, delivery)
    except (ValueError, ArithmeticError) as error:  # what does not fit was never written
        return Receipt(delivery.key, "retry", message=reason(error))
    others = [
        name for name, value in wanted.items()
        if name != "as_of" and not _is_same(table.c[name].type, found[name], value)
    ]
    if not others:
        return Receipt(delivery.key, "confirmed", message="read back")
    said = ", ".join(f"{name} {found[name]}" for name in others)
    return Receipt(delivery.key, "retry", message=f"there is {said}"[:200])


def _is_same(kind: TypeEngine[Any], found: Any, wanted: Any) -> bool:
    if isinstance(kind, Float) and None not in (found, wanted):  # some drivers give a float as a decimal
        return float(found) == float(wanted)
    return bool(found == wanted)


def _rows(target: Target, table: Table, deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """The rows of one table, each key once; the last counts."""
    rows = [_row(target, table, delivery) for delivery in deliveries]
    return list({tuple(row[name] for name in target.key): row for row in rows}.values())


def _row(target: Target, table: Table, delivery: Delivery) -> dict[str, Any]:
    """The row in the types of the table's columns; a part of the key is never null."""
    cells: Cells = target.row(delivery)
    return {
        name: "" if value is None and name in target.key else _typed(table.c[name].type, name, value)
        for name, value in cells.items()
        if name in table.c
    }


def _typed(kind: TypeEngine[Any], column: str, value: str | None) -> Any:
    if value is None:
        return None
    wanted = kind.python_type
    if wanted is datetime:
        instant = datetime.fromisoformat(value).astimezone(UTC)
        return instant if isinstance(kind, DateTime) and kind.timezone else instant.replace(tzinfo=None)
    if wanted is date:
        return date.fromisoformat(value)
    if wanted is int:
        return int(value)
    if isinstance(kind, Float):
        return float(value)
    return _fitting(kind, column, Decimal(value)) if wanted is Decimal else value


def _fitting(kind: Any, column: str, number: Decimal) -> Decimal:
    """The number, if the column keeps all its decimals: databases round what is too fine without a word."""
    scale = kind.scale
    if scale is not None and number.is_finite():
        decimals = -int(number.normalize().as_tuple().exponent)
        if decimals > scale:
            raise Misfit(f"{column} has {decimals} decimals, and its column keeps {scale}; give the column more")
    return number

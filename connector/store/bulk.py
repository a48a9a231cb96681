"""Many rows at once, by the driver: SQLAlchemy's way of handing over each row costs more than the database itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

_CHUNK = 1000


def insert(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows that are not there yet, each with a value for every column of the table, in their order."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_insertion(table), rows)
        return
    try:
        with connection.connection.cursor() as cursor, cursor.copy(_copying(table)) as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(_copying(table), None, error) from error


def put(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, each with a value for every column of the table; one whose key is there takes its place."""
    if not rows:
        return
    columns, key = table.c.keys(), table.primary_key.columns.keys()
    news = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
    then = f"ON CONFLICT ({_quoted(key)}) DO UPDATE SET {news}"
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"{_insertion(table)} {then}", rows)
    else:
        given = f"unnest({_arrays(table, columns)})"
        statement = f"INSERT INTO {table.name} ({_quoted(columns)}) SELECT * FROM {given} {then}"
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))


def update(
    connection: Connection, table: Table, column: str, key: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Set one column of some rows: each has the new value, then the values of the `key` columns."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        same = " AND ".join(f'"{name}" = ?' for name in key)
        connection.exec_driver_sql(f'UPDATE {table.name} SET "{column}" = ? WHERE {same}', rows)
    else:
        same = " AND ".join(f'{table.name}."{name}" = given."{name}"' for name in key)
        given = f"unnest({_arrays(table, [column, *key])}) AS given (new_value, {_quoted(key)})"
        statement = f'UPDATE {table.name} SET "{column}" = given.new_value FROM {given} WHERE {same}'
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))


def select(
    connection: Connection, table: Table, columns: Sequence[str], same: Mapping[str, Any], key: str,
    values: Collection[Any], where: str = "replaced_at IS NULL",
) -> Iterator[Sequence[Any]]:
    """These columns of the rows that are the `same` in other columns and whose `key` is among the values.

    `where` is a further condition of our own.
    """
    if not values:
        return
    ordered = sorted(values)  # so that the same page always asks the same
    is_sqlite = connection.dialect.name == "sqlite"
    mark, among = ("?", "IN (SELECT value FROM json_each(?))") if is_sqlite else ("%s", "= ANY(%s)")
    equal = "".join(f"{_quoted([name])} = {mark} AND " for name in same)
    statement = f"SELECT {_quoted(columns)} FROM {table.name} WHERE {equal}{key} {among} AND {where}"
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        given = json.dumps(chunk) if is_sqlite else chunk
        yield from connection.exec_driver_sql(statement, (*same.values(), given)).all()


@cache
def _insertion(table: Table) -> str:
    columns = table.c.keys()
    return f"INSERT INTO {table.name} ({_quoted(columns)}) VALUES ({', '.join('?' * len(columns))})"


@cache
def _copying(table: Table) -> str:
    return f"COPY {table.name} ({_quoted(table.c.keys())}) FROM STDIN"


def _arrays(table: Table, columns: Sequence[str]) -> str:
    """Marks for one PostgreSQL array a column."""
    return ", ".join(f"%s::{table.c[name].type}[]" for name in columns)


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)

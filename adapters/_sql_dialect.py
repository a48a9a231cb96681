"""What differs between PostgreSQL, SQLite, MariaDB and MySQL: types, upserts, sessions, and what an error means.

MariaDB and MySQL, observed on MariaDB 10.11 and read in their manuals:
- The default collation takes `Le` and `lê` for one key, so key columns compare by bytes; a table that compares them
  otherwise is refused, since one person's value would replace another's.
- ON DUPLICATE KEY UPDATE is triggered by any unique key. Without one over our key every push would add rows; with one
  over fewer columns of ours it would replace others' rows. Both are looked for before anything is written.
- Outside strict mode a text too long is cut and a number too large is bent, with a warning only: a session is strict.
- DATETIME has no zone; what is in it is UTC. TIMESTAMP is converted by the session's zone, so that is UTC.
- A plain NUMERIC is DECIMAL(10,0).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Date, DateTime, Engine, Integer, Numeric, String, Table, Text, event, text
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.types import TypeEngine

BACKENDS = ("postgresql", "sqlite", "mysql", "mariadb")

NUMBERS = frozenset(
    ("value", "numerator", "denominator", "restated_value", "adjustments", "open_share", "target", "attainment")
)
DATES = frozenset(("period_start", "period_end"))
INTEGERS = frozenset(("catalogue_version", "year_number", "quarter_number", "month_number"))
# Characters of key columns in MariaDB and MySQL: four bytes each, and a key holds 3072 bytes at most.
LENGTHS = {"kpi": 100, "subject_kind": 20, "subject_key": 200, "dimensions": 400, "period": 20, "person_key": 200}
_WAITED_FOR = 30  # seconds for a lock that somebody else holds

_REFUSED_CREDENTIAL = ("authentication failed", "no password supplied", "permission denied")
_REFUSED_CODES = {1044, 1045, 1142, 1143, 1227, 1698}  # access denied: database, login, table, column, right, plugin
_BUSY_CODES = {1040, 1053, 1203, 1205, 1213, 2002, 2003, 2006, 2013, 2014, 2055}  # full, going down, locked, gone
_BUSY_SQLITE = {5, 6, 10, 13, 14}  # busy, locked, input and output, full, cannot open
_ROW_CODES = {3819, 4025}  # a CHECK of MySQL and of MariaDB
_QUOTED = re.compile(r"'[^']*'(?= for (?:key|column))")  # MariaDB and MySQL quote the value that they refuse


class Misfit(ValueError):
    """A value does not fit a column as it stands there; the message names both, not the value."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of database. `name` is SQLAlchemy's: postgresql, sqlite, mysql or mariadb."""

    name: str

    @classmethod
    def of(cls, engine: Engine) -> Dialect:
        return cls(engine.dialect.name)

    @property
    def is_mysql(self) -> bool:
        return self.name in ("mysql", "mariadb")

    @property
    def is_exact(self) -> bool:
        """Whether it has decimals; SQLite's NUMERIC is a binary float or integer, so numbers are text there."""
        return self.name != "sqlite"

    # --- tables ------------------------------------------------------------------------------------------------------

    def kind(self, column: str, *, is_key: bool) -> TypeEngine[Any]:
        """The type of a column we make."""
        if column in INTEGERS:
            return Integer()
        if self.is_exact and column in NUMBERS:
            return Numeric(38, 10) if self.is_mysql else Numeric()
        if self.is_exact and column in DATES:
            return Date()
        if self.is_exact and column == "as_of":
            return mysql.DATETIME(fsp=6) if self.is_mysql else DateTime(timezone=True)
        return String(LENGTHS[column], collation=self._by_bytes()) if self.is_mysql and is_key else Text()

    def options(self) -> dict[str, Any]:
        """What a table we make is made with."""
        if not self.is_mysql:
            return {}
        return {f"{self.name}_{option}": said for option, said in
                (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", self._by_bytes()))}

    def _by_bytes(self) -> str:
        """The collation that takes only equal texts for equal, blanks at the end included."""
        return "utf8mb4_nopad_bin" if self.name == "mariadb" else "utf8mb4_0900_bin"

    def upsert(self, table: Table, key: Sequence[str], columns: Sequence[str]) -> Any:
        """The statement that writes a row, replacing the other columns of the one with that key."""
        changed = [name for name in columns if name not in key]
        if self.is_mysql:
            said = mysql.insert(table)
            kept = changed or [key[0]]  # a row that is all key: setting a part of it to itself changes nothing
            return said.on_duplicate_key_update({name: said.inserted[name] for name in kept})
        added: Any = postgresql.insert(table) if self.name == "postgresql" else sqlite.insert(table)
        if not changed:
            return added.on_conflict_do_nothing(index_elements=list(key))
        return added.on_conflict_do_update(
            index_elements=list(key), set_={name: added.excluded[name] for name in changed}
        )

    def faults(self, connection: Connection, table: Table, key: Sequence[str]) -> list[str]:
        """Why a table that is there cannot be written without harm; PostgreSQL and SQLite say that themselves."""
        if not self.is_mysql:
            return []
        place = {"schema": table.schema, "name": table.name}
        here = "TABLE_SCHEMA = coalesce(:schema, database()) AND TABLE_NAME = :name"
        columns = connection.execute(
            text(f"SELECT COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE {here}"), place
        )
        found = [
            f"the column {name} compares by {collation}, which takes Le and lê for one; "
            f"expected {self._by_bytes()} or another that ends with _bin"
            for name, collation in columns
            if name in key and collation is not None and not collation.endswith("_bin")
        ]
        indexes = connection.execute(
            text(f"SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS "
                 f"WHERE NON_UNIQUE = 0 AND {here}"), place
        )
        unique: dict[str, set[str]] = {}
        for index, column, part in indexes:
            unique.setdefault(index, set()).add(column if part is None else f"{column}({part})")
        if set(key) not in unique.values():
            found.append(f"there is no unique key over exactly {', '.join(key)}")
        found += [
            f"the unique key {index} over {', '.join(sorted(columns))} would let one value replace another"
            for index, columns in unique.items()
            if columns < set(key) or any("(" in column for column in columns)
        ]
        return found

    # --- sessions and errors -----------------------------------------------------------------------------------------

    def arguments(self) -> dict[str, Any]:
        """What the driver is told when it connects: how long to wait, in seconds."""
        if self.name == "sqlite":
            return {"timeout": _WAITED_FOR}
        more = {"read_timeout": 300, "write_timeout": 300, "charset": "utf8mb4"} if self.is_mysql else {}
        return {"connect_timeout": 10, **more}

    def prepare(self, engine: Engine) -> None:
        """Have each session of that engine begin as we need it."""
        begin = {
            "postgresql": [f"SET lock_timeout = '{_WAITED_FOR}s'", "SET statement_timeout = '300s'"],
            "sqlite": ["PRAGMA foreign_keys = ON"],
        }.get(self.name, [
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')", "SET SESSION time_zone = '+00:00'",
            f"SET SESSION innodb_lock_wait_timeout = {_WAITED_FOR}",
        ])

        @event.listens_for(engine, "connect")
        def _begun(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            for statement in begin:
                cursor.execute(statement)
            cursor.close()
            connection.commit()  # so that what follows does not take the settings back

    def is_of_a_row(self, error: Exception) -> bool:
        """Whether the database refused a row, and not the statement."""
        return isinstance(error, (DataError, IntegrityError, ValueError, ArithmeticError)) or _code(error) in _ROW_CODES

    def is_credential(self, error: SQLAlchemyError) -> bool:
        """Whether it refused who we are, or what we may do."""
        if self.is_mysql:
            return _code(error) in _REFUSED_CODES
        return any(sign in reason(error) for sign in _REFUSED_CREDENTIAL)

    def is_busy(self, error: SQLAlchemyError) -> bool:
        """Whether it may be otherwise in a while."""
        cause = getattr(error, "orig", None)
        if self.is_mysql:
            return _code(error) in _BUSY_CODES
        if self.name == "sqlite":
            return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _BUSY_SQLITE
        state = str(getattr(cause, "sqlstate", None) or "")
        return state[:2] in ("08", "40", "53", "55", "57") or (not state and type(error).__name__ == "OperationalError")


def _code(error: Exception) -> int | None:
    """The error number of MariaDB and MySQL."""
    told = getattr(getattr(error, "orig", None), "args", ())
    return told[0] if told and isinstance(told[0], int) else None


def reason(error: Exception) -> str:
    """The database's own first line, without statement and values; our own words where they are ours."""
    cause = getattr(error, "orig", None)
    if cause is None:
        return str(error) if isinstance(error, Misfit) else type(error).__name__
    code = _code(error)
    said = str(cause.args[1]) if code is not None and len(cause.args) > 1 else str(cause)
    return _QUOTED.sub("a value", (said.splitlines() or [""])[0])[:200]

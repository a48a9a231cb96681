"""What tests of the sql destination say often."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import SecretStr
from sqlalchemy import create_engine, text

from adapters.sql import Sql, SqlSettings
from connector import outbox
from connector.model import KpiValue
from connector.ports import Delivery
from connector.testing import FakeClock, context

KEY = "kpi, subject_kind, subject_key, dimensions, period"


def delivery(value: KpiValue, person: Mapping[str, str] | None = None) -> Delivery:
    return Delivery(outbox.key("bi", value), value.as_json(), person or {})


def make(url: str, clock: FakeClock, table: str = "kpi_value", folder: str = ".", *, star: bool = False) -> Sql:
    return Sql("bi", SqlSettings(url=SecretStr(url), table=table, star=star), context(clock, folder=folder))


def outcomes(bi: Sql, *values: KpiValue) -> list[str]:
    return [receipt.outcome for receipt in bi.send([delivery(value) for value in values])]


def found(bi: Sql, value: KpiValue) -> str:
    receipt = bi.find(delivery(value))
    assert receipt is not None
    return receipt.outcome


def rows(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """What the last of these statements gives."""
    engine, kept = create_engine(url), []
    with engine.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            kept = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return kept


def numbers(url: str, query: str) -> list[Decimal]:
    """The numbers a query gives, exactly as they stand there."""
    return [Decimal(str(row[0])) for row in rows(url, query)]


def key_columns(url: str) -> str:
    """The key columns of a table of somebody's own, as its database needs them."""
    text_type = "varchar(150) COLLATE utf8mb4_bin" if url.startswith("mariadb") else "text"
    return ", ".join(f"{name} {text_type}" for name in KEY.split(", "))

"""The sql destination, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import create_engine, inspect, text

from adapters.sql import Sql, SqlSettings
from connector import outbox
from connector.errors import Permanent, Transient
from connector.model import KpiValue
from connector.ports import Delivery
from connector.testing import FakeClock, context, kpi_value


def delivery(value: KpiValue) -> Delivery:
    return Delivery(outbox.key("bi", value), value.as_json())


def make(url: str, clock: FakeClock, table: str = "kpi_value", folder: str = ".") -> Sql:
    return Sql("bi", SqlSettings(url=SecretStr(url), table=table), context(clock, folder=folder))


@pytest.fixture
def bi(database_url: str, clock: FakeClock) -> Iterator[Sql]:
    made = make(database_url, clock)
    yield made
    made.close()


def outcomes(bi: Sql, *values: KpiValue) -> list[str]:
    return [receipt.outcome for receipt in bi.send([delivery(value) for value in values])]


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(url)
    with engine.begin() as connection:
        found = connection.execute(text(query))
        kept = [tuple(row) for row in found] if found.returns_rows else []
    engine.dispose()
    return kept


def test_the_table_is_made_with_the_columns_of_a_kpi_object(bi: Sql, database_url: str) -> None:
    outcomes(bi, kpi_value(dimensions={"stage": "demo"}))
    names = [column["name"] for column in inspect(create_engine(database_url)).get_columns("kpi_value")]
    assert names[:9] == [
        "kpi", "metric", "subject_kind", "subject_key", "subject_name", "dimensions", "period", "period_start",
        "period_end",
    ]
    assert rows(database_url, "SELECT dimensions, subject_key, options FROM kpi_value") == [
        ('{"stage":"demo"}', "NV001", "{}")
    ]


def test_the_same_value_twice_stands_there_once_and_a_new_one_replaces_it(bi: Sql, database_url: str) -> None:
    outcomes(bi, kpi_value(value="1.00"))
    outcomes(bi, kpi_value(value="1.00"))
    outcomes(bi, kpi_value(value="2.50"), kpi_value(value="1.00", dimensions={"stage": "x"}))
    found = rows(database_url, "SELECT dimensions, CAST(value AS TEXT) FROM kpi_value ORDER BY 1")
    assert found == [('{"stage":"x"}', "1.00"), ("{}", "2.50")]


def test_numbers_stay_exact_to_the_last_digit(bi: Sql, database_url: str) -> None:
    outcomes(bi, kpi_value(value="98765432109876543.2100"))
    assert rows(database_url, "SELECT CAST(value AS TEXT) FROM kpi_value") == [("98765432109876543.2100",)]


def test_one_key_twice_in_a_batch_keeps_the_last(bi: Sql, database_url: str) -> None:
    assert outcomes(bi, kpi_value(value="1.00"), kpi_value(value="2.00")) == ["confirmed", "confirmed"]
    assert rows(database_url, "SELECT CAST(value AS TEXT) FROM kpi_value") == [("2.00",)]


def test_a_part_of_the_key_is_never_null(bi: Sql, database_url: str) -> None:
    outcomes(bi, kpi_value(subject="company:"))
    outcomes(bi, kpi_value(subject="company:"))
    assert rows(database_url, "SELECT subject_kind, subject_key FROM kpi_value") == [("company", "")]


def test_reading_back_tells_whether_exactly_this_value_is_there(bi: Sql) -> None:
    value = kpi_value(value="19000.00", target="20000", status="open")
    assert bi.find(delivery(value)).outcome == "retry"  # type: ignore[union-attr]
    outcomes(bi, value)
    assert bi.find(delivery(value)).outcome == "confirmed"  # type: ignore[union-attr]
    assert bi.find(delivery(kpi_value(value="19000.01", target="20000"))).outcome == "retry"  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_one_row_the_database_refuses_does_not_hold_up_the_others(
    kind: str, clock: FakeClock, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/bi.db" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    columns = "kpi text, subject_kind text, subject_key text, dimensions text, period text, value text"
    rows(url, f"CREATE TABLE kpi_value ({columns}, PRIMARY KEY (kpi, subject_kind, subject_key, dimensions, period), "
              "CHECK (value <> '13.00'))")
    bi = make(url, clock)
    values = [kpi_value(subject=f"person:{number}", value=f"{number}.00") for number in range(20)]
    found = outcomes(bi, *values)
    assert [number for number, outcome in enumerate(found) if outcome == "refused"] == [13]
    assert rows(url, "SELECT count(*) FROM kpi_value") == [(19,)]
    bi.close()


def test_a_table_that_is_there_keeps_its_types_and_its_other_columns(
    bi: Sql, database_url: str, clock: FakeClock
) -> None:
    rows(database_url, "CREATE TABLE kpi_value (kpi text, subject_kind text, subject_key text, dimensions text, "
                    "period text, value numeric(20,4), note text DEFAULT 'mine', "
                    "UNIQUE (kpi, subject_kind, subject_key, dimensions, period))")
    assert outcomes(bi, kpi_value(value="5.00")) == ["confirmed"]
    assert bi.find(delivery(kpi_value(value="5.00"))).outcome == "confirmed"  # type: ignore[union-attr]
    assert rows(database_url, "SELECT note FROM kpi_value") == [("mine",)]


def test_a_table_without_the_key_columns_is_named_with_what_is_missing(bi: Sql, database_url: str) -> None:
    rows(database_url, "CREATE TABLE kpi_value (kpi text, period text)")
    with pytest.raises(Permanent, match="no column subject_kind, subject_key, dimensions"):
        outcomes(bi, kpi_value())


def test_a_table_without_the_unique_key_is_refused_without_showing_values(
    postgres_url: str, clock: FakeClock
) -> None:
    rows(postgres_url, "CREATE TABLE kpi_value (kpi text, subject_kind text, subject_key text, dimensions text, "
                       "period text, value text)")
    bi = make(postgres_url, clock)
    with pytest.raises(Permanent, match="no unique or exclusion constraint") as raised:
        outcomes(bi, kpi_value())
    assert "NV001" not in str(raised.value)
    bi.close()


def test_a_database_that_is_away_is_worth_another_try_and_its_password_is_not_said(clock: FakeClock) -> None:
    bi = make("postgresql+psycopg://bi:s3cret-word@127.0.0.1:1/none", clock)
    with pytest.raises(Transient) as raised:
        outcomes(bi, kpi_value())
    assert "s3cret-word" not in str(raised.value)
    assert "s3cret-word" not in repr(bi.settings)
    assert [check.ok for check in bi.check()] == [False]


def test_a_sqlite_file_is_relative_to_the_configs_folder(clock: FakeClock, tmp_path: Path) -> None:
    bi = make("sqlite:///bi.db", clock, folder=str(tmp_path))
    assert outcomes(bi, kpi_value()) == ["confirmed"]
    assert (tmp_path / "bi.db").exists()
    bi.close()


@pytest.mark.parametrize(
    "wrong", [{"url": "mysql://host/db"}, {"url": "nonsense"}, {"url": "sqlite://", "table": "a b"}]
)
def test_an_address_or_table_that_cannot_be_is_a_fault_of_the_config(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SqlSettings(**wrong)

"""The sql destination with its one table, on SQLite, a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url

from adapters.sql import Sql, SqlSettings
from connector.errors import AuthError, Permanent, Transient
from connector.testing import FakeClock, kpi_value
from tests.adapters.sql.helpers import KEY, delivery, found, key_columns, make, numbers, outcomes, rows
from tests.mariadb import run


def test_the_table_is_made_with_the_columns_of_a_kpi_object(bi: Sql, database: str) -> None:
    outcomes(bi, kpi_value(dimensions={"stage": "demo"}))
    names = [column["name"] for column in inspect(create_engine(database)).get_columns("kpi_value")]
    assert names[:9] == [
        "kpi", "metric", "subject_kind", "subject_key", "subject_name", "dimensions", "period", "period_start",
        "period_end",
    ]
    assert rows(database, "SELECT dimensions, subject_key, options FROM kpi_value") == [
        ('{"stage":"demo"}', "NV001", "{}")
    ]


def test_the_same_value_twice_stands_there_once_and_a_new_one_replaces_it(bi: Sql, database: str) -> None:
    outcomes(bi, kpi_value(value="1.00"))
    outcomes(bi, kpi_value(value="1.00"))
    outcomes(bi, kpi_value(value="2.50"), kpi_value(value="1.00", dimensions={"stage": "x"}))
    assert numbers(database, "SELECT value FROM kpi_value ORDER BY value") == [Decimal("1.00"), Decimal("2.50")]


def test_numbers_stay_exact_to_the_last_digit(bi: Sql, database: str) -> None:
    outcomes(bi, kpi_value(value="98765432109876543.2100"))
    assert numbers(database, "SELECT value FROM kpi_value") == [Decimal("98765432109876543.21")]


def test_a_number_keeps_its_digits_as_written_where_numbers_are_text(clock: FakeClock, tmp_path: Any) -> None:
    bi = make(f"sqlite:///{tmp_path}/bi.db", clock)
    outcomes(bi, kpi_value(value="98765432109876543.2100"))
    assert rows(f"sqlite:///{tmp_path}/bi.db", "SELECT value FROM kpi_value") == [("98765432109876543.2100",)]
    bi.close()


def test_one_key_twice_in_a_batch_keeps_the_last(bi: Sql, database: str) -> None:
    assert outcomes(bi, kpi_value(value="1.00"), kpi_value(value="2.00")) == ["confirmed", "confirmed"]
    assert numbers(database, "SELECT value FROM kpi_value") == [Decimal("2.00")]


def test_a_part_of_the_key_is_never_null(bi: Sql, database: str) -> None:
    outcomes(bi, kpi_value(subject="company:"))
    outcomes(bi, kpi_value(subject="company:"))
    assert rows(database, "SELECT subject_kind, subject_key FROM kpi_value") == [("company", "")]


@pytest.mark.parametrize(
    "pair", [("Le", "lê"), ("NV1", "nv1"), ("Đạt", "Dat"), ("NV1", "NV1 "), ("L\u00ea", "Le\u0302")],
    ids=["accent", "case", "letter", "blank at the end", "composed and decomposed"],
)
def test_two_people_whose_codes_look_alike_are_two(bi: Sql, database: str, pair: tuple[str, str]) -> None:
    outcomes(bi, *[kpi_value(subject=f"person:{code}") for code in pair])
    assert sorted(row[0] for row in rows(database, "SELECT subject_key FROM kpi_value")) == sorted(pair)


def test_the_moment_of_computing_is_utc(bi: Sql, database: str) -> None:
    outcomes(bi, kpi_value(as_of=1_790_000_000_123_456))  # 2026-09-21T14:13:20.123456Z
    shown = "as_of AT TIME ZONE 'UTC'" if database.startswith("postgresql") else "as_of"
    (moment,) = rows(database, f"SELECT {shown} FROM kpi_value")[0]
    assert str(moment).replace("T", " ").rstrip("Z") == "2026-09-21 14:13:20.123456"


def test_reading_back_tells_whether_exactly_this_value_is_there_and_what_is_instead(bi: Sql) -> None:
    value = kpi_value(value="19000.00", target="20000", status="open")
    assert found(bi, value) == "retry"
    outcomes(bi, value)
    assert found(bi, value) == "confirmed"
    receipt = bi.find(delivery(kpi_value(value="19000.01", target="20000")))
    assert receipt is not None
    assert receipt.outcome == "retry"
    assert receipt.message.startswith("there is value 19000.00")


def test_taking_back_removes_the_named_rows_and_no_others(bi: Sql, database: str) -> None:
    ours = [kpi_value(subject=f"person:{number}") for number in range(3)]
    outcomes(bi, *ours)
    gone = [delivery(value) for value in ours[:2]]
    for _ in range(2):  # again after a lost answer is harmless
        assert [receipt.outcome for receipt in bi.withdraw(gone)] == ["confirmed", "confirmed"]
    assert rows(database, "SELECT subject_key FROM kpi_value") == [("2",)]


def test_a_row_that_somebody_changed_is_not_taken_back(bi: Sql, database: str) -> None:
    ours = [kpi_value(subject=f"person:{number}", value="1.00") for number in range(2)]
    outcomes(bi, *ours)
    rows(database, "UPDATE kpi_value SET value = '7.00' WHERE subject_key = '0'")
    receipts = list(bi.withdraw([delivery(value) for value in ours]))
    assert [receipt.outcome for receipt in receipts] == ["refused", "confirmed"]
    assert receipts[0].message.startswith("somebody changed it there, so it was not taken back: there is value 7.0")
    assert rows(database, "SELECT subject_key FROM kpi_value") == [("0",)]


def test_reading_and_taking_back_make_no_table(bi: Sql, database: str) -> None:
    assert found(bi, kpi_value()) == "retry"
    assert [receipt.outcome for receipt in bi.withdraw([delivery(kpi_value())])] == ["confirmed"]
    assert not inspect(create_engine(database)).has_table("kpi_value")


def test_reading_makes_no_file(clock: FakeClock, tmp_path: Any) -> None:
    bi = make(f"sqlite:///{tmp_path}/bi.db", clock)
    assert found(bi, kpi_value()) == "retry"
    bi.close()
    assert list(tmp_path.iterdir()) == []


def test_one_row_the_database_refuses_does_not_hold_up_the_others(bi: Sql, database: str) -> None:
    rows(database, f"CREATE TABLE kpi_value ({key_columns(database)}, value varchar(40), PRIMARY KEY ({KEY}), "
                   "CHECK (value <> '13.00'))")
    values = [kpi_value(subject=f"person:{number}", value=f"{number}.00") for number in range(20)]
    said = outcomes(bi, *values)
    assert [number for number, outcome in enumerate(said) if outcome == "refused"] == [13]
    assert rows(database, "SELECT count(*) FROM kpi_value") == [(19,)]


def test_a_code_too_long_for_its_column_is_refused_and_not_cut(mariadb_url: str, clock: FakeClock) -> None:
    bi = make(mariadb_url, clock)
    rows(mariadb_url, "SET GLOBAL sql_mode = ''")  # as many servers are run; our sessions are strict all the same
    try:
        receipts = list(bi.send([delivery(kpi_value(subject=f"person:{'x' * 201}")), delivery(kpi_value())]))
    finally:
        rows(mariadb_url, "SET GLOBAL sql_mode = DEFAULT")
    assert [receipt.outcome for receipt in receipts] == ["refused", "confirmed"]
    assert receipts[0].message == "Data too long for column 'subject_key' at row 1"
    bi.close()


def test_a_table_that_is_there_keeps_its_types_and_its_other_columns(bi: Sql, database: str) -> None:
    rows(database, f"CREATE TABLE kpi_value ({key_columns(database)}, value numeric(20,4), "
                   f"note varchar(20) DEFAULT 'mine', UNIQUE ({KEY}))")
    assert outcomes(bi, kpi_value(value="5.00")) == ["confirmed"]
    assert found(bi, kpi_value(value="5.00")) == "confirmed"
    assert rows(database, "SELECT note FROM kpi_value") == [("mine",)]


def test_a_value_finer_than_its_column_is_refused_and_not_rounded(bi: Sql, database: str) -> None:
    rows(database, f"CREATE TABLE kpi_value ({key_columns(database)}, value numeric(20,4), UNIQUE ({KEY}))")
    receipts = list(bi.send([delivery(kpi_value("win_rate", value="0.333333")),
                             delivery(kpi_value("win_rate", "person:NV002", value="0.250000"))]))
    assert [receipt.outcome for receipt in receipts] == ["refused", "confirmed"]
    assert receipts[0].message == "value has 6 decimals, and its column keeps 4; give the column more"


def test_a_table_of_floats_is_read_back_as_what_was_written(bi: Sql, database: str) -> None:
    rows(database, f"CREATE TABLE kpi_value ({key_columns(database)}, value double precision, UNIQUE ({KEY}))")
    assert outcomes(bi, kpi_value(value="0.10")) == ["confirmed"]
    assert found(bi, kpi_value(value="0.10")) == "confirmed"


def test_a_table_without_the_key_columns_is_named_with_what_is_missing(bi: Sql, database: str) -> None:
    rows(database, "CREATE TABLE kpi_value (kpi varchar(50), period varchar(20))")
    with pytest.raises(Permanent, match="no column subject_kind, subject_key, dimensions"):
        outcomes(bi, kpi_value())
    assert [check.ok for check in bi.check()] == [True, False]


def test_a_table_without_the_unique_key_is_refused_without_showing_values(bi: Sql, database: str) -> None:
    rows(database, f"CREATE TABLE kpi_value ({key_columns(database)}, value varchar(40))")
    words = {"sqlite": "ON CONFLICT clause does not match", "postgresql": "no unique or exclusion constraint",
             "mariadb": "there is no unique key over exactly kpi, subject_kind"}
    with pytest.raises(Permanent, match=words[make_url(database).get_backend_name()]) as raised:
        outcomes(bi, kpi_value())
    assert "NV001" not in str(raised.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("CREATE TABLE kpi_value ({columns}, value text, UNIQUE ({key}), UNIQUE (kpi, period))",
         "the unique key kpi_2 over kpi, period would let one value replace another"),
        ("CREATE TABLE kpi_value ({loose}, value text, UNIQUE ({key}))", "takes Le and lê for one"),
    ],
)
def test_a_table_in_which_one_value_would_replace_another_is_refused_before_anything_is_written(
    table: str, said: str, mariadb_url: str, clock: FakeClock
) -> None:
    columns = key_columns(mariadb_url)
    rows(mariadb_url, table.format(columns=columns, key=KEY,
                                   loose=columns.replace("utf8mb4_bin", "utf8mb4_general_ci")))
    bi = make(mariadb_url, clock)
    assert said in list(bi.check())[1].detail
    with pytest.raises(Permanent, match=said):
        outcomes(bi, kpi_value())
    assert rows(mariadb_url, "SELECT count(*) FROM kpi_value") == [(0,)]
    bi.close()


# --- rights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("star", [False, True])
def test_no_right_to_make_tables_is_needed_where_they_are_there_on_postgresql(
    star: bool, postgres_url: str, clock: FakeClock
) -> None:
    first = make(postgres_url, clock, star=star)
    outcomes(first, kpi_value())
    first.close()
    role = f"writer_{'star' if star else 'flat'}"
    rows(postgres_url, f"CREATE ROLE {role} LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
         f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    writer = make(postgres_url.replace("postgres@", f"{role}@"), clock, star=star)
    assert outcomes(writer, kpi_value(value="2.00")) == ["confirmed"]
    assert found(writer, kpi_value(value="2.00")) == "confirmed"
    writer.close()
    rows(postgres_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("star", [False, True])
def test_no_right_to_make_tables_is_needed_where_they_are_there_on_mariadb(
    star: bool, mariadb_url: str, mariadb_socket: str, clock: FakeClock
) -> None:
    first = make(mariadb_url, clock, star=star)
    outcomes(first, kpi_value())
    first.close()
    name = make_url(mariadb_url).database
    run(mariadb_socket, "CREATE OR REPLACE USER writer@localhost",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO writer@localhost")
    writer = make(mariadb_url.replace("root@", "writer@"), clock, star=star)
    assert outcomes(writer, kpi_value(value="2.00")) == ["confirmed"]
    assert found(writer, kpi_value(value="2.00")) == "confirmed"
    writer.close()


def test_who_may_not_write_is_told_so_and_the_destination_stops(
    mariadb_url: str, mariadb_socket: str, clock: FakeClock
) -> None:
    run(mariadb_socket, "CREATE OR REPLACE USER nobody@localhost IDENTIFIED BY 's3cret-word'")
    for user in ("nobody", "nobody:wrong-word", "nobody:s3cret-word"):
        bi = make(mariadb_url.replace("root@", f"{user}@"), clock)
        with pytest.raises(AuthError, match="denied") as raised:
            outcomes(bi, kpi_value())
        assert "word'" not in str(raised.value)
        bi.close()


# --- places ----------------------------------------------------------------------------------------------------------


def test_a_table_that_is_gone_lacks_everything(bi: Sql, database: str) -> None:
    assert bi.lacks([delivery(kpi_value())]) == {delivery(kpi_value()).key}
    outcomes(bi, kpi_value())
    assert not bi.lacks([delivery(kpi_value())])


@pytest.mark.parametrize("kind", ["postgresql+psycopg", "mariadb+pymysql", "mysql"])
def test_a_database_that_is_away_is_worth_another_try_and_its_password_is_not_said(
    kind: str, clock: FakeClock
) -> None:
    bi = make(f"{kind}://bi:s3cret-word@127.0.0.1:1/none", clock)
    with pytest.raises(Transient) as raised:
        outcomes(bi, kpi_value())
    assert "s3cret-word" not in str(raised.value)
    assert "s3cret-word" not in repr(bi.settings)
    assert [check.ok for check in bi.check()] == [False]


def test_a_sqlite_file_is_relative_to_the_configs_folder(clock: FakeClock, tmp_path: Any) -> None:
    bi = make("sqlite:///bi.db", clock, folder=str(tmp_path))
    assert [check.ok for check in bi.check()] == [True]
    assert not (tmp_path / "bi.db").exists()  # a check makes no file
    assert outcomes(bi, kpi_value()) == ["confirmed"]
    assert (tmp_path / "bi.db").exists()
    bi.close()


@pytest.mark.parametrize(
    "wrong", [{"url": "oracle://host/db"}, {"url": "nonsense"}, {"url": "sqlite://", "table": "a b"}]
)
def test_an_address_or_table_that_cannot_be_is_a_fault_of_the_config(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SqlSettings(**{**wrong, "url": SecretStr(wrong["url"])})


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg2", "mysql+mysqldb", "sqlite+aiosqlite"])
def test_a_driver_that_we_do_not_speak_is_a_fault_of_the_config(driver: str) -> None:
    with pytest.raises(ValidationError, match=rf"found {driver.replace('+', '[+]')}, expected postgresql"):
        SqlSettings(url=SecretStr(f"{driver}://bi@127.0.0.1:1/db"))


@pytest.mark.parametrize("name", ["postgresql", "postgresql+psycopg", "mysql", "mariadb+pymysql", "sqlite"])
def test_a_database_without_a_driver_has_ours(clock: FakeClock, name: str, tmp_path: Any) -> None:
    make(f"{name}://bi@127.0.0.1:1/db" if name != "sqlite" else f"sqlite:///{tmp_path}/a.db", clock).close()

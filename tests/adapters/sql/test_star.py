"""The sql destination as a star that dashboards read: dim_person, dim_kpi, dim_period, fact_kpi_value and two views."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect

from adapters.sql import Sql
from connector.deliver import deliver
from connector.model import KpiValue, Subject
from connector.store.store import Store
from connector.testing import FakeClock, kpi_value
from tests.adapters.sql.helpers import delivery, make, numbers, rows

AN = {"employee_code": "NV001", "email": "an@example.vn", "name": "Nguyễn Văn An"}


@pytest.fixture
def star(database: str, clock: FakeClock) -> Iterator[Sql]:
    made = make(database, clock, star=True)
    yield made
    made.close()


def put(star: Sql, *values: KpiValue) -> list[str]:
    return [
        receipt.outcome
        for receipt in star.send([delivery(value, AN if value.subject.key == "NV001" else {}) for value in values])
    ]


def month(number: int, **more: Any) -> KpiValue:
    last = {9: 30, 10: 31}[number]
    return kpi_value(period=f"2026-{number:02}", period_start=f"2026-{number:02}-01",
                     period_end=f"2026-{number:02}-{last}", **more)


def test_a_value_is_a_fact_with_what_it_is_of_beside_it(star: Sql, database: str) -> None:
    put(star, month(10, value="19000.00", dimensions={"stage": "demo", "pipeline": "new"}))
    assert rows(database, "SELECT * FROM dim_person") == [("NV001", "NV001", "an@example.vn", "Nguyễn Văn An")]
    assert rows(database, "SELECT * FROM dim_kpi") == [("won_value", "won_value", "money")]
    (period,) = rows(database, "SELECT * FROM dim_period")
    assert [str(cell) for cell in period] == ["2026-10", "2026-10-01", "2026-10-31", "month", "2026", "4", "10"]
    assert rows(database, "SELECT kpi, person_key, period, pipeline, stage, canonical_stage, currency "
                          "FROM fact_kpi_value") == [("won_value", "NV001", "2026-10", "new", "demo", None, "USD")]


def test_a_value_of_a_team_is_no_persons_and_no_join_loses_it(star: Sql, database: str) -> None:
    put(star, kpi_value(subject="team:north"), kpi_value())
    joined = "SELECT f.subject_key, p.name FROM fact_kpi_value f JOIN dim_person p ON p.person_key = f.person_key"
    assert sorted(rows(database, joined)) == [("NV001", "Nguyễn Văn An"), ("north", None)]


def test_again_changes_nothing_and_a_new_value_replaces_the_old(star: Sql, database: str) -> None:
    put(star, kpi_value(value="1.00"))
    put(star, kpi_value(value="1.00"))
    assert put(star, kpi_value(value="2.00")) == ["confirmed"]
    assert numbers(database, "SELECT value FROM fact_kpi_value") == [Decimal("2.00")]
    counted = [rows(database, f"SELECT count(*) FROM dim_{name}")[0][0] for name in ("person", "kpi", "period")]
    assert counted == [1, 1, 1]


def test_a_person_who_is_called_otherwise_now_is_so_in_every_period(star: Sql, database: str) -> None:
    put(star, month(9))
    star_again = [receipt.outcome for receipt in star.send([delivery(month(10), {**AN, "email": "an.nv@example.vn"})])]
    assert star_again == ["confirmed"]
    assert rows(database, "SELECT DISTINCT email FROM v_kpi_value") == [("an.nv@example.vn",)]


def test_the_views_show_numbers_names_and_the_latest_period(star: Sql, database: str) -> None:
    put(star, month(9, value="1.50"), month(10, value="2.50"), month(9, kpi="calls", value="7"))
    shown = rows(database, "SELECT kpi, period, value, person_name, unit FROM v_kpi_value ORDER BY kpi, period")
    assert [(*row[:2], float(row[2]), *row[3:]) for row in shown] == [
        ("calls", "2026-09", 7.0, "Nguyễn Văn An", "money"),
        ("won_value", "2026-09", 1.5, "Nguyễn Văn An", "money"),
        ("won_value", "2026-10", 2.5, "Nguyễn Văn An", "money"),
    ]
    (total,) = rows(database, "SELECT sum(value) FROM v_kpi_current WHERE kpi = 'won_value'")[0]
    assert float(total) == 2.5


def test_reading_back_and_taking_back_are_of_the_fact(star: Sql, database: str) -> None:
    value = kpi_value(value="3.00", dimensions={"stage": "demo"})
    put(star, value)
    assert star.find(delivery(value, AN)).outcome == "confirmed"  # type: ignore[union-attr]
    assert [receipt.outcome for receipt in star.withdraw([delivery(value)])] == ["confirmed"]
    assert star.find(delivery(value, AN)).outcome == "retry"  # type: ignore[union-attr]
    assert rows(database, "SELECT count(*) FROM dim_person") == [(1,)]


def test_a_dashboard_finds_how_the_tables_belong_together(star: Sql, database: str) -> None:
    put(star, kpi_value())
    keys = inspect(create_engine(database)).get_foreign_keys("fact_kpi_value")
    assert sorted((key["constrained_columns"], key["referred_table"]) for key in keys) == [
        (["kpi"], "dim_kpi"), (["period"], "dim_period"), (["person_key"], "dim_person"),
    ]


def test_what_is_lacking_is_made_and_the_rest_is_left_as_it_is(star: Sql, database: str, clock: FakeClock) -> None:
    put(star, kpi_value())
    rows(database, "DROP VIEW v_kpi_current", "DROP VIEW v_kpi_value", "DROP TABLE fact_kpi_value")
    again = make(database, clock, star=True)
    put(again, kpi_value())
    assert len(rows(database, "SELECT * FROM v_kpi_current")) == 1
    again.close()


def test_a_star_in_place_of_the_one_table_is_given_every_value_again(
    database: str, clock: FakeClock, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    for star in (False, True, True):
        bi = make(database, clock, star=star)
        done = deliver(store, bi, "bi", [kpi_value(), kpi_value(subject="team:north")], {}, run="r", clock=clock)
        assert done.is_clean
        bi.close()
    assert rows(database, "SELECT count(*) FROM fact_kpi_value") == [(2,)]
    store.close()


def test_a_name_as_the_files_have_it_stands_in_the_fact(star: Sql, database: str) -> None:
    value = kpi_value(subject="team:north")
    object.__setattr__(value, "subject", Subject("team", "north", "Miền Bắc"))
    put(star, value)
    assert rows(database, "SELECT subject_name FROM v_kpi_value") == [("Miền Bắc",)]

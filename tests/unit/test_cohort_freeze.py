"""A cohort is frozen when its horizon is reached, beside its period's first seal; growing till then adjusts nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing as ending
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connector import closing, frozen
from connector.store import tables
from connector.testing import FakeClock
from tests.e2e.project import make
from tests.unit.test_closing import Office

# January ends on 1 February 00:00 in Vietnam; 90 days later is 2 May 00:00.
RIPE = "2026-05-01T17:00:00Z"
WINS = """\
  - {id: created_won, metric: won_count, per: person, options: {count_by: cohort, horizon: 90}, push: [table]}
  - {id: for_ever, metric: won_count, per: person, options: {count_by: cohort}}
"""


@pytest.fixture
def office(tmp_path: Path, store_url: str, clock: FakeClock) -> Iterator[Office]:
    """Three deals created in January, of which An's is won by March."""
    project = make(tmp_path)
    made = Office(project, store_url, clock, "close: {month: workday 2}\n")
    made.app.close()
    project.replace("config.yaml", "kpis:\n", f"kpis:\n{WINS}")
    made = _reloaded(made)
    made.sync()
    with ending(made.app):
        yield made


def _reloaded(office: Office) -> Office:
    from connector.app import App

    office.app = App.load(str(office.project.folder / "config.yaml"), office.clock, {})
    return office


def win(office: Office, day: str) -> None:
    """Deal 2 of Bình, created on 6 January, is won on that day."""
    office.project.replace("export/deals.csv", "2,2,2026-01-06T02:00:00Z,700", "2,3,2026-01-06T02:00:00Z,700")
    office.project.replace("export/history.csv", "2,2,2026-01-09T02:00:00Z,o2\n",
                           f"2,2,2026-01-09T02:00:00Z,o2\n2,3,{day}T02:00:00Z,o2\n")


def counted(office: Office, kpi: str = "created_won", **question: Any) -> dict[str, tuple[str | None, str, str]]:
    found = office.app.kpi(kpi, period="2026-01", **question).value
    return {one["subject"]["key"]: (one["value"], one["view"], one["status"]) for one in found}


def at(office: Office, month: int, day: int) -> None:
    office.clock.set(datetime(2026, month, day, 3, tzinfo=UTC))


def test_it_stays_open_at_the_close_and_grows_without_an_adjustment(office: Office) -> None:
    done = office.close()
    assert (done["values"], done["waiting"]) == (6, {"created_won": RIPE, "for_ever": None})
    assert counted(office) == {"NV001": ("1", "open", "open"), "NV002": ("0", "open", "open")}
    win(office, "2026-03-20")
    at(office, 3, 21)
    office.sync()
    assert counted(office)["NV002"] == ("1", "open", "open")
    with (office.project.folder / "out/kpi-2026-01.csv").open(newline="", encoding="utf-8") as lines:
        told = {row["kpi"]: (row["value"], row["status"]) for row in csv.DictReader(lines) if "2" in row["subject_key"]}
    assert told == {"won_value": ("0.00", "frozen"), "created_won": ("1", "open")}
    assert {one["kpi"] for one in office.app.adjustments().value} == set()


def test_it_is_sealed_by_the_next_close_once_its_horizon_is_reached(office: Office) -> None:
    office.close()
    win(office, "2026-03-20")
    at(office, 5, 1)
    office.sync()
    assert "already closed (seal 1)" in office.close()["findings"][0]
    at(office, 5, 2)
    (finding, *_) = office.close()["findings"]
    assert "its cohorts are followed to 2026-05-01T17:00:00Z" in finding
    office.sync()
    done = office.close()
    assert (done["seal"], done["values"], done["findings"], done["waiting"]) == (2, 2, [], {"for_ever": None})
    assert counted(office)["NV002"] == ("1", "frozen", "frozen")
    assert counted(office, "for_ever")["NV002"] == ("1", "open", "open")
    assert counted(office, "won_value")["NV001"] == ("1000.50", "frozen", "frozen")
    assert office.app.verify_period().value["status"] == "ok"
    assert "already closed (seal 2)" in office.close()["findings"][0]


def test_what_comes_after_the_horizon_does_not_count(office: Office) -> None:
    """Deal 2 was created on 6 January: 90 days later is 6 April."""
    win(office, "2026-04-07")
    at(office, 5, 3)
    office.sync()
    assert counted(office)["NV002"] == ("0", "open", "open")
    assert counted(office, "for_ever")["NV002"] == ("1", "open", "open")
    done = office.close()  # the first close of all comes so late that the cohort is frozen with it
    assert (done["seal"], done["values"], done["waiting"]) == (1, 8, {"for_ever": None})


def test_a_change_after_that_is_an_adjustment_like_any_other(office: Office) -> None:
    at(office, 5, 3)
    office.sync()
    office.close()
    win(office, "2026-03-20")
    at(office, 5, 4)
    office.sync()
    found = {(one["kpi"], one["subject"]["key"]): one["value"] for one in office.app.adjustments().value}
    assert found == {("created_won", "NV002"): "1"}


def test_reopening_takes_every_seal_of_the_period_out_of_force(office: Office) -> None:
    office.close()
    at(office, 5, 3)
    office.sync()
    office.close()
    office.reopen()
    store = office.app.here.store
    assert frozen.closed(store).kpis == {}
    done = office.close()
    assert (done["seal"], done["values"]) == (3, 8)
    numbers = [(row.number, row.reopened_at is None) for row in store.rows(select(tables.seal))]
    assert sorted(numbers) == [(1, False), (2, False), (3, True)]


def test_the_service_seals_it_by_itself_where_the_month_closes_by_itself(office: Office) -> None:
    here = office.app.here
    at(office, 3, 4)
    office.sync()
    assert [one.seal.name for one in closing.close_due(here)] == ["2026-02 seal 1"]
    at(office, 6, 2)  # February's cohort: 1 March + 90 days = 30 May
    office.sync()
    names = [one.seal.name for one in closing.close_due(here)]
    assert names == ["2026-02 seal 2", "2026-03 seal 1", "2026-04 seal 1", "2026-05 seal 1"]
    assert closing.close_due(here) == []

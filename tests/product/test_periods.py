"""Periods by the real command: closed, shown, exported, verified elsewhere, reopened; closed by the service; killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from connector import serving
from connector.app import App
from connector.closing import JOB
from connector.schedule import next_due
from connector.testing import FakeClock
from tests.e2e.project import COMMAND, Project, make
from tests.product.command import Command


@pytest.fixture
def office(tmp_path: Path, store_url: str) -> Project:
    """Three deals of January, synced; the module runs on each kind of store."""
    project = make(tmp_path)
    project.replace("config.yaml", "timezone:", f"store: {store_url}\ntimezone:")
    assert project("sync").code == 0
    return project


def late_win(project: Project) -> None:
    """Deal 2, of Bình, turns out to have been won in January, for 700 USD."""
    project.replace("export/deals.csv", "2,2,2026-01-06T02:00:00Z,700", "2,3,2026-01-06T02:00:00Z,700")
    project.replace("export/history.csv", "2,2,2026-01-09T02:00:00Z,o2\n",
                    "2,2,2026-01-09T02:00:00Z,o2\n2,3,2026-01-25T02:00:00Z,o2\n")
    assert project("sync").code == 0


def test_the_life_of_a_period_as_its_user_sees_it(office: Project) -> None:
    closed = office("period", "close", "2026-01")
    assert closed.code == 0
    assert closed.out.startswith("2026-01 is closed: seal 1 over 6 values\n")
    late_win(office)
    shown = office("kpi", "won_value", "--period", "2026-01").out
    assert "won_value · 2026-01 · USD · frozen" in shown
    assert "700 today" in shown or "700.00 today" in shown
    assert "700.00" in office("kpi", "won_value", "--period", "2026-01", "--view", "restated").out
    again = office("period", "close", "2026-01")
    assert (again.code, "already closed (seal 1)" in again.out) == (1, True)
    reopened = office("period", "reopen", "2026-01", "--reason", "a deal was forgotten", "--json")
    assert (reopened.code, reopened.json["state"]) == (0, "open")
    second = office("period", "close", "2026-01", "--json")
    assert (second.code, second.json["seal"], second.json["findings"]) == (0, 2, [])
    listed = office("period", "list", "--json").json
    (january,) = [one for one in listed if one["period"] == "2026-01"]
    assert [(one["seal"], one["reopened_at"] is None) for one in january["seals"]] == [(1, False), (2, True)]
    assert "2026-01" in office("period").out
    verified = office("period", "verify", "--json")
    assert (verified.code, verified.json["seals"], verified.json["values"]) == (0, 2, 12)


def test_faults_of_the_command_line_end_with_2_and_findings_with_1(office: Project) -> None:
    assert office("period", "close", "2026-01", "--force").code == 2
    assert office("period", "close", "soon").code == 2
    assert office("period", "reopen", "2026-01", "--reason", "r").code == 2
    assert office("period", "verify", "2026-01").code == 2
    assert office("period", "verify", "2026-01", "--file", "x.json").code == 2
    assert office("period", "verify", "--file", "none.json").code == 2
    assert office("kpi", "won_value", "--period", "2026-01", "--view", "frozen").code == 2
    unfinished = office("period", "close", f"{datetime.now(UTC):%Y-%m}", "--json")
    assert (unfinished.code, unfinished.json["state"]) == (1, "open")
    assert "is not over" in unfinished.json["findings"][0]


def test_an_export_is_verified_where_there_is_no_config_and_no_store(office: Project, tmp_path_factory: Any) -> None:
    """By the installed command, in an empty folder; any change of the file is found."""
    office("period", "close", "2026-01")
    assert office("period", "export", "2026-01", "january.json").code == 0
    elsewhere = Command(tmp_path_factory.mktemp("elsewhere"))
    content = (office.folder / "january.json").read_text("utf-8")
    elsewhere.write("january.json", content)
    good = elsewhere("period", "verify", "--file", "january.json", "--json")
    assert (good.code, good.json["status"], good.json["values"]) == (0, "ok", 6)
    assert good.json["hash"] == json.loads(content)["hash"]
    elsewhere.replace("january.json", '"value": "1000.50"', '"value": "9000.50"')
    bad = elsewhere("period", "verify", "--file", "january.json")
    assert (bad.code, "won_value of NV001 is not what was sealed" in bad.out) == (1, True)
    assert sorted(path.name for path in elsewhere.folder.iterdir()) == ["january.json"]


def test_the_service_closes_the_month_on_its_working_day_and_notes_the_slot(
    tmp_path: Path, store_url: str, clock: FakeClock
) -> None:
    """In a process of its own, as all computations of the service are; a restart does not do it again."""
    project = make(tmp_path)
    project.replace("config.yaml", "timezone:", f"store: {store_url}\nclose: {{month: workday 2}}\ntimezone:")
    with closing(App.load(str(project.folder / "config.yaml"), clock, {})) as app:
        assert app.sync().exit_code == 0
        runner = serving.runner(app.here, lambda: False)
        assert set(runner.jobs) == {JOB}
        midnight = datetime(2026, 3, 2, 17, tzinfo=UTC)  # Tuesday 3 March in Vietnam, the second working day
        assert next_due(runner.jobs[JOB].schedule, clock.now(), app.here.zone) == midnight
        runner.tick(clock.now())
        assert [one for one in app.periods().value if one["state"] == "closed"] == []
        clock.set(midnight)
        runner.tick(midnight)
        assert runner.finish(60) == []
        assert [one["state"] for one in app.periods().value if one["period"] == "2026-02"] == ["closed"]
        clock.advance(hours=1)
        again = serving.runner(app.here, lambda: False)
        again.tick(clock.now())
        assert again.finish(60) == []
        assert app.verify_period().value["seals"] == 1


def test_a_close_that_is_killed_is_done_as_a_whole_or_not_at_all(office: Project, store_url: str) -> None:
    """At any moment; the next one finds the lease free, since its holder is dead."""
    engine = create_engine(store_url)
    for delay in (0.5, 0.8, 1.0, 1.1, 1.2, 1.4):
        running = subprocess.Popen(
            [COMMAND, "period", "close", "2026-01"], cwd=office.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        running.send_signal(signal.SIGKILL)
        running.wait()
        with engine.connect() as connection:
            counts = [
                connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
                for table in ("period", "seal", "frozen_value", "kpi_member")
            ]
        assert counts in ([0, 0, 0, 0], [1, 1, 6, 8]), counts
        assert office("period", "verify").code == 0
    engine.dispose()
    office("period", "close", "2026-01")
    assert office("period", "verify", "2026-01", "--json").json["values"] == 6

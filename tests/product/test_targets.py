"""Targets through the whole product: a file that changes between syncs, targets a source tells, closes, commands."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connector.app import App
from connector.errors import ConfigError
from connector.testing import FakeClock
from tests.e2e.project import Project, make

HEAD = "kpi,subject,period,target\n"
AN = "won_value,NV001,2026-01"
"""An won one deal in January, for 1,000.50 USD; Bình none."""


@pytest.fixture
def project(tmp_path: Path, store_url: str) -> Project:
    """With a targets file: An is to win 2,001 in January, of which 1,000.50 is a half."""
    made = make(tmp_path)
    made.replace("config.yaml", "people:", f"store: {store_url}\ntargets: targets.csv\npeople:")
    made.write("targets.csv", f"{HEAD}{AN},2001\n")
    return made


@pytest.fixture
def app(project: Project, clock: FakeClock) -> Iterator[App]:
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as found:
        assert found.sync().exit_code == 0
        yield found


def an(app: App, **asked: str) -> tuple[str | None, ...]:
    """Value, target and attainment of An's January."""
    (found,) = app.kpi("won_value", period="2026-01", subject="NV001", **asked).value
    return found["value"], found["target"], found["attainment"]


def delivered(project: Project) -> dict[str, tuple[str, str]]:
    """Target and attainment by employee in the file that was delivered."""
    with (project.folder / "out/kpi-2026-01.csv").open(newline="", encoding="utf-8") as lines:
        return {row["subject_key"]: (row["target"], row["attainment"]) for row in csv.DictReader(lines)}


def later(clock: FakeClock) -> str:
    """Let an hour pass; a moment of it, to ask as of."""
    clock.advance(minutes=10)
    moment = clock.now().isoformat()
    clock.advance(minutes=50)
    return moment


def change(project: Project, app: App, clock: FakeClock, rows: str) -> str:
    """Write the targets anew an hour later and sync; a moment before that, to ask as of."""
    before = later(clock)
    project.write("targets.csv", HEAD + rows)
    assert app.sync().exit_code == 0
    return before


def test_as_of_the_targets_are_those_of_then(project: Project, app: App, clock: FakeClock) -> None:
    """The first version holds for all earlier times, when only the number was not known."""
    before = change(project, app, clock, f"{AN},4002\n")
    assert an(app) == ("1000.50", "4002.00", "0.250000")
    assert an(app, as_of=before) == ("1000.50", "2001.00", "0.500000")
    assert an(app, as_of="2026-02-01") == (None, "2001.00", None)


def test_a_changed_target_is_delivered(project: Project, app: App, clock: FakeClock) -> None:
    """Its value is the same; what is owed is the whole row."""
    assert delivered(project) == {"NV001": ("2001.00", "0.500000"), "NV002": ("", "")}
    change(project, app, clock, f"{AN},4002\nwon_value,binh@example.vn,2026-01,10\n")
    assert delivered(project) == {"NV001": ("4002.00", "0.250000"), "NV002": ("10.00", "0.000000")}


def test_what_was_closed_keeps_the_target_it_was_closed_with(project: Project, app: App, clock: FakeClock) -> None:
    assert app.close_period("2026-01").exit_code == 0
    change(project, app, clock, f"{AN},4002\n")
    assert an(app) == ("1000.50", "2001.00", "0.500000")
    assert an(app, view="restated") == ("1000.50", "4002.00", "0.250000")


def test_what_is_paid_attains_the_target_it_stands_beside(project: Project, app: App, clock: FakeClock) -> None:
    """January's deal becomes 1,200.50: 200.00 is posted to February, where An is to win 800 and won nothing."""
    change(project, app, clock, f"{AN},2001\nwon_value,NV001,2026-02,800\n")
    assert app.close_period("2026-01").exit_code == 0
    project.replace("export/deals.csv", "1000.50", "1200.50")
    clock.advance(hours=1)
    app.sync(push=False)
    (one,) = [one for one in app.adjustments(state="proposed").value if one["kpi"] == "won_value"]
    app.decide_adjustment(one["id"], "accept")
    asked = {"kpi": "won_value", "period": "2026-02", "subject": "NV001"}
    (own,), (payable,) = app.kpi(**asked).value, app.kpi(**asked, view="payable").value
    assert (own["value"], own["target"], own["attainment"]) == ("0.00", "800.00", "0.000000")
    assert (payable["value"], payable["target"], payable["attainment"]) == ("200.00", "800.00", "0.250000")


def test_targets_the_config_no_longer_names_are_withdrawn_from_then_on(
    project: Project, app: App, clock: FakeClock
) -> None:
    before = later(clock)
    project.replace("config.yaml", "targets: targets.csv\n", "")
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as without:
        assert without.sync().exit_code == 0
        assert an(without) == ("1000.50", None, None)
        assert an(without, as_of=before)[1:] == ("2001.00", "0.500000")


def test_a_kpi_that_is_gone_breaks_no_question_about_the_past(project: Project, app: App, clock: FakeClock) -> None:
    """Its rows must go from the file, or nothing runs; the version that has them is read all the same."""
    project.replace("config.yaml", "kpis:\n", "kpis:\n  - {id: wins, metric: won_count, per: person}\n")
    project.write("targets.csv", f"{HEAD}{AN},2001\nwins,NV001,2026-01,2\n")
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as wider:
        assert wider.sync().exit_code == 0
        before = later(clock)
    project.replace("config.yaml", "  - {id: wins, metric: won_count, per: person}\n", "")
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as narrower:
        with pytest.raises(ConfigError, match=r"targets\.csv:3: kpi: there is no KPI of the id 'wins'"):
            narrower.sync()
        project.write("targets.csv", f"{HEAD}{AN},4002\n")
        assert narrower.sync().exit_code == 0
        assert an(narrower, as_of=before)[1:] == ("2001.00", "0.500000")


def test_the_file_wins_over_what_a_source_tells(project: Project, clock: FakeClock) -> None:
    """The source has a quota for both of its users, by their ids; the file has An's."""
    project.write("export/quotas.csv", "id,user,month,quota\n1,o1,2026-01,500\n2,o2,2026-01,500\n")
    project.replace("config.yaml", "      owners:", "      quotas: {file: quotas.csv, key: id}\n      owners:")
    project.replace(
        "crm.yaml", "tests:\n", "  - {entity: target, stream: quotas, key: id, fields: {kpi: {const: won_value}, "
        "subject: user, period: month, target: quota, currency: {const: USD}}}\ntests:\n",
    )
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as app:
        assert app.sync().exit_code == 0
        told: list[dict[str, Any]] = app.kpi("won_value", period="2026-01").value
    assert {one["subject"]["key"]: one["target"] for one in told} == {"NV001": "2001.00", "NV002": "500.00"}


def test_the_commands_show_targets_where_there_are_any(project: Project) -> None:
    assert project("sync").code == 0
    shown = project("kpi", "--period", "2026-01").out
    value, entries = shown.split("Entries into each stage ·")
    assert " ".join(value.split()).endswith("2,001.00 50.0 % Bình 0.00")
    assert ("target" in value, "attainment" in value, "target" in entries) == (True, True, False)
    explained = project("explain", "won_value", "--subject", "NV001", "--period", "2026-01").out
    assert "\n  target 2,001.00 USD, attainment 50.0 %\n" in explained
    assert "target" not in project("explain", "won_value", "--subject", "NV002", "--period", "2026-01").out


def test_a_faulty_file_lets_nothing_run(project: Project) -> None:
    project.write("targets.csv", "kpi,subject,2026-01,2026-Q1\nwon_value,NV001,much,7\nentries,company,1,\n")
    refused = project("sync")
    assert refused.code == 2
    assert "targets.csv:2: 2026-01: expected a number, found text that is none" in refused.err
    assert "targets.csv:2: 2026-Q1: 2026-Q1 is a quarter, and won_value has a value every month" in refused.err
    assert "targets.csv:3: kpi: entries is split by stage" in refused.err

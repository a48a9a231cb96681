"""Scorecards, OKR and ASK through the whole product: commands, as-of, a close, delivery, explain, faults."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from connector.app import App
from connector.testing import FakeClock
from tests.e2e.project import Project, make

SCORES = """\
okrs: {file: okrs.csv, every: month, push: [table]}
ask: {file: ask.csv, every: month, push: [table]}
scorecards:
  - {id: seller, for: {team: north}, weights: {won_value: 0.6, win_rate: 0.4}, cap: 1.2, push: [table]}
kpis:
  - {id: win_rate, metric: win_rate_count, per: person, every: month}
"""
TARGETS = "kpi,subject,period,target\nwon_value,NV001,2026-01,2001\nwin_rate,NV001,2026-01,0.5\n"
OKRS = (
    "objective,key_result,person,period,kind,kpi,start,target,current\n"
    "Win more,Value,NV001,2026-01,,won_value,0,4002,\n"
    "Win more,Days to win,an@example.vn,2026-01,,manual,40,30,35\n"
    "Learn,Certificate,NV002,2026-01,yes_no,,,,yes\n"
)
ASK = "person,group,item,rater,round,score\n" + "".join(
    f"NV001,{group},{group}'s,NV002,2026-01,{score}\n"
    for group, score in (("attitude", "4"), ("skill", "3"), ("knowledge", "3.5"))
)


@pytest.fixture
def project(tmp_path: Path, store_url: str) -> Project:
    """An is in north and Bình in south. An won 1,000.50 of 2,001 in January, one deal of one; Bình lost the only."""
    made = make(tmp_path)
    made.write("people.csv", "employee_code,email,name,team\nNV001,an@example.vn,An,north\n"
                             "NV002,binh@example.vn,Bình,south\n")
    made.replace("config.yaml", "people:", f"store: {store_url}\ntargets: targets.csv\npeople:")
    made.replace("config.yaml", "kpis:\n", SCORES)
    made.write("targets.csv", TARGETS)
    made.write("okrs.csv", OKRS)
    made.write("ask.csv", ASK)
    return made


@pytest.fixture
def app(project: Project, clock: FakeClock) -> Iterator[App]:
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as found:
        assert found.sync().exit_code == 0
        yield found


def values(app: App, kpi: str, **asked: str) -> dict[tuple[str, ...], str | None]:
    """January's values by subject and part."""
    told: list[dict[str, Any]] = app.kpi(kpi, period="2026-01", **asked).value
    return {(one["subject"]["key"], *one["dimensions"].values()): one["value"] for one in told}


def delivered(project: Project, kpi: str) -> dict[tuple[str, str], str]:
    with (project.folder / "out/kpi-2026-01.csv").open(newline="", encoding="utf-8") as lines:
        return {(row["subject_key"], row["dimensions"]): row["value"] for row in csv.DictReader(lines)
                if row["kpi"] == kpi}


def test_a_score_is_a_kpi_like_all_others(project: Project, app: App) -> None:
    """Attainments 0.5 and 2, of which 1.2 counts: 0.6 × 0.5 + 0.4 × 1.2 = 0.78. Bình is not in north."""
    assert values(app, "seller") == {("NV001",): "0.780000"}
    assert values(app, "okr_kr_progress") == {  # 1000.5 / 4002; (35 - 40) / (30 - 40)
        ("NV001", "Win more", "Value"): "0.250000", ("NV001", "Win more", "Days to win"): "0.500000",
        ("NV002", "Learn", "Certificate"): "1.000000",
    }
    assert values(app, "okr_objective") == {("NV001", "Win more"): "0.375000", ("NV002", "Learn"): "1.000000"}
    assert values(app, "okr_objective", subject="NV002") == {("NV002", "Learn"): "1.000000"}
    assert values(app, "ask_score") == {("NV001",): "0.625000"}  # (0.75 + 0.5 + 0.625) / 3
    assert delivered(project, "seller") == {("NV001", "{}"): "0.780000"}
    assert delivered(project, "ask_score") == {("NV001", "{}"): "0.625000"}
    assert delivered(project, "okr_objective") == {
        ("NV001", '{"objective":"Win more"}'): "0.375000", ("NV002", '{"objective":"Learn"}'): "1.000000",
    }


def test_what_made_a_score_is_explained(app: App) -> None:
    """The uncapped attainment stands beside the one that counts."""
    told = app.explain("seller", period="2026-01", subject="NV001").value
    parts = {one["id"]: one["part"] for one in told["members"] if one["side"] == "numerator"}
    shown = ("weight", "spread_weight", "level", "attainment")
    assert {name: tuple(one[key] for key in shown) for name, one in parts.items()} == {
        "won_value": ("0.600000", "0.600000", "0.500000", "0.500000"),
        "win_rate": ("0.400000", "0.400000", "1.200000", "2.000000"),
    }
    assert told["formula_numbers"] == "0.600000 × 0.500000 + 0.400000 × 1.200000 = 0.780000"
    assert told["options"] == {"weights": "won_value 0.6, win_rate 0.4", "cap": "1.2"}
    objective = app.explain("okr_objective", period="2026-01", subject="NV001", by={"objective": "Win more"}).value
    assert (objective["colour"], objective["elapsed"]) == ("red", "1.000000")
    item = app.explain("ask_score", period="2026-01", subject="NV001").value["members"][0]
    assert (item["id"], item["part"]["rated"], item["part"]["level"]) == ("attitude's", "4.000000", "0.750000")


def test_the_weight_of_a_kpi_without_target_goes_to_the_others(project: Project, app: App, clock: FakeClock) -> None:
    project.write("targets.csv", "kpi,subject,period,target\nwon_value,NV001,2026-01,2001\n")
    clock.advance(hours=1)
    app.sync()
    assert values(app, "seller") == {("NV001",): "0.500000"}
    members = app.explain("seller", period="2026-01", subject="NV001").value["members"]
    shown = {(one["id"], one["side"]): (one["share"], one["part"]["spread_weight"]) for one in members}
    assert shown == {
        ("won_value", "numerator"): ("0.500000", "1.000000"), ("won_value", "denominator"): ("1", "1.000000"),
        ("win_rate", "denominator"): ("0", "0.000000"),
    }


def test_as_of_the_tables_are_those_of_then(project: Project, app: App, clock: FakeClock) -> None:
    clock.advance(minutes=10)
    before = clock.now().isoformat()
    clock.advance(minutes=50)
    project.write("okrs.csv", OKRS.replace(",35\n", ",30\n"))
    project.write("ask.csv", ASK.replace("2026-01,3\n", "2026-01,5\n"))
    app.sync()
    assert values(app, "okr_objective")["NV001", "Win more"] == "0.625000"
    assert values(app, "okr_objective", as_of=before)["NV001", "Win more"] == "0.375000"
    assert values(app, "ask_score") == {("NV001",): "0.791667"}  # (0.75 + 1 + 0.625) / 3
    assert values(app, "ask_score", as_of=before) == {("NV001",): "0.625000"}


def test_a_closed_score_stays_and_what_it_has_become_is_noted(project: Project, app: App, clock: FakeClock) -> None:
    """With twice the target An's attainment is a quarter: 0.6 × 0.25 + 0.4 × 1.2 = 0.63."""
    assert app.close_period("2026-01").exit_code == 0
    project.write("targets.csv", TARGETS.replace("2001", "4002"))
    clock.advance(hours=1)
    app.sync()
    assert values(app, "seller") == {("NV001",): "0.780000"}
    assert values(app, "seller", view="restated") == {("NV001",): "0.630000"}
    (noted,) = [one for one in app.adjustments().value if one["kpi"] == "seller"]
    assert (noted["state"], noted["value"]) == ("noted", "-0.150000")
    assert delivered(project, "seller") == {("NV001", "{}"): "0.780000"}
    told = app.explain("seller", period="2026-01", subject="NV001").value
    assert {one["id"]: one["part"]["level"] for one in told["members"]} == {
        "won_value": "0.500000", "win_rate": "1.200000",
    }
    assert app.verify_period("2026-01").exit_code == 0


def test_a_key_result_that_is_taken_out_has_no_data_where_it_was_delivered(
    project: Project, app: App, clock: FakeClock
) -> None:
    project.write("okrs.csv", OKRS.replace("Learn,Certificate,NV002,2026-01,yes_no,,,,yes\n", ""))
    clock.advance(hours=1)
    app.sync()
    assert delivered(project, "okr_objective")['NV002', '{"objective":"Learn"}'] == ""


def test_what_is_to_be_kept_is_looked_at_in_each_month_of_the_quarter(project: Project, clock: FakeClock) -> None:
    """An won 1,000.50 in January and nothing in February and March: 500 or more in one month of three.

    In March that is one of the two that have ended.
    """
    project.replace("config.yaml", "file: okrs.csv, every: month", "file: okrs.csv")
    project.write("okrs.csv", "objective,key_result,person,period,kind,kpi,target\nKeep,Value,NV001,2026-Q1,keep above,"
                              "won_value,500\n")
    with closing(App.load(str(project.folder / "config.yaml"), clock)) as app:
        assert app.sync().exit_code == 0
        assert [one["value"] for one in app.kpi("okr_objective", period="2026-Q1").value] == ["0.500000"]
        clock.advance(days=31)
        assert app.sync().exit_code == 0
        (one,) = app.kpi("okr_objective", period="2026-Q1").value
        assert (one["value"], one["period_end"]) == ("0.333333", "2026-03-31")
        assert app.close_period("2026-Q1").exit_code == 0
        (frozen,) = app.kpi("okr_kr_progress", period="2026-Q1", view="frozen").value
        assert frozen["value"] == "0.333333"


def test_the_commands_show_scores(project: Project) -> None:
    assert project("sync").code == 0
    shown = " ".join(project("kpi", "seller", "--period", "2026-01").out.split())
    assert "seller · 2026-01 · percent · weights won_value 0.6, win_rate 0.4, cap 1.2" in shown
    assert shown.endswith("An 78.0 %")
    assert "Win more 37.5 % red" in " ".join(project("kpi", "okr_objective", "--period", "2026-01").out.split())
    whose = ("--subject", "NV001", "--period", "2026-01")
    told = project("explain", "okr_objective", *whose, "--by", "objective=Win more")
    assert "red; 100.0 % of the period has passed" in told.out
    assert "key result Value · weight 1.000000 · spread weight 0.500000 · level 0.250000 · kind number" in told.out


def test_faulty_tables_let_nothing_run(project: Project) -> None:
    project.write("okrs.csv", OKRS + "Learn,More,NV009,2026-Q1,maybe,sold,much,1,\n")
    project.write("ask.csv", ASK + "NV009,charm,Jokes,NV002,2026-01,7\n")
    refused = project("sync")
    assert refused.code == 2
    for fault in (
        "okrs.csv:5: person: nobody is known as 'NV009'", "okrs.csv:5: period: 2026-Q1 is a quarter",
        "okrs.csv:5: kind: expected one of number, yes_no", "okrs.csv:5: kpi: there is no KPI of the id 'sold'",
        "okrs.csv:5: start: expected a number", "ask.csv:5: person: nobody is known as 'NV009'",
        "ask.csv:5: group: expected one of attitude, skill, knowledge",
        "ask.csv:5: score: expected a score from 1 to 5",
    ):
        assert fault in refused.err


def test_owners_nobody_knows_are_listed_with_deals_and_money_and_never_pushed(project: Project) -> None:
    """Bình is not in the people file: the deal lost stands with the owner, and no value of it is delivered."""
    project.write("people.csv", "employee_code,email,name,team\nNV001,an@example.vn,An,north\n")
    project.write("okrs.csv", OKRS.replace("Learn,Certificate,NV002,2026-01,yes_no,,,,yes\n", ""))
    lost = "metric: lost_reasons, per: person, push: [table]"
    both = f"  - {{id: lost, {lost}}}\n  - {{id: lost_money, {lost}, options: {{measure: value}}}}\n"
    project.replace("config.yaml", "kpis:\n", f"kpis:\n{both}")
    assert project("sync").code == 0
    for kpi, value in (("lost", "1"), ("lost_money", "300.00")):
        told = project("kpi", kpi, "--period", "2026-01", "--json").json
        (owner,) = [one for one in told if one["subject"]["kind"] == "owner"]
        assert (owner["subject"]["key"], owner["subject"]["name"], owner["value"]) == ("crm:o2", "Binh Tran", value)
        with (project.folder / "out/kpi-2026-01.csv").open(newline="", encoding="utf-8") as lines:
            assert {row["subject_kind"] for row in csv.DictReader(lines)} == {"person"}

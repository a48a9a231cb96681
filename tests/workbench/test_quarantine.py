"""Records set aside, by cause: what each cause holds up, what is decided on as a whole, and what mends by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.project import Project, make
from tests.workbench.account import ROOT, TOKEN

PAGE = (ROOT / "docs" / "quarantine.md").read_text("utf-8")
CONTRACT_SENT = '      "contractsent": {to: negotiation, name: Contract sent}\n'


def values(project: Project) -> list[dict[str, Any]]:
    return [{key: one[key] for key in ("kpi", "subject", "period", "value", "status")} for one in
            project("kpi", "--json", **TOKEN).json]


@pytest.fixture
def short(project: Project) -> Project:
    """The account, read with a mapping that lacks a stage every deal has been in."""
    project.replace("hubspot.yaml", CONTRACT_SENT, "")
    assert project("sync", **TOKEN).code == 1
    return project


def test_the_causes_stand_first_with_what_they_hold_up(short: Project) -> None:
    listed = short("quarantine", "list", **TOKEN)
    assert listed.code == 0
    assert listed.out.rstrip() in PAGE
    (cause,) = short("quarantine", "causes", "--json", **TOKEN).json
    # Ten deals of 1000.50, 1250.50 … 3250.50 EUR: 10 * 1000.50 + 250 * 45.
    assert (cause["records"], cause["deals"]) == (10, 10)
    assert cause["money"] == [{"currency": "EUR", "amount": "21255.00"}]
    assert (cause["pipeline"], cause["pipeline_name"], cause["stage"]) == ("default", "sales", "contractsent")
    line = (short.folder / "hubspot.yaml").read_text("utf-8").splitlines()[cause["mapping"]["line"] - 1]
    assert line == "    stages:", "where the missing stage belongs"
    items = short("quarantine", "list", "--json", **TOKEN).json
    assert {item["cause"] for item in items} == {cause["cause"]}
    assert short("quarantine", "list", "--cause", cause["cause"], "--json", **TOKEN).json == items


def test_a_mended_mapping_takes_them_out_by_itself_and_the_kpis_follow(short: Project) -> None:
    assert {one["status"] for one in values(short) if one["kpi"] == "open_pipeline"} == {"withheld"}
    short.replace("hubspot.yaml", '      "closedwon"', f'{CONTRACT_SENT}      "closedwon"')
    done = short("sync", "--json", **TOKEN)
    (source,) = done.json["sources"]
    assert (done.code, source["mended"]) == (0, 10)
    assert short("quarantine", "--json", **TOKEN).json == []
    # Open are deals 3, 6, 8 and 9: 1750.50 + 2500.50 + 3000.50 + 3250.50.
    pipeline = [(one["value"], one["status"]) for one in values(short) if one["kpi"] == "open_pipeline"]
    assert pipeline == [("10502.00", "open")]
    assert short("sync", "--json", **TOKEN).json["sources"][0]["mended"] == 0, "told once"


def test_a_cause_is_settled_as_a_whole(short: Project) -> None:
    (cause,) = short("quarantine", "causes", "--json", **TOKEN).json
    assert short("quarantine", "retry", "--cause", cause["cause"], "--json", **TOKEN).json == {"tried": 10, "mended": 0}
    decided = short("quarantine", "drop", "--cause", cause["cause"], "--reason", "a trial", "--json", **TOKEN)
    assert decided.json == {"decision": "drop", "records": 10}
    assert short("quarantine", **TOKEN).out == "Quarantine: none\n"
    again = short("quarantine", "accept", "--cause", cause["cause"], **TOKEN)
    assert (again.code, f"nothing is open of a cause '{cause['cause']}'" in again.err) == (2, True)
    assert short("quarantine", "accept", **TOKEN).code == 2, "which ones?"


def test_each_kind_of_store_mends_and_tells(tmp_path: Path, store_url: str) -> None:
    project = make(tmp_path)
    project.replace("config.yaml", "timezone:", f"store: {store_url}\ntimezone:")
    project.replace("export/deals.csv", "2,2,2026-01-06", "2,7,2026-01-06")
    project.replace("export/deals.csv", "3,4,2026-01-07T02:00:00Z,300", "3,4,2026-01-07T02:00:00Z,a lot")
    assert project("sync").code == 1
    causes = {cause["stage"]: cause for cause in project("quarantine", "causes", "--json").json}
    assert (causes["7"]["money"], causes["7"]["mapping"]["line"]) == ([{"currency": "USD", "amount": "700.00"}], 2)
    assert (causes[None]["deals"], causes[None]["money"], causes[None]["mapping"]["line"]) == (1, [], 12)
    project.replace("crm.yaml", '"2": proposal', '"2": proposal, "7": negotiation')
    done = project("sync", "--json")
    assert (done.code, done.json["sources"][0]["mended"]) == (1, 1)
    assert [item["item"] for item in project("quarantine", "--json").json] == ["crm/deals/3"]
    project.replace("export/deals.csv", "a lot", "300")
    assert project("sync", "--json").json["sources"][0]["mended"] == 1, "the record was mended at its source"

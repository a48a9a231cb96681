"""The shadow run: what a file would do to the KPIs, told by hand, and that nothing of it is done."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import select

from connector import diffing
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.wiring import Installation
from tests.e2e.project import Project, make
from tests.workbench.account import NOW, ROOT, TOKEN

PAGE = (ROOT / "docs" / "diff.md").read_text("utf-8")
WON = ('"contractsent": {to: negotiation', '"contractsent": {to: closed_won')


def values(answer: Any, kpi: str) -> dict[tuple[str, str], tuple[str | None, str | None, str]]:
    """(before, after, state) of a KPI by subject and period."""
    return {
        (one["subject"]["key"], one["period"]): (one["before"], one["after"], one["state"])
        for one in answer["values"] if one["kpi"] == kpi
    }


def test_a_stage_that_counts_as_won_moves_open_and_closed_months(project: Project) -> None:
    """Deals are made every six days from 1 September on; each is in contractsent on its fifth day, two days later won,
    lost, or still there. So 4 (Ana, 2,000.50) and 3 (Bo, 1,750.50) would be won in September beside 0 and 1; the two
    that are lost later are lost."""
    assert project("sync", "--json", **TOKEN).code == 0
    assert project("period", "close", "2026-09", **TOKEN).code == 0
    mapping = (project.folder / "hubspot.yaml").read_text("utf-8")
    project.write("new.yaml", mapping.replace(*WON))
    shown = project("mapping", "diff", "new.yaml", "--max-shift", "1%", **TOKEN)
    assert (shown.code, shown.err) == (1, "")
    assert shown.out in PAGE, shown.out

    answer = project("mapping", "diff", "new.yaml", "--json", **TOKEN)
    assert answer.code == 0
    assert values(answer.json, "won_value") == {
        ("NV001", "2026-09"): ("1000.50", "3001.00", "closed"), ("NV002", "2026-09"): ("1250.50", "3001.00", "closed"),
        ("NV001", "2026-10"): ("2000.50", "5501.00", "open"), ("NV002", "2026-10"): ("2750.50", "6001.00", "open"),
    }
    (ana,) = [one for one in answer.json["values"] if (one["kpi"], one["period"], one["subject"]["key"]) ==
              ("won_value", "2026-09", "NV001")]
    assert (ana["frozen"], ana["difference"], ana["adjustment"]["value"]) == ("1000.50", "2000.50", "2000.50")
    assert {move["beyond"] for move in answer.json["moves"]} == {None}

    # What was foretold is what a run does once a person lets it: the frozen value stays, the rest is proposed.
    project.write("hubspot.yaml", mapping.replace(*WON))
    assert project("sync", "--json", **TOKEN).code == 4
    (waiting,) = project("stops", "list", "--json", **TOKEN).json
    assert project("stops", "accept", waiting["id"], "--json", **TOKEN).code == 0
    proposed = project("adjustment", "list", "--state", "proposed", "--json", **TOKEN).json
    assert {(one["subject"]["key"], one["value"]) for one in proposed if one["kpi"] == "won_value"} == {
        ("NV001", "2000.50"), ("NV002", "1750.50")
    }
    assert project("mapping", "diff", "hubspot.yaml", "--json", **TOKEN).json["changes"] == []


def test_people_a_config_and_what_is_wrong_with_a_file(project: Project) -> None:
    assert project("sync", "--json", **TOKEN).code == 0
    project.write("staff.csv", "employee_code,email,name\nNV001,ana@example.com,Ana\nNV003,bo@example.com,Bo\n")
    people = project("mapping", "diff", "staff.csv", "--json", **TOKEN).json
    assert (people["kind"], people["changes"]) == ("people", ["people"])
    assert values(people, "won_value") == {
        ("NV002", "2026-09"): ("1250.50", None, "open"), ("NV003", "2026-09"): (None, "1250.50", "open"),
        ("NV002", "2026-10"): ("2750.50", None, "open"), ("NV003", "2026-10"): (None, "2750.50", "open"),
    }
    config = (project.folder / "config.yaml").read_text("utf-8")
    project.write("other.yaml", config.replace("metric: open_pipeline,", "metric: won_count,") + (
        "  - {id: won_count, metric: won_count, per: company, every: month}\n"
    ))
    other = project("mapping", "diff", "other.yaml", "--json", **TOKEN).json
    assert (other["kind"], other["changes"], other["new_kpis"]) == ("config", ["kpis"], ["won_count"])
    assert values(other, "open_pipeline") == {
        ("company", "2026-09"): ("3751.00", "2", "open"), ("company", "2026-10"): ("10502.00", "2", "open"),
        ("company", "2026-11"): ("10502.00", "0", "open"),
    }
    assert {one["difference"] for one in other["values"]} == {None}  # money and a count do not compare
    project.write("bad.yaml", (project.folder / "hubspot.yaml").read_text("utf-8").replace("closed_lost,", "lost,"))
    bad = project("mapping", "diff", "bad.yaml", **TOKEN)
    assert bad.code == 2
    assert "bad.yaml:19: pipelines.default.stages.closedlost" in bad.err


def hashes(url: str) -> dict[str, str]:
    """A hash of every row of every table."""
    store = Store(url, FakeClock(NOW))
    found = {
        name: hashlib.sha256("\n".join(sorted(map(repr, store.rows(select(table))))).encode()).hexdigest()
        for name, table in tables.metadata.tables.items()
    }
    store.close()
    return found


def test_no_row_of_any_table_changes_on_either_store(tmp_path: Path, store_url: str) -> None:
    """Also no run is noted and no lease taken; nor where the file is at fault."""
    project = make(tmp_path / "here")
    project.replace("config.yaml", "timezone:", f"store: {store_url}\ntimezone:")
    assert project("sync", "--json").code == 0
    mapping = (project.folder / "crm.yaml").read_text("utf-8")
    project.write("new.yaml", mapping.replace('"2": proposal', '"2": closed_won'))
    project.write("staff.csv", "employee_code,email,name\nNV009,an@example.vn,An\n")
    project.write("bad.yaml", mapping.replace('"2": proposal', '"2": nowhere'))
    before = hashes(store_url)
    for new, code in (("new.yaml", 0), ("staff.csv", 0), ("bad.yaml", 2)):
        done = project("mapping", "diff", new, "--json")
        assert (done.code, hashes(store_url)) == (code, before)
        assert code or done.json["values"]


def test_what_mapping_the_landing_again_would_change(tmp_path: Path) -> None:
    """A stage that counts as won asks a person; deal 4, in a stage nobody mapped, would be new, deals 1 to 3 stay."""
    project = make(tmp_path / "here")
    assert project("sync", "--json").code == 0
    counts = ("records", "new", "changed", "unchanged", "quarantined")

    def summary() -> tuple[tuple[int, ...], str | None]:
        here = Installation.load(str(project.folder / "config.yaml"))
        try:
            (found,) = [one for one in diffing.from_landing(here, "crm") if one.stream == "deals"]
        finally:
            here.close()
        return tuple(getattr(found, name) for name in counts), found.would_stop

    project.replace("crm.yaml", '"2": proposal', '"2": closed_won')
    told, would_stop = summary()
    assert (told, would_stop and would_stop[:74]) == (
        (3, 0, 0, 3, 0), "the changed mapping moves won_value of 2026-01 by 70.0%, 1000.50 to 1700.5"
    )
    project.replace("crm.yaml", '"2": closed_won', '"2": proposal')
    deals = (project.folder / "export" / "deals.csv").read_text("utf-8")
    project.write("export/deals.csv", deals + "4,9,2026-01-08T02:00:00Z,50,USD,o1\n")
    assert project("sync", "--json").code == 1
    assert summary() == ((1, 0, 0, 0, 1), None)  # the mapping in force: only what is set aside is tried
    project.replace("crm.yaml", '"2": proposal', '"2": proposal, "9": negotiation')
    assert summary() == ((4, 1, 0, 3, 0), None)


def test_a_stage_that_is_mapped_at_last_tells_what_was_withheld(project: Project, twin: HubSpotTwin) -> None:
    """A new deal in a stage nobody mapped withholds the open months of its pipeline."""
    assert project("sync", "--json", **TOKEN).code == 0
    mapping = (project.folder / "hubspot.yaml").read_text("utf-8")
    twin.portal.add_stage("default", ("legal", "Legal review", "0.5"))
    twin.portal.create("deals", {
        "dealname": "Late", "pipeline": "default", "dealstage": "legal", "amount": "100", "deal_currency_code": "EUR",
    })  # fmt: skip
    project.clock.advance(minutes=30)  # type: ignore[union-attr]  # the test's own
    assert project("sync", "--json", **TOKEN).code == 1
    sent = '      "contractsent":'
    project.write("new.yaml", mapping.replace(sent, f'      "legal": qualification\n{sent}'))
    answer = project("mapping", "diff", "new.yaml", "--json", **TOKEN).json
    (held,) = [one for one in answer["released"] if (one["kpi"], one["period"]) == ("open_pipeline", "2026-11")]
    # Deals 3, 6, 8 and 9 are open: 1,750.50 + 2,500.50 + 3,000.50 + 3,250.50, and the late one.
    assert (held["after"], held["currency"], held["state"]) == ("10602.00", "EUR", "open")
    assert "withheld until now, then told: " in project("mapping", "diff", "new.yaml", **TOKEN).out

"""What a destination was told is put right when nothing is left of it."""

from __future__ import annotations

import csv

from tests.e2e.project import Project
from tests.product.command import deals


def delivered(project: Project, month: str) -> dict[tuple[str, str], str]:
    """What stands in the CSV destination, by employee and KPI."""
    with (project.folder / f"out/kpi-{month}.csv").open(newline="", encoding="utf-8") as lines:
        return {(row["subject_key"], row["kpi"]): row["value"] for row in csv.DictReader(lines)}


def test_a_deleted_deal_s_month_is_corrected_at_the_destination_also_where_it_was_the_first(project: Project) -> None:
    """R8: out of all periods. What HR was told of January must become 0, not stay because nothing is left there."""
    project.replace("config.yaml", "currency: USD", "currency: USD\nguard: {shrink: 90%}")
    project.replace("export/deals.csv", "2,2,2026-01-06", "2,2,2026-03-06")
    project.replace("export/history.csv", "2,1,2026-01-06", "2,1,2026-03-06")
    project.replace("export/history.csv", "2,2,2026-01-09", "2,2,2026-03-09")
    assert project("sync").code == 0
    assert delivered(project, "2026-01")["NV001", "won_value"] == "1000.50"
    lines = (project.folder / "export/deals.csv").read_text().splitlines()
    project.write("export/deals.csv", "\n".join([lines[0], lines[2]]) + "\n")
    assert project("sync").code == 0
    assert deals(project) == ["2"]
    assert delivered(project, "2026-01")["NV001", "won_value"] == "0.00"


def test_a_reason_renamed_in_the_crm_leaves_no_number_under_the_old_word(project: Project) -> None:
    project.replace("export/deals.csv", "currency,owner\n", "currency,owner,reason\n")
    project.replace("export/deals.csv", "300,USD,o2", "300,USD,o2,pirce")
    project.replace("crm.yaml", "      owner: owner\n", "      owner: owner\n      lost_reason: reason\n")
    project.replace("config.yaml", "kpis:\n", "kpis:\n  - {id: lost, metric: lost_reasons, push: [table]}\n")
    assert project("sync").code == 0
    project.replace("export/deals.csv", "pirce", "price")
    assert project("sync").code == 0
    with (project.folder / "out/kpi-2026-01.csv").open(newline="", encoding="utf-8") as lines:
        found = {row["dimensions"]: row["value"] for row in csv.DictReader(lines) if row["kpi"] == "lost"}
    assert found == {'{"reason":"pirce"}': "0", '{"reason":"price"}': "1"}


def test_a_leaver_taken_out_of_the_people_file_keeps_what_was_told_of_them(project: Project) -> None:
    """Whoever tidies up the people file does not take back a payout: no 0 is sent."""
    assert project("sync").code == 0
    people = (project.folder / "people.csv").read_text()
    project.write("people.csv", people.replace("NV001,an@example.vn,An\n", ""))
    answer = project("sync", "--json")
    assert answer.json["kpis"]["gone"] > 0
    assert delivered(project, "2026-01")["NV001", "won_value"] == "1000.50"

"""What the commands do and print, run as a user runs them; JSON shapes are those of design.md section 8."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time

from tests.e2e.project import COMMAND, Project

RUN = {"run", "status", "started_at", "ended_at", "sources", "destinations"}
STREAM = {
    "stream", "requests", "records", "new", "changed", "unchanged", "deleted", "quarantined", "cursor", "error",
}
DESTINATION = {"destination", "owed", "confirmed", "refused", "unanswered", "dead", "error"}
KPI = {
    "kpi", "metric", "subject", "dimensions", "period", "period_start", "period_end", "value", "unit", "currency",
    "numerator", "denominator", "as_of", "view", "status", "restated_value", "adjustments", "left_out", "interval",
    "open_share", "options", "catalogue_version", "target", "attainment",
}
STATUS = {"sources", "quarantine", "owed", "dead", "stops", "leases", "landing_bytes"}


def won_value(project: Project, *arguments: str) -> dict[str, str]:
    values = project("kpi", "won_value", "--json", *arguments).json
    return {one["subject"]["key"]: one["value"] for one in values}


def test_a_sync_says_what_it_did_and_a_second_one_that_nothing_changed(project: Project) -> None:
    first = project("sync", "--json").json
    assert first.keys() >= RUN
    (source,) = first["sources"]
    assert source.keys() >= {"source", "status", "streams"}
    assert all(stream.keys() >= STREAM for stream in source["streams"])
    (destination,) = first["destinations"]
    assert destination.keys() >= DESTINATION
    assert destination["confirmed"] > 0
    assert first["started_at"].endswith("Z")
    second = project("sync", "--json").json
    counts = [(stream["new"], stream["changed"], stream["unchanged"]) for stream in second["sources"][0]["streams"]]
    assert counts == [(0, 0, 2), (0, 0, 3)]
    assert (second["destinations"][0]["confirmed"], second["kpis"]["changed"]) == (0, 0)


def test_kpi_values_by_person_and_stage_in_every_format(project: Project) -> None:
    project("sync")
    values = project("kpi", "--json", "--period", "2026-01").json
    assert all(one.keys() >= KPI for one in values)
    assert won_value(project, "--period", "2026-01") == {"NV001": "1000.50", "NV002": "0.00"}
    entries = {one["dimensions"]["stage"]: one["value"] for one in values if one["kpi"] == "entries"}
    assert entries == {"1": "3", "2": "2", "3": "1", "4": "1"}
    assert won_value(project, "--period", "2026-01", "--subject", "binh@example.vn") == {"NV002": "0.00"}
    part = project("kpi", "--json", "--period", "2026-01", "--by", "stage=2").json
    assert [(one["kpi"], one["value"]) for one in part] == [("entries", "2")]
    table = project("kpi", "won_value", "--period", "2026-01")
    assert "An" in table.out
    assert "1,000.50" in table.out
    rows = list(csv.DictReader(project("kpi", "won_value", "--period", "2026-01", "--format", "csv").out.splitlines()))
    assert [(row["subject_key"], row["value"]) for row in rows] == [("NV001", "1000.50"), ("NV002", "0.00")]


def test_a_kpi_as_of_a_past_moment_is_what_was_known_then(project: Project) -> None:
    project("sync")
    then = project("kpi", "won_value", "--json", "--period", "2026-01").json[0]["as_of"]
    project.replace("export/deals.csv", "1,3,2026-01-05T02:00:00Z,1000.50", "1,3,2026-01-05T02:00:00Z,2000")
    project("sync")
    assert won_value(project, "--period", "2026-01")["NV001"] == "2000.00"
    assert won_value(project, "--period", "2026-01", "--as-of", then)["NV001"] == "1000.50"


def test_a_changed_value_is_pushed_and_the_dry_run_before_shows_old_and_new(project: Project) -> None:
    project("sync")
    project.replace("export/deals.csv", "1,3,2026-01-05T02:00:00Z,1000.50", "1,3,2026-01-05T02:00:00Z,2000")
    project("sync", "--no-push")
    preview = project("push", "--dry-run")
    assert "table won_value An 2026-01: value 1000.50 → 2000.00" in preview.out
    (change,) = project("push", "--dry-run", "--json").json["destinations"][0]["changes"]
    assert change["fields"]["value"] == {"old": "1000.50", "new": "2000.00"}
    assert "2000.00" not in (project.folder / "out/kpi-2026-01.csv").read_text()
    assert project("push", "table", "--json").json["destinations"][0]["confirmed"] == 1
    assert "2000.00" in (project.folder / "out/kpi-2026-01.csv").read_text()


def test_a_dry_sync_writes_nothing(project: Project) -> None:
    result = project("sync", "--dry-run", "--json")
    assert (result.code, result.json["dry_run"]) == (0, True)
    assert [stream["records"] for stream in result.json["sources"][0]["streams"]] == [2, 3]
    assert project("runs", "--json").json == []
    assert project("status", "--json").json["landing_bytes"] == 0
    assert not (project.folder / "out").exists()


def test_resync_of_one_id_reads_only_that_deal(project: Project) -> None:
    project("sync")
    project.replace("export/deals.csv", "2,2,2026-01-06T02:00:00Z,700", "2,2,2026-01-06T02:00:00Z,900")
    again = project("resync", "crm", "--id", "2", "--reason", "amount corrected", "--json").json
    (stream,) = again["sources"][0]["streams"]
    assert (stream["stream"], stream["records"], stream["changed"]) == ("deals", 1, 1)
    shown = project("runs", "show", again["run"], "--json").json
    assert (shown["command"], shown["reason"]) == ("resync", "amount corrected")
    assert shown["sources"] == again["sources"]


def test_resync_from_landing_uses_a_changed_mapping_and_asks_no_source(project: Project) -> None:
    project.replace("export/deals.csv", "2,2,2026-01-06", "2,7,2026-01-06")
    project("sync")
    project.replace("crm.yaml", '"2": proposal', '"2": proposal, "7": negotiation')
    for file in ("owners.csv", "deals.csv", "history.csv"):
        (project.folder / "export" / file).unlink()
    dry = project("resync", "crm", "--from-landing", "--dry-run", "--json").json
    told = {one["stream"]: (one["new"], one["changed"], one["quarantined"]) for one in dry["sources"][0]["streams"]}
    assert (dry["plan"]["calls"], told) == (0, {"owners": (0, 0, 0), "deals": (1, 0, 0)}), "the deal that was set aside"
    result = project("resync", "crm", "--from-landing", "--json")
    assert (result.code, result.json["status"]) == (0, "ok")
    assert project("quarantine", "--json").json == []


def test_status_says_how_fresh_each_source_is(project: Project) -> None:
    before = project("status", "--json").json
    assert before.keys() >= STATUS
    assert before["sources"][0]["last_success_at"] is None
    project("sync")
    (source,) = project("status", "--json").json["sources"]
    assert source["age_seconds"] < 60
    assert [stream["stream"] for stream in source["streams"]] == ["owners", "deals"]


def test_a_paused_source_is_left_out_and_the_run_is_not_green(project: Project) -> None:
    assert project("pause", "crm", "--reason", "migration").code == 0
    result = project("sync", "--json")
    assert (result.code, result.json["sources"]) == (1, [])
    assert "migration" in result.json["notes"][0]
    assert project("sync", "crm").code == 2
    assert project("resume", "crm").code == 0
    assert project("sync").code == 0


def test_a_mended_mapping_takes_records_out_of_quarantine(project: Project) -> None:
    project.replace("export/deals.csv", "2,2,2026-01-06", "2,7,2026-01-06")
    project("sync")
    assert project("quarantine", "retry", "all").code == 1
    shown = project("quarantine", "show", "crm/deals/2", "--json").json
    assert shown["record"]["stage"] == "7"
    project.replace("crm.yaml", '"2": proposal', '"2": proposal, "7": negotiation')
    retried = project("quarantine", "retry", "crm/deals/2", "--json")
    assert (retried.code, retried.json["mended"]) == (0, 1)
    assert project("sync").code == 0
    assert project("quarantine", "--json").json == []


def test_rebuild_gives_the_same_answers(project: Project) -> None:
    project("sync")
    before = project("kpi", "--json", "--period", "2026-01").json
    made = project("rebuild", "--json").json
    assert (made["deal"], made["stage_transition"]) == (3, 7)
    after = project("kpi", "--json", "--period", "2026-01").json
    assert [one["value"] for one in after] == [one["value"] for one in before]


def test_check_tries_everything_and_writes_nothing(project: Project) -> None:
    project.replace("config.yaml", "    mapping: crm.yaml\n", '    mapping: crm.yaml\n    schedule: "0 6 * * 1"\n')
    result = project("check", "--json")
    assert (result.code, result.json["status"]) == (0, "ok")
    (crm,) = result.json["sources"]
    assert "at 06:00" in crm["next"]
    assert "mapping test 1" in [check["what"] for check in crm["checks"]]
    assert not (project.folder / "connector.db").exists()
    (project.folder / "export" / "deals.csv").unlink()
    assert project("check", "crm").code == 3


def test_a_mapping_test_that_fails_says_what_was_made(project: Project) -> None:
    assert project("mapping", "test").code == 0
    project.replace("crm.yaml", "expect: {deal: {stage: closed_won}}", "expect: {deal: {stage: proposal, amount: 10}}")
    result = project("mapping", "test", "--json")
    (test,) = result.json
    assert (result.code, test["ok"], test["line"]) == (1, False, 19)
    assert test["message"] == "deal: expected stage proposal, amount 10, found stage 3 = closed_won, amount 10"


def test_a_page_is_shown_as_it_was_received(project: Project) -> None:
    project.replace("export/deals.csv", "2,2,2026-01-06", "2,7,2026-01-06")
    project("sync")
    item = project("quarantine", "--json").json[0]
    page = project("page", "show", str(item["page"]), "--json").json
    assert (page["source"], page["stream"]) == ("crm", "deals")
    record = project("page", "show", str(item["page"]), "--record", str(item["record_index"]), "--json").json
    assert (record["key"], record["record"]["stage"]) == ("2", "7")
    assert project("page", "show", "1").code == 2


def test_deliveries_are_listed_and_shown_with_their_receipts(project: Project) -> None:
    project("sync")
    listed = project("deliveries", "--state", "confirmed", "--json").json
    shown = project("deliveries", "show", listed[0]["key"], "--json").json
    assert [receipt["outcome"] for receipt in shown["receipts"]] == ["confirmed"]
    assert project("deliveries", "show", "nothing").code == 2
    name = listed[0]["destination"]
    assert project("deliveries", "resolve", listed[0]["key"], "owed", "--reason", "gone").code == 2
    done = project("deliveries", "resolve", "owed", "--destination", name, "--reason", "gone", "--json")
    assert (done.code, done.json) == (0, {"destination": name, "decided": 0, "state": "owed"})
    there = ["--destination", name]
    for which in (["owed"], [listed[0]["key"], "owed", *there], ["owed", *there, "--state", "dead"]):
        assert project("deliveries", "resolve", *which, "--reason", "gone").code == 2


def test_the_database_is_made_and_checked(project: Project) -> None:
    assert project("db", "check").code == 1
    assert project("db", "upgrade", "--json").json["state"] == "ready"
    assert project("db", "check").code == 0


def test_the_config_schema_and_version_need_no_config(project: Project) -> None:
    (project.folder / "config.yaml").unlink()
    assert "sources" in project("config", "schema").json["properties"]
    assert project("version", "--json").json["version"]


def test_no_secret_of_the_config_is_printed(project: Project) -> None:
    project.replace("config.yaml", "    folder: export\n", "    folder: ${SECRET_FOLDER}\n")
    project.replace("config.yaml", "timezone:", "store: postgresql+psycopg://me:${DB_PASSWORD}@127.0.0.1:1/none\ntimezone:")
    result = project("sync", "--json", SECRET_FOLDER="export", DB_PASSWORD="hush-hush-2")
    assert result.code == 5
    assert "hush-hush" not in result.out + result.err


def test_logs_go_to_standard_error_as_json_lines(project: Project) -> None:
    project("pause", "crm", "--reason", "x")
    result = project("sync", "--json", "--log-format", "json")
    assert all(json.loads(line)["level"] for line in result.err.splitlines())
    assert result.json["run"]


def test_the_service_syncs_at_its_slots_and_ends_on_sigterm(project: Project) -> None:
    project.replace("config.yaml", "    mapping: crm.yaml\n", "    mapping: crm.yaml\n    schedule: every 1s\n")
    service = subprocess.Popen(
        [COMMAND, "run", "--log-format", "json"], cwd=project.folder, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (project.folder / "out/kpi-2026-01.csv").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        asked = time.monotonic()
        service.send_signal(signal.SIGTERM)
        _, logged = service.communicate(timeout=30)
    finally:
        service.kill()
    assert time.monotonic() - asked < 10
    assert service.returncode == 0
    events = [json.loads(line)["event"] for line in logged.splitlines() if line.startswith("{")]
    assert events[-1] == "stopped"
    assert {run["status"] for run in project("runs", "--json").json} <= {"ok", "findings"}

"""What a user meets when a source, a file or a program is at fault, by the real command."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.app import App
from connector.testing import FakeClock
from tests.e2e.project import Project
from tests.product.command import Command, add_source, deals, ledger, rows
from tests.product.echo_server import HUBSPOT, SECRETS, echoing

# --- sources ---------------------------------------------------------------------------------------------------------


def test_a_source_that_refuses_us_is_said_and_the_other_s_data_are_there(command: Command) -> None:
    project = Project(command.folder)
    with echoing(status=401) as (url, _):
        add_source(project, HUBSPOT.format(url=url))
        result = command("sync", "--json", **SECRETS)
    assert (result.code, result.json["status"]) == (3, "failed")
    found = {one["source"]: one for one in result.json["sources"]}
    assert all(stream["error"] for stream in found["hub"]["streams"])
    assert [stream["new"] for stream in found["crm"]["streams"]] == [2, 3]
    assert deals(project) == ["1", "2", "3"]
    values = project("kpi", "won_value", "--period", "2026-01", "--json", **SECRETS)
    assert {one["subject"]["key"]: one["value"] for one in values.json} == {"NV001": "1000.50", "NV002": "0.00"}
    assert "connector check hub" in "".join(result.json["next"])


def test_a_source_nobody_answers_for_is_tried_for_seconds_once_not_once_for_each_stream(project: Project) -> None:
    """In this process, on a clock that only counts: five attempts, 0.5 to 4 seconds apart, then exit code 3."""
    clock = FakeClock(datetime(2026, 3, 2, 8, tzinfo=UTC))
    with socket.socket() as taken:  # bound and never listening: each connection is refused at once
        taken.bind(("127.0.0.1", 0))
        add_source(project, HUBSPOT.format(url=f"http://127.0.0.1:{taken.getsockname()[1]}"))
        with closing(App.load(str(project.folder / "config.yaml"), clock, SECRETS)) as app:
            answer = app.sync()
    assert answer.exit_code == 3
    hub = next(one for one in answer.value["sources"] if one["source"] == "hub")
    assert len(hub["streams"]) == 9, "the streams that the preset maps"
    assert all("check base_url" in stream["error"] for stream in hub["streams"])
    assert 7.5 <= sum(clock.slept) < 12
    assert deals(project) == ["1", "2", "3"]


def test_a_record_that_cannot_be_mapped_is_set_aside_and_the_rest_is_there(project: Project) -> None:
    project.replace("export/deals.csv", "Z,700,USD", "Z,seven hundred,USD")
    result = project("sync", "--json")
    assert (result.code, result.json["status"]) == (1, "findings")
    assert deals(project) == ["1", "3"]
    (item,) = project("quarantine", "list", "--json").json
    assert item["item"] == "crm/deals/2"
    assert "deal.amount" in item["reason"]
    assert "seven hundred" not in item["reason"] + result.out + result.err, "a customer's value is in no message"
    project.replace("export/deals.csv", "seven hundred", "700")
    assert project("sync", "--json").json["status"] == "ok"
    assert deals(project) == ["1", "2", "3"]


def test_a_full_pass_suddenly_empty_stops_until_a_person_accepts_it(project: Project) -> None:
    assert project("sync").code == 0
    before, full = ledger(project), (project.folder / "export/deals.csv").read_text()
    project.write("export/deals.csv", full.splitlines()[0] + "\n")
    result = project("sync", "--json")
    assert (result.code, result.json["status"]) == (4, "stopped")
    assert ledger(project) == before
    (stop,) = project("stops", "list", "--json").json
    assert project("stops", "accept", stop["id"], "--reason", "the team was closed").code == 0
    assert deals(project) == [], "it is applied at once"
    applied = project("sync", "--json")
    assert applied.code == 0
    assert applied.json["sources"][0]["streams"][1]["deleted"] == 0
    assert project("stops", "list", "--json").json == []


def test_a_refused_stop_leaves_all_as_it_was_and_the_next_good_read_goes_on(project: Project) -> None:
    assert project("sync").code == 0
    before, full = ledger(project), (project.folder / "export/deals.csv").read_text()
    project.write("export/deals.csv", "\n".join(full.splitlines()[:2]) + "\n")  # one of three left: more than 20 % less
    assert project("sync").code == 4
    (stop,) = project("stops", "list", "--json").json
    assert project("stops", "refuse", stop["id"], "--reason", "half an export").code == 0
    assert project("sync").code == 4, "the file is still the same: it stops again"
    project.write("export/deals.csv", full)
    assert project("sync").code == 0
    assert ledger(project) == before


def test_accepting_a_stop_settles_it_for_the_stage_history_of_deleted_deals_too(project: Project) -> None:
    """Facts are kept for ever; they no longer make the next full pass look too small."""
    project.write("export/moves.csv", (project.folder / "export/history.csv").read_text())
    moves = "      moves: {file: moves.csv, key: [deal, at], complete: true}\n"
    project.replace("config.yaml", "destinations:", moves + "destinations:")
    fields = "{deal: deal, pipeline: {const: sales}, to: stage, at: at}"
    entry = f"  - {{entity: stage_transition, stream: moves, fields: {fields}}}\n"
    project.replace("crm.yaml", "tests:\n", f"{entry}tests:\n")
    assert project("sync").code == 0
    known = rows(project, "SELECT count(*) FROM stage_transition")
    project.write("export/moves.csv", "deal,stage,at,by\n3,4,2026-01-10T02:00:00Z,o2\n")
    assert project("sync").code == 4
    (stop,) = project("stops", "list", "--json").json
    assert (stop["stream"], stop["shown"], stop["known"]) == ("moves", 1, 7)
    assert project("stops", "accept", stop["id"]).code == 0
    assert [project("sync").code, project("sync").code] == [0, 0]
    assert rows(project, "SELECT count(*) FROM stage_transition") == known


def test_one_path_that_is_refused_fails_no_other_stream(project: Project) -> None:
    """The path that is asked for the vendor's clock may be one we have no right to (here a 400)."""
    with echoing() as (url, _):
        add_source(project, HUBSPOT.format(url=url))
        streams = project("sync", "hub", "--json", **SECRETS).json["sources"][0]["streams"]
    assert {one["stream"] for one in streams if one["error"] is None} == {"owners"}
    for stream in streams[1:]:
        assert stream["stream"] in stream["error"]


# --- files -----------------------------------------------------------------------------------------------------------


def test_every_fault_of_config_and_mapping_is_said_with_its_line_and_nothing_ran(project: Project) -> None:
    project.replace("config.yaml", "currency: USD", "currency: dollars\ncolour: blue")
    project.replace("config.yaml", "adapter: file", "adapter: fyle")
    project.replace("config.yaml", "per: company", "per: firm")
    result = project("sync", "--json")
    assert (result.code, result.json["error"]["class"]) == (2, "ConfigError")
    lines = (project.folder / "config.yaml").read_text().splitlines()
    for text in ("currency: dollars", "colour: blue", "adapter: fyle", "per: firm"):
        number = next(number for number, line in enumerate(lines, 1) if text in line)
        assert f"config.yaml:{number}: " in result.err, text
    assert not (project.folder / "connector.db").exists()


def test_every_fault_of_every_mapping_is_said_at_once(project: Project) -> None:
    add_source(project, "  second: {adapter: csv_folder, mapping: second.yaml, folder: export,\n"
               "    files: {deals: {file: deals.csv, key: id}}}\n")
    mapping = (project.folder / "crm.yaml").read_text()
    project.write("second.yaml", mapping.replace("key: id", "kee: id"))
    project.replace("crm.yaml", "as: money", "as: monney")
    project.replace("crm.yaml", '"2": proposal', '"2": propposal')
    result = project("sync")
    assert result.code == 2
    for file, text in (("crm.yaml", "monney"), ("crm.yaml", "propposal"), ("second.yaml", "kee")):
        lines = (project.folder / file).read_text().splitlines()
        number = next(number for number, line in enumerate(lines, 1) if text in line)
        assert f"{file}:{number}: " in result.err, text
    assert not (project.folder / "connector.db").exists()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [("people.csv", "employee_code,email,name,from\nNV001,an@example.vn,An,soon\n", 2),
     ("people.csv", "code,email\nNV001,an@example.vn\n", 1)],
)
def test_a_people_file_at_fault_is_2_with_its_line(project: Project, name: str, content: str, line: int) -> None:
    project.write(name, content)
    result = project("sync")
    assert result.code == 2
    assert f"{name}:{line}: " in result.err


# --- bugs ------------------------------------------------------------------------------------------------------------

BUGGY = '''\
from adapters.csv_folder import CsvFolder

class Buggy(CsvFolder):
    """CSV files, and a fault nobody foresaw."""

    def records(self, stream, exchanges):
        raise RuntimeError(f"unforeseen in {stream}")
'''


def test_a_bug_is_70_with_the_log_s_place_and_no_traceback(command: Command) -> None:
    project = Project(command.folder)
    project.write("buggy.py", BUGGY)
    add_source(project, "  odd: {adapter: buggy:Buggy, mapping: crm.yaml, folder: export,\n"
               "    files: {owners: {file: owners.csv, key: id}, deals: {file: deals.csv, key: id}}}\n")
    result = command("sync", "--json")
    assert result.code == 70
    log = Path(result.json["error"]["where"])
    assert str(log) in result.err
    assert "unforeseen in" not in result.err
    assert "RuntimeError: unforeseen in" in log.read_text()
    assert rows(project, "SELECT DISTINCT source FROM current_deal") == [("crm",)], "the other source went on"
    project.replace("config.yaml", "adapter: buggy:Buggy", "adapter: csv_folder")
    assert project("sync", "--json").code in (0, 1), "a bug leaves nothing that the next version could not go on from"

"""What a user meets when something is wrong, by the real command in a process of its own."""

from __future__ import annotations

import csv
import json
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from backports import zstd

from connector.app import App
from connector.store.tables import LEDGER
from connector.testing import FakeClock
from tests.e2e.project import COMMAND, Project
from tests.product.command import Command
from tests.product.conftest import database
from tests.product.echo_server import echoing

SECRETS = {"CRM_TOKEN": "pat-na1 tök=en/11%", "HR_PASSWORD": "hr-päss&wort-22"}

HUBSPOT = """\
  hub:
    adapter: hubspot
    mapping: hubspot
    base_url: {url}
    token: ${{CRM_TOKEN}}
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Three deals of two sellers, one CSV destination; the installed command."""
    return Command(tmp_path).fill()


@pytest.fixture
def project(command: Command) -> Project:
    """The same, its command's edge called in this process, which saves seconds where many follow one another."""
    return Project(command.folder)


def rows(project: Project, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(project.folder / "connector.db")) as connection:
        return connection.execute(query).fetchall()


def ledger(project: Project) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows(project, f"SELECT * FROM {name} ORDER BY 1, 2, 3") for name in LEDGER}


def deals(project: Project) -> list[str]:
    return [id_ for (id_,) in rows(project, "SELECT id FROM current_deal ORDER BY id")]


def add_source(project: Project, text: str) -> None:
    project.replace("config.yaml", "sources:\n", f"sources:\n{text}")


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
    assert len(hub["streams"]) == 5
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
    applied = project("sync", "--json")
    assert applied.code == 0
    assert applied.json["sources"][0]["streams"][1]["deleted"] == 3
    assert deals(project) == []
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


# --- our own store ---------------------------------------------------------------------------------------------------

STALLING = '''\
"""An export folder whose database breaks after the first page."""
import os
import psycopg
from adapters.csv_folder import CsvFolder

class Breaking(CsvFolder):
    """CSV files; `BREAK` says what happens to the store before the second stream's page is given."""

    def read(self, stream, window, position=None):
        for page in super().read(stream, window, position):
            if stream == "deals" and os.environ.get("BREAK"):
                with psycopg.connect(os.environ["BREAK_AT"], autocommit=True) as connection:
                    for statement in os.environ["BREAK"].split(";"):
                        connection.execute(statement)
            yield page
'''


@pytest.fixture
def on_postgres(command: Command, postgres_socket: str) -> Iterator[tuple[Project, str, str]]:
    """The project on a PostgreSQL of its own, with a source that can break it: (project, database, server)."""
    name, project = "bad_day", Project(command.folder)
    with database(postgres_socket, name) as url:
        project.write("breaking.py", STALLING)
        project.replace("config.yaml", "timezone:", f"store: {url}\ntimezone:")
        project.replace("config.yaml", "adapter: csv_folder", "adapter: breaking:Breaking")
        yield project, name, f"host={postgres_socket} user=postgres dbname=postgres"


BREAKS = {
    "read-only": "ALTER DATABASE bad_day SET default_transaction_read_only = on;"
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'bad_day'",
    "gone": "ALTER DATABASE bad_day ALLOW_CONNECTIONS false;"
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'bad_day'",
}
MENDS = {
    "read-only": "ALTER DATABASE bad_day RESET default_transaction_read_only",
    "gone": "ALTER DATABASE bad_day ALLOW_CONNECTIONS true",
}


@pytest.mark.parametrize("how", ["read-only", "gone"])
def test_a_database_that_breaks_in_mid_sync_is_5_and_the_cursor_has_not_moved(
    on_postgres: tuple[Project, str, str], how: str
) -> None:
    project, _, server = on_postgres
    assert project("sync").code == 0
    before = _cursor(server)
    project.replace("export/deals.csv", "2,2,2026-01-06T02:00:00Z,700", "2,2,2026-01-06T02:00:00Z,750")
    broken = project.process("sync", "--json", BREAK=BREAKS[how], BREAK_AT=server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(MENDS[how])
    assert (broken.code, broken.json["error"]["class"]) == (5, "StoreError")
    assert _cursor(server) == before
    mended = project("sync", "--json")
    assert (mended.code, mended.json["sources"][0]["streams"][1]["changed"]) == (0, 1)


def _cursor(server: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.replace("dbname=postgres", "dbname=bad_day")) as connection:
        return connection.execute("SELECT source, stream, state FROM cursor WHERE stream = 'deals'").fetchall()


def test_a_disk_that_is_full_is_5_and_the_next_sync_goes_on(project: Project) -> None:
    """A limit on the size of files (`ulimit -f`) makes the same error as a full disk."""
    assert project("sync").code == 0
    cursor = rows(project, "SELECT * FROM cursor ORDER BY 1, 2")
    before = ledger(project)
    many = [f"{number},2,2026-01-06T02:00:00Z,{number},USD,o2" for number in range(10, 8000)]
    full = (project.folder / "export/deals.csv").read_text()
    project.write("export/deals.csv", full + "\n".join(many) + "\n")
    kilobytes = (project.folder / "connector.db").stat().st_size // 1024 + 200
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f {kilobytes}; exec {COMMAND} sync --json"], cwd=project.folder, capture_output=True,
        text=True, check=False, timeout=120,
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert "StoreError" in done.stderr
    assert [row for row in rows(project, "SELECT * FROM cursor ORDER BY 1, 2") if row[1] == "deals"] == [
        row for row in cursor if row[1] == "deals"
    ]
    assert set(before["deal"]) <= set(ledger(project)["deal"])
    assert project("sync").code == 0
    assert len(deals(project)) == len(many) + 3


def test_a_store_that_was_never_reachable_is_5_before_anything_is_read(project: Project, tmp_path: Path) -> None:
    password = "store-päss-44"
    project.replace("config.yaml", "timezone:", "store: postgresql+psycopg://app:${PG}@127.0.0.1:9/none\ntimezone:")
    result = project("sync", "--json", PG=password)
    assert (result.code, result.json["error"]["class"]) == (5, "StoreError")
    assert password not in result.out + result.err
    assert not (project.folder / "out").exists()


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


# --- bugs and secrets ------------------------------------------------------------------------------------------------

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


DESTINATION = """\
  hr:
    adapter: rest
    base_url: {url}/api
    auth:
      login: {{post: /login, body: {{user: connector, password: "${{HR_PASSWORD}}"}}, token: token}}
      header: Token
    find: {{get: /find, query: {{q: "{{kpi}}"}}, rows: items}}
    send: {{post: /kpi-results}}
    body: {{kpi: kpi, value: value}}
"""


def test_a_secret_is_nowhere_not_even_when_the_vendor_repeats_it(command: Command) -> None:
    """Not in the store's bytes or landed bodies, not in files, outputs or logs (design.md section 3, promise 9)."""
    project = Project(command.folder)
    with echoing() as (url, heard):
        add_source(project, HUBSPOT.format(url=url))
        project.replace("config.yaml", "destinations:\n", "destinations:\n" + DESTINATION.format(url=url))
        project.replace("config.yaml", "push: [table]", "push: [table, hr]")
        said = [command("sync", "--json", "--log-format", "json", **SECRETS)]
        said += [project(*words, **SECRETS) for words in (
            ("check", "--json"), ("sync",), ("push", "--dry-run"), ("runs", "--json"), ("deliveries", "list", "--json"),
        )]
        pages = [id_ for (id_,) in rows(project, "SELECT id FROM page WHERE source = 'hub'")]
        assert pages, "a page with the secrets in it was landed"
        said += [project("page", "show", str(page), "--json", **SECRETS) for page in pages[:1]]
    forms = written_forms([*SECRETS.values(), "session-of-today-77"])
    assert any(form in one for form in forms for one in heard), "the secrets did leave for where they belong"
    shown = "\n".join(one.out + one.err for one in said)
    kept = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    with closing(sqlite3.connect(project.folder / "connector.db")) as connection:
        bodies = [content for (content,) in connection.execute("SELECT content FROM body")]
    for form in forms:
        assert form not in shown, form
        for path, content in kept.items():
            assert form.encode() not in content, (form, path)
        for content in bodies:
            assert form.encode() not in zstd.decompress(content), form


def written_forms(secrets: list[str]) -> list[str]:
    """Plain, escaped as in a query and as in a path, JSON-escaped."""
    made = [(secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1]) for secret in secrets]
    return [form for forms in made for form in dict.fromkeys(forms)]


# --- numbers that are no longer there --------------------------------------------------------------------------------


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

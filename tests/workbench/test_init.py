"""`connector init` against the HubSpot account: from an empty folder to paid deals, and a later run that only adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project
from tests.workbench.account import ROOT, TOKEN

ZONE = ("--timezone", "Asia/Ho_Chi_Minh")
RENEWALS = [
    ("998876", "Khách hàng mới", "0.1"), ("998877", "Thẩm định pháp lý", "0.5"), ("998878", "Thương lượng", "0.8"),
    ("998879", "Đã chốt", "1.0"), ("998880", "Thất bại", "0.0"),
]
LEGAL = '      # "998877": {to: ???, name: Thẩm định pháp lý}     # say what it stands for: its name is not one we know'


@pytest.fixture
def empty(tmp_path: Path, twin: HubSpotTwin, clock: FakeClock) -> Project:
    """A folder with nothing in it."""
    return Project(tmp_path / "new", clock)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()


def asked(twin: HubSpotTwin) -> list[str]:
    """The command line for the account."""
    return ["init", "hubspot", "--secret", "HUBSPOT_TOKEN", "--set", f"base_url={twin.url}", *ZONE]


def state(project: Project) -> dict[str, bytes]:
    """Every file but what a sync makes."""
    return {
        str(path.relative_to(project.folder)): path.read_bytes() for path in sorted(project.folder.rglob("*"))
        if path.is_file() and "connector.db" not in path.name
    }


def test_an_empty_folder_checks_and_syncs_at_once(empty: Project, twin: HubSpotTwin) -> None:
    done = empty(*asked(twin), **TOKEN)
    assert done.code == 0, done
    assert sorted(state(empty)) == [
        ".connector/config.schema.json", ".connector/mapping.schema.json", "config.yaml", "mappings/hubspot.yaml",
        "people.example.csv",
    ]
    config = (empty.folder / "config.yaml").read_text("utf-8")
    assert "token: ${HUBSPOT_TOKEN}" in config
    assert "currency: EUR" in config  # the account's own
    assert TOKEN["HUBSPOT_TOKEN"] not in "".join(text.decode() for text in state(empty).values())
    assert (empty.folder / "people.example.csv").read_text("utf-8").splitlines() == [
        "employee_code,email,owner,name", ",ana@example.com,hubspot:5,Ana Alvarez", ",bo@example.com,hubspot:6,Bo Berg",
    ]
    check, sync = empty("check", "--json", **TOKEN), empty("sync", "--json", **TOKEN)
    assert check.code == 0, check
    assert sync.code == 0, sync
    values = empty("kpi", "won_value", "--period", "2026-09", "--json", **TOKEN).json
    # As in test_account, but nobody has said yet who Ana and Bo are: they are the account's owners 5 and 6.
    assert {one["subject"]["key"]: one["value"] for one in values} == {"hubspot:5": "1000.50", "hubspot:6": "1250.50"}


def test_what_it_says_is_in_the_docs_and_a_stage_it_does_not_know_waits(empty: Project, twin: HubSpotTwin) -> None:
    """A second pipeline with Vietnamese names: one of them says nothing, so nothing is made of it."""
    twin.portal.add_pipeline("75e28846", "Gia hạn", RENEWALS)
    page = (ROOT / "docs" / "init.md").read_text("utf-8")
    first = empty(*asked(twin), **TOKEN)
    assert (first.code, first.err) == (1, "")
    assert "\n".join(line.rstrip() for line in first.out.splitlines()) in page
    mapping = (empty.folder / "mappings" / "hubspot.yaml").read_text("utf-8")
    assert LEGAL in mapping
    pipelines = mapping[mapping.index('  "default":') : mapping.index("\nentities:")]
    assert pipelines in page
    empty("sync", **TOKEN)
    deal = twin.portal.create("deals", {"dealname": "R", "pipeline": "75e28846", "dealstage": "998877"})
    empty.clock.advance(minutes=30)  # type: ignore[union-attr]  # the test's own
    late = empty("sync", "--json", **TOKEN)
    assert late.code == 1
    assert [one["quarantined"] for one in late.json["sources"][0]["streams"] if one["stream"] == "deals"] == [1], deal


def test_a_second_run_adds_what_is_new_and_keeps_every_other_byte(empty: Project, twin: HubSpotTwin) -> None:
    line = asked(twin)
    empty(*line, **TOKEN)
    empty.replace("mappings/hubspot.yaml", "    name: Sales\n", "    name: new-business  # renamed by us\n")
    empty.replace("config.yaml", "sources:\n", "# ours\nsources:\n")
    before = state(empty)
    again = empty(*line, "--json", **TOKEN)
    assert (again.code, state(empty)) == (0, before)
    assert {one["state"] for one in again.json["files"]} == {"unchanged"}
    assert "nothing new: no file was changed" in empty(*line, **TOKEN).out

    twin.portal.add_stage("default", ("demo", "Demo", "0.6"))
    twin.portal.archive_stage("qualifiedtobuy")
    done = empty("init", "hubspot", "--json", **TOKEN)
    found = {stage["id"]: stage["state"] for stage in done.json["pipelines"][0]["stages"]}
    # It stands last in order, behind the closed ones, yet less likely than "Contract sent" (0.9): nothing is guessed.
    assert (done.code, found["demo"]) == (1, "open")
    after = state(empty)
    assert {name for name, text in after.items() if text != before[name]} == {"mappings/hubspot.yaml"}
    held = before["mappings/hubspot.yaml"].decode().splitlines()
    new = [line for line in after["mappings/hubspot.yaml"].decode().splitlines() if line not in held]
    assert [line.split(":")[0].strip() for line in new] == ['# "demo"']


def test_another_source_joins_the_config(empty: Project, twin: HubSpotTwin) -> None:
    """In a folder below; relative paths are the config's."""
    empty(*asked(twin), "--dir", "crm", **TOKEN)
    before = state(empty)
    empty.write("crm/export/deals.csv", "id,stage,amount,currency,owner,Khu vực\n1,won,2,EUR,x,HN\n")
    made = empty("init", "csv_folder", "--name", "files", "--set", "folder=export", "--set",
                 "files.deals={file: deals.csv, key: id}", "--config", "crm/config.yaml", "--json", **TOKEN)
    assert {one["path"] for one in made.json["guessed"]} == {"amount", "owner"}
    assert made.code == 1
    said = "no deal has a stage, so none is ever won; say in crm/mappings/files.yaml what its values stand for"
    assert made.json["notes"] == [f"not ready yet: {said}"]
    after = state(empty)
    assert {name for name in after if after[name] != before.get(name)} == {
        "crm/config.yaml", "crm/mappings/files.yaml", "crm/export/deals.csv",
    }
    head, tail = before["crm/config.yaml"].split(b"\ndestinations")
    assert after["crm/config.yaml"].startswith(head)
    assert after["crm/config.yaml"].endswith(tail)
    assert empty("check", "--config", "crm/config.yaml", **TOKEN).code == 0
    assert empty("sync", "--config", "crm/config.yaml", **TOKEN).code == 0


def test_everything_that_is_missing_is_said_at_once_and_nothing_is_written(empty: Project, twin: HubSpotTwin) -> None:
    missing = empty("init", "tryton", "--secret", "TRYTON_KEY")
    assert missing.code == 2
    for said in ("--secret TRYTON_KEY: the environment has no TRYTON_KEY", "--set base_url=…: is missing",
                 "--set database=…: is missing", "--timezone: is missing"):
        assert said in missing.err
    leaked = empty("init", "hubspot", "--set", "token=pat-na1-secret", *ZONE)
    assert leaked.code == 2
    assert "--secret token=VARIABLE" in leaked.err
    assert "pat-na1-secret" not in leaked.err + leaked.out
    wrong = empty(*asked(twin), HUBSPOT_TOKEN="wrong")
    away = empty("init", "hubspot", "--secret", "HUBSPOT_TOKEN", "--set", "base_url=http://127.0.0.1:9", *ZONE, **TOKEN)
    assert (wrong.code, away.code) == (3, 3)
    assert state(empty) == {}

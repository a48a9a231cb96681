"""What a slip of the one who types gets: exit 2, the place, and what is known; and nothing runs."""

from __future__ import annotations

import pytest

from connector.naming import listed
from tests.e2e.project import Project


def test_check_reads_the_people_and_rates_files_and_the_mapping_at_once(project: Project) -> None:
    project.replace("config.yaml", "people: people.csv\n", "people: people.csv\nfx: {file: fx.csv}\n")
    project.write("people.csv", "employee_code,from\nNV001,soon\n")
    project.write("fx.csv", "currency,valid_from,rate\nEUR,2026-01-01,-1\n")
    project.replace("crm.yaml", "owner: owner\n", "owner: owner\n      ownr: owner\n")
    result = project("check", "--json")
    assert result.code == 2
    message = result.json["error"]["message"]
    assert [line.split(": ")[0] for line in message.splitlines()] == ["crm.yaml:14", "people.csv:2", "fx.csv:2"]


def test_a_faulty_config_is_told_with_the_faults_of_the_files_it_names(project: Project) -> None:
    project.replace("config.yaml", "currency: USD\n", "currency: USD\ncurrency: dollars\n")
    project.write("people.csv", "employee_code,from\nNV001,soon\n")
    result = project("sync", "--json")
    assert result.code == 2
    places = [line.split(": ")[0] for line in result.json["error"]["message"].splitlines()]
    assert places == ["config.yaml:3", "config.yaml:3", "people.csv:2"]
    assert not (project.folder / "connector.db").exists()


def test_a_subject_or_part_nobody_knows_is_a_fault_that_lists_the_known_ones(project: Project) -> None:
    project("sync")
    result = project("kpi", "won_value", "--period", "2026-01", "--subject", "zzz")
    assert (result.code, result.out) == (2, "")
    assert "--subject: nobody is known as 'zzz'; known: NV001, NV002, crm:o1, crm:o2" in result.err
    result = project("kpi", "--period", "2026-01", "--by", "stage=zz")
    assert result.code == 2
    assert "--by: no stage is 'zz'; known: 1, 2, 3, 4" in result.err
    assert "connector --help" in result.err


@pytest.mark.parametrize("arguments", [("--subject", "sales"), ("--subject", "new-business"), ("--by", "stage=1")])
def test_what_is_known_and_has_no_value_in_the_period_is_no_fault(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("people.csv", "employee_code,email,name,team,to\nNV001,an@example.vn,An,sales,2020-01-01\n")
    project("sync")
    result = project("kpi", "entries", "--period", "2031-01", *arguments)
    assert result.code == 0, result.err


def test_before_the_first_sync_no_name_of_the_source_is_a_slip(project: Project) -> None:
    for arguments in (("--subject", "NV001"), ("--by", "stage=1")):
        result = project("kpi", "entries", *arguments)
        assert (result.code, result.out) == (0, "no KPI has a value there\n")


def test_who_is_known_today_may_be_asked_for_as_of_any_moment(project: Project) -> None:
    project("sync")
    for arguments in (("--subject", "crm:o1"), ("--by", "stage=1")):
        assert project("kpi", "entries", "--as-of", "2020-01-01", *arguments).code == 0


def test_many_known_names_are_a_few_and_how_many_more() -> None:
    assert listed(f"NV{number}" for number in range(12)) == "NV0, NV1, NV2, NV3, NV4, NV5, NV6, NV7 and 4 more"


def test_resync_of_an_unknown_stream_s_id_lists_the_streams(project: Project) -> None:
    result = project("resync", "crm", "--id", "bad:1", "--id", "deals:2")
    assert result.code == 2
    assert "--id: the mapping reads no 'bad', expected STREAM:ID with one of: owners, deals" in result.err


@pytest.mark.parametrize(
    "arguments",
    [("sync", "nowhere"), ("push", "nowhere"), ("check", "nowhere"), ("pause", "nowhere", "--reason", "x"),
     ("runs", "show", "nothing"), ("deliveries", "show", "nothing"), ("stops", "accept", "nothing")],
)
def test_an_unknown_name_on_the_command_line_is_not_sent_to_the_lines_of_a_file(
    project: Project, arguments: tuple[str, ...]
) -> None:
    result = project(*arguments, "--json")
    error = result.json["error"]
    assert (result.code, error["class"], error["where"]) == (2, "UsageError", "command line")
    assert "lines named" not in error["remedy"]


def test_check_makes_no_file_for_a_database_that_is_not_there_yet(project: Project) -> None:
    project.replace("config.yaml", "destinations:\n", 'destinations:\n  bi: {adapter: sql, url: "sqlite:///bi.db"}\n')
    result = project("check", "bi")
    assert (result.code, "will be made by the first push" in result.out) == (0, True)
    assert not (project.folder / "bi.db").exists()
    project.replace("config.yaml", "sqlite:///bi.db", "sqlite:///no/bi.db")
    assert project("check", "bi").code == 3


def test_a_converter_of_one_s_own_is_found_beside_the_config_also_by_a_rebuild(project: Project) -> None:
    project.write("own_words.py", "def louder(value):\n    return value.upper()\n")
    project.replace("crm.yaml", "name: name}", "name: {path: name, as: own_words.louder}}")
    assert project.process("sync").code == 0
    assert project.process("rebuild").code == 0
    project.replace("config.yaml", "per: person", "per: owner")
    values = project.process("kpi", "won_value", "--json", "--period", "2026-01").json
    assert {one["subject"]["name"] for one in values} == {"AN NGUYEN", "BINH TRAN"}

"""What a file is that somebody would put in force, whose it is, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import ConfigError
from connector.offered import offered
from connector.wiring import Installation

CONFIG = """
timezone: UTC
currency: EUR
people: people.csv
sources:
  crm: {adapter: csv_folder, mapping: crm.yaml, folder: ., files: {deals: {file: d.csv, key: id}}}
  erp: {adapter: csv_folder, mapping: erp.yaml, folder: ., files: {deals: {file: d.csv, key: id}}}
kpis: [{id: won_value, metric: won_value, every: month}]
"""
MAPPING = "entities: [{entity: owner, stream: deals, key: id, fields: {email: email}}]\n"
PEOPLE = "employee_code,email\nE1,a@x.example\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in {"config.yaml": CONFIG, "crm.yaml": MAPPING, "erp.yaml": MAPPING,
                          "people.csv": PEOPLE}.items():
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def told(
    folder: Path, name: str, content: str | None, kind: str | None = None, source: str | None = None
) -> tuple[str, str | None]:
    """The kind, and whose mapping it is."""
    if content is not None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    here = Installation.load("config.yaml")
    try:
        with offered(here, name, kind, source) as offer:
            return offer.kind, offer.source
    finally:
        here.close()


@pytest.mark.parametrize(("name", "content", "kind"), [
    ("people.csv", None, "people"), ("config.yaml", None, "config"),
    ("new.yaml", CONFIG, "config"),
    ("new.csv", "employee_code,email\nE2,b@x.example\n", "people"),
    ("new.yaml", "- {employee_code: E2, email: b@x.example}\n", "people"),
    ("new.csv", "kpi,subject,period,target\nwon_value,company,2026-01,5\n", "targets"),
    ("new.csv", "metric;owner;2026-01\nwon_value;company;5\n", "targets"),
    ("new.csv", "currency,valid_from,rate\nUSD,2026-01-01,0.9\n", "fx"),
    ("new.csv", "date,name\n2026-01-01,New year\n", "holidays"),
])
def test_the_config_the_keys_or_the_columns_tell_what_it_is(
    folder: Path, name: str, content: str | None, kind: str
) -> None:
    assert told(folder, name, content) == (kind, None)


@pytest.mark.parametrize(("name", "source", "whose"), [
    ("erp.yaml", None, "erp"), ("next/crm.yaml", None, "crm"), ("new.yaml", "erp", "erp"),
])
def test_a_mapping_is_of_the_source_asked_for_or_whose_file_has_its_name(
    folder: Path, name: str, source: str | None, whose: str
) -> None:
    assert told(folder, name, MAPPING, None, source) == ("mapping", whose)


@pytest.mark.parametrize(("name", "content", "kind", "source", "fault"), [
    ("new.yaml", MAPPING, None, None, "--source: whose mapping is new.yaml? Expected one of: crm, erp"),
    ("new.yaml", MAPPING, None, "hris", "expected one of: crm, erp"),
    ("new.csv", PEOPLE, None, "crm", "--source: is of a mapping; new.csv is a people table"),
    ("new.csv", "employee_code,date\n", None, None, "--as: new.csv may be people or holidays"),
    ("new.csv", "colour\nred\n", None, None, "--as: new.csv has the keys or columns of none"),
    ("new.txt", "red", None, None, "neither YAML nor a table"),
    ("new.csv", PEOPLE, "staff", None, "--as: staff is nothing that can be offered"),
    ("missing.csv", None, None, None, "missing.csv: cannot be read"),
    ("new.csv", "objective,key_result\n", None, None, "the config has no okrs"),
    ("new.yaml", "entities: [{entity: deal}]\n", None, "crm", "new.yaml:1: entities[0]"),
    ("new.csv", "employee_code,email\nE1,a@x.example\nE2,a@x.example\n", None, None, "new.csv:3: email"),
])
def test_what_cannot_be_offered_says_why(
    folder: Path, name: str, content: str | None, kind: str | None, source: str | None, fault: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        told(folder, name, content, kind, source)
    assert fault in str(raised.value)

"""Each command of the workbench on a real Tryton server: its shipped mapping, its landed records, its live metadata."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from adapters.tryton import Tryton, TrytonSettings
from connector.metadata import OwnerInfo
from connector.ports import Context, SystemClock
from tests.product.tryton_install import SECRETS, Installed, installed
from tests.product.tryton_server import Server
from tests.real_servers import tryton_server
from tests.workbench.account import ROOT

__all__ = ["tryton_server"]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def office(tryton_server: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Synced once."""
    made = installed(tmp_path_factory.mktemp("tryton"), tryton_server)
    assert made.run("sync")["status"] == "ok"
    return made


def test_the_server_tells_what_it_has(tryton_server: dict[str, Any]) -> None:
    """Its states as the one pipeline, its employees, its fields with their selections, its currencies; no record."""
    settings = TrytonSettings.model_validate({
        "base_url": tryton_server["base_url"], "database": tryton_server["database"], "key": tryton_server["rest_key"],
    })
    with closing(Tryton("erp", settings, Context(clock=SystemClock(), zone=UTC))) as source:
        told = source.metadata(["opportunities", "employees", "invoices"])
        assert source.requests == 7  # fields of three models, companies, currencies, employees and their users
    (sale,) = told.pipelines
    assert [(stage.id, stage.outcome) for stage in sale.stages] == [
        ("lead", "open"), ("opportunity", "open"), ("converted", "open"), ("won", "won"), ("lost", "lost"),
        ("cancelled", "lost"),
    ]
    assert (sale.id, sale.stream, sorted(told.fields)) == ("sale", "opportunities", sorted(
        ["opportunities", "employees", "invoices"]))
    assert OwnerInfo("1", "amira@instruments.example", "Amira Haddad") in told.owners
    assert (told.currency, told.currencies) == ("EUR", ("EUR", "GBP", "JPY", "USD"))
    opportunity = told.fields["opportunities"]
    assert opportunity["state"].options["converted"] == "Converted"
    assert {path: opportunity[path].type for path in ("amount", "start_date", "create_date", "party", "history")} == {
        "amount": "number", "start_date": "date", "create_date": "datetime", "party": "reference", "history": "list"}
    assert told.fields["invoices"]["currency.code"].type == "text"


def test_the_tests_of_the_shipped_mapping_hold(office: Installed) -> None:
    assert all(one["ok"] for one in office.run("mapping", "test"))


def test_the_shipped_mapping_and_the_server_have_not_drifted_apart(office: Installed) -> None:
    """Every state, field and selection it reads is there and fits; what the demo data does not need is told as such."""
    (source,) = office.run("sync")["sources"]
    assert source["drift"] == []
    done = office("mapping", "lint", "--json", **SECRETS)
    assert done.code == 1
    (told,) = done.json["sources"]
    assert told["landed_records"] > 20
    assert {one["kind"] for one in told["findings"]} <= {"unused_rule", "low_fill"}
    assert all(one["file"].endswith("tryton.yaml") and one["line"] for one in told["findings"])


def test_a_changed_mapping_is_tried_on_what_is_landed(office: Installed, tryton_server: dict[str, Any]) -> None:
    """Were quotations wins, all of those the server has would leave the open pipeline; nothing of it happens."""
    shipped = (ROOT / "mappings" / "tryton.yaml").read_text("utf-8")
    office.write("new.yaml", shipped.replace('"converted": {to: negotiation', '"converted": {to: closed_won'))
    ledger = office.ledger()
    answer = office.run("mapping", "diff", "new.yaml")
    (moved,) = [one for one in answer["values"] if one["kpi"] == "open"]
    quotations = Server(tryton_server).count("sale.opportunity", ["state", "=", "converted"])
    assert (moved["dimensions"], moved["before"], moved["after"]) == ({"stage": "Converted"}, str(quotations), "0")
    assert office.ledger() == ledger


SHARED = 2  # histories share calls, the more of them the better: a few records take more of them than their part


def test_an_employee_s_records_are_read_again_in_about_the_calls_foreseen(
    office: Installed, tryton_server: dict[str, Any]
) -> None:
    """As many as the server has of her, and nothing changes by it."""
    asked = ("resync", "tryton", "--owner", "amira@instruments.example", "--stream", "opportunities")
    ledger, plan = office.ledger(), office.run(*asked, "--estimate")["plan"]
    (stream,) = office.run(*asked)["sources"][0]["streams"]
    hers = Server(tryton_server).count("sale.opportunity", ["employee", "=", 1])
    assert (stream["records"], stream["unchanged"], plan["streams"][0]["records"]) == (hers, hers, hers)
    assert plan["calls"] <= stream["requests"] <= plan["calls"] * SHARED
    assert office.ledger() == ledger


def test_its_records_are_shown_beside_what_they_become(office: Installed) -> None:
    found = office.run("mapping", "preview", "tryton", "--limit", "3")
    assert [one["fault"] for one in found["records"]] == [None] * 3
    deal = next(row for row in found["records"][0]["rows"] if row["entity"] == "deal")
    stage = next(one for one in deal["fields"] if one["field"] == "stage")
    lines = (ROOT / "mappings" / "tryton.yaml").read_text("utf-8").splitlines()
    assert f'"{stage["raw"]}"' in lines[stage["means"]["line"] - 1], "the line that says what the state is"


def test_a_record_of_it_becomes_a_case(office: Installed) -> None:
    config = (office.folder / "config.yaml").read_text("utf-8")
    shipped = (ROOT / "mappings" / "tryton.yaml").read_text("utf-8")
    key = office.run("mapping", "preview", "tryton", "--limit", "1")["records"][0]["key"]
    office.write("own.yaml", shipped)
    office.write("config.yaml", config.replace("mapping: tryton\n", "mapping: own.yaml\n"))
    tests = office.run("mapping", "test", "tryton", "--record", key)
    office.write("config.yaml", config)
    assert all(one["ok"] for one in tests)
    assert [one["test"].partition(":")[2] for one in tests if one.get("recorded")] == [key]
    assert (office.folder / "own.yaml").read_text("utf-8").startswith(shipped.rstrip())


def test_a_state_that_is_not_mapped_is_one_cause_and_mends_by_itself(
    tryton_server: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """None is set aside once the state is listed again. Without the KPI of leads: an opportunity set aside makes no
    lead either, and since leads are of no pipeline their number was told, so it moves."""
    office = installed(tmp_path_factory.mktemp("short"), tryton_server)
    office.replace("config.yaml", "  - {id: leads, metric: lead_volume, every: month}\n", "")
    shipped = (ROOT / "mappings" / "tryton.yaml").read_text("utf-8")
    line = next(one for one in shipped.splitlines(keepends=True) if one.strip().startswith('"lead":'))
    office.write("own.yaml", shipped.replace(line, ""))
    config = (office.folder / "config.yaml").read_text("utf-8")
    office.write("config.yaml", config.replace("mapping: tryton\n", "mapping: own.yaml\n"))
    assert office("sync", **SECRETS).code == 1
    causes = office.run("quarantine", "causes")
    assert {one["stage"] for one in causes} == {"lead"}
    held = sum(one["records"] for one in causes)
    office.write("own.yaml", shipped)
    assert office.run("sync")["sources"][0]["mended"] == held
    assert office.run("quarantine") == []


def test_an_empty_folder_is_begun_from_the_server(
    office: Installed, tryton_server: dict[str, Any], tmp_path: Path
) -> None:
    """Its fixed states are those of the mapping we ship, so nothing is open; its company's currency is the config's."""
    made = Installed(tmp_path)
    line = ("init", "tryton", "--secret", "TRYTON_KEY", "--set", f"base_url={tryton_server['base_url']}",
            "--set", f"database={tryton_server['database']}", "--timezone", "Asia/Ho_Chi_Minh")
    done = made.run(*line)
    (sale,) = done["pipelines"]
    assert {stage["id"]: (stage["to"], stage["state"]) for stage in sale["stages"]} == {
        "lead": ("prospecting", "shipped"), "opportunity": ("qualification", "shipped"),
        "converted": ("negotiation", "shipped"), "won": ("closed_won", "shipped"), "lost": ("closed_lost", "shipped"),
        "cancelled": ("closed_lost", "shipped"),
    }
    made.run("check")
    made.run("sync")
    assert made.rows("SELECT id, stage, amount FROM current_deal ORDER BY id") == office.rows(
        "SELECT id, stage, amount FROM current_deal ORDER BY id"
    )
    assert {one["state"] for one in made.run(*line)["files"]} == {"unchanged"}

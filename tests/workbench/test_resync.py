"""`connector resync` on the HubSpot account: it takes what it said it would take, and the page shows what it prints."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project, Result
from tests.workbench.account import NOW, TOKEN, filled, installed

PAGE = (Path(__file__).parents[2] / "docs" / "resync.md").read_text("utf-8")
RUN = re.compile(r"2026\d{4}-\d{6}-[0-9a-f]{4}")  # the name of a run ends with four digits that are thrown
CLOCK_CALL = 1  # a run that ends "now" asks once for the vendor's time: it is of no stream, and not in the plan


class Office:
    """The account, and an installation that has synced it. Reading again changes nothing, so all tests share it."""

    def __init__(self, folder: Path, twin: HubSpotTwin, clock: FakeClock) -> None:
        self.twin, self.project = twin, installed(folder, twin, clock)
        assert self.project("sync", **TOKEN).code == 0

    def __call__(self, *arguments: str) -> Result:
        return self.project("resync", "hubspot", *arguments, **TOKEN)

    def counted(self, *arguments: str) -> tuple[int, Any]:
        """How many requests the account has answered for a command, and what the command said."""
        before = len(self.twin.requests)
        answer = self(*arguments, "--json").json
        return len(self.twin.requests) - before, answer


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    clock = FakeClock(NOW)
    with filled(clock) as twin:
        yield Office(tmp_path_factory.mktemp("office"), twin, clock)


@pytest.mark.parametrize(
    "arguments",
    [("--owner", "NV001"), ("--full",), ("--ids",), ("--since", "2026-10-01", "--until", "2026-10-31")],
    ids=["owner", "full", "ids", "window"],
)
def test_it_takes_the_calls_it_was_planned_to_take(office: Office, arguments: tuple[str, ...]) -> None:
    """Also the records, stream by stream: the account stands still."""
    none, estimated = office.counted(*arguments, "--estimate")
    made, run = office.counted(*arguments)
    assert (none, run["status"]) == (0, "ok")
    assert 0 <= made - estimated["plan"]["calls"] <= CLOCK_CALL, (estimated, run)
    planned = {one["stream"]: one["records"] for one in estimated["plan"]["streams"]}
    read = {one["stream"]: one["records"] for one in run["sources"][0]["streams"]}
    assert read == (dict.fromkeys(planned, 0) if "--ids" in arguments else planned)


def test_the_page_shows_what_the_commands_print(project: Project) -> None:
    """An installation of its own: what is left of the day depends on all that was asked before."""
    assert project("sync", **TOKEN).code == 0
    owner = ("--owner", "NV001")
    commands = [(*owner, "--estimate"), ("--since", "2026-10-01", "--stream", "deals", "--dry-run"),
                (*owner, "--reason", "amounts were repaired in the CRM")]
    for arguments in commands:
        result = project("resync", "hubspot", *arguments, **TOKEN)
        print(result.err, result.out, sep="")
        assert result.code == 0
        assert RUN.sub("RUN", result.out) in RUN.sub("RUN", PAGE)


def test_what_was_asked_is_kept_with_its_reason(office: Office) -> None:
    run = office("--pipeline", "sales", "--owner", "ana@example.com", "--reason", "repaired", "--json").json
    asked = {"source": "hubspot", "owner": "ana@example.com", "pipeline": "sales"}
    assert (run["asked"], [one["records"] for one in run["sources"][0]["streams"]]) == (asked, [5])
    shown = office.project("runs", "show", run["run"], "--json", **TOKEN).json
    assert (shown["asked"], shown["reason"]) == (asked, "repaired")
    with sqlite3.connect(office.project.folder / "connector.db") as connection:
        (last,) = connection.execute("SELECT reason FROM audit WHERE action = 'resync' AND subject LIKE ?",
                                     [f"%{run['run']}%"]).fetchall()
    assert last == ("repaired",)


def test_the_quota_is_our_share_of_the_accounts_day_less_what_it_has_answered(office: Office) -> None:
    """By default four fifths of the 650,000 that the account tells are ours."""
    quota = office("--full", "--estimate", "--json").json["plan"]["quota"]
    assert (quota["limit"], quota["limit"] - quota["left"]) == (520_000, len(office.twin.requests))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--owner", "NV009"), "--owner: hubspot has no owner 'NV009'"),
        (("--pipeline", "north"), "--pipeline: the mapping has no pipeline 'north', expected one of: sales"),
        (("--owner", "NV001", "--since", "2026-10-01"), "found --owner/--pipeline and --since/--until"),
        (("--owner", "NV001", "--stream", "owners"), "--stream: owners cannot be read by id"),
        (("--pipeline", "sales", "--stream", "companies"), "--pipeline: no record that is known carries"),
    ],
)
def test_what_cannot_be_asked_is_said(office: Office, arguments: tuple[str, ...], said: str) -> None:
    result = office(*arguments, "--estimate")
    assert (result.code, said in result.err) == (2, True), result.err

"""The command line as such: what is loaded when, what is documented, how answers are printed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from connector.cli import kpis, tables
from connector.cli.main import call
from connector.cli.progress import Progress
from connector.cli.session import cli, console
from connector.cli.values import UsageError, duration, pairs

DOCS = Path(__file__).parents[2] / "docs"
HEAVY = ("duckdb", "pyarrow", "sqlalchemy", "rich", "pydantic", "structlog", "openpyxl", "apscheduler", "requests")
LATER = (
    "init", "reconcile", "forecast", "backup", "keys", "purge", "erase", "worker",
)


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Every command with its full name, such as `runs show`."""
    pending = [("", typer.main.get_command(cli))]
    while pending:
        name, found = pending.pop()
        below = getattr(found, "commands", {})
        pending += [(f"{name} {own}".strip(), one) for own, one in below.items()]
        if name and not below:
            yield name, found


def test_help_loads_nothing_heavy() -> None:
    """Else `connector --help` would take seconds; it took 0.13 s here."""
    code = f"import sys, connector.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_and_option_is_documented() -> None:
    text = (DOCS / "commands.md").read_text("utf-8")
    common = {"--config", "--json", "--log-format", "--help"}
    missing = []
    for name, found in commands():
        options = {option for one in found.params for option in one.opts if option.startswith("--")} - common
        if f"`connector {name}" not in text:
            missing.append(name)
        section = max(re.findall(rf"^### .*`connector {name}\b.*?(?=^##|\Z)", text, re.M | re.S), key=len, default="")
        missing += [f"{name} {option}" for option in options if option not in section]
    assert missing == []


def test_every_documented_command_exists() -> None:
    documented = set(re.findall(r"`connector ((?:[a-z]+ ?)+)", (DOCS / "commands.md").read_text("utf-8")))
    groups = {name.split()[0] for name, _ in commands() if " " in name}
    words = {name for name, _ in commands()} | groups
    assert {found.strip() for found in documented} <= words


def test_commands_of_later_issues_do_not_exist_yet() -> None:
    assert {name.split()[0] for name, _ in commands()}.isdisjoint(LATER)


def test_every_exit_code_is_documented() -> None:
    text = (DOCS / "exit-codes.md").read_text("utf-8")
    assert re.findall(r"^\| (\d+) \|", text, re.M) == ["0", "1", "2", "3", "4", "5", "70", "75"]


@pytest.mark.parametrize("arguments", [["--json", "version"], ["version", "--json"]])
def test_common_options_stand_before_or_after_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(arguments) == 0
    assert capsys.readouterr().out == '{"version": "0.1.0"}\n'


def test_a_group_alone_says_that_a_command_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["page"]) == 2
    assert "UsageError: a command is missing; `connector page --help` lists them." in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("30s", 30), ("5m", 300), ("1h30m", 5400)])
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert duration(text, "--wait") == seconds


def test_what_cannot_be_read_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"--wait soon: .*expected a number with d, h, m or s"):
        duration("soon", "--wait")
    with pytest.raises(UsageError, match=r"--by stage: expected name=value"):
        pairs(["stage"], "--by")


def kpi(value: str | None, unit: str = "money", currency: str | None = "USD", **other: object) -> dict[str, object]:
    return {
        "kpi": "won_value", "metric": "won_value", "subject": {"kind": "person", "key": "NV001", "name": "An"},
        "dimensions": {}, "period": "2026-01", "value": value, "unit": unit, "currency": currency, "status": "open",
        "as_of": "2026-01-31T17:00:00.123456Z", "left_out": {"amount": "0", "rate": "0", "duration": "0"},
        "options": {}, "target": None, "attainment": None, **other,
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (kpi("19000.50"), "19,000.50"),
        (kpi("-0.50"), "-0.50"),
        (kpi("1900000", currency="VND"), "1,900,000"),
        (kpi("0.333333", "0..1", None), "33.3 %"),
        (kpi("12.500000", "days", None), "12.5"),
        (kpi("7", "deals", None), "7"),
        (kpi(None), "–"),
    ],
)
def test_a_number_is_written_as_people_write_it(value: dict[str, object], said: str) -> None:
    assert kpis.readable(value, "value") == said


def test_a_kpi_table_says_what_was_left_out_and_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = {"amount": "2", "rate": "1", "duration": "0"}
    kpis.tables(console(), [kpi("5.00", left_out=left_out, options={"credit": "split"})])
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("won_value · 2026-01 · USD · credit split, as of 2026-01-31 17:00:00Z")
    assert "An 5.00 2 without amount left out, 1 without exchange rate left out" in said


def test_a_weighted_pipeline_may_lack_a_rate_or_a_probability(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = {"amount": "0", "rate": "3", "duration": "0"}
    kpis.tables(console(), [kpi("5.00", metric="weighted_pipeline", left_out=left_out)])
    assert "3 without rate or probability left out" in " ".join(capsys.readouterr().out.split())


def test_a_small_landing_is_not_nothing() -> None:
    assert [tables.size(count) for count in (0, 1, 4_200, 3_456_789)] == ["0 kB", "1 kB", "5 kB", "3.5 MB"]


def test_an_age_has_its_two_largest_units() -> None:
    assert [tables.age(seconds) for seconds in (None, 0.4, 61, 266_400)] == ["", "0 s", "1 min 1 s", "3 d 2 h"]


def test_without_a_terminal_progress_is_one_line_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress("crm", "deals", 500)
        progress("crm", "deals", 20)
    assert capsys.readouterr().err == "crm deals: 520 records\n"


def test_brackets_in_data_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    tables.table(console(), "Deals [all]", ("name",), [("[red]Acme[/red]",)])
    assert "[red]Acme[/red]" in capsys.readouterr().out

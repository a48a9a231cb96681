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
    "reconcile", "forecast", "backup", "keys", "purge", "erase", "worker",
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
        "options": {}, "target": None, "attainment": None, "numerator": None, "denominator": None, "open_share": None,
        **other,
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
        (kpi(None), "no data"),
    ],
)
def test_a_number_is_written_as_people_write_it(value: dict[str, object], said: str) -> None:
    assert kpis.readable(value, "value") == said


def test_a_kpi_table_says_what_was_left_out_and_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = {"amount": "2", "rate": "1", "duration": "0"}
    kpis.tables(console(), [kpi("5.00", left_out=left_out, options={"credit": "split"})])
    said = " ".join(capsys.readouterr().out.split())
    title = "Value of the deals won · won_value · 2026-01 · USD · credit split, as of 2026-01-31 17:00:00Z"
    assert said.startswith(title)
    assert "An 5.00 2 without amount left out, 1 without exchange rate left out" in said


def test_a_weighted_pipeline_may_lack_a_rate_or_a_probability(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = {"amount": "0", "rate": "3", "duration": "0"}
    kpis.tables(console(), [kpi("5.00", metric="weighted_pipeline", left_out=left_out)])
    assert "3 without rate or probability left out" in " ".join(capsys.readouterr().out.split())


def shown(capsys: pytest.CaptureFixture[str], *values: dict[str, object]) -> list[str]:
    """The lines of the table, each with single blanks."""
    kpis.tables(console(), list(values))
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]


def rate(value: str | None, top: str, bottom: str, **other: object) -> dict[str, object]:
    return kpi(value, "0..1", None, metric="win_rate_count", numerator=top, denominator=bottom, **other)


def test_a_share_has_its_counts_beside_it_and_of_nothing_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """R16: 2 of 3, and no 0 % of nothing."""
    lines = shown(capsys, rate("0.666667", "2", "3"), rate(None, "0", "0", subject={"kind": "person", "name": "Binh"}))
    assert lines[0].startswith("Win rate by number · won_value · 2026-01 · percent, as of")
    assert lines[1:] == ["person value counted", "An 66.7 % 2 of 3", "Binh no data 0 of 0"]


def test_no_data_stands_to_the_right_like_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    kpis.tables(console(), [rate("0.666667", "2", "3"), rate(None, "0", "0")])
    some, none = capsys.readouterr().out.splitlines()[4:6]
    assert some.index("%") == none.index("data") + 3
    assert len(some.rstrip()) == len(none.rstrip())


def test_a_mean_says_of_what_and_a_length_of_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    mean = kpi("8666.67", metric="average_deal_value", numerator="26000.00", denominator="3")
    length = kpi("30.937500", "days", None, metric="cycle_length", numerator="123.750000", denominator="4")
    assert shown(capsys, mean)[-1] == "An 8,666.67 26,000.00 / 3"
    assert shown(capsys, length)[-1] == "An 30.9 4"


def test_half_that_is_not_reached_is_no_missing_data(capsys: pytest.CaptureFixture[str]) -> None:
    """R11: of eight deals most are open; of none there is no data."""
    waiting = kpi(None, "days", None, metric="km_time_to_decision", denominator="8", open_share="0.750000")
    nobody = kpi(None, "days", None, metric="km_time_to_decision", denominator="0")
    assert shown(capsys, waiting)[-1] == "An not reached 8"
    assert shown(capsys, nobody)[-1] == "An no data 0"


def test_a_young_cohort_says_how_much_of_it_is_open(capsys: pytest.CaptureFixture[str]) -> None:
    young = rate("0.400000", "2", "5", open_share="0.600000")
    assert shown(capsys, young)[-1] == "An 40.0 % 2 of 5 60.0 % still open"


def test_the_steps_of_a_bridge_stand_as_they_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    """From the opening to the closing, not by the alphabet."""
    steps = [
        kpi("1.00", metric="pipeline_bridge", dimensions={"step": step}) for step in ("closing", "created", "opening")
    ]
    assert [line.split()[1] for line in shown(capsys, *steps)[2:]] == ["opening", "created", "closing"]


def test_a_part_without_a_word_is_none_and_money_a_day_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lost = kpi("1", "deals", None, metric="lost_reasons", dimensions={"reason": ""})
    speed = kpi("2777.78", "money per day", metric="sales_velocity_open")
    assert shown(capsys, lost)[-1] == "An none 1"
    assert "· USD a day, as of" in shown(capsys, speed)[0]


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

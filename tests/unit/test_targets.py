"""The targets file and what sources tell of targets: both forms, and every fault at its line and key."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import openpyxl
import pytest

from connector import people, targets
from connector.errors import ConfigError
from connector.kpi import KpiDefinition
from connector.period import Calendar
from connector.targets import Target

KPIS = {
    "won": KpiDefinition("won", "won_value", per="person"),
    "rate": KpiDefinition("rate", "win_rate_count", per="team"),
    "all_won": KpiDefinition("all_won", "won_value", every="quarter"),
    "by_stage": KpiDefinition("by_stage", "stage_duration", per="team"),
    "faulty": None,
}
STAFF = people.parse(b"employee_code,email\n007,an@x.vn\n008,binh@x.vn\n", "people.csv")
JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


def parse(text: str, name: str = "targets.csv", **given: object) -> list[Target]:
    content = text if isinstance(text, bytes) else text.encode()
    asked = {"kpis": KPIS, "calendar": Calendar(), "currency": "VND", "staff": STAFF, **given}
    return targets.parse(content, name, **asked)  # type: ignore[arg-type]


def faults(text: str, **given: object) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as raised:
        parse(text, **given)
    assert {fault.file for fault in raised.value.faults} == {"targets.csv"}
    return [(fault.line, fault.key) for fault in raised.value.faults]


def message(text: str, **given: object) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(text, **given)
    (fault,) = raised.value.faults
    return fault.message


# --- both forms ------------------------------------------------------------------------------------------------------


def test_the_long_form_has_a_row_for_each_target() -> None:
    assert parse("kpi,subject,period,target,currency\nwon,007,2026-01,20000000,VND\nall_won,company,2026-Q1,5,\n") == [
        Target("won", "007", JANUARY, Decimal(20_000_000)), Target("all_won", "company", JANUARY, Decimal(5)),
    ]


def test_the_wide_form_has_a_column_for_each_period_and_an_empty_cell_is_no_target() -> None:
    """Zero is a target: one that cannot be attained."""
    found = parse("kpi,subject,2026-01,2026-02,2026-Q1,remark\nwon,007,100,,,good\nwon,008,0,200.50,,\n"
                  "all_won,company,,,900,\n")
    assert found == [
        Target("won", "007", JANUARY, Decimal(100)), Target("won", "008", JANUARY, Decimal(0)),
        Target("won", "008", FEBRUARY, Decimal("200.50")), Target("all_won", "company", JANUARY, Decimal(900)),
    ]


def test_metric_and_owner_are_names_for_kpi_and_subject() -> None:
    """As in tests/data/edge_cases: a row of a measure speaks of any length, and one of another length is left alone."""
    found = parse("period,owner,metric,target\n2026-01,007,won,100\n2026-Q2,007,won,300\n")
    assert found == [Target("won", "007", JANUARY, Decimal(100))]


def test_a_file_is_read_as_excel_saves_it() -> None:
    """With a byte order mark, semicolons, and the declared decimal comma with its points for thousands."""
    text = "\ufeffkpi;subject;period;target\nwon;007;2026-01;1.500,25\n"
    assert parse(text, decimal=",") == [Target("won", "007", JANUARY, Decimal("1500.25"))]
    assert "decimal" in message(text)


def workbook(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_a_workbook_and_yaml_are_read_too() -> None:
    expected = [Target("won", "007", JANUARY, Decimal("0.3"))]
    assert parse(workbook(["kpi", "subject", "2026-01"], ["won", "007", 0.3]), "targets.xlsx") == expected  # type: ignore[arg-type]
    assert parse('- {kpi: won, subject: "007", period: 2026-01, target: 0.3}\n', "targets.yaml") == expected


def test_a_code_that_is_a_number_may_have_lost_its_zeros() -> None:
    with pytest.raises(ConfigError, match=r"targets\.yaml:1: subject: a number or date where a code belongs"):
        parse("- {kpi: won, subject: 007, period: 2026-01, target: 3}\n", "targets.yaml")


def test_a_month_that_a_table_program_made_a_day_of_is_told_so() -> None:
    content = workbook(["kpi", "subject", "period", "target"], ["won", "007", JANUARY, 3])
    with pytest.raises(ConfigError, match=r"targets\.xlsx:2: Sheet\.period: 2026-01-01 is a day.*format the cell as"):
        parse(content, "targets.xlsx")  # type: ignore[arg-type]


def test_the_fiscal_calendar_says_which_days_a_name_means() -> None:
    """With April as its first month, FY2027-Q1 begins on 2026-04-01."""
    found = parse("kpi,subject,FY2027-Q1\nall_won,company,5\n", calendar=Calendar(fiscal_year_start=4))
    assert found == [Target("all_won", "company", date(2026, 4, 1), Decimal(5))]


# --- faults ----------------------------------------------------------------------------------------------------------


def test_all_faults_of_a_long_table_are_told_at_once() -> None:
    assert faults(
        "kpi,subject,period,target,currency\n"
        "sold,007,2026-01,1,\n"  # no such KPI
        "won,,2026-01,1,\n"
        "won,007,January,1,\n"
        "won,007,2026-Q1,1,\n"  # of another length
        "won,007,2026-03,much,\n"
        "won,007,2026-04,1,USD\n"  # not the reporting currency
        "by_stage,north,2026-01,1,\n"  # split
        "won,007,2026-05,1,\n"
        "won,An@x.vn,2026-05,2,\n"  # 007 again, by e-mail
        "all_won,007,2026-Q1,1,\n"  # the company's
        "rate,north,2026-01,30,\n"  # 30 %, not 30
        "won,007,2026-06,-1,\n"
        ",007,,1,\n"
    ) == [
        (2, "kpi"), (3, "subject"), (4, "period"), (5, "period"), (6, "target"), (7, "currency"), (8, "kpi"),
        (10, "target"), (11, "subject"), (12, "target"), (13, "target"), (14, "kpi"), (14, "period"),
    ]


def test_all_faults_of_a_wide_table_are_told_at_once() -> None:
    assert faults(
        "kpi,subject,2026-01,2026-13,2026-Q1\n"
        "won,007,1,,2\n"
        "won,007,much,5,\n"
        "won,an@x.vn,3,,\n"
    ) == [(1, "2026-13"), (2, "2026-Q1"), (3, "2026-01"), (4, "2026-01")]


def test_a_fault_says_what_is_known_or_expected() -> None:
    head = "kpi,subject,period,target,currency\n"
    assert message(head + "sold,007,2026-01,1,\n") == (
        "there is no KPI of the id 'sold'; known: won, rate, all_won, by_stage, faulty"
    )
    assert message(head + "won,007,2026-Q1,1,\n") == "2026-Q1 is a quarter, and won has a value every month"
    assert message(head + "won,007,2026-01,1,USD\n") == "expected VND, the reporting currency, or an empty cell"
    assert message(head + "won,007,2026-01,1,\nwon,007,2026-01,1,\n") == (
        "007 has a target of won for that period on line 2 too; keep one"
    )
    assert message(head + "by_stage,north,2026-01,1,\n").startswith("by_stage is split by stage")


@pytest.mark.parametrize(
    ("header", "keys"),
    [
        ("kpi,subject,target", ["period"]),
        ("kpi,subject,period", ["target"]),
        ("kpi,subject,currency,remark", ["period"]),  # neither form
        ("period,target", ["kpi", "subject"]),
        ("kpi,subject,period,target,2026-01", ["2026-01"]),  # both forms
        ("kpi,subject,2026", ["2026"]),  # of a fiscal year that begins in April: FY2026
        ("kpi,subject,01/2026", ["01/2026"]),
    ],
)
def test_a_table_of_neither_form_is_a_fault_of_its_header(header: str, keys: list[str]) -> None:
    assert faults(f"{header}\n", calendar=Calendar(fiscal_year_start=4)) == [(1, key) for key in keys]


def test_ids_are_told_apart_by_their_letters_and_emails_are_not() -> None:
    owners = {"won": KpiDefinition("won", "won_value", per="owner")}
    assert len(parse("kpi,subject,2026-01\nwon,crm:a1,1\nwon,crm:A1,2\n", kpis=owners)) == 2
    assert faults("kpi,subject,2026-01\nwon,an@x.vn,1\nwon,An@X.vn,2\n", kpis=owners) == [(3, "2026-01")]


@pytest.mark.parametrize("number", ["1e18", "1e999999999", "0.0000000000000000001", "NaN", "Infinity"])
def test_a_number_out_of_all_proportion_is_a_fault(number: str) -> None:
    assert faults(f"kpi,subject,2026-01\nwon,007,{number}\n") == [(2, "2026-01")]


def test_what_is_at_fault_elsewhere_is_not_judged_here() -> None:
    """A KPI that is at fault itself, and amounts while the reporting currency is."""
    assert parse("kpi,subject,period,target\nfaulty,007,2026-Q1,1\n") == []
    assert len(parse("kpi,subject,period,target,currency\nwon,007,2026-01,1,USD\n", currency="XXX")) == 1


def test_a_point_that_may_stand_between_thousands_is_a_fault_where_three_decimals_would_be_odd() -> None:
    head = "kpi,subject,period,target\n"
    assert "1.500 may be meant as 1500" in message(f"{head}won,007,2026-01,1.500\n")
    for sound in ("1.50", "1.5000", "0.125", "1500.125"):
        assert parse(f"{head}won,007,2026-01,{sound}\n")[0].amount == Decimal(sound)
    assert parse(f"{head}won,007,2026-01,1.500\n", currency="KWD")[0].amount == Decimal("1.5")


def test_what_was_taken_before_stays_what_it_was() -> None:
    content = b"kpi,subject,period,target\nwon,007,2026-01,1.500\n"
    assert targets.kept(content, "t.csv", "", KPIS, Calendar()) == [Target("won", "007", JANUARY, Decimal("1.5"))]


# --- kept and told ---------------------------------------------------------------------------------------------------


def test_an_old_version_is_read_with_its_own_settings_and_what_no_kpi_has_any_more_is_left_out() -> None:
    """The names of its periods are those of its own calendar: FY2026-Q4, from April on, is January to March 2026."""
    content = b"kpi;subject;period;target;currency\ngone;x;2026-01;1;\nwon;007;2026-01;1,5;USD\nwon;007;soon;1;\n" \
              b"rate;north;FY2026-Q4;0,5;\nall_won;company;FY2026-Q4;2;\n"
    settings = '{"currency": "USD", "decimal": ",", "fiscal_year_start": 4}'
    assert targets.kept(content, "t.csv", settings, KPIS, Calendar()) == [
        Target("won", "007", JANUARY, Decimal("1.5")), Target("all_won", "company", JANUARY, Decimal(2)),
    ]


def test_sources_tell_targets_of_whole_values_in_the_reporting_currency() -> None:
    row = {"source": "crm", "id": "1", "kpi": "won", "subject": "7", "period": "2026-01", "target": "3.5",
           "currency": ""}
    others = [{"kpi": "sold"}, {"kpi": "by_stage"}, {"subject": ""}, {"target": ""}, {"period": "2026-Q1"},
              {"period": "soon"}, {"currency": "USD"}]
    found = targets.told([row, *({**row, "id": "2", **other} for other in others)], KPIS, Calendar(), "VND")
    assert found == [Target("won", "7", JANUARY, Decimal("3.5"), "crm")]

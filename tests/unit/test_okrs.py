"""Objectives and key results: each kind of progress by hand, and the table with every fault at its row."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from connector import okr_table, okrs, people
from connector.errors import ConfigError
from connector.kpi import KpiDefinition
from connector.okrs import Current, KeyResult, Milestone
from connector.period import Calendar

KPIS = {
    "rate": KpiDefinition("rate", "win_rate_count", per="person", every="quarter"),
    "monthly": KpiDefinition("monthly", "win_rate_count", per="person"),
    "of_team": KpiDefinition("of_team", "won_value", per="team", every="quarter"),
    "yearly": KpiDefinition("yearly", "won_value", per="person", every="year"),
    "stages": KpiDefinition("stages", "stage_entries", per="person", every="quarter"),
    "faulty": None,
}
STAFF = people.parse(b"employee_code,email,team\nNV1,an@x.vn,north\n", "people.csv")
HEAD = "objective,key_result,person,period,kind,kpi,start,target,current,weight,milestone,points\n"


def result(**told: object) -> KeyResult:
    numbers = {name: Decimal(str(one)) if isinstance(one, int | float) else one for name, one in told.items()}
    return KeyResult("Win more", "Rate", "person", "NV1", "2026-Q1", **numbers)  # type: ignore[arg-type]


def progress(start: float, target: float, current: float | None) -> Fraction | None:
    return okrs.progress(result(start=start, target=target, current=current))


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_is_the_part_of_the_way_that_is_gone_whichever_way_it_leads() -> None:
    """metrics.md: win rate from 0.20 to 0.30, now 0.26: 0.60; days from 40 to 30, now 35: 0.50."""
    assert progress(0.20, 0.30, 0.26) == Fraction("0.6")
    assert progress(40, 30, 35) == Fraction("0.5")


def test_progress_is_never_below_0_or_above_1() -> None:
    assert [progress(40, 30, now) for now in (45, 20)] == [0, 1]


def test_where_start_and_target_are_the_same_or_nothing_is_known_there_is_no_data() -> None:
    assert (progress(3, 3, 3), progress(0, 10, None)) == (None, None)
    assert okrs.progress(result(start=0, target=10, kpi="rate"), Current(None)) is None


def test_a_kpi_tells_how_things_stand() -> None:
    """A third is a third: the value is not rounded before it is compared."""
    assert okrs.progress(result(start=0, target=1, kpi="rate"), Current(Fraction(1, 3))) == Fraction(1, 3)


def test_yes_is_1_and_no_is_0() -> None:
    assert [okrs.progress(result(kind="yes_no", current=one)) for one in (1, 0, None)] == [1, 0, None]


def test_milestones_count_with_their_points() -> None:
    steps = (Milestone("plan", Decimal(1), is_done=True), Milestone("build", Decimal(3), is_done=False))
    assert okrs.progress(result(kind="milestones", milestones=steps)) == Fraction(1, 4)


def test_what_is_to_be_kept_is_the_share_of_the_periods_kept() -> None:
    """0.3 or more in two of three months; a month without data says nothing."""
    told = Current(None, {"2026-01": Fraction("0.3"), "2026-02": Fraction("0.2"), "2026-03": Fraction("0.4")})
    assert okrs.progress(result(kind="keep_above", target=0.3), told) == Fraction(2, 3)
    assert okrs.progress(result(kind="keep_below", target=0.3), told) == Fraction(2, 3)
    assert okrs.progress(result(kind="keep_above", target=0.3), Current(None, {"2026-01": None})) is None


def test_an_objective_is_the_weighted_mean_of_its_key_results() -> None:
    """metrics.md: 0.60 and 0.50: 0.55. One without data leaves its weight to the others."""
    one, two, none = (result(start=0, target=1, current=at, weight=by) for at, by in ((0.6, 1), (0.5, 1), (None, 8)))
    parts = [okrs.part(each) for each in (one, two, none)]
    assert okrs.objective(parts[:2]) == okrs.objective(parts) == Fraction("0.55")
    assert okrs.objective([okrs.part(result(start=0, target=1, current=1, weight=3)), parts[1]]) == Fraction("0.875")


def test_the_colours_are_of_the_company_scale_unless_set() -> None:
    assert [okrs.colour(value, {}) for value in ("0.700000", "0.699999", "0.400000", "0.399999", None)] == [
        "green", "amber", "amber", "red", None,
    ]
    assert okrs.colour("0.600000", {"green": "0.6", "amber": "0.3"}) == "green"


# --- the table -------------------------------------------------------------------------------------------------------


def parse(text: str, every: str = "quarter", **given: object) -> list[KeyResult]:
    asked = {"staff": STAFF, "decimal": ".", **given}
    return okr_table.parse(text.encode(), "okrs.csv", every, KPIS, Calendar(), **asked)  # type: ignore[arg-type]


def faults(text: str, **given: object) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(text, **given)
    return [f"{fault.line}: {fault.key}: {fault.message}" for fault in raised.value.faults]


def test_a_row_is_a_key_result_and_milestones_are_several() -> None:
    found = parse(
        HEAD + "Win more,Rate,an@x.vn,2026-Q1,,rate,0.2,0.3,,2,,\n"
        "Learn,Course,,2026-Q1,,,,,yes,,plan,1\nLearn,Course,,2026-Q1,,,,,,,exam,3\n"
        "Learn,Certificate,NV1,2026-Q1,Yes/No,manual,,,no,,,\n"
    )
    assert found == [
        KeyResult("Win more", "Rate", "person", "NV1", "2026-Q1", "number", "rate", Decimal("0.2"), Decimal("0.3"),
                  None, Decimal(2)),
        KeyResult("Learn", "Course", "company", "company", "2026-Q1", "milestones", milestones=(
            Milestone("plan", Decimal(1), is_done=True), Milestone("exam", Decimal(3), is_done=False))),
        KeyResult("Learn", "Certificate", "person", "NV1", "2026-Q1", "yes_no", current=Decimal(0)),
    ]


def test_the_subject_is_a_person_a_team_or_the_company() -> None:
    head = "objective,key result,subject,period,start,target,current\n"
    found = parse(head + "".join(f"O,{name},{name},2026-Q1,0,1,0\n" for name in ("NV1", "north", "company")))
    assert [(one.kind_of, one.subject) for one in found] == [
        ("person", "NV1"), ("team", "north"), ("company", "company"),
    ]


def test_a_table_without_periods_is_of_all_times() -> None:
    (found,) = parse("objective,key_result,start,target,current\nO,K,0,1,1\n", every="all")
    assert (found.period, found.kind_of) == ("all", "company")
    assert faults("objective,key_result,start,target,current\nO,K,0,1,1\n")[0].startswith("1: period: no such column")


def test_all_faults_of_a_table_are_told_at_once() -> None:
    found = faults(
        HEAD + "Win more,,NV9,2026-01,maybe,sold,1,,x,0,,\n"
        "O,A,NV1,2026-Q1,,rate,0,1,0.5,,,\n"  # the KPI tells current
        "O,B,NV1,2026-Q1,,monthly,0,1,,,,\n"  # another length
        "O,C,NV1,2026-Q1,keep_above,yearly,,1,,,,\n"  # longer than the objective
        "O,D,NV1,2026-Q1,keep_above,,,1,,,,\n"
        "O,E,NV1,2026-Q1,,of_team,0,1,,,,\n"
        "O,F,NV1,2026-Q1,,stages,0,1,,,,\n"
        "O,G,NV1,2026-Q1,yes_no,rate,,,,,,\n"
        "O,H,NV1,2026-Q1,,,0,1,0,,half,\n"  # a milestone makes it one of milestones: current is yes or no
        "O,H,an@x.vn,2026-Q1,,,0,1,0,,,\n"  # an@x.vn is NV1
        "O,I,NV1,2026-Q1,,,,,yes,2,one,\nO,I,NV1,2026-Q1,,,,,yes,3,one,\n"
        "O,J,NV1,2026-Q1,,faulty,0,1,,,,\n"  # told with the config
    )
    assert [": ".join(fault.split(": ")[:2]) for fault in found] == [
        "2: key_result", "2: person", "2: period", "2: kind", "2: kpi", "2: weight", "2: current", "2: target",
        "3: current", "4: kpi", "5: kpi", "6: kpi", "7: kpi", "8: kpi", "9: kpi",
        "11: key_result", "13: weight", "13: milestone",
    ]


def test_a_version_of_the_journal_is_read_without_faults() -> None:
    """What no longer fits is left out, and whose it is, is for those to say who were known then."""
    text = HEAD + "O,A,NV9,2026-Q1,,sold,0,1,,,,\nO,B,NV9,2026-Q1,,,0,1,0,,,\n"
    found = okr_table.kept(text.encode(), "okrs.csv", "quarter", KPIS, Calendar(), ".")
    assert [(one.name, one.kind_of, one.subject) for one in found] == [("B", "person", "NV9")]

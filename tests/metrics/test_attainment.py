"""Targets beside values: kpi_attainment of metrics.md, prorated, by whoever holds them, as known then."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector import attainment, kpi, workdays
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import METRICS
from connector.model import KpiValue, Subject
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .conftest import Ask, asking
from .fill import DATA, Filled, at, edge_cases, ref, stage_rows
from .test_rules import STAGES

HEAD = "kpi,subject,period,target\n"
Build = Callable[..., Ask]

STAFF = (  # An stays, Binh joins on Monday 20 January, Chi leaves on Wednesday 8 January, Dung left in 2024
    "employee_code,owner,email,name,from,to,ignore\n"
    "001,crm:A,,An,2024-01-01,,\n"
    "002,crm:B,binh@x.vn,Binh,2025-01-20,,\n"
    "003,crm:C,,Chi,2024-01-01,2025-01-08,\n"
    "004,crm:D,,Dung,2024-01-01,2024-12-31,\n"
    ",crm:E,,,,,yes\n"
)
HOLIDAYS = "date,name\n2025-01-01,New Year\n2025-01-30,Tet\n"
"""January 2025 has 23 days from Monday to Friday, and so 21 working days: 9 from the 20th on, 5 up to the 8th."""


def build_in(url: str) -> Build:
    """build(targets, told=[rows of target], **files) -> ask: one deal won by each of A to E in January, for 1,000 USD.

    Each took 25 days, from 1 to 26 January; A lost another one.
    """

    def build(targets: str, told: list[dict[str, Any]] | None = None, **files: str) -> Ask:
        store = Filled(url)
        store.put("pipeline", [{"id": "sales", "name": "sales"}]).put("stage", stage_rows(STAGES[:4]))
        store.put("owner", [{"id": name, "name": name, "email": f"{name.lower()}@crm.vn"} for name in "ABCDE"])
        begun, closed = at("2025-01-01T00:00:00+00:00"), at("2025-01-26T00:00:00+00:00")
        owners = {**{name: name for name in "ABCDE"}, "lost": "A"}
        store.put("deal", [
            {"id": id_, "created_at": begun, "amount": 1000_0000, "currency": "USD", "owner": ref(owner)}
            for id_, owner in owners.items()
        ])
        store.put("stage_transition", [
            {"deal": id_, "occurred_at": moment, "sequence": place, "to_pipeline": "sales", "to_stage": stage}
            for id_ in owners
            for place, (moment, stage) in enumerate([(begun, "new"), (closed, "lost" if id_ == "lost" else "won")])
        ])
        for place, (kind, content) in enumerate(files.items()):
            store.file(kind, f"{kind}.csv", content, seen_at=place)
        if targets:
            store.file("targets", "targets.csv", HEAD + targets, seen_at=9)
        store.put("target", told or [])
        store.known_until("2025-04-01T00:00:00+00:00")
        return asking(url, "UTC", "USD")

    return build


@pytest.fixture
def build(tmp_path: Any) -> Build:
    return build_in(f"sqlite:///{tmp_path / 'store.db'}")


def told(values: list[KpiValue]) -> dict[str, tuple[str | None, str | None, str | None]]:
    """value, target and attainment by the key of the subject."""
    return {one.subject.key: (one.value, one.target, one.attainment) for one in values}


# --- what it is ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """tests/data/edge_cases with its targets.csv, as it is."""
    store = edge_cases(f"sqlite:///{tmp_path_factory.mktemp('targets') / 'store.db'}")
    store.file("targets", "targets.csv", (DATA / "edge_cases/targets.csv").read_text(), seen_at=1)
    return asking(store.url, "Asia/Ho_Chi_Minh", "USD")


def test_a_value_attains_its_part_of_the_target(edge: Ask) -> None:
    """E: A January 19 000 / 20 000 = 0.95. February (R12, R13): A 6 000 of 10 000, B 12 000 + 8 000 of 16 000."""
    january, february = (told(edge("won_value", per="owner", periods=[name])) for name in ("2025-01", "2025-02"))
    assert january["crm:A"] == ("19000.00", "20000.00", "0.950000")
    assert january["crm:B"] == ("0.00", None, None)
    assert february["crm:A"] == ("6000.00", "10000.00", "0.600000")
    assert february["crm:B"] == ("20000.00", "16000.00", "1.250000")


@pytest.mark.parametrize(("target", "attained"), [("20", "0.750000"), ("25", "1.000000"), ("10", "0.000000")])
def test_where_lower_is_better_it_is_what_the_value_is_below_twice_the_target(
    build: Build, target: str, attained: str
) -> None:
    """E: cycle target 20 d, actual 25: 2 - 1.25 = 0.75; against 10 d it would be -0.5, and the floor is 0."""
    ask = build(f"cycle_length,company,2025-01,{target}\n")
    (value,) = ask("cycle_length", periods=["2025-01"])
    assert (value.value, value.target, value.attainment) == ("25.000000", f"{target}.000000", attained)


@pytest.mark.parametrize(("how", "target", "attained"), [
    ("difference", "20", "0.750000"), ("quotient", "20", "0.800000"), ("quotient", "50", "2.000000"),
    ("met", "20", "0.000000"), ("met", "25", "1.000000"),
])
def test_where_lower_is_better_it_may_be_target_by_value_or_whether_it_is_met(
    build: Build, how: str, target: str, attained: str
) -> None:
    """25 days: against 20 they are 20 / 25; the target is met from itself on down."""
    ask = build(f"cycle_length,company,2025-01,{target}\n")
    (value,) = ask("cycle_length", periods=["2025-01"], options={"attainment": how})
    assert (value.attainment, (value.options or {})["attainment"]) == (attained, how)


@pytest.mark.parametrize(("how", "target", "attained"), [
    ("quotient", "8000", "0.625000"), ("met", "5000", "1.000000"), ("met", "5000.01", "0.000000"),
])
def test_where_higher_is_better_it_may_be_whether_it_is_met(
    build: Build, how: str, target: str, attained: str
) -> None:
    """5 000 won."""
    ask = build(f"won_value,company,2025-01,{target}\n")
    (value,) = ask("won_value", periods=["2025-01"], options={"attainment": how})
    assert (value.value, value.attainment) == ("5000.00", attained)


def test_of_nothing_there_is_no_quotient() -> None:
    """Target / value, where the value is 0."""
    metric = METRICS["cycle_length"]
    assert attainment.attained(metric, Fraction(0), Fraction(20), "quotient") is None
    assert attainment.attained(metric, Fraction(0), Fraction(20), "met") == "1.000000"


def test_an_attainment_that_a_metric_cannot_have_is_a_fault() -> None:
    for metric, known in (("won_value", "quotient, met"), ("cycle_length", "difference, quotient, met")):
        (fault,) = kpi.validate(KpiDefinition("one", metric, options={"attainment": "half"}))
        assert fault == f"options.attainment: no 'half'; known: {known}"
    (fault,) = kpi.validate(KpiDefinition("one", "coverage", options={"attainment": "met"}))
    assert fault == "options.attainment: coverage has no such option; known: credit"


def test_two_sides_that_do_not_make_the_value_do_not_tell_it_more_exactly() -> None:
    """dso of 150 000 / 450 000 x 30 days against 20: 10 / 20, and not a third of a day by 20; a mean in dong is told to
    the last digit, 100 / 3."""
    assert attainment.exact("10.000000", "150000.00", "450000.00") == 10
    assert attainment.exact("33", "100", "3") == Fraction(100, 3)
    assert attainment.exact("0.333333", "1", "3") == Fraction(1, 3)
    assert attainment.exact("0.000000", "0", "0") == 0


def test_a_ratio_is_divided_before_it_is_rounded(build: Build) -> None:
    """5 won of 6 closed against 0.3: 50 / 18 = 2.777778; the shown 0.833333 / 0.3 would be 2.777777."""
    (value,) = build("win_rate_count,company,2025-01,0.3\n")("win_rate_count", periods=["2025-01"])
    assert (value.value, value.target, value.attainment) == ("0.833333", "0.300000", "2.777778")


def test_a_target_of_nothing_cannot_be_attained(build: Build) -> None:
    (value,) = build("won_value,company,2025-01,0\n")("won_value", periods=["2025-01"])
    assert (value.target, value.attainment) == ("0.00", None)


def test_a_target_is_written_as_its_values_are(build: Build) -> None:
    """Money with its currency's decimals, counts whole where they are and else as given."""
    ask = build("won_value,company,2025-01,1500.5\nwon_count,company,2025-01,10.0\nwon_count,company,2025-02,2.50\n")
    assert [one.target for one in ask("won_value", periods=["2025-01"])] == ["1500.50"]
    assert [one.target for one in ask("won_count", periods=["2025-01", "2025-02"])] == ["10", "2.50"]


# --- who holds it ----------------------------------------------------------------------------------------------------


def test_a_person_who_joins_or_leaves_has_a_part_of_the_target(build: Build) -> None:
    """Binh 21 000 x 9 / 21 = 9 000, of which 1 000 is 1 / 9; Chi 21 000 x 5 / 21; one deal of 10 x 9 / 21: 7 / 30."""
    rows = "".join(f"won_value,{code},2025-01,21000\n" for code in ("001", "002", "003"))
    ask = build(rows + "won_count,002,2025-01,10\nwon_count,002,2025-02,10\n", people=STAFF, holidays=HOLIDAYS)
    found = told(ask("won_value", per="person", periods=["2025-01"]))
    assert {code: found[code][1] for code in ("001", "002", "003")} == {
        "001": "21000.00", "002": "9000.00", "003": "5000.00",
    }
    assert found["002"][2] == "0.111111"
    counts = ask("won_count", per="person", periods=["2025-01", "2025-02"], subject="002")
    assert [(one.target, one.attainment) for one in counts] == [("4.285714", "0.233333"), ("10", "0.000000")]


def test_a_prorated_target_is_exact_until_it_is_shown(build: Build) -> None:
    """20 000 x 9 / 21 = 8 571.428…: 1 000 of it is 7 / 60 = 0.116667."""
    ask = build("won_value,binh@x.vn,2025-01,20000\n", people=STAFF, holidays=HOLIDAYS)
    assert told(ask("won_value", per="person", periods=["2025-01"]))["002"] == ("1000.00", "8571.43", "0.116667")


def test_a_target_is_prorated_by_the_working_days_of_then(build: Build) -> None:
    """With Saturdays worked January 2025 has 25 working days, of which Binh is employed on 10."""
    six = json.dumps({"working_days": [*workdays.WORKED, "saturday"]})
    ask = build("won_value,002,2025-01,20000\n", people=STAFF, holidays=HOLIDAYS, calendar=six)
    assert told(ask("won_value", per="person", periods=["2025-01"]))["002"][1] == "8000.00"


def test_a_change_of_team_is_no_joining(build: Build) -> None:
    staff = "employee_code,owner,team,from,to\n001,crm:A,north,2024-01-01,2025-01-14\n001,,south,2025-01-15,\n"
    ask = build("won_value,001,2025-01,21000\n", people=staff)
    assert told(ask("won_value", per="person", periods=["2025-01"]))["001"][1] == "21000.00"


def test_a_rate_or_a_duration_is_not_prorated(build: Build) -> None:
    """Half a month makes no smaller share and no shorter cycle."""
    ask = build("win_rate_count,002,2025-01,0.5\ncycle_length,002,2025-01,20\n", people=STAFF, holidays=HOLIDAYS)
    assert told(ask("win_rate_count", per="person", periods=["2025-01"]))["002"] == ("1.000000", "0.500000", "2.000000")
    assert told(ask("cycle_length", per="person", periods=["2025-01"]))["002"][1] == "20.000000"


def test_who_is_not_employed_or_is_ignored_holds_no_target(build: Build) -> None:
    """Dung left in 2024 and won a deal all the same; Chi has none left to count in February."""
    rows = "won_value,004,2025-01,100\nwon_value,crm:E,2025-01,100\nwon_value,003,2025-02,100\n"
    ask = build(rows, people=STAFF)
    january = told(ask("won_value", per="person", periods=["2025-01"]))
    assert january["004"] == ("1000.00", None, None)
    assert "crm:E" not in january
    assert "003" not in told(ask("won_value", per="person", periods=["2025-02"]))


@pytest.mark.parametrize("written", ["002", "Binh@x.vn", "crm:B", "B", "b@crm.vn"])
def test_a_person_is_named_by_code_email_or_owner(build: Build, written: str) -> None:
    ask = build(f"won_value,{written},2025-02,100\n", people=STAFF)
    assert told(ask("won_value", per="person", periods=["2025-02"]))["002"] == ("0.00", "100.00", "0.000000")


def test_who_holds_a_target_has_a_value_without_a_member(build: Build) -> None:
    """Additive 0, ratio null; also who is not in what the KPI filters, and who is nobody's, so that a slip is seen."""
    rows = "".join(f"{metric},{who},2025-02,1\n" for metric in ("won_value", "win_rate_count")
                   for who in ("crm:A", "north", "sales", "001", "slip"))
    ask = build(rows, people=STAFF)
    for per, key in (("owner", "crm:A"), ("team", "north"), ("pipeline", "sales")):
        assert told(ask("won_value", per=per, periods=["2025-02"]))[key] == ("0.00", "1.00", "0.000000")
        assert told(ask("win_rate_count", per=per, periods=["2025-02"]))[key] == (None, "1.000000", None)
    filtered = ask("won_value", per="person", where={"owner": "crm:B"}, periods=["2025-02"])
    assert {(one.subject.kind, one.subject.key) for one in filtered} == {
        ("person", "001"), ("person", "002"), ("owner", "north"), ("owner", "sales"), ("owner", "slip"),
    }


def test_an_id_that_two_sources_have_is_guessed_for_nobody(tmp_path: Any) -> None:
    store = edge_cases(f"sqlite:///{tmp_path / 'store.db'}")
    store.put("owner", [{"source": "erp", "id": "A", "name": "another"}])
    store.file("targets", "t.csv", HEAD + "won_value,A,2025-01,20000\nwon_value,crm:B,2025-01,5\n", seen_at=1)
    found = told(asking(store.url, "Asia/Ho_Chi_Minh", "USD")("won_value", per="owner", periods=["2025-01"]))
    assert (found["crm:A"][1], found["erp:A"][1], found["crm:B"][1]) == (None, None, "5.00")
    assert found["A"] == ("0.00", "20000.00", "0.000000")


# --- where it comes from ---------------------------------------------------------------------------------------------


def test_a_target_of_the_file_wins_over_one_a_source_tells(database_url: str) -> None:
    """Of A in January both tell one; the source names its own owner by its id. A retracted one is none."""
    row = {"kpi": "won_value", "period": "2025-01", "target": "500", "currency": "USD"}
    rows = [
        {**row, "id": "1", "subject": "A"}, {**row, "id": "2", "subject": "B"}, {**row, "id": "3", "subject": "crm:C"},
        {**row, "id": "4", "subject": "D", "gone": "deleted"}, {**row, "id": "5", "subject": "E", "currency": "EUR"},
    ]
    ask = build_in(database_url)("won_value,crm:A,2025-01,2000\n", rows)
    found = told(ask("won_value", per="owner", periods=["2025-01"]))
    assert {key: target for key, (_, target, _) in found.items()} == {
        "crm:A": "2000.00", "crm:B": "500.00", "crm:C": "500.00", "crm:D": None, "crm:E": None,
    }


def test_as_of_the_file_is_the_version_of_then(tmp_path: Any) -> None:
    """The first version holds for all earlier times; of a KPI no version knows any more there is none."""
    store = edge_cases(f"sqlite:///{tmp_path / 'store.db'}")
    for moment, target in (("2025-02-10", "20000"), ("2025-03-01", "38000")):
        rows = f"won_value,crm:A,2025-01,{target}\nlong_gone,crm:A,2025-01,1\n"
        store.file("targets", "targets.csv", HEAD + rows, seen_at=at(f"{moment}T00:00:00+00:00"))
    ask = asking(store.url, "Asia/Ho_Chi_Minh", "USD")

    def january(as_of: str | None) -> tuple[str | None, ...]:
        return told(ask("won_value", per="owner", periods=["2025-01"], as_of=as_of))["crm:A"]

    assert january("2025-02-28T00:00:00+00:00")[1:] == ("20000.00", "0.950000")
    assert january("2025-02-04T00:00:00+00:00")[1] == "20000.00"
    assert january(None)[1:] == ("38000.00", "0.500000")


def test_money_of_another_reporting_currency_is_no_target_and_a_count_stays_one(tmp_path: Any) -> None:
    store = edge_cases(f"sqlite:///{tmp_path / 'store.db'}")
    content = HEAD + "won_value,company,2025-01,1\nwon_count,company,2025-01,4\n"
    store.file("targets", "targets.csv", content, seen_at=1, settings='{"currency": "VND", "decimal": "."}')
    ask = asking(store.url, "Asia/Ho_Chi_Minh", "USD")
    assert ask("won_value", periods=["2025-01"])[0].target is None
    assert ask("won_count", periods=["2025-01"])[0].attainment == "0.500000"


def test_what_has_no_number_keeps_its_target(build: Build, tmp_path: Any) -> None:
    """A withheld value, one that nobody knew yet, and a stock of the future."""
    ask = build("won_value,company,2025-01,100\nopen_pipeline,company,2025-05,100\n")
    (withheld,) = ask("won_value", periods=["2025-01"], withheld=[("crm", "sales")])
    assert (withheld.status, withheld.value, withheld.target, withheld.attainment) == ("withheld", None, "100.00", None)
    (future,) = ask("open_pipeline", periods=["2025-05"])
    assert (future.value, future.target, future.attainment) == (None, "100.00", None)
    with open_snapshot(f"sqlite:///{tmp_path / 'store.db'}") as snapshot:
        definition = KpiDefinition("won_value", "won_value")
        (early,) = kpi.compute([definition], snapshot, Calendar(), "USD", periods=["2025-01"], unknown=None)
    assert (early.status, early.target, early.attainment) == ("unknown_before", "100.00", None)


def test_values_asked_with_their_members_and_in_detail_have_their_targets(edge: Ask, tmp_path: Any) -> None:
    store = edge_cases(f"sqlite:///{tmp_path / 'store.db'}")
    store.file("targets", "targets.csv", (DATA / "edge_cases/targets.csv").read_text(), seen_at=1)
    definition, hanoi = KpiDefinition("won_value", "won_value", per="owner"), Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
    with open_snapshot(store.url) as snapshot, kpi.Reading(snapshot, hanoi, "USD") as reading:
        listed = reading.with_members([definition], hanoi.parse("2025-01"))
        one = kpi.detail(definition, snapshot, hanoi, "USD", "2025-01", subject=Subject("owner", "crm:A"))
    assert told([value for value, _ in listed]) == told(edge("won_value", per="owner", periods=["2025-01"]))
    assert [value.attainment for value in one.values] == ["0.950000"]

"""Activities, calls and leads, and what it takes to win: the "E:" examples of metrics.md and the awkward cases."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine

from connector import kpi
from connector.evidence import Evidences
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE
from connector.model import KpiValue, Subject
from connector.period import Calendar
from connector.store.known import KnownRows
from connector.store.snapshot import open_snapshot

from .conftest import Ask
from .fill import ref
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

COMPANY = Subject("company", "company", "")
NEVER_DONE = [{"outcome": "planned"}, {"outcome": "Cancelled"}, {"at": None}, {"at": day("04-02")}, {"gone": "deleted"}]


def by_period(values: list[KpiValue]) -> dict[str, KpiValue]:
    return {value.period: value for value in values}


def by_owner(values: list[KpiValue]) -> dict[str, str | None]:
    return {value.subject.key: value.value for value in values}


def call(lead: str, text: str, owner: str = "A", **more: Any) -> dict[str, Any]:
    """An outbound call to a lead at midnight of that day."""
    return {"id": f"{lead}{text}{owner}", "type": "call", "direction": "out", "at": day(text), "owner": ref(owner),
            "lead": ref(lead), **more}


def lead(id_: str, text: str = "01-01", **more: Any) -> dict[str, Any]:
    return {"id": id_, "created_at": day(text), "owner": ref("A"), **more}


# --- the examples ----------------------------------------------------------------------------------------------------


def test_calls_by_month(edge: Ask) -> None:
    """E: calls January 5, February 2 (X08 at 31 January 17:30Z is 1 February local)."""
    calls = by_period(edge("activity_count", where={"type": "call"}))
    assert [calls[month].value for month in ("2025-01", "2025-02", "2025-03")] == ["5", "2", "0"]
    assert calls["2025-01"].unit == "activities"


def test_activities_by_channel_and_direction_are_those_of_the_one_who_did_them(edge: Ask) -> None:
    values = edge("activity_count", by=["type", "direction"], per="owner", periods=["2025-01"])
    assert {(one.subject.key, *one.dimensions.values()): one.value for one in values if one.value != "0"} == {
        ("crm:A", "call", "out"): "3", ("crm:A", "meeting", "out"): "1",
        ("crm:B", "call", "out"): "2", ("crm:B", "email", "in"): "1", ("crm:B", "email", "out"): "1",
    }


def test_remote_contacts_are_all_but_meetings(edge: Ask) -> None:
    """January: five calls and two mails beside one meeting (X10)."""
    january = by_period(edge("remote_share"))["2025-01"]
    assert (january.numerator, january.denominator, january.value) == ("7", "8", "0.875000")


def test_voicemail_is_not_connected(edge: Ask) -> None:
    """E: January 2/5. February: X08 reached voicemail, X09 somebody."""
    found = by_period(edge("connect_rate"))
    assert [(found[month].numerator, found[month].denominator) for month in ("2025-01", "2025-02", "2025-03")] == [
        ("2", "5"), ("1", "2"), ("0", "0"),
    ]
    assert found["2025-03"].value is None


def test_calls_per_lead_called(edge: Ask) -> None:
    """E: called L01, L02, L05, L06 = 4, calls 7: 1.75. A called three leads four times, B called L05 three times."""
    (value,) = edge("calls_per_lead", every="all")
    assert (value.value, value.numerator, value.denominator, value.unit) == ("1.750000", "7", "4", "ratio")
    assert by_owner(edge("calls_per_lead", every="all", per="owner")) == {
        "crm:A": "1.333333", "crm:B": "3.000000", "crm:C": None,
    }


def test_leads_that_qualified_after_their_first_call(edge: Ask) -> None:
    """E: L01, L06 = 2/4 = 0.50 (L02 was qualified an hour before its first call and does not count)."""
    (value,) = edge("leads_on_calls", every="all")
    assert (value.value, value.numerator, value.denominator) == ("0.500000", "2", "4")
    january = by_period(edge("leads_on_calls"))["2025-01"]  # L01, L02 and L05 were first called then
    assert (january.numerator, january.denominator) == ("1", "3")


@pytest.mark.parametrize(("stat", "minutes"), [("median", "90.000000"), ("p90", "246.000000"), ("mean", "127.500000")])
def test_minutes_from_a_lead_to_its_first_touch(edge: Ask, stat: str, minutes: str) -> None:
    """E: January 30, 300, 60, 120 min, L04 never: median 90; p90 is 120 + 0.7 × 180; the mean 510 / 4."""
    january = by_period(edge("speed_to_lead", options={"stat": stat}))["2025-01"]
    assert (january.value, january.denominator, january.unit) == (minutes, "4", "min")


def test_the_speed_is_that_of_who_touched_the_lead(edge: Ask) -> None:
    """A: 30 and 300; B: 60 and 120."""
    assert by_owner(edge("speed_to_lead", per="owner", periods=["2025-01"])) == {
        "crm:A": "165.000000", "crm:B": "90.000000", "crm:C": None,
    }


def test_a_lead_never_touched_is_a_miss(edge: Ask) -> None:
    """E: within 60 min 2/5 = 0.40; within 120 three."""
    january = by_period(edge("within_sla_share"))["2025-01"]
    assert (january.value, january.numerator, january.denominator) == ("0.400000", "2", "5")
    assert by_period(edge("within_sla_share", options={"sla": 120}))["2025-01"].numerator == "3"
    responded = by_period(edge("responded_share"))["2025-01"]
    assert (responded.value, responded.numerator, responded.denominator) == ("0.800000", "4", "5")


def test_touches_to_win_are_those_of_the_deal_and_its_lead(edge: Ask) -> None:
    """D01: a call to its lead L01 and a meeting; D12 none. February: D02 two calls, D04, D05 and D07 none."""
    found = by_period(edge("touches_to_win"))
    january = found["2025-01"]
    assert (january.value, january.denominator, january.unit) == ("1.000000", "2", "activities")
    assert found["2025-02"].value == "0.000000"
    assert by_period(edge("touches_to_win", options={"stat": "mean"}))["2025-02"].value == "0.500000"


def test_won_value_without_a_meeting(edge: Ask) -> None:
    """January: D01 (10 000) was met, D12 (9 000) not. February: D07 has no amount and is left out of both."""
    found = by_period(edge("remote_won_share"))
    assert (found["2025-01"].numerator, found["2025-01"].denominator) == ("9000.00", "19000.00")
    assert (found["2025-02"].value, found["2025-02"].left_out_amount) == ("1.000000", 1)


def test_as_of_an_earlier_moment_later_activities_are_not_known(edge: Ask) -> None:
    """On 25 January 06:00Z X07 and the rest had not been made; L05 had been touched an hour before."""
    then = {"as_of": "2025-01-25T06:00:00+00:00", "periods": ["2025-01"]}
    assert edge("activity_count", **then)[0].value == "7"
    assert edge("speed_to_lead", **then)[0].denominator == "4"


# --- what was done ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", NEVER_DONE)
def test_what_was_planned_but_not_done_does_not_count(build: Build, given: dict[str, Any]) -> None:
    """Pitfall of section 6: every task counted as completed. Here one was, the other was not (or is no more, R8)."""
    task = {"type": "task", "at": day("02-01"), "owner": ref("A"), "outcome": "done"}
    ask = build({}, {}, activity=[{"id": "1", **task}, {"id": "2", **task, **given}])
    assert ask("activity_count", every="all")[0].value == "1"


def test_activities_of_no_lead_deal_or_owner_count(build: Build) -> None:
    """Identity 3: the sum over owners, with "none" and with those whom only activities name, is the total."""
    done = [{"id": str(place), "type": "online", "at": day("02-01"), "owner": owner}
            for place, owner in enumerate([None, ref("Z"), ref("Z"), ref("A")])]
    ask = build({}, {}, activity=done, owner=[{"id": "A"}])
    assert by_owner(ask("activity_count", per="owner", periods=["2025-02"])) == {
        "crm:A": "1", "crm:Z": "2", "none": "1",
    }
    assert ask("activity_count", periods=["2025-02"])[0].value == "4"
    assert ask("remote_share", periods=["2025-02"])[0].value == "1.000000"


def test_an_activity_is_in_the_pipeline_of_its_deal_or_of_its_lead_s_deal(build: Build) -> None:
    done = [call("L", "01-02"), call("", "01-03", deal=ref("2")), call("", "01-04")]
    ask = build({"1": {}, "2": {}}, {"1": [move("01-01", "new")], "2": [move("01-01", "r_new")]},
                lead=[lead("L", deal=ref("1"))], activity=done)
    assert by_owner(ask("activity_count", per="pipeline", every="all")) == {"sales": "1", "renewal": "1", "none": "1"}


# --- calls and leads -------------------------------------------------------------------------------------------------


def test_a_lead_called_by_two_counts_for_each_but_once_for_all(build: Build) -> None:
    done = [call("L", "01-02"), call("L", "01-03"), call("L", "01-04", "B"), call("M", "02-01", "B")]
    ask = build({}, {}, lead=[lead("L"), lead("M")], activity=done, owner=[{"id": "A"}, {"id": "B"}])
    assert by_owner(ask("leads_called", per="owner", every="all")) == {"crm:A": "1", "crm:B": "2"}
    assert [value.value for value in ask("leads_called")][:2] == ["1", "1"]
    assert ask("leads_called", every="all")[0].value == "2"


def test_calls_to_leads_that_do_not_count_are_calls_all_the_same(build: Build) -> None:
    """R8: the lead is deleted, so nobody was called; an inbound call is none to a lead."""
    done = [call("gone", "01-02"), call("L", "01-03"), call("L", "01-04", direction="in")]
    ask = build({}, {}, lead=[lead("gone", gone="deleted"), lead("L")], activity=done)
    assert ask("activity_count", every="all")[0].value == "3"
    assert ask("connect_rate", every="all")[0].denominator == "2"
    (value,) = ask("calls_per_lead", every="all")
    assert (value.numerator, value.denominator) == ("1", "1")


def test_a_lead_that_jumps_to_a_deal_qualifies_at_that_moment(build: Build) -> None:
    """R5: L has no SQL date, but its deal began after the call; M's began before."""
    leads = [lead("L", deal=ref("1")), lead("M", deal=ref("2"))]
    ask = build({"1": {"created_at": day("01-05")}, "2": {"created_at": day("01-02")}}, {}, lead=leads,
                activity=[call("L", "01-03"), call("M", "01-03")])
    (value,) = ask("leads_on_calls", every="all")
    assert (value.numerator, value.denominator) == ("1", "2")


def test_a_lead_is_first_called_once_by_the_first_owner_in_order(build: Build) -> None:
    """Two calls at one instant, told in any order."""
    ask = build({}, {}, lead=[lead("L", sql_at=day("01-09"))], owner=[{"id": "A"}, {"id": "B"}],
                activity=[call("L", "01-03", "B"), call("L", "01-03", "A"), call("L", "01-04", "B")])
    assert by_owner(ask("leads_on_calls", per="owner", every="all")) == {"crm:A": "1.000000", "crm:B": None}


def test_a_call_that_came_before_its_lead_found_it(build: Build) -> None:
    """L was created at the first of its two calls; M was there before it was called."""
    ask = build({}, {}, lead=[lead("L", "01-03"), lead("M", "01-01")],
                activity=[call("L", "01-03"), call("L", "01-04"), call("M", "01-03"), call("", "01-03")])
    (value,) = ask("new_leads_per_call", every="all")
    assert (value.value, value.numerator, value.denominator) == ("0.250000", "1", "4")


# --- answering leads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"direction": "in"}, {"type": "email", "outcome": "Automatic"}, {"type": "email", "owner": None},
        {"type": "online"}, {"type": "task"}, {"type": "meeting", "direction": "in"}, {"outcome": "planned"},
    ],
)
def test_only_an_outbound_call_mail_or_meeting_of_a_person_is_a_touch(build: Build, given: dict[str, Any]) -> None:
    """The touch is the mail of 2 January; what came the day before is none."""
    done = [call("L", "01-01", **given), call("L", "01-02", type="email")]
    ask = build({}, {}, lead=[lead("L")], activity=done)
    assert ask("speed_to_lead", every="all")[0].value == "1440.000000"


def test_a_meeting_has_no_direction(build: Build) -> None:
    ask = build({}, {}, lead=[lead("L")], activity=[call("L", "01-02", type="meeting", direction=None)])
    assert ask("speed_to_lead", every="all")[0].value == "1440.000000"


def test_a_lead_found_by_a_touch_was_answered_but_nobody_knows_how_fast(build: Build) -> None:
    """R17: a negative time is left out and counted; the lead is no miss."""
    ask = build({}, {}, lead=[lead("L", "01-03")], activity=[call("L", "01-02"), call("L", "01-09")])
    (speed,) = ask("speed_to_lead", every="all")
    assert (speed.value, speed.denominator, speed.left_out_duration) == (None, "0", 1)
    assert ask("within_sla_share", every="all")[0].value == "1.000000"


# --- what it takes to win --------------------------------------------------------------------------------------------

WON = [move("01-01", "new"), move("01-11", "won")]


def test_touches_count_from_the_lead_s_creation_to_the_close_both_included(build: Build) -> None:
    done = [call("L", text) for text in ("01-01", "01-02", "01-11", "01-12")]
    ask = build({"1": {"lead": ref("L")}}, {"1": WON}, lead=[lead("L", "01-02")], activity=done)
    assert ask("touches_to_win", every="all")[0].value == "2.000000"


def test_an_activity_is_of_the_deal_it_names_or_of_each_deal_of_its_lead(build: Build) -> None:
    """Of both deals the call on the 3rd, of the first also the one that names it (and the lead): 2 and 1."""
    done = [call("L", "01-03"), call("L", "01-04", deal=ref("1"))]
    ask = build({"1": {"lead": ref("L")}, "2": {"lead": ref("L")}}, {"1": WON, "2": WON}, lead=[lead("L")],
                activity=done)
    (value,) = ask("touches_to_win", every="all")
    assert (value.value, value.denominator) == ("1.500000", "2")


def test_a_deal_won_before_its_lead_was_created_is_left_out_and_counted(build: Build) -> None:
    """R17."""
    ask = build({"1": {"lead": ref("L")}}, {"1": WON}, lead=[lead("L", "02-01")])
    (value,) = ask("touches_to_win", every="all")
    assert (value.value, value.left_out_duration) == (None, 1)


@pytest.mark.parametrize(
    ("given", "remote"),
    [
        ({"deal": ref("1")}, "0.000000"),
        ({"lead": ref("L"), "at": day("01-01")}, "0.000000"),
        ({"deal": ref("1"), "at": day("01-12")}, "1.000000"),  # after the close
        ({"deal": ref("1"), "outcome": "no_show"}, "1.000000"),
        ({"deal": ref("1"), "type": "online"}, "1.000000"),
        ({}, "1.000000"),
    ],
)
def test_a_deal_is_won_remotely_if_nobody_met_until_its_close(build: Build, given: dict[str, Any], remote: str) -> None:
    meeting = {"id": "m", "type": "meeting", "at": day("01-05"), "owner": ref("A"), **given}
    ask = build({"1": {"lead": ref("L"), "created_at": day("01-03")}}, {"1": [move("01-03", "new"), *WON[1:]]},
                lead=[lead("L")], activity=[meeting])
    assert ask("remote_won_share", every="all")[0].value == remote


# --- members ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "times"), [("calls_to_leads", {"L01": 1, "L02": 2, "L05": 3, "L06": 1}),
                          ("leads_called", {"L01": 1, "L02": 1, "L05": 1, "L06": 1})],
)
def test_each_call_is_a_member_and_each_lead_called_is_one(edge_url: str, metric: str, times: dict[str, int]) -> None:
    calendar = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
    with open_snapshot(edge_url) as snapshot, kpi.Reading(snapshot, calendar, "USD") as reading:
        found = reading.members(KpiDefinition("k", metric, every="all"), COMPANY, "all")
    ids = [member.id for member in found]
    assert {id_: ids.count(id_) for id_ in ids} == times


@pytest.mark.parametrize(
    ("metric", "side", "cited"),
    [
        ("calls_to_leads", "numerator", ["X01", "X02", "X03", "X06", "X07", "X08", "X09"]),
        ("leads_on_calls", "denominator", ["X01", "X02", "X06", "X09"]),
        ("speed_to_lead", "denominator", ["X01", "X02", "X05", "X06", "X09"]),
        ("responded_share", "numerator", ["X01", "X02", "X05", "X06", "X09"]),
        ("within_sla_share", "numerator", ["X01", "X05", "X09"]),
        ("activity_count", "numerator", [f"X{place:02}" for place in range(1, 11)]),
    ],
)
def test_a_member_cites_the_activity_that_makes_it_count(
    edge_url: str, metric: str, side: str, cited: list[str]
) -> None:
    calendar, engine = Calendar(ZoneInfo("Asia/Ho_Chi_Minh")), create_engine(edge_url)
    definition = KpiDefinition("k", metric, every="all")
    with (
        open_snapshot(edge_url) as snapshot, kpi.Reading(snapshot, calendar, "USD") as reading,
        engine.connect() as connection,
    ):
        members = reading.members(definition, COMPANY, "all")
        known = KnownRows(connection, snapshot.as_of, snapshot.known_at)
        evidences = Evidences(CATALOGUE[metric], members, known, kpi.rates(snapshot, "USD"), calendar)
        rows = [one.row for member in members if member.side == side for one in evidences.of(member).cited]
    engine.dispose()
    assert sorted(row["id"] for row in rows if row["entity"] == "activity") == cited

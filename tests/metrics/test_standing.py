"""Open deals that stand still: their age, the time in their stage, the rules by which they are stalled; and expected
closes that are moved later."""

from __future__ import annotations

from typing import Any

import pytest

from connector.model import KpiValue

from .conftest import Ask
from .fill import at, ref
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

COUNT = {"measure": "count"}


def stalled(values: list[KpiValue]) -> dict[str, str | None]:
    """The value of each rule that has one."""
    assert {value.dimensions["rule"] for value in values} == {"by_age", "no_activity", "overdue"}
    return {value.dimensions["rule"]: value.value for value in values if value.value not in {"0", "0.00"}}


# --- ages ------------------------------------------------------------------------------------------------------------


def test_the_age_of_the_only_open_deal(edge: Ask) -> None:
    """E: D06 in hearing since 3 February 03:00Z, on 31 March 00:00 local: 55 d 14 h; created two days before that."""
    found = {value.dimensions["stage"]: value for value in edge("stage_age", periods=["2025-03"])}
    assert (found["hearing"].value, found["hearing"].denominator) == ("55.583333", "1")
    assert found["inquiry"].value is None
    assert edge("deal_age", periods=["2025-03"])[0].value == "57.583333"


def test_ages_of_a_past_month_are_those_at_its_end(edge: Ask) -> None:
    """31 January 17:00Z: D02 and D11 in proposal for 26 d 17 h and 19 d 14 h, D05 for 10 d 14 h, D10 in hearing."""
    values = edge("stage_age", periods=["2025-01"], options={"stat": "mean"}, where={"stage": ["proposal", "hearing"]})
    assert {value.dimensions["stage"]: (value.value, value.numerator, value.denominator) for value in values} == {
        "hearing": ("6.583333", "6.583333", "1"), "proposal": ("18.958333", "56.875000", "3"),
    }
    assert edge("deal_age", periods=["2025-01"])[0].denominator == "4"


def test_the_time_in_a_stage_at_first_sight_is_not_known_and_counted(build: Build) -> None:
    ask = build({"1": {}}, {"1": [move("02-10", "offer", origin="initial")]})
    (value,) = ask("stage_age", every="all", where={"stage": "offer"})
    assert (value.value, value.left_out_duration) == (None, 1)
    assert ask("deal_age", every="all")[0].value == "90.000000"  # 1 January to 1 April


def test_a_deal_that_begins_after_the_instant_is_left_out(build: Build) -> None:
    """R17: its stage was entered in January, its creation says February: a data error at the end of January."""
    ask = build({"1": {"created_at": day("02-10")}}, {"1": [move("01-10", "new")]})
    (value,) = ask("deal_age", periods=["2025-01"])
    assert (value.value, value.denominator, value.left_out_duration) == (None, "0", 1)


# --- stalled ---------------------------------------------------------------------------------------------------------


def test_the_deal_that_is_stalled_by_age_is_not_counted_as_overdue_too(edge: Ask) -> None:
    """E: D06, 55.6 d in hearing, where p75 of the visits is 6 d; its expected close of 15 March has passed."""
    assert stalled(edge("stalled", periods=["2025-03"])) == {"by_age": "7000.00"}
    assert stalled(edge("stalled", periods=["2025-03"], options=COUNT)) == {"by_age": "1"}


def test_what_was_stalled_at_the_end_of_january(edge: Ask) -> None:
    """Proposal by then: visits of 2, 6, 7, 8 days, p75 7.25, so 14: D02 (EUR 5 000 at 1.10) and D11 (2 000)."""
    values = edge("stalled", periods=["2025-01"])
    assert stalled(values) == {"by_age": "7500.00"}
    assert values[0].currency == "USD"
    assert stalled(edge("stalled", periods=["2025-01"], per="owner", subject="crm:A")) == {"by_age": "7500.00"}


def in_new(entered: str, left: str = "") -> list[dict[str, Any]]:
    """The moves of a deal that entered `new` at one instant of 2024 or 2025 and left it at another."""
    return [
        {"occurred_at": at(f"{when}+00:00"), "to_stage": stage}
        for when, stage in ((entered, "new"), (left, "lost")) if when
    ]


def test_three_quarters_of_the_visits_say_what_is_usual(build: Build) -> None:
    """Visits of 10, 20, 30 and 40 days: p75 at rank 3.25 is 32.5 d. To be stalled a deal must be older than that."""
    moves = {f"closed after {days}": in_new("2025-01-01T00:00", left) for days, left in (
        (10, "2025-01-11T00:00"), (20, "2025-01-21T00:00"), (30, "2025-01-31T00:00"), (40, "2025-02-10T00:00"),
    )}
    moves |= {f"{days} d": in_new(since) for days, since in (
        (33, "2025-02-27T00:00"), (32.5, "2025-02-27T12:00"), (32, "2025-02-28T00:00"),
    )}
    ask = build({deal: {} for deal in moves}, moves)
    assert stalled(ask("stalled", every="all", options=COUNT)) == {"by_age": "1"}


@pytest.mark.parametrize(("left", "found"), [
    ("2024-04-01T00:00", {"by_age": "1"}), ("2024-04-01T00:01", {}), ("2025-03-31T23:59", {}),
])
def test_only_visits_that_ended_within_twelve_months_count(build: Build, left: str, found: dict[str, str]) -> None:
    """As of 1 April 2025; the open deal is there for 20 days, usual were some hundred."""
    moves = {"old": in_new("2023-10-01T00:00", left), "open": in_new("2025-03-12T00:00")}
    assert stalled(build({"old": {}, "open": {}}, moves)("stalled", every="all", options=COUNT)) == found


def active(deal: str, on: str, **more: Any) -> dict[str, Any]:
    return {"id": f"{deal} {on}", "type": "call", "direction": "out", "deal": ref(deal), "at": day(on), **more}


MOVED = [move("01-01", "new"), move("03-25", "offer")]


def test_nothing_done_for_thirty_days(build: Build) -> None:
    """As of 1 April: 2 March is 30 days ago. A deal begins with something done; what was only planned was not."""
    deals: dict[str, dict[str, Any]] = {name: {} for name in ("30 d", "29 d", "never", "planned")}
    moves = dict.fromkeys(deals, MOVED) | {"young": [move("03-25", "new")]}
    done = [active("30 d", "02-01"), active("30 d", "03-02"), active("29 d", "03-03"),
            active("planned", "03-20", outcome="planned")]
    ask = build({**deals, "young": {"created_at": day("03-25")}}, moves, activity=done)
    assert stalled(ask("stalled", every="all", options=COUNT)) == {"no_activity": "3"}


def test_an_activity_that_came_later_did_not_help_then(build: Build) -> None:
    """At the end of March nothing had been done since 20 February; as a stock of January it was still young."""
    ask = build({"1": {"created_at": day("01-10")}}, {"1": [move("01-10", "new"), move("01-25", "offer"),
                move("02-19", "new"), move("03-25", "offer")]}, activity=[active("1", "02-20")])
    found = [stalled(ask("stalled", periods=[month], options=COUNT)) for month in ("2025-01", "2025-02", "2025-03")]
    assert found == [{}, {}, {"no_activity": "1"}]


def test_a_source_that_tells_of_no_activities_has_no_deal_without(build: Build) -> None:
    """What is not told is not known to be missing."""
    assert stalled(build({"1": {}}, {"1": MOVED})("stalled", every="all", options=COUNT)) == {}


@pytest.mark.parametrize(("expected_on", "found"), [("2025-03-31", {"overdue": "1000.00"}), ("2025-04-01", {})])
def test_an_expected_day_that_has_passed(build: Build, expected_on: str, found: dict[str, str]) -> None:
    """As of 1 April 00:00: the day itself has not passed."""
    ask = build({"1": {"expected_close_on": expected_on}}, {"1": MOVED})
    assert stalled(ask("stalled", every="all")) == found


def expected(deal: str, *told: tuple[str, str]) -> list[dict[str, Any]]:
    """Changes of a deal's expected close: (day of the change, expected day)."""
    return [{"deal": deal, "field": "expected_close_on", "occurred_at": day(on), "new": new} for on, new in told]


def test_the_expected_day_is_the_one_of_that_time(build: Build) -> None:
    changes = expected("1", ("01-01", "2025-01-20"), ("02-05", "2025-04-20"))
    moves = {"1": [move("01-01", "new"), move("01-25", "offer"), move("02-20", "new"), move("03-25", "offer")]}
    ask = build({"1": {"expected_close_on": "2025-04-20"}}, moves, deal_change=changes)
    found = [stalled(ask("stalled", periods=[month], options=COUNT)) for month in ("2025-01", "2025-02")]
    assert found == [{"overdue": "1"}, {}]


# --- slipping --------------------------------------------------------------------------------------------------------


def test_times_and_days_an_expected_close_was_moved_later(build: Build) -> None:
    """By 10 and by 20 days; a move to an earlier day is none."""
    changes = expected("1", ("01-01", "2025-02-10"), ("01-20", "2025-02-20"), ("02-15", "2025-02-18"),
                       ("03-01", "2025-03-10"))
    ask = build({"1": {"expected_close_on": "2025-03-10"}}, {"1": [move("01-01", "new")]}, deal_change=changes)
    assert [value.value for value in ask("slippage_count")] == ["1", "0", "1", "0"]
    (mean,) = ask("slippage", every="all", options={"stat": "mean"})
    assert (mean.value, mean.numerator, mean.denominator) == ("15.000000", "30.000000", "2")
    assert [value.value for value in ask("slippage")] == ["10.000000", None, "20.000000", None]


def test_what_a_vendor_writes_into_the_field_at_the_close_is_no_slip(build: Build) -> None:
    """HubSpot's close date becomes that of the close; the deal was no longer open then."""
    changes = expected("1", ("01-01", "2025-02-10"), ("02-20", "2025-02-20"))
    ask = build({"1": {"expected_close_on": "2025-02-20"}}, {"1": [move("01-01", "new"), move("02-20", "won")]},
                deal_change=changes)
    assert ask("slippage_count", every="all")[0].value == "0"


def test_a_slip_is_the_one_s_who_owned_the_deal_then(build: Build) -> None:
    """R12."""
    changes = expected("1", ("01-01", "2025-02-10"), ("01-20", "2025-02-20")) + [
        {"deal": "1", "field": "owner", "occurred_at": day(on), "new": ref(owner)}
        for on, owner in (("01-01", "A"), ("01-25", "B"))
    ]
    ask = build({"1": {"expected_close_on": "2025-02-20", "owner": ref("B")}}, {"1": [move("01-01", "new")]},
                deal_change=changes, owner=[{"id": "A"}, {"id": "B"}])
    for credit, whose in (("at_event", {"crm:A": "1", "crm:B": "0"}), ("current", {"crm:A": "0", "crm:B": "1"})):
        values = ask("slippage_count", every="all", per="owner", options={"credit": credit})
        assert {value.subject.key: value.value for value in values} == whose


def test_the_value_that_slipped_out_of_a_month(build: Build) -> None:
    """Expected in February when it began: won 1 000, moved to March 2 000, not yet closed 3 000, lost 4 000, and 500
    whose day was cleared: 2 500 of 10 500. What was expected in March, or came in February, is in neither."""
    open_ = [move("01-01", "new")]
    given = {
        "won": (1_000, "2025-02-10", [*open_, move("02-15", "won")]), "moved": (2_000, "2025-03-10", open_),
        "waiting": (3_000, "2025-02-25", open_), "lost": (4_000, "2025-02-25", [*open_, move("02-20", "lost")]),
        "cleared": (500, None, open_), "march": (7_000, "2025-03-05", open_),
        "came": (9_000, "2025-02-20", [move("02-05", "new")]),
    }
    changes = expected("moved", ("01-01", "2025-02-20"), ("02-18", "2025-03-10"))
    changes += expected("cleared", ("01-01", "2025-02-20"), ("02-10", ""))
    ask = build(
        {deal: {"amount": amount * 10_000, "expected_close_on": on} for deal, (amount, on, _) in given.items()},
        {deal: chain for deal, (_, _, chain) in given.items()}, deal_change=changes,
    )
    (value,) = ask("slipped_value", periods=["2025-02"])
    assert (value.numerator, value.denominator, value.value) == ("2500.00", "10500.00", "0.238095")
    (again,) = [value for value in ask("slipped_value") if value.period == "2025-02"]
    assert again == value  # beside the other months
    assert ask("slipped_value", periods=["2025-01"])[0].value is None  # nothing was open when it began


def test_the_value_is_that_of_the_beginning(build: Build) -> None:
    """800 when February began, 1 000 since the 10th; expected in it, then moved away."""
    changes = expected("1", ("01-01", "2025-02-20"), ("02-18", "2025-03-10")) + [
        {"deal": "1", "field": "amount", "occurred_at": day(on), "new": new}
        for on, new in (("01-01", "8000000"), ("02-10", "10000000"))
    ]
    ask = build({"1": {"expected_close_on": "2025-03-10"}}, {"1": [move("01-01", "new")]}, deal_change=changes)
    (value,) = ask("slipped_value", periods=["2025-02"])
    assert (value.numerator, value.denominator) == ("800.00", "800.00")
    assert ask("slipped_value", periods=["2025-03"])[0].numerator == "0.00"  # still expected in March, 1 000

"""Lost deals that are given back, tried again, and due for a retry."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Ask
from .fill import ref
from .test_edge_cases import by_period
from .test_rules import Build, build, day, move

__all__ = ["build"]

LOST = [move("01-02", "new"), move("01-10", "lost")]
RULE = '{"competitor":40,"default":10,"spam":null}'
SALES = [{"id": "sales", "name": "sales", "recycle": RULE}]


def due(ask: Ask, **given: Any) -> list[str | None]:
    """How many are due at the end of January, February, March and as of 1 April."""
    return [value.value for value in ask("recycle_due", **given)]


# --- the small data set ----------------------------------------------------------------------------------------------


def test_a_retry_names_the_deal_that_was_lost(edge: Ask) -> None:
    """E: D13 retries D03: gap 22 January to 1 March = 38 d; recycled win rate 1/1."""
    assert [value.value for value in edge("recycled_leads")] == ["0", "0", "1"]
    gap = by_period(edge("retry_gap"))["2025-03"]
    assert (gap.value, gap.denominator) == ("38.000000", "1")
    rate = by_period(edge("recycled_win_rate"))["2025-03"]
    assert (rate.value, rate.numerator, rate.denominator) == ("1.000000", "1", "1")
    assert by_period(edge("recycled_win_rate"))["2025-01"].value is None


def test_who_gave_it_back_is_the_owner_of_the_lost_deal_and_the_retry_is_its_own_owner_s(edge: Ask) -> None:
    """R12: D03 belongs to B, D13 to A."""
    given = {"per": "owner", "periods": ["2025-03"]}
    found = {metric: [one.subject.key for one in edge(metric, **given) if one.value not in (None, "0")]
             for metric in ("recycled_leads", "retry_gap", "recycled_win_rate")}
    assert found == {"recycled_leads": ["crm:B"], "retry_gap": ["crm:A"], "recycled_win_rate": ["crm:A"]}


def test_without_a_rule_the_wait_is_ninety_days_and_after_a_competitor_won_longer(edge: Ask) -> None:
    """D10 (competitor, 15 February) is due in August, D11 (no reason, 3 February) in May; D03 came back before."""
    assert due(edge) == ["0", "0", "0"]


# --- given back ------------------------------------------------------------------------------------------------------


def test_a_lead_made_of_a_lost_deal_gives_it_back_once_with_its_new_deal(build: Build) -> None:
    """The lead of 1 February and its deal of 1 March are one return; a second lead in March is another one."""
    ask = build(
        {"1": {}, "2": {"created_at": day("03-01"), "lead": ref("L"), "recycled_from": ref("1")}}, {"1": LOST},
        lead=[{"id": "L", "created_at": day("02-01"), "recycled_from": ref("1")},
              {"id": "M", "created_at": day("03-05"), "recycled_from": ref("1")}],
    )
    assert [value.value for value in ask("recycled_leads")][:3] == ["0", "1", "1"]


def test_the_deal_of_a_recycled_lead_is_a_retry_without_saying_so(build: Build) -> None:
    """Lost 10 January, tried again from 1 March: 50 days; won."""
    ask = build(
        {"1": {}, "2": {"created_at": day("03-01"), "lead": ref("L")}},
        {"1": LOST, "2": [move("03-01", "new"), move("03-09", "won")]},
        lead=[{"id": "L", "created_at": day("02-01"), "recycled_from": ref("1")}],
    )
    assert by_period(ask("retry_gap"))["2025-03"].value == "50.000000"
    assert by_period(ask("recycled_win_rate"))["2025-03"].value == "1.000000"


def test_a_deal_that_was_re_opened_or_that_names_itself_is_no_retry(build: Build) -> None:
    """R7."""
    ask = build({"1": {}, "2": {"recycled_from": ref("2")}}, {"1": [*LOST, move("02-01", "offer")], "2": LOST})
    assert [value.value for value in ask("recycled_leads")] == ["0"] * 4
    assert by_period(ask("recycled_win_rate"))["2025-01"].value is None


def test_a_loss_that_was_undone_was_not_given_back(build: Build) -> None:
    """R7: lost, tried again as another deal, and then re-opened after all; the other deal stays a retry."""
    ask = build(
        {"1": {}, "2": {"created_at": day("02-01"), "recycled_from": ref("1")}},
        {"1": [*LOST, move("02-10", "offer")], "2": [move("02-01", "new"), move("02-20", "lost")]},
    )
    assert [value.value for value in ask("recycled_leads")] == ["0"] * 4
    assert by_period(ask("retry_gap"))["2025-02"].value is None
    assert by_period(ask("recycled_win_rate"))["2025-02"].denominator == "1"


def test_a_retry_begun_before_the_loss_has_a_negative_gap_and_a_loss_without_date_none(build: Build) -> None:
    """R17: two records, so the gap is kept: 5 to 10 January. Deal 3 was lost already when it was first seen."""
    ask = build(
        {"1": {}, "2": {"created_at": day("01-05"), "recycled_from": ref("1")},
         "3": {}, "4": {"created_at": day("01-20"), "recycled_from": ref("3")}},
        {"1": LOST, "3": [move("01-15", "lost", origin="initial")]},
    )
    gap = by_period(ask("retry_gap"))["2025-01"]
    assert (gap.value, gap.denominator, gap.left_out_duration) == ("-5.000000", "1", 1)


# --- due -------------------------------------------------------------------------------------------------------------


def test_a_deal_is_due_when_the_wait_for_its_reason_is_over(build: Build) -> None:
    """All lost on 10 January: after 10 days, after 40 (19 February), never; capital letters make no difference."""
    reasons = {"1": "price", "2": "Competitor", "3": "spam", "4": None}
    ask = build({id_: {"lost_reason": reason} for id_, reason in reasons.items()}, dict.fromkeys(reasons, LOST),
                pipeline=SALES)
    assert due(ask) == ["2", "3", "3", "3"]
    by_reason = ask("recycle_due", by=["reason"], periods=["2025-02"])
    assert {one.dimensions["reason"]: one.value for one in by_reason} == {"price": "1", "Competitor": "1", "": "1"}


def test_the_wait_is_over_at_its_very_end(build: Build) -> None:
    """Lost on 10 January 00:00: due on the 20th from 00:00 on, and not a moment earlier."""
    ask = build({"1": {}}, {"1": LOST}, pipeline=SALES)
    for moment, expected in (("2025-01-19T23:59:59.999999+00:00", "0"), ("2025-01-20T00:00:00+00:00", "1")):
        assert ask("recycle_due", as_of=moment)[0].value == expected


def test_a_deal_is_due_until_somebody_tries_it_again(build: Build) -> None:
    """Due from 20 January; 1 until its retry of 5 March, 2 until its lead of 10 February."""
    ask = build(
        {"1": {}, "2": {}, "3": {"created_at": day("03-05"), "recycled_from": ref("1")}},
        {"1": LOST, "2": LOST}, pipeline=SALES,
        lead=[{"id": "L", "created_at": day("02-10"), "recycled_from": ref("2")}],
    )
    assert due(ask) == ["2", "1", "0", "0"]


def test_a_re_opened_or_deleted_deal_is_not_due_and_a_deleted_retry_is_none(build: Build) -> None:
    """R7, R8."""
    ask = build(
        {"1": {}, "2": {"deleted_at": day("02-01")}, "3": {},
         "4": {"created_at": day("01-15"), "recycled_from": ref("3"), "deleted_at": day("02-01")}},
        {"1": [*LOST, move("03-05", "offer")], "2": LOST, "3": LOST}, pipeline=SALES,
    )
    assert due(ask) == ["1"] * 4  # the third


def test_a_deal_lost_again_waits_from_its_last_loss(build: Build) -> None:
    again = [*LOST, move("02-01", "offer"), move("02-25", "lost")]
    assert due(build({"1": {}}, {"1": again}, pipeline=SALES)) == ["0", "0", "1", "1"]


def test_what_was_lost_is_worth_what_it_was_at_the_close(build: Build) -> None:
    """R13, R14: EUR 1 000 at the rate of 10 January, 1.10; one without amount is left out, and counted so."""
    ask = build(
        {"1": {"currency": "EUR"}, "2": {"amount": None}, "3": {}}, {"1": LOST, "2": LOST, "3": LOST}, pipeline=SALES,
        files={"fx": "currency,valid_from,rate\nEUR,2025-01-01,1.10\nEUR,2025-01-15,1.20\n"},
    )
    value = ask("recycle_due", options={"measure": "value"}, periods=["2025-02"])[0]
    assert (value.value, value.unit, value.currency, value.left_out_amount) == ("2100.00", "money", "USD", 1)
    assert due(ask)[1] == "3"


def test_each_pipeline_has_its_own_wait_and_one_without_a_rule_ninety_days(build: Build) -> None:
    """Renewals lost on 1 January are due on 1 April 00:00, which is the as-of moment here."""
    ask = build({"1": {}, "2": {}}, {"1": LOST, "2": [move("01-01", "r_lost")]},
                pipeline=[*SALES, {"id": "renewal", "name": "renewal"}])
    found = {(one.period, one.subject.key): one.value for one in ask("recycle_due", per="pipeline")}
    assert found["2025-02", "sales"] == "1"
    assert [found[month, "renewal"] for month in ("2025-02", "2025-03", "2025-04")] == ["0", "0", "1"]


def test_a_changed_wait_holds_from_then_on(build: Build) -> None:
    """On 1 February a wait of 10 days became one of 60: whoever asks as of before still gets the answer of then."""
    changed = day("02-01")
    ask = build({"1": {}}, {"1": LOST}, pipeline=[
        {**SALES[0], "replaced_at": changed}, {**SALES[0], "recycle": '{"default":60}', "seen_at": changed},
    ])
    assert due(ask, as_of="2025-01-31T00:00:00+00:00") == ["1"]
    assert due(ask) == ["0", "0", "1", "1"]


@pytest.mark.parametrize("per", ["person", "team", "owner"])
def test_a_stock_of_nobody_is_shown_as_nobody_s(build: Build, per: str) -> None:
    ask = build({"1": {"owner": None}}, {"1": LOST}, pipeline=SALES)
    assert sum(int(one.value or 0) for one in ask("recycle_due", per=per, periods=["2025-02"])) == 1

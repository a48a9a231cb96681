"""The bridge of the open pipeline: every step by hand, and what was created."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.metrics.registry.bridge import WORDS

from .conftest import Ask
from .fill import ref
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

OUT = {"won", "lost", "deleted", "handed_over", "owner_out", "amount_down"}


def steps(ask: Ask, period: str, subject: str = "company", **given: Any) -> dict[str, str]:
    """The steps that are not 0, after a look that they add up."""
    values = [one for one in ask("pipeline_bridge", periods=[period], **given) if one.subject.key == subject]
    found = {one.dimensions["step"]: Decimal(one.value or "0") for one in values}
    assert [*found] == sorted(WORDS)
    flow = sum(-value if word in OUT else value for word, value in found.items() if word != "closing")
    assert flow == found["closing"]
    return {word: str(value) for word, value in found.items() if value}


def change(deal: str, text: str, field: str, new: str) -> dict[str, Any]:
    return {"deal": deal, "field": field, "occurred_at": day(text), "new": new}


def test_the_bridge_of_the_edge_cases_by_hand(edge: Ask) -> None:
    """January opens with nothing; D01, D03, D04, D05, D10, D11, D12 in USD and D02 in EUR (5 500 at 1.10) come in.

    D10 is handed from partner to sales. D01 (10 000) and D12 (9 000) are won, D03 (4 000) and D04 (8 000) lost. It
    ends with 22 500 (ground truth). D05 (12 000) goes from A to B, which the company's bridge tells on both sides.
    """
    assert steps(edge, "2025-01") == {
        "created": "53500.00", "handed_in": "3000.00", "owner_in": "12000.00", "won": "19000.00", "lost": "12000.00",
        "handed_over": "3000.00", "owner_out": "12000.00", "closing": "22500.00",
    }


def test_a_re_opened_deal_comes_in_again_and_rates_revalue_what_stayed(edge: Ask) -> None:
    """D04 re-opened (R7); D02, 5 500 at the end of January, is won at 1.20: 6 000, so 500 are the rate's."""
    assert steps(edge, "2025-02") == {
        "opening": "22500.00", "created": "7000.00", "reopened": "8000.00", "revalued": "500.00",
        "won": "26000.00", "lost": "5000.00", "closing": "7000.00",
    }


def test_in_count_the_bridge_has_no_steps_of_money(edge: Ask) -> None:
    """January: eight in (D08, D09 are gone), two won, two lost (D04's first), four left."""
    count = {"options": {"measure": "count"}}
    assert steps(edge, "2025-01", **count) == {
        "created": "8", "handed_in": "1", "owner_in": "1", "won": "2", "lost": "2", "handed_over": "1",
        "owner_out": "1", "closing": "4",
    }
    assert steps(edge, "2025-02", **count) == {
        "opening": "4", "created": "2", "reopened": "1", "won": "4", "lost": "2", "closing": "1",
    }


def test_one_owner_s_bridge_balances_when_a_deal_changes_hands(edge: Ask) -> None:
    """D05, 12 000, went from A to B on 20 January."""
    found = {owner: steps(edge, "2025-01", f"crm:{owner}", per="owner") for owner in "AB"}
    assert (found["A"]["owner_out"], found["B"]["owner_in"]) == ("12000.00", "12000.00")
    assert (found["A"]["closing"], found["B"]["closing"]) == ("7500.00", "15000.00")  # D02, D11 and D05, D10


def test_a_pipeline_s_bridge_shows_what_was_handed_over(edge: Ask) -> None:
    """R10."""
    assert steps(edge, "2025-01", "partner", per="pipeline") == {"created": "3000.00", "handed_over": "3000.00"}
    assert steps(edge, "2025-01", "sales", per="pipeline")["handed_in"] == "3000.00"


def test_amounts_are_those_known_at_each_step(build: Build) -> None:
    """800 when created; 1 000 from 5 January; 900 from 10 January; the price agreed when it was won, 700, was never in
    the pipeline."""
    changes = [change("1", text, "amount", new) for text, new in
               (("01-01", "8000000"), ("01-05", "10000000"), ("01-10", "9000000"), ("01-20", "7000000"))]
    ask = build({"1": {"amount": 700_0000}}, {"1": [move("01-01", "new"), move("01-20", "won")]}, deal_change=changes)
    assert steps(ask, "2025-01") == {
        "created": "800.00", "amount_up": "200.00", "amount_down": "100.00", "won": "900.00",
    }


@pytest.mark.parametrize("credit", ["at_event", "current"])
def test_owner_stage_and_amount_changed_in_one_save(build: Build, credit: str) -> None:
    """On 10 January all at once: from A to B, to the other pipeline, from 100 to 150. The hands come first, at 100."""
    changes = [
        change("1", "01-01", "amount", "1000000"), change("1", "01-10", "amount", "1500000"),
        change("1", "01-01", "owner", ref("A") or ""), change("1", "01-10", "owner", ref("B") or ""),
    ]
    ask = build({"1": {"amount": 150_0000, "owner": ref("B")}},
                {"1": [move("01-01", "new"), move("01-10", "r_new")]}, deal_change=changes,
                owner=[{"id": owner} for owner in "AB"])
    assert steps(ask, "2025-01") == {
        "created": "100.00", "owner_in": "100.00", "owner_out": "100.00", "handed_in": "100.00",
        "handed_over": "100.00", "amount_up": "50.00", "closing": "150.00",
    }
    for owner in "AB":
        steps(ask, "2025-01", f"crm:{owner}", per="owner", options={"credit": credit})
    assert steps(ask, "2025-01", "renewal", per="pipeline")["amount_up"] == "50.00"


def test_a_month_without_a_move_opens_as_it_closes_and_one_that_has_not_begun_is_empty(build: Build) -> None:
    ask = build({"1": {}}, {"1": [move("01-01", "new")]})
    assert steps(ask, "2025-02") == {"opening": "1000.00", "closing": "1000.00"}
    assert steps(ask, "2025-06") == {}


def test_a_running_period_closes_at_the_as_of_moment(edge: Ask) -> None:
    found = edge("pipeline_bridge", periods=["2025-03"])
    stock = edge("open_pipeline", periods=["2025-03"])
    assert {one.dimensions["step"]: one.value for one in found}["closing"] == stock[0].value == "7000.00"


# --- pipeline_created ------------------------------------------------------------------------------------------------


def test_what_was_created_at_the_amount_it_has_now(edge: Ask) -> None:
    """January 48 000 USD + EUR 5 000 at the rate of 3 January, 1.10; February D06 (D07 has none); March D13."""
    found = edge("pipeline_created")
    assert [(one.value, one.left_out_amount) for one in found] == [("53500.00", 0), ("7000.00", 1), ("5000.00", 0)]


def test_what_was_created_at_its_first_amount(build: Build) -> None:
    changes = [change("1", text, "amount", new) for text, new in (("01-05", "8000000"), ("01-10", "10000000"))]
    ask = build({"1": {}, "2": {"amount": 300_0000}}, {"1": [move("01-01", "new")], "2": [move("01-01", "r_new")]},
                deal_change=changes)
    now, first = (ask("pipeline_created", every="all", options={"amount": word})[0].value for word in ("now", "first"))
    assert (now, first) == ("1300.00", "1100.00")
    by_pipeline = ask("pipeline_created", per="pipeline", periods=["2025-01"])
    assert {one.subject.key: one.value for one in by_pipeline} == {"sales": "1000.00", "renewal": "300.00"}

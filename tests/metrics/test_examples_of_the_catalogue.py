"""The "E:" examples of metrics.md that no family's file has with these very numbers.

Beside them stand those that need no product number of their own: what would be wrong, and what is short.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.metrics import survival

from .conftest import Ask
from .fill import ref
from .test_each_deal import DAY
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

NEW = [move("01-02", "new")]


def value_of(ask: Ask, metric: str, period: str, **given: Any) -> str | None:
    """The one value of a month, or of the period that `every` names."""
    (value,) = ask(metric, periods=[period], **given)
    return value.value


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_cycle_may_run_from_the_entry_into_the_pipeline(edge: Ask) -> None:
    """R10: D10 26 d or 21 d: created on 20 January, handed over to sales on the 25th, lost on 15 February."""
    of_competitor: dict[str, Any] = {"where": {"reason": "competitor"}}
    for start, days in (("created", "26.000000"), ("pipeline", "21.000000")):
        options = {"outcome": "lost", "start": start}
        assert value_of(edge, "cycle_length", "2025-02", options=options, **of_competitor) == days
    created, entered = (edge("cycle_length", options={"start": start}) for start in ("created", "pipeline"))
    assert [one.value for one in created] == [one.value for one in entered]  # nobody else came from another one


def test_a_deal_that_came_back_to_its_first_pipeline_began_there(build: Build) -> None:
    """R10: 1 from new to renewal and back: 40 days; 2 was won there, 10 days after its entry; 3 lost before, in sales,
    then won as a renewal: what it was closed for in sales is no part of it, what in renewal is net of it."""
    ask = build({deal: {"created_at": day("01-02")} for deal in "123"}, {
        "1": [*NEW, move("01-12", "r_new"), move("01-22", "offer"), move("02-11", "won")],
        "2": [*NEW, move("02-01", "r_new"), move("02-11", "r_won")],
        "3": [*NEW, move("01-12", "lost"), move("02-01", "r_new"), move("02-03", "r_lost"), move("02-06", "r_new"),
              move("02-11", "r_won")],
    })
    found = {
        closed: sorted(
            (one.dimensions["pipeline"], one.numerator, one.denominator)
            for one in ask("cycle_length", by="pipeline", periods=["2025-02"],
                           options={"start": "pipeline", "closed": closed, "stat": "mean"})
        )
        for closed in ("in", "net")
    }
    assert found["in"] == [("renewal", "20.000000", "2"), ("sales", "40.000000", "1")]
    assert found["net"] == [("renewal", "17.000000", "2"), ("sales", "40.000000", "1")]


def test_the_owner_at_the_event_or_by_shares(build: Build) -> None:
    """R12: opened by A, B's since 20 January, won on 5 February: B 12 000; split 40/60: A 4 800, B 7 200."""
    owners = [{"deal": "1", "field": "owner", "occurred_at": day(on), "new": ref(owner)}
              for on, owner in (("01-10", "A"), ("01-20", "B"))]
    shares = [{"id": owner, "deal": ref("1"), "owner": ref(owner), "share": share}
              for owner, share in (("A", 400_000), ("B", 600_000))]
    ask = build({"1": {"amount": 12_000_0000, "owner": ref("B")}}, {"1": [move("01-10", "new"), move("02-05", "won")]},
                deal_change=owners, deal_owner=shares, owner=[{"id": "A"}, {"id": "B"}])
    found = {
        credit: {value.subject.key: value.value for value in
                 ask("won_value", per="owner", periods=["2025-02"], options={"credit": credit})}
        for credit in ("at_event", "split")
    }
    assert found == {
        "at_event": {"crm:A": "0.00", "crm:B": "12000.00"}, "split": {"crm:A": "4800.00", "crm:B": "7200.00"},
    }


def test_each_record_is_converted_at_its_own_date(build: Build) -> None:
    """R13: EUR 5 000 is 5 500 at the January rate, 6 000.00 closed on 1 February at 1.20, 6 250 at today's 1.25."""
    rates = "currency,valid_from,rate\nEUR,2025-01-01,1.10\nEUR,2025-02-01,1.20\nEUR,2025-03-01,1.25\n"
    euro = {"amount": 5000_0000, "currency": "EUR"}
    ask = build({"1": euro, "2": euro}, {"1": [*NEW, move("02-01", "won")], "2": [*NEW, move("03-20", "won")]},
                files={"fx": rates})
    assert value_of(ask, "open_pipeline", "2025-01") == "11000.00"  # both open: 2 x 5 500
    assert [value.value for value in ask("won_value")][:3] == ["0.00", "6000.00", "6250.00"]


# --- forecast and coverage -------------------------------------------------------------------------------------------


def test_the_columns_of_the_forecast(build: Build) -> None:
    """Closed 50, commit 100, best 150, pipeline 200: cumulative commit 150, best 300."""
    told = {"Closed": 50, "Commit": 100, "Best Case": 100, "Most Likely": 50, "Pipeline": 200}
    deals = {word: {"amount": amount * 10_000, "expected_close_on": "2025-04-20", "forecast_category": word}
             for word, amount in told.items()}
    ask = build(deals, {**dict.fromkeys(deals, NEW), "Closed": [*NEW, move("04-01", "won")]})
    columns = ("closed", "commit", "best", "pipeline")
    assert [value_of(ask, f"forecast_{name}", "2025-04") for name in columns] == ["50.00", "100.00", "150.00", "200.00"]
    cumulative = {"options": {"cumulative": "yes"}}
    assert value_of(ask, "forecast_commit", "2025-04", **cumulative) == "150.00"
    assert value_of(ask, "forecast_best", "2025-04", **cumulative) == "300.00"


def test_how_much_coverage_is_short(build: Build) -> None:
    """Target 21 000, won so far 0, open expected in Q2 63 000: 3.0; at a value win rate 0.25, 4.0 is needed: short by
    21 000. 5 000 of 20 000 were won in the first quarter; it is 1 April."""
    deals = {"open": {"amount": 63_000_0000, "expected_close_on": "2025-05-20"}, "won": {"amount": 5_000_0000},
             "lost": {"amount": 15_000_0000}}
    chains = {"open": NEW, "won": [*NEW, move("02-01", "won")], "lost": [*NEW, move("02-01", "lost")]}
    ask = build(deals, chains, target=[
        {"id": "t", "kpi": "coverage", "subject": "company", "period": "2025-Q2", "target": "21000", "currency": "USD"},
    ])
    (coverage,) = ask("coverage", every="quarter", periods=["2025-Q2"])
    assert (coverage.value, coverage.denominator) == ("3.000000", "21000.00")
    assert value_of(ask, "win_rate_value", "2025-Q1", every="quarter") == "0.250000"
    needed, missing = 1 / Decimal("0.250000"), Decimal(coverage.denominator or 0)
    assert needed == Decimal("4.0")
    assert needed * missing - Decimal(coverage.numerator or 0) == Decimal("21000.00")


def test_velocity_of_a_whole_ledger(build: Build) -> None:
    """40 x 0.25 x 25 000 / 90 = 2 777.78 per day: of 40 closed in March 10 were won, for 25 000 each, after 90 days."""
    began = day("03-20") - 90 * DAY
    deals = {str(number): {"created_at": began, "amount": 25_000_0000} for number in range(40)}
    chains = {id_: [{"occurred_at": began, "to_stage": "new"}, move("03-20", "won" if int(id_) < 10 else "lost")]
              for id_ in deals}
    assert value_of(build(deals, chains), "sales_velocity_closed", "2025-03") == "2777.78"


# --- contracts -------------------------------------------------------------------------------------------------------


def test_a_contract_signed_a_week_after_the_win(build: Build) -> None:
    """Won 20 Jan, signed 27 Jan: 7 d."""
    ask = build({"1": {}}, {"1": [*NEW, move("01-20", "won")]},
                contract=[{"id": "c", "deal": ref("1"), "sent_at": day("01-21"), "signed_at": day("01-27")}])
    assert value_of(ask, "contract_signed_lag", "2025-01") == "7.000000"


# --- survival, section 10 --------------------------------------------------------------------------------------------

DECIDED, OPEN = [5, 10, 20], [8, 30]
FIVE = {5: (1, 0), 8: (0, 0), 10: (0, 1), 20: (1, 0), 30: (0, 0)}  # day: won, lost; the others are still open


def test_the_median_of_the_closed_ones_alone_is_too_short() -> None:
    """20, where the closed ones alone would say 10."""
    assert (survival.median(DECIDED, OPEN), survival.median(DECIDED, [])) == (20, 10)


@pytest.mark.parametrize(("loss_is", "undecided", "won"), [
    ("a decision", ["0.8000", "0.5333", "0.2667"], ["0.2000", "0.2000", "0.4667"]),
    ("censored", ["0.8000", "0.4000"], ["0.2000", "0.6000"]),
])
def test_a_loss_competes_with_a_win(loss_is: str, undecided: list[str], won: list[str]) -> None:
    """S 0.80, 0.5333, 0.2667; won 0.20 at day 5, 0.4667 at day 20. With the loss as censored 1 - 0.8 x 0.5 = 0.60."""
    rows = [
        (1, days, one, lost if loss_is == "a decision" else 0,
         1 - one - lost if loss_is == "a decision" else 1 - one)
        for days, (one, lost) in FIVE.items()
    ]
    found = survival.curves(rows)[1:]
    assert [f"{left / survival.WHOLE:.4f}" for _, _, left, _ in found] == undecided
    assert [f"{share / survival.WHOLE:.4f}" for _, _, _, share in found] == won

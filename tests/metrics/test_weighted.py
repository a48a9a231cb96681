"""The weighted pipeline by our own history: what a stage has brought, not what somebody set for it."""

from __future__ import annotations

from datetime import date

from .conftest import Ask
from .test_rules import Build, build, day, move

__all__ = ["build"]  # the fixture

EMPIRICAL = {"probability": "empirical"}
SETTLED = {**EMPIRICAL, "base": "settled"}
DAY = 86_400_000_000


def lag(text: str) -> int:
    """Days from then to the first of January 2025."""
    return (date(2025, 1, 1) - date.fromisoformat(text)).days


def months(ask: Ask, **options: str) -> list[str | None]:
    """The values of January to April 2025, the last one now."""
    return [one.value for one in ask("weighted_pipeline", options=options)]


def test_a_stage_s_chance_is_the_share_of_those_that_entered_it_and_were_won(edge: Ask) -> None:
    """D06 (7 000) is in hearing, which 6 deals had entered; 3 of them are won, 2 lost, one is D06 itself.

    At the end of January 2 of the 6 that had entered proposal were won (D01, D12), and 1 of the 5 in hearing:
    D02 5 500 / 3, D05 12 000 / 3, D11 2 000 / 3, D10 3 000 / 5 = 1 833.33 + 4 000 + 666.67 + 600. What became of
    them later counts later."""
    found = {one.period: one.value for one in edge("weighted_pipeline", options=EMPIRICAL)}
    assert (found["2025-01"], found["2025-03"]) == ("7100.00", "3500.00")
    (settled,) = edge("weighted_pipeline", periods=["2025-03"], options=SETTLED)
    assert settled.value == "4200.00"  # 3 of 5


def test_the_chance_is_the_one_of_each_period_s_end(build: Build) -> None:
    """Deal 1 was won in January, 2 lost, 3 is open in offer since February and 4 (900) in new since March.

    February: offer was entered by 1 and 3, one won: 1 000 / 2. March: new was entered by all, one won: 900 / 4 beside
    it. Settled: of offer 1 of 1, of new 1 of 2."""
    chains = {
        "1": [move("01-01", "new"), move("01-05", "offer"), move("01-20", "won")],
        "2": [move("01-02", "new"), move("01-25", "lost")],
        "3": [move("02-01", "new"), move("02-10", "offer")],
        "4": [move("03-01", "new")],
    }
    ask = build({"1": {}, "2": {}, "3": {}, "4": {"amount": 900_0000}}, chains)
    assert months(ask, **EMPIRICAL) == ["0.00", "500.00", "725.00", "725.00"]
    assert months(ask, **SETTLED) == ["0.00", "1000.00", "1450.00", "1450.00"]


def test_what_was_entered_more_than_twelve_months_before_is_no_measure(build: Build) -> None:
    """Won deals entered new on 31 January and 28 February 2024; at the end of January 2025 the first is out, at the
    end of February both, and all that is known is the open one, which entered on 1 January."""
    at = {"1": ("2024-01-31", "2024-02-02"), "2": ("2024-02-28", "2024-03-02")}
    chains = {
        deal: [{"occurred_at": day("01-01") - lag(entered) * DAY, "to_stage": "new"},
               {"occurred_at": day("01-01") - lag(won) * DAY, "to_stage": "won"}]
        for deal, (entered, won) in at.items()
    }
    old = {"created_at": day("01-01") - 366 * DAY}
    ask = build({"1": old, "2": old, "3": {}}, {**chains, "3": [move("01-01", "new")]})
    found = [one.value for one in ask("weighted_pipeline", periods=["2025-01", "2025-02"], options=EMPIRICAL)]
    assert found == ["500.00", "0.00"]


def test_a_win_that_was_undone_is_none_from_then_on(build: Build) -> None:
    """Won on 20 January, back in offer on 10 February: at January's end it was won (2's chance in new: 1 of 2), later
    both are open and nothing is known to be won."""
    ask = build({"1": {}, "2": {}}, {
        "1": [move("01-01", "new"), move("01-20", "won"), move("02-10", "offer")], "2": [move("01-02", "new")],
    })
    assert months(ask, **EMPIRICAL)[:2] == ["500.00", "0.00"]


def test_a_win_in_another_pipeline_is_not_the_stage_s(build: Build) -> None:
    """R10: 1 was handed over from offer to renewal, and won there; 2 sits in offer, 3 in r_offer."""
    ask = build({"1": {}, "2": {}, "3": {"amount": 600_0000}}, {
        "1": [move("01-01", "offer"), move("01-05", "r_offer"), move("01-20", "r_won")],
        "2": [move("01-02", "offer")], "3": [move("01-03", "r_offer")],
    })
    found = {one.dimensions["pipeline"]: one.value
             for one in ask("weighted_pipeline", by="pipeline", periods=["2025-01"], options=EMPIRICAL)}
    assert found == {"sales": "0.00", "renewal": "300.00"}


def test_owners_share_the_stage_s_chance_and_add_up(build: Build) -> None:
    """The chance is everybody's, not each one's own: B has won nothing."""
    chains = {"2": [move("01-02", "new")], "3": [move("01-03", "new")]}
    chains["1"] = [move("01-01", "new"), move("01-20", "won")]
    ask = build({"1": {}, "2": {}, "3": {"owner": "crm:B"}}, chains)
    found = {one.subject.key: one.value
             for one in ask("weighted_pipeline", per="owner", periods=["2025-01"], options=EMPIRICAL)}
    assert found == {"crm:A": "333.33", "crm:B": "333.33"}


def test_a_stage_that_nobody_entered_in_the_year_has_no_chance(build: Build) -> None:
    """Seen first in offer, without history: that is no entry. Left out and counted; as a first sight waits for nobody,
    the period can be closed."""
    ask = build({"1": {}}, {"1": [move("01-05", "offer", origin="initial")]})
    (value,) = ask("weighted_pipeline", periods=["2025-01"], options=EMPIRICAL)
    assert (value.value, value.left_out_amount, value.left_out_rate) == ("0.00", 1, 0)

"""How many deals more wait in a stage than before, and when it may be said."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from connector import kpi
from connector.evidence import Evidences
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.survival import WHOLE, Compared, compared
from connector.model import KpiValue, Subject
from connector.period import Calendar
from connector.store.known import KnownRows
from connector.store.snapshot import open_snapshot

from .conftest import Ask
from .fill import at, ref
from .test_rules import Build, build

__all__ = ["build"]  # the fixture

DAY = 86_400_000_000
Stays = tuple[list[int], list[int], list[int]]


def stays(ended: str, running: str = "") -> Stays:
    """Days of stays that ended, and of those that go on."""
    over, open_ = ([int(day) for day in told.split()] for told in (ended, running))
    return [*over, *open_], [*[1] * len(over), *[0] * len(open_)], [*[0] * len(over), *[1] * len(open_)]


# --- the test --------------------------------------------------------------------------------------------------------


def exact(found: Compared) -> tuple[Fraction, ...]:
    """The fractions of few digits that the numbers are, but for the rounding."""
    told = [Fraction(one, WHOLE) for one in found]
    near = tuple(one.limit_denominator(10_000) for one in told)
    assert all(abs(one - other) < Fraction(100, WHOLE) for one, other in zip(near, told, strict=True))
    return near


def test_two_groups_of_stays_compared_by_hand() -> None:
    """Now 3, 5+, 7 days; before 1, 2, 4. At risk (now, before), expected of now, variance:

    day 1: 3, 3: 1/2, 1/4 · day 2: 3, 2: 3/5, 6/25 · day 3: 3, 1: 3/4, 3/16 · day 4: 2, 1: 2/3, 2/9 · day 7: 1, 0: 1, 0.
    Expected 211/60, ended 2: 91/60 fewer. Variance 3239/3600. (91/60)² / (3239/3600) = 2.56: not above 3.84.
    Kaplan-Meier of now: all up to day 3, then 2/3 up to day 7: 3 + 4 × 2/3; before: 7/3 days. 10/3 days longer."""
    found = compared(stays("3 7", "5"), stays("1 2 4"))
    assert exact(found) == (Fraction(10, 3), Fraction(91, 60), Fraction(3239, 3600))
    assert not found.is_longer


TREATED = stays("6 6 6 7 10 13 16 22 23", "6 9 10 11 17 19 20 25 32 32 34 35")
PLACEBO = stays("1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23")


def test_the_log_rank_test_of_the_remissions_of_leukaemia() -> None:
    """Freireich 1963, in every textbook: 9 relapses where 19.25 were expected, chi-square 16.79."""
    found = compared(TREATED, PLACEBO)
    assert round(found.fewer / WHOLE, 2) == 10.25
    assert round(found.fewer**2 / found.variance / WHOLE, 2) == 16.79
    assert found.is_longer
    assert not compared(PLACEBO, TREATED).is_longer  # as far apart, but shorter


def test_the_order_in_which_stays_come_makes_no_difference() -> None:
    """Nor whether those of one day are told together, as of the two owners who are one person."""
    turned = [list(reversed(told)) for told in TREATED]
    together = [6, 7, 10, 13, 16, 22, 23, 9, 11, 17, 19, 20, 25, 32, 34, 35]
    ended = [3, 1, 1, 1, 1, 1, 1, *[0] * 9]
    running = [1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 1, 1]
    assert compared(turned, PLACEBO) == compared(TREATED, PLACEBO) == compared((together, ended, running), PLACEBO)


def test_a_mean_goes_as_far_as_both_were_followed() -> None:
    """Half ends on day 2 in both, the rest goes on: seen up to day 4 and 40. Not longer for having been seen longer.

    Of one that has nobody left all is known: 10 days where half stays 2 and half 4, but those now are seen up to 6."""
    assert exact(compared(stays("2 2", "40 40"), stays("2 2", "4 4")))[0] == 0
    assert exact(compared(stays("", "6 6"), stays("2 4")))[0] == 3
    assert exact(compared(stays("10 10"), stays("2 4")))[0] == 7


def test_nothing_is_longer_than_nothing() -> None:
    for one in (compared((), ()), compared(stays("5"), ()), compared(stays("", "5 5"), stays("", "3 3"))):
        assert (one, one.is_longer) == (Compared(0, 0, 0), False)


# --- the deals that wait ---------------------------------------------------------------------------------------------


def stay(day: str, days: int | None) -> list[dict[str, Any]]:
    """Into `new` at the beginning of a day, and lost after so many days."""
    began = at(f"{day}T00:00:00+00:00")
    moves = [{"occurred_at": began, "to_stage": "new"}]
    return moves if days is None else [*moves, {"occurred_at": began + days * DAY, "to_stage": "lost"}]


def told(build: Build, before: list[int], now: list[int | None], day: str = "2024-06-01", **more: Any) -> Ask:
    """Stays that began on 1 June 2023, and on another day of the year after."""
    moves = {f"b{place}": stay("2023-06-01", days) for place, days in enumerate(before)}
    moves |= {f"n{place}": stay(day, days) for place, days in enumerate(now)}
    return build({deal: more.get("deals", {}).get(deal, {}) for deal in moves}, moves, **{
        name: given for name, given in more.items() if name != "deals"
    })


def waiting(ask: Ask, period: str = "2025-03", **given: Any) -> KpiValue:
    (found,) = ask("bottleneck_wait", periods=[period], where={"pipeline": "sales", "stage": "new"}, **given)
    return found


def test_deals_that_stay_longer_wait_beyond_the_year_before(build: Build) -> None:
    """30 deals a year stay 20 days each where it was 10: 300 days more in 365: 0.821918 deals more at any time.

    On day 10 end 30 of 60, 15 expected of either, none of now; the variance is 30 × 30 × 30² / (60² × 59) = 3.81,
    and 15² / 3.81 = 59."""
    found = waiting(told(build, [10] * 30, [20] * 30))
    assert (found.value, found.numerator, found.denominator) == ("0.821918", "300.000000", "365.000000")
    assert (found.unit, found.currency) == ("deals", None)


@pytest.mark.parametrize(("before", "now"), [
    ([10] * 30, [20] * 29), ([10] * 29, [20] * 30), ([20] * 30, [10] * 30), ([10] * 30, [10] * 30),
    ([10, 20] * 15, [10] * 14 + [20] * 16),
], ids=["29 stays", "29 before", "shorter", "the same", "longer by chance"])
def test_what_is_not_evident_has_no_number(build: Build, before: list[int], now: list[int | None]) -> None:
    """The last: of 31 that stay beyond day 10, 16 are of now where 15.5 were expected: 0.5² / 3.81 = 0.07."""
    assert waiting(told(build, before, now)).value is None


def test_a_stay_counts_up_to_the_period_s_end(build: Build) -> None:
    """Entered on 1 January 2025, left after 60 days, on 2 March. By the end of January 31 days of them are seen:
    (31 - 10) × 30 / 366, the 12 months have a 29 February; by the end of March all 60: (60 - 10) × 30 / 365."""
    ask = told(build, [10] * 30, [60] * 30, "2025-01-01")
    assert waiting(ask, "2025-01").value == "1.721311"
    assert waiting(ask, "2025-03").value == "4.109589"


def test_a_young_history_makes_no_wait(build: Build) -> None:
    """All stay 20 days, but half of the year before came in 5 days before its end: their mean so far is 12.5 days."""
    moves = {f"b{place}": stay("2023-06-01" if place % 2 else "2024-03-27", 20) for place in range(60)}
    moves |= {f"n{place}": stay("2024-06-01", 20) for place in range(60)}
    ask = build({deal: {} for deal in moves}, moves)
    (before,) = ask("stage_stay", every="all", as_of="2024-04-01T00:00:00+00:00", where={"stage": "new"})
    assert before.value == "12.500000"
    assert waiting(ask).value is None


def test_of_a_running_period_what_has_passed_counts(build: Build) -> None:
    """On 21 January they are there for 20 days, and 355 of the 366 days have passed: (20 - 10) × 30 / 355."""
    found = waiting(told(build, [10] * 30, [60] * 30, "2025-01-01"), "2025-01", as_of="2025-01-21T00:00:00+00:00")
    assert (found.value, found.denominator) == ("0.845070", "355.000000")


def test_all_months_together_are_each_by_itself(build: Build) -> None:
    """Their years overlap; a stay is in twelve of them."""
    ask = told(build, [10] * 30, [60] * 30, "2025-01-01")
    found = {one.period: one.value for one in ask("bottleneck_wait", where={"pipeline": "sales", "stage": "new"})}
    assert len(found) == 23  # from June 2023 to April 2025
    assert {name: value for name, value in found.items() if value} == {
        name: waiting(ask, name).value for name in ("2025-01", "2025-02", "2025-03", "2025-04")
    }
    (ever,) = ask("bottleneck_wait", every="all", where={"pipeline": "sales", "stage": "new"})
    assert ever.value is None  # has no year before


def test_a_stay_is_whose_deal_it_was_when_it_began(build: Build) -> None:
    """30 slow deals of A, one of them given to B on its fifth day; B's 30 are as quick as before. And both together:
    60 stay 15 days each."""
    deals = {f"b{place}": {"owner": ref("A" if place < 30 else "B")} for place in range(60)}
    deals |= {f"n{place}": {"owner": ref("A" if 0 < place < 30 else "B")} for place in range(60)}
    changes = [
        {"deal": "n0", "field": "owner", "occurred_at": at(f"{day}T00:00:00+00:00"), "new": ref(owner)}
        for day, owner in (("2024-06-01", "A"), ("2024-06-06", "B"))
    ]
    ask = told(build, [10] * 60, [20] * 30 + [10] * 30, deals=deals, deal_change=changes)
    found = {one.subject.key: one.value for one in ask(
        "bottleneck_wait", per="owner", periods=["2025-03"], where={"pipeline": "sales", "stage": "new"}
    )}
    assert found == {"crm:A": "0.821918", "crm:B": None}
    assert waiting(ask).value == "0.821918"
    assert waiting(ask).value == "0.821918"


def test_stays_so_far(build: Build) -> None:
    """Of 2025: 30 days, one that goes on since 22 March, 10 by 1 April; a first sight entered nobody knows when. Of
    January: 21 days up to its end, and of a stay that ends with it all 5: it was still there."""
    ask = build({name: {} for name in "1234"}, {
        "1": stay("2025-01-11", 30), "2": stay("2025-03-22", None), "4": stay("2025-01-27", 5),
        "3": [{"occurred_at": at("2025-01-05T00:00:00+00:00"), "to_stage": "new", "origin": "initial"}],
    })
    found = {
        every: ask("stage_stay", every=every, periods=[period], where={"pipeline": "sales", "stage": "new"})[0]
        for every, period in (("year", "2025"), ("month", "2025-01"), ("all", "all"))
    }
    assert (found["year"].value, found["year"].denominator) == ("15.000000", "3")
    assert (found["month"].value, found["month"].numerator) == ("13.000000", "26.000000")
    assert found["all"].value == "15.000000"


def test_the_stays_of_both_years_stand_behind_it(build: Build, tmp_path: Path) -> None:
    """Those of the 12 months as the numerator, those of the year before as the denominator; and the moves that began
    and ended each."""
    told(build, [10] * 30, [60] * 30, "2025-01-01")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    company, definition = Subject("company", "company"), KpiDefinition("k", "bottleneck_wait")
    store = create_engine(url)
    with (
        open_snapshot(url) as snapshot, kpi.Reading(snapshot, Calendar(), "USD") as reading,
        store.connect() as connection,
    ):
        months = {name: reading.members(definition, company, name, {"stage": "new"}) for name in ("2025-01", "2025-03")}
        known = KnownRows(connection, snapshot.as_of, snapshot.known_at)
        evidences = Evidences(
            CATALOGUE["stage_stay"], months["2025-01"], known, kpi.rates(snapshot, "USD"), Calendar()
        )
        cited = {(one.side, *(row.role for row in evidences.of(one).cited)) for one in months["2025-01"]}
    store.dispose()
    found = {
        name: {(one.side, one.duration, one.metric) for one in members} for name, members in months.items()
    }
    assert found == {
        name: {("numerator", days * DAY, "stage_stay"), ("denominator", 10 * DAY, "stage_stay")}
        for name, days in (("2025-01", 31), ("2025-03", 60))
    }
    assert {len(members) for members in months.values()} == {60}
    assert cited == {("numerator", "entered", "deal"), ("denominator", "left", "entered", "deal")}

"""What several metrics need is computed once: terms over several windows, the same question again, tables at hand."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.fx import Rate
from connector.kpi import KpiDefinition
from connector.metrics import composed, engine
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.engine import Engine
from connector.metrics.question import Group, Question
from connector.people import People
from connector.period import Calendar, Period
from connector.store.snapshot import open_snapshot

from .fill import Filled

CALENDAR = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
MONTHS = ("2025-01", "2025-02", "2025-03")


def question(metric: str, periods: tuple[Period, ...]) -> Question:
    return Question(CATALOGUE[metric], "owner", (), {}, CATALOGUE[metric].default_options, periods)


def months(*names: str) -> tuple[Period, ...]:
    return tuple(CALENDAR.parse(name) for name in names)


def bounds(periods: tuple[Period, ...]) -> list[tuple[date, date]]:
    """First and last local day of each."""
    return [(CALENDAR.day_of(one.start), CALENDAR.day_of(one.end - 1)) for one in periods]


def test_a_term_of_two_neighbouring_months_is_asked_once_over_both() -> None:
    terms = [("now", question("won_value", months("2025-02", "2025-03"))),
             ("before", question("won_value", months("2025-01", "2025-02")))]
    [(asked, windows)] = composed.asked(terms)
    assert [one.name for one in asked.periods] == ["2025-01", "2025-02", "2025-03"]
    assert [(name, [one.name for one in own]) for name, own in windows] == [
        ("now", ["2025-02", "2025-03"]), ("before", ["2025-01", "2025-02"]),
    ]


def test_years_that_overlap_are_cut_where_any_of_them_begins_or_ends() -> None:
    years = tuple(composed.window("year", one, CALENDAR) for one in months("2025-01", "2025-03"))
    before = tuple(composed.window("year_before", one, CALENDAR) for one in months("2025-01", "2025-03"))
    [(asked, _)] = composed.asked([("now", question("won_value", years)), ("before", question("won_value", before))])
    # February 2024 to January 2025 and April to March; before: January to December 2024 and March to February
    assert bounds(asked.periods) == [
        (date(2024, 1, 1), date(2024, 1, 31)), (date(2024, 2, 1), date(2024, 2, 29)),
        (date(2024, 3, 1), date(2024, 3, 31)), (date(2024, 4, 1), date(2024, 12, 31)),
        (date(2025, 1, 1), date(2025, 1, 31)), (date(2025, 2, 1), date(2025, 2, 28)),
        (date(2025, 3, 1), date(2025, 3, 31)),
    ]


def test_a_month_and_the_year_it_is_in_are_two_questions() -> None:
    month = months("2025-03")
    year = (composed.window("year", month[0], CALENDAR),)
    asked = composed.asked([("month", question("won_value", month)), ("year", question("won_value", year))])
    assert [one.periods for one, _ in asked] == [month, year]


def test_a_window_of_several_pieces_has_their_sums_and_one_without_members_is_not_there() -> None:
    pieces = months("2025-01", "2025-02", "2025-03")
    groups = [Group(0, "owner", "a", (), share=1, amount=10, without_rate=1), Group(2, "owner", "a", (), share=4),
              Group(2, "owner", "b", (), share=8)]
    whole = Period("whole", "", pieces[0].start_on, pieces[2].end_on, pieces[0].start, pieces[2].end)
    start = Period("start", "", pieces[0].start_on, pieces[1].end_on, pieces[0].start, pieces[1].end)
    found = {(place, key[1]): group for place, (key, group) in composed._folded(groups, pieces, (whole, start))}
    assert {key: (one.share, one.amount, one.without_rate) for key, one in found.items()} == {
        (0, "a"): (5, 10, 1), (0, "b"): (8, 0, 0), (1, "a"): (1, 10, 1),
    }


def test_what_several_metrics_ask_is_asked_of_the_ledger_once(edge_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """forecast_accuracy and forecast_bias are both made of won_value and the forecast at the start."""
    asked: list[str] = []
    once = Engine._groups

    def counted(self: Engine, one: Question) -> list[Group]:
        asked.append(one.metric.id)
        return once(self, one)

    monkeypatch.setattr(Engine, "_groups", counted)
    ids = ("won_value", "forecast_accuracy", "forecast_bias")
    with open_snapshot(edge_url) as snapshot:
        together = kpi.compute([KpiDefinition(one, one) for one in ids], snapshot, CALENDAR, "USD", periods=MONTHS)
        assert sorted(asked) == ["forecast_at_start", "won_value"]
        apart = [
            value for one in ids
            for value in kpi.compute([KpiDefinition(one, one)], snapshot, CALENDAR, "USD", periods=MONTHS)
        ]
    assert together == apart


def test_metrics_that_look_at_other_periods_do_not_change_the_order_of_the_values(edge_url: str) -> None:
    ids = ("sales_velocity_open", "won_count", "queue_growth", "open_pipeline")
    with open_snapshot(edge_url) as snapshot:
        found = kpi.compute([KpiDefinition(one, one) for one in ids], snapshot, CALENDAR, "USD", periods=MONTHS)
    assert list(dict.fromkeys(value.kpi for value in found)) == list(ids)


def test_a_family_that_reads_a_table_of_the_periods_at_hand_has_it_made() -> None:
    for file in resources.files("connector.metrics").joinpath("sql").iterdir():
        sql = re.sub("--.*", "", file.read_text(encoding="utf-8"))
        for table, (families, _) in engine._AT_HAND.items():
            if re.search(rf"\b{table}\b", sql):
                assert file.name.removesuffix(".sql") in families, f"{file.name} reads {table}"


@pytest.mark.parametrize("days", [(), (0,), (0, 1, 2, 3, 40, 41, 400, 2000), tuple(range(0, 90, 3)), (-9000, 9000)])
def test_the_rate_of_an_instant_is_the_last_that_began_before_it(tmp_path: Path, days: tuple[int, ...]) -> None:
    """Rates of EUR begin on those days after 2020-01-01; the n-th is n + 1. Before the first one there is none."""
    first, calendar = date(2020, 1, 1), Calendar()
    told = [Rate("EUR", first + timedelta(days=day), Decimal(place + 1)) for place, day in enumerate(days)]
    starts = [calendar.start_of(rate.valid_from) for rate in told]
    instants = [start + offset for start in starts for offset in (-1, 0, 1, 10**12)]
    instants += [-(10**17), 0, 4 * 10**18, *(calendar.start_of(first) + number * 10**12 for number in range(300))]
    store = Filled(f"sqlite:///{tmp_path / 'store.db'}").known_until("2025-04-01T00:00:00+00:00")
    with open_snapshot(store.url) as snapshot, Engine(snapshot, calendar, "USD", People(), told) as here:
        found = here._rows(
            """
            SELECT asked.instant, asked.currency, in_base(10000, top, bottom)
            FROM (
                SELECT instant, currency
                FROM (SELECT unnest(?::BIGINT[]) AS instant)
                CROSS JOIN (VALUES ('EUR'), ('USD'), ('GBP')) AS one(currency)
            ) AS asked
            LEFT JOIN rate_in AS rate ON rate.currency = asked.currency AND rate.stretch = stretch_of(asked.instant)
                AND rate.since <= asked.instant AND asked.instant < rate.until""",
            [instants],
        )
    right = {("USD", instant): 10_000 for instant in instants} | {
        ("EUR", instant): 10_000 * sum(start <= instant for start in starts) or None for instant in instants
    }
    assert len(found) == 3 * len(instants)
    assert all(worth == right.get((currency, instant)) for instant, currency, worth in found)

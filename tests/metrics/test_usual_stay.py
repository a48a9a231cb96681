"""How long deals usually stay in a stage: the 75th percentile of a year of visits, exact whatever their number."""

from __future__ import annotations

import random
from fractions import Fraction
from math import floor
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.metrics.catalogue import CATALOGUE
from connector.metrics.question import Question
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import Filled, at, stage_rows

HOUR = 3_600_000_000
YEAR = ("2025-01-31T23:59:59.999999+00:00", "2024-01-31T23:59:59.999999+00:00")  # the last instants of two Januaries
LENGTHS = {
    "one": [5 * HOUR],
    "two alike": [7 * HOUR, 7 * HOUR],
    "far apart": [1, 2, 400 * 24 * HOUR],
    "within one class": [HOUR + number for number in range(23)],
    "at the edge of two classes": [6 * HOUR - 1, 6 * HOUR - 1, 6 * HOUR, 6 * HOUR + 1],
    "instant ones": [0, 0, 0, 0, 3],
    **{f"any {count}": random.Random(count).sample(range(40 * 24 * HOUR), count) for count in range(4, 60, 5)},
}


def percentile(lengths: list[int]) -> Fraction:
    """By linear interpolation, rank 1 + (n - 1) p (R17)."""
    lengths = sorted(lengths)
    rank = Fraction(3 * (len(lengths) - 1), 4)
    low = lengths[floor(rank)]
    return low + (rank - floor(rank)) * (lengths[min(floor(rank) + 1, len(lengths) - 1)] - low)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_the_usual_stay_is_the_75th_percentile_of_the_visits_completed_in_a_year(
    tmp_path: Path, lengths: list[int]
) -> None:
    """Visits end evenly over the year up to January 2025; one ends before, one after it: they would change it."""
    end, start = map(at, YEAR)
    ends = [end - (end - start) * place // (len(lengths) + 1) for place in range(len(lengths))]
    told = [*zip(ends, lengths, strict=True), (start, 900 * 24 * HOUR), (end + 1, 900 * 24 * HOUR)]
    store = Filled(f"sqlite:///{tmp_path / 'store.db'}")
    store.put("stage", stage_rows([
        {"pipeline": "p", "stage": stage, "display_order": place, "canonical": canonical, "probability": "0.5",
         "archived": "0"}
        for place, (stage, canonical) in zip("12", (("a", "prospecting"), ("b", "qualification")), strict=True)
    ]))
    store.put("deal", [{"id": str(number), "created_at": left - stay} for number, (left, stay) in enumerate(told)])
    store.put("stage_transition", [
        {"deal": str(number), "occurred_at": moment, "sequence": place, "to_pipeline": "p", "to_stage": stage}
        for number, (left, stay) in enumerate(told)
        for place, (moment, stage) in enumerate([(left - stay, "a"), (left, "b")])
    ])
    store.known_until("2025-04-01T00:00:00+00:00")
    calendar, metric = Calendar(ZoneInfo("UTC")), CATALOGUE["stalled"]
    with open_snapshot(store.url) as snapshot, kpi._engine(snapshot, calendar, "USD") as engine:
        engine.groups(Question(metric, "company", (), {}, metric.default_options, (calendar.parse("2025-01"),)))
        found = engine._rows("""
            SELECT four_times FROM usual_stay
            JOIN period USING (turn) JOIN stage USING (stage_no) WHERE period.period = 0 AND stage.stage_id = 'a'""")
    assert found == [(4 * percentile(lengths),)]

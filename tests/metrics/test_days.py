"""Local days in the metrics' SQL are those of the calendar, also where the clocks change at midnight."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import Filled

ZONES = ("UTC", "Asia/Ho_Chi_Minh", "America/New_York", "Pacific/Apia", "Africa/Cairo", "America/Sao_Paulo")
_EPOCH = date(1970, 1, 1)


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_begins_and_an_instant_is_on_a_day_as_in_the_calendar(tmp_path: Path, zone: str) -> None:
    """Every day of 2010 to 2029; of instants the last before each, the first of each, and one an hour into it."""
    calendar = Calendar(ZoneInfo(zone))
    days = [date(2010, 1, 1) + timedelta(days=number) for number in range(20 * 365)]
    instants = [calendar.start_of(day) + offset for day in days for offset in (-1, 0, 3_600_000_000)]
    store = Filled(f"sqlite:///{tmp_path / 'store.db'}").known_until("2025-04-01T00:00:00+00:00")
    with open_snapshot(store.url) as snapshot, kpi._engine(snapshot, calendar, "USD") as engine:
        engine._family("days")
        starts = engine._rows(
            "SELECT list_transform(?, lambda text: day_start(day_number(text)))", [[day.isoformat() for day in days]]
        )[0][0]
        numbers = engine._rows("SELECT list_transform(?::BIGINT[], lambda instant: day_of(instant))", [instants])[0][0]
        nothing = engine._rows("SELECT day_number(''), day_start(day_number('soon'))")[0]
    assert starts == [calendar.start_of(day) for day in days]
    assert numbers == [(calendar.day_of(instant) - _EPOCH).days for instant in instants]
    assert nothing == (None, None)

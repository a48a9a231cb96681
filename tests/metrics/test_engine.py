"""How the engine reads and how much it holds: streams, little memory, steps in time instead of joins."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import kpi
from connector.errors import StoreError
from connector.kpi import KpiDefinition
from connector.metrics import engine
from connector.metrics.catalogue import CATALOGUE
from connector.model import KpiValue
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import Filled, stage_rows

KPIS = [KpiDefinition(metric, metric, per="owner") for metric in CATALOGUE]


def values(url: str) -> list[KpiValue]:
    """Every metric per owner."""
    with open_snapshot(url) as snapshot:
        return kpi.compute(KPIS, snapshot, Calendar(), "USD")


def test_too_little_memory_is_raised_and_nothing_is_left_on_disk(
    edge_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    enough = values(edge_url)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(engine, "_MEMORY", 1_000_000)
    assert values(edge_url) == enough
    assert not list(tmp_path.iterdir())


def test_a_store_that_breaks_while_it_is_read_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = Filled(f"sqlite:///{path}")
    store.put("stage", stage_rows([]))
    store.put("deal", ({"id": f"deal {number:05}", "created_at": number} for number in range(20_000)))
    store.known_until("2026-01-01T00:00:00+00:00")
    content = bytearray(path.read_bytes())
    half = len(content) // 2 // 4096 * 4096
    content[half : half + 40 * 4096] = b"\xff" * (40 * 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be read"):
        values(store.url)


def test_a_stream_has_the_rows_and_types_of_the_table(edge_url: str) -> None:
    columns = ("id", "amount", "lost_reason", "probability")
    with open_snapshot(edge_url) as snapshot:
        whole = snapshot.table("deal", columns, "amount > 0")
        with snapshot.stream("deal", columns, "amount > 0") as rows:
            streamed = rows.read_all()
    assert streamed.schema == whole.schema
    assert streamed.num_rows > 10
    assert streamed.equals(whole)


@given(st.lists(st.integers(-50, 50), unique=True).map(sorted), st.lists(st.integers(-60, 60), min_size=1))
def test_steps_in_sql_are_a_search_among_the_bounds(bounds: list[int], moments: list[int]) -> None:
    sql = engine._step_function(bounds, range(len(bounds) + 1))
    found = duckdb.execute(f"SELECT {sql} FROM (SELECT unnest(?::BIGINT[]) AS moment)", [moments]).fetchall()
    assert [row[0] for row in found] == [bisect_right(bounds, moment) for moment in moments]


@pytest.mark.parametrize("names", [
    ["2025-01", "2025-02", "2025-03"], ["2025-03", "2025-01"], ["2025-12", "2025-11", "2025-09"], ["2025-W02"],
])
def test_each_moment_is_in_its_period_or_in_none(names: list[str]) -> None:
    periods = [Calendar().parse(name) for name in names]
    bounds, places = engine._steps(periods)
    for place, period in enumerate(periods):
        for moment, inside in (
            (period.start, True), (period.end - 1, True), (period.start - 1, False), (period.end, False),
        ):
            found = places[bisect_right(bounds, moment)]
            assert (found == place) == inside

"""Stored KPI values: they grow only on change, and any older answer is still there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from connector import kpi_store
from connector.errors import LeaseLost
from connector.kpi_store import Changes
from connector.model import KpiValue, Subject
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    store = Store.open(store_url, clock)
    yield store
    store.close()


def value(key: str = "NV001", amount: str | None = "12000.00", as_of: int = 1, **other: object) -> KpiValue:
    made = KpiValue(
        kpi="won_value", metric="won_value", subject=Subject("person", key, key), dimensions={}, period="2026-03",
        period_start="2026-03-01", period_end="2026-03-31", value=amount, unit="money", currency="USD",
        numerator=amount, denominator=None, as_of=as_of,
    )
    return replace(made, **other)  # type: ignore[arg-type]


def rows(store: Store) -> int:
    return len(store.rows(select(tables.kpi_value)))


def test_the_same_value_at_a_later_moment_makes_no_row(store: Store) -> None:
    assert kpi_store.save(store, [value()]) == Changes(1, 0, 0, 0)
    assert kpi_store.save(store, [value(as_of=2)]) == Changes(0, 0, 1, 0)
    assert rows(store) == 1


def test_a_changed_value_ends_its_row_where_the_new_one_begins(store: Store, clock: FakeClock) -> None:
    kpi_store.save(store, [value()])
    clock.advance(hours=1)
    assert kpi_store.save(store, [value(amount="19000.00")]) == Changes(0, 1, 0, 0)
    table = tables.kpi_value
    old, new = store.rows(select(table).order_by(table.c.seen_at))
    assert (old.value, new.value) == ("12000.00", "19000.00")
    assert (old.replaced_at, new.replaced_at) == (new.seen_at, None)


def test_a_value_that_is_no_more_is_ended_and_can_come_back(store: Store) -> None:
    kpi_store.save(store, [value("NV001"), value("NV002")])
    assert kpi_store.save(store, [value("NV001")]) == Changes(0, 0, 1, 1)
    assert kpi_store.save(store, [value("NV001"), value("NV002")]) == Changes(1, 0, 1, 0)
    assert [one.subject.key for one in kpi_store.current(store, {"won_value"})] == ["NV001", "NV002"]


def test_the_values_of_a_kpi_that_is_no_longer_defined_are_ended(store: Store) -> None:
    kpi_store.save(store, [value(kpi="old"), value()])
    assert kpi_store.save(store, [value()]) == Changes(0, 0, 1, 1)
    assert [one.kpi for one in kpi_store.current(store)] == ["won_value"]


def test_more_values_than_one_batch_are_all_written(store: Store) -> None:
    many = [value(f"NV{number:05}") for number in range(kpi_store.BATCH + 3)]
    assert kpi_store.save(store, many).new == len(many)
    assert rows(store) == len(many)


def test_a_stored_value_comes_back_whole(store: Store) -> None:
    whole = value(
        dimensions={"stage": "demo"}, interval=("1", "2"), options={"credit": "split"}, left_out_rate=2,
        target="15000.00", attainment="0.800000", amount=None,
    )
    kpi_store.save(store, [whole])
    assert kpi_store.current(store, {"won_value"}) == [whole]


def test_a_late_computation_writes_nothing_after_its_lease_went_to_another(store: Store, clock: FakeClock) -> None:
    lease = store.acquire("kpi")
    store.release(lease)
    store.acquire("kpi")
    with pytest.raises(LeaseLost):
        kpi_store.save(store, [value()], lease=lease)
    assert rows(store) == 0

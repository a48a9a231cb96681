"""The stores the metrics are asked about, filled once, and one way to ask."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.kpi import KpiDefinition
from connector.model import KpiValue
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import at, edge_cases, renting_funnel

Ask = Callable[..., list[KpiValue]]


def asking(url: str, zone: str, currency: str) -> Ask:
    """ask(metric, as_of=None, periods=None, subject=None, withheld=(), **of the definition) -> values."""

    def ask(metric: str, *, as_of: str | None = None, **given: object) -> list[KpiValue]:
        of_compute = {name: given.pop(name) for name in ("periods", "subject", "withheld") if name in given}
        definition = KpiDefinition(metric, metric, **given)  # type: ignore[arg-type]
        with open_snapshot(url, at(as_of) if as_of else None) as snapshot:
            return kpi.compute([definition], snapshot, Calendar(ZoneInfo(zone)), currency, **of_compute)  # type: ignore[arg-type]

    return ask


@pytest.fixture(scope="session")
def edge_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return edge_cases(f"sqlite:///{tmp_path_factory.mktemp('edge') / 'store.db'}").url


@pytest.fixture(scope="session")
def edge(edge_url: str) -> Ask:
    """Questions about tests/data/edge_cases, in USD, as of 2025-03-31 00:00 in Ho Chi Minh City."""
    return asking(edge_url, "Asia/Ho_Chi_Minh", "USD")


@pytest.fixture(scope="session")
def renting(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Questions about tests/data/renting_funnel, in UTC."""
    url = renting_funnel(f"sqlite:///{tmp_path_factory.mktemp('renting') / 'store.db'}").url
    return asking(url, "UTC", "USD")

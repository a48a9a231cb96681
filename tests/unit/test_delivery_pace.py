"""How fast values leave: as fast as the destination's limit allows, and no faster, whoever else calls it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import responses

from connector.deliver import deliver
from connector.ports import Context
from connector.rest.destination import RestDestination
from connector.rest.grammar import RestSettings
from connector.store.shared import StoreShared
from connector.store.store import Store
from connector.testing import FakeClock, kpi_value
from connector.wiring import Installation
from tests.e2e.project import make

LATENCY, RATE = 0.05, 10.0


@pytest.fixture
def store(clock: FakeClock, tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/pace.db", clock)
    yield opened
    opened.close()


def hr(store: Store, clock: FakeClock) -> RestDestination:
    settings = RestSettings.model_validate({
        "base_url": "https://hr.example.vn", "send": {"put": "/values/{subject.key}"}, "body": {"value": "value"},
        "requests_per_second": RATE,
    })
    made = RestDestination("hr", settings, Context(clock=clock, zone=UTC, shared=StoreShared(lambda: store, clock)))
    made.batch = 1
    return made


@responses.activate
def test_values_one_a_call_take_what_the_limit_needs_and_little_more(store: Store, clock: FakeClock) -> None:
    """By hand: 600 values at 10 a second are 60 seconds; a call takes 50 ms. At most 1.3 times that, never less."""
    sent: list[float] = []
    began = clock.now()

    def late(_request: Any) -> tuple[int, dict[str, str], str]:
        sent.append((clock.now() - began).total_seconds())
        clock.advance(seconds=LATENCY)
        return 200, {}, "{}"

    responses.add_callback("PUT", re.compile(r"https://hr\.example\.vn/.*"), late)
    values = [kpi_value(subject=f"person:NV{number:03}") for number in range(600)]
    with closing(hr(store, clock)) as to:
        done = deliver(store, to, "hr", values, {}, run="r", clock=clock)
    assert (done.confirmed, len(sent)) == (600, 600)
    assert 590 / RATE <= sent[-1] <= 1.3 * 600 / RATE
    busiest = max(sum(at <= one < at + 1 for one in sent) for at in sent)
    assert busiest <= RATE


@responses.activate
def test_two_runs_of_one_account_share_its_limit(store: Store, clock: FakeClock) -> None:
    """Two destinations of the config, or two processes, with one address and credential: one count in the store."""
    sent: list[float] = []
    began = clock.now()

    def late(_request: Any) -> tuple[int, dict[str, str], str]:
        sent.append((clock.now() - began).total_seconds())
        return 200, {}, "{}"

    responses.add_callback("PUT", re.compile(r"https://hr\.example\.vn/.*"), late)
    values = [kpi_value(subject=f"person:NV{number:03}") for number in range(20)]
    for name in ("hr", "payroll"):
        with closing(hr(store, clock)) as to:
            assert deliver(store, to, name, values, {}, run="r", clock=clock).confirmed == 20
    assert max(sum(at <= one < at + 1 for one in sent) for at in sent) <= RATE


def test_the_count_that_destinations_are_given_is_that_of_the_store(tmp_path: Path, clock: FakeClock) -> None:
    make(tmp_path)
    with closing(Installation.load(str(tmp_path / "config.yaml"), clock)) as here:
        one, other = here.destination("table"), here.destination("table")
        assert isinstance(one.context.shared, StoreShared)
        assert one.context.shared is other.context.shared

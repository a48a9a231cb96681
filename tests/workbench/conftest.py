"""The account and the installation that the tests of the workbench begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project
from tests.workbench.account import filled, installed


@pytest.fixture
def twin(clock: FakeClock) -> Iterator[HubSpotTwin]:
    """The filled account."""
    with filled(clock) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, twin: HubSpotTwin, clock: FakeClock) -> Project:
    """An installation of it that has not synced yet."""
    return installed(tmp_path, twin, clock)

"""Every end-to-end test gets an installation of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.twins.hubspot import HubSpotTwin
from connector.twins.seeded import seeded_hubspot
from tests.e2e.project import Project, make


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An installation in an empty folder."""
    return make(tmp_path)


@pytest.fixture
def twin() -> Iterator[HubSpotTwin]:
    """An account of 60 deals."""
    with seeded_hubspot(7, deals=60) as twin:
        yield twin

"""Every end-to-end test gets an installation of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.twins.hubspot import HubSpotTwin
from connector.twins.seeded import seeded_hubspot
from tests.e2e.project import Project, forget, make


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An installation in an empty folder; the adapters it brings are forgotten with it, as with its process."""
    yield make(tmp_path)
    forget(tmp_path)


@pytest.fixture
def twin() -> Iterator[HubSpotTwin]:
    """An account of 60 deals."""
    with seeded_hubspot(7, deals=60) as twin:
        yield twin

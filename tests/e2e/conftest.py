"""Every end-to-end test gets an installation of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.project import Project, make


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An installation in an empty folder."""
    return make(tmp_path)

"""What the config says reaches the adapters."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from connector.testing import FakeClock
from connector.wiring import Installation
from tests.e2e.project import make


@pytest.mark.parametrize(("written", "share"), [("    budget: 50%\n", 0.5), ("", 0.8)])
def test_a_source_is_told_its_share_of_the_rate_limit(
    tmp_path: Path, clock: FakeClock, written: str, share: float
) -> None:
    make(tmp_path).replace("config.yaml", "    mapping: crm.yaml\n", f"    mapping: crm.yaml\n{written}")
    with closing(Installation.load(str(tmp_path / "config.yaml"), clock)) as here:
        assert here.source("crm").context.budget == share
        assert here.destination("table").context.budget == 1.0  # a destination's ceiling is all its own

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


def test_sources_and_destinations_are_told_where_users_of_an_account_meet(tmp_path: Path, clock: FakeClock) -> None:
    """In the store, which is not opened before there is something to share."""
    make(tmp_path)
    with closing(Installation.load(str(tmp_path / "config.yaml"), clock)) as here:
        one, other = here.source("crm").context.shared, here.destination("table").context.shared
        assert list(tmp_path.glob("*.db")) == []
        one.budget("account", ["general"], lambda states: states.update(general="{}"))
        seen: list[str] = []
        other.budget("account", ["general"], lambda states: seen.extend(states.values()))
        assert seen == ["{}"]
        assert not one.keep_token("account", "without encryption_key it is not kept")

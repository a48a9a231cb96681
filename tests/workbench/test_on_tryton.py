"""Each command of the workbench on a real Tryton server: its shipped mapping, its landed records, its live metadata."""

from __future__ import annotations

from typing import Any

import pytest

from tests.product.tryton_install import Installed, installed
from tests.real_servers import tryton_server

__all__ = ["tryton_server"]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def office(tryton_server: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Synced once."""
    made = installed(tmp_path_factory.mktemp("tryton"), tryton_server)
    assert made.run("sync")["status"] == "ok"
    return made


def test_the_tests_of_the_shipped_mapping_hold(office: Installed) -> None:
    assert all(one["ok"] for one in office.run("mapping", "test"))

"""A changed mapping that moves a KPI too far waits for a person, as its user sees it; on each kind of store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connector.ports import SystemClock
from connector.store.store import Store
from tests.e2e.project import Project, make
from tests.properties.world import dump

WON_EARLIER = ('"2": proposal', '"2": closed_won')  # deal 2 stands there, 700 USD of Bình's
RENAMED = ("name: new-business", "name: new")


@pytest.fixture
def office(tmp_path: Path, store_url: str) -> Project:
    """Three deals of January, synced: 1000.50 USD won by An, nothing by Bình."""
    project = make(tmp_path)
    project.replace("config.yaml", "timezone:", f"store: {store_url}\ntimezone:")
    assert project("sync").code == 0
    return project


def ledger(store_url: str) -> dict[str, Any]:
    return dump(Store.open(store_url, SystemClock()))


def won(project: Project) -> dict[str, str]:
    values = project("kpi", "won_value", "--period", "2026-01", "--json").json
    return {value["subject"]["key"]: value["value"] for value in values}


def test_it_stops_and_nothing_moves_until_somebody_accepts(office: Project, store_url: str) -> None:
    before = ledger(store_url)
    office.replace("crm.yaml", *WON_EARLIER)
    stopped = office("sync", "--json")
    assert (stopped.code, stopped.json["status"]) == (4, "stopped")
    assert "won_value of 2026-01 by 70.0%, 1000.50 to 1700.50" in stopped.json["sources"][0]["error"]
    assert ledger(store_url) == before
    assert won(office) == {"NV001": "1000.50", "NV002": "0.00"}

    (stop,) = office("stops", "list", "--json").json
    assert (stop["kind"], stop["source"], stop["stream"]) == ("mapping", "crm", None)
    (money,) = [move for move in stop["moves"] if move["kpi"] == "won_value"]
    # |1700.50 - 1000.50| / 1000.50 of Bình's one value
    assert money == {"kpi": "won_value", "period": "2026-01", "before": "1000.50", "after": "1700.50",
                     "share": "0.699650", "values": 1}
    again = office("sync", "--json")
    assert (again.code, office("stops", "--json").json) == (4, [stop])
    assert office("status", "--json").json["stops"] == 1
    assert "crm mapping: a safety stop waits" in office("period", "close", "2026-01").out

    accepted = office("stops", "accept", stop["id"], "--reason", "stage 2 is where we sign", "--json")
    assert (accepted.code, accepted.json["state"]) == (0, "accepted")
    assert won(office) == {"NV001": "1000.50", "NV002": "700.00"}
    assert (office("stops", "--json").json, office("sync").code) == ([], 0)


def test_what_was_refused_is_never_in_force_and_the_old_file_goes_on(office: Project, store_url: str) -> None:
    before = ledger(store_url)
    office.replace("crm.yaml", *WON_EARLIER)
    office("sync")
    (stop,) = office("stops", "--json").json
    assert office("stops", "refuse", stop["id"], "--reason", "a slip").code == 0
    refused = office("sync")
    assert refused.code == 4
    assert "this mapping was refused (a slip)" in refused.out
    office.replace("crm.yaml", *reversed(WON_EARLIER))
    assert office("sync").code == 0
    assert ledger(store_url) == before


def test_a_file_put_back_leaves_nothing_to_decide(office: Project) -> None:
    office.replace("crm.yaml", *WON_EARLIER)
    assert office("sync").code == 4
    office.replace("crm.yaml", *reversed(WON_EARLIER))
    assert office("sync").code == 0
    assert office("stops", "--json").json == []


def test_what_moves_no_kpi_is_in_force_at_once(office: Project, store_url: str) -> None:
    office.replace("crm.yaml", *RENAMED)
    assert office("sync").code == 0
    assert len(_versions(store_url)) == 2


def test_a_guard_of_100_percent_asks_nobody(office: Project) -> None:
    office.replace("config.yaml", "currency: USD", "currency: USD\nguard: {shift: 100%}")
    office.replace("crm.yaml", *WON_EARLIER)
    assert office("sync").code == 0
    assert won(office) == {"NV001": "1000.50", "NV002": "700.00"}


def test_a_wider_guard_lets_what_waited_through(office: Project) -> None:
    """The entries into stage 2 fall from 2 to 0, so nothing below 100 % would do."""
    office.replace("crm.yaml", *WON_EARLIER)
    assert office("sync").code == 4
    office.replace("config.yaml", "currency: USD", "currency: USD\nguard: {shift: 100%}")
    assert office("sync").code == 0
    assert office("stops", "--json").json == []


def test_a_kpi_that_is_new_with_the_mapping_moves_nothing(office: Project, store_url: str) -> None:
    """Its old values would be of a mapping it was not written for."""
    office.replace("crm.yaml", "      owner: owner\n", "      owner: owner\n      type: {const: big}\n")
    office.replace("config.yaml", "kpis:\n", "kpis:\n  - {id: big, metric: won_count, where: {type: big}}\n")
    assert office("sync").code == 0


def test_a_retry_and_a_resync_stop_as_well(office: Project) -> None:
    office.replace("crm.yaml", *WON_EARLIER)
    for command in (("resync", "crm", "--from-landing"), ("resync", "crm", "--full")):
        assert office(*command).code == 4, command


def _versions(store_url: str) -> list[Any]:
    from connector.store.tables import file_version

    store = Store.open(store_url, SystemClock())
    return store.rows(select(file_version.c.version).where(file_version.c.kind == "mapping"))

"""KPI values and stage metrics pushed to a real PocketBase. It has no upsert: each is found, then created or changed.

See README.md of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from adapters.rest import Rest
from connector.deliver import DestinationSummary, deliver
from connector.model import KpiValue
from connector.rest.grammar import RestSettings
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from tests.real_servers import pocketbase_server

__all__ = ["pocketbase_server"]

pytestmark = pytest.mark.real

RECORDS = "/collections/kpi_values/records"


def config(server: dict[str, Any], **more: Any) -> RestSettings:
    login = {"post": "/collections/_superusers/auth-with-password", "token": "token",
             "body": {"identity": server["user"], "password": server["password"]}}
    return RestSettings.model_validate({
        "base_url": server["base_url"],
        "auth": {"login": login, "header": "Authorization"},
        "body": {
            "metric": "kpi",
            "pipeline": {"path": "dimensions.pipeline", "default": ""},
            "stage": {"path": "dimensions.stage", "default": ""},
            "owner": "subject.key",
            "period": "period",
            "value": {"path": "value", "as": "number", "omit_null": True},
            "exact": {"path": "value", "default": ""},
            "currency": {"path": "currency", "default": ""},
        },
        "find": {
            "get": RECORDS, "rows": "items", "id": "id",
            "query": {"filter": "metric='{kpi}' && pipeline='{dimensions.pipeline}' && stage='{dimensions.stage}' && "
                                "owner='{subject.key}' && period='{period}'"},
        },
        "send": {"post": RECORDS, "update": {"patch": ".../{remote_id}"}},
        "answer": {"id": "id", "exists": "data.metric.code == 'validation_not_unique'"},
        "read_back": {"compare": {"exact": 0, "currency": 0}},
        **more,
    })


class Office:
    """The store of one installation and the PocketBase it pushes to."""

    def __init__(self, server: dict[str, Any], clock: FakeClock, folder: Path) -> None:
        self.server, self.clock = server, clock
        self.store = Store.open(f"sqlite:///{folder}/connector.db", clock)

    def push(self, *values: KpiValue, **more: Any) -> DestinationSummary:
        to = Rest("okr", config(self.server, **more), context(self.clock))
        try:
            return deliver(self.store, to, "okr", values, {}, run="r", clock=self.clock)
        finally:
            to.close()

    def held(self, kpi: str) -> list[dict[str, Any]]:
        base = self.server["base_url"] + "collections/"
        known = {"identity": self.server["user"], "password": self.server["password"]}
        token = requests.post(base + "_superusers/auth-with-password", json=known, timeout=10).json()["token"]
        answer = requests.get(base + "kpi_values/records", headers={"Authorization": token}, timeout=10,
                              params={"filter": f"metric='{kpi}'", "perPage": 500, "sort": "owner,stage"})
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture
def office(pocketbase_server: dict[str, Any], clock: FakeClock, tmp_path: Path) -> Iterator[Office]:
    made = Office(pocketbase_server, clock, tmp_path)
    yield made
    made.store.close()


def values(kpi: str) -> list[KpiValue]:
    return [
        kpi_value(kpi, f"person:NV{person:03}", f"{person}23456789012345.67", dimensions={"stage": stage})
        for person in range(1, 6) for stage in ("demo", "won")
    ]


def test_values_pushed_twice_stand_there_once_and_money_is_exact(office: Office) -> None:
    first = office.push(*values("twice"))
    assert first == DestinationSummary("okr", confirmed=10)
    assert office.push(*values("twice")) == DestinationSummary("okr")
    held = office.held("twice")
    assert [(row["owner"], row["stage"], row["exact"], row["currency"]) for row in held] == [
        (value.subject.key, value.dimensions["stage"], value.value, "USD") for value in values("twice")
    ]


def test_an_installation_that_knows_nothing_of_an_earlier_one_makes_no_second_record(
    office: Office, clock: FakeClock, tmp_path: Path
) -> None:
    office.push(*values("moved"))
    (tmp_path / "new").mkdir()
    new = Office(office.server, clock, tmp_path / "new")
    assert new.push(*values("moved")).confirmed == 10
    assert len(office.held("moved")) == 10
    new.store.close()


def test_a_changed_value_changes_its_record(office: Office) -> None:
    (value,) = values("changed")[:1]
    office.push(value)
    before = office.held("changed")
    office.push(replace(value, value="0.10"))
    after = office.held("changed")
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert (after[0]["exact"], after[0]["value"]) == ("0.10", 0.1)


def test_its_refusal_of_a_duplicate_leads_to_the_record_that_is_there(office: Office) -> None:
    """A find whose query misses (here: of another period) still ends in one record, refused with a hint."""
    (value,) = values("blind")[:1]
    office.push(value)
    blind = {"get": RECORDS, "rows": "items", "query": {"filter": "metric='nothing'"}}
    other = replace(value, value="5.00")
    office.store.close()
    office.store = Store.open("sqlite://", office.clock)
    done = office.push(other, find=blind, read_back=None)
    assert (done.refused, len(office.held("blind"))) == (1, 1)
    assert office.push(replace(value, value="6.00")).is_clean
    assert [row["exact"] for row in office.held("blind")] == ["6.00"]


@pytest.mark.parametrize("stage", ["it's \"won\"", "a&b=c || 1=1", "50 % done", "đàm phán / 谈判"])
def test_any_name_of_a_stage_finds_its_own_record_again(office: Office, stage: str) -> None:
    value = kpi_value("named", "team:north", "1.00", dimensions={"stage": stage})
    office.push(value)
    office.push(replace(value, value="2.00"))
    assert [row["exact"] for row in office.held("named") if row["stage"] == stage] == ["2.00"]


def test_a_run_that_died_after_sending_is_completed_without_a_second_record(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connector import outbox

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "record", die)
        with pytest.raises(KeyboardInterrupt):
            office.push(*values("died"))
    assert len(office.held("died")) == 10
    assert office.push(*values("died")) == DestinationSummary("okr", confirmed=10)
    assert len(office.held("died")) == 10


def test_a_wrong_password_stops_the_destination(office: Office) -> None:
    office.server = {**office.server, "password": "not-the-one-12"}
    done = office.push(*values("closed"))
    assert (done.owed, done.confirmed) == (10, 0)
    assert "login was refused" in str(done.error)
    assert "not-the-one-12" not in str(done.error)

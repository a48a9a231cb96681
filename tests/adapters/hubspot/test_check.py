"""`connector check` of a HubSpot source: rights per stream that is read, and the mapping against the account."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from connector import report
from connector.config.adapters import load_adapter
from connector.document import load
from connector.ports import Source
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.wiring import Installation
from tests.adapters.hubspot.account import MAPPINGS, asked, hubspot


def checked(
    twin: HubSpotTwin, clock: FakeClock, folder: Path, region: str | None = None, name: str = "hubspot", **settings: Any
) -> dict[str, str]:
    """What `connector check` finds wrong, by what was tried; `region` is the path of an `extra.region` of deals."""
    path = MAPPINGS / f"{name}.yaml"
    mapping = load(path.read_bytes(), str(path)).data
    entities = [one for one in mapping["entities"] if one["stream"] in ("owners", "deals")]
    if region is not None:
        next(one for one in entities if one["entity"] == "deal")["fields"]["extra.region"] = region
    (folder / "mapping.yaml").write_text(json.dumps({**mapping, "entities": entities, "tests": []}))
    source = {"adapter": "hubspot", "mapping": "mapping.yaml", "base_url": twin.url, "token": twin.token, **settings}
    config = {"store": f"sqlite:///{folder}/c.db", "timezone": "UTC", "currency": "EUR", "sources": {"crm": source}}
    (folder / "config.yaml").write_text(json.dumps(config))
    shown, _ = report.check(Installation.load(str(folder / "config.yaml"), clock, {}), [])
    return {check["what"]: check["detail"] for check in shown["sources"][0]["checks"] if not check["ok"]}


def test_the_shipped_mapping_reads_nothing_that_is_not_sent(
    twin: HubSpotTwin, clock: FakeClock, tmp_path: Path
) -> None:
    for name in ("closed_lost_reason", "hs_manual_forecast_category", "notes_next_activity_date"):
        twin.portal.add_property("deals", name)
    assert checked(twin, clock, tmp_path) == {}


def test_a_mapped_property_that_is_not_read_is_named(twin: HubSpotTwin, clock: FakeClock, tmp_path: Path) -> None:
    for name in ("closed_lost_reason", "hs_manual_forecast_category", "notes_next_activity_date", "khu_vuc"):
        twin.portal.add_property("deals", name)
    said = '"Khu vuc" (properties.khu_vuc) of deals is there but not asked for; deal.extra.region is read from it: ask '
    said += "for it: properties: {deals: [khu_vuc]} under the source crm in the config"
    assert checked(twin, clock, tmp_path, "properties.khu_vuc") == {"fields of deals": said}
    assert checked(twin, clock, tmp_path, "properties.khu_vuc", properties={"deals": ["khu_vuc"]}) == {}


def test_links_that_a_mapping_takes_and_that_are_not_read_are_named(
    twin: HubSpotTwin, clock: FakeClock, tmp_path: Path
) -> None:
    """`hubspot_leads` says in its first lines which associations it wants; without them no deal had a lead."""
    for name in ("closed_lost_reason", "hs_manual_forecast_category", "notes_next_activity_date"):
        twin.portal.add_property("deals", name)
    said = "the source has no associations.leads of deals; deal.lead is read from it: correct the path, or leave the "
    said += "field out; or ask for it: associations: {deals: [leads]} under the source crm in the config"
    assert checked(twin, clock, tmp_path, name="hubspot_leads") == {"fields of deals": said}
    assert checked(twin, clock, tmp_path, name="hubspot_leads", associations={"deals": ["leads"]}) == {}


def test_every_stream_says_which_associations_are_read(twin: HubSpotTwin, clock: FakeClock) -> None:
    """Also that a company has none, so that a mapping which takes one of it is told."""
    source = hubspot(twin, clock, associations={"calls": ["leads"]})
    told = source.metadata([stream.name for stream in source.streams()]).fields
    read = {
        stream: {path.split(".")[1] for path in fields if path.startswith("associations.")}
        for stream, fields in told.items()
    }
    everyone = {"contacts", "companies", "deals"}
    assert read == {
        "companies": {""}, "contacts": {"deals"},
        "leads": everyone, "deals": {"contacts", "companies"}, "calls": {*everyone, "leads"}, "meetings": everyone,
        "emails": everyone, "tasks": everyone,
    }


def test_a_stream_that_is_not_mapped_may_be_forbidden(twin: HubSpotTwin, clock: FakeClock, tmp_path: Path) -> None:
    for name in ("closed_lost_reason", "hs_manual_forecast_category", "notes_next_activity_date"):
        twin.portal.add_property("deals", name)
    twin.forbidden |= {"contacts", "leads"}
    assert checked(twin, clock, tmp_path) == {}
    twin.forbidden |= {"deals"}
    found = checked(twin, clock, tmp_path)
    assert set(found) == {"deals"}
    assert "crm.objects.deals.read" in found["deals"]
    assert asked(twin, "/deals", "POST") == 0


def test_our_adapters_are_loaded_with_their_parts_whatever_else_is_called_adapters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "adapters", types.ModuleType("adapters"))
    for name in ("adapters.hubspot", "adapters._hubspot_metadata", "adapters._hubspot_wire"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert load_adapter("hubspot", Source).__module__ == "adapters.hubspot"

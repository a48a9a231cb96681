"""HubSpot passes the contract of a source, against its twin: records with history, with life cycle, and activities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters import hubspot
from adapters.hubspot import HubSpot
from connector.ports import Clock
from connector.testing import SourceContract
from connector.twins.hubspot import HubSpotTwin

STAGES = [
    ("appointmentscheduled", "Appointment scheduled", "0.2"), ("qualifiedtobuy", "Qualified to buy", "0.4"),
    ("presentationscheduled", "Presentation scheduled", "0.6"), ("contractsent", "Contract sent", "0.9"),
    ("closedwon", "Closed won", "1.0"), ("closedlost", "Closed lost", "0.0"),
]
NEW = {
    "contacts": {"lifecyclestage": "lead", "hubspot_owner_id": "5"},
    "deals": {
        "dealname": "A deal", "pipeline": "default", "dealstage": "appointmentscheduled", "amount": "10.50",
        "deal_currency_code": "EUR", "hubspot_owner_id": "5",
    },
    "calls": {"hs_timestamp": "2026-03-01T08:00:00Z", "hs_call_direction": "OUTBOUND", "hubspot_owner_id": "5"},
}


class TestHubSpot(SourceContract):
    adapter = HubSpot
    mapping = Path(__file__).parents[2] / "mappings" / "hubspot.yaml"
    changing = tuple(NEW)
    many = 9

    @pytest.fixture
    def served(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, Any]]:
        """An account with two owners and a pipeline; lists of six records, pages of a window of four."""
        for name, size in (("LISTED", 6), ("SEARCHED", 2), ("LINKED", 4)):
            monkeypatch.setattr(hubspot, name, size)
        with HubSpotTwin(clock=clock) as self.twin:
            self.portal = self.twin.portal
            self.portal.add_pipeline("default", "Sales", STAGES)
            self.portal.add_owner("5", email="ana@example.com", first="Ana", last="Alvarez", user=771)
            self.portal.add_owner("6", email="bo@example.com", first="Bo", last="Berg", user=772)
            yield {"base_url": self.twin.url, "token": self.twin.token}

    def add(self, stream: str) -> str:
        with self.twin.lock:
            return self.portal.create(stream, NEW[stream])

    def edit(self, stream: str, key: str) -> None:
        with self.twin.lock:
            owner = self.portal.item(stream, key).properties["hubspot_owner_id"]
            self.portal.update(stream, key, {"hubspot_owner_id": "6" if owner == "5" else "5"})

    def delete(self, stream: str, key: str) -> None:
        with self.twin.lock:
            self.portal.archive(stream, key)

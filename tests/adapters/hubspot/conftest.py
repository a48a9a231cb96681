"""The fake account that the tests of HubSpot read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from tests.adapters.hubspot.account import STAGES, add_deal


@pytest.fixture
def empty(clock: FakeClock) -> Iterator[HubSpotTwin]:
    """An account with one pipeline and nothing in it."""
    with HubSpotTwin(clock=clock) as made:
        made.portal.add_pipeline("default", "Sales", STAGES)
        yield made


@pytest.fixture
def twin(empty: HubSpotTwin) -> HubSpotTwin:
    """An account with one pipeline, two owners (one left), a company, a contact, and three deals."""
    portal = empty.portal
    portal.add_owner("5", email="ana@example.com", first="Ana", last="Alvarez", user=771)
    portal.add_owner("6", email="bo@example.com", first="Bo", last="Berg", user=772)
    portal.archive_owner("6")
    company = portal.create("companies", {"name": "North", "domain": "north.example", "hubspot_owner_id": "5"})
    contact = portal.create("contacts", {"lifecyclestage": "lead", "hubspot_owner_id": "5"})
    for number in range(3):
        id_ = add_deal(portal, number)
        if number == 0:
            portal.associate("deals", id_, "contacts", contact)
            portal.associate("deals", id_, "companies", company)
    return empty

"""A fake HubSpot account for tests, and the few calls they make to it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime

import requests

from connector.twins.clock import SimulatedClock
from connector.twins.demo_plan import NEW_BUSINESS
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal import Portal

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DEALS = "/crm/v3/objects/deals"


class Account:
    """A twin with one pipeline, one owner and seven deals made in the first seven seconds after nine."""

    def __init__(self, twin, deals=7):
        self.twin, self.portal, self.clock = twin, twin.portal, twin.clock
        self.session = requests.Session()
        self.session.headers.update(twin.headers)
        self.portal.add_pipeline(NEW_BUSINESS.id, NEW_BUSINESS.label, NEW_BUSINESS.stages)
        self.portal.add_owner("51", email="lan@example.com", first="Lan", last="Vo", user=771, teams=["north"])
        self.deals = [self.deal(n) for n in range(deals)]

    def deal(self, number):
        self.clock.sleep(1)
        return self.portal.create("deals", {
            "dealname": f"Deal {number}", "pipeline": "default", "dealstage": "appointmentscheduled",
            "amount": f"{number}00.50", "deal_currency_code": "EUR", "hubspot_owner_id": "51",
        }, user=771)

    def get(self, path, status=200, **query):
        answer = self.session.get(self.twin.url + path, params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path, body, status=200):
        answer = self.session.post(self.twin.url + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def ids(self, kind="deals", **query):
        """The ids a list shows."""
        return [row["id"] for row in self.get(f"/crm/v3/objects/{kind}", limit=100, **query)["results"]]

    def found(self, kind="deals", **body):
        """The ids a search finds."""
        return [row["id"] for row in self.post(f"/crm/v3/objects/{kind}/search", {"limit": 200, **body})["results"]]

    def batch(self, *ids, kind="deals", status=200, **body):
        return self.post(f"/crm/v3/objects/{kind}/batch/read", {"inputs": [{"id": id_} for id_ in ids], **body}, status)

    def truth(self, id_, kind="deals"):
        return self.twin.state()[kind][id_]


@contextmanager
def serving(**keywords):
    """An account on a clock that stands at nine; the twin takes the keywords."""
    with HubSpotTwin(Portal(SimulatedClock(NINE)), **keywords) as twin:
        account = Account(twin)
        try:
            yield account
        finally:
            account.session.close()
        assert twin.crashes == []

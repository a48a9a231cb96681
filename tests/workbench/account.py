"""A HubSpot account over real HTTP at a clock that stands, and an installation in a folder that reads it.

What the commands print is the same in each run, so the pages of the docs can show it as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
TOKEN = {"HUBSPOT_TOKEN": "twin-token"}
STAGES = [
    ("appointmentscheduled", "Appointment scheduled", "0.2"), ("qualifiedtobuy", "Qualified to buy", "0.4"),
    ("contractsent", "Contract sent", "0.9"), ("closedwon", "Closed won", "1.0"), ("closedlost", "Closed lost", "0.0"),
]
PEOPLE = "employee_code,email,name\nNV001,ana@example.com,Ana Alvarez\nNV002,bo@example.com,Bo Berg\n"

CONFIG = """\
timezone: Asia/Ho_Chi_Minh
currency: EUR
people: people.csv
sources:
  hubspot:
    adapter: hubspot
    mapping: hubspot.yaml
    base_url: {url}
    token: ${{HUBSPOT_TOKEN}}
destinations:
  table: {{adapter: file, path: "out/kpi-{{period}}.csv"}}
kpis:
  - {{id: won_value, metric: won_value, per: person, every: month, push: [table]}}
  - {{id: win_rate, metric: win_rate_count, per: person, every: month}}
  - {{id: open_pipeline, metric: open_pipeline, per: company, every: month}}
"""


def filled(clock: FakeClock) -> HubSpotTwin:
    """Two sellers, a company, and ten deals worked on from September to November 2026: four won, two lost."""
    clock.set(datetime(2026, 9, 1, 2, 0, tzinfo=UTC))
    twin = HubSpotTwin(clock=clock)
    portal = twin.portal
    portal.add_pipeline("default", "Sales", STAGES)
    portal.add_owner("5", email="ana@example.com", first="Ana", last="Alvarez", user=771)
    portal.add_owner("6", email="bo@example.com", first="Bo", last="Berg", user=772)
    company = portal.create("companies", {"name": "North", "domain": "north.example", "hubspot_owner_id": "5"})
    ends = {0: "closedwon", 1: "closedwon", 2: "closedlost", 4: "closedwon", 5: "closedlost", 7: "closedwon"}
    for number in range(10):
        deal = portal.create("deals", {
            "dealname": f"Deal {number}", "pipeline": "default", "dealstage": "appointmentscheduled",
            "amount": f"{1000 + 250 * number}.50", "deal_currency_code": "EUR",
            "hubspot_owner_id": "5" if number % 2 == 0 else "6",
        }, user=771)  # fmt: skip
        portal.associate("deals", deal, "companies", company)
        for stage in ("qualifiedtobuy", "contractsent", ends.get(number)):
            clock.advance(days=2)
            if stage is not None:
                portal.update("deals", deal, {"dealstage": stage}, user=771)
    clock.set(NOW)
    return twin


def installed(folder: Path, twin: HubSpotTwin, clock: FakeClock) -> Project:
    """The account's installation, with the mapping we ship beside its config."""
    made = Project(folder, clock)
    made.write("config.yaml", CONFIG.format(url=twin.url))
    made.write("people.csv", PEOPLE)
    made.write("hubspot.yaml", (ROOT / "mappings" / "hubspot.yaml").read_text("utf-8"))
    return made


"""The whole way over real HTTP: a fake HubSpot is pulled, its numbers come out, and its failures are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.twins.hubspot import HubSpotTwin
from tests.e2e.project import Project

CONFIG = """\
timezone: Asia/Ho_Chi_Minh
currency: EUR
sources:
  hubspot: {{adapter: hubspot, mapping: demo, base_url: "{url}", token: "${{TOKEN}}"}}
kpis:
  - {{id: won, metric: won_count, per: company, every: all}}
  - {{id: leads, metric: lead_volume, per: company, every: all}}
"""


@pytest.fixture
def project(tmp_path: Path, twin: HubSpotTwin) -> Project:
    made = Project(tmp_path)
    made.write("config.yaml", CONFIG.format(url=twin.url))
    return made


def test_what_the_crm_holds_is_what_the_kpis_say(project: Project, twin: HubSpotTwin) -> None:
    result = project.process("sync", "--json", TOKEN=twin.token)
    assert (result.code, result.json["status"]) == (0, "ok"), result.err + result.out
    deals = twin.portal.collections["deals"].items.values()
    living = [deal for deal in deals if deal.archived_at is None]
    won = [deal for deal in living if deal.properties.get("dealstage") in ("closedwon", "998879")]
    values = {one["kpi"]: one["value"] for one in project("kpi", "--json", TOKEN=twin.token).json}
    assert values["won"] == str(len(won))


def test_a_refused_token_is_3_and_the_token_is_not_shown(project: Project) -> None:
    result = project("sync", "--json", TOKEN="hush-hush-3")
    assert (result.code, result.json["status"]) == (3, "failed")
    assert "connector check hubspot" in result.json["next"]
    assert "hush-hush" not in result.out + result.err

"""A source and its mapping drift apart: told by the sync of the day it happens, and in full by `mapping lint`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.messages import Reply
from tests.e2e.project import Project
from tests.workbench.account import ROOT, TOKEN

PAGE = (ROOT / "docs" / "lint.md").read_text("utf-8")
TABLE = ("type: properties.dealtype",
         "type: {path: properties.dealtype, table: {newbusiness: new, existingbusiness: existing}}")


def asked(twin: HubSpotTwin) -> list[str]:
    """What was asked of the account beside its records."""
    return [one.target for one in twin.requests if "/properties/" in one.target or "account-info" in one.target]


def drift(project: Project) -> list[dict[str, Any]]:
    """What the sync of the next day says has drifted."""
    assert isinstance(project.clock, FakeClock)
    project.clock.advance(days=1, minutes=1)
    done = project("sync", "--json", **TOKEN)
    (source,) = done.json["sources"]
    found: list[dict[str, Any]] = source["drift"]
    assert done.code == (1 if found else 0), done
    return found


@pytest.fixture
def synced(project: Project) -> Project:
    """Synced once, without a finding: nothing is wrong with a usual account and the mapping we ship."""
    done = project("sync", "--json", **TOKEN)
    assert (done.code, done.json["sources"][0]["drift"]) == (0, []), done
    return project


def test_a_new_stage_is_told_by_the_next_day_s_sync_and_then_with_its_deals_money_and_kpis(
    synced: Project, twin: HubSpotTwin, clock: FakeClock
) -> None:
    twin.portal.add_stage("default", ("legalreview", "Legal review", "0.7"))
    before = len(asked(twin))
    assert synced("sync", "--json", **TOKEN).code == 0  # within a day of the last look the source is not asked again
    assert len(asked(twin)) == before

    (found,) = drift(synced)
    assert (found["kind"], found["file"], found["line"]) == ("unmapped_stage", "hubspot.yaml", 12)
    assert (found["records"], found["deals"], found["money"]) == (0, 0, [])
    assert found["kpis"] == ["won_value", "win_rate", "open_pipeline"]

    for deal in ("9999909", "9999910"):  # deals 8 and 9, of 3,000.50 and 3,250.50
        twin.portal.move_stage(deal, "legalreview", user=771)
    clock.advance(minutes=30)
    shown = synced("sync", **TOKEN)
    assert shown.code == 1
    told = [line for line in shown.out.splitlines() if "Legal review" in line or "mapping lint" in line]
    assert len(told) == 2
    assert all(line in PAGE for line in told), told

    clock.set(datetime(2026, 11, 24, 4, tzinfo=UTC))
    shown = synced("mapping", "lint", **TOKEN)
    assert (shown.code, shown.err) == (1, "")
    assert shown.out in PAGE, shown.out
    answer = synced("mapping", "lint", "--json", **TOKEN)
    most = answer.json["sources"][0]["findings"][0]
    assert (most["kind"], most["records"], most["deals"], most["money"]) == (
        "unmapped_stage", 2, 2, [{"currency": "EUR", "amount": "6251.00"}]
    )
    (source,) = synced("status", "--json", **TOKEN).json["sources"]
    assert [(one["kind"], one["records"]) for one in source["drift"]] == [("unmapped_stage", 2)]
    assert told[0] in synced("status", **TOKEN).out

    synced.replace("hubspot.yaml", '"contractsent":', '"legalreview": {to: negotiation, name: Legal review}\n'
                   '      "contractsent":')
    assert drift(synced) == []


def test_a_property_that_is_gone_or_of_another_type_and_a_new_option_are_told(
    project: Project, twin: HubSpotTwin, clock: FakeClock
) -> None:
    project.replace("hubspot.yaml", *TABLE)
    assert drift(project) == []
    twin.portal.add_property("deals", "closed_lost_reason")  # a mapping may name what the account does not have yet
    assert drift(project) == []

    twin.portal.drop_property("deals", "closed_lost_reason")
    twin.portal.change_property("deals", "amount", type="string")
    twin.portal.change_property("deals", "dealtype", options={
        "newbusiness": "New Business", "existingbusiness": "Existing Business", "partner": "Via partner",
    })  # fmt: skip
    found = {one["kind"]: one for one in drift(project)}
    assert {kind: one["message"] for kind, one in found.items()} == {
        "vanished_field": "the source does not send properties.closed_lost_reason of deals any more; deal.lost_reason "
                          "is read from it",
        "type_changed": '"Amount" (properties.amount) of deals is text (it was a number), which deal.amount cannot be '
                        "read from as money",
        "unmapped_value": 'the value "Via partner" (partner) of "Deal Type" (properties.dealtype) is not in the table '
                          "of deal.type; records of deals with it are set aside",
    }
    lint = project("mapping", "lint", "--from-landing", "--json", **TOKEN)
    kinds = {one["kind"] for one in lint.json["sources"][0]["findings"]}
    assert kinds >= set(found)


def test_a_source_that_does_not_tell_stops_no_sync(synced: Project, twin: HubSpotTwin, clock: FakeClock) -> None:
    twin.on_request(lambda request: Reply(400, {"message": "no"}) if "/properties/" in request.target else None)
    clock.advance(days=2)
    done = synced("sync", "--json", **TOKEN)
    assert done.code == 0, done
    assert "did not tell what it has" in done.json["notes"][0]
    assert done.json["sources"][0]["drift"] == []


def test_a_dry_run_keeps_nothing_of_what_the_source_tells(project: Project, twin: HubSpotTwin) -> None:
    twin.portal.add_stage("default", ("legalreview", "Legal review", "0.7"))
    done = project("sync", "--dry-run", "--json", **TOKEN)
    assert [one["kind"] for one in done.json["sources"][0]["drift"]] == ["unmapped_stage"]
    assert project("status", "--json", **TOKEN).json["sources"][0]["drift"] == []


def test_neither_resync_nor_lint_over_the_landing_asks_the_source_what_it_has(
    synced: Project, twin: HubSpotTwin, clock: FakeClock
) -> None:
    before = len(asked(twin))
    clock.advance(days=3)
    assert synced("resync", "hubspot", "--id", "9999910", "--json", **TOKEN).code == 0
    requests = len(twin.requests)
    assert synced("mapping", "lint", "--from-landing", "--json", **TOKEN).code == 1
    assert len(asked(twin)) == before
    assert len(twin.requests) == requests

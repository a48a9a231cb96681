"""The demo's plan: what it holds, that it repeats, and that the demo's mapping reads it as the plan means it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector import document, mapping, mapping_tests
from connector.ports import Record
from connector.twins import demo_truth
from connector.twins.clock import SimulatedClock
from connector.twins.demo import SYNCS, TODAY, ZONE, Timeline, fx_rows, make_plan, people_rows, target_rows
from connector.twins.demo_plan import PIPELINES, Event, Plan
from connector.twins.hubspot_view import View
from connector.twins.portal import Portal, milliseconds
from connector.twins.seeded import seeded_hubspot

DEMO = Path(__file__).parents[2] / "mappings" / "demo.yaml"
HISTORIES = ("dealstage", "hubspot_owner_id", "amount", "deal_currency_code", "closedate")


@pytest.fixture(scope="module")
def plan():
    return make_plan()


@pytest.fixture(scope="module")
def portal(plan):
    clock = SimulatedClock(TODAY)
    timeline = Timeline(plan, Portal(clock))
    timeline.advance(TODAY)
    return timeline.portal


@pytest.fixture(scope="module")
def rules():
    return mapping.load(document.read(str(DEMO)), source="hubspot", zone=ZoneInfo(ZONE), sources=["hubspot"])


def mapped(rules, portal, stream):
    """What the mapping makes of a whole stream as the twin shows it."""
    collection = portal.collections[stream]
    view = View(portal, collection, sorted(collection.known), HISTORIES if stream == "deals" else (), ["contacts"])
    records = [Record(str(item.id), item.modified_at * 1000, view.of(item)) for item in collection.from_id(0)]
    found = list(rules.apply(stream, records))
    assert [one.fault for one in found if one.fault] == []
    return found


def test_the_same_seed_gives_the_same_plan_and_another_seed_another():
    assert make_plan(3, deals=50).events == make_plan(3, deals=50).events
    assert make_plan(3, deals=50).events != make_plan(4, deals=50).events


def test_the_plan_has_every_awkward_case_the_demo_is_to_show(plan):
    stories = list(demo_truth.stories(plan, TODAY))
    closed = {stage for pipeline in PIPELINES.values() for stage in (pipeline.won, pipeline.lost)}
    order = {stage.id: n for pipeline in PIPELINES.values() for n, stage in enumerate(pipeline.stages)}
    moves = [(order[a], order[b], a, b) for one in stories for (_, a), (_, b) in pairwise(one.stages)]
    assert len(stories) == 3000
    assert {one.values["deal_currency_code"] for one in stories} == {"EUR", "USD", "GBP", "VND"}
    assert {one.values["pipeline"] for one in stories} == set(PIPELINES)
    assert Counter(one.outcome for one in stories).keys() == {"won", "lost", "open"}
    awkward = {
        "backward": sum(b < a and from_ not in closed for a, b, from_, _ in moves),
        "skipped": sum(b == a + 2 and to not in closed for a, b, _, to in moves),
        "re-opened": sum(from_ in closed for _, _, from_, _ in moves),
        "shared": sum("split_owner_1" in one.values for one in stories),
        "no amount": sum(one.values["amount"] is None for one in stories),
        "other owner": sum(len(one.owners) > 1 for one in stories),
        "lost without reason": sum(one.outcome == "lost" and "closed_lost_reason" not in one.values for one in stories),
    }
    assert {name: count for name, count in awkward.items() if count < 40} == {}


def test_some_deals_are_won_when_it_is_another_month_in_utc(plan):
    wins = [one.stages[-1][0] for one in demo_truth.stories(plan, TODAY) if one.outcome == "won"]
    assert sum(demo_truth.month(at) != demo_truth.month(at - 7 * 3_600_000) for at in wins) >= 10


def test_every_sync_sees_new_deals_moves_and_late_changes(plan):
    assert SYNCS[-1] == TODAY
    assert len(SYNCS) == 6
    for earlier, later in pairwise(SYNCS):
        since, until = milliseconds(earlier), milliseconds(later)
        new = [one for one in plan.events if since < one.at <= until and one.kind == "deals"]
        closed = {one.id for one in demo_truth.stories(plan, earlier) if one.outcome == "won"}
        assert sum(one.action == "create" for one in new) > 100
        assert sum("dealstage" in one.values and one.action == "change" for one in new) > 300
        assert sum(one.id in closed and "amount" in one.values for one in new) > 0


def test_the_one_who_left_owns_nothing_open_and_gets_nothing_new(plan, portal):
    leaver = next(one for one in plan.sellers if one.left_on)
    left = [owner for owner in portal.owners.values() if owner["archived"]]
    stories = list(demo_truth.stories(plan, TODAY))
    assert [one["id"] for one in left] == [leaver.owner]
    assert not [one for one in stories if one.outcome == "open" and one.owners[-1][1] == leaver.owner]
    assert [one for one in stories if one.outcome == "won" and one.owners[-1][1] == leaver.owner]


def test_playing_month_by_month_or_at_once_gives_the_same_account(plan, portal):
    clock = SimulatedClock(SYNCS[0])
    timeline = Timeline(plan, Portal(clock))
    counts = []
    for moment in SYNCS:
        clock.move_to(moment)
        counts.append(timeline.advance(moment))
    assert min(counts) > 0
    assert timeline.advance(TODAY) == 0
    for kind, collection in portal.collections.items():
        played = timeline.portal.collections[kind]
        assert played.ids == collection.ids
        assert all(played.items[id_].history == item.history for id_, item in collection.items.items())


def test_the_timeline_shows_nothing_that_has_not_happened_yet(plan):
    timeline = Timeline(plan, Portal(SimulatedClock(SYNCS[0])))
    timeline.advance(SYNCS[0])
    latest = max(item.modified_at for one in timeline.portal.collections.values() for item in one.from_id(0))
    assert latest <= milliseconds(SYNCS[0])


def test_life_goes_on_after_the_plan_and_is_added_to_it():
    clock = SimulatedClock(TODAY)
    plan = make_plan(5, deals=60)
    timeline = Timeline(plan, Portal(clock))
    with pytest.raises(ValueError, match="plan's end"):
        timeline.keep_moving()
    timeline.advance(TODAY)
    before = len(plan.events)
    for _ in range(40):
        clock.sleep(3600)
        timeline.keep_moving(3)
    later = plan.events[before:]
    assert len(later) == 120
    assert all(a.at < b.at <= milliseconds(clock.now()) for a, b in pairwise(later))
    assert {one.action for one in later} == {"create", "change"}
    assert len(list(demo_truth.stories(plan, clock.now()))) == len(timeline.portal.collections["deals"].ids)


# --- the truth, by hand ----------------------------------------------------------------------------------------------


def test_the_truth_of_three_deals_equals_the_count_by_hand():
    """1 is won in June; 2 too, but that is undone and won again in July by another owner; 3 lacks an amount."""
    base = {"pipeline": "default", "deal_currency_code": "EUR", "dealstage": "contractsent", "hubspot_owner_id": "1"}
    june, july = (milliseconds(moment) for moment in SYNCS[:2])
    events = [
        Event(june, "deals", "create", "1", {**base, "amount": "100.00", "split_owner_1": "2", "split_share_1": "0.4"}),
        Event(june, "deals", "create", "2", {**base, "amount": "150.00"}),
        Event(june, "deals", "create", "3", {**base, "amount": None}),
        Event(june + 1, "deals", "change", "1", {"dealstage": "closedwon"}),
        Event(june + 2, "deals", "change", "2", {"dealstage": "closedwon"}),
        Event(june + 3, "deals", "change", "3", {"dealstage": "closedwon"}),
        Event(june + 4, "deals", "change", "2", {"dealstage": "contractsent", "hubspot_owner_id": "2"}),
        Event(july, "deals", "change", "2", {"dealstage": "closedwon", "amount": "200.00"}),
    ]
    plan = Plan(1, SYNCS[0], TODAY, (), events)
    before, after = demo_truth.won(plan, SYNCS[0] + timedelta(seconds=1)), demo_truth.won(plan, SYNCS[1])
    assert [(key, row.count, row.value) for key, row in before.items()] == [(("1", "2026-06"), 2, Decimal("100.00"))]
    assert (after["2", "2026-07"].value, after["1", "2026-06"].without_amount) == (Decimal("200.00"), 1)
    split = demo_truth.won(plan, SYNCS[1], "split")
    assert (split["2", "2026-06"].value, split["1", "2026-06"].count) == (Decimal("40.000"), Decimal("1.6"))
    assert demo_truth.stage_entries(plan, TODAY)["contractsent", "2026-06"] == 4


def test_money_is_converted_at_the_rate_of_the_local_day_and_rounded_half_even():
    rates = [{"currency": "USD", "valid_from": "2026-06-01", "rate": "0.5"},
             {"currency": "USD", "valid_from": "2026-07-01", "rate": "0.9"}]
    values = {"amount": "100.01", "deal_currency_code": "USD"}
    midnight_in_vietnam = 1_782_838_800_000  # 2026-06-30T17:00:00Z
    assert demo_truth.in_euros(values, midnight_in_vietnam - 1, rates) == Decimal("50.00")
    assert demo_truth.in_euros(values, midnight_in_vietnam, rates) == Decimal("90.01")


# --- the mapping -----------------------------------------------------------------------------------------------------


def test_the_mapping_reads_every_deal_with_its_moves_owner_changes_and_shares(plan, portal, rules):
    found = mapped(rules, portal, "deals")
    moves = Counter(one.deal for each in found for one in each.reported if one.timeline == "stage")
    owners = Counter(one.deal for each in found for one in each.reported if one.timeline == "owner")
    shares = [entry for each in found for entry in each.entries if entry.entity == "deal_owner"]
    stories = list(demo_truth.stories(plan, TODAY))
    assert {one.id: len(one.stages) for one in stories} == dict(moves)
    assert {one.id: len(one.owners) for one in stories} == dict(owners)
    names = ("split_share_1", "split_share_2")
    expected = sum(Decimal(one.values[name]) for one in stories for name in names if name in one.values)
    assert sum(int(entry.fields["share"]) for entry in shares) == expected * 1_000_000


def test_the_mapping_links_converted_leads_and_leaves_the_others(plan, portal, rules):
    leads = [entry for each in mapped(rules, portal, "contacts") for entry in each.entries]
    deals = [entry for each in mapped(rules, portal, "deals") for entry in each.entries if entry.entity == "deal"]
    linked = {entry.fields["lead"] for entry in deals} - {None}
    assert linked < {f"hubspot:{lead.id}" for lead in leads}
    assert len(leads) == sum(demo_truth.lead_volume(plan, TODAY).values())


def test_the_mappings_own_tests_hold(rules):
    assert [one["message"] for one in mapping_tests.run(rules) if not one["ok"]] == []


def test_the_mapping_reads_owners_and_stages(portal, rules):
    owners = list(rules.apply("owners", [Record(id_, None, row) for id_, row in portal.owners.items()]))
    stages = list(rules.apply("pipelines", [Record(id_, None, row) for id_, row in portal.pipelines.items()]))
    assert not [one.fault for one in (*owners, *stages) if one.fault]
    assert owners[0].entries[0].fields == {
        "email": "lan.nguyen@northwind.example", "name": "Lan Nguyen", "active": True, "user": "771",
    }
    assert [one.entries[0].fields["active"] for one in owners].count(False) == 1
    first = stages[0].entries[0].fields
    assert (first["pipeline"], first["stage"], first["probability"]) == ("default", "appointmentscheduled", 200_000)


# --- files and processes ---------------------------------------------------------------------------------------------


def test_people_have_a_code_a_team_at_any_time_and_an_owner_where_the_email_does_not_tell(plan):
    rows = people_rows(plan, "crm")
    assert len({row["employee_code"] for row in rows}) == 8
    assert [row["owner"] for row in rows if row["owner"]] == ["crm:41015"]
    moved = [(row["team"], row["from"], row["to"]) for row in rows if row["employee_code"] == "NV0010"]
    assert moved == [("north", "2024-03-27", "2026-07-31"), ("south", "2026-08-01", "")]


def test_there_is_a_rate_for_every_currency_on_every_day_of_the_plan(plan):
    rows = fx_rows(plan)
    for currency in ("USD", "GBP", "VND"):
        days = [row["valid_from"] for row in rows if row["currency"] == currency]
        assert days == sorted(days)
        assert days[0] < "2025-05-01"
        assert days[-1] > "2026-12-01"
        assert all(Decimal(row["rate"]) > 0 for row in rows)


def test_nobody_has_a_target_for_a_month_after_leaving(plan):
    periods = [row["period"] for row in target_rows(plan) if row["subject"] == "NV0014"]
    assert (periods[0], periods[-1]) == ("2025-05", "2026-08")


def test_mutations_depend_on_the_seed_and_their_number_alone():
    one, other = (seeded_hubspot(3, 30, mutations=10) for _ in range(2))
    try:
        assert one.mutate(4) == 4
        one.settle()
        other.settle()
        assert one.state() == other.state()
        assert one.clock.now() == other.clock.now()
    finally:
        one.stop()
        other.stop()

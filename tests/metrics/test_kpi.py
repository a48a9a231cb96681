"""Definitions, members, and the same answer from either store."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.kpi import KpiDefinition, validate
from connector.metrics.catalogue import CATALOGUE
from connector.model import Member, Subject
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import at, edge_cases

HANOI = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
COMPANY = Subject("company", "company")


def members(url: str, definition: KpiDefinition, period: str, subject: Subject = COMPANY, **cut: str) -> list[Member]:
    with open_snapshot(url) as snapshot, kpi.Reading(snapshot, HANOI, "USD") as reading:
        return reading.members(definition, subject, period, cut)


def test_the_members_of_a_value_add_up_to_it(edge_url: str) -> None:
    """February: 26 000 by three deals; D07 has no amount and is in the count only."""
    money = members(edge_url, KpiDefinition("k", "won_value"), "2025-02")
    assert [(member.id, member.amount) for member in money] == [
        ("D02", 6000_0000), ("D05", 12000_0000), ("D04", 8000_0000),
    ]
    assert money[0] == Member(
        "numerator", "deal", "crm", "D02", at("2025-01-31T18:00:00+00:00"), 6000_0000, "USD", 1_000_000, None
    )
    assert [member.id for member in members(edge_url, KpiDefinition("k", "won_count"), "2025-02")][-1] == "D07"


def test_the_members_of_a_ratio_tell_the_sides(edge_url: str) -> None:
    found = members(edge_url, KpiDefinition("k", "win_rate_count", per="owner"), "2025-02", Subject("owner", "crm:A"))
    assert [(member.side, member.id) for member in found] == [
        ("numerator", "D02"), ("denominator", "D02"), ("denominator", "D11"),
    ]


def test_the_members_of_a_stage_are_its_visits_with_their_days(edge_url: str) -> None:
    found = members(edge_url, KpiDefinition("k", "stage_duration", every="all"), "all", stage="hearing")
    assert sorted((member.duration or 0) // 86_400_000_000 for member in found) == [2, 3, 3, 4, 4, 8, 21]
    assert {member.entity for member in found} == {"stage_transition"}


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        (KpiDefinition("k", "won"), "metric: no metric 'won'; known: activity_count, "),
        (KpiDefinition("k", "won_count", per="people"), "per: no 'people'; known: person, team, owner"),
        (KpiDefinition("k", "won_count", every="fortnight"), "every: no 'fortnight'; known: day, week, month"),
        (KpiDefinition("k", "won_count", by="direction"), "by: won_count has no 'direction'; known: pipeline, stage"),
        (KpiDefinition("k", "won_count", where={"colour": "red"}), "where.colour: won_count has no 'colour'; known: "),
        (KpiDefinition("k", "lead_volume", by=["stage"]), "by: lead_volume has no 'stage'; known: pipeline, reason"),
        (KpiDefinition("k", "won_count", options={"stat": "mean"}), "options.stat: won_count has no such option"),
        (KpiDefinition("k", "cycle_length", options={"credit": "split"}), "options.credit: no 'split'; known: "),
        (KpiDefinition("k", "won_count", options={"horizon": 90}), "options.horizon: is of a cohort"),
        (KpiDefinition("k", "lead_to_won", options={"horizon": "soon"}), "options.horizon: expected a whole number"),
    ],
)
def test_an_unknown_name_is_a_fault_that_lists_the_known_ones(definition: KpiDefinition, fault: str) -> None:
    (found,) = validate(definition)
    assert found.startswith(fault)


def test_every_metric_is_valid_with_its_defaults_and_says_what_it_is() -> None:
    for name, metric in CATALOGUE.items():
        assert validate(KpiDefinition(name, name, options=metric.default_options)) == []
        assert metric.description.endswith(".")


def test_a_definition_at_fault_is_not_computed(edge_url: str) -> None:
    with open_snapshot(edge_url) as snapshot, pytest.raises(ValueError, match="kpi k: per: no 'nobody'"):
        kpi.compute([KpiDefinition("k", "won_count", per="nobody")], snapshot, HANOI, "USD")


def test_periods_are_asked_by_name_and_answered_by_kpis_of_that_length(edge_url: str) -> None:
    definitions = [KpiDefinition("m", "won_count"), KpiDefinition("q", "won_count", every="quarter")]
    with open_snapshot(edge_url) as snapshot:
        values = kpi.compute(definitions, snapshot, HANOI, "USD", periods=["2025-02", "2025-Q1"])
    assert [(value.kpi, value.period, value.period_end, value.value) for value in values] == [
        ("m", "2025-02", "2025-02-28", "4"), ("q", "2025-Q1", "2025-03-31", "7"),
    ]


def test_both_stores_give_the_same_values(edge_url: str, database_url: str) -> None:
    definitions = [
        KpiDefinition(name, name, per="owner", by="source" if "source" in metric.dimensions else ())
        for name, metric in CATALOGUE.items()
    ]
    answers = []
    for url in (edge_url, edge_cases(database_url).url):
        with open_snapshot(url) as snapshot:
            answers.append(kpi.compute(definitions, snapshot, HANOI, "USD"))
    assert answers[0] == answers[1]
    assert len(answers[0]) > 100

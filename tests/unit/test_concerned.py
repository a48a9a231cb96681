"""Which KPIs read a column, told by their definitions in metrics.md: never one that does not read the entity at all."""

from __future__ import annotations

from typing import Any

import pytest

from connector.concerned import Read, kpis
from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE

EACH = [KpiDefinition(metric, metric, per="person") for metric in CATALOGUE]


def of(entity: str, column: str = "", **more: Any) -> set[str]:
    return set(kpis(EACH, [Read(entity, column)], **more))


@pytest.mark.parametrize(("entity", "column", "reading", "not_reading"), [
    ("deal", "stage", {"won_value", "stage_entries", "open_pipeline"}, {"lead_volume", "order_value"}),
    ("deal", "amount", {"won_value", "open_pipeline", "quality_amount_missing"}, {"won_count", "cycle_length"}),
    ("deal", "lost_reason", {"lost_reasons", "quality_reason_missing"}, {"won_value", "open_pipeline"}),
    ("deal", "expected_close_on", {"slippage", "quality_close_overdue"}, {"won_value", "cycle_length"}),
    ("deal", "next_step_at", {"quality_next_step_missing"}, {"won_value", "open_pipeline"}),
    ("deal", "probability", {"weighted_pipeline"}, {"won_value", "lost_reasons"}),
    ("stage", "probability", {"weighted_pipeline"}, {"won_value", "lost_reasons"}),
    ("lead", "", {"lead_volume", "lead_to_won", "speed_to_lead"}, {"won_value", "open_pipeline", "order_value"}),
    ("activity", "", {"activity_count", "connect_rate", "touches_to_win"}, {"won_value", "lead_volume"}),
    ("payment", "amount", {"order_to_cash", "receivables", "dso"}, {"won_value", "order_count"}),
    ("contract", "", {"contract_signed_lag"}, {"won_value", "order_count"}),
    ("account", "name", set(), {"won_value", "new_customers"}),
])  # fmt: skip
def test_a_column_concerns_who_reads_it(
    entity: str, column: str, reading: set[str], not_reading: set[str]
) -> None:
    found = of(entity, column)
    assert reading <= found
    assert not not_reading & found


def test_every_metric_reads_something() -> None:
    entities = ("deal", "lead", "activity", "sales_order", "delivery_note", "invoice", "payment", "contract")
    assert set().union(*map(of, entities)) == {one.id for one in EACH}


def test_an_owner_concerns_kpis_of_people_and_own_fields_those_that_are_split_by_them() -> None:
    company, person = KpiDefinition("all", "won_value"), KpiDefinition("each", "won_value", per="person")
    regions = KpiDefinition("regions", "won_value", by=["extra.region"])
    assert kpis([company, person], [Read("deal", "owner")]) == ["each"]
    assert kpis([company, person], [Read("owner", "email")]) == ["each"]
    assert kpis([company, regions], [Read("deal", "extra.region")]) == ["regions"]


def test_what_is_of_one_pipeline_does_not_concern_kpis_of_another_and_a_score_is_concerned_with_its_parts() -> None:
    north = KpiDefinition("north", "won_value", where={"pipeline": ["north", "east"]})
    south = KpiDefinition("south", "won_value", where={"pipeline": "south"})
    calls = KpiDefinition("calls", "activity_count")
    score = KpiDefinition("seller", "scorecard", parts=(south, calls))
    stage = [Read("deal", "stage")]
    assert kpis([north, south, score], stage, pipeline="north") == ["north"]
    assert kpis([north, south, score], stage, pipeline="south") == ["south", "seller"]
    assert kpis([north, south], stage, pipeline="") == []  # of a pipeline that no mapping names
    assert kpis([KpiDefinition("s", "scorecard", parts=(calls,))], stage) == []

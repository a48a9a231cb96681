"""The mappings of tests/data over their files: every row is used, none is set aside."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.csv_folder import CsvFolder, CsvFolderSettings
from connector import document, mapping
from connector.model import Mapped, micros
from connector.ports import Context, SystemClock, Window

DATA = Path(__file__).parents[2] / "data"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
EDGE_CASES = {
    "deals": {"file": "deals.csv", "key": "deal_id"},
    "leads": {"file": "leads.csv", "key": "lead_id"},
    "transitions": {"file": "stage_transitions.csv", "key": "transition_id"},
    "owners": {"file": "owners.csv", "key": "owner"},
    "owner_history": {"file": "deal_owner_history.csv", "key": ["deal_id", "from_at"]},
    "activities": {"file": "activities.csv", "key": "activity_id"},
}
RENTING = {"events": {"file": "events.csv", "key": ["case_id", "seq"]}}


def mapped(name: str, files: dict[str, Any], *, imported: bool) -> dict[str, list[Mapped]]:
    rules = mapping.load(
        document.read(str(DATA / f"{name}.yaml")), source=name, zone=ZONE, sources=[name], history_import=imported
    )
    settings = CsvFolderSettings.model_validate({"folder": name, "files": files})
    source = CsvFolder(name, settings, Context(SystemClock(), ZONE, str(DATA)))
    window = Window(None, source.now())
    return {
        stream: [
            record
            for page in source.read(stream, window)
            for record in rules.apply(stream, source.records(stream, page.exchanges))
        ]
        for stream in files
    }


@pytest.fixture(scope="module")
def edge_cases() -> dict[str, list[Mapped]]:
    return mapped("edge_cases", EDGE_CASES, imported=True)


def test_every_row_of_the_edge_cases_is_used(edge_cases: dict[str, list[Mapped]]) -> None:
    assert {record.fault for records in edge_cases.values() for record in records} == {None}
    made = Counter(entry.entity for records in edge_cases.values() for one in records for entry in one.entries)
    told = Counter(fact.timeline for records in edge_cases.values() for one in records for fact in one.reported)
    assert made == {"deal": 13, "lead": 6, "owner": 3, "activity": 10}
    assert told == {"stage": 45, "owner": 14}


def test_a_deal_is_known_from_its_first_synchronisation_on(edge_cases: dict[str, list[Mapped]]) -> None:
    """D12 happened in January and was first seen on 9 February; so were its transitions."""
    (deal,) = next(record.entries for record in edge_cases["deals"] if record.key == "D12")
    late = micros(datetime(2025, 2, 9, 3, tzinfo=UTC))
    assert (deal.seen_at, deal.fields["created_at"]) == (late, micros(datetime(2025, 1, 15, 3, tzinfo=UTC)))
    told = [fact for record in edge_cases["transitions"] for fact in record.reported if fact.deal == "D12"]
    assert {fact.seen_at for fact in told} == {late}


def test_a_deal_that_changed_its_pipeline_keeps_both(edge_cases: dict[str, list[Mapped]]) -> None:
    told = [fact.value for record in edge_cases["transitions"] for fact in record.reported if fact.deal == "D10"]
    assert told == [("partner", "p_new"), ("sales", "hearing"), ("sales", "lost")]


def test_renting_events_of_the_seven_stages_and_two_ends_are_transitions() -> None:
    """Ground truth 02: 13,336 entries of open stages, 701 won and 1,799 lost; the rest is after the contract."""
    records = mapped("renting_funnel", RENTING, imported=False)["events"]
    assert {record.fault for record in records} == {None}
    told = Counter(fact.value[1] for record in records for fact in record.reported)
    assert (told.pop("Sign Contract"), told.pop("Reject Prospective Tenant")) == (701, 1_799)
    rows = (DATA / "renting_funnel/ground_truth/02_stages.csv").read_text().splitlines()[1:]
    assert told == {row.split(",")[0]: int(row.split(",")[2]) for row in rows}

"""What stands behind our values of tests/data/edge_cases, deal by deal, beside the ground truth's file of deals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from connector import kpi
from connector.kpi import KpiDefinition
from connector.model import KpiValue, Member
from connector.period import Calendar
from connector.store.snapshot import open_snapshot

from .fill import rows

TRUTH = "edge_cases/ground_truth/01_deals.csv"
HANOI = Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))
MONTHS = ("2025-01", "2025-02", "2025-03")
DAY = 86_400_000_000
COUNT = {"measure": "count"}


def behind(
    reading: kpi.Reading, metric: str, *months: str, per: str = "company", **options: str
) -> Iterator[tuple[KpiValue, Member]]:
    """The members of a metric's values of some months, each with the value it is in."""
    for month in months:
        for value, members in reading.with_members([KpiDefinition("k", metric, per, options=options)],
                                                   HANOI.parse(month)):
            yield from ((value, member) for member in members)


@pytest.fixture(scope="module")
def deals(edge_url: str) -> dict[str, dict[str, str]]:
    """What they say of each deal, in the words of the ground truth; each is won, lost or open once."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    with open_snapshot(edge_url) as snapshot, kpi.Reading(snapshot, HANOI, "USD") as reading:
        for status, metric in (("won", "won_count"), ("lost", "loss_stage")):
            for value, one in behind(reading, metric, *MONTHS, per="owner"):
                assert one.id not in found
                closed_on = HANOI.day_of(one.occurred_at or 0).isoformat()
                found[one.id] = {"status": status, "closed_local_day": closed_on, "credited": value.subject.key}
        for _, one in behind(reading, "open_pipeline", "2025-03", **COUNT):
            assert one.id not in found
            found[one.id] = {"status": "open"}
        for metric, months in (("win_rate_value", MONTHS), ("open_pipeline", ("2025-03",))):
            for _, one in behind(reading, metric, *months):
                found[one.id]["base_amount"] = f"{Decimal(one.amount or 0) / 10_000:.2f}"
        for outcome in ("won", "lost"):
            for _, one in behind(reading, "cycle_length", *MONTHS, outcome=outcome):
                found[one.id]["cycle_days"] = str((one.duration or 0) / DAY)
        for value, one in behind(reading, "lost_reasons", *MONTHS):
            found[one.id]["lost_reason"] = value.dimensions["reason"]
    return found


@pytest.mark.parametrize("truth", rows(TRUTH), ids=lambda row: row["deal_id"])
def test_each_deal(deals: dict[str, dict[str, str]], truth: dict[str, str]) -> None:
    """E: D02 is of February, for 6 000.00 (R1, R13); D04 took 46 days (R7), D10 26 (R10); D05 is B's (R12); won in
    January were 18 and 13 days, in February 28.75, 46, 26 and 23."""
    told = {name: word for name, word in truth.items() if word and name != "deal_id"}
    if "credited" in told:
        told["credited"] = f"crm:{told['credited']}"
    assert {name: word for name, word in deals[truth["deal_id"]].items() if word} == told


def test_no_other_deal_counts(deals: dict[str, dict[str, str]]) -> None:
    """R8: D08 was deleted, D09 merged into D01."""
    assert set(deals) == {row["deal_id"] for row in rows(TRUTH)}


@pytest.mark.parametrize(("metric", "options", "days"), [
    ("cycle_length", {"closed": "net"}, {"D04": 15}),
    ("stage_duration", {"span": "cumulative"}, {"D03": 6}),
])
def test_days_of_one_deal(edge_url: str, metric: str, options: dict[str, str], days: dict[str, int]) -> None:
    """E: D04 net 15 d; D03 in hearing cumulative 6."""
    definition = KpiDefinition("k", metric, every="all", options=options)
    with open_snapshot(edge_url) as snapshot, kpi.Reading(snapshot, HANOI, "USD") as reading:
        told = reading.with_members([definition], HANOI.parse("all"))
    found = {one.id: (one.duration or 0) / DAY for value, members in told for one in members
             if value.dimensions.get("stage") in (None, "hearing")}
    assert {deal: found[deal] for deal in days} == days

"""What the demo's figures must be, computed from the plan alone and by other code than the product's.

Months are local (Asia/Ho_Chi_Minh); a deal's state is the last one at `as_of` (R7), its amount the one known then, its
credit the owner's at the close (R12) or by shares, its rate the one valid on the local day of the close, rounded
half-even to the cent for each deal (R13). A missing amount counts as a deal and not as money (R14).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import takewhile
from typing import Literal

from connector.twins.demo_files import CURRENCY, fx_rows
from connector.twins.demo_plan import PIPELINES, ZONE_OFFSET, Plan
from connector.twins.portal import milliseconds

Credit = Literal["at_event", "current", "split"]


@dataclass(slots=True)
class Story:
    """One deal up to a moment: its stages and owners with the time each began, its properties as they are."""

    id: str
    created_at: int
    stages: list[tuple[int, str]]
    owners: list[tuple[int, str]]
    values: dict[str, str | None]

    @property
    def outcome(self) -> str:
        """`won`, `lost` or `open`, by the stage held now."""
        pipeline = PIPELINES[str(self.values["pipeline"])]
        return {pipeline.won: "won", pipeline.lost: "lost"}.get(self.stages[-1][1], "open")

    def owner_at(self, at: int) -> str:
        """Who owned it then."""
        return [owner for since, owner in self.owners if since <= at][-1]


@dataclass(slots=True)
class Won:
    """Deals won by one owner in one month: how many, their value in euros, how many of them lack an amount."""

    count: Decimal = field(default_factory=Decimal)
    value: Decimal = field(default_factory=Decimal)
    without_amount: int = 0


def stories(plan: Plan, as_of: datetime) -> Iterator[Story]:
    """Every deal that exists at `as_of`, as it was then, in the order of creation."""
    until, found = milliseconds(as_of), dict[str, Story]()
    for event in takewhile(lambda one: one.at <= until, plan.events):
        if event.kind != "deals":
            continue
        if event.action == "create":
            found[event.id] = Story(event.id, event.at, [], [], {})
        story = found[event.id]
        stage, owner = event.values.get("dealstage"), event.values.get("hubspot_owner_id")
        if stage and (not story.stages or story.stages[-1][1] != stage):
            story.stages.append((event.at, stage))
        if owner and (not story.owners or story.owners[-1][1] != owner):
            story.owners.append((event.at, owner))
        story.values.update(event.values)
    yield from found.values()


def month(at: int) -> str:
    """The local month of an instant, `2026-10`."""
    return f"{_local(at):%Y-%m}"


def won(plan: Plan, as_of: datetime, credit: Credit = "at_event") -> dict[tuple[str, str], Won]:
    """By (owner id, month of the close): what was won."""
    made: dict[tuple[str, str], Won] = defaultdict(Won)
    rates = fx_rows(plan)
    for story in stories(plan, as_of):
        if story.outcome != "won":
            continue
        closed_at = story.stages[-1][0]
        value = in_euros(story.values, closed_at, rates)
        for owner, share in _credited(story, closed_at, credit):
            row = made[owner, month(closed_at)]
            row.count += share
            row.value += (value or Decimal()) * share
            row.without_amount += value is None
    return dict(made)


def lost(plan: Plan, as_of: datetime) -> dict[tuple[str, str], int]:
    """By (owner id at the loss, month): how many deals were lost."""
    made: dict[tuple[str, str], int] = defaultdict(int)
    for story in stories(plan, as_of):
        if story.outcome == "lost":
            at = story.stages[-1][0]
            made[story.owner_at(at), month(at)] += 1
    return dict(made)


def stage_entries(plan: Plan, as_of: datetime) -> dict[tuple[str, str], int]:
    """By (stage id, month): visits that began, creations and returns included."""
    made: dict[tuple[str, str], int] = defaultdict(int)
    for story in stories(plan, as_of):
        for at, stage in story.stages:
            made[stage, month(at)] += 1
    return dict(made)


def open_pipeline(plan: Plan, at: datetime) -> dict[str, tuple[int, Decimal]]:
    """By stage id: how many deals are open at that instant, and their euros at that day's rate."""
    made: dict[str, tuple[int, Decimal]] = {}
    rates, moment = fx_rows(plan), milliseconds(at)
    for story in stories(plan, at):
        if story.outcome == "open":
            stage = story.stages[-1][1]
            count, value = made.get(stage, (0, Decimal()))
            made[stage] = count + 1, value + (in_euros(story.values, moment - 1, rates) or 0)
    return made


def lead_volume(plan: Plan, as_of: datetime) -> dict[tuple[str, str], int]:
    """By (owner id, month): contacts created."""
    made: dict[tuple[str, str], int] = defaultdict(int)
    for event in takewhile(lambda one: one.at <= milliseconds(as_of), plan.events):
        if event.kind == "contacts" and event.action == "create":
            made[str(event.values["hubspot_owner_id"]), month(event.at)] += 1
    return dict(made)


def in_euros(values: Mapping[str, str | None], at: int, rates: Sequence[Mapping[str, str]]) -> Decimal | None:
    """A deal's amount at the rate valid on the local day of `at`, to the cent; None without an amount."""
    amount, currency, day = values.get("amount"), values["deal_currency_code"], _local(at).date().isoformat()
    if not amount:
        return None
    valid = [row for row in rates if row["currency"] == currency and row["valid_from"] <= day]
    rate = Decimal(1) if currency == CURRENCY else Decimal(valid[-1]["rate"])
    return (Decimal(amount) * rate).quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def _credited(story: Story, at: int, credit: Credit) -> Iterator[tuple[str, Decimal]]:
    """Who gets which share of the deal."""
    owner = story.owners[-1][1] if credit == "current" else story.owner_at(at)
    rest = Decimal(1)
    if credit == "split":
        for number in (1, 2):
            helper, share = story.values.get(f"split_owner_{number}"), story.values.get(f"split_share_{number}")
            if helper and share:
                rest -= Decimal(share)
                yield helper, Decimal(share)
    if rest:
        yield owner, rest


def _local(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at + ZONE_OFFSET)

"""What the demo's plan is made of: pipelines, sellers, and a list of dated events.

The same seed gives the same events, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000
ZONE_OFFSET = 7 * HOUR  # Asia/Ho_Chi_Minh, which has no summer time
MONTHS = 18
FIRST_ID = 9_999_901  # ids soon get another digit: whoever sorts them as text is found out


class Stage(NamedTuple):
    """A vendor's stage: id, label, probability as text."""

    id: str
    label: str
    probability: str


class Pipeline(NamedTuple):
    """A vendor's pipeline; its last two stages are won and lost."""

    id: str
    label: str
    stages: tuple[Stage, ...]

    @property
    def won(self) -> str:
        return self.stages[-2].id

    @property
    def lost(self) -> str:
        return self.stages[-1].id


NEW_BUSINESS = Pipeline("default", "Sales Pipeline", (
    Stage("appointmentscheduled", "Appointment Scheduled", "0.2"), Stage("qualifiedtobuy", "Qualified To Buy", "0.4"),
    Stage("presentationscheduled", "Presentation Scheduled", "0.6"), Stage("contractsent", "Contract Sent", "0.9"),
    Stage("closedwon", "Closed Won", "1.0"), Stage("closedlost", "Closed Lost", "0.0"),
))
RENEWAL = Pipeline("75e28846", "Renewals", (
    Stage("998876", "Due", "0.5"), Stage("998877", "Offer sent", "0.7"), Stage("998878", "Negotiation", "0.8"),
    Stage("998879", "Renewed", "1.0"), Stage("998880", "Churned", "0.0"),
))
PIPELINES = {pipeline.id: pipeline for pipeline in (NEW_BUSINESS, RENEWAL)}


@dataclass(frozen=True, slots=True)
class Seller:
    """One employee who owns deals. `teams` are (team, first day); `crm_email` differs where the CRM has another."""

    owner: str
    user: int
    code: str
    first: str
    last: str
    email: str
    crm_email: str
    teams: tuple[tuple[str, date], ...]
    left_on: date | None = None  # the last day

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


class Event(NamedTuple):
    """Something done in the CRM at `at` (ms UTC): `create` or `change` of a record, or `archive` of an owner.

    `links` are associations made with a creation: (type, id).
    """

    at: int
    kind: str
    action: str
    id: str
    values: dict[str, str | None]
    user: int | None = None
    links: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Plan:
    """Everything that happens up to `today`, in order; `keep_moving` adds to it."""

    seed: int
    start: datetime
    today: datetime
    sellers: tuple[Seller, ...]
    events: list[Event] = field(default_factory=list)


def months_before(moment: datetime, months: int) -> datetime:
    """Local midnight of the first day of the month that is so many months before the one `moment` lies in."""
    local = moment + timedelta(milliseconds=ZONE_OFFSET)
    count = local.year * 12 + local.month - 1 - months
    first = datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)
    return first - timedelta(milliseconds=ZONE_OFFSET)


def sellers(left_on: date, moved_on: date, since: date) -> tuple[Seller, ...]:
    """The eight: one leaves after `left_on`, one changes team on `moved_on`, one has another e-mail in the CRM."""
    people = (
        ("Lan", "Nguyen", "north"), ("Minh", "Tran", "north"), ("Huong", "Le", "north"), ("Quang", "Pham", "north"),
        ("Thu", "Vo", "south"), ("Duc", "Dang", "south"), ("Mai", "Bui", "south"), ("Khoa", "Do", "south"),
    )
    made = []
    for number, (first, last, team) in enumerate(people):
        email = f"{first}.{last}@northwind.example".lower()
        crm_email = {2: "huong@old-domain.example", 5: email.upper()}.get(number, email)
        teams = ((team, since), ("south", moved_on)) if number == 3 else ((team, since),)
        made.append(Seller(
            owner=str(41_001 + number * 7), user=771 + number * 13, code=f"NV{number + 7:04d}", first=first, last=last,
            email=email, crm_email=crm_email, teams=teams, left_on=left_on if number == 7 else None,
        ))
    return tuple(made)



"""The pipeline model: what a mapping may fill, and the plain values the rest is made of.

One declaration, `ENTITIES`, says which fields exist and of what kind; the mapping language, the tables, the views and
the documentation are all read from it. Values are kept in the form they are stored in, so a record is converted once:

| kind | in Python and in the store |
| --- | --- |
| text, reference | str; a reference is `source:id` of the other row |
| instant | int, microseconds since 1970-01-01 UTC (fields ending in `_at`) |
| day | str `YYYY-MM-DD`, a local date that no zone shifts (fields ending in `_on`) |
| money | two columns: int ten-thousandths of a unit, and the ISO 4217 code beside it in `currency` |
| integer | int |
| ratio | int millionths (probability and share, 0..1) |
| number | str, an exact decimal (rates) |
| flag | bool |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

MONEY_SCALE = 10_000  # stored money: ten-thousandths of the currency's unit
RATIO_SCALE = 1_000_000  # stored probability and share: millionths

Value = str | int | bool | None
"""A stored value of any kind."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an aware datetime, exactly."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(micros_: int) -> datetime:
    """The aware UTC datetime of stored microseconds."""
    return EPOCH + timedelta(microseconds=micros_)


def iso(micros_: int | None) -> str | None:
    """Stored microseconds as ISO 8601 UTC with Z, as all our JSON has it."""
    return None if micros_ is None else moment(micros_).isoformat().replace("+00:00", "Z")


class Kind(StrEnum):
    """How a field's value is stored; see the module's table."""

    TEXT = "text"
    REFERENCE = "reference"
    INSTANT = "instant"
    DAY = "day"
    MONEY = "money"
    INTEGER = "integer"
    RATIO = "ratio"
    NUMBER = "number"
    FLAG = "flag"


class Canonical(StrEnum):
    """The selling steps that let pipelines be compared (metrics.md section 9)."""

    PROSPECTING = "prospecting"
    QUALIFICATION = "qualification"
    PROPOSAL = "proposal"
    NEGOTIATION = "negotiation"
    CLOSED_WON = "closed_won"
    CLOSED_LOST = "closed_lost"

    @property
    def kind(self) -> str:
        """`won`, `lost` or `open`."""
        return {"closed_won": "won", "closed_lost": "lost"}.get(self.value, "open")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity: how it is stored and, for a reference, which entity it names."""

    kind: Kind
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of row of the ledger.

    `key` names the fields that make the id when a mapping gives none. `facts` are append-only rows of a deal's past
    (`ledger.Event`), not versions of a thing.
    """

    name: str
    fields: Mapping[str, Field]
    key: tuple[str, ...] = ()
    facts: bool = False


_SHORT = {
    "text": Field(Kind.TEXT),
    "instant": Field(Kind.INSTANT),
    "day": Field(Kind.DAY),
    "money": Field(Kind.MONEY),
    "integer": Field(Kind.INTEGER),
    "ratio": Field(Kind.RATIO),
    "number": Field(Kind.NUMBER),
    "flag": Field(Kind.FLAG),
}


def _entity(entity: str, /, *, key: tuple[str, ...] = (), facts: bool = False, **fields: str) -> tuple[str, Entity]:
    """An entity from `field=kind`; a kind that is no kind is the entity a reference names."""
    made = {
        name: _SHORT.get(kind) or Field(Kind.REFERENCE, kind) for name, kind in fields.items()
    }
    return entity, Entity(entity, made, key, facts)


ENTITIES: Mapping[str, Entity] = dict(
    [
        _entity("owner", email="text", name="text", active="flag", user="text"),
        _entity("owner_team", key=("owner", "team", "from_on"), owner="owner", team="text", from_on="day", to_on="day"),
        _entity("account", name="text", domain="text", owner="owner", created_at="instant"),
        _entity(
            "lead", created_at="instant", status="text", source="text", owner="owner", account="account",
            mql_at="instant", sql_at="instant", disqualified_at="instant", reason="text", deal="deal",
            recycled_from="deal", deleted_at="instant", merged_into="lead",
        ),
        _entity(
            "deal", name="text", pipeline="text", stage="text", outcome="text", created_at="instant", amount="money",
            owner="owner", account="account", lead="lead", expected_close_on="day", closed_at="instant",
            forecast_category="text", probability="ratio", lost_reason="text", type="text", source="text",
            next_step_at="instant", deleted_at="instant", merged_into="deal", recycled_from="deal",
        ),
        _entity(
            "deal_owner", key=("deal", "owner", "from_at"), deal="deal", owner="owner", share="ratio",
            from_at="instant",
        ),
        _entity(
            "stage_transition", facts=True, deal="deal", pipeline="text", to="text", at="instant", by="text",
            sequence="integer",
        ),
        _entity("deal_change", facts=True, deal="deal", field="text", new="text", at="instant", by="text"),
        _entity(
            "activity", type="text", direction="text", outcome="text", at="instant", duration_seconds="integer",
            owner="owner", lead="lead", deal="deal", account="account",
        ),
        _entity(
            "sales_order", deal="deal", account="account", owner="owner", amount="money", ordered_at="instant",
            required_at="instant", state="text",
        ),
        _entity("delivery_note", sales_order="sales_order", delivered_at="instant", complete="flag"),
        _entity(
            "invoice", sales_order="sales_order", account="account", owner="owner", kind="text", amount="money",
            invoiced_at="instant", due_at="instant", state="text",
        ),
        _entity("payment", invoice="invoice", amount="money", paid_at="instant"),
        _entity(
            "contract", deal="deal", account="account", amount="money", sent_at="instant", signed_at="instant",
            state="text",
        ),
        _entity(
            "target", key=("kpi", "subject", "period"), kpi="text", subject="text", period="text", target="number",
            currency="text",
        ),
        _entity("fx_rate", key=("currency", "valid_from_on"), currency="text", valid_from_on="day", rate="number"),
        _entity("pipeline", name="text", recycle="text", starts="text", won="text"),
        _entity(
            "stage", key=("pipeline", "stage"), pipeline="text", stage="text", name="text", order="integer",
            probability="ratio", canonical="text", archived="flag",
        ),
    ]
)
"""Every entity of the model, by name, with the fields a mapping may fill."""

COLUMNS: Mapping[str, str] = {"at": "occurred_at", "by": "actor", "source": "source_name", "order": "position"}
"""Fields whose column has another name: reserved words, and the `source` every row has."""


def column(field: str) -> str:
    """The column a field is stored in."""
    return COLUMNS.get(field, field)


CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("deal", "outcome"): ("open", "won", "lost"),
    ("activity", "type"): ("call", "email", "meeting", "online", "task"),
    ("activity", "direction"): ("in", "out"),
    ("sales_order", "state"): ("draft", "confirmed", "done", "cancelled"),
    ("invoice", "kind"): ("invoice", "credit_note"),
    ("deal_change", "field"): (
        "owner", "amount", "currency", "expected_close_on", "probability", "forecast_category", "pipeline",
    ),
}
"""Fields that take one of a few words."""

STAGE = "stage"
"""The timeline name of a deal's stage; the other timelines are the `field`s of `deal_change`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline as the mapping has it: vendor id, own name, place in the order, canonical step."""

    id: str
    name: str
    order: int
    canonical: Canonical
    probability: int | None = None  # millionths
    archived: bool = False

    @property
    def kind(self) -> str:
        return self.canonical.kind


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline as the mapping has it; `id` is the vendor's, `name` the user's.

    `starts`, `won`: the event (`entity.field`) at which a deal begins, or is won; `created` and '' are its creation and
    its won stage. `recycle`: how many days after a loss for that reason a deal is due for a retry, None = never; empty:
    the rule of the metrics.
    """

    id: str
    name: str
    stages: tuple[Stage, ...]
    starts: str = "created"
    won: str = ""
    recycle: Mapping[str, int | None] = field(default_factory=dict, hash=False)
    _by_id: Mapping[str, Stage] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {stage.id: stage for stage in self.stages})

    def stage(self, stage_id: str) -> Stage | None:
        """The stage of that vendor's id."""
        return self._by_id.get(stage_id)

    def closing(self, kind: str) -> Stage | None:
        """The first stage of that kind, `won` or `lost`."""
        return next((stage for stage in self.stages if stage.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose number: kind `person | owner | team | pipeline | company`; key as design.md section 8 has it."""

    kind: str
    key: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One ledger row that is in a value's numerator or denominator.

    `amount` is base money in ten-thousandths after conversion, `share` millionths, `duration`
    microseconds. What only finds the rows behind it is not compared: when it happened (`occurred_at` is what puts it
    into the period), the vendor's ids of the stage it is about, and the metric it is a member of, which may be a term
    of the value's, then named in `term`; `is_open`: undecided yet. A member of a score is no row: `told` is what it is
    made of, as plain JSON.
    """

    side: str  # numerator | denominator
    entity: str
    source: str
    id: str
    occurred_at: int | None = None
    amount: int | None = None
    currency: str | None = None
    share: int | None = None
    duration: int | None = None
    event_at: int | None = field(default=None, compare=False)
    pipeline: str = field(default="", compare=False)
    stage: str = field(default="", compare=False)
    metric: str = field(default="", compare=False)
    term: str = field(default="", compare=False)
    is_open: bool = field(default=False, compare=False)
    told: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class KpiValue:
    """One value of one KPI for one subject and period; the fields are those of the JSON in design.md section 8.

    Numbers are decimal strings as shown to others (money with its currency's decimals, counts whole, ratios and
    durations with six places, half-even), or None for "no data". Periods are local dates, the last day included.
    `as_of` is microseconds. `basis`: `known` as of then, or `reconstructed` from what is known now.
    """

    kpi: str
    metric: str
    subject: Subject
    dimensions: Mapping[str, str]
    period: str
    period_start: str
    period_end: str
    value: str | None
    unit: str
    currency: str | None
    numerator: str | None
    denominator: str | None
    as_of: int
    view: str = "open"
    status: str = "open"
    restated_value: str | None = None
    adjustments: str | None = None
    left_out_amount: int = 0
    left_out_rate: int = 0
    left_out_duration: int = 0
    interval: tuple[str, str] | None = None
    open_share: str | None = None
    options: Mapping[str, str] | None = None
    catalogue_version: int = 1
    target: str | None = None
    attainment: str | None = None
    basis: str = "known"

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What identifies this value everywhere: kpi, subject kind and key, dimensions as canonical JSON, period."""
        return self.kpi, self.subject.kind, self.subject.key, canonical_json(self.dimensions), self.period

    def as_json(self) -> dict[str, object]:
        """The KPI object of design.md section 8."""
        return {
            "kpi": self.kpi,
            "metric": self.metric,
            "subject": {"kind": self.subject.kind, "key": self.subject.key, "name": self.subject.name},
            "dimensions": dict(self.dimensions),
            "period": self.period,
            "period_start": self.period_start,
            "period_end": self.period_end,
            "value": self.value,
            "unit": self.unit,
            "currency": self.currency,
            "numerator": self.numerator,
            "denominator": self.denominator,
            "as_of": iso(self.as_of),
            "view": self.view,
            "status": self.status,
            "restated_value": self.restated_value,
            "adjustments": self.adjustments,
            "left_out": {
                "amount": str(self.left_out_amount), "rate": str(self.left_out_rate),
                "duration": str(self.left_out_duration),
            },
            "interval": list(self.interval) if self.interval else None,
            "open_share": self.open_share,
            "options": dict(self.options or {}),
            "catalogue_version": self.catalogue_version,
            "target": self.target,
            "attainment": self.attainment,
            "basis": self.basis,
        }


def canonical_json(value: object) -> str:
    """The one JSON text of a plain value: sorted keys, no spaces; equal values give equal texts. Decimals are text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


_sorted = msgspec.json.Encoder(order="sorted")


def stored_json(value: object) -> str:
    """`canonical_json` of what holds text, whole numbers, flags and nulls only, in a tenth of the time."""
    return _sorted.encode(value).decode()


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is no plain value")


# --- what a record says, once mapped ---------------------------------------------------------------------------------
# One of these for every row and every fact of every page: msgspec's structs are made in a third of a dataclass's time.


class Entry(Struct):
    """What one entry of the mapping makes of one record: (part of) a version of one row.

    `fields` are by column and in stored form; own fields stand under `extra`. `absent`: the entry's `only_if` does not
    hold, so the record no longer makes this row. `item`: the list item it came of, None without `each`. `seen_at`:
    imported knowledge time, None = the page's.
    """

    entity: str
    id: str
    fields: dict[str, Value]
    extra: dict[str, Value] | None = None
    item: int | None = None
    absent: bool = False
    seen_at: int | None = None


class Reported(Struct):
    """One fact of a deal's past in the vendor's own history: a stage entered, or a field changed.

    `timeline` is `stage` or a field of `deal_change`; `value` is (pipeline, stage) or (new value as stored, in text,).
    """

    deal: str
    timeline: str
    value: tuple[str, ...]
    occurred_at: int
    sequence: int
    actor: str | None
    item: int | None
    seen_at: int | None = None


class Mapped(Struct):
    """One record, mapped: what it says of rows and of the past, or why it cannot be used.

    `lists` names the (deal, timeline) whose facts came as a whole list (`each`); the others came as rows of a stream
    of their own. `fault` is the reason for quarantine and `pipeline` the vendor's pipeline it withholds, if known.
    `digest` is a hash of the record, so that a change of it is noticed while it is set aside.
    """

    index: int
    key: str
    modified: int | None
    entries: list[Entry]
    reported: list[Reported]
    lists: set[tuple[str, str]]
    fault: str | None = None
    pipeline: str | None = None
    digest: str | None = None

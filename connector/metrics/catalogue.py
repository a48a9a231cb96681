"""The registry of metrics: one line each, with its defaults (metrics.md section 8).

A line's members come from the view `member_<id>` in `<family>.sql`; what is done with them follows from its kind. To
add a metric: a view, a line, a test. Raise `version` when a metric's SQL or defaults change; each value keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CREDITS = ("at_event", "actor", "current", "split")
STATISTICS = ("median", "mean", "p90")
BASES = ("event", "cohort")
MEASURES = ("value", "count")

DEAL_DIMENSIONS = ("pipeline", "stage", "canonical_stage", "reason", "type", "source")
LEAD_DIMENSIONS = ("pipeline", "reason", "source")

_CREDIT = {"credit": CREDITS}
_COHORT = {"count_by": BASES, "horizon": None}
_BY_CLOSE = {"credit": CREDITS, **_COHORT}
_DURATION = {"credit": CREDITS[:3], **_COHORT, "stat": STATISTICS}  # a share of a duration means nothing
_LEAD = {"credit": ("at_event", "current")}  # a lead has one owner, without history
_STOCK = {"credit": ("at_event", "current", "split")}  # an instant has no actor


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the registry.

    kind: C count, V money, R ratio, D duration, S stock at an instant. `adds`: o = over owners, t = over periods.
    `money`: the numbers are amounts, not records (of a stock or a reason list: the default measure decides).
    `open_stages`: only open stages have a value. `shows_open`: the share of the base still undecided stands beside it.
    `options`: the allowed words of each option, the first is the default; None takes a number of days. `formula`: how a
    value comes out of its members, in words ({measure} and {stat} are those of the options). `adds_up`: its base is the
    numerator and what stands beside it, and is written so. `lower_is_better`: a target is reached from above.
    """

    id: str
    unit: str
    kind: str
    period_by: str
    adds: str
    null: str | None
    rules: str
    family: str
    description: str
    formula: str
    options: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    record: str = "deal"
    entity: str = "deal"
    money: bool = False
    always_by: str = ""
    open_stages: bool = False
    shows_open: bool = False
    adds_up: bool = False
    lower_is_better: bool = False
    version: int = 1

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the metric can be split and filtered by; `extra.NAME` comes on top."""
        return LEAD_DIMENSIONS if self.record == "lead" else DEAL_DIMENSIONS

    def is_cohort(self, options: Mapping[str, str]) -> bool:
        """Whether members count in the period in which they began, so that the value of a past period still grows."""
        return self.period_by.endswith("(cohort)") or options.get("count_by") == "cohort"

    @property
    def default_options(self) -> dict[str, str]:
        """Each option's default; a number of days has none."""
        return {name: words[0] for name, words in self.options.items() if words}


_METRICS = (
    Metric(
        "won_count", "deals", "C", "close", "o t", "0", "R4 R7 R15", "winning",
        "Deals whose last state is won, in the period of the move that won them.",
        "number of the deals won",
        _BY_CLOSE,
    ),
    Metric(
        "won_value", "money", "V", "close", "o t", "0", "R13 R14 R15", "winning",
        "Amounts of the deals won, at each close day's rate; deals without amount or rate are left out and counted.",
        "sum of the amounts of the deals won",
        _BY_CLOSE, money=True,
    ),
    Metric(
        "average_deal_value", "money", "R", "close", "", None, "R14", "winning",
        "Won value per won deal that has a value.",
        "won value / won deals that have a value",
        _BY_CLOSE, money=True,
    ),
    Metric(
        "win_rate_count", "0..1", "R", "close", "", None, "R4 R7 R12 R16", "winning",
        "Won / (won + lost) of the deals closed in the period; open deals are in neither.",
        "won deals / (won + lost deals)",
        _BY_CLOSE, adds_up=True,
    ),
    Metric(
        "win_rate_value", "0..1", "R", "close", "", None, "R13 R14 R16", "winning",
        "Won value / (won + lost value); deals without amount or rate are out of both and counted.",
        "won value / (won + lost value)",
        _BY_CLOSE, money=True, adds_up=True,
    ),
    Metric(
        "lead_volume", "leads", "C", "lead.created_at", "o t", "0", "R1 R8", "leads",
        "Leads created; merged duplicates once.",
        "number of the leads created",
        _LEAD, record="lead", entity="lead",
    ),
    Metric(
        "lead_to_won", "0..1", "R", "lead.created_at (cohort)", "", None, "R2 R5 R11 R16", "leads",
        "Of the leads created in the period, the share with a won deal so far, or within the horizon (days).",
        "leads created that were won / leads created",
        {**_LEAD, "horizon": None}, record="lead", entity="lead",
    ),
    Metric(
        "stage_entries", "visits", "C", "entered_at", "o t", "0", "R5 R6 R10", "stages",
        "Entries into each stage; a deal that returns enters again.",
        "number of the entries into the stage",
        _BY_CLOSE, entity="stage_transition", always_by="stage",
    ),
    Metric(
        "stage_conversion", "0..1", "R", "first reached (cohort)", "", None, "R5 R9 R11 R16", "stages",
        "Of the deals that first reached the stage in the period, the share that got further or was won.",
        "deals that got further or were won / deals that reached the stage",
        {**_CREDIT, "horizon": None}, entity="stage_transition", always_by="stage", open_stages=True, shows_open=True,
    ),
    Metric(
        "stage_duration", "days", "D", "exited_at", "", None, "R6 R11 R17", "stages",
        "Days of each completed visit of an open stage; every visit counts.",
        "{stat} of the days of the completed visits of the stage",
        _DURATION, entity="stage_transition", always_by="stage", open_stages=True, lower_is_better=True,
    ),
    Metric(
        "cycle_length", "days", "D", "close", "", None, "R7 R11 R17", "winning",
        "Days from creation to the last close of the deals won.",
        "{stat} of the days from the beginning of a deal to its winning",
        _DURATION, lower_is_better=True,
    ),
    Metric(
        "open_pipeline", "money", "S", "end of P", "o", "0", "R10 R13 R14", "pipeline",
        "Value (or count) of the deals open at the period's end; never added over periods.",
        "{measure} of the deals open at the end of the period",
        {**_STOCK, "measure": MEASURES}, money=True, open_stages=True,
    ),
    Metric(
        "weighted_pipeline", "money", "S", "end of P", "o", "0", "R13 R14", "pipeline",
        "Open value x probability, the deal's own or else its stage's.",
        "sum of amount × probability of the deals open at the end of the period",
        _STOCK, money=True, open_stages=True,
    ),
    Metric(
        "lost_reasons", "deals", "C", "final loss", "o t", "0", "R7", "winning",
        "Deals lost (or their value) by reason; no reason given is a row of its own.",
        "{measure} of the deals lost for the reason",
        {**_BY_CLOSE, "measure": ("count", "value")}, money=True, always_by="reason", lower_is_better=True,
    ),
)

CATALOGUE: Mapping[str, Metric] = {metric.id: metric for metric in _METRICS}
"""Every metric by id."""

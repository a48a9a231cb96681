"""Where deals wait longer than they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.exact import decimal_text
from connector.metrics.metric import Metric, Term
from connector.metrics.question import DAY
from connector.metrics.survival import WHOLE, compared
from connector.metrics.value import PLACES, Numbers

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

_FEWEST = 30  # stays: of fewer, in either of the two years, nothing can be said
_OWNED = {"credit": ("at_event", "current", "actor")}


def _wait(terms: Composition) -> Numbers:
    """The days that stays lasted longer than in the year before, per day: so many deals more stood there."""
    now, before = terms.terms["now"], terms.terms["before"]
    if terms.period.every == "all" or min(now.durations, before.durations) < _FEWEST:
        return Numbers(None)
    found = compared(now.stays, before.stays)
    if not found.is_longer:
        return Numbers(None)
    longer = found.days * now.durations
    return Numbers(
        decimal_text(longer * DAY, WHOLE * terms.year, PLACES),
        decimal_text(longer, WHOLE, PLACES), decimal_text(terms.year, DAY, PLACES),
    )


METRICS = (
    Metric(
        "stage_stay", "days", "D", "entered_at", "", None, "R6 R11 R17", "waiting",
        "Mean days that the deals which entered a stage in the period had been in it by the period's end; a stay that"
        " goes on counts with its days so far, so that many late entries make it shorter. It is what `bottleneck_wait`"
        " is made of; how long completed stays took says `stage_duration`.",
        "mean of the days in the stage, up to the end of the period",
        {**_OWNED, "stat": ("mean",)},
        entity="stage_transition", always_by=("stage",), open_stages=True, lower_is_better=True, by_day=True,
    ),
    Metric(
        "bottleneck_wait", "deals", "C", "12 months", "", None, "R6 R11 R17", "waiting",
        "How many deals more stood in a stage, on average over the 12 months up to the period's end, than if each had"
        " stayed as long as in the 12 months before these: days by which a stay is longer × entries per day (Little's"
        " law). The mean stay is that of Kaplan-Meier, by whole days and as far as both years show it: one that goes on"
        " at the end of its 12 months counts as at least so long, not as over. Only where it is evident: 30 entries at"
        " least in each year, and stays that surely (log-rank test, p < 0.05) last longer.",
        "(mean days of a stay - mean days before) × entries per day",
        _OWNED, entity="stage_transition", always_by=("stage",), open_stages=True, lower_is_better=True,
        made_of={
            "now": Term("stage_stay", "year", side="numerator"),
            "before": Term("stage_stay", "year_earlier", side="denominator"),
        },
        combine=_wait,
    ),
)

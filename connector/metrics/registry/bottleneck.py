"""Which stage costs the most money."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from connector.exact import money_text
from connector.metrics.metric import CREDIT, Metric, Term
from connector.metrics.value import Numbers, count_text, wilson
from connector.model import RATIO_SCALE

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

_FEWEST = 30  # deals that reached the stage: of fewer nothing can be said
WEIGHT = 20
"""So many deals at the pooled rate stand beside the year before: a few deals are no measure."""
_OWNED = {"credit": ("at_event", "current", "actor")}


def loss(deals: Fraction, share: Fraction, reference: Fraction, chance: Fraction, value: Fraction) -> Fraction:
    """Money lost in a stage: deals × its conversion below the reference × the chance behind it × a won value."""
    return deals * max(Fraction(0), reference - share) * chance * value


def _score(terms: Composition) -> Numbers:
    """The loss of a stage in the 12 months, where it is evident; the reference are the 12 months before."""
    now, before, behind, value = (terms.terms[name] for name in ("now", "before", "behind", "value"))
    settled, settled_before = now.base_share - now.open_share, before.base_share - before.open_share
    if now.base_share < _FEWEST * RATIO_SCALE or not (settled_before and behind.base_share and value.base_share):
        return Numbers(None)
    pooled = Fraction(now.share + before.share, settled + settled_before)
    weight = WEIGHT * RATIO_SCALE
    reference = (before.share + weight * pooled) / (settled_before + weight)
    interval = wilson(now.share, settled)
    if interval is None or Fraction(interval[1]) >= reference:
        return Numbers(None)
    lost = loss(
        Fraction(now.base_share, RATIO_SCALE), Fraction(now.share, settled), reference,
        Fraction(behind.share, behind.base_share), Fraction(value.amount * RATIO_SCALE, value.base_share),
    )
    return Numbers(money_text(lost.numerator, terms.currency, lost.denominator))


def _growth(terms: Composition) -> Numbers:
    """By how many deals a queue grew in the period and the two before it, if it grew in each of them."""
    if terms.period.every == "all":
        return Numbers(None)
    grown = [group.share - group.base_share for group in terms.terms.values()]
    return Numbers(count_text(sum(grown) if min(grown) > 0 else 0))


METRICS = (
    Metric(
        "won_after_stage", "0..1", "R", "first reached (cohort)", "", None, "R5 R7 R11 R16", "bottleneck",
        "Of the deals that reached the stage in the period, got past it and are decided, the share won.",
        "deals won / decided deals that got past the stage",
        _OWNED, always_by=("stage",), open_stages=True,
    ),
    Metric(
        "value_after_stage", "money", "R", "first reached (cohort)", "", None, "R5 R7 R13 R14", "bottleneck",
        "Won value per won deal that has a value, of the deals that reached the stage in the period and got past it.",
        "won value / won deals that have a value",
        _OWNED, money=True, always_by=("stage",), open_stages=True,
    ),
    Metric(
        "bottleneck_score", "money", "V", "12 months", "", None, "R5 R11 R13 R16", "bottleneck",
        "What a stage cost in the 12 months up to the period's end because fewer deals got past it than in the 12"
        " months before these: deals that reached it × the fall of its conversion × the chance to win behind it × the"
        " average won value. Stages can be ranked by it. Only where it is evident: 30 deals at least, and a conversion"
        " that is surely (95 %) below that of before.",
        "deals × (conversion before - conversion) × share won behind the stage × average won value",
        _OWNED, money=True, always_by=("stage",), open_stages=True, lower_is_better=True,
        made_of={
            "now": Term("stage_conversion", "year"), "before": Term("stage_conversion", "year_earlier"),
            "behind": Term("won_after_stage", "year"), "value": Term("value_after_stage", "year"),
        },
        combine=_score, version=2,
    ),
    Metric(
        "queue_growth", "visits", "C", "entered_at / left_at", "", "0", "R5 R6 R10", "bottleneck",
        "Where a queue builds up: more deals entered the stage than left it, in the period and in each of the two"
        " before it. By how many, in the three together; 0 where that is not so.",
        "entries into the stage - departures from it, in three periods",
        CREDIT, always_by=("stage",), open_stages=True, lower_is_better=True,
        made_of={
            "now": Term("queue_ratio"), "before": Term("queue_ratio", "before"),
            "earlier": Term("queue_ratio", "before", steps=2),
        },
        combine=_growth,
    ),
)

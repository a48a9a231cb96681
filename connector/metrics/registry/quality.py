"""Data quality (metrics.md section 4): each fault counts its records, so that they can be listed, owned and mended.

A fault of what stands open is a stock at the period's end, together with those closed in the period (kind S): just the
deals that the period's other numbers are made of. A fault of what happened (a close, a move, a removal, a creation) is
counted in the period in which it happened (kind C). A record counts once, and is gone from all periods once it is
mended. Q16, Q17 and Q18 are of no record as it stands now; `ELSEWHERE` says where they are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

from connector.exact import decimal_text
from connector.metrics.metric import CREDIT, STOCK, THERE, Metric, Raw, Term
from connector.metrics.value import PLACES, Numbers, count_text, wilson

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

ELSEWHERE = """\
Three checks are no KPIs, since they are told of no record as it stands:

- Q16, what was edited after a period was closed, by whom, and what it moves: `connector period edits PERIOD`.
- Q17, how long ago each source was read to its end: `connector status`.
- Q18, our counts and sums beside the source's own: not told yet.
"""
"""What the documentation says beside the metrics."""

_REMOVED = (
    "coalesce(gone, '') = 'deleted' OR (coalesce(gone, '') = '' AND (coalesce(merged_into, '') <> ''"
    " OR deleted_at <= {as_of}))"
)
_OF_REMOVED = (  # more than these are no harm
    "occurred_at <= {as_of} AND (source, deal) IN (SELECT source, id FROM deal AS removed"
    " WHERE removed.gone = 'deleted' OR removed.merged_into <> '' OR removed.deleted_at <= {as_of})"
)

RAW = {
    "raw_deal_order": Raw(
        "sales_order", ("deal",),
        f"{THERE} AND coalesce(deal, '') <> '' AND coalesce(state, '') NOT IN ('draft', 'cancelled')"
        " AND (ordered_at IS NULL OR ordered_at <= {as_of})",
    ),
    "raw_deal_step": Raw(
        "activity", ("deal", "occurred_at"),
        f"{THERE} AND coalesce(deal, '') <> '' AND lower(coalesce(outcome, '')) <> 'cancelled'",
    ),
    "raw_odd_move": Raw(
        "stage_transition",
        ("source", "deal", "occurred_at", "to_pipeline", "to_stage", "origin", "flagged", "read_at"),
        "(flagged = 1 OR origin IN ('field', 'initial')) AND occurred_at <= {as_of}",
    ),
    "raw_removed_deal": Raw(
        "deal",
        ("source", "id", "seen_at", "deleted_at", "merged_into", "owner", "amount", "currency", "lost_reason", "type",
         "source_name"),
        _REMOVED,
    ),
    "raw_removed_deal_extra": Raw("deal", ("source", "id", "extra"), f"coalesce(extra, '') <> '' AND ({_REMOVED})"),
    "raw_removed_move": Raw(
        "stage_transition", ("source", "deal", "occurred_at", "sequence", "to_pipeline", "to_stage"), _OF_REMOVED
    ),
    "raw_removed_change": Raw(
        "deal_change", ("source", "deal", "occurred_at", "sequence", "new"), f"field = 'owner' AND {_OF_REMOVED}"
    ),
}

_MEASURE = {"measure": ("count", "value")}
_STANDING = "end of P, and close"

_BASES: Mapping[str, tuple[str, ...]] = {
    "amount_missing": ("open_pipeline", "won_count"),
    "order_missing": ("won_count",),
    "reason_missing": ("lost_reasons",),
    "next_step_missing": ("open_pipeline",),
    "close_overdue": ("open_pipeline",),
    "closed_before_created": ("won_count", "lost_reasons"),
    "unknown": ("open_pipeline", "won_count", "lost_reasons"),
    "rate_missing": ("open_pipeline", "won_count", "lost_reasons"),
    "amount_not_positive": ("open_pipeline", "won_count", "lost_reasons"),
}
"""The faults that have a share, and the metrics that count all the deals which could have it."""
_COUNTED = {"won_count": {}, "lost_reasons": {"measure": "count"}, "open_pipeline": {"measure": "count"}}


def _share(terms: Composition) -> Numbers:
    """Deals with the fault / deals that could have it; of none there is no share (R16)."""
    top = sum(terms.terms[check].share for check in _BASES)
    bottom = sum(terms.terms[base].share for base in chain.from_iterable(map(_names, _BASES)))
    told = decimal_text(top, bottom, PLACES) if bottom else None
    return Numbers(told, count_text(top), count_text(bottom), wilson(top, bottom))


def _names(check: str) -> list[str]:
    """What the terms are called that a fault's share is measured by."""
    return [f"{check} of {base}" for base in _BASES[check]]


def _terms(check: str) -> Mapping[str, Term]:
    """The terms of one fault's share."""
    asked = {"check": check}
    bases = {
        name: Term(base, options=_COUNTED[base], side="denominator", when=asked)
        for name, base in zip(_names(check), _BASES[check], strict=True)
    }
    return {check: Term(f"quality_{check}", side="numerator", when=asked), **bases}


METRICS = (
    Metric(
        "quality_amount_missing", "deals", "S", _STANDING, "o", "0", "Q1 R14", "quality",
        "Deals open at the period's end, or won in it, that have no amount: they are in counts, but in no sum.",
        "number of the open or won deals without amount",
        STOCK, lower_is_better=True,
    ),
    Metric(
        "quality_order_missing", "deals", "C", "close", "o t", "0", "Q2 R7", "quality_links",
        "Deals won (or their value) without a customer, or without an order that is neither a draft nor cancelled."
        " Option `missing`: only one of the two. Where a source tells of no customers, or of no orders, their absence"
        " says nothing.",
        "{measure} of the deals won without customer or order",
        {**CREDIT, **_MEASURE, "missing": ("any", "customer", "order")}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_reason_missing", "deals", "C", "close", "o t", "0", "Q3 R7", "quality",
        "Deals lost (or their value) for which nobody gave a reason.",
        "{measure} of the deals lost without reason",
        {**CREDIT, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_moved_back", "deals", "C", "first such move in P", "o", "0", "Q4 R6", "quality_moves",
        "Deals (or their value then) that were moved back to an earlier open stage; each once in a period. To be"
        " re-opened is none.",
        "{measure} of the deals moved back",
        {**CREDIT, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_stage_skipped", "deals", "C", "first such move in P", "o", "0", "Q5 R5 R9", "quality_moves",
        "Deals (or their value then) that were moved forward over an open stage in use; each once in a period.",
        "{measure} of the deals moved over a stage",
        {**CREDIT, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_next_step_missing", "deals", "S", "end of P", "o", "0", "Q6", "quality_links",
        "Open deals (or their value) with which nothing is planned: no activity and no next step lies after the"
        " period's end, or after now. Of a past period what came later counts as planned. Where a source tells of no"
        " activities with deals and of no next steps, their absence says nothing.",
        "{measure} of the open deals with which nothing is planned",
        {**STOCK, **_MEASURE}, money=True, open_stages=True, lower_is_better=True,
    ),
    Metric(
        "quality_close_overdue", "deals", "S", "end of P", "o", "0", "Q7", "quality",
        "Open deals (or their value) whose expected close is a day that has passed.",
        "{measure} of the open deals whose expected close has passed",
        {**STOCK, **_MEASURE}, money=True, open_stages=True, lower_is_better=True,
    ),
    Metric(
        "quality_history_missing", "deals", "C", "close, else first sight", "o t", "0", "Q8 R4", "quality_moves",
        "Deals (or their value) whose close is known only from the field that anybody may edit, or that were closed"
        " already when they were first seen: these are in no period of any other number.",
        "{measure} of the deals closed without history",
        {**CREDIT, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_removed", "deals", "C", "removal", "o t", "0", "Q9 R8", "quality_moves",
        "Deals (or their value) that were deleted or merged after they had entered the pipeline, by who owned them"
        " then: they are gone from every other number, and deleting lost deals would lift a win rate. By the source's"
        " own date or, where it tells none, from when we first knew the record so; `removal` says deleted or merged.",
        "{measure} of the deals deleted or merged",
        _MEASURE, record="removed_deal", money=True, lower_is_better=True,
    ),
    Metric(
        "quality_history_gap", "deals", "C", "first such move in P", "o", "0", "Q10", "quality_moves",
        "Deals (or their value then) that we saw in a stage into which the source's own history tells no move; each"
        " once in a period.",
        "{measure} of the deals with moves that no history tells",
        {**CREDIT, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_closed_before_created", "deals", "C", "close", "o t", "0", "Q11 R17", "quality",
        "Deals (or their value) that were closed before they were created: they have no length.",
        "{measure} of the deals closed before their creation",
        {**CREDIT, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_unknown", "deals", "S", _STANDING, "o", "0", "Q12 R9 R13", "quality",
        "Deals (or their value) of which we do not know something: open in a stage that is archived or that no mapping"
        " names any more; open or closed with no owner, or one no source tells of; in a currency without any rate."
        " Option `what`: only one of the three. A record that comes in an unmapped stage waits in quarantine instead.",
        "{measure} of the deals with an unknown stage, owner or currency",
        {**STOCK, **_MEASURE, "what": ("any", "stage", "owner", "currency")}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_rate_missing", "deals", "S", _STANDING, "o", "0", "Q13 R13", "quality",
        "Deals open at the period's end, or closed in it, whose currency has no rate for that day: no sum has them, and"
        " the period cannot close.",
        "number of the deals without a rate for their day",
        STOCK, lower_is_better=True,
    ),
    Metric(
        "quality_duplicate", "deals", "C", "deal.created_at", "o t", "0", "Q14 R18", "quality_links",
        "Deals (or their value) created less than seven days after another deal of the same customer with the same"
        " amount; the first of them is none.",
        "{measure} of the deals that may be there twice",
        {**STOCK, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_amount_not_positive", "deals", "S", _STANDING, "o", "0", "Q15 R14", "quality",
        "Deals (or their value) open at the period's end, or closed in it, with an amount of zero or below. What a lost"
        " deal was worth before the source emptied it counts.",
        "{measure} of the deals with an amount of zero or below",
        {**STOCK, **_MEASURE}, money=True, lower_is_better=True,
    ),
    Metric(
        "quality_share", "0..1", "R", _STANDING, "", None, "Q1-Q15 R16", "quality",
        "Of the deals that could have a fault, the share that has it; option `check` names the fault, as the metric"
        " `quality_` and that word counts it. Of moves stage_regress_rate and stage_skips tell a share.",
        "deals with the fault / deals that could have it",
        {**STOCK, "check": tuple(_BASES)}, lower_is_better=True,
        made_of={name: term for check in _BASES for name, term in _terms(check).items()}, combine=_share,
    ),
)

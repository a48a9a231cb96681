"""Leads and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.exact import decimal_text
from connector.metrics.metric import COUNTS, LEAD, STATISTICS, THERE, Metric, Raw, Term
from connector.metrics.value import PLACES, Numbers, count_text

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

RAW = {
    "raw_lead": Raw(
        "lead",
        ("source", "id", "created_at", "owner", "deal", "account", "reason", "source_name", "recycled_from", "mql_at",
         "sql_at", "disqualified_at"),
        f"{COUNTS} AND (created_at IS NULL OR created_at <= {{as_of}})",
    ),
    "raw_lead_order": Raw(
        "sales_order", ("deal", "account", "ordered_at", "state"),
        f"{THERE} AND (ordered_at IS NULL OR ordered_at <= {{as_of}})",
    ),
}

_COHORT = {**LEAD, "horizon": None}


def _per_lead(terms: Composition) -> Numbers:
    """Orders / leads; both of the period, so it may be above 1."""
    orders, leads = terms.terms["orders"].share, terms.terms["leads"].share
    ratio = decimal_text(orders, leads, PLACES) if leads else None
    return Numbers(ratio, count_text(orders), count_text(leads))


def _step(id_: str, description: str, formula: str) -> Metric:
    """A conversion from one step to another of the leads created in the period."""
    return Metric(
        id_, "0..1", "R", "lead.created_at (cohort)", "", None, "R2 R5 R11 R16", "leads", description, formula, _COHORT,
        record="lead", entity="lead", shows_open=True,
    )


METRICS = (
    Metric(
        "lead_volume", "leads", "C", "lead.created_at", "o t", "0", "R1 R8", "leads",
        "Leads created; merged duplicates once.",
        "number of the leads created",
        LEAD, record="lead", entity="lead", is_staged=False,
    ),
    Metric(
        "mql_count", "leads", "C", "mql_at", "o t", "0", "R5", "leads",
        "Leads that became marketing-qualified for the first time; one that got a deal without it did so then.",
        "number of the leads that became marketing-qualified",
        LEAD, record="lead", entity="lead",
    ),
    Metric(
        "sql_count", "leads", "C", "sql_at", "o t", "0", "R5", "leads",
        "Leads that became sales-qualified for the first time; one that got a deal without it did so then.",
        "number of the leads that became sales-qualified",
        LEAD, record="lead", entity="lead",
    ),
    _step(
        "lead_to_mql", "Of the leads created in the period, the share that became marketing-qualified or got further.",
        "leads created that became marketing-qualified / leads created",
    ),
    _step(
        "mql_to_sql", "Of the marketing-qualified among the leads created in the period, the share that became "
        "sales-qualified or got further.",
        "leads created that became sales-qualified / leads created that became marketing-qualified",
    ),
    _step(
        "sql_to_deal", "Of the sales-qualified among the leads created in the period, the share that has a deal.",
        "leads created that have a deal / leads created that became sales-qualified",
    ),
    _step(
        "deal_to_won", "Of the leads created in the period that have a deal, the share with a won deal.",
        "leads created that were won / leads created that have a deal",
    ),
    Metric(
        "lead_to_won", "0..1", "R", "lead.created_at (cohort)", "", None, "R2 R5 R11 R16", "leads",
        "Of the leads created in the period, the share with a won deal so far, or within the horizon (days).",
        "leads created that were won / leads created",
        _COHORT, record="lead", entity="lead", shows_open=True, version=2,
    ),
    Metric(
        "leads_to_orders", "0..1", "R", "lead.created_at (cohort)", "", None, "R2 R11 R16", "leads",
        "Of the leads created in the period, the share with at least one order; where the ERP has none of a lead, its "
        "won deals count as its orders.",
        "leads created that have an order / leads created",
        _COHORT, record="lead", entity="lead", shows_open=True,
    ),
    Metric(
        "orders_per_lead", "ratio", "R", "lead.created_at (cohort)", "", None, "R2 R16", "leads",
        "Orders of the leads created in the period, per lead; where the ERP has none of a lead, its won deals count.",
        "orders of the leads created / leads created",
        _COHORT, record="lead", entity="lead",
    ),
    Metric(
        "orders_per_lead_event", "ratio", "R", "ordered_at / created_at", "", None, "R2 R16", "leads",
        "Orders placed in the period (as the ERP has them) per lead created in it; no conversion, and may exceed 1.",
        "orders placed / leads created",
        record="sales_order", entity="sales_order", is_staged=False,
        made_of={
            "orders": Term("order_count", side="numerator"), "leads": Term("lead_volume", side="denominator"),
        },
        combine=_per_lead,
    ),
    Metric(
        "nurture_pool", "leads", "S", "end of P", "o", "0", "R10", "leads",
        "Leads still with marketing at the period's end: not handed over to sales, not disqualified, without a deal.",
        "number of the leads with marketing at the end of the period",
        LEAD, record="lead", entity="lead",
    ),
    Metric(
        "nurture_age", "days", "S", "end of P", "", None, "R10 R17", "leads",
        "How many days the leads still with marketing at the period's end have been there.",
        "{stat} of the days since creation of the leads with marketing at the end of the period",
        {**LEAD, "stat": STATISTICS}, record="lead", entity="lead", lower_is_better=True,
    ),
)

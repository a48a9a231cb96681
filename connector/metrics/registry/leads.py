"""Leads and what came of them."""

from __future__ import annotations

from connector.metrics.metric import COUNTS, LEAD, Metric, Raw

RAW = {
    "raw_lead": Raw(
        "lead", ("source", "id", "created_at", "owner", "deal", "reason", "source_name"),
        f"{COUNTS} AND created_at <= {{as_of}}",
    ),
}

METRICS = (
    Metric(
        "lead_volume", "leads", "C", "lead.created_at", "o t", "0", "R1 R8", "leads",
        "Leads created; merged duplicates once.",
        "number of the leads created",
        LEAD, record="lead", entity="lead", is_staged=False,
    ),
    Metric(
        "lead_to_won", "0..1", "R", "lead.created_at (cohort)", "", None, "R2 R5 R11 R16", "leads",
        "Of the leads created in the period, the share with a won deal so far, or within the horizon (days).",
        "leads created that were won / leads created",
        {**LEAD, "horizon": None}, record="lead", entity="lead",
    ),
)

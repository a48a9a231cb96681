"""What people did: activities, how soon leads are answered, what it took to win."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.exact import decimal_text
from connector.metrics.metric import BY_CLOSE, DURATION, LEAD, STATISTICS, THERE, Metric, Raw, Term
from connector.metrics.value import PLACES, Numbers, count_text

if TYPE_CHECKING:
    from connector.metrics.composed import Composition

RAW = {
    "raw_activity": Raw(
        "activity", ("source", "id", "type", "direction", "outcome", "occurred_at", "owner", "lead", "deal"),
        f"{THERE} AND occurred_at <= {{as_of}}",
    ),
}

_DOER = {"credit": ("actor",)}  # whoever did it, and nobody else


def calls_per_lead(given: Composition) -> Numbers:
    """Calls / leads called; no data where none was."""
    calls, leads = given.terms["calls"].share, given.terms["leads"].share
    value = decimal_text(calls, leads, PLACES) if leads else None
    return Numbers(value, count_text(calls), count_text(leads))


METRICS = (
    Metric(
        "activity_count", "activities", "C", "activity.at", "o t", "0", "R1 R12 R18", "activities",
        "Calls, mails, online contacts, meetings and tasks done; what was planned but not done does not count.",
        "number of the activities done",
        _DOER, record="activity", entity="activity", is_staged=False,
    ),
    Metric(
        "remote_share", "0..1", "R", "activity.at", "", None, "R16", "activities",
        "Of all contacts (calls, mails, online contacts, meetings), the share that was not face to face.",
        "calls, mails and online contacts / all contacts",
        _DOER, record="activity", entity="activity", is_staged=False,
    ),
    Metric(
        "connect_rate", "0..1", "R", "activity.at", "", None, "R16", "activities",
        "Of the outbound calls, the share that reached somebody; voicemail does not count as reached.",
        "connected calls / outbound calls",
        _DOER, record="activity", entity="activity", is_staged=False,
    ),
    Metric(
        "new_leads_per_call", "0..1", "R", "activity.at", "", None, "R16", "activities",
        "Of the outbound calls, the share that found a new lead: the lead was only created after the first call to it.",
        "leads first created by a call / outbound calls",
        _DOER, record="activity", entity="activity", is_staged=False,
    ),
    Metric(
        "calls_to_leads", "calls", "C", "activity.at", "o t", "0", "R8 R12", "activities",
        "Outbound calls to leads, also those that reached nobody.",
        "number of the outbound calls to leads",
        _DOER, record="lead", entity="lead", is_staged=False,
    ),
    Metric(
        "leads_called", "leads", "C", "activity.at", "", "0", "R8 R12", "activities",
        "Leads that were called at least once in the period; a lead called by two people counts for each of them, but"
        " once for their team.",
        "number of the leads called",
        _DOER, record="lead", entity="lead", is_staged=False, distinct=True,
    ),
    Metric(
        "calls_per_lead", "ratio", "R", "activity.at", "", None, "R16", "activities",
        "How many outbound calls a lead that was called got in the period.",
        "outbound calls to leads / leads called",
        _DOER, record="lead", entity="lead", is_staged=False, combine=calls_per_lead,
        made_of={
            "calls": Term("calls_to_leads", side="numerator"), "leads": Term("leads_called", side="denominator"),
        },
    ),
    Metric(
        "leads_on_calls", "0..1", "R", "first call", "", None, "R5 R16", "activities",
        "Of the leads first called in the period, the share that qualified (SQL) after that call.",
        "leads that qualified after the first call / leads called",
        _DOER, record="lead", entity="lead",
    ),
    Metric(
        "speed_to_lead", "min", "D", "lead.created_at", "", None, "R11 R12 R17", "response",
        "Minutes from the creation of a lead to the first outbound call, mail or meeting of a person; leads that were"
        " never touched have no time.",
        "{stat} of the minutes from the creation of a lead to its first outbound touch",
        {**_DOER, "stat": STATISTICS}, record="lead", entity="lead", is_staged=False, lower_is_better=True,
    ),
    Metric(
        "responded_share", "0..1", "R", "lead.created_at", "", None, "R8 R16", "response",
        "Of the leads created in the period, the share that a person has called, mailed or met since.",
        "leads touched / leads created",
        LEAD, record="lead", entity="lead", is_staged=False,
    ),
    Metric(
        "within_sla_share", "0..1", "R", "lead.created_at", "", None, "R8 R16", "response",
        "Of the leads created in the period, the share touched within the agreed time (option `sla`, in minutes); never"
        " touched is a miss.",
        "leads touched within the agreed time / leads created",
        {**LEAD, "sla": 60}, record="lead", entity="lead", is_staged=False,
    ),
    Metric(
        "touches_to_win", "activities", "D", "close", "", None, "R4 R7 R17", "touches",
        "How many activities it took to win a deal, from the creation of its lead (else of the deal) to its close.",
        "{stat} of the numbers of activities from the creation of the lead to the winning of the deal",
        DURATION, lower_is_better=True,
    ),
    Metric(
        "remote_won_share", "0..1", "R", "close", "", None, "R4 R7 R13 R14 R16", "touches",
        "Of the won value, the share of deals that were won without any meeting face to face.",
        "value won without any meeting / won value",
        BY_CLOSE, money=True,
    ),
)

"""The object types of the fake HubSpot account: how they are spelled, what they hold, how they are linked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "deals": ("deals", "deal", "0-3"),
        "contacts": ("contacts", "contact", "0-1"),
        "companies": ("companies", "company", "0-2"),
        "leads": ("leads", "lead", "0-136"),
        "calls": ("calls", "call", "0-48"),
        "meetings": ("meetings", "meeting", "0-47"),
        "emails": ("emails", "email", "0-49"),
        "tasks": ("tasks", "task", "0-27"),
    }.items()
    for name in names
}
"""Each spelling HubSpot takes for an object type, and the one used here."""

ACTIVITIES = ("calls", "meetings", "emails", "tasks")
MERGEABLE = ("deals", "contacts", "companies")
MERGED = "hs_merged_object_ids"

CREATED: Mapping[str, str] = {
    kind: "createdate" if kind in MERGEABLE else "hs_createdate" for kind in dict.fromkeys(KINDS.values())
}
MODIFIED: Mapping[str, str] = {
    kind: "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate" for kind in CREATED
}

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    kind: (CREATED[kind], MODIFIED[kind], "hs_object_id", *names) for kind, names in {
        "deals": ("amount", "closedate", "dealname", "dealstage", "pipeline"),
        "contacts": ("email", "firstname", "lastname"),
        "companies": ("domain", "name"),
        "leads": (), "calls": (), "meetings": (), "emails": (), "tasks": (),
    }.items()
}
"""The properties sent when none are asked for."""

_ANY = ("hubspot_owner_id",)
KNOWN: Mapping[str, tuple[str, ...]] = {
    "deals": (*_ANY, MERGED, "deal_currency_code", "hs_is_closed", "hs_is_closed_won", "closed_lost_reason",
              "closed_won_reason", "hs_deal_stage_probability", "hs_forecast_category", "hs_manual_forecast_category",
              "dealtype", "hs_analytics_source", "notes_next_activity_date"),
    "contacts": (*_ANY, MERGED, "lifecyclestage", "hs_lead_status", "hs_analytics_source", "associatedcompanyid"),
    "companies": (*_ANY, MERGED, "industry", "lifecyclestage"),
    "leads": (*_ANY, "hs_lead_name", "hs_lead_type", "hs_lead_label", "hs_pipeline", "hs_pipeline_stage"),
    "calls": (*_ANY, "hs_timestamp", "hs_call_title", "hs_call_direction", "hs_call_disposition", "hs_call_status",
              "hs_call_duration"),
    "meetings": (*_ANY, "hs_timestamp", "hs_meeting_title", "hs_meeting_start_time", "hs_meeting_end_time",
                 "hs_meeting_outcome", "hs_meeting_location_type"),
    "emails": (*_ANY, "hs_timestamp", "hs_email_subject", "hs_email_direction", "hs_email_status"),
    "tasks": (*_ANY, "hs_timestamp", "hs_task_subject", "hs_task_status", "hs_task_type"),
}
"""The properties every account has beside `DEFAULTS`; the customer's own are added by `Portal.add_property`."""

INSTANTS = frozenset({
    "createdate", "hs_createdate", "closedate", "hs_lastmodifieddate", "lastmodifieddate", "hs_timestamp",
    "hs_meeting_start_time", "hs_meeting_end_time",
})
NUMBERS = frozenset({"amount", "hs_object_id", "hs_deal_stage_probability", "hs_call_duration"})
"""What search compares as instants and as numbers; everything else as text."""

STAGED: Mapping[str, tuple[str, str]] = {
    "deals": ("pipeline", "dealstage"), "leads": ("hs_pipeline", "hs_pipeline_stage"),
}
"""The properties that hold the pipeline and the stage, of the types that have pipelines."""

SYSTEM = frozenset({"hs_object_id", MERGED, *CREATED.values(), *MODIFIED.values()})
"""What nobody can write."""

SINGULAR: Mapping[str, str] = {
    "deals": "deal", "contacts": "contact", "companies": "company", "leads": "lead", "calls": "call",
    "meetings": "meeting", "emails": "email", "tasks": "task",
}

# HubSpot's own association types, there and back; those of leads back, and of leads and deals, are not documented.
LINK_TYPES: Mapping[tuple[str, str], int] = MappingProxyType({
    pair: number
    for one, other, there, back in (
        ("deals", "contacts", 3, 4), ("deals", "companies", 5, 6), ("contacts", "companies", 279, 280),
        ("calls", "contacts", 194, 193), ("calls", "companies", 182, 181), ("calls", "deals", 206, 205),
        ("meetings", "contacts", 200, 199), ("meetings", "companies", 188, 187), ("meetings", "deals", 212, 211),
        ("emails", "contacts", 198, 197), ("emails", "companies", 186, 185), ("emails", "deals", 210, 209),
        ("tasks", "contacts", 204, 203), ("tasks", "companies", 192, 191), ("tasks", "deals", 216, 215),
        ("leads", "contacts", 578, 579), ("leads", "companies", 610, 611), ("leads", "deals", 584, 583),
        ("leads", "calls", 596, 597), ("leads", "emails", 598, 599), ("leads", "meetings", 600, 601),
        ("leads", "tasks", 646, 647),
    )
    for pair, number in (((one, other), there), ((other, one), back))
})

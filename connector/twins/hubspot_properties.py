"""The properties of the fake HubSpot account as HubSpot describes them: type, kind of field, options, whose they are.

The standard ones are those every account has, with HubSpot's own words. What is kept elsewhere (owners, stages) has no
options here, as with HubSpot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.twins.hubspot_types import INSTANTS, NUMBERS

FIELD_TYPES: Mapping[str, str] = {
    "string": "text", "number": "number", "date": "date", "datetime": "date", "bool": "booleancheckbox",
    "enumeration": "select",
}
"""By type, the kind of field HubSpot shows unless one is chosen; an enumeration of several is a `checkbox`."""


@dataclass(frozen=True, slots=True)
class Property:
    """What an account says of a property. `options`: label by value, in order; `refers_to`: what has its values."""

    type: str = "string"
    label: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    field_type: str = ""
    own: bool = False
    refers_to: str | None = None
    is_kept_elsewhere: bool = False

    def shown(self, name: str) -> dict[str, Any]:
        """As HubSpot sends it."""
        return {
            "name": name, "label": self.label or name.replace("_", " ").capitalize(), "type": self.type,
            "fieldType": self.field_type or FIELD_TYPES.get(self.type, "text"), "description": "", "groupName": "twin",
            "options": [
                {"label": label, "value": value, "description": "", "displayOrder": order, "hidden": False}
                for order, (value, label) in enumerate(self.options.items())
            ],
            "displayOrder": -1, "calculated": False, "externalOptions": self.is_kept_elsewhere,
            "hasUniqueValue": False, "hidden": False, "formField": False, "hubspotDefined": not self.own,
            **({"referencedObjectType": self.refers_to} if self.refers_to else {}),
        }


def standard(name: str) -> Property:
    """A property that HubSpot itself has made; one it does not name here is text."""
    known = STANDARD.get(name)
    if known is not None:
        return known
    is_instant = name in INSTANTS or name.endswith("_date")
    return Property("datetime" if is_instant else "number" if name in NUMBERS else "string")


def _elsewhere(label: str, refers_to: str | None = None) -> Property:
    return Property("enumeration", label, field_type="select", refers_to=refers_to, is_kept_elsewhere=True)


def _choice(label: str, field_type: str = "select", /, **options: str) -> Property:
    return Property("enumeration", label, options, field_type)


_LIFE = {
    "subscriber": "Subscriber", "lead": "Lead", "marketingqualifiedlead": "Marketing Qualified Lead",
    "salesqualifiedlead": "Sales Qualified Lead", "opportunity": "Opportunity", "customer": "Customer",
    "evangelist": "Evangelist", "other": "Other",
}
_DISPOSITIONS = {
    "9d9162e7-6cf3-4944-bf63-4dff82258764": "Busy", "f240bbac-87c9-4f6e-bf70-924b57d47db7": "Connected",
    "a4c4c377-d246-4b32-a13b-75a56a4cd0ff": "Left live message",
    "b2cf5968-551e-4856-9783-52b3da59a7d0": "Left voicemail", "73a0d17f-1163-4015-bdd5-ec830791da20": "No answer",
    "17b47fee-58de-441e-a44c-c6300d46f273": "Wrong number",
}
_FORECAST = {
    "OMIT": "Not forecasted", "PIPELINE": "Pipeline", "BEST_CASE": "Best case", "COMMIT": "Commit",
    "CLOSED": "Closed won",
}

STANDARD: Mapping[str, Property] = {
    "hubspot_owner_id": _elsewhere("Owner", "OWNER"),
    "pipeline": _elsewhere("Pipeline"),
    "dealstage": _elsewhere("Deal Stage"),
    "hs_pipeline": _elsewhere("Pipeline"),
    "hs_pipeline_stage": _elsewhere("Pipeline Stage"),
    "dealname": Property(label="Deal Name"),
    "amount": Property("number", "Amount"),
    "closedate": Property("datetime", "Close Date"),
    "createdate": Property("datetime", "Create Date"),
    "hs_is_closed": Property("bool", "Is Deal Closed?", {"true": "True", "false": "False"}),
    "hs_is_closed_won": Property("bool", "Is Closed Won", {"true": "True", "false": "False"}),
    "hs_deal_stage_probability": Property("number", "Deal probability"),
    "hs_forecast_category": Property("enumeration", "Forecast category (calculated)", _FORECAST),
    "hs_manual_forecast_category": Property("enumeration", "Forecast category", _FORECAST),
    "closed_lost_reason": Property(label="Closed Lost Reason", field_type="textarea"),
    "closed_won_reason": Property(label="Closed Won Reason", field_type="textarea"),
    "dealtype": _choice("Deal Type", "radio", newbusiness="New Business", existingbusiness="Existing Business"),
    "notes_next_activity_date": Property("datetime", "Next Activity Date"),
    "hs_analytics_source": _choice(
        "Original Source", ORGANIC_SEARCH="Organic Search", PAID_SEARCH="Paid Search",
        EMAIL_MARKETING="Email Marketing", SOCIAL_MEDIA="Organic Social", REFERRALS="Referrals",
        OTHER_CAMPAIGNS="Other Campaigns", DIRECT_TRAFFIC="Direct Traffic", OFFLINE="Offline Sources",
        PAID_SOCIAL="Paid Social", AI_REFERRALS="AI Referrals",
    ),
    "lifecyclestage": Property("enumeration", "Lifecycle Stage", _LIFE, "radio"),
    "hs_lead_status": _choice(
        "Lead Status", "radio", NEW="New", OPEN="Open", IN_PROGRESS="In Progress", OPEN_DEAL="Open Deal",
        UNQUALIFIED="Unqualified", ATTEMPTED_TO_CONTACT="Attempted to Contact", CONNECTED="Connected",
        BAD_TIMING="Bad Timing",
    ),
    "associatedcompanyid": Property("number", "Primary Associated Company ID"),
    "hs_lead_type": _choice(
        "Lead Type", NEW_BUSINESS="New business", UPSELL="Upsell", RE_ATTEMPTING="Re-attempting",
    ),
    "hs_lead_label": _choice("Lead Label", HOT="Hot", WARM="Warm", COLD="Cold"),
    "hs_call_direction": _choice("Call direction", INBOUND="Inbound", OUTBOUND="Outbound"),
    "hs_call_disposition": Property("enumeration", "Call outcome", _DISPOSITIONS),
    "hs_call_status": _choice(
        "Call status", BUSY="Busy", CALLING_CRM_USER="Calling CRM user", CANCELED="Canceled", COMPLETED="Completed",
        CONNECTING="Connecting", FAILED="Failed", IN_PROGRESS="In progress", MISSED="Missed", NO_ANSWER="No answer",
        QUEUED="Queued", RINGING="Ringing",
    ),
    "hs_meeting_outcome": _choice(
        "Meeting outcome", SCHEDULED="Scheduled", COMPLETED="Completed", RESCHEDULED="Rescheduled", NO_SHOW="No show",
        CANCELED="Canceled",
    ),
    "hs_email_direction": _choice(
        "Email direction", EMAIL="Outgoing email", INCOMING_EMAIL="Incoming email", FORWARDED_EMAIL="Forwarded email",
    ),
    "hs_email_status": _choice(
        "Email send status", BOUNCED="Bounced", FAILED="Failed", SCHEDULED="Scheduled", SENDING="Sending", SENT="Sent",
    ),
    "hs_task_status": _choice(
        "Task status", NOT_STARTED="Not started", IN_PROGRESS="In progress", WAITING="Waiting", DEFERRED="Deferred",
        COMPLETED="Completed",
    ),
    "hs_task_type": _choice("Task type", EMAIL="Email", CALL="Call", TODO="To-do"),  # HubSpot's own three values
}

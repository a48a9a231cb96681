"""A small HubSpot account of which the vendor tells by webhooks; its first months are made by the seed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connector.ports import Clock, HookRequest
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal import Portal, milliseconds, stamp

STAGES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "default": (
        ("appointmentscheduled", "Appointment scheduled", "0.2"), ("qualifiedtobuy", "Qualified to buy", "0.4"),
        ("contractsent", "Contract sent", "0.9"), ("closedwon", "Closed won", "1.0"),
        ("closedlost", "Closed lost", "0.0"),
    ),
    "renewal": (
        ("r_offer", "Offer", "0.5"), ("r_talk", "Talk", "0.7"), ("r_parked", "Parked", "0.1"),
        ("r_won", "Renewed", "1.0"), ("r_lost", "Not renewed", "0.0"),
    ),
}
"""(stage id, label, probability) of each pipeline."""
UNUSED = "r_parked"
"""No deal is ever put there, so that it may be renamed, archived and removed."""
KINDS = {
    stage: {"1.0": "won", "0.0": "lost"}.get(probability, "open")
    for stages in STAGES.values() for stage, _, probability in stages
}
IN_USE = {name: [stage for stage, _, _ in stages if stage != UNUSED] for name, stages in STAGES.items()}
LIFE = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist")
OWNERS = {"5": 771, "6": 772, "7": 773}
ACTIVITIES = ("calls", "meetings", "emails", "tasks")
DAY = 86_400_000  # milliseconds
TYPES = {"deals": "0-3", "contacts": "0-1", "companies": "0-2", "calls": "0-48", "meetings": "0-47", "emails": "0-49",
         "tasks": "0-27"}


class SkewedClock:
    """The vendor's clock: ours, and a fixed span beside it."""

    def __init__(self, ours: Clock, skew: timedelta) -> None:
        self.ours, self.skew = ours, skew

    def now(self) -> datetime:
        return self.ours.now() + self.skew

    def sleep(self, seconds: float) -> None:
        self.ours.sleep(seconds)


class TellingPortal(Portal):
    """An account that notes what HubSpot would call us about, as the events of its webhooks."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.news: list[dict[str, Any]] = []

    def create(self, kind: str, *arguments: Any, **more: Any) -> str:
        made = super().create(kind, *arguments, **more)
        self._tell(kind, "creation", objectId=int(made))
        return made

    def update(self, kind: str, id_: str | int, *arguments: Any, **more: Any) -> None:
        super().update(kind, id_, *arguments, **more)
        self._tell(kind, "propertyChange", objectId=int(id_))

    def archive(self, kind: str, id_: str | int, **more: Any) -> None:
        super().archive(kind, id_, **more)
        self._tell(kind, "deletion", objectId=int(id_))

    def restore(self, kind: str, id_: str | int, **more: Any) -> None:
        super().restore(kind, id_, **more)
        self._tell(kind, "restore", objectId=int(id_))

    def merge(self, kind: str, primary: str | int, other: str | int, **more: Any) -> str:
        survivor = super().merge(kind, primary, other, **more)
        self._tell(kind, "merge", primaryObjectId=int(primary), mergedObjectIds=[int(other)],
                   newObjectId=int(survivor))
        return survivor

    def _tell(self, kind: str, what: str, **ids: Any) -> None:
        if kind in TYPES:
            self.news.append({
                "eventId": len(self.news) + 1, "subscriptionId": 1, "portalId": 7_654_321, "appId": 1,
                "occurredAt": milliseconds(self.clock.now()), "subscriptionType": f"object.{what}",
                "objectTypeId": TYPES[kind], "attemptNumber": 0, **ids,
            })


def call(events: Sequence[Mapping[str, Any]], now: datetime, secret: str) -> HookRequest:
    """HubSpot's call with these events, signed (v3): https://developers.hubspot.com/docs/api-reference/webhooks."""
    url, body, sent = "https://ours.example/hooks/hubspot", json.dumps(events).encode(), str(milliseconds(now))
    digest = hmac.digest(secret.encode(), b"POST" + url.encode() + body + sent.encode(), hashlib.sha256)
    headers = {"x-hubspot-request-timestamp": sent, "x-hubspot-signature-v3": base64.b64encode(digest).decode()}
    return HookRequest("POST", url, headers, body)


class Account:
    """One account: 12 deals in two pipelines, 10 contacts, 4 companies, 3 owners in two teams, 8 activities."""

    def __init__(self, twin: HubSpotTwin, rng: random.Random) -> None:
        self.twin, self.portal, self.clock = twin, twin.portal, twin.clock
        for name, stages in STAGES.items():
            self.portal.add_pipeline(name, name.title(), stages)
        for number, (id_, user) in enumerate(OWNERS.items()):
            self.portal.add_owner(
                id_, email=f"o{id_}@example.com", first="Owner", last=id_, user=user,
                teams=("North", "All") if number < 2 else ("South",),
            )
        start = milliseconds(self.clock.now()) - 70 * DAY
        for number in range(4):
            self.make_company(rng, at=start + number)
        for _ in range(10):
            self.make_contact(rng, at=start + rng.randrange(60) * DAY)
        for _ in range(12):
            self.make_deal(rng, at=start + rng.randrange(60) * DAY, days=rng.randrange(1, 4))
        for _ in range(8):
            self.make_activity(rng, at=start + rng.randrange(60) * DAY)

    # --- what there is -----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What the account says of itself; without the values of properties that it no longer has."""
        told = self.twin.state()
        for kind, collection in self.portal.collections.items():
            for record in told[kind].values():
                for name in collection.dropped:
                    record["properties"].pop(name, None)
        return told

    def live(self, kind: str) -> list[str]:
        """The ids of what is there, in order."""
        collection = self.portal.collections[kind]
        return [str(id_) for id_ in collection.ids if collection.is_live(id_)]

    def archived(self, kind: str) -> list[str]:
        """The ids of what was deleted, in order."""
        collection = self.portal.collections[kind]
        return [str(id_) for id_ in collection.ids if not collection.is_live(id_)]

    def pick(self, rng: random.Random, kind: str) -> str:
        return rng.choice(self.live(kind))

    def user(self, rng: random.Random) -> int | None:
        """Who does it: an owner, or an integration."""
        return rng.choice([*OWNERS.values(), None])

    # --- what is made ------------------------------------------------------------------------------------------------

    def write(self, kind: str, id_: str, properties: Mapping[str, str | None], user: int | None = None) -> None:
        """Change properties; those that the account no longer has cannot be."""
        dropped = self.portal.collections[kind].dropped
        self.portal.update(kind, id_, {name: one for name, one in properties.items() if name not in dropped}, user=user)

    def make(self, kind: str, properties: Mapping[str, str | None], rng: random.Random, at: int | None) -> str:
        dropped = self.portal.collections[kind].dropped
        kept = {name: one for name, one in properties.items() if name not in dropped}
        return self.portal.create(kind, kept, at=at, user=self.user(rng))

    def make_company(self, rng: random.Random, *, at: int | None = None) -> str:
        number = rng.randrange(1000)
        return self.make("companies", {
            "name": f"Company {number}", "domain": f"c{number}.example", "hubspot_owner_id": rng.choice(list(OWNERS)),
        }, rng, at)  # fmt: skip

    def make_contact(self, rng: random.Random, *, at: int | None = None) -> str:
        return self.make("contacts", {
            "email": f"p{rng.randrange(10_000)}@example.com", "lifecyclestage": rng.choice(LIFE),
            "hs_lead_status": rng.choice(["NEW", "OPEN", None]), "hubspot_owner_id": rng.choice([*OWNERS, None]),
            "hs_analytics_source": rng.choice(["ORGANIC_SEARCH", "DIRECT_TRAFFIC"]),
        }, rng, at)  # fmt: skip

    def make_deal(self, rng: random.Random, *, at: int | None = None, days: int = 0) -> str:
        """A new deal, with some moves behind it where it was made in the past."""
        pipeline = rng.choice(["default", "default", "renewal"])
        begun = milliseconds(self.clock.now()) if at is None else at
        id_ = self.make("deals", {
            "dealname": f"Deal {rng.randrange(1000)}", "pipeline": pipeline, "dealstage": IN_USE[pipeline][0],
            "amount": rng.choice([None, "0", *[f"{rng.randrange(1, 9999)}.{rng.randrange(100):02}"] * 6]),
            "deal_currency_code": rng.choice(["EUR"] * 5 + ["USD"]),
            "hubspot_owner_id": rng.choice([*OWNERS, None]), "closedate": soon(rng, begun),
        }, rng, at)  # fmt: skip
        for kind in ("contacts", "companies"):
            if rng.random() < 0.7:
                self.portal.associate("deals", id_, kind, self.pick(rng, kind))
        for day in range(days):
            moment = begun + (day + 1) * DAY + rng.randrange(DAY - 1000)
            self.portal.move_stage(id_, rng.choice(IN_USE[pipeline]), at=moment, user=self.user(rng))
        return id_

    def make_activity(self, rng: random.Random, *, at: int | None = None) -> str:
        """A call, mail, meeting or task: done, failed, or still planned; linked to what is there."""
        kind, moment = rng.choice(ACTIVITIES), milliseconds(self.clock.now()) if at is None else at
        id_ = self.make(kind, {**activity(rng, kind), "hs_timestamp": stamp(moment - rng.randrange(DAY)),
                               "hubspot_owner_id": rng.choice([*OWNERS, None])}, rng, at)
        for other in ("contacts", "companies", "deals"):
            for _ in range(rng.choice([0, 1, 1, 2])):
                self.portal.associate(kind, id_, other, self.pick(rng, other))
        return f"{kind} {id_}"


def activity(rng: random.Random, kind: str) -> dict[str, str | None]:
    """How an activity went."""
    if kind == "calls":
        return {"hs_call_direction": rng.choice(["INBOUND", "OUTBOUND"]), "hs_call_duration": "61000",
                "hs_call_status": rng.choice(["COMPLETED", "COMPLETED", "SCHEDULED", "CANCELED"])}
    if kind == "emails":
        return {"hs_email_direction": rng.choice(["EMAIL", "INCOMING_EMAIL"]),
                "hs_email_status": rng.choice(["SENT", "SENT", "SCHEDULED", "BOUNCED"])}
    if kind == "meetings":
        return {"hs_meeting_outcome": rng.choice(["COMPLETED", "SCHEDULED", "CANCELED"])}
    return {"hs_task_status": rng.choice(["COMPLETED", "NOT_STARTED"])}


def soon(rng: random.Random, at: int) -> str:
    """A close date within two months; its hour is near midnight in the reporting zone as often as not."""
    day = at - at % DAY + rng.randrange(60) * DAY
    return stamp(day + rng.choice([16 * 3_600_000, 17 * 3_600_000 - 1, 17 * 3_600_000, rng.randrange(DAY)]))

"""What a HubSpot account holds: records with the history of their properties, owners, pipelines, associations.

Everything is kept as HubSpot sends it: a property is text or null, instants are ISO 8601 with milliseconds and Z.
Changes are stamped by the clock handed in, or by `at` (milliseconds since 1970 UTC) where a plan is played.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.ports import Clock

KINDS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "deals": ("deals", "deal", "0-3"),
        "contacts": ("contacts", "contact", "0-1"),
        "companies": ("companies", "company", "0-2"),
    }.items()
    for name in names
}
"""Each spelling HubSpot takes for an object type, and the one used here."""

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "deals": ("amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "hs_object_id",
              "pipeline"),
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "companies": ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
}
"""The properties sent when none are asked for."""

MODIFIED: Mapping[str, str] = {
    "deals": "hs_lastmodifieddate", "contacts": "lastmodifieddate", "companies": "hs_lastmodifieddate",
}

_KNOWN: Mapping[str, tuple[str, ...]] = {
    "deals": ("hubspot_owner_id", "deal_currency_code", "hs_is_closed", "hs_is_closed_won", "closed_lost_reason",
              "hs_deal_stage_probability", "hs_forecast_category", "dealtype", "hs_analytics_source"),
    "contacts": ("hubspot_owner_id", "lifecyclestage", "hs_lead_status", "hs_analytics_source"),
    "companies": ("hubspot_owner_id", "industry"),
}
_SYSTEM = frozenset({"createdate", "hs_object_id", *MODIFIED.values()})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC of an aware datetime."""
    return (moment - _EPOCH) // _MILLISECOND


def stamp(at: int) -> str:
    """ISO 8601 with milliseconds and Z."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Item:
    """One record; `history` has the oldest entry first (it is served newest first)."""

    __slots__ = ("archived_at", "created_at", "history", "id", "modified_at", "properties")

    def __init__(self, id_: int, created_at: int) -> None:
        self.id = id_
        self.created_at = self.modified_at = created_at
        self.archived_at: int | None = None
        self.properties: dict[str, str | None] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}

    def write(self, properties: Mapping[str, str | None], at: int, user: int | None) -> bool:
        """Set what differs and keep it in the history; whether anything differed."""
        source = (
            {"sourceType": "INTEGRATION", "sourceId": "connector-twin"} if user is None
            else {"sourceType": "CRM_UI", "sourceId": f"userId:{user}", "updatedByUserId": user}
        )
        timestamp, changed = stamp(at), False
        for name, value in properties.items():
            if name not in _SYSTEM and self.properties.get(name) != value:
                self.properties[name] = value
                self.history.setdefault(name, []).append({"value": value or "", "timestamp": timestamp, **source})
                changed = True
        if changed:
            self.modified_at = max(self.modified_at, at)
        return changed


class Collection:
    """All records of one type; `ids` are in rising order."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: dict[int, Item] = {}
        self.ids: list[int] = []
        self.known = {*DEFAULTS[kind], *_KNOWN[kind]}

    def from_id(self, first: int) -> Iterable[Item]:
        """The records with that id or a higher one."""
        return (self.items[id_] for id_ in self.ids[bisect_left(self.ids, first):])


class Portal:
    """One account. Not locked: a twin takes its own lock around every use."""

    def __init__(self, clock: Clock, *, first_id: int = 9_999_901) -> None:
        self.clock = clock
        self.collections = {kind: Collection(kind) for kind in DEFAULTS}
        self.owners: dict[str, dict[str, Any]] = {}
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.links: dict[tuple[str, str], dict[int, list[int]]] = {}
        self._stages: dict[str, Mapping[str, str]] = {}
        self._next_id = dict.fromkeys(DEFAULTS, first_id)

    # --- configuration -----------------------------------------------------------------------------------------------

    def add_pipeline(self, id_: str, label: str, stages: Sequence[tuple[str, str, str]]) -> None:
        """A deal pipeline of (stage id, label, probability as text); 1.0 and 0.0 are the closed stages."""
        at = stamp(milliseconds(self.clock.now()))
        made = []
        for order, (stage_id, stage_label, probability) in enumerate(stages):
            closed = str(probability in ("0.0", "1.0")).lower()
            self._stages[stage_id] = {"isClosed": closed, "probability": probability}
            made.append({
                "id": stage_id, "label": stage_label, "displayOrder": order, "archived": False,
                "metadata": {"isClosed": closed, "probability": probability}, "createdAt": at, "updatedAt": at,
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            })
        self.pipelines[id_] = {
            "id": id_, "label": label, "displayOrder": len(self.pipelines), "archived": False, "createdAt": at,
            "updatedAt": at, "stages": made,
        }

    def add_owner(self, id_: str, *, email: str, first: str, last: str, user: int, teams: Sequence[str] = ()) -> None:
        """A user who may own records; `user` is what property histories name."""
        at = stamp(milliseconds(self.clock.now()))
        self.owners[id_] = {
            "id": id_, "email": email, "type": "PERSON", "firstName": first, "lastName": last, "userId": user,
            "userIdIncludingInactive": user, "createdAt": at, "updatedAt": at, "archived": False,
            "teams": [{"id": str(n + 1), "name": team, "primary": n == 0} for n, team in enumerate(teams)],
        }

    def archive_owner(self, id_: str, *, at: int | None = None) -> None:
        """The user left: found by `archived=true` only, and without `userId`."""
        self.owners[id_] |= {"archived": True, "userId": None, "updatedAt": stamp(self._at(at))}

    # --- records -----------------------------------------------------------------------------------------------------

    def item(self, kind: str, id_: str | int) -> Item:
        """One record. Raises KeyError."""
        return self.collections[kind].items[int(id_)]

    def create(self, kind: str, properties: Mapping[str, str | None], *, at: int | None = None,
               user: int | None = None, id_: str | int | None = None) -> str:
        """A new record; its id is the next one unless given."""
        collection, moment = self.collections[kind], self._at(at)
        number = int(id_) if id_ is not None else self._next_id[kind]
        if number in collection.items:
            raise ValueError(f"{kind} {number} exists")
        self._next_id[kind] = max(self._next_id[kind], number + 1)
        item = collection.items[number] = Item(number, moment)
        insort(collection.ids, number)
        item.properties |= {"createdate": stamp(moment), "hs_object_id": str(number)}
        self._write(collection, item, properties, moment, user)
        item.properties[MODIFIED[kind]] = stamp(item.modified_at)
        return str(number)

    def update(self, kind: str, id_: str | int, properties: Mapping[str, str | None], *, at: int | None = None,
               user: int | None = None) -> None:
        """Change properties; equal values change nothing, not even the modified date. Raises KeyError."""
        collection, item = self.collections[kind], self.item(kind, id_)
        if self._write(collection, item, properties, self._at(at), user):
            item.properties[MODIFIED[kind]] = stamp(item.modified_at)

    def move_stage(self, deal: str | int, stage: str, *, at: int | None = None, user: int | None = None) -> None:
        """Put a deal into a stage of its pipeline."""
        self.update("deals", deal, {"dealstage": stage}, at=at, user=user)

    def change_owner(self, deal: str | int, owner: str | None, *, at: int | None = None,
                     user: int | None = None) -> None:
        """Give a deal to another owner, or to nobody."""
        self.update("deals", deal, {"hubspot_owner_id": owner}, at=at, user=user)

    def archive(self, kind: str, id_: str | int, *, at: int | None = None) -> None:
        """Delete: hidden from lists and search, shown by `archived=true`."""
        item, moment = self.item(kind, id_), self._at(at)
        item.archived_at = item.modified_at = max(moment, item.modified_at)
        item.properties[MODIFIED[kind]] = stamp(item.modified_at)

    def associate(self, kind: str, id_: str | int, other_kind: str, other_id: str | int) -> None:
        """Link two records, both ways; neither's modified date moves (as with HubSpot)."""
        self.links.setdefault((kind, other_kind), {}).setdefault(int(id_), []).append(int(other_id))
        self.links.setdefault((other_kind, kind), {}).setdefault(int(other_id), []).append(int(id_))

    def linked(self, kind: str, id_: int, other_kind: str) -> list[int]:
        """The ids linked to a record, first linked first."""
        return self.links.get((kind, other_kind), {}).get(id_, [])

    def _write(self, collection: Collection, item: Item, properties: Mapping[str, str | None], at: int,
               user: int | None) -> bool:
        collection.known.update(properties)
        if collection.kind == "deals" and (stage := properties.get("dealstage")):
            if stage not in self._stages:
                raise ValueError(f"no stage {stage}")
            properties = {**self._computed(item, stage, properties, at), **properties}
        return item.write(properties, at, user)

    def _computed(self, item: Item, stage: str, properties: Mapping[str, str | None], at: int) -> dict[str, str | None]:
        """What HubSpot sets by itself when a deal enters a stage; the probability is a float, written out in full."""
        is_closed, probability = self._stages[stage]["isClosed"], self._stages[stage]["probability"]
        computed: dict[str, str | None] = {
            "hs_is_closed": is_closed,
            "hs_is_closed_won": str(probability == "1.0").lower(),
            "hs_deal_stage_probability": str(Decimal(float(probability))),
        }
        if is_closed == "true" and item.properties.get("dealstage") != stage and "closedate" not in properties:
            computed["closedate"] = stamp(at)
        return computed

    def _at(self, at: int | None) -> int:
        return milliseconds(self.clock.now()) if at is None else at

"""The endpoints of the fake HubSpot account beside its records: owners, pipelines, properties, associations, splits."""

from __future__ import annotations

from functools import partial
from typing import Any

from connector.twins.hubspot_records import Records, written
from connector.twins.hubspot_types import LINK_TYPES, SINGULAR
from connector.twins.hubspot_view import after_of, error, inputs_of, limit_of, missing, object_of, page, slice_of
from connector.twins.portal import Portal
from connector.twins.server import Reply, Request

SPLITS_PER_BATCH = 100


class Account:
    """Each method is the handler of one endpoint."""

    def __init__(self, portal: Portal, records: Records) -> None:
        self.portal, self.records = portal, records

    # --- owners, pipelines, properties, currencies -------------------------------------------------------------------

    def owners(self, request: Request) -> dict[str, Any]:
        archived, email = request.one("archived").lower() == "true", request.one("email")
        after = int(after_of(request) or 0)
        rows = [
            owner for id_, owner in sorted(self.portal.owners.items(), key=lambda one: int(one[0]))
            if owner["archived"] == archived and email in ("", owner["email"]) and int(id_) >= after
        ]
        limit = limit_of(request, 500, 100)
        return page(rows[:limit], rows[limit]["id"] if len(rows) > limit else None)

    def owner(self, request: Request, id: str) -> dict[str, Any]:
        owner = self.portal.owners.get(id)
        if owner is None or owner["archived"] != (request.one("archived").lower() == "true"):
            raise error(404, "OBJECT_NOT_FOUND", f"Owner {id} does not exist")
        return owner

    def pipelines(self, request: Request, kind: str) -> dict[str, Any]:
        return {"results": list(self.portal.pipelines_of(self.records.collection(kind).kind).values())}

    def pipeline(self, request: Request, kind: str, id: str) -> dict[str, Any]:
        held = self.portal.pipelines_of(self.records.collection(kind).kind)
        if id not in held:
            raise error(404, "OBJECT_NOT_FOUND", f"Pipeline {id} does not exist")
        return held[id]

    def properties(self, request: Request, kind: str) -> dict[str, Any]:
        return {"results": list(self.portal.properties_of(self.records.collection(kind).kind).values())}

    def property(self, request: Request, kind: str, name: str) -> dict[str, Any]:
        held = self.portal.properties_of(self.records.collection(kind).kind)
        if name not in held:
            raise error(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist")
        return held[name]

    def details(self, request: Request) -> dict[str, Any]:
        """https://developers.hubspot.com/docs/api-reference/latest/account/account-information/get-account-details"""
        return {
            "portalId": 12345678, "accountType": "STANDARD", "timeZone": "Europe/Berlin", "utcOffset": "+01:00",
            "utcOffsetMilliseconds": 3_600_000, "companyCurrency": self.portal.currency,
            "additionalCurrencies": list(self.portal.currencies), "uiDomain": "app-eu1.hubspot.com",
            "dataHostingLocation": "eu1",
        }

    # --- associations ------------------------------------------------------------------------------------------------

    def links(self, request: Request, kind: str, other: str) -> Reply:
        """The associations of up to 1,000 records; of one that has many, a page, and `after` for the next."""
        source, target, type_ = self._ends(kind, other)
        results, errors = [], []
        for id_, after in inputs_of(object_of(request), 1000).items():
            linked = self.portal.linked(source, int(id_), target) if id_.isdigit() else []
            some, follower = slice_of(linked, after, self.portal.links_per_page)
            if linked:
                to = [{"toObjectId": one, "associationTypes": [type_]} for one in some]
                paging = page((), follower).get("paging")
                results.append({"from": {"id": id_}, "to": to, **({"paging": paging} if paging else {})})
            else:
                errors.append({
                    **missing([]), "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": f"No {SINGULAR[target]} is associated with {SINGULAR[source]} {id_}.",
                    "context": {"fromObjectId": [id_], "fromObjectType": [SINGULAR[source]],
                                "toObjectType": [SINGULAR[target]]},
                })
        return self.records.batch(results, errors)

    def links_of_one(self, request: Request, kind: str, id: str, other: str) -> dict[str, Any]:
        """The associations of one record; `limit` at most 500."""
        source, target, type_ = self._ends(kind, other)
        item = self.records.collection(kind).find(id)
        if item is None:
            raise error(404, "OBJECT_NOT_FOUND", "resource not found")
        size = min(limit_of(request, 500, 500), self.portal.links_per_page)
        some, follower = slice_of(self.portal.linked(source, item.id, target), after_of(request), size)
        return page([{"toObjectId": one, "associationTypes": [type_]} for one in some], follower)

    def _ends(self, kind: str, other: str) -> tuple[str, str, dict[str, Any]]:
        source, target = self.records.collection(kind).kind, self.records.collection(other).kind
        if (source, target) not in LINK_TYPES:
            raise error(400, "VALIDATION_ERROR", f"No association type exists between {source} and {target}")
        return source, target, {"category": "HUBSPOT_DEFINED", "typeId": LINK_TYPES[source, target], "label": None}

    # --- deal splits -------------------------------------------------------------------------------------------------

    def splits(self, request: Request) -> Reply:
        """https://developers.hubspot.com/docs/api-reference/crm-deal-splits-v3/guide"""
        deals, results, lost = self.records.collection("deals"), [], []
        for id_ in inputs_of(object_of(request), SPLITS_PER_BATCH):
            deal = deals.find(id_)
            if deal is None:
                lost.append(id_)
            else:
                results.append({"id": id_, "splits": self.portal.splits.get(deal.id, [])})
        return self.records.batch(results, [missing(lost)] if lost else [])

    def set_splits(self, request: Request) -> Reply:
        body, results = object_of(request), []
        for id_ in inputs_of(body, SPLITS_PER_BATCH):
            if self.records.collection("deals").find(id_) is None:
                raise error(404, "OBJECT_NOT_FOUND", f"Deal {id_} does not exist")
        for one in body["inputs"]:
            shares = {str(split["ownerId"]): str(split["percentage"]) for split in one.get("splits") or ()}
            written(partial(self.portal.set_splits, one["id"], shares))
            results.append({"id": str(one["id"]), "splits": self.portal.splits.get(int(one["id"]), [])})
        return self.records.batch(results, [])

"""How HubSpot shows records, refuses requests, and cuts its answers into pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.twins.portal import DEFAULTS, KINDS, MODIFIED, Collection, Item, Portal, stamp
from connector.twins.server import Refused, Reply, Request

LINK_TYPES = {("deals", "contacts"): 3, ("contacts", "deals"): 4, ("deals", "companies"): 5, ("companies", "deals"): 6,
              ("contacts", "companies"): 279, ("companies", "contacts"): 280}
SINGULAR = {"deals": "deal", "contacts": "contact", "companies": "company"}


def error(status: int, category: str, message: str, **more: Any) -> Refused:
    """HubSpot's error body, to be raised."""
    return Refused(Reply(status, {"status": "error", "message": message, "category": category, **more}))


class View:
    """How records are shown: which properties, which with their history, which associations."""

    def __init__(self, portal: Portal, collection: Collection, names: Sequence[str], histories: Sequence[str] = (),
                 others: Sequence[str] = ()) -> None:
        if unknown := [other for other in others if other not in KINDS]:
            raise error(400, "VALIDATION_ERROR", f"Unable to infer object type from: {unknown[0]}")
        self.portal, self.kind = portal, collection.kind
        always = ("createdate", MODIFIED[self.kind], "hs_object_id")
        wanted = (*names, *always) if names or histories else DEFAULTS[self.kind]
        self.names = [name for name in dict.fromkeys(wanted) if name in collection.known]
        self.histories = [name for name in dict.fromkeys(histories) if name in collection.known]
        self.others = [KINDS[other] for other in others if KINDS[other] != self.kind]

    def of(self, item: Item) -> dict[str, Any]:
        """One record as HubSpot sends it."""
        held = item.properties
        shown: dict[str, Any] = {"id": str(item.id), "properties": {name: held.get(name) for name in self.names}}
        if self.histories:
            shown["propertiesWithHistory"] = {name: item.history.get(name, [])[::-1] for name in self.histories}
        shown |= {"createdAt": held["createdate"], "updatedAt": held[MODIFIED[self.kind]],
                  "archived": item.archived_at is not None}
        if item.archived_at is not None:
            shown["archivedAt"] = stamp(item.archived_at)
        links = {
            other: {"results": [{"id": str(id_), "type": f"{SINGULAR[self.kind]}_to_{SINGULAR[other]}"} for id_ in ids]}
            for other in self.others if (ids := self.portal.linked(self.kind, item.id, other))
        }
        if links:
            shown["associations"] = links
        return shown


def page(results: Sequence[Any], after: str | None) -> dict[str, Any]:
    if after is None:
        return {"results": results}
    return {"results": results, "paging": {"next": {"after": after, "link": f"?after={after}"}}}


def limit_of(request: Request, most: int, default: int = 10) -> int:
    given = request.one("limit", str(default))
    if not given.isdigit() or not 1 <= int(given) <= most:
        raise error(400, "VALIDATION_ERROR", f"limit must be between 1 and {most}, not {given}")
    return int(given)


def object_of(request: Request) -> dict[str, Any]:
    body = request.json()
    if not isinstance(body, dict):
        raise error(400, "VALIDATION_ERROR", "Invalid input JSON: an object is expected")
    return body


def inputs_of(body: Mapping[str, Any], most: int) -> list[str]:
    ids = [str(one.get("id", "")) if isinstance(one, dict) else "" for one in body.get("inputs") or ()]
    if not all(ids):
        raise error(400, "VALIDATION_ERROR", "each of inputs needs an id")
    if len(ids) > most:
        raise error(400, "VALIDATION_ERROR", f"the number of inputs must not exceed {most}, found {len(ids)}")
    return ids


def properties_of(request: Request) -> dict[str, str | None]:
    given = object_of(request).get("properties") or {}
    return {name: None if value in (None, "") else str(value) for name, value in given.items()}

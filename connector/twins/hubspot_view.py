"""How HubSpot shows records, refuses requests, and cuts its answers into pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector.twins.hubspot_types import CREATED, DEFAULTS, KINDS, LINK_TYPES, MODIFIED, SINGULAR
from connector.twins.portal import Collection, Item, Portal, stamp
from connector.twins.server import Refused, Reply, Request


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
        always = (CREATED[self.kind], MODIFIED[self.kind], "hs_object_id")
        wanted = (*names, *always) if names or histories else DEFAULTS[self.kind]
        self.names = [name for name in dict.fromkeys(wanted) if name in collection.known]
        self.histories = [name for name in dict.fromkeys(histories) if name in collection.known]
        self.others = [KINDS[other] for other in others if (self.kind, KINDS[other]) in LINK_TYPES]

    def of(self, item: Item) -> dict[str, Any]:
        """One record as HubSpot sends it."""
        held = item.properties
        shown: dict[str, Any] = {"id": str(item.id), "properties": {name: held.get(name) for name in self.names}}
        if self.histories:
            shown["propertiesWithHistory"] = {name: item.history.get(name, [])[::-1] for name in self.histories}
        shown |= {"createdAt": held[CREATED[self.kind]], "updatedAt": held[MODIFIED[self.kind]],
                  "archived": item.archived_at is not None}
        if item.archived_at is not None:
            shown["archivedAt"] = stamp(item.archived_at)
        links = {
            other: self._links(item, other, ids)
            for other in self.others if (ids := self.portal.linked(self.kind, item.id, other))
        }
        if links:
            shown["associations"] = links
        return shown

    def _links(self, item: Item, other: str, ids: Sequence[int]) -> dict[str, Any]:
        some, after = slice_of(ids, "", self.portal.links_per_page)
        type_ = f"{SINGULAR[self.kind]}_to_{SINGULAR[other]}"
        shown = page([{"id": str(id_), "type": type_} for id_ in some], after)
        if after is not None:
            link = f"/crm/v4/objects/{self.kind}/{item.id}/associations/{other}?after={after}"
            shown["paging"]["next"]["link"] = link
        return shown


def slice_of(ids: Iterable[int], after: str, size: int) -> tuple[list[int], str | None]:
    """A page of linked ids in rising order, from `after` on, and where the next one begins."""
    left = sorted(id_ for id_ in ids if id_ >= int(after or 0))
    return left[:size], str(left[size]) if len(left) > size else None


def page(results: Sequence[Any], after: str | None) -> dict[str, Any]:
    if after is None:
        return {"results": results}
    return {"results": results, "paging": {"next": {"after": after, "link": f"?after={after}"}}}


def missing(ids: Sequence[str], message: str = "Could not get some objects, they may be deleted or not exist.",
            **more: Any) -> dict[str, Any]:
    """One error of a batch: these ids are not there."""
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": list(ids)},
            "errors": [], "links": {}, **more}


def limit_of(request: Request, most: int, default: int = 10) -> int:
    given = request.one("limit", str(default))
    if not given.isdigit() or not 1 <= int(given) <= most:
        raise error(400, "VALIDATION_ERROR", f"limit must be between 1 and {most}, not {given}")
    return int(given)


def after_of(request: Request) -> str:
    after = request.one("after")
    if after and not after.isdigit():
        raise error(400, "VALIDATION_ERROR", f"{after} is not a valid paging offset")
    return after


def object_of(request: Request) -> dict[str, Any]:
    body = request.json()
    if not isinstance(body, dict):
        raise error(400, "VALIDATION_ERROR", "Invalid input JSON: an object is expected")
    return body


def inputs_of(body: Mapping[str, Any], most: int) -> dict[str, str]:
    """The ids asked for, each once, with the `after` of those that have one."""
    given = [one if isinstance(one, dict) else {} for one in body.get("inputs") or ()]
    if not all(one.get("id") for one in given):
        raise error(400, "VALIDATION_ERROR", "each of inputs needs an id")
    if len(given) > most:
        raise error(400, "VALIDATION_ERROR", f"the number of inputs must not exceed {most}, found {len(given)}")
    return {str(one["id"]): str(one.get("after") or "") for one in given}


def properties_of(body: Mapping[str, Any]) -> dict[str, str | None]:
    given = body.get("properties") or {}
    return {name: None if value in (None, "") else str(value) for name, value in given.items()}


def links_of(kind: str, body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The (type, id) a new record is to be linked to, by HubSpot's own association types."""
    others = {number: other for (one, other), number in LINK_TYPES.items() if one == kind}
    found = []
    for link in body.get("associations") or ():
        numbers = {one.get("associationTypeId") for one in link.get("types") or ()}
        other = next((others[number] for number in numbers if number in others), None)
        if other is None:
            raise error(400, "VALIDATION_ERROR", f"no association type of {kind} among {sorted(map(str, numbers))}")
        found.append((other, str(link["to"]["id"])))
    return found

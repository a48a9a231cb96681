"""The CRM object endpoints of the fake HubSpot account, the same for every object type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from connector.twins.hubspot_search import lowest_id, search
from connector.twins.hubspot_types import KINDS
from connector.twins.hubspot_view import (
    View,
    after_of,
    error,
    inputs_of,
    limit_of,
    links_of,
    missing,
    object_of,
    page,
    properties_of,
)
from connector.twins.portal import Collection, Item, Portal, milliseconds, stamp
from connector.twins.server import Reply, Request


class Records:
    """Lists, searches, reads and writes records; each method is the handler of one endpoint."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    def list(self, request: Request, kind: str) -> dict[str, Any]:
        collection = self.collection(kind)
        histories = request.many("propertiesWithHistory")
        limit = limit_of(request, 50 if histories else 100)
        archived, after = _archived(request), after_of(request)
        shown: list[Item] = []
        follower = None
        for item in collection.from_id(int(after or 0)):
            if (item.archived_at is not None) == archived:
                if len(shown) == limit:
                    follower = str(shown[-1].id + 1)
                    break
                shown.append(item)
        view = self._view(collection, request)
        return page([view.of(item) for item in shown], follower)

    def single(self, request: Request, kind: str, id: str) -> dict[str, Any]:
        collection = self.collection(kind)
        return self._view(collection, request).of(self._item(collection, id, archived=_archived(request)))

    def search(self, request: Request, kind: str) -> dict[str, Any]:
        collection, body = self.collection(kind), object_of(request)
        total, found, after = search(collection, self.portal.searchable(collection.kind, lowest_id(body)), body)
        view = View(self.portal, collection, body.get("properties") or ())
        return {"total": total, **page([view.of(item) for item in found], after)}

    def batch_read(self, request: Request, kind: str) -> Reply:
        collection, body = self.collection(kind), object_of(request)
        histories = body.get("propertiesWithHistory") or ()
        ids, archived = inputs_of(body, 50 if histories else 100), _archived(request)
        view = View(self.portal, collection, body.get("properties") or (), histories)
        found, lost = {}, []
        for id_ in ids:
            item = collection.find(id_)
            if item is not None and (item.archived_at is not None) == archived:
                found[item.id] = item
            else:
                lost.append(id_)
        return self.batch([view.of(item) for item in found.values()], [missing(sorted(lost))] if lost else [])

    def create(self, request: Request, kind: str) -> Reply:
        collection, body = self.collection(kind), object_of(request)
        links = links_of(collection.kind, body)
        if collection.kind == "leads" and "contacts" not in dict(links):
            raise error(400, "VALIDATION_ERROR", "a lead must be associated with a contact")
        id_ = written(lambda: self.portal.create(collection.kind, properties_of(body), links=links))
        return Reply(201, View(self.portal, collection, ()).of(collection.items[int(id_)]))

    def update(self, request: Request, kind: str, id: str) -> dict[str, Any]:
        collection = self.collection(kind)
        item = self._item(collection, id)
        written(lambda: self.portal.update(collection.kind, item.id, properties_of(object_of(request))))
        return View(self.portal, collection, ()).of(item)

    def archive(self, request: Request, kind: str, id: str) -> Reply:
        collection = self.collection(kind)
        self.portal.archive(collection.kind, self._item(collection, id).id)
        return Reply(204)

    def merge(self, request: Request, kind: str, *, new_id: bool) -> dict[str, Any]:
        collection, body = self.collection(kind), object_of(request)
        pair = [self._item(collection, str(body.get(name, ""))).id for name in ("primaryObjectId", "objectIdToMerge")]
        survivor = written(lambda: self.portal.merge(collection.kind, *pair, new_id=new_id))
        return View(self.portal, collection, ()).of(collection.items[int(survivor)])

    def collection(self, kind: str) -> Collection:
        """The records of a type by any of its spellings. Raises Refused."""
        if kind not in KINDS:
            raise error(400, "VALIDATION_ERROR", f"Unable to infer object type from: {kind}")
        return self.portal.collections[KINDS[kind]]

    def batch(self, results: Sequence[Any], errors: Sequence[Any]) -> Reply:
        """HubSpot's answer to a batch: 207 where some of it failed."""
        now = stamp(milliseconds(self.portal.clock.now()))
        body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Reply(207 if errors else 200, body)

    def _view(self, collection: Collection, request: Request) -> View:
        return View(self.portal, collection, request.many("properties"), request.many("propertiesWithHistory"),
                    request.many("associations"))

    def _item(self, collection: Collection, id_: str, *, archived: bool = False) -> Item:
        item = collection.find(id_)
        if item is None or (item.archived_at is not None) != archived:
            raise error(404, "OBJECT_NOT_FOUND", "resource not found")
        return item


def written(write: Callable[[], Any]) -> Any:
    """What a change of the portal gives; what it will not have is HubSpot's 400. Raises Refused."""
    try:
        return write()
    except ValueError as fault:
        raise error(400, "VALIDATION_ERROR", f"Property values were not valid: {fault}") from fault


def _archived(request: Request) -> bool:
    return request.one("archived").lower() == "true"

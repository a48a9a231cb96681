"""A fake HubSpot account over real HTTP: the shapes, limits and errors of its CRM API, in both naming schemes.

    python -m connector.twins.hubspot --port 0 --seed 7 --deals 300 --mutate-every 5 --mutations 100

prints `{"url": …, "token": …}` and serves a seeded account whose data change while they are read: one change after
every so many requests, each two seconds later on the vendor's clock, the same sequence whatever is asked in between.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from connector.ports import Clock
from connector.twins.hubspot_search import INSTANTS, NUMBERS, BadSearch, search
from connector.twins.hubspot_view import (
    LINK_TYPES,
    SINGULAR,
    View,
    error,
    inputs_of,
    limit_of,
    object_of,
    page,
    properties_of,
)
from connector.twins.portal import DEFAULTS, KINDS, Collection, Item, Portal, milliseconds, stamp
from connector.twins.server import Refused, Reply, Request, Twin, run_as_process

VERSION = "{version}"
_RELEASE = re.compile(r"20\d\d-0[39](-beta)?")  # date-based: a release each March and September
class HubSpotTwin(Twin):
    """`portal` is its data; `rate` requests per 10 seconds of the twin's clock are answered, the next ones get 429."""

    def __init__(self, portal: Portal | None = None, *, clock: Clock | None = None, port: int = 0,
                 token: str = "twin-token", rate: int = 100_000, daily: int = 650_000) -> None:  # noqa: S107 - a fake's
        super().__init__(clock=clock or (portal.clock if portal else None), port=port)
        self.portal = portal or Portal(self.clock)
        self.token, self.rate, self.daily = token, rate, daily
        self.settle: Callable[[], int] = lambda: 0
        self.mutate: Callable[[int], int] = lambda _count: 0
        self._times: deque[int] = deque()
        self._objects("/crm/v3/objects/{kind}")
        self._objects(f"/crm/objects/{VERSION}/{{kind}}")
        for family in ("/crm/v3/*", f"/crm/*/{VERSION}"):
            self._get(family.replace("*", "owners"), self._owners)
            self._get(family.replace("*", "owners") + "/{id}", self._owner)
            self._get(family.replace("*", "pipelines") + "/{kind}", self._pipelines)
            self._get(family.replace("*", "pipelines") + "/{kind}/{id}", self._pipeline)
            self._get(family.replace("*", "properties") + "/{kind}", self._property_list)
        for links in ("/crm/v4/associations", f"/crm/associations/{VERSION}"):
            self._post(links + "/{kind}/{other}/batch/read", self._links)
        self.route("GET", "/_twin/state", lambda _request: self.state())
        self.route("POST", "/_twin/settle", lambda _request: {"applied": self.settle()})
        self.route("POST", "/_twin/mutate", lambda request: {"applied": self.mutate(int(request.one("count", "1")))})

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends to be let in."""
        return {"Authorization": f"Bearer {self.token}"}

    def state(self) -> dict[str, Any]:
        """Every record with its whole history, as JSON-able values by type and id; for tests."""
        return {
            kind: {
                str(item.id): {
                    "properties": dict(item.properties),
                    "history": {name: list(reversed(entries)) for name, entries in item.history.items()},
                    "archived": item.archived_at is not None,
                    "associations": {other: [str(id_) for id_ in self.portal.linked(kind, item.id, other)]
                                     for other in DEFAULTS if self.portal.linked(kind, item.id, other)},
                }
                for item in collection.from_id(0)
            }
            for kind, collection in self.portal.collections.items()
        }

    # --- the door ----------------------------------------------------------------------------------------------------

    def _objects(self, base: str) -> None:
        self._get(base, self._list)
        self._post(base + "/search", self._search, rated=False)
        self._post(base + "/batch/read", self._batch_read)
        self._post(base, self._create)
        self._get(base + "/{id}", self._single)
        self.route("PATCH", base + "/{id}", self._guard(self._update, True))
        self.route("DELETE", base + "/{id}", self._guard(self._archive, True))

    def _get(self, path: str, handler: Callable[..., Any]) -> None:
        self.route("GET", path, self._guard(handler, True))

    def _post(self, path: str, handler: Callable[..., Any], *, rated: bool = True) -> None:
        self.route("POST", path, self._guard(handler, rated))

    def _guard(self, handler: Callable[..., Any], rated: bool) -> Callable[..., Reply]:
        """The handler behind the token, the rate limit, and HubSpot's way of answering faults."""

        def guarded(request: Request, **names: str) -> Reply:
            if not _RELEASE.fullmatch(names.pop("version", "2026-03")):  # each dated version answers alike
                return self.not_found(request)
            headers = self._rate_headers() if rated else {}
            number = str(uuid.UUID(int=(0x4B1F << 112) + request.number, version=4))
            try:
                self._let_in(request, headers)
                answer = handler(request, **names)
            except Refused as refusal:
                answer = refusal.reply
            except (msgspec.DecodeError, BadSearch) as fault:
                answer = error(400, "VALIDATION_ERROR", str(fault)).reply
            reply = answer if isinstance(answer, Reply) else Reply(200, answer)
            body = reply.body
            if isinstance(body, dict) and body.get("status") == "error":
                body = {**body, "correlationId": number}
            return Reply(reply.status, body, {"X-HubSpot-Correlation-Id": number, **headers, **reply.headers})

        return guarded

    def _let_in(self, request: Request, headers: Mapping[str, str]) -> None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth "
                        "2.0 authentication and you can find more details at https://developers.hubspot.com/docs/"
                        "methods/auth/oauth-overview")
        if headers and len(self._times) > self.rate:
            self._times.pop()
            raise error(429, "RATE_LIMITS", "You have reached your ten_secondly_rolling limit.", errorType="RATE_LIMIT",
                        policyName="TEN_SECONDLY_ROLLING")

    def _rate_headers(self) -> dict[str, str]:
        now = milliseconds(self.clock.now())
        self._times.append(now)
        while self._times[0] <= now - 10_000:
            self._times.popleft()
        return {
            "X-HubSpot-RateLimit-Max": str(self.rate),
            "X-HubSpot-RateLimit-Remaining": str(max(0, self.rate - len(self._times))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Daily": str(self.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, self.daily - len(self.requests))),
        }

    # --- records -----------------------------------------------------------------------------------------------------

    def _list(self, request: Request, kind: str) -> dict[str, Any]:
        collection = self._collection(kind)
        histories = request.many("propertiesWithHistory")
        limit = limit_of(request, 50 if histories else 100)
        archived = request.one("archived").lower() == "true"
        after = request.one("after")
        if after and not after.isdigit():
            raise error(400, "VALIDATION_ERROR", f"{after} is not a valid paging offset")
        shown: list[Item] = []
        follower = None
        for item in collection.from_id(int(after or 0)):
            if (item.archived_at is not None) == archived:
                if len(shown) == limit:
                    follower = str(shown[-1].id + 1)
                    break
                shown.append(item)
        view = View(self.portal, collection, request.many("properties"), histories, request.many("associations"))
        return page([view.of(item) for item in shown], follower)

    def _single(self, request: Request, kind: str, id: str) -> dict[str, Any]:
        collection = self._collection(kind)
        item = self._item(collection, id, archived=request.one("archived").lower() == "true")
        return View(self.portal, collection, request.many("properties"), request.many("propertiesWithHistory"),
                     request.many("associations")).of(item)

    def _search(self, request: Request, kind: str) -> dict[str, Any]:
        collection, body = self._collection(kind), object_of(request)
        total, found, after = search(collection, body)
        view = View(self.portal, collection, body.get("properties") or ())
        return {"total": total, **page([view.of(item) for item in found], after)}

    def _batch_read(self, request: Request, kind: str) -> Reply:
        collection, body = self._collection(kind), object_of(request)
        histories = body.get("propertiesWithHistory") or ()
        ids = inputs_of(body, 50 if histories else 100)
        archived = request.one("archived").lower() == "true"
        view = View(self.portal, collection, body.get("properties") or (), histories)
        found = [
            item for id_ in dict.fromkeys(ids)
            if id_.isdigit() and (item := collection.items.get(int(id_))) is not None
            and (item.archived_at is not None) == archived
        ]
        missing = sorted(set(ids) - {str(item.id) for item in found})
        errors = [{"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": missing},
                   "message": "Could not get some objects, they may be deleted or not exist."}]
        return self._batch([view.of(item) for item in found], errors if missing else [])

    def _create(self, request: Request, kind: str) -> Reply:
        collection = self._collection(kind)
        id_ = self._written(lambda: self.portal.create(collection.kind, properties_of(request)))
        return Reply(201, View(self.portal, collection, ()).of(collection.items[int(id_)]))

    def _update(self, request: Request, kind: str, id: str) -> dict[str, Any]:
        collection = self._collection(kind)
        item = self._item(collection, id)
        self._written(lambda: self.portal.update(collection.kind, item.id, properties_of(request)))
        return View(self.portal, collection, ()).of(item)

    def _archive(self, request: Request, kind: str, id: str) -> Reply:
        collection = self._collection(kind)
        self.portal.archive(collection.kind, self._item(collection, id).id)
        return Reply(204)

    # --- the rest of the account -------------------------------------------------------------------------------------

    def _owners(self, request: Request) -> dict[str, Any]:
        archived, email, after = request.one("archived").lower() == "true", request.one("email"), request.one("after")
        rows = [
            owner for id_, owner in sorted(self.portal.owners.items(), key=lambda one: int(one[0]))
            if owner["archived"] == archived and email in ("", owner["email"]) and int(id_) >= int(after or 0)
        ]
        limit = limit_of(request, 500, 100)
        return page(rows[:limit], rows[limit]["id"] if len(rows) > limit else None)

    def _owner(self, request: Request, id: str) -> dict[str, Any]:
        owner = self.portal.owners.get(id)
        if owner is None or owner["archived"] != (request.one("archived").lower() == "true"):
            raise error(404, "OBJECT_NOT_FOUND", f"Owner {id} does not exist")
        return owner

    def _pipelines(self, request: Request, kind: str) -> dict[str, Any]:
        return {"results": list(self.portal.pipelines.values()) if self._collection(kind).kind == "deals" else []}

    def _pipeline(self, request: Request, kind: str, id: str) -> dict[str, Any]:
        if self._collection(kind).kind != "deals" or id not in self.portal.pipelines:
            raise error(404, "OBJECT_NOT_FOUND", f"Pipeline {id} does not exist")
        return self.portal.pipelines[id]

    def _property_list(self, request: Request, kind: str) -> dict[str, Any]:
        names = sorted(self._collection(kind).known)
        return {"results": [
            {"name": name, "label": name.replace("_", " ").capitalize(), "fieldType": "text", "groupName": "twin",
             "type": "datetime" if name in INSTANTS else "number" if name in NUMBERS else "string", "options": []}
            for name in names
        ]}

    def _links(self, request: Request, kind: str, other: str) -> Reply:
        source, target = self._collection(kind).kind, self._collection(other).kind
        type_ = {"category": "HUBSPOT_DEFINED", "typeId": LINK_TYPES[source, target], "label": None}
        results, errors = [], []
        for id_ in dict.fromkeys(inputs_of(object_of(request), 1000)):
            linked = self.portal.linked(source, int(id_), target) if id_.isdigit() else []
            if linked:
                to = [{"toObjectId": one, "associationTypes": [type_]} for one in linked]
                results.append({"from": {"id": id_}, "to": to})
            else:
                errors.append({
                    "status": "error", "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": f"No {SINGULAR[target]} is associated with {SINGULAR[source]} {id_}.",
                    "context": {"fromObjectId": [id_], "fromObjectType": [SINGULAR[source]],
                                "toObjectType": [SINGULAR[target]]},
                })
        return self._batch(results, errors)

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _collection(self, kind: str) -> Collection:
        if kind not in KINDS:
            raise error(400, "VALIDATION_ERROR", f"Unable to infer object type from: {kind}")
        return self.portal.collections[KINDS[kind]]

    def _item(self, collection: Collection, id_: str, *, archived: bool = False) -> Item:
        item = collection.items.get(int(id_)) if id_.isdigit() else None
        if item is None or (item.archived_at is not None) != archived:
            raise error(404, "OBJECT_NOT_FOUND", "resource not found")
        return item

    def _written(self, write: Callable[[], Any]) -> Any:
        try:
            return write()
        except ValueError as fault:
            raise error(400, "VALIDATION_ERROR", f"Property values were not valid: {fault}") from fault

    def _batch(self, results: Sequence[Any], errors: Sequence[Any]) -> Reply:
        now = stamp(milliseconds(self.clock.now()))
        body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return Reply(207 if errors else 200, body)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a seeded account until SIGTERM."""
    from connector.twins.seeded import hubspot_process

    twin = hubspot_process(arguments)
    run_as_process(twin, token=twin.token)


if __name__ == "__main__":
    main()

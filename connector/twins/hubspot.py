"""A fake HubSpot account over real HTTP: the shapes, limits and errors of its CRM API, in both naming schemes.

    python -m connector.twins.hubspot --port 0 --seed 7 --deals 300 --mutate-every 5 --mutations 100

prints `{"url": …, "token": …}` and serves a seeded account whose data change while they are read: one change after
every so many requests, each two seconds later on the vendor's clock, the same sequence whatever is asked in between.
docs/twins.md says what else it does on demand.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from connector.ports import Clock
from connector.twins.hubspot_account import Account
from connector.twins.hubspot_limits import UNLIMITED, Limits
from connector.twins.hubspot_oauth import OAuthApp
from connector.twins.hubspot_records import Records
from connector.twins.hubspot_search import BadSearch
from connector.twins.hubspot_types import KINDS
from connector.twins.hubspot_view import error
from connector.twins.portal import Collection, Item, Portal, milliseconds
from connector.twins.server import Refused, Reply, Request, Twin, run_as_process

VERSION = "{version}"
LONGEST_TARGET = 16_000  # characters; clients of HubSpot's cut their property lists at 15,000
_RELEASE = re.compile(r"20\d\d-0[39](-beta)?")  # date-based: a release each March and September
_SCOPES = {"splits": "crm.dealsplits.read_write", "emails": "sales-email-read", "account-info": "oauth"}
_CATEGORIES = {401: "INVALID_AUTHENTICATION", 423: "LOCKED", 429: "RATE_LIMITS"}


class HubSpotTwin(Twin):
    """`portal` is its data. `rate` calls per 10 seconds of the twin's clock are answered, `search_rate` searches per
    second, `daily` calls a day (by `zone`); the next ones get 429, with `Retry-After` if `retry_after`.

    `token` is the private app's and always good, `oauth` the app whose tokens end. `forbidden` are the types (or
    "splits", "owners", "account-info") answered by 403. `new_ids`: a merge over the API makes a third record.
    `portal.index_lag` and `portal.links_per_page` may be changed at any time, as may what `limits` holds.
    """

    def __init__(self, portal: Portal | None = None, *, clock: Clock | None = None, port: int = 0,
                 token: str = "twin-token", rate: int = UNLIMITED, search_rate: int = UNLIMITED,  # noqa: S107 - a fake's
                 daily: int = 650_000, retry_after: bool = False, zone: tzinfo = UTC, index_lag: float = 0,
                 oauth: OAuthApp | None = None, new_ids: bool = False) -> None:
        super().__init__(clock=clock or (portal.clock if portal else None), port=port)
        self.portal = portal or Portal(self.clock)
        self.portal.index_lag = index_lag or self.portal.index_lag
        self.token, self.oauth, self.new_ids = token, oauth or OAuthApp(), new_ids
        self.limits = Limits(self.clock, rate=rate, search_rate=search_rate, daily=daily, retry_after=retry_after,
                             zone=zone)
        self.forbidden: set[str] = set()
        self.settle: Callable[[], int] = lambda: 0
        self.mutate: Callable[[int], int] = lambda _count: 0
        self._records = Records(self.portal)
        self._account = Account(self.portal, self._records)
        self._routes_of_records("/crm/v3/objects/{kind}")
        self._routes_of_records(f"/crm/objects/{VERSION}/{{kind}}")
        self._routes_of_account()
        self.route("GET", "/_twin/state", lambda _request: self.state())
        self.route("POST", "/_twin/settle", lambda _request: {"applied": self.settle()})
        self.route("POST", "/_twin/mutate", lambda request: {"applied": self.mutate(int(request.one("count", "1")))})

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends to be let in."""
        return {"Authorization": f"Bearer {self.token}"}

    def state(self) -> dict[str, Any]:
        """The whole truth, as JSON-able values; for tests.

        By type and id every record that ever was: `status` is live, archived, merged or purged, `merged_into` the id
        of the record that has absorbed it. Histories have the newest entry first. Beside the types: `pipelines` by
        type and id, `owners` by id.
        """
        self.portal.catch_up()
        records = {
            kind: {str(item.id): self._told(collection, item)
                   for item in (*collection.from_id(0), *collection.gone.values())}
            for kind, collection in self.portal.collections.items()
        }
        pipelines = {kind: self.portal.pipelines_of(kind) for kind in ("deals", "leads")}
        return {**records, "pipelines": pipelines, "owners": self.portal.owners}

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        """HubSpot's error body for a status that has nothing to do with what was asked."""
        more = {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"} if status == 429 else {}
        reply = error(status, _CATEGORIES.get(status, "INTERNAL_ERROR"), f"status {status} on demand", **more).reply
        reply.body["correlationId"] = str(uuid.UUID(int=status, version=4))
        return reply if retry_after is None else reply.plus({"Retry-After": retry_after})

    # --- routes ------------------------------------------------------------------------------------------------------

    def _routes_of_records(self, base: str) -> None:
        records = self._records
        self._on("GET", base, records.list)
        self._on("POST", base + "/search", records.search, search=True)
        self._on("POST", base + "/batch/read", records.batch_read)
        self._on("POST", base + "/merge", lambda request, kind: records.merge(request, kind, new_id=self.new_ids))
        self._on("POST", base, records.create)
        self._on("GET", base + "/{id}", records.single)
        self._on("PATCH", base + "/{id}", records.update)
        self._on("DELETE", base + "/{id}", records.archive)

    def _routes_of_account(self) -> None:
        account = self._account
        for family in ("/crm/v3/*", f"/crm/*/{VERSION}"):
            owners, pipelines, properties = (
                family.replace("*", name) for name in ("owners", "pipelines", "properties")
            )
            self._on("GET", owners, account.owners, needs="owners")
            self._on("GET", owners + "/{id}", account.owner, needs="owners")
            self._on("GET", pipelines + "/{kind}", account.pipelines)
            self._on("GET", pipelines + "/{kind}/{id}", account.pipeline)
            self._on("GET", properties + "/{kind}", account.properties)
            self._on("GET", properties + "/{kind}/{name}", account.property)
        for version in ("v3", VERSION):
            self._on("GET", f"/account-info/{version}/details", account.details, needs="account-info")
        for links, objects in (
            ("/crm/v4/associations", "/crm/v4/objects"), (f"/crm/associations/{VERSION}", f"/crm/objects/{VERSION}"),
        ):
            self._on("POST", links + "/{kind}/{other}/batch/read", account.links)
            self._on("GET", objects + "/{kind}/{id}/associations/{other}", account.links_of_one)
        for splits in ("/crm/v3/objects/deals/splits", f"/deal-splits/{VERSION}"):
            self._on("POST", splits + "/batch/read", account.splits, needs="splits")
            self._on("POST", splits + "/batch/upsert", account.set_splits, needs="splits")
        for tokens in ("/oauth/v1/token", f"/oauth/{VERSION}/token"):
            self.route("POST", tokens, self._grant)

    def _on(self, method: str, path: str, handler: Callable[..., Any], *, search: bool = False,
            needs: str = "") -> None:
        """The handler behind the token, the limits, and HubSpot's way of answering faults."""

        def guarded(request: Request, **names: str) -> Reply:
            if not _RELEASE.fullmatch(names.pop("version", "2026-03")):  # each dated version answers alike
                return self.not_found(request)
            self.portal.catch_up()
            number = str(uuid.UUID(int=(0x4B1F << 112) + request.number, version=4))
            headers: dict[str, str] = {}
            try:
                self._let_in(request)
                headers, refusal = self.limits.take(search=search)
                if refusal is not None:
                    raise refusal
                self._allow(needs or KINDS.get(names.get("kind", ""), ""))
                if len(request.target) > LONGEST_TARGET:
                    raise Refused(Reply(414, "<html><head><title>414 Request-URI Too Large</title></head></html>"))
                answer = handler(request, **names)
            except Refused as refused:
                answer = refused.reply
            except (msgspec.DecodeError, BadSearch) as fault:
                answer = error(400, "VALIDATION_ERROR", str(fault)).reply
            reply = answer if isinstance(answer, Reply) else Reply(200, answer)
            body = reply.body
            if isinstance(body, dict) and body.get("status") == "error":
                body = {**body, "correlationId": number}
            return Reply(reply.status, body, {"X-HubSpot-Correlation-Id": number, **headers, **reply.headers})

        self.route(method, path, guarded)

    # --- the door ----------------------------------------------------------------------------------------------------

    def _let_in(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and (token == self.token or self.oauth.let_in(token, milliseconds(self.clock.now()))):
            return
        raise error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth "
                    "2.0 authentication and you can find more details at https://developers.hubspot.com/docs/"
                    "methods/auth/oauth-overview")

    def _allow(self, what: str) -> None:
        if what in self.forbidden:
            scope = _SCOPES.get(what, f"crm.objects.{what}.read")
            raise error(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call.",
                        errors=[{"message": "One or more of the following scopes are required.",
                                 "context": {"requiredGranularScopes": [scope]}}],
                        links={"scopes": "https://developers.hubspot.com/scopes"})

    def _grant(self, request: Request, version: str = "2026-03") -> Reply:
        if not _RELEASE.fullmatch(version):
            return self.not_found(request)
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        reply = self.oauth.grant(form, milliseconds(self.clock.now()))
        if reply.status != 200:
            reply.body["correlationId"] = str(uuid.UUID(int=(0x4B1F << 112) + request.number, version=4))
        return reply

    def _told(self, collection: Collection, item: Item) -> dict[str, Any]:
        kind, gone, into = collection.kind, item.id in collection.gone, item.id
        while into in collection.merged:
            into = collection.merged[into]
        standing = "archived" if item.archived_at is not None else "live"
        told: dict[str, Any] = {
            "properties": dict(item.properties),
            "history": {name: list(reversed(entries)) for name, entries in item.history.items()},
            "archived": item.archived_at is not None,
            "status": standing if not gone else "merged" if into != item.id else "purged",
            "merged_into": None if into == item.id else str(into),
            "associations": {other: [str(id_) for id_ in ids] for other in self.portal.collections
                             if (ids := self.portal.linked(kind, item.id, other))},
        }
        if kind == "deals":
            told["splits"] = {one["properties"]["hubspot_owner_id"]: one["properties"]["hs_deal_split_percentage"]
                              for one in self.portal.splits.get(item.id, ())}
        return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve a seeded account until SIGTERM."""
    from connector.twins.seeded import hubspot_process

    twin = hubspot_process(arguments)
    run_as_process(twin, token=twin.token)


if __name__ == "__main__":
    main()

"""HubSpot CRM by a private app's token: owners, deal pipelines, contacts, companies, deals with their history.

https://developers.hubspot.com/docs/api-reference/overview; both naming schemes, `/crm/v3/objects/deals` and
`/crm/objects/2026-03/deals`. A reading from the beginning lists by id. One of a window searches, since only search
filters by time, and then asks for what search cannot give: histories and associations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field, SecretStr

from connector.answer import Response
from connector.auth import Auth, Bearer
from connector.errors import RateLimited, RemoteError, Transient
from connector.pace import Pace, RateHeaders
from connector.paging import Ask, CursorPages
from connector.ports import Context, Exchange, Page, Record, Window
from connector.rest import RestSettings, RestSource, Stream, written

SEARCHED = 200  # records a search gives at most; it refuses to go beyond 10,000, so each page asks for higher ids
BATCH = 100  # records a batch read takes at most, and half of it with histories
SEARCHES_PER_SECOND = 5  # of all object types together; search answers carry no rate headers
WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}  # seconds, by the policy a 429 names
AFTER = CursorPages(reads="paging.next.after", sends="after")
HISTORY = (
    "dealstage", "pipeline", "amount", "deal_currency_code", "hubspot_owner_id", "closedate",
    "hs_manual_forecast_category", "hs_deal_stage_probability",
)


@dataclass(frozen=True)
class Objects(Stream):
    """A type of CRM object. `since` is the property that search compares with a window; `linked` are the types whose
    associations are read; `histories` says whether those of the settings' `history` are."""

    properties: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    histories: bool = False


class HubSpotSettings(RestSettings):
    """`properties` are own fields to read beside ours, by stream; `history` those of deals whose past is read."""

    token: SecretStr
    api_version: str = Field(default="2026-03", pattern=r"^(v[34]|\d{4}-\d{2}(-beta)?)$")
    properties: Mapping[Literal["contacts", "companies", "deals"], tuple[str, ...]] = {}
    history: tuple[str, ...] = HISTORY


class HubSpot(RestSource):
    """One HubSpot account."""

    Settings = HubSpotSettings
    base_url = "https://api.hubapi.com"
    rate_headers = RateHeaders(
        "X-HubSpot-RateLimit-Max", "X-HubSpot-RateLimit-Remaining", "X-HubSpot-RateLimit-Interval-Milliseconds"
    )
    request_id_headers = ("X-HubSpot-Correlation-Id", "X-Request-Id")
    probe = "pipelines/deals"

    owners = Stream(
        path="owners", records="results", cursor="updatedAt", pages=AFTER, params={"limit": 100},
        passes=({"archived": False}, {"archived": True}),  # without the second, who left owns nothing
    )
    pipelines = Stream(path="pipelines/deals", records="results")
    companies = Objects(
        path="objects/companies", records="results", cursor="updatedAt", since="hs_lastmodifieddate",
        until="hs_lastmodifieddate", one="objects/companies/{id}", pages=AFTER,
        properties=("name", "domain", "createdate", "hubspot_owner_id"),
    )
    contacts = companies.replace(
        path="objects/contacts", one="objects/contacts/{id}", since="lastmodifieddate", until="lastmodifieddate",
        linked=("deals",),
        properties=(  # no name and no address: no metric asks who a lead is
            "createdate", "hubspot_owner_id", "lifecyclestage", "hs_lead_status", "hs_analytics_source",
            "associatedcompanyid", "hs_lifecyclestage_marketingqualifiedlead_date",
            "hs_lifecyclestage_salesqualifiedlead_date",
        ),
    )
    deals = companies.replace(
        path="objects/deals", one="objects/deals/{id}", linked=("contacts", "companies"), histories=True,
        properties=(
            "dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "createdate", "closedate",
            "hubspot_owner_id", "hs_manual_forecast_category", "hs_deal_stage_probability", "closed_lost_reason",
            "dealtype", "hs_analytics_source", "notes_next_activity_date",
        ),
    )

    def __init__(self, name: str, settings: HubSpotSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        self._searches = Pace(requests_per_second=SEARCHES_PER_SECOND, budget=context.budget)

    def credential(self) -> Auth:
        return Bearer(self.settings.token.get_secret_value())

    def path(self, path: str) -> str:
        """`objects/deals` in the scheme of the version: `/crm/v3/objects/deals` or `/crm/objects/2026-03/deals`."""
        version, (family, _, rest) = self.settings.api_version, path.partition("/")
        if version.startswith("v"):
            return f"/crm/{'v4' if family == 'associations' else 'v3'}/{path}"
        return f"/crm/{family}/{version}/{rest}".rstrip("/")

    def judge(self, response: Response) -> RemoteError | None:
        """A 429 names its policy and often no Retry-After; a 207 names the records it could not give."""
        if response.status == 429 and "Retry-After" not in response.headers:
            policy = next((name for name in WAITS if f'"{name}"'.encode() in response.content), None)
            if policy is not None:
                said = f"status 429, the limit {policy} is reached"
                return response.error(RateLimited, said, retry_after=WAITS[policy])
        if response.status == 207:
            failed = {error.get("category") for error in response.json().get("errors", ())} - {"OBJECT_NOT_FOUND"}
            if failed:  # without them the batch would be short, and nobody the wiser
                return response.error(Transient, f"status 207, not all records came ({', '.join(map(str, failed))})")
        return None

    def ask(self, stream: str, spec: Stream, window: Window) -> Ask:
        if not isinstance(spec, Objects):
            return super().ask(stream, spec, window)
        wanted = {"properties": self._properties(stream, spec), "associations": spec.linked,
                  "propertiesWithHistory": self.settings.history if spec.histories else ()}
        told = {name: ",".join(values) for name, values in wanted.items() if values}
        return Ask(self.path(spec.path), {"limit": self._batch(spec), **told})

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        """As RestSource; in a window by search, where the position is {"after_id": the highest id given}."""
        spec = self.specs()[stream]
        if not isinstance(spec, Objects) or window.lo is None:
            yield from super().read(stream, window, position)
            return
        bounds = written(window.lo, "epoch_ms"), written(window.hi, "epoch_ms")
        after_id = position["after_id"] if position else "0"
        while after_id is not None:
            found = self._search(stream, spec, bounds, after_id)
            ids = self._ids(spec, found.exchange())
            after_id = ids[-1] if ids and found.json().get("total") != len(ids) else None
            exchanges = [found.exchange(), *self._details(stream, spec, ids, read=spec.histories)]
            yield self.page(stream, exchanges, {"after_id": after_id} if after_id else None)

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        spec = self.specs()[stream]
        if isinstance(spec, Objects):
            numbers = [id_ for id_ in dict.fromkeys(ids) if id_.isascii() and id_.isdigit()]
            for some in _slices(numbers, self._batch(spec)):
                yield self.page(stream, self._details(stream, spec, some, read=True), None)

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        """The records of batch reads where there are any, else of the list or search, with their associations."""
        spec = self.specs()[stream]
        read, links = spec.reader(), self._links(spec, exchanges)
        holders = [exchange for exchange in exchanges if "/associations/" not in exchange.url]
        batches = [exchange for exchange in holders if exchange.url.endswith("/batch/read")]
        for exchange in batches or holders:
            for record in map(read, self.rows(spec, exchange)):
                ends = {other: {"results": to[record.key]} for other, to in links.items() if record.key in to}
                ends = ends or record.data.get("associations") or {}
                yield replace(record, data={**record.data, "associations": _ordered(ends)}) if ends else record

    def _search(self, stream: str, spec: Objects, bounds: tuple[str, str], after_id: str) -> Response:
        """The next records of a window in the order of ids: many may share one instant, none shares an id."""
        filters = [
            {"propertyName": spec.since, "operator": "GTE", "value": bounds[0]},
            {"propertyName": spec.since, "operator": "LTE", "value": bounds[1]},
            {"propertyName": "hs_object_id", "operator": "GT", "value": after_id},
        ]
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": ["hs_object_id"] if spec.histories else self._properties(stream, spec),
            "limit": SEARCHED,
        }
        return self._post(f"{spec.path}/search", body, stream, self._searches)

    def _details(self, stream: str, spec: Objects, ids: Sequence[str], *, read: bool) -> list[Exchange]:
        """What a search does not give of these records: all of them read by id if `read`, and their associations."""
        exchanges, found = [], list(ids)
        if read:
            exchanges = [self._batch_read(stream, spec, some) for some in _slices(ids, self._batch(spec))]
            # A merged id is answered by the record that survived, under its own id.
            found = list(dict.fromkeys(id_ for exchange in exchanges for id_ in self._ids(spec, exchange)))
        for other in spec.linked if found else ():
            for some in _slices(found, SEARCHED):
                body = {"inputs": [{"id": id_} for id_ in some]}
                path = f"associations/{stream}/{other}/batch/read"
                exchanges.append(self._post(path, body, stream).exchange())
        return exchanges

    def _batch_read(self, stream: str, spec: Objects, ids: Sequence[str]) -> Exchange:
        body = {"properties": self._properties(stream, spec), "inputs": [{"id": id_} for id_ in ids]}
        if spec.histories:
            body["propertiesWithHistory"] = list(self.settings.history)
        return self._post(f"{spec.path}/batch/read", body, stream).exchange()

    def _ids(self, spec: Stream, exchange: Exchange) -> list[str]:
        return [record.key for record in map(spec.reader(), self.rows(spec, exchange))]

    def _links(self, spec: Stream, exchanges: Sequence[Exchange]) -> dict[str, dict[str, list[Any]]]:
        """The associations in a page's exchanges, by other type and record id, each as lists have it: {"id": "7"}."""
        found: dict[str, dict[str, list[Any]]] = {}
        for exchange in exchanges:
            if "/associations/" in exchange.url:
                ends = found.setdefault(exchange.url.split("/")[-3], {})
                for row in self.rows(spec, exchange):
                    ends[str(row["from"]["id"])] = [{"id": str(to["toObjectId"])} for to in row["to"]]
        return found

    def _post(self, path: str, body: Mapping[str, Any], stream: str, pace: Pace | None = None) -> Response:
        return self.client.request("POST", self.path(path), json=body, stream=stream, safe=True, pace=pace)

    def _properties(self, stream: str, spec: Objects) -> list[str]:
        return list(dict.fromkeys((*spec.properties, spec.since, *self.settings.properties.get(stream, ()))))

    def _batch(self, spec: Objects) -> int:
        return BATCH // 2 if spec.histories and self.settings.history else BATCH


def _ordered(ends: Mapping[str, Any]) -> dict[str, Any]:
    """Associations by rising id: lists and batch reads promise no order, and a mapping may take the first."""
    return {
        other: {**held, "results": sorted(held["results"], key=lambda one: (len(one["id"]), one["id"]))}
        for other, held in ends.items()
    }


def _slices(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))

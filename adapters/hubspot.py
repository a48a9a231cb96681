"""HubSpot CRM: its objects with their past and their associations, owners, pipelines; and its calls to us.

https://developers.hubspot.com/docs/api-reference/overview; both naming schemes, `/crm/v3/objects/deals` and
`/crm/objects/2026-03/deals`. A reading from the beginning lists by id, live records first, then archived ones. One of a
window searches, since only search filters by time, and then asks for what search cannot give: histories, associations,
and archived records, of which HubSpot has no more than a list.

Calls for N records with associations to T types, in an account with A archived ones:

    from the beginning   N / 100, with histories N / 50; where the properties are too many for an address N / 100 of ids
                         and as many batch reads
    a window             N / 200 searches, T x N / 1,000 associations, A / 100; with histories N / 50 batch reads
    list_ids             N / 100
    splits               N / 100 more
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters._hubspot_metadata import Account, granted, owner
from adapters._hubspot_wire import Parts, as_documented, cut_short, events, following, verdict
from connector.answer import Response
from connector.auth import Auth, Bearer, Secret
from connector.budget import Limit
from connector.errors import HookRefused, RemoteError, Transient
from connector.metadata import FieldInfo, Metadata, OwnerInfo
from connector.model import micros
from connector.pace import RateHeaders
from connector.paging import Answer, Ask, CursorPages
from connector.ports import Check, Context, Exchange, HookEvent, HookRequest, Listed, Page, Record, Way, Window
from connector.ports import Stream as PortStream
from connector.rest import RestSettings, RestSource, Stream, oauth, written

LISTED = 100  # records a list or a batch read gives at most, and half of it with histories
SEARCHED = 200  # a search, which refuses to go beyond 10,000: so each asks for higher ids than the one before
LINKED = 1_000  # inputs of a batch of associations, and therefore records of a page of a window
SPLIT = 100  # inputs of a batch of deal splits
LONGEST = 15_000  # characters of properties in an address; somewhat more and HubSpot refuses it
AFTER = CursorPages(reads="paging.next.after", sends="after")
SEARCH = "search"
ONLY_IDS = "hs_object_id"
MERGED = "hs_merged_object_ids"  # the ids a record has absorbed, joined by ";"
HISTORY = (
    "dealstage", "pipeline", "amount", "deal_currency_code", "hubspot_owner_id", "closedate",
    "hs_manual_forecast_category", "hs_deal_stage_probability",
)
T = TypeVar("T")
Kind = Literal["contacts", "companies", "deals", "leads", "calls", "meetings", "emails", "tasks"]


@dataclass(frozen=True)
class Objects(Stream):
    """A type of CRM object. `since` is the property that search compares with a window; `linked` are the types whose
    associations are read; `histories` the properties whose past is; `merges`: two of them can become one."""

    properties: tuple[str, ...] = ()
    linked: tuple[Kind, ...] = ()
    histories: tuple[str, ...] = ()
    merges: bool = False


def objects(kind: Kind, *properties: str, linked: tuple[Kind, ...] = (), histories: tuple[str, ...] = (),
            merges: bool = False, modified: str = "hs_lastmodifieddate") -> Objects:
    """The stream of a type of object, with what all of them have in common."""
    return Objects(
        path=f"objects/{kind}", records="results", cursor="updatedAt", since=modified, until=modified,
        one=f"objects/{kind}/{{id}}", pages=AFTER, complete=True, properties=properties, linked=linked,
        histories=histories, merges=merges,
    )


class Part(BaseModel):
    """A part of the settings: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OAuthSettings(Part):
    """An app that an account has installed, instead of a private app's token."""

    client_id: str = Field(min_length=1)
    client_secret: Secret
    refresh_token: Secret


class HookSettings(Part):
    """What HubSpot's calls to us are signed with: the client secret of the app."""

    secret: Secret


class HubSpotSettings(RestSettings):
    """`token` or `oauth`. `properties` are own fields to read beside ours and `associations` types to read those with,
    both by stream; `history` the properties of deals whose past is read; `splits`: deals come with their shares.
    `hooks` checks calls to us; with `oauth` its client secret does."""

    token: Secret | None = None
    oauth: OAuthSettings | None = None
    api_version: str = Field(default="2026-03", pattern=r"^(v[34]|\d{4}-\d{2}(-beta)?)$")
    properties: Mapping[Kind, tuple[str, ...]] = {}
    associations: Mapping[Kind, tuple[Kind, ...]] = {}
    history: tuple[str, ...] = HISTORY
    splits: bool = False
    hooks: HookSettings | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> HubSpotSettings:
        if (self.token is None) == (self.oauth is None):
            raise ValueError("expected exactly one of token and oauth")
        return self


class HubSpot(RestSource):
    """One HubSpot account."""

    Settings = HubSpotSettings
    base_url = "https://api.hubapi.com"
    limits = (  # per app; headers tell the account's own, but not of search, which all object types share
        Limit("general", 100, 10), Limit(SEARCH, 5, 1, named=True),
    )
    rate_headers = RateHeaders(
        "X-HubSpot-RateLimit-Max", "X-HubSpot-RateLimit-Remaining", "X-HubSpot-RateLimit-Interval-Milliseconds",
        "X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining",
    )
    request_id_headers = ("X-HubSpot-Correlation-Id", "X-Request-Id")
    probe = "pipelines/deals"

    owners = Stream(
        path="owners", records="results", cursor="updatedAt", pages=AFTER, params={"limit": 100},
        passes=({"archived": False}, {"archived": True}),  # without the second, who left owns nothing
    )
    pipelines = Stream(path="pipelines/deals", records="results")
    lead_pipelines = Stream(path="pipelines/leads", records="results")
    companies = objects("companies", "name", "domain", "createdate", "hubspot_owner_id", merges=True)
    contacts = objects(  # no name and no address: no metric asks who a lead is
        "contacts", "createdate", "hubspot_owner_id", "lifecyclestage", "hs_lead_status", "hs_analytics_source",
        "associatedcompanyid", "hs_lifecyclestage_marketingqualifiedlead_date",
        "hs_lifecyclestage_salesqualifiedlead_date",
        modified="lastmodifieddate", linked=("deals",), merges=True,
    )
    leads = objects(
        "leads", "hubspot_owner_id", "hs_pipeline", "hs_pipeline_stage", "hs_lead_type", "hs_lead_label",
        "hs_lead_source", "hs_lead_disqualification_reason",
        linked=("contacts", "companies", "deals"), histories=("hs_pipeline_stage",),
    )
    deals = objects(
        "deals", "dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "createdate", "closedate",
        "hubspot_owner_id", "hs_manual_forecast_category", "hs_deal_stage_probability", "closed_lost_reason",
        "dealtype", "hs_analytics_source", "notes_next_activity_date",
        linked=("contacts", "companies"), histories=HISTORY, merges=True,
    )
    calls = objects(
        "calls", "hs_timestamp", "hs_call_direction", "hs_call_disposition", "hs_call_status", "hs_call_duration",
        "hubspot_owner_id", linked=("contacts", "companies", "deals"),
    )
    meetings = objects(
        "meetings", "hs_timestamp", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome",
        "hubspot_owner_id", linked=("contacts", "companies", "deals"),
    )
    emails = objects(
        "emails", "hs_timestamp", "hs_email_direction", "hs_email_status", "hubspot_owner_id",
        linked=("contacts", "companies", "deals"),
    )
    tasks = objects(
        "tasks", "hs_timestamp", "hs_task_completion_date", "hs_task_status", "hs_task_type", "hubspot_owner_id",
        linked=("contacts", "companies", "deals"),
    )

    def __init__(self, name: str, settings: HubSpotSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        self._archives = {stream: Archive() for stream in self.specs()}
        self._account = Account(self._told)

    def credential(self) -> Auth:
        app: OAuthSettings | None = self.settings.oauth
        if app is None:
            return Bearer(self.settings.token.get_secret_value())
        version = self.settings.api_version
        base, release = self.settings.base_url or self.base_url, "v1" if version.startswith("v") else version
        return oauth(
            self.name, self.context, f"{base.rstrip('/')}/oauth/{release}/token", client_id=app.client_id,
            client_secret=app.client_secret.get_secret_value(), refresh_token=app.refresh_token.get_secret_value(),
        )

    def path(self, path: str) -> str:
        """`objects/deals` in the scheme of the version: `/crm/v3/objects/deals` or `/crm/objects/2026-03/deals`."""
        version, (family, _, rest) = self.settings.api_version, path.partition("/")
        if family == "splits":
            return f"/crm/v3/objects/deals/{path}" if version.startswith("v") else f"/deal-splits/{version}/{rest}"
        if family == "account-info":
            return f"/{family}/{'v3' if version.startswith('v') else version}/{rest}"
        if version.startswith("v"):
            return f"/crm/{'v4' if family == 'associations' else 'v3'}/{path}"
        return f"/crm/{family}/{version}/{rest}".rstrip("/")

    def judge(self, response: Response) -> RemoteError | None:
        return verdict(response)

    # --- reading -----------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[PortStream]:
        specs = self.specs()
        return [replace(stream, ids=isinstance(specs[stream.name], Objects)) for stream in super().streams()]

    def ask(self, stream: str, spec: Stream, window: Window) -> Ask:
        """A list with everything that is read of a type; of ids and associations only where that is too long."""
        if not isinstance(spec, Objects):
            return super().ask(stream, spec, window)
        linked = {"associations": ",".join(self._linked(stream, spec))}
        properties = {"properties": ",".join(self._properties(stream, spec)),
                      "propertiesWithHistory": ",".join(self._histories(stream, spec))}
        told = {name: names for name, names in {**properties, **linked}.items() if names}
        if len(urlencode(told)) > LONGEST:
            told, size = {"properties": ONLY_IDS, **linked}, LISTED
        else:
            size = self._size(stream, spec)
        return Ask(self.path(spec.path), {"limit": size, **told})

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        """As RestSource: from the beginning the position is [0 live or 1 archived, after]; in a window it is
        {"after_id": the highest id given} or, once all live ones were, {"archived": the highest archived id given}."""
        spec = self.specs()[stream]
        if not isinstance(spec, Objects):
            return super().read(stream, window, position)
        if window.lo is None:
            return self._all(stream, spec, window, position)
        return self._changed(stream, spec, window, position)

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        """Live and archived records alike. A merged id is answered by the record that survived, under its own id."""
        spec = self.specs()[stream]
        if not isinstance(spec, Objects):
            return
        numbers = [id_ for id_ in dict.fromkeys(ids) if id_.isascii() and id_.isdigit()]
        for some in _slices(numbers, LINKED):
            exchanges = self._batches(stream, spec, some)
            found = list(self.records(stream, exchanges))
            absorbed = {one["id"] for record in found for one in record.data.get("merged", ())}
            live = [record.key for record in found]
            left = [id_ for id_ in some if id_ not in absorbed.union(live)]
            exchanges += self._batches(stream, spec, left, archived=True)
            yield self.page(stream, [*exchanges, *self._details(stream, spec, live)], None)

    def list_ids(self, stream: str) -> Iterator[Sequence[Listed]]:
        spec = self.specs()[stream]
        if not isinstance(spec, Objects):
            yield from super().list_ids(stream)
            return
        for exchange, _ in self._lists(stream, spec, {"limit": LISTED, "properties": ONLY_IDS}):
            records = {record.key: record for record in map(spec.reader(), self.rows(spec, exchange))}
            yield [Listed(record.key, record.modified) for record in records.values()]

    def requests_for(self, stream: str, way: Way, records: int) -> int | None:
        """As the module's table; what is archived is taken to fit on one page of its list."""
        spec = self.specs()[stream]
        if not isinstance(spec, Objects):
            return super().requests_for(stream, way, records)
        asked = self.ask(stream, spec, Window(None, self.context.clock.now())).params
        listed, read = -(-records // asked["limit"]) or 1, -(-records // self._size(stream, spec))
        linked = len(self._linked(stream, spec)) * -(-records // LINKED)
        splits = -(-records // SPLIT) if self._has_splits(stream) else 0
        if way == "list_ids":
            return -(-records // LISTED) or 1
        if way == "by_id":
            return read + linked + splits
        if way == "whole":
            return listed + 1 + splits + (read if asked["properties"] == ONLY_IDS else 0)
        searches = -(-records // SEARCHED) or 1
        return searches + 1 + linked + splits + (read if self._histories(stream, spec) else 0)

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        """The records of batch reads where there are any, else of lists and searches. Each has what other exchanges say
        of it: `associations` by rising id, the `splits` of a deal, and as `merged` the records it has absorbed."""
        spec = self.specs()[stream]
        if not isinstance(spec, Objects):
            yield from super().records(stream, exchanges)
            return
        read, parts = spec.reader(), Parts([(exchange, self.rows(spec, exchange)) for exchange in exchanges])
        for record in {record.key: record for record in map(read, parts.rows)}.values():  # of two ids merged into one
            data = {name: value for name, value in record.data.items() if name != "associations"}
            if ends := parts.associations(record.key):
                data["associations"] = {other: {"results": [{"id": id_} for id_ in ids]} for other, ids in ends.items()}
            if data.get("archived"):
                data["archivedAt"] = _archived_at(data)
            if merged := (data.get("properties") or {}).get(MERGED):
                data["merged"] = [{"id": id_} for id_ in merged.split(";") if id_]
            if record.key in parts.splits:
                data["splits"] = parts.splits[record.key]
            yield replace(record, data=data)

    def metadata(self, streams: Collection[str]) -> Metadata:
        """With `deals` the pipelines of deals and the currencies, with `leads` those of leads, with `owners` all of
        them; and of each type its properties, beside them the histories and associations that are asked for.

        A call each, and one for each hundred owners. What the app may not read is left out, as if HubSpot had not told.
        """
        told = {stream: self._fields(stream, spec) for stream, spec in self.specs().items()
                if stream in streams and isinstance(spec, Objects)}
        currency, currencies = self._account.currencies() if "deals" in streams else (None, ())
        pipelines = [self._account.pipelines(kind) for kind in ("deals", "leads") if kind in streams]
        return Metadata(
            pipelines=tuple(one for found in pipelines for one in found),
            fields={stream: fields for stream, fields in told.items() if fields is not None},
            owners=granted(self._owners, ()) if "owners" in streams else (), currency=currency, currencies=currencies,
        )

    def _fields(self, stream: str, spec: Objects) -> dict[str, FieldInfo] | None:
        has = self._account.fields(stream, self._properties(stream, spec))
        if has is None:
            return None
        found = list(has.values())
        found += [FieldInfo(f"propertiesWithHistory.{name}", has[name].label, "list", own=has[name].own)
                  for name in self._histories(stream, spec) if name in has]
        found += [FieldInfo(f"associations.{other}") for other in self._linked(stream, spec) or [""]]
        return {one.path: one for one in found}

    def _told(self, path: str, stream: str, parse: Callable[[Any], T]) -> T:
        exchange = _whole(self.client.get(self.path(path), stream=stream))
        with as_documented(path):
            return parse(exchange.json)

    def _owners(self) -> tuple[OwnerInfo, ...]:
        pages = self.read("owners", Window(None, self.client.vendor_now()))
        return tuple(owner(record.data) for page in pages for record in self.records("owners", page.exchanges))

    def check_stream(self, stream: str, spec: Stream) -> Check:
        """As RestSource; own properties that the account does not have are told, since HubSpot leaves them out without
        a word."""
        checked = super().check_stream(stream, spec)
        own = self.settings.properties.get(stream, ())
        known = self._account.names(stream) if own else set()
        missing = [name for name in own if name not in known]
        if missing:
            said = f"the account has no property {', '.join(missing)}; correct properties: {{{stream}: …}}"
            return Check(stream, False, said)
        return checked

    def hook(self, request: HookRequest) -> Sequence[HookEvent]:
        hooks, app = self.settings.hooks, self.settings.oauth
        secret = hooks.secret if hooks else app.client_secret if app else None
        if secret is None:
            raise HookRefused(f"{self.name}: a call, but no hooks: {{secret: …}} to check it with", system=self.name)
        return events(request, secret.get_secret_value(), self.context.clock.now(), self.name)

    def _all(self, stream: str, spec: Objects, window: Window, position: Any) -> Iterator[Page]:
        """Every record by its place in a list: the live ones, then the archived ones."""
        begun, after = position or (0, None)
        asked = dict(self.ask(stream, spec, window).params)
        in_page = SPLIT // asked["limit"] if self._has_splits(stream) else 1
        for archived in (False, True)[begun:]:
            if archived:
                asked.pop("associations", None)
            lists = self._lists(stream, spec, {**asked, "archived": archived}, after)
            while some := list(islice(lists, in_page)):
                exchanges, after = [exchange for exchange, _ in some], some[-1][1]
                ids = self._ids(spec, exchanges)
                if asked["properties"] == ONLY_IDS:
                    exchanges += self._batches(stream, spec, ids, archived=archived)
                if not archived:
                    exchanges += [*self._cut(stream, spec, exchanges), *self._splits(stream, ids)]
                goes_on = [int(archived), after] if after else None if archived else [1, None]
                yield self.page(stream, exchanges, goes_on)

    def _changed(self, stream: str, spec: Objects, window: Window, position: Any) -> Iterator[Page]:
        """What changed in a window: what search finds, then what was archived in it."""
        begun = position or {"after_id": "0"}
        after_id = begun.get("after_id")
        while after_id is not None:
            exchanges, ids = list[Exchange](), list[str]()
            while after_id is not None and len(ids) <= LINKED - SEARCHED:
                found, after_id = self._search(stream, spec, window, after_id)
                exchanges.append(found)
                ids += self._ids(spec, [found])
            if self._histories(stream, spec):
                read = self._batches(stream, spec, ids)
                exchanges, ids = [*exchanges, *read], self._ids(spec, read)
            exchanges += self._details(stream, spec, ids)
            if after_id is not None:
                yield self.page(stream, exchanges, {"after_id": after_id})
                continue
            try:
                is_last, failure = not self._archived(stream, spec, window), None
            except RemoteError as error:
                is_last, failure = False, error
            yield self.page(stream, exchanges, None if is_last else {"archived": "0"})
            if failure is not None:  # only now, so that what changed is kept
                raise failure
        gone = [id_ for id_ in self._archived(stream, spec, window) if int(id_) > int(begun.get("archived", 0))]
        for some in _slices(gone, LINKED):
            exchanges = self._batches(stream, spec, some, archived=True)
            yield self.page(stream, exchanges, {"archived": some[-1]} if some[-1] != gone[-1] else None)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _lists(
        self, stream: str, spec: Objects, params: Mapping[str, Any], after: str | None = None
    ) -> Iterator[tuple[Exchange, str | None]]:
        """The answers of a list, each with where its successor begins; None after the last."""
        while True:
            exchange = _whole(self.client.get(self.path(spec.path), params={**params, "after": after}, stream=stream))
            after = AFTER.learn(Answer(exchange.json, {}, 0), after)
            yield exchange, after
            if after is None:
                return

    def _search(self, stream: str, spec: Objects, window: Window, after_id: str) -> tuple[Exchange, str | None]:
        """The next records of a window in the order of ids: many may share one instant, none shares an id. Beside them
        the highest id, None where there are no more."""
        assert window.lo is not None  # noqa: S101  # the others are listed
        bounds = ("GTE", written(window.lo, "epoch_ms")), ("LTE", written(window.hi, "epoch_ms"))
        filters = [{"propertyName": spec.since, "operator": sign, "value": value} for sign, value in bounds]
        body = {
            "filterGroups": [{
                "filters": [*filters, {"propertyName": "hs_object_id", "operator": "GT", "value": after_id}],
            }],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": [ONLY_IDS] if self._histories(stream, spec) else self._properties(stream, spec),
            "limit": SEARCHED,
        }
        exchange = self._post(f"{spec.path}/search", body, stream, limits=(SEARCH,))
        ids, total = self._ids(spec, [exchange]), exchange.json.get("total")
        if total and not ids:
            said = f"{self.name}: a search of {stream} counts {total} records and shows none of them"
            raise Transient(said, system=self.name, stream=stream, request_id=exchange.request_id)
        return exchange, ids[-1] if ids and total != len(ids) else None

    def _archived(self, stream: str, spec: Objects, window: Window) -> list[str]:
        """The ids of what was archived in a window, rising. HubSpot lists all there are, up to 90 days after; one list
        serves every window that ends before it was begun."""
        archive = self._archives[stream]
        with archive.lock:
            if archive.begun_at is None or archive.begun_at < window.hi:
                begun_at, held = self.client.vendor_now(), dict[str, int]()
                asked = {"limit": LISTED, "properties": ONLY_IDS, "archived": True}
                for exchange, _ in self._lists(stream, spec, asked):
                    with as_documented(spec.path):
                        rows = self.rows(spec, exchange)
                        held |= {str(row["id"]): micros(datetime.fromisoformat(_archived_at(row))) for row in rows}
                archive.begun_at, archive.held = begun_at, held
            lo, hi = micros(window.lo) // 1000 * 1000 if window.lo else 0, micros(window.hi)
            return sorted((id_ for id_, at in archive.held.items() if lo <= at <= hi), key=int)

    def _batches(self, stream: str, spec: Objects, ids: Sequence[str], *, archived: bool = False) -> list[Exchange]:
        """These records, live or archived ones, with everything that is read of them but their associations."""
        told: dict[str, Any] = {"properties": self._properties(stream, spec)}
        if histories := self._histories(stream, spec):
            told["propertiesWithHistory"] = list(histories)
        return [
            self._post(
                f"{spec.path}/batch/read", {**told, "inputs": [{"id": id_} for id_ in some]}, stream,
                params={"archived": True} if archived else None,
            )
            for some in _slices(ids, self._size(stream, spec))
        ]

    def _details(self, stream: str, spec: Objects, ids: Sequence[str]) -> list[Exchange]:
        """What of live records only calls of their own give: associations and splits."""
        linked = [self._associations(stream, spec, other, ids) for other in self._linked(stream, spec)]
        return [*(exchange for exchanges in linked for exchange in exchanges), *self._splits(stream, ids)]

    def _associations(self, stream: str, spec: Objects, other: str, ids: Sequence[str]) -> Iterator[Exchange]:
        """The associations of these records to one type; one that has many goes on in a later call."""
        path, inputs = f"associations/{stream}/{other}/batch/read", [{"id": id_} for id_ in ids]
        while inputs:
            asked, inputs = {one["id"]: one for one in inputs[:LINKED]}, inputs[LINKED:]
            exchange = self._post(path, {"inputs": list(asked.values())}, stream)
            with as_documented(path):
                inputs += following(self.rows(spec, exchange), asked)
            yield exchange

    def _cut(self, stream: str, spec: Objects, exchanges: Sequence[Exchange]) -> Iterator[Exchange]:
        """All associations of those records of a list for which it has only the first."""
        with as_documented(spec.path):
            cut = cut_short([row for exchange in exchanges for row in self.rows(spec, exchange)])
        for other, ids in cut.items():
            yield from self._associations(stream, spec, other, ids)

    def _splits(self, stream: str, ids: Sequence[str]) -> list[Exchange]:
        """Who shares these deals, where the settings ask for it."""
        wanted = ids if self._has_splits(stream) else ()
        return [
            self._post("splits/batch/read", {"inputs": [{"id": id_} for id_ in some]}, stream)
            for some in _slices(wanted, SPLIT)
        ]

    def _post(
        self, path: str, body: Mapping[str, Any], stream: str, *, params: Mapping[str, Any] | None = None,
        limits: Sequence[str] = (),
    ) -> Exchange:
        return _whole(self.client.request(
            "POST", self.path(path), params=params, json=body, stream=stream, safe=True, limits=limits
        ))

    # --- what is read ------------------------------------------------------------------------------------------------

    def _ids(self, spec: Objects, exchanges: Sequence[Exchange]) -> list[str]:
        rows = [row for exchange in exchanges for row in self.rows(spec, exchange)]
        return list(dict.fromkeys(record.key for record in map(spec.reader(), rows)))

    def _properties(self, stream: str, spec: Objects) -> list[str]:
        own, absorbed = self.settings.properties.get(stream, ()), (MERGED,) if spec.merges else ()
        return list(dict.fromkeys((*spec.properties, *absorbed, spec.since, *own)))

    def _linked(self, stream: str, spec: Objects) -> list[str]:
        return list(dict.fromkeys((*spec.linked, *self.settings.associations.get(stream, ()))))

    def _histories(self, stream: str, spec: Objects) -> tuple[str, ...]:
        given: tuple[str, ...] = self.settings.history
        return given if stream == "deals" else spec.histories

    def _has_splits(self, stream: str) -> bool:
        return bool(self.settings.splits) and stream == "deals"

    def _size(self, stream: str, spec: Objects) -> int:
        """How many records a list or a batch read gives."""
        return LISTED // 2 if self._histories(stream, spec) else LISTED


@dataclass(slots=True)
class Archive:
    """What a type's list of archived records held when it was read: when each was archived, in microseconds, by id."""

    begun_at: datetime | None = None
    held: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _archived_at(row: Mapping[str, Any]) -> Any:
    """When a record was archived, which HubSpot's specification lets it leave out: then when it changed last."""
    return row.get("archivedAt") or row.get("updatedAt")


def _slices(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _whole(answer: Response) -> Exchange:
    """The exchange of an answer that is JSON. Raises UnexpectedShape for one that is not."""
    exchange = answer.exchange()
    try:
        exchange.json  # noqa: B018  # decoded once, and kept
    except ValueError:
        answer.json()
        raise
    return exchange

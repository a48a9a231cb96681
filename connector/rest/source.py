"""The declarative base of most source adapters: say where the collections are, and RestSource reads them.

    class Acme(RestSource):
        base_url = "https://api.acme.example/v2"
        requests_per_second = 8
        deals = Stream(
            path="/deals", records="data", key="id", cursor="update_time", since="updated_since",
            pages=CursorPages(reads="meta.next", sends="cursor"),
        )

        def credential(self) -> Auth:
            return Bearer(self.settings.token.get_secret_value())

A vendor's oddity overrides one method: `path`, `ask`, `fetch`, `rows`, `judge`, `now`.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

from pydantic import field_validator

from connector import convert
from connector.answer import Response
from connector.auth import Auth
from connector.budget import Limit
from connector.errors import AuthError, Permanent, RemoteError, UnexpectedShape
from connector.http import REQUEST_IDS, Client
from connector.model import micros
from connector.pace import Pace, RateHeaders
from connector.paging import Answer, Ask, OnePage, Pages
from connector.paths import compile_path
from connector.ports import AdapterSettings, Allowance, Check, Context, Exchange, Page, Record, Source, Way, Window
from connector.ports import Stream as PortStream


class RestSettings(AdapterSettings):
    """The address; without one the vendor's own."""

    base_url: str = ""

    @field_validator("base_url")
    @classmethod
    def _address(cls, given: str) -> str:
        if not given.startswith(("https://", "http://")):  # empty too: a token must not go where nobody meant it to
            raise ValueError("expected an address that begins with https:// or http://; leave it out for the vendor's")
        return given


@dataclass(frozen=True)
class Stream:
    """One collection: where it is, how its records look, how it is cut into pages.

    `records` is the path of the list in an answer (empty: the answer is the list), `key` and `cursor` are paths in a
    record: its id, several joined by "|", and the vendor's modified stamp. `since` and `until` name the parameters
    that take a window's bounds; without `since` every sync reads the whole. `time` is how instants are written: iso,
    epoch (seconds), epoch_ms. `passes`: the collection is read once with each of these parameters, where a vendor
    hides some records by default. `one` is the path of a single record, with `{id}`. `complete` as in ports.Stream.
    """

    path: str
    records: str = ""
    key: str | tuple[str, ...] = "id"
    cursor: str = ""
    since: str = ""
    until: str = ""
    time: str = "iso"
    pages: Pages = field(default_factory=OnePage)
    params: Mapping[str, Any] = field(default_factory=dict)
    passes: tuple[Mapping[str, Any], ...] = ({},)
    one: str = ""
    complete: bool = False

    def replace(self, **changes: Any) -> Self:
        """The same with some of it changed."""
        return dataclasses.replace(self, **changes)

    def bounds(self, window: Window) -> dict[str, str]:
        """The parameters that limit a request to a window."""
        asked = {}
        if self.since and window.lo is not None:
            asked[self.since] = written(window.lo, self.time)
            if self.until:
                asked[self.until] = written(window.hi, self.time)
        return asked

    def found(self, answer: Any) -> Any:
        """What stands where the records should; None when nothing does."""
        return compile_path(self.records)(answer) if self.records else answer

    def reader(self) -> Callable[[Any], Record]:
        """The function from a row to its Record. UnexpectedShape for a row without its key."""
        keys = [compile_path(path) for path in ((self.key,) if isinstance(self.key, str) else self.key)]
        stamp = compile_path(self.cursor) if self.cursor else None
        instant = convert.build("datetime", {"format": self.time, "zone": "UTC"}, UTC)

        def read(row: Any) -> Record:
            parts = [key(row) for key in keys]
            if any(part in (None, "") or isinstance(part, (dict, list)) for part in parts):
                raise UnexpectedShape(f"a record of {self.path} without its key {self.key}; found {type(row).__name__}")
            modified = None
            if stamp is not None and (value := stamp(row)) not in (None, ""):
                try:
                    modified = instant(value)
                except ValueError as fault:
                    raise UnexpectedShape(f"{self.cursor} of a record of {self.path}: {fault}") from None
            return Record("|".join(str(part) for part in parts), None if modified is None else int(modified), row)

        return read


def written(moment: datetime, time: str) -> str:
    """An instant as a vendor takes it: iso, epoch (whole seconds) or epoch_ms; never rounded up."""
    if time == "iso":
        return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(micros(moment) // (1_000_000 if time == "epoch" else 1_000))


class RestSource(Source):
    """A source of JSON over HTTP, declared by class attributes: the address, the pace and one Stream each."""

    Settings: ClassVar[type[AdapterSettings]] = RestSettings
    base_url: ClassVar[str] = ""
    requests_per_second: ClassVar[float | None] = None
    limits: ClassVar[Sequence[Limit]] = ()
    """What the vendor documents beside or instead of requests per second; rate headers tell `general` and `daily`."""
    rate_headers: ClassVar[RateHeaders | None] = None
    request_id_headers: ClassVar[Sequence[str]] = REQUEST_IDS
    probe: ClassVar[str] = ""
    """A cheap path that is asked once for the vendor's clock; empty: our clock, until an answer tells another."""

    def __init__(self, name: str, settings: Any, context: Context) -> None:
        super().__init__(name, settings, context)
        self._probing = threading.Lock()
        self._unreachable: RemoteError | None = None
        self.client = Client(
            settings.base_url or self.base_url,
            system=name,
            context=context,
            auth=self.credential(),
            pace=Pace(
                requests_per_second=self.requests_per_second, limits=self.limits, budget=context.budget,
                headers=self.rate_headers,
            ),
            judge=self.judge,
            request_id_headers=self.request_id_headers,
        )

    # --- what a vendor may do otherwise ------------------------------------------------------------------------------

    def credential(self) -> Auth | None:
        """How requests are signed."""
        return None

    def judge(self, response: Response) -> RemoteError | None:
        """An error the status does not tell; None leaves it to the status."""
        return None

    def path(self, path: str) -> str:
        """The path to ask, from the one a stream declares."""
        return path

    def ask(self, stream: str, spec: Stream, window: Window) -> Ask:
        """The request for a stream in a window, before paging and passes."""
        return Ask(self.path(spec.path), {**spec.params, **spec.bounds(window)})

    def fetch(self, stream: str, ask: Ask) -> Response:
        """Make a request for reading; a POST where it has a body."""
        if ask.body is None:
            return self.client.get(ask.path, params=ask.params, stream=stream)
        return self.client.request("POST", ask.path, params=ask.params, json=ask.body, stream=stream, safe=True)

    def rows(self, spec: Stream, exchange: Exchange) -> list[Any]:
        """The records in one landed answer: a list, or the single one that was asked for by id. Pure."""
        try:
            answer = exchange.json
        except ValueError:
            raise UnexpectedShape(
                f"{exchange.method} {exchange.url.partition('?')[0]}: found {exchange.content_type}, expected JSON; "
                "check that base_url is the address of the API and not of a page for people"
            ) from None
        found = spec.found(answer)
        if isinstance(found, list):
            return found
        if isinstance(found, dict):
            return [found]
        if found is None and spec.one and isinstance(answer, dict):
            return [answer]
        raise UnexpectedShape(
            f"{exchange.method} {exchange.url.partition('?')[0]}: expected a list at {spec.records or 'the top'}, "
            f"found {type(found).__name__}"
        )

    # --- Source ------------------------------------------------------------------------------------------------------

    @classmethod
    def specs(cls) -> dict[str, Stream]:
        """The declared streams by name, in the order of declaration."""
        return {
            name: spec for one in reversed(cls.__mro__) for name, spec in vars(one).items() if isinstance(spec, Stream)
        }

    def streams(self) -> Sequence[PortStream]:
        return [
            PortStream(
                name, cursor=bool(spec.since), by_id=bool(spec.one), complete=spec.complete, bounded=bool(spec.until)
            )
            for name, spec in self.specs().items()
        ]

    def now(self) -> datetime:
        with self._probing:  # streams ask at once, each in its thread: all must wait for the one answer
            if self._unreachable is not None:  # tried hard enough for one run, not once more for each stream
                raise self._unreachable
            if self.probe and not self.client.knows_vendor_clock:
                try:
                    self.client.get(self.path(self.probe))
                except RemoteError as error:
                    path_refused = isinstance(error, Permanent) and not isinstance(error, AuthError)
                    if not (path_refused and self.client.knows_vendor_clock):  # a refusal tells the time as well
                        self._unreachable = error
                        raise
        return self.client.vendor_now()

    @property
    def requests(self) -> int:
        return self.client.requests

    def requests_for(self, stream: str, way: Way, records: int) -> int | None:
        """Each record by id is a request of its own; how many a page of a list has, the past tells."""
        return records if way == "by_id" else super().requests_for(stream, way, records)

    def allowances(self) -> Sequence[Allowance]:
        return self.client.allowances()

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        """Pages; the position is the number of the pass and the paging style's own position in it."""
        spec = self.specs()[stream]
        number, inner = position or (0, None)
        while True:
            whole = self.ask(stream, spec, window)
            ask = spec.pages.prepare(whole.plus(**spec.passes[number]), inner)
            response = self.fetch(stream, ask)
            exchange = response.exchange()
            count = len(self.rows(spec, exchange))  # first, since it also says what is no JSON
            seen = Answer(exchange.json, response.headers, count, exchange.url)
            inner = spec.pages.learn(seen, inner)
            if isinstance(inner, str):  # a link may repeat the credential
                inner = self.client.redactor.text(inner)
            number += inner is None
            position = [number, inner] if number < len(spec.passes) else None
            yield self.page(stream, [exchange], position)
            if position is None:
                return

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        spec = self.specs()[stream]
        for id_ in dict.fromkeys(ids):
            if id_ in ("", ".", ".."):  # no quoting keeps these from naming the collection above
                continue
            try:
                answer = self.fetch(stream, Ask(self.path(spec.one.replace("{id}", quote(id_, safe="")))))
            except Permanent as error:
                if error.status not in (404, 410):
                    raise
                continue
            yield self.page(stream, [answer.exchange()], None)

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        spec = self.specs()[stream]
        read = spec.reader()
        for exchange in exchanges:
            for row in self.rows(spec, exchange):
                yield read(row)

    def page(self, stream: str, exchanges: Sequence[Exchange], position: Any) -> Page:
        """A page read just now."""
        return Page(stream, exchanges, position, self.client.vendor_now(latest=True))

    def check(self) -> Iterator[Check]:
        """One line per stream: whether its first page may be read."""
        for stream, spec in self.specs().items():
            try:
                yield self.check_stream(stream, spec)
            except AuthError as error:
                yield Check(stream, False, f"{error} {error.remedy}")
                return
            except RemoteError as error:
                yield Check(stream, False, str(error))

    def check_stream(self, stream: str, spec: Stream) -> Check:
        """Reads one page of a stream as the first sync would."""
        ask = self.ask(stream, spec, Window(None, self.client.vendor_now()))
        rows = self.rows(spec, self.fetch(stream, spec.pages.prepare(ask.plus(**spec.passes[0]), None)).exchange())
        return Check(stream, True, f"{len(rows)} records on the first page")

    def close(self) -> None:
        self.client.close()

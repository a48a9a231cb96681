"""A clock you move, and a source and a destination in memory, for tests of ours and of your own adapters."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from connector.errors import AuthError, Transient
from connector.metadata import Metadata
from connector.model import KpiValue, Subject, canonical_json, micros
from connector.ports import (
    AdapterSettings,
    Context,
    Delivery,
    Destination,
    Exchange,
    Kind,
    Outcome,
    Page,
    Receipt,
    Record,
    Source,
    Stream,
    Window,
)


class FakeClock:
    """A clock that stands still until it is moved; `sleep` moves it and returns at once."""

    def __init__(self, now: datetime) -> None:
        if now.tzinfo is None:
            raise ValueError("a clock needs a time zone")
        self._now, self._lock = now.astimezone(UTC), threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds=seconds)

    def advance(self, **span: float) -> None:
        """Move on by a timedelta's keywords: `advance(minutes=5)`."""
        with self._lock:
            self._now += timedelta(**span)

    def set(self, now: datetime) -> None:
        with self._lock:
            self._now = now.astimezone(UTC)


def context(clock: FakeClock, *, folder: str = ".") -> Context:
    """An adapter's surroundings, with UTC as the reporting zone."""
    return Context(clock=clock, zone=UTC, folder=folder)


class MemorySource(Source):
    """A source whose rows are a plain dict a test may change at any time, also between two pages.

    `rows[stream]` is a list of JSON-able rows with `id` and, unless the stream is read whole, `modified` (ISO 8601
    with zone). Rows come in the order (modified, id), `page_size` at a time. `before_page` is called with the stream
    and the number of pages already given; what it raises is what the reader meets. `told` is what it tells of itself,
    of the streams that are asked for; a test may change it at any time.
    """

    def __init__(
        self,
        name: str,
        context: Context,
        rows: Mapping[str, list[dict[str, Any]]],
        *,
        streams: Sequence[Stream] | None = None,
        page_size: int = 2,
        before_page: Callable[[str, int], None] = lambda _stream, _pages: None,
        metadata: Metadata | None = None,
    ) -> None:
        super().__init__(name, AdapterSettings(), context)
        self.rows, self.page_size, self.before_page = rows, page_size, before_page
        self.told = metadata or Metadata()
        self._streams = streams or [Stream(stream, by_id=True) for stream in rows]
        self._requests = 0

    def streams(self) -> Sequence[Stream]:
        return self._streams

    def now(self) -> datetime:
        return self.context.clock.now()

    @property
    def requests(self) -> int:
        return self._requests

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        given = 0
        while True:
            self.before_page(stream, given)
            rows = sorted((row for row in self.rows[stream] if _inside(row, window)), key=_place)
            later = [row for row in rows if position is None or list(_place(row)) > list(position)]
            page, rest = later[: self.page_size], later[self.page_size :]
            position = list(_place(page[-1])) if rest else None
            given += 1
            yield self._page(stream, page, position)
            if position is None:
                return

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        yield self._page(stream, [row for row in self.rows[stream] if str(row["id"]) in set(ids)], None)

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        for exchange in exchanges:
            for row in json.loads(exchange.answer):
                yield Record(str(row["id"]), _modified(row), row)

    def metadata(self, streams: Collection[str]) -> Metadata:
        return replace(
            self.told, pipelines=tuple(one for one in self.told.pipelines if one.stream in streams),
            fields={stream: fields for stream, fields in self.told.fields.items() if stream in streams},
        )

    def _page(self, stream: str, rows: list[dict[str, Any]], position: Any) -> Page:
        self._requests += 1
        answer = json.dumps(rows).encode()
        exchange = Exchange("GET", f"memory://{self.name}/{stream}", None, 200, answer)
        return Page(stream, [exchange], position, self.now())


def _modified(row: Mapping[str, Any]) -> int | None:
    stamp = row.get("modified")
    return micros(datetime.fromisoformat(stamp)) if stamp else None


def _place(row: Mapping[str, Any]) -> tuple[int, str]:
    return _modified(row) or 0, str(row["id"])


def _inside(row: Mapping[str, Any], window: Window) -> bool:
    stamp = _modified(row)
    if stamp is None:
        return True
    return (window.lo is None or micros(window.lo) <= stamp) and stamp <= micros(window.hi)


def kpi_value(
    kpi: str = "won_value", subject: str = "person:NV001", value: str | None = "100.00", **more: Any
) -> KpiValue:
    """A value of October 2026 in USD; `subject` is `kind:key`, `more` any other field."""
    kind, _, key = subject.partition(":")
    fields: dict[str, Any] = {
        "metric": kpi, "dimensions": {}, "period": "2026-10", "period_start": "2026-10-01", "period_end": "2026-10-31",
        "unit": "money", "currency": "USD", "numerator": value, "denominator": None, "as_of": 0, **more,
    }
    return KpiValue(kpi=kpi, subject=Subject(kind, key, key), value=value, **fields)


Fault = Literal["refuse", "busy", "lose_request", "lose_answer", "broken", "forbidden", "twice"]
"""What a destination may do instead of taking a value.

refuse: it says no. busy: it says later. lose_request: the request never arrives, and nobody can tell. lose_answer:
it takes the value, and the answer is lost. broken: the call fails as a whole (Transient). forbidden: AuthError. twice:
it takes the value, and its answer comes twice.
"""


class MemoryDestination(Destination):
    """A destination that keeps what it was sent, and fails as scripted.

    `held` maps delivery keys to what stands there; `effects` counts how often each (key, value) was written, so a test
    can say "once". `faults` is taken from the front, one for each delivery sent; None means it is taken well. `kind` is
    that of the port: a log that is `idempotent` knows a repeat by key and revision; a file's values are written aside
    and put in place together, when the call ends well or its answer is lost. `calls` counts sends, withdrawals, reads.
    """

    def __init__(
        self,
        name: str,
        context: Context,
        *,
        faults: Sequence[Fault | None] = (),
        batch: int = 100,
        idempotent: bool = False,
        readable: bool = True,
        kind: Kind = "log",
        withdraws: bool = False,
    ) -> None:
        super().__init__(name, AdapterSettings(), context)
        self.faults: list[Fault | None] = list(faults)
        self.batch, self.idempotent, self.readable = batch, idempotent, readable
        self.kind, self.withdraws = kind, withdraws
        self.held: dict[str, Mapping[str, Any]] = {}
        self.effects: list[tuple[str, str | None]] = []
        self.calls: list[tuple[str, str]] = []
        self.finished = 0
        self._revisions: set[tuple[str, int]] = set()

    @property
    def requests(self) -> int:
        return len(self.calls)

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        self.calls += [("send", delivery.key) for delivery in deliveries]
        if self.kind == "file":
            yield from self._replace(deliveries)
            return
        for delivery in deliveries:
            is_twice = self.faults[:1] == ["twice"]
            receipt = self._take(delivery)
            yield receipt
            if is_twice:
                yield receipt

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        for delivery in deliveries:
            self.calls.append(("withdraw", delivery.key))
            fault = self._next_fault()
            if (no := self._not_taken(delivery, fault)) is not None:
                yield no
                continue
            self.held.pop(delivery.key, None)
            yield Receipt(delivery.key, "unanswered" if fault == "lose_answer" else "confirmed", status=200)

    def find(self, delivery: Delivery) -> Receipt | None:
        self.calls.append(("find", delivery.key))
        if not self.readable:
            return None
        held = self.held.get(delivery.key)
        if held is not None and same_value(held, delivery.kpi):
            return Receipt(delivery.key, "confirmed", remote_id=f"r-{delivery.key}")
        return Receipt(delivery.key, "retry", message=f"holds {held['value']}" if held else "not there")

    def finish(self) -> None:
        self.finished += 1

    def _next_fault(self) -> Fault | None:
        return self.faults.pop(0) if self.faults else None

    def _not_taken(self, delivery: Delivery, fault: Fault | None) -> Receipt | None:
        """What is answered to a call that has no effect; None where it has. Raises what the fault raises."""
        if fault == "forbidden":
            raise AuthError("the credential was refused", system=self.name, status=401)
        if fault == "broken":
            raise Transient("the connection was refused", system=self.name)
        if fault == "refuse":
            return Receipt(delivery.key, "refused", message="no such employee", status=422)
        if fault == "busy":
            return Receipt(delivery.key, "retry", message="busy", status=503)
        if fault == "lose_request":
            return Receipt(delivery.key, "unanswered", message="no answer")
        return None

    def _write(self, delivery: Delivery) -> None:
        is_repeat = (delivery.key, delivery.revision) in self._revisions
        if self.kind == "log" and self.idempotent and is_repeat:
            return
        self._revisions.add((delivery.key, delivery.revision))
        self.held[delivery.key] = dict(delivery.kpi)
        self.effects.append((delivery.key, delivery.kpi.get("value")))

    def _replace(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """All together: what a fault stops is never put in place, and what was put in place is whole."""
        fault = self._next_fault()
        for delivery in deliveries:
            if (no := self._not_taken(delivery, fault)) is not None:
                yield no
            else:
                self._write(delivery)
        if fault in (None, "lose_answer", "twice"):
            outcome: Outcome = "unanswered" if fault == "lose_answer" else "confirmed"
            yield from [Receipt(one.key, outcome, status=200) for one in deliveries]

    def _take(self, delivery: Delivery) -> Receipt:
        fault = self._next_fault()
        if (no := self._not_taken(delivery, fault)) is not None:
            return no
        self._write(delivery)
        if fault == "lose_answer":
            return Receipt(delivery.key, "unanswered", message="no answer")
        return Receipt(delivery.key, "confirmed", remote_id=f"r-{delivery.key}", status=200)


def same_value(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two KPI objects say the same, apart from the moment they were computed."""
    return _said(one) == _said(other)


def _said(kpi: Mapping[str, Any]) -> str:
    return canonical_json({name: value for name, value in kpi.items() if name != "as_of"})


__all__ = ["FakeClock", "Fault", "MemoryDestination", "MemorySource", "context", "kpi_value", "same_value"]

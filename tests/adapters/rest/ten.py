"""What the tests of the ten points share: a vendor that keeps what it is sent, and a way to send it one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapters.rest import Rest
from connector.ports import Delivery, Receipt
from connector.rest.grammar import RestSettings
from connector.testing import FakeClock, context, kpi_value
from connector.twins.server import Reply, Request, Twin

AN = {"employee_code": "NV001", "email": "an@example.vn", "name": "An"}


class Vendor(Twin):
    """Answers `said[path]`, else an empty object, and keeps every request."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, Any] = {}
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            self.route(method, "/.*", self._answer)

    def _answer(self, request: Request) -> Any:
        found = self.said.get(f"{request.method} {request.path}", self.said.get(request.path, {}))
        return found(request) if callable(found) else found

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def sent(self, path: str) -> list[Request]:
        """The requests to that path, in order."""
        return [one for one in self.requests if one.path == path]


@contextmanager
def rest(vendor: Twin, clock: FakeClock, **settings: Any) -> Iterator[Rest]:
    """A destination at that vendor: with what is not said a value is posted to /kpi."""
    given = {"base_url": vendor.url, "body": {"who": "subject.key", "value": {"path": "value", "as": "number"}},
             "send": {"post": "/kpi"}, **settings}
    made = Rest("hr", RestSettings.model_validate(given), context(clock))
    yield made
    made.close()


def delivery(value: str | None = "100.00", person: Mapping[str, str] = AN, **more: Any) -> Delivery:
    """A value of October 2026 of that person."""
    code = person.get("employee_code", "NV001")
    made = kpi_value(subject=f"person:{code}", value=value, **more)
    return Delivery(f"hr/{made.kpi}/{code}/{made.period}", made.as_json(), dict(person))


def send(to: Rest, *deliveries: Delivery) -> list[Receipt]:
    """What became of each, in the order given."""
    found = {receipt.key: receipt for receipt in to.send(deliveries)}
    return [found[one.key] for one in deliveries]


def outcome(to: Rest, *deliveries: Delivery) -> list[str]:
    """The outcome of each."""
    return [receipt.outcome for receipt in send(to, *deliveries)]


OK = Reply(200, {"code": 1})

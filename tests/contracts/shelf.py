"""A small destination without faults, and the system it writes to: what the planted faults are made from.

Copied with bad_destinations.py into a folder of its own and run there by test_planted_destinations.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from connector.auth import Header
from connector.errors import AuthError, Permanent, RemoteError, Unanswered, UnexpectedShape
from connector.http import Client
from connector.model import KpiValue
from connector.ports import AdapterSettings, Check, Context, Delivery, Destination, Receipt
from connector.testing import DestinationContract, FakeClock
from connector.testing.contract.destinations import PEOPLE
from connector.twins.server import Refused, Reply, Request, Twin

TOKEN = "shelf-token-1"


class ShelfTwin(Twin):
    """People in pages of five, and rows of text by id; two rows of one key are no fault of anybody here."""

    def __init__(self, *, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.people = [{"code": code, "email": email} for code, email, _ in PEOPLE]
        self.rows: dict[str, dict[str, Any]] = {}
        self.made = 0
        for method, path, handler in (
            ("GET", "/people", self._people), ("GET", "/rows", self._rows), ("POST", "/rows", self._add),
            ("PUT", "/rows/{id}", self._change), ("DELETE", "/rows/{id}", self._delete),
        ):
            self.route(method, path, self._guarded(handler))

    def _guarded(self, handler: Any) -> Any:
        def guarded(request: Request, **names: str) -> Any:
            if request.headers.get("token") != TOKEN:
                raise Refused(Reply(401, {"message": f"no entry with {request.headers.get('token')}"}))
            return handler(request, **names)

        return guarded

    def _people(self, request: Request) -> Any:
        start = int(request.one("from", "0"))
        return {"people": self.people[start:start + 5], "next": start + 5 if start + 5 < len(self.people) else None}

    def _rows(self, request: Request) -> Any:
        return {"rows": [row for row in self.rows.values() if row["key"] == request.one("key", row["key"])]}

    def _add(self, request: Request) -> Any:
        self.made += 1
        self.rows[str(self.made)] = {"id": str(self.made), **request.json()}
        return {"id": str(self.made)}

    def _change(self, request: Request, id: str) -> Any:
        if id not in self.rows:
            raise Refused(Reply(404, {"message": "no such row"}))
        self.rows[id] |= request.json()
        return {"id": id}

    def _delete(self, _request: Request, id: str) -> Any:
        self.rows.pop(id, None)
        return {"id": id}


class ShelfSettings(AdapterSettings):
    """Where the shelf is."""

    base_url: str
    token: SecretStr


class Shelf(Destination):
    """Looks for the row of a key, makes or changes it, and reads it again."""

    Settings = ShelfSettings
    settings: ShelfSettings
    kind = "state"
    batch = 5
    withdraws = True

    def __init__(self, name: str, settings: ShelfSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        auth = Header("Token", settings.token.get_secret_value())
        self.client = Client(settings.base_url, system=name, context=context, auth=auth)
        self.known: list[dict[str, str]] | None = None

    @property
    def requests(self) -> int:
        return self.client.requests

    def close(self) -> None:
        self.client.close()

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        for delivery in deliveries:
            person = self.person(delivery)
            if person is None:
                yield Receipt(delivery.key, "refused", message="nobody there has this code or e-mail")
            elif delivery.kpi["value"] is None:
                yield Receipt(delivery.key, "refused", message="there is no value, and a row needs one")
            else:
                yield self.put(delivery, person)

    def put(self, delivery: Delivery, person: str) -> Receipt:
        row = self.look(delivery)
        try:
            self.write(delivery, person, row)
        except Unanswered as lost:
            return self.unclear(delivery, lost)
        except AuthError:
            raise
        except Permanent as no:
            return Receipt(delivery.key, "refused", message=str(no))
        return self.verdict(delivery)

    def verdict(self, delivery: Delivery) -> Receipt:
        try:
            return self.find(delivery)
        except RemoteError as failure:
            return Receipt(delivery.key, "unanswered", message=str(failure))

    def unclear(self, delivery: Delivery, lost: Unanswered) -> Receipt:
        return Receipt(delivery.key, "unanswered", message=str(lost))

    def write(self, delivery: Delivery, person: str, row: Mapping[str, Any] | None) -> None:
        method, path = ("POST", "/rows") if row is None else ("PUT", f"/rows/{row['id']}")
        body = {"key": self.address(delivery), "person": person, "amount": self.amount(delivery)}
        response = self.client.request(method, path, json=body)
        try:
            response.json()["id"]
        except (UnexpectedShape, LookupError, TypeError):
            raise response.error(Unanswered, "no answer of the shelf") from None

    def address(self, delivery: Delivery) -> str:
        return delivery.key

    def amount(self, delivery: Delivery) -> Any:
        return delivery.kpi["value"]

    def look(self, delivery: Delivery) -> Mapping[str, Any] | None:
        rows = self.client.get("/rows", params={"key": self.address(delivery)}).json()["rows"]
        return rows[0] if rows else None

    def find(self, delivery: Delivery) -> Receipt:
        row = self.look(delivery)
        if row is None:
            return Receipt(delivery.key, "retry", message="not there")
        if row["amount"] != delivery.kpi["value"]:
            return Receipt(delivery.key, "retry", row["id"], f"holds {row['amount']}")
        return Receipt(delivery.key, "confirmed", row["id"], "read back")

    def person(self, delivery: Delivery) -> str | None:
        if self.known is None:
            self.known = self.people()
        given = delivery.person
        code, email = given.get("employee_code"), (given.get("email") or "").casefold()
        found = [one for one in self.known if one["code"] == code] or [
            one for one in self.known if one["email"] == email
        ]
        return found[0]["code"] if len(found) == 1 else None

    def people(self) -> list[dict[str, str]]:
        found, start = [], 0
        while start is not None:
            page = self.client.get("/people", params={"from": start}).json()
            found, start = [*found, *page["people"]], page["next"]
        return found

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        for delivery in deliveries:
            try:
                row = self.look(delivery)
                if row is not None:
                    self.client.request("DELETE", f"/rows/{row['id']}")
            except Unanswered as lost:
                yield Receipt(delivery.key, "unanswered", message=str(lost))
            else:
                yield Receipt(delivery.key, "confirmed")

    def check(self) -> Iterator[Check]:
        try:
            self.client.get("/people")
        except RemoteError as error:
            yield Check("read people", False, str(error))
        else:
            yield Check("read people", True)


class TestShelf(DestinationContract):
    adapter = Shelf
    ambiguous = "shared@example.vn"

    @pytest.fixture
    def served(self, clock: FakeClock) -> Iterator[Mapping[str, Any]]:
        with ShelfTwin(clock=clock) as self.twin:
            self.twin.people += [{"code": f"X{number}", "email": "shared@example.vn"} for number in (1, 2)]
            self.twin.rows["own"] = {"id": "own", "key": "by hand", "person": "NV001", "amount": "5"}
            yield {"base_url": self.twin.url, "token": TOKEN}

    def standing(self, value: KpiValue) -> Sequence[Decimal | None]:
        rows = [row for row in self.twin.rows.values() if row["key"] == self.key(value)]
        return [None if row["amount"] is None else Decimal(str(row["amount"])) for row in rows]

    def everything(self) -> Any:
        return {id_: dict(row) for id_, row in self.twin.rows.items()}

    def foreign(self) -> Any:
        return dict(self.twin.rows.get("own") or {})

"""A Tryton server asked and changed by the test itself, with plain requests and none of our code."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import Any

import requests

Row = Mapping[str, Any]


class Server:
    """Its JSON-RPC as the administrator, who sees everything and may press buttons."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.http = requests.Session()
        self.url = f"{found['base_url']}{found['database']}/rpc/"
        user = found["admin_user"]
        id_, session, _ = self.post("common.db.login", [user, {"password": found["admin_password"]}, "en"])
        credential = base64.b64encode(f"{user}:{id_}:{session}".encode()).decode()
        self.http.headers["Authorization"] = f"Session {credential}"

    def call(self, model: str, method: str, *parameters: Any, **context: Any) -> Any:
        """The result of one call; the context comes last."""
        return self.post(f"model.{model}.{method}", [*parameters, {"company": 1, **context}])

    def count(self, model: str, *domain: Any) -> int:
        return int(self.call(model, "search_count", list(domain), 0, None, active_test=False))

    def rows(self, model: str, *fields: str, domain: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        order = [["id", "ASC"]]
        found: list[dict[str, Any]] = self.call(model, "search_read", list(domain), 0, None, order, list(fields))
        return found

    def history(self) -> dict[str, list[tuple[datetime, str]]]:
        """By opportunity: each state it was in and since when, from every revision read on its own."""
        ids = self.call("sale.opportunity", "search", [], 0, None, [["id", "ASC"]])
        states: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        revisions = self.call("sale.opportunity", "history_revisions", ids)
        for at, id_, _ in sorted(revisions, key=lambda one: instant(one[0])):
            (then,) = self.call("sale.opportunity", "read", [id_], ["state"], _datetime=at)
            states[str(id_)].append((instant(at), then["state"]))
        return {id_: [next(run) for _, run in groupby(told, key=lambda one: one[1])] for id_, told in states.items()}

    def change(self, method: str, id_: int, *parameters: Any, model: str = "sale.opportunity") -> None:
        """Press a button or write, and wait for the server's next whole second: that is what our windows end at."""
        self.call(model, method, [id_], *parameters)
        self.settle()

    def settle(self) -> None:
        """Wait for the server's next whole second: what changed before it is in the next window."""
        changed = self._post_at
        while self._post_at <= changed:
            self.count("sale.opportunity", ["id", "<", 0])

    def post(self, method: str, parameters: list[Any]) -> Any:
        """The result of any method, by its full name."""
        answer = self.answer(method, parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def answer(self, method: str, parameters: list[Any]) -> dict[str, Any]:
        """All it says: a `result` or an `error`."""
        answer = self.http.post(self.url, json={"id": 1, "method": method, "params": parameters}, timeout=30)
        answer.raise_for_status()
        self._post_at = parsedate_to_datetime(answer.headers["Date"])
        found: dict[str, Any] = answer.json()
        return found


def instant(tag: Mapping[str, Any]) -> datetime:
    """Their tagged time."""
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    year, month, day, *clock = (int(tag[part]) for part in parts)
    return datetime(year, month, day, *clock, tzinfo=UTC)  # type: ignore[misc,arg-type]  # seven ints


def decimal(tag: Mapping[str, Any] | None) -> Decimal:
    """Their tagged number."""
    return Decimal(0) if tag is None else Decimal(tag["decimal"])

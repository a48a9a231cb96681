"""Quantive: check-ins of a metric are snapshots; both headers are needed; users are known by e-mail alone."""

from __future__ import annotations

from typing import Any

import msgspec

from connector.twins.hr_vendors.vendor import KPIS, PEOPLE, HrVendor, body, number_of
from connector.twins.server import Refused, Reply, Request


class QuantiveTwin(HrVendor):
    """A metric for each employee and KPI in session s1."""

    preset = "quantive"
    appends = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.dates: dict[str, str] = {}
        self.metrics = {f"m-{kpi}-{code}": (kpi, code) for code in PEOPLE for kpi in KPIS}
        for method, path, handler in (
            ("GET", "/api/v1/users", self._users), ("GET", "/api/v2/metrics", self._list),
            ("GET", "/api/v1/metrics/{id}", self._one), ("POST", "/api/v1/metrics/{id}/checkin", self._checkin),
        ):
            inner = self.signed(handler, header="gtmhub-accountid", value="acme")
            self.route(method, path, self.signed(inner, value="Bearer quantive-token"))

    def given(self) -> dict[str, Any]:
        return {"address": self.url, "token": "quantive-token", "account": "acme", "session": "s1"}

    def changes(self) -> dict[str, Any]:
        mails = {code: f"{code.lower()}@example.vn" for code in PEOPLE}
        return {"employees": {"overrides": mails}, "requests_per_second": 50}

    def _users(self, request: Request) -> Any:
        return {"items": [{"id": f"u{number_of(code)}", "email": f"{code.lower()}@EXAMPLE.vn"} for code in PEOPLE]}

    def _metric(self, key: str) -> dict[str, Any]:
        kpi, code = self.metrics[key]
        return {"id": key, "name": kpi, "ownerId": f"u{number_of(code)}", "sessionId": "s1",
                "actual": self.last(kpi, code) or 0, "lastCheckInDate": self.dates.get(key)}

    def _list(self, request: Request) -> Any:
        wanted = msgspec.json.decode(request.one("filter"))
        rows = [self._metric(key) for key in self.metrics]
        return {"items": [row for row in rows if row["ownerId"] == wanted["ownerId"]
                          and row["sessionId"] in wanted["sessionId"]["$in"]]}

    def _one(self, request: Request, id: str) -> Any:
        if id not in self.metrics:
            raise Refused(Reply(404, "no such metric"))
        return self._metric(id)

    def _checkin(self, request: Request, id: str) -> Any:
        given = body(request)
        self.hold(*self.metrics[id], given["actual"])
        self.dates[id] = given["checkInDate"]
        return {"id": f"snapshot-{request.number}"}

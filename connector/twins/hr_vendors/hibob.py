"""HiBob: check-ins of key results. Verdicts name only those that failed, in a 200; a repeated check-in is a second
entry of the activity log; more than 25 at once, or of another goal, are refused."""

from __future__ import annotations

import base64
from typing import Any

from connector.twins.hr_vendors.vendor import KPIS, PEOPLE, PERIOD, HrVendor, body, number_of
from connector.twins.server import Refused, Reply, Request


class BobTwin(HrVendor):
    """A goal for each employee with a key result for each KPI; `locked` are the ids of those that fail."""

    preset = "hibob"
    appends = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.locked: set[str] = set()
        self.results = {f"kr-{number_of(code)}-{kpi}": (kpi, code) for code in PEOPLE for kpi in KPIS}
        key = "Basic " + base64.b64encode(b"service:bob-token").decode()
        for method, path, handler in (
            ("POST", "/v1/people/search", self._people), ("POST", "/v1/goals/goals/key-results/search", self._search),
            ("PATCH", "/v1/goals/goals/{goal}/key-results/progress", self._progress),
        ):
            self.route(method, path, self.signed(handler, value=key))

    def given(self) -> dict[str, Any]:
        return {"service_user": "service", "token": "bob-token"}

    def changes(self) -> dict[str, Any]:
        return {"base_url": self.url + "/v1"}

    def _people(self, request: Request) -> Any:
        return {"employees": [
            {"id": str(number_of(code)), "email": f"{code}@example.vn", "work": {"employeeIdInCompany": code}}
            for code in PEOPLE
        ]}

    def _search(self, request: Request) -> Any:
        rows = [
            {"id": key, "goalId": f"g{number_of(code)}", "ownerId": str(number_of(code)), "title": f"{kpi} {PERIOD}",
             "currentValue": self.last(kpi, code)} for key, (kpi, code) in self.results.items()
        ]
        return {"keyResults": [{name: row[name] for name in body(request)["fields"]} for row in rows]}

    def _progress(self, request: Request, goal: str) -> Any:
        items = body(request).get("keyResults") or []
        if not 1 <= len(items) <= 25:
            raise Refused(Reply(400, {"error": "1 to 25 key results are expected"}))
        failed = []
        for item in items:
            kpi, code = self.results.get(item.get("id"), ("", "NV000"))
            if not kpi or goal != f"g{number_of(code)}":
                failed.append({"id": item.get("id"), "error": "no key result of this goal"})
            elif item["id"] in self.locked:
                failed.append({"id": item["id"], "error": "the key result is locked"})
            else:
                self.hold(kpi, code, item["currentValue"])
        return {"failed": failed} if failed else {}

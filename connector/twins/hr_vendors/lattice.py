"""Lattice: goal updates are appended; singular and plural paths are mixed; lists come by cursor; errors are a text."""

from __future__ import annotations

from typing import Any

from connector.twins.hr_vendors.vendor import KPIS, PEOPLE, PERIOD, HrVendor, body, number_of
from connector.twins.server import Refused, Reply, Request


class LatticeTwin(HrVendor):
    """A goal for each employee and KPI; `drafts` are goals nobody may update."""

    preset = "lattice"
    appends = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.drafts: set[str] = set()
        self.goals = {f"goal-{kpi}-{code}": (kpi, code) for code in PEOPLE for kpi in KPIS}
        for method, path, handler in (
            ("GET", "/v1/users", self._users), ("GET", "/v1/goals", self._list), ("GET", "/v1/goal/{id}", self._one),
            ("POST", "/v1/goal/{id}/updates", self._update),
        ):
            self.route(method, path, self.signed(handler, value="Bearer lattice-key"))

    def given(self) -> dict[str, Any]:
        return {"api_key": "lattice-key"}

    def changes(self) -> dict[str, Any]:
        return {"base_url": self.url + "/v1", "requests_per_second": 50}

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        given = super().refusal(status, retry_after=retry_after)
        return Reply(status, {"error": f"status {status}"}, given.headers)

    def _listed(self, rows: list[Any], request: Request) -> Any:
        first = int(request.one("startingAfter", "0"))
        return {"object": "list", "data": rows[first:first + 5], "hasMore": first + 5 < len(rows),
                "endingCursor": str(first + 5)}

    def _users(self, request: Request) -> Any:
        return self._listed([
            {"id": f"uuid-{number_of(code)}", "externalUserId": code, "email": f"{code.lower()}@example.vn",
             "status": "ACTIVE"} for code in PEOPLE
        ], request)

    def _goal(self, key: str) -> dict[str, Any]:
        kpi, code = self.goals[key]
        return {"id": key, "name": f"{kpi} {PERIOD}", "state": "Active", "amountType": "Digit",
                "owners": [{"id": f"uuid-{number_of(code)}"}], "currentAmount": self.last(kpi, code)}

    def _list(self, request: Request) -> Any:
        return self._listed([self._goal(key) for key in self.goals], request)

    def _one(self, request: Request, id: str) -> Any:
        if id not in self.goals:
            raise Refused(self.refusal(404))
        return self._goal(id)

    def _update(self, request: Request, id: str) -> Any:
        given = body(request)
        if id in self.drafts:
            raise Refused(Reply(422, {"error": "a draft takes no updates"}))
        self.hold(*self.goals[id], given["currentAmount"])
        return {"id": f"update-{request.number}", **given}

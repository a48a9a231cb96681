"""OrangeHRM: log lines of trackers. Refresh tokens are used up; a line takes 150 characters; lists are by offset."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.twins.hr_vendors.vendor import PEOPLE, HrVendor, body, code_of, form, number_of, page
from connector.twins.server import Refused, Reply, Request

LOGS = "/api/v2/performance/trackers/{id}/logs"


class OrangeTwin(HrVendor):
    """A tracker for each employee; `lines` are the log lines of all."""

    preset = "orangehrm"

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.lines: list[dict[str, Any]] = []
        self.route("POST", "/oauth2/token", self._token)
        for method, path, handler in (
            ("GET", "/api/v2/pim/employees", self._people),
            ("GET", "/api/v2/performance/config/trackers", self._trackers), ("GET", LOGS, self._read),
            ("POST", LOGS, self._add), ("PUT", LOGS + "/{line}", self._change),
        ):
            self.route(method, path, self.signed(handler))

    def given(self) -> dict[str, Any]:
        return {"address": self.url, "client_id": "orange", "client_secret": "orange-secret",
                "refresh_token": "orange-refresh"}

    def changes(self) -> dict[str, Any]:
        return {"base_url": self.url + "/api/v2", "requests_per_second": 50}

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        given = super().refusal(status, retry_after=retry_after)
        return Reply(status, {"error": {"status": str(status), "message": f"status {status}"}}, given.headers)

    def standing(self) -> Any:
        self.values = {}
        for line in self.lines:
            key, _, value = line["log"].removeprefix("[").partition("] ")
            self.values.setdefault((key.split("/")[1], key.split(":")[1].split("/")[0]), []).append(Decimal(value))
        return super().standing()

    def _token(self, request: Request) -> Any:
        given = form(request)
        if (given.get("grant_type"), given.get("refresh_token")) != ("refresh_token", "orange-refresh"):
            raise Refused(Reply(401, {"error": "invalid_grant"}))
        return self.grant(request)

    def _people(self, request: Request) -> Any:
        people = [{"empNumber": number_of(code), "employeeId": code} for code in PEOPLE]
        return {"data": page(people, request)[:4], "meta": {"total": len(people)}}

    def _trackers(self, request: Request) -> Any:
        rows = [{"id": 10 + number_of(code), "trackerName": "Sales KPIs", "employee": {"empNumber": number_of(code)}}
                for code in PEOPLE]
        return {"data": page(rows, request)[:4], "meta": {"total": len(rows)}}

    def _read(self, request: Request, id: str) -> Any:
        code_of(int(id) - 10)
        rows = [line for line in self.lines if line["tracker"] == id]
        return {"data": page(rows, request), "meta": {"total": len(rows)}}

    def _add(self, request: Request, id: str) -> Any:
        code_of(int(id) - 10)
        line = {"id": len(self.lines) + 1, "tracker": id, **self._line(request)}
        self.lines.append(line)
        return {"data": {"id": line["id"]}, "meta": {}}

    def _change(self, request: Request, id: str, line: str) -> Any:
        found = next((one for one in self.lines if (str(one["id"]), one["tracker"]) == (line, id)), None)
        if found is None:
            raise Refused(self.refusal(404))
        found.update(self._line(request))
        return {"data": {"id": found["id"]}, "meta": {}}

    def _line(self, request: Request) -> dict[str, Any]:
        given = body(request)
        if len(given["log"]) > 150 or given["achievement"] not in (1, 2):
            wrong = {"invalidParamKeys": ["log" if len(given["log"]) > 150 else "achievement"]}
            raise Refused(Reply(422, {"error": {"status": "422", "message": "Invalid Parameter", "data": wrong}}))
        return {name: given[name] for name in ("log", "comment", "achievement")}

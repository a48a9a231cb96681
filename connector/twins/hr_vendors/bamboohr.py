"""BambooHR: custom table rows. A create answers 200 with nothing; fields without rights are skipped without a word;
errors stand in a header; ids are text; two equal rows are no fault."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from connector.twins.hr_vendors.vendor import PEOPLE, HrVendor, body, code_of, number_of
from connector.twins.server import Refused, Reply, Request

TABLE = "/api/v1/employees/{id}/tables/customKpiResults"


class BambooTwin(HrVendor):
    """`rows` are what the table holds; `skipped` the fields that are never written."""

    preset = "bamboohr"

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.rows: list[dict[str, Any]] = []
        self.skipped: set[str] = set()
        key = "Basic " + base64.b64encode(b"bamboo-key:x").decode()
        for method, path, handler in (
            ("POST", "/api/v1/reports/custom", self._report), ("GET", TABLE, self._read), ("POST", TABLE, self._add),
            ("POST", TABLE + "/{row}", self._change),
        ):
            self.route(method, path, self.signed(handler, value=key))

    def given(self) -> dict[str, Any]:
        return {"company": "acme", "api_key": "bamboo-key"}

    def changes(self) -> dict[str, Any]:
        return {"base_url": self.url + "/api/v1"}

    def standing(self) -> Any:
        self.values = {}
        for row in self.rows:
            if row.get("actual") is not None:
                self.values.setdefault((row["metric"], code_of(row["employeeId"])), []).append(Decimal(row["actual"]))
        return super().standing()

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        given = super().refusal(status, retry_after=retry_after)
        return Reply(status, None, {**given.headers, "X-BambooHR-Error-Message": f"status {status}"})

    def _report(self, request: Request) -> Any:
        fields = body(request)["fields"]
        people = [{"id": str(number_of(code)), "employeeNumber": code, "workEmail": f"{code.lower()}@example.vn"}
                  for code in reversed(PEOPLE)]
        return {"title": "", "employees": [{name: one[name] for name in ("id", *fields)} for one in people]}

    def _read(self, request: Request, id: str) -> Any:
        code_of(id)
        return [dict(row) for row in self.rows if row["employeeId"] == id]

    def _add(self, request: Request, id: str) -> Reply:
        code_of(id)
        self.rows.append({"id": str(len(self.rows) + 1), "employeeId": id, **self._written(request)})
        return Reply(200, None)

    def _change(self, request: Request, id: str, row: str) -> Reply:
        found = next((one for one in self.rows if (one["id"], one["employeeId"]) == (row, id)), None)
        if found is None:
            raise Refused(self.refusal(404))
        found.update(self._written(request))
        return Reply(200, None)

    def _written(self, request: Request) -> dict[str, Any]:
        return {name: value for name, value in body(request).items() if name not in self.skipped}



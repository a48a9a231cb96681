"""SuccessFactors: upserts of an MDF object. 200 although rows failed, verdicts by index and in another order; ACCEPTED
is not saved; decimals are text; the list of users comes in pages by a link."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from connector.twins.hr_vendors.vendor import PEOPLE, HrVendor, body, form
from connector.twins.server import Refused, Reply, Request

GRANT = "urn:ietf:params:oauth:grant-type:saml2-bearer"


class SuccessTwin(HrVendor):
    """`locked` are the users whose rows fail, `pending` those whose rows are accepted and not saved."""

    preset = "successfactors"

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.rows: dict[str, dict[str, Any]] = {}
        self.locked: set[str] = set()
        self.pending: set[str] = set()
        self.route("POST", "/oauth/token", self._token)
        for method, path, handler in (
            ("GET", "/odata/v2/User", self._users), ("POST", "/odata/v2/upsert", self._upsert),
            ("GET", r"/odata/v2/cust_KpiResult\(.*\)", self._one),
        ):
            self.route(method, path, self.signed(handler))

    def given(self) -> dict[str, Any]:
        return {"api_url": self.url + "/odata/v2", "token_url": self.url + "/oauth/token", "client_id": "sf-client",
                "company_id": "acme", "assertion": "c2FtbC1hc3NlcnRpb24="}

    def changes(self) -> dict[str, Any]:
        return {}

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        given = super().refusal(status, retry_after=retry_after)
        said = {"error": {"code": f"COE{status}", "message": {"lang": "en-US", "value": f"status {status}"}}}
        return Reply(status, said, given.headers)

    def standing(self) -> Any:
        self.values = {}
        for row in self.rows.values():
            self.hold(row["cust_kpi"], row["cust_userId"].removeprefix("u-"), row["cust_actual"])
        return super().standing()

    def _token(self, request: Request) -> Any:
        given = form(request)
        if (given.get("grant_type"), given.get("company_id"), given.get("assertion")) != (
            GRANT, "acme", "c2FtbC1hc3NlcnRpb24="
        ):
            raise Refused(Reply(401, {"error": "invalid assertion"}))
        return self.grant(request)

    def _users(self, request: Request) -> Any:
        first = int(request.one("$skiptoken", "0"))
        users = [{"userId": f"u-{code}", "empId": code, "email": f"{code.lower()}@example.vn"} for code in PEOPLE]
        answer: dict[str, Any] = {"results": users[first:first + 4]}
        if first + 4 < len(users):
            answer["__next"] = f"{self.url}/odata/v2/User?$format=json&$skiptoken={first + 4}"
        return {"d": answer}

    def _upsert(self, request: Request) -> Any:
        rows = body(request)
        if not isinstance(rows, list) or len(rows) > 1000:
            raise Refused(self.refusal(400))
        return {"d": [self._verdict(number, row) for number, row in reversed(list(enumerate(rows)))]}

    def _verdict(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        told = {"key": row.get("externalCode"), "index": number, "message": None, "httpCode": 200}
        if row.get("cust_userId") in self.locked:
            return {**told, "status": "ERROR", "editStatus": None, "message": "the plan is locked", "httpCode": 500}
        if row.get("cust_userId") in self.pending:
            return {**told, "status": "OK", "editStatus": "ACCEPTED", "message": "not saved: another row failed"}
        self.rows[row["externalCode"]] = {**self.rows.get(row["externalCode"], {}), **row}
        return {**told, "status": "OK", "editStatus": "UPSERTED"}

    def _one(self, request: Request) -> Any:
        key = unquote(request.path).partition("('")[2].removesuffix("')")
        if key not in self.rows:
            raise Refused(self.refusal(404))
        return {"d": self.rows[key]}

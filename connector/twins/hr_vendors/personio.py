"""Personio: custom attributes of a person. Tokens end; PATCH answers 204 with nothing; attributes that may not be seen
are missing from answers; the next page is a relative address; values are text."""

from __future__ import annotations

from typing import Any

from connector.twins.hr_vendors.vendor import KPIS, PEOPLE, HrVendor, body, code_of, form, number_of
from connector.twins.server import Refused, Reply, Request

ATTRIBUTES = {kpi: f"attr-{number}" for number, kpi in enumerate(KPIS, 1)}


class PersonioTwin(HrVendor):
    """`hidden` are the attributes the credential may write and not see."""

    preset = "personio"

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.hidden: set[str] = set()
        self.route("POST", "/v2/auth/token", self._token)
        for method, path, handler in (
            ("GET", "/v2/persons", self._list), ("GET", "/v2/persons/{id}", self._one),
            ("PATCH", "/v2/persons/{id}", self._change),
        ):
            self.route(method, path, self.signed(handler))

    def given(self) -> dict[str, Any]:
        return {"client_id": "client", "client_secret": "personio-secret", "attributes": ATTRIBUTES,
                "employee_number": "attr-number"}

    def changes(self) -> dict[str, Any]:
        known = {"client_id": "client", "client_secret": "personio-secret"}
        return {"base_url": self.url, "auth": {"oauth": {"token_url": self.url + "/v2/auth/token", **known}}}

    def _token(self, request: Request) -> Any:
        wanted = {"grant_type": "client_credentials", "client_id": "client", "client_secret": "personio-secret"}
        if form(request) != wanted:
            raise Refused(Reply(401, {"error": "invalid_client"}))
        return self.grant(request)

    def _list(self, request: Request) -> Any:
        first = int(request.one("cursor", "0"))
        links = {"next": {"href": f"/v2/persons?limit=50&cursor={first + 4}"}} if first + 4 < len(PEOPLE) else {}
        return {"_data": [self._person(code) for code in PEOPLE[first:first + 4]], "_meta": {"links": links}}

    def _one(self, request: Request, id: str) -> Any:
        return self._person(code_of(id))

    def _person(self, code: str) -> dict[str, Any]:
        attributes: list[dict[str, str | None]] = [{"id": "attr-number", "value": code}]
        for kpi, key in ATTRIBUTES.items():
            if key not in self.hidden:
                value = self.last(kpi, code)
                attributes.append({"id": key, "value": None if value is None else str(value)})
        return {"id": str(number_of(code)), "email": f"{code.lower()}@example.vn", "custom_attributes": attributes}

    def _change(self, request: Request, id: str) -> Reply:
        code = code_of(id)
        kpis = {key: kpi for kpi, key in ATTRIBUTES.items()}
        for one in body(request).get("custom_attributes", ()):
            if one["id"] not in kpis or not isinstance(one["value"], str):
                raise Refused(Reply(400, {"title": "unknown attribute, or no text"}, {}, "application/problem+json"))
            self.hold(kpis[one["id"]], code, one["value"])
        return Reply(204)

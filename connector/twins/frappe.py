"""A fake Frappe HRMS over its REST API, as a running server (HRMS 15) showed itself.

    twin = FrappeTwin(clock=clock)
    lan = twin.add_employee("Lan", number="NV001", email="lan@example.vn")

GET, POST, PUT, DELETE below `/api/resource/DOCTYPE`, and `/api/method/frappe.client.get_list`. What hurts a client is
there: lists show 20 rows unless more are asked for; a progress that is no number becomes 0, one below 0 is taken, one
above 100 is refused with 417; fields it does not know are dropped without a word; goals are not unique, and duplicates
are averaged; a goal changes a submitted appraisal; refusals are JSON text inside JSON, with HTML in it; what stands
before it speaks HTML. `frappe_records` keeps the documents.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from connector.ports import Clock
from connector.twins.frappe_records import Doc, Fault, Records
from connector.twins.server import Refused, Reply, Request, Twin


class FrappeTwin(Records, Twin):
    """One site, with Goal's custom field `external_id`, which is unique, unless it is said otherwise."""

    def __init__(
        self, *, clock: Clock | None = None, port: int = 0, key: str = "frappe-key-1", secret: str = "frappe-secret-1",  # noqa: S107 - a fake's
        custom: Sequence[str] = ("external_id",), unique: Sequence[str] = ("external_id",),
    ) -> None:
        Twin.__init__(self, clock=clock, port=port)
        Records.__init__(self, custom=custom, unique=unique)
        self.key, self.secret, self.user = key, secret, "connector@example.vn"
        self.route("GET", "/api/method/frappe.auth.get_logged_user", self._guard(lambda _request: {
            "message": self.user}))
        for method in ("GET", "POST"):
            self.route(method, "/api/method/frappe.client.get_list", self._guard(self._get_list))
        self.route("GET", "/api/resource/{doctype}", self._guard(self._list))
        self.route("POST", "/api/resource/{doctype}", self._guard(self._insert))
        self.route("GET", "/api/resource/{doctype}/{name}", self._guard(self._read))
        self.route("PUT", "/api/resource/{doctype}/{name}", self._guard(self._update))
        self.route("DELETE", "/api/resource/{doctype}/{name}", self._guard(self._delete))
        self.route("GET", "/_twin/state", lambda _request: self.state())

    @property
    def settings(self) -> dict[str, Any]:
        """How a config reaches it."""
        return {"base_url": self.url, "key": self.key, "secret": self.secret}

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        """Frappe's own for 401 and 429, a page of what stands before it for the rest."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        if status == 401:
            return _refusal(Fault("AuthenticationError", "", 401))
        if status == 429:
            return _refusal(Fault("RateLimitExceededError", "", 429)).plus(headers)
        page = f"<html><head><title>{status}</title></head><body><h1>Server Error</h1><hr>nginx</body></html>"
        return Reply(status, page, headers)

    def _guard(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """One call is one transaction."""

        def guarded(request: Request, **names: str) -> Any:
            if request.headers.get("authorization") != f"token {self.key}:{self.secret}":
                raise Refused(self.refusal(401))
            before = copy.deepcopy(self.docs)
            try:
                return handler(request, **{name: unquote(text) for name, text in names.items()})
            except Fault as fault:
                self.docs = before
                raise Refused(_refusal(fault)) from None

        return guarded

    def _list(self, request: Request, doctype: str) -> dict[str, Any]:
        given = {name: request.one(name) for name in request.query}
        fields, filters = (json.loads(given.get(name) or "null") for name in ("fields", "filters"))
        return {"data": self._found(doctype, {**given, "fields": fields, "filters": filters})}

    def _get_list(self, request: Request) -> dict[str, Any]:
        given = request.json()
        return {"message": self._found(given["doctype"], given)}

    def _found(self, doctype: str, given: Mapping[str, Any]) -> list[Doc]:
        return self.listed(
            doctype, given.get("fields") or ["name"], given.get("filters") or [], given.get("order_by") or "",
            int(given.get("limit_start") or 0), int(given.get("limit_page_length") or 20),
        )

    def _read(self, _request: Request, doctype: str, name: str) -> dict[str, Any]:
        return {"data": self.one(doctype, name)}

    def _insert(self, request: Request, doctype: str) -> dict[str, Any]:
        return {"data": dict(self.insert(doctype, request.json()))}

    def _update(self, request: Request, doctype: str, name: str) -> dict[str, Any]:
        return {"data": dict(self.update(doctype, name, request.json()))}

    def _delete(self, _request: Request, doctype: str, name: str) -> Reply:
        self.delete(doctype, name)
        return Reply(202, {"data": "ok"})


def _refusal(fault: Fault) -> Reply:
    """The error as Frappe writes it: the words are in a JSON text in a list that is a JSON text."""
    said = {"message": str(fault), "title": "Message", "indicator": "red", "raise_exception": 1}
    module = "frappe.exceptions"
    body: dict[str, Any] = {
        "exception": f"{module}.{fault.kind}: {fault}", "exc_type": fault.kind,
        "exc": json.dumps([f"Traceback (most recent call last):\n{module}.{fault.kind}: {fault}"]),
    }
    if str(fault):
        body["_server_messages"] = json.dumps([json.dumps(said)])
    return Reply(fault.status, body)

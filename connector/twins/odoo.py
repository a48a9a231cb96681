"""A fake Odoo with HR and gamification, as running servers of 17.0 and 19.0 showed themselves.

    twin = OdooTwin(clock=clock)
    definition = twin.add_definition("Won value")
    user = twin.add_user("Lan", "lan@example.vn")
    twin.add_employee("Lan", email="lan@example.vn", code="NV001", user=user)

POST /jsonrpc answers every refusal with status 200 and an `error`; POST /json/2/MODEL/METHOD (19.0 and later) with a
status. What hurts a client is there: goals hang on users; duplicates of a goal are accepted; `write` changes no state
by itself; definition and user of a started goal cannot be written; "refresh" deletes the goals in progress and makes
new ones with other ids; computed goals overwrite what was written. `odoo_records` keeps the records.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from connector.ports import Clock
from connector.twins.odoo_records import Fault, Records, Undone
from connector.twins.server import Refused, Reply, Request, Twin

STATUS = {  # of /json/2, by the exception's name
    "odoo.exceptions.AccessDenied": 401, "odoo.exceptions.AccessError": 403, "odoo.exceptions.MissingError": 404,
    "odoo.exceptions.UserError": 422, "odoo.exceptions.ValidationError": 422,
}


class OdooTwin(Records, Twin):
    """One database. `may_create`: whether our user has access-rights administration, without which no goal is made;
    `reads_employees`: whether it is an HR officer."""

    def __init__(
        self, *, clock: Clock | None = None, port: int = 0, database: str = "prod", user: str = "connector@example.vn",
        key: str = "odoo-api-key-1", may_create: bool = True, reads_employees: bool = True,
    ) -> None:
        Twin.__init__(self, clock=clock, port=port)
        Records.__init__(self)
        self.database, self.user, self.key = database, user, key
        self.may_create, self.reads_employees = may_create, reads_employees
        self.uid = self.add_user("Connector", user)
        self.route("POST", "/jsonrpc", self._jsonrpc)
        self.route("POST", "/json/2/{model}/{method}", self._json2)
        self.route("GET", "/_twin/state", lambda _request: self.state())

    @property
    def settings(self) -> dict[str, Any]:
        """How a config reaches it."""
        return {"base_url": self.url, "database": self.database, "user": self.user, "key": self.key}

    def today(self) -> str:
        return self.clock.now().date().isoformat()

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        """What stands before Odoo (nginx, the hosting) speaks HTML; a 401 is Odoo's own."""
        if status == 401:
            return _answered({"error": _error("odoo.exceptions.AccessDenied", "Access Denied")}, None)
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return Reply(status, f"<html><head><title>{status}</title></head><body>nginx</body></html>", headers)

    # --- the doors ---------------------------------------------------------------------------------------------------

    def _jsonrpc(self, request: Request) -> Reply:
        call = request.json()
        given = call.get("params") or {}
        arguments = given.get("args") or []
        try:
            if given.get("service") == "common" and given.get("method") == "authenticate":
                return _answered({"result": self._authenticated(arguments)}, call.get("id"))
            if given.get("service") != "object" or given.get("method") != "execute_kw":
                raise Fault("builtins.ValueError", f"no method {given.get('method')}")
            database, uid, key, model, method, *more = arguments
            if (database, uid, key) != (self.database, self.uid, self.key):
                raise Fault("odoo.exceptions.AccessDenied", "Access Denied")
            positional, named = (*more, [], {})[:2] if more else ([], {})
            result = self._called(model, method, positional[0] if positional else None, named)
        except Fault as fault:
            return _answered({"error": _error(fault.name, str(fault))}, call.get("id"))
        return _answered({} if result is None else {"result": result}, call.get("id"))

    def _json2(self, request: Request, model: str, method: str) -> Any:
        if request.headers.get("authorization") != f"bearer {self.key}":
            raise Refused(Reply(401, {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey"}))
        named = dict(request.json())
        try:
            return self._called(model, method, named.pop("ids", None), named)
        except Fault as fault:
            body = {"name": fault.name, "message": str(fault), "arguments": [str(fault)], "context": {}, "debug": "…"}
            raise Refused(Reply(STATUS.get(fault.name, 500), body)) from None

    def _authenticated(self, arguments: list[Any]) -> int | bool:
        """The user's id, False for a wrong password: Odoo raises nothing then."""
        database, user, key, *_ = arguments
        if database != self.database:
            raise Fault("psycopg2.OperationalError", f'connection failed: database "{database}" does not exist')
        return self.uid if (user, key) == (self.user, self.key) else False

    def _called(self, model: str, method: str, ids: list[int] | None, named: Mapping[str, Any]) -> Any:
        """One call is one transaction: what fails leaves nothing."""
        if model not in self.tables:
            raise Fault("odoo.exceptions.UserError", f"Object {model} doesn't exist")
        methods: Mapping[str, Callable[..., Any]] = {
            "search_read": self.search_read, "read": self.read, "write": self.write, "create": self.create,
            "load": self.load, "unlink": self.unlink, "check_access_rights": self.check_access_rights,
        }
        if method not in methods:
            raise Fault("builtins.AttributeError", f"The method '{model}.{method}' does not exist")
        before = copy.deepcopy((self.tables, self.external))
        try:
            return methods[method](model, *([] if ids is None else [ids]), **named)
        except Fault as fault:
            self.tables, self.external = before
            if isinstance(fault, Undone):
                return fault.answer
            raise


def _error(name: str, message: str) -> dict[str, Any]:
    data = {"name": name, "debug": f"Traceback (most recent call last):\n{name}: {message}", "message": message,
            "arguments": [message], "context": {}}
    return {"code": 200, "message": "Odoo Server Error", "data": data}


def _answered(content: Mapping[str, Any], number: Any) -> Reply:
    """A result of None is no key at all."""
    return Reply(200, {"jsonrpc": "2.0", "id": number, **content})

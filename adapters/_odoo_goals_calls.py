"""Calling Odoo: JSON-RPC (all versions up to 21), or its JSON-2 API (from 19.0).

JSON-RPC answers every refusal with status 200 and an `error` whose `data.name` is the Python exception; JSON-2 puts the
same object into the answer and uses statuses. /jsonrpc is deprecated since 19.0 and to be removed in 22 (fall 2028):
odoo/documentation, content/developer/reference/external_rpc_api.rst. One call is one transaction: what is answered with
an exception left nothing. A method that gives None has no `result` at all.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from connector.auth import Bearer, Secret
from connector.errors import AuthError, Permanent, RemoteError, Transient, Unanswered, UnexpectedShape
from connector.http import Client, Response
from connector.pace import Pace
from connector.ports import AdapterSettings, Context

DENIED = ("odoo.exceptions.AccessDenied", "odoo.http.SessionExpiredException", "werkzeug.exceptions.Unauthorized")
BUSY = ("SerializationFailure", "LockNotAvailable", "DeadlockDetected", "ConcurrencyError", "TransactionRollbackError")
NO = (
    "odoo.exceptions.UserError", "odoo.exceptions.ValidationError", "odoo.exceptions.AccessError",
    "odoo.exceptions.MissingError", "odoo.exceptions.RedirectWarning",
)


class WireSettings(AdapterSettings):
    """Where Odoo is, and as whom we come."""

    base_url: str = Field(examples=["https://erp.example.vn"])
    database: str
    user: str = Field(description="The login. Give the connector a user of its own: goals may be written by anybody.")
    key: Secret = Field(description="An API key of that user (its preferences), or the password.")
    api: Literal["jsonrpc", "json2"] = Field("jsonrpc", description="json2: Odoo 19.0 and later, with an API key.")
    requests_per_second: float | None = Field(None, gt=0, description="Odoo Online asks for about one.")


class Refused(Permanent):
    """Odoo said no to this call, in its own words, and did nothing."""

    def __init__(self, message: str, *, words: str, name: str, **place: Any) -> None:
        self.words, self.exception = words, name
        super().__init__(message, **place)


class Wire:
    """The calls of one destination; made by several threads at once."""

    def __init__(self, name: str, settings: WireSettings, context: Context) -> None:
        self._name, self._settings = name, settings
        self._key = settings.key.get_secret_value()
        self._is_rpc = settings.api == "jsonrpc"
        self.client = Client(
            settings.base_url, system=name, context=context, judge=self._judge, secrets=(self._key,),
            auth=None if self._is_rpc else Bearer(self._key, scheme="bearer"),
            headers={} if self._is_rpc else {"X-Odoo-Database": settings.database},
            pace=Pace(requests_per_second=settings.requests_per_second, budget=context.budget),
        )
        self._lock = threading.Lock()
        self._uid: int | None = None
        self._denied: AuthError | None = None

    def read(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Any) -> Any:
        """The result of a method that changes nothing. Raises Refused, RemoteError."""
        return self._call(model, method, ids, named, writes=False)

    def write(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Any) -> Any:
        """The result of a method that changes something.

        Raises Unanswered when nobody can tell whether it did; Refused and other RemoteErrors when it did not.
        """
        return self._call(model, method, ids, named, writes=True)

    def search(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> list[dict[str, Any]]:
        """All records of a domain, each with these fields. Raises Refused, RemoteError."""
        found = self.read(model, "search_read", domain=list(domain), fields=list(fields))
        if not isinstance(found, list):
            raise UnexpectedShape(
                f"{self._name}: search_read of {model}: found {type(found).__name__}, expected a list",
                system=self._name,
            )
        for row in found:
            if wrong := _unlike(row, fields):
                raise UnexpectedShape(f"{self._name}: search_read of {model}: {wrong}", system=self._name)
        return found

    def _call(
        self, model: str, method: str, ids: Sequence[int] | None, named: Mapping[str, Any], *, writes: bool
    ) -> Any:
        positional = [] if ids is None else [list(ids)]
        if not self._is_rpc:
            body = {**named, **({} if ids is None else {"ids": list(ids)})}
            return self._asked(f"/json/2/{model}/{method}", body, writes=writes)
        arguments = [self._settings.database, self._user(), self._key, model, method, positional, dict(named)]
        return self._rpc("object", "execute_kw", arguments, writes=writes)

    def _user(self) -> int:
        """Our user's id, asked for once; a refusal as well, since repeating it can lock a user out."""
        with self._lock:
            if self._denied is not None:
                raise self._denied
            if self._uid is None:
                settings = self._settings
                found = self._rpc(
                    "common", "authenticate", [settings.database, settings.user, self._key, {}], writes=False
                )
                if not isinstance(found, int) or isinstance(found, bool):
                    self._denied = AuthError(
                        f"{self._name}: the login was refused; check database, user and key", system=self._name
                    )
                    raise self._denied
                self._uid = found
            return self._uid

    def _rpc(self, service: str, method: str, arguments: list[Any], *, writes: bool) -> Any:
        params = {"service": service, "method": method, "args": arguments}
        answer = self._asked(
            "/jsonrpc", {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}, writes=writes
        )
        return answer.get("result")

    def _asked(self, path: str, body: Mapping[str, Any], *, writes: bool) -> Any:
        response = self.client.request("POST", path, json=body, safe=not writes, body_text="(a call)")
        try:
            answer = response.json()
        except UnexpectedShape as unreadable:
            if not writes:
                raise
            raise response.error(Unanswered, f"the answer is no JSON, so nobody can tell ({unreadable})") from None
        if self._is_rpc and not (isinstance(answer, dict) and answer.get("jsonrpc") == "2.0"):
            kind: type[RemoteError] = Unanswered if writes else UnexpectedShape
            raise response.error(kind, "found no JSON-RPC answer; check that base_url is Odoo's address")
        return answer

    def _judge(self, response: Response) -> RemoteError | None:
        """What an exception in the answer means; None where there is none."""
        try:
            answer = response.json()
        except UnexpectedShape:
            return None
        error = answer.get("error") if isinstance(answer, dict) and self._is_rpc else None
        found = error.get("data") if isinstance(error, dict) else answer if response.status >= 400 else None
        if not isinstance(found, dict):
            return None if error is None else response.error(Permanent, "refused without a reason")
        name = str(found.get("name") or "")
        words = " ".join(response.redactor.text(str(found.get("message") or "")).split())[:200]
        if name in DENIED:
            return response.error(AuthError, f"the credential was refused ({words})")
        if name.endswith(BUSY):
            return response.error(Transient, f"somebody else was writing ({name})")
        if name in NO or response.status < 400:  # over JSON-RPC any exception is a transaction rolled back
            place = {"status": response.status, "system": self._name, "request_id": response.request_id}
            return Refused(f"{self._name}: Odoo says: {words or name}", words=words or name, name=name, **place)
        return None


def _unlike(row: Any, fields: Sequence[str]) -> str:
    """Why this is no record as Odoo gives it, empty if it is one: an id, and a link is [id, name] or false."""
    if not isinstance(row, dict):
        return f"found {type(row).__name__} among the records, expected objects"
    lacking = [name for name in ("id", *fields) if name not in row]
    if lacking:
        return f"found a record without {', '.join(lacking)}"
    links = [name for name in fields if name.endswith("_id") and name != "res_id"]
    wrong = [name for name in links if not (row[name] is False or (isinstance(row[name], list) and row[name]))]
    return f"found {wrong[0]} as {type(row[wrong[0]]).__name__}, expected [id, name] or false" if wrong else ""

"""Calling a Frappe site: its REST API by an API key and secret, and its way of saying no.

A refusal is status 403, 404, 409 or 417 with the exception's class in `exc_type` and the words in `_server_messages`: a
JSON text of a list of JSON texts, with HTML in them (frappe/frappe `utils/response.py`, `make_logs`). An exception
rolls the request back. Lists are asked for by POST `frappe.client.get_list`: their filters outgrow an address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any
from urllib.parse import quote

from pydantic import Field

from connector.auth import Header, Secret
from connector.errors import Permanent, RemoteError, Transient, Unanswered, UnexpectedShape
from connector.http import Client, Response
from connector.pace import Pace
from connector.ports import AdapterSettings, Context, decode

ROWS = 500  # asked for at once; a site shows 20 unless it is asked
BUSY = ("TimestampMismatchError", "DocumentLockedError", "QueryDeadlockError", "QueryTimeoutError", "InReadOnlyMode")


class SiteSettings(AdapterSettings):
    """Where the site is, and as whom we come."""

    base_url: str = Field(examples=["https://hr.example.vn"])
    key: Secret = Field(description="API key of a user with the role HR User (User, API Access).")
    secret: Secret = Field(description="Its API secret.")
    requests_per_second: float | None = Field(None, gt=0, description="The site's ceiling, if it has one.")


class Refused(Permanent):
    """The site said no to this document, in its own words, and did nothing."""

    def __init__(self, message: str, *, words: str, kind: str, **place: Any) -> None:
        self.words, self.kind = words, kind
        super().__init__(message, **place)

    @property
    def is_duplicate(self) -> bool:
        """Whether a document with the same unique value is there."""
        return self.status == 409 or self.kind in ("DuplicateEntryError", "UniqueValidationError")


class Site:
    """The calls of one destination."""

    def __init__(self, name: str, settings: SiteSettings, context: Context) -> None:
        self._name = name
        key, secret = settings.key.get_secret_value(), settings.secret.get_secret_value()
        self.client = Client(
            settings.base_url, system=name, context=context, auth=Header("Authorization", f"token {key}:{secret}"),
            judge=self._judge, secrets=(secret, key),
            pace=Pace(requests_per_second=settings.requests_per_second, budget=context.budget),
        )

    def list(self, doctype: str, fields: Sequence[str], filters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """All documents of a DocType that fit, by name. Raises RemoteError; Permanent where it may not be read."""
        try:
            return list(self._pages(doctype, fields, filters))
        except Refused as no:
            said = f"{self._name}: {doctype} cannot be read: {no.words}"
            raise Permanent(said, system=self._name, status=no.status, request_id=no.request_id) from None

    def _pages(self, doctype: str, fields: Sequence[str], filters: Sequence[Any]) -> Iterator[dict[str, Any]]:
        start = 0
        while True:
            asked = {
                "doctype": doctype, "fields": list(fields), "filters": list(filters), "order_by": "name asc",
                "limit_start": start, "limit_page_length": ROWS,
            }
            response = self.client.request("POST", "/api/method/frappe.client.get_list", json=asked, safe=True)
            answer = response.json()
            rows = answer.get("message", []) if isinstance(answer, dict) and "message" in answer else None
            if not isinstance(rows, list):
                raise response.error(UnexpectedShape, f"found no list of {doctype}; check that base_url is the site's")
            for row in rows:
                if not isinstance(row, dict):
                    raise response.error(
                        UnexpectedShape, f"found {type(row).__name__} among the rows of {doctype}, expected objects"
                    )
                if hidden := [name for name in fields if name not in row]:
                    raise response.error(
                        UnexpectedShape, f"found a {doctype} without {', '.join(hidden)}; may this user read it? "
                        "(permission level of the field)"
                    )
            yield from rows
            if len(rows) < ROWS:
                return
            start += ROWS

    def insert(self, doctype: str, document: Mapping[str, Any]) -> None:
        """Make a document. Raises Refused, Unanswered, RemoteError."""
        self._write("POST", f"/api/resource/{quote(doctype)}", document)

    def update(self, doctype: str, name: str, changed: Mapping[str, Any]) -> None:
        """Change fields of a document. Raises Refused, Unanswered, RemoteError."""
        self._write("PUT", f"/api/resource/{quote(doctype)}/{quote(name, safe='')}", changed)

    def delete(self, doctype: str, name: str) -> None:
        """Delete a document. Raises Refused, Unanswered, RemoteError."""
        self._write("DELETE", f"/api/resource/{quote(doctype)}/{quote(name, safe='')}", None)

    def _write(self, method: str, path: str, content: Mapping[str, Any] | None) -> None:
        """`safe` is false even for a PUT: after a lost answer nobody knows what stands there until it is read."""
        response = self.client.request(method, path, json=content, safe=False)
        answer = _decoded(response)
        if not isinstance(answer, Mapping) or not ("data" in answer or "message" in answer):
            raise response.error(Unanswered, "the answer is none of this API, so nobody can tell what became of it")

    def _judge(self, response: Response) -> RemoteError | None:
        """An exception of the site keeps its words; a credential and a busy server are the client's matter."""
        answer = _decoded(response)
        kind = answer.get("exc_type") if isinstance(answer, Mapping) else None
        status = response.status
        if status < 400 or status in (401, 408, 423, 425, 429) or not isinstance(kind, str):
            return None
        if kind in BUSY:
            return response.error(Transient, f"somebody else was writing ({kind})")
        if status >= 500:
            return None
        words = words_of(answer, kind, response)
        return Refused(
            f"{self._name}: {response.method} refused with status {status}: {words}", words=words, kind=kind,
            system=self._name, status=status, request_id=response.request_id,
        )


def words_of(answer: Mapping[str, Any], kind: str, response: Response) -> str:
    """What the site says to a person, without HTML and secrets, 200 characters at most."""
    said: list[str] = []
    try:
        for text in json.loads(answer.get("_server_messages") or "[]"):
            message = json.loads(text)
            said.append(str(message.get("message", "")) if isinstance(message, dict) else str(message))
    except (ValueError, TypeError):
        said = []
    plain = unescape(re.sub(r"<[^>]*>", "", " ".join(said) or str(answer.get("exception") or kind)))
    return " ".join(response.redactor.text(plain).split())[:200]


def _decoded(response: Response) -> Any:
    try:
        return decode(response.content)
    except ValueError:
        return None

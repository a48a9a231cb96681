"""The calls a REST destination is made of: logging in, looking up, creating, changing, reading back.

Each gives what the destination answered; what that means for a value is `destination`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.answer import TRANSIENT, Response
from connector.auth import Auth, Basic, Bearer, Header, Login
from connector.errors import AuthError, Permanent, RemoteError, UnexpectedShape
from connector.http import Client
from connector.outgoing import Template, Unusable
from connector.pace import Pace
from connector.paths import compile_path, holds
from connector.ports import Context, Delivery, Outcome, Receipt
from connector.rest.grammar import MORE, AuthSettings, LoginCall, RestSettings


class Refusal(Permanent):
    """The destination said no; its answer is kept, since it may say why and what is there."""

    def __init__(self, response: Response) -> None:
        self.response = response
        system = response.place.get("system", "")
        super().__init__(
            f"{system}: {response.method} refused with status {response.status}: {said(response)}",
            status=response.status, system=system, request_id=response.request_id,
        )


class Unreadable(Exception):
    """The config names no way to read this record."""


@dataclass(frozen=True, slots=True)
class Item:
    """A delivery ready to leave: what templates address, and their record."""

    delivery: Delivery
    scope: Mapping[str, Any]
    body: Mapping[str, Any]

    def named(self, remote_id: str | None) -> Mapping[str, Any]:
        """What templates address, with the record's id."""
        return {**self.scope, "remote_id": remote_id}

    def receipt(
        self, outcome: Outcome, message: str = "", remote_id: str | None = None, response: Response | None = None
    ) -> Receipt:
        """What became of it."""
        status, request_id = (response.status, response.request_id) if response else (None, None)
        return Receipt(self.delivery.key, outcome, remote_id, message, status, request_id)


@dataclass(frozen=True, slots=True)
class Held:
    """A record as it stands at the destination."""

    remote_id: str | None
    row: Any


class Calls:
    """The calls of one destination, by its settings."""

    def __init__(self, name: str, settings: RestSettings, context: Context) -> None:
        self.name, self.settings = name, settings
        self._logs_in = settings.auth is not None and settings.auth.login is not None
        self.client = Client(
            settings.base_url, system=name, context=context, judge=self._judge, forbidden_is_auth=self._logs_in,
            auth=self._auth(settings.auth), pace=Pace(
                requests_per_second=settings.requests_per_second, budget=context.budget
            ),
        )

    # --- writing -----------------------------------------------------------------------------------------------------

    def create(self, items: Sequence[Item]) -> Response:
        """Create one record, or several in one call. Raises Refusal, Unanswered, RemoteError."""
        send = self.settings.send
        bodies = [item.body for item in items]
        payload: Any = bodies[0] if not send.rows else bodies if send.rows == "@" else {send.rows: bodies}
        template = _address(send.address)
        try:
            return self.client.request(send.method, template(items[0].named(None)), json=payload)
        except Refusal as no:
            if no.status in (404, 405) and not template.paths:  # the same for every value: a fault of the config
                raise no.response.error(
                    Permanent, f"status {no.status}; check base_url and send.{send.method.lower()}"
                ) from None
            raise

    def change(self, item: Item, remote_id: str) -> Response:
        """Change the record of that id. Raises Refusal, Unanswered, RemoteError."""
        update = self.settings.send.update
        assert update is not None  # noqa: S101  # asked by the caller
        address = update.address
        if address.startswith("..."):
            address = self.settings.send.address + address[3:]
        return self.client.request(update.method, _address(address)(item.named(remote_id)), json=item.body)

    # --- reading -----------------------------------------------------------------------------------------------------

    def look(self, item: Item) -> Held | None:
        """The record that `find` gives for this value, None without one. Raises Unusable when it gives several."""
        find = self.settings.find
        if find is None:
            return None
        scope = item.named(None)
        query = {name: Template(text, for_url=False, more=MORE)(scope) for name, text in find.query.items()}
        response = self._get(_address(find.get)(scope), query)
        if response is None:
            return None
        rows = compile_path(find.rows)(response.json())
        rows = [rows] if isinstance(rows, Mapping) else rows or []
        if len(rows) > 1:
            raise Unusable(f"find gives {len(rows)} records for this value, expected one; make its query narrower")
        return Held(identity(compile_path(find.id)(rows[0])), rows[0]) if rows else None

    def held(self, item: Item, remote_id: str | None) -> Held | None:
        """The record as it stands there, None when there is none. Raises Unreadable, Unusable, RemoteError."""
        read_back, find = self.settings.read_back, self.settings.find
        if read_back is None or read_back.get is None:
            if find is None:
                raise Unreadable
            return self.look(item)
        template = _address(read_back.get)
        if remote_id is None and "remote_id" in template.paths:
            if find is None:
                raise Unreadable
            found = self.look(item)
            if found is None:
                return None
            remote_id = found.remote_id
        response = self._get(template(item.named(remote_id)), None)
        row = compile_path(read_back.row)(response.json()) if response else None
        return None if row is None else Held(remote_id, row)

    def differences(self, item: Item, row: Any) -> list[str]:
        """The fields that do not stand there as they were sent."""
        read_back = self.settings.read_back
        compare = read_back.compare if read_back else {}
        tolerances = compare or dict.fromkeys(self.settings.body, Decimal(0))
        return [
            name for name, tolerance in tolerances.items()
            if not _same(_at(item.body, name), _at(row, name), tolerance)
        ]

    def _get(self, path: str, query: Mapping[str, str] | None) -> Response | None:
        try:
            return self.client.get(path, params=query)
        except Refusal as no:
            if no.status in (404, 410):
                return None
            raise

    # --- the credential ----------------------------------------------------------------------------------------------

    def _judge(self, response: Response) -> RemoteError | None:
        """A refusal keeps its answer; a credential and a busy server are the client's matter."""
        status = response.status
        is_credential = status == 401 or (status == 403 and self._logs_in)
        is_refusal = 400 <= status < 500 and status not in TRANSIENT and not is_credential
        return Refusal(response) if is_refusal else None

    def _auth(self, auth: AuthSettings | None) -> Auth | None:
        if auth is None:
            return None
        if auth.value is not None:
            return Header(str(auth.header), auth.value.get_secret_value())
        if auth.bearer is not None:
            return Bearer(auth.bearer.get_secret_value())
        if auth.basic is not None:
            return Basic(auth.basic.user, auth.basic.password.get_secret_value())
        login = auth.login
        assert login is not None  # noqa: S101  # the grammar: exactly one of the four
        known = tuple(value.get_secret_value() for value in login.body.values())
        return Login(lambda: self._log_in(login), header=auth.header or "Authorization", known=known)

    def _log_in(self, login: LoginCall) -> str:
        body = {name: value.get_secret_value() for name, value in login.body.items()}
        try:
            response = self.client.request(
                "POST", login.post, json=body, body_text="(the login)", signed=False, safe=True
            )
        except Refusal as no:
            raise no.response.error(AuthError, f"the login was refused ({said(no.response)})") from None
        token = compile_path(login.token)(response.json())
        if not isinstance(token, str) or not token:
            found = type(token).__name__
            raise response.error(UnexpectedShape, f"auth.login.token: found {found} at {login.token}, expected text")
        return login.prefix + token


def _address(text: str) -> Template:
    return Template(text, for_url=True, more=MORE)


def decoded(response: Response) -> Any:
    """The decoded answer, None where it is no JSON."""
    try:
        return response.json()
    except UnexpectedShape:
        return None


def says(expression: str, answer: Any) -> bool:
    """Whether the expression is true of the answer; one that does not fit it is not."""
    try:
        return holds(compile_path(expression)(answer))
    except ValueError:
        return False


def said(response: Response) -> str:
    """The destination's own words, or its status."""
    return response.vendor_message() or f"status {response.status}"


def identity(found: Any) -> str | None:
    """A record's id as text, None where it is none."""
    return str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) and found != "" else None


def _at(record: Any, name: str) -> Any:
    for step in name.split("."):
        record = record.get(step) if isinstance(record, Mapping) else None
    return record


def _same(sent: Any, held: Any, tolerance: Decimal) -> bool:
    """Whether two values are equal: numbers by their worth, whether written as text or not; null is empty text."""
    if sent in (None, "") or held in (None, ""):
        return sent in (None, "") and held in (None, "")
    if isinstance(sent, bool) or isinstance(held, bool):
        return sent is held
    try:
        return abs(Decimal(str(sent)) - Decimal(str(held))) <= tolerance
    except InvalidOperation:
        return str(sent) == str(held)

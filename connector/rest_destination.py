"""A REST destination described in YAML (`rest_grammar`): one value a call or many, found first, read back afterwards.

How one value goes out: its record is known (from the last receipt) or looked up by `find`; it is changed by
`send.update`, or created by `send.post`. A refusal that says the record exists leads to the look-up too. Whatever the
status, the verdict is `answer`'s; what was taken is compared by `read_back` before it counts as confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from connector import rest_employees
from connector.answer import TRANSIENT, Response
from connector.auth import Auth, Basic, Bearer, Header, Login
from connector.errors import AuthError, Permanent, RemoteError, Transient, Unanswered, UnexpectedShape
from connector.http import Client
from connector.outgoing import Body, Template, Unusable, view
from connector.pace import Pace
from connector.paths import compile_path, holds
from connector.ports import Check, Context, Delivery, Destination, Outcome, Receipt
from connector.rest_grammar import MORE, Answer, AuthSettings, LoginCall, RestSettings

CALLS_AT_ONCE = 20  # values whose receipts are committed together, where a repeat is harmless


class Refusal(Permanent):
    """The destination said no; its answer is kept, since it may say why and what is there."""

    def __init__(self, response: Response) -> None:
        self.response = response
        super().__init__(
            f"{response.place.get('system', '')}: {_said(response)}", status=response.status,
            system=response.place.get("system", ""), request_id=response.request_id,
        )


@dataclass(frozen=True, slots=True)
class Item:
    """A delivery ready to leave: what templates address, and their record."""

    delivery: Delivery
    scope: Mapping[str, Any]
    body: Mapping[str, Any]

    def named(self, remote_id: str | None) -> Mapping[str, Any]:
        return {**self.scope, "remote_id": remote_id}

    def receipt(
        self, outcome: Outcome, message: str = "", remote_id: str | None = None, response: Response | None = None
    ) -> Receipt:
        status, request_id = (response.status, response.request_id) if response else (None, None)
        return Receipt(self.delivery.key, outcome, remote_id, message, status, request_id)


class RestDestination(Destination):
    """Sends by the grammar of its settings."""

    Settings = RestSettings
    settings: RestSettings

    def __init__(self, name: str, settings: RestSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        send = settings.send
        self._answer = settings.answer or Answer.model_validate({})
        self._logs_in = settings.auth is not None and settings.auth.login is not None
        self.client = Client(
            settings.base_url, system=name, context=context, judge=self._judge, forbidden_is_auth=self._logs_in,
            auth=self._auth(settings.auth), pace=Pace(requests_per_second=settings.requests_per_second),
        )
        self._body = Body(settings.body, context.zone)
        self.idempotent = send.put is not None or (settings.find is not None and send.update is not None)
        self.batch = send.batch if send.rows else CALLS_AT_ONCE if self.idempotent else 1
        self._directory: rest_employees.Directory | None = None

    # --- the port ----------------------------------------------------------------------------------------------------

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        items = []
        for delivery in deliveries:
            try:
                items.append(self._item(delivery))
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))
        if not self.settings.send.rows:
            for item in items:
                yield self._one(item)
            return
        fresh = []
        for item in items:
            receipt, _ = self._change(item)
            if receipt is None:
                fresh.append(item)
            else:
                yield receipt
        if fresh:
            yield from self._many(fresh)

    def content(self, delivery: Delivery) -> Any:
        """Their record, and by what its employee is found; a value that cannot be said is content as it is."""
        scope = view(delivery)
        try:
            said: Any = self._body(scope)
        except Unusable:
            said = super().content(delivery)
        subject = scope["subject"]
        return {"body": said, "found_by": [subject["employee_code"], subject["email"]]} if self.settings.employees else said

    def find(self, delivery: Delivery) -> Receipt | None:
        try:
            item = self._item(delivery)
        except Unusable:
            return None
        try:
            held = self._held(item, delivery.remote_id)
        except LookupError:
            return None
        if held is None:
            return item.receipt("retry", "not there")
        remote_id, row = held
        wrong = self._differences(item, row)
        if wrong:
            return item.receipt("retry", f"holds another {', '.join(wrong)}", remote_id)
        return item.receipt("confirmed", "read back", remote_id)

    def check(self) -> Iterator[Check]:
        probe = self.settings.employees.get if self.settings.employees else None
        if probe is None and self.settings.find and not Template(self.settings.find.get, for_url=True, more=MORE).paths:
            probe = self.settings.find.get
        if probe is None:
            yield Check("can be reached", True, "there is nothing to read without writing; the first push will show")
            return
        try:
            self.client.get(probe)
        except RemoteError as error:
            yield Check(f"GET {probe}", False, str(error))
        else:
            yield Check(f"GET {probe}", True)

    def close(self) -> None:
        self.client.close()

    # --- one value ---------------------------------------------------------------------------------------------------

    def _item(self, delivery: Delivery) -> Item:
        """Raises Unusable for a value that cannot be said, and RemoteError when their employees cannot be read."""
        scope = view(delivery)
        employees, subject = self.settings.employees, scope["subject"]
        if employees is not None and subject["kind"] == "person":
            if self._directory is None:
                self._directory = rest_employees.Directory(rest_employees.read(self.client, employees), employees)
            subject["employee_code"] = self._directory.code(subject["employee_code"], subject["email"])
        body = self._body(scope)
        return Item(delivery, {**scope, "body": body}, body)

    def _one(self, item: Item) -> Receipt:
        receipt, is_gone = self._change(item)
        if receipt is None and is_gone:
            receipt, _ = self._change(item, anew=True)
        return receipt or next(self._many([item]))

    def _change(self, item: Item, *, anew: bool = False) -> tuple[Receipt | None, bool]:
        """Change the record that is there: its receipt, None if there is none; and whether a known one has gone."""
        update = self.settings.send.update
        if update is None:
            return None, False
        known = None if anew else item.delivery.remote_id
        try:
            remote_id = known or self._look(item)
        except Unusable as unusable:
            return item.receipt("refused", str(unusable)), False
        if remote_id is None:
            return None, False
        path = str(update.patch or update.put)
        path = self.settings.send.address + path[3:] if path.startswith("...") else path
        try:
            response = self.client.request(
                update.method, Template(path, for_url=True, more=MORE)(item.named(remote_id)), json=item.body
            )
        except Unanswered as lost:
            return item.receipt("unanswered", str(lost), remote_id), False
        except Refusal as no:
            if no.status == 404:
                return None, known is not None
            return self._refused(item, no.response), False
        return self._taken(item, response, remote_id), False

    def _look(self, item: Item) -> str | None:
        """The id of the record that stands for this value. Raises Unusable when several do."""
        row = self._found(item)
        return None if row is None else _id(compile_path(self.settings.find.id)(row)) if self.settings.find else None

    def _found(self, item: Item) -> Any:
        find = self.settings.find
        if find is None:
            return None
        scope = item.named(None)
        query = {name: Template(text, for_url=False, more=MORE)(scope) for name, text in find.query.items()}
        try:
            response = self.client.get(Template(find.get, for_url=True, more=MORE)(scope), params=query)
        except Refusal as no:
            if no.status == 404:
                return None
            raise
        rows = compile_path(find.rows)(response.json())
        if isinstance(rows, Mapping):
            rows = [rows]
        if len(rows or ()) > 1:
            raise Unusable(f"find gives {len(rows)} records for this value, expected one; make its query narrower")
        return rows[0] if rows else None

    # --- creating ----------------------------------------------------------------------------------------------------

    def _many(self, items: Sequence[Item]) -> Iterator[Receipt]:
        """Create one record, or several in one call."""
        send = self.settings.send
        bodies = [item.body for item in items]
        payload: Any = bodies[0] if not send.rows else bodies if send.rows == "@" else {send.rows: bodies}
        path = Template(send.address, for_url=True, more=MORE)(items[0].named(None))
        refused = False
        try:
            response = self.client.request("POST" if send.post is not None else "PUT", path, json=payload)
        except Unanswered as lost:
            yield from (item.receipt("unanswered", str(lost)) for item in items)
            return
        except Refusal as no:
            response, refused = no.response, True
        answer = _json(response)
        if not refused and answer is None and self._answer.model_fields_set:
            yield from (item.receipt("unanswered", "the answer is no JSON", response=response) for item in items)
            return
        rows = compile_path(self._answer.rows)(answer) if self._answer.rows else None
        if isinstance(rows, list) and len(rows) == len(items):
            yield from (self._verdict(item, row, response) for item, row in zip(items, rows, strict=True))
        elif refused or not self._is_ok(answer):
            yield from self._none_taken(items, answer, response)
        elif self._answer.rows:
            count = len(rows) if isinstance(rows, list) else "no"
            message = f"{count} verdicts on {len(items)} values, expected one each"
            yield from (item.receipt("unanswered", message, response=response) for item in items)
        else:
            yield from (self._taken(item, response, self._id_of(answer)) for item in items)

    def _none_taken(self, items: Sequence[Item], answer: Any, response: Response) -> Iterator[Receipt]:
        """One value was refused; or a call as a whole, because of a value that halving finds."""
        if len(items) == 1:
            yield self._there_already(items[0], answer, None, response) or self._refused(items[0], response)
            return
        middle = len(items) // 2
        try:
            yield from self._many(items[:middle])
            yield from self._many(items[middle:])
        except Transient as failure:
            raise failure from None

    def _verdict(self, item: Item, row: Any, response: Response) -> Receipt:
        """What a row of the answer says about its value."""
        answer = self._answer
        remote_id = _id(compile_path(answer.row_id)(row)) if answer.row_id else None
        if answer.row_ok is None or holds(compile_path(answer.row_ok)(row)):
            return self._taken(item, response, remote_id)
        there = self._there_already(item, row, remote_id, response)
        if there is not None:
            return there
        words = compile_path(answer.row_error)(row) if answer.row_error else None
        return item.receipt("refused", str(words or _said(response))[:200], response=response)

    def _there_already(self, item: Item, answer: Any, remote_id: str | None, response: Response) -> Receipt | None:
        """After a refusal that says the record exists: change that record. None where it says no such thing."""
        if not self._answer.exists or not _says(self._answer.exists, answer):
            return None
        try:
            known = remote_id or self._id_of(answer)
            if known is not None:
                item = Item(_with_id(item.delivery, known), item.scope, item.body)
            receipt, is_gone = self._change(item)
            if receipt is None and is_gone:
                receipt, _ = self._change(item, anew=True)
        except RemoteError as failure:
            return item.receipt("unanswered", str(failure), response=response)
        if receipt is not None:
            return receipt
        return item.receipt(
            "refused", "its record is there already and cannot be changed; add find and send.update", response=response
        )

    # --- verdicts ----------------------------------------------------------------------------------------------------

    def _taken(self, item: Item, response: Response, remote_id: str | None) -> Receipt:
        """Confirmed, once the answer says so and what can be read back is the same."""
        answer = _json(response)
        if not self._is_ok(answer) and not self._answer.rows:
            return self._refused(item, response)
        read_back = self.settings.read_back
        if read_back is None:
            return item.receipt("confirmed", "", remote_id, response)
        try:
            held = self._held(item, remote_id)
        except LookupError:
            return item.receipt("confirmed", "", remote_id, response)
        except (RemoteError, Unusable) as failure:
            return item.receipt("unanswered", f"taken, but not read back: {failure}", remote_id, response)
        wrong = ["record"] if held is None else self._differences(item, held[1])
        if wrong:
            message = f"the destination took it and holds another {', '.join(wrong)}"
            return item.receipt("refused", message, remote_id, response)
        return item.receipt("confirmed", "", remote_id, response)

    def _held(self, item: Item, remote_id: str | None) -> tuple[str | None, Any] | None:
        """The record as it stands there with its id; None when there is none. LookupError where nothing can be read."""
        read_back, find = self.settings.read_back, self.settings.find
        if read_back is not None and read_back.get is not None:
            template = Template(read_back.get, for_url=True, more=MORE)
            if remote_id is None and "remote_id" in template.paths and find is not None:
                remote_id = self._look(item)
                if remote_id is None:
                    return None
            if remote_id is not None or "remote_id" not in template.paths:
                return self._read(template(item.named(remote_id)), remote_id)
        if find is None:
            raise LookupError
        row = self._found(item)
        return None if row is None else (_id(compile_path(find.id)(row)), row)

    def _read(self, path: str, remote_id: str | None) -> tuple[str | None, Any] | None:
        read_back = self.settings.read_back
        try:
            response = self.client.get(path)
        except Refusal as no:
            if no.status in (404, 410):
                return None
            raise
        row = compile_path(read_back.row if read_back else "@")(response.json())
        return None if row is None else (remote_id, row)

    def _differences(self, item: Item, row: Any) -> list[str]:
        """The fields that do not stand there as they were sent."""
        compare = self.settings.read_back.compare if self.settings.read_back else {}
        tolerances = compare or dict.fromkeys(self.settings.body, Decimal(0))
        return [
            name
            for name, tolerance in tolerances.items()
            if not _same(compile_path(name)(item.body), compile_path(name)(row), tolerance)
        ]

    def _is_ok(self, answer: Any) -> bool:
        return self._answer.ok is None or _says(self._answer.ok, answer)

    def _id_of(self, answer: Any) -> str | None:
        return _id(compile_path(self._answer.id)(answer)) if self._answer.id else None

    def _refused(self, item: Item, response: Response) -> Receipt:
        return item.receipt("refused", _said(response), response=response)

    # --- the client --------------------------------------------------------------------------------------------------

    def _judge(self, response: Response) -> RemoteError | None:
        """A refusal keeps its answer; a credential and a busy server are the client's matter."""
        status = response.status
        is_credential = status == 401 or (status == 403 and self._logs_in)
        if 400 <= status < 500 and status not in TRANSIENT and not is_credential:
            return Refusal(response)
        return None

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
            raise AuthError(f"{self.name}: the login was refused ({no.response.vendor_message()})",
                            system=self.name, status=no.status, request_id=no.request_id) from None
        token = compile_path(login.token)(response.json())
        if not isinstance(token, str) or not token:
            found = type(token).__name__
            raise response.error(UnexpectedShape, f"auth.login.token: found {found} at {login.token}, expected text")
        return login.prefix + token


def _json(response: Response) -> Any:
    """The decoded answer, None where it is no JSON."""
    try:
        return response.json()
    except UnexpectedShape:
        return None


def _says(expression: str, answer: Any) -> bool:
    """Whether the expression is true of the answer; one that does not fit it is not."""
    try:
        return holds(compile_path(expression)(answer))
    except ValueError:
        return False


def _said(response: Response) -> str:
    return response.vendor_message() or f"status {response.status}"


def _id(found: Any) -> str | None:
    return str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) and found != "" else None


def _with_id(delivery: Delivery, remote_id: str) -> Delivery:
    return Delivery(delivery.key, delivery.kpi, delivery.person, remote_id, delivery.attempt)


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

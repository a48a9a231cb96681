"""The calls a REST destination is made of: logging in, looking up, creating, changing, reading back.

Each gives what the destination answered; what that means for a value is `destination`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.answer import TRANSIENT, Response
from connector.errors import AuthError, Permanent, RemoteError, UnexpectedShape
from connector.http import Client
from connector.outgoing import Body, OutgoingField, Template, Unusable, place, put
from connector.pace import Pace
from connector.paths import compile_path, steps
from connector.ports import Context, Delivery, Outcome, Receipt
from connector.rest.bodies import Written, as_json, written
from connector.rest.credentials import credential, field_of, secrets_in, secrets_of, session_of
from connector.rest.grammar import MORE, Answer, LoginCall, RestSettings
from connector.rest.listing import Reader
from connector.rest.parts import FilledExpression, Listing, Reading, address
from connector.rest.sending import Update

NUMBERS = ("value", "target", "attainment", "numerator", "denominator")  # of a KPI value; decimals as text


class Refusal(Permanent):
    """The destination said no; its answer is kept, since it may say why and what is there."""

    def __init__(self, response: Response) -> None:
        self.response = response
        system = response.place.get("system", "")
        said = response.vendor_message() or f"status {response.status}"
        super().__init__(
            f"{system}: {response.method} refused with status {response.status}: {said}",
            status=response.status, system=system, request_id=response.request_id,
        )


class Unreadable(Exception):
    """The config names no way to read this record, or what is compared cannot be seen in it."""


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
        self, outcome: Outcome, message: str = "", remote_id: str | None = None, response: Response | None = None,
        *, is_written: bool = False,
    ) -> Receipt:
        """What became of it."""
        status, request_id = (response.status, response.request_id) if response else (None, None)
        return Receipt(self.delivery.key, outcome, remote_id, message, status, request_id, is_written)


@dataclass(frozen=True, slots=True)
class Held:
    """A record as it stands at the destination."""

    remote_id: str | None
    row: Any


class Calls:
    """The calls of one destination, by its settings."""

    def __init__(self, name: str, settings: RestSettings, context: Context) -> None:
        self.name, self.settings, self._zone = name, settings, context.zone
        self._logs_in = settings.auth is not None and settings.auth.login is not None
        self._field = field_of(settings.auth)
        self.client = Client(
            settings.base_url, system=name, context=context, judge=self._judge, forbidden_is_auth=self._logs_in,
            auth=credential(settings.auth, name, context, self._log_in),
            secrets=(*secrets_of(settings.auth), *secrets_in(settings.headers)),
            session=session_of(settings.auth, context.clock), headers=settings.headers,
            pace=Pace(requests_per_second=settings.requests_per_second, budget=context.budget),
        )
        self.reader = Reader(
            self.client, context.zone, settings.answer or Answer.model_validate({}), settings.decode, self._field
        )

    # --- writing -----------------------------------------------------------------------------------------------------

    def create(self, items: Sequence[Item]) -> Response:
        """Create one record, or several in one call. Raises Refusal, Unanswered, RemoteError."""
        send = self.settings.send
        template, scope = address(send.address), items[0].named(None)
        body = self.one(items[0].body, scope) if not send.rows else self.several(items)
        try:
            return self._write(send.method, template(scope), body, scope)
        except Refusal as no:
            if no.status in (404, 405) and not template.paths:  # the same for every value: a fault of the config
                raise no.response.error(
                    Permanent, f"status {no.status}; check base_url and send.{send.method.lower()}"
                ) from None
            raise

    def change(self, item: Item, remote_id: str, row: Any = None) -> Response:
        """Change the record of that id; `row` is how it stands, where that was read. Raises what `create` does."""
        update = self.settings.send.update
        assert update is not None  # noqa: S101  # asked by the caller
        scope = item.named(remote_id)
        body = Body(update.body, self._zone)(scope) if update.body else item.body
        if update.keep is not None:
            body = _over(self._kept(item, remote_id, row, update), body)
        return self._write(update.method, self._at(update.address, scope), self.one(body, scope), scope)

    def withdraw(self, item: Item, remote_id: str | None) -> Response:
        """Take the record of that id back, or the one its address names. Raises what `create` does."""
        withdraw = self.settings.send.withdraw
        assert withdraw is not None  # noqa: S101  # asked by the caller
        scope = item.named(remote_id)
        body = written(self._field, "form") if self._field else Written()
        return self._write(withdraw.method, self._at(withdraw.address, scope), body, scope)

    def one(self, body: Mapping[str, Any], scope: Mapping[str, Any]) -> Written:
        """One record as a body."""
        send = self.settings.send
        if send.as_ == "none":
            return Written()
        if send.as_ == "text":
            is_xml = "xml" in (send.content_type or "")
            text = Template(str(send.text), for_xml=is_xml, more=MORE)(scope)
            return written(text, "text", send.content_type)
        beside = {name: Template(text, more=MORE)(scope) for name, text in send.beside.items()}
        if send.json_field:
            return written({**beside, send.json_field: as_json(body), **self._field}, send.as_, send.content_type)
        return written({**beside, **body, **self._field}, send.as_, send.content_type)

    def several(self, items: Sequence[Item]) -> Written:
        """Several records as one body: a list, or a mapping by what `send.by` says of each."""
        send = self.settings.send
        records: Any = [item.body for item in items]
        if send.by is not None:
            records = {}
            for item in items:
                key = self.key_of(item)
                if send.many:
                    records.setdefault(key, []).append(item.body)
                else:
                    records[key] = item.body
        inner = records if send.rows == "@" else {send.rows: records}
        if send.json_field:
            return written({**send.beside, send.json_field: as_json(inner), **self._field}, send.as_, send.content_type)
        whole = {**send.beside, **inner, **self._field} if isinstance(inner, Mapping) else inner
        return written(whole, send.as_, send.content_type)

    def key_of(self, item: Item) -> str:
        """By what a mapping of rows has this value."""
        return Template(str(self.settings.send.by), more=MORE)(item.named(None))

    def _at(self, written_address: str, scope: Mapping[str, Any]) -> str:
        if written_address.startswith("..."):
            written_address = self.settings.send.address + written_address[3:]
        return address(written_address)(scope)

    def _write(self, method: str, path: str, body: Written, scope: Mapping[str, Any]) -> Response:
        query = {name: Template(text, more=MORE)(scope) for name, text in self.settings.send.query.items()}
        return self.client.request(
            method, path, params=query, data=body.content, headers=body.headers, safe=False,
            body_text="" if self._field else None,
        )

    def _kept(self, item: Item, remote_id: str, row: Any, update: Update) -> dict[str, Any]:
        """The fields of the record as it stands that go along. Raises UnexpectedShape where it cannot be seen."""
        if row is None:
            held = self.held(item, remote_id)
            row = held.row if held else None
        if not isinstance(row, Mapping):
            raise UnexpectedShape(f"{self.name}: found no record to keep fields of, expected it at find or read_back")
        if update.keep == "all":
            return dict(row)
        kept: dict[str, Any] = {}
        for name, path in (update.keep or {}).items():
            put(kept, place(name), compile_path(path)(row))
        return kept

    # --- reading -----------------------------------------------------------------------------------------------------

    def look(self, item: Item) -> Held | None:
        """The record that `find` gives for this value, None without one. Raises Unusable when it gives several."""
        find = self.settings.find
        if find is None:
            return None
        try:
            rows = list(self.reader.rows(find, item.named(None), "find"))
        except Refusal as no:
            self._absent_or_of_this_value(no, find, "find")
            return None
        if len(rows) > 1:
            raise Unusable(f"find gives {len(rows)} records for this value, expected one; make its query narrower")
        if not rows:
            return None
        try:
            return Held(identity(compile_path(find.id)(rows[0])), rows[0])
        except ValueError as error:
            raise UnexpectedShape(f"{self.name}: find.id: {error}", system=self.name) from None

    def looked_up(self, lookup: Listing, scope: Mapping[str, Any], name: str) -> list[Any]:
        """The rows a look-up gives for this value. Raises Unusable, RemoteError."""
        try:
            return list(self.reader.kept_rows(lookup, scope, f"lookups.{name}"))
        except Refusal as no:
            self._absent_or_of_this_value(no, lookup, f"lookups.{name}")
            return []

    def _absent_or_of_this_value(self, no: Refusal, reading: Reading, key: str) -> None:
        """Silent where the refusal says that there is no such record.

        Raises Unusable where the address is this value's own, so that others may be read; else the refusal.
        """
        if no.status in (404, 410) and (reading.paths or not key.startswith("lookups")):
            return
        if reading.paths:
            raise Unusable(f"{key} was refused: {self.said(no.response)}") from None
        raise no

    @property
    def reads_by_id(self) -> bool:
        """Whether a record is read back by the id its writing gave."""
        read_back = self.settings.read_back
        return read_back is not None and read_back.is_call and "remote_id" in read_back.paths

    @property
    def withdraws_by_id(self) -> bool:
        """Whether taking back names the record's id."""
        send = self.settings.send
        named = send.withdraw.address if send.withdraw else ""
        whole = send.address + named[3:] if named.startswith("...") else named
        paths = {*address(whole).paths, *(path for text in send.query.values() for path in address(text).paths)}
        return "remote_id" in paths

    def held(self, item: Item, remote_id: str | None) -> Held | None:
        """The record as it stands there, None when there is none. Raises Unreadable, Unusable, RemoteError."""
        read_back, find = self.settings.read_back, self.settings.find
        if read_back is None or not read_back.is_call:
            if find is None:
                raise Unreadable
            return self.look(item)
        if remote_id is None and "remote_id" in read_back.paths:
            if find is None:
                raise Unreadable
            found = self.look(item)
            if found is None:
                return None
            remote_id = found.remote_id
        scope = item.named(remote_id)
        try:
            answer = self.reader.read(read_back, scope)
        except Refusal as no:
            self._absent_or_of_this_value(no, read_back, "read_back")
            return None
        try:
            row = FilledExpression(read_back.row)(scope, answer)
        except ValueError as error:
            raise UnexpectedShape(f"{self.name}: read_back.row: {error}", system=self.name) from None
        return None if row is None else Held(remote_id, row)

    def differences(self, item: Item, row: Any) -> list[str]:
        """The fields that do not stand there as they were sent. Raises Unreadable for one that cannot be seen."""
        send, read_back = self.settings.send, self.settings.read_back
        sent, fields = item.body, dict(self.settings.body)
        if send.update is not None and send.update.body:
            fields |= send.update.body
            sent = _over(dict(item.body), Body(send.update.body, self._zone)(item.named(None)))
        compare = read_back.compare if read_back else {}
        wrong, unseen = [], []
        for name in compare or self.settings.body:
            if fields[name].omit_null and not _has(sent, name):
                continue  # what was left out stands as it stood
            rule = compare.get(name)
            ours = _at(sent, name)
            if rule is not None and rule.path is not None:
                try:
                    found = FilledExpression(rule.path)(item.named(None), row)
                except ValueError:
                    found = None
                is_seen = found is not None or (steps(rule.path) is not None and _has(row, rule.path))
            else:
                found, is_seen = _at(row, name), _has(row, name)
            if not is_seen and ours not in (None, ""):
                unseen.append(name)
            elif not _same(ours, found, rule.tolerance if rule else Decimal(0), is_number=_is_number(fields[name])):
                wrong.append(name)
        if unseen and not wrong:
            raise Unreadable(f"reading it back shows no {', '.join(unseen)}; check the credential's rights to see it")
        return wrong

    # --- the credential ----------------------------------------------------------------------------------------------

    def _judge(self, response: Response) -> RemoteError | None:
        """A refusal keeps its answer; a credential and a busy server are the client's matter."""
        status = response.status
        is_credential = status == 401 or (status == 403 and self._logs_in)
        is_refusal = 400 <= status < 500 and status not in TRANSIENT and not is_credential
        return Refusal(response) if is_refusal else None

    def _log_in(self, login: LoginCall) -> str:
        body = written({name: value.get_secret_value() for name, value in login.body.items()}, login.as_)
        try:
            response = self.client.request(
                "POST", login.post, data=body.content, headers=body.headers, body_text="(the login)", signed=False,
                safe=True,
            )
        except Refusal as no:
            raise no.response.error(AuthError, f"the login was refused ({self.said(no.response)})") from None
        try:
            token = compile_path(login.token)(self.reader.unpacked(response.json()))
        except ValueError as error:
            raise response.error(UnexpectedShape, f"auth.login.token: {error}") from None
        if not isinstance(token, str) or not token:
            found = type(token).__name__
            raise response.error(UnexpectedShape, f"auth.login.token: found {found} at {login.token}, expected text")
        return login.prefix + token

    def said(self, response: Response) -> str:
        """The destination's own words, or its status."""
        return self.reader.words(response)

    def decoded(self, response: Response) -> Any:
        """The decoded answer, None where it is no JSON."""
        try:
            return self.reader.unpacked(response.json())
        except UnexpectedShape:
            return None


def identity(found: Any) -> str | None:
    """A record's id as text, None where it is none."""
    return str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) and found != "" else None


def _over(under: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One record over another, objects in it field by field."""
    for name, value in over.items():
        inner = under.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        under[name] = _over(dict(inner), value) if both else value  # type: ignore[arg-type]  # `both` says so
    return under


def _at(record: Any, name: str) -> Any:
    for step in place(name):
        if isinstance(step, int):
            record = record[step] if isinstance(record, list) and step < len(record) else None
        else:
            record = record.get(step) if isinstance(record, Mapping) else None
    return record


def _has(record: Any, name: str) -> bool:
    """Whether the record shows that field at all, be it null."""
    *outer, last = place(name)
    for step in outer:
        if isinstance(step, int):
            record = record[step] if isinstance(record, list) and step < len(record) else None
        else:
            record = record.get(step) if isinstance(record, Mapping) else None
    return last in record if isinstance(record, Mapping) else isinstance(record, list)


def _is_number(field: OutgoingField) -> bool:
    """Whether a text of this field is a number: shaped as one, or one of ours that is."""
    shaped = field.as_ if isinstance(field.as_, str) else next(iter(field.as_ or {}), None)
    return shaped == "number" or (shaped is None and field.table is None and field.path in NUMBERS)


def _same(sent: Any, held: Any, tolerance: Decimal, *, is_number: bool) -> bool:
    """Whether two values are equal: numbers by their worth, whether written as text or not; null is empty text.

    A text that is none, such as an employee code, must stand there to the letter: 0012 is not 12.
    """
    if sent in (None, "") or held in (None, ""):
        return sent in (None, "") and held in (None, "")
    if isinstance(sent, bool) or isinstance(held, bool):
        return sent is held
    if isinstance(sent, str) and not is_number and not tolerance:
        return sent == str(held)
    try:
        return abs(Decimal(str(sent)) - Decimal(str(held))) <= tolerance
    except InvalidOperation:
        return str(sent) == str(held)

"""A REST destination described in YAML (`grammar`): one value a call or many, found first, read back afterwards.

How one value goes out: its employee and what it belongs to are looked up; its record is known (from the last receipt)
or looked up by `find`; it is changed by `send.update`, or created by `send`. A refusal that says the record exists
leads to the look-up too. Whatever the status, the verdict is `answer`'s; what was taken is compared by `read_back`
before it counts as confirmed.

An error raised from here says that nothing of what has no receipt yet was taken; whatever may have been is a receipt
`unanswered`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from connector.answer import Response
from connector.errors import RemoteError, Unanswered
from connector.outgoing import Body, Template, Unusable, view
from connector.paths import compile_path
from connector.ports import Check, Context, Delivery, Destination, Employee, Receipt
from connector.rest import employees as directory
from connector.rest.calls import Calls, Held, Item, Refusal, Unreadable, identity
from connector.rest.claims import Claims
from connector.rest.employees import Missing
from connector.rest.grammar import MORE, Answer, RestSettings
from connector.rest.listing import says
from connector.rest.parts import Reading
from connector.rest.verdicts import Told, verdicts

Verdict = Literal["yes", "no", "unclear"]
_UNCLEAR = "the answer says neither that it was taken nor that it was refused"

CALLS_AT_ONCE = 20  # values whose receipts are committed together, where a repeat is harmless


class RestDestination(Destination):
    """Sends by the grammar of its settings."""

    Settings = RestSettings
    settings: RestSettings
    concurrent = True
    withdraws = True  # where the config says how

    def __init__(self, name: str, settings: RestSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        send = settings.send
        self._answer = settings.answer or Answer.model_validate({})
        self._calls = Calls(name, settings, context)
        self._body = Body(settings.body, context.zone)
        overwrites = send.overwrites
        if overwrites is None:
            overwrites = send.put is not None or send.patch is not None
        self.idempotent = overwrites or (settings.find is not None and send.update is not None)
        self.kind = "state" if self.idempotent else "log"
        self.withdraws = send.withdraw is not None
        self.batch = send.batch if send.rows else CALLS_AT_ONCE if self.idempotent else 1
        self._uses_employee = settings.uses_employee
        self._knowing = threading.Lock()
        self._directory: directory.Directory | None = None
        self._claims = Claims(settings.one_value)
        self._gone: set[str] = set()  # what was sent to a record that is no more: whether another was made is unknown

    @classmethod
    def cannot(cls, settings: RestSettings) -> Mapping[str, str]:
        found = {}
        if settings.send.withdraw is None:
            found["withdraw"] = "send.withdraw does not say how a value is taken back, expected it there, or no"
        if settings.read_back is None and settings.find is None:
            found["verify"] = "nothing can be read back, expected read_back or find beside it, or never"
        if settings.unready is not None:
            found["push"] = settings.unready
        if settings.holds_one_period:
            found["periods"] = "it has room for one period of a KPI, expected current"
        return found

    @classmethod
    def has_directory(cls, settings: RestSettings) -> bool:
        return settings.employees is not None and settings.employees.code is not None

    def employees(self) -> Iterator[Employee]:
        grammar = self.settings.employees
        assert grammar is not None  # noqa: S101  # `has_directory` was asked
        reader = self._calls.reader
        teams = None
        if grammar.teams is not None:
            teams = directory.team_names(reader.rows(grammar.teams, {}, "employees.teams"), grammar)
        return directory.people(reader.rows(grammar, {}, "employees"), grammar, self.context.zone, teams)

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        fresh = []
        for delivery in deliveries:
            self._claims.note(delivery, view(delivery))
        for delivery in deliveries:
            try:
                if self.settings.unready is not None:
                    raise Unusable(self.settings.unready)
                self._claims.alone_in_its_place(delivery, view(delivery))
                item = self._item(delivery)
                receipt = self._stands(item) or self._changed(item)
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))
                continue
            if receipt is not None:
                yield receipt
            elif self.settings.send.rows:
                fresh.append(item)
            else:
                yield from self._create([item])
        for call in self._shared_calls(fresh):
            yield from self._create(call)

    def content(self, delivery: Delivery) -> Any:
        """Their record, and by what its employee is found; a value that cannot be said is content as it is."""
        scope = seen(delivery)
        self._claims.note(delivery, scope)
        try:
            record: Any = self._body(scope)
            update = self.settings.send.update
            if update is not None and update.body:
                record = {**record, "update": Body(update.body, self.context.zone)(scope)}
        except Unusable:
            record = super().content(delivery)
        if self.settings.employees is None:
            return {"body": record}
        ours = scope["subject"]["employee_code"], scope["subject"]["email"]
        override = directory.override(self.settings.employees, *ours)
        return {"body": record, "found_by": [*ours] if override is None else [*ours, override]}

    def fields(self, delivery: Delivery) -> Mapping[str, Any]:
        """Their record; what is looked up there stands empty in it."""
        try:
            return self._body(seen(delivery))
        except Unusable:
            return super().fields(delivery)

    def find(self, delivery: Delivery) -> Receipt | None:
        try:
            item = self._item(delivery)
            held = self._known(item) if delivery.attempt else self._calls.held(item, delivery.remote_id)
            wrong = self._calls.differences(item, held.row) if held else []
        except (Unreadable, Unusable):
            return None
        if held is None:
            return item.receipt("retry", "not there")
        if wrong:
            return item.receipt("retry", f"holds another {', '.join(wrong)}", held.remote_id)
        return item.receipt("confirmed", "read back", held.remote_id)

    def may_repeat(self, delivery: Delivery) -> bool:
        """A known record may be changed again, also where another would be a second one."""
        if delivery.key in self._gone:
            return self.idempotent
        is_known = delivery.remote_id is not None and self.settings.send.update is not None
        return is_known or super().may_repeat(delivery)

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """A record that can be read goes only while it is as we wrote it; what somebody changed stays."""
        for delivery in deliveries:
            try:
                yield self._withdrawn(self._item(delivery))
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))

    def check(self) -> Iterator[Check]:
        settings = self.settings
        fixed: list[Reading] = [one for one in (settings.employees, *settings.lookups.values(), settings.find)
                                if one is not None and not one.paths]
        if not fixed:
            yield Check("can be reached", True, "nothing can be read without writing; the first push will show")
            return
        probe = fixed[0]
        try:
            self._calls.reader.read(probe, {})
        except RemoteError as error:
            yield Check(f"{probe.method} {probe.address}", False, str(error))
        else:
            yield Check(f"{probe.method} {probe.address}", True)

    def finish(self) -> None:
        self._claims.forget()

    @property
    def requests(self) -> int:
        return self._calls.client.requests

    def close(self) -> None:
        self._calls.client.close()

    # --- a value made ready ------------------------------------------------------------------------------------------

    def _item(self, delivery: Delivery) -> Item:
        """Raises Unusable for a value that cannot be said, and RemoteError when their lists cannot be read."""
        scope = seen(delivery)
        subject = scope["subject"]
        if self.settings.employees is not None and subject["kind"] == "person":
            self._know(delivery, scope, subject)
        found: dict[str, Any] = {}
        scope["lookup"] = found
        for name, lookup in self.settings.lookups.items():
            rows = self._calls.looked_up(lookup, scope, name)
            if len(rows) > 1:
                raise Unusable(f"lookups.{name} gives {len(rows)} records, expected one; make it narrower")
            if not rows and lookup.on_miss != "null":
                raise Missing(f"lookups.{name}: the destination has no such record; make it there, or mend the config")
            found[name] = rows[0] if rows else None
        body = self._body(scope)
        return Item(delivery, {**scope, "body": body}, body)

    def _know(self, delivery: Delivery, scope: dict[str, Any], subject: dict[str, Any]) -> None:
        """Put their employee into the scope: the row, and the code they know them by."""
        grammar = self.settings.employees
        assert grammar is not None  # noqa: S101  # asked by the caller
        with self._knowing:
            if self._directory is None:
                self._directory = directory.Directory(self._calls.reader.rows(grammar, {}, "employees"), grammar)
        ours = subject["employee_code"], subject["email"]
        try:
            person = self._directory.person(*ours)
        except Missing:
            if grammar.on_miss != "null":
                raise
            subject["employee_code"] = None
            return
        if person.row is None and self._uses_employee:
            raise Unusable("several rows there have this employee's code and differ; correct it there")
        self._claims.alone_of_its_employee(delivery, ours, person, self._directory)
        subject["employee_code"] = person.code if grammar.code else subject["employee_code"]
        scope["employee"] = person.row

    def _shared_calls(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """The values that go together in one call: of one address, and within what a call takes."""
        send = self.settings.send
        template = Template(send.address, for_url=True, more=MORE)
        calls: dict[str, list[list[Item]]] = {}
        for item in items:
            at = calls.setdefault(template(item.named(None)), [])
            if not at or not self._has_room(at[-1], item):
                at.append([])
            at[-1].append(item)
        for at in calls.values():
            yield from at

    def _has_room(self, call: Sequence[Item], item: Item) -> bool:
        send = self.settings.send
        if len(call) >= send.batch:
            return False
        if send.by and not send.many and self._calls.key_of(item) in map(self._calls.key_of, call):
            return False
        if send.max_bytes is None or not call:
            return True
        return len(self._calls.several([*call, item]).content or b"") <= send.max_bytes

    # --- a record that is there --------------------------------------------------------------------------------------

    def _known(self, item: Item) -> Held | None:
        """The record a send without an answer may have written. Raises Unreadable where nobody can tell.

        What creates a record each time has made another than the one known from before; and where the known one has
        gone, another may have been made in its place.
        """
        key, remote_id = item.delivery.key, item.delivery.remote_id
        self._gone.discard(key)
        if self.settings.send.update is None or not self._calls.reads_by_id:
            return self._calls.held(item, None)
        held = self._calls.held(item, remote_id)
        if held is not None or remote_id is None:
            return held
        self._gone.add(key)
        return self._calls.held(item, None)

    def _stands(self, item: Item) -> Receipt | None:
        """The confirmation of a value that stands there already, where that is looked at first."""
        read_back = self.settings.read_back
        if read_back is None or not read_back.first:
            return None
        try:
            held = self._calls.held(item, item.delivery.remote_id)
            if held is None or self._calls.differences(item, held.row):
                return None
        except Unreadable:
            return None
        return item.receipt("confirmed", "it stood there already", held.remote_id)

    def _changed(self, item: Item) -> Receipt | None:
        """Change the value's record; None when there is none. Raises Unusable when there are several."""
        if self.settings.send.update is None:
            return None
        if item.delivery.remote_id is not None:
            receipt = self._change(item, item.delivery.remote_id)
            if receipt is not None:
                return receipt
        found = self._calls.look(item)
        if found is None:
            return None
        if found.remote_id is None:
            raise Unusable("find shows this value's record without an id, expected one at find.id")
        return self._change(item, found.remote_id, found)

    def _change(self, item: Item, remote_id: str, found: Held | None = None) -> Receipt | None:
        """None when the record has gone."""
        try:
            response = self._calls.change(item, remote_id, found.row if found else None)
        except Unanswered as lost:
            return item.receipt("unanswered", str(lost), remote_id)
        except Refusal as no:
            said = self._calls.said(no.response)
            return None if no.status in (404, 410) else item.receipt("refused", said, None, no.response)
        verdict = self._said_of_one(response)
        if verdict == "unclear":
            return item.receipt("unanswered", _UNCLEAR, remote_id, response)
        if verdict == "no":
            return item.receipt("refused", self._calls.said(response), None, response)
        return self._taken(item, response, remote_id)

    def _withdrawn(self, item: Item) -> Receipt:  # noqa: PLR0911  # each is one thing that may be found there
        remote_id = item.delivery.remote_id
        try:
            held = self._calls.held(item, remote_id)
            if held is None:
                return item.receipt("confirmed", "it is not there any more")
            if self._calls.differences(item, held.row):
                return item.receipt("refused", "somebody changed it there, so it was not taken back")
            remote_id = remote_id or held.remote_id
        except Unreadable:
            pass
        if remote_id is None and self._calls.withdraws_by_id:
            return item.receipt("refused", "its id there is not known, so it cannot be taken back")
        try:
            response = self._calls.withdraw(item, remote_id)
        except Unanswered as lost:
            return item.receipt("unanswered", str(lost), remote_id)
        except Refusal as no:
            if no.status in (404, 410):
                return item.receipt("confirmed", "it is not there any more")
            return item.receipt("refused", self._calls.said(no.response), remote_id, no.response)
        verdict = self._said_of_one(response)
        if verdict == "unclear":
            return item.receipt("unanswered", _UNCLEAR, remote_id, response)
        if verdict == "no":
            return item.receipt("refused", self._calls.said(response), remote_id, response)
        return item.receipt("confirmed", "taken back", None, response)

    # --- creating ----------------------------------------------------------------------------------------------------

    def _create(self, items: Sequence[Item]) -> Iterator[Receipt]:
        """Create one record, or several in one call."""
        is_refused = False
        try:
            response = self._calls.create(items)
        except Unanswered as lost:
            yield from (item.receipt("unanswered", str(lost)) for item in items)
            return
        except Refusal as no:
            response, is_refused = no.response, True
        answer, rows_at = self._calls.decoded(response), self._answer.rows
        rows = self._rows(items, answer) if rows_at else ""
        verdict = "no" if is_refused else self._said_of_all(answer, response, has_rows=rows_at is not None)
        if verdict == "unclear":
            yield from (item.receipt("unanswered", _UNCLEAR, None, response) for item in items)
        elif isinstance(rows, list) and (verdict == "yes" or self._says_yes_by_row):
            for item, row in zip(items, rows, strict=True):
                yield self._verdict(item, row, response)
        elif verdict != "yes":
            yield from self._none_taken(items, answer, response)
        elif rows_at:
            yield from (item.receipt("unanswered", str(rows), None, response) for item in items)
        else:
            yield from (self._taken(item, response, self._id_of(answer)) for item in items)

    @property
    def _says_yes_by_row(self) -> bool:
        """Whether a row may say that its value was taken although the call was refused."""
        return self._answer.row_ok is not None and not self._answer.only_refused

    def _rows(self, items: Sequence[Item], answer: Any) -> list[Any] | str:
        keys = [self._calls.key_of(item) for item in items] if self.settings.send.by else None
        try:
            found = compile_path(str(self._answer.rows))(answer)
        except ValueError:
            found = None
        return verdicts(self._answer, items, keys, found)

    def _none_taken(self, items: Sequence[Item], answer: Any, response: Response) -> Iterator[Receipt]:
        """The call was refused: for its one value, or as a whole because of some of them, which halving finds."""
        if len(items) > 1:
            middle = len(items) // 2
            yield from self._create(items[:middle])
            yield from self._create(items[middle:])
            return
        there = self._there_already(items[0], answer, None, response)
        yield there or items[0].receipt("refused", self._calls.said(response), None, response)

    def _verdict(self, item: Item, row: Any, response: Response) -> Receipt:
        """What a row of the answer says about its value."""
        answer = self._answer
        if row is Told.NOTHING:
            return item.receipt("unanswered", "the answer has no verdict on this value", None, response)
        if row is Told.TAKEN:
            return self._taken(item, response, None)
        remote_id = identity(_told(answer.row_id, row))
        if not answer.only_refused and (answer.row_ok is None or says(answer.row_ok, row)):
            return self._taken(item, response, remote_id)
        there = self._there_already(item, row, remote_id, response)
        if there is not None:
            return there
        words = _told(answer.row_error, row)
        return item.receipt("refused", str(words or self._calls.said(response))[:200], None, response)

    def _there_already(self, item: Item, answer: Any, remote_id: str | None, response: Response) -> Receipt | None:
        """After a refusal that says the record exists: change that record. None where it says no such thing."""
        if not self._answer.exists or not says(self._answer.exists, answer):
            return None
        known = remote_id or self._id_of(answer) or item.delivery.remote_id
        named = replace(item, delivery=replace(item.delivery, remote_id=known))
        try:
            receipt = self._changed(named)
        except Unusable as unusable:
            return item.receipt("refused", str(unusable), None, response)
        except RemoteError as failure:
            return item.receipt("unanswered", str(failure), known, response)
        if receipt is not None:
            return receipt
        message = "its record is there already and cannot be changed; expected find and send.update in the config"
        return item.receipt("refused", message, None, response)

    # --- what was taken ----------------------------------------------------------------------------------------------

    def _taken(self, item: Item, response: Response, remote_id: str | None) -> Receipt:
        """Confirmed, once what can be read back is the same."""
        if self.settings.read_back is None:
            return item.receipt("confirmed", "", remote_id, response)
        try:
            held = self._calls.held(item, remote_id)
            wrong = ["record"] if held is None else self._calls.differences(item, held.row)
        except Unreadable as unreadable:
            why = str(unreadable) or "the answer gave no id to read it back by"
            return item.receipt("unanswered", f"taken, but {why}", remote_id, response)
        except (RemoteError, Unusable) as failure:
            return item.receipt("unanswered", f"taken, but not read back: {failure}", remote_id, response)
        if wrong:
            message = f"the destination took it and holds another {', '.join(wrong)}"
            return item.receipt("refused", message, remote_id, response, is_written=True)
        return item.receipt("confirmed", "", remote_id or (held.remote_id if held else None), response)

    def _said_of_one(self, response: Response) -> Verdict:
        """What the answer to a change or a withdrawal says."""
        return self._said_of_all(self._calls.decoded(response), response, has_rows=False)

    def _said_of_all(self, answer: Any, response: Response, *, has_rows: bool) -> Verdict:
        """What an answer with a good status says of the call as a whole."""
        rules = self._answer
        if answer is None and response.status != 204 and (rules.ok or has_rows):
            return "unclear"
        if rules.statuses is not None and response.status not in rules.statuses:
            return "no"
        if rules.ok is None or (answer is None and response.status == 204) or says(rules.ok, answer):
            return "yes"
        return "no" if rules.refused is None or says(rules.refused, answer) else "unclear"

    def _id_of(self, answer: Any) -> str | None:
        return identity(_told(self._answer.id, answer))


def seen(delivery: Delivery) -> dict[str, Any]:
    """What paths and templates address: the view of a delivery, and a short form of its key."""
    return {**view(delivery), "key_hash": hashlib.sha256(delivery.key.encode()).hexdigest()[:32]}


def _told(path: str | None, answer: Any) -> Any:
    """What an expression gives of an answer; nothing where it does not fit."""
    try:
        return compile_path(path)(answer) if path else None
    except ValueError:
        return None

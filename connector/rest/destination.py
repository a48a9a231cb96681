"""A REST destination described in YAML (`grammar`): one value a call or many, found first, read back afterwards.

How one value goes out: its record is known (from the last receipt) or looked up by `find`; it is changed by
`send.update`, or created by `send.post`. A refusal that says the record exists leads to the look-up too. Whatever the
status, the verdict is `answer`'s; what was taken is compared by `read_back` before it counts as confirmed.

An error raised from here says that nothing of what has no receipt yet was taken; whatever may have been is a receipt
`unanswered`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from connector.answer import Response
from connector.errors import RemoteError, Unanswered
from connector.outgoing import Body, Template, Unusable, view
from connector.paths import compile_path
from connector.ports import Check, Context, Delivery, Destination, Employee, Receipt
from connector.rest import employees as directory
from connector.rest.calls import Calls, Item, Refusal, Unreadable, decoded, identity, said, says
from connector.rest.grammar import MORE, Answer, RestSettings

CALLS_AT_ONCE = 20  # values whose receipts are committed together, where a repeat is harmless


class RestDestination(Destination):
    """Sends by the grammar of its settings."""

    Settings = RestSettings
    settings: RestSettings

    def __init__(self, name: str, settings: RestSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        send = settings.send
        self._answer = settings.answer or Answer.model_validate({})
        self._calls = Calls(name, settings, context)
        self._body = Body(settings.body, context.zone)
        self.idempotent = send.put is not None or (settings.find is not None and send.update is not None)
        self.batch = send.batch if send.rows else CALLS_AT_ONCE if self.idempotent else 1
        self._directory: directory.Directory | None = None

    @classmethod
    def has_directory(cls, settings: RestSettings) -> bool:
        return settings.employees is not None

    def employees(self) -> Iterator[Employee]:
        assert self.settings.employees is not None  # noqa: S101  # `has_directory` was asked
        return directory.people(self._calls.client, self.settings.employees, self.context.zone)

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        fresh = []
        for delivery in deliveries:
            try:
                item = self._item(delivery)
                receipt = self._changed(item)
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))
                continue
            if receipt is not None:
                yield receipt
            elif self.settings.send.rows:
                fresh.append(item)
            else:
                yield from self._create([item])
        if fresh:
            yield from self._create(fresh)

    def content(self, delivery: Delivery) -> Any:
        """Their record, and by what its employee is found; a value that cannot be said is content as it is."""
        scope = view(delivery)
        try:
            record: Any = self._body(scope)
        except Unusable:
            record = super().content(delivery)
        if self.settings.employees is None:
            return {"body": record}
        return {"body": record, "found_by": [scope["subject"]["employee_code"], scope["subject"]["email"]]}

    def find(self, delivery: Delivery) -> Receipt | None:
        try:
            item = self._item(delivery)
            held = self._calls.held(item, delivery.remote_id)
        except Unreadable:
            if delivery.remote_id is not None and self.settings.send.update is not None:
                return item.receipt("retry", "cannot be read, but changing a known record again is harmless")
            return None
        except Unusable:
            return None
        if held is None:
            return item.receipt("retry", "not there")
        wrong = self._calls.differences(item, held.row)
        if wrong:
            return item.receipt("retry", f"holds another {', '.join(wrong)}", held.remote_id)
        return item.receipt("confirmed", "read back", held.remote_id)

    def check(self) -> Iterator[Check]:
        employees, find = self.settings.employees, self.settings.find
        probe = employees.get if employees else None
        if probe is None and find is not None and not Template(find.get, for_url=True, more=MORE).paths:
            probe = find.get
        if probe is None:
            yield Check("can be reached", True, "nothing can be read without writing; the first push will show")
            return
        try:
            self._calls.client.get(probe)
        except RemoteError as error:
            yield Check(f"GET {probe}", False, str(error))
        else:
            yield Check(f"GET {probe}", True)

    def close(self) -> None:
        self._calls.client.close()

    def _item(self, delivery: Delivery) -> Item:
        """Raises Unusable for a value that cannot be said, and RemoteError when their employees cannot be read."""
        scope = view(delivery)
        employees, subject = self.settings.employees, scope["subject"]
        if employees is not None and subject["kind"] == "person":
            if self._directory is None:
                rows = directory.read(self._calls.client, employees)
                self._directory = directory.Directory(rows, employees)
            subject["employee_code"] = self._directory.code(subject["employee_code"], subject["email"])
        body = self._body(scope)
        return Item(delivery, {**scope, "body": body}, body)

    # --- a record that is there --------------------------------------------------------------------------------------

    def _changed(self, item: Item) -> Receipt | None:
        """Change the value's record; None when there is none. Raises Unusable when there are several."""
        if self.settings.send.update is None:
            return None
        if item.delivery.remote_id is not None:
            receipt = self._change(item, item.delivery.remote_id)
            if receipt is not None:
                return receipt
        found = self._calls.look(item)
        return None if found is None or found.remote_id is None else self._change(item, found.remote_id)

    def _change(self, item: Item, remote_id: str) -> Receipt | None:
        """None when the record has gone."""
        try:
            response = self._calls.change(item, remote_id)
        except Unanswered as lost:
            return item.receipt("unanswered", str(lost), remote_id)
        except Refusal as no:
            return None if no.status in (404, 410) else item.receipt("refused", said(no.response), None, no.response)
        answer = decoded(response)
        if answer is None and response.content.strip() and self._answer.ok:
            return item.receipt("unanswered", "the answer is no JSON", remote_id, response)
        if not self._is_ok(answer, response):
            return item.receipt("refused", said(response), None, response)
        return self._taken(item, response, remote_id)

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
        answer, rows_at = decoded(response), self._answer.rows
        rows = compile_path(rows_at)(answer) if rows_at else None
        if isinstance(rows, list) and len(rows) == len(items):
            yield from (self._verdict(item, row, response) for item, row in zip(items, rows, strict=True))
        elif is_refused:
            yield from self._none_taken(items, answer, response)
        elif answer is None and response.status != 204 and (self._answer.ok or rows_at):
            yield from (item.receipt("unanswered", "the answer is no JSON", None, response) for item in items)
        elif not self._is_ok(answer, response):
            yield from self._none_taken(items, answer, response)
        elif rows_at:
            count = len(rows) if isinstance(rows, list) else "no"
            message = f"{count} verdicts on {len(items)} values, expected one each"
            yield from (item.receipt("unanswered", message, None, response) for item in items)
        else:
            yield from (self._taken(item, response, self._id_of(answer)) for item in items)

    def _none_taken(self, items: Sequence[Item], answer: Any, response: Response) -> Iterator[Receipt]:
        """The call was refused: for its one value, or as a whole because of some of them, which halving finds."""
        if len(items) > 1:
            middle = len(items) // 2
            yield from self._create(items[:middle])
            yield from self._create(items[middle:])
            return
        there = self._there_already(items[0], answer, None, response)
        yield there or items[0].receipt("refused", said(response), None, response)

    def _verdict(self, item: Item, row: Any, response: Response) -> Receipt:
        """What a row of the answer says about its value."""
        answer = self._answer
        remote_id = identity(compile_path(answer.row_id)(row)) if answer.row_id else None
        if answer.row_ok is None or says(answer.row_ok, row):
            return self._taken(item, response, remote_id)
        there = self._there_already(item, row, remote_id, response)
        if there is not None:
            return there
        words = compile_path(answer.row_error)(row) if answer.row_error else None
        return item.receipt("refused", str(words or said(response))[:200], None, response)

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
        except Unreadable:
            return item.receipt("confirmed", "", remote_id, response)
        except (RemoteError, Unusable) as failure:
            return item.receipt("unanswered", f"taken, but not read back: {failure}", remote_id, response)
        wrong = ["record"] if held is None else self._calls.differences(item, held.row)
        if wrong:
            message = f"the destination took it and holds another {', '.join(wrong)}"
            return item.receipt("refused", message, remote_id, response)
        return item.receipt("confirmed", "", remote_id or (held.remote_id if held else None), response)

    def _is_ok(self, answer: Any, response: Response) -> bool:
        return self._answer.ok is None or not response.content.strip() or says(self._answer.ok, answer)

    def _id_of(self, answer: Any) -> str | None:
        return identity(compile_path(self._answer.id)(answer)) if self._answer.id else None

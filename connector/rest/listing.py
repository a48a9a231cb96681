"""Reading their lists: page by page, filtered by `where`, and once a run where every value asks the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from connector.answer import Response
from connector.errors import Permanent, UnexpectedShape
from connector.http import Client
from connector.model import canonical_json
from connector.outgoing import Body, Template, put
from connector.paging import Answer as Page
from connector.paging import Ask
from connector.paths import compile_path, holds
from connector.ports import decode
from connector.rest.bodies import Written, written
from connector.rest.grammar import Answer
from connector.rest.parts import MORE, FilledExpression, Listing, Reading, address

MOST_PAGES = 100_000


class Reader:
    """Makes the reading calls of one destination. `field` goes into every body (a credential that stands there)."""

    def __init__(
        self, client: Client, zone: tzinfo, answer: Answer, decoded: list[str], field: Mapping[str, str]
    ) -> None:
        self.client, self._zone, self._rules, self._field = client, zone, answer, field
        self._decoded = [(tuple(name.split(".")), compile_path(name)) for name in decoded]
        self._kept: dict[str, list[Any]] = {}
        self._keeping = threading.Lock()

    def read(self, reading: Reading, scope: Mapping[str, Any]) -> Any:
        """The decoded answer to one question. Raises RemoteError."""
        return self.answer(self._asked(reading, self._ask(reading, scope)))

    def rows(self, listing: Listing, scope: Mapping[str, Any], key: str) -> Iterator[Any]:
        """The rows that are meant, of every page. `key` names the list in errors. Raises RemoteError."""
        ask = self._ask(listing, scope)
        return self._meant(listing, scope, self._pages(listing, ask, scope, key))

    def kept_rows(self, listing: Listing, scope: Mapping[str, Any], key: str) -> Iterator[Any]:
        """The same; what was asked before in this run is not asked again. Raises RemoteError."""
        ask = self._ask(listing, scope)
        rows_at = FilledExpression(listing.rows)
        name = canonical_json([key, ask.path, dict(ask.params), ask.body, [rows_at.filled(scope)]])
        with self._keeping:  # others wait for the list instead of asking for it as well
            if name not in self._kept:
                self._kept[name] = list(self._pages(listing, ask, scope, key))
            kept = self._kept[name]
        return self._meant(listing, scope, iter(kept))

    def answer(self, response: Response) -> Any:
        """A reading's decoded answer. Raises UnexpectedShape, and Permanent for an answer that is none."""
        found = self.unpacked(response.json())
        rule = self._rules.read_ok
        if rule is not None and not says(rule, found):
            raise response.error(Permanent, f"the answer to a look-up says no: {self.words(response)}")
        return found

    def unpacked(self, answer: Any) -> Any:
        """The answer with its JSON texts decoded; what is no JSON stays text."""
        for steps, get in self._decoded:
            text = get(answer) if isinstance(answer, Mapping) else None
            if isinstance(text, str):
                try:
                    inner = decode(text.encode())
                except ValueError:
                    continue
                answer = _copied(answer, steps)
                put(answer, steps, inner)
        return answer

    def words(self, response: Response) -> str:
        """The destination's own words, or its status."""
        rules = self._rules
        told = response.headers.get(rules.error_header) if rules.error_header else None
        if not told and rules.error:
            try:
                told = compile_path(rules.error)(self.unpacked(decode(response.content)))
            except ValueError:
                told = None
        if told:
            return " ".join(response.redactor.text(str(told)).split())[:200]
        return response.vendor_message() or f"status {response.status}"

    # --- one question ------------------------------------------------------------------------------------------------

    def _ask(self, reading: Reading, scope: Mapping[str, Any]) -> Ask:
        query = {name: Template(text, more=MORE)(scope) for name, text in reading.query.items()}
        body = Body(reading.body, self._zone)(scope) if reading.body or reading.method == "POST" else None
        return Ask(address(reading.address)(scope), query, body)

    def _asked(self, reading: Reading, ask: Ask) -> Response:
        body = {**(ask.body or {}), **self._field} if ask.body is not None or self._field else None
        form = "form" if ask.body is None else reading.as_
        sent = written(body, form) if body is not None else Written()
        return self.client.request(
            reading.method, ask.path, params=ask.params, data=sent.content, headers=sent.headers, safe=True,
            body_text="" if self._field else None,
        )

    def _pages(self, listing: Listing, ask: Ask, scope: Mapping[str, Any], key: str) -> Iterator[Any]:
        pages, position, before = listing.paging(), None, None
        seen: set[str] = set()
        rows_at = FilledExpression(listing.rows)
        for _number in range(MOST_PAGES):
            posts = ask.body is not None and listing.method == "GET"
            asked = pages.prepare(Ask(ask.path, ask.params) if posts else ask, position)
            response = self._asked(listing, Ask(asked.path, asked.params, ask.body) if posts else asked)
            answer = self.answer(response)
            try:
                rows = rows_at(scope, answer)
            except ValueError as error:
                raise response.error(UnexpectedShape, f"{key}.rows: {error}") from None
            rows = [rows] if isinstance(rows, Mapping) else rows
            if not isinstance(rows, list):
                found = type(rows).__name__
                raise response.error(UnexpectedShape, f"{key}.rows: found {found} at {listing.rows}, expected a list")
            if listing.page and rows and rows == before:
                return  # the same page again: the parameter is ignored, and this was all
            yield from rows
            before = rows
            try:
                position = pages.learn(Page(answer, response.headers, len(rows), response.url), position)
            except ValueError as error:
                raise response.error(UnexpectedShape, f"{key}: the next page: {error}") from None
            if position is None or str(position) in seen:
                return
            seen.add(str(position))

    def _meant(self, listing: Listing, scope: Mapping[str, Any], rows: Iterator[Any]) -> Iterator[Any]:
        if listing.where is None:
            return rows
        where = FilledExpression(listing.where).of(scope)
        return (row for row in rows if _holds(where, row))


def _holds(where: Any, row: Any) -> bool:
    """Whether the row is meant; one that the expression does not fit is not."""
    try:
        return holds(where(row))
    except ValueError:
        return False


def says(expression: str, answer: Any) -> bool:
    """Whether the expression is true of the answer; one that does not fit it is not."""
    return _holds(compile_path(expression), answer)


def _copied(record: Any, steps: tuple[str, ...]) -> dict[str, Any]:
    """The record, with the objects on the way to these steps copied, so that they may be changed."""
    made = dict(record)
    inner = made
    for step in steps[:-1]:
        inner[step] = dict(inner[step])
        inner = inner[step]
    return made

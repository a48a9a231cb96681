"""How vendors cut a collection into pages: learn from an answer, prepare the next request. Nothing here makes a call.

A position is JSON-able and names the next page exactly, so that a reading can be saved after any page and taken up
again. None is the first page before a request, and the end after an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import urljoin

from connector.errors import UnexpectedShape
from connector.paths import compile_path

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*"?(?:[^";]*\s)?next(?:\s[^";]*)?"?\s*(?:[;,]|$)', re.IGNORECASE)


@dataclass(frozen=True)
class Ask:
    """A request about to be made: path or whole address, parameters, and the JSON body where it is a POST."""

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None

    def plus(self, **given: Any) -> Ask:
        """With these among the parameters, or in the body where there is one."""
        if self.body is not None:
            return replace(self, body={**self.body, **given})
        return replace(self, params={**self.params, **given})


@dataclass(frozen=True)
class Answer:
    """What paging may learn from: the decoded body, the headers, the number of rows, the address that was asked."""

    body: Any
    headers: Mapping[str, str]
    rows: int
    url: str = ""


class Pages(Protocol):
    """One paging style."""

    def prepare(self, ask: Ask, position: Any) -> Ask:
        """The request for the page at this position; None is the first."""

    def learn(self, answer: Answer, position: Any) -> Any:
        """The position after this answer; None at the end. UnexpectedShape where it would go in circles."""


@dataclass(frozen=True)
class OnePage:
    """Everything comes in one answer."""

    def prepare(self, ask: Ask, position: Any) -> Ask:
        return ask

    def learn(self, answer: Answer, position: Any) -> Any:
        return None


@dataclass(frozen=True)
class CursorPages:
    """The answer names its successor: `reads` is the path to it, `sends` the parameter it goes into.

    `more` is the path of a flag that must be true for there to be another page, for vendors that always send a cursor.
    """

    reads: str
    sends: str
    more: str = ""

    @cached_property
    def _read(self) -> Any:
        return compile_path(self.reads)

    @cached_property
    def _more(self) -> Any:
        return compile_path(self.more)

    def prepare(self, ask: Ask, position: Any) -> Ask:
        return ask if position is None else ask.plus(**{self.sends: position})

    def learn(self, answer: Answer, position: Any) -> Any:
        following = self._read(answer.body)
        if following in (None, "") or (self.more and not self._more(answer.body)):
            return None
        return _onward(following, position, self.reads)


@dataclass(frozen=True)
class OffsetPages:
    """Rows are counted: the position is the number of rows before the page.

    The end is an answer without rows, or `total` (a path) reached. A short page is the end only where `short_ends`:
    many servers cut a page below the size asked for. `reads` is the path of the next offset, for those who tell it.
    """

    sends: str = "offset"
    size: int = 100
    size_name: str = "limit"
    total: str = ""
    reads: str = ""
    short_ends: bool = False

    def prepare(self, ask: Ask, position: Any) -> Ask:
        return ask.plus(**{self.size_name: self.size, self.sends: position or 0})

    def learn(self, answer: Answer, position: Any) -> Any:
        if self.reads:
            told = compile_path(self.reads)(answer.body)
            return None if told is None else _onward(told, position, self.reads)
        following = (position or 0) + answer.rows
        total = compile_path(self.total)(answer.body) if self.total else None
        if answer.rows == 0 or (total is not None and following >= int(total)):
            return None
        return None if self.short_ends and answer.rows < self.size else following


@dataclass(frozen=True)
class PageNumberPages:
    """Pages are numbered from `first`.

    The end is an answer without rows, the last of `last` (the path of the number of pages), or a false `more` (the
    path of a flag). `size_name` empty: the size is not asked for.
    """

    sends: str = "page"
    first: int = 1
    size: int = 100
    size_name: str = ""
    last: str = ""
    more: str = ""

    def prepare(self, ask: Ask, position: Any) -> Ask:
        sized = ask.plus(**{self.size_name: self.size}) if self.size_name else ask
        return sized.plus(**{self.sends: self.first if position is None else position})

    def learn(self, answer: Answer, position: Any) -> Any:
        number = self.first if position is None else position
        if answer.rows == 0 or (self.more and not compile_path(self.more)(answer.body)):
            return None
        last = compile_path(self.last)(answer.body) if self.last else None
        if last is not None and number - self.first + 1 >= int(last):
            return None
        return number + 1


@dataclass(frozen=True)
class NextLink:
    """The body holds the whole address of the next page, at the path `reads`."""

    reads: str

    def prepare(self, ask: Ask, position: Any) -> Ask:
        return ask if position is None else replace(ask, path=position, params={})

    def learn(self, answer: Answer, position: Any) -> Any:
        told = compile_path(self.reads)(answer.body)
        return _onward(urljoin(answer.url, told), position, self.reads) if told else None


@dataclass(frozen=True)
class LinkHeader:
    """The header `Link: <address>; rel="next"` names the next page (RFC 8288)."""

    def prepare(self, ask: Ask, position: Any) -> Ask:
        return ask if position is None else replace(ask, path=position, params={})

    def learn(self, answer: Answer, position: Any) -> Any:
        for target, attributes in _LINK.findall(answer.headers.get("Link", "")):
            if _NEXT.search(attributes):
                return _onward(urljoin(answer.url, target), position, "Link")
        return None


def _onward(following: Any, position: Any, place: str) -> Any:
    if following == position:
        raise UnexpectedShape(f"{place}: the answer names the page it is as the next one; reading would not end")
    return following

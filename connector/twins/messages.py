"""What goes in and out of a twin: a request, a reply, and the verdicts that spoil one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import msgspec

DROP: Final = "drop"
"""What a hook returns to have the work done and no answer sent."""

DROP_BEFORE: Final = "drop before"
"""What a hook returns to have neither the work done nor an answer sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received; `number` counts from 1 (0 for control paths), header names are lower case."""

    number: int
    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    target: str = ""
    """Path and query as they were written."""

    def one(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else default

    def many(self, name: str) -> list[str]:
        """A query parameter that may be repeated, separated by commas, or both; blanks are dropped."""
        return [part for value in self.query.get(name, ()) for part in value.split(",") if part]

    def json(self) -> Any:
        """The decoded body; an empty body is an empty object. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.body) if self.body else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: JSON of `body`, or the text or bytes themselves; None sends no content.

    cut: only so much (0..1) of the content is sent, less than `Content-Length` says, and the connection closed.
    pause: the content comes in four pieces, with so many real seconds between them.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""
    cut: float = 1.0
    pause: float = 0.0

    def plus(self, headers: Mapping[str, str]) -> Reply:
        """The same answer with these headers too."""
        return replace(self, headers={**self.headers, **headers})

    def content(self) -> tuple[bytes, str]:
        """The bytes to send and their content type."""
        if self.body is None:
            return b"", self.content_type
        if isinstance(self.body, bytes):
            return self.body, self.content_type or "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), self.content_type or "text/html; charset=utf-8"
        return msgspec.json.encode(self.body), self.content_type or "application/json;charset=utf-8"


Verdict = Reply | Callable[[Reply], Reply] | Literal["drop", "drop before"]


class Refused(Exception):
    """Raised by a handler to answer with this reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"status {reply.status}")

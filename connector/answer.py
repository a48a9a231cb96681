"""An answer as received, and what it means: fine, worth another try, or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit

from connector.errors import AuthError, Permanent, RateLimited, RemoteError, Transient, Unanswered, UnexpectedShape
from connector.ports import Exchange, decode
from connector.redaction import Redactor

TRANSIENT = frozenset({408, 423, 425, 429})  # and every 5xx
NOT_DONE = frozenset({307, 308, 408, 423, 425, 429})  # statuses that say the request was not carried out

E = TypeVar("E", bound=RemoteError)
@dataclass(frozen=True)
class Response:
    """An answer as received, with what its request was.

    `body` is the text of the request's body, None without one; `place` the system and stream, for errors; `request_id`
    the vendor's own id of the call.
    """

    method: str
    url: str
    body: str | None
    status: int
    headers: Mapping[str, str]
    content: bytes
    redactor: Redactor = field(repr=False)
    place: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None

    def __repr__(self) -> str:
        return f"Response({self.method} {self.redactor.text(self.url)} {self.status})"

    def json(self) -> Any:
        """The decoded body; decimal numbers are Decimal. UnexpectedShape when it is no JSON."""
        return self._json

    @cached_property
    def _json(self) -> Any:
        try:
            return decode(self.content)
        except ValueError:
            raise self.error(
                UnexpectedShape,
                f"found {self.content_type or 'no content type'}, {len(self.content)} bytes, expected JSON; "
                "check that base_url is the address of the API and not of a page for people",
            ) from None

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").split(";")[0].strip()

    def exchange(self) -> Exchange:
        """What landing keeps of it; without secrets."""
        clean = self.redactor
        body = None if self.body is None else clean.text(self.body)
        kind = self.content_type or "application/octet-stream"
        return Exchange(
            self.method, clean.text(self.url), body, self.status, clean.content(self.content), self.request_id, kind
        )

    def error(self, kind: type[E], message: str, **more: Any) -> E:
        """An error of this kind that names the place: system, stream, method, path, status, the vendor's request id."""
        said = f"{self.place.get('system', '')}: {self.method} {urlsplit(self.url).path}: {message}"
        place: dict[str, Any] = {"status": self.status, "request_id": self.request_id, **self.place, **more}
        return kind(self.redactor.text(said), **place)

    def vendor_message(self) -> str:
        """The vendor's own words, redacted, 200 characters at most; empty where the answer holds none."""
        try:
            words = _words(decode(self.content))
        except ValueError:
            words = self.content[:1000].decode("utf-8", "replace") if self.content_type == "text/plain" else ""
        return " ".join(self.redactor.text(words).split())[:200]

    def verdict(self, *, safe: bool, forbidden_is_auth: bool, now: datetime) -> RemoteError | None:
        """What the status means; None when all is well. `safe`: asking again does no harm; `now` for Retry-After."""
        status = self.status
        if status < 300 or status == 304:
            return None
        if status < 400:
            return self._redirected(was_done=not safe and status not in NOT_DONE)
        said = self.vendor_message()
        message = f"status {status}" + (f", {said}" if said else "")
        if status == 401 or (status == 403 and forbidden_is_auth):
            return self.error(AuthError, f"the credential was refused ({message})")
        if status not in TRANSIENT and status < 500:
            return self.error(Permanent, message)
        kind: type[Transient] = RateLimited if status == 429 else Transient
        wait = retry_after(self.headers, now)
        # A gateway gives 503 also when the server behind it fell silent; one that names a time is the server's own.
        is_turned_away = status in NOT_DONE or (status == 503 and wait is not None)
        if not safe and not is_turned_away:
            kind = Unanswered
        return self.error(kind, message, retry_after=wait)

    def _redirected(self, *, was_done: bool) -> RemoteError:
        """After a write 301, 302 and 303 may send on to what was made (RFC 9110, 15.4): nobody knows."""
        target = urlsplit(self.headers.get("Location", ""))._replace(query="", fragment="").geturl()
        words = f"status {self.status}, sent on to {target or 'nowhere'}; set base_url or the path to that"
        if was_done:
            return self.error(Unanswered, f"{words}; whether it took effect is unknown")
        return self.error(UnexpectedShape, words)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from a Retry-After in seconds or as a date, counted on the vendor's clock where the answer tells it."""
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = http_date(text)
        return max((until - (http_date(headers.get("Date")) or now)).total_seconds(), 0.0) if until else None
    return seconds if 0 <= seconds < float("inf") else None


def http_date(text: str | None) -> datetime | None:
    """The instant of an HTTP date, whole seconds; None when there is none."""
    try:
        told = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


def _words(answer: Any) -> str:
    """The sentence in an error answer, wherever vendors put it."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list):
        return _words(answer[0]) if answer else ""
    if isinstance(answer, dict):
        for name in ("message", "error_description", "detail", "title", "error", "errors"):
            if words := _words(answer.get(name)):
                return words
    return ""

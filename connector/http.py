"""One client for every HTTP system: retries, pace, credentials, redaction, and errors sorted by what happens next."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

import msgspec
import requests
import tenacity
from requests import exceptions as failures
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from connector.account import account
from connector.answer import Response, http_date
from connector.auth import Auth
from connector.budget import LONGEST_HOLD, SECOND
from connector.errors import AuthError, Permanent, RateLimited, RemoteError, Transient, Unanswered, UnexpectedShape
from connector.pace import Pace, RateHeaders, Turn
from connector.ports import Allowance, Context, decode
from connector.redaction import Redactor

__all__ = ["Client", "Pace", "RateHeaders", "Response", "decode"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_WAIT = 300.0  # seconds; who asks for more patience ends this run, and the next one comes in time
REQUEST_IDS = ("X-Request-Id", "X-Correlation-Id", "Request-Id", "Correlation-Id")
Params = Mapping[str, Any] | Sequence[tuple[str, Any]]
Judge = Callable[[Response], RemoteError | None]

_log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder(decimal_format="number")
_backoff = tenacity.wait_exponential(multiplier=0.5, max=60) + tenacity.wait_random(0, 0.5)


@dataclass(slots=True)
class _Call:
    method: str
    url: str
    params: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None = field(repr=False)  # a login's or a refresh's holds secrets
    kept: str | None
    stream: str
    safe: bool
    signed: bool
    pace: Pace | None
    limits: Sequence[str]
    refreshed: bool = False


class Client:
    """Talks to one HTTP system; shared by threads, each with its own connections.

    `base_url` and a path are joined as text with one slash between. `session` makes a requests.Session; `judge` sees
    each answer first and may call it an error (vendors that say "no" with status 200, or "slow down" with 403);
    `secrets` are values to hide beside the credential's own; `forbidden_is_auth`: 403 means the credential.
    """

    def __init__(
        self,
        base_url: str,
        *,
        system: str,
        context: Context,
        auth: Auth | None = None,
        session: Callable[[], requests.Session] | None = None,
        timeout: tuple[float, float] = (10, 60),
        pace: Pace | None = None,
        attempts: int = 5,
        judge: Judge | None = None,
        secrets: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        request_id_headers: Sequence[str] = REQUEST_IDS,
        forbidden_is_auth: bool = False,
    ) -> None:
        self.base_url, self.system, self.context, self.auth = base_url, system, context, auth
        self.redactor = Redactor(lambda: (*secrets, *(auth.secrets() if auth else ())))
        self._pace = pace or Pace()
        known = (*secrets, *(auth.secrets() if auth else ()))  # as it stands now: a login may bring others
        self._pace.share(context.shared, lambda: account(base_url, known))
        self._timeout, self._attempts, self._judge = timeout, attempts, judge
        self._headers = {"Accept": "application/json", "User-Agent": "pipeline-connector", **(headers or {})}
        self._request_id_headers, self._forbidden_is_auth = request_id_headers, forbidden_is_auth
        self._new_session = session or requests.Session
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()
        self._skew: timedelta | None = None
        self.requests = 0

    def __repr__(self) -> str:
        return f"Client({self.system!r}, {self.redactor.text(self.base_url)!r})"

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        stream: str = "",
        safe: bool | None = None,
        body_text: str | None = None,
        signed: bool = True,
        pace: Pace | None = None,
        limits: Sequence[str] = (),
    ) -> Response:
        """The answer with a status below 400, after retries.

        `safe`: asking twice does no harm (default: GET and HEAD), so a lost answer is asked for again; otherwise it is
        raised as Unanswered. A parameter of None is left out. `data` as a mapping is sent as a form. `body_text` is
        what landing keeps as the request's body instead of the body. `signed=False` sends it without the credential.
        `limits` are the named limits of the client's pace that this request is subject to as well; `pace` is one of
        its own, which no other process knows.
        Raises Transient when every attempt failed, Permanent, AuthError.
        """
        url = self._url(path)
        body, kind = _body(json, data)
        sent = {**self._headers, **({"Content-Type": kind} if kind else {}), **(headers or {})}
        kept = body_text if body_text is not None or body is None else body.decode("utf-8", "replace")
        asked_safe = method.upper() in SAFE_METHODS if safe is None else safe
        call = _Call(method.upper(), url, _pairs(params), sent, body, kept, stream, asked_safe, signed, pace, limits)
        retrying = tenacity.Retrying(
            sleep=self._wait,
            stop=lambda state: state.attempt_number >= self._attempts or self.context.stop(),
            wait=_pause,
            retry=tenacity.retry_if_exception(_worth_another_try),
            reraise=True,
        )
        return retrying(self._attempt, call)

    def get(self, path: str, **options: Any) -> Response:
        """`request("GET", …)`."""
        return self.request("GET", path, **options)

    def vendor_now(self, *, latest: bool = False) -> datetime:
        """Our clock, put right by the `Date` of the last good answer where the two differ; before any, our clock.

        A `Date` has whole seconds, cut off: the vendor's time is this or up to a second later; `latest` gives that.
        """
        skew = self._skew or timedelta(0)
        return self.context.clock.now() + skew + timedelta(seconds=1 if latest and skew else 0)

    @property
    def knows_vendor_clock(self) -> bool:
        """Whether an answer has come that could have told the vendor's time."""
        return self._skew is not None

    def allowances(self) -> Sequence[Allowance]:
        """The account's limits as they stand. Raises StoreError."""
        return self._pace.allowances(self.context.clock.now())

    def close(self) -> None:
        """Close the connections of every thread, and give back what of the rate budget was not used."""
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()
        self._local = threading.local()
        self._pace.close(self.context.clock.now())

    def _url(self, path: str) -> str:
        if path.startswith(("http://", "https://")):
            if urlsplit(path)[:2] != urlsplit(self.base_url)[:2]:
                place = self.redactor.text(urlsplit(path).netloc)
                raise UnexpectedShape(
                    f"{self.system}: sent on to {place}, expected the host of base_url; set base_url to the address "
                    "the system calls itself by",
                    system=self.system,
                )
            return path
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}" if path else self.base_url

    def _attempt(self, call: _Call) -> Response:
        try:
            return self._once(call)
        except AuthError:
            if call.refreshed or not call.signed or self.auth is None:
                raise
            call.refreshed = True
            if not self.auth.refresh():
                raise
            return self._once(call)

    def _once(self, call: _Call) -> Response:
        headers, params = dict(call.headers), dict[str, str]()
        if call.signed and self.auth is not None:
            self.auth.apply(headers, params)
        url = _with_query(call.url, call.params, params)
        turns = self._take_turn(call)
        left = self.context.clock.now()
        with self._lock:
            self.requests += 1
        try:
            raw = self._session().request(
                call.method, url, data=call.body, headers=headers, timeout=self._timeout,
                allow_redirects=False, auth=_unchanged,
            )
        except requests.RequestException as failure:
            raise self._failure(failure, call) from None  # its text holds the address with its secrets
        finally:
            for pace, turn in turns:
                pace.done(turn, self.context.clock.now())
            self.context.beat()
        now = self.context.clock.now()
        self._pace.learn(raw.headers, now)
        place = {"system": self.system, "stream": call.stream}
        told = next((raw.headers[name] for name in self._request_id_headers if name in raw.headers), None)
        request_id = None if told is None else self.redactor.text(told)
        response = Response(
            call.method, url, call.kept, raw.status_code, raw.headers, raw.content, self.redactor, place, request_id
        )
        error = (self._judge(response) if self._judge else None) or response.verdict(
            safe=call.safe, forbidden_is_auth=self._forbidden_is_auth, now=now
        )
        if error is None or (self._skew is None and isinstance(error, Permanent)):
            # What is answered otherwise may come of something before the vendor, whose clock is another.
            self._learn_clock(raw.headers.get("Date"), left, now)
        if error is None:
            return response
        if isinstance(error, RateLimited) and error.retry_after is not None:
            self._hold(error.retry_after, now)
        raise error

    def _hold(self, seconds: float, now: datetime) -> None:
        """Keep for all users of the account that the vendor wants no requests for so long."""
        if seconds > LONGEST_HOLD / SECOND:
            _log.warning("%s: told to wait %.0f seconds; it is asked again after a day", self.system, seconds)
        self._pace.hold(seconds, now)

    def _take_turn(self, call: _Call) -> list[tuple[Pace, Turn]]:
        """Wait until every limit of the request leaves room for it, and take that."""
        while True:
            turns = [(self._pace, self._pace.take(self.context.clock.now, call.limits))]
            if call.pace is not None:
                turns.append((call.pace, call.pace.take(self.context.clock.now)))
            wait = max(turn.wait for _pace, turn in turns)
            if not wait:
                return turns
            for pace, turn in turns:
                if not turn.wait:
                    pace.give_back(turn)
            if wait > LONGEST_WAIT:
                raise RateLimited(
                    f"{self.system}: the rate limit is used up for another {wait:.0f} seconds; the next run goes on",
                    retry_after=wait, system=self.system, stream=call.stream,
                )
            self._wait(wait)

    def _failure(self, failure: requests.RequestException, call: _Call) -> RemoteError:
        """What a request without a whole answer means: not sent, lost, or never possible."""
        place: dict[str, Any] = {"system": self.system, "stream": call.stream}
        here = f"{self.system}: {call.method} {self.redactor.text(urlsplit(call.url)._replace(query='').geturl())}"
        if isinstance(failure, failures.SSLError) and (call.safe or _is_certificate(failure)):
            return Permanent(f"{here}: the certificate or TLS was not accepted; check base_url and REQUESTS_CA_BUNDLE",
                             **place)
        if isinstance(failure, failures.InvalidHeader):
            return AuthError(f"{here}: the credential holds a character no header may have (a line end?)", **place)
        if isinstance(failure, (failures.InvalidURL, failures.MissingSchema, failures.InvalidSchema)):
            return Permanent(f"{here}: no address of the form https://host/path; check base_url", **place)
        if _never_sent(failure):
            return Transient(f"{here}: no connection (refused, unknown host or no route); check base_url", **place)
        if not call.safe:
            return Unanswered(f"{here}: sent, but no whole answer came; whether it took effect is unknown", **place)
        return Transient(f"{here}: no whole answer came back ({type(failure).__name__})", **place)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._new_session()
            with self._lock:
                self._sessions.append(session)
        return session

    def _wait(self, seconds: float) -> None:
        """Wait in pieces of at most a second, so that a run asked to end does."""
        left = seconds
        while left > 0:
            if self.context.stop():
                raise Transient(f"{self.system}: asked to stop while waiting", system=self.system)
            self.context.clock.sleep(min(left, 1.0))
            self.context.beat()
            left -= 1.0

    def _learn_clock(self, date: str | None, left: datetime, now: datetime) -> None:
        """A Date between the request's leaving and its answer's arrival, its second cut off, is no difference."""
        told = http_date(date)
        if told is None or left - timedelta(seconds=1) < told <= now:
            self._skew = timedelta(0)
        else:
            self._skew = told - now


def _worth_another_try(error: BaseException) -> bool:
    if not isinstance(error, Transient) or isinstance(error, Unanswered):
        return False
    return (error.retry_after or 0) <= LONGEST_WAIT


def _pause(state: tenacity.RetryCallState) -> float:
    """Our own back-off, or what the vendor asks for where that is longer."""
    error = state.outcome.exception() if state.outcome else None
    return max(_backoff(state), getattr(error, "retry_after", None) or 0.0)


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting a ~/.netrc entry in place of our credential."""
    return request


def _body(json: Any, data: bytes | str | Mapping[str, str] | None) -> tuple[bytes | None, str]:
    if json is not None:
        return _encoder.encode(json), "application/json"
    if isinstance(data, Mapping):
        return urlencode(data).encode(), "application/x-www-form-urlencoded"
    return data.encode() if isinstance(data, str) else data, ""


def _pairs(params: Params | None) -> list[tuple[str, str]]:
    items = params.items() if isinstance(params, Mapping) else params or ()
    return [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, given in items
        if given is not None
        for value in (given if isinstance(given, (list, tuple)) else (given,))
    ]


def _with_query(url: str, asked: list[tuple[str, str]], signing: dict[str, str]) -> str:
    """The address with all parameters; a credential that a vendor repeats in its links is not sent twice."""
    address, _, given = url.partition("?")
    if signing:
        kept = [part for part in given.split("&") if part and unquote_plus(part.partition("=")[0]) not in signing]
        given = "&".join(kept)
    query = "&".join(part for part in (given, urlencode([*asked, *signing.items()])) if part)
    return f"{address}?{query}" if query else address


def _is_certificate(failure: BaseException) -> bool:
    """Whether TLS broke on their certificate, which is looked at before anything is sent; other faults come later too.

    urllib3 wraps what the ssl module raised, as an argument or as the reason.
    """
    inner = (*failure.args, getattr(failure, "reason", None))
    return isinstance(failure, ssl.SSLCertVerificationError) or any(
        _is_certificate(one) for one in inner if isinstance(one, BaseException)
    )


def _never_sent(failure: requests.RequestException) -> bool:
    if isinstance(failure, (failures.ConnectTimeout, failures.ProxyError)):
        return True
    cause = failure.args[0] if failure.args else None
    return isinstance(getattr(cause, "reason", None), (NewConnectionError, ConnectTimeoutError))

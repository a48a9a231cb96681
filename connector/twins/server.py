"""A small engine for stateful fake vendors: real HTTP on 127.0.0.1, a clock handed in, and bad manners on demand.

    with HubSpotTwin() as twin:
        requests.get(twin.url + "/crm/v3/owners", headers=twin.headers)

A twin subclasses `Twin` and registers routes. Tests watch it by `requests`, and disturb it by `on_request`: a hook is
called with each request before its work and may change the vendor's data, return a `Reply` to be sent instead of the
work (429, 500 …), or return `DROP`: the work is done and the connection closed without an answer.

Paths under `/_twin/` are for tests in another process; they are neither counted, logged nor disturbed.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from connector.ports import Clock, SystemClock

DROP: Final = "drop"
"""What a hook returns to have the work done and no answer sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received; `number` counts from 1 (0 for control paths), header names are lower case."""

    number: int
    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes

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
    """One answer: JSON of `body`, or the text or bytes themselves; None sends no content."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = ""

    def content(self) -> tuple[bytes, str]:
        """The bytes to send and their content type."""
        if self.body is None:
            return b"", self.content_type
        if isinstance(self.body, bytes):
            return self.body, self.content_type or "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), self.content_type or "text/html; charset=utf-8"
        return msgspec.json.encode(self.body), self.content_type or "application/json;charset=utf-8"


Hook = Callable[[Request], "Reply | Literal['drop'] | None"]
Handler = Callable[..., Any]


class Refused(Exception):
    """Raised by a handler to answer with this reply."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"status {reply.status}")


class Twin:
    """A fake vendor. `lock` is held while a request's work is done; changing its state from outside takes it too."""

    def __init__(self, *, clock: Clock | None = None, port: int = 0) -> None:
        self.clock: Clock = clock or SystemClock()
        self.lock = threading.RLock()
        self.requests: list[Request] = []
        self.statuses: dict[int, int] = {}
        self.crashes: list[BaseException] = []
        self._hooks: list[Hook] = []
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.route("GET", "/_twin/log", self._log)

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop answering: the port and every open connection are closed."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        """Answer `method pattern` by `handler(request, **names)`; `{name}` in the pattern is one path segment.

        The handler returns a Reply, or a JSON-able value for status 200.
        """
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        self._routes.append((method, re.compile(expression + "/?$"), handler))

    def on_request(self, hook: Hook) -> None:
        """Call `hook` with every request before its work, in the order added; the first verdict given holds."""
        self._hooks.append(hook)

    def disturb(self, verdict: Reply | Literal["drop"], *, times: int = 1, path: str = "", method: str = "") -> None:
        """Give the next `times` requests whose path contains `path` this verdict instead of a proper answer."""
        left = [times]

        def hook(request: Request) -> Reply | Literal["drop"] | None:
            with self.lock:
                if left[0] and path in request.path and method in ("", request.method):
                    left[0] -= 1
                    return verdict
            return None

        self._hooks.append(hook)

    def not_found(self, request: Request) -> Reply:
        """The answer to a path nobody serves."""
        return Reply(404, {"status": "error", "message": f"no route {request.method} {request.path}"})

    def reply(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """The answer to one request, None to hang up without one."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.path.startswith("/_twin/"):
            return self._work(Request(0, method, parts.path, query, headers, body))
        with self.lock:
            request = Request(len(self.requests) + 1, method, parts.path, query, headers, body)
            self.requests.append(request)
        verdict = next((said for hook in self._hooks if (said := hook(request)) is not None), None)
        reply = verdict if isinstance(verdict, Reply) else self._work(request)
        self.statuses[request.number] = 0 if verdict == DROP else reply.status
        return None if verdict == DROP else reply

    def _work(self, request: Request) -> Reply:
        try:
            with self.lock:
                answer = self._route(request)
        except Refused as refusal:
            return refusal.reply
        except Exception as error:  # noqa: BLE001 - the edge of a request: a fault of the twin is shown, not hidden
            self.crashes.append(error)
            return Reply(500, {"status": "error", "message": f"the twin itself failed: {error!r}"})
        return answer if isinstance(answer, Reply) else Reply(200, answer)

    def _route(self, request: Request) -> Any:
        for method, pattern, handler in self._routes:
            if method == request.method and (found := pattern.match(request.path)):
                return handler(request, **found.groupdict())
        return self.not_found(request)

    def _log(self, request: Request) -> dict[str, Any]:
        rows = [
            {"number": one.number, "method": one.method, "path": one.path, "status": self.statuses.get(one.number)}
            for one in self.requests
        ]
        return {"count": len(rows), "requests": rows}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, twin: Twin, port: int) -> None:
        self.twin = twin
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def hang_up(self) -> None:
        """Close the connections that clients keep alive."""
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.twin.crashes.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # head and body leave in one write

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.twin.reply(self.command, self.path, headers, body)
        if reply is None:
            self.close_connection = True
            return
        content, content_type = reply.content()
        self.send_response(reply.status)
        if content_type:
            self.send_header("Content-Type", content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` header, by the twin's clock."""
        return format_datetime(self.server.twin.clock.now().replace(microsecond=0), usegmt=True)

    def log_message(self, *unused: object) -> None:
        """Nothing on stderr; tests read `Twin.requests`."""


def run_as_process(twin: Twin, **announced: Any) -> None:
    """Serve until SIGTERM or Ctrl-C; the first line of stdout is JSON with `url` and what else is announced."""
    import signal

    done = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_unused: done.set())
    with twin:
        sys.stdout.write(msgspec.json.encode({"url": twin.url, **announced}).decode() + "\n")
        sys.stdout.flush()
        done.wait()

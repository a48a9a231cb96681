"""A small engine for stateful fake vendors: real HTTP on 127.0.0.1, a clock handed in, and bad manners on demand.

    with HubSpotTwin() as twin:
        requests.get(twin.url + "/crm/v3/owners", headers=twin.headers)

A twin subclasses `Twin` and registers routes. Tests watch it by `requests`, and disturb it by `on_request`: a hook is
called with each request before its work and may change the vendor's data, and return a verdict: a `Reply` to be sent
instead of the work (429, 500 …), a function that makes another reply of the proper one once the work is done, `DROP`
(the work is done and the connection closed without an answer) or `DROP_BEFORE` (closed without the work). `faults` has
a list of them.

Paths under `/_twin/` are for tests in another process; they are neither counted, logged nor disturbed.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from connector.ports import Clock, SystemClock
from connector.twins.messages import DROP, DROP_BEFORE, Refused, Reply, Request, Verdict

__all__ = ["DROP", "DROP_BEFORE", "Hook", "Refused", "Reply", "Request", "Twin", "Verdict", "run_as_process"]

_PIECES = 4  # of an answer that is sent slowly

Hook = Callable[[Request], Verdict | None]
Handler = Callable[..., Any]


class Twin:
    """A fake vendor. `lock` is held while a request's work is done; changing its state from outside takes it too."""

    def __init__(self, *, clock: Clock | None = None, port: int = 0) -> None:
        self.clock: Clock = clock or SystemClock()
        self.lock = threading.RLock()
        self.requests: list[Request] = []
        self.statuses: dict[int, int] = {}
        self.crashes: list[BaseException] = []
        self.stopping = threading.Event()
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
        self.stopping.set()
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
        self._hooks = [*self._hooks, hook]

    def forget(self, hook: Hook) -> None:
        """Call this hook no longer; one that is not there is no fault."""
        self._hooks = [one for one in self._hooks if one is not hook]

    def disturb(self, verdict: Verdict, *, times: int = 1, path: str = "", method: str = "") -> None:
        """Give the next `times` requests whose path contains `path` this verdict instead of a proper answer."""
        left = [times]

        def hook(request: Request) -> Verdict | None:
            with self.lock:
                if left[0] and path in request.path and method in ("", request.method):
                    left[0] -= 1
                    if not left[0]:
                        self.forget(hook)
                    return verdict
            return None

        self.on_request(hook)

    def refusal(self, status: int, *, retry_after: str | None = None) -> Reply:
        """How this vendor says that status, where it has nothing to do with what was asked."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return Reply(status, {"status": "error", "message": f"status {status}"}, headers)

    def not_found(self, request: Request) -> Reply:
        """The answer to a path nobody serves."""
        return Reply(404, {"status": "error", "message": f"no route {request.method} {request.path}"})

    def reply(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply | None:
        """The answer to one request, None to hang up without one."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        if parts.path.startswith("/_twin/"):
            return self._work(Request(0, method, parts.path, query, headers, body, target))
        with self.lock:
            request = Request(len(self.requests) + 1, method, parts.path, query, headers, body, target)
            self.requests.append(request)
        verdict = next((said for hook in self._hooks if (said := hook(request)) is not None), None)
        reply = self._judged(request, verdict)
        self.statuses[request.number] = reply.status if reply else 0
        return reply

    def _judged(self, request: Request, verdict: Verdict | None) -> Reply | None:
        if verdict == DROP_BEFORE:
            return None
        if isinstance(verdict, Reply):
            return verdict
        reply = self._work(request)
        if verdict == DROP:
            return None
        return verdict(reply) if callable(verdict) else reply

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
            self._send(content[:int(len(content) * reply.cut)], reply.pause)
        if reply.cut < 1:
            self.close_connection = True

    def _send(self, content: bytes, pause: float) -> None:
        size = -(-len(content) // _PIECES) if pause else len(content)
        for start in range(0, len(content), max(1, size)):
            if start and (self.server.twin.stopping.wait(pause) or self.connection.fileno() < 0):
                return
            self.wfile.write(content[start:start + size])
            if pause:
                self.wfile.flush()

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

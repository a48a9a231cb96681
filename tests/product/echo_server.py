"""A hostile vendor over real HTTP: it repeats in its answer all it was sent, secrets included."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

SECRETS = {"CRM_TOKEN": "pat-na1 tök=en/11%", "HR_PASSWORD": "hr-päss&wort-22"}

HUBSPOT = """\
  hub:
    adapter: hubspot
    mapping: hubspot
    base_url: {url}
    token: ${{CRM_TOKEN}}
"""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heard: list[str]
    status: int

    def _any(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        all_of_it = f"{self.path} {dict(self.headers)} {sent}"
        self.heard.append(all_of_it)
        status, body = self._answer(all_of_it)
        content = json.dumps(body).encode()
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Request-Id", quote(all_of_it)[:2000])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, heard: str) -> tuple[int, object]:
        """A login, a page of owners with the secrets in it, and a refusal that quotes them for all else."""
        if self.status != 200:
            return self.status, {"message": f"refused: {heard}"}
        if self.path.startswith("/api/login"):
            return 200, {"token": "session-of-today-77", "echo": heard}
        if "/owners" in self.path:
            again = base64.b64encode(heard.encode()).decode()
            owner = {"id": "1", "email": "an@example.vn", "firstName": heard, "lastName": quote(heard), "note": again,
                     "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "archived": False}
            return 200, {"results": [owner]}
        return 400, {"message": f"refused: {heard}", "error": heard}

    do_GET = do_POST = do_PUT = do_PATCH = _any

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def echoing(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """The server's address, and all that it heard; another status than 200 is all it ever answers."""
    heard: list[str] = []
    handler = type("Handler", (_Handler,), {"heard": heard, "status": status})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

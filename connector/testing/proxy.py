"""A real server as a twin: requests are passed on to it, so that a contract can disturb them and tell another time.

    with Proxy("http://127.0.0.1:8000", clock=clock) as self.twin:
        yield {"base_url": self.twin.url, …}

Its answers carry the `Date` of the clock handed in.
"""

from __future__ import annotations

import requests

from connector.ports import Clock
from connector.twins.server import Reply, Request, Twin

OF_THE_CONNECTION = {  # headers that this server writes itself, or that the real one's connection alone is about
    "connection", "content-encoding", "content-length", "date", "keep-alive", "server", "transfer-encoding",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Proxy(Twin):
    """Stands before the server at that address (scheme, host and port)."""

    def __init__(self, address: str, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self.address = address.rstrip("/")
        self._session = requests.Session()
        for method in METHODS:
            self.route(method, "/.*", self._pass_on)

    def stop(self) -> None:
        super().stop()
        self._session.close()

    def _pass_on(self, request: Request) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        answer = self._session.request(
            request.method, self.address + request.target, headers=headers, data=request.body or None,
            allow_redirects=False, timeout=60,
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in OF_THE_CONNECTION}
        kind = next((kept.pop(name) for name in list(kept) if name.lower() == "content-type"), "")
        return Reply(answer.status_code, answer.content, kept, kind)

"""A twin's bad manners, one kind at a time; every answer repeats the secrets it was sent, as careless vendors do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connector.twins.server import DROP, Reply, Request, Twin, Verdict

FAULTS = {
    "busy": "status 429, with Retry-After",
    "down": "status 503",
    "broken": "status 500",
    "lost": "the work is done and the connection closed without an answer",
    "torn": "half of the proper answer is sent, and the connection closed",
    "denied": "status 401",
    "forbidden": "status 403",
    "page": "a page for people, with status 200",
    "cut": "half of a JSON answer, with status 200",
    "error": "an error in JSON, with status 200",
}


def reply(fault: str, secrets: Sequence[str]) -> Verdict:
    """What the vendor answers instead."""
    said = f"no: {' '.join(secrets)}"
    body = {"status": "error", "error": said, "message": said}
    made: dict[str, Verdict] = {
        "busy": Reply(429, body, {"Retry-After": "2"}),
        "down": Reply(503, body),
        "broken": Reply(500, body),
        "lost": DROP,
        "torn": lambda proper: replace(proper, cut=0.5),
        "denied": Reply(401, body),
        "forbidden": Reply(403, body),
        "page": Reply(200, f"<html><body>Please log in {said}</body></html>"),
        "cut": Reply(200, b'[{"id": "1", "name": "Nor', content_type="application/json"),
        "error": Reply(200, body),
    }
    return made[fault]


class Trouble:
    """The switch: `begin` a fault, and `end` it."""

    def __init__(self, twin: Twin, secrets: Sequence[str]) -> None:
        self._secrets = secrets
        self._verdict: Verdict | None = None
        self._left, self._path, self._after = 0, "", 0
        twin.on_request(self._hook)

    def begin(self, fault: str, times: int, path: str, after: int) -> None:
        """This fault for that many requests to that path (empty: any), after that many good answers."""
        self._verdict, self._left, self._path, self._after = reply(fault, self._secrets), times, path, after

    def end(self) -> None:
        """No fault any more."""
        self._left = 0

    def _hook(self, request: Request) -> Verdict | None:
        if self._left <= 0 or self._path not in ("", request.path):
            return None
        if self._after > 0:
            self._after -= 1
            return None
        self._left -= 1
        return self._verdict

"""What a system may do to a request that writes; its answers repeat the secrets they were sent, as careless ones do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from connector.twins.server import DROP, DROP_BEFORE, Reply, Request, Twin, Verdict

FAULTS: Final[Mapping[str, str]] = {
    "busy": "status 429, with Retry-After, and nothing is done",
    "down": "status 503 with Retry-After, and nothing is done",
    "denied": "status 401, and nothing is done",
    "forbidden": "status 403, and nothing is done",
    "gone": "the connection is closed, and nothing is done",
    "broken": "status 500, and nothing is done",
    "late": "the work is done, and status 500 is answered",
    "lost": "the work is done, and the connection closed without an answer",
    "torn": "the work is done, half of the answer is sent, and the connection closed",
    "page": "the work is done, and a page for people is answered with status 200",
    "cut": "the work is done, and half of a JSON answer is sent with status 200",
}
NOT_DONE: Final = ("busy", "down", "denied", "forbidden")
"""After these everybody can tell that nothing was done."""
UNCLEAR: Final = ("gone", "broken", "late", "lost", "torn", "page", "cut")
"""After these nobody can, without reading."""


def verdict(fault: str, secrets: Sequence[str]) -> Verdict:
    """What the system does instead of answering well."""
    said = f"no: {' '.join(secrets)}"
    body = {"status": "error", "error": said, "message": said}
    page = Reply(200, f"<html><body>Please log in {said}</body></html>")
    half = Reply(200, b'{"data": {"name": "Nor', content_type="application/json")
    made: Mapping[str, Verdict] = {
        "busy": Reply(429, body, {"Retry-After": "2"}), "down": Reply(503, body, {"Retry-After": "1"}),
        "denied": Reply(401, body),
        "forbidden": Reply(403, body), "gone": DROP_BEFORE, "broken": Reply(500, body),
        "late": lambda _proper: Reply(500, body), "lost": DROP, "torn": lambda proper: replace(proper, cut=0.5),
        "page": lambda _proper: page, "cut": lambda _proper: half,
    }
    return made[fault]


class Spoiler:
    """The switch: `begin` a fault, and `end` it. `spoiled` counts the requests it met."""

    def __init__(self, twin: Twin, is_write: Callable[[Request], bool], secrets: Sequence[str]) -> None:
        self._is_write, self._secrets = is_write, secrets
        self._verdict: Verdict | None = None
        self._left, self._after, self._reads = 0, 0, False
        self.spoiled = 0
        twin.on_request(self._hook)

    def begin(self, fault: str, times: int, after: int, reads: bool) -> None:
        """This fault for that many requests that write, or read, after that many good ones."""
        self._verdict = verdict(fault, self._secrets)
        self._left, self._after, self._reads, self.spoiled = times, after, reads, 0

    def end(self) -> None:
        """No fault any more."""
        self._left = 0

    def _hook(self, request: Request) -> Verdict | None:
        if self._left <= 0 or self._is_write(request) is self._reads:
            return None
        if self._after > 0:
            self._after -= 1
            return None
        self._left -= 1
        self.spoiled += 1
        return self._verdict

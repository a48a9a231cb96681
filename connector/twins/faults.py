"""Faults on demand, for any twin: what networks and vendors do to an answer on a bad day.

    twin.disturb(fault(twin, "truncated"), times=2, path="/deals")      # scripted: the next two calls
    faults = Faults(seed=7, share=0.2).into(twin)                       # seeded: one call in five, the same each time
    ...
    faults.stop()                                                       # from here on all is well

What a refusal looks like is the twin's own (`Twin.refusal`), so it has the vendor's shape.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from connector.twins.server import DROP, DROP_BEFORE, Refused, Reply, Request, Twin, Verdict

SLOW_SECONDS = 0.3
"""The pause between the four pieces of a slow answer, in real time; a client with a shorter read timeout gives up."""

_HTML = "<!DOCTYPE html><html><head><title>We'll be right back</title></head><body>Maintenance</body></html>"


def _refused(twin: Twin, status: int, retry_after: str | None = None) -> Verdict:
    return twin.refusal(status, retry_after=retry_after)


def _changed(_twin: Twin, **fields: Any) -> Verdict:
    return lambda reply: replace(reply, **fields)


def _cut(reply: Reply) -> Reply:
    return replace(reply, cut=0.5) if reply.body is not None else reply


def _wrong_shape(reply: Reply) -> Reply:
    """JSON under a name nobody expects: whoever reads with a default takes it for an empty page."""
    return replace(reply, body={"payload": {"items": []}, "ok": True})


KINDS: Final[Mapping[str, Callable[[Twin], Verdict]]] = {
    "429": partial(_refused, status=429),
    "429 retry after": partial(_refused, status=429, retry_after="2"),
    "429 retry after 0": partial(_refused, status=429, retry_after="0"),
    "500": partial(_refused, status=500),
    "502": partial(_refused, status=502),
    "503": partial(_refused, status=503),
    "423": partial(_refused, status=423),
    "401": partial(_refused, status=401),
    "drop before": lambda _twin: DROP_BEFORE,
    "drop after": lambda _twin: DROP,
    "truncated": lambda _twin: _cut,
    "slow": partial(_changed, pause=SLOW_SECONDS),
    "html": partial(_changed, body=_HTML, status=200, content_type="text/html; charset=utf-8"),
    "empty": partial(_changed, body=b"", status=200),
    "error in 200": lambda twin: lambda _reply: replace(twin.refusal(500), status=200),
    "wrong shape": lambda _twin: _wrong_shape,
}
"""Each fault by name. From `drop after` on, the work is done before the answer is spoiled."""

HEALING: Final = tuple(kind for kind in KINDS if kind not in ("401", "slow", "wrong shape"))
"""What a client should get over by asking again, without waiting long in real time."""


def fault(twin: Twin, kind: str) -> Verdict:
    """One fault in this twin's shape, for `Twin.disturb` or to be returned by a hook. Raises ValueError."""
    if kind not in KINDS:
        raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
    return KINDS[kind](twin)


class Faults:
    """Spoils a share (0..1) of a twin's answers: which requests, by their number, and how, follows from the seed.

    After `most_in_a_row` spoiled ones the next is answered properly, so whoever tries once more often gets through.
    `given` are the faults so far as (number of the request, kind).
    """

    def __init__(self, seed: int, *, share: float = 0.2, kinds: Sequence[str] = HEALING,
                 most_in_a_row: int = 3) -> None:
        if unknown := [kind for kind in kinds if kind not in KINDS]:
            raise ValueError(f"no fault {unknown[0]!r}; there are {', '.join(KINDS)}")
        self.share, self.kinds, self.most_in_a_row = share, tuple(kinds), most_in_a_row
        self.given: list[tuple[int, str]] = []
        self._random = random.Random(seed)  # noqa: S311 - made-up faults, not secrets
        self._plan: list[str | None] = []
        self._in_a_row, self._ended = 0, False

    def into(self, twin: Twin) -> Faults:
        """Begin with the twin's next request."""

        def hook(request: Request) -> Verdict | None:
            with twin.lock:
                kind = None if self._ended else self.of(request.number)
                if kind is not None:
                    self.given.append((request.number, kind))
            return None if kind is None else KINDS[kind](twin)

        twin.on_request(hook)
        return self

    def of(self, number: int) -> str | None:
        """What is done to the request of that number (from 1), None where nothing is."""
        while len(self._plan) < number:
            chance, kind = self._random.random(), self._random.choice(self.kinds)
            spoiled = chance < self.share and self._in_a_row < self.most_in_a_row
            self._in_a_row = self._in_a_row + 1 if spoiled else 0
            self._plan.append(kind if spoiled else None)
        return self._plan[number - 1]

    def stop(self) -> None:
        """The faults end."""
        self._ended = True


def controls(twin: Twin, faults: Faults | None = None) -> None:
    """Faults for tests in another process: POST `/_twin/disturb?fault=503&times=2&path=/deals`, POST `/_twin/calm`."""

    def disturb(request: Request) -> dict[str, Any]:
        try:
            verdict = fault(twin, request.one("fault"))
        except ValueError as error:
            raise Refused(Reply(400, {"message": str(error)})) from error
        times = int(request.one("times", "1"))
        twin.disturb(verdict, times=times, path=request.one("path"), method=request.one("method"))
        return {"fault": request.one("fault"), "times": times}

    def calm(_request: Request) -> dict[str, Any]:
        if faults is not None:
            faults.stop()
        return {"given": [] if faults is None else faults.given}

    twin.route("POST", "/_twin/disturb", disturb)
    twin.route("POST", "/_twin/calm", calm)

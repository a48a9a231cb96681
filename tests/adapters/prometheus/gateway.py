"""A Pushgateway: the real one where Debian's prometheus-pushgateway is installed, and a twin that behaves as the real
one did when it was watched (1.5.1): PUT replaces a group, DELETE forgets it, broken lines are 400 with a text."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import requests

from connector.twins.server import Reply, Request, Twin
from tests.real_servers import free_port

_LINE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\} ([^ ]+)')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_LONGEST_START = 30  # seconds


class GatewayTwin(Twin):
    """`groups` by their labels: metric name -> [(labels, number as text)]."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.groups: dict[tuple[tuple[str, str], ...], dict[str, list[tuple[dict[str, str], str]]]] = {}
        path = "/metrics/{n1}/{v1}/{n2}/{v2}/{n3}/{v3}"
        self.route("PUT", path, self._put)
        self.route("DELETE", path, self._delete)
        self.route("GET", "/api/v1/metrics", self._show)

    def _put(self, request: Request, **steps: str) -> Reply:
        named = _named(steps)
        found: dict[str, list[tuple[dict[str, str], str]]] = {}
        for number, line in enumerate(request.body.decode().splitlines(), 1):
            if line.startswith("#"):
                continue
            read = _LINE.fullmatch(line)
            if read is None:
                return Reply(400, f"text format parsing error in line {number}: unexpected end of input stream\n")
            labels = {name: re.sub(r"\\(.)", _unescaped, text) for name, text in _LABEL.findall(read[2])}
            found.setdefault(read[1], []).append(({**labels, **dict(named), "instance": ""}, read[3]))
        self.groups[named] = found
        return Reply(200, "")

    def _delete(self, request: Request, **steps: str) -> Reply:
        self.groups.pop(_named(steps), None)
        return Reply(202, "")

    def _show(self, request: Request) -> dict[str, Any]:
        return {"status": "success", "data": [
            {"labels": dict(named), "last_push_successful": True,
             **{name: {"type": "GAUGE", "metrics": [{"labels": labels, "value": text} for labels, text in series]}
                for name, series in found.items()}}
            for named, found in self.groups.items()
        ]}


def _unescaped(sign: re.Match[str]) -> str:
    return {"n": "\n"}.get(sign[1], sign[1])


def _named(steps: dict[str, str]) -> tuple[tuple[str, str], ...]:
    pairs = [(unquote(steps[f"n{one}"]), unquote(steps[f"v{one}"])) for one in (1, 2, 3)]
    return tuple(
        (name.removesuffix("@base64"), base64.urlsafe_b64decode(text).decode() if name.endswith("@base64") else text)
        for name, text in pairs
    )


def program() -> str | None:
    """The real gateway, None where it is not installed."""
    return shutil.which("prometheus-pushgateway") or shutil.which("pushgateway")


@contextmanager
def real(path: str, folder: Path) -> Iterator[str]:
    """The address of a real gateway that keeps what it is sent in that folder: empty when the folder is.

    Debian's own default is one file for the whole machine, so one test would find what another left.
    """
    address = f"127.0.0.1:{free_port()}"
    kept = f"--persistence.file={folder / 'pushgateway.data'}"
    running = subprocess.Popen([path, f"--web.listen-address={address}", kept], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _LONGEST_START
        while not _answers(address):
            assert running.poll() is None, "the Pushgateway ended"
            assert time.monotonic() < until, "the Pushgateway does not answer"
            time.sleep(0.05)  # a server of another's has no event to wait for
        yield f"http://{address}"
    finally:
        running.terminate()
        running.wait(_LONGEST_START)


def _answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/-/ready", timeout=1).status_code == 200
    except requests.ConnectionError:
        return False

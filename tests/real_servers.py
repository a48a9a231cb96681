"""Real third-party servers for tests: started once a session each, on a port of their own, stopped at its end.

    from tests.real_servers import tryton_server      # in a conftest.py; then a test asks for `tryton_server`

The scripts of tests/real install what they need into a cache that is kept between runs (`CACHE`, by default
~/.cache/connector-real). A server that does not start fails the test with its log: these tests are never skipped.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "real"
LONGEST_START = 900  # seconds: the first start builds a virtual environment and loads the demo records


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(system: str) -> Iterator[dict[str, Any]]:
    """A freshly filled server of that folder of tests/real: the address and credentials its `start` prints."""
    environment = {**os.environ, "PORT": str(free_port()), "PYTHON": sys.executable}
    try:
        started = _script(system, "start", environment)
        if started.returncode:
            pytest.fail(f"tests/real/{system}/start ended with {started.returncode}:\n{started.stderr[-4000:]}")
        yield json.loads(started.stdout.splitlines()[-1])
    finally:
        _script(system, "stop", environment)


def _script(system: str, name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(SCRIPTS / system / name)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LONGEST_START, check=False
    )


@pytest.fixture(scope="session")
def tryton_server() -> Iterator[dict[str, Any]]:
    """A Tryton 8.2 with the demo records; tests that change a record use one no other test counts on."""
    with running("tryton") as server:
        yield server


@pytest.fixture(scope="session")
def pocketbase_server() -> Iterator[dict[str, Any]]:
    """A PocketBase with empty OKR tables."""
    with running("pocketbase") as server:
        yield server

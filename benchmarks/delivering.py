"""`python -m benchmarks.delivering [--values N] [--rate R] [--parallel P] [--latency L] [--memory] [--folder F]`

Values delivered one a call to a target over real HTTP that answers after `latency` seconds, through the outbox, a
SQLite store and the shared rate budget. Prints the seconds it took beside those that the rate limit alone needs, the
seconds of processor time of ours in them, and with `--memory`, which slows it down, by how much memory grew meanwhile.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
import tracemalloc
from contextlib import closing
from datetime import UTC
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from connector.deliver import DestinationSummary, Rules, deliver
from connector.model import KpiValue
from connector.ports import Context, SystemClock
from connector.rest.destination import RestDestination
from connector.rest.grammar import RestSettings
from connector.store.shared import StoreShared
from connector.store.store import Store
from connector.testing import kpi_value


class Target(BaseHTTPRequestHandler):
    """Takes whatever is put, late."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    latency = 0.05

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.latency)
        answer = b'{"id": "1"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: Any) -> None:
        pass


def serve(told: Connection, latency: float) -> None:
    """The target, in a process of its own."""
    Target.latency = latency
    server = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    told.send(server.server_address[1])
    server.serve_forever()


def values(count: int) -> list[KpiValue]:
    """So many values, each of a person of its own."""
    return [kpi_value(subject=f"person:NV{number:06}", value=f"{number}.00") for number in range(count)]


def push(url: str, folder: Path, owed: list[KpiValue], rate: float, parallel: int) -> DestinationSummary:
    """Deliver these, each in a call of its own."""
    clock = SystemClock()
    with closing(Store.open(f"sqlite:///{folder}/outbox.db", clock)) as store:
        settings = RestSettings.model_validate({
            "base_url": url, "send": {"put": "/values/{subject.key}"}, "body": {"value": "value"},
            "requests_per_second": rate,
        })
        shared = StoreShared(lambda: store, clock)
        target = RestDestination("hr", settings, Context(clock=clock, zone=UTC, shared=shared))
        target.batch = 1
        with closing(target):
            return deliver(store, target, "hr", owed, {}, run="r", clock=clock, rules=Rules(parallel=parallel))


def main() -> int:
    """0 if it took at most 1.3 times what the rate limit needs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--values", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--folder")
    given = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, given.latency), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}"
        owed = values(given.values)
        with tempfile.TemporaryDirectory(prefix="bench", dir=given.folder) as folder:
            if given.memory:
                tracemalloc.start()
            started, worked = time.monotonic(), time.process_time()
            done = push(url, Path(folder), owed, given.rate, given.parallel)
            took, worked = time.monotonic() - started, time.process_time() - worked
    finally:
        server.terminate()
    needed = given.values / given.rate
    found = {
        "values": given.values, "confirmed": done.confirmed, "error": done.error, "seconds": round(took, 1),
        "seconds_by_the_limit": round(needed, 1), "ratio": round(took / needed, 2),
        "processor_seconds": round(worked, 1),
        **({"memory_mb": round(tracemalloc.get_traced_memory()[1] / 1e6, 1)} if given.memory else {}),
    }
    print(json.dumps(found))
    return 0 if done.is_clean and took <= 1.3 * needed else 1


if __name__ == "__main__":
    raise SystemExit(main())

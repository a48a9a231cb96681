"""The adapter of docs/writing-an-adapter.md does what that page says."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import select

from connector import document, mapping, sync
from connector.ports import Context
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
DEALS = [
    {"id": 1, "pipeline_id": 1, "stage_id": 30, "title": "A", "add_time": "2026-01-05T09:00:00Z", "value": "1200.50",
     "currency": "EUR", "owner_id": 5, "update_time": "2026-02-01T10:00:00Z"},
    {"id": 2, "pipeline_id": 1, "stage_id": 10, "title": "B", "add_time": "2026-01-06T09:00:00Z", "value": "80",
     "currency": "EUR", "owner_id": 6, "update_time": "2026-01-06T09:00:00Z"},
]
CHANGES = [
    {"id": 1, "deal_id": 1, "pipeline_id": 1, "stage_id": 10, "changed_at": "2026-01-05T09:00:00Z", "user_id": 5},
    {"id": 2, "deal_id": 1, "pipeline_id": 1, "stage_id": 30, "changed_at": "2026-02-01T10:00:00Z", "user_id": 5},
]


class _Acme(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer acme-token"
        rows = CHANGES if self.path.startswith("/v2/stage-changes") else DEALS
        after = "cursor=2" in self.path
        answer = {"data": rows[1:] if after else rows[:1], "meta": {"next": None if after else "2"}}
        body = json.dumps({} if self.path.startswith("/v2/ping") else answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def acme_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Acme)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v2"
    server.shutdown()
    server.server_close()
    thread.join()


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("acme_example", EXAMPLES / "acme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["acme_example"] = module
    spec.loader.exec_module(module)
    return module


def test_the_example_adapter_fills_the_ledger_from_two_pages_of_each_stream(tmp_path: Path, acme_url: str) -> None:
    module = _module()
    clock = FakeClock(datetime(2026, 3, 2, tzinfo=UTC))
    store = Store.open(f"sqlite:///{tmp_path}/acme.db", clock)
    file = EXAMPLES / "acme.yaml"
    rules = mapping.load(document.load(file.read_bytes(), str(file)), source="acme", zone=UTC, sources=["acme"])
    settings = module.Acme.Settings(base_url=acme_url, token="acme-token")
    source = module.Acme("acme", settings, Context(clock=clock, zone=UTC))
    summaries = sync.pull(store, source, rules, sync.Settings(), run="1", clock=clock)
    ends = [(one.stream, one.status, one.records) for one in summaries]
    assert ends == [("deals", "ok", 2), ("stage_changes", "ok", 2)]
    deal = tables.LEDGER["deal"]
    rows = store.rows(select(deal.c.id, deal.c.amount, deal.c.stage).where(deal.c.replaced_at.is_(None)).order_by("id"))
    assert [tuple(row) for row in rows] == [("1", 12_005_000, "30"), ("2", 800_000, "10")]
    moves = tables.stage_transition
    found = store.rows(
        select(moves.c.to_stage, moves.c.origin)
        .where(moves.c.deal == "1", moves.c.replaced_at.is_(None))
        .order_by(moves.c.occurred_at)
    )
    assert [tuple(row) for row in found] == [("10", "reported"), ("30", "reported")]

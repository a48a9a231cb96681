"""What a vendor calls about reaches the pushed value by `connector run`; what is gone by `connector resync --ids`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from connector import hooks, serving
from connector.errors import HookRefused
from connector.ports import HookRequest
from connector.testing import FakeClock
from connector.wiring import Installation
from tests.e2e.project import CONFIG, Project

SHOP = '''\
import json
from pathlib import Path

from connector.errors import HookRefused
from connector.model import micros
from connector.ports import AdapterSettings, Exchange, HookEvent, Listed, Page, Record, Source, Stream
from datetime import datetime

class Shop(Source):
    """Deals out of shop.json, read by change time or by id; listed by id; it calls when one changes."""

    def streams(self):
        return [Stream("deals", by_id=True, ids=True)]

    def now(self):
        return self.context.clock.now()

    def rows(self):
        return json.loads(Path(self.context.folder, "shop.json").read_text())

    def page(self, rows):
        answer = json.dumps(rows).encode()
        return Page("deals", [Exchange("GET", "file:shop.json", None, 200, answer)], None, self.now())

    def read(self, stream, window, position=None):
        stamps = [(row, datetime.fromisoformat(row["modified"])) for row in self.rows()]
        yield self.page([row for row, at in stamps if at <= window.hi and (window.lo is None or at >= window.lo)])

    def read_ids(self, stream, ids):
        yield self.page([row for row in self.rows() if row["id"] in ids])

    def list_ids(self, stream):
        yield [Listed(row["id"]) for row in self.rows()]

    def records(self, stream, exchanges):
        for exchange in exchanges:
            for row in json.loads(exchange.answer):
                yield Record(row["id"], micros(datetime.fromisoformat(row["modified"])), row)

    def hook(self, request):
        if request.headers.get("signature") != "good":
            raise HookRefused("the signature is not the vendor's", system=self.name)
        return [HookEvent(one["id"], "deals", one["key"]) for one in json.loads(request.body)]
'''
MAPPING = """\
pipelines:
  "sales": {name: new-business, stages: {"1": prospecting, "2": proposal, "3": closed_won, "4": closed_lost}}
entities:
  - entity: deal
    stream: deals
    key: id
    fields:
      pipeline: {const: sales}
      stage: stage
      created_at: {path: created_at, as: datetime}
      closed_at: {path: closed_at, as: datetime}
      amount: {path: amount, currency: {const: USD}, as: money}
"""
NOW = datetime(2026, 1, 12, 8, tzinfo=UTC)


def sold(number: int, amount: str, modified: str = "2026-01-10T00:00:00+00:00") -> dict[str, str]:
    at = "2026-01-09T00:00:00Z"
    return {"id": str(number), "stage": "3", "amount": amount, "modified": modified, "created_at": at, "closed_at": at}


def shop(project: Project, *rows: dict[str, str]) -> None:
    project.write("shop.json", json.dumps(rows))


@pytest.fixture
def installed(project: Project) -> Project:
    """A shop of five deals won in January, 10 USD each; its company's value goes to a file."""
    sources = "sources:\n  shop: {adapter: 'shop:Shop', mapping: shop.yaml, schedule: every 1h}\n"
    config = CONFIG[: CONFIG.index("sources:")] + sources + CONFIG[CONFIG.index("destinations:") :]
    project.write("config.yaml", config.replace("per: person", "per: company"))
    project.write("shop.py", SHOP)
    project.write("shop.yaml", MAPPING)
    shop(project, *(sold(number, "10") for number in range(5)))
    return project


@contextmanager
def installation(project: Project, clock: FakeClock) -> Iterator[Installation]:
    here = Installation.load(str(project.folder / "config.yaml"), clock, {})
    try:
        yield here
    finally:
        here.close()


def pushed(project: Project) -> str:
    """The won value of January 2026 that stands at the destination."""
    with (project.folder / "out" / "kpi-2026-01.csv").open(newline="") as file:
        return next(row["value"] for row in csv.DictReader(file) if row["kpi"] == "won_value")


def call(*told: tuple[str, str], signature: str = "good") -> HookRequest:
    body = json.dumps([{"id": id_, "key": key} for id_, key in told]).encode()
    return HookRequest("POST", "https://us.example/hooks/shop", {"signature": signature}, body)


def test_a_call_moves_the_pushed_value_before_the_next_slot(installed: Project) -> None:
    clock = FakeClock(NOW)
    with installation(installed, clock) as here:
        runner = serving.runner(here, lambda: False)
        runner.tick(clock.now())
        clock.set(NOW + timedelta(hours=1))
        runner.tick(clock.now())
        assert runner.finish(60) == []
        assert pushed(installed) == "50.00"

        shop(installed, *(sold(number, "10") for number in range(4)), sold(4, "25"))
        with pytest.raises(HookRefused):
            hooks.receive(here.store, here.source("shop"), call(("a", "4"), signature="forged"))
        assert hooks.receive(here.store, here.source("shop"), call(("a", "4"), ("b", "4"))) == 2
        clock.advance(seconds=5)
        runner.tick(clock.now())
        assert runner.finish(60) == []
        assert pushed(installed) == "65.00"
        assert hooks.counts(here.store) == {}
    (run,) = [one for one in installed("runs", "--json").json if one["command"] == "hooks"]
    assert run["status"] == "ok"
    (stream,) = installed("runs", "show", run["run"], "--json").json["sources"][0]["streams"]
    assert (stream["stream"], stream["records"], stream["changed"]) == ("deals", 1, 1)


def test_status_says_how_many_calls_wait_and_a_sync_reads_them(installed: Project) -> None:
    assert installed("sync").code == 0
    with installation(installed, FakeClock(NOW)) as here:
        hooks.receive(here.store, here.source("shop"), call(("a", "4"), ("b", "3")))
    assert installed("status", "--json").json["sources"][0]["hooks_waiting"] == 2
    shop(installed, *(sold(number, "20") for number in range(5)))  # no window shows it: the stamps stand still
    assert installed("sync", "--json").json["sources"][0]["streams"][0]["changed"] == 2
    assert (installed("status", "--json").json["sources"][0]["hooks_waiting"], pushed(installed)) == (0, "70.00")


def test_resync_of_all_ids_finds_what_is_gone_and_what_was_missed(installed: Project) -> None:
    assert installed("sync").code == 0
    shop(installed, *(sold(number, "10") for number in range(4)), sold(9, "7"))
    assert installed("sync").code == 0
    assert pushed(installed) == "50.00"
    preview = installed("resync", "shop", "--ids", "--dry-run", "--json").json["sources"][0]["streams"][0]
    assert (preview["new"], preview["deleted"], preview["would_stop"]) == (1, 1, None)
    (stream,) = installed("resync", "shop", "--ids", "--json").json["sources"][0]["streams"]
    assert (stream["new"], stream["deleted"], pushed(installed)) == (1, 1, "47.00")
    assert installed("status", "--json").json["sources"][0]["streams"][0]["ids_checked_at"] is not None


def test_a_list_of_ids_that_is_too_short_waits_for_a_person(installed: Project) -> None:
    assert installed("sync").code == 0
    shop(installed, sold(0, "10"))
    preview = installed("resync", "shop", "--ids", "--dry-run", "--json")
    assert (preview.code, preview.json["sources"][0]["streams"][0]["would_stop"]) == (4, "1 of 5 known records shown")
    assert (installed("stops", "--json").json, "next" in preview.json) == ([], False)
    assert installed("resync", "shop", "--ids").code == 4
    (stop,) = installed("stops", "--json").json
    assert (stop["kind"], stop["source"], stop["stream"]) == ("id_pass", "shop", "deals")
    shop(installed, sold(0, "10"), sold(1, "10"))
    assert installed("stops", "accept", stop["id"]).code == 0
    assert pushed(installed) == "20.00", "the one that answered by then has stayed"


def test_all_ids_go_with_no_other_way_of_reading_again(installed: Project) -> None:
    result = installed("resync", "shop", "--ids", "--full")
    assert (result.code, "--full and --ids" in result.err) == (2, True)

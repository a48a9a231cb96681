"""`connector demo`: the whole job on a bundled CRM and HR system, over real HTTP, on a simulated clock.

Eighteen months of a sales team are played into the fake CRM; six monthly syncs pull them, compute and deliver, as
`connector sync` would. What is shown is what the store and the HR system hold afterwards. Then a month is closed, and
edited in the CRM all the same. On a terminal it stays up: deals move on and every few seconds a sync follows.
"""

from __future__ import annotations

import csv
import json as json_
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connector.app import App
from connector.cli import demo_closing, tables
from connector.cli.session import console, print_json
from connector.twins import demo as world
from connector.twins.clock import SimulatedClock
from connector.twins.hr import HrTwin
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal import Portal
from connector.wiring import Answer

SECONDS_BETWEEN_SYNCS = 5.0

CONFIG = """\
# Written by `connector demo`. Both addresses are fakes on this machine.
store: sqlite:///demo.db
timezone: {zone}
currency: {currency}
people: people.csv
fx: {{file: fx.csv}}
sources:
  hubspot:
    adapter: hubspot
    mapping: demo
    base_url: {crm}
    token: ${{DEMO_CRM_TOKEN}}
    properties: {properties}
destinations:
  hr:
    adapter: rest
    base_url: {hr}/api
    auth:
      login: {{post: /login, body: {{user: connector, password: "${{DEMO_HR_PASSWORD}}"}}, token: token}}
      header: Token
    employees: {{get: /employees, rows: data, code: MaNhanVien, email: Email}}
    find:
      get: /kpi-results
      query: {{employee: "{{subject.employee_code}}", kpi: "{{kpi}}", period: "{{body.Ky}}"}}
      rows: items
      id: id
    send: {{post: /kpi-results, rows: items, batch: 50, update: {{put: "/kpi-results/{{remote_id}}"}}}}
    body:
      MaNhanVien: subject.employee_code
      MaKPI: kpi
      Ky: {{path: period_start, as: {{date: {{format: "%m/%Y"}}}}}}
      ThucHien: {{path: value, as: {{number: {{digits: 4}}}}}}
    answer: {{ok: "code == `1`", rows: results, row_ok: success, row_error: message, row_id: id}}
    read_back: {{get: "/kpi-results/{{remote_id}}", compare: {{ThucHien: 0.01}}}}
kpis:
  - {{id: won_value, metric: won_value, per: person, every: month, options: {{credit: split}}, push: [hr]}}
  - {{id: won_count, metric: won_count, per: person, every: month, push: [hr]}}
  - {{id: win_rate, metric: win_rate_count, per: person, every: month, push: [hr]}}
  - {{id: cycle, metric: cycle_length, per: person, every: month}}
  - {{id: conversion, metric: stage_conversion, per: company, by: pipeline, every: month}}
  - {{id: stage_days, metric: stage_duration, per: company, by: pipeline, every: month}}
  - {{id: entries, metric: stage_entries, per: company, by: pipeline, every: month}}
  - {{id: open_pipeline, metric: open_pipeline, per: company, by: pipeline, every: month}}
"""


class Demo:
    """The fakes, the files and the App of one demo, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = world.make_plan()
        self.clock = SimulatedClock(world.SYNCS[0])
        self.portal = Portal(self.clock)
        self.timeline = world.Timeline(self.plan, self.portal)
        self.crm = HubSpotTwin(self.portal, token="demo-crm-token")  # noqa: S106  # a fake's
        self.hr = HrTwin(world.hr_employees(self.plan), clock=self.clock, password="demo-hr-password")  # noqa: S106

    @contextmanager
    def running(self) -> Iterator[App]:
        """Both fakes up, the files written, the App loaded."""
        with self.crm, self.hr:
            (self.folder / "config.yaml").write_text(
                CONFIG.format(zone=world.ZONE, currency=world.CURRENCY, crm=self.crm.url, hr=self.hr.url,
                    properties=json_.dumps({kind: list(names) for kind, names in world.OWN_PROPERTIES.items()}),
                ),
                encoding="utf-8",
            )
            _write_csv(self.folder / "people.csv", world.people_rows(self.plan))
            _write_csv(self.folder / "fx.csv", world.fx_rows(self.plan))
            secrets = {"DEMO_CRM_TOKEN": "demo-crm-token", "DEMO_HR_PASSWORD": "demo-hr-password"}
            app = App.load(str(self.folder / "config.yaml"), clock=self.clock, environment={**os.environ, **secrets})
            try:
                yield app
            finally:
                app.close()

    def months(self) -> list[str]:
        """The last three months that are over, as period names: those before the last three syncs."""
        zone = ZoneInfo(world.ZONE)
        before = [moment.astimezone(zone).replace(day=1) - timedelta(days=1) for moment in world.SYNCS[-3:]]
        return [f"{day:%Y-%m}" for day in before]


def _write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(*, serve: bool, json: bool) -> int:
    """Play the demo; the exit code is that of its last sync."""
    stay = serve and not json and sys.stdout.isatty() and not os.environ.get("CI")
    folder = Path(tempfile.mkdtemp(prefix="connector-demo-"))
    try:
        demo = Demo(folder)
        with demo.running() as app:
            answer = _six_months(demo, app, quiet=json)
            if json:
                print_json(answer.value)
            else:
                _show(demo, app, answer)
                demo_closing.show(console(), app, demo_closing.close_and_edit(demo, app))
            if stay:
                _stay(demo, app)
            return answer.exit_code
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _six_months(demo: Demo, app: App, *, quiet: bool) -> Answer:
    """The monthly syncs, each after what happened since the last one."""
    out = console(stderr=quiet)
    answer = Answer({}, 0)
    for moment in world.SYNCS:
        demo.clock.move_to(moment)
        events = demo.timeline.advance(moment)
        answer = app.sync()
        streams = [stream for source in answer.value["sources"] for stream in source["streams"]]
        confirmed = sum(one["confirmed"] for one in answer.value["destinations"])
        read, new, changed = (sum(one[name] for one in streams) for name in ("records", "new", "changed"))
        out.print(
            f"{moment:%Y-%m-%d}: {events:,} events in the CRM → {read:,} records read, {new:,} new, {changed:,} "
            f"changed → {confirmed:,} values confirmed by HR ({answer.value['status']})"
        )
    return answer


def _show(demo: Demo, app: App, answer: Answer) -> None:
    """The last summary, the KPIs of the last three months per person and per stage, and what HR holds."""
    out = console()
    tables.summary(out, answer.value)
    months = demo.months()
    values = [value for month in months for value in app.kpi(period=month).value]
    out.print()
    people = ("won_value", "won_count", "win_rate", "cycle")
    _grid(out, "KPIs per person", [value for value in values if value["kpi"] in people], months, _person)
    stages = ("entries", "conversion", "stage_days")
    _grid(out, "KPIs per stage", [value for value in values if value["kpi"] in stages], months, _stage)
    held = list(demo.hr.results.values())
    tables.table(
        out, f"What HR now holds: {len(held):,} results; those of the last month",
        ("employee", "KPI", "period", "value"),
        [
            (row["MaNhanVien"], row["MaKPI"], row["Ky"], str(row["ThucHien"]))
            for row in sorted(held, key=lambda row: (row["MaNhanVien"], row["MaKPI"]))
            if row["Ky"] == f"{months[-1][5:]}/{months[-1][:4]}"
        ],
    )


def _person(value: Mapping[str, Any]) -> tuple[str, str]:
    return value["subject"]["name"] or value["subject"]["key"], _named(value)


def _stage(value: Mapping[str, Any]) -> tuple[str, str]:
    dimensions = value["dimensions"]
    return f"{dimensions.get('pipeline', '')}: {dimensions.get('stage', '')}", _named(value)


def _named(value: Mapping[str, Any]) -> str:
    unit = value["currency"] or value["unit"]
    return f"{value['kpi']} ({unit})"


def _grid(out: Any, title: str, values: Sequence[Mapping[str, Any]], months: Sequence[str], of: Any) -> None:
    """One row for each subject and KPI, one column for each month."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for value in values:
        shown = "–" if value["value"] is None else value["value"]
        rows.setdefault(of(value), {})[value["period"]] = shown
    tables.table(
        out, title, ("whose", "KPI", *months),
        [(whose, kpi, *(found.get(month, "") for month in months)) for (whose, kpi), found in rows.items()],
    )


def _stay(demo: Demo, app: App) -> None:
    """Deals move on and syncs follow, until Ctrl-C."""
    out = console()
    out.print(f"\nHR: {demo.hr.url}/   CRM: {demo.crm.url}   files: {demo.folder}")
    out.print("Deals go on moving; a sync follows every few seconds. Ctrl-C ends it.")
    ended = threading.Event()
    try:
        while not ended.wait(SECONDS_BETWEEN_SYNCS):
            demo.clock.sleep(6 * 3600)
            moved = demo.timeline.keep_moving(3)
            answer = app.sync()
            streams = [stream for source in answer.value["sources"] for stream in source["streams"]]
            confirmed = sum(one["confirmed"] for one in answer.value["destinations"])
            out.print(
                f"{demo.clock.now():%Y-%m-%d %H:%M}: {len(moved)} events → {sum(one['changed'] for one in streams)} "
                f"changed, {sum(one['new'] for one in streams)} new → {confirmed} values confirmed by HR"
            )
    except KeyboardInterrupt:
        out.print("ended")

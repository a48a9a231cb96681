"""An installation that reads a Tryton and pushes to a PocketBase, run by the real command."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from connector.store.tables import LEDGER
from tests.e2e.project import Project

CONFIG = """\
timezone: Asia/Ho_Chi_Minh
currency: EUR
sources:
  tryton:
    adapter: tryton
    mapping: tryton
    base_url: {base_url}
    database: {database}
    {credential}
"""

KPIS = """\
kpis:
  - {{id: won_value, metric: won_value, per: owner, every: all{push}}}
  - {{id: won_count, metric: won_count, per: owner, every: all{push}}}
  - {{id: entries, metric: stage_entries, every: all{push}}}
  - {{id: conversion, metric: stage_conversion, every: all{push}}}
  - {{id: open, metric: open_pipeline, by: stage, every: all, options: {{measure: count}}{push}}}
  - {{id: leads, metric: lead_volume, every: month}}
"""

POCKETBASE = """\
destinations:
  okr:
    adapter: rest
    base_url: {base_url}
    auth:
      login:
        post: /collections/_superusers/auth-with-password
        body: {{identity: {user}, password: "${{OKR_PASSWORD}}"}}
        token: token
      header: Authorization
    find:
      get: /collections/kpi_values/records
      query: {{filter: "metric='{{kpi}}' && pipeline='{{dimensions.pipeline}}' && stage='{{dimensions.stage}}' &&
        owner='{{subject.key}}' && period='{{period}}'"}}
      rows: items
      id: id
    send: {{post: /collections/kpi_values/records, update: {{patch: ".../{{remote_id}}"}}}}
    answer: {{id: id, exists: "data.metric.code == 'validation_not_unique'"}}
    body:
      metric: kpi
      pipeline: {{path: dimensions.pipeline, default: ""}}
      stage: {{path: dimensions.stage, default: ""}}
      owner: subject.key
      period: period
      value: {{path: value, as: number, omit_null: true}}
      exact: {{path: value, default: ""}}
      currency: {{path: currency, default: ""}}
    read_back: {{compare: {{exact: 0, currency: 0}}}}
"""

SECRETS = {"TRYTON_KEY": "demo-rest-key-connector-0001", "TRYTON_PASSWORD": "connector-demo-1",
           "OKR_PASSWORD": "admin-demo-1"}
BY_KEY = "key: ${TRYTON_KEY}"
BY_LOGIN = "user: connector\n    password: ${TRYTON_PASSWORD}"


class Installed(Project):
    """The folder, with the environment of the two servers' secrets."""

    def run(self, *arguments: str, apart: bool = False) -> Any:
        """What a command gives by `--json`; `apart` in a process of its own."""
        done = (self.process if apart else self)(*arguments, "--json", **SECRETS)
        assert done.code == 0, done
        return done.json

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Straight from the SQLite store."""
        with sqlite3.connect(self.folder / "connector.db") as connection:
            return connection.execute(query, values).fetchall()

    def ledger(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of the ledger, cell for cell."""
        return {name: sorted(self.rows(f"SELECT * FROM {name}"), key=repr) for name in LEDGER}

    def views(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the current-state views."""
        return {f"current_{name}": self.rows(f"SELECT * FROM current_{name}") for name in LEDGER}


def installed(
    folder: Path, tryton: Mapping[str, Any], pocketbase: Mapping[str, Any] | None = None, credential: str = BY_KEY
) -> Installed:
    """With KPIs that are pushed where there is a PocketBase."""
    made = Installed(folder)
    config = CONFIG.format(base_url=tryton["base_url"], database=tryton["database"], credential=credential)
    if pocketbase:
        config += POCKETBASE.format(base_url=pocketbase["base_url"], user=pocketbase["user"])
    made.write("config.yaml", config + KPIS.format(push=", push: [okr]" if pocketbase else ""))
    return made


class PocketBase:
    """What it holds, asked by the test itself."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.base = f"{found['base_url']}collections/"
        known = {"identity": found["user"], "password": found["password"]}
        self.token = requests.post(self.base + "_superusers/auth-with-password", json=known, timeout=10).json()["token"]

    def held(self) -> dict[tuple[str, str, str, str], dict[str, Any]]:
        """The records by metric, stage, owner and period; a second one of the same name would be a failure."""
        answer = requests.get(self.base + "kpi_values/records", headers={"Authorization": self.token},
                              params={"perPage": 500}, timeout=10).json()
        assert answer["totalItems"] == len(answer["items"])
        made = {tuple(one[name] for name in ("metric", "stage", "owner", "period")): one for one in answer["items"]}
        assert len(made) == len(answer["items"])
        return made

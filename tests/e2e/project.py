"""A small installation in a folder, and the command `connector` to run in it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.cli.main import call
from connector.ports import Clock

COMMAND = Path(sys.executable).with_name("connector")

CONFIG = """\
timezone: Asia/Ho_Chi_Minh
currency: USD
people: people.csv
sources:
  crm:
    adapter: csv_folder
    mapping: crm.yaml
    folder: export
    files:
      owners: {file: owners.csv, key: id}
      deals: {file: deals.csv, key: id, complete: true, nest: {history: {file: history.csv, on: {id: deal}}}}
destinations:
  table:
    adapter: file
    path: "out/kpi-{period}.csv"
kpis:
  - {id: won_value, metric: won_value, per: person, every: month, push: [table]}
  - {id: entries, metric: stage_entries, per: company, every: month}
"""

MAPPING = """\
pipelines:
  "sales": {name: new-business, stages: {"1": prospecting, "2": proposal, "3": closed_won, "4": closed_lost}}
entities:
  - {entity: owner, stream: owners, key: id, fields: {email: email, name: name}}
  - entity: deal
    stream: deals
    key: id
    fields:
      pipeline: {const: sales}
      stage: stage
      created_at: {path: created_at, as: datetime}
      amount: {path: amount, currency: currency, as: money}
      owner: owner
  - entity: stage_transition
    stream: deals
    each: history
    fields: {deal: record.id, to: item.stage, at: {path: item.at, as: datetime}, by: item.by}
tests:
  - {stream: deals, record: {id: "9", stage: "3", amount: "10", currency: USD}, expect: {deal: {stage: closed_won}}}
"""

FILES = {
    "config.yaml": CONFIG,
    "crm.yaml": MAPPING,
    "people.csv": "employee_code,email,name\nNV001,an@example.vn,An\nNV002,binh@example.vn,Bình\n",
    "export/owners.csv": "id,email,name\no1,an@example.vn,An Nguyen\no2,binh@example.vn,Binh Tran\n",
    "export/deals.csv": "id,stage,created_at,amount,currency,owner\n"
    "1,3,2026-01-05T02:00:00Z,1000.50,USD,o1\n"
    "2,2,2026-01-06T02:00:00Z,700,USD,o2\n"
    "3,4,2026-01-07T02:00:00Z,300,USD,o2\n",
    "export/history.csv": "deal,stage,at,by\n"
    "1,1,2026-01-05T02:00:00Z,o1\n1,2,2026-01-08T02:00:00Z,o1\n1,3,2026-01-20T02:00:00Z,o1\n"
    "2,1,2026-01-06T02:00:00Z,o2\n2,2,2026-01-09T02:00:00Z,o2\n"
    "3,1,2026-01-07T02:00:00Z,o2\n3,4,2026-01-10T02:00:00Z,o2\n",
}


def forget(folder: Path) -> None:
    """Forget the adapters that were imported from a folder, as they would be with a process of their own."""
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{folder}/"):
            del sys.modules[name]


@dataclass(frozen=True, slots=True)
class Result:
    """What one call of `connector` did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a config. Calling it runs `connector` there, through the command's own edge but in this process,
    which saves the second that loading takes; `process` runs the installed command. `clock`: not the machine's."""

    folder: Path
    clock: Clock | None = None

    def __call__(self, *arguments: str, **environment: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = call(list(arguments), self.clock)
        finally:
            os.environ.clear()
            os.environ.update(before)
            forget(self.folder)
        assert "Traceback" not in out.getvalue() + err.getvalue()
        return Result(code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str, **environment: str) -> Result:
        """What the installed command does."""
        done = subprocess.run(
            [COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a file; the old text must be there."""
        content = (self.folder / name).read_text("utf-8")
        assert old in content
        self.write(name, content.replace(old, new))


def make(folder: Path) -> Project:
    """Three deals of two sellers in an export folder, with a mapping, people, two KPIs and a CSV destination."""
    made = Project(folder)
    for name, content in FILES.items():
        made.write(name, content)
    return made

"""Slips of those who write YAML and tables: each is one edit of an installation without a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.project import Project, make

CONFIG = """\
timezone: Asia/Ho_Chi_Minh
currency: USD
fiscal_year_start: 4
people: people.csv
targets: targets.csv
fx: {file: fx.csv}
holidays: holidays.csv
sources:
  crm:
    adapter: csv_folder
    mapping: crm.yaml
    schedule: "*/15 * * * *"
    overlap: 15m
    folder: export
    files:
      owners: {file: owners.csv, key: id}
      deals: {file: deals.csv, key: id, complete: true, nest: {history: {file: history.csv, on: {id: deal}}}}
destinations:
  table:
    adapter: file
    path: "out/kpi-{period}.csv"
kpis:
  - {id: won_value, metric: won_value, per: person, options: {credit: current}, push: [table]}
  - {id: won_count, metric: won_count, per: person, every: month}
  - {id: entries, metric: stage_entries, by: canonical_stage}
scorecards:
  - {id: seller, weights: {won_value: 0.6, won_count: 0.4}}
okrs: okrs.csv
ask: ask.csv
"""

FILES = {
    "config.yaml": CONFIG,
    "people.csv": "employee_code,email,owner,name,team,from,to\n"
    "0071,an@example.vn,crm:o1,An,north,2025-01-01,\n"
    "0072,binh@example.vn,crm:o2,Bình,north,2025-01-01,2025-12-31\n"
    "0072,,,,south,2026-01-01,\n",
    "people.yaml": "people:\n"
    '  - employee_code: "0071"\n'
    "    email: an@example.vn\n"
    "    team: north\n"
    '  - employee_code: "0072"\n'
    "    email: binh@example.vn\n",
    "targets.csv": "kpi,subject,currency,2026-01,2026-02\nwon_value,0071,USD,1000,1500\nwon_count,0072,,1,2\n",
    "targets.yaml": "- {kpi: won_value, subject: \"0071\", period: 2026-01, target: 1000}\n"
    "- kpi: won_value\n"
    '  subject: "0072"\n'
    "  period: 2026-01\n"
    "  target: 1500\n",
    "fx.csv": "currency,valid_from,rate\nEUR,2026-01-01,1.085\nVND,2026-01-01,0.000038\n",
    "holidays.csv": "date,name\n2026-01-01,New Year\n2026-02-17,Tết\n",
    "okrs.csv": "objective,key_result,person,period,start,target,current\n"
    "Grow,Signed contracts,0071,FY2026-Q4,0,10,4\n",
    "ask.csv": "person,group,item,rater,round,score\n0071,skill,Negotiation,0072,FY2026-Q4,4\n",
}

WORKBOOKS = {
    "people.xlsx": FILES["people.csv"],
    "targets.xlsx": "kpi,subject,period,target\nwon_value,0071,2026-01,1000\n",
}
"""Workbooks, every cell text, as the CSV they are written from."""


@dataclass(frozen=True, slots=True)
class Slip:
    """One edit: in `file`, `old` becomes `new` (of a workbook: the cell under `old`, a column and a row's number).

    `at`: the faulty line of the edited file, where it is not the one on which the edit begins. `key` and `says`: what
    has to be said, beside file and line. `uses`: texts of the config to replace, so that it names other files.
    """

    kind: str
    file: str
    old: Any
    new: Any
    key: str
    says: tuple[str, ...]
    at: str = ""
    uses: Mapping[str, str] = field(default_factory=dict)

    def make(self, project: Project) -> tuple[int, str]:
        """Make the edit. Gives the 1-based line at fault (of a workbook: the row), and what stands there."""
        for usual, other in self.uses.items():
            project.replace("config.yaml", usual, other)
        if self.file.endswith(".xlsx"):
            column, row = self.old
            write_workbook(project.folder / self.file, (column, row, self.new))
            return row, f"{column}: {self.new}"
        path = project.folder / self.file
        good = path.read_bytes()
        old, new = (text if isinstance(text, bytes) else text.encode() for text in (self.old, self.new))
        assert good.count(old) == 1, f"{self.kind}: the text to edit stands there once"
        bad = good.replace(old, new)
        path.write_bytes(bad)
        lines = bad.decode("utf-8", "replace").splitlines()
        line = lines.index(self.at) + 1 if self.at else good[: good.index(old)].count(b"\n") + 1
        return line, lines[line - 1].replace("\t", "→").strip()


def write_workbook(path: Path, cell: tuple[str, int, Any] | None = None) -> None:
    """The workbook of that name, but for that cell (column's name, 1-based row, value)."""
    from openpyxl import Workbook

    rows: list[list[Any]] = [line.split(",") for line in WORKBOOKS[path.name].splitlines()]
    if cell is not None:
        column, row, value = cell
        rows[row - 1][rows[0].index(column)] = value
    book = Workbook()
    for values in rows:
        book.worksheets[0].append(values)
    book.save(path)


def installed(folder: Path) -> Project:
    """An installation without a fault: a config, a mapping, every kind of table, and an export of three deals."""
    project = make(folder)
    for name, content in FILES.items():
        project.write(name, content)
    for name in WORKBOOKS:
        write_workbook(folder / name)
    return project

"""The list of lost deals that are due for a retry, from the mapping file to a report's table and file.

Of tests/data/edge_cases, with a wait of 20 days, and of 40 after a competitor won: D03 (price) was lost on 22 January
and is due from 11 February until D13 tries it again on 1 March; D11 (no reason) was lost on 3 February and is due from
the 23rd; D10 (competitor) was lost on 15 February and is due from 27 March.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from connector.app import App
from connector.errors import ConfigError
from tests.product.asking import DATA
from tests.product.edge_install import COMMON, _load

RULE = "    recycle: {default: 20d, Competitor: 40d, spam: never}\n"
KPIS = """\
destinations:
  report: {{adapter: sql, url: "sqlite:///{folder}/report.db", table: kpi_value, periods: all}}
  sheet: {{adapter: file, path: "{folder}/kpi-{{period}}.csv", periods: all}}
kpis:
  - {{id: due, metric: recycle_due, push: [report, sheet]}}
  - {{id: due_money, metric: recycle_due, options: {{measure: value}}, push: [report, sheet]}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edge")


@pytest.fixture(scope="module")
def app(folder: Path) -> Iterator[App]:
    """The edge cases with a rule for the pipeline `sales`, synced and pushed."""
    mapping = (DATA / "edge_cases.yaml").read_text("utf-8").replace("    name: sales\n", "    name: sales\n" + RULE)
    with closing(_load(folder, f"sqlite:///{folder}/store.db", mapping, COMMON, KPIS.format(folder=folder))) as made:
        assert made.sync().exit_code == 0
        yield made


EXPECTED = {
    ("due", "2025-01"): "0", ("due", "2025-02"): "2", ("due", "2025-03"): "2",
    ("due_money", "2025-01"): "0.00", ("due_money", "2025-02"): "6000.00", ("due_money", "2025-03"): "5000.00",
}


def test_it_is_delivered_to_a_table_and_to_files(app: App, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "report.db")) as report:
        told = report.execute("SELECT kpi, period, value FROM kpi_value").fetchall()
    assert {(kpi, period): value for kpi, period, value in told} == EXPECTED
    found = {}
    for month in ("2025-01", "2025-02", "2025-03"):
        with (folder / f"kpi-{month}.csv").open(encoding="utf-8-sig", newline="") as lines:
            found |= {(row["kpi"], row["period"]): row["value"] for row in csv.DictReader(lines)}
    assert found == EXPECTED


@pytest.mark.parametrize(
    ("period", "expected"),
    [("2025-02", {"D03": "4000.00", "D11": "2000.00"}), ("2025-03", {"D10": "3000.00", "D11": "2000.00"})],
)
def test_each_deal_of_the_list_is_named_with_its_loss_and_its_money(
    app: App, period: str, expected: dict[str, str]
) -> None:
    found = app.explain("due_money", period=period).value
    assert {member["id"]: member["amount"] for member in found["members"]} == expected
    assert {member["entity"] for member in found["members"]} == {"deal"}
    listed = app.explain("due", period=period).value
    assert {member["id"] for member in listed["members"]} == set(expected)


def test_a_wait_that_is_none_is_a_fault_with_its_line(tmp_path: Path) -> None:
    text = (DATA / "edge_cases.yaml").read_text("utf-8")
    mapping = text.replace("    name: sales\n", "    name: sales\n    recycle: {default: 20d, spam: no}\n")
    line = mapping[: mapping.index("recycle")].count("\n") + 1
    with pytest.raises(ConfigError, match=rf"yaml:{line}: pipelines.sales.recycle.spam: expected whole days"):
        _load(tmp_path, f"sqlite:///{tmp_path}/store.db", mapping, COMMON, KPIS.format(folder=tmp_path)).sync()

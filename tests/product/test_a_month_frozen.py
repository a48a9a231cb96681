"""January of tests/data/edge_cases closed on 5 February, and what came after it: R15 of metrics.md, by its own example.

Here the export grows as it did: each row is there from its `first_synced_at` on, and no history is imported.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.app import App
from connector.testing import FakeClock
from tests.product.asking import DATA, same, truth
from tests.product.edge_install import COMMON, NOW

FOLDER = DATA / "edge_cases"
KNOWN_SINCE = {  # which column says when a row came to be known
    "deals": "first_synced_at", "leads": "created_at", "stage_transitions": "first_synced_at", "owners": "",
    "deal_owner_history": "from_at", "activities": "at",
}
FREEZE = datetime(2025, 2, 4, 17, tzinfo=UTC)  # 5 February 00:00 local
KPIS = """\
kpis:
  - {id: won_count, metric: won_count}
  - {id: won_value, metric: won_value}
  - {id: lost, metric: loss_stage, by: reason}
  - {id: rate, metric: win_rate_count}
"""


def export(folder: Path, now: datetime) -> None:
    """The files as they stand at that moment."""
    for name, since in KNOWN_SINCE.items():
        with (FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            known = [row for row in reader if not since or datetime.fromisoformat(row[since]) <= now]
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, reader.fieldnames or ())
            writer.writeheader()
            writer.writerows(known)


@pytest.fixture
def app(tmp_path: Path, store_url: str) -> Iterator[tuple[App, FakeClock]]:
    """It is 5 February 2025, 00:00 in Ho Chi Minh City; what was known by then is read."""
    mapping = (DATA / "edge_cases.yaml").read_text("utf-8")
    mapping = re.sub(r"(,|\n *) *seen_at: (\{[^}]*\}|\w+)", "", mapping)
    (tmp_path / "edge_cases.yaml").write_text(mapping, "utf-8")
    (tmp_path / "fx.csv").write_text((FOLDER / "fx_rates.csv").read_text("utf-8"), "utf-8")
    config = COMMON.format(store=store_url, data=tmp_path).replace("    history_import: true\n", "")
    (tmp_path / "config.yaml").write_text(config + KPIS, "utf-8")
    export(tmp_path, FREEZE)
    clock = FakeClock(FREEZE)
    with closing(App.load(str(tmp_path / "config.yaml"), clock, {})) as found:
        answer = found.sync()
        assert answer.exit_code == 0, answer.value
        yield found, clock


def one(app: App, kpi: str, period: str, view: str | None = None) -> dict[str, Any]:
    """The one value of a KPI."""
    (found,) = app.kpi(kpi, period=period, view=view).value
    return dict(found)


def test_january_freezes_and_february_pays_the_difference(app: tuple[App, FakeClock], tmp_path: Path) -> None:
    """R15, E: January froze 5 Feb with won 1, lost 2, 10 000; restated: won 2, lost 1, 19 000 (D12 arrived late, D04
    was re-opened); adjustment posted in February: +9 000 won value."""
    office, clock = app
    assert office.close_period("2025-01").exit_code == 0
    export(tmp_path, NOW)
    clock.advance(days=(NOW - FREEZE).days)
    assert office.sync().exit_code == 0

    (then,) = truth("edge_cases/ground_truth/03_january_as_frozen.csv")
    now = truth("edge_cases/ground_truth/02_by_month_restated.csv")
    for view, row in (("frozen", then), ("restated", now[0])):
        assert one(office, "won_count", "2025-01", view)["value"] == row["won"]
        assert one(office, "won_value", "2025-01", view)["value"] == row["won_value"]
        rate = one(office, "rate", "2025-01", view)
        assert same(rate["value"], row["win_rate_count"])
        assert int(rate["denominator"]) - int(rate["numerator"]) == int(row["lost"])

    proposed = {adjustment["kpi"]: adjustment for adjustment in office.adjustments().value
                if adjustment["kpi"].startswith("won_")}
    causes = {kpi: [(cause["id"], cause["change"]) for cause in adjustment["causes"]]
              for kpi, adjustment in proposed.items()}
    assert {kpi: adjustment["value"] for kpi, adjustment in proposed.items()} == {
        "won_value": "9000.00", "won_count": "1",
    }
    assert causes == {"won_value": [("D12", "entered")], "won_count": [("D12", "entered")]}
    decided = office.decide_adjustment(proposed["won_value"]["id"], "accept").value
    assert decided["posted_to"] == "2025-02"
    payable = one(office, "won_value", "2025-02", "payable")["value"]
    assert Decimal(payable) == Decimal(now[1]["won_value"]) + 9_000

"""The config of a benchmark, written into a folder of its own; with the 14 KPIs where those are measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
METRICS = (
    "won_count", "won_value", "average_deal_value", "win_rate_count", "win_rate_value", "lead_volume", "lead_to_won",
    "stage_entries", "stage_conversion", "stage_duration", "cycle_length", "open_pipeline", "weighted_pipeline",
    "lost_reasons",
)
TARGETED = ("coverage", "won_value")
MONTHS = tuple(f"{2025 + number // 12}-{number % 12 + 1:02d}" for number in range(18))  # 2025-01 .. 2026-06
TEAMS = 5
RATES = "currency,valid_from,rate\nEUR,2020-01-01,1.1\nVND,2020-01-01,0.00004\n"


def write_config(
    folder: Path, *, store: str, base_url: str, windows: int | None = None, kpis: Sequence[str] = (),
    persons: int = 0,
) -> Path:
    """Write `config.yaml` into the folder, for that store and CRM; its path.

    `windows`: how many windows a first read is cut into and read at once; None leaves the key out. `kpis`: the
    metrics that are computed by month; none for what measures the pull alone, as the peers compute none. They are those
    of every owner or, of so many `persons`, of every person, who have a target of `TARGETED` in each of the `MONTHS`.
    """
    source: dict[str, Any] = {
        "adapter": "benchmarks.ours.adapter",
        "mapping": str(HERE / "mapping.yaml"),
        "base_url": base_url,
        "since": "2024-01-01",
    }
    if windows is not None:
        source["windows"] = windows
    config: dict[str, Any] = {"store": store, "timezone": "UTC", "currency": "USD", "sources": {"crm": source}}
    if kpis:
        (folder / "fx.csv").write_text(RATES, encoding="utf-8")
        config["fx"] = {"file": "fx.csv"}
        per = "person" if persons else "owner"
        config["kpis"] = [{"id": metric, "metric": metric, "per": per, "every": "month"} for metric in kpis]
    if persons:
        (folder / "people.csv").write_text("".join(_people(persons)), encoding="utf-8")
        (folder / "targets.csv").write_text("".join(_targets(persons)), encoding="utf-8")
        config |= {"people": "people.csv", "targets": "targets.csv"}
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")  # JSON is YAML
    return path


def _people(persons: int) -> Iterator[str]:
    """An employee for each owner."""
    yield "employee_code,owner,name,team\n"
    yield from (f"E{number:02d},crm:{number},Seller {number:02d},Team {number % TEAMS}\n"
                for number in range(1, persons + 1))


def _targets(persons: int) -> Iterator[str]:
    """A target for each employee and month."""
    yield "kpi,subject,period,target,currency\n"
    yield from (f"{kpi},E{number:02d},{month},1000000,USD\n"
                for kpi in TARGETED for number in range(1, persons + 1) for month in MONTHS)

"""The config of a benchmark, written into a folder of its own; with the 14 KPIs where those are measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
METRICS = (
    "won_count", "won_value", "average_deal_value", "win_rate_count", "win_rate_value", "lead_volume", "lead_to_won",
    "stage_entries", "stage_conversion", "stage_duration", "cycle_length", "open_pipeline", "weighted_pipeline",
    "lost_reasons",
)
RATES = "currency,valid_from,rate\nEUR,2020-01-01,1.1\nVND,2020-01-01,0.00004\n"


def write_config(
    folder: Path, *, store: str, base_url: str, windows: int | None = None, with_kpis: bool = False
) -> Path:
    """Write `config.yaml` into the folder, for that store and CRM; its path.

    `windows`: how many windows a first read is cut into and read at once; None leaves the key out. Without KPIs for
    what measures the pull alone, as the peers compute none; with them all 14 metrics, of every owner, by month.
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
    if with_kpis:
        (folder / "fx.csv").write_text(RATES, encoding="utf-8")
        config["fx"] = {"file": "fx.csv"}
        config["kpis"] = [{"id": metric, "metric": metric, "per": "owner", "every": "month"} for metric in METRICS]
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")  # JSON is YAML
    return path

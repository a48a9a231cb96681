"""KPI values as tables one can read aloud, and as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

from connector import okrs
from connector.cli.tables import table, when
from connector.metrics.catalogue import METRICS

if TYPE_CHECKING:
    from rich.console import Console

Kpi = Mapping[str, Any]


def tables(console: Console, values: Sequence[Kpi]) -> None:
    """One table for each KPI and period: whose, which part, how much, and the target where there is one."""
    if not values:
        console.print("no KPI has a value there")
    for (kpi, period), group in groupby(values, key=lambda value: (value["kpi"], value["period"])):
        rows = list(group)
        parts = sorted({name for value in rows for name in value["dimensions"]})
        targets = ("target", "attainment") if any(value["target"] is not None for value in rows) else ()
        notes = ("note",) if any(_note(value) for value in rows) else ()
        table(
            console, _title(kpi, period, rows[0]), (rows[0]["subject"]["kind"], *parts, "value", *targets, *notes),
            [
                (
                    value["subject"]["name"] or value["subject"]["key"],
                    *(value["dimensions"].get(name) for name in parts),
                    readable(value, "value"),
                    *((readable(value, "target"), percent(value["attainment"])) if targets else ()),
                    *((_note(value),) if notes else ()),
                )
                for value in rows
            ],
        )


def _title(kpi: str, period: str, value: Kpi) -> str:
    unit = value["currency"] or {"0..1": "percent", "score": "percent"}.get(value["unit"], value["unit"])
    as_of = " · frozen" if value.get("view") == "frozen" else f", as of {when(value['as_of'])}"
    usual = METRICS[value["metric"]].default_options if value["metric"] in METRICS else {}
    chosen = ", ".join(f"{name} {said}" for name, said in value["options"].items() if usual.get(name) != said)
    return f"{kpi} · {period} · {unit}{f' · {chosen}' if chosen else ''}{as_of}"


def readable(value: Kpi, field: str) -> str:
    """The number as people write it: thousands parted, ratios in percent, durations with one place; – is no data."""
    number = value[field]
    if number is None:
        return "–" if field in ("value", "restated_value") else ""
    if value["unit"] in ("0..1", "score"):
        return percent(number)
    exact = Decimal(number)
    return f"{exact:,.1f}" if value["currency"] is None and "." in number else f"{exact:,}"


def percent(number: str | None) -> str:
    """A ratio as percent with one place."""
    return "" if number is None else f"{Decimal(number) * 100:.1f} %"


def _note(value: Kpi) -> str:
    left_out = value["left_out"]
    said = []
    if value["metric"] == okrs.OBJECTIVE and (colour := okrs.colour(value["value"], value["options"])):
        said.append(colour)
    if value["status"] == "frozen" and value["restated_value"] != value["value"]:
        said.append(f"{readable(value, 'restated_value')} today")
    if value["status"] in ("withheld", "unknown_before"):
        said.append(value["status"].replace("_", " "))
    if left_out["amount"] != "0":
        said.append(f"{left_out['amount']} without amount left out")
    if left_out["rate"] != "0":
        lacking = "rate or probability" if value["metric"] == "weighted_pipeline" else "exchange rate"
        said.append(f"{left_out['rate']} without {lacking} left out")
    if left_out["duration"] != "0":
        said.append(f"{left_out['duration']} without known duration left out")
    return ", ".join(said)


def csv_text(_console: Console, values: Iterable[Kpi]) -> None:
    """The values as CSV on standard output, with the columns of destination `file`."""
    from connector.outgoing import FLAT, flat

    writer = csv.DictWriter(sys.stdout, FLAT, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat(value) for value in values)

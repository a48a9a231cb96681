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
from connector.metrics.words import Words

if TYPE_CHECKING:
    from rich.console import Console

Kpi = Mapping[str, Any]

_UNITS = {"0..1": "percent", "score": "percent", "ratio": "number", "min": "minutes"}


def tables(console: Console, values: Sequence[Kpi]) -> None:
    """One table for each KPI and period: whose, which part, how much, of how many, and the target if there is one."""
    if not values:
        console.print("no KPI has a value there")
    for (kpi, period), group in groupby(values, key=lambda value: (value["kpi"], value["period"])):
        rows = _in_order(list(group))
        parts = sorted({name for value in rows for name in value["dimensions"]})
        counted = ("counted",) if any(value["denominator"] is not None for value in rows) else ()
        targets = ("target", "attainment") if any(value["target"] is not None for value in rows) else ()
        notes = ("note",) if any(_note(value) for value in rows) else ()
        table(
            console, _title(kpi, period, rows[0]),
            (rows[0]["subject"]["kind"], *parts, "value", *counted, *targets, *notes),
            [
                (
                    value["subject"]["name"] or value["subject"]["key"],
                    *(value["dimensions"].get(name, " ") or "none" for name in parts),
                    readable(value, "value"),
                    *((_counted(value),) if counted else ()),
                    *((readable(value, "target"), percent(value["attainment"])) if targets else ()),
                    *((_note(value),) if notes else ()),
                )
                for value in rows
            ],
        )


def _in_order(rows: list[Kpi]) -> list[Kpi]:
    """The rows as they came; the words of a metric that has its own (an outcome, a step) as they are read."""
    metric = METRICS.get(rows[0]["metric"])
    if metric is None or not metric.words:
        return rows
    seen: dict[tuple[str, ...], int] = {}

    def place(value: Kpi) -> tuple[int, int]:
        others = (said for name, said in value["dimensions"].items() if name != metric.word)
        word = value["dimensions"].get(metric.word)
        rank = metric.words.index(word) if word in metric.words else len(metric.words)
        return seen.setdefault((value["subject"]["key"], *others), len(seen)), rank

    return sorted(rows, key=place)


def _title(kpi: str, period: str, value: Kpi) -> str:
    """`Win rate by number · rate · 2026-10 · percent · credit split, as of 2026-11-01 00:00:00Z`."""
    unit = value["currency"] or _UNITS.get(value["unit"], value["unit"])
    per = " a day" if value["unit"] == "money per day" else ""
    as_of = " · frozen" if value.get("view") == "frozen" else f", as of {when(value['as_of'])}"
    usual = METRICS[value["metric"]].default_options if value["metric"] in METRICS else {}
    chosen = ", ".join(f"{name} {said}" for name, said in value["options"].items() if usual.get(name) != said)
    name = f"{Words('en').name(METRICS[value['metric']])} · " if value["metric"] in METRICS else ""
    return f"{name}{kpi} · {period} · {unit}{per}{f' · {chosen}' if chosen else ''}{as_of}"


def readable(value: Kpi, field: str) -> str:
    """The number as people write it: thousands parted, shares in percent, durations with one place."""
    number = value[field]
    if number is None:
        return _nothing(value) if field in ("value", "restated_value") else ""
    if value["unit"] in ("0..1", "score"):
        return percent(number)
    exact = Decimal(number)
    return f"{exact:,.1f}" if value["currency"] is None and "." in number else f"{exact:,}"


def _nothing(value: Kpi) -> str:
    """What stands where there is no number: `no data`, or what the metric says (`not reached`) of something."""
    metric = METRICS.get(value["metric"])
    own = metric.null if metric is not None and metric.kind == "D" else None
    return own if own and value["denominator"] not in (None, "0") else "no data"


def _counted(value: Kpi) -> str:
    """What stands behind the number: `7 of 10` of a share, `50,000.00 / 6` of a mean, `7` of lengths of time."""
    top, bottom = value["numerator"], value["denominator"]
    if bottom is None:
        return ""
    metric = METRICS.get(value["metric"])
    if metric is not None and metric.is_duration and not metric.made_of:
        top = None  # the sum of the lengths tells nobody anything
    link = " of " if value["unit"] == "0..1" else " / "
    return link.join(f"{Decimal(number):,}" for number in (top, bottom) if number is not None)


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
    if Decimal(value["open_share"] or 0) and value["value"] is not None:
        said.append(f"{percent(value['open_share'])} still open")
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

"""What a file would change, as tables: KPIs and periods first, then whose values move most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from connector.cli.kpis import percent, readable
from connector.cli.tables import table, when
from connector.metrics.catalogue import METRICS

if TYPE_CHECKING:
    from rich.console import Console

_SUMS = ("C", "V", "S")  # kinds of metric whose values may be added up
_UNITS = {"0..1": "percent", "score": "percent", "ratio": "number", "min": "minutes"}


def show(console: Console, found: Mapping[str, Any], most: int | None) -> None:
    """The whole answer; `most` values of those that move, None: all of them."""
    whose = f" of {found['source']}" if found["source"] else ""
    console.print(f"{found['file']} ({found['kind']}{whose}), tried on what was known at {when(found['as_of'])}")
    if not found["changes"]:
        console.print("it means what is in force: nothing would change")
        return
    console.print(f"changes: {', '.join(found['changes'])}")
    _moves(console, found)
    _values(console, found["values"], most)
    for line in _rest(found):
        console.print(line)
    console.print("nothing of it was applied")


def _moves(console: Console, found: Mapping[str, Any]) -> None:
    """A line for each KPI and period; sums only of what can be added up."""
    firsts: dict[str, Mapping[str, Any]] = {}
    for value in found["values"]:
        firsts.setdefault(value["kpi"], value)
    proposes = ("proposed adjustment",) if any(move["adjustment"] for move in found["moves"]) else ()
    judged = ("beyond",) if found["max_shift"] is not None else ()
    rows = []
    for move in found["moves"]:
        told = {**firsts[move["kpi"]], **{name: move[name] for name in ("before", "after", "adjustment")}}
        is_sum = told["metric"] in METRICS and METRICS[told["metric"]].kind in _SUMS
        rows.append((
            move["kpi"], move["period"], move["state"], _unit(told),
            *(readable(told, name) if is_sum else "" for name in ("before", "after")),
            "from nothing" if move["share"] is None else percent(move["share"]), move["values"],
            *((readable(told, "adjustment"),) if proposes else ()), *((move["beyond"],) if judged else ()),
        ))
    columns = ("KPI", "period", "state", "unit", "before", "after", "moves by", "values")
    table(console, "KPIs that move", (*columns, *proposes, *judged), rows)


def _values(console: Console, values: list[Mapping[str, Any]], most: int | None) -> None:
    shown = values[:most]
    if not shown:
        return
    rest = len(values) - len(shown)
    title = f"Values that move most, {len(shown)} of {len(values):,}" if rest else "Values that move"
    parts = sorted({name for value in shown for name in value["dimensions"]})
    frozen = ("frozen", "proposed adjustment") if any(value["state"] == "closed" for value in shown) else ()
    notes = ("note",) if any(_note(value) for value in shown) else ()
    table(
        console, title, ("KPI", "period", "of", *parts, "before", "after", "difference", *frozen, *notes),
        [
            (
                value["kpi"], value["period"], value["subject"]["name"] or value["subject"]["key"],
                *(value["dimensions"].get(name, "") for name in parts),
                *(readable(value, name) or "no data" for name in ("before", "after")), readable(value, "difference"),
                *((readable(value, "frozen"), _proposed(value)) if frozen else ()),
                *((_note(value),) if notes else ()),
            )
            for value in shown
        ],
    )
    if rest:
        console.print(f"and {rest:,} more: --all shows them")


def _unit(value: Mapping[str, Any]) -> str:
    return str(value["currency"] or _UNITS.get(value["unit"], value["unit"]))


def _proposed(value: Mapping[str, Any]) -> str:
    """What a run would propose; of a ratio, a duration or a stock there is only note taken, which is never paid."""
    amounts = value["adjustment"]
    is_paid = amounts is not None and amounts["state"] == "proposed"
    return readable({**value, "value": amounts["value"]}, "value") if is_paid else ""


def _note(value: Mapping[str, Any]) -> str:
    return "" if value["status"] == "open" else str(value["status"]).replace("_", " ")


def _rest(found: Mapping[str, Any]) -> Iterator[str]:
    counts = found["records"]
    if any(counts.values()):
        said = (("new", "new"), ("changed", "changed"), ("deleted", "deleted"), ("quarantined", "set aside"),
                ("mended", "mended"))
        yield f"records: {', '.join(f'{counts[name]:,} {word}' for name, word in said)}"
    if found["new_kpis"]:
        yield f"new KPIs, which move nothing: {', '.join(found['new_kpis'])}"
    released = Counter((one["kpi"], one["period"]) for one in found["released"])
    if released:
        whose = ", ".join(f"{kpi} of {period} ({count:,})" for (kpi, period), count in sorted(released.items()))
        yield f"withheld until now, then told: {whose}"
    if found["max_shift"] is not None:
        beyond = sum(move["beyond"] for move in found["moves"])
        yield f"{beyond or 'none'} of {len(found['moves'])} KPIs and periods beyond {found['max_shift'] * 100:g} %"

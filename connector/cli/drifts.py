"""What mapping and source differ in, as tables and lines a person can read; nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector.cli.tables import table, when

if TYPE_CHECKING:
    from rich.console import Console

TOLD = 5  # findings of one source that a summary has room for
NAMED = 4  # KPIs in a line
_KINDS = {
    "unmapped_stage": "stage not mapped", "unmapped_value": "value not mapped", "vanished_field": "field gone",
    "type_changed": "type changed", "missing_field": "no such field", "unread_field": "not asked for",
    "vanished_stage": "stage gone", "unused_rule": "unused", "low_fill": "nearly empty",
}


def show(console: Console, found: Mapping[str, Any]) -> None:
    """The findings of each source, and by what they were found."""
    for one in found["sources"]:
        told = f"what {one['source']} told at {when(one['told_at'])} and " if one["told_at"] else ""
        beside = f"{one['file']} beside {told}{one['landed_records']:,} landed records"
        table(
            console, beside, ("kind", "line", "finding", "records", "deals", "money", "KPIs"),
            [
                (
                    _KINDS[each["kind"]], each["line"], f"{each['message']}\n→ {each['remedy']}", each["records"],
                    each["deals"], money(each["money"]), _kpis(each["kpis"]),
                )
                for each in one["findings"]
            ],
        )
        if one["error"]:
            console.print(f"{one['source']}: {one['error']}")
    count = sum(len(one["findings"]) for one in found["sources"])
    is_whole = not any(one["error"] for one in found["sources"])
    console.print(f"{count:,} findings" if count else "nothing found" if is_whole else "nothing else found")


def lines(source: str, drift: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    """What drifted, a line each, for a summary."""
    for one in (drift or ())[:TOLD]:
        counts = f" ({one['records']:,} records, {money(one['money'])})" if one["records"] else ""
        concerned = f"; KPIs: {_kpis(one['kpis'])}" if one["kpis"] else ""
        yield f"{source}: {one['message']}{counts}{concerned}"
    if len(drift or ()) > TOLD:
        yield f"{source}: and {len(drift or ()) - TOLD:,} more; see connector mapping lint {source}"


def money(listed: Sequence[Mapping[str, str]]) -> str:
    """Amounts by currency: `1,000.50 EUR + 20.00 USD`."""
    return " + ".join(f"{_grouped(one['amount'])} {one['currency']}" for one in listed)


def _grouped(amount: str) -> str:
    whole, point, part = amount.partition(".")
    return f"{int(whole):,}{point}{part}"


def _kpis(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more

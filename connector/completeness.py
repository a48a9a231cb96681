"""Is everything in, so that a period can be closed: what is missing, each in a sentence with what to do about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, literal, select

from connector.model import KpiValue, iso, micros
from connector.period import Period
from connector.store import tables


def missing(
    connection: Connection, period: Period, streams: Mapping[str, Sequence[str]], now: int, *, until: int
) -> Iterator[str]:
    """What keeps the period from being complete, each in a sentence with what to do; nothing when all is in.

    `until`: up to when everything must have been read, which is the period's end, or what its cohorts are followed to.
    """
    if now < period.end:
        yield f"{period.name} is not over: {period.end_on} is its last day; close it afterwards"
    needed = f"the period ends at {iso(period.end)}"
    if until > period.end:
        needed = f"its cohorts are followed to {iso(until)}"
    for source, own in read_to(connection, streams).items():
        for stream, read in own.items():
            if read is None:
                yield f"{source} {stream} was never read to its end; run `connector sync {source}`"
            elif _instant(read) < until:
                yield f"{source} {stream} was read up to {read} only, and {needed}; run `connector sync {source}`"
    for source, count in _open_items(connection, streams):
        yield (
            f"{source}: records in quarantine: {count}, so their part is missing; `connector quarantine list` shows "
            "them, mend the mapping and `retry` them, or `accept` or `drop` them"
        )
    for place in _stops(connection, streams):
        yield f"{place}: a safety stop waits for a decision; `connector stops list`, then accept or refuse it"


def left_out(values: Iterable[KpiValue]) -> Iterator[str]:
    """Which KPIs lack a rate or are withheld, each in a sentence with what to do."""
    lacking: dict[str, int] = {}
    withheld: dict[str, int] = {}
    for value in values:
        if value.status == "withheld":
            withheld[value.kpi] = withheld.get(value.kpi, 0) + 1
        elif value.left_out_rate:
            lacking[value.kpi] = lacking.get(value.kpi, 0) + 1
    for kpi, count in lacking.items():
        yield (
            f"{kpi}: records without an exchange rate or probability are left out of {count} of its values; add the "
            "rates to the fx file, or the probabilities to the stages"
        )
    for kpi, count in withheld.items():
        yield (
            f"{kpi}: {count} of its values are withheld, since a record stands in a stage that the mapping does not "
            "name; add the stage, then `connector quarantine retry all`"
        )


def undecided(connection: Connection, proposed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """That adjustments of closed periods wait for somebody, by period, in a sentence with what to do.

    Those of a reopened period wait for nobody: its next close takes them in.
    """
    table = tables.period
    closed = set(connection.execute(select(table.c.name).where(table.c.state == "closed")).scalars())
    for period, count in sorted(Counter(one["period"] for one in proposed if one["period"] in closed).items()):
        yield (
            f"adjustments of {period} that wait for a decision: {count}; `connector adjustment list --period {period}` "
            "shows them, then accept, reject or defer each"
        )


def read_to(connection: Connection, streams: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str | None]]:
    """Up to when each stream was read as a whole, on the vendor's clock; null before its first finished read."""
    table = tables.cursor
    rows = connection.execute(select(table.c.source, table.c.stream, table.c.state))
    told = {(row.source, row.stream): json.loads(row.state).get("read_to") for row in rows}
    return {source: {stream: told.get((source, stream)) for stream in own} for source, own in streams.items()}


def _instant(text: str) -> int:
    return micros(datetime.fromisoformat(text))


def _open_items(connection: Connection, sources: Iterable[str]) -> list[tuple[str, int]]:
    table = tables.quarantine
    query = select(table.c.source, func.count()).where(table.c.state == "open", table.c.source.in_(list(sources)))
    return [(source, count) for source, count in connection.execute(query.group_by(table.c.source).order_by("source"))]


def _stops(connection: Connection, sources: Iterable[str]) -> Iterator[str]:
    """What waits: `source stream` of a full pass, `source mapping` of a changed mapping."""
    names = list(sources)
    for table, what in ((tables.id_pass, tables.id_pass.c.stream), (tables.mapping_stop, literal("mapping"))):
        waiting = select(table.c.source, what).where(table.c.state == "stopped", table.c.source.in_(names))
        yield from (f"{source} {part}" for source, part in sorted(map(tuple, connection.execute(waiting))))

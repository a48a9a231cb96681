"""The plan of a resync as the store can tell it: what is known of the records asked for, and what earlier runs took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from connector import estimating, journal
from connector.estimating import Estimate, Part
from connector.mapping import Mapping
from connector.model import micros
from connector.plan import Plan, Settings
from connector.ports import Source, Stream, Way, Window
from connector.runs import READ
from connector.slices import cut
from connector.store import tables
from connector.store.store import Store
from connector.sync import chosen

MEASURED = 5  # of so many runs the pace is looked at


def plan_of(store: Store, source: Source, mapping: Mapping, settings: Settings, plan: Plan) -> Estimate:
    """What reading by this plan will take. No request is made. Raises Permanent for a stream nobody knows."""
    with store.reading() as connection:
        parts = [
            _part(connection, source, mapping, stream, plan, settings, store.clock.now())
            for stream in chosen(store, source, mapping, plan)
        ]
        return estimating.estimate(parts, source.allowances(), _seconds_a_call(connection, source.name))


def plan_of_landing(store: Store, mapping: Mapping, streams: Sequence[str] | None) -> Estimate:
    """What mapping the landed records again takes: no call."""
    with store.reading() as connection:
        parts = [Part(name, "whole", _known(connection, mapping, name), 0) for name in streams or mapping.streams()]
    return Estimate(parts, None, None)


def _part(
    connection: Connection, source: Source, mapping: Mapping, stream: Stream, plan: Plan, settings: Settings,
    now: datetime,
) -> Part:
    way, lo, hi = _way(stream, plan, settings)
    if way == "by_id":
        records = len(set(plan.ids[stream.name]))
    elif way == "window":
        records = _changed(connection, mapping, stream.name, lo, hi)
    else:
        records = _known(connection, mapping, stream.name)
    told = source.requests_for(stream.name, way, records)
    if told is None:
        told = estimating.calls_by_past(records, _runs(connection, source.name, stream.name))
    if way == "window" and lo is not None and stream.bounded:  # each part of it begins with a call of its own
        told += len(cut(Window(lo, hi or now), settings.windows)) - 1
    return Part(stream.name, way, records, told)


def _way(stream: Stream, plan: Plan, settings: Settings) -> tuple[Way, datetime | None, datetime | None]:
    """How a stream is read, and between which times of change."""
    if plan.mode == "ids":
        return "by_id", None, None
    if plan.mode == "all_ids":
        return "list_ids", None, None
    lo = plan.since if plan.mode == "window" else None if stream.complete else settings.since
    return ("window" if stream.cursor and lo is not None else "whole"), lo, plan.until


def _changed(
    connection: Connection, mapping: Mapping, stream: str, lo: datetime | None, hi: datetime | None
) -> int:
    """How many records of a stream last changed in a window, as far as we know.

    Records that are facts, and keep no time of change, are counted whole: no more than these come.
    """
    if not _stamped(connection, mapping, stream):
        return _known(connection, mapping, stream)
    return _stamped(connection, mapping, stream, lo, hi)


def _known(connection: Connection, mapping: Mapping, stream: str) -> int:
    """How many records of a stream were taken in."""
    stamped = _stamped(connection, mapping, stream)
    return stamped or len(journal.taken_records(connection, mapping, stream))


def _stamped(
    connection: Connection, mapping: Mapping, stream: str, lo: datetime | None = None, hi: datetime | None = None
) -> int:
    """How many records of a stream have a time of change we know, between these two."""
    table = tables.record_stamp
    query = select(func.count()).where(table.c.source == mapping.source, table.c.stream == stream)
    if lo is not None:
        query = query.where(table.c.modified >= micros(lo))
    if hi is not None:
        query = query.where(table.c.modified <= micros(hi))
    return int(connection.execute(query).scalar_one())


def _runs(connection: Connection, source: str, stream: str) -> list[tuple[int, int]]:
    """The requests and records of each run that read a stream to its end."""
    table = tables.run_stream
    query = select(table.c.requests, table.c.records).where(
        table.c.source == source, table.c.stream == stream, table.c.status.in_(READ)
    )
    return [(row.requests, row.records) for row in connection.execute(query)]


def _seconds_a_call(connection: Connection, source: str) -> float | None:
    """How long a call took in the last runs, from their first page to their last; None where none had two.

    The streams of a run are read side by side: so it is the time a call adds, not that from question to answer.
    """
    stream, run, page = tables.run_stream, tables.run, tables.page
    made = (
        select(stream.c.run, func.sum(stream.c.requests).label("requests"), func.max(run.c.started_at).label("began"))
        .join(run, run.c.id == stream.c.run)
        .where(stream.c.source == source, stream.c.status.in_(READ))
        .group_by(stream.c.run).having(func.sum(stream.c.requests) > 1)
        .order_by(func.max(run.c.started_at).desc()).limit(MEASURED)
    )
    requests = {row.run: (int(row.requests), row.began) for row in connection.execute(made)}  # PostgreSQL: a Decimal
    if not requests:
        return None
    since = min(began for _, began in requests.values())
    landed = (
        select(page.c.run, func.min(page.c.id).label("first"), func.max(page.c.id).label("last"))
        .where(page.c.id >= since, page.c.source == source, page.c.run.in_(requests)).group_by(page.c.run)
    )
    spans = {row.run: row.last - row.first for row in connection.execute(landed) if row.last > row.first}
    calls = sum(requests[name][0] - 1 for name in spans)
    return sum(spans.values()) / 1_000_000 / calls if calls else None

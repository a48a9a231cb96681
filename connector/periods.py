"""Looking at periods: which are closed, what a seal holds, and whether all of it is still what was sealed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from connector import closing, frozen, seal, workdays
from connector.closing import fault
from connector.model import iso, micros
from connector.period import Calendar, Period
from connector.seal import Checked, Seal
from connector.store import tables
from connector.wiring import Installation


def list_periods(here: Installation) -> list[dict[str, Any]]:
    """Every period that was closed once, with its seals, and those that could be closed next; by length and end."""
    store = here.store
    seals: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows(select(tables.seal).order_by(tables.seal.c.seen_at)):
        seals.setdefault(row.period, []).append(_seal(row.hash, frozen.told(row.header), row.reopened_at))
    known = store.rows(select(tables.period).order_by(tables.period.c.ends_at))
    found = []
    days, now = closing.days_off(here), micros(here.clock.now())
    for every in sorted({row.every for row in known} | {one.every for one in here.config.kpis} - {"all"}):
        own = [row for row in known if row.every == every]
        for row in own:
            told = seals[row.name][-1]
            dates = {key: told[key] for key in ("period_start", "period_end")}
            found.append(_shown(row.name, every, dates, row.state, row.seal, seals[row.name]))
        number = here.config.close.get(every)
        for period in _next(here.calendar, every, now, own[-1].ends_at if own else None):
            at = None if number is None else iso(workdays.begins(number, period, here.calendar, days))
            dates = {"period_start": period.start_on.isoformat(), "period_end": period.end_on.isoformat()}
            found.append(_shown(period.name, every, dates, "open", None, [], at))
    return found


def _seal(hash_: str, header: Mapping[str, Any], reopened_at: int | None) -> dict[str, Any]:
    names = ("period_start", "period_end", "previous", "sealed_at", "as_of", "actor", "reason", "forced")
    told = {name: header.get(name) for name in names}
    return {"seal": header.get("number"), "hash": hash_, **told, "reopened_at": iso(reopened_at)}


def _shown(
    period: str, every: str, dates: Mapping[str, Any], state: str, number: int | None, seals: list[dict[str, Any]],
    closes_at: str | None = None,
) -> dict[str, Any]:
    return {
        "period": period, "every": every, **dates, "state": state, "seal": number, "closes_at": closes_at,
        "seals": seals,
    }


def _next(calendar: Calendar, every: str, now: int, after: int | None) -> Iterator[Period]:
    """The periods after the last one that was ever closed, up to the running one; else the last two."""
    running = calendar.at(every, now)
    yield from calendar.periods(every, running.start - 1 if after is None else after, running.start)


def export(here: Installation, name: str, file: str, number: int | None = None) -> dict[str, Any]:
    """Write the period's latest seal, or that one, with all it holds, to a file.

    Raises ConfigError when there is none, or the file cannot be written.
    """
    with here.store.reading() as connection:
        known = frozen.state(connection, name)
        found = frozen.read(connection, name, number or known.seal) if known else None
    if found is None:
        message = f"{name} has no seal {number}" if known else f"{name} was never closed"
        raise fault("period", f"{message}; `connector period list` shows what is sealed")
    try:
        Path(file).write_text(seal.text(found), encoding="utf-8")
    except OSError as error:
        raise fault("FILE", f"{file} cannot be written ({error.strerror})") from None
    return {
        "period": name, "seal": found.header["number"], "hash": found.hash, "values": len(found.entries), "file": file
    }


# --- verifying -------------------------------------------------------------------------------------------------------


def verify(here: Installation, name: str | None = None) -> dict[str, Any]:
    """Whether the chain of all seals holds, and every value of that period, or of all, is as it was sealed."""
    checked = Checked()
    with here.store.reading() as connection:
        closes = _closes(connection)  # first, so that a seal made meanwhile is none that is lost
        rows = connection.execute(select(tables.seal).order_by(tables.seal.c.seen_at)).all()
        checked.faults += _misplaced(connection, rows)
        chain = list(frozen.seals(connection))
        checked.faults += [found for found in (seal.chain_break(chain), _lost(closes, chain)) if found]
        for row in rows:
            header = frozen.told(row.header)
            kept = (row.period, row.number, row.previous, iso(row.seen_at))
            if kept != tuple(header.get(key) for key in ("period", "number", "previous", "sealed_at")):
                checked.faults.append(f"{row.period} seal {row.number} is kept as another than its header says")
            if name in (None, row.period) and (one := frozen.read(connection, row.period, row.number)):
                checked.take(one)
                checked.faults += frozen.misfiled(connection, row.period, row.number)
    if name is not None and not checked.seals:
        raise fault("period", f"{name} was never closed; `connector period list` shows what is sealed")
    checked.faults = list(dict.fromkeys(checked.faults))
    return checked.as_json()


def _closes(connection: Connection) -> list[dict[str, Any]]:
    """The closes that were written down, the oldest first."""
    table = tables.audit
    query = select(table.c.subject).where(table.c.action == "period_close").order_by(table.c.seen_at)
    return [json.loads(subject) for subject in connection.execute(query).scalars()]


def _misplaced(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[str]:
    """Seals that are in force, or are not, against what was decided; and periods whose state is not that of theirs."""
    table = tables.audit
    query = select(table.c.seen_at, table.c.subject).where(table.c.action == "period_reopen").order_by(table.c.seen_at)
    opened = [(at, json.loads(subject)["period"]) for at, subject in connection.execute(query)]
    for row in rows:
        later = [at for at, period in opened if period == row.period and at > row.seen_at]
        if row.reopened_at != (later[0] if later else None):
            yield f"{row.period} seal {row.number} is {'not ' * (row.reopened_at is not None)}in force, unlike decided"
    in_force = {row.period for row in rows if row.reopened_at is None}
    latest = {row.period: row.number for row in sorted(rows, key=lambda one: one.number)}
    for period in connection.execute(select(tables.period)):
        state = "closed" if period.name in in_force else "open"
        if (period.state, period.seal) != (state, latest.get(period.name)):
            yield f"{period.name} is kept as {period.state} under seal {period.seal}, which is not what its seals say"


def _lost(closes: Iterable[Mapping[str, Any]], chain: Iterable[Seal]) -> str | None:
    """The first seal that is not there any more although it was made: at its end the chain itself would not tell."""
    there = {one.hash for one in chain}
    for told in closes:
        if told["hash"] not in there:
            return f"{told['period']} seal {told['seal']} was made and is gone, or is another now"
    return None

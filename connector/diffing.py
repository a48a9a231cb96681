"""The shadow run: what would become of every KPI value if a file were in force. Nothing of it stays.

Before: what the files in force in the journal give now. After: the same question, as of the same moment, with the new
file taken in as a run would take it, on trial (`Store.trial`). A closed period stays as it was frozen: there the values
are the restated ones, and what a run would propose for them is told as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from connector import adjustments, files, frozen, inforce, journal, moving, people, shift
from connector.config.beside import read_bytes
from connector.errors import ConfigError, Fault
from connector.inforce import InForce
from connector.kpi import Reading
from connector.kpi_store import Key
from connector.ledger import Changes
from connector.model import KpiValue, Member, iso
from connector.moving import Closing
from connector.offered import Taken, offered
from connector.store import quarantine, tables
from connector.store.snapshot import Snapshot, open_trial
from connector.store.trial import Trial
from connector.sync import StreamSummary
from connector.wiring import Installation, closing

_COUNTS = ("new", "changed", "deleted")


def diff(
    here: Installation, new: str, *, source: str | None = None, kind: str | None = None, limit: float | None = None
) -> dict[str, Any]:
    """What that file would change: moves by KPI and period, the values behind them, and records; both largest first.

    `limit` (0..1): `beyond` says of each move whether it is larger; without it that is null. A KPI that is new with the
    file moves nothing: `new_kpis`; nor does what was withheld and would be told: `released`. Raises ConfigError with
    the faults of the file, StoreError.
    """
    with offered(here, new, kind, source) as offer, here.store.trial() as trial:
        as_of = trial.last
        stamp = trial.stamp()
        with open_trial(trial, as_of, stamp - 1) as snapshot:
            terms = _in_force(snapshot)
            before = terms.values(trial.connection, snapshot)
        news, taken = offer.take(trial, stamp)
        moves, values, released, new_kpis = *(list[dict[str, Any]]() for _ in range(3)), list[str]()
        if news:
            with open_trial(trial, as_of, stamp) as snapshot:
                then = _in_force(snapshot)
                after, closing = _after(here, then, trial.connection, snapshot, before)
            moves, values = moving.told(before, after, closing, limit)
            released = moving.released(before, after, closing)
            new_kpis = sorted({one.id for one in then.definitions} - {one.id for one in terms.definitions})
        return {
            "kind": offer.kind, "file": offer.file, "source": offer.source, "changes": news, "as_of": iso(as_of),
            "max_shift": limit, "moves": moves, "values": values,
            "records": _records(trial.connection, taken, stamp), "new_kpis": new_kpis,
            "released": released,
        }


def is_beyond(answer: Mapping[str, Any]) -> bool:
    """Whether a KPI moves further than was asked for."""
    return any(move["beyond"] for move in answer["moves"])


def from_landing(here: Installation, source: str, streams: Sequence[str] | None = None) -> list[StreamSummary]:
    """What `resync --from-landing` would change, stream by stream: with the mapping as its file stands now.

    `records` are those that would be mapped again: all that is landed where the mapping changed, else those set aside,
    of which `changed` are mended; `quarantined` are set aside afterwards. Where the guard would stop it, each stream's
    `would_stop` says so. Nothing is written. Raises ConfigError, StoreError.
    """
    source_mapping = files.checked(here)[source]
    reads = here.source(source)
    with closing(reads), here.store.trial() as trial:
        stamp = trial.stamp()
        in_force = journal.latest_version(trial.connection, "mapping", source)
        found = {stream: StreamSummary(source, stream) for stream in streams or source_mapping.streams()}
        reason = None
        if in_force is not None and in_force != source_mapping.version:
            content, settings = read_bytes(here.config.mapping_path(source)), here.mapping_settings(source)
            journal.write_file(
                trial, stamp, "mapping", source, source_mapping.version, source_mapping.file, content, settings
            )
            for stream, changes in journal.map_again(trial, reads, source_mapping, stamp, first=False).items():
                _count(found.setdefault(stream, StreamSummary(source, stream)), changes)
            reason = _would_stop(here, trial, stamp)
        else:  # a mapping that changed has tried them with all others
            for row in quarantine.open_items(trial.connection, source):
                if row.stream in found:
                    subject = {"source": source, "stream": row.stream, "record_key": row.record_key}
                    found[row.stream].records += 1
                    found[row.stream].changed += journal.retry(trial, reads, source_mapping, subject, trial.stamp())
        aside = _open_items(trial.connection, source)
        for summary in found.values():
            summary.quarantined, summary.would_stop = aside[summary.stream], reason
        return list(found.values())


def _count(summary: StreamSummary, changes: Changes) -> None:
    summary.new, summary.changed, summary.unchanged, summary.deleted = (
        changes.new, changes.changed, changes.unchanged, changes.deleted
    )
    summary.records = changes.new + changes.changed + changes.unchanged + changes.deleted + changes.quarantined


def _would_stop(here: Installation, trial: Trial, stamp: int) -> str | None:
    """Why the guard would let a person decide, as `activation` judges it."""
    with open_trial(trial, stamp, stamp) as snapshot:
        terms = InForce(inforce.definitions(snapshot), here.calendar, here.config.currency)
        after = terms.values(trial.connection, snapshot)
    with open_trial(trial, stamp, stamp - 1) as snapshot:
        before = terms.values(trial.connection, snapshot)
    beyond = [one for one in shift.moves(before, after) if one.is_beyond(here.config.guard_shift)]
    if not beyond:
        return None
    more = f", and {len(beyond) - 1} more" if len(beyond) > 1 else ""
    return f"the changed mapping moves {beyond[0]}{more}; a person would have to accept it"


# --- before and after ------------------------------------------------------------------------------------------------


def _in_force(snapshot: Snapshot) -> InForce:
    terms = inforce.at(snapshot)
    if terms is None:
        message = "nothing is computed here yet, so there is nothing to compare with; run `connector sync` first"
        raise ConfigError([Fault("command line", 0, "NEW", message)])
    return terms


def _after(
    here: Installation, terms: InForce, connection: Connection, snapshot: Snapshot, before: Iterable[KpiValue]
) -> tuple[dict[Key, KpiValue], Closing]:
    """Every value with the new file, by its key, and what would be proposed for what is closed."""
    closed = frozen.closed(here.store)
    with terms.reading(connection, snapshot) as reading:
        values = {value.key: value for value in reading.values(terms.definitions)}
        earlier = [*before, *closed.values.values()]
        values |= {value.key: value for value in _emptied(reading, terms, snapshot, earlier, values)}

        def members_of(name: str) -> dict[Key, Sequence[Member]]:
            period = terms.calendar.parse(name)
            alike = [one for one in terms.definitions if one.every == period.every]
            return {value.key: members for value, members in reading.with_members(alike, period)}

        planned = adjustments.planned(here.store, values, terms.terms, members_of)
    return values, Closing(closed, {**adjustments.open_amounts(here.store), **planned})


def _emptied(
    reading: Reading, terms: InForce, snapshot: Snapshot, earlier: Iterable[KpiValue], now: Mapping[Key, KpiValue]
) -> Iterator[KpiValue]:
    """What becomes of values of which nothing is left: 0 or no data; a person taken out of the people file has none."""
    definitions = {one.id: one for one in terms.definitions}
    table = snapshot.document("people")
    known = people.read_kept(None if table is None else people.Table(table.path, table.content))
    staff = {person.code for person in known.persons if not person.is_ignored}
    for value in earlier:
        is_known = value.subject.kind != "person" or value.subject.key in staff
        if value.kpi in definitions and is_known and value.key not in now:
            made = reading.emptied(definitions[value.kpi], value)
            if made is not None:
                yield made


# --- records ---------------------------------------------------------------------------------------------------------


def _records(connection: Connection, taken: Sequence[Taken], stamp: int) -> dict[str, int]:
    """What became of the landed records: new, changed, deleted, set aside anew, mended."""
    total = {name: sum(getattr(one.changes, name) for one in taken) for name in _COUNTS}
    sources = {one.source for one in taken}
    aside = sum(sum(_set_aside(connection, source, stamp).values()) for source in sources)
    return {**total, "quarantined": aside, "mended": sum(_mended(connection, source, stamp) for source in sources)}


def _open_items(connection: Connection, source: str) -> Counter[str]:
    """How many records of each stream are set aside and wait for a person."""
    return Counter(row.stream for row in quarantine.open_items(connection, source))


def _set_aside(connection: Connection, source: str, stamp: int) -> Counter[str]:
    """How many records of each stream are set aside since then that were not before."""
    table = tables.quarantine
    query = select(table.c.stream, func.count().label("records")).where(
        table.c.source == source, table.c.first_seen_at >= stamp, table.c.state == "open"
    )
    return Counter({row.stream: row.records for row in connection.execute(query.group_by(table.c.stream))})


def _mended(connection: Connection, source: str, stamp: int) -> int:
    table = tables.quarantine
    mine = select(func.count()).select_from(table).where(
        table.c.source == source, table.c.state == "mended", table.c.seen_at == stamp
    )
    return int(connection.execute(mine).scalar_one())

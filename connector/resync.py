"""What `connector resync` is asked to read again, as a plan, and what that will cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from connector import directory, planning, selecting
from connector.errors import ConfigError, Fault
from connector.mapping import Mapping as SourceMapping
from connector.model import moment
from connector.plan import Plan
from connector.wiring import Installation, closing


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks of one source: exactly one of `ids`, `owner` with `pipeline`, `since` with `until`, `full`,
    `all_ids` and `from_landing`; `streams` None is all of them. Dates are local, `until` is included."""

    source: str
    streams: Sequence[str] | None = None
    ids: Sequence[str] = ()
    owner: str | None = None
    pipeline: str | None = None
    since: str | None = None
    until: str | None = None
    full: bool = False
    all_ids: bool = False
    from_landing: bool = False
    restart: bool = False

    @property
    def ways(self) -> dict[str, bool]:
        """The ways of asking, of which one is to be taken, and whether it is."""
        return {
            "--id": bool(self.ids), "--owner/--pipeline": bool(self.owner or self.pipeline),
            "--since/--until": bool(self.since or self.until), "--full": self.full, "--ids": self.all_ids,
            "--from-landing": self.from_landing,
        }

    def as_json(self) -> dict[str, Any]:
        """What was asked, without what was not: for the audit, and for the list of runs."""
        told = {
            "source": self.source, "streams": list(self.streams or ()), "ids": list(self.ids), "owner": self.owner,
            "pipeline": self.pipeline, "since": self.since, "until": self.until, "full": self.full,
            "all_ids": self.all_ids, "from_landing": self.from_landing,
        }
        return {name: value for name, value in told.items() if value}


def plan(here: Installation, asked: Asked, *, dry_run: bool = False) -> Plan | None:
    """The plan; None where the landed pages are to be mapped again and the source is not asked.

    Raises ConfigError with everything that is wrong.
    """
    here.chosen_sources([asked.source])
    source_mapping = here.mapping(asked.source)
    faults = [*_ways(asked.ways), *_unknown(source_mapping, asked.streams)]
    lo = _bound(here, asked.since, "--since", faults)
    hi = _bound(here, asked.until, "--until", faults, after=True)
    if lo and hi and lo > hi:
        faults.append(Fault("command line", 0, "--until", "lies before --since"))
    by_stream = named(source_mapping, asked.ids, asked.streams, faults)
    if faults:
        raise ConfigError(faults)
    if asked.from_landing:
        return None
    if asked.owner or asked.pipeline:
        by_stream, chosen_by = _selected(here, source_mapping, asked)
        return Plan("ids", ids=by_stream, dry_run=dry_run, chosen_by=chosen_by, restart=asked.restart)
    if asked.ids:
        return Plan("ids", ids=by_stream, dry_run=dry_run, restart=asked.restart)
    if asked.all_ids:
        return Plan("all_ids", streams=asked.streams, dry_run=dry_run)
    return Plan(
        "full" if asked.full else "window", streams=asked.streams, since=lo, until=hi, dry_run=dry_run,
        restart=asked.restart,
    )


def estimate(here: Installation, asked: Asked, made: Plan | None) -> dict[str, Any]:
    """What that plan will take, as `Estimate.as_json`; the source is not asked. Raises Permanent."""
    source_mapping = here.mapping(asked.source)
    if made is None:
        return planning.plan_of_landing(here.store, source_mapping, asked.streams).as_json()
    source = here.source(asked.source)
    with closing(source):
        return planning.plan_of(here.store, source, source_mapping, here.reading(asked.source), made).as_json()


def _selected(here: Installation, source_mapping: SourceMapping, asked: Asked) -> tuple[dict[str, list[str]], str]:
    """The records of an owner or pipeline by stream, and what they were chosen by. Raises ConfigError."""
    source = here.source(asked.source)
    with closing(source):
        by_id = {stream.name for stream in source.streams() if stream.by_id}
    faults: list[Fault] = [
        Fault("command line", 0, "--stream", f"{stream} cannot be read by id; --since, --until or --full can read it")
        for stream in asked.streams or () if stream not in by_id
    ]
    streams = [name for name in asked.streams or source_mapping.streams() if name in by_id]
    people = directory.people_of(here)
    with here.store.reading() as connection:
        chosen = selecting.choose(connection, source_mapping, people, asked.owner, asked.pipeline, faults)
        found = {} if faults else selecting.records(connection, source_mapping, streams, chosen)
    if not faults and not found:
        option = "--owner" if asked.owner else "--pipeline"
        faults.append(Fault("command line", 0, option, f"no record that is known carries {chosen.told}"))
    if faults:
        raise ConfigError(faults)
    return found, chosen.told


def _ways(ways: dict[str, bool]) -> Iterator[Fault]:
    given = [name for name, is_given in ways.items() if is_given]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield Fault("command line", 0, "resync", f"expected one of {', '.join(ways)}; found {found}")


def _unknown(source_mapping: SourceMapping, streams: Sequence[str] | None) -> Iterator[Fault]:
    known = source_mapping.streams()
    for stream in streams or ():
        if stream not in known:
            yield Fault(
                "command line", 0, "--stream", f"the mapping reads no {stream!r}, expected one of: {', '.join(known)}"
            )


def _bound(
    here: Installation, text: str | None, option: str, faults: list[Fault], *, after: bool = False
) -> datetime | None:
    """The first moment of a local day, or the last one of it."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
        return moment(here.calendar.start_of(day + timedelta(days=1)) - 1 if after else here.calendar.start_of(day))
    except (ValueError, OverflowError):
        faults.append(Fault("command line", 0, option, f"{text!r} is no date, expected one such as 2026-10-31"))
        return None


def named(
    source_mapping: SourceMapping, ids: Sequence[str], streams: Sequence[str] | None, faults: list[Fault]
) -> dict[str, list[str]]:
    """Which records of which stream: `STREAM:ID`, else of the stream asked for, else of the one that makes deals.

    An id that holds a colon itself needs its stream, before it or by `--stream`: else a slip would be taken for an id.
    """
    known = source_mapping.streams()
    makes_deals = (
        stream for stream in known for entry in source_mapping.entries[stream]
        if entry.entity.name == "deal" and entry.each is None
    )
    asked = streams[0] if streams and len(streams) == 1 else None
    usual = asked or next(makes_deals, None)
    found: dict[str, list[str]] = {}
    for text in ids:
        before, colon, after = text.partition(":")
        stream, key = (before, after) if colon and before in known else (usual, text)
        if colon and before not in known and asked is None:
            message = f"the mapping reads no {before!r}, expected STREAM:ID with one of: {', '.join(known)}"
            faults.append(Fault("command line", 0, "--id", message))
        elif stream is None:
            message = f"no stream makes deals here; write STREAM:{text}, one of: {', '.join(known)}"
            faults.append(Fault("command line", 0, "--id", message))
        else:
            found.setdefault(stream, []).append(key)
    return found

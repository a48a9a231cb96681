"""What `connector resync` is asked to read again, as a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from connector.errors import ConfigError, Fault
from connector.mapping import Mapping as SourceMapping
from connector.model import moment
from connector.sync import Plan
from connector.wiring import Installation


def plan(
    here: Installation, source: str, *, streams: Sequence[str] | None = None, ids: Sequence[str] = (),
    since: str | None = None, until: str | None = None, full: bool = False, all_ids: bool = False,
    from_landing: bool = False, dry_run: bool = False,
) -> Plan | None:
    """The plan; None where the landed pages are to be mapped again and the source is not asked.

    Dates are local and `until` is included. Raises ConfigError with everything that is wrong.
    """
    here.chosen_sources([source])
    source_mapping = here.mapping(source)
    ways = {
        "--id": bool(ids), "--since/--until": bool(since or until), "--full": full, "--ids": all_ids,
        "--from-landing": from_landing,
    }
    faults = [*_ways(ways), *_unknown(source_mapping, streams)]
    lo, hi = _bound(here, since, "--since", faults), _bound(here, until, "--until", faults, after=True)
    if lo and hi and lo > hi:
        faults.append(Fault("command line", 0, "--until", "lies before --since"))
    by_stream = named(source_mapping, ids, streams, faults)
    if from_landing and dry_run:
        faults.append(Fault("command line", 0, "--dry-run", "not with --from-landing, which asks no source anyway"))
    if faults:
        raise ConfigError(faults)
    if from_landing:
        return None
    if ids:
        return Plan("ids", ids=by_stream, dry_run=dry_run)
    if all_ids:
        return Plan("all_ids", streams=streams, dry_run=dry_run)
    return Plan("full" if full else "window", streams=streams, since=lo, until=hi, dry_run=dry_run)


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

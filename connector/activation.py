"""A changed mapping comes into force, unless it would move a KPI further than the guard allows: then a person decides.

The mapping is tried in full: what is landed is mapped again, and every KPI is computed before and after inside the
transaction, which is undone where one moves too far. Until somebody decides nothing is read from the source, since its
pages would be mapped by a mapping that nobody has in mind any more.
"""

from __future__ import annotations

from connector import inforce, journal, shift, stops
from connector.config.beside import read_bytes
from connector.errors import Busy, SafetyStop
from connector.inforce import InForce
from connector.mapping import Mapping as SourceMapping
from connector.model import KpiValue
from connector.ports import Source
from connector.shift import Move
from connector.store.snapshot import snapshot_within
from connector.store.store import Writing
from connector.wiring import Installation


class _TooFar(Exception):
    """What undoes an activation."""

    def __init__(self, moves: list[Move]) -> None:
        self.moves = moves
        super().__init__()


def activate(here: Installation, source: Source, source_mapping: SourceMapping) -> None:
    """Put the source's mapping in force, if it says something else than before. Raises SafetyStop."""
    name, store = source.name, here.store
    with store.reading() as connection:
        in_force = journal.latest_version(connection, "mapping", name)
        earlier = stops.of_mapping(connection, name, source_mapping.version, in_force or "")
        is_waiting = stops.is_waiting(connection, name)
    if in_force == source_mapping.version:
        if is_waiting:
            stops.withdraw(store, name)
        return
    limit = here.config.guard_shift
    if earlier is not None and earlier.state == "refused":
        raise _refused(name, earlier)
    if earlier is not None and earlier.state == "stopped" and any(one.is_beyond(limit) for one in earlier.moves):
        raise _stopped(name, earlier)
    is_accepted = earlier is not None and earlier.state == "accepted"

    def judge(writing: Writing, stamp: int) -> None:
        beyond = [one for one in _moves(here, writing, stamp) if one.is_beyond(limit)]
        if beyond:
            raise _TooFar(beyond)

    content, settings = read_bytes(here.config.sources[name].mapping), here.mapping_settings(name)
    if journal.load_mapping(source_mapping.file, content, name, settings).version != source_mapping.version:
        raise Busy(f"the mapping file of {name} was saved while this run began; run it again")
    try:
        journal.activate(store, source, source_mapping, content, settings, None if is_accepted else judge)
    except _TooFar as far:
        stop = stops.stop_mapping(store, name, source_mapping.version, in_force or "", far.moves)
        raise _stopped(name, stop) from None
    if is_waiting:
        stops.withdraw(store, name)


def _moves(here: Installation, writing: Writing, stamp: int) -> list[Move]:
    """What becomes of every KPI by what was written at `stamp`: the same questions before and after, in one moment.

    The KPIs are those by which the stored values were computed: one that is new with the mapping moves nothing.
    """
    definitions = inforce.definitions(snapshot_within(writing.connection, stamp, stamp))
    if not definitions:
        return []
    terms = InForce(definitions, here.calendar, here.config.currency)

    def values(known_at: int) -> list[KpiValue]:
        return terms.values(writing.connection, snapshot_within(writing.connection, stamp, known_at))

    return shift.moves(values(stamp - 1), values(stamp))


def _stopped(name: str, stop: stops.MappingStop) -> SafetyStop:
    more = f", and {len(stop.moves) - 1} more" if len(stop.moves) > 1 else ""
    return SafetyStop(
        f"the changed mapping moves {stop.moves[0]}{more}; it is not in force, and nothing is read until somebody "
        f"accepts or refuses it (stop {stop.id})",
        system=name, stop=stop.id,
    )


def _refused(name: str, stop: stops.MappingStop) -> SafetyStop:
    return SafetyStop(
        f"this mapping was refused ({stop.reason}); nothing is read until the file is put back or changed again",
        system=name, stop=stop.id,
    )

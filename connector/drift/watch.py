"""The cheap form of the lint, with each sync: what the source told within a day beside the mapping as it is now.

The source is asked once a day, or when the settings or the mapping changed; a source that tells nothing never. Only
what takes something from the numbers that was there is told (`finding.DRIFT`): that a mapping names stages or fields an
account never had is said by `connector check` and `connector mapping lint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from connector.affected import Affected
from connector.drift import kept as kept_
from connector.drift import live
from connector.drift.finding import DRIFT, SETS_ASIDE, Finding
from connector.drift.kept import Kept
from connector.drift.landed import Landed
from connector.mapping import Mapping as SourceMapping
from connector.model import micros
from connector.ports import Source
from connector.store import landing, tables
from connector.wiring import Installation, closing

FRESH = 86_400_000_000
"""For how many microseconds what a source told is taken as it is."""
COUNTED = 10_000
"""Records set aside that are looked at, at most: with more, only the lint says what they are worth."""


def refresh(here: Installation, source: Source, source_mapping: SourceMapping, *, dry_run: bool = False) -> Kept | None:
    """What the source tells, asked only if what is kept is no longer good; None of one that tells nothing.

    A dry run keeps nothing. Raises RemoteError, StoreError.
    """
    if tells_nothing(source):
        return None
    before = kept_.load(here.store, source.name)
    asked = kept_.asked(source, source_mapping, here.config.secrets)
    if before is not None and before.asked == asked and micros(here.clock.now()) - before.read_at < FRESH:
        return before
    return read(here, source, source_mapping, dry_run=dry_run)


def read(here: Installation, source: Source, source_mapping: SourceMapping, *, dry_run: bool = False) -> Kept:
    """What the source tells now, kept unless it is a dry run. Raises RemoteError, StoreError."""
    metadata = source.metadata(source_mapping.streams())
    made = kept_.told(
        metadata, source_mapping, read_at=micros(here.clock.now()),
        asked=kept_.asked(source, source_mapping, here.config.secrets), before=kept_.load(here.store, source.name),
    )
    if not dry_run:
        kept_.keep(here.store, source.name, made)
    return made


def tells_nothing(source: Source) -> bool:
    """Whether an adapter has nothing to tell of what it reads."""
    return type(source).metadata is Source.metadata


def drift(here: Installation, source_mapping: SourceMapping, kept: Kept | None) -> list[dict[str, Any]]:
    """What drifted, as JSON, with what is set aside because of it. The source is not asked."""
    if kept is None:
        return []
    found = [one for one in live.compare(source_mapping, kept.metadata, kept.known) if one.kind in DRIFT]
    if any(one.kind in SETS_ASIDE for one in found):
        found = _counted(here, source_mapping, kept, found)
    return [one.as_json(source_mapping, here.config.kpis) for one in found]


def last_drift(here: Installation, source_mapping: SourceMapping) -> list[dict[str, Any]]:
    """What drifted by what is kept."""
    return drift(here, source_mapping, kept_.load(here.store, source_mapping.source))


def _counted(
    here: Installation, source_mapping: SourceMapping, kept: Kept, found: Sequence[Finding]
) -> list[Finding]:
    """The findings with the records that are in quarantine because of them."""
    aside, table = [one for one in found if one.kind in SETS_ASIDE], tables.quarantine
    query = select(table.c.stream, table.c.page, table.c.record_index).where(
        table.c.source == source_mapping.source, table.c.state == "open",
        table.c.stream.in_(sorted({one.stream for one in aside})),
    )
    rows = here.store.rows(query.order_by(table.c.page).limit(COUNTED + 1))
    if len(rows) > COUNTED:
        return list(found)
    wanted: dict[tuple[str, int], set[int]] = {}
    for row in rows:
        wanted.setdefault((row.stream, row.page), set()).add(row.record_index)
    landed = Landed(source_mapping, kept.metadata, aside)
    source = here.source(source_mapping.source)
    with closing(source), here.store.reading() as connection:
        for (stream, page), indexes in wanted.items():
            for index, record in enumerate(source.records(stream, landing.exchanges(connection, page))):
                if index in indexes:
                    landed.add(stream, record)
    counted = {one.key: one.affected for one in landed.unreadable()}
    return [replace(one, affected=counted.get(one.key) or Affected()) if one in aside else one for one in found]

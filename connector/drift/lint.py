"""`connector mapping lint`: each mapping beside what its source tells now, and beside everything that is landed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector import fx, journal
from connector.affected import Affected
from connector.config.beside import read_bytes, shown
from connector.drift import kept as kept_
from connector.drift import live, unneeded, watch
from connector.drift.finding import DRIFT, Finding
from connector.drift.kept import Kept
from connector.drift.landed import Landed
from connector.errors import RemoteError
from connector.mapping import Mapping as SourceMapping
from connector.model import iso
from connector.ports import Source
from connector.wiring import Installation, closing

Worth = Callable[[Finding], tuple[int, int, int]]


def lint(here: Installation, names: Sequence[str], *, from_landing: bool = False) -> tuple[dict[str, Any], int]:
    """The findings of these sources, or of all: drift first, the most money first.

    1 with any, 3 where a source does not answer.

    `from_landing`: no source is asked; what it last told counts.
    """
    mappings = {name: here.mapping(name) for name in here.chosen_sources(names)}
    worth = _worth(here)
    found = [_source(here, source_mapping, worth, from_landing) for source_mapping in mappings.values()]
    code = 3 if any(one["error"] for one in found) else 1 if any(one["findings"] for one in found) else 0
    return {"status": {0: "ok", 1: "findings"}.get(code, "failed"), "sources": found}, code


def _source(
    here: Installation, source_mapping: SourceMapping, worth: Worth, from_landing: bool
) -> dict[str, Any]:
    name, error = source_mapping.source, None
    source = here.source(name)
    with closing(source):
        kept = kept_.load(here.store, name)
        if not from_landing and not watch.tells_nothing(source):
            try:
                kept = watch.read(here, source, source_mapping)
            except RemoteError as failed:
                error = f"{failed} {failed.remedy}"
        landed = _landed(here, source, source_mapping, kept)
    found = [*landed.unreadable(), *unneeded.find(source_mapping, landed)]
    found.sort(key=lambda one: (one.kind in DRIFT, *worth(one)), reverse=True)
    return {
        "source": name, "file": source_mapping.file, "told_at": iso(kept.read_at) if kept else None,
        "landed_records": sum(landed.records.values()), "error": error,
        "findings": [one.as_json(source_mapping, here.config.kpis) for one in found],
    }


def _landed(here: Installation, source: Source, source_mapping: SourceMapping, kept: Kept | None) -> Landed:
    """Everything landed, read once."""
    found = [] if kept is None else live.compare(
        source_mapping, kept.metadata, kept.known, type(source.settings).model_fields
    )
    landed = Landed(source_mapping, kept.metadata if kept else None, found)
    with here.store.reading() as connection:
        for stream in source_mapping.streams():
            for _, _, record in journal.latest_records(connection, source, source_mapping.source, stream):
                landed.add(stream, record)
    return landed


def _worth(here: Installation) -> Worth:
    """By which findings are sorted: their money in the reporting currency by the latest rates, deals, records."""
    base, config = here.config.currency, here.config
    known = fx.parse(read_bytes(config.fx), shown(config.fx), base, config.fx_decimal) if config.fx else []
    rates: Mapping[str, fx.Rate] = {one.currency: one for one in sorted(known, key=lambda rate: rate.valid_from)}

    def worth(finding: Finding) -> tuple[int, int, int]:
        affected = finding.affected or Affected()
        units = [
            fx.convert(amount, rates[code].rate, base) if code in rates else amount
            for code, amount in affected.money.items() if code == base or code in rates
        ]
        return sum(units), affected.deals, affected.records

    return worth

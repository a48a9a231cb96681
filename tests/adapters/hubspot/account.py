"""A small fake account, a source that reads it, and ways to say what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from adapters.hubspot import HubSpot, HubSpotSettings
from connector import document, journal, mapping, sync
from connector.mapping import Mapping
from connector.model import Mapped
from connector.ports import Page, Record, Window
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock, context
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal import Portal

MAPPINGS = Path(__file__).parents[3] / "mappings"
STAGES = [
    ("appointmentscheduled", "Appointment scheduled", "0.2"), ("contractsent", "Contract sent", "0.9"),
    ("closedwon", "Closed won", "1.0"), ("closedlost", "Closed lost", "0.0"),
]


def add_deal(portal: Portal, number: int = 0, **properties: str | None) -> str:
    """A deal of Ana's in the first stage."""
    return portal.create("deals", {
        "dealname": f"Deal {number}", "pipeline": "default", "dealstage": "appointmentscheduled",
        "amount": "1200.50", "deal_currency_code": "EUR", "hubspot_owner_id": "5",
        "closedate": "2026-04-30T22:30:00.000Z", **properties,
    }, user=771)  # fmt: skip


def hubspot(twin: HubSpotTwin, clock: FakeClock, **settings: Any) -> HubSpot:
    """A source of that account with 80 % of its limits, by its private app's token unless given otherwise."""
    known = {} if "oauth" in settings else {"token": SecretStr(settings.pop("token", twin.token))}
    given = HubSpotSettings(base_url=twin.url, **known, **settings)
    return HubSpot("hubspot", given, replace(context(clock), budget=0.8))


def records(source: HubSpot, stream: str, pages: Iterable[Page]) -> dict[str, Record]:
    """What pages hold, by id; none of them twice."""
    found: dict[str, Record] = {}
    for page in pages:
        for record in source.records(stream, page.exchanges):
            assert record.key not in found
            found[record.key] = record
    return found


def everything(source: HubSpot, stream: str) -> dict[str, Record]:
    """A reading from the beginning."""
    return records(source, stream, source.read(stream, Window(None, source.now())))


def changed(source: HubSpot, stream: str, clock: FakeClock, **since: float) -> dict[str, Record]:
    """What changed in the last so many minutes or days."""
    window = Window(clock.now() - timedelta(**since), source.now())
    return records(source, stream, source.read(stream, window))


def named(source: HubSpot, stream: str, ids: Sequence[str]) -> dict[str, Record]:
    return records(source, stream, source.read_ids(stream, ids))


def linked(record: Record) -> dict[str, list[str]]:
    """The ids a record is associated with, by type."""
    return {other: [to["id"] for to in ends["results"]] for other, ends in record.data.get("associations", {}).items()}


def asked(twin: HubSpotTwin, part: str, method: str = "") -> int:
    """How many requests had that in their address."""
    return len([one for one in twin.requests if part in one.target and method in ("", one.method)])


@cache
def preset(name: str = "hubspot", zone: tzinfo = UTC) -> Mapping:
    """One of the mappings we ship."""
    return mapping.load(document.read(str(MAPPINGS / f"{name}.yaml")), source="hubspot", zone=zone, sources=["hubspot"])


def made(rules: Mapping, stream: str, found: dict[str, Record]) -> list[Mapped]:
    """What records mean by a mapping; none of them may be set aside."""
    mapped = list(rules.apply(stream, found.values()))
    assert [one.fault for one in mapped if one.fault] == []
    return mapped


def rows(mapped: Iterable[Mapped], entity: str) -> dict[str, dict[str, Any]]:
    """The rows of an entity, by id."""
    return {one.id: one.fields for each in mapped for one in each.entries if one.entity == entity and not one.absent}


def pages_of(source: HubSpot, stream: str, clock: FakeClock, lo: timedelta | None) -> Iterator[Page]:
    return source.read(stream, Window(None if lo is None else clock.now() - lo, source.now()))


class Sales:
    """`connector sync` of that account into a store, with a mapping we ship."""

    def __init__(
        self, twin: HubSpotTwin, clock: FakeClock, store: Store, name: str = "hubspot", **settings: Any
    ) -> None:
        self.clock, self.store, self.source = clock, store, hubspot(twin, clock, **settings)
        kept = journal.mapping_settings(timezone="UTC", sources=["hubspot"], history_import=False)
        self.mapping = journal.load_mapping(name, (MAPPINGS / f"{name}.yaml").read_bytes(), "hubspot", kept)
        journal.activate(store, self.source, self.mapping, (MAPPINGS / f"{name}.yaml").read_bytes(), kept)

    def sync(self, mode: sync.Mode = "sync") -> dict[str, sync.StreamSummary]:
        """One run; what happened by stream. No stream may fail."""
        found = sync.pull(
            self.store, self.source, self.mapping, sync.Settings(), run="run", plan=sync.Plan(mode), clock=self.clock
        )
        if failed := [f"{one.stream}: {one.error}" for one in found if one.status != "ok"]:
            raise AssertionError("; ".join(failed))
        return {one.stream: one for one in found}

    def counted(self, entity: str) -> dict[str, Any]:
        """The rows that count now, by id."""
        table = tables.LEDGER[entity]
        rows = self.store.rows(select(table).where(table.c.replaced_at.is_(None), table.c.gone.is_(None)))
        return {
            row.id: row for row in rows
            if getattr(row, "deleted_at", None) is None and getattr(row, "merged_into", None) is None
        }

"""A small world for the laws: one mapping with every kind of entry, pages made by hand, and a store that takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from sqlalchemy import delete, insert, select

from connector import journal, sync
from connector.journal import PageEntry
from connector.ledger import Before, Changes, Entered, Fact, Ledger
from connector.mapping import Mapping
from connector.model import STAGE, micros
from connector.ports import Exchange, Page, Record, Stream
from connector.store import landing, tables
from connector.store.store import Store
from connector.sync import Plan, StreamSummary
from connector.testing import FakeClock, MemorySource, context

LAW = settings(
    max_examples=50, derandomize=True, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # a fixed sample: the laws are proven, not searched, in every run
SEARCH = settings(LAW, max_examples=100, derandomize=False, phases=tuple(Phase))  # the long proof looks further

PIPELINES = """\
pipelines:
  "P": {name: new, stages: {"A": prospecting, "B": qualification, "C": proposal, "W": closed_won, "L": closed_lost}}
  "Q": {name: renewal, stages: {"X": negotiation, "Y": closed_won, "Z": closed_lost}}
"""
DEAL = """\
  - entity: deal
    stream: deals
    key: id
    fields: {name: name, pipeline: pipeline, stage: stage, outcome: outcome, created_at: created, closed_at: closed,
      owner: owner, amount: {path: amount, currency: currency}, deleted_at: deleted, extra.region: region}
"""
REST = """\
  - entity: stage_transition
    stream: deals
    each: history
    fields: {deal: record.id, pipeline: item.pipeline, to: item.to, at: item.at, by: item.by}
  - entity: deal_change
    stream: deals
    each: owners
    fields: {deal: record.id, field: {const: owner}, new: item.owner, at: item.at}
  - {entity: deal_owner, stream: deals, each: splits, fields: {deal: record.id, owner: item.owner, share: item.share}}
  - {entity: stage_transition, stream: moves, fields: {deal: deal, to: to, at: at, by: by}}
  - {entity: deal, stream: scores, key: id, fields: {probability: probability, extra.score: score}}
  - {entity: activity, stream: calls, key: id, only_if: at, fields: {type: {const: call}, at: at, deal: deal}}
  - {entity: account, stream: accounts, key: id, fields: {name: name}}
"""
MAPPING = PIPELINES + "entities:\n" + DEAL + REST
SETTINGS = journal.mapping_settings(timezone="Asia/Ho_Chi_Minh", sources=["crm"], history_import=False)
START = datetime(2026, 1, 1, tzinfo=UTC)


def t(minute: float) -> str:
    """That many minutes into 2026, as a vendor writes it."""
    return (START + timedelta(minutes=minute)).isoformat()


def at(minute: float) -> int:
    """That many minutes into 2026, as the store keeps it."""
    return micros(START + timedelta(minutes=minute))


def deal(number: int | str, modified: float | None, stage: str | None = "A", **more: Any) -> dict[str, Any]:
    """A deal's record; `history` may be given as pairs of stage and minute, oldest first."""
    history = more.pop("history", None)
    made = {"id": str(number), "pipeline": "P", "stage": stage, **more}
    if modified is not None:
        made["modified"] = t(modified)
    if history is not None:
        made["history"] = [{"to": to, "at": t(minute)} for to, minute in history]
    return made


def move(number: int | str, to: str, minute: float, *, modified: float | None = None) -> dict[str, Any]:
    """A row of a stream of transitions."""
    stamp = minute if modified is None else modified
    return {"id": f"{number}-{to}-{minute}", "modified": t(stamp), "deal": str(number), "to": to, "at": t(minute)}


@cache
def load(text: str = MAPPING, *, source: str = "crm", imported: bool = False) -> Mapping:
    """A compiled mapping; made once, since reading YAML costs more than most of what is done with it."""
    kept = {**SETTINGS, "sources": [source], "history_import": imported}
    return journal.load_mapping("mapping.yaml", text.encode(), source, kept)


def page(stream: str, rows: Sequence[dict[str, Any]], read_at: float) -> Page:
    """A page as read at that minute."""
    answer = json.dumps(list(rows)).encode()
    exchange = Exchange("GET", f"memory://{stream}", None, 200, answer)
    return Page(stream, [exchange], None, START + timedelta(minutes=read_at))


class Reader:
    """The pure half of a source: what MemorySource makes of an answer."""

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        return MemorySource("crm", context(FakeClock(START)), {}).records(stream, exchanges)


class Book:
    """A ledger without a store: pages in, and what is current afterwards."""

    def __init__(self, text: str = MAPPING, *, imported: bool = False) -> None:
        self.mapping, self.before, self.seen_at = load(text, imported=imported), Before(), at(10_000)
        self.stamps: dict[str, dict[str, int]] = {}

    def take(
        self, stream: str, *rows: dict[str, Any], read_at: float, known_until: float | None = None
    ) -> Changes:
        """Apply one page."""
        self.seen_at += 1
        self.before.stamps = self.stamps.setdefault(stream, {})
        whole = None if known_until is None else at(known_until)
        entered = Entered("crm", stream, self.seen_at, self.seen_at, at(read_at), self.mapping.version, whole)
        ledger = Ledger(self.before, entered, self.mapping.pipelines, self.mapping.columns)
        for record in self.mapping.apply(stream, Reader().records(stream, page(stream, rows, read_at).exchanges)):
            assert record.fault is None, record.fault
            ledger.apply(record)
        return ledger.changes

    def row(self, entity: str, number: int | str) -> dict[str, Any]:
        return self.before.rows[entity, str(number)]

    def past(self, number: int | str = 1, timeline: str = STAGE) -> list[Fact]:
        """What is current of a deal's past, in order."""
        facts = self.before.facts.get(str(number), {}).get(timeline, [])
        return sorted(facts, key=lambda fact: (fact.order, fact.value))

    def told(self, number: int | str = 1, timeline: str = STAGE) -> list[tuple[str, str, float]]:
        """(value, origin, minute) of a deal's past in order; a flagged fact's origin ends with "!"."""
        return [
            (fact.value[-1], fact.origin + "!" * fact.flagged, (fact.occurred_at - at(0)) / 60_000_000)
            for fact in self.past(number, timeline)
        ]


class World:
    """A store with a mapping in force that takes pages as a run does, but in any order."""

    def __init__(self, url: str, text: str = MAPPING, *, imported: bool = False) -> None:
        self.clock = FakeClock(START + timedelta(days=30))
        self.store = Store.open(url, self.clock)
        self.imported, self.source = imported, Reader()
        self.use(text)

    def use(self, text: str) -> None:
        """Put a mapping in force."""
        self.mapping = load(text, imported=self.imported)
        kept = {**SETTINGS, "history_import": self.imported}
        journal.activate(self.store, self.source, self.mapping, text.encode(), kept)

    def fresh(self, text: str = MAPPING) -> World:
        """Empty the store for the next example."""
        emptied = [str(delete(table)) for table in tables.metadata.tables.values()]
        with self.store.writing() as writing:
            for statement in emptied if self.store.is_sqlite else ["; ".join(emptied)]:  # one call is one round trip
                writing.connection.exec_driver_sql(statement)
            writing.execute(insert(tables.clock), {"one": 1, "last": 0})
            writing.last = writing._before = 0
        self.clock.set(START + timedelta(days=30))
        self.use(text)
        return self

    def take(self, taken: Page, *, run: str = "test") -> int:
        """Land and apply a page; gives its stamp."""
        self.clock.advance(seconds=1)
        mapped = list(self.mapping.apply(taken.stream, self.source.records(taken.stream, taken.exchanges)))
        with self.store.writing() as writing:
            stamp = writing.stamp()
            landing.land(
                writing, landing.pack(taken.exchanges), page=stamp, applied_at=stamp, source="crm",
                stream=taken.stream, run=run, read_at=micros(taken.read_at),
            )
            journal.take_page(
                writing, self.mapping, PageEntry(stamp, stamp, taken.stream, micros(taken.read_at), mapped)
            )
        return stamp

    def pull(
        self, source: MemorySource, plan: Plan | None = None, *, overlap: float = 15, shrink: float = 0.2,
        since: datetime | None = None, stop: Any = lambda: False,
    ) -> dict[str, StreamSummary]:
        """A run over the source's streams, as `connector sync` does it."""
        plan = plan or Plan(streams=[stream.name for stream in source.streams()])
        kept = sync.Settings(since, timedelta(minutes=overlap), shrink)
        made = sync.pull(self.store, source, self.mapping, kept, run="run", plan=plan, clock=self.clock, stop=stop)
        return {summary.stream: summary for summary in made}

    def memory(self, rows: dict[str, list[dict[str, Any]]], **more: Any) -> MemorySource:
        """A source of these rows on this world's clock; streams named in `whole` are full passes."""
        whole = more.pop("whole", ())
        streams = [Stream(name, cursor=name not in whole, by_id=True, complete=name in whole) for name in rows]
        return MemorySource("crm", context(self.clock), rows, streams=streams, **more)

    def cursor(self, stream: str) -> dict[str, Any] | None:
        table = tables.cursor
        found = self.store.rows(select(table.c.state).where(table.c.stream == stream))
        return json.loads(found[0].state) if found else None

    def rebuild(self) -> None:
        journal.rebuild(self.store, {"crm": self.source})

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every cell of every ledger table and of the quarantine."""
        return dump(self.store)

    def counts(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.dump().items()}

    def current(self) -> dict[str, list[dict[str, Any]]]:
        """What the current views show of rows: their values, without where they came from."""
        return current(self.store)

    def reported(self) -> list[tuple[Any, ...]]:
        """The reported transitions, without where they came from."""
        return reported(self.store)


DERIVED = [*tables.LEDGER.values(), tables.record_stamp, tables.quarantine]


def dump(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every cell of every table that replay makes."""
    with store.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in DERIVED
        }


_APART = {"seen_at", "replaced_at", "recorded_at", "page", "stream", "record_key", "record_index", "item", "mapping"}


def current(store: Store) -> dict[str, list[dict[str, Any]]]:
    """The current rows that are not gone, without provenance."""
    found = {}
    with store.reading() as connection:
        for name, table in tables.LEDGER.items():
            if "gone" not in table.c:
                continue
            query = select(table).where(table.c.replaced_at.is_(None), table.c.gone.is_(None))
            rows = connection.execute(query.order_by(table.c.source, table.c.id)).mappings()
            found[name] = [
                {column: value for column, value in row.items() if column not in {*_APART, "parts"}} for row in rows
            ]
    return found


def reported(store: Store) -> list[tuple[Any, ...]]:
    """The current reported transitions and changes, without provenance."""
    found: list[tuple[Any, ...]] = []
    with store.reading() as connection:
        for table in (tables.stage_transition, tables.deal_change):
            columns = [column for column in table.c if column.name not in {*_APART, "read_at"}]
            query = select(*columns).where(table.c.replaced_at.is_(None), table.c.origin == "reported")
            found += [(table.name, *row) for row in connection.execute(query)]
    return sorted(found, key=repr)


__all__ = ["LAW", "MAPPING", "Book", "World", "at", "deal", "load", "move", "page", "t"]

"""A store that takes what an adapter reads, through the connector's own sync, whatever the adapter's mapping is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connector import journal, sync
from connector.journal import mapping_settings
from connector.ports import Clock, Exchange, Listed, Page, Record, Source, Stream, Window
from connector.store import tables
from connector.store.store import Store
from connector.sync import Plan, StreamSummary
from connector.testing.contract.bench import Bench
from connector.testing.contract.meaning import NAME, meaning

Rows = dict[tuple[str, str], str]
"""The current content of each record, by stream and key."""


Disturbance = Callable[[str, int], None]


def undisturbed(_stream: str, _given: int) -> None:
    """Nothing happens between pages."""


class Killed(BaseException):
    """The process ends here."""


class Plain(Source):
    """An adapter whose records the contract's own mapping takes: {key, content}, without content where it is deleted.

    `before_page` is called with the stream and the number of pages already given; what it raises ends the run.
    """

    def __init__(self, source: Source, path: str | Path | None, before_page: Disturbance) -> None:
        super().__init__(source.name, source.settings, source.context)
        self.source, self.path, self.before_page = source, path, before_page

    def streams(self) -> Sequence[Stream]:
        return self.source.streams()

    def now(self) -> datetime:
        return self.source.now()

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        pages, given = iter(self.source.read(stream, window, position)), 0
        while True:
            self.before_page(stream, given)
            page = next(pages, None)
            if page is None:
                return
            yield page
            given += 1

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        return self.source.read_ids(stream, ids)

    def list_ids(self, stream: str) -> Iterator[Sequence[Listed]]:
        return self.source.list_ids(stream)

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        for record in self.source.records(stream, exchanges):
            content = meaning(self.path, stream, [record]).get(record.key)
            yield Record(record.key, record.modified, {"key": f"{stream} {record.key}", "content": content})


class Books:
    """One store with these streams of one source in it."""

    def __init__(self, url: str, clock: Clock, streams: Sequence[str], path: str | Path | None) -> None:
        self.store, self.clock, self.names, self.path = Store.open(url, clock), clock, list(streams), path
        entries = [
            f"  - {{entity: account, stream: {json.dumps(name)}, key: key, only_if: content, "
            f"fields: {{extra.s{number}: content}}}}"
            for number, name in enumerate(self.names)
        ]
        self.text = "\n".join(["entities:", *entries, ""]).encode()
        self.kept = mapping_settings(timezone="UTC", sources=[NAME], history_import=False)
        self.mapping = journal.load_mapping("contract.yaml", self.text, NAME, self.kept)

    def pull(
        self, source: Source, plan: Plan | None = None, *, overlap: float = 15, fails: bool = False,
        before_page: Disturbance = undisturbed,
    ) -> dict[str, StreamSummary]:
        """One sync; unless `fails`, every stream has to end well. `before_page` as in Plain."""
        plain = Plain(source, self.path, before_page)
        journal.activate(self.store, plain, self.mapping, self.text, self.kept)
        plan = plan or Plan()
        plan = Plan(plan.mode, plan.streams or list(self.names), plan.since, plan.until, plan.ids, plan.dry_run)
        settings = sync.Settings(None, timedelta(minutes=overlap), shrink=0.9)
        made = sync.pull(self.store, plain, self.mapping, settings, run="contract", plan=plan, clock=self.clock)
        bad = [] if fails else [f"{one.stream}: {one.status}, {one.error}" for one in made if one.status != "ok"]
        assert not bad, f"the sync did not end well: {bad}"
        return {one.stream: one for one in made}

    def rows(self) -> Rows:
        """What the store shows now."""
        table = tables.LEDGER["account"]
        query = select(table.c.id, table.c.extra).where(table.c.replaced_at.is_(None), table.c.gone.is_(None))
        found: Rows = {}
        for row in self.store.rows(query):
            [(field, content)] = list(json.loads(row.extra).items())
            stream = self.names[int(field[1:])]
            found[stream, row.id.removeprefix(f"{stream} ")] = content
        return found

    def ledger(self) -> list[tuple[Any, ...]]:
        """Every version of every row, with all that replay makes."""
        table = tables.LEDGER["account"]
        return sorted((tuple(row) for row in self.store.rows(select(table))), key=repr)

    def rebuild(self, source: Source) -> None:
        """The ledger again, from what was landed."""
        journal.rebuild(self.store, {NAME: Plain(source, self.path, undisturbed)})


class BookBench(Bench):
    """A bench with stores."""

    @pytest.fixture
    def other_store(self, tmp_path: Path) -> str:
        """The address of a second, empty store; override it to compare another kind of database with SQLite."""
        return f"sqlite:///{tmp_path / 'other.db'}"

    @contextmanager
    def books(
        self, source: Source, streams: Iterable[str], *, clock: Clock | None = None, url: str = ""
    ) -> Iterator[Books]:
        """A store that takes these streams of the source; in memory where the system has a folder there."""
        memory = Path("/dev/shm")  # noqa: S108  # the folder in it has a name of its own, and is ours
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            address = url or f"sqlite:///{folder}/contract.db"
            made = Books(address, clock or self.own_clock, list(streams), self.mapping)
            try:
                yield made
            finally:
                made.store.close()


__all__ = ["BookBench", "Books", "Killed", "Rows"]

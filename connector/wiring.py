"""One installation put together from its config: store, sources, destinations, mappings, calendar."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from connector import config as config_
from connector import document, journal, mapping
from connector.config import Config
from connector.config.adapters import searched
from connector.config.beside import read_bytes, shown
from connector.errors import ConfigError, ConnectorError, Fault
from connector.mapping import Mapping as SourceMapping
from connector.plan import Settings
from connector.ports import Clock, Context, Destination, Source, SystemClock
from connector.store.shared import StoreShared
from connector.store.store import Store

Stop = Callable[[], bool]
Progress = Callable[[str, str, int], None]
"""Told (source or destination, stream, records since the last time), from any thread."""


class Answer(NamedTuple):
    """What a command says: a JSON-able value, and the exit code."""

    value: Any
    exit_code: int = 0


def silent(_name: str, _stream: str, _records: int) -> None:
    """Nobody watches."""


def never() -> bool:
    """No one asks to end."""
    return False


class Installation:
    """What the config names, made when it is first needed. `close` releases the store."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config, self.clock = config, clock
        self.zone = config.zone
        self.calendar = config.calendar
        self._unsearch = searched(str(config.folder))  # own converters may be kept beside the config, like adapters
        self._opening = threading.Lock()
        self._store: Store | None = None
        self._shared = StoreShared(lambda: self.store, clock, config.encryption_key)

    @classmethod
    def load(
        cls, path: str, clock: Clock | None = None, environment: Mapping[str, str] | None = None
    ) -> Installation:
        """The installation that config file describes. Raises ConfigError."""
        given = os.environ if environment is None else environment
        return cls(config_.load(path, given), clock or SystemClock())

    @property
    def store(self) -> Store:
        """The open store, made or brought up to this version. Raises StoreError."""
        with self._opening:
            if self._store is None:
                self._store = Store.open(self.config.store, self.clock)
            return self._store

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._unsearch()

    # --- names -------------------------------------------------------------------------------------------------------

    def chosen_sources(self, names: Sequence[str]) -> list[str]:
        """These sources, or all when none is named. Raises ConfigError for a name there is not."""
        return self._chosen(names, self.config.sources, "source")

    def chosen_destinations(self, names: Sequence[str]) -> list[str]:
        """These destinations, or all when none is named. Raises ConfigError for a name there is not."""
        return self._chosen(names, self.config.destinations, "destination")

    def known(self, name: str) -> str:
        """The name, if it is a source's or a destination's. Raises ConfigError."""
        return self._chosen([name], [*self.config.sources, *self.config.destinations], "source or destination")[0]

    def _chosen(self, names: Sequence[str], known: Collection[str], what: str) -> list[str]:
        listed = ", ".join(known) or "none"
        faults = [
            Fault("command line", 0, name, f"there is no {what} of that name, expected one of: {listed}")
            for name in names
            if name not in known
        ]
        if faults:
            raise ConfigError(faults)
        return list(dict.fromkeys(names)) or list(known)

    # --- parts -------------------------------------------------------------------------------------------------------

    def mappings(self) -> dict[str, SourceMapping]:
        """The mapping of each source as its file stands now. Raises ConfigError with the faults of all files."""
        found: dict[str, SourceMapping] = {}
        faults: list[Fault] = []
        for name in self.config.sources:
            try:
                found[name] = self.mapping(name)
            except ConfigError as error:
                faults += error.faults
        if faults:
            raise ConfigError(dict.fromkeys(faults))
        return found

    def mapping(self, name: str) -> SourceMapping:
        """The mapping of one source, as its file stands. Raises ConfigError."""
        source = self.config.sources[name]
        content = read_bytes(source.mapping)
        return mapping.load(
            document.load(content, shown(source.mapping)), source=name, zone=self.zone,
            sources=list(self.config.sources), history_import=source.history_import,
        )

    def mapping_settings(self, name: str) -> dict[str, object]:
        """What beside the file decides what that mapping means."""
        return journal.mapping_settings(
            timezone=str(self.zone), sources=list(self.config.sources),
            history_import=self.config.sources[name].history_import,
        )

    def source(self, name: str, stop: Stop = never) -> Source:
        """A new connection to that source."""
        found = self.config.sources[name]
        return found.make(name, found.settings, self._context(stop, found.budget))

    def reading(self, name: str) -> Settings:
        """The rules by which that source is read."""
        found = self.config.sources[name]
        return Settings(found.since, found.overlap, self.config.guard_shrink, found.windows, found.ids_every)

    @contextmanager
    def all_sources(self) -> Iterator[dict[str, Source]]:
        """Every configured source, for reading what is landed; none is asked."""
        made = {name: self.source(name) for name in self.config.sources}
        try:
            yield made
        finally:
            for one in made.values():
                one.close()

    def destination(self, name: str, stop: Stop = never) -> Destination:
        """A new connection to that destination."""
        found = self.config.destinations[name]
        return found.make(name, found.settings, self._context(stop))

    def _context(self, stop: Stop, budget: float = 1.0) -> Context:
        """What an adapter is given; a destination's pace is its adapter's own key, so its budget is the whole."""
        return Context(
            clock=self.clock, zone=self.zone, folder=str(self.config.folder), stop=stop, budget=budget,
            shared=self._shared,
        )


@contextmanager
def closing(port: Source | Destination) -> Iterator[None]:
    """Release a source or destination afterwards, whatever happened."""
    try:
        yield
    finally:
        with suppress(ConnectorError):
            port.close()

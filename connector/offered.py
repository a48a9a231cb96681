"""A file that somebody would put in force: what it is, whether it is sound, and how it is taken in on trial.

It is a mapping, a whole config, or one of the tables beside it, and is judged as a run would judge it, together with
all that stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from connector import config as config_
from connector import document, files, journal
from connector.config import Config
from connector.config.beside import read_bytes, shown
from connector.errors import ConfigError, Fault
from connector.ledger import Changes
from connector.store.store import Writing
from connector.tabular import SUFFIXES, columns
from connector.wiring import Installation, closing

MAPPING, CONFIG = "mapping", "config"
TABLES = ("people", "targets", "fx", "holidays", "okrs", "ask")
KINDS = (MAPPING, CONFIG, *TABLES)

_CONFIG_KEYS = frozenset({"sources", "timezone", "currency", "kpis", "destinations"})
_MAPPING_KEYS = frozenset({"pipelines", "entities"})


class Taken(NamedTuple):
    """What a changed mapping makes of one stream's landed records."""

    source: str
    stream: str
    changes: Changes


@dataclass(frozen=True, slots=True)
class Offer:
    """A sound file: of which kind, how it is called, for which source (mappings only).

    `there` is the installation with it in place of what it replaces; its store is the same.
    """

    kind: str
    file: str
    source: str | None
    there: Installation

    def take(self, writing: Writing, seen_at: int) -> tuple[list[str], list[Taken]]:
        """Put it in force within that transaction: what of it says something new, and what became of the records."""
        names: list[str] = [] if self.source is None else [self.source]
        news, taken = [], list[Taken]()
        for name in self.there.config.sources if self.kind == CONFIG else names:
            streams = _take_mapping(self.there, writing, seen_at, name)
            if streams is not None:
                news.append(f"{MAPPING} {name}")
                taken += streams
        wanted = (*TABLES, "calendar", "kpis") if self.kind == CONFIG else (self.kind,)
        versions = (one for one in files.standing(self.there) if one.kind in wanted) if self.kind != MAPPING else ()
        return news + files.take(writing, seen_at, versions), taken


def _take_mapping(here: Installation, writing: Writing, seen_at: int, name: str) -> list[Taken] | None:
    """None where it means what is in force, or nothing of the source is known yet that it could be taken for."""
    source_mapping, content, settings = here.mapping(name), read_bytes(here.config.mapping_path(name)), \
        here.mapping_settings(name)
    in_force = journal.latest_version(writing.connection, MAPPING, name)
    if in_force is None or in_force == source_mapping.version:
        return None
    journal.write_file(
        writing, seen_at, MAPPING, name, source_mapping.version, source_mapping.file, content, settings
    )
    source = here.source(name)
    with closing(source):
        made = journal.map_again(writing, source, source_mapping, seen_at, first=False)
    return [Taken(name, stream, changes) for stream, changes in made.items()]


@contextmanager
def offered(here: Installation, new: str, kind: str | None = None, source: str | None = None) -> Iterator[Offer]:
    """That file, as an offer to the installation. Raises ConfigError with every fault that a run would find.

    `kind`: one of `KINDS`; None: told by where the config names it, or by what stands in it. `source`: whose mapping.
    """
    if kind not in (None, *KINDS):
        raise _fault("--as", f"{kind} is nothing that can be offered, expected one of: {', '.join(KINDS)}")
    path = Path(new)
    content = read_bytes(path)
    kind = kind or _kind(here.config, path, content)
    if source is not None and kind != MAPPING:
        raise _fault("--source", f"is of a mapping; {new} is {_a(kind)}")
    name = _source(here, path, source) if kind == MAPPING else None
    there = Installation(_config(here.config, path, kind, name), here.clock)
    try:
        files.checked(there)
        if faults := files.misnamed(there):
            raise ConfigError(faults)
        yield Offer(kind, shown(path), name, there)
    finally:
        there.close()


def _config(config: Config, path: Path, kind: str, source: str | None) -> Config:
    """The config with that file in place of what it replaces."""
    if kind == CONFIG:
        return replace(config_.load(str(path)), store=config.store)
    if source is not None:
        found = replace(config.sources[source], mapping=path)
        return replace(config, sources={**config.sources, source: found})
    if kind in ("okrs", "ask") and getattr(config, kind) is None:
        raise _fault("NEW", f"the config has no {kind}, so nothing is made of {_a(kind)}; offer a config that has it")
    changed: dict[str, Any] = {kind: path}
    return replace(config, **changed)


# --- what it is ------------------------------------------------------------------------------------------------------


def _kind(config: Config, path: Path, content: bytes) -> str:
    """What the config calls the file that lies there, else what its keys or columns say. Raises ConfigError."""
    place = path.resolve()
    for kind in TABLES:
        named: Path | None = getattr(config, kind)
        if named is not None and named.resolve() == place:
            return kind
    if any(one.mapping.resolve() == place for one in config.sources.values()):
        return MAPPING
    if Path(config.file).resolve() == place:
        return CONFIG
    if path.suffix.lower() in (".yaml", ".yml"):
        keys = _keys(document.load(content, shown(path)).data)
        of_file = [kind for kind, own in ((MAPPING, _MAPPING_KEYS), (CONFIG, _CONFIG_KEYS)) if keys & own]
        if len(of_file) == 1:
            return of_file[0]
    elif path.suffix.lower() not in SUFFIXES:
        raise _fault("NEW", f"{path} is neither YAML nor a table, expected a file ending in {', '.join(SUFFIXES)}")
    found = _tables(set(columns(content, shown(path))))
    if len(found) != 1:
        told = f"may be {' or '.join(found)}" if found else "has the keys or columns of none"
        raise _fault("--as", f"{path} {told}; say what it is, one of: {', '.join(KINDS)}")
    return found[0]


def _keys(data: Any) -> set[str]:
    return {str(key) for key in data} if isinstance(data, dict) else set()


def _tables(names: set[str]) -> list[str]:
    """The tables that may have these columns."""
    is_okrs = {"objective", "key_result"} <= names
    fits = {
        "people": "employee_code" in names,
        "targets": not is_okrs and bool(names & {"kpi", "metric"}) and bool(names & {"subject", "owner"}),
        "fx": {"currency", "valid_from", "rate"} <= names,
        "holidays": "date" in names,
        "okrs": is_okrs,
        "ask": {"person", "rater", "score"} <= names,
    }
    return [kind for kind, is_it in fits.items() if is_it]


def _source(here: Installation, path: Path, asked: str | None) -> str:
    """The source whose mapping the file replaces: the one asked for, the only one, or that of a file of that name."""
    if asked is not None:
        return here.chosen_sources([asked])[0]
    sources = here.config.sources
    same = [name for name, one in sources.items() if one.mapping.resolve() == path.resolve()]
    same = same or [name for name, one in sources.items() if one.mapping.name == path.name]
    if len(found := list(sources) if len(sources) == 1 else same) == 1:
        return found[0]
    raise _fault("--source", f"whose mapping is {path}? Expected one of: {', '.join(same or sources)}")


def _a(kind: str) -> str:
    """`a mapping`, `an okrs table`."""
    noun = kind if kind in (MAPPING, CONFIG) else f"{kind} table"
    return f"{'an' if noun[0] in 'ao' else 'a'} {noun}"


def _fault(key: str, message: str) -> ConfigError:
    return ConfigError([Fault("command line", 0, key, message)])

"""The files beside the config: checked before a run, and kept in the journal whenever their meaning changes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection

from connector import ask, convert, directory, journal, kpi, ledger, mapping, okrs, pipelines, rules, scores
from connector.config import beside
from connector.config.beside import ScoreFile, TargetsFile, read_bytes, shown
from connector.errors import ConfigError, Fault
from connector.mapping import Mapping as SourceMapping
from connector.model import canonical_json
from connector.store.store import Writing
from connector.tabular import read_table
from connector.wiring import Installation


def checked(here: Installation) -> dict[str, SourceMapping]:
    """The mapping of each source. Raises ConfigError with the faults of the mappings and of the tables beside them."""
    config = here.config
    found: dict[str, SourceMapping] = {}
    faults: list[Fault] = []
    try:
        found = here.mappings()
    except ConfigError as error:
        faults += error.faults
    faults += beside.tables(
        config.people, config.fx, config.holidays, config.currency, config.fx_decimal, _targets(here), _scores(here),
        judges_names=config.people_from is None,
    )
    if faults:
        raise ConfigError(faults)
    return found


def misnamed(here: Installation) -> list[Fault]:
    """What the targets, okrs and ask files say of whom the list of employees does not have, or has as one person.

    Found only once the list was read, since somebody may be new on it and in a table on the same day. With a people
    file alone it is a fault before anything runs.
    """
    if here.config.people_from is None or directory.table(here) is None:
        return []
    return beside.named(_targets(here), here.config.currency, _scores(here), directory.people_of(here))


def _targets(here: Installation) -> TargetsFile | None:
    """The targets file with what it is judged by."""
    config = here.config
    if config.targets is None:
        return None
    kpis = {one.id: one for one in config.kpis}
    return TargetsFile(config.targets, config.targets_decimal, kpis, here.calendar)


def _scores(here: Installation) -> list[ScoreFile]:
    """The okrs and ask files with what they are judged by."""
    config = here.config
    every = {one.metric: one.every for one in config.kpis}
    kpis = {one.id: one for one in config.kpis if not scores.is_score(one)}
    found = []
    if config.okrs is not None:
        of_okrs = every[okrs.OBJECTIVE]
        found.append(ScoreFile("okrs", config.okrs, of_okrs, config.okrs_decimal, here.calendar, kpis))
    if config.ask is not None:
        found.append(ScoreFile("ask", config.ask, every[ask.METRIC], config.ask_decimal, here.calendar))
    return found


class Version(NamedTuple):
    """A file as it stands: what it means (`version`), and what the journal keeps of it; empty where there is none."""

    kind: str
    version: str
    path: str
    content: bytes
    settings: Mapping[str, Any]


def register(here: Installation) -> None:
    """Keep the calendar, people, rates, holidays, targets, okrs, ratings and KPIs as they are from now on."""
    _put_rules(here)
    for one in standing(here):
        with here.store.reading() as connection:
            is_new = _is_new(connection, one)
        if is_new:
            journal.put_file(
                here.store, one.kind, "", version=one.version, path=one.path, content=one.content,
                settings=one.settings,
            )


def take(writing: Writing, seen_at: int, versions: Iterable[Version]) -> list[str]:
    """Write those of them down that say something new, as known from `seen_at` on; their kinds."""
    news = [one for one in versions if _is_new(writing.connection, one)]
    for one in news:
        journal.write_file(writing, seen_at, one.kind, "", one.version, one.path, one.content, one.settings)
    return [one.kind for one in news]


def _is_new(connection: Connection, one: Version) -> bool:
    """Whether it means something else than what is in force; that there is none is new only where there was one."""
    in_force = journal.latest_version(connection, one.kind, "")
    return in_force != one.version and (bool(one.version) or in_force is not None)


def standing(here: Installation) -> Iterator[Version]:
    """The files beside the config as they stand, with what of the config is kept as if it were one.

    Who is an employee is left out where a list tells and was never read: that takes nobody out.
    """
    config, rules = here.config, here.calendar.rules
    employees = directory.table(here)
    if employees is not None:
        yield _content("people", employees.path, employees.content, {})
    elif config.people_from is None:
        yield _table("people", None, {})
    yield _table("fx", config.fx, {"currency": config.currency, "decimal": config.fx_decimal})
    yield _table("holidays", config.holidays, {})
    yield _table("targets", config.targets, {"currency": config.currency, "decimal": config.targets_decimal, **rules})
    yield _table("okrs", config.okrs, {"decimal": config.okrs_decimal, **rules})
    yield _table("ask", config.ask, {"decimal": config.ask_decimal, **rules})
    calendar = canonical_json({
        "timezone": str(config.zone), "currency": config.currency, "working_days": list(config.working_days), **rules,
    })
    yield Version("calendar", _hash(calendar), config.file, calendar.encode(), {})
    defined = canonical_json([kpi.as_json(one) for one in config.kpis])
    yield Version("kpis", _hash(defined), config.file, defined.encode(), {})


def _table(kind: str, path: Path | None, settings: Mapping[str, Any]) -> Version:
    """A table; one the config does not name is an empty version."""
    if path is None:
        return Version(kind, "", "", b"", {})
    return _content(kind, shown(path), read_bytes(path), settings)


def _content(kind: str, path: str, content: bytes, settings: Mapping[str, Any]) -> Version:
    meaning = canonical_json([settings, [_cells(row.cells) for row in read_table(content, path)]])
    return Version(kind, _hash(meaning), path, content, settings)


def _put_rules(here: Installation) -> None:
    """Which code made the ledger: a hash of the converters, the mapping, the ledger and each adapter."""
    modules = [convert, rules, pipelines, mapping, ledger, *(sys.modules[one.make.__module__] for one in
               here.config.sources.values())]
    hashes = {one.__name__: _hash(Path(str(one.__file__)).read_text(encoding="utf-8")) for one in modules}
    content = canonical_json(hashes)
    journal.put_file(here.store, "rules", "", version=_hash(content), path="", content=content.encode(), settings={})


def _cells(cells: Mapping[str, Any]) -> dict[str, str]:
    """The cells that say something, as text."""
    return {name: str(value) for name, value in cells.items() if value is not None}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

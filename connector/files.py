"""The files beside the config: checked before a run, and kept in the journal whenever their meaning changes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector import ask, convert, directory, journal, kpi, ledger, mapping, okrs, pipelines, rules, scores
from connector.config import beside
from connector.config.beside import ScoreFile, TargetsFile, read_bytes, shown
from connector.errors import ConfigError, Fault
from connector.mapping import Mapping as SourceMapping
from connector.model import canonical_json
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


def register(here: Installation) -> None:
    """Keep the calendar, people, rates, holidays, targets, okrs, ratings and KPIs as they are from now on."""
    config = here.config
    _put_rules(here)
    _put_people(here)
    _put_table(here, "fx", config.fx, {"currency": config.currency, "decimal": config.fx_decimal})
    _put_table(here, "holidays", config.holidays, {})
    rules = here.calendar.rules
    meant = {"currency": config.currency, "decimal": config.targets_decimal, **rules}
    _put_table(here, "targets", config.targets, meant)
    _put_table(here, "okrs", config.okrs, {"decimal": config.okrs_decimal, **rules})
    _put_table(here, "ask", config.ask, {"decimal": config.ask_decimal, **rules})
    calendar = canonical_json({
        "timezone": str(config.zone), "currency": config.currency, "working_days": list(config.working_days), **rules,
    })
    journal.put_file(
        here.store, "calendar", "", version=_hash(calendar), path=config.file, content=calendar.encode(), settings={}
    )
    defined = canonical_json([kpi.as_json(one) for one in config.kpis])
    journal.put_file(
        here.store, "kpis", "", version=_hash(defined), path=config.file, content=defined.encode(), settings={}
    )


def _put_rules(here: Installation) -> None:
    """Which code made the ledger: a hash of the converters, the mapping, the ledger and each adapter."""
    modules = [convert, rules, pipelines, mapping, ledger, *(sys.modules[one.make.__module__] for one in
               here.config.sources.values())]
    hashes = {one.__name__: _hash(Path(str(one.__file__)).read_text(encoding="utf-8")) for one in modules}
    content = canonical_json(hashes)
    journal.put_file(here.store, "rules", "", version=_hash(content), path="", content=content.encode(), settings={})


def _put_people(here: Installation) -> None:
    """Keep who is an employee; a list that was never read takes nobody out."""
    table = directory.table(here)
    if table is not None:
        _put_content(here, "people", table.path, table.content, {})
    elif here.config.people_from is None:
        _put_table(here, "people", None, {})


def _put_table(here: Installation, kind: str, path: Path | None, settings: Mapping[str, Any]) -> None:
    """Keep a table; one the config no longer names is withdrawn by an empty version."""
    if path is None:
        with here.store.reading() as connection:
            known = journal.latest_version(connection, kind, "")
        if known is not None:
            journal.put_file(here.store, kind, "", version="", path="", content=b"", settings={})
        return
    _put_content(here, kind, shown(path), read_bytes(path), settings)


def _put_content(here: Installation, kind: str, path: str, content: bytes, settings: Mapping[str, Any]) -> None:
    meaning = canonical_json([settings, [_cells(row.cells) for row in read_table(content, path)]])
    journal.put_file(here.store, kind, "", version=_hash(meaning), path=path, content=content, settings=settings)


def _cells(cells: Mapping[str, Any]) -> dict[str, str]:
    """The cells that say something, as text."""
    return {name: str(value) for name, value in cells.items() if value is not None}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

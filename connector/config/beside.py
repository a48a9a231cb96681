"""The files a config names beside it: mappings, people, exchange rates, holidays, targets, okrs, ask. Their faults are
told also where the config itself has some, so that whoever sets up corrects everything in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from connector import document
from connector.config.adapters import findable
from connector.errors import ConfigError, Fault
from connector.period import Calendar

if TYPE_CHECKING:
    from connector.kpi import KpiDefinition
    from connector.people import People

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TargetsFile:
    """The targets file, and what it is judged by. `kpis` by id; None stands for one at fault, which is not judged."""

    path: Path
    decimal: str
    kpis: Mapping[str, KpiDefinition | None]
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class ScoreFile:
    """The `okrs` or `ask` file, and what it is judged by; `kpis` as in TargetsFile, of okrs only."""

    kind: str
    path: Path
    every: str
    decimal: str
    calendar: Calendar
    kpis: Mapping[str, KpiDefinition | None] = field(default_factory=dict)

    def parse(self, content: bytes, name: str, staff: People | None) -> None:
        """Raises ConfigError with its faults."""
        from connector import ask, okr_table

        if self.kind == "ask":
            ask.parse(content, name, self.every, self.calendar, self.decimal, staff)
        else:
            okr_table.parse(content, name, self.every, self.kpis, self.calendar, self.decimal, staff)


@dataclass
class Beside:
    """What could be read of a config about the files it names; defaults stand for what was at fault."""

    folder: Path
    zone: tzinfo = UTC
    currency: str = ""
    decimal: str = "."
    people: Path | None = None
    has_directory: bool = False  # a destination lists the employees, so the file does not know all of them
    fx: Path | None = None
    holidays: Path | None = None
    targets: TargetsFile | None = None
    scores: Sequence[ScoreFile] = ()
    sources: Sequence[str] = ()
    mappings: dict[str, Path] = field(default_factory=dict)
    importing: set[str] = field(default_factory=set)  # sources with history_import

    def faults(self) -> list[Fault]:
        """The faults of every file that is there."""
        found = tables(
            self.people, self.fx, self.holidays, self.currency, self.decimal, self.targets, self.scores,
            judges_names=not self.has_directory,
        )
        return [*self._of_mappings(), *found]

    def _of_mappings(self) -> list[Fault]:
        from connector import mapping

        found: dict[Fault, None] = {}
        with findable(str(self.folder)):
            for name, path in self.mappings.items():
                try:
                    mapping.load(
                        document.load(read_bytes(path), shown(path)), source=name, zone=self.zone,
                        sources=self.sources, history_import=name in self.importing,
                    )
                except ConfigError as error:
                    found |= dict.fromkeys(error.faults)  # two sources may share a file
        return list(found)


def tables(
    people_file: Path | None, fx_file: Path | None, holidays_file: Path | None, currency: str, decimal: str,
    targets_file: TargetsFile | None, scores: Sequence[ScoreFile] = (), *, judges_names: bool = True,
) -> list[Fault]:
    """The faults of the people, rates, holidays, targets, okrs and ask files.

    `judges_names`: whether the people file knows everybody, so that another name in a table is a fault.
    """
    from connector import fx, people, workdays

    faults: list[Fault] = []
    staff = _tried(people_file, faults, people.parse)
    _tried(fx_file, faults, lambda content, name: fx.parse(content, name, currency, decimal))
    _tried(holidays_file, faults, workdays.holidays)
    return faults + named(targets_file, currency, scores, staff if judges_names else None)


def named(
    targets_file: TargetsFile | None, currency: str, scores: Sequence[ScoreFile], staff: People | None
) -> list[Fault]:
    """The faults of the tables that name people; without `staff` names are not judged."""
    from connector import targets

    faults: list[Fault] = []
    if targets_file is not None:
        given = targets_file
        _tried(
            given.path, faults,
            lambda content, name: targets.parse(
                content, name, given.kpis, given.calendar, currency, given.decimal, staff
            ),
        )
    for file in scores:
        _tried(file.path, faults, partial(file.parse, staff=staff))
    return faults


def _tried(path: Path | None, faults: list[Fault], parse: Callable[[bytes, str], T]) -> T | None:
    """What a file says; None where there is none, or it is at fault (then the faults are noted)."""
    if path is None:
        return None
    try:
        return parse(read_bytes(path), shown(path))
    except ConfigError as error:
        faults += error.faults
        return None


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises ConfigError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot be read ({error.strerror}), expected a readable file"
        raise ConfigError([Fault(shown(path), 0, "", message)]) from None


def shown(path: Path) -> str:
    """How a file is named to the user: from the working folder where it lies in it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)

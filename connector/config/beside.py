"""The files a config names beside it: mappings, people, exchange rates, holidays. Their faults are told also where the
config itself has some, so that whoever sets up corrects everything in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from connector import document
from connector.config.adapters import findable
from connector.errors import ConfigError, Fault


@dataclass
class Beside:
    """What could be read of a config about the files it names; defaults stand for what was at fault."""

    folder: Path
    zone: tzinfo = UTC
    currency: str = ""
    decimal: str = "."
    people: Path | None = None
    fx: Path | None = None
    holidays: Path | None = None
    sources: Sequence[str] = ()
    mappings: dict[str, Path] = field(default_factory=dict)
    importing: set[str] = field(default_factory=set)  # sources with history_import

    def faults(self) -> list[Fault]:
        """The faults of every file that is there."""
        return [*self._of_mappings(), *tables(self.people, self.fx, self.holidays, self.currency, self.decimal)]

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
    people_file: Path | None, fx_file: Path | None, holidays_file: Path | None, currency: str, decimal: str
) -> list[Fault]:
    """The faults of the people, rates and holidays files."""
    from connector import fx, people, workdays

    reads: list[Callable[[], object]] = []
    if people_file is not None:
        reads.append(lambda: people.parse(read_bytes(people_file), shown(people_file)))
    if fx_file is not None:
        reads.append(lambda: fx.parse(read_bytes(fx_file), shown(fx_file), currency, decimal))
    if holidays_file is not None:
        reads.append(lambda: workdays.holidays(read_bytes(holidays_file), shown(holidays_file)))
    faults: list[Fault] = []
    for read in reads:
        try:
            read()
        except ConfigError as error:
            faults += error.faults
    return faults


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

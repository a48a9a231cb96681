"""`connector init`: asks a source what it has, and writes a config and a mapping, or adds to those that are there.

Everything is made before anything is written, so a source that does not answer leaves the folder as it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any

from connector import config as config_
from connector import document, mapping, mapping_schema, mapping_tests
from connector.config import Config, SourceConfig
from connector.config import schema as config_schema
from connector.config.adapters import MAPPINGS, findable, load_adapter
from connector.config.beside import shown
from connector.errors import ConfigError, Fault
from connector.exact import NO_CURRENCY
from connector.metadata import Metadata
from connector.ports import AdapterSettings, Clock, Context, Source
from connector.starting import answer, config_file, mapping_file
from connector.starting import settings as settings_
from connector.starting.mapping_file import Made
from connector.starting.writing import reads

SCHEDULE = "*/15 * * * *"
STAND_IN = "demo"  # a mapping that is there, for judging a config whose own is not written yet
MARK = "\ufeff"
SCHEMAS = ".connector"  # beside the config: editors find them without a network


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `connector init` is asked for. `settings` are KEY=VALUE, `secrets` [KEY=]VARIABLE."""

    adapter: str
    name: str = ""
    settings: Sequence[str] = ()
    secrets: Sequence[str] = ()
    timezone: str = ""
    currency: str = ""

    @property
    def source(self) -> str:
        """The name it has in the config: `hubspot`, or of `acme.crm:Reader` crm."""
        return self.name or self.adapter.partition(":")[0].rpartition(".")[2]


@dataclass
class Files:
    """The files of an installation as they are and as they will be, by path."""

    before: dict[Path, str | None] = field(default_factory=dict)
    after: dict[Path, str] = field(default_factory=dict)
    marks: dict[Path, str] = field(default_factory=dict)

    def text(self, path: Path) -> str | None:
        """What a file says, without its byte order mark; None where there is none. Raises ConfigError."""
        if path not in self.before:
            text = _read(path)
            self.marks[path] = MARK if text is not None and text.startswith(MARK) else ""
            self.before[path] = text.removeprefix(MARK) if text is not None else None
        return self.before[path]

    def put(self, path: Path, text: str) -> None:
        self.text(path)
        self.after[path] = text

    def write(self) -> list[tuple[str, str]]:
        """Write what is not so yet; each file with `written`, `changed` or `unchanged`. Raises ConfigError."""
        done = []
        for path, text in self.after.items():
            before = self.before[path]
            if before != text:
                _write(path, self.marks[path] + text)
            done.append((shown(path), "unchanged" if before == text else "written" if before is None else "changed"))
        return done


def start(wanted: Wanted, file: Path, clock: Clock, environment: Mapping[str, str] | None = None) -> tuple[Any, int]:
    """Write or complete the installation whose config is that file: the answer, and its exit code.

    Raises ConfigError, and RemoteError where the source does not answer; nothing is written then.
    """
    known, files = os.environ if environment is None else environment, Files()
    with findable(str(file.resolve().parent)):
        there = config_.load(str(file), known) if files.text(file) is not None else None
        if there is not None and wanted.source in there.sources:
            found = _again(wanted, there, files, known, clock)
        else:
            found = _new(wanted, file, there, files, known, clock)
    folder = file.parent / SCHEMAS
    files.put(folder / "config.schema.json", config_schema.text())
    files.put(folder / "mapping.schema.json", mapping_schema.text())
    return answer.told(found, files.write())


# --- a source that the config does not have yet ----------------------------------------------------------------------


def _new(
    wanted: Wanted, file: Path, there: Config | None, files: Files, environment: Mapping[str, str], clock: Clock
) -> answer.Found:
    """A new config, or another source in the one that is there."""
    make = _adapter(wanted, file)
    model = make.Settings
    settings, faults = settings_.settings(model, wanted.settings, wanted.secrets, environment)
    path = file.parent / "mappings" / f"{wanted.source}.yaml"
    faults += _others(wanted, there, file)

    def written(told: Metadata, text: str, mapping_name: str, zone: str, currency: str) -> str:
        source = config_file.source_lines(wanted.source, wanted.adapter, mapping_name, settings, schedule=SCHEDULE)
        if there is not None:
            return config_file.with_source(files.text(file) or "", source, shown(file))
        destination = "report" if wanted.source != "report" else "table"
        listed = config_file.kpis(text, destination)
        others = config_file.other_currencies(told, currency)
        return config_file.first(f"{SCHEMAS}/config.schema.json", zone, currency, source, listed, destination, others)

    nothing = Metadata()
    trial = written(nothing, "entities: []", STAND_IN, wanted.timezone, wanted.currency or NO_CURRENCY)
    read = _judged(trial, wanted, file, model, environment, faults)
    with _asked(read, file, clock) as source:
        shipped = _shipped(wanted.adapter)
        told = source.metadata(_streams(source, files.text(path) or shipped))
        streams = [one.name for one in source.streams()]
    currency = wanted.currency or (told.currency or "" if there is None else there.currency)
    made = _mapping(wanted, path, files, told, streams, shipped, _hint(model))
    text = written(told, made.text, f"mappings/{path.name}", wanted.timezone, currency)
    _judged(written(told, made.text, STAND_IN, wanted.timezone, currency), wanted, file, model, environment)
    made, notes = _tried(made, path, files, wanted.source, read.zone, list(read.sources))
    files.put(path, made.text)
    files.put(file, text)
    if there is None or not (there.people or there.people_from):
        _people(wanted.source, told, file, files)
    return answer.Found(wanted.source, wanted.adapter, made, told, currency, shown(path), notes)


def _adapter(wanted: Wanted, file: Path) -> type[Source]:
    try:
        return load_adapter(wanted.adapter, Source, str(file.parent))  # type: ignore[type-abstract]  # a subclass of it
    except LookupError as error:
        raise ConfigError([settings_.fault("ADAPTER", str(error.args[0]))]) from None


def _judged(
    text: str, wanted: Wanted, file: Path, model: type[AdapterSettings], environment: Mapping[str, str],
    before: Sequence[Fault] = (),
) -> Config:
    """The config that text says. Raises ConfigError in the words of the command line, with the faults found before."""
    try:
        read = config_.parsed(document.load(text, shown(file)), file.resolve().parent, environment)
    except ConfigError as error:
        found = settings_.in_words_of_the_command(error, wanted.source, model, wanted.secrets)
        raise ConfigError([*before, *found.faults]) from None
    if before:
        raise ConfigError(before)
    return read


def _others(wanted: Wanted, there: Config | None, file: Path) -> list[Fault]:
    """The faults of a zone or currency that the config has another of."""
    if there is None:
        return []
    given = (("--timezone", wanted.timezone, str(there.zone)), ("--currency", wanted.currency, there.currency))
    return [
        settings_.fault(option, f"{shown(file)} says {held}; change it there, or leave {option} out")
        for option, value, held in given if value and value != held
    ]


def _mapping(
    wanted: Wanted, path: Path, files: Files, told: Metadata, streams: Sequence[str], shipped: str | None, hint: str
) -> Made:
    """The mapping that is to stand there: completed where there is one, else begun."""
    schema, held = f"../{SCHEMAS}/mapping.schema.json", files.text(path)
    if held is not None:
        return mapping_file.merged(held, told if shipped else _all_own(told), shown(path), hint)
    if shipped is not None:
        return mapping_file.begun(wanted.source, wanted.adapter, schema, shipped, told, hint)
    return mapping_file.drafted(wanted.source, schema, told, streams)


def _tried(made: Made, path: Path, files: Files, source: str, zone: tzinfo, sources: Sequence[str]) -> tuple[
    Made, list[str]
]:
    """The mapping, and what keeps it from being read. One of ours goes without those of its tests that are about other
    stages and fields than this account's."""
    try:
        read = mapping.load(
            document.load(made.text, shown(path)), source=source, zone=zone, sources=[*sources, source]
        )
    except ConfigError as error:
        return made, [f"not ready yet: {one}" for one in error.faults]
    failing = [number for number, one in enumerate(mapping_tests.run(read)) if not one["ok"]]
    if failing and files.text(path) is None:
        made = replace(made, text=mapping_file.without_failing(made.text, failing))
    deal = {rule.field for listed in read.entries.values() for entry in listed if entry.entity.name == "deal"
            for rule in entry.rules}
    if deal and not deal & {"stage", "outcome"}:
        return made, [f"not ready yet: no deal has a stage, so none is ever won; say in {shown(path)} what its values "
                      "stand for"]
    return made, []


# --- a source that the config has ------------------------------------------------------------------------------------


def _again(
    wanted: Wanted, there: Config, files: Files, environment: Mapping[str, str], clock: Clock
) -> answer.Found:
    """What is new at a source goes into the mapping it has; the config stays as it is."""
    file, held = Path(there.file), there.sources[wanted.source]
    faults = _others(wanted, there, file)
    if held.adapter != wanted.adapter:
        said = f"{shown(file)} has a source {wanted.source} of the adapter {held.adapter}; give another --name"
        faults.append(settings_.fault("--name", said))
    faults += _settled(wanted, there, type(held.settings), environment)
    if faults:
        raise ConfigError(faults)
    is_ours = held.mapping.resolve().parent == MAPPINGS.resolve()
    path = file.parent / "mappings" / f"{wanted.source}.yaml" if is_ours else held.mapping
    shipped = _shipped(wanted.adapter)
    with _asked_of(held, there, file, clock) as source:
        told = source.metadata(_streams(source, files.text(path) or shipped))
        streams = [one.name for one in source.streams()]
    made = _mapping(wanted, path, files, told, streams, shipped, _hint(type(held.settings)))
    made, notes = _tried(made, path, files, wanted.source, there.zone, list(there.sources))
    files.put(path, made.text)
    files.put(file, files.text(file) or "")
    if not (there.people or there.people_from):
        _people(wanted.source, told, file, files)
    if is_ours:
        notes.append(f"{shown(file)} reads the mapping {held.mapping.stem} that we ship; to read this one write there "
                     f"mapping: mappings/{path.name}")
    return answer.Found(wanted.source, wanted.adapter, made, told, there.currency, shown(path), notes)


def _settled(
    wanted: Wanted, there: Config, model: type[AdapterSettings], environment: Mapping[str, str]
) -> list[Fault]:
    """The faults of settings that the config has others of: it is never changed."""
    given, _ = settings_.settings(model, wanted.settings, wanted.secrets, environment)
    held = there.document.get(("sources", wanted.source))
    return [
        settings_.fault(key, f"{shown(Path(there.file))} says something else; change it there, or leave it out here")
        for key, value in given.items() if not isinstance(held, dict) or held.get(key) != value
    ]


# --- asking ----------------------------------------------------------------------------------------------------------


@contextmanager
def _asked(read: Config, file: Path, clock: Clock) -> Iterator[Source]:
    """The newest source of that config, to be asked."""
    *_, held = read.sources.values()
    with _asked_of(held, read, file, clock) as source:
        yield source


@contextmanager
def _asked_of(held: SourceConfig, read: Config, file: Path, clock: Clock) -> Iterator[Source]:
    context = Context(clock=clock, zone=read.zone, folder=str(file.resolve().parent), budget=held.budget)
    source = held.make(held.name, held.settings, context)
    try:
        yield source
    finally:
        source.close()


def _streams(source: Source, text: str | None) -> list[str]:
    """The streams a mapping reads, of those the source has; all where there is no mapping, or it reads none."""
    offered = [one.name for one in source.streams()]
    listed = (reads(text).get("entities") or ()) if text else ()
    read = {entry.get("stream") for entry in listed if isinstance(entry, dict)}
    return [name for name in offered if name in read] or offered


def _shipped(adapter: str) -> str | None:
    """The mapping we ship for an adapter."""
    path = MAPPINGS / f"{adapter}.yaml"
    return path.read_text("utf-8") if path.is_file() else None


def _hint(model: type[AdapterSettings]) -> str:
    """The setting by which more fields are read, where an adapter has one."""
    return "properties" if "properties" in model.model_fields else ""


def _all_own(told: Metadata) -> Metadata:
    """Every field as one of the customer's own: so it is where we ship no mapping."""
    fields = {
        stream: {path: replace(one, own=True) for path, one in given.items()} for stream, given in told.fields.items()
    }
    return replace(told, fields=fields)


def _people(source: str, told: Metadata, file: Path, files: Files) -> None:
    """A table of the owners there are, for HR to put the employee codes into."""
    if told.owners:
        path = file.parent / config_file.EXAMPLE
        files.put(path, config_file.people(source, told.owners, files.text(path) or ""))


# --- files -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError([Fault(shown(path), 0, "", f"cannot be read ({reason}), expected a text file")]) from None


def _write(path: Path, text: str) -> None:
    """The whole file or none of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(text.encode("utf-8"))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        said = f"cannot be written ({error.strerror}), expected a folder that may be written to"
        raise ConfigError([Fault(shown(path), 0, "", said)]) from None

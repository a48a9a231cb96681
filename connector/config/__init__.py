"""config.yaml -> Config: every fault at once, each with file, line and key; nothing runs on a faulty file.

The keys are described in `keys`; what an adapter takes beside the common ones is its own `Settings`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from connector import document
from connector.config import adapters
from connector.config import faults as key_faults
from connector.config.beside import Beside, ScoreFile, TargetsFile, shown
from connector.config.keys import ConfigKeys, DestinationKeys, KpiKeys, SourceKeys
from connector.config.scores import ScoreReader
from connector.config.secrets import secrets
from connector.config.values import name_fault
from connector.document import Document
from connector.errors import ConfigError, Fault
from connector.exact import NO_CURRENCY
from connector.period import Calendar
from connector.ports import AdapterSettings, Destination, Source
from connector.schedule import Schedule
from connector.yaml_reader import Place

if TYPE_CHECKING:
    from connector.kpi import KpiDefinition

# What stands for a required key that is faulty, so that the faults of the others are told as well.
_STAND_INS = {"timezone": "UTC", "currency": NO_CURRENCY, "sources": {"none": {}}}

_EVERY = {"daily": timedelta(days=1), "weekly": timedelta(days=7), "monthly": timedelta(days=30), "never": None}

load_adapter = adapters.load_adapter  # the core reaches an adapter here, and nowhere else
@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source: its class, its checked settings and the common keys. `since` is aware UTC, `budget` 0..1.

    `ids_every`: how often all ids are compared with those known; None: never.
    """

    name: str
    adapter: str
    make: type[Source]
    settings: AdapterSettings = field(repr=False)
    mapping: Path
    schedule: Schedule | None
    since: datetime | None
    overlap: timedelta
    budget: float
    windows: int
    history_import: bool
    ids_every: timedelta | None


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One destination: its class, its checked settings and the common keys.

    `verify_every`: how often confirmed values are read back; None: never.
    """

    name: str
    adapter: str
    make: type[Destination]
    settings: AdapterSettings = field(repr=False)
    schedule: Schedule | None
    periods: str
    on_unanswered: str
    adjustments: str
    verify_every: timedelta | None
    on_drift: str
    withdraw: bool
    parallel: int


@dataclass(frozen=True, slots=True)
class Config:
    """A config without faults. Paths are absolute, the guards are 0..1.

    `auto_accept_below`: of adjustments in the reporting currency; None: a person decides each.
    `kpis`: with the scores, which are made of the others, `okrs` and `ask`.
    `close`: by length of period, the working day after it on which it closes by itself; empty: by hand only.
    `people_from`: the destination whose employees they are; `people` is then a file that adds to them, or overrides.
    `store`, `encryption_key` and `secrets` hold credentials and are not in the repr; `document` is the file as
    written (with `${…}`).
    """

    file: str
    folder: Path
    store: str = field(repr=False)
    encryption_key: str | None = field(repr=False)
    zone: ZoneInfo
    currency: str
    fiscal_year_start: int
    fiscal_year_named: str
    week_start: str
    working_days: tuple[str, ...]
    people: Path | None
    people_from: str | None
    targets: Path | None
    targets_decimal: str
    fx: Path | None
    fx_decimal: str
    holidays: Path | None
    close: Mapping[str, int]
    guard_shrink: float
    guard_shift: float
    auto_accept_below: Decimal | None
    sources: Mapping[str, SourceConfig]
    destinations: Mapping[str, DestinationConfig]
    okrs: Path | None
    okrs_decimal: str
    ask: Path | None
    ask_decimal: str
    kpis: tuple[KpiDefinition, ...]
    secrets: frozenset[str] = field(repr=False)
    document: Document = field(repr=False)

    @property
    def calendar(self) -> Calendar:
        """By which periods are named and bounded."""
        return Calendar(self.zone, self.fiscal_year_start, self.week_start, self.fiscal_year_named)

    def mapping_path(self, name: str) -> Path:
        """The mapping file of that source."""
        return self.sources[name].mapping


def load(path: str, environment: Mapping[str, str] | None = None) -> Config:
    """The config in that file, `${…}` filled in from the environment.

    Raises ConfigError with every fault, its own and those of the files it names; of a config without faults the files
    are left to whoever reads them.
    """
    return parsed(document.read(path), Path(path).resolve().parent, environment)


def parsed(written: Document, folder: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The config that document says, as if it lay in that folder. Raises ConfigError as `load` does."""
    filled = document.substitute(
        written, os.environ if environment is None else environment, lambda name: (folder / name).read_text("utf-8")
    )
    reader = Reader(filled.document, folder, filled.faults)
    reader.faults += [*written.faults, *(written.quote_it(place) for place in written.unquoted())]
    config = reader.config(written, filled.filled)
    if config is None:
        own = sorted(reader.faults, key=lambda fault: fault.line)
        raise ConfigError([*own, *reader.beside.faults()])
    return config


Model = TypeVar("Model", bound=BaseModel)
Port = TypeVar("Port", Source, Destination)


class Reader:
    """Reads one document, collecting faults. A method that found one gives None."""

    def __init__(self, read: Document, folder: Path, unfilled: list[Fault]) -> None:
        self.document, self.folder = read, folder
        self.faults = list(unfilled)
        self.beside = Beside(folder)
        self.unready: dict[str, str] = {}  # destinations that nothing can be pushed to, and why
        self.takes: dict[str, Collection[str]] = {}  # destinations that only some KPIs can be pushed to, and which
        self.spoiled = {fault.key for fault in unfilled}  # values that could not be filled in are not judged as well

    def config(self, written: Document, filled: list[tuple[Place, str]]) -> Config | None:
        data = self.document.data
        if not isinstance(data, dict):
            self.fault((), "expected the keys timezone, currency, sources, …; config.example.yaml shows them all")
            return None
        data = {key: value for key, value in data.items() if value is not None}  # a key whose entries are all comments
        keys = self.model(ConfigKeys, data, ())
        sound = keys or self.sound(ConfigKeys, data, _STAND_INS)
        self.beside.zone = sound.timezone if sound else self.beside.zone
        sources = {name: self.source(name, sound) for name in self.names("sources")}
        destinations = {name: self.destination(name) for name in self.names("destinations")}
        for name in sources.keys() & destinations.keys():
            self.fault(("destinations", name), "is a source's name too, expected another: commands take either")
        kpis = self.kpis(list(destinations))
        kpis += ScoreReader(self, kpis, list(destinations)).definitions(sound)
        store = self.store(data.get("store", ConfigKeys.model_fields["store"].default))
        people = self.file(("people", "file") if isinstance(data.get("people"), dict) else ("people",))
        people_from = self.people_from(list(destinations), destinations)
        targets = self.file(("targets", "file") if isinstance(data.get("targets"), dict) else ("targets",))
        fx = self.file(("fx", "file"))
        holidays = self.file(("holidays",))
        okrs = self.file(("okrs", "file") if isinstance(data.get("okrs"), dict) else ("okrs",))
        ask = self.file(("ask", "file") if isinstance(data.get("ask"), dict) else ("ask",))
        self.beside.sources, self.beside.people, self.beside.fx = list(sources), people, fx
        self.beside.holidays, self.beside.has_directory = holidays, people_from is not None
        if sound:
            self.beside.currency, self.beside.decimal = sound.currency, sound.fx.decimal if sound.fx else "."
            self.beside.targets = self.targets(targets, sound, kpis)
            self.beside.scores = self.scores(okrs, ask, sound, kpis)
        if self.faults or keys is None:
            return None
        made_sources = {name: made for name, made in sources.items() if made}
        made_destinations = {name: made for name, made in destinations.items() if made}
        settings = [made.settings for made in made_sources.values()]
        settings += [made.settings for made in made_destinations.values()]
        return Config(
            file=self.document.file, folder=self.folder, store=store, encryption_key=keys.encryption_key,
            zone=keys.timezone, currency=keys.currency,
            fiscal_year_start=keys.fiscal_year_start, fiscal_year_named=keys.fiscal_year_named,
            week_start=keys.week_start, working_days=tuple(keys.working_days), people=people,
            people_from=people_from,
            targets=targets, targets_decimal=keys.targets.decimal if keys.targets else ".", fx=fx,
            fx_decimal=keys.fx.decimal if keys.fx else ".", holidays=holidays,
            close=keys.close.model_dump(exclude_none=True), guard_shrink=keys.guard.shrink,
            guard_shift=keys.guard.shift, auto_accept_below=keys.adjustments.auto_accept_below,
            sources=made_sources,
            destinations=made_destinations,
            okrs=okrs, okrs_decimal=keys.okrs.decimal if keys.okrs else ".",
            ask=ask, ask_decimal=keys.ask.decimal if keys.ask else ".", kpis=tuple(kpis), document=written,
            secrets=secrets(filled, settings, store) | {keys.encryption_key or ""} - {""},
        )

    def source(self, name: str, config: ConfigKeys | None) -> SourceConfig | None:
        place = ("sources", name)
        keys, make, settings = self.part(place, SourceKeys, Source)  # type: ignore[type-abstract]  # a subclass of the port is asked for
        mapping = None
        if isinstance(given := self.document.get((*place, "mapping")), str):
            try:
                mapping = adapters.mapping_path(given, str(self.folder))
            except LookupError as error:
                self.fault((*place, "mapping"), str(error.args[0]))
            else:
                self.beside.mappings[name] = mapping
                if self.document.get((*place, "history_import")) is True:
                    self.beside.importing.add(name)
        if keys is None or make is None or settings is None or mapping is None:
            return None
        since: date | None = keys.since
        if keys.windows > 1 and since is None:
            self.fault((*place, "windows"), "several windows need since: the day from which the parts are cut")
        if since is not None and not isinstance(since, datetime):
            zone = config.timezone if config else ZoneInfo("UTC")
            since = datetime(since.year, since.month, since.day, tzinfo=zone).astimezone(ZoneInfo("UTC"))
        return SourceConfig(
            name, keys.adapter, make, settings, mapping, keys.schedule, since, keys.overlap, keys.budget,
            keys.windows, keys.history_import, _EVERY[keys.reconcile_ids],
        )

    def destination(self, name: str) -> DestinationConfig | None:
        keys, make, settings = self.part(
            ("destinations", name), DestinationKeys, Destination,  # type: ignore[type-abstract]  # as above
        )
        if keys is None or make is None or settings is None:
            return None
        if keys.parallel > 1 and not make.concurrent:
            self.fault(("destinations", name, "parallel"), f"{keys.adapter} makes one call at a time, expected 1")
        if keys.withdraw == "yes" and not make.withdraws:
            self.fault(("destinations", name, "withdraw"), f"{keys.adapter} cannot take anything back, expected no")
        asked = {"withdraw": keys.withdraw == "yes", "verify": keys.verify != "never",
                 "periods": keys.periods != "current"}
        for key, why in make.cannot(settings).items():
            if asked.get(key):
                self.fault(("destinations", name, key), why)
            elif key == "push":
                self.unready[name] = why
        if (taken := make.takes(settings)) is not None:
            self.takes[name] = taken
        return DestinationConfig(
            name, keys.adapter, make, settings, keys.schedule, keys.periods, keys.on_unanswered, keys.adjustments,
            _EVERY[keys.verify], keys.on_drift, keys.withdraw == "yes", keys.parallel,
        )

    def part(
        self, place: Place, model: type[Model], port: type[Port]
    ) -> tuple[Model | None, type[Port] | None, AdapterSettings | None]:
        """The common keys of a source or destination, its class, and the settings of its adapter."""
        data = self.document.get(place)
        if fault := name_fault(str(place[-1])):
            self.fault(place, fault)
        if not isinstance(data, dict):
            self.fault(place, "expected keys below the name, at least adapter")
            return None, None, None
        common = model.model_fields.keys()
        keys = self.model(model, {key: value for key, value in data.items() if key in common}, place)
        adapter = data.get("adapter")
        if not isinstance(adapter, str):
            return keys, None, None
        try:
            make = load_adapter(adapter, port, str(self.folder))
        except LookupError as error:
            self.fault((*place, "adapter"), str(error.args[0]))
            return keys, None, None
        own = make.Settings.model_fields.keys()
        given = {key: value for key, value in data.items() if key not in common}
        for key in common & own if keys else ():
            given[key] = getattr(keys, key)  # an adapter that declares a common key is told it, checked, or the default
        return keys, make, self.model(make.Settings, given, place, beside=common)

    def kpis(self, destinations: list[str]) -> list[KpiDefinition]:
        listed = self.document.get(("kpis",))
        count = len(listed) if isinstance(listed, list) else 0
        entries = [self.kpi(("kpis", number), destinations) for number in range(count)]
        lines: dict[str, int] = {}
        for number in range(count):
            name = self.document.get(("kpis", number, "id"))
            if isinstance(name, str) and (first := lines.setdefault(name, number)) != number:
                line = self.document.line(("kpis", first))
                self.fault(("kpis", number, "id"), f"is the id of the KPI on line {line} too, expected another")
        return [made for made in entries if made]

    def kpi(self, place: Place, destinations: list[str]) -> KpiDefinition | None:
        from connector import kpi

        given = self.document.get(place)
        whole = self.model(KpiKeys, given, place)
        self.pushed(place, destinations)
        keys = whole or self.sound(KpiKeys, given, {"id": "unnamed"})
        if keys is None:
            return None
        made = kpi.KpiDefinition(
            id=keys.id, metric=keys.metric, per=keys.per, by=keys.by, every=keys.every, where=keys.where,
            options=keys.options, push=tuple(keys.push),
        )
        for fault in kpi.validate(made):
            key, _, message = fault.partition(": ")
            self.fault((*place, *key.split(".")), message)
        return made if whole else None

    def pushed(self, place: Place, destinations: list[str]) -> None:
        """Note the destinations of a `push` that there are none of, or that take nothing, or nothing of this KPI."""
        pushed, id_ = self.document.get((*place, "push")), self.document.get((*place, "id"))
        for index, name in enumerate(pushed if isinstance(pushed, list) else ()):
            if isinstance(name, str) and name not in destinations:
                at = (*place, "push", index)
                self.faults.append(key_faults.unknown_name(self.document, at, name, destinations, "destination"))
            elif name in self.unready:
                self.fault((*place, "push", index), f"nothing can be pushed to {name}: {self.unready[name]}")
            elif isinstance(id_, str) and id_ not in self.takes.get(name, (id_,)):
                why = f"{name} says nothing of {id_}; add it there, or take it out of push"
                self.fault((*place, "push", index), why)

    def store(self, given: Any) -> str:
        """The store's address; a SQLite file's path made absolute."""
        text = given if isinstance(given, str) else ""
        if text.startswith("sqlite:///") and len(text) > len("sqlite:///"):
            return f"sqlite:///{self.folder / text.removeprefix('sqlite:///')}"
        scheme, colon, rest = text.partition("://")
        if colon and rest and scheme in ("postgresql", "postgres", "postgresql+psycopg"):
            return f"postgresql+psycopg://{rest}"
        self.fault(("store",), "expected sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE")
        return ""

    def file(self, place: Place) -> Path | None:
        name = self.document.get(place)
        if not isinstance(name, str):
            return None
        path = self.folder / name
        if path.is_file():
            return path
        self.fault(place, f"there is no file {shown(path)}, expected a table (.csv, .xlsx or .yaml)")
        return None

    def people_from(self, names: list[str], made: Mapping[str, DestinationConfig | None]) -> str | None:
        """The destination whose list of employees is asked for; a fault where there is none, or it has no list."""
        place, found = ("people", "from"), self.document.get(("people",))
        name = found.get("from") if isinstance(found, dict) else None
        if not isinstance(name, str):
            return None
        if name not in names:
            self.faults.append(key_faults.unknown_name(self.document, place, name, names, "destination"))
        elif (one := made[name]) is not None and not one.make.has_directory(one.settings):
            self.fault(place, f"{name} lists no employees, expected a destination that does (rest: its key employees)")
        return name

    def targets(self, path: Path | None, sound: ConfigKeys, made: list[KpiDefinition]) -> TargetsFile | None:
        """The targets file, unless what it is judged by is at fault; of KPIs at fault the targets are not judged."""
        kpis = self.judged(made)
        if path is None or kpis is None:
            return None
        cards = self.document.get(("scorecards",))
        at_fault = [self.document.get(("scorecards", number, "id")) for number in range(len(cards))] \
            if isinstance(cards, list) else []
        kpis = {**dict.fromkeys(name for name in at_fault if isinstance(name, str)), **kpis}
        decimal = sound.targets.decimal if sound.targets else "."
        return TargetsFile(path, decimal, kpis, _calendar(sound))

    def scores(
        self, okrs: Path | None, ask: Path | None, sound: ConfigKeys, made: list[KpiDefinition]
    ) -> list[ScoreFile]:
        """The okrs and ask files, unless what they are judged by is at fault."""
        from connector.scores import is_score

        kpis, calendar = self.judged(made), _calendar(sound)
        if kpis is None:
            return []
        of_ledger = {name: one for name, one in kpis.items() if one is None or not is_score(one)}
        found = []
        if okrs and sound.okrs:
            found.append(ScoreFile("okrs", okrs, sound.okrs.every, sound.okrs.decimal, calendar, of_ledger))
        if ask and sound.ask:
            found.append(ScoreFile("ask", ask, sound.ask.every, sound.ask.decimal, calendar))
        return found

    def judged(self, made: list[KpiDefinition]) -> dict[str, KpiDefinition | None] | None:
        """The KPIs by which tables are judged, None for each at fault; nothing where periods cannot be told."""
        from connector import kpi

        listed = self.document.get(("kpis",)) or []
        if any(fault.key == "fiscal_year_start" for fault in self.faults) or not isinstance(listed, list):
            return None
        kpis = dict.fromkeys(self.document.get(("kpis", number, "id")) for number in range(len(listed)))
        return kpis | {one.id: one for one in reversed(made) if not kpi.validate(one)}  # of two of one id the first

    def names(self, key: str) -> list[str]:
        """The names under `sources` or `destinations`; those that are no text are reported as such elsewhere."""
        value = self.document.get((key,))
        return [name for name in value if isinstance(name, str)] if isinstance(value, dict) else []

    def model(
        self, model: type[Model], data: Any, place: Place, beside: Any = ()
    ) -> Model | None:
        """The data as that model. `beside` are keys of the same mapping that another model reads."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for fault in key_faults.of(error, self.document, place, model, beside):
                if not any(fault.key == key or fault.key.startswith((f"{key}.", f"{key}[")) for key in self.spoiled):
                    self.faults.append(fault)
            return None

    def sound(self, model: type[Model], data: Any, instead: Mapping[str, Any]) -> Model | None:
        """What is sound of data at fault, so that it can be judged further; `instead` stands for keys it must have."""
        try:
            return model.model_validate({**instead, **key_faults.without(data, model)})
        except ValidationError:
            return None

    def fault(self, place: Place, message: str) -> None:
        fault = self.document.fault(place, message)
        if fault.key not in self.spoiled:
            self.faults.append(fault)


def _calendar(keys: ConfigKeys) -> Calendar:
    """By which the names of periods in files are judged."""
    return Calendar(keys.timezone, keys.fiscal_year_start, keys.week_start, keys.fiscal_year_named)

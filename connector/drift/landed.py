"""A mapping beside the landed records: what of them it cannot read, and how often each of its rules was needed.

The records come one by one and none is kept: of those that cannot be read the ids of their deals are, which is little.
Pure; `unneeded` makes findings of the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connector import convert
from connector.affected import Affected, Stake, Stakes, Tally
from connector.drift import stages
from connector.drift.fields import paths, unmapped_value
from connector.drift.finding import Field, Finding, Written, written
from connector.drift.stages import Staged
from connector.mapping import Mapping as SourceMapping
from connector.metadata import Metadata
from connector.paths import Getter, compile_path, holds
from connector.pipelines import UnmappedStage, resolve
from connector.ports import Record
from connector.rules import Rule

TOMBSTONES = frozenset({"deleted_at", "merged_into", "recycled_from", "seen_at"})
"""Fields that are meant to be empty in nearly every record."""


@dataclass(slots=True)
class _Shown:
    """What one record shows: the keys of findings with how each is made where it is the first of its kind, and the
    mapped stages it is or was in."""

    hits: dict[tuple[str, ...], Callable[[], Finding]] = field(default_factory=dict)
    stages: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class Filled:
    """How often a field was read, and how often it was empty, with the deals and money of those records where they are
    deals themselves: each is another one then."""

    entry: Written
    rule: Rule
    read: int = 0
    empty: int = 0
    deals: int = 0
    money: dict[str, int] = field(default_factory=dict)

    def add(self, is_empty: bool, stake: Stake) -> None:
        self.read += 1
        if is_empty:
            self.empty += 1
            self.deals += len(stake.deals)
            for currency, units in stake.amounts.values():
                self.money[currency] = self.money.get(currency, 0) + units


@dataclass(slots=True)
class Table:
    """The words of a field's table that records had."""

    entry: Written
    name: str
    words: Mapping[str, Any]
    ways: Sequence[Getter]
    is_lenient: bool
    read: int = 0
    used: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Counted:
    """One entry with what is counted of it."""

    written: Written
    staged: Staged | None
    filled: list[Filled]
    tables: list[Table]
    made: int = 0


class Landed:
    """Takes in landed records of one source, newest state each, and says what they show of its mapping.

    `metadata` has the names for people of pipelines and stages; `live`: what was found by it, to be counted.
    """

    def __init__(
        self, source_mapping: SourceMapping, metadata: Metadata | None = None, live: Sequence[Finding] = ()
    ) -> None:
        self._mapping, self._metadata = source_mapping, metadata or Metadata()
        self._live = {one.key: one for one in live}
        self._watched = {place: one for one in live for place in one.fields}
        self._found: dict[tuple[str, ...], Finding] = {}
        self._tallies: dict[tuple[str, ...], Tally] = {}
        self.in_stage: dict[tuple[str, str], int] = {}
        self.in_pipeline: dict[str, int] = {}
        self.records: dict[str, int] = {}
        self._stakes = {stream: Stakes(source_mapping, stream) for stream in source_mapping.streams()}
        self.entries: dict[str, list[Counted]] = {}
        for one in written(source_mapping):
            self.entries.setdefault(one.rule.stream, []).append(self._entry(one))
        for listed in self.entries.values():  # deals first: they tell the pipeline of their moves
            listed.sort(key=lambda one: one.written.rule.entity.name != "deal")
        self._deals = {
            stream for stream, listed in self.entries.items()
            if any(one.written.rule.entity.name == "deal" for one in listed)
        }

    @property
    def live(self) -> Sequence[Finding]:
        """What was found by the metadata."""
        return list(self._live.values())

    def _entry(self, one: Written) -> Counted:
        fields = one.spec.get("fields") or {}
        staged = {
            found.entry.number: found for listed in stages.staged(self._mapping).values() for found in listed
        }.get(one.number)
        filled, tables = [], []
        for rule in one.rule.rules if not one.rule.entity.facts else ():
            spec = fields.get(rule.field)
            if spec is None or rule.field in TOMBSTONES or (isinstance(spec, Mapping) and "const" in spec):
                continue
            filled.append(Filled(one, rule))
            if isinstance(spec, Mapping) and "table" in spec:
                ways = [compile_path(path) for path in paths(spec)]
                tables.append(Table(one, rule.field, spec["table"], ways, "default" in spec))
        return Counted(one, staged, filled, tables)

    # --- taking in ---------------------------------------------------------------------------------------------------

    def add(self, stream: str, record: Record) -> None:
        """One landed record."""
        self.records[stream] = self.records.get(stream, 0) + 1
        stake = self._stakes[stream].of(record)
        own = stake if stream in self._deals else Stake(frozenset(), {})
        shown, home = _Shown(), ""
        for entry in self.entries.get(stream, ()):
            whole = self._watched.get(Field(entry.written.number, ""))
            for scope in _scopes(entry.written, record.data):
                entry.made += 1
                if entry.staged is not None:
                    home = self._stage(stream, entry.staged, scope, home, shown)
                for table in entry.tables:
                    self._words(stream, table, scope, shown)
                for filled in entry.filled:
                    self._fill(filled, scope, own, shown)
                if whole is not None:
                    shown.hits[whole.key] = _given(whole)
        for place in shown.stages:
            self.in_stage[place] = self.in_stage.get(place, 0) + 1
        for pipeline in {pipeline for pipeline, _ in shown.stages}:
            self.in_pipeline[pipeline] = self.in_pipeline.get(pipeline, 0) + 1
        for key, make in shown.hits.items():
            if key not in self._found:
                self._found[key] = self._live.get(key) or make()
            self._tallies.setdefault(key, Tally()).add(stake)

    def _stage(
        self, stream: str, staged: Staged, scope: Any, home: str, shown: _Shown
    ) -> str:
        """What stage it is in; gives the pipeline, by which moves that name none are told apart."""
        pipeline, stage = _value(staged.pipeline, scope), _value(staged.stage, scope)
        if stage is None:
            if pipeline is not None and self._mapping.pipelines and pipeline not in self._mapping.pipelines:
                self._unmapped(stream, pipeline, "", shown)
            return pipeline or home
        try:
            found = resolve(self._mapping.pipelines, pipeline, stage)
        except UnmappedStage:
            live = stages.place_of(self._metadata, stream, stage)
            told = pipeline or (live[0][0].id if len(live) == 1 else home)
            self._unmapped(stream, told, stage if told in self._mapping.pipelines or not told else "", shown)
            return told
        shown.stages.add(found)
        return found[0]

    def _unmapped(
        self, stream: str, pipeline: str, stage: str, shown: _Shown
    ) -> None:
        known = next((one for one in self._metadata.pipelines if (one.stream, one.id) == (stream, pipeline)), None)
        if stage:
            info = next((one for one in known.stages if one.id == stage), None) if known else None
            shown.hits["unmapped_stage", stream, pipeline, stage] = lambda: stages.unmapped_stage(
                self._mapping, stream, pipeline, stage, known, info
            )
        else:
            shown.hits["unmapped_stage", stream, pipeline, ""] = lambda: stages.unmapped_pipeline(
                self._mapping, stream, pipeline, known
            )

    def _words(
        self, stream: str, table: Table, scope: Any, shown: _Shown
    ) -> None:
        word = _word(table.ways, scope)
        if word is None:
            return
        table.read += 1
        if word in table.words:
            table.used.add(word)
        elif not table.is_lenient:
            key = ("unmapped_value", stream, f"{table.entry.number}", table.name, word)
            shown.hits[key] = lambda: unmapped_value(self._mapping, table.entry, table.name, word)

    def _fill(
        self, filled: Filled, scope: Any, stake: Stake, shown: _Shown
    ) -> None:
        try:
            is_empty = filled.rule.raw(scope) in (None, "")
        except ValueError:
            is_empty = False
        filled.add(is_empty, stake)
        watched = self._watched.get(Field(filled.entry.number, filled.rule.field))
        if watched is not None and (not is_empty or watched.kind in ("missing_field", "unread_field")):
            shown.hits.setdefault(watched.key, _given(watched))

    # --- what it showed ----------------------------------------------------------------------------------------------

    def unreadable(self) -> list[Finding]:
        """What was found live, with what is landed of it, and what only the landed records show cannot be read."""
        found = {**self._live, **self._found}
        nothing = Affected()
        return [
            replace(one, affected=self._tallies[key].total if key in self._tallies else nothing)
            for key, one in found.items()
        ]


def _given(finding: Finding) -> Callable[[], Finding]:
    return lambda: finding


def _scopes(entry: Written, data: Any) -> Iterator[Any]:
    """What the entry's paths begin at, where its condition holds; what cannot be read is set aside elsewhere."""
    rule = entry.rule
    try:
        items = None if rule.each is None else rule.each(data)
    except ValueError:
        return
    scopes = [data] if rule.each is None else [
        {"record": data, "item": item} for item in (items if isinstance(items, list) else ())
    ]
    for scope in scopes:
        try:
            if rule.only_if is None or holds(rule.only_if(scope)):
                yield scope
        except ValueError:
            continue


def _value(rule: Rule | None, scope: Any) -> str | None:
    """The text a rule reads; None where there is none, or it cannot be read."""
    if rule is None:
        return None
    try:
        raw = rule.raw(scope)
        found = None if raw is None or raw == "" else rule.convert(raw)
    except ValueError:
        return None
    return None if found is None else str(found)


def _word(ways: Sequence[Getter], scope: Any) -> str | None:
    """The word that is looked up in a field's table."""
    for way in ways:
        try:
            value = way(scope)
            if value is not None and value != "":
                return convert.text(value)
        except ValueError:
            return None
    return None

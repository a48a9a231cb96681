"""What is new: versions, facts and retractions out of mapped records and what was known before. Pure.

`apply` is given what the ledger holds for the rows a page touches (`Before`) and changes that picture record by record;
what must be written is collected beside it (`Changes`). Live reading and replay call the same function, so a ledger is
a function of its journal.

The rules are design.md sections 2-4; the law each one serves is named where it acts:
- a record older than the current one never becomes current, but may add unknown reported facts (promise 2);
- reported facts are never retracted; observed ones in a window the report covers give way to it, unless it does not
  explain them: those stay, flagged (Q10);
- a truncated history never removes what is older than its oldest item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.json import decode
from msgspec.structs import replace

from connector.model import (
    CHOICES,
    ENTITIES,
    RATIO_SCALE,
    STAGE,
    Entry,
    Kind,
    Mapped,
    Pipeline,
    Reported,
    Value,
    column,
    stored_json,
)

CHANGES = CHOICES["deal_change", "field"]
_BOOKKEEPING = {
    "source", "id", "seen_at", "replaced_at", "recorded_at", "page", "stream", "record_key", "record_index", "item",
    "mapping", "parts",
}


@dataclass(frozen=True, slots=True)
class Entered:
    """The journal entry that is being applied: its stamp, and the page and stream it is about.

    `read_at` is the vendor's time of reading in microseconds, `known_until` that of the last read of the whole stream.
    """

    source: str
    stream: str
    seen_at: int
    page: int | None
    read_at: int
    mapping: str
    known_until: int | None = None


class Fact(Struct, frozen=True):
    """One row of stage_transition or deal_change that is current; `value` as in `model.Reported`."""

    deal: str
    timeline: str
    value: tuple[str, ...]
    occurred_at: int
    sequence: int
    origin: str
    occurred_after: int | None
    read_at: int
    actor: str | None
    flagged: bool
    seen_at: int
    recorded_at: int
    page: int | None
    stream: str
    record_key: str
    record_index: int | None
    item: int | None
    mapping: str

    @property
    def order(self) -> tuple[int, int]:
        return self.occurred_at, self.sequence

    @property
    def key(self) -> tuple[int, int, tuple[str, ...]]:
        """What makes a reported fact the same fact; also its place in its timeline."""
        return self.occurred_at, self.sequence, self.value


Row = dict[str, Any]
"""A version of an entity by column, as the store keeps it."""


@dataclass(slots=True)
class Before:
    """What is current for the rows a page touches.

    `items`: rows made of list items, (entity, id) by record key. `stamps`: the newest modified stamp of each of the
    stream's records that was taken in. `shares`: the current deal_owner rows of a deal (`source:id`), from any source,
    by (source, id).
    """

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    facts: dict[str, dict[str, list[Fact]]] = field(default_factory=dict)
    items: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)
    shares: dict[str, dict[tuple[str, str], Row]] = field(default_factory=dict)


@dataclass(slots=True)
class Changes:
    """What to write: new versions and facts, and which old ones stop being current (or are only touched).

    `rows`: versions to insert by (entity, id, seen_at). `ended`: (entity, id, seen_at, replaced_at) of versions that
    are no longer current. `erased`: versions replaced at their own instant (imported history only). `touched`: rows
    whose `parts` moved on without any change of value. Facts likewise. `stamps`: records whose newest modified stamp
    moved on. `rejected`: records (by index) that cannot be applied, with the reason. `old`: records older than known.
    """

    rows: dict[tuple[str, str, int], Row] = field(default_factory=dict)
    ended: list[tuple[str, str, int, int]] = field(default_factory=list)
    erased: list[tuple[str, str, int]] = field(default_factory=list)
    touched: dict[tuple[str, str], Row] = field(default_factory=dict)
    facts: dict[tuple[str, str, tuple[int, int, tuple[str, ...]], str], Fact] = field(default_factory=dict)
    ended_facts: list[Fact] = field(default_factory=list)
    stamps: dict[str, int] = field(default_factory=dict)
    rejected: dict[int, str] = field(default_factory=dict)
    old: set[int] = field(default_factory=set)
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    quarantined: int = 0


def wanted(records: Iterable[Mapped]) -> tuple[set[tuple[str, str]], set[str]]:
    """The (entity, id) rows and the deals whose past `apply` needs to know of before these records."""
    rows: set[tuple[str, str]] = set()
    deals: set[str] = set()
    for record in records:
        for entry in record.entries:
            rows.add((entry.entity, entry.id))
            if entry.entity == "deal":
                deals.add(entry.id)
        for fact in record.reported:
            rows.add(("deal", fact.deal))
            deals.add(fact.deal)
    return rows, deals


class Ledger:
    """Applies the records of one journal entry to what was known before."""

    def __init__(
        self,
        before: Before,
        entered: Entered,
        pipelines: Mapping[str, Pipeline],
        columns: Callable[[str, str], set[str]],
    ) -> None:
        self.before, self.entered, self.pipelines, self.columns = before, entered, pipelines, columns
        self.changes = Changes()
        self._covered: dict[tuple[str, str], tuple[int, int]] = {}

    def apply(self, record: Mapped) -> None:
        """Take one record in: its rows, its facts, and what its reading implies."""
        stamp = self.before.stamps.get(record.key)
        if is_older(record.modified, stamp):
            self._apply_old(record)
            return
        conflict = self._conflict(record) or self._overshared(record)
        if conflict:
            self.changes.rejected[record.index] = conflict
            return
        if record.modified is not None and record.modified != stamp:
            self.before.stamps[record.key] = self.changes.stamps[record.key] = record.modified
        moved = self._report(record, self.entered.read_at)
        effects = {self._version(record, entry) for entry in record.entries}
        if record.key in self.before.items:
            effects.add(self._vanished_items(record))
        if "new" in effects or (moved and not record.entries):
            self.changes.new += 1
        elif "deleted" in effects:
            self.changes.deleted += 1
        elif "changed" in effects or moved:
            self.changes.changed += 1
        else:
            self.changes.unchanged += 1

    def _apply_old(self, record: Mapped) -> None:
        """A record older than the one known: it may only add facts, and knows of nothing after its own stamp."""
        self.changes.old.add(record.index)
        if self._report(record, min(self.entered.read_at, record.modified or 0)):
            self.changes.changed += 1
        else:
            self.changes.unchanged += 1

    def _conflict(self, record: Mapped) -> str | None:
        """Two streams that fill the same field of one row: a fault of the mapping that only the data show."""
        for entry in record.entries:
            row = self.before.rows.get((entry.entity, entry.id))
            if row is None or entry.absent or not self.entered.stream:
                continue
            filled = entry.fields.keys() | {f"extra.{name}" for name in entry.extra or ()}
            for stream in decode(row["parts"]):
                if stream and stream != self.entered.stream:
                    shared = (self.columns(entry.entity, stream) & filled) - set(ENTITIES[entry.entity].key)
                    if shared:
                        names = ", ".join(sorted(shared))
                        said = f"{entry.entity} {names}: filled by stream {stream} for the same row"
                        return f"{said}; give the keys a prefix"
        return None

    def _overshared(self, record: Mapped) -> str | None:
        """Shares of one deal that would add up to more than 1 at some time, with those told elsewhere."""
        mine = [entry for entry in record.entries if entry.entity == "deal_owner" and not entry.absent]
        if not mine:
            return None
        for deal in {str(entry.fields.get("deal")) for entry in mine}:
            rows = {
                key: row for key, row in self.before.shares.get(deal, {}).items()
                if row["gone"] is None and not (row["item"] is not None and row["record_key"] == record.key)
            }
            for entry in mine:
                if str(entry.fields.get("deal")) == deal:
                    rows[self.entered.source, entry.id] = entry.fields
            for moment in {row.get("from_at") for row in rows.values()}:
                held: dict[str, tuple[int, int]] = {}
                for row in rows.values():
                    since = _since(row)
                    owner = str(row.get("owner"))
                    if since <= (_ALWAYS if moment is None else moment) and since >= held.get(owner, (_ALWAYS, 0))[0]:
                        held[owner] = since, row.get("share") or 0
                if sum(share for _, share in held.values()) > RATIO_SCALE:
                    return "deal_owner.share: the shares of one deal add up to more than 1"
        return None

    # --- versions ----------------------------------------------------------------------------------------------------

    def _version(self, record: Mapped, entry: Entry) -> str:
        """Make the entry's version current unless it is old news; says new, changed, deleted, unchanged or stale."""
        key = (entry.entity, entry.id)
        row = self.before.rows.get(key)
        parts: dict[str, list[Any]] = decode(row["parts"]) if row else {}
        mine = parts.get(self.entered.stream)
        made_by_it = mine is not None and mine[1] == record.key
        if entry.absent:
            return self._retract(record, key) if row and made_by_it and row["gone"] is None else "unchanged"
        left_by_another = row is not None and row["gone"] == "retracted" and not made_by_it
        if mine and is_older(record.modified, mine[0]) and not left_by_another:
            return "stale"
        rest = self._rest(key, parts)
        parts[self.entered.stream] = [record.modified, record.key]
        text = stored_json(parts)
        values = {**rest, **_stored(entry, rest), "gone": None}
        if row is not None and _same(row, values):
            if text != row["parts"]:
                row["parts"] = text
                self.changes.touched[key] = row
            return "unchanged"
        made = self._put(key, values, text, record, item=entry.item, seen_at=entry.seen_at)
        if entry.entity == "deal":
            self._observe(record, row if mine else None, made)
        return "new" if not mine or row is None or row["gone"] is not None else "changed"

    def _rest(self, key: tuple[str, str], parts: Mapping[str, Any]) -> Row:
        """What a row has of other streams; a field that no entry of the mapping fills any more is cleared."""
        if not parts:
            return {"extra": None}
        values = _values(self.before.rows.get(key))
        others = [self.columns(key[0], stream) for stream in parts if stream != self.entered.stream]
        kept = set().union(*others)
        rest = {column: value if column in kept else None for column, value in values.items()}
        own = decode(values.get("extra") or "{}")
        rest["extra"] = _own_fields({name: value for name, value in own.items() if f"extra.{name}" in kept})
        return rest

    def _put(
        self, key: tuple[str, str], values: Row, parts: str, record: Mapped, *, item: int | None = None,
        seen_at: int | None = None,
    ) -> Row:
        """Insert a version and end the one before it.

        An imported `seen_at` never lies in the future, nor before a version that this stream made already (that is an
        edit, known from now on); beside a version of another stream it counts from there on.
        """
        entered, before = self.entered, self.before.rows.get(key)
        if seen_at is None or seen_at > entered.seen_at:
            seen_at = entered.seen_at
        elif before is not None and seen_at <= before["seen_at"]:
            mine = entered.stream in decode(before["parts"])
            seen_at = entered.seen_at if mine else before["seen_at"]
        made = {
            **values,
            "source": entered.source,
            "id": key[1],
            "seen_at": seen_at,
            "replaced_at": None,
            "recorded_at": entered.seen_at,
            "parts": parts,
            "page": entered.page,
            "stream": entered.stream,
            "record_key": record.key,
            "record_index": record.index,
            "item": item,
            "mapping": entered.mapping,
        }
        if before is not None and before["seen_at"] < seen_at:
            before["replaced_at"] = seen_at
            if (*key, before["seen_at"]) not in self.changes.rows:
                self.changes.ended.append((*key, before["seen_at"], seen_at))
        elif before is not None and (*key, seen_at) not in self.changes.rows:
            self.changes.erased.append((*key, seen_at))
        self.changes.rows[*key, seen_at] = made  # of several at one instant only the last counts
        self.changes.touched.pop(key, None)
        self.before.rows[key] = made
        if key[0] == "deal_owner":
            self.before.shares.setdefault(str(made.get("deal")), {})[entered.source, key[1]] = made
        if item is not None:
            self.before.items.setdefault(record.key, set()).add(key)
        return made

    def _retract(self, record: Mapped, key: tuple[str, str], *, gone: str = "retracted") -> str:
        """The stream no longer makes this row: its fields go, and the row with them when nobody else fills it."""
        row = self.before.rows[key]
        parts: dict[str, list[Any]] = decode(row["parts"])
        mine = parts.pop(self.entered.stream, [None, record.key])
        if parts:
            values = self._rest(key, parts)
        else:
            values = {**_values(row), "gone": gone}
            parts[self.entered.stream] = [mine[0] if record.modified is None else record.modified, record.key]
        self._put(key, values, stored_json(parts), record)
        return "deleted"

    def _vanished_items(self, record: Mapped) -> str:
        """Retract rows made of list items that the record no longer has."""
        made = {(entry.entity, entry.id) for entry in record.entries if not entry.absent}
        effect = "unchanged"
        for key in sorted(self.before.items[record.key]):
            row = self.before.rows.get(key)
            if key in made or row is None or row["gone"] is not None:
                continue
            mine = decode(row["parts"]).get(self.entered.stream)
            if mine and mine[1] == record.key and not is_older(record.modified, mine[0]):
                effect = self._retract(record, key)
        return effect

    def delete(self, key: tuple[str, str], record_key: str) -> None:
        """A finished full pass did not show the record this row came of."""
        self._retract(Mapped(0, record_key, None, [], [], set()), key, gone="deleted")
        self.changes.deleted += 1

    def retract(self, key: tuple[str, str], record_key: str) -> None:
        """The mapping no longer makes this row of the record."""
        self._retract(Mapped(0, record_key, None, [], [], set()), key)
        self.changes.deleted += 1

    # --- the past ----------------------------------------------------------------------------------------------------

    def _timeline(self, deal: str, timeline: str) -> list[Fact]:
        return self.before.facts.setdefault(deal, {}).setdefault(timeline, [])

    def _report(self, record: Mapped, until: int) -> bool:
        """Add the reported facts that are not known yet, and let them supersede what we had only observed.

        `until`: nothing later can be in the record.
        """
        if not record.reported:
            self._covered = {}
            return False
        added = False
        told: dict[tuple[str, str], list[Reported]] = {}
        for reported in record.reported:
            told.setdefault((reported.deal, reported.timeline), []).append(reported)
        for (deal, timeline), facts in told.items():
            known = self._timeline(deal, timeline)
            keys = {fact.key for fact in known if fact.origin == "reported"}
            for reported in facts:
                key = (reported.occurred_at, reported.sequence, reported.value)
                if key not in keys:
                    keys.add(key)
                    fact = self.changes.facts[deal, timeline, key, "reported"] = self._fact_of(record, reported)
                    known.append(fact)
                    added = True
                    if ("deal", deal) not in self.before.rows:
                        self._put(("deal", deal), {"gone": None}, "{}", record, seen_at=reported.seen_at)
        self._covered = {}
        for (deal, timeline), facts in told.items():
            self._supersede(deal, timeline, facts, until if (deal, timeline) in record.lists else None)
        return added

    def _fact_of(self, record: Mapped, reported: Reported) -> Fact:
        entered = self.entered
        stamp = entered.seen_at
        return Fact(
            reported.deal, reported.timeline, reported.value, reported.occurred_at, reported.sequence, "reported", None,
            entered.read_at, reported.actor, False, stamp if reported.seen_at is None else min(reported.seen_at, stamp),
            stamp, entered.page, entered.stream, record.key, record.index, reported.item, entered.mapping,
        )

    def _add(self, fact: Fact) -> None:
        self._timeline(fact.deal, fact.timeline).append(fact)
        self.changes.facts[fact.deal, fact.timeline, fact.key, fact.origin] = fact

    def _end(self, fact: Fact) -> None:
        """Take a fact out of what is current."""
        self._timeline(fact.deal, fact.timeline).remove(fact)
        key = (fact.deal, fact.timeline, fact.key, fact.origin)
        if self.changes.facts.get(key) is fact:
            del self.changes.facts[key]
        else:
            self.changes.ended_facts.append(fact)

    def _supersede(self, deal: str, timeline: str, facts: list[Reported], until: int | None) -> None:
        """Observed facts in the window the report covers give way to it; those it does not explain are flagged.

        A list covers its oldest item to the time of reading (`until`), a row the gap since the one before it: all of
        them, in whatever order they came, from the first to the last.
        """
        known = self._timeline(deal, timeline)
        oldest = min([fact.occurred_at for fact in facts])
        if until is not None:
            self._covered[deal, timeline] = oldest, until
        if len([fact for fact in known if fact.origin == "reported"]) == len(known):
            return
        chain = sorted((fact for fact in known if fact.origin == "reported"), key=_IN_ORDER)
        if until is not None:
            newest = until
        else:
            told = {fact.occurred_at for fact in chain if fact.item is None} | {fact.occurred_at for fact in facts}
            oldest, newest = min(told), max(told)
        kept: Fact | None = None
        for fact in sorted((fact for fact in known if fact.origin != "reported"), key=_IN_ORDER):
            never_set = until is not None and _never_set(fact, known, oldest)
            if never_set or _explained(fact, chain, oldest) or _held(fact, chain, kept):
                self._end(fact)
                continue
            kept = fact
            if not fact.flagged and fact.origin == "observed" and _covered(fact, oldest, newest):
                self._end(fact)
                entered = self.entered
                self._add(replace(fact, flagged=True, seen_at=entered.seen_at, recorded_at=entered.seen_at))

    def _observe(self, record: Mapped, before: Row | None, row: Row) -> None:
        """What the difference of two reads shows: the deal's stage or one of its fields has changed in between.

        Only of what this stream fills: the rest of the row is not of this reading.
        """
        filled = self.columns("deal", self.entered.stream)
        if not filled.isdisjoint(("stage", "outcome")):
            self._observe_stage(record, before, row)
        if before is None:
            return
        for timeline in CHANGES:
            if timeline not in filled:
                continue
            known, new = self._timeline(row["id"], timeline), _text(row.get(timeline))
            if timeline == "currency" and not known and not before.get("currency"):
                continue  # where none was told before, it is the first, not another
            if timeline == "currency" and not new:
                if not known:  # it is not forgotten with the amount
                    self._sight(record, row, timeline, (_text(before.get(timeline)),), before=before)
                continue
            held = _latest(known).value[0] if known else _text(before.get(timeline))
            if held == new:
                continue
            if not known:  # the value it had before, so that the first change has an `old`
                self._sight(record, row, timeline, (held,), before=before)
            self._move(record, before, row, timeline, (new,))

    def _observe_stage(self, record: Mapped, before: Row | None, row: Row) -> None:
        value = self._held_value(row)
        if value is None:
            return
        known = self._timeline(row["id"], STAGE)
        if known:
            if _latest(known).value != value:
                self._move(record, before, row, STAGE, value)
            return
        closed = row.get("closed_at")
        open_stage = (str(row["pipeline"]), str(row["stage"])) if row.get("stage") is not None else None
        if open_stage is not None and open_stage != value:
            self._sight(record, row, STAGE, open_stage, by=closed)
        if closed is not None and self._kind(value) != "open":
            at_once = any(fact.occurred_at == closed for fact in self._timeline(row["id"], STAGE))
            fact = self._fact(record, row, STAGE, value, "field", at=closed)
            self._add(replace(fact, sequence=1) if at_once else fact)
        elif open_stage is None or open_stage == value:
            self._sight(record, row, STAGE, value)
        else:
            self._move(record, before, row, STAGE, value)

    def _held_value(self, row: Row) -> tuple[str, str] | None:
        """The (pipeline, stage) a deal is in: its stage, or its pipeline's won or lost stage by its `outcome`."""
        pipeline = self.pipelines.get(str(row.get("pipeline")))
        if row.get("outcome") in ("won", "lost") and pipeline is not None:
            closing = pipeline.closing(row["outcome"])
            if closing is not None:
                return pipeline.id, closing.id
        return (str(row["pipeline"]), str(row["stage"])) if row.get("stage") is not None else None

    def _kind(self, value: tuple[str, ...]) -> str:
        pipeline = self.pipelines.get(value[0])
        stage = pipeline.stage(value[1]) if pipeline else None
        return stage.kind if stage else "open"

    def _sight(
        self, record: Mapped, row: Row, timeline: str, value: tuple[str, ...], *, before: Row | None = None,
        by: int | None = None,
    ) -> None:
        """First sight of a value whose beginning nobody told: in place at the latest when it was seen.

        `by`: when it had ended.
        """
        seen = record.modified if record.modified is not None else self.entered.read_at
        if before is not None:
            seen = _modified(before, self.entered.stream) or before["recorded_at"]
        seen = min(seen, self.entered.read_at)  # our own clock, and some vendors' stamps, may be ahead of it
        created = row.get("created_at")
        at = created if created is not None and created <= seen else seen
        fact = self._fact(record, row, timeline, value, "initial", at=at if by is None else min(at, by))
        self._add(replace(fact, read_at=seen))

    def _move(self, record: Mapped, before: Row | None, row: Row, timeline: str, value: tuple[str, ...]) -> None:
        """A change between two reads: it happened after the last sight of the old value, by this one at the latest."""
        known = self._timeline(row["id"], timeline)
        last = _latest(known) if known else None
        at, sequence = record.modified if record.modified is not None else self.entered.read_at, 0
        after = _modified(before, self.entered.stream) if before else None
        if last is not None:
            after = last.occurred_at if after is None else max(after, last.occurred_at)
            if at <= last.occurred_at:
                at = self.entered.read_at
            if at <= last.occurred_at:
                if last.origin == "reported":
                    return  # the report knows more than this reading
                at, sequence = last.occurred_at, last.sequence + 1
        whole = self.entered.known_until
        if before is not None and whole is not None and whole < at:
            after = whole if after is None else max(after, whole)  # then it was still as before
        if after is not None and after >= at:
            after = at - 1  # at the same instant as what was known before: nothing older can explain it
        origin, closed = "observed", row.get("closed_at")
        if timeline == STAGE and closed is not None and self._kind(value) != "open" and (after or 0) < closed <= at:
            origin, at, after = "field", closed, None
        fact = replace(self._fact(record, row, timeline, value, origin, at=at, after=after), sequence=sequence)
        covered = self._covered.get((row["id"], timeline))
        if covered is not None and origin == "observed" and _covered(fact, *covered):
            fact = replace(fact, flagged=True)  # the history that came with it does not tell of it
        self._add(fact)

    def _fact(
        self, record: Mapped, row: Row, timeline: str, value: tuple[str, ...], origin: str, *, at: int,
        after: int | None = None,
    ) -> Fact:
        reported = Reported(row["id"], timeline, value, at, 0, None, None, row["seen_at"])
        return replace(self._fact_of(record, reported), origin=origin, occurred_after=after)


_ALWAYS = -(2**62)
_IN_ORDER = attrgetter("occurred_at", "sequence", "value")  # `Fact.key`, without a call for each
_FLAGS = {
    name: [column(field) for field, declared in entity.fields.items() if declared.kind is Kind.FLAG]
    for name, entity in ENTITIES.items()
}


def _since(row: Row) -> int:
    since = row.get("from_at")
    return _ALWAYS if since is None else int(since)


def _explained(fact: Fact, chain: list[Fact], oldest: int) -> bool:
    """Whether the reported chain tells what we had observed."""
    if fact.origin == "initial":
        held = [step.value for step in chain if step.occurred_at <= fact.read_at]
        return oldest <= fact.read_at and bool(held) and held[-1] == fact.value
    if fact.origin == "field":
        return any(step.value == fact.value for step in chain)
    after = fact.occurred_after if fact.occurred_after is not None else -(2**62)
    return any(step.value == fact.value and after < step.occurred_at <= fact.occurred_at for step in chain)


def _held(fact: Fact, chain: list[Fact], kept: Fact | None) -> bool:
    """Whether the chain tells of a move to what was observed, earlier than we thought, as of changes shown late.

    `kept`: what else was observed last, and the chain does not tell of: if it is later than that move, so was ours.
    """
    held = [step for step in chain if step.occurred_at <= fact.occurred_at]
    told = bool(held) and fact.origin == "observed" and held[-1].value == fact.value
    return told and (kept is None or kept.occurred_at <= held[-1].occurred_at)


def _never_set(fact: Fact, known: list[Fact], oldest: int) -> bool:
    """Whether it is the first sight of an empty field, which the oldest item of its list was the first to fill.

    A list has no item for that. One that has lost its oldest items shows it by what we had observed before them.
    """
    if fact.origin != "initial" or fact.value != ("",) or fact.read_at >= oldest:
        return False
    return all(other is fact or other.occurred_at >= oldest for other in known)


def _latest(facts: list[Fact]) -> Fact:
    """The last of a timeline; facts of one instant in the same order wherever they were read from."""
    return max(facts, key=_IN_ORDER)


def _covered(fact: Fact, oldest: int, newest: int) -> bool:
    after = fact.occurred_after if fact.occurred_after is not None else fact.occurred_at
    return oldest <= after and fact.occurred_at <= newest


def is_older(modified: int | None, known: int | None) -> bool:
    """Whether a record is older than the state known of it; one without stamp never is."""
    return modified is not None and known is not None and modified < known


def _modified(row: Row, stream: str) -> int | None:
    parts = decode(row["parts"])
    mine = parts.get(stream)
    modified: int | None = mine[0] if mine else None
    return modified


def _values(row: Row | None) -> Row:
    return {} if row is None else {column: value for column, value in row.items() if column not in _BOOKKEEPING}


def _stored(entry: Entry, rest: Row) -> Row:
    """The entry's fields as the store keeps them: flags as 0 and 1, own fields as JSON with those of other streams."""
    fields: Row = dict(entry.fields)
    for flag in _FLAGS[entry.entity]:
        if fields.get(flag) is not None:
            fields[flag] = int(fields[flag])
    if entry.extra is not None:
        fields["extra"] = _own_fields({**decode(rest.get("extra") or "{}"), **entry.extra})
    return fields


def _own_fields(given: Mapping[str, Value]) -> str | None:
    """Own fields as the store keeps them; none of them is null."""
    own = {name: value for name, value in given.items() if value is not None}
    return stored_json(own) if own else None


def _same(row: Row, values: Row) -> bool:
    return all(row.get(column) == value for column, value in values.items())


def _text(value: Value) -> str:
    return "" if value is None else str(value)

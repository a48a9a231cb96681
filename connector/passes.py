"""Passes over all there is: a full pass reads every record of a complete stream, an id pass only lists the ids.

Both find what time windows cannot show: what is gone, and what was never seen. Nothing is deleted lightly. A pass that
misses more than the guard allows stops for a person before anything of it is applied. What it misses otherwise is asked
by id where the stream can: what answers (restored, moved while it was read, archived, merged into another) is applied
as it answers, and only what does not answer is deleted. A pass that was accepted goes on after a crash: what it
found is in the store, and every step of it may be done again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, select, update

from connector import journal
from connector.errors import Permanent, RemoteError, SafetyStop
from connector.journal import PageEntry
from connector.model import iso, micros
from connector.plan import Asked
from connector.ports import Exchange, Page, Record, Window
from connector.recording import Recorder
from connector.slices import between, bounds
from connector.store import landing, tables
from connector.store.store import Writing

Kind = Literal["records", "ids"]
REPEAT = timedelta(hours=1)  # a stopped id pass is not listed again before: the next sync only says that it waits
NOTED = 1000  # so many records read by id, and it is written down that they answered, older ones than `since` too
Listing = dict[str, int | None]
"""When each record was changed, by key; None where that is not known."""


class Doubt(NamedTuple):
    """Why a person has to look at a pass: how many of the known records it shows, and in a sentence."""

    shown: int
    known: int
    said: str | None

    @property
    def reason(self) -> str:
        """In a few words, for the list of stops."""
        return f"{self.shown} of {self.known} known records shown"


class Passes:
    """The full and id passes of one stream, in a run that holds its lease.

    `shrink`: what a pass may miss of what is known (0..1).
    """

    def __init__(self, recorder: Recorder, *, shrink: float) -> None:
        self.recorder, self.shrink = recorder, shrink
        self.store, self.source, self.mapping = recorder.store, recorder.source, recorder.mapping
        self.stream, self.name, self.summary = recorder.stream, recorder.name, recorder.summary
        table = tables.id_pass
        self._mine = (table.c.source == self.source.name, table.c.stream == self.name)

    # --- the two kinds -----------------------------------------------------------------------------------------------

    def full(self, asked: Asked | None = None, begun: dict[str, Any] | None = None) -> None:
        """Read everything of a complete stream; its pages are held until the whole is known to be plausible.

        `asked`: by a resync, whose place is kept with each page; `begun` is how far the same one has come that was
        interrupted. Raises SafetyStop.
        """
        goes_on = None if begun is None else self._goes_on(begun)
        if goes_on is None:
            goes_on = {
                "asked": asked, "pass": self._begin_pass("records"),
                "window": bounds(Window(None, self.source.now())), "position": None, "read": False,
            }
        shown = self._full_pass(goes_on, keeps=asked is not None)
        if shown is not None:
            self._judge("records", goes_on["pass"], shown)
            self._finish(goes_on["pass"])

    def is_applied(self, pass_id: str | None) -> bool:
        """Whether the pass of that id has come to its end."""
        return pass_id is not None and self._state_of(pass_id) == "applied"

    def ids(self, *, again: bool = True) -> None:
        """List all ids, and bring what we know in line with them. Raises SafetyStop.

        Without `again` a pass that stopped a short while ago only says once more that it waits for a person.
        """
        self._check_ids()
        if not again:
            self._still_stopped()
        pass_id = self._begin_pass("ids")
        listed = self._listed()
        if listed is not None:
            self._judge("ids", pass_id, listed)
            self._finish(pass_id)

    def ids_due(self, every: timedelta) -> bool:
        """Whether the last finished id pass lies so long back, by our clock.

        A first reading from the beginning is as good as one; before its end none is due.
        """
        table = tables.cursor
        query = select(table.c.ids_checked_at, table.c.first_complete_at).where(
            table.c.source == self.source.name, table.c.stream == self.name
        )
        for row in self.store.rows(query):
            last = row.ids_checked_at or row.first_complete_at
            return last is not None and micros(self.recorder.clock.now() - every) >= last
        return False

    def finish_accepted(self, *kinds: Kind) -> bool:
        """Apply passes that were accepted, by us before a crash or by a person after a stop; whether there were any."""
        table = tables.id_pass
        query = select(table.c.id).where(*self._mine, table.c.state == "accepted", table.c.kind.in_(kinds))
        accepted = self.store.rows(query.order_by(table.c.started_at))
        for row in accepted:
            if not self.recorder.stop():
                self._finish(row.id)
        return bool(accepted)

    # --- what there is -----------------------------------------------------------------------------------------------

    def _full_pass(self, goes_on: dict[str, Any], *, keeps: bool) -> Listing | None:
        """Read and hold every page from that place on; what all their records are, None when asked to stop.

        `keeps`: the place is written with each page.
        """
        shown, window = self._held(goes_on["pass"]), between(goes_on["window"])
        pages = iter(()) if goes_on["read"] else self.source.read(self.name, window, goes_on["position"])
        for page in pages:
            self.summary.requests += len(page.exchanges)
            shown.update((record.key, record.modified) for record in self._records(page.exchanges))
            packed, is_last = landing.pack(page.exchanges), page.position is None
            with self.store.writing() as writing:
                self.recorder.hold(writing)
                self.recorder.land(writing, page, packed, writing.stamp(), applied_at=None, full_pass=goes_on["pass"])
                if keeps:
                    self.recorder.save_resync(writing, {**goes_on, "position": page.position, "read": is_last})
            if self._stopped("the same resync goes on from here" if keeps else "the next run begins it anew"):
                return None
        return shown

    def _goes_on(self, begun: dict[str, Any]) -> dict[str, Any] | None:
        """The place of a pass that was interrupted while it read; None where it was abandoned since, or must not go on.

        Where nothing answers by id, what moved to an earlier page meanwhile would be taken for gone: it begins anew.
        """
        if "pass" not in begun or not self.stream.by_id or self._state_of(begun["pass"]) != "reading":
            return None
        self.summary.resumed = True
        return begun

    def _held(self, pass_id: str) -> Listing:
        """The records of the pages that a pass holds so far."""
        with self.store.reading() as connection:
            return {
                record.key: record.modified for page in list(landing.pages(connection, full_pass=pass_id))
                for record in self._records(landing.exchanges(connection, page.id))
            }

    def _state_of(self, pass_id: str) -> str | None:
        rows = self.store.rows(select(tables.id_pass.c.state).where(tables.id_pass.c.id == pass_id))
        return str(rows[0].state) if rows else None

    def _everything(self) -> Iterator[Page]:
        return self.source.read(self.name, Window(None, self.source.now()), None)

    def _listed(self, *, dry: bool = False) -> Listing | None:
        """What the source lists, None when asked to stop."""
        listed: Listing = {}
        for some in self.source.list_ids(self.name):
            self.summary.requests += 1
            listed.update(some)
            if self._stopped():
                return None
            if not dry:
                self.recorder.keep()
        return listed

    def _records(self, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        return self.source.records(self.name, exchanges)

    def _stopped(self, goes_on: str = "the next run goes on from here") -> bool:
        """Whether the run is asked to end; then the summary says so."""
        self.recorder.progress(self.name, 0)
        if self.recorder.stop():
            self.summary.stopped(goes_on)
            return True
        return False

    def _check_ids(self) -> None:
        if not self.stream.ids:
            said = f"stream {self.name} cannot list its ids; --full reads all of it"
            raise Permanent(said, system=self.source.name, stream=self.name)

    # --- judging -----------------------------------------------------------------------------------------------------

    def _begin_pass(self, kind: Kind) -> str:
        """Note that a pass begins; one of the kind that never came to its end is forgotten."""
        pass_id = secrets.token_hex(8)
        with self.store.writing() as writing:
            self.recorder.hold(writing)
            self._abandon(writing, kind, "reading")
            begun = {
                "id": pass_id, "source": self.source.name, "stream": self.name, "run": self.recorder.run,
                "started_at": writing.stamp(), "state": "reading", "shown": 0, "known": 0, "kind": kind,
            }
            writing.execute(tables.id_pass.insert(), begun)
        return pass_id

    def _abandon(self, writing: Writing, kind: Kind, state: str) -> None:
        """Forget passes in that state, with the pages they hold."""
        table = tables.id_pass
        query = select(table.c.id).where(*self._mine, table.c.state == state, table.c.kind == kind)
        for row in writing.execute(query).all():
            landing.drop_held(writing, row.id)
            writing.execute(update(table).where(table.c.id == row.id).values(state="abandoned"))

    def _judge(self, kind: Kind, pass_id: str, shown: Listing) -> None:
        """Accept the pass, or stop for a person; it takes the place of a stop nobody has decided. Raises SafetyStop."""
        body = _packed(shown if kind == "ids" else shown.keys())
        with self.store.writing() as writing:
            self.recorder.hold(writing)
            doubt = self._doubt(kind, writing.connection, shown)
            landing.put_bodies(writing, body)
            self._abandon(writing, kind, "stopped")
            values: dict[str, Any] = {"state": "accepted", "accepted_at": writing.stamp(), "reason": None}
            if doubt.said is not None:
                values = {"state": "stopped", "accepted_at": None, "reason": doubt.reason}
            values |= {"shown": doubt.shown, "known": doubt.known, "body": next(iter(body))}
            if doubt.said is not None:
                self._end_resync(writing, pass_id, done=False)
            writing.execute(update(tables.id_pass).where(tables.id_pass.c.id == pass_id).values(**values))
        if doubt.said is not None:
            raise self._stop(f"{doubt.said}; nothing was applied", pass_id)

    def _doubt(self, kind: Kind, connection: Connection, shown: Listing) -> Doubt:
        """Compare what a pass shows with what is known.

        A full pass may show others instead of those it misses, but none too old to be taken in; of ids only those we
        know can say whether all came.
        """
        if kind == "ids":
            known = journal.live_records(connection, self.mapping, self.name)
            count, what = len(known & shown.keys()), "list of ids"
        else:
            known = journal.known_records(connection, self.mapping, self.name)
            there = shown.keys() - journal.ended_records(connection, self.mapping, self.name)
            if (oldest := self.recorder.oldest) is not None:
                taken = journal.taken_records(connection, self.mapping, self.name)
                known &= taken
                there -= {key for key, at in shown.items() if at is not None and at < oldest} - taken
            count, what = len(there), "full pass"
        implausible = bool(known) and (not shown or count < len(known) * (1 - self.shrink))
        said = f"the {what} shows {count} records where {len(known)} are known" if implausible else None
        return Doubt(count, len(known), said)

    def _still_stopped(self) -> None:
        """Raise SafetyStop again while a recent id pass waits for a person."""
        table = tables.id_pass
        since = micros(self.recorder.clock.now() - REPEAT)
        query = select(table).where(*self._mine, table.c.state == "stopped", table.c.kind == "ids")
        for row in self.store.rows(query.where(table.c.started_at > since)):
            raise self._stop(f"the list of ids is still not believed: {row.reason}", row.id)

    def _stop(self, said: str, pass_id: str) -> SafetyStop:
        return SafetyStop(said, system=self.source.name, stream=self.name, stop=pass_id)

    # --- applying ----------------------------------------------------------------------------------------------------

    def _finish(self, pass_id: str) -> None:
        """Apply what an accepted pass shows, ask for what it does not, delete what does not answer."""
        table = tables.id_pass
        row = self.store.rows(select(table).where(table.c.id == pass_id))[0]
        with self.store.reading() as connection:
            told = json.loads(landing.body(connection, row.body))
        shown = set(told)
        if row.kind == "records":
            self._apply_pass(pass_id)
        else:
            shown -= self._read_unread(row, told)  # what does not answer yet is asked again by the next pass
        with self.store.reading() as connection:
            known = journal.live_records(connection, self.mapping, self.name, before=row.started_at)
        answered = self._ask(sorted(known - shown))
        if not self.recorder.stop():
            self._finish_pass(row, shown | answered)
        else:
            self.summary.stopped()

    def _apply_pass(self, pass_id: str) -> None:
        """Apply the pages a full pass holds, one by one; what was read or ended since they were read stays as it is."""
        with self.store.reading() as connection:
            held = list(landing.pages(connection, full_pass=pass_id))
            first = held[0].id if held else 0
            later = journal.later_records(connection, self.mapping, self.name, first)
        for page in held:
            with self.store.reading() as connection:
                mapped = journal.map_page(connection, self.source, self.mapping, page.id, page.stream)
            left_out = {record.key for record in mapped if later.get(record.key, 0) > page.id}
            left_out |= self.recorder.too_old(mapped)
            taken = [record for record in mapped if record.key not in left_out]
            with self.store.writing() as writing:
                self.recorder.hold(writing)
                stamp = writing.stamp()
                landing.mark_applied(writing, page.id, stamp, left_out)
                entry = PageEntry(page.id, stamp, page.stream, page.read_at, taken, page.known_until)
                changes = journal.take_page(writing, self.mapping, entry)
            self.summary.count(mapped, changes)
            self.recorder.progress(self.name, len(mapped))

    def _read_unread(self, row: Row[Any], listed: Listing) -> set[str]:
        """Take in listed records never seen before, or changed since; those of the first that do not answer.

        With `since` most may be too old to be taken in, which leaves no trace: so it is noted who has answered.
        """
        with self.store.reading() as connection:
            unread = journal.unread_records(connection, self.mapping, self.name, listed, self.recorder.oldest)
            answered = set(json.loads(landing.body(connection, row.answered))) if row.answered else set[str]()
        noted, leaves_none = len(answered), self.recorder.oldest is not None
        try:
            for found in self._asked([key for key in (*unread.missing, *unread.newer) if key not in answered]):
                answered.update(found)
                if leaves_none and len(answered) >= noted + NOTED:
                    noted = self._note(row.id, answered)
        except RemoteError:
            if leaves_none and len(answered) > noted:
                self._note(row.id, answered)
            raise
        if leaves_none and len(answered) > noted and self.recorder.stop():
            self._note(row.id, answered)
        return set(unread.missing) - answered

    def _note(self, pass_id: str, answered: Collection[str]) -> int:
        """Write down who has answered an id pass so far; how many that are."""
        body = _packed(answered)
        with self.store.writing() as writing:
            self.recorder.hold(writing)
            landing.put_bodies(writing, body)
            values = {"answered": next(iter(body))}
            writing.execute(update(tables.id_pass).where(tables.id_pass.c.id == pass_id).values(**values))
        return len(answered)

    def _ask(self, keys: Sequence[str]) -> set[str]:
        """Read these records by id and apply what comes; the keys under which it came."""
        return {key for found in self._asked(keys) for key in found}

    def _asked(self, keys: Sequence[str]) -> Iterator[list[str]]:
        """As `_ask`, a batch at a time; it ends early when asked to stop."""
        if self.stream.by_id and keys:
            for found in self.recorder.take_named(keys):
                yield found
                if self.recorder.stop():
                    return

    def _finish_pass(self, row: Row[Any], shown: set[str]) -> None:
        """Delete what was neither shown nor answered; one transaction, the entry of the journal that replay repeats."""
        with self.store.writing() as writing:
            self.recorder.hold(writing)
            stamp = writing.stamp()
            found = shown | journal.ended_records(writing.connection, self.mapping, self.name)
            found -= journal.deleted_records(writing.connection, self.mapping, self.name, row.started_at)
            body = _packed(found)
            landing.put_bodies(writing, body)
            changes = journal.take_pass(writing, self.mapping, self.name, stamp, found, row.started_at)
            values = {"state": "applied", "applied_at": stamp, "body": next(iter(body)), "answered": None}
            writing.execute(update(tables.id_pass).where(tables.id_pass.c.id == row.id).values(**values))
            if row.kind == "records" and not self.stream.cursor:  # where there is one, only its own windows move it
                began = iso(row.started_at)
                self.recorder.save_cursor(writing, {"cursor": began, "read_to": began}, complete=True)
            if self.stream.ids:
                self.recorder.save_ids_checked(writing)
            self._end_resync(writing, row.id, done=True)
        self.summary.deleted += changes.deleted
        self.summary.cursor = self.recorder.state().get("cursor")

    def _end_resync(self, writing: Writing, pass_id: str, *, done: bool) -> None:
        """The resync that began this pass is done with the stream, or has nothing to go on with: a person decides."""
        begun = self.recorder.resync(writing.connection)
        if begun is not None and begun.get("pass") == pass_id:
            self.recorder.save_resync(writing, {"asked": begun["asked"], "done": True} if done else None)

    # --- dry run -----------------------------------------------------------------------------------------------------

    def foresee_full(self) -> None:
        """Say what a full pass would change and delete, or that it would stop; nothing is written."""
        shown: Listing = {}
        for page in self._everything():
            shown.update((record.key, record.modified) for record in self.recorder.foresee(page, only_young=True))
            if self._stopped():
                return
        self._foresee("records", shown)

    def foresee_ids(self) -> None:
        """Say what an id pass would bring and delete, or that it would stop; nothing is written."""
        self._check_ids()
        listed = self._listed(dry=True)
        if listed is None or not self._foresee("ids", listed) or not self.stream.by_id:
            return
        with self.store.reading() as connection:
            unread = journal.unread_records(connection, self.mapping, self.name, listed, self.recorder.oldest)
        if keys := [*unread.missing, *unread.newer]:
            for page in self.source.read_ids(self.name, keys):
                self.recorder.foresee(page, only_young=True)

    def _foresee(self, kind: Kind, shown: Listing) -> bool:
        """Count what would be deleted, and say why a person would have to decide first; whether nobody would."""
        with self.store.reading() as connection:
            doubt = self._doubt(kind, connection, shown)
            known = journal.live_records(connection, self.mapping, self.name)
            ended = journal.ended_records(connection, self.mapping, self.name)
        if doubt.said is not None:
            self.summary.would_stop = doubt.reason
            raise self._stop(f"{doubt.said}; a sync would apply nothing of it and wait for a person", "")
        missing = sorted(known - shown.keys())
        answered = self._answering(missing)
        with self.store.reading() as connection:
            found = shown.keys() | ended | answered
            self.summary.deleted += journal.plan_pass(connection, self.mapping, self.name, found)
        return True

    def _answering(self, keys: Sequence[str]) -> set[str]:
        """Which records answer by id."""
        if not self.stream.by_id or not keys:
            return set()
        return {record.key for page in self.source.read_ids(self.name, keys)
                for record in self._records(page.exchanges)}


def _packed(keys: Collection[str] | Listing) -> dict[str, tuple[bytes, int]]:
    """A set of keys, or what a list of ids told, as a body of the landing."""
    body = json.dumps(keys if isinstance(keys, dict) else sorted(keys), sort_keys=True).encode()
    return {landing.body_hash(body): landing.compressed(body)}

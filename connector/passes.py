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
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, select, update

from connector import journal
from connector.errors import Permanent, SafetyStop
from connector.journal import PageEntry
from connector.model import iso, micros
from connector.ports import Page, Window
from connector.recording import Recorder
from connector.store import landing, tables
from connector.store.store import Writing

Kind = Literal["records", "ids"]
REPEAT = timedelta(hours=1)  # a stopped id pass is not listed again before: the next sync only says that it waits


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

    `shrink`: what a pass may miss of what is known (0..1). `since`: what did not change after it is never taken in.
    """

    def __init__(self, recorder: Recorder, *, shrink: float, since: datetime | None = None) -> None:
        self.recorder, self.shrink, self.since = recorder, shrink, since
        self.store, self.source, self.mapping = recorder.store, recorder.source, recorder.mapping
        self.stream, self.name, self.summary = recorder.stream, recorder.name, recorder.summary
        table = tables.id_pass
        self._mine = (table.c.source == self.source.name, table.c.stream == self.name)

    # --- the two kinds -----------------------------------------------------------------------------------------------

    def full(self) -> None:
        """Read everything of a complete stream; its pages are held until the whole is known to be plausible.

        Raises SafetyStop.
        """
        pass_id = self._begin_pass("records")
        shown = self._full_pass(pass_id)
        if shown is not None:
            self._judge("records", pass_id, shown)
            self._finish(pass_id)

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

    def _full_pass(self, pass_id: str) -> set[str] | None:
        """Read and hold every page; the keys of their records, None when asked to stop."""
        shown: set[str] = set()
        for page in self._everything():
            self.summary.requests += len(page.exchanges)
            shown.update(self._keys(page))
            packed = landing.pack(page.exchanges)
            with self.store.writing() as writing:
                self.recorder.hold(writing)
                self.recorder.land(writing, page, packed, writing.stamp(), applied_at=None, full_pass=pass_id)
            if self._stopped():
                return None
        return shown

    def _everything(self) -> Iterator[Page]:
        return self.source.read(self.name, Window(None, self.source.now()), None)

    def _listed(self, *, dry: bool = False) -> set[str] | None:
        """The keys the source lists, None when asked to stop."""
        listed: set[str] = set()
        for keys in self.source.list_ids(self.name):
            self.summary.requests += 1
            listed.update(keys)
            if self._stopped():
                return None
            if not dry:
                self.recorder.keep()
        return listed

    def _keys(self, page: Page) -> set[str]:
        return {record.key for record in self.source.records(self.name, page.exchanges)}

    def _stopped(self) -> bool:
        """Whether the run is asked to end; then the summary says so."""
        self.recorder.progress(self.name, 0)
        if self.recorder.stop():
            self.summary.stopped()
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

    def _judge(self, kind: Kind, pass_id: str, shown: set[str]) -> None:
        """Accept the pass, or stop for a person; it takes the place of a stop nobody has decided. Raises SafetyStop."""
        body = _packed(shown)
        with self.store.writing() as writing:
            self.recorder.hold(writing)
            doubt = self._doubt(kind, writing.connection, shown)
            landing.put_bodies(writing, body)
            self._abandon(writing, kind, "stopped")
            values: dict[str, Any] = {"state": "accepted", "accepted_at": writing.stamp(), "reason": None}
            if doubt.said is not None:
                values = {"state": "stopped", "accepted_at": None, "reason": doubt.reason}
            values |= {"shown": doubt.shown, "known": doubt.known, "body": next(iter(body))}
            writing.execute(update(tables.id_pass).where(tables.id_pass.c.id == pass_id).values(**values))
        if doubt.said is not None:
            raise self._stop(f"{doubt.said}; nothing was applied", pass_id)

    def _doubt(self, kind: Kind, connection: Connection, shown: set[str]) -> Doubt:
        """Compare what a pass shows with what is known.

        A full pass may show others instead of those it misses; of ids only those we know can say whether all came.
        """
        if kind == "ids":
            known = journal.live_records(connection, self.mapping, self.name)
            count, what = len(known & shown), "list of ids"
        else:
            known = journal.known_records(connection, self.mapping, self.name)
            count = len(shown - journal.ended_records(connection, self.mapping, self.name))
            what = "full pass"
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
            shown = set(json.loads(landing.body(connection, row.body)))
        if row.kind == "records":
            self._apply_pass(pass_id)
        else:
            unread, answered = self._read_unread(shown)
            shown -= set(unread) - answered  # what does not answer yet is asked again by the next pass
        with self.store.reading() as connection:
            known = journal.live_records(connection, self.mapping, self.name, before=row.started_at)
        answered = self._ask(sorted(known - shown))
        if not self.recorder.stop():
            self._finish_pass(row, shown | answered)
        else:
            self.summary.stopped()

    def _apply_pass(self, pass_id: str) -> None:
        """Apply the pages a full pass holds, one by one."""
        with self.store.reading() as connection:
            held = list(landing.pages(connection, full_pass=pass_id))
        for page in held:
            with self.store.reading() as connection:
                mapped = journal.map_page(connection, self.source, self.mapping, page.id, page.stream)
            with self.store.writing() as writing:
                self.recorder.hold(writing)
                stamp = writing.stamp()
                landing.mark_applied(writing, page.id, stamp)
                entry = PageEntry(page.id, stamp, page.stream, page.read_at, mapped, page.known_until)
                changes = journal.take_page(writing, self.mapping, entry)
            self.summary.count(mapped, changes)
            self.recorder.progress(self.name, len(mapped))

    def _read_unread(self, listed: set[str]) -> tuple[list[str], set[str]]:
        """Take in listed records never seen before: which they are, and which of them answered."""
        with self.store.reading() as connection:
            unread = journal.unread_records(connection, self.mapping, self.name, listed)
        young, old = self._young(unread)
        return unread, self._ask(young) | old

    def _young(self, keys: Sequence[str]) -> tuple[Sequence[str], set[str]]:
        """Those that changed after `since`, and those that did not, which are never taken in."""
        if self.since is None or not self.stream.by_id or not keys:
            return keys, set()
        young, old = dict[str, None](), set[str]()
        for page in self.source.read_ids(self.name, keys):
            self.summary.requests += len(page.exchanges)
            for record in self.source.records(self.name, page.exchanges):
                if record.modified is None or record.modified >= micros(self.since):
                    young[record.key] = None
                else:
                    old.add(record.key)
            if self.recorder.stop():
                return [], old
            self.recorder.keep()
        return list(young), old

    def _ask(self, keys: Sequence[str]) -> set[str]:
        """Read these records by id and apply what comes; the keys under which it came."""
        answered: set[str] = set()
        if not self.stream.by_id or not keys:
            return answered
        for found in self.recorder.take_named(keys):
            answered.update(found)
            if self.recorder.stop():
                break
        return answered

    def _finish_pass(self, row: Row[Any], shown: set[str]) -> None:
        """Delete what was neither shown nor answered; one transaction, the entry of the journal that replay repeats."""
        with self.store.writing() as writing:
            self.recorder.hold(writing)
            stamp = writing.stamp()
            found = shown | journal.ended_records(writing.connection, self.mapping, self.name)
            body = _packed(found)
            landing.put_bodies(writing, body)
            changes = journal.take_pass(writing, self.mapping, self.name, stamp, found, row.started_at)
            values = {"state": "applied", "applied_at": stamp, "body": next(iter(body))}
            writing.execute(update(tables.id_pass).where(tables.id_pass.c.id == row.id).values(**values))
            if row.kind == "records" and not self.stream.cursor:  # where there is one, only its own windows move it
                began = iso(row.started_at)
                self.recorder.save_cursor(writing, {"cursor": began, "read_to": began}, complete=True)
            if self.stream.ids:
                self.recorder.save_ids_checked(writing)
        self.summary.deleted += changes.deleted
        self.summary.cursor = self.recorder.state().get("cursor")

    # --- dry run -----------------------------------------------------------------------------------------------------

    def foresee_full(self) -> None:
        """Say what a full pass would change and delete, or that it would stop; nothing is written."""
        shown: set[str] = set()
        for page in self._everything():
            shown.update(record.key for record in self.recorder.foresee(page))
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
            unread = journal.unread_records(connection, self.mapping, self.name, listed)
        for page in self.source.read_ids(self.name, unread) if unread else ():
            if self.since is None or self._changed_since(page):
                self.recorder.foresee(page)

    def _changed_since(self, page: Page) -> bool:
        since = micros(self.since) if self.since else 0
        records = self.source.records(self.name, page.exchanges)
        return any(record.modified is None or record.modified >= since for record in records)

    def _foresee(self, kind: Kind, shown: set[str]) -> bool:
        """Count what would be deleted, and say why a person would have to decide first; whether nobody would."""
        with self.store.reading() as connection:
            doubt = self._doubt(kind, connection, shown)
            known = journal.live_records(connection, self.mapping, self.name)
            ended = journal.ended_records(connection, self.mapping, self.name)
        if doubt.said is not None:
            self.summary.would_stop = doubt.reason
            raise self._stop(f"{doubt.said}; a sync would apply nothing of it and wait for a person", "")
        missing = sorted(known - shown)
        answered = self._answering(missing)
        with self.store.reading() as connection:
            found = shown | ended | answered
            self.summary.deleted += journal.plan_pass(connection, self.mapping, self.name, found)
        return True

    def _answering(self, keys: Sequence[str]) -> set[str]:
        """Which records answer by id."""
        if not self.stream.by_id or not keys:
            return set()
        return {key for page in self.source.read_ids(self.name, keys) for key in self._keys(page)}


def _packed(keys: Iterable[str]) -> dict[str, tuple[bytes, int]]:
    """A set of keys as a body of the landing."""
    body = json.dumps(sorted(keys)).encode()
    return {landing.body_hash(body): landing.compressed(body)}

"""What a contract's checks stand on: the vendor as the subclass serves it, and how the checks read it and change it.

A subclass says `adapter` and the fixture `served`; everything else has a default. What it does not say skips the checks
that need it, and their reason says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connector.errors import Transient
from connector.model import moment
from connector.ports import Clock, Context, Exchange, Page, Record, Source, Stream, Window
from connector.redaction import Redactor
from connector.testing.contract.meaning import NAME, meaning
from connector.testing.contract.secrets import secrets_of
from connector.testing.contract.trouble import FAULTS, Trouble
from connector.testing.doubles import FakeClock
from connector.twins.server import Twin

LATER = timedelta(days=400)
ATTEMPTS = 50
WORDS = {
    "cursor": "is read by time of change", "by_id": "is read by id", "complete": "shows all there is (complete)",
    "bounded": "ends at a window's upper end (bounded)", "ids": "lists its ids",
}


class Bench:
    """What a subclass of SourceContract may say of its vendor.

    adapter: the class under test. mapping: the path of its mapping file, which then has to take every record.
    changing: the streams in which `add` makes records (None: all). many: how many records make at least three pages.
    twin: the vendor, where it is a `connector.twins.server.Twin`; the fixture `served` may set it. Faults need it.
    vendor_has_clock: whether the vendor tells a time of its own. unknown_id: an id that no record has.
    recorded: pages of exchanges by stream (`testing.recording` makes them); with them nothing is asked of the vendor.
    """

    adapter: ClassVar[type[Source]]
    mapping: ClassVar[str | Path | None] = None
    changing: ClassVar[Sequence[str] | None] = None
    many: ClassVar[int] = 7
    unknown_id: ClassVar[str] = "404404404"
    vendor_has_clock: ClassVar[bool] = True
    recorded: ClassVar[Mapping[str, Sequence[Sequence[Exchange]]] | None] = None
    twin: Twin | None = None

    # --- what a subclass says ----------------------------------------------------------------------------------------

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock of vendor and adapter: it stands at 2026-03-02 08:00 UTC until it is moved."""
        return FakeClock(datetime(2026, 3, 2, 8, tzinfo=UTC))

    @pytest.fixture
    def served(self) -> Any:
        """Serve the vendor while a check runs; gives (or yields) the adapter's settings as the config has them."""
        return {}

    def add(self, stream: str) -> str:
        """Make a record in a stream, changed now by the vendor's clock; gives its key."""
        raise NotImplementedError("add")

    def edit(self, stream: str, key: str) -> None:
        """Change something of a record that shows: what the mapping reads, where there is one."""
        raise NotImplementedError("edit")

    def delete(self, stream: str, key: str) -> None:
        """Delete a record as a user would."""
        raise NotImplementedError("delete")

    def hide(self, stream: str, key: str) -> None:
        """Take a record out of ordinary sight without deleting it: archive it, switch it off."""
        raise NotImplementedError("hide")

    def tick(self) -> None:
        """Let the vendor's time move on: what changes next has a later stamp, what changed before is before now()."""
        if not isinstance(self.own_clock, FakeClock):
            raise NotImplementedError("tick")
        self.own_clock.advance(seconds=61)

    def disturb(self, fault: str, *, times: int = 1, path: str = "", after: int = 0) -> None:
        """A fault of `trouble.FAULTS` for that many requests to that path (empty: any), after `after` good answers."""
        if self.trouble is None:
            raise NotImplementedError("twin")
        self.trouble.begin(fault, times, path, after)

    def calm(self) -> None:
        """Have the vendor behave again."""
        if self.trouble is not None:
            self.trouble.end()

    def make(self, clock: Clock | None = None) -> Source:
        """A new instance of the adapter; the bench closes it when the check ends."""
        context = Context(clock=clock or self.own_clock, zone=UTC, folder=str(self.folder))
        made = self.adapter(NAME, self.settings(), context)
        self._made.append(made)
        return made

    # --- set up ------------------------------------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def bench(self, clock: Clock, served: Mapping[str, Any], tmp_path: Path) -> Iterator[None]:
        """Everything a check needs, and afterwards nothing open."""
        self.own_clock, self.given, self.folder = clock, served, tmp_path
        self._made: list[Source] = []
        self.secrets = tuple(secrets_of(self.settings()))
        self.trouble = None if self.twin is None else Trouble(self.twin, self.secrets)
        yield
        for source in self._made:
            source.close()
        crashed = [] if self.twin is None else self.twin.crashes
        assert not crashed, f"the twin itself failed: {crashed}"

    def settings(self) -> Any:
        """The adapter's settings, as the config makes them."""
        return self.adapter.Settings.model_validate(dict(self.given))

    def live(self) -> Source:
        """An adapter that may ask its vendor."""
        if self.recorded is not None:
            pytest.skip("only recorded pages are given: nothing is asked of the vendor")
        return self.make()

    # --- which streams -----------------------------------------------------------------------------------------------

    def offered(self, source: Source, **wanted: bool) -> list[Stream]:
        """The streams with these properties of `ports.Stream`; skips where there is none."""
        found = [one for one in source.streams() if all(getattr(one, name) is is_ for name, is_ in wanted.items())]
        if not found:
            pytest.skip(f"{self.adapter.__name__} offers no stream that {_said(wanted)}")
        return found

    def grown(self, source: Source, count: int, *, apart: bool = False, **wanted: bool) -> dict[str, list[str]]:
        """By stream that may be changed: the keys of so many new records, each later than the last where `apart`."""
        names = [one.name for one in self.offered(source, **wanted) if self.may_change(one.name)]
        made: dict[str, list[str]] = {}
        for name in names:
            made[name] = []
            for _ in range(count):
                made[name].append(self.asked_to("add", name))
                if apart:
                    self.asked_to("tick")
        self.asked_to("tick")
        if not made:
            pytest.skip(f"{type(self).__name__}.changing names no stream that {_said(wanted)}")
        return made

    def may_change(self, stream: str) -> bool:
        return self.changing is None or stream in self.changing

    def asked_to(self, what: str, *arguments: Any, **more: Any) -> Any:
        """Call a method of the subclass; skips where it does not say how."""
        try:
            return getattr(self, what)(*arguments, **more)
        except NotImplementedError:
            if what == "disturb":
                pytest.skip(f"{type(self).__name__} has no way to a vendor that answers: {FAULTS[arguments[0]]}")
            pytest.skip(f"{type(self).__name__} does not say how to {' '.join([what, *map(str, arguments[:1])])}")

    # --- reading -----------------------------------------------------------------------------------------------------

    def pages(
        self, source: Source, stream: str, lo: datetime | None = None, hi: datetime | None = None, position: Any = None
    ) -> list[Page]:
        """The pages of a window, read to the end; `hi` is the vendor's present unless it is given."""
        return list(source.read(stream, Window(lo, hi or source.now()), position))

    def changing_pages(self, source: Source, stream: str, lo: datetime | None, hi: datetime) -> Iterator[Page]:
        """The pages of a window while the caller changes the vendor between them.

        A source may end such a reading as Transient; it is then taken up at its last position, as the next run does.
        """
        position: Any = None
        for _ in range(ATTEMPTS):
            try:
                for page in source.read(stream, Window(lo, hi), position):
                    position = json.loads(json.dumps(page.position))
                    yield page
                return
            except Transient:
                continue
        pytest.fail(f"{stream}: a reading does not end while its records change")

    def shown(self, source: Source, stream: str) -> list[Sequence[Exchange]]:
        """The exchanges of each page of a stream as a whole: those recorded, else those read now."""
        if self.recorded is not None:
            return list(self.recorded.get(stream, ()))
        return [page.exchanges for page in self.pages(source, stream)]

    def records(self, source: Source, stream: str, pages: Iterable[Page]) -> list[Record]:
        """The records of pages, in order."""
        return [record for page in pages for record in source.records(stream, page.exchanges)]

    def window(self, source: Source, stream: str, lo: datetime | None, hi: datetime | None = None) -> dict[str, str]:
        """What a window shows, by key: the meaning of each record."""
        return self.said(stream, self.records(source, stream, self.pages(source, stream, lo, hi)))

    def whole(self, source: Source, stream: str) -> dict[str, str]:
        """What a reading from the beginning shows."""
        return self.window(source, stream, None)

    def said(self, stream: str, records: Iterable[Record]) -> dict[str, str]:
        """What records mean to the connector, by key; the last one where a key comes twice."""
        return meaning(self.mapping, stream, records)

    def stamps(self, source: Source, stream: str, keys: Sequence[str]) -> dict[str, datetime]:
        """When these records were last changed, as the adapter has it; skips where it has no stamps."""
        found = {record.key: record.modified for record in self.records(source, stream, self.pages(source, stream))}
        missing = [key for key in keys if key not in found]
        assert not missing, f"{stream}: a whole reading does not show {missing}"
        if any(found[key] is None for key in keys):
            pytest.skip(f"the records of {stream} carry no modified stamp")
        return {key: moment(stamp) for key in keys if (stamp := found[key]) is not None}

    def everything(self) -> tuple[Source, dict[str, list[Record]]]:
        """An adapter, and every record of every stream in a world that was given some."""
        source = self.make()
        if self.recorded is None:
            self.fill(source)
        found = {
            one.name: [
                record for exchanges in self.shown(source, one.name) for record in source.records(one.name, exchanges)
            ]
            for one in source.streams()
        }
        assert any(found.values()), "no stream shows a record: let `served` begin with some, or say how to `add`"
        return source, found

    def fill(self, source: Source) -> None:
        """Records in every stream that can be changed, if any can."""
        for one in source.streams():
            if self.may_change(one.name):
                try:
                    for _ in range(self.many):
                        self.add(one.name)
                except NotImplementedError:
                    return
        self.tick()

    def leaked(self, *values: Any) -> list[str]:
        """The secrets that stand in the text of these values, in whatever form."""
        forms = Redactor(lambda: self.secrets).forms()
        text = "\n".join(str(value) for value in values)
        return [form for form in forms if form in text]


def _said(wanted: Mapping[str, bool]) -> str:
    """The properties of a stream in words."""
    return " and ".join(("" if is_ else "not: ") + WORDS[name] for name, is_ in wanted.items()) or "is there"

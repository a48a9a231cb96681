"""A vendor's account for the tests of passes and webhooks: rows that are listed, hidden, dropped and brought back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from connector.errors import HookRefused
from connector.model import micros
from connector.ports import HookEvent, HookRequest, Listed, Page, Record, Stream
from connector.testing import MemorySource, context
from tests.properties.world import World


def record_of(row: dict[str, Any]) -> Record:
    """A row as the record it is read as."""
    return Record(str(row["id"]), micros(datetime.fromisoformat(row["modified"])), row)


class Account(MemorySource):
    """Deals that are listed by id, read in windows and by id.

    `unlisted`: keys that only answer by id (hidden, or archived with their tombstone). `answers`: what is answered by
    id under another key, as merged records are. `asked` are the keys asked by id, in order; `lists` how often all ids
    were listed. `tells`: the list says when each was changed. `skew`: how far the vendor's clock is ahead of ours.
    `before_ids` is called before each page of ids.
    """

    def __init__(self, world: World, rows: list[dict[str, Any]], *, complete: bool = False, by_id: bool = True) -> None:
        stream = Stream("deals", by_id=by_id, complete=complete, ids=True)
        super().__init__("crm", context(world.clock), {"deals": rows}, streams=[stream])
        self.unlisted: set[str] = set()
        self.answers: dict[str, str] = {}
        self.asked: list[str] = []
        self.lists = 0
        self.tells = True
        self.skew = timedelta(0)
        self.events: list[HookEvent] = []

    @property
    def deals(self) -> list[dict[str, Any]]:
        return self.rows["deals"]

    def now(self) -> datetime:
        return self.context.clock.now() + self.skew

    def drop(self, *keys: int) -> None:
        """Records that are gone altogether."""
        self.deals[:] = [row for row in self.deals if int(row["id"]) not in keys]

    def put(self, row: dict[str, Any]) -> None:
        """A record as it is from now on."""
        self.drop(int(row["id"]))
        self.deals.append(row)

    def before_ids(self, pages: int) -> None:
        return None

    def list_ids(self, stream: str) -> Iterator[Sequence[Listed]]:
        self.lists += 1
        there = [record_of(row) for row in self.deals if str(row["id"]) not in self.unlisted]
        listed = sorted(Listed(record.key, record.modified if self.tells else None) for record in there)
        for number, start in enumerate(range(0, max(len(listed), 1), 3)):
            self.before_ids(number)
            yield listed[start : start + 3]

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        for start in range(0, len(ids), 2):
            some = ids[start : start + 2]
            self.asked += some
            self.before_page(stream, start)
            wanted = {self.answers.get(key, key) for key in some}
            yield self._page(stream, [row for row in self.deals if str(row["id"]) in wanted], None)

    def hook(self, request: HookRequest) -> Sequence[HookEvent]:
        if request.headers.get("signature") != "good":
            raise HookRefused("the signature is not the vendor's", system=self.name)
        return self.events

"""Single records of the fake HubSpot account, and what its search, which lags behind, still sees of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.twins.hubspot_properties import Property
from connector.twins.hubspot_types import DEFAULTS, KNOWN, SYSTEM

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 UTC of an aware datetime."""
    return (moment - _EPOCH) // _MILLISECOND


def stamp(at: int) -> str:
    """ISO 8601 with milliseconds and Z."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Item:
    """One record; `history` has the oldest entry first (it is served newest first)."""

    __slots__ = ("archived_at", "created_at", "history", "id", "modified_at", "properties")

    def __init__(self, id_: int, created_at: int) -> None:
        self.id = id_
        self.created_at = self.modified_at = created_at
        self.archived_at: int | None = None
        self.properties: dict[str, str | None] = {}
        self.history: dict[str, list[dict[str, Any]]] = {}

    def write(self, properties: Mapping[str, str | None], at: int, user: int | None) -> bool:
        """Set what differs and keep it in the history; whether anything did.

        What is stamped earlier than the newest entry of its property only takes its place in the history.
        """
        source = (
            {"sourceType": "INTEGRATION", "sourceId": "connector-twin"} if user is None
            else {"sourceType": "CRM_UI", "sourceId": f"userId:{user}", "updatedByUserId": user}
        )
        timestamp, changed = stamp(at), False
        for name, value in properties.items():
            if name in SYSTEM:
                continue
            entry = {"value": value or "", "timestamp": timestamp, **source}
            held = self.history.get(name)
            if held and held[-1]["timestamp"] > timestamp:
                held.insert(bisect_right(held, timestamp, key=_time_of), entry)
                changed = True
            elif self.properties.get(name) != value:
                self.properties[name] = value
                self.history.setdefault(name, []).append(entry)
                changed = True
        if changed:
            self.modified_at = max(self.modified_at, at)
        return changed

    def copy(self, id_: int | None = None) -> Item:
        """As it is now, under its own id or another; later changes of one do not show in the other."""
        made = Item(self.id if id_ is None else id_, self.created_at)
        made.modified_at, made.archived_at = self.modified_at, self.archived_at
        made.properties = dict(self.properties)
        made.history = {name: list(entries) for name, entries in self.history.items()}
        return made


def _time_of(entry: Mapping[str, Any]) -> str:
    return str(entry["timestamp"])


class Collection:
    """All records of one type; `ids` are in rising order. `known` are the properties the account has, `described` those
    of them that are not as HubSpot made them.

    `merged` says into which record an absorbed id went, `gone` keeps what absorbed and purged records last were.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: dict[int, Item] = {}
        self.ids: list[int] = []
        self.known = {*DEFAULTS[kind], *KNOWN[kind]}
        self.dropped: set[str] = set()
        self.described: dict[str, Property] = {}
        self.merged: dict[int, int] = {}
        self.gone: dict[int, Item] = {}

    def from_id(self, first: int) -> Iterable[Item]:
        """The records with that id or a higher one."""
        return (self.items[id_] for id_ in self.ids[bisect_left(self.ids, first):])

    def find(self, id_: str) -> Item | None:
        """The record that answers to this id: of an absorbed one, the survivor."""
        if not (id_.isascii() and id_.isdigit()):
            return None
        number = int(id_)
        while number in self.merged:
            number = self.merged[number]
        return self.items.get(number)

    def is_live(self, number: int) -> bool:
        """Whether there is such a record, and not archived."""
        item = self.items.get(number)
        return item is not None and item.archived_at is None

    def remove(self, number: int) -> None:
        """Take a record out of everything but `gone`."""
        self.gone[number] = self.items.pop(number)
        del self.ids[bisect_left(self.ids, number)]


class Index:
    """What search knows: everything as it was `lag` milliseconds ago. Without a lag it keeps nothing."""

    def __init__(self) -> None:
        self.lag = 0
        self._before: dict[str, dict[int, deque[tuple[int, Item | None]]]] = {}

    @property
    def size(self) -> int:
        """How many earlier states are kept."""
        return sum(len(states) for before in self._before.values() for states in before.values())

    def remember(self, collection: Collection, number: int, now: int) -> None:
        """Called before a record changes: until `now + lag`, search sees it as it is at this moment."""
        if self.lag:
            item = collection.items.get(number)
            before = self._before.setdefault(collection.kind, {}).setdefault(number, deque())
            before.append((now, item.copy() if item else None))

    def shown(self, collection: Collection, now: int, first: int = 0) -> Iterable[Item]:
        """The records from that id on that search sees, by rising id, archived ones too."""
        before = self._before.get(collection.kind)
        if not before:
            return collection.from_id(first)
        for number in list(before):
            states = before[number]
            while states and states[0][0] <= now - self.lag:
                states.popleft()
            if not states:
                del before[number]
        seen = (before[number][0][1] if number in before else collection.items[number]
                for number in sorted({*collection.ids, *before}) if number >= first)
        return [item for item in seen if item is not None]

"""What a HubSpot account holds: records with the history of their properties, their associations, deal splits.

Everything is kept as HubSpot sends it: a property is text or null, instants are ISO 8601 with milliseconds and Z.
Changes are stamped by the clock handed in, or by `at` (milliseconds since 1970 UTC) where a plan is played. `user` is
the user id that the histories name; None stands for an integration.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from connector.ports import Clock
from connector.twins.hubspot_types import CREATED, MERGEABLE, MERGED, MODIFIED, STAGED, SYSTEM
from connector.twins.portal_items import Collection, Index, Item, milliseconds, stamp
from connector.twins.portal_late import Late
from connector.twins.portal_properties import Properties

__all__ = ["Collection", "Item", "Portal", "milliseconds", "stamp"]

_DAY = 86_400_000
PURGED_AFTER_DAYS = 90


class Portal(Properties, Late):
    """One account. Not locked: a twin takes its own lock around every use."""

    def __init__(self, clock: Clock, *, first_id: int = 9_999_901) -> None:
        super().__init__(clock)
        self.splits: dict[int, list[dict[str, Any]]] = {}
        self.links_per_page = 500
        self.index = Index()
        self._next_id = dict.fromkeys((*MODIFIED, "splits"), first_id)

    # --- records -----------------------------------------------------------------------------------------------------

    def item(self, kind: str, id_: str | int) -> Item:
        """One record. Raises KeyError, also for one that was merged away or purged."""
        return self.collections[kind].items[int(id_)]

    def create(self, kind: str, properties: Mapping[str, str | None], *, at: int | None = None,
               user: int | None = None, id_: str | int | None = None, links: Iterable[tuple[str, str]] = ()) -> str:
        """A new record, linked to (type, id); its id is the next one unless given."""
        collection, moment = self.collections[kind], self._at(at)
        number = int(self._reserve(kind) if id_ is None else id_)
        if number in collection.items or number in collection.gone:
            raise ValueError(f"{kind} {number} exists")
        self._next_id[kind] = max(self._next_id[kind], number + 1)
        item = Item(number, moment)
        item.properties |= {CREATED[kind]: stamp(moment), "hs_object_id": str(number)}
        self._write(collection, item, properties, moment, user)
        self._remember(kind, number)
        self._put(kind, item)
        for other_kind, other_id in links:
            self.associate(kind, number, other_kind, other_id)
        return str(number)

    def update(self, kind: str, id_: str | int, properties: Mapping[str, str | None], *, at: int | None = None,
               user: int | None = None) -> None:
        """Change properties; equal values change nothing, not even the modified date. Raises KeyError."""
        item = self.item(kind, id_)
        self._remember(kind, item.id)
        if self._write(self.collections[kind], item, properties, self._at(at), user):
            self._modified(kind, item)

    def bulk_update(self, kind: str, ids: Iterable[str | int], properties: Mapping[str, str | None], *,
                    at: int | None = None, user: int | None = None) -> None:
        """Change many records at one instant, as an import does: all get the same modified date. Raises KeyError."""
        moment = self._at(at)
        for id_ in ids:
            self.update(kind, id_, properties, at=moment, user=user)

    def move_stage(self, deal: str | int, stage: str, *, at: int | None = None, user: int | None = None) -> None:
        """Put a deal into a stage of its pipeline."""
        self.update("deals", deal, {"dealstage": stage}, at=at, user=user)

    def change_owner(self, deal: str | int, owner: str | None, *, at: int | None = None,
                     user: int | None = None) -> None:
        """Give a deal to another owner, or to nobody."""
        self.update("deals", deal, {"hubspot_owner_id": owner}, at=at, user=user)

    def archive(self, kind: str, id_: str | int, *, at: int | None = None) -> None:
        """Delete: hidden from lists, search and associations, shown by `archived=true`. Raises KeyError."""
        item, moment = self.item(kind, id_), self._at(at)
        self._remember(kind, item.id)
        item.archived_at = item.modified_at = max(moment, item.modified_at)
        self._modified(kind, item)

    def restore(self, kind: str, id_: str | int, *, at: int | None = None, stamp: bool = True) -> None:
        """Undo `archive`; the modified date moves, unless there is to be no `stamp` of it. Raises KeyError."""
        item = self.item(kind, id_)
        self._remember(kind, item.id)
        item.archived_at = None
        if stamp:
            item.modified_at = max(self._at(at), item.modified_at)
        self._modified(kind, item)

    def purge(self, kind: str, id_: str | int) -> None:
        """Make an archived record vanish for good. Raises KeyError, and ValueError while it is not archived."""
        item = self.item(kind, id_)
        if item.archived_at is None:
            raise ValueError(f"{kind} {id_} is not archived")
        self._remember(kind, item.id)
        self.collections[kind].remove(item.id)

    def purge_old(self, days: int = PURGED_AFTER_DAYS) -> int:
        """Purge what was archived that many days ago or earlier; how many records that were."""
        until = self._at() - days * _DAY
        due = [(kind, item.id) for kind, one in self.collections.items() for item in one.from_id(0)
               if item.archived_at is not None and item.archived_at <= until]
        for kind, number in due:
            self.purge(kind, number)
        return len(due)

    def merge(self, kind: str, primary: str | int, other: str | int, *, new_id: bool = False,
              histories: Literal["own", "both"] = "own", at: int | None = None, user: int | None = None) -> str:
        """Merge `other` into `primary`; the id of the survivor, which is a third one with `new_id`.

        The survivor keeps the primary's values and histories, fills its empty properties from the other's, takes over
        the other's associations, and is as old as the older one. histories: with `both`, the other's entries are found
        among its own. Raises KeyError, and ValueError for a type or records that cannot be merged.
        """
        collection, moment = self.collections[kind], self._at(at)
        first, second = self.item(kind, primary), self.item(kind, other)
        if kind not in MERGEABLE:
            raise ValueError(f"{kind} cannot be merged")
        if first is second or first.archived_at is not None or second.archived_at is not None:
            raise ValueError(f"{kind} {primary} and {other} are not two live records")
        survivor = first if not new_id else first.copy(int(self._reserve(kind)))
        for number in (first.id, second.id, survivor.id):
            self._remember(kind, number)
        absorbed = [second] if not new_id else [first, second]
        ids = [one for item in absorbed for one in (*str(item.properties.get(MERGED) or "").split(";"), str(item.id))]
        ids = [*str(survivor.properties.get(MERGED) or "").split(";"), *ids]
        survivor.properties |= {"hs_object_id": str(survivor.id), MERGED: ";".join(dict.fromkeys(filter(None, ids)))}
        self._blend(collection, survivor, second, moment, user, histories)
        for item in absorbed:
            collection.remove(item.id)
            collection.merged[item.id] = survivor.id
            self._relink(kind, item.id, survivor.id)
        if kind == "deals" and new_id and first.id in self.splits:
            self.splits[survivor.id] = self.splits.pop(first.id)
        self._put(kind, survivor)
        return str(survivor.id)

    # --- deal splits -------------------------------------------------------------------------------------------------

    def set_splits(self, deal: str | int, shares: Mapping[str, str], *, at: int | None = None) -> None:
        """Share a deal between owners, each share (0..1) as text; none ends the sharing. The modified date moves.

        Raises KeyError, and ValueError unless the deal's owner is among them and the shares add up to 1.
        """
        item, moment = self.item("deals", deal), self._at(at)
        owner = item.properties.get("hubspot_owner_id")
        if shares and (owner not in shares or sum(map(Decimal, shares.values())) != 1):
            raise ValueError("the deal's owner must be among the split users, and the shares must add up to 1")
        self._remember("deals", item.id)
        self.splits.pop(item.id, None)
        if shares:
            self.splits[item.id] = [
                {"id": self._reserve("splits"), "createdAt": stamp(moment), "updatedAt": stamp(moment),
                 "archived": False,
                 "properties": {"hs_deal_split_percentage": share, "hubspot_owner_id": user}}
                for user, share in shares.items()
            ]
        item.modified_at = max(item.modified_at, moment)
        self._modified("deals", item)

    # --- what is seen late -------------------------------------------------------------------------------------------

    @property
    def index_lag(self) -> float:
        """How many seconds search is behind; lists, batch and single reads never are. Only later changes lag."""
        return self.index.lag / 1000

    @index_lag.setter
    def index_lag(self, seconds: float) -> None:
        self.index.lag = int(seconds * 1000)

    def searchable(self, kind: str, first: int = 0) -> Iterable[Item]:
        """The records from that id on as search sees them, by rising id, archived ones too."""
        return self.index.shown(self.collections[kind], self._at(), first)

    def hold(self, change: Callable[..., Any], *arguments: Any, seconds: float | None = None,
             **keywords: Any) -> str | None:
        """Make a change that takes `at` now, to be seen later: `hold(portal.update, "deals", 5, {…}, seconds=90)`.

        It is seen after so many seconds, or at `release`. A held `create` has its id at once, which is returned.
        """
        keywords.setdefault("at", self._at())
        if change == self.create and "id_" not in keywords:
            keywords["id_"] = self._reserve(arguments[0])
        self._keep(partial(change, *arguments, **keywords), seconds)
        return keywords.get("id_")

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _reserve(self, kind: str) -> str:
        self._next_id[kind] += 1
        return str(self._next_id[kind] - 1)

    def _remember(self, kind: str, number: int) -> None:
        self.index.remember(self.collections[kind], number, self._at())

    def _put(self, kind: str, item: Item) -> None:
        collection = self.collections[kind]
        if item.id not in collection.items:
            collection.items[item.id] = item
            insort(collection.ids, item.id)
        self._modified(kind, item)

    def _modified(self, kind: str, item: Item) -> None:
        item.properties[MODIFIED[kind]] = stamp(item.modified_at)

    def _blend(self, collection: Collection, survivor: Item, other: Item, at: int, user: int | None,
               histories: Literal["own", "both"]) -> None:
        """Give a survivor what the absorbed record brings."""
        if histories == "both":
            for name, entries in other.history.items():
                mixed = [*survivor.history.get(name, ()), *entries]
                survivor.history[name] = sorted(mixed, key=lambda entry: str(entry["timestamp"]))
        for name, value in other.properties.items():
            if name not in SYSTEM and value is not None and survivor.properties.get(name) is None:
                if histories == "both":
                    survivor.properties[name] = value
                else:
                    survivor.write({name: value}, at, user)
        survivor.created_at = min(survivor.created_at, other.created_at)
        survivor.properties[CREATED[collection.kind]] = stamp(survivor.created_at)
        survivor.modified_at = max(survivor.modified_at, other.modified_at, at)

    def _write(self, collection: Collection, item: Item, properties: Mapping[str, str | None], at: int,
               user: int | None) -> bool:
        if dropped := collection.dropped.intersection(properties):
            raise ValueError(f"there is no property {min(dropped)}")
        collection.known.update(properties)
        kind = collection.kind
        if kind in STAGED and (stage := properties.get(STAGED[kind][1])):
            stages = self.stages_of(kind)
            if stage not in stages:
                raise ValueError(f"no stage {stage}")
            if kind == "deals":
                properties = {**self._computed(item, stages[stage], properties, at), **properties}
        elif kind == "contacts" and (stage := properties.get("lifecyclestage")):
            reached = f"hs_lifecyclestage_{stage}_date"
            if item.properties.get("lifecyclestage") != stage:
                collection.known.add(reached)
                properties = {reached: stamp(at), **properties}
        if collection.dropped:
            properties = {name: value for name, value in properties.items() if name not in collection.dropped}
        return item.write(properties, at, user)

    def _computed(self, item: Item, stage: Mapping[str, Any], properties: Mapping[str, str | None],
                  at: int) -> dict[str, str | None]:
        """What HubSpot sets by itself when a deal enters a stage; the probability is a float, written out in full."""
        is_closed, probability = stage["metadata"]["isClosed"], stage["metadata"]["probability"]
        computed: dict[str, str | None] = {
            "hs_is_closed": is_closed,
            "hs_is_closed_won": str(probability == "1.0").lower(),
            "hs_deal_stage_probability": str(Decimal(float(probability))),
        }
        if is_closed == "true" and item.properties.get("dealstage") != stage["id"] and "closedate" not in properties:
            computed["closedate"] = stamp(at)
        return computed

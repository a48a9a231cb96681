"""How the records of the fake HubSpot account are linked with one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.ports import Clock
from connector.twins.hubspot_types import MODIFIED
from connector.twins.portal_items import Collection
from connector.twins.portal_setup import Setup


class Links(Setup):
    """The records by type, and their associations: (type, other type), then id to linked ids, both ways."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.collections = {kind: Collection(kind) for kind in MODIFIED}
        self.links: dict[tuple[str, str], dict[int, list[int]]] = {}

    def associate(self, kind: str, id_: str | int, other_kind: str, other_id: str | int) -> None:
        """Link two records, both ways; neither's modified date moves (as with HubSpot)."""
        for (one, number), (other, to) in _both_ways(kind, id_, other_kind, other_id):
            held = self.links.setdefault((one, other), {}).setdefault(number, [])
            if to not in held:
                held.append(to)

    def dissociate(self, kind: str, id_: str | int, other_kind: str, other_id: str | int) -> None:
        """Undo `associate`; neither's modified date moves. Raises KeyError or ValueError where there is no link."""
        for (one, number), (other, to) in _both_ways(kind, id_, other_kind, other_id):
            self.links[one, other][number].remove(to)

    def linked(self, kind: str, id_: int, other_kind: str) -> list[int]:
        """The ids linked to a record, first linked first; an archived or purged one is not shown."""
        held, others = self.links.get((kind, other_kind), {}).get(id_), self.collections[other_kind]
        return [one for one in held if others.is_live(one)] if held else []

    def _relink(self, kind: str, from_: int, to: int) -> None:
        for (one, other), held in self.links.items():
            if one == kind:
                for number in held.get(from_, ()):
                    self.associate(kind, to, other, number)
        for (one, other), held in self.links.items():
            if one == kind:
                for number in held.pop(from_, ()):
                    self.links[other, one][number].remove(from_)


def _both_ways(kind: str, id_: str | int, other_kind: str, other_id: str | int) -> Sequence[Any]:
    one, other = (kind, int(id_)), (other_kind, int(other_id))
    return (one, other), (other, one)

"""Which parts of a record a JMESPath reads, told from the path alone, and a record cut down to such parts. Pure.

Rather too much than too little: what a function is given is read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import jmespath

Place = tuple[str, ...]
"""The keys that lead to a value; `ITEM` stands for each item of a list, `ANY` for each key of an object."""

ITEM, ANY = "[]", "*"
U = TypeVar("U")


def reads(path: str) -> set[Place]:
    """The places whose whole value a path may give, compare or hand to a function. Raises ValueError for no JMESPath.
    """
    try:
        parsed: Mapping[str, Any] = jmespath.compile(path).parsed
    except jmespath.exceptions.JMESPathError:
        raise ValueError(f"{path} is no JMESPath") from None
    found: set[Place] = set()
    return found | _result(parsed, {()}, found)


def _result(node: Mapping[str, Any], at: set[Place], read: set[Place]) -> set[Place]:
    """Where the value of a node may stand, if its own begins at one of `at`; what it reads besides goes to `read`."""
    kind, children = node["type"], [one for one in node.get("children", ()) if isinstance(one, Mapping)]
    if kind in ("field", "index"):
        return {(*place, node["value"] if kind == "field" else ITEM) for place in at}
    if kind in ("current", "identity", "slice"):
        return at
    if kind in ("subexpression", "index_expression", "pipe"):
        for child in children:
            at = _result(child, at, read)
        return at
    if kind in ("projection", "value_projection", "filter_projection"):
        each = ANY if kind == "value_projection" else ITEM
        items = {(*place, each) for place in _result(children[0], at, read)}
        if kind == "filter_projection":
            read |= _result(children[2], items, read)
        return _result(children[1], items, read)
    if kind == "flatten":
        lists = _result(children[0], at, read)
        return lists | {(*place, ITEM) for place in lists}
    if kind == "expref":
        children = []  # what it looks into is given to the function as a whole
    parts = set[Place]().union(*(_result(child, at, read) for child in children))
    read |= parts  # compared, asked whether it is there, handed to a function, or made a part of something new
    made_of = ("or_expression", "and_expression", "multi_select_list", "multi_select_dict", "key_val_pair")
    return parts if kind in made_of else set()


@dataclass(slots=True)
class Parts(Generic[U]):
    """Places of a record as a tree, each with what it is used for; a place with a use is read as a whole."""

    below: dict[str, Parts[U]] = field(default_factory=dict)
    uses: set[U] = field(default_factory=set)

    def add(self, place: Place, *uses: U) -> None:
        """One more place; without a use only that it is there matters."""
        node = self
        for key in place:
            node = node.below.setdefault(key, Parts())
        node.uses.update(uses)

    def cut(
        self, data: Any, change: Callable[[Any, Set[U]], Any], rename: Callable[[str], str], held: Set[U] = frozenset()
    ) -> Any:
        """The data with these places only, each plain value as `change` gives it for its uses, and each key that no
        place names as `rename` does.

        A plain value is kept where a place leads further than it: what a path makes of a value may have more in it.
        `held`: the uses of what the data is part of.
        """
        own = held | self.uses
        if isinstance(data, Mapping):
            found = {str(key): self._below(str(key), ANY) for key in data}
            kept = {key: parts or Parts() for key, parts in found.items() if parts is not None or own}
            return {
                key if key in self.below else rename(key): parts.cut(data[key], change, rename, own)
                for key, parts in kept.items()
            }
        if isinstance(data, list):
            items = self._below(ITEM)
            kept_all = items is not None or own
            return [(items or Parts()).cut(item, change, rename, own) for item in data] if kept_all else []
        return change(data, own | self._all())

    def _below(self, *names: str) -> Parts[U] | None:
        """What stands under these names together; None where nothing does."""
        nodes = [self.below[name] for name in dict.fromkeys(names) if name in self.below]
        return _merged(nodes) if nodes else None

    def _all(self) -> set[U]:
        """Its uses, and those of all places below."""
        return self.uses.union(*(node._all() for node in self.below.values()))


def _merged(nodes: Sequence[Parts[U]]) -> Parts[U]:
    """Several trees as one."""
    made: Parts[U] = Parts()
    for node in nodes:
        made.uses |= node.uses
        for key, below in node.below.items():
            made.below[key] = _merged([made.below[key], below]) if key in made.below else below
    return made

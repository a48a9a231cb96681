"""HubSpot's search: filter groups (any of), filters (all of), one sort, pages by offset, never beyond 10,000."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.twins.hubspot_types import CREATED, INSTANTS, MODIFIED, NUMBERS
from connector.twins.portal import Collection, Item, milliseconds

MAX_RESULTS = 10_000
MAX_PAGE = 200

Test = Callable[[Item], bool]


class BadSearch(ValueError):
    """The body is not a search HubSpot accepts; the text is its message."""


def search(collection: Collection, items: Iterable[Item],
           body: Mapping[str, Any]) -> tuple[int, list[Item], str | None]:
    """How many of the items match, those of the page asked for, and `after` of the next page. Raises BadSearch.

    The items come in the order of their ids.
    """
    limit, offset = _whole(body, "limit", 10), _whole(body, "after", 0)
    if not 1 <= limit <= MAX_PAGE:
        raise BadSearch(f"limit must be between 1 and {MAX_PAGE}, not {limit}")
    if offset + limit > MAX_RESULTS:
        raise BadSearch(f"paging cannot go beyond {MAX_RESULTS} results: after {offset}, limit {limit}")
    groups = body.get("filterGroups") or []
    if len(groups) > 5 or sum(len(group.get("filters", ())) for group in groups) > 18:
        raise BadSearch("at most 5 filterGroups and 18 filters")
    tests = [[_test(collection, one) for one in group.get("filters", ())] for group in groups]
    found = [
        item for item in items
        if item.archived_at is None and (not tests or any(all(test(item) for test in group) for group in tests))
    ]
    _sort(collection, found, body.get("sorts") or [])
    after = str(offset + limit) if offset + limit < len(found) else None
    return len(found), found[offset:offset + limit], after


def lowest_id(body: Mapping[str, Any]) -> int:
    """An id below which nothing can match: whoever pages by id asks for higher ones each time."""
    groups = body.get("filterGroups") or []
    bounds = [0]
    for one in groups[0].get("filters", ()) if len(groups) == 1 else ():
        if one.get("propertyName") == "hs_object_id" and one.get("operator") in ("GT", "GTE", "EQ"):
            value = str(one.get("value"))
            bounds.append(int(value) if value.isascii() and value.isdigit() else 0)
    return max(bounds)


def _whole(body: Mapping[str, Any], name: str, default: int) -> int:
    """A number that may be written as text."""
    given = body.get(name)
    if given in (None, ""):
        return default
    if isinstance(given, bool) or not str(given).isdigit():
        raise BadSearch(f"{name} must be a whole number")
    return int(str(given))


def _sort(collection: Collection, found: list[Item], sorts: Sequence[Any]) -> None:
    """By the one sort given; HubSpot's own order is by creation."""
    if len(sorts) > 1:
        raise BadSearch("only one sort is supported")
    wanted = sorts[0] if sorts else CREATED[collection.kind]
    if isinstance(wanted, str):
        wanted = {"propertyName": wanted.lstrip("-"), "direction": "DESCENDING" if wanted[0] == "-" else "ASCENDING"}
    name = wanted.get("propertyName", "")
    value = _reader(collection, name)
    if name != "hs_object_id":  # by id they are already
        empty = [item for item in found if value(item) is None]
        found[:] = sorted((item for item in found if value(item) is not None), key=value) + empty
    if wanted.get("direction") == "DESCENDING":
        found.reverse()


def _reader(collection: Collection, name: str) -> Callable[[Item], Any]:
    """What a property is compared as: a number (milliseconds for instants), or text in lower case."""
    if name not in collection.known:
        raise BadSearch(f"there is no property {name!r} on {collection.kind}")
    if name == "hs_object_id":
        return lambda item: item.id
    if name == MODIFIED[collection.kind]:
        return lambda item: item.modified_at
    if name == CREATED[collection.kind]:
        return lambda item: item.created_at
    convert: Callable[[str], Any] = str.lower
    if name in INSTANTS or name in NUMBERS:
        convert = _instant if name in INSTANTS else _number
    return lambda item: None if (value := item.properties.get(name)) in (None, "") else convert(str(value))


def _instant(text: str) -> int:
    """Milliseconds of epoch milliseconds or ISO 8601, as text."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        return milliseconds(datetime.fromisoformat(text if "T" in text else text + "T00:00:00Z"))
    except (ValueError, TypeError) as error:
        raise BadSearch(f"{text!r} is neither epoch milliseconds nor ISO 8601") from error


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise BadSearch(f"{text!r} is not a number") from error


_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda left, right: left == right,
    "LT": lambda left, right: left < right,
    "LTE": lambda left, right: left <= right,
    "GT": lambda left, right: left > right,
    "GTE": lambda left, right: left >= right,
}


def _test(collection: Collection, one: Mapping[str, Any]) -> Test:
    """One filter as a function of a record."""
    name, operator = str(one.get("propertyName", "")), str(one.get("operator", ""))
    value = _reader(collection, name)
    convert: Callable[[str], Any] = str.lower
    if name in INSTANTS or name in NUMBERS:
        convert = _instant if name in INSTANTS else _number

    def given(key: str) -> Any:
        if one.get(key) is None:
            raise BadSearch(f"{operator} on {name} needs {key}")
        content = one[key]
        return [convert(str(part)) for part in content] if isinstance(content, list) else convert(str(content))

    if operator in _ORDERED:
        compare, bound = _ORDERED[operator], given("value")
        return lambda item: (held := value(item)) is not None and compare(held, bound)
    if operator == "BETWEEN":
        low, high = given("value"), given("highValue")
        return lambda item: (held := value(item)) is not None and low <= held <= high
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return lambda item: (value(item) is not None) == (operator == "HAS_PROPERTY")
    if operator in ("IN", "NOT_IN"):
        among = set(given("values"))
        return lambda item: (value(item) in among) == (operator == "IN")
    if operator == "NEQ":
        other = given("value")
        return lambda item: value(item) != other
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        token = re.compile(".*".join(re.escape(part) for part in str(given("value")).split("*")) + r"$")
        return lambda item: _has_token(str(value(item) or ""), token) == (operator == "CONTAINS_TOKEN")
    raise BadSearch(f"unknown operator {operator!r}")


def _has_token(text: str, token: re.Pattern[str]) -> bool:
    return any(token.match(word) for word in [text, *re.split(r"[\s@.,;/]+", text)])

"""What some records stand for: how many deals, and the money of those deals. Pure, and lenient: one that cannot be
mapped, for whatever reason, still has its key and its amount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connector.exact import money_text
from connector.mapping import EntryRule, row_id
from connector.mapping import Mapping as SourceMapping
from connector.paths import holds
from connector.ports import Record
from connector.rules import Rule


@dataclass(frozen=True, slots=True)
class Affected:
    """`records`, the different `deals` they make or belong to, and those deals' `money`: ten-thousandths by currency,
    sorted by its code."""

    records: int = 0
    deals: int = 0
    money: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """{"records", "deals", "money": [{"currency", "amount"}]}, amounts with their currency's decimals."""
        money = [{"currency": code, "amount": money_text(units, code)} for code, units in self.money.items()]
        return {"records": self.records, "deals": self.deals, "money": money}


def of_records(source_mapping: SourceMapping, stream: str, records: Iterable[Record]) -> Affected:
    """What these records of a stream stand for."""
    stakes, tally = Stakes(source_mapping, stream), Tally()
    for record in records:
        tally.add(stakes.of(record))
    return tally.total


class Stake(NamedTuple):
    """What one record stands for: the ids of its deals, and of those whose amount is known the currency and units."""

    deals: Set[str]
    amounts: Mapping[str, tuple[str, int]]


class Stakes:
    """Reads what the records of one stream stand for.

    A deal's amount is read by the stream's own deal entry; of a stream that only names deals, such as calls, it is not
    known and left out, and so is an amount that cannot be read or has no currency.
    """

    def __init__(self, source_mapping: SourceMapping, stream: str) -> None:
        entries = source_mapping.entries.get(stream, ())
        own = [entry for entry in entries if entry.entity.name == "deal"]
        self._own = [entry for entry in own if entry.each is None] or own  # deals listed in a deal: those it absorbed
        self._naming = [(entry, rule) for entry in entries for rule in entry.rules if rule.field == "deal"]
        self._prefix = f"{source_mapping.source}:"

    def of(self, record: Record) -> Stake:
        """What it stands for."""
        deals, amounts = set[str](), dict[str, tuple[str, int]]()
        for entry in self._own:
            for scope in _scopes(entry, record.data):
                if (deal := _key(entry, scope)) is not None:
                    deals.add(deal)
                    if (worth := _worth(entry, scope)) is not None:
                        amounts[deal] = worth
        for entry, rule in self._naming:
            named = (_read(rule, scope) for scope in _scopes(entry, record.data))
            deals.update(str(deal).removeprefix(self._prefix) for deal in named if deal is not None)
        return Stake(deals, amounts)


class Tally:
    """Adds up what records stand for as they come; of two that stand for one deal the later one tells its amount."""

    def __init__(self) -> None:
        self._records, self._deals = 0, set[str]()
        self._amounts: dict[str, tuple[str, int]] = {}

    def add(self, stake: Stake) -> None:
        """One more record."""
        self._records += 1
        self._deals |= stake.deals
        self._amounts.update(stake.amounts)

    @property
    def total(self) -> Affected:
        """All so far."""
        money: dict[str, int] = {}
        for currency, units in self._amounts.values():
            money[currency] = money.get(currency, 0) + units
        return Affected(self._records, len(self._deals), dict(sorted(money.items())))


def _scopes(entry: EntryRule, data: Any) -> Iterator[Any]:
    """What the entry's paths begin at: the record, or each item of its list; only where its condition holds."""
    try:
        items = entry.each(data) if entry.each is not None else None
    except ValueError:
        return
    listed = items if isinstance(items, list) else []
    for scope in [data] if entry.each is None else [{"record": data, "item": item} for item in listed]:
        try:
            if entry.only_if is None or holds(entry.only_if(scope)):
                yield scope
        except ValueError:
            yield scope  # nobody can tell, and what cannot be read is counted


def _key(entry: EntryRule, scope: Any) -> str | None:
    try:
        parts = [getter(scope) for getter in entry.key]
        return None if not parts or parts[0] in (None, "") else row_id(["" if one is None else one for one in parts])
    except ValueError:
        return None


def _worth(entry: EntryRule, scope: Any) -> tuple[str, int] | None:
    """The deal's currency and ten-thousandths; None without an amount that can be read."""
    found = {rule.field: _read(rule, scope) for rule in entry.rules if rule.field in ("amount", "amount.currency")}
    amount, currency = found.get("amount"), found.get("amount.currency")
    return None if amount is None or currency is None else (str(currency), int(amount))


def _read(rule: Rule, scope: Any) -> str | int | None:
    """The value of a field; None where there is none, or it cannot be read."""
    try:
        raw = rule.raw(scope)
        return None if raw is None or raw == "" else rule.convert(raw)
    except ValueError:
        return None

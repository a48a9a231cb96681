"""What stands around the deals of `benchmarks.crm`, row by row, for the metrics that read more than deals and moves.

For a deal on average: a customer (every fifth one new), three quarters of a lead, 3 activities, one change of a field,
and where it was won an order with delivery, invoice, payment and contract. Nothing happens after `crm.LAST`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from benchmarks.crm import DAY, FIRST, HOUR, LAST, OWNERS, PIPELINES, SEED, Deal, micros
from connector.model import MONEY_SCALE

SOURCE = "crm"
DEALS_OF_ACCOUNT = 5
COLUMNS = {  # of deals and leads: those beside the columns of `benchmarks.ledger`
    "deal": ("account", "forecast_category"),
    "lead": ("account", "mql_at", "sql_at", "disqualified_at", "reason"),
    "account": ("id", "name", "owner", "created_at", "parts", "record_key"),
    "activity": ("id", "type", "direction", "outcome", "occurred_at", "owner", "lead", "deal", "parts", "record_key"),
    "deal_change": ("deal", "field", "occurred_at", "sequence", "new", "origin", "read_at", "actor", "flagged",
                    "record_key", "record_index", "item"),
    "sales_order": ("id", "deal", "account", "owner", "amount", "currency", "ordered_at", "required_at", "state",
                    "parts", "record_key"),
    "delivery_note": ("id", "sales_order", "delivered_at", "complete", "parts", "record_key"),
    "invoice": ("id", "sales_order", "account", "owner", "kind", "amount", "currency", "invoiced_at", "due_at", "state",
                "parts", "record_key"),
    "payment": ("id", "invoice", "amount", "currency", "paid_at", "parts", "record_key"),
    "contract": ("id", "deal", "account", "amount", "currency", "sent_at", "signed_at", "state", "parts", "record_key"),
}

_TYPES = ("call",) * 9 + ("email",) * 6 + ("meeting",) * 2 + ("online",) * 2 + ("task",)
_OUTCOMES = {
    "call": ("connected", "connected", "voicemail", "no answer", "planned"),
    "email": ("", "", "", "", "automatic"), "meeting": ("", "", "", "", "no_show"), "online": ("",), "task": ("",),
}
_CATEGORIES = ("PIPELINE", "PIPELINE", "BEST_CASE", "COMMIT", "OMIT")
_NOW = micros(LAST)

Rows = dict[str, list[tuple[Any, ...]]]


class Around:
    """What stands around so many deals, which come in their order; the same for the same number of them."""

    def __init__(self, count: int) -> None:
        self._chance = random.Random(f"{SEED}/around/{count}")  # noqa: S311  # nothing is secret here
        self.accounts = max(count // DEALS_OF_ACCOUNT, 1)
        self._made: Rows = {}
        self._activities = 0

    def of_accounts(self) -> Iterator[tuple[Any, ...]]:
        """The customers; what they buy is spread unevenly over them."""
        for number in range(self.accounts):
            owner = f"{SOURCE}:{1 + number % OWNERS}"
            yield f"A{number}", f"Customer {number}", owner, micros(FIRST), "{}", f"A{number}"

    def rows(self, deals: Iterable[Deal]) -> Rows:
        """The rows of a batch, by table, in the order of `COLUMNS`; of deals one each, of leads of every second deal
        one each, and then, whole, those of leads that got no deal (under the name `lost_lead`)."""
        self._made = {table: [] for table in (*COLUMNS, "lost_lead")}
        for deal in deals:
            account = f"{SOURCE}:A{int(self.accounts * self._chance.random() ** 2)}"
            self._made["deal"].append((account, self._one(_CATEGORIES)))
            began_at = self._lead(deal, account)
            self._activity(deal, began_at)
            self._changes(deal)
            self._contract(deal, account)
            if _is_won(deal):
                for place in range(2 if self._below(10) == 0 else 1):
                    self._order(deal, account, f"{deal.number}-{place}")
        return self._made

    def _below(self, limit: int) -> int:
        return int(self._chance.random() * limit)

    def _one(self, words: tuple[str, ...]) -> str:
        return words[int(self._chance.random() * len(words))]

    def _lead(self, deal: Deal, account: str) -> int:
        """Its lead, or one without a deal, or none; when work on the deal began."""
        made_at = deal.created_at - HOUR
        if deal.number % 2:
            mql_at, sql_at = (made_at + HOUR // 3, made_at + HOUR // 2) if self._below(3) else (None, None)
            self._made["lead"].append((account, mql_at, sql_at, None, None))
            return made_at
        if deal.number % 4 == 0:
            created_at = made_at - self._below(30 * DAY)
            mql_at = _by_now(created_at + self._below(20 * DAY)) if self._below(5) < 3 else None
            sql_at = _by_now(mql_at + self._below(20 * DAY)) if mql_at and self._below(5) < 2 else None
            out_at = _by_now(created_at + 20 * DAY + self._below(60 * DAY)) if self._below(3) == 0 else None
            name = f"L{deal.number}"
            self._made["lost_lead"].append((
                name, created_at, f"{SOURCE}:{deal.owner}", None, "PAID_SEARCH", "{}", name,
                account, mql_at, sql_at, out_at, "No budget" if out_at else None,
            ))
        return deal.created_at

    def _activity(self, deal: Deal, began_at: int) -> None:
        """Up to 6 activities until it was closed, or up to a month after its last change."""
        ends_at = deal.moves[-1].at if _is_closed(deal) else min(deal.updated_at + 30 * DAY, _NOW)
        name, lead = f"{SOURCE}:{deal.number}", f"{SOURCE}:L{deal.number}" if deal.number % 2 else None
        for _ in range(self._below(7)):
            self._activities += 1
            kind, id_ = self._one(_TYPES), f"V{self._activities}"
            occurred_at = began_at + self._below(max(ends_at - began_at, HOUR))
            is_of_lead = lead and (occurred_at < deal.created_at or self._below(3) == 0)
            owner = deal.owner if self._below(10) else 1 + self._below(OWNERS)
            self._made["activity"].append((
                id_, kind, "out" if self._below(4) else "in", self._one(_OUTCOMES[kind]), occurred_at,
                f"{SOURCE}:{owner}", lead if is_of_lead else None, None if is_of_lead else name, "{}", id_,
            ))

    def _changes(self, deal: Deal) -> None:
        """Of some deals what a field was before; the last change tells what the deal tells."""
        since, span = deal.created_at, max(deal.moves[-1].at - deal.created_at, HOUR)
        told: list[tuple[str, str, int]] = []
        if self._below(5) == 0:
            ends_at = deal.closes_at - 40 * DAY
            told += [("expected_close_on", _day(ends_at), since),
                     ("expected_close_on", _day(ends_at + 20 * DAY), since + span // 3),
                     ("expected_close_on", _day(deal.closes_at), since + span // 2)]
        if deal.amount is not None and self._below(10) == 0:
            now = int(Decimal(deal.amount) * MONEY_SCALE)
            told += [("amount", str(now * 3 // 4), since), ("amount", str(now), since + self._below(span))]
        if self._below(10) == 0:
            category = self._made["deal"][-1][1]
            told += [("forecast_category", "PIPELINE", since), ("forecast_category", category, since + span // 2)]
        if self._below(20) == 0:
            before = f"{SOURCE}:{1 + self._below(OWNERS)}"
            told += [("owner", before, since), ("owner", f"{SOURCE}:{deal.owner}", since + self._below(span))]
        self._made["deal_change"] += [
            (str(deal.number), field, at, place, new, "reported", deal.updated_at, None, 0, str(deal.number), 0, place)
            for place, (field, new, at) in enumerate(told)
        ]

    def _contract(self, deal: Deal, account: str) -> None:
        """Of most won deals a signed one, of some open ones one that was sent."""
        is_won, at = _is_won(deal), deal.moves[-1].at
        if (is_won and self._below(5) < 3) or (len(deal.moves) > 3 and not _is_closed(deal) and self._below(10) == 0):
            signed_at = _by_now(at + self._below(15 * DAY) - 3 * DAY) if is_won else None
            name = f"C{deal.number}"
            self._made["contract"].append((
                name, f"{SOURCE}:{deal.number}", account, None, None, at - 5 * DAY if is_won else at, signed_at,
                "signed" if signed_at else "sent", "{}", name,
            ))

    def _order(self, deal: Deal, account: str, name: str) -> None:
        """An order with what followed it by now."""
        if (ordered_at := _by_now(deal.moves[-1].at + self._below(10 * DAY))) is None:
            return
        units = int(Decimal(deal.amount or "500.00") * MONEY_SCALE)
        deliveries = [ordered_at + (5 + self._below(25)) * DAY] * (2 if self._below(7) == 0 else 1)
        deliveries[-1] += self._below(10 * DAY)
        state = "done" if deliveries[-1] <= _NOW else "confirmed"
        self._made["sales_order"].append((
            f"O{name}", f"{SOURCE}:{deal.number}", account, f"{SOURCE}:{deal.owner}", units, deal.currency, ordered_at,
            ordered_at + 20 * DAY, state, "{}", f"O{name}",
        ))
        parts = len(deliveries)
        for place, delivered_at in enumerate(deliveries):
            if delivered_at <= _NOW:
                id_ = f"D{name}-{place}"
                self._made["delivery_note"].append(
                    (id_, f"{SOURCE}:O{name}", delivered_at, int(place == parts - 1), "{}", id_)
                )
                self._invoice(f"{name}-{place}", f"O{name}", account, deal, units // parts, delivered_at)

    def _invoice(self, name: str, order: str, account: str, deal: Deal, units: int, delivered_at: int) -> None:
        """The invoice of one delivery, with its payments; of a few a credit note."""
        if (invoiced_at := _by_now(delivered_at + self._below(5 * DAY))) is None:
            return
        owner, due_at = f"{SOURCE}:{deal.owner}", invoiced_at + 30 * DAY
        self._made["invoice"].append((
            f"I{name}", f"{SOURCE}:{order}", account, owner, "invoice", units, deal.currency, invoiced_at, due_at,
            "posted", "{}", f"I{name}",
        ))
        if self._below(30) == 0 and (taken_at := _by_now(invoiced_at + 10 * DAY)):
            self._made["invoice"].append((
                f"N{name}", f"{SOURCE}:{order}", account, owner, "credit_note", units // 10, deal.currency, taken_at,
                taken_at, "posted", "{}", f"N{name}",
            ))
        if self._below(10):
            parts = 1 if self._below(5) else 2
            for place in range(parts):
                if paid_at := _by_now(invoiced_at + (10 + 20 * place + self._below(30)) * DAY):
                    id_, rest = f"P{name}-{place}", units - units // parts * (parts - 1)
                    amount = rest if place else units // parts
                    self._made["payment"].append((id_, f"{SOURCE}:I{name}", amount, deal.currency, paid_at, "{}", id_))


def _is_won(deal: Deal) -> bool:
    return deal.moves[-1].stage == PIPELINES[deal.pipeline][-2]


def _is_closed(deal: Deal) -> bool:
    return deal.moves[-1].stage in PIPELINES[deal.pipeline][-2:]


def _by_now(at: int) -> int | None:
    return at if at <= _NOW else None


def _day(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).date().isoformat()

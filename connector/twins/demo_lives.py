"""Draws the life of every lead and deal of the demo from one stream of random numbers.

Sellers work office hours in Ho Chi Minh City; deals skip stages, go back, are re-opened, change hands and amounts, are
shared, lack amounts; some are won in the first hours of a month, when it is still the old one in UTC.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from connector.twins.demo_plan import (
    DAY,
    FIRST_ID,
    HOUR,
    MINUTE,
    NEW_BUSINESS,
    RENEWAL,
    ZONE_OFFSET,
    Event,
    Pipeline,
    Seller,
    months_before,
)
from connector.twins.portal import milliseconds, stamp

_NEVER = 1 << 60
_CURRENCIES = (("EUR", 0.40, "1"), ("USD", 0.25, "1.1"), ("GBP", 0.15, "0.86"), ("VND", 0.20, "28500"))
_REASONS = ("price", "competitor", "no budget", "no decision", "missing feature", None)
_SOURCES = ("ORGANIC_SEARCH", "PAID_SEARCH", "REFERRALS", "OFFLINE", "EMAIL_MARKETING")
_TOWNS = ("Hanoi", "Da Nang", "Hue", "Can Tho", "Bristol", "Lyon", "Porto", "Graz", "Ghent", "Turin")
_TRADES = ("Foods", "Textiles", "Logistics", "Clinics", "Ceramics", "Optics", "Printing", "Furniture", "Marine", "Labs")


@dataclass(slots=True)
class _Life:
    """One deal being drawn: who owned it and where it stood since when, and its changes as (at, values)."""

    pipeline: Pipeline
    created_at: int
    owners: list[tuple[int, Seller]]
    changes: list[tuple[int, dict[str, str | None]]] = field(default_factory=list)
    stages: list[tuple[int, str]] = field(default_factory=list)

    def owner_at(self, at: int) -> Seller:
        return [seller for since, seller in self.owners if since <= at][-1]

    def stage_at(self, at: int) -> str:
        return [stage for since, stage in self.stages if since <= at][-1]

    @property
    def closings(self) -> list[int]:
        return [at for at, stage in self.stages if stage in (self.pipeline.won, self.pipeline.lost)]


class Draw:
    """Draws lives from one random stream."""

    def __init__(self, seed: int, start: datetime, today: datetime, staff: tuple[Seller, ...]) -> None:
        self.random = random.Random(seed)  # noqa: S311 - made-up data, not secrets
        self.start, self.today, self.staff = milliseconds(start), milliseconds(today), staff
        self.weights = [1.4, 1.1, 0.9, 1.0, 1.3, 0.8, 1.0, 0.9]
        self.leaver = next((one for one in staff if one.left_on), staff[-1])
        left = self.leaver.left_on
        self.left_at = _NEVER if left is None else (
            milliseconds(datetime(left.year, left.month, left.day, 17, 30, tzinfo=UTC)) - ZONE_OFFSET
        )

    def deals(self, count: int) -> Iterator[list[Event]]:
        """The events of each deal, earliest creation first; a converted contact's come with its deal's."""
        span = self.today - self.start - 4 * DAY
        times = sorted(self._office(self.start + int(span * self.random.random() ** 0.85)) for _ in range(count))
        for number, created_at in enumerate(times):
            yield self._deal(str(FIRST_ID + number), created_at)

    def seller(self, at: int) -> Seller:
        """Somebody who works at that time."""
        while True:
            (one,) = self.random.choices(self.staff, self.weights)
            if one is not self.leaver or at < self.left_at - 5 * DAY:
                return one

    # --- one deal ----------------------------------------------------------------------------------------------------

    def _deal(self, id_: str, created_at: int) -> list[Event]:
        rng = self.random
        pipeline = NEW_BUSINESS if rng.random() < 0.72 else RENEWAL
        life = _Life(pipeline, created_at, [(0, self.seller(created_at))])
        first = 1 if rng.random() < 0.05 else 0
        life.stages.append((created_at, pipeline.stages[first].id))
        self._walk(life, first, created_at)
        values = self._first_values(life, id_)
        self._owners(life)
        self._amounts(life, values)
        self._splits(life, values)
        self._slips(life)
        owner = life.owner_at(created_at)
        events = [Event(created_at, "deals", "create", id_, {**values, "hubspot_owner_id": owner.owner}, owner.user)]
        last = created_at
        for at, change in sorted(life.changes, key=lambda one: one[0]):
            last = max(at, last + 1000)  # a person does one thing at a time
            if last > self.today:
                break
            by = life.owner_at(at).user if rng.random() > 0.05 else rng.choice(self.staff).user
            events.append(Event(last, "deals", "change", id_, change, by))
        return events

    def _walk(self, life: _Life, index: int, at: int) -> None:
        """Move through the stages until closed for good, stuck, or beyond today."""
        rng, stages = self.random, life.pipeline.stages
        last_open, reopened = len(stages) - 3, 0
        while at < self.today and len(life.stages) < 25:
            at = max(self._office(at + int(rng.lognormvariate(2.0, 0.9) * DAY)), at + 10 * MINUTE)
            chance = rng.random()
            if chance < 0.03:
                return  # stuck
            if chance < 0.17:
                self._move(life, at, stages[-1].id, rng.choice(_REASONS))
            elif chance < 0.22 and index > 0:
                index -= 1
                self._move(life, at, stages[index].id)
                continue
            elif chance < 0.28 and index + 2 <= last_open:
                index += 2
                self._move(life, at, stages[index].id)
                continue
            elif index < last_open:
                index += 1
                self._move(life, at, stages[index].id)
                continue
            else:
                at = self._edge_of_month(at)
                self._move(life, at, stages[-2].id)
            is_lost = life.stages[-1][1] == life.pipeline.lost
            if reopened or rng.random() > (0.07 if is_lost else 0.02):
                return
            reopened += 1
            at = self._office(at + int(rng.uniform(3, 45) * DAY))
            self._move(life, at, stages[index].id, expected=at + 40 * DAY)

    def _move(self, life: _Life, at: int, stage: str, reason: str | None = None, expected: int | None = None) -> None:
        values: dict[str, str | None] = {"dealstage": stage}
        if reason:
            values["closed_lost_reason"] = reason
        if expected:
            values["closedate"] = stamp(expected // DAY * DAY)
        life.stages.append((at, stage))
        life.changes.append((at, values))

    def _first_values(self, life: _Life, id_: str) -> dict[str, str | None]:
        rng = self.random
        customer = f"{rng.choice(_TOWNS)} {rng.choice(_TRADES)}"
        (currency, _, factor), = rng.choices(_CURRENCIES, [share for _, share, _ in _CURRENCIES])
        euros = Decimal(round(min(max(rng.lognormvariate(8.7, 0.9), 300), 250_000) * 100)) / 100
        amount = euros * Decimal(factor)
        return {
            "dealname": f"{customer} {life.pipeline.label.split()[0].lower()} {id_[-4:]}",
            "pipeline": life.pipeline.id,
            "dealstage": life.stages[0][1],
            "amount": f"{amount.quantize(Decimal(10_000)):f}" if currency == "VND" else f"{amount:.2f}",
            "deal_currency_code": currency,
            "closedate": stamp((life.created_at + int(rng.uniform(25, 90)) * DAY) // DAY * DAY),
            "dealtype": "newbusiness" if life.pipeline is NEW_BUSINESS else "existingbusiness",
        }

    def _owners(self, life: _Life) -> None:
        """Some deals change hands; those of the one who left go to others, whenever anybody still works on them."""
        rng = self.random
        if rng.random() < 0.07:
            at = self._office(life.created_at + int(rng.uniform(1, 60) * DAY))
            self._hand_over(life, at, self.seller(at))
        if life.owner_at(self.left_at) is self.leaver and life.created_at < self.left_at:
            later = [at for at, _ in life.changes if at > self.left_at]
            if later or life.stage_at(self.left_at) not in (life.pipeline.won, life.pipeline.lost):
                self._hand_over(life, self.left_at - int(rng.uniform(1, 300)) * MINUTE, self.seller(self.left_at + DAY))

    def _hand_over(self, life: _Life, at: int, to: Seller) -> None:
        if at < self.today and to is not life.owner_at(at):
            life.owners.append((at, to))
            life.owners.sort(key=lambda one: one[0])
            life.changes.append((at, {"hubspot_owner_id": to.owner}))

    def _amounts(self, life: _Life, values: dict[str, str | None]) -> None:
        """Amounts that are missing, filled in later, negotiated, or corrected after the deal was closed."""
        rng, first = self.random, str(values["amount"])
        if rng.random() < 0.06:
            values["amount"] = None
            if rng.random() < 0.4:
                life.changes.append((life.created_at + int(rng.uniform(1, 30) * DAY), {"amount": first}))
        elif rng.random() < 0.25:
            at = life.created_at + int(rng.uniform(2, 40) * DAY)
            if not life.closings or at < life.closings[0]:
                life.changes.append((at, {"amount": _scaled(first, rng.uniform(0.8, 1.25))}))
        if life.closings and rng.random() < 0.04:
            late = life.closings[-1] + int(rng.uniform(4, 50) * DAY)
            life.changes.append((late, {"amount": _scaled(first, rng.uniform(0.7, 1.1))}))

    def _splits(self, life: _Life, values: dict[str, str | None]) -> None:
        """Shares of colleagues, in properties of the customer's own; the rest is the deal owner's."""
        rng = self.random
        if life.pipeline is not NEW_BUSINESS or rng.random() > 0.08:
            return
        owner = life.owner_at(life.created_at)
        helpers = rng.sample([one for one in self.staff if one not in (owner, self.leaver)], 2)
        shares: dict[str, str | None] = {
            "split_owner_1": helpers[0].owner, "split_share_1": rng.choice(("0.25", "0.4", "0.5")),
        }
        if rng.random() < 0.25:
            shares |= {"split_owner_2": helpers[1].owner, "split_share_2": "0.2"}
        chance = rng.random()
        if chance < 0.6:
            values |= shares
        elif life.closings and chance > 0.85:
            life.changes.append((life.closings[-1] + int(rng.uniform(1, 20) * DAY), shares))
        else:
            life.changes.append((life.created_at + int(rng.uniform(0.1, 9) * DAY), shares))

    def _slips(self, life: _Life) -> None:
        """The expected close date is pushed while the deal is open; now and then the real one is prettied up."""
        rng = self.random
        end = life.closings[0] if life.closings else self.today
        if rng.random() < 0.3:
            at = life.created_at + int(rng.uniform(5, 60) * DAY)
            if at < end:
                life.changes.append((at, {"closedate": stamp((at + int(rng.uniform(20, 80)) * DAY) // DAY * DAY)}))
        if life.closings and rng.random() < 0.03:
            pretty = life.closings[-1] - int(rng.uniform(1, 12)) * DAY
            life.changes.append((life.closings[-1] + 5 * MINUTE, {"closedate": stamp(pretty // DAY * DAY)}))

    # --- leads -------------------------------------------------------------------------------------------------------

    def converted_lead(self, deal: Event) -> list[Event]:
        """The contact a deal came from: created up to a month before it, qualified on the way, or straight to it."""
        rng = self.random
        created_at = max(self.start, self._office(deal.at - int(rng.uniform(0.2, 30) * DAY)))
        created_at = min(created_at, deal.at - MINUTE)
        user, owner = deal.user, deal.values["hubspot_owner_id"]
        events = [self._contact(created_at, owner, user)]
        if rng.random() < 0.85 and deal.at - created_at > HOUR:
            steps = sorted(created_at + int((deal.at - created_at) * share) for share in (rng.random(), rng.random()))
            for at, stage in zip(steps, ("marketingqualifiedlead", "salesqualifiedlead"), strict=True):
                events.append(_lifecycle(at, stage, user))
        events.append(Event(deal.at, "contacts", "change", "", {"lifecyclestage": "opportunity",
                                                                "hs_lead_status": "OPEN_DEAL"}, user))
        return events

    def lost_lead(self) -> list[Event]:
        """A contact that never became a deal: ignored, nurtured or turned down."""
        rng = self.random
        at = self._office(self.start + int((self.today - self.start - DAY) * rng.random()))
        seller = self.seller(at)
        events = [self._contact(at, seller.owner, seller.user)]
        if rng.random() < 0.4:
            at += int(rng.uniform(0.1, 20) * DAY)
            events.append(_lifecycle(at, "marketingqualifiedlead", seller.user))
        if rng.random() < 0.5:
            at += int(rng.uniform(0.1, 20) * DAY)
            events.append(Event(at, "contacts", "change", "", {
                "hs_lead_status": "UNQUALIFIED", "disqualified_at": stamp(at),
                "disqualified_reason": rng.choice(("no need", "student", "spam", "wrong region")),
            }, seller.user))
        return [event for event in events if event.at <= self.today]

    def _contact(self, at: int, owner: str | None, user: int | None) -> Event:
        rng = self.random
        first, last = rng.choice(_TOWNS).lower().replace(" ", ""), rng.choice(_TRADES).lower()
        return Event(at, "contacts", "create", "", {
            "email": f"{first}.{last}.{at // 1000 % 10**7}@customer.example", "firstname": first.title(),
            "lastname": last.title(), "lifecyclestage": "lead", "hs_lead_status": "NEW", "hubspot_owner_id": owner,
            "hs_analytics_source": rng.choice(_SOURCES),
        }, user)

    # --- times -------------------------------------------------------------------------------------------------------

    def _office(self, at: int) -> int:
        """That moment, or the same day in office hours; at the week-end, the Monday after."""
        local = at + ZONE_OFFSET
        day, rest = divmod(local, DAY)
        weekday = (day + 3) % 7  # 1970-01-01 was a Thursday
        if weekday > 4:
            day += 7 - weekday
        if not 8 * HOUR <= rest < 18 * HOUR:
            rest = 8 * HOUR + rest * 10 // 24
        return day * DAY + rest - ZONE_OFFSET

    def _edge_of_month(self, at: int) -> int:
        """Now and then, the first hours of the next month: in UTC it is still the old one."""
        if self.random.random() > 0.03:
            return at
        later = months_before(datetime.fromtimestamp(at / 1000, UTC), -1)
        return milliseconds(later) + int(self.random.random() * 6 * HOUR)


def _scaled(amount: str, factor: float) -> str:
    step = Decimal("0.01") if "." in amount else Decimal(10_000)
    return f"{(Decimal(amount) * Decimal(round(factor * 100)) / 100).quantize(step):f}"


def _lifecycle(at: int, stage: str, user: int | None) -> Event:
    """A contact reaching a lifecycle stage; HubSpot keeps the time in a property of its own."""
    return Event(at, "contacts", "change", "", {
        "lifecyclestage": stage, f"hs_lifecyclestage_{stage}_date": stamp(at), "hs_lead_status": "IN_PROGRESS",
    }, user)

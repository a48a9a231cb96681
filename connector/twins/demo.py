"""The demo's world: eighteen months of a small sales team, and the clockwork that plays them into the fake CRM.

    plan = make_plan(seed=7)                         # 3,000 deals, today = 3 November 2026
    clock = SimulatedClock(SYNCS[0])
    timeline = Timeline(plan, Portal(clock))
    for moment in SYNCS:                             # six monthly syncs
        clock.move_to(moment)
        timeline.advance(moment)                     # what happened since the last one
    timeline.keep_moving(3)                          # and then life goes on

What the figures must be is in `demo_truth`, computed from the plan alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from connector.twins.demo_files import CURRENCY, fx_rows, hr_employees, people_rows, target_rows
from connector.twins.demo_lives import Draw
from connector.twins.demo_plan import (
    FIRST_ID,
    MONTHS,
    PIPELINES,
    ZONE_OFFSET,
    Event,
    Pipeline,
    Plan,
    Seller,
    months_before,
    sellers,
)
from connector.twins.portal import Item, Portal, milliseconds, stamp

__all__ = [
    "CURRENCY", "OWN_PROPERTIES", "SYNCS", "TODAY", "ZONE", "Timeline", "fx_rows", "hr_employees", "make_plan",
    "people_rows", "sync_moments", "target_rows",
]

ZONE = "Asia/Ho_Chi_Minh"
TODAY = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)  # 8 o'clock in Ho Chi Minh City, the third day of the month
DEALS = 3000
OWN_PROPERTIES: Mapping[str, Sequence[str]] = {
    "deals": ("split_owner_1", "split_share_1", "split_owner_2", "split_share_2"),
    "contacts": ("disqualified_at", "disqualified_reason"),
}
"""The customer's own properties that mappings/demo.yaml reads: the source's `properties:` setting."""


def sync_moments(today: datetime = TODAY) -> tuple[datetime, ...]:
    """The six monthly syncs, the last one today: the first sees thirteen months, each later one a month more."""
    into_month = today - months_before(today, 0)
    return tuple(months_before(today, back) + into_month for back in (5, 4, 3, 2, 1, 0))


SYNCS = sync_moments()


def make_plan(seed: int = 7, *, deals: int = DEALS, today: datetime = TODAY) -> Plan:
    """Everything that happens in eighteen months up to `today`, drawn from the seed."""
    start = months_before(today, MONTHS)
    local = (today + timedelta(milliseconds=ZONE_OFFSET)).date()
    staff = sellers(left_on=local - timedelta(days=75), moved_on=months_before(today, 3).date() + timedelta(days=1),
                    since=(start + timedelta(milliseconds=ZONE_OFFSET)).date() - timedelta(days=400))
    draw = Draw(seed, start, today, staff)
    stories: list[list[Event]] = []
    contacts: list[list[Event]] = []
    for story in draw.deals(deals):
        stories.append(story)
        if story[0].values["dealtype"] == "newbusiness" and draw.random.random() < 0.65:
            contacts.append(draw.converted_lead(story[0]))
            story[0] = story[0]._replace(links=(("contacts", str(len(contacts) - 1)),))
    contacts += [draw.lost_lead() for _ in range(deals // 2)]
    events = _numbered(stories, contacts) + _companies(stories, milliseconds(start) - 60_000)
    left = draw.leaver.left_on
    if left is not None:
        events.append(Event(draw.left_at + 1000, "owners", "archive", draw.leaver.owner, {}))
    events.sort(key=lambda event: (event.at, _RANK[event.kind], int(event.id)))
    return Plan(seed, start, today, staff, [event for event in events if event.at <= milliseconds(today)])


_RANK = {"companies": 0, "contacts": 1, "deals": 2, "owners": 3}


def _numbered(stories: list[list[Event]], contacts: list[list[Event]]) -> list[Event]:
    """The contacts with ids in the order of their creation, and the deals linked to them by that id."""
    order = sorted(range(len(contacts)), key=lambda place: contacts[place][0].at)
    ids = {str(place): str(FIRST_ID + number) for number, place in enumerate(order)}
    events = [event._replace(id=ids[str(place)]) for place, one in enumerate(contacts) for event in one]
    for story in stories:
        story[0] = story[0]._replace(links=tuple((kind, ids[id_]) for kind, id_ in story[0].links))
        events += story
    return events


def _companies(stories: list[list[Event]], at: int) -> list[Event]:
    """The customers, known from the beginning; each deal is linked to the one it is named after."""
    ids: dict[str, str] = {}
    for story in stories:
        name = " ".join(str(story[0].values["dealname"]).split()[:-2])
        id_ = ids.setdefault(name, str(FIRST_ID + len(ids)))
        story[0] = story[0]._replace(links=(*story[0].links, ("companies", id_)))
    return [
        Event(at, "companies", "create", id_, {"name": name, "domain": name.lower().replace(" ", "-") + ".example"})
        for name, id_ in ids.items()
    ]


class Timeline:
    """Plays a plan into a portal, each event at its own time; the portal's pipelines and owners are set up at once."""

    def __init__(self, plan: Plan, portal: Portal) -> None:
        self.plan, self.portal, self.played = plan, portal, 0
        self._random = random.Random(plan.seed + 1)  # noqa: S311 - made-up data, not secrets
        self._open: dict[str, None] = {}
        self._last = milliseconds(plan.start)
        portal.currency, portal.currencies = CURRENCY, ["USD", "GBP", "VND"]
        for pipeline in PIPELINES.values():
            portal.add_pipeline(pipeline.id, pipeline.label, pipeline.stages)
        for seller in plan.sellers:
            portal.add_owner(seller.owner, email=seller.crm_email, first=seller.first, last=seller.last,
                             user=seller.user, teams=[seller.teams[0][0]])

    def advance(self, to: datetime) -> int:
        """Play everything up to and including that instant; how many events that were."""
        until, before = milliseconds(to), self.played
        while self.played < len(self.plan.events) and self.plan.events[self.played].at <= until:
            self._play(self.plan.events[self.played])
            self.played += 1
        return self.played - before

    def keep_moving(self, count: int = 3) -> list[Event]:
        """A few more things that somebody does just now, by the portal's clock; they are added to the plan.

        Only after the plan was played to its end; else ValueError, since what it has in store would be contradicted.
        """
        if self.played < len(self.plan.events):
            raise ValueError("advance to the plan's end first")
        now, made = milliseconds(self.portal.clock.now()), []
        for back in range(count, 0, -1):
            event = self._something(max(self._last + 1, now - back * 7))
            self.plan.events.append(event)
            self.advance(datetime.max.replace(tzinfo=UTC))
            made.append(event)
        return made

    def _play(self, event: Event) -> None:
        self._last = max(self._last, event.at)
        if event.action == "archive":
            self.portal.archive_owner(event.id, at=event.at)
        elif event.action == "change":
            self.portal.update(event.kind, event.id, event.values, at=event.at, user=event.user)
        else:
            self.portal.create(event.kind, event.values, at=event.at, user=event.user, id_=event.id)
            for kind, id_ in event.links:
                self.portal.associate(event.kind, event.id, kind, id_)
        if event.kind == "deals":
            if self.portal.item("deals", event.id).properties["hs_is_closed"] == "true":
                self._open.pop(event.id, None)
            else:
                self._open[event.id] = None

    def _something(self, at: int) -> Event:
        """One believable change: a new deal, a step forward or back, a win, a loss, another owner or amount."""
        rng, chance = self._random, self._random.random()
        staff = [seller for seller in self.plan.sellers if seller.left_on is None]
        if chance < 0.2 or not self._open:
            return self._new_deal(at, rng.choice(staff))
        deal = self.portal.item("deals", rng.choice(list(self._open)))
        pipeline = PIPELINES[str(deal.properties["pipeline"])]
        user = next((one.user for one in staff if one.owner == deal.properties["hubspot_owner_id"]), staff[0].user)
        values = self._change(deal, pipeline, chance, staff)
        return Event(at, "deals", "change", str(deal.id), values, user)

    def _change(self, deal: Item, pipeline: Pipeline, chance: float, staff: Sequence[Seller]) -> dict[str, str | None]:
        rng, ids = self._random, [stage.id for stage in pipeline.stages]
        index, last_open = ids.index(str(deal.properties["dealstage"])), len(ids) - 3
        if chance < 0.3:
            others = [one.owner for one in staff if one.owner != deal.properties["hubspot_owner_id"]]
            return {"hubspot_owner_id": rng.choice(others)}
        if chance < 0.4 and deal.properties.get("amount"):
            factor = Decimal(rng.randrange(85, 125)) / 100
            return {"amount": f"{(Decimal(str(deal.properties['amount'])) * factor).quantize(Decimal(1)):f}"}
        if chance < 0.5:
            return {"dealstage": pipeline.lost, "closed_lost_reason": rng.choice(("price", "competitor", "no budget"))}
        if chance < 0.56 and index > 0:
            return {"dealstage": ids[index - 1]}
        return {"dealstage": ids[index + 1] if index < last_open else pipeline.won}

    def _new_deal(self, at: int, seller: Seller) -> Event:
        rng, id_ = self._random, str(max(self.portal.collections["deals"].ids, default=FIRST_ID) + 1)
        pipeline = rng.choice(list(PIPELINES.values()))
        return Event(at, "deals", "create", id_, {
            "dealname": f"Walk-in {id_[-4:]}", "pipeline": pipeline.id, "dealstage": pipeline.stages[0].id,
            "amount": f"{rng.randrange(900, 40_000)}.00", "deal_currency_code": rng.choice(("EUR", "USD", "GBP")),
            "closedate": stamp(at + 40 * 86_400_000), "hubspot_owner_id": seller.owner,
        }, seller.user)

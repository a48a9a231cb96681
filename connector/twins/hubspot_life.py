"""A seeded life for a fake HubSpot account: what people and integrations do to deals, contacts and activities.

    life = Life(twin.portal, seed=7)
    Mutator(life.actions(40), every=2, clock=clock).into(twin)      # one change after every second request
    ...
    life.end()                                                      # what was held back is seen

The same seed does the same to the same account, whatever was asked in between.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from connector.twins.hubspot_types import ACTIVITIES, STAGED
from connector.twins.mutator import Action
from connector.twins.portal import Portal, stamp
from connector.twins.portal_items import milliseconds

_TIMES: Mapping[str, Mapping[str, str]] = {
    "calls": {"hs_call_direction": "OUTBOUND", "hs_call_status": "COMPLETED", "hs_call_duration": "61000"},
    "meetings": {"hs_meeting_outcome": "COMPLETED"},
    "emails": {"hs_email_direction": "EMAIL", "hs_email_status": "SENT"},
    "tasks": {"hs_task_status": "COMPLETED"},
}


class Life:
    """Draws changes of an account that has at least one deal pipeline and one owner.

    `weights` are the kinds of changes with their weight; 0 or absence leaves one out. `most` is how many records a bulk
    edit takes. `done` are the names of the changes so far.
    """

    def __init__(self, portal: Portal, seed: int, *, weights: Mapping[str, float] | None = None,
                 most: int = 10_000) -> None:
        self.portal, self.most = portal, most
        self.random = random.Random(seed)  # noqa: S311 - made-up data, not secrets
        self.done: list[str] = []
        self._kinds: dict[str, Callable[[], bool]] = {
            "create": self._create, "move": self._move, "edit": self._edit, "owner": self._owner,
            "archive": self._archive, "restore": self._restore, "purge": self._purge, "merge": self._merge,
            "merge to new id": self._merge_to_new_id, "bulk edit": self._bulk_edit, "late change": self._late_change,
            "late record": self._late_record, "link": self._link, "contact": self._contact, "activity": self._activity,
            "split": self._split, "rename stage": self._rename_stage,
        }
        self.weights = dict.fromkeys(self._kinds, 1.0) | {"move": 6.0, "create": 3.0, "edit": 2.0} | {"purge": 0.3}
        if weights is not None:
            self.weights = {name: weights.get(name, 0.0) for name in self._kinds}

    def actions(self, count: int) -> list[Action]:
        """So many changes, each drawn when it is run."""
        return [self.step] * count

    def step(self) -> str:
        """Make one change and say which; what finds nothing to change makes a new deal instead."""
        self.portal.catch_up()
        (name,) = self.random.choices(list(self.weights), list(self.weights.values()))
        if not self._kinds[name]():
            name = "create"
            self._create()
        self.done.append(name)
        return name

    def end(self) -> None:
        """Let everything be seen that is late."""
        self.portal.release()

    # --- deals -------------------------------------------------------------------------------------------------------

    def _create(self) -> bool:
        self.portal.create("deals", self._new_deal(), user=self._user())
        return True

    def _move(self) -> bool:
        deal = self._one("deals")
        if deal is None:
            return False
        pipeline = self.portal.item("deals", deal).properties.get("pipeline")
        stages = [one["id"] for one in self.portal.pipelines[str(pipeline)]["stages"] if not one["archived"]]
        self.portal.move_stage(deal, self.random.choice(stages), user=self._user())
        return True

    def _edit(self) -> bool:
        return self._change(self._one("deals"), {"amount": self._amount()})

    def _owner(self) -> bool:
        return self._change(self._one("deals"), {"hubspot_owner_id": self._an_owner()})

    def _archive(self) -> bool:
        deal = self._one("deals")
        if deal is not None:
            self.portal.archive("deals", deal)
        return deal is not None

    def _restore(self) -> bool:
        deal = self._one("deals", archived=True)
        if deal is not None:
            self.portal.restore("deals", deal)
        return deal is not None

    def _purge(self) -> bool:
        deal = self._one("deals", archived=True)
        if deal is not None:
            self.portal.purge("deals", deal)
        return deal is not None

    def _merge(self, *, new_id: bool = False) -> bool:
        kind = self.random.choice(("deals", "contacts", "companies"))
        pair = self._some(kind, 2)
        if len(pair) == 2:
            self.portal.merge(kind, *pair, new_id=new_id)
        return len(pair) == 2

    def _merge_to_new_id(self) -> bool:
        return self._merge(new_id=True)

    def _bulk_edit(self) -> bool:
        deals = self._some("deals", self.most)
        self.portal.bulk_update("deals", deals, {"dealtype": f"campaign {self.random.randrange(1000)}"})
        return bool(deals)

    def _late_change(self) -> bool:
        deal = self._one("deals")
        if deal is not None:
            self.portal.hold(self._if_there, deal, {"amount": self._amount()}, seconds=self.random.randrange(5, 90))
        return deal is not None

    def _late_record(self) -> bool:
        self.portal.hold(self.portal.create, "deals", self._new_deal(), seconds=self.random.randrange(5, 90))
        return True

    def _split(self) -> bool:
        deal = self._one("deals")
        owner = self.portal.item("deals", deal).properties.get("hubspot_owner_id") if deal is not None else None
        others = [one for one in sorted(self.portal.owners) if one != owner]
        if deal is None or owner is None or not others:
            return False
        self.portal.set_splits(deal, {owner: "0.6", self.random.choice(others): "0.4"})
        return True

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _link(self) -> bool:
        deal, contact = self._one("deals"), self._one("contacts")
        if deal is None or contact is None:
            return False
        linked = contact in self.portal.linked("deals", deal, "contacts")
        (self.portal.dissociate if linked else self.portal.associate)("deals", deal, "contacts", contact)
        return True

    def _contact(self) -> bool:
        contact = self._one("contacts")
        if contact is None or self.random.random() < 0.5:
            self.portal.create("contacts", {"email": f"{self.random.randrange(10**9)}@customer.example",
                                            "lifecyclestage": "lead", "hubspot_owner_id": self._an_owner()})
        else:
            stage = self.random.choice(("marketingqualifiedlead", "salesqualifiedlead", "opportunity"))
            self.portal.update("contacts", contact, {"lifecyclestage": stage})
        return True

    def _activity(self) -> bool:
        kind, deal = self.random.choice(ACTIVITIES), self._one("deals")
        links = [] if deal is None else [("deals", str(deal))]
        now = stamp(milliseconds(self.portal.clock.now()))
        properties = {**_TIMES[kind], "hs_timestamp": now, "hubspot_owner_id": self._an_owner()}
        self.portal.create(kind, properties, links=links)
        return True

    def _rename_stage(self) -> bool:
        stage = self.random.choice(sorted(self.portal.stages_of("deals")))
        self.portal.rename_stage(stage, f"Stage {self.random.randrange(1000)}")
        return True

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _some(self, kind: str, most: int, *, archived: bool = False) -> Sequence[int]:
        items = self.portal.collections[kind].from_id(0)
        ids = [item.id for item in items if (item.archived_at is not None) == archived]
        return self.random.sample(ids, min(most, len(ids)))

    def _one(self, kind: str, *, archived: bool = False) -> int | None:
        return next(iter(self._some(kind, 1, archived=archived)), None)

    def _change(self, deal: int | None, properties: Mapping[str, str | None]) -> bool:
        if deal is not None:
            self.portal.update("deals", deal, properties, user=self._user())
        return deal is not None

    def _if_there(self, deal: int, properties: Mapping[str, str | None], *, at: int) -> None:
        """The late half of a change: the record may have been purged or merged away meanwhile."""
        if deal in self.portal.collections["deals"].items:
            self.portal.update("deals", deal, properties, at=at)

    def _new_deal(self) -> dict[str, str | None]:
        pipeline = self.random.choice(sorted(self.portal.pipelines))
        stages = [one["id"] for one in self.portal.pipelines[pipeline]["stages"] if not one["archived"]]
        names = STAGED["deals"]
        return {"dealname": f"Deal {self.random.randrange(10**6)}", names[0]: pipeline, names[1]: stages[0],
                "amount": self._amount(), "deal_currency_code": "EUR", "hubspot_owner_id": self._an_owner()}

    def _amount(self) -> str:
        return f"{self.random.randrange(100, 90_000)}.50"

    def _an_owner(self) -> str:
        return self.random.choice([id_ for id_, one in sorted(self.portal.owners.items()) if not one["archived"]])

    def _user(self) -> int | None:
        return self.portal.owners[self._an_owner()]["userId"] if self.random.random() < 0.8 else None

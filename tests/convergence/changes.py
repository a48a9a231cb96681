"""Everything that may happen to the account.

A change is a function of the account and of a random number generator of its own, so that the same script does the same
whatever is asked in between. Each stamps what it does by the account's clock, and says in words what it did.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from connector.twins.portal import milliseconds
from tests.convergence.account import ACTIVITIES, IN_USE, KINDS, LIFE, OWNERS, STAGES, UNUSED, Account, activity, soon

Change = Callable[[Account, random.Random], str]
REASONS = ("price", "competitor", "", "timing")
LATE = (1, 30, 120, 300)  # seconds until a late change is seen; with the lag of the index well within the overlap
DROPPABLE = (("deals", "dealtype"), ("deals", "closed_lost_reason"), ("contacts", "hs_lead_status"))
KEPT = {"deals": 6, "contacts": 5, "companies": 2}
"""How many of each type are never deleted or merged away, so that there is always something to change."""

# --- deals -----------------------------------------------------------------------------------------------------------


def create_deal(account: Account, rng: random.Random) -> str:
    return f"deal {account.make_deal(rng)} made"


def edit_amount(account: Account, rng: random.Random) -> str:
    deal, amount = account.pick(rng, "deals"), rng.choice([None, f"{rng.randrange(1, 9999)}.5"])
    account.write("deals", deal, {"amount": amount}, account.user(rng))
    return f"deal {deal} is worth {amount}"


def edit_owner(account: Account, rng: random.Random) -> str:
    deal, owner = account.pick(rng, "deals"), rng.choice([*OWNERS, None])
    account.write("deals", deal, {"hubspot_owner_id": owner}, account.user(rng))
    return f"deal {deal} belongs to {owner}"


def edit_close_date(account: Account, rng: random.Random) -> str:
    deal, day = account.pick(rng, "deals"), soon(rng, milliseconds(account.clock.now()))
    account.write("deals", deal, {"closedate": day}, account.user(rng))
    return f"deal {deal} closes {day}"


def move_stage(account: Account, rng: random.Random) -> str:
    """Forth or back, also out of a closed stage."""
    deal = account.pick(rng, "deals")
    stage = rng.choice(IN_USE[_pipeline(account, deal)])
    more = {"closed_lost_reason": rng.choice(REASONS) or None} if KINDS[stage] == "lost" else {}
    account.write("deals", deal, {"dealstage": stage, **more}, account.user(rng))
    return f"deal {deal} goes to {stage}"


def move_twice(account: Account, rng: random.Random) -> str:
    """There and back at one instant: the deal is where it was, and two moves are told."""
    deal = account.pick(rng, "deals")
    stage = account.portal.item("deals", deal).properties["dealstage"]
    other = rng.choice([one for one in IN_USE[_pipeline(account, deal)] if one != stage])
    for one in (other, stage):
        account.write("deals", deal, {"dealstage": one}, account.user(rng))
    return f"deal {deal} goes to {other} and back at once"


def move_pipeline(account: Account, rng: random.Random) -> str:
    deal, pipeline = account.pick(rng, "deals"), rng.choice(list(IN_USE))
    stage = rng.choice(IN_USE[pipeline])
    account.write("deals", deal, {"pipeline": pipeline, "dealstage": stage}, account.user(rng))
    return f"deal {deal} goes to {pipeline}/{stage}"


def bulk_edit(account: Account, rng: random.Random) -> str:
    """Most deals at one instant, so that they share a modified date."""
    deals = account.live("deals")
    some = deals[: rng.randrange(len(deals) // 2, len(deals)) + 1]
    for deal in some:
        account.write("deals", deal, {"dealtype": rng.choice(["newbusiness", "existingbusiness"]), "description": "x"})
    return f"bulk edit of {len(some)} deals"


def set_splits(account: Account, rng: random.Random) -> str:
    deal = account.pick(rng, "deals")
    owner = account.portal.item("deals", deal).properties.get("hubspot_owner_id")
    if owner is None or rng.random() < 0.3:
        account.portal.set_splits(deal, {})
        return f"deal {deal} is not shared"
    other = rng.choice([one for one in OWNERS if one != owner])
    account.portal.set_splits(deal, {owner: "0.6", other: "0.4"})
    return f"deal {deal} is shared with {other}"


def _pipeline(account: Account, deal: str) -> str:
    return account.portal.item("deals", deal).properties["pipeline"] or "default"


# --- the others ------------------------------------------------------------------------------------------------------


def create_contact(account: Account, rng: random.Random) -> str:
    return f"contact {account.make_contact(rng)} made"


def edit_contact(account: Account, rng: random.Random) -> str:
    """Also to what is no lead, and back."""
    contact, life = account.pick(rng, "contacts"), rng.choice(LIFE)
    account.write("contacts", contact, {"lifecyclestage": life}, account.user(rng))
    return f"contact {contact} is a {life}"


def edit_company(account: Account, rng: random.Random) -> str:
    company, name = account.pick(rng, "companies"), f"Company {rng.randrange(1000)}"
    account.write("companies", company, {"name": name})
    return f"company {company} is {name}"


def new_activity(account: Account, rng: random.Random) -> str:
    return f"{account.make_activity(rng)} made"


def edit_activity(account: Account, rng: random.Random) -> str:
    kind = rng.choice([kind for kind in ACTIVITIES if account.live(kind)])
    id_ = account.pick(rng, kind)
    account.write(kind, id_, activity(rng, kind))
    return f"{kind} {id_} edited"


def link(account: Account, rng: random.Random) -> str:
    """A link of a deal or an activity, made or undone; no modified date moves."""
    kind = rng.choice(["deals", *(kind for kind in ACTIVITIES if account.live(kind))])
    other_kind = rng.choice(["contacts", "companies"])
    id_, other = account.pick(rng, kind), account.pick(rng, other_kind)
    there = int(other) in account.portal.linked(kind, int(id_), other_kind)
    (account.portal.dissociate if there else account.portal.associate)(kind, id_, other_kind, other)
    return f"{kind} {id_} {'loses' if there else 'gets'} {other_kind} {other}"


# --- deleted, restored, merged ---------------------------------------------------------------------------------------


def archive_record(account: Account, rng: random.Random) -> str:
    kind = rng.choice(["deals", "deals", "contacts", "companies", *ACTIVITIES])
    if len(account.live(kind)) <= KEPT.get(kind, 1):
        return f"no {kind} to spare"
    id_ = account.pick(rng, kind)
    account.portal.archive(kind, id_)
    return f"{kind} {id_} archived"


def restore_record(account: Account, rng: random.Random) -> str:
    kinds = [kind for kind in (*KEPT, *ACTIVITIES) if account.archived(kind)]
    if not kinds:
        return "nothing to restore"
    kind = rng.choice(kinds)
    id_ = rng.choice(account.archived(kind))
    account.portal.restore(kind, id_)
    return f"{kind} {id_} restored"


def purge_record(account: Account, rng: random.Random) -> str:
    kinds = [kind for kind in (*KEPT, *ACTIVITIES) if account.archived(kind)]
    if not kinds:
        return "nothing to purge"
    kind = rng.choice(kinds)
    id_ = rng.choice(account.archived(kind))
    account.portal.purge(kind, id_)
    return f"{kind} {id_} purged"


def merge_records(account: Account, rng: random.Random) -> str:
    return _merge(account, rng, new_id=False)


def merge_to_new_id(account: Account, rng: random.Random) -> str:
    return _merge(account, rng, new_id=True)


def _merge(account: Account, rng: random.Random, *, new_id: bool) -> str:
    kind = rng.choice(["deals", "deals", "contacts", "companies"])
    if len(account.live(kind)) <= KEPT[kind]:
        return f"no {kind} to merge"
    one, other = rng.sample(account.live(kind), 2)
    survivor = account.portal.merge(kind, one, other, new_id=new_id, user=account.user(rng))
    return f"{kind} {other} merged into {one}, which is {survivor}"


# --- what is seen late -----------------------------------------------------------------------------------------------


def late_edit(account: Account, rng: random.Random) -> str:
    """A change stamped now and seen later: after others with a later stamp."""
    deal, seconds = account.pick(rng, "deals"), rng.choice(LATE)
    stage = rng.choice(IN_USE[_pipeline(account, deal)])
    account.portal.hold(_if_there, account, deal, {"dealstage": stage, "description": "late"}, seconds=seconds)
    return f"deal {deal} goes to {stage}, seen {seconds} s later"


def _if_there(account: Account, deal: str, properties: Mapping[str, Any], *, at: int) -> None:
    """It may have been merged away, purged or moved to the other pipeline meanwhile."""
    collection = account.portal.collections["deals"]
    if collection.is_live(int(deal)) and properties["dealstage"] in IN_USE[_pipeline(account, deal)]:
        account.portal.update("deals", deal, properties, at=at)


def late_contact(account: Account, rng: random.Random) -> str:
    seconds = rng.choice(LATE)
    made = account.portal.hold(
        account.portal.create, "contacts", {"lifecyclestage": rng.choice(LIFE)}, seconds=seconds
    )
    return f"contact {made} made, seen {seconds} s later"


# --- what an administrator does --------------------------------------------------------------------------------------


def archive_owner(account: Account, rng: random.Random) -> str:
    """Who left, or came back."""
    owner = rng.choice(list(OWNERS))
    if account.portal.owners[owner]["archived"]:
        account.portal.restore_owner(owner)
        return f"owner {owner} came back"
    account.portal.archive_owner(owner)
    return f"owner {owner} left"


def set_teams(account: Account, rng: random.Random) -> str:
    owner, teams = rng.choice(list(OWNERS)), rng.choice([("North",), ("South", "North"), ()])
    account.portal.set_teams(owner, teams)
    return f"owner {owner} is in {teams}"


def change_stage(account: Account, rng: random.Random) -> str:
    """Rename, archive or remove a stage that no deal is in, or put it there again."""
    portal = account.portal
    if UNUSED not in portal.stages_of("deals"):
        portal.add_stage("renewal", next(stage for stage in STAGES["renewal"] if stage[0] == UNUSED))
        return "the unused stage is there again"
    what = rng.choice(["rename", "archive", "remove"])
    if what == "rename":
        portal.rename_stage(UNUSED, f"Parked {rng.randrange(100)}")
    elif what == "archive":
        portal.archive_stage(UNUSED)
    else:
        portal.remove_stage(UNUSED)
    return f"the unused stage: {what}"


def change_property(account: Account, rng: random.Random) -> str:
    """Remove a property, whose values vanish without a word, or put it there again; or add one."""
    kind, name = rng.choice(DROPPABLE)
    if name in account.portal.collections[kind].dropped:
        account.portal.add_property(kind, name)
        return f"{kind} have {name} again"
    account.portal.drop_property(kind, name)
    account.portal.add_property(kind, f"own_{rng.randrange(100)}")
    return f"{kind} have no {name} any more"


def expire_token(account: Account, rng: random.Random) -> str:
    """All tokens of the app end before their time; a private app's does not."""
    account.twin.oauth.expire()
    return "access tokens ended"


CHANGES: Mapping[str, Change] = {
    change.__name__: change for change in (
        create_deal, edit_amount, edit_owner, edit_close_date, move_stage, move_twice, move_pipeline, bulk_edit,
        set_splits, create_contact, edit_contact, edit_company, new_activity, edit_activity, link, archive_record,
        restore_record, purge_record, merge_records, merge_to_new_id, late_edit, late_contact, archive_owner,
        set_teams, change_stage, change_property, expire_token,
    )
}

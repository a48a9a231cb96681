"""KPI values worked out from what the account itself says, in plain Python, from the definitions of the catalogue.

Nothing of `connector.metrics` is used, and nothing of the store: the input is `HubSpotTwin.state()`, the rules are
those of metrics.md: R1 (local months), R4 (closed by the move into the stage), R7 (the last state counts), R8 (who is
deleted or merged away is in no period), R12 (whoever owned it then), R13 and R14 (what has no rate or no amount is left
out). Money is EUR; the account also has amounts in USD, for which there is no rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

State = Mapping[str, Any]
Cells = Counter[tuple[str, ...]]
"""Numbers by (owner or "all", month, further words); what is 0 is left out."""

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NO_LEADS = ("", "subscriber", "evangelist", "other")
ALL = "all"


def live(state: State, kind: str) -> dict[str, dict[str, Any]]:
    """The records that are there: not deleted and not merged into another."""
    return {id_: one for id_, one in state[kind].items() if one["status"] == "live"}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Said:
    """One value that a property took."""

    at: datetime
    value: str
    user: str | None


def told(record: Mapping[str, Any], name: str) -> list[Said]:
    """The values of a property, oldest first (the account lists them newest first)."""
    return [
        Said(instant(one["timestamp"]), one["value"], None if (by := one.get("updatedByUserId")) is None else str(by))
        for one in reversed(record["history"].get(name, ()))
    ]


def held(chain: Sequence[Said], moment: datetime) -> str:
    """What a property was at a moment; before its first value that one."""
    before = [said.value for said in chain if said.at <= moment]
    return before[-1] if before else next((said.value for said in chain if said.value), "")


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay in a stage; `left` None: the deal is there now."""

    stage: str
    entered: datetime
    left: datetime | None


def visits(deal: Mapping[str, Any]) -> list[Visit]:
    """The stays of a deal, in order; a move into the stage already held is none."""
    chain = [next(same) for _, same in groupby(told(deal, "dealstage"), key=lambda said: said.value)]
    ends = [*(said.at for said in chain[1:]), None]
    return [Visit(said.value, said.at, end) for said, end in zip(chain, ends, strict=True)]


def month(moment: datetime) -> str:
    """R1: a boundary belongs to the later month, in the reporting zone."""
    return moment.astimezone(ZONE).strftime("%Y-%m")


def close_of(deal: Mapping[str, Any], kinds: Mapping[str, str]) -> tuple[str, datetime] | None:
    """How a deal ended, and when it moved out of what it was before; None while it is open (R4, R7)."""
    runs = [(kind, next(run)) for kind, run in groupby(visits(deal), key=lambda visit: kinds[visit.stage])]
    if not runs or runs[-1][0] == "open":
        return None
    return runs[-1][0], runs[-1][1].entered


def worth(deal: Mapping[str, Any]) -> tuple[Decimal | None, str]:
    """(amount in EUR or None, why it is left out)."""
    return in_euro(deal["properties"].get("amount") or "", deal["properties"].get("deal_currency_code") or "")


def in_euro(amount: str, currency: str) -> tuple[Decimal | None, str]:
    if not amount:
        return None, "amount"
    return (Decimal(amount), "") if currency == "EUR" else (None, "rate")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the KPIs must be: `values`, and by the same key how many records are left out for want of amount or rate."""

    values: Mapping[str, Cells]
    left_out: Mapping[str, Cells]


def answers(state: State, kinds: Mapping[str, str], now: datetime) -> Answer:
    """Every KPI asked, as of `now`. `kinds`: open, won or lost, by stage id."""
    names = (
        "won_count", "won_value", "lost_count", "rate_won", "rate_closed", "entries", "open_value", "leads",
        "leads_won", "activities", "won_of_company", "entries_of_company", "open_of_company",
    )
    values: dict[str, Cells] = {name: Counter() for name in names}
    left_out: dict[str, Cells] = {name: Counter() for name in ("won_value", "open_value")}
    months = ends_of_months(state, now)
    for deal in live(state, "deals").values():
        owners = told(deal, "hubspot_owner_id")
        amount, why = worth(deal)
        for visit in visits(deal):
            values["entries"][held(owners, visit.entered), month(visit.entered), visit.stage] += 1
            values["entries_of_company"][ALL, month(visit.entered), visit.stage] += 1
        if (closed := close_of(deal, kinds)) is not None:
            outcome, at = closed
            owner, when = held(owners, at), month(at)
            values["rate_closed"][owner, when] += 1
            values["rate_won"][owner, when] += outcome == "won"
            values[f"{outcome}_count"][owner, when] += 1
            if outcome == "won":
                values["won_of_company"][ALL, when] += 1
                if amount is None:
                    left_out["won_value"][owner, when, why] += 1
                else:
                    values["won_value"][owner, when] += amount  # type: ignore[assignment]
        for period, end in months:
            _open(deal, kinds, period, end, now, values, left_out)
    won = won_leads(state, kinds)
    for id_, lead in leads(state).items():
        owner, when = lead["properties"].get("hubspot_owner_id") or "", month(created(lead))
        values["leads"][owner, when] += 1
        values["leads_won"][owner, when] += id_ in won
    for type_, activity in done(state):
        at = instant(activity["properties"]["hs_timestamp"])
        if at <= now:
            values["activities"][activity["properties"].get("hubspot_owner_id") or "", month(at), type_] += 1
    return Answer(
        {name: Counter({key: one for key, one in cells.items() if one}) for name, cells in values.items()}, left_out
    )


def _open(
    deal: Mapping[str, Any], kinds: Mapping[str, str], period: str, end: datetime, now: datetime,
    values: Mapping[str, Cells], left_out: Mapping[str, Cells],
) -> None:
    """The open pipeline at a month's last instant (or now): by the owner, with the amount, of that instant."""
    there = [visit for visit in visits(deal) if visit.entered <= end and (visit.left is None or visit.left > end)]
    if not there or kinds[there[-1].stage] != "open":
        return
    owner = held(told(deal, "hubspot_owner_id"), end)
    amount, why = in_euro(held(told(deal, "amount"), end), held(told(deal, "deal_currency_code"), end))
    if end >= now:
        amount, why = worth(deal)
    if amount is None:
        left_out["open_value"][owner, period, why] += 1
    else:
        values["open_value"][owner, period] += amount  # type: ignore[assignment]
        values["open_of_company"][ALL, period] += amount  # type: ignore[assignment]


def ends_of_months(state: State, now: datetime) -> list[tuple[str, datetime]]:
    """Each month since the first deal began, with its last instant; of the running one that is now."""
    began = [visit.entered for deal in live(state, "deals").values() for visit in visits(deal)]
    if not began:
        return []
    found, day = [], min(began).astimezone(ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while day <= now.astimezone(ZONE):
        after = (day + timedelta(days=32)).replace(day=1)
        found.append((day.strftime("%Y-%m"), min(after.astimezone(UTC) - timedelta(microseconds=1), now)))
        day = after
    return found


def created(record: Mapping[str, Any]) -> datetime:
    return instant(record["properties"]["createdate"])


def leads(state: State) -> dict[str, dict[str, Any]]:
    """The contacts that are leads: from the life cycle stage "lead" on."""
    return {
        id_: one for id_, one in live(state, "contacts").items()
        if (one["properties"].get("lifecyclestage") or "") not in NO_LEADS
    }


TYPES = {"calls": "call", "emails": "email", "meetings": "meeting", "tasks": "task"}
NOT_DONE = {
    "calls": ("hs_call_status", ("SCHEDULED", "CANCELED")), "emails": ("hs_email_status", ("SCHEDULED",)),
    "meetings": ("hs_meeting_outcome", ("CANCELED",)), "tasks": ("hs_task_status", ("NOT_STARTED",)),
}
"""Of each type of activity what it says where it was not done: planned (a meeting is held once due) or cancelled."""


def done(state: State) -> Iterator[tuple[str, dict[str, Any]]]:
    """The activities done, by type."""
    for kind, (name, words) in NOT_DONE.items():
        for one in live(state, kind).values():
            if one["properties"].get(name) not in words:
                yield TYPES[kind], one


def linked(record: Mapping[str, Any], kind: str) -> str | None:
    """Of several associations the one of the lowest id."""
    ids = record["associations"].get(kind, ())
    return min(ids, key=int) if ids else None


def won_leads(state: State, kinds: Mapping[str, str]) -> set[str]:
    """The leads with a won deal; lead and deal may name each other from either side, and count once."""
    deals, found = live(state, "deals"), set()
    pairs = {(linked(deal, "contacts"), id_) for id_, deal in deals.items()}
    pairs |= {(id_, linked(lead, "deals")) for id_, lead in leads(state).items()}
    for lead, deal in pairs:
        closed = close_of(deals[deal], kinds) if deal in deals else None
        if lead is not None and closed is not None and closed[0] == "won":
            found.add(lead)
    return found

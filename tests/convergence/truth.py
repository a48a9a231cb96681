"""What the preset must make of an account, worked out from what the account itself says: rows, moves and changes.

Rows as the ledger keeps them: instants in microseconds, money in ten-thousandths, probability in millionths, references
as `source:id`. Written from mappings/hubspot.yaml as a person reads it; nothing of the adapter or the mapping is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tests.convergence.account import STAGES
from tests.convergence.oracle import TYPES, ZONE, State, created, instant, leads, linked, live, micros, told

Rows = dict[str, dict[str, dict[str, Any]]]
"""By entity and id: columns and what they hold."""
Fact = tuple[str, int, str, str | None]
"""Deal, instant, value, who did it."""


def rows(state: State) -> Rows:
    """The rows that are live, of each entity."""
    return {
        "owner": {id_: _owner(one) for id_, one in state["owners"].items()},
        "owner_team": dict(_teams(state)),
        "activity": {
            f"{type_}-{id_}": _activity(type_, one)
            for kind, type_ in TYPES.items() for id_, one in live(state, kind).items()
        },
        "account": {id_: _account(one) for id_, one in live(state, "companies").items()},
        "lead": {id_: _lead(one) for id_, one in leads(state).items()},
        "deal": {id_: _deal(one) for id_, one in live(state, "deals").items()},
        "stage": _stages(state),
        "pipeline": {id_: {"name": f"{id_} sales"} for id_ in STAGES},
    }


def _ref(id_: str | None) -> str | None:
    return f"hubspot:{id_}" if id_ else None


def _at(text: str | None) -> int | None:
    return micros(instant(text)) if text else None


def _first(record: Mapping[str, Any], kind: str) -> str | None:
    return _ref(linked(record, kind))


def _owner(one: Mapping[str, Any]) -> dict[str, Any]:
    name = " ".join(part for part in (one["firstName"], one["lastName"]) if part)
    return {"email": one["email"], "name": name, "active": int(not one["archived"]),
            "user": str(one["userIdIncludingInactive"])}


def _teams(state: State) -> Iterator[tuple[str, dict[str, Any]]]:
    """The main team of each owner."""
    for id_, one in state["owners"].items():
        for team in one["teams"]:
            if team["primary"]:
                yield f"hubspot:{id_}|{team['name']}|", {"owner": _ref(id_), "team": team["name"]}


WENT = {"COMPLETED": "other", "SENT": "sent", "BOUNCED": "bounced", "CANCELED": "cancelled", "SCHEDULED": "planned"}
"""What we call what HubSpot says of an activity; of meetings and tasks see below."""


def _activity(type_: str, one: Mapping[str, Any]) -> dict[str, Any]:
    held = one["properties"]
    words = (held.get(name) for name in ("hs_call_status", "hs_email_status", "hs_meeting_outcome", "hs_task_status"))
    word = next(word for word in words if word)
    went = {"meeting": {"COMPLETED": "held", "SCHEDULED": "scheduled"}, "task": {"COMPLETED": "done"}}.get(type_, {})
    directions = {"INBOUND": "in", "OUTBOUND": "out", "EMAIL": "out", "INCOMING_EMAIL": "in"}
    return {
        "type": type_, "occurred_at": _at(held["hs_timestamp"]),
        "outcome": went.get(word) or ("planned" if word == "NOT_STARTED" else WENT[word]),
        "direction": directions.get(held.get("hs_call_direction") or held.get("hs_email_direction") or ""),
        "duration_seconds": 61 if held.get("hs_call_duration") else None,
        "owner": _ref(held.get("hubspot_owner_id")), "lead": _first(one, "contacts"), "deal": _first(one, "deals"),
        "account": _first(one, "companies"),
    }


def _account(one: Mapping[str, Any]) -> dict[str, Any]:
    held = one["properties"]
    return {"name": held.get("name"), "domain": held.get("domain"), "owner": _ref(held.get("hubspot_owner_id")),
            "created_at": micros(created(one))}


def _lead(one: Mapping[str, Any]) -> dict[str, Any]:
    held = one["properties"]
    return {"created_at": micros(created(one)), "status": held.get("hs_lead_status"),
            "source_name": held.get("hs_analytics_source"), "owner": _ref(held.get("hubspot_owner_id")),
            "deal": _first(one, "deals"), "mql_at": _at(held.get("hs_lifecyclestage_marketingqualifiedlead_date")),
            "sql_at": _at(held.get("hs_lifecyclestage_salesqualifiedlead_date"))}


def _deal(one: Mapping[str, Any]) -> dict[str, Any]:
    held = one["properties"]
    amount = held.get("amount")
    closes = held.get("closedate")
    return {
        "name": held.get("dealname"), "pipeline": held.get("pipeline"), "stage": held.get("dealstage"),
        "created_at": micros(created(one)), "amount": int(Decimal(amount) * 10_000) if amount else None,
        "currency": held.get("deal_currency_code"), "owner": _ref(held.get("hubspot_owner_id")),
        "account": _first(one, "companies"), "lead": _first(one, "contacts"),
        "expected_close_on": instant(closes).astimezone(ZONE).date().isoformat() if closes else None,
        "probability": _millionths(held.get("hs_deal_stage_probability")),
        "lost_reason": held.get("closed_lost_reason"), "type": held.get("dealtype"),
    }


def _millionths(text: str | None) -> int | None:
    return int((Decimal(text) * 1_000_000).to_integral_value(ROUND_HALF_EVEN)) if text else None


def _stages(state: State) -> dict[str, dict[str, Any]]:
    """The stages that the mapping lists, with what the account says of those that it has.

    One that it has no more keeps what was last said of it (R9), if that was ever seen.
    """
    has = {(one["id"], stage["id"]): stage for one in state["pipelines"]["deals"].values() for stage in one["stages"]}
    found: dict[str, dict[str, Any]] = {}
    for pipeline, listed in STAGES.items():
        for id_, label, _ in listed:
            row = found[f"{pipeline}|{id_}"] = {"pipeline": pipeline, "stage": id_, "name": label}
            if (there := has.get((pipeline, id_))) is not None:
                row["probability"] = _millionths(there["metadata"]["probability"])
                row["archived"] = int(there["archived"])
    return found


def shares(state: State) -> set[tuple[str, str, int]]:
    """(deal, owner, share) of the live deals that are shared."""
    return {
        (f"hubspot:{id_}", f"hubspot:{owner}", _millionths(share) or 0)
        for id_, deal in live(state, "deals").items() for owner, share in deal["splits"].items()
    }


def moves(state: State) -> list[Fact]:
    """Every move that the account tells of its live deals, the first stage included."""
    return sorted(
        (id_, micros(said.at), said.value, said.user)
        for id_, deal in live(state, "deals").items() for said in told(deal, "dealstage")
    )


FIELDS = {
    "owner": "hubspot_owner_id", "amount": "amount", "currency": "deal_currency_code", "pipeline": "pipeline",
    "expected_close_on": "closedate", "probability": "hs_deal_stage_probability",
}


def changes(state: State) -> list[tuple[str, Fact]]:
    """Every change of a deal's field that the account tells, as the ledger keeps values: in text, empty = cleared."""
    found = []
    for id_, deal in live(state, "deals").items():
        for field, name in FIELDS.items():
            for said in told(deal, name):
                found.append((field, (id_, micros(said.at), _kept(field, said.value), said.user)))
    return sorted(found, key=repr)


def _kept(field: str, value: str) -> str:
    if not value:
        return ""
    if field == "owner":
        return f"hubspot:{value}"
    if field == "amount":
        return str(int(Decimal(value) * 10_000))
    if field == "probability":
        return str(_millionths(value))
    return instant(value).astimezone(ZONE).date().isoformat() if field == "expected_close_on" else value


STAGE_NAMED = {label: stage for stages in STAGES.values() for stage, label, _ in stages}

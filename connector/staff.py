"""Who is an employee, and which owners belong to nobody: the deals and the money they hold.

Owners that match no employee are in no person's numbers and never pushed; nobody is guessed. What they own is told
here, so that somebody can give them to a person, or ignore them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from connector import directory, kpi
from connector.computation import gaps
from connector.kpi import KpiDefinition
from connector.metrics.question import NOBODY
from connector.model import KpiValue, micros
from connector.people import People, Person
from connector.store.snapshot import Snapshot, open_snapshot
from connector.wiring import Installation

_OF_OWNERS = tuple(
    KpiDefinition(name, metric, per="owner", every="all", options=options)
    for name, metric, options in (
        ("open_deals", "open_pipeline", {"measure": "count"}), ("open_value", "open_pipeline", {}),
        ("won_deals", "won_count", {}), ("won_value", "won_value", {}),
        ("closed_deals", "win_rate_count", {}),
    )
)


def listed(here: Installation) -> dict[str, Any]:
    """The employees of today by the people file, or the list as it was last read, and the owners that are none of them.

    {"people": [{employee_code, name, emails, owners, team, manager, from, to}], "unmatched": [{owner, name, email,
    open_deals, open_value, won_deals, won_value, closed_deals}], "currency"}: the unmatched with most money first,
    those without a deal last; owner `none` stands for deals without owner. A number that is withheld or not known yet
    is null. Raises ConfigError.
    """
    staff, store, currency = directory.people_of(here), here.store, here.config.currency
    with open_snapshot(here.config.store) as snapshot:
        told = list(_owners(snapshot))
        known = gaps(store, snapshot.known_at)
        values = kpi.compute(_OF_OWNERS, snapshot, here.calendar, currency, periods=["all"], **known)
    held = _held(values)
    today = here.calendar.day_of(micros(here.clock.now()))
    return {
        "people": [_person(one, staff, told, today) for one in staff.persons if not one.is_ignored],
        "unmatched": _unmatched(staff, told, held),
        "currency": currency,
    }


def _owners(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """The owners the sources told of: key, name, e-mail, and whether the record is gone."""
    rows = snapshot.table("owner", ("source", "id", "name", "email", "gone")).to_pylist()
    for row in sorted(rows, key=lambda row: (row["source"], row["id"])):
        yield {"owner": f"{row['source']}:{row['id']}", "name": row["name"] or None, "email": row["email"] or None,
               "is_gone": bool(row["gone"])}


def _held(values: list[KpiValue]) -> dict[str, dict[str, Any]]:
    """What each owner holds, by owner; of the win rate what was closed."""
    found: dict[str, dict[str, Any]] = {}
    for value in values:
        number = value.denominator if value.kpi == "closed_deals" else value.value
        found.setdefault(value.subject.key, {})[value.kpi] = number
    return found


def _unmatched(
    staff: People, told: list[dict[str, Any]], held: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    nothing = {"name": None, "email": None, "is_gone": True}
    known = {one["owner"]: one for one in told}
    found = []
    for owner in {**known, **dict.fromkeys(held)}:
        one, own = known.get(owner, nothing), held.get(owner, {})
        has_deals = any(own.get(name) not in (None, "0") for name in ("open_deals", "won_deals", "closed_deals"))
        if staff.person_of(owner, one["email"] or "") is None and (has_deals or not one["is_gone"]):
            name = "no owner" if owner == NOBODY else one["name"]
            numbers = {definition.id: own.get(definition.id) for definition in _OF_OWNERS}
            found.append({"owner": owner, "name": name, "email": one["email"], **numbers})
    return sorted((one for one in found if one["owner"] != NOBODY or _money(one) or _deals(one)), key=_most)


def _most(one: Mapping[str, Any]) -> tuple[Decimal, int, str]:
    return -_money(one), -_deals(one), one["owner"]


def _money(one: Mapping[str, Any]) -> Decimal:
    return Decimal(one["open_value"] or 0) + Decimal(one["won_value"] or 0)


def _deals(one: Mapping[str, Any]) -> int:
    return int(one["open_deals"] or 0) + int(one["closed_deals"] or 0)


def _person(one: Person, staff: People, told: list[dict[str, Any]], today: date) -> dict[str, Any]:
    """An employee with their owners, in the team and under the manager of today."""
    owners = (owner["owner"] for owner in told if staff.person_of(owner["owner"], owner["email"] or "") is one)
    firsts, lasts = ([getattr(stay, side) for stay in one.stays] for side in ("first", "last"))
    return {
        "employee_code": one.code, "name": one.name, "emails": sorted(one.emails),
        "owners": sorted(owners), "team": one.team_on(today) or None, "manager": one.manager_on(today) or None,
        "from": None if None in firsts else min(firsts).isoformat(),
        "to": None if None in lasts else max(lasts).isoformat(),
    }

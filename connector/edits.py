"""What was edited in the CRM after a period was closed, by whom, and what it moves: the retroactive-edit report.

Read from the adjustments' causes: each names a record that counts otherwise today than it was frozen. What became of it
since the close is found in the ledger: moves and field changes that the vendor told, with who made them where it says
so, and for the rest what each version of the record says otherwise than the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row as Row_
from sqlalchemy import select

from connector import adjustments, frozen
from connector.errors import ConfigError, Fault
from connector.exact import money_text
from connector.model import ENTITIES, Kind, column, iso, micros
from connector.store.known import Key, KnownRows, Row
from connector.store.store import Store
from connector.store.tables import seal

_TABLE = {"lead": "lead"}  # of other members the record is the deal
_TOLD = {"stage", "pipeline"}  # told by moves, where there are any


def edits(store: Store, period: str) -> list[dict[str, Any]]:
    """The records whose part in a closed period has changed since, each with its edits and what they move.

    Raises ConfigError when the period is not closed.
    """
    with store.reading() as connection:
        rows = connection.execute(select(seal).where(seal.c.period == period, seal.c.reopened_at.is_(None))).all()
        if not rows:
            message = f"{period} is not closed; `connector period list` shows which are"
            raise ConfigError([Fault("command line", 0, "period", message)])
        since_of = _frozen_at(rows)
        moved = _moved(adjustments.list_adjustments(store, period=period))
        now, first = 2**62, min(since_of.values(), default=0)
        for key in frozen.touched(connection, period, first):
            moved.setdefault(key, [])
        now_rows = KnownRows(connection, now, now)
        names = _names(now_rows)
        found = []
        for (entity, source, id_), effects in sorted(moved.items()):
            since = min((since_of.get(one["kpi"], first) for one in effects), default=first)
            told = _of_record(KnownRows(connection, now, since), now_rows, entity, (source, id_), since, names)
            made = sorted(told, key=lambda edit: (edit["known_at"], edit["what"]))
            if made or effects:
                name = _name(now_rows, entity, (source, id_))
                named = {"entity": entity, "source": source, "id": id_, "name": name}
                found.append({**named, "edits": made, "moves": effects})
        return found


def _frozen_at(rows: Iterable[Row_[Any]]) -> dict[str, int]:
    """As of when each KPI of the period was frozen: cohorts later than the rest."""
    headers = [frozen.told(row.header) for row in rows]
    return {kpi: micros(datetime.fromisoformat(header["as_of"])) for header in headers for kpi in header["kpis"]}


def _moved(listed: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """What each record moves: KPI, of whom, by how much of base money where it is money."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in listed:
        for cause in one["causes"]:
            effect = {
                "kpi": one["kpi"], "subject": one["subject"], "dimensions": one["dimensions"], "side": cause["side"],
                "change": cause["change"], "money": _money(cause, one["currency"]), "currency": one["currency"],
                "adjustment": one["id"], "state": one["state"],
            }
            key = _TABLE.get(cause["entity"], "deal"), cause["source"], cause["id"]
            found.setdefault(key, []).append(effect)
    return found


def _money(cause: Mapping[str, Any], currency: str | None) -> str | None:
    if currency is None or (cause["amount_before"] is None and cause["amount_now"] is None):
        return None
    return money_text((cause["amount_now"] or 0) - (cause["amount_before"] or 0), currency)


# --- one record ------------------------------------------------------------------------------------------------------


def _of_record(
    then_rows: KnownRows, now_rows: KnownRows, entity: str, key: Key, since: int, names: Mapping[Key, str]
) -> Iterator[dict[str, Any]]:
    """What was learnt of the record since, in no order."""
    told: set[str] = set()
    if entity == "deal":
        moves = [("stage", fact["to_stage"], fact) for fact in now_rows.facts("stage_transition", [key]).get(key, ())]
        changes = [
            (fact["field"], _changed(fact), fact) for fact in now_rows.facts("deal_change", [key]).get(key, ())
        ]
        for what, old, new, fact in _steps([*moves, *changes]):
            if fact["recorded_at"] > since and fact["origin"] != "initial":
                told |= _TOLD if what == "stage" else {what}
                yield _edit(what, old, new, fact, names)
    before = then_rows.versions(entity, [key]).get(key)
    for version in now_rows.history(entity, key, since):
        if before is None:
            yield _edit("record", None, "first seen", version, names)
        else:
            for what, old, new in _differences(entity, before, version):
                if what not in told:
                    yield _edit(what, old, new, version, names)
        before = version


def _steps(facts: Iterable[tuple[str, Any, Row]]) -> Iterator[tuple[str, Any, Any, Row]]:
    """Each fact with the value before it."""
    held: dict[str, Any] = {}
    for what, new, fact in sorted(facts, key=lambda one: (one[0], one[2]["occurred_at"], one[2]["sequence"])):
        yield what, held.get(what), new, fact
        held[what] = new


def _changed(fact: Row) -> Any:
    """The new value of a field change, as people read it."""
    kinds = {"amount": 10_000, "probability": 1_000_000}
    scale, new = kinds.get(fact["field"]), fact["new"] or None
    return new if scale is None or new is None else str(Decimal(new) / scale)


def _edit(what: str, old: Any, new: Any, row: Row, names: Mapping[Key, str]) -> dict[str, Any]:
    """One edit: when it happened and by whom where the vendor says so, and when we knew."""
    actor = row.get("actor")
    return {
        "what": what, "old": old, "new": new, "happened_at": iso(row.get("occurred_at")), "by": actor,
        "by_name": None if actor is None else names.get((row["source"], actor)),
        "known_at": iso(row["recorded_at"]), "page": row["page"], "record_index": row["record_index"],
    }


def _differences(entity: str, before: Row, now: Row) -> Iterator[tuple[str, Any, Any]]:
    """The fields that read differently, as people read them."""
    if before["gone"] != now["gone"]:
        yield "record", before["gone"] or "there", now["gone"] or "there"
    for name, field in ENTITIES[entity].fields.items():
        old, new = (_shown(row, column(name), field.kind) for row in (before, now))
        if old != new:
            yield name, old, new
    own, its = (json.loads(row["extra"] or "{}") for row in (before, now))
    for name in sorted(own.keys() | its.keys()):
        if own.get(name) != its.get(name):
            yield f"extra.{name}", own.get(name), its.get(name)


def _shown(row: Row, name: str, kind: Kind) -> Any:
    value = row[name]
    if value is None:
        return None
    if kind is Kind.INSTANT:
        return iso(value)
    if kind is Kind.MONEY:
        return f"{Decimal(value) / 10_000} {row['currency']}"
    return str(Decimal(value) / 1_000_000) if kind is Kind.RATIO else value


def _names(rows: KnownRows) -> dict[Key, str]:
    """What the vendor's users are called, by their user id and their owner id."""
    found: dict[Key, str] = {}
    for owner in rows.all("owner"):
        name = owner["name"] or owner["email"]
        if name:
            found.setdefault((owner["source"], owner["id"]), name)
            if owner["user"]:
                found[owner["source"], owner["user"]] = name
    return found


def _name(rows: KnownRows, entity: str, key: Key) -> str | None:
    version = rows.versions(entity, [key]).get(key)
    return None if version is None else version.get("name")

"""Whether a store says what the account says: rows, moves, changes, KPI values; and that nothing is there twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from connector import kpi
from connector.kpi import KpiDefinition
from connector.model import KpiValue
from connector.period import Calendar
from connector.store import tables
from connector.store.snapshot import open_snapshot
from connector.store.store import Store
from tests.convergence import oracle, truth
from tests.convergence.account import KINDS
from tests.convergence.oracle import ALL, Cells, State

ASKED = {
    "won_count": KpiDefinition("won_count", "won_count", "owner"),
    "won_value": KpiDefinition("won_value", "won_value", "owner"),
    "lost_count": KpiDefinition("lost_count", "lost_reasons", "owner"),
    "rate": KpiDefinition("rate", "win_rate_count", "owner"),
    "entries": KpiDefinition("entries", "stage_entries", "owner"),
    "open_value": KpiDefinition("open_value", "open_pipeline", "owner"),
    "leads": KpiDefinition("leads", "lead_volume", "owner"),
    "activities": KpiDefinition("activities", "activity_count", "owner", by="type"),
    "leads_won": KpiDefinition("leads_won", "lead_to_won", "owner"),
    "won_of_company": KpiDefinition("won_of_company", "won_count"),
    "entries_of_company": KpiDefinition("entries_of_company", "stage_entries"),
    "open_of_company": KpiDefinition("open_of_company", "open_pipeline"),
}


NOT_HERE = "live, and not so in the account"


def differences(store: Store, state: State, now: datetime, *, splits: bool) -> list[str]:
    """Everything in which the store differs from the account, in words; empty if they agree."""
    with store.reading() as connection:
        found = [
            *_rows(connection, truth.rows(state)), *_gone(connection, state), *_facts(connection, state),
            *_shares(connection, state, shown=splits),
            *_left_over(connection),
        ]
    return [*found, *_kpis(store.url, state, now)]


NOT_STAMPED = {
    "deal": {"lead", "account", "type", "lost_reason"}, "lead": {"deal", "status"},
    "activity": {"lead", "deal", "account"},
}
"""What changes without a modified date: links, and properties that the account drops."""


def lost(store: Store, state: State) -> list[str]:
    """What windows should have shown, and did not: records, their fields, their past, and that they were deleted or
    merged. What has no modified date (links) or vanished (purged records) only a full pass or a list of ids shows."""
    wanted = {
        entity: {
            id_: {name: value for name, value in row.items() if name not in NOT_STAMPED.get(entity, ())}
            for id_, row in rows.items()
        }
        for entity, rows in truth.rows(state).items()
    }
    with store.reading() as connection:
        found = [one for one in _rows(connection, wanted) if not one.endswith(NOT_HERE)]
        found += [*_gone(connection, state), *_facts(connection, state), *_not_archived(connection, state)]
    return [f"after a sync: {one}" for one in found]


def _not_archived(connection: Connection, state: State) -> Iterable[str]:
    """Live rows of what was deleted: lists of archived records show it, unless it was purged."""
    kinds = {"deal": "deals", "lead": "contacts", "account": "companies"}
    kinds_of = {type_: kind for kind, type_ in oracle.TYPES.items()}
    for entity in (*kinds, "activity"):
        for row in _current(connection, entity):
            kind, id_ = kinds.get(entity, ""), row["id"]
            if not kind:
                type_, _, id_ = id_.partition("-")
                kind = kinds_of[type_]
            if _is_live(row) and state[kind][id_]["status"] == "archived":
                yield f"{entity} {row['id']}: archived, and still live"


def not_listed(store: Store, state: State) -> list[str]:
    """What a list of all ids should have shown to be gone, or to be there, and did not."""
    wanted = truth.rows(state)
    with store.reading() as connection:
        return [
            f"after a list of ids: {entity} {id_} is {'live' if id_ in held else 'missing'}"
            for entity in ("deal", "lead", "account", "activity")
            for held in [{row["id"] for row in _current(connection, entity) if _is_live(row)}]
            for id_ in sorted(held ^ wanted[entity].keys())
        ]


def wrongly_deleted(store: Store, state: State) -> list[str]:
    """Live records that a pass has deleted: hidden is not deleted."""
    with store.reading() as connection:
        return [
            f"{entity} {row['id']}: deleted by a pass, and in the account it is live"
            for entity, kind in (("deal", "deals"), ("account", "companies"))
            for row in _current(connection, entity)
            if row["gone"] == "deleted" and row["id"] in oracle.live(state, kind)
        ]


def amount_of(store: Store, deal: str) -> int | None:
    """What a deal is worth in our store, in ten-thousandths."""
    with store.reading() as connection:
        return next((row["amount"] for row in _current(connection, "deal") if row["id"] == deal), None)


def _current(connection: Connection, entity: str) -> list[Mapping[str, Any]]:
    table = tables.LEDGER[entity]
    return list(connection.execute(select(table).where(table.c.replaced_at.is_(None))).mappings())


def _is_live(row: Mapping[str, Any]) -> bool:
    return row["gone"] is None and row.get("deleted_at") is None and row.get("merged_into") is None


def _rows(connection: Connection, expected: truth.Rows) -> Iterable[str]:
    for entity, wanted in expected.items():
        rows = _current(connection, entity)
        doubled = [id_ for id_, count in Counter(row["id"] for row in rows).items() if count > 1]
        if doubled:
            yield f"{entity} {doubled}: more than one current version"
        held = {row["id"]: row for row in rows if _is_live(row)}
        for id_ in sorted(held.keys() - wanted.keys()):
            yield f"{entity} {id_}: {NOT_HERE}"
        for id_ in sorted(wanted.keys() - held.keys()):
            yield f"{entity} {id_}: missing"
        for id_ in sorted(wanted.keys() & held.keys()):
            for column, value in wanted[id_].items():
                if held[id_][column] != value:
                    yield f"{entity} {id_} {column}: {held[id_][column]!r}, the account says {value!r}"


def _gone(connection: Connection, state: State) -> Iterable[str]:
    """What was deleted or merged says so, and into what it was merged."""
    for entity, kind in (("deal", "deals"), ("lead", "contacts")):
        records = state[kind]
        for row in _current(connection, entity):
            one = records.get(row["id"])
            if one is None:
                yield f"{entity} {row['id']}: never was in the account"
            elif one["status"] == "archived" and row["gone"] is None and row["deleted_at"] is None:
                yield f"{entity} {row['id']}: deleted, and nothing says so"
            elif one["status"] == "merged":
                into, survivor = (row["merged_into"] or "").removeprefix("hubspot:"), one["merged_into"]
                if into and (records[into]["merged_into"] or into) != survivor:
                    yield f"{entity} {row['id']}: merged into {into}, the account says {survivor}"
                if not into and records[survivor]["status"] == "live":
                    yield f"{entity} {row['id']}: merged into {survivor}, and nothing says so"
            elif one["status"] == "live" and row["merged_into"] is not None:
                yield f"{entity} {row['id']}: merged into {row['merged_into']}, and in the account it is live"


def _shares(connection: Connection, state: State, *, shown: bool) -> Iterable[str]:
    """Who shares which deal; without the setting `splits` nobody does."""
    alive = {f"hubspot:{id_}" for id_ in oracle.live(state, "deals")}
    rows = [row for row in _current(connection, "deal_owner") if row["gone"] is None and row["deal"] in alive]
    held, wanted = {(row["deal"], row["owner"], row["share"]) for row in rows}, truth.shares(state) if shown else set()
    for share in sorted(held ^ wanted):
        yield f"share {share}: {'not in the account' if share in held else 'missing'}"


def _facts(connection: Connection, state: State) -> Iterable[str]:
    alive = oracle.live(state, "deals")
    for name, told, wanted in (
        ("move", _current(connection, "stage_transition"), [("stage", fact) for fact in truth.moves(state)]),
        ("change", _current(connection, "deal_change"), truth.changes(state)),
    ):
        for row in told:
            if row["deal"] in alive and row["origin"] != "reported":
                yield f"{name} of deal {row['deal']}: still {row['origin']}, to {row.get('to_stage') or row.get('new')}"
        held = Counter(
            (row.get("field", "stage"),
             (row["deal"], row["occurred_at"], row.get("to_stage", row.get("new")), row["actor"]))
            for row in told if row["deal"] in alive and row["origin"] == "reported"
            and row.get("field") != "forecast_category"
        )
        expected = Counter(wanted)
        for fact in (held - expected).elements():
            yield f"{name} {fact}: not in the account's history"
        for fact in (expected - held).elements():
            yield f"{name} {fact}: missing"


def _left_over(connection: Connection) -> Iterable[str]:
    """What a crash or a stop might leave: a lease, an open window, a pass, a held page, a record set aside.

    A list of ids that was never finished says so until the next one begins; it holds nothing.
    """
    for row in connection.execute(select(tables.lease)):
        if row.holder is not None:
            yield f"lease {row.name} is held"
    for row in connection.execute(select(tables.cursor)):
        if {"window", "position"} & json.loads(row.state).keys():
            yield f"stream {row.stream} is in the middle of a window"
    for row in connection.execute(select(tables.id_pass)):
        if row.state not in ("applied", "abandoned", "refused") and (row.kind, row.state) != ("ids", "reading"):
            yield f"a pass over {row.stream} is {row.state}"
    for row in connection.execute(select(tables.page).where(tables.page.c.applied_at.is_(None))):
        yield f"page {row.id} of {row.stream} is held"
    for row in connection.execute(select(tables.quarantine).where(tables.quarantine.c.state == "open")):
        yield f"{row.stream} {row.record_key} is set aside: {row.reason}"


def _kpis(url: str, state: State, now: datetime) -> Iterable[str]:
    with open_snapshot(url) as snapshot:
        made = kpi.compute(list(ASKED.values()), snapshot, Calendar(oracle.ZONE), "EUR")
    expected = oracle.answers(state, KINDS, now)
    values: dict[str, list[KpiValue]] = {name: [one for one in made if one.kpi == name] for name in ASKED}
    held = {name: _cells(found) for name, found in values.items()}
    held["rate_won"], held["rate_closed"] = _cells(values["rate"], "numerator"), _cells(values["rate"], "denominator")
    held["leads_won"] = _cells(values["leads_won"], "numerator")
    for name, wanted in expected.values.items():
        for key in sorted(held[name].keys() | wanted.keys()):
            if held[name][key] != wanted[key]:
                yield f"kpi {name} {key}: {held[name][key]}, by hand {wanted[key]}"
    for name, wanted in expected.left_out.items():
        found = _left_out(values[name])
        for key in sorted(found.keys() | wanted.keys()):
            if found[key] != wanted[key]:
                yield f"kpi {name} {key}: {found[key]} left out, by hand {wanted[key]}"


def _owner(value: KpiValue) -> str:
    if value.subject.kind == "company":
        return ALL
    return "" if value.subject.key == "none" else value.subject.key.removeprefix("hubspot:")


def _cells(values: Iterable[KpiValue], of: str = "value") -> Cells:
    found: Counter[tuple[str, ...]] = Counter()
    for value in values:
        words = [_word(name, word) for name, word in value.dimensions.items() if name in ("stage", "type")]
        found[(_owner(value), value.period, *words)] += Decimal(getattr(value, of) or 0)  # type: ignore[assignment]
    return Counter({key: one for key, one in found.items() if one})


def _word(name: str, word: str) -> str:
    return truth.STAGE_NAMED[word] if name == "stage" else word


def _left_out(values: Iterable[KpiValue]) -> Cells:
    found: Counter[tuple[str, ...]] = Counter()
    for value in values:
        for why, count in (("amount", value.left_out_amount), ("rate", value.left_out_rate)):
            if count:
                found[_owner(value), value.period, why] += count
    return found

"""A store filled straight from CSV files, past sources and mapping: what the metrics are tested on."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from math import floor
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert

from connector.model import column, micros
from connector.store import tables

DATA = Path(__file__).parents[1] / "data"
SOURCE = "crm"
_ROW = {"recorded_at": 0, "stream": "", "record_key": "", "mapping": "", "source": SOURCE}


def at(text: str) -> int:
    """An ISO instant in microseconds."""
    return micros(datetime.fromisoformat(text))


def ref(id_: str) -> str | None:
    """A reference to another row of the source."""
    return f"{SOURCE}:{id_}" if id_ else None


def rows(path: str) -> list[dict[str, str]]:
    """The rows of a CSV file under tests/data."""
    with (DATA / path).open(newline="") as lines:
        return list(csv.DictReader(lines))


class Filled:
    """A fresh SQLite or PostgreSQL store that rows are put into."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_engine(url)
        tables.metadata.create_all(self._engine)

    def put(self, entity: str, given: Iterable[Mapping[str, Any]]) -> Filled:
        """Insert versions or facts; `seen_at` is 0 unless given, `source` is SOURCE."""
        table = tables.LEDGER[entity]
        defaults: dict[str, Any] = {**_ROW, "seen_at": 0}
        if "parts" in table.c:
            defaults["parts"] = "{}"
        else:
            defaults |= {"origin": "reported", "read_at": 0, "sequence": 0}
        names = [declared.name for declared in table.c if declared.name not in defaults]
        empty = dict.fromkeys(names) | ({"flagged": 0} if "flagged" in table.c else {})
        made = [{**empty, **defaults, **{column(name) if name not in table.c else name: value
                                         for name, value in row.items()}} for row in given]
        if made:
            with self._engine.begin() as connection:
                connection.execute(insert(table), made)
        return self

    def file(self, kind: str, path: str, content: str, seen_at: int = 0, settings: str = "{}") -> Filled:
        """A version of a configured file."""
        with self._engine.begin() as connection:
            connection.execute(insert(tables.file_version), {
                "seen_at": seen_at, "kind": kind, "name": "", "version": "1", "path": path,
                "content": content.encode(), "settings": settings,
            })
        return self

    def known_until(self, last: str) -> Filled:
        """Set the clock of the store: the last commit."""
        with self._engine.begin() as connection:
            connection.execute(insert(tables.clock), {"one": 1, "last": at(last)})
        self._engine.dispose()
        return self


def stage_rows(stages: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Stage versions from rows of stages.csv."""
    return [
        {
            "id": f"{row['pipeline']}|{row['stage']}", "pipeline": row["pipeline"], "stage": row["stage"],
            "name": row["stage"], "position": int(row["display_order"]), "canonical": row["canonical"],
            "probability": int(Decimal(row["probability"]) * 1_000_000), "archived": int(row["archived"]),
        }
        for row in stages
    ]


def edge_cases(url: str) -> Filled:
    """tests/data/edge_cases, with `seen_at` = first_synced_at and the last commit at the as-of of its ground truth."""
    store, folder = Filled(url), "edge_cases"
    store.put("pipeline", [{"id": name, "name": name} for name in ("sales", "partner")])
    store.put("stage", stage_rows(rows(f"{folder}/stages.csv")))
    owners = rows(f"{folder}/owners.csv")
    store.put("owner", [{"id": row["owner"], "name": row["owner"], "active": 1} for row in owners])
    store.put("owner_team", [{"id": row["owner"], "owner": ref(row["owner"]), "team": row["team"]} for row in owners])
    store.put("deal", [
        {
            "id": row["deal_id"], "pipeline": row["pipeline"], "created_at": at(row["created_at"]),
            "amount": int(Decimal(row["amount"]) * 10_000) if row["amount"] else None, "currency": row["currency"],
            "owner": ref(row["owner"]), "lead": ref(row["lead_id"]), "lost_reason": row["lost_reason"] or None,
            "expected_close_on": row["expected_close"] or None,
            "recycled_from": ref(row["recycled_from"]),
            "deleted_at": at(row["deleted_at"]) if row["deleted_at"] else None, "merged_into": ref(row["merged_into"]),
            "seen_at": at(row["first_synced_at"]),
        }
        for row in rows(f"{folder}/deals.csv")
    ])
    store.put("lead", [
        {
            "id": row["lead_id"], "created_at": at(row["created_at"]), "source_name": row["source"],
            "owner": ref(row["owner"]), "deal": ref(row["deal_id"]), "seen_at": at(row["created_at"]),
            **{name: at(row[name]) if row[name] else None for name in ("mql_at", "sql_at")},
        }
        for row in rows(f"{folder}/leads.csv")
    ])
    store.put("activity", [
        {
            "id": row["activity_id"], "type": row["type"], "direction": row["direction"], "outcome": row["outcome"],
            "at": at(row["at"]), "owner": ref(row["owner"]), "lead": ref(row["lead_id"]), "deal": ref(row["deal_id"]),
            "seen_at": at(row["at"]),
        }
        for row in rows(f"{folder}/activities.csv")
    ])
    store.put("stage_transition", [
        {
            "deal": row["deal_id"], "occurred_at": at(row["at"]), "sequence": number, "to_pipeline": row["to_pipeline"],
            "to_stage": row["to_stage"], "actor": row["by"], "seen_at": at(row["first_synced_at"]),
        }
        for number, row in enumerate(rows(f"{folder}/stage_transitions.csv"))
    ])
    store.put("deal_change", [
        {"deal": row["deal_id"], "field": "owner", "occurred_at": at(row["from_at"]), "new": ref(row["owner"]),
         "seen_at": at(row["from_at"])}
        for row in rows(f"{folder}/deal_owner_history.csv")
    ])
    store.file("fx", "fx.csv", (DATA / folder / "fx_rates.csv").read_text())
    return store.known_until("2025-03-31T00:00:00+07:00")


_RENTING = (
    "Apply for Viewing Appointment", "Set Appointment", "View The Property", "Hand In The Paperwork",
    "Check Paperwork", "Screen Prospective Tenant", "Extensive Screening", "Sign Contract", "Reject Prospective Tenant",
)
_CANONICAL = ("prospecting", "prospecting", "qualification", "proposal", "proposal", "negotiation", "negotiation",
              "closed_won", "closed_lost")


def renting_funnel(url: str) -> Filled:
    """tests/data/renting_funnel: one deal a case, all known at the end of January 2015; no money."""
    store, events = Filled(url), rows("renting_funnel/events.csv")
    store.put("pipeline", [{"id": "renting", "name": "renting"}])
    store.put("stage", [
        {"id": f"renting|{name}", "pipeline": "renting", "stage": name, "name": name, "position": place,
         "canonical": canonical}
        for place, (name, canonical) in enumerate(zip(_RENTING, _CANONICAL, strict=True), 1)
    ])
    store.put("owner", [{"id": name, "name": name} for name in sorted({row["resource"] for row in events})])
    store.put("deal", [{"id": case} for case in dict.fromkeys(row["case_id"] for row in events)])
    store.put("stage_transition", [
        {"deal": row["case_id"], "occurred_at": at(row["at"]), "sequence": int(row["seq"]), "to_pipeline": "renting",
         "to_stage": row["activity"], "actor": row["resource"]}
        for row in events if row["activity"] in _RENTING
    ])
    return store.known_until("2015-02-01T00:00:00+00:00")


def northwind(url: str, *, as_deals: bool = False) -> Filled:
    """tests/data/northwind_erp: every order an order, with the delivery of all of it where it was shipped; in USD.

    `as_deals`: each is also a deal that nobody moves, in a pipeline that goes from the order to the delivery.
    """
    store, folder = Filled(url), "northwind_erp"
    worth: dict[str, float] = {}  # the source has binary floats, and so are its sums rounded; from here on all is exact
    for row in rows(f"{folder}/order_details.csv"):
        line = float(row["UnitPrice"]) * float(row["Quantity"]) * (1 - float(row["Discount"]))
        worth[row["OrderID"]] = worth.get(row["OrderID"], 0.0) + line
    orders = rows(f"{folder}/orders.csv")
    money = {id_: {"amount": floor(total * 100 + 0.5) * 100, "currency": "USD"} for id_, total in worth.items()}
    store.put("owner", [
        {"id": row["EmployeeID"], "name": f"{row['FirstName']} {row['LastName']}"}
        for row in rows(f"{folder}/employees.csv")
    ])
    store.put("account", [
        {"id": row["CustomerID"], "name": row["CompanyName"]} for row in rows(f"{folder}/customers.csv")
    ])
    store.put("sales_order", [
        {
            "id": row["OrderID"], "account": ref(row["CustomerID"]), "owner": ref(row["EmployeeID"]),
            "state": "confirmed", "deal": ref(row["OrderID"]) if as_deals else None, **money[row["OrderID"]],
            "ordered_at": at(f"{row['OrderDate']}T00:00:00+00:00"),
            "required_at": at(f"{row['RequiredDate']}T00:00:00+00:00"),
        }
        for row in orders
    ])
    store.put("delivery_note", [
        {"id": row["OrderID"], "sales_order": ref(row["OrderID"]), "complete": 1,
         "delivered_at": at(f"{row['ShippedDate']}T00:00:00+00:00")}
        for row in orders if row["ShippedDate"]
    ])
    if as_deals:
        steps = (("ordered", "negotiation"), ("shipped", "closed_won"), ("void", "closed_lost"))
        store.put("pipeline", [
            {"id": "goods", "name": "goods", "starts": "sales_order.ordered_at", "won": "delivery_note.delivered_at"}
        ])
        store.put("stage", [
            {"id": f"goods|{stage}", "pipeline": "goods", "stage": stage, "name": stage, "position": place,
             "canonical": canonical}
            for place, (stage, canonical) in enumerate(steps, 1)
        ])
        store.put("deal", [{"id": row["OrderID"], "pipeline": "goods", **money[row["OrderID"]]} for row in orders])
    return store.known_until("2018-05-06T23:59:59+00:00")

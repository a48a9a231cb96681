"""The script a good engineer writes in an afternoon: requests, orjson, pydantic, SQLAlchemy upserts in batches.

Deals and their stage history go into a table each, and how far it has read stands in a third, in one transaction per
batch. It keeps no raw pages, no earlier versions of a deal, and an amount as text.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
import requests
from pydantic import BaseModel, Field
from sqlalchemy import Column, Connection, DateTime, MetaData, String, Table, create_engine, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

BATCH = 500  # deals per transaction
FIRST = "2024-01-01T00:00:00Z"
PROPERTIES = (
    "dealname", "pipeline", "dealstage", "createdate", "amount", "deal_currency_code", "closedate",
    "hubspot_owner_id", "hs_lastmodifieddate", "dealtype", "description", "source", "campaign", "region",
    "product_line", "next_step", "industry", "country", "competitor", "lost_reason", "forecast_category",
    "contract_length", "payment_terms", "partner", "external_id",
)
TIMES = {"createdate", "closedate", "hs_lastmodifieddate"}

metadata = MetaData()
deals = Table(
    "deals", metadata, Column("id", String, primary_key=True), Column("updated_at", DateTime(timezone=True)),
    *(Column(name, DateTime(timezone=True) if name in TIMES else String) for name in PROPERTIES),
)
history = Table(
    "deal_stage_history", metadata, Column("deal_id", String, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True), Column("stage", String, primary_key=True),
    Column("source_type", String), Column("user_id", String),
)
owners = Table(
    "owners", metadata, Column("id", String, primary_key=True), Column("email", String),
    Column("first_name", String), Column("last_name", String),
)
cursor = Table("cursor", metadata, Column("stream", String, primary_key=True), Column("value", String))


class Properties(BaseModel):
    """What the script uses of a deal."""

    dealname: str
    pipeline: str
    dealstage: str
    createdate: datetime
    amount: str | None
    deal_currency_code: str
    closedate: datetime
    hubspot_owner_id: str | None
    hs_lastmodifieddate: datetime
    dealtype: str | None
    description: str | None
    source: str | None
    campaign: str | None
    region: str | None
    product_line: str | None
    next_step: str | None
    industry: str | None
    country: str | None
    competitor: str | None
    lost_reason: str | None
    forecast_category: str | None
    contract_length: str | None
    payment_terms: str | None
    partner: str | None
    external_id: str | None


class Entry(BaseModel):
    """One stage of the history."""

    value: str
    timestamp: datetime
    source_type: str = Field(alias="sourceType")
    user: int = Field(alias="updatedByUserId")


class Deal(BaseModel):
    """A deal as the CRM sends it."""

    id: str
    updated_at: datetime = Field(alias="updatedAt")
    properties: Properties
    history: dict[str, list[Entry]] = Field(alias="propertiesWithHistory")


class Owner(BaseModel):
    """A user of the CRM."""

    id: str
    email: str
    first_name: str = Field(alias="firstName")
    last_name: str = Field(alias="lastName")


def pages(url: str, since: str) -> Iterator[list[Deal]]:
    """The deals changed since, page by page."""
    session = requests.Session()
    params = {"limit": "100", "updated_since": since}
    while True:
        answer = session.get(f"{url}/deals", params=params, timeout=60)
        answer.raise_for_status()
        page = orjson.loads(answer.content)
        yield [Deal.model_validate(one) for one in page["results"]]
        if "paging" not in page:
            return
        params["after"] = page["paging"]["next"]["after"]


def upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows, or bring those up to date that are there."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table)
    others = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=others), rows)


def save(connection: Connection, batch: list[Deal]) -> None:
    """Write a batch with its history, and how far it got."""
    if not batch:
        return
    rows = [{"id": deal.id, "updated_at": deal.updated_at, **vars(deal.properties)} for deal in batch]
    upsert(connection, deals, rows)
    connection.execute(delete(history).where(history.c.deal_id.in_([deal.id for deal in batch])))
    connection.execute(insert(history), [
        {"deal_id": deal.id, "at": entry.timestamp, "stage": entry.value, "source_type": entry.source_type,
         "user_id": str(entry.user)}
        for deal in batch for entry in deal.history["dealstage"]
    ])
    upsert(connection, cursor, [{"stream": "deals", "value": batch[-1].updated_at.isoformat()}])


def main() -> None:
    """`python peer.py --url http://127.0.0.1:PORT --store URL`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--store", required=True)
    given = parser.parse_known_args()[0]
    engine = create_engine(given.store)
    metadata.create_all(engine)
    with engine.begin() as connection:
        since = connection.execute(select(cursor.c.value).where(cursor.c.stream == "deals")).scalar() or FIRST
        found = orjson.loads(requests.get(f"{given.url}/owners", timeout=60).content)["results"]
        upsert(connection, owners, [Owner.model_validate(one).model_dump() for one in found])
    count, batch = 0, []
    for page in pages(given.url, since):
        batch += page
        if len(batch) >= BATCH:
            with engine.begin() as connection:
                save(connection, batch)
            count, batch = count + len(batch), []
    with engine.begin() as connection:
        save(connection, batch)
    print(count + len(batch))


if __name__ == "__main__":
    main()

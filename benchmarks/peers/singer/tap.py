"""A Singer tap for the fake CRM, as the SDK's template makes one: properties flattened, the history an array.

https://sdk.meltano.com/en/latest/dev_guide.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import requests
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import JSONPathPaginator, SinglePagePaginator

PROPERTIES = (
    "dealname", "pipeline", "dealstage", "createdate", "amount", "deal_currency_code", "closedate",
    "hubspot_owner_id", "hs_lastmodifieddate", "dealtype", "description", "source", "campaign", "region",
    "product_line", "next_step", "industry", "country", "competitor", "lost_reason", "forecast_category",
    "contract_length", "payment_terms", "partner", "external_id",
)
TIMES = {"createdate", "closedate", "hs_lastmodifieddate"}


class CrmStream(RESTStream[str]):
    """What both streams have in common."""

    records_jsonpath = "$.results[*]"
    primary_keys = ("id",)

    @property
    def url_base(self) -> str:
        """The address of the CRM."""
        return str(self.config["url"])


class Deals(CrmStream):
    """Deals in the order of their last change."""

    name = "deals"
    path = "/deals"
    replication_key = "updatedAt"
    is_sorted = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("updatedAt", th.DateTimeType),
        *(th.Property(name, th.DateTimeType if name in TIMES else th.StringType) for name in PROPERTIES),
        th.Property(
            "dealstage_history",
            th.ArrayType(
                th.ObjectType(
                    th.Property("value", th.StringType),
                    th.Property("timestamp", th.DateTimeType),
                    th.Property("sourceType", th.StringType),
                    th.Property("updatedByUserId", th.IntegerType),
                )
            ),
        ),
    ).to_dict()

    def get_new_paginator(self) -> JSONPathPaginator:
        """The answer names its successor."""
        return JSONPathPaginator("$.paging.next.after")

    def get_url_params(self, context: Any, next_page_token: str | None) -> dict[str, Any]:
        """A page of 100 of what changed since the bookmark."""
        params: dict[str, Any] = {"limit": 100}
        if since := self.get_starting_timestamp(context):
            params["updated_since"] = since.isoformat()
        if next_page_token:
            params["after"] = next_page_token
        return params

    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """The properties beside the id, the history as an array."""
        return {
            "id": row["id"],
            "updatedAt": row["updatedAt"],
            **row["properties"],
            "dealstage_history": row["propertiesWithHistory"]["dealstage"],
        }


class Owners(CrmStream):
    """The users who own deals."""

    name = "owners"
    path = "/owners"
    schema = th.PropertiesList(
        *(th.Property(name, th.StringType) for name in ("id", "email", "firstName", "lastName"))
    ).to_dict()

    def get_new_paginator(self) -> SinglePagePaginator:
        """All in one answer."""
        return SinglePagePaginator()

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        """The owners."""
        return response.json()["results"]


class FakeCrmTap(Tap):
    """The two streams."""

    name = "tap-fake-crm"
    config_jsonschema = th.PropertiesList(
        th.Property("url", th.StringType, required=True), th.Property("start_date", th.DateTimeType)
    ).to_dict()

    def discover_streams(self) -> list[CrmStream]:
        """Deals and owners."""
        return [Deals(self), Owners(self)]


if __name__ == "__main__":
    FakeCrmTap.cli()

"""The fake CRM of `benchmarks.crm`: deals with the history of their stage, and owners."""

from __future__ import annotations

from connector.paging import CursorPages
from connector.rest import RestSource, Stream


class FakeCrm(RestSource):
    """No login, and no limit to the rate."""

    deals = Stream(
        path="/deals", records="results", key="id", cursor="updatedAt", since="updated_since", until="updated_until",
        pages=CursorPages(reads="paging.next.after", sends="after"), params={"limit": 100},
    )
    owners = Stream(path="/owners", records="results", key="id")

    probe = "/ping"

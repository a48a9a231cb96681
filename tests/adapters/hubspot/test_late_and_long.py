"""What only shows over time: search that is later than the overlap, restoring without a stamp, pages that take long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector import sync
from connector.errors import Busy
from connector.store.store import Store
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.server import Request
from tests.adapters.hubspot.account import Sales, add_deal


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(store_url, clock)
    yield opened
    opened.close()


def sales(twin: HubSpotTwin, clock: FakeClock, store: Store) -> Sales:
    made = Sales(twin, clock, store)
    made.sync()
    return made


def test_a_change_that_search_shows_later_than_the_overlap_is_found_by_the_next_id_pass(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    """The list of ids tells when each was changed, at no call more."""
    ids = [add_deal(twin.portal, number) for number in range(8)]
    company = twin.portal.create("companies", {"name": "North"})
    here = sales(twin, clock, store)
    clock.advance(days=1)
    here.sync()
    twin.portal.index_lag = 3600
    twin.portal.move_stage(ids[0], "closedwon", user=771)
    twin.portal.update("companies", company, {"name": "South"})
    for _ in range(8):
        clock.advance(minutes=15)
        here.sync()
    twin.portal.index_lag = 0
    assert here.counted("deal")[ids[0]].stage == "appointmentscheduled"
    before = len(twin.requests)
    found = here.sync("all_ids")
    assert (found["deals"].changed, found["companies"].changed) == (1, 1)
    assert here.counted("deal")[ids[0]].stage == "closedwon"
    assert here.counted("account")[company].name == "South"
    first = len(twin.requests) - before
    assert here.sync("all_ids")["deals"].records == 0
    assert len(twin.requests) - before - first < first, "what is known is not read again"


@pytest.mark.parametrize("full", [False, True])
def test_what_is_restored_without_a_new_stamp_lives_again_by_the_next_id_pass(
    twin: HubSpotTwin, clock: FakeClock, store: Store, full: bool
) -> None:
    """Also a company and a call, which have no `deleted_at`: archived, they make no row."""
    call_of: dict[str, str | None] = {"hs_timestamp": "2026-03-01T10:00:00Z", "hubspot_owner_id": "5"}
    for number in range(9):
        add_deal(twin.portal, number)
        twin.portal.create("companies", {"name": f"Company {number}"})
        twin.portal.create("calls", call_of)
    deal, company = add_deal(twin.portal), twin.portal.create("companies", {"name": "North"})
    call = twin.portal.create("calls", call_of)
    here = sales(twin, clock, store)

    def there() -> tuple[bool, bool, bool]:
        counted = here.counted("deal"), here.counted("account"), here.counted("activity")
        return deal in counted[0], company in counted[1], f"call-{call}" in counted[2]

    clock.advance(days=1)
    archived = [("deals", deal), ("companies", company), ("calls", call)]
    for kind, id_ in archived:
        twin.portal.archive(kind, id_)
    clock.advance(minutes=1)
    here.sync()
    assert there() == (False, False, False)
    clock.advance(days=3)
    here.sync("full" if full else "sync")
    for kind, id_ in archived:
        twin.portal.restore(kind, id_, stamp=False)
    clock.advance(days=1)
    here.sync()
    here.sync("all_ids")
    assert there() == (True, True, True)


def test_a_page_of_many_slow_calls_keeps_the_right_to_write_it(
    twin: HubSpotTwin, clock: FakeClock, store: Store
) -> None:
    """Each call takes most of a minute, and the vendor once asks for a pause longer than a lease lasts."""
    for number in range(3):
        add_deal(twin.portal, number)
    here = sales(twin, clock, store)
    clock.advance(hours=1)
    late, tried = add_deal(twin.portal, 77), list[str]()

    def slowly(request: Request) -> None:
        clock.advance(seconds=50)
        try:
            store.release(store.acquire("hubspot/deals"))
            tried.append("taken over")
        except Busy:
            tried.append("busy")

    twin.on_request(slowly)
    twin.disturb(twin.refusal(429, retry_after="200"), path="/batch/read")
    (summary,) = sync.pull(
        store, here.source, here.mapping, sync.Settings(), run="r", plan=sync.Plan(streams=["deals"]), clock=clock
    )
    assert summary.status == "ok"
    assert late in here.counted("deal")
    assert len(tried) >= 4
    assert set(tried) == {"busy"}

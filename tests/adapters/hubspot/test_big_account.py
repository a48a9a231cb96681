"""100,000 deals with their history, under the limits HubSpot documents, on a simulated clock: calls and time.

The least calls possible, by hand from the page sizes of the vendor's pages:

a first reading    a list gives 100 records, but 50 with histories; associations to other types come with it:
                   100,000 / 50 = 2,000; and one list of archived records, to know that there are none.      2,001
20,000 of them     only search knows what changed, 200 at a time: 100. It has no histories: batch reads of 50: 400.
changed at once    It has no associations: batches of 1,000 to each of two types: 40. Archived: 1.             541

One call more is the vendor's clock, by which a window ends. The limits are 190 calls in 10 seconds and, for search,
which does not count there, 5 a second; requests themselves take no time here, so the time is what the limits make of
it. It cannot be much less than calls / limit; 5 % of a limit are given up so that no rolling window holds too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from adapters.hubspot import HubSpot, HubSpotSettings
from connector.ports import Context, Page, Window
from connector.testing import FakeClock
from connector.twins.hubspot import HubSpotTwin
from connector.twins.portal import Item, Portal, milliseconds, stamp

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DEALS, CHANGED = 100_000, 20_000
GENERAL, SEARCH = 190 / 10, 5.0  # calls a second
LEAST = {"first": 2_001, "changed": 541}

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture(scope="module")
def twin(clock: FakeClock) -> Iterator[HubSpotTwin]:
    """Each deal with the history of three moves and with a contact and a company of its own."""
    with HubSpotTwin(big(clock), rate=190, search_rate=5) as made:
        yield made


def big(clock: FakeClock) -> Portal:
    """The account; deals that are alike share their histories, or it would not fit into a small machine."""
    portal = Portal(clock, first_id=1)
    portal.add_pipeline("default", "Sales", [("new", "New", "0.2"), ("offer", "Offer", "0.5"), ("won", "Won", "1.0")])
    model = portal.item("deals", portal.create("deals", {
        "pipeline": "default", "dealstage": "new", "amount": "1200.50", "deal_currency_code": "EUR", "dealname": "Deal",
        "hubspot_owner_id": "5",
    }))  # fmt: skip
    for stage in ("offer", "won"):
        clock.advance(hours=1)
        portal.move_stage(model.id, stage, user=771)
    clock.advance(days=1)
    deals = portal.collections["deals"]
    for number in range(2, DEALS + 1):
        deals.items[number] = made = Item(number, model.created_at)
        made.modified_at, made.history = model.modified_at, model.history
        made.properties = {**model.properties, "hs_object_id": str(number)}
        deals.ids.append(number)
    for kind in ("contacts", "companies"):
        others = portal.collections[kind]
        for number in range(1, DEALS + 1):
            others.items[number] = Item(number, model.created_at)
        others.ids = list(range(1, DEALS + 1))
        portal.links["deals", kind] = {number: [number] for number in range(1, DEALS + 1)}
    return portal


def source(twin: HubSpotTwin, clock: FakeClock) -> HubSpot:
    settings = HubSpotSettings(base_url=twin.url, token=SecretStr(twin.token))
    return HubSpot("hubspot", settings, Context(clock=clock, zone=UTC, budget=1.0))


def measured(twin: HubSpotTwin, clock: FakeClock, lo: datetime | None) -> tuple[int, int, float]:
    """Read a window to its end: how many deals came, each with history and associations, in how many calls and
    seconds."""
    twin.requests.clear()
    twin.statuses.clear()
    began, asked = clock.now(), source(twin, clock)
    seen = set[str]()
    for page in asked.read("deals", Window(lo, asked.now())):
        seen |= whole(asked, page)
    asked.close()
    assert set(twin.statuses.values()) == {200}  # nobody was told to slow down
    return len(seen), len(twin.requests), (clock.now() - began).total_seconds()


def whole(asked: HubSpot, page: Page) -> set[str]:
    """The keys of a page's deals, of which nothing is missing."""
    found = set[str]()
    for record in asked.records("deals", page.exchanges):
        assert len(record.data["propertiesWithHistory"]["dealstage"]) == 3
        mine = {"results": [{"id": record.key}]}
        assert record.data["associations"] == {"contacts": mine, "companies": mine}
        found.add(record.key)
    return found


def test_a_first_reading_of_100_000_deals(twin: HubSpotTwin, clock: FakeClock) -> None:
    """2,002 calls; at 19 a second that is 105.4 s, and takes at most 1.1 times as long."""
    clock.advance(minutes=1)
    deals, calls, seconds = measured(twin, clock, None)
    least = calls / GENERAL
    print(f"first reading: {deals} deals, {calls} calls of at least {LEAST['first']}, {seconds:.1f} s of {least:.1f}")
    assert deals == DEALS
    assert calls <= 1.05 * LEAST["first"]
    assert seconds <= 1.1 * least


def test_20_000_of_them_changed_in_one_instant(twin: HubSpotTwin, clock: FakeClock) -> None:
    """542 calls, of which 442 count by the 10 seconds (23.3 s) and 100 are searches (20 s). Both limits run side by
    side, but who waits for the one asks for nothing of the other: so it takes up to 1.2 times as long."""
    clock.advance(days=1)
    deals, now = twin.portal.collections["deals"], milliseconds(clock.now())
    for number in range(1, CHANGED + 1):
        deals.items[number].modified_at = now
        deals.items[number].properties["hs_lastmodifieddate"] = stamp(now)
    clock.advance(minutes=1)
    changed, calls, seconds = measured(twin, clock, clock.now() - timedelta(minutes=15))
    searches = sum(request.path.endswith("/search") for request in twin.requests)
    least = max((calls - searches) / GENERAL, searches / SEARCH)
    print(f"window: {changed} deals, {calls} calls of at least {LEAST['changed']}, {seconds:.1f} s of {least:.1f}")
    assert changed == CHANGED
    assert calls <= 1.05 * LEAST["changed"]
    assert seconds <= 1.2 * least

"""Three bad days over the HubSpot twin: killed every minute, a clock that is off, a move seen before it is told."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import select

from connector import kpi
from connector.kpi import KpiDefinition
from connector.period import Calendar
from connector.store import tables
from connector.store.snapshot import open_snapshot
from connector.sync import Plan
from connector.twins.portal import milliseconds
from connector.twins.server import Request
from tests.convergence import compare
from tests.convergence.account import DAY
from tests.convergence.conftest import NewStore
from tests.convergence.life import Life
from tests.convergence.oracle import ZONE
from tests.convergence.script import Change, Script

MINUTE = timedelta(minutes=1)
ENTRIES = KpiDefinition("entries", "stage_entries", every="all")
WON = KpiDefinition("won", "won_count", every="all")
ON_BOTH_STORES = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


@ON_BOTH_STORES
def test_a_back_fill_killed_every_minute_finishes(new_store: NewStore, kind: str) -> None:
    """Each request takes 7 seconds, and a process dies at its first commit after a minute. The next one goes on with
    the page at which it died; no page before it is asked for again, though the account changes meanwhile."""
    life = Life(Script(1, ()), new_store(kind))
    asked, deaths = list[str](), 0

    def slowly(request: Request) -> None:
        life.clock.advance(seconds=7)
        if request.path.endswith("/deals") and request.one("archived") == "false":
            asked.append(request.one("after"))

    with life.open():
        for number in range(148):
            life.account.make_deal(random.Random(number), at=milliseconds(life.clock.now()) - DAY, days=0)
        life.twin.on_request(slowly)
        died: str | None = "not yet"
        while died is not None:
            assert deaths < 40
            summaries, died = life.product.run(Plan("sync", ["deals"]), until=life.clock.now() + MINUTE)
            deaths += died is not None
            life.take(Change("move_stage", deaths))
        assert [one.status for one in summaries] == ["ok"]
        assert deaths >= 4
        assert len(set(asked)) == 40  # 160 deals, 4 a page
        assert len(asked) <= len(set(asked)) + deaths
        del life.twin._hooks[-1]
        assert life.end() == []


@ON_BOTH_STORES
@pytest.mark.parametrize("skew", [-20, 20])
def test_a_vendor_clock_20_minutes_off_loses_nothing(new_store: NewStore, kind: str, skew: int) -> None:
    """A sync every five minutes, with changes in between, while one runs, and seen late: no full pass is needed."""
    life = Life(Script(2, (), skew=skew, lag=120), new_store(kind))
    rng = random.Random(skew)
    with life.open():
        for number in range(12):
            life.pull(Plan("sync"))
            life.take(Change(rng.choice(["late_edit", "late_contact"]), number))
            for _ in range(3):
                name = rng.choice(["move_stage", "edit_amount", "create_deal", "edit_contact", "new_activity"])
                life.take(Change(name, rng.randrange(1000)))
            life.clock.advance(minutes=5)
        life.clock.advance(minutes=15)
        life.pull(Plan("sync"))
        with life.product.opened() as store:
            assert compare.lost(store, life.account.state()) == []
        assert life.end() == []


@ON_BOTH_STORES
def test_an_observed_move_from_a_to_c_that_is_then_reported_as_a_to_b_to_c_doubles_nothing(
    new_store: NewStore, kind: str
) -> None:
    """Histories are first not read. A deal is seen in A, then in C: entered C once, and B never. With its history it
    was made in A, went to B, and then to C: each entered once, C won once, and nothing observed is left."""
    life = Life(Script(3, ()), new_store(kind))
    portal, with_history = life.account.portal, life.product.settings
    with life.open():
        life.account.portal.purge_old(0)
        for deal in life.account.live("deals"):
            portal.archive("deals", deal)
        deal = portal.create("deals", {"pipeline": "default", "dealstage": "appointmentscheduled"}, user=771)
        life.product.settings = with_history.model_copy(update={"history": ()})
        life.pull(Plan("sync"))
        for stage in ("contractsent", "closedwon"):
            life.clock.advance(hours=1)
            portal.move_stage(deal, stage, user=772)
        life.clock.advance(hours=1)
        life.pull(Plan("sync"))
        assert told(life, deal) == [("appointmentscheduled", "initial"), ("closedwon", "observed")]
        assert asked(life) == ({"Closed won": "1"}, "1")
        life.product.settings = with_history
        life.pull(Plan("full"))
        stages = ["appointmentscheduled", "contractsent", "closedwon"]
        assert told(life, deal) == [(stage, "reported") for stage in stages]
        assert asked(life) == ({"Appointment scheduled": "1", "Contract sent": "1", "Closed won": "1"}, "1")


def told(life: Life, deal: str) -> list[tuple[str, str]]:
    """(stage, origin) of a deal's moves in order."""
    table = tables.stage_transition
    query = select(table).where(table.c.deal == deal, table.c.replaced_at.is_(None))
    with life.product.opened() as store:
        rows = store.rows(query.order_by(table.c.occurred_at, table.c.sequence))
    return [(row.to_stage, row.origin) for row in rows]


def asked(life: Life) -> tuple[dict[str, str | None], str | None]:
    """Entries by stage, and deals won."""
    with open_snapshot(life.url) as snapshot:
        values = kpi.compute([ENTRIES, WON], snapshot, Calendar(ZONE), "EUR")
    entries = {one.dimensions["stage"]: one.value for one in values if one.kpi == "entries" and one.value != "0"}
    return entries, next(one.value for one in values if one.kpi == "won")

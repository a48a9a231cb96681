"""What an acceptance review of the first version found, each as the sentence that holds now."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from connector.model import RATIO_SCALE, micros
from connector.store import quarantine, tables
from connector.store import store as store_module
from connector.store.store import Store
from connector.sync import Plan
from tests.properties.world import MAPPING, World, deal, move, page

SHARES = MAPPING + """\
  - {entity: deal_owner, stream: shares, key: id, fields: {deal: deal, owner: owner, share: share, from_at: from}}
"""


@pytest.fixture
def world(store_url: str) -> World:
    return World(store_url, SHARES)


def share(number: int, owner: str, part: str, since: str | None = None) -> dict[str, str | None]:
    return {"id": str(number), "deal": "1", "owner": owner, "share": part, "from": since}


def test_shares_told_by_several_records_that_add_up_to_more_than_one_are_set_aside(world: World) -> None:
    world.take(page("shares", [share(1, "b", "0.7"), share(2, "c", "0.6")], 10))
    assert [row["share"] for row in world.current()["deal_owner"]] == [7 * RATIO_SCALE // 10]
    with world.store.reading() as connection:
        (item,) = quarantine.open_items(connection)
    assert (item.record_key, item.reason) == ("2", "deal_owner.share: the shares of one deal add up to more than 1")


def test_a_share_that_ends_makes_room_for_the_next_one(world: World) -> None:
    first = [share(1, "b", "0.7", "2026-01-01T00:00:00Z"), share(2, "b", "0.2", "2026-01-05T00:00:00Z")]
    world.take(page("shares", [*first, share(3, "c", "0.8", "2026-01-05T00:00:00Z")], 10))
    assert len(world.current()["deal_owner"]) == 3


def test_an_observed_move_happened_after_the_last_read_of_the_whole_stream(world: World) -> None:
    source = world.memory({"deals": [deal(1, None, "A", created=None)]}, whole=("deals",))
    reads = []
    for minutes in (0, 60, 60):
        world.clock.advance(minutes=minutes)
        reads.append(world.clock.now())
        if len(reads) == 3:
            source.rows["deals"][0]["stage"] = "B"
        world.pull(source)
    moves = tables.stage_transition
    (row,) = world.store.rows(select(moves).where(moves.c.origin == "observed"))
    assert abs(row.occurred_after - micros(reads[1])) < 10
    assert row.occurred_at == micros(reads[2])
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_a_record_the_source_does_not_show_under_its_id_is_a_finding(world: World) -> None:
    summary = world.pull(world.memory({"deals": [deal(1, 10)]}), Plan("ids", ids={"deals": ["1", "NOPE"]}))["deals"]
    assert (summary.status, summary.exit_code, summary.records) == ("findings", 1, 1)
    assert summary.error == "the source shows no record NOPE"


def test_what_was_withheld_at_a_past_instant_stays_known_after_it_was_mended(world: World) -> None:
    stamps = []
    for stage in ("A", "unknown", "B", "unknown", "C"):
        stamps.append(world.take(page("deals", [deal(1, 10 + len(stamps), stage)], 100 + len(stamps))))
    with world.store.reading() as connection:
        found = [quarantine.withheld(connection, stamp) for stamp in stamps]
    assert found == [[], [("crm", "P")], [], [("crm", "P")], []]
    before = world.dump()
    world.rebuild()
    assert world.dump() == before


def test_the_versions_of_a_rebuilt_row_are_named_as_they_were_named_then(world: World) -> None:
    world.take(page("deals", [deal(1, 10)], 20))
    with world.store.writing() as writing:
        writing.execute(tables.file_version.update().values(version="as an older program hashed it"))
    world.rebuild()
    assert {row.mapping for row in world.store.rows(select(tables.LEDGER["deal"]))} == {"as an older program hashed it"}


def test_a_lease_that_a_failed_store_kept_is_free_for_the_same_process(store_url: str, world: World) -> None:
    lease = world.store.acquire("crm/deals")
    store_module._HELD.discard(lease.holder)  # what `release` does before it meets a database that is gone
    again = Store.open(store_url, world.clock).acquire("crm/deals")
    assert again.fence == lease.fence + 1


def test_rows_of_a_stream_of_its_own_cover_the_same_time_in_whatever_order_they_come(world: World) -> None:
    """B at 300 before W at 70: the gap between them is covered all the same, and a repeat adds nothing."""
    for stage, minute in (("A", 106), ("L", 208), ("C", 238)):
        world.take(page("deals", [deal(2, minute, stage)], minute + 1))
    rows = [move(2, "B", 300), move(2, "W", 70)]
    world.take(page("moves", rows, 310))
    world.take(page("moves", [move(2, "B", 161)], 311))
    counts = world.counts()
    world.take(page("moves", rows, 312))
    assert world.counts() == counts
    moves = tables.stage_transition
    query = select(moves.c.to_stage, moves.c.flagged).where(moves.c.origin == "observed", moves.c.replaced_at.is_(None))
    assert sorted(map(tuple, world.store.rows(query))) == [("C", 1), ("L", 1)]

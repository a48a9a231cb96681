"""Search that is later than the overlap: what no window showed is there after the next id pass, before any `--full`."""

from __future__ import annotations

import random

import pytest

from connector.sync import Plan
from tests.convergence import compare
from tests.convergence.conftest import NewStore
from tests.convergence.life import OVERLAP, Life
from tests.convergence.script import Change, Script

HOUR = 3600
STAMPED = (
    "create_deal", "edit_amount", "edit_owner", "edit_close_date", "move_stage", "move_twice", "move_pipeline",
    "bulk_edit", "create_contact", "edit_contact", "edit_company", "new_activity", "edit_activity", "archive_record",
    "restore_record", "merge_records", "merge_to_new_id",
)
"""The changes that move a modified date; of a link alone no list tells."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", range(3))
def test_after_an_id_pass_nothing_is_lost_of_what_search_told_too_late(
    new_store: NewStore, kind: str, seed: int
) -> None:
    life = Life(Script(seed, (), lag=HOUR, ids_every=0), new_store(kind))
    rng = random.Random(f"late {seed}")
    assert OVERLAP.total_seconds() < HOUR
    with life.open():
        life.pull(Plan("sync"))
        for _ in range(8):
            for _ in range(4):
                life.take(Change(rng.choice(STAMPED), rng.randrange(10**6)))
            life.clock.advance(minutes=20)
            life.pull(Plan("sync"))
        life.account.portal.index_lag = 0
        life.clock.advance(hours=2)
        life.pull(Plan("sync"))

        def lost() -> list[str]:
            with life.product.opened() as store:
                state = life.account.state()
                return compare.lost(store, state) + compare.not_listed(store, state)

        before = lost()
        life.pull(Plan("all_ids"))
        assert lost() == []
        assert before, "or nothing was late, and this proves nothing"

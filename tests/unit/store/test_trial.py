"""A trial is seen by whoever made it and by nobody else, locks nothing, and leaves nothing behind; on both stores."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from connector import journal
from connector.errors import StoreError
from connector.store import snapshot, tables
from connector.store.snapshot import open_trial, snapshot_within
from connector.store.store import Store
from tests.properties.world import MAPPING, World, deal, load, page

MOVED = MAPPING.replace('"B": qualification', '"B": negotiation').replace("extra.region: region", "extra.area: region")


def hashes(store: Store) -> dict[str, str]:
    """A hash of every row of every table."""
    found = {}
    for name, table in tables.metadata.tables.items():
        rows = sorted(map(repr, store.rows(select(table))))
        found[name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def filled(world: World) -> World:
    world.take(page("deals", [deal(1, 5, history=[("A", 1), ("B", 4)], region="north"), deal(2, 6)], 10))
    return world


def take(trial: Any, world: World) -> int:
    """The mapping in another form, as an activation takes it."""
    stamp: int = trial.stamp()
    changed = load(MOVED)
    journal.write_file(trial, stamp, "mapping", "crm", changed.version, "mapping.yaml", MOVED.encode(), {})
    journal.take_mapping(trial, world.source, changed, stamp, first=False)
    return stamp


def extras(trial: Any, known_at: int) -> list[str]:
    with open_trial(trial, known_at, known_at) as seen:
        return sorted(seen.table("deal", ["extra"])["extra"].to_pylist())


def test_a_trial_sees_what_it_wrote_and_the_store_holds_what_it_held(world: World) -> None:
    before = hashes(filled(world).store)
    with world.store.trial() as trial:
        stamp = take(trial, world)
        assert extras(trial, stamp) == ["", '{"area":"north"}']
        assert extras(trial, stamp - 1) == ["", '{"region":"north"}']
        assert hashes(world.store) == before
    assert hashes(world.store) == before


def test_meanwhile_others_write_the_same_rows_without_waiting(world: World) -> None:
    filled(world)
    with world.store.trial() as trial:
        stamp = take(trial, world)
        world.take(page("deals", [deal(1, 7, region="south")], 20))
        assert extras(trial, stamp) == ["", '{"area":"north"}']
    assert '{"region":"south"}' in {row["extra"] for row in world.current()["deal"]}


def broken(world: World, copies: list[Path]) -> None:
    """A trial that ends in an error, where there is a copy with its folder."""
    with world.store.trial() as trial:
        copies += [Path(trial.url.removeprefix("sqlite:///")).parent] if trial.url else []
        assert all(folder.exists() for folder in copies)
        raise KeyError("something else")


def test_what_a_transaction_sees_is_read_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a table of a million rows would stand in memory as a whole."""
    world.take(page("deals", [deal(1, 5), deal(2, 6), deal(3, 7)], 10))
    monkeypatch.setattr(snapshot, "_BATCH", 2)
    with world.store.trial() as trial:
        known = snapshot_within(trial.connection, trial.last, trial.last)
        with known.stream("deal", ["id"]) as rows:
            assert [batch.num_rows for batch in rows] == [2, 1]


def test_an_error_leaves_no_copy_behind(world: World) -> None:
    copies: list[Path] = []
    with pytest.raises(KeyError, match="something else"):
        broken(world, copies)
    assert bool(copies) == world.store.is_sqlite
    assert not any(folder.exists() for folder in copies)


def test_postgresql_itself_refuses_to_write_what_a_trial_has_no_copy_of(world: World) -> None:
    if world.store.is_sqlite:
        return  # there everything is a copy
    with pytest.raises(StoreError, match="read-only"), world.store.trial() as trial:
        trial.execute(insert(tables.audit), {"seen_at": 1, "action": "x", "subject": "{}", "actor": "me"})


def test_a_copy_that_finds_no_room_is_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if not world.store.is_sqlite:
        return  # nothing is copied
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(StoreError, match="set TMPDIR"), world.store.trial():
        pass

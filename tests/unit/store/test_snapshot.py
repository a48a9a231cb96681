"""Reading the ledger as known at one instant, from both kinds of store."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert

from connector.errors import StoreError
from connector.store import tables
from connector.store.snapshot import open_snapshot, snapshot_within

ROW = {"source": "crm", "recorded_at": 0, "stream": "", "record_key": "", "mapping": "", "parts": "{}"}


@pytest.fixture
def url(database_url: str) -> str:
    """Owner 1 changed its name at 20 (a long text after nothing); people files of 10 and 30; the last commit is 40."""
    engine = create_engine(database_url)
    tables.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(tables.clock), {"one": 1, "last": 40})
        connection.execute(insert(tables.LEDGER["owner"]), [
            {**ROW, "id": "1", "seen_at": 10, "replaced_at": 20, "name": None, "active": None},
            {**ROW, "id": "1", "seen_at": 20, "replaced_at": None, "name": "An", "active": 1},
            {**ROW, "id": "2", "seen_at": 30, "replaced_at": None, "name": "Bình", "active": 0},
        ])
        connection.execute(insert(tables.file_version), [
            {"seen_at": seen_at, "kind": "people", "name": "", "version": "", "path": "p.csv",
             "content": str(seen_at).encode(), "settings": "{}"} for seen_at in (10, 30)
        ])
    engine.dispose()
    return database_url


@pytest.mark.parametrize(
    ("as_of", "resolved", "known"),
    [(9, 9, []), (10, 10, [("1", "", None)]), (19, 19, [("1", "", None)]), (20, 20, [("1", "An", 1)]),
     (None, 40, [("1", "An", 1), ("2", "Bình", 0)]), (99, 40, [("1", "An", 1), ("2", "Bình", 0)])],
)
def test_rows_are_those_known_at_the_moment_which_is_the_last_commit_at_most(
    url: str, as_of: int | None, resolved: int, known: list[tuple[str, str, int | None]]
) -> None:
    with open_snapshot(url, as_of) as snapshot:
        rows = snapshot.table("owner", ("id", "name", "active")).to_pylist()
    assert snapshot.as_of == resolved
    assert sorted(tuple(row.values()) for row in rows) == known


def test_a_column_has_its_type_in_an_empty_table_too(url: str) -> None:
    with open_snapshot(url) as snapshot:
        schema = snapshot.table("lead", ("id", "created_at", "source_name")).schema
    assert [str(kind) for kind in schema.types] == ["string", "int64", "string"]


@pytest.mark.parametrize(("as_of", "content"), [(5, b"10"), (10, b"10"), (29, b"10"), (30, b"30"), (None, b"30")])
def test_the_first_version_of_a_file_holds_for_all_earlier_times(url: str, as_of: int | None, content: bytes) -> None:
    with open_snapshot(url, as_of) as snapshot:
        assert snapshot.file("people") == content
        assert snapshot.file("fx") is None


def test_all_tables_are_read_at_one_moment(url: str) -> None:
    """A commit between two reads is not seen by the second; and it does not have to wait for us."""
    engine = create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    with open_snapshot(url) as snapshot:
        before = snapshot.table("owner", ("id",)).num_rows
        with engine.begin() as connection:
            connection.execute(insert(tables.LEDGER["owner"]), {**ROW, "id": "3", "seen_at": 35})
            connection.execute(insert(tables.LEDGER["account"]), {**ROW, "id": "1", "seen_at": 35})
        after = [snapshot.table(name, ("id",)).num_rows for name in ("owner", "account")]
        assert (before, after) == (2, [2, 0])
    engine.dispose()
    with open_snapshot(url) as snapshot:
        assert snapshot.table("owner", ("id",)).num_rows == 3


def test_a_store_that_is_not_there_is_an_error_and_makes_no_file(tmp_path: Path) -> None:
    missing = tmp_path / "no such store.db"
    with pytest.raises(StoreError, match="cannot be read"), open_snapshot(f"sqlite:///{missing}"):
        pass
    assert not missing.exists()


def test_a_password_is_not_in_the_error() -> None:
    with pytest.raises(StoreError) as raised, open_snapshot("postgresql+psycopg://me:hunter2@127.0.0.1:1/none"):
        pass
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("known_at", [9, 19, 20, 40])
def test_a_transaction_of_ours_reads_the_same_and_what_it_has_written_itself(url: str, known_at: int) -> None:
    columns = ("id", "name", "active")
    with open_snapshot(url, known_at) as snapshot:
        committed = snapshot.table("owner", columns)
        files = snapshot.document("people"), snapshot.document("people", "of nobody")
    with create_engine(url).begin() as connection:
        within = snapshot_within(connection, 41, known_at)
        assert within.table("owner", columns).sort_by("id").equals(committed.sort_by("id"))
        assert (within.document("people"), within.document("people", "of nobody")) == files
        connection.execute(insert(tables.LEDGER["owner"]), [
            {**ROW, "id": str(number), "seen_at": 41, "replaced_at": None, "name": "new"} for number in range(3, 9_000)
        ])  # more than one batch
        assert within.table("owner", columns).equals(committed)
        assert snapshot_within(connection, 41, 41).table("owner", columns).num_rows == 2 + 8_997

"""A hash of every table of a store, to tell whether anything in it changed."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

from benchmarks.contenders import Place

_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"


def hashes(place: Place) -> dict[str, str]:
    """By the name of the table; of the same rows in whatever order they are kept."""
    if place.server is None:
        return _sqlite(place)
    found = {}
    for (name,) in place.server.execute(_TABLES, place.database):
        query = f"SELECT count(*), coalesce(sum(hashtextextended(one::text, 0)::numeric), 0) FROM {name} AS one"
        found[str(name)] = str(place.server.execute(query, place.database))
    return found


def _sqlite(place: Place) -> dict[str, str]:
    found = {}
    with closing(sqlite3.connect(place.folder / "store.db")) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            total = 0
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                total += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest())
            found[str(name)] = str(total)
    return found

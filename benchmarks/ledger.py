"""A filled ledger without a sync: `python -m benchmarks.ledger --deals 1000000 --store URL [--store URL]`.

The deals are those of `benchmarks.crm`, with a lead for every second one, written straight into stores that an empty
sync has made (their pipelines, owners and rates are there). What is in them afterwards is what a sync would have
brought, except for what no KPI reads: pages, stamps of records, and 13 own fields.

With `--changed` half of the deals, with their moves and leads, have two versions: their moves were seen half an hour
late at first, by comparing two reads, and gave way to the history that the CRM told one commit later. As many rows
are known before that last commit as after it.

With `--around` there is also what `benchmarks.around` tells: customers, leads that got nowhere, activities, changes of
fields, orders and what followed them. Every table is written batch by batch, so that memory stays flat.
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import make_url

from benchmarks import around
from benchmarks.crm import HOUR, Deal, lost_reason, make_deals
from connector.model import MONEY_SCALE
from connector.store.tables import LEDGER

BATCH = 20_000  # deals
SOURCE = "crm"
_COLUMNS = {
    "deal": ("id", "name", "pipeline", "stage", "created_at", "amount", "currency", "owner", "lead",
             "expected_close_on", "lost_reason", "type", "source_name", "parts", "record_key"),
    "lead": ("id", "created_at", "owner", "deal", "source_name", "parts", "record_key"),
    "stage_transition": ("deal", "occurred_at", "sequence", "to_pipeline", "to_stage", "origin", "read_at", "actor",
                         "flagged", "record_key", "record_index", "item"),
}
_ALIKE = ("source", "seen_at", "replaced_at", "recorded_at", "stream", "mapping")  # the same in every row
_LATE = HOUR // 2  # less than between two moves of a deal

Rows = dict[str, list[tuple[Any, ...]]]


def rows(deals: Iterable[Deal], *, first: bool = False) -> Rows:
    """The rows of a batch, by table, in the order of `_COLUMNS`; `first`: as they were before they were changed."""
    made: Rows = {table: [] for table in _COLUMNS}
    source, origins, late = (None, ("initial", "observed"), _LATE) if first else ("REFERRALS", ("reported",), 0)
    for deal in deals:
        number, owner, reason = str(deal.number), f"{SOURCE}:{deal.owner}", lost_reason(deal)
        lead = f"{SOURCE}:L{number}" if deal.number % 2 else None
        amount = None if deal.amount is None else int(Decimal(deal.amount) * MONEY_SCALE)
        closes_on = datetime.fromtimestamp(deal.closes_at // 1_000_000, UTC).date().isoformat()
        made["deal"].append((
            number, f"Deal {number}", deal.pipeline, deal.moves[-1].stage, deal.created_at, amount, deal.currency,
            owner, lead, closes_on, reason, "newbusiness", source, "{}", number,
        ))
        if lead:
            made["lead"].append(
                (f"L{number}", deal.created_at - HOUR, owner, f"{SOURCE}:{number}", source, "{}", f"L{number}")
            )
        made["stage_transition"] += [
            (number, move.at + late, 0, deal.pipeline, move.stage, origins[min(place, len(origins) - 1)],
             deal.updated_at, str(move.by), 0, number, 0, place)
            for place, move in enumerate(deal.moves)
        ]
    return made


class Target(Protocol):
    """A store that is being filled."""

    def stamp(self) -> int:
        """The next instant of its knowledge clock, which every row gets."""

    def write(self, table: str, columns: Sequence[str], alike: tuple[Any, ...], many: list[tuple[Any, ...]]) -> None:
        """Add the rows; each begins with what is alike."""

    def finish(self) -> None:
        """Commit, and bring statistics up to date."""


class SqliteTarget:
    """By executemany in one transaction."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute("BEGIN")

    def stamp(self) -> int:
        self._connection.execute("UPDATE clock SET last = last + 1")
        return int(self._connection.execute("SELECT last FROM clock").fetchone()[0])

    def write(self, table: str, columns: Sequence[str], alike: tuple[Any, ...], many: list[tuple[Any, ...]]) -> None:
        places = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
        self._connection.executemany(statement, (alike + row for row in many))

    def finish(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()


class PostgresTarget:
    """By COPY in one transaction."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(False))

    def stamp(self) -> int:
        found = self._connection.execute("UPDATE clock SET last = last + 1 RETURNING last").fetchone()
        assert found is not None  # noqa: S101  # every store has its one clock
        return int(found[0])

    def write(self, table: str, columns: Sequence[str], alike: tuple[Any, ...], many: list[tuple[Any, ...]]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy,
        ):
            for row in many:
                copy.write_row(alike + row)

    def finish(self) -> None:
        self._connection.commit()
        self._connection.autocommit = True
        self._connection.execute("VACUUM ANALYZE")
        self._connection.close()


def fill(count: int, targets: Sequence[Target], *, changed: bool = False) -> None:
    """Write that many deals into each store, half of them with an earlier version where they are `changed`."""
    stamps = [(target.stamp(), target.stamp() if changed else None) for target in targets]
    deals = make_deals(count)
    while batch := list(itertools.islice(deals, BATCH)):
        twice = [deal for deal in batch if changed and deal.number % 4 < 2]  # with and without a lead alike
        once = [deal for deal in batch if not (changed and deal.number % 4 < 2)]
        for target, (then, since) in zip(targets, stamps, strict=True):
            _write(target, rows(once), then)
            _write(target, rows(twice, first=True), then, since)
            _write(target, rows(twice), since)
    for target in targets:
        target.finish()


def fill_around(count: int, targets: Sequence[Target]) -> None:
    """Write that many deals into each store, with all that stands around them."""
    stamps, told = [target.stamp() for target in targets], around.Around(count)
    columns = {table: (*_COLUMNS.get(table, ()), *more) for table, more in around.COLUMNS.items()}
    deals, accounts = make_deals(count), told.of_accounts()
    while batch := list(itertools.islice(deals, BATCH)):
        own, more = rows(batch), told.rows(batch)
        for table in ("deal", "lead"):
            more[table] = [row + rest for row, rest in zip(own[table], more[table], strict=True)]
        more["lead"] += more.pop("lost_lead")
        more["account"] = list(itertools.islice(accounts, BATCH))
        made = {**own, **more}
        for target, seen_at in zip(targets, stamps, strict=True):
            _write(target, made, seen_at, columns=columns)
    for target in targets:
        target.finish()


def _write(
    target: Target, made: Rows, seen_at: int | None, replaced_at: int | None = None,
    columns: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Add rows known from one instant on, and to another one where they were replaced; `columns`: if others."""
    alike = (SOURCE, seen_at, replaced_at, seen_at, "deals", "benchmark")
    for table, many in made.items():
        if many:
            target.write(table, (*_ALIKE, *(columns.get(table) or _COLUMNS[table])), alike, many)


def unknown_columns() -> Iterator[str]:
    """Columns written here that the product's tables do not have (any more)."""
    for table, columns in (*_COLUMNS.items(), *around.COLUMNS.items()):
        for column in (*_ALIKE, *columns):
            if column not in LEDGER[table].c:
                yield f"{table}.{column}"


def main() -> None:
    """Fill the stores."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--deals", type=int, required=True)
    parser.add_argument("--store", action="append", required=True)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--changed", action="store_true", help="half of the deals have two versions")
    kind.add_argument("--around", action="store_true", help="activities, orders, customers and what else is around")
    given = parser.parse_args()
    if unknown := list(unknown_columns()):
        parser.error(f"the ledger has no {', '.join(unknown)}: bring benchmarks/ledger.py up to date")
    targets = [SqliteTarget(url) if url.startswith("sqlite") else PostgresTarget(url) for url in given.store]
    if given.around:
        fill_around(given.deals, targets)
    else:
        fill(given.deals, targets, changed=given.changed)


if __name__ == "__main__":
    main()

"""The pages as received: bodies compressed and content-addressed, so an unchanged full scan costs a reference.

A page's id is the stamp of its landing. `applied_at` is its place in the journal: the same stamp, or later for the
pages of a full pass, which are held until the whole pass is known to be plausible.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from connector.model import canonical_json
from connector.ports import Exchange
from connector.store import bulk, tables
from connector.store.store import Writing

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


_USUAL: dict[str, Any] = {  # what most exchanges are, and is not written: a scan that finds nothing costs little
    "method": "GET", "body": None, "status": 200, "request_id": None, "content_type": "application/json",
}


@dataclass(frozen=True, slots=True)
class Packed:
    """A page's exchanges ready to be written: their JSON, and the bodies by hash (compressed, size before)."""

    exchanges: str
    bodies: dict[str, tuple[bytes, int]]


@dataclass(frozen=True, slots=True)
class Landed:
    """A landed page, without its bodies. `read_at` and `known_until` are the vendor's time, in microseconds."""

    id: int
    applied_at: int | None
    source: str
    stream: str
    run: str
    read_at: int
    known_until: int | None


def pack(exchanges: Sequence[Exchange]) -> Packed:
    """Compress a page outside the write transaction."""
    bodies: dict[str, tuple[bytes, int]] = {}
    listed = []
    for exchange in exchanges:
        name = body_hash(exchange.answer)
        if name not in bodies:
            bodies[name] = compressed(exchange.answer)
        told = {key: value for key, usual in _USUAL.items() if (value := getattr(exchange, key)) != usual}
        listed.append({**told, "url": exchange.url, "answer": name})
    return Packed(canonical_json(listed), bodies)


def compressed(content: bytes) -> tuple[bytes, int]:
    """A body as it is kept, and its size before."""
    return zstd.compress(content, 3), len(content)


def body_hash(content: bytes) -> str:
    """The address of a body."""
    return hashlib.sha256(content).hexdigest()


def land(
    writing: Writing,
    packed: Packed,
    *,
    page: int,
    applied_at: int | None,
    source: str,
    stream: str,
    run: str,
    read_at: int,
    known_until: int | None = None,
    full_pass: str | None = None,
    left_out: Collection[str] = (),
) -> None:
    """Write a page and those of its bodies that are not there yet; `left_out`: keys of records not to be taken in."""
    put_bodies(writing, packed.bodies)
    writing.execute(
        tables.page.insert(),
        {
            "id": page,
            "applied_at": applied_at,
            "source": source,
            "stream": stream,
            "run": run,
            "pass": full_pass,
            "read_at": read_at,
            "known_until": known_until,
            "exchanges": packed.exchanges,
            "left_out": _listed(left_out),
        },
    )


def put_bodies(writing: Writing, bodies: dict[str, tuple[bytes, int]]) -> None:
    """Write the bodies that are not there yet."""
    known = set(writing.execute(select(tables.body.c.hash).where(tables.body.c.hash.in_(bodies))).scalars())
    for name, (content, size) in bodies.items():
        if name not in known:
            writing.execute(tables.body.insert(), {"hash": name, "content": content, "size": size})


def exchanges(connection: Connection, page: int) -> list[Exchange]:
    """The exchanges of a landed page, as the source gave them."""
    table = tables.page
    listed: list[dict[str, Any]] = json.loads(
        connection.execute(select(table.c.exchanges).where(table.c.id == page)).scalar_one()
    )
    return [
        Exchange(**{**_USUAL, **one, "answer": body(connection, one["answer"])}) for one in listed
    ]


def left_out(connection: Connection, page: int) -> frozenset[str]:
    """The keys of those records of a landed page that are not taken in."""
    table = tables.page
    told = connection.execute(select(table.c.left_out).where(table.c.id == page)).scalar_one()
    return frozenset(json.loads(told) if told else ())


def _listed(keys: Collection[str]) -> str | None:
    return canonical_json(sorted(keys)) if keys else None


def requests(
    connection: Connection, numbers: Collection[int]
) -> Iterator[tuple[Landed, list[dict[str, Any]]]]:
    """These pages in order, each with its requests: method, url, status, request_id. No body is read."""
    shown = ("method", "url", "status", "request_id")
    names = (*(column.name for column in _landed()), "exchanges")
    for row in sorted(map(tuple, bulk.select(connection, tables.page, names, {}, "id", numbers, "TRUE"))):
        listed = ({**_USUAL, **one} for one in json.loads(row[-1]))
        yield Landed(*row[:-1]), [{name: one[name] for name in shown} for one in listed]


def body(connection: Connection, name: str) -> bytes:
    """A body by its hash."""
    content = connection.execute(select(tables.body.c.content).where(tables.body.c.hash == name)).scalar_one()
    return zstd.decompress(bytes(content))


def _landed() -> list[Any]:
    table = tables.page
    return [table.c[name] for name in ("id", "applied_at", "source", "stream", "run", "read_at", "known_until")]


def page(connection: Connection, number: int) -> Landed:
    """The landed page of that id."""
    table = tables.page
    query = select(*_landed())
    return Landed(*connection.execute(query.where(table.c.id == number)).one())


def pages(
    connection: Connection, *, source: str | None = None, full_pass: str | None = None, before: int | None = None
) -> Iterator[Landed]:
    """Landed pages in order: of one source as applied up to `before`, or those a full pass holds."""
    table = tables.page
    query = select(*_landed())
    if source is not None:
        query = query.where(table.c.source == source)
    if full_pass is not None:
        query = query.where(table.c["pass"] == full_pass, table.c.applied_at.is_(None)).order_by(table.c.id)
    else:
        query = query.where(table.c.applied_at.is_not(None)).order_by(table.c.applied_at)
    if before is not None:
        query = query.where(table.c.applied_at < before)
    for row in connection.execute(query).all():
        yield Landed(*row)


def mark_applied(writing: Writing, page: int, applied_at: int, left_out: Collection[str] = ()) -> None:
    """A held page enters the journal, save the records with these keys."""
    values = {"applied_at": applied_at, "left_out": _listed(left_out)}
    writing.execute(update(tables.page).where(tables.page.c.id == page).values(**values))


def drop_held(writing: Writing, full_pass: str) -> None:
    """Forget the held pages of a full pass that was broken off; it is read anew."""
    table = tables.page
    writing.execute(delete(table).where(table.c["pass"] == full_pass, table.c.applied_at.is_(None)))

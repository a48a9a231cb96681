"""What a source last told of itself, so that a sync need not ask each time, and what its fields once were.

Owners are not kept: nothing here needs them, and they are people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import delete, insert, select

from connector.drift.fields import Types
from connector.mapping import Mapping as SourceMapping
from connector.metadata import Metadata
from connector.model import canonical_json
from connector.ports import Source
from connector.redaction import Redactor
from connector.store import tables
from connector.store.store import Store


@dataclass(frozen=True, slots=True)
class Kept:
    """`read_at`: microseconds. `asked`: a hash of all that decides what a source tells: its settings, and the mapping.
    `known`: the type of each field when this version of the mapping was first compared with it; one that is gone stays.
    """

    metadata: Metadata
    streams: frozenset[str]
    read_at: int
    asked: str
    mapping: str
    known: Types


class _Content(msgspec.Struct):
    """The column `content`."""

    metadata: Metadata
    asked: str
    mapping: str
    known: dict[str, dict[str, str]]


def load(store: Store, source: str) -> Kept | None:
    """What is kept of a source; None where it never told anything. Raises StoreError."""
    table = tables.source_metadata
    row = next(iter(store.rows(select(table).where(table.c.source == source))), None)
    if row is None:
        return None
    content = msgspec.json.decode(row.content, type=_Content)
    streams = frozenset(msgspec.json.decode(row.streams, type=list[str]))
    return Kept(content.metadata, streams, row.read_at, content.asked, content.mapping, content.known)


def keep(store: Store, source: str, kept: Kept) -> None:
    """Keep it instead of what was told before. Raises StoreError."""
    table = tables.source_metadata
    content = _Content(kept.metadata, kept.asked, kept.mapping, {one: dict(told) for one, told in kept.known.items()})
    row = {
        "source": source, "read_at": kept.read_at, "streams": canonical_json(sorted(kept.streams)),
        "content": msgspec.json.encode(content).decode(),
    }
    with store.apart() as connection:
        connection.execute(delete(table).where(table.c.source == source))
        connection.execute(insert(table), row)


def told(
    metadata: Metadata, source_mapping: SourceMapping, *, read_at: int, asked: str, before: Kept | None
) -> Kept:
    """What is kept of an answer, after what was kept before."""
    known = _known(metadata, before, is_same=before is not None and before.mapping == source_mapping.version)
    return Kept(
        replace(metadata, owners=()), frozenset(source_mapping.streams()), read_at, asked, source_mapping.version, known
    )


def asked(source: Source, source_mapping: SourceMapping, secrets: Collection[str]) -> str:
    """A hash of what decides what the source tells; no secret is in it."""
    settings = Redactor(lambda: secrets).text(source.settings.model_dump_json())
    return hashlib.sha256(f"{source_mapping.version} {settings}".encode()).hexdigest()[:16]


def _known(metadata: Metadata, before: Kept | None, *, is_same: bool) -> Types:
    """A changed mapping takes the types as they now are; who changed it has looked at them."""
    earlier: Types = before.known if before else {}
    found: dict[str, Mapping[str, str]] = dict(earlier)
    for stream, fields in metadata.fields.items():
        had = earlier.get(stream, {})
        now = {path: had.get(path, one.type) if is_same else one.type for path, one in fields.items()}
        found[stream] = {**had, **now}
    return found

"""Which records belong to an owner or to a pipeline, by what is known of them now."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from connector.errors import Fault
from connector.mapping import Mapping
from connector.naming import listed
from connector.people import People
from connector.store import tables

OWNED = [name for name, table in tables.LEDGER.items() if "owner" in table.c and "gone" in table.c]
"""The entities whose rows have an owner."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The owners (ids in one source) and the pipeline (the vendor's id) that records are chosen by; None: by any.

    `told` says it in words, the same each time the same is chosen.
    """

    owners: Collection[str] | None
    pipeline: str | None
    told: str


def choose(
    connection: Connection, source_mapping: Mapping, people: People, owner: str | None, pipeline: str | None,
    faults: list[Fault],
) -> Selection:
    """What `--owner` and `--pipeline` mean; a name nobody knows is added to the faults."""
    owners = None if owner is None else _owners(connection, source_mapping.source, people, owner, faults)
    id_ = None if pipeline is None else _pipeline(source_mapping, pipeline, faults)
    told = [f"owner {' '.join(owners)}"] if owners is not None else []
    return Selection(owners, id_, " and ".join([*told, *([f"pipeline {id_}"] if id_ is not None else [])]))


def records(
    connection: Connection, source_mapping: Mapping, streams: Sequence[str], chosen: Selection
) -> dict[str, list[str]]:
    """The keys of the records of these streams whose current rows carry that owner and that pipeline, by stream.

    A record carries an owner through any row it makes, such as its share of a deal; only deals are in a pipeline.
    """
    found: dict[str, set[str]] = {}
    for number, (column, values, entities) in enumerate(_columns(source_mapping.source, chosen)):
        having: dict[str, set[str]] = {}
        for entity in entities:
            for stream, key in _carrying(connection, source_mapping.source, entity, column, values):
                having.setdefault(stream, set()).add(key)
        found = {name: keys & having.get(name, set()) for name, keys in found.items()} if number else having
    return {name: sorted(found[name]) for name in streams if found.get(name)}


def _columns(source: str, chosen: Selection) -> Iterator[tuple[str, list[str], list[str]]]:
    """What is looked for: a column, its values, and the entities to look in."""
    if chosen.owners is not None:
        yield "owner", [f"{source}:{owner}" for owner in chosen.owners], OWNED
    if chosen.pipeline is not None:
        yield "pipeline", [chosen.pipeline], ["deal"]


def _carrying(
    connection: Connection, source: str, entity: str, column: str, values: list[str]
) -> Iterator[tuple[str, str]]:
    """The streams, each with the key of its record, that make the current rows of an entity with one of the values."""
    table = tables.LEDGER[entity]
    query = select(table.c.parts).where(
        table.c.source == source, table.c.replaced_at.is_(None), table.c.gone.is_(None), table.c[column].in_(values)
    )
    for parts in connection.execute(query).scalars():
        for stream, (_modified, key) in json.loads(parts).items():
            yield stream, key


def _owners(
    connection: Connection, source: str, people: People, text: str, faults: list[Fault]
) -> list[str]:
    """The ids of the owners meant by `source:id`, an id, an employee code or an e-mail; rising.

    An id may also be one that only records tell, where the source shows no owners.
    """
    table = tables.LEDGER["owner"]
    query = select(table.c.id, table.c.email).where(table.c.source == source, table.c.replaced_at.is_(None))
    known = {row.id: row.email or "" for row in connection.execute(query)}
    given = text.removeprefix(f"{source}:")
    if given in known:
        return [given]
    person, mail = people.find(text), text.strip().casefold()
    meant = {id_ for id_, email in known.items() if email and email.casefold() == mail}
    if person is not None:
        own = (owner.partition(":") for owner in person.owners)
        meant |= {id_ for id_, email in known.items() if people.person_of(f"{source}:{id_}", email) is person}
        meant |= {id_ for of, _, id_ in own if of == source}
    if not meant and any(any(_carrying(connection, source, name, "owner", [f"{source}:{given}"])) for name in OWNED):
        meant = {given}
    if not meant:
        faults.append(Fault(
            "command line", 0, "--owner",
            f"{source} has no owner {text!r}, expected an employee code, an e-mail, or an id, one of: {listed(known)}",
        ))
    return sorted(meant)


def _pipeline(source_mapping: Mapping, text: str, faults: list[Fault]) -> str | None:
    """The vendor's id of the pipeline of that id, or of that name."""
    pipelines = source_mapping.pipelines
    if text in pipelines:
        return text
    for id_, pipeline in pipelines.items():
        if pipeline.name == text:
            return id_
    names = listed(pipeline.name for pipeline in pipelines.values()) or "none"
    faults.append(Fault(
        "command line", 0, "--pipeline", f"the mapping has no pipeline {text!r}, expected one of: {names}"
    ))
    return None

"""Every table, declared once; migrations and views are checked against it.

Ledger tables hold versions and facts and have no generated ids. Instants are microseconds UTC in BIGINT, money
ten-thousandths in BIGINT, probability and share millionths in BIGINT: the bulk readers keep only those exact
(docs/decisions/0002). A flag is 0 or 1 in SMALLINT. JSON is text in the form of `model.canonical_json`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, text

from connector.model import ENTITIES, Entity, Kind, column

metadata = MetaData()

_TYPES = {
    Kind.INSTANT: BigInteger,
    Kind.MONEY: BigInteger,
    Kind.INTEGER: BigInteger,
    Kind.RATIO: BigInteger,
    Kind.FLAG: SmallInteger,
}


def _instant(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null, primary_key=key, autoincrement=False)


def _text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null, primary_key=key)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _provenance() -> list[Column[Any]]:
    """When and from where a ledger row came.

    replaced_at: when it stopped being what we know, null = current. recorded_at: when its journal entry was written
    (later than seen_at only for imported history). page: the landed page, null where the row came of a file, a
    decision or a finished id pass. stream, record_key, record_index, item: the record in it and, for `each`, the list
    item. mapping: the version (hash) of the mapping file.
    """
    return [
        _instant("replaced_at", null=True),
        _instant("recorded_at"),
        _instant("page", null=True),
        _text("stream"),
        _text("record_key"),
        Column("record_index", Integer),
        Column("item", Integer),
        _text("mapping"),
    ]


def _versions(entity: Entity) -> Table:
    """Versions of one entity: (source, id, seen_at), its fields, `extra` (JSON of own fields), `gone`, `parts`.

    gone: null, `deleted` (tombstone by id pass) or `retracted` (its record no longer makes it). parts: JSON
    {stream: [modified or null, record key]}, the last contribution of each stream that fills fields of this row.
    """
    fields: list[Column[Any]] = []
    for name, field in entity.fields.items():
        fields.append(Column(column(name), _TYPES.get(field.kind, Text)()))
        if field.kind is Kind.MONEY:
            fields.append(Column("currency", Text))
    table = Table(
        entity.name,
        metadata,
        _text("source", key=True),
        _text("id", key=True),
        _instant("seen_at", key=True),
        *fields,
        _text("extra", null=True),
        _text("gone", null=True),
        _text("parts"),
        *_provenance(),
    )
    made_of_item = text("item IS NOT NULL AND replaced_at IS NULL")
    Index(
        f"{entity.name}_item", table.c.source, table.c.stream, table.c.record_key,
        sqlite_where=made_of_item,  # PostgreSQL's stands in the migration: named here it would load that dialect too
    )
    return table


def _event() -> list[Column[Any]]:
    """How a fact is known.

    origin: reported (the vendor's history), observed (difference of two reads: it happened in
    (occurred_after, occurred_at]), field (from closed_at), initial (first sight: entry time unknown). read_at: the
    vendor's time of the read that showed it. actor: the vendor's id of the user who did it. flagged: 1 = the reported
    history covers it and does not explain it (Q10).
    """
    return [
        _text("origin"),
        _instant("occurred_after", null=True),
        _instant("read_at"),
        _text("actor", null=True),
        Column("flagged", SmallInteger, nullable=False, server_default=text("0")),
    ]


_BY_KEY: dict[str, Any] = {"sqlite_with_rowid": False}  # narrow rows that stand in their key: a third less to write

LEDGER: dict[str, Table] = {entity.name: _versions(entity) for entity in ENTITIES.values() if not entity.facts}

stage_transition = Table(
    "stage_transition",
    metadata,
    _text("source", key=True),
    _text("deal", key=True),  # the deal's id in the same source, without the source's name
    _instant("occurred_at", key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    _text("to_pipeline", key=True),  # vendor's ids
    _text("to_stage", key=True),
    _text("origin", key=True),
    _instant("seen_at", key=True),
    *_event()[1:],
    *_provenance(),
    **_BY_KEY,
)

deal_change = Table(
    "deal_change",
    metadata,
    _text("source", key=True),
    _text("deal", key=True),
    _text("field", key=True),
    _instant("occurred_at", key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    _text("new", key=True),  # as the deal's field is stored, in text; empty = cleared
    _text("origin", key=True),
    _instant("seen_at", key=True),
    *_event()[1:],
    *_provenance(),
    **_BY_KEY,
)

LEDGER["stage_transition"] = stage_transition
LEDGER["deal_change"] = deal_change

record_stamp = Table(  # the newest modified stamp of each record that was taken in: what is older is old news
    "record_stamp",
    metadata,
    _text("source", key=True),
    _text("stream", key=True),
    _text("record_key", key=True),
    _instant("modified"),
    **_BY_KEY,
)

# --- the journal -----------------------------------------------------------------------------------------------------

clock = Table("clock", metadata, Column("one", Integer, primary_key=True), _instant("last"))

body = Table("body", metadata, _text("hash", key=True), Column("content", LargeBinary, nullable=False), _count("size"))

# id = the stamp of its landing; applied_at = its place in the journal, null while held by a full pass; known_until = up
# to when (vendor's time) the stream had been read as a whole before: what the page shows as changed happened later;
# left_out = JSON list of the keys of records that are not taken in: older than the source's `since`, or than what was
# read while the page was held; null = none
page = Table(
    "page",
    metadata,
    _instant("id", key=True),
    _instant("applied_at", null=True),
    _text("source"),
    _text("stream"),
    _text("run"),
    _text("pass", null=True),
    _instant("read_at"),
    _instant("known_until", null=True),
    _text("exchanges"),
    _text("left_out", null=True),
    Index("page_applied", "applied_at"),
    Index("page_pass", "pass"),
)

# a full pass over a complete stream, or one over all ids; body: hash of the JSON list of the record keys it found: what
# it was shown, and once it is applied also what answered by id or is gone by its own tombstone; answered: hash of such
# a list of what has answered so far, while a long one is applied
id_pass = Table(
    "id_pass",
    metadata,
    _text("id", key=True),
    _text("source"),
    _text("stream"),
    _text("run"),
    _instant("started_at"),
    _instant("accepted_at", null=True),
    _instant("applied_at", null=True),
    _text("state"),  # reading, stopped, accepted, applied, refused, abandoned
    _count("shown"),
    _count("known"),
    _text("body", null=True),
    _text("reason", null=True),
    Column("kind", Text, nullable=False, server_default=text("'records'")),  # records | ids: what was read of each
    _text("answered", null=True),
)

mapping_stop = Table(  # a changed mapping that moves a KPI too far; moves: JSON list of `shift.Move`, beyond the guard
    "mapping_stop",
    metadata,
    _text("id", key=True),
    _text("source"),
    _text("version"),
    _text("previous"),  # the version in force, which this one would have replaced
    _instant("seen_at"),
    _text("state"),  # stopped, accepted, refused, abandoned
    _text("moves"),
    _text("reason", null=True),
)

file_version = Table(  # kind: mapping (name: the source), people, targets, fx, holidays, calendar, kpis, rules
    "file_version",
    metadata,
    _instant("seen_at", key=True),
    _text("kind"),
    _text("name"),
    _text("version"),
    _text("path"),
    Column("content", LargeBinary, nullable=False),
    _text("settings"),
)

audit = Table(
    "audit",
    metadata,
    _instant("seen_at", key=True),
    _text("action"),
    _text("subject"),
    _text("actor"),
    _text("reason", null=True),
)

# --- operations ------------------------------------------------------------------------------------------------------

cursor = Table(  # state: JSON {"cursor": instant, "window": {"lo", "hi"}, "position": the source's own}
    "cursor",
    metadata,
    _text("source", key=True),
    _text("stream", key=True),
    _text("state"),
    _instant("first_complete_at", null=True),
    _instant("last_complete_at", null=True),
    _instant("updated_at"),
    _instant("ids_checked_at", null=True),  # when all ids were last compared with those we know
    _text("resync", null=True),  # as state, of a resync that was interrupted, with what was asked
)

source_metadata = Table(  # what a source last told of itself: JSON of metadata.Metadata, of these streams (JSON list)
    "source_metadata",
    metadata,
    _text("source", key=True),
    _instant("read_at"),
    _text("streams"),
    _text("content"),
)

known_since = Table(  # when a source had been read as a whole for the first time: what it held before, nobody knew
    "known_since",
    metadata,
    _text("source", key=True),
    _instant("at"),
)

run = Table(
    "run",
    metadata,
    _text("id", key=True),
    _text("command"),
    _text("status"),
    _instant("started_at"),
    _instant("ended_at", null=True),
    _text("summary", null=True),
)

run_stream = Table(
    "run_stream",
    metadata,
    _text("run", key=True),
    _text("source", key=True),
    _text("stream", key=True),
    _text("status"),
    *[_count(name) for name in ("requests", "records", "new", "changed", "unchanged", "deleted", "quarantined")],
    _text("cursor", null=True),
    _text("error", null=True),
)

quarantine = Table(  # state: open, accepted (no finding until the record changes), dropped, mended
    "quarantine",
    metadata,
    _text("source", key=True),
    _text("stream", key=True),
    _text("record_key", key=True),
    _instant("first_seen_at", key=True),  # each time it is set aside anew is a row of its own
    _instant("page"),
    Column("record_index", Integer, nullable=False),
    _text("pipeline", null=True),
    _text("reason"),
    _text("content", null=True),  # a hash of the record
    _text("state"),
    _instant("seen_at"),  # when it was last seen so; of one that is no longer open, when it ended
    _instant("modified", null=True),
)

kpi_value = Table(
    "kpi_value",
    metadata,
    _text("kpi", key=True),
    _text("subject_kind", key=True),
    _text("subject_key", key=True),
    _text("dimensions", key=True),
    _text("period", key=True),
    _instant("seen_at", key=True),
    _instant("replaced_at", null=True),
    _text("value", null=True),
    _text("unit"),
    _text("currency", null=True),
    _text("status"),
    _instant("as_of"),
    _text("object"),
    Index("kpi_value_period", "kpi", "period"),
)

period = Table(  # periods that were closed at least once; state: closed, open (reopened); seal: the latest one's number
    "period",
    metadata,
    _text("name", key=True),
    _text("every"),
    _instant("ends_at"),  # excluded
    _text("state"),
    Column("seal", Integer, nullable=False),
)

seal = Table(  # seen_at: its place in the chain; reopened_at: since when it is not in force; the rest never changes
    "seal",
    metadata,
    _text("period", key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _instant("seen_at"),
    _text("previous", null=True),
    _text("hash"),
    _text("header"),
    _instant("reopened_at", null=True),
)

# A table of its own, since rows of kpi_value end and begin with every computation, and these never change. Its key is
# the commitment, so that all the rest can be erased; object is the KPI object as it was frozen.
frozen_value = Table(
    "frozen_value",
    metadata,
    _text("commitment", key=True),
    _text("period"),
    Column("seal", Integer, nullable=False),
    *[_text(name, null=True) for name in ("salt", "kpi", "subject_kind", "subject_key", "dimensions", "object")],
    Index("frozen_value_seal", "period", "seal"),
)

kpi_member = Table(  # the members of a frozen value, as `model.Member` has them
    "kpi_member",
    metadata,
    _text("commitment", key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    *[_text(name) for name in ("side", "entity", "source", "id")],
    _instant("occurred_at", null=True),
    Column("amount", BigInteger),
    _text("currency", null=True),
    Column("share", BigInteger),
    Column("duration", BigInteger),
    **_BY_KEY,
)

# state: proposed, deferred, noted (these follow what is known), accepted, rejected; value, numerator, denominator are
# exact differences as decimal text; causes: JSON list; posted_to: the period an accepted one is paid with
adjustment = Table(
    "adjustment",
    metadata,
    _text("id", key=True),
    *[_text(name) for name in ("kpi", "subject_kind", "subject_key", "subject_name", "dimensions", "period", "kind")],
    Column("seal", Integer, nullable=False),
    _text("unit"),
    *[_text(name, null=True) for name in ("currency", "value", "numerator", "denominator")],
    _text("state"),
    _text("causes"),
    _instant("seen_at"),
    _instant("decided_at", null=True),
    *[_text(name, null=True) for name in ("posted_to", "actor", "reason")],
    Index("adjustment_period", "period", "kpi"),
)

# state: those of `outbox.STATES`; payload: JSON of the KPI object; action: send or withdraw; revision: of its content;
# may_stand: whether anything of ours may stand there; drift: what stands there instead, where somebody changed it
delivery = Table(
    "delivery",
    metadata,
    _text("destination", key=True),
    _text("key", key=True),
    _text("kpi"),
    _text("period"),
    _text("payload"),
    _text("person"),
    _text("hash"),
    _text("state"),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    _text("remote_id", null=True),
    _text("message", null=True),
    _text("confirmed_hash", null=True),
    _text("confirmed_payload", null=True),
    _instant("next_at", null=True),
    _instant("owed_at"),
    _instant("updated_at"),
    Column("action", Text, nullable=False, server_default="send"),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("may_stand", SmallInteger, nullable=False, server_default=text("0")),
    _text("drift", null=True),
    _instant("verified_at", null=True),
    _instant("withdrawn_at", null=True),
    Index("delivery_state", "destination", "state"),
)

receipt = Table(
    "receipt",
    metadata,
    _instant("at", key=True),
    _text("destination"),
    _text("key"),
    Column("attempt", Integer, nullable=False),
    _text("outcome"),
    _text("hash"),
    _text("remote_id", null=True),
    Column("status", Integer),
    _text("request_id", null=True),
    _text("message", null=True),
    _text("run"),
    Index("receipt_delivery", "destination", "key"),
)

rate_budget = Table(  # how much of an account's limit is used; state: JSON of `budget`. account: a hash, no secret
    "rate_budget",
    metadata,
    _text("account", key=True),
    _text("name", key=True),
    _text("state"),
)

token = Table(  # an account's tokens where its vendor renews them; content: encrypted, never in the clear
    "token",
    metadata,
    _text("account", key=True),
    _text("content"),
    _instant("changed_at"),
)

hook_inbox = Table(  # what a vendor called about, to be read again by id; read_at: when that was done, null = waiting
    "hook_inbox",
    metadata,
    _text("source", key=True),
    _text("id", key=True),  # the vendor's id of the event: told twice, kept once
    _text("stream"),
    _text("record_key"),
    _instant("occurred_at", null=True),
    _instant("received_at"),
    _instant("read_at", null=True),
    Index("hook_inbox_read", "read_at"),  # what waits is found among a week of what was read
)

lease = Table(
    "lease",
    metadata,
    _text("name", key=True),
    _text("holder", null=True),
    Column("fence", BigInteger, nullable=False),
    _instant("expires_at"),
)

"""Current-state views for BI tools: one for each ledger table, with decimal amounts and readable instants.

SQLite has no decimal type: there an amount is shown as a number of double precision; the exact ten-thousandths stay in
the table. A move into the stage already held is left out, as metrics leave it out.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from connector.model import ENTITIES, Kind, column

_PROVENANCE = ("seen_at", "recorded_at", "page", "stream", "record_key", "record_index", "item", "mapping")
_INSTANTS = {"seen_at", "recorded_at", "occurred_at", "occurred_after"}


def create(connection: Connection) -> None:
    """Make every view anew."""
    for name, query in _queries(connection.dialect.name).items():
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))
        connection.execute(text(f"CREATE VIEW {name} AS {query}".replace(":", "\\:")))


def _queries(dialect: str) -> dict[str, str]:
    made = {
        f"current_{entity.name}": _entity(entity.name, dialect) for entity in ENTITIES.values() if not entity.facts
    }
    made["current_stage_transition"] = _facts(
        "stage_transition", ("to_pipeline", "to_stage"), "source, deal", dialect
    )
    made["current_deal_change"] = _facts("deal_change", ("field", "new"), "source, deal, field", dialect)
    made["current_kpi_value"] = (
        "SELECT kpi, subject_kind, subject_key, dimensions, period, value, unit, currency, status, "
        f"{_instant('as_of', dialect)} AS as_of, {_instant('seen_at', dialect)} AS seen_at, object "
        "FROM kpi_value WHERE replaced_at IS NULL"
    )
    made["current_frozen_value"] = (  # of closed periods, from the seals in force; an erased value is not shown
        "SELECT kpi, subject_kind, subject_key, dimensions, frozen_value.period, seal, object, "
        f"{_instant('seal.seen_at', dialect)} AS sealed_at, commitment FROM frozen_value JOIN seal "
        "ON seal.period = frozen_value.period AND seal.number = frozen_value.seal "
        "WHERE seal.reopened_at IS NULL AND frozen_value.object IS NOT NULL"
    )
    return made


def _entity(name: str, dialect: str) -> str:
    shown = ["source", "id"]
    for field, what in ENTITIES[name].fields.items():
        stored = column(field)
        shown.append(_shown(f'"{stored}"', what.kind, dialect) + f' AS "{stored}"')
        if what.kind is Kind.MONEY:
            shown.append("currency")
    shown += ["extra", *[_known(stored, dialect) for stored in _PROVENANCE]]
    return f"SELECT {', '.join(shown)} FROM {name} WHERE replaced_at IS NULL AND gone IS NULL"


def _facts(table: str, value: tuple[str, str], partition: str, dialect: str) -> str:
    """The chain of a deal, with the value before each; equal neighbours are one."""
    first, second = value
    before = [f"lag({name}) OVER chain AS before_{number}" for number, name in enumerate(value)]
    plain = ", ".join(["source", "deal", first, second, "sequence", "origin", "actor", "flagged"])
    instants = ", ".join(_known(name, dialect) for name in ("occurred_at", "occurred_after"))
    provenance = ", ".join(_known(name, dialect) for name in _PROVENANCE)
    old = "before_0 AS from_pipeline, before_1 AS from_stage" if table == "stage_transition" else "before_1 AS old"
    return (
        f"SELECT {plain}, {old}, {instants}, {provenance} FROM (SELECT *, {', '.join(before)} FROM {table} "
        f"WHERE replaced_at IS NULL WINDOW chain AS (PARTITION BY {partition} ORDER BY occurred_at, sequence)"
        f") AS chain WHERE before_0 IS NULL OR before_1 IS NULL OR before_0 <> {first} OR before_1 <> {second}"
    )


def _known(name: str, dialect: str) -> str:
    return f"{_instant(name, dialect)} AS {name}" if name in _INSTANTS else name


def _shown(name: str, kind: Kind, dialect: str) -> str:
    scale = {Kind.MONEY: 10_000, Kind.RATIO: 1_000_000}.get(kind)
    if kind is Kind.INSTANT:
        return _instant(name, dialect)
    if scale is None:
        return name
    return f"CAST({name} AS NUMERIC) / {scale}" if dialect == "postgresql" else f"{name} / {scale}.0"


def _instant(name: str, dialect: str) -> str:
    if dialect == "postgresql":
        return f"TIMESTAMPTZ 'epoch' + {name} * INTERVAL '1 microsecond'"
    return (
        f"strftime('%Y-%m-%dT%H:%M:%S', {name} / 1000000, 'unixepoch') || printf('.%06dZ', {name} % 1000000)"
    )

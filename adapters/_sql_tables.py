"""The tables that a KPI value is written to, and its rows in them: one flat table, or a star for dashboards.

The star: a fact for each value, and what dashboards filter and group by beside it, joined by one column each, as Power
BI needs it. A fact that is no person's has the person key '', which dim_person has a row for, so no join loses it.

    dim_person      person_key (the employee code), employee_code, email, name
    dim_kpi         kpi, metric, unit
    dim_period      period, period_start, period_end, period_kind, year_number, quarter_number, month_number
    fact_kpi_value  kpi, subject_kind, subject_key, dimensions, period, person_key, the common dimensions as columns of
                    their own, and what else a KPI object has

and two views: v_kpi_value, all of them joined, and v_kpi_current, of that each KPI's values of its latest period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.engine.interfaces import Dialect as Engine

from adapters._sql_dialect import NUMBERS, Dialect
from connector.outgoing import FLAT, NATURAL_KEY, flat
from connector.ports import Delivery

Cells = Mapping[str, str | None]

SPLITS = ("pipeline", "stage", "canonical_stage", "reason")
"""The dimensions that are columns of a fact; all of them are in its `dimensions` as JSON text."""

PERSON, KPI, PERIOD, FACT = "dim_person", "dim_kpi", "dim_period", "fact_kpi_value"
VIEWS = ("v_kpi_value", "v_kpi_current")

_PERSON_COLUMNS = ("person_key", "employee_code", "email", "name")
_KPI_COLUMNS = ("kpi", "metric", "unit")
_PERIOD_COLUMNS = (
    "period", "period_start", "period_end", "period_kind", "year_number", "quarter_number", "month_number",
)
_FACT_COLUMNS = (
    *NATURAL_KEY, "person_key", "subject_name", *SPLITS,
    *(name for name in FLAT if name not in (*NATURAL_KEY, *_KPI_COLUMNS, *_PERIOD_COLUMNS, "subject_name")),
)


@dataclass(frozen=True, slots=True)
class Target:
    """One table: its key, the columns we make it with, those it must have, and the row of a delivery as text."""

    name: str
    key: Sequence[str]
    columns: Sequence[str]
    needs: Sequence[str]
    row: Callable[[Delivery], Cells]
    refers: Mapping[str, str] | None = None  # a column of ours to the table whose key it is

    def declared(self, dialect: Dialect, metadata: MetaData, schema: str | None) -> Table:
        """The table as we make it; the tables it refers to are in the metadata already."""
        columns: list[Any] = [
            Column(name, dialect.kind(name, is_key=name in self.key or name in (self.refers or {})),
                   primary_key=name in self.key, nullable=name not in self.key)
            for name in self.columns
        ]
        prefix = f"{schema}." if schema else ""
        columns += [
            ForeignKeyConstraint([column], [f"{prefix}{table}.{column}"])
            for column, table in (self.refers or {}).items()
        ]
        return Table(self.name, metadata, *columns, schema=schema, **dialect.options())


def flat_table(name: str) -> tuple[Target, ...]:
    """The one table of KPI objects."""
    return (Target(name, NATURAL_KEY, FLAT, (*NATURAL_KEY, "value"), lambda delivery: flat(delivery.kpi)),)


def star() -> tuple[Target, ...]:
    """The star, what is referred to first; the fact is the last."""
    return (
        Target(PERSON, ("person_key",), _PERSON_COLUMNS, _PERSON_COLUMNS, _person),
        Target(KPI, ("kpi",), _KPI_COLUMNS, _KPI_COLUMNS, lambda delivery: _some(flat(delivery.kpi), _KPI_COLUMNS)),
        Target(PERIOD, ("period",), _PERIOD_COLUMNS, ("period", "period_start", "period_end"), _period),
        Target(FACT, NATURAL_KEY, _FACT_COLUMNS, (*NATURAL_KEY, "person_key", "value"), _fact,
               refers={"person_key": PERSON, "kpi": KPI, "period": PERIOD}),
    )


def _some(row: Cells, names: Sequence[str]) -> Cells:
    return {name: row.get(name) for name in names}


def _person_key(delivery: Delivery) -> str:
    subject = delivery.kpi["subject"]
    return str(subject["key"]) if subject["kind"] == "person" else ""


def _person(delivery: Delivery) -> Cells:
    key, told = _person_key(delivery), delivery.person
    if not key:
        return {"person_key": "", "employee_code": None, "email": None, "name": None}
    name = told.get("name") or delivery.kpi["subject"].get("name") or None
    return {
        "person_key": key, "employee_code": told.get("employee_code") or key, "email": told.get("email") or None,
        "name": name,
    }


def _period(delivery: Delivery) -> Cells:
    kpi = delivery.kpi
    first, last = date.fromisoformat(kpi["period_start"]), date.fromisoformat(kpi["period_end"])
    return {
        "period": kpi["period"], "period_start": kpi["period_start"], "period_end": kpi["period_end"],
        "period_kind": period_kind((last - first).days + 1), "year_number": str(first.year),
        "quarter_number": str((first.month + 2) // 3), "month_number": str(first.month),
    }


def period_kind(days: int) -> str:
    """What a period of so many days is called."""
    spans = ((1, 1, "day"), (7, 7, "week"), (28, 31, "month"), (90, 92, "quarter"), (365, 366, "year"))
    return next((kind for least, most, kind in spans if least <= days <= most), "all")


def _fact(delivery: Delivery) -> Cells:
    row, split = flat(delivery.kpi), delivery.kpi["dimensions"]
    of_its_own = {name: split.get(name) for name in SPLITS}
    return {**_some(row, _FACT_COLUMNS), **of_its_own, "person_key": _person_key(delivery)}


def views(dialect: Dialect, engine: Engine, schema: str | None) -> Mapping[str, str]:
    """The statements that make the views, by name. On SQLite numbers are text, which the views show as numbers."""
    quote = engine.identifier_preparer.quote

    def table(name: str) -> str:
        return f"{quote(schema)}.{name}" if schema else name

    def shown(name: str) -> str:
        if name in NUMBERS and not dialect.is_exact:
            return f"CAST(f.{name} AS REAL) AS {name}"
        return f"f.{name}"

    facts = ", ".join(shown(name) for name in _FACT_COLUMNS)
    joined = (
        f"CREATE VIEW {table(VIEWS[0])} AS SELECT {facts}, k.metric, k.unit, d.period_start, d.period_end, "
        "d.period_kind, d.year_number, d.quarter_number, d.month_number, p.employee_code, p.email, "
        f"p.name AS person_name FROM {table(FACT)} f JOIN {table(KPI)} k ON k.kpi = f.kpi "
        f"JOIN {table(PERIOD)} d ON d.period = f.period JOIN {table(PERSON)} p ON p.person_key = f.person_key"
    )
    current = (
        f"CREATE VIEW {table(VIEWS[1])} AS SELECT v.* FROM {table(VIEWS[0])} v WHERE v.period_start = "
        f"(SELECT max(d.period_start) FROM {table(FACT)} f JOIN {table(PERIOD)} d ON d.period = f.period "
        "WHERE f.kpi = v.kpi)"
    )
    return dict(zip(VIEWS, (joined, current), strict=True))

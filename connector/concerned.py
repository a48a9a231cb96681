"""Which KPIs read a column of the ledger, so that who hears of a fault in a mapping hears what it does to numbers.

It is found out, not declared: the view of a metric's members names other tables of the SQL, and these the streams of
the ledger (`raw_…`). Within an entity rather a KPI too many is named than one too few.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib import resources
from typing import NamedTuple

from connector.kpi import KpiDefinition
from connector.metrics.catalogue import CATALOGUE, NEEDS
from connector.metrics.engine import READ
from connector.metrics.metric import RECORD_DIMENSIONS, Metric
from connector.metrics.question import EXTRA

_BASE = ("base", "visits", "credit")
_NAMES = "holder"  # the table of everybody who is ever named: it is made of all entities and says nothing of any
_MADE = re.compile(r"(?:CREATE\s+(?:OR REPLACE\s+)?(?:TEMP\s+)?(?:TABLE|VIEW|MACRO)|INSERT\s+INTO)\s+(\w+)")
_READ = re.compile(r"\b(?:FROM|JOIN)\s+\(?\s*(\w+)")
_INNER = re.compile(r"\b(\w+)\s+AS\s+(?:MATERIALIZED\s+)?\(")
_RAW = re.compile(r"\braw_\w+")
_WORDS = re.compile(r"'[^']*'")
_OWNED = {"person", "team", "owner"}
_WHOSE = ("owner", "owner_team")
_ALWAYS = {  # what decides whether and when a record counts at all
    "deal": {"pipeline", "stage", "outcome", "created_at", "closed_at", "deleted_at", "merged_into"},
    "lead": {"created_at", "deleted_at", "merged_into"},
}
_STAGED = ("deal", "stage_transition", "stage", "pipeline")
_SPLITS = {"type", "source_name"}  # columns of a deal that only split numbers
_MONEY = {"amount", "currency"}
_CARRIED = ("deal", "stage", "pipeline")  # read as a whole for every metric, whatever it needs of them


class Read(NamedTuple):
    """A column of an entity, or all of the entity where it is ''."""

    entity: str
    column: str = ""


class _Reach(NamedTuple):
    """What a metric is made of: ledger streams by their names in SQL, and the SQL on the `way` that does not only carry
    columns on; `own` is that of its members."""

    raw: frozenset[str]
    way: str
    own: str


def kpis(definitions: Iterable[KpiDefinition], reads: Collection[Read], pipeline: str | None = None) -> list[str]:
    """The ids of those KPIs that read any of it. `pipeline`: what is read is of that pipeline alone, by its name in the
    mapping ('' for one that is not there), so that KPIs of other pipelines are not concerned."""
    return [
        one.id for one in definitions
        if any(_may_be_of(part, pipeline) and _reads(part, read) for part in _parts(one) for read in reads)
    ]


def _parts(definition: KpiDefinition) -> Iterator[KpiDefinition]:
    """The KPI itself, or what a score is made of."""
    if not definition.parts:
        yield definition
    for part in definition.parts:
        yield from _parts(part)


def _may_be_of(definition: KpiDefinition, pipeline: str | None) -> bool:
    asked = definition.filters.get("pipeline")
    return pipeline is None or asked is None or pipeline in asked


def _reads(definition: KpiDefinition, read: Read) -> bool:
    metric = CATALOGUE.get(definition.metric)
    if metric is None or read.entity == "target":
        return read.entity == "target"
    if read.entity in _WHOSE:
        return _is_whose(definition) and (read.entity == "owner" or "team" in (definition.per, *definition.filters))
    if read.entity == "fx_rate":
        return metric.money
    if read.entity == "deal_owner":
        return _is_whose(definition) and definition.effective_options.get("credit") == "split"
    return any(_metric_reads(one, read, definition) for one in _terms(metric))


def _is_whose(definition: KpiDefinition) -> bool:
    return definition.per in _OWNED or bool({"owner", "team"} & definition.filters.keys())


def _terms(metric: Metric) -> Iterator[Metric]:
    """The metric, or those it is made of."""
    if not metric.made_of:
        yield metric
    for term in metric.made_of.values():
        yield from _terms(CATALOGUE[term.metric])


def _metric_reads(metric: Metric, read: Read, definition: KpiDefinition) -> bool:
    """Whether one metric, as that KPI asks for it, reads the column."""
    entity, column = read
    reach = _reach(metric.id, metric.family)
    told = [READ[raw] for raw in reach.raw if READ[raw].table == entity]
    if not told or (entity in _STAGED and not (metric.is_staged or metric.record in ("deal", "removed_deal"))):
        return False
    if column in ("", *_ALWAYS.get(entity, ())) or entity in ("deal_change", "stage_transition"):
        return True
    if column == "owner":
        return _is_whose(definition)
    asked = {*definition.dimensions, *definition.filters}
    splits = {name for name, where in RECORD_DIMENSIONS[metric.record].items() if where == f"record.{column}"}
    if column.startswith(EXTRA):
        found = column in asked and metric.record in (entity, f"removed_{entity}")
    elif column in _MONEY and entity == "deal":
        found = metric.money or _stands_in(column, reach.own)
    elif not any(column in one.columns for one in told):
        found = False
    else:
        found = entity not in _CARRIED or (column not in _SPLITS and _stands_in(column, reach.way))
    return found or bool(splits & asked)


def _stands_in(column: str, text: str) -> bool:
    """Whether it is named there, as a column and not as a function."""
    return re.search(rf"\b{column}\b(?!\()", text) is not None


@cache
def _reach(metric: str, family: str) -> _Reach:
    """Everything that the view of a metric's members is made of."""
    scripts = _scripts(family)
    raw: set[str] = set()
    way: list[str] = []
    own: list[str] = []
    met: set[str] = set()
    ahead = [f"member_{metric}"]
    while ahead:
        name = ahead.pop()
        if name in met or name == _NAMES:
            continue
        met.add(name)
        for text in scripts.get(name, ()):
            found = _RAW.findall(text)
            raw.update(found)
            if not found and name not in _statements("base"):
                way.append(_WORDS.sub("", text))
            if name.startswith("member_"):
                own.append(text)
            ahead += sorted(set(_READ.findall(text)) - set(_INNER.findall(text)))
    return _Reach(frozenset(raw & READ.keys()), "\n".join(way), "\n".join(own))


def _scripts(family: str) -> dict[str, list[str]]:
    """The statements that make and fill the tables and views a family may use, by the name of what they make."""
    found: dict[str, list[str]] = {}
    for script in (*_BASE, *_needed(family)):
        for name, texts in _statements(script).items():
            found.setdefault(name, []).extend(texts)
    return found


def _needed(family: str) -> list[str]:
    return [*(name for one in NEEDS.get(family, ()) for name in _needed(one)), family]


@cache
def _statements(script: str) -> dict[str, list[str]]:
    text = resources.files("connector.metrics").joinpath("sql", f"{script}.sql").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for one in re.sub(r"--[^\n]*", "", text).split(";"):
        if made := _MADE.search(one):
            found.setdefault(made[1], []).append(one)
    return found

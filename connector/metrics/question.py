"""What can be asked of the engine, what it answers, and the SQL in between.

A question's members are put into the table `member`; the statements here credit, cut up and add them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.metrics.catalogue import Metric
from connector.period import Period

STAGE_DIMENSIONS = ("pipeline", "stage", "canonical_stage")
"""Dimensions of the stage a member is in; the others are of its record."""

EXTRA = "extra."
NOBODY = "none"
"""The key of the subject that has the members of no owner, team or pipeline."""

_COLUMNS = {
    "pipeline": "stage.pipeline", "stage": "stage.stage", "canonical_stage": "stage.canonical",
    "type": "record.type", "source": "record.source_name",
}
_REASON = {"deal": "record.lost_reason", "lead": "record.reason"}
_QUANTILES = {"median": (1, 2), "p90": (9, 10), "mean": (1, 2)}


@dataclass(frozen=True)
class Question:
    """One metric, cut up: by subject (`per`), by dimensions, within filters, with its options, over some periods."""

    metric: Metric
    per: str
    by: tuple[str, ...]
    where: Mapping[str, Sequence[str]]
    options: Mapping[str, str]
    periods: tuple[Period, ...]

    @property
    def counts_money(self) -> bool:
        """Whether the numbers are amounts rather than records."""
        return self.metric.money and self.options.get("measure", "value") == "value"

    @property
    def credit(self) -> str:
        """Which macro of credit.sql says whose the members are; none is asked where it makes no difference."""
        if self.per in {"company", "pipeline"} and not {"owner", "team"} & self.where.keys():
            return "whole"
        return "own" if self.metric.record == "lead" else self.options["credit"]

    @property
    def placed_by(self) -> str:
        """The column of a metric's view that puts a member into a period."""
        return "cohort_at" if self.options.get("count_by") == "cohort" else "event_at"


class Group(NamedTuple):
    """The exact sums of one subject, period and combination of dimensions.

    Shares in millionths (a whole record is 1,000,000), amounts in ten-thousandths of base money, durations in
    microseconds: `low` and `high` are the two in order between which the asked quantile lies. `without_*`: records
    left out because they have no amount, no rate, no possible duration.
    """

    period: int
    kind: str
    key: str
    dimensions: tuple[str, ...]
    share: int = 0
    base_share: int = 0
    amount: int = 0
    base_amount: int = 0
    open_share: int = 0
    without_amount: int = 0
    without_rate: int = 0
    without_duration: int = 0
    durations: int = 0
    total: int = 0
    low: int = 0
    high: int = 0


def dimension(question: Question, name: str) -> tuple[str, list[Any]]:
    """The SQL of one dimension (text, '' where there is none) and its parameters."""
    if name.startswith(EXTRA):
        path = '$."' + name.removeprefix(EXTRA).replace('"', '\\"') + '"'
        return "coalesce(json_extract_string(nullif(record.extra, ''), ?), '')", [path]
    column = _REASON[question.metric.record] if name == "reason" else _COLUMNS[name]
    return f"coalesce({column}, '')", []


def grouped(question: Question) -> tuple[str, list[Any]]:
    """The statement whose rows are Groups (dimensions spread out after `key`), and its parameters."""
    source, values = _credited(question)
    cuts = [dimension(question, name) for name in question.by]
    named = "".join(f", {sql} AS d{place}" for place, (sql, _) in enumerate(cuts))
    picked = "".join(f", d{place}" for place in range(len(cuts)))
    kind, key = _subject(question)
    durations, spread = _durations(question)
    statement = f"""
        SELECT period, kind, key{picked}, share, base_share, amount, base_amount, open_share,
               without_amount, without_rate, without_duration, {spread}
        FROM (
            SELECT credited.period, {kind} AS kind, {key} AS key{named},
                   coalesce(sum(credited.share) FILTER (credited.is_numerator), 0) AS share,
                   coalesce(sum(credited.share) FILTER (credited.is_denominator), 0) AS base_share,
                   coalesce(sum(credited.amount) FILTER (credited.is_numerator), 0) AS amount,
                   coalesce(sum(credited.amount) FILTER (credited.is_denominator), 0) AS base_amount,
                   coalesce(sum(credited.share) FILTER (credited.is_denominator AND credited.is_open), 0) AS open_share
                   {_left_out(question)}{durations}
            FROM {source}
            GROUP BY ALL
        )"""
    return statement, [value for _, own in cuts for value in own] + values


def listed(question: Question) -> tuple[str, list[Any]]:
    """The statement whose rows are the single members with their subject and dimensions, and its parameters."""
    source, values = _credited(question, with_record=True)
    cuts = [dimension(question, name) for name in question.by]
    named = "".join(f", {sql} AS d{place}" for place, (sql, _) in enumerate(cuts))
    kind, key = _subject(question)
    counts = " AND credited.amount IS NOT NULL" if question.counts_money else ""
    statement = f"""
        SELECT {kind} AS kind, {key} AS key{named}, credited.is_numerator, credited.is_denominator, record.source,
               record.id, credited.placed_at, credited.amount, credited.share, credited.duration
        FROM {source} AND credited.left_out <> 'duration'{counts}
        ORDER BY credited.placed_at, record.source, record.id"""
    return statement, [value for _, own in cuts for value in own] + values


def _left_out(question: Question) -> str:
    """The columns that count records left out, each once; a metric that leaves none out is not asked."""
    leaves = ("amount", "rate") if question.metric.money else ("duration",) if question.metric.kind == "D" else ()
    return "".join(
        f", count(DISTINCT credited.record) FILTER (credited.left_out = '{reason}') AS without_{reason}"
        if reason in leaves else f", 0 AS without_{reason}"
        for reason in ("amount", "rate", "duration")
    )


def _durations(question: Question) -> tuple[str, str]:
    """The inner and the outer columns for durations; nothing is sorted where there are none."""
    if question.metric.kind != "D":
        return "", "0, 0, 0, 0"
    top, bottom = _QUANTILES[question.options["stat"]]
    rank = f"(len(spans) - 1) * {top} // {bottom}"
    return (
        ", coalesce(sum(credited.duration), 0) AS total"
        ", list(credited.duration ORDER BY credited.duration) FILTER (credited.duration IS NOT NULL) AS spans",
        f"coalesce(len(spans), 0), total, coalesce(spans[{rank} + 1], 0),"
        f" coalesce(spans[least({rank} + 2, len(spans))], 0)",
    )


def _subject(question: Question) -> tuple[str, str]:
    """The SQL of a row's subject kind and key."""
    if question.per == "company":
        return "'company'", "'company'"
    if question.per == "person":
        return "coalesce(subject.kind, 'owner')", f"coalesce(subject.key, nullif(credited.owner, ''), '{NOBODY}')"
    column = {"owner": "credited.owner", "team": "credited.team", "pipeline": "stage.pipeline"}[question.per]
    return f"'{question.per}'", f"coalesce(nullif({column}, ''), '{NOBODY}')"


def _credited(question: Question, *, with_record: bool = False) -> tuple[str, list[Any]]:
    """FROM and WHERE: the credited members with all that the subject, the dimensions and the filters need."""
    macro = f"credited_{question.credit}()"
    if question.per == "team" or "team" in question.where:
        macro = f"""(
            SELECT given.*, CASE WHEN given.event_at < team_stay.until THEN team_stay.team ELSE '' END AS team
            FROM {macro} AS given
            ASOF LEFT JOIN team_stay ON team_stay.owner = given.owner AND given.event_at >= team_stay.since
        )"""
    joins = [f"{macro} AS credited"]
    used = {*question.by, *question.where, *(["pipeline"] if question.per == "pipeline" else [])}
    if used & set(STAGE_DIMENSIONS):
        joins.append("LEFT JOIN stage ON stage.stage_no = credited.stage_no")
    if with_record or used - set(STAGE_DIMENSIONS) - {"owner", "team"}:
        record = question.metric.record
        joins.append(f"JOIN {record} AS record ON record.{record}_no = credited.record")
    conditions, values = ["TRUE"], list[Any]()
    if question.per == "person":
        joins.append("LEFT JOIN owner_subject AS subject ON subject.owner = credited.owner")
        conditions.append("subject.kind IS DISTINCT FROM 'ignored'")
    for name, allowed in question.where.items():
        sql, own = (f"credited.{name}", []) if name in {"owner", "team"} else dimension(question, name)
        conditions.append(f"list_contains(?::VARCHAR[], {sql})")
        values += [list(allowed), *own]
    return f"{' '.join(joins)} WHERE {' AND '.join(conditions)}", values

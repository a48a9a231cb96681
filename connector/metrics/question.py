"""What can be asked of the engine, what it answers, and the SQL in between.

A question's members are put into the table `member`; the statements here credit, cut up and add them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from connector.metrics.metric import RECORD_DIMENSIONS, STAGE_DIMENSIONS, Metric
from connector.period import Period

DAY = 86_400_000_000  # microseconds
EXTRA = "extra."
NOBODY = "none"
"""The key of the subject that has the members of no owner, team or pipeline."""

_STAGE = {"pipeline": "stage.pipeline", "stage": "stage.stage", "canonical_stage": "stage.canonical"}
_SUMS = {  # the sums of a Group: of what, over which members
    "share": ("share", "is_numerator"),
    "base_share": ("share", "is_denominator"),
    "amount": ("amount", "is_numerator"),
    "base_amount": ("amount", "is_denominator"),
    "open_share": ("share", "is_denominator AND credited.is_open"),
}
_ADDED = "sum(credited.{of}) FILTER (credited.{side})", "coalesce(sum({name}), 0)"
_DISTINCT = (  # of metrics that count records, each once
    "list(DISTINCT credited.record) FILTER (credited.{side})",
    "1000000 * coalesce(len(list_distinct(flatten(list({name})))), 0)",
)
_LOW_AND_HIGH = {  # of the durations `spans`, the two in order between which the asked quantile lies
    "median": ("list_aggregate(spans, 'quantile_disc', 0.5)", "list_aggregate(spans, 'quantile_disc', -0.5)"),
    "p90": ("spans[(len(spans) - 1) * 9 // 10 + 1]", "spans[least((len(spans) - 1) * 9 // 10 + 2, len(spans))]"),
    "mean": ("0", "0"),
}


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
        return self.options["credit"] if self.metric.record == "deal" else "own"

    @property
    def used(self) -> set[str]:
        """The dimensions the question splits or filters by."""
        return {*self.by, *self.where, *({self.per} & {"owner", "team", "pipeline"})}

    @property
    def of_record(self) -> set[str]:
        """Those of them that the member's own record tells."""
        return self.used - {*STAGE_DIMENSIONS, "owner", "team", self.metric.word}

    @property
    def needs_extra(self) -> bool:
        """Whether own fields of its records are asked for."""
        return any(name.startswith(EXTRA) for name in self.of_record)

    @property
    def placed_by(self) -> str:
        """The column of a metric's view that puts a member into a period."""
        return "cohort_at" if self.options.get("count_by") == "cohort" else self.metric.placed_by

    @property
    def variables(self) -> dict[str, int | str | None]:
        """The options as the SQL reads them: words, and whole numbers; a horizon in microseconds."""
        given: dict[str, int | str | None] = {
            name: word if isinstance(words, tuple) or not word else int(word)
            for name, words in self.metric.options.items() for word in [self.options.get(name)]
        }
        return {**given, "horizon": self.horizon}

    @property
    def horizon(self) -> int | None:
        """How long after its beginning a member of a cohort is followed, in microseconds; None: for ever."""
        days = self.options.get("horizon")
        return int(days) * DAY if days else None

    @property
    def within_horizon(self) -> str:
        """The SQL condition of members that count within the horizon.

        Of ratios and durations only those who began long enough ago, so that cohorts can be compared.
        """
        if self.horizon is None:
            return "TRUE"
        within = f"event_at <= cohort_at + {self.horizon}"
        is_compared = self.metric.kind in {"R", "D"}
        return f"{within} AND cohort_at + {self.horizon} <= getvariable('as_of')" if is_compared else within


class Group(NamedTuple):
    """The exact sums of one subject, period and combination of dimensions; those its metric does not need are 0.

    Shares in millionths (a whole record is 1,000,000), amounts in ten-thousandths of base money, durations in
    microseconds: `low` and `high` are the two in order between which the asked quantile lies. `without_*`: records
    left out because they have no amount, no rate, no possible duration. `stays` of a metric `by_day`: three lists of
    one length, the days (whole ones), how many members ended after so many, and how many go on; in no order, and a day
    may be there twice.
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
    stays: Sequence[Sequence[int]] = ()


class _From(NamedTuple):
    """FROM and WHERE of a statement, and the parameters in them."""

    joins: list[str]
    conditions: list[str]
    values: list[Any]

    def __str__(self) -> str:
        return f"FROM {' '.join(self.joins)} WHERE {' AND '.join(['TRUE', *self.conditions])}"


def dimension(question: Question, name: str, row: str) -> tuple[str, list[Any]]:
    """The SQL of one dimension (text, '' where there is none) and its parameters; `row` is that of the member."""
    if name.startswith(EXTRA):
        path = '$."' + name.removeprefix(EXTRA).replace('"', '\\"') + '"'
        return "coalesce(json_extract_string(own.extra, ?), '')", [path]
    if name == question.metric.word:
        return f"coalesce({row}.word, '')", []
    column = _STAGE.get(name) or RECORD_DIMENSIONS[question.metric.record][name]
    return f"coalesce({column}, '')", []


def grouped(question: Question) -> tuple[str, list[Any]]:
    """The statement whose rows are Groups (dimensions spread out after `key`), and its parameters.

    Members are first added up by numbers, into cells; only these get names, and are added up by them.
    """
    members = _credited(question)
    cells = _named(question, "cell")
    kind, key = _subject(question, "cell")
    cuts = {f"d{place}": name for place, name in enumerate(question.by)}
    own = {alias: dimension(question, name, "credited") for alias, name in cuts.items() if name in question.of_record}
    shown = {alias: alias if alias in own else dimension(question, name, "cell")[0] for alias, name in cuts.items()}
    by = [f"credited.{name}" for name in ("period", *_numbers(question))]
    by += [f"{sql} AS {alias}" for alias, (sql, _) in own.items()]
    by += ["credited.after_period", f"credited.duration // {DAY} AS day"] if question.metric.by_day else []
    named = ["period", f"{kind} AS kind", f"{key} AS key", *(f"{sql} AS {alias}" for alias, sql in shown.items())]
    needed = _needed(question)
    one, all_ = _DISTINCT if question.metric.distinct else _ADDED
    sums = {
        name: one.format(of=of, side=side) + f" AS {name}" for name, (of, side) in _SUMS.items() if name in needed
    }
    named += [(all_.format(name=name) if name in needed else "0") + f" AS {name}" for name in _SUMS]
    left, left_again = _left_out(question)
    spans, spans_again, spread = _durations(question)
    cell = f"""
                SELECT {", ".join([*by, *sums.values()])}{left}{spans}
                {members}
                GROUP BY ALL"""
    cells.joins.insert(0, f"({_each_period(cell) if question.metric.by_day else cell}) AS cell")
    statement = f"""
        SELECT {", ".join(["period", "kind", "key", *cuts, *_SUMS])}, without_amount, without_rate, without_duration,
               {spread}
        FROM (
            SELECT {", ".join(named)}{left_again}{spans_again}
            {cells}
            GROUP BY ALL
        )"""
    return statement, [value for _, values in own.values() for value in values] + members.values + cells.values


def _each_period(cells: str) -> str:
    """Cells of members that are in several periods (`Metric.by_day`), added up in each of these."""
    return f"""
                SELECT period.period, sum(total) AS total, sum(ended)::BIGINT AS ended, sum(running)::BIGINT AS running,
                       cell.* EXCLUDE (period, after_period, nth, total, ended, running)
                FROM (SELECT *, unnest(range(period, after_period)) AS nth FROM ({cells})) AS cell
                JOIN (SELECT period, nth FROM period) AS period ON period.nth = cell.nth
                GROUP BY ALL"""


def listed(question: Question) -> tuple[str, list[Any]]:
    """The statement whose rows are the single members with their subject and dimensions, and its parameters."""
    members = _credited(question, with_record=True)
    names = _named(question, "credited")
    kind, key = _subject(question, "credited")
    cuts = [dimension(question, name, "credited") for name in question.by]
    named = "".join(f", {sql} AS d{place}" for place, (sql, _) in enumerate(cuts))
    both = _From(
        [*members.joins, *names.joins, "LEFT JOIN stage AS at_stage ON at_stage.stage_no = credited.stage_no"],
        [*members.conditions, *names.conditions, "credited.left_out <> 'duration'"],
        members.values + names.values,
    )
    counts = " AND credited.amount IS NOT NULL" if question.counts_money else ""
    statement = f"""
        SELECT {kind} AS kind, {key} AS key{named}, credited.is_numerator, credited.is_denominator, record.source,
               record.id, credited.placed_at, credited.amount, credited.share, credited.duration, credited.event_at,
               coalesce(at_stage.pipeline_id, ''), coalesce(at_stage.stage_id, ''), credited.is_open
        {both}{counts}
        ORDER BY credited.placed_at, record.source, record.id"""
    if question.metric.distinct:  # the earliest row of each record, on either side
        same = ", ".join(["kind", "key", *(f"d{place}" for place in range(len(cuts))), "source", "id"])
        sides = ", ".join(
            f"{side} AND row_number() OVER (PARTITION BY {same}, period_of(placed_at), {side}"
            f" ORDER BY placed_at, event_at) = 1 AS {side}"
            for side in ("is_numerator", "is_denominator")
        )
        statement = f"""
            FROM (SELECT * REPLACE ({sides}) FROM ({statement}) AS listed)
            WHERE is_numerator OR is_denominator
            ORDER BY placed_at, source, id"""
    return statement, [value for _, own in cuts for value in own] + both.values


def _needed(question: Question) -> set[str]:
    """The sums that the metric's numbers are made of (`value.numbers`)."""
    metric = question.metric
    if metric.is_duration or metric.is_median:
        return set()
    if metric.kind != "R":
        return {"amount"} if question.counts_money else {"share"}
    if metric.money:
        return {"amount", "base_share" if metric.unit == "money" else "base_amount"}
    return {"share", "base_share", *(["open_share"] if metric.shows_open else [])}


def _left_out(question: Question) -> tuple[str, str]:
    """The inner and outer columns that count records left out, each once; nothing where a metric leaves none out."""
    has_durations = question.metric.is_duration and not question.metric.by_day
    leaves = ("amount", "rate") if question.metric.money else ("duration",) if has_durations else ()
    inner = (
        f", list(credited.record) FILTER (credited.left_out = '{reason}') AS without_{reason}" for reason in leaves
    )
    outer = (
        f", coalesce(len(list_distinct(flatten(list(without_{reason})))), 0) AS without_{reason}"
        if reason in leaves else f", 0 AS without_{reason}"
        for reason in ("amount", "rate", "duration")
    )
    return "".join(inner), "".join(outer)


def _durations(question: Question) -> tuple[str, str, str]:
    """The columns for durations (or amounts in order), from the inside out; nothing is sorted where there are none."""
    if not (question.metric.is_duration or question.metric.is_median):
        return "", "", "0, 0, 0, 0"
    if question.metric.is_survival:
        return (
            ", list(credited.duration) FILTER (credited.duration IS NOT NULL AND NOT credited.is_open) AS decided"
            ", list(credited.duration) FILTER (credited.duration IS NOT NULL AND credited.is_open) AS running",
            ", coalesce(list_sort(flatten(list(decided))), []) AS decided"
            ", coalesce(list_sort(flatten(list(running))), []) AS running",
            "len(decided) + len(running), 0, decided, running",
        )
    if question.metric.by_day:
        return (
            ", sum(credited.duration) AS total, count(*) FILTER (NOT credited.is_open) AS ended"
            ", count(*) FILTER (credited.is_open) AS running",
            ", sum(total) AS total, sum(ended + running) AS members, [list(day), list(ended), list(running)] AS stays",
            "members, total, 0, 0, stays",
        )
    of = "amount" if question.metric.is_median else "duration"
    stat = question.options.get("stat", "median")
    low, high = _LOW_AND_HIGH[stat]
    spans = "list_sort(flatten(list(spans)))" if stat == "p90" else "flatten(list(spans))"
    return (
        f", sum(credited.{of}) AS total, list(credited.{of}) FILTER (credited.{of} IS NOT NULL) AS spans",
        f", coalesce(sum(total), 0) AS total, {spans} AS spans",
        f"coalesce(len(spans), 0), total, coalesce({low}, 0), coalesce({high}, 0)",
    )


def _subject(question: Question, row: str) -> tuple[str, str]:
    """The SQL of a row's subject kind and key."""
    if question.per == "company":
        return "'company'", "'company'"
    if question.per == "person":
        return "coalesce(subject.kind, 'owner')", f"coalesce(subject.key, nullif(holder.owner, ''), '{NOBODY}')"
    column = {"owner": "holder.owner", "team": f"{row}.team", "pipeline": "stage.pipeline"}[question.per]
    return f"'{question.per}'", f"coalesce(nullif({column}, ''), '{NOBODY}')"


def _numbers(question: Question) -> list[str]:
    """The columns of a credited member that its names follow from."""
    used = question.used
    return [
        *(["owner_no"] if "owner" in used or question.per == "person" else []),
        *(["team"] if "team" in used else []),
        *(["stage_no"] if used & set(STAGE_DIMENSIONS) else []),
        *(["word"] if question.metric.word in used else []),
    ]


def _credited(question: Question, *, with_record: bool = False) -> _From:
    """The credited members, within the filters on their own records."""
    macro = f"credited_{question.credit}()"
    if "team" in question.used:
        macro = f"""(
            SELECT given.*, CASE WHEN given.event_at < stay.until THEN stay.team ELSE '' END AS team
            FROM {macro} AS given
            ASOF LEFT JOIN (SELECT * FROM team_stay JOIN holder USING (owner)) AS stay
                ON stay.owner_no = given.owner_no AND given.event_at >= stay.since
        )"""
    joins, conditions, values = [f"{macro} AS credited"], list[str](), list[Any]()
    record = question.metric.record
    if with_record or question.of_record:
        joins.append(f"JOIN {record} AS record ON record.{record}_no = credited.record")
    if question.needs_extra:
        joins.append(f"LEFT JOIN {record}_extra AS own ON own.{record}_no = credited.record")
    for name in question.where.keys() & question.of_record:
        sql, own = dimension(question, name, "credited")
        conditions.append(f"list_contains(?::VARCHAR[], {sql})")
        values += [list(question.where[name]), *own]
    return _From(joins, conditions, values)


def _named(question: Question, row: str) -> _From:
    """The names behind the numbers of a row, within the filters on them."""
    joins, conditions, values = list[str](), list[str](), list[Any]()
    numbers = _numbers(question)
    if "owner_no" in numbers:
        joins.append(f"JOIN holder ON holder.owner_no = {row}.owner_no")
    if "stage_no" in numbers:
        joins.append(f"LEFT JOIN stage ON stage.stage_no = {row}.stage_no")
    if question.per == "person":
        joins.append("LEFT JOIN owner_subject AS subject ON subject.owner = holder.owner")
        conditions.append("subject.kind IS DISTINCT FROM 'ignored'")
    for name in question.where.keys() - question.of_record:
        filtered = {"owner": "holder.owner", "team": f"{row}.team"}
        conditions.append(f"list_contains(?::VARCHAR[], {filtered.get(name) or dimension(question, name, row)[0]})")
        values.append(list(question.where[name]))
    return _From(joins, conditions, values)

"""What a line of the registry says: one metric, with its defaults (metrics.md section 8).

A metric's members come from the view `member_<id>` in `sql/<family>.sql`; what is done with them follows from its
kind. One that is made of other metrics has no view: its terms are computed like any metric, and `combine` makes the
value of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from connector.metrics.composed import Composition
    from connector.metrics.value import Numbers

CREDITS = ("at_event", "actor", "current", "split")
STATISTICS = ("median", "mean", "p90")
BASES = ("event", "cohort")
MEASURES = ("value", "count")

STAGE_DIMENSIONS = ("pipeline", "stage", "canonical_stage")
"""Dimensions of the stage a member is in; the others are of its record."""

RECORD_DIMENSIONS: Mapping[str, Mapping[str, str]] = {
    "deal": {"reason": "record.lost_reason", "type": "record.type", "source": "record.source_name"},
    "lead": {"reason": "record.reason", "source": "record.source_name"},
    "activity": {"type": "record.type", "direction": "record.direction"},
    "removed_deal": {
        "reason": "record.lost_reason", "type": "record.type", "source": "record.source_name",
        "removal": "record.removal",
    },
    "sales_order": {}, "delivery_note": {}, "invoice": {}, "payment": {}, "contract": {}, "account": {},
}
"""By the kind of record a metric counts: what its own columns split it by. Each is a table of that name in the engine,
with the columns `<record>_no`, source, id and these; own fields (`extra.NAME`) come on top."""

_COHORT: Mapping[str, tuple[str, ...] | None] = {"count_by": BASES, "horizon": None}
LEAD: Mapping[str, tuple[str, ...] | int | None] = {"credit": ("at_event", "current")}  # one owner, without history
CREDIT: Mapping[str, tuple[str, ...] | int | None] = {"credit": CREDITS}
BY_CLOSE: Mapping[str, tuple[str, ...] | int | None] = {**CREDIT, **_COHORT}
DURATION: Mapping[str, tuple[str, ...] | int | None] = {
    "credit": CREDITS[:3], **_COHORT, "stat": STATISTICS,  # a share of a duration means nothing
}
STOCK: Mapping[str, tuple[str, ...] | int | None] = {"credit": ("at_event", "current", "split")}  # no actor

Window = Literal["period", "before", "year", "year_before", "year_earlier"]
"""The period itself, one before it, the 12 months that end with it, the 12 months that end where it begins, the 12
months before those that end with it."""


@dataclass(frozen=True, slots=True)
class Term:
    """A metric that another one is made of: over which window, with which options beside those the two share, and on
    which side its members are told ('' is their own). `where`: only members with these words of a dimension; `when`:
    only if the options of the metric made of it say so. `steps`: of the window before, how many periods before."""

    metric: str
    window: Window = "period"
    options: Mapping[str, str] = field(default_factory=dict)
    side: Literal["numerator", "denominator", ""] = ""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    when: Mapping[str, str] = field(default_factory=dict)
    steps: int = 1


@dataclass(frozen=True, slots=True)
class Raw:
    """A stream of the ledger that a family's SQL reads by a name that begins with `raw_`: `where` may name {as_of}."""

    table: str
    columns: tuple[str, ...]
    where: str = ""


COUNTS = "coalesce(gone, '') = '' AND coalesce(merged_into, '') = '' AND (deleted_at IS NULL OR deleted_at > {as_of})"
"""Which leads and deals count: deleted, merged and retracted ones are out of all periods (R8)."""
THERE = "coalesce(gone, '') = ''"
"""Which rows of the other entities count."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the registry.

    kind: C count, V money, R ratio, D duration, S stock at an instant, P score. `adds`: o = over owners, t = over
    periods. `money`: the numbers are amounts, not records (of a stock or a reason list: the default measure
    decides). `distinct`: each record counts once for a subject and period, however often it is a member.
    `always_by`: what always splits it; `words` are those of a dimension that the members tell themselves (the
    column `word` of the view), which is the last of `always_by`. `open_stages`: only open stages have a value.
    `shows_open`: the share of the base still undecided stands beside it. `is_staged`: it depends on the stages of
    deals. `options`: the allowed words of each option, the first is the default; a number is the default of a whole
    number, None takes a number of days and has none. Each is a variable of that name in the SQL, a word or a number.
    `formula`: how a value comes out of its members, in words ({measure} and {stat} are those of the options).
    `adds_up`: its base is the numerator and what stands beside it, and is written so. `lower_is_better`: a target
    is reached from above. `is_median`: the value is the median of its members' amounts. `placed_by`: the column of its
    view that puts a member into a period, where no option says so. `takes_target`: its target is one of the numbers it
    is made of, so that there is no attainment. `is_survival`: members still open have a duration so far, and the value
    is the median of Kaplan-Meier. `by_day`: beside its sums stands how many members lasted how long (`Group.stays`),
    and its view tells itself in which periods each member is, so that it may be in several: by their order in time,
    from `period` to before `after_period`; it leaves none out.
    `made_of`: the terms of a metric made of others, by name, and `combine` what makes a value of them.
    """

    id: str
    unit: str
    kind: str
    period_by: str
    adds: str
    null: str | None
    rules: str
    family: str
    description: str
    formula: str
    options: Mapping[str, tuple[str, ...] | int | None] = field(default_factory=dict)
    record: str = "deal"
    entity: str = "deal"
    money: bool = False
    distinct: bool = False
    always_by: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    open_stages: bool = False
    shows_open: bool = False
    is_staged: bool = True
    adds_up: bool = False
    lower_is_better: bool = False
    is_median: bool = False
    placed_by: str = "event_at"
    takes_target: bool = False
    is_survival: bool = False
    by_day: bool = False
    made_of: Mapping[str, Term] = field(default_factory=dict)
    combine: Callable[[Composition], Numbers] | None = None
    version: int = 1

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What the metric can be split and filtered by; `extra.NAME` comes on top."""
        staged = STAGE_DIMENSIONS if self.record == "deal" else ("pipeline",)
        return (*staged, *RECORD_DIMENSIONS[self.record], *([self.word] if self.word else []))

    @property
    def word(self) -> str:
        """The name of the dimension that the members tell themselves; '' without one."""
        return self.always_by[-1] if self.words else ""

    @property
    def is_duration(self) -> bool:
        """Whether the numbers are statistics of lengths of time, or of counts (column `duration`, in millionths)."""
        return self.kind == "D" or self.unit in {"days", "min"}

    def is_cohort(self, options: Mapping[str, str]) -> bool:
        """Whether members count in the period in which they began, so that the value of a past period still grows."""
        return self.period_by.endswith("(cohort)") or options.get("count_by") == "cohort"

    @property
    def default_options(self) -> dict[str, str]:
        """Each option's default; a number of days has none."""
        defaults = {name: words[0] if isinstance(words, tuple) else words for name, words in self.options.items()}
        return {name: str(word) for name, word in defaults.items() if word is not None}

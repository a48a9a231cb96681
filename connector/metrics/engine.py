"""Answers questions about one snapshot in DuckDB: groups of exact sums, or the single members behind them.

The SQL stands in the .sql files beside this one: `base` (what is known), `credit` (whose number), then the families of
metrics, each loaded when first asked. SQL gives exact integers only; who divides does so in Python (design.md
section 10). DuckDB holds a copy for the length of one computation, never the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from connector.exact import minor_digits
from connector.fx import Rate, fractions
from connector.metrics.question import Group, Question, grouped, listed
from connector.model import MONEY_SCALE
from connector.people import People, Stay, teams
from connector.period import Calendar, Period

if TYPE_CHECKING:
    import pyarrow

DAY = 86_400_000_000  # microseconds
_NEVER, _FOREVER = -(2**63) + 1, 2**63 - 1

_RAW = {  # what is read of each ledger table, by the name it has in SQL
    "raw_deal": (
        "deal",
        ("source", "id", "created_at", "amount", "currency", "owner", "lead", "probability", "lost_reason", "type",
         "source_name", "extra", "gone", "deleted_at", "merged_into"),
        "",
    ),
    "raw_transition": (
        "stage_transition",
        ("source", "deal", "occurred_at", "sequence", "to_pipeline", "to_stage", "origin", "actor"),
        "",
    ),
    "raw_change": (
        "deal_change", ("source", "deal", "field", "occurred_at", "sequence", "new"),
        "field IN ('owner', 'amount', 'currency', 'probability')",
    ),
    "raw_deal_owner": ("deal_owner", ("deal", "owner", "share", "from_at", "gone"), ""),
    "raw_stage": (
        "stage", ("source", "pipeline", "stage", "name", "position", "probability", "canonical", "archived"), "",
    ),
    "raw_pipeline": ("pipeline", ("source", "id", "name"), ""),
    "raw_owner": ("owner", ("source", "id", "user", "email", "name", "gone"), ""),
}
_RAW_LEAD = (
    "lead",
    ("source", "id", "created_at", "owner", "deal", "reason", "source_name", "extra", "gone", "deleted_at",
     "merged_into"),
    "",
)
_MEMBER = {  # the columns a metric's view may leave out, and what they are then
    "actor": "''", "owner": "''", "is_numerator": "FALSE", "is_denominator": "FALSE", "is_open": "FALSE",
    "amount": "NULL::BIGINT", "left_out": "''", "duration": "NULL::BIGINT",
}


class Known(Protocol):
    """What metrics need of a snapshot of the store."""

    as_of: int

    def table(self, name: str, columns: Sequence[str], where: str = "") -> pyarrow.Table:
        """The rows of a ledger table known at `as_of`; text is '' where there is none."""


class Owner(NamedTuple):
    """A vendor's user: `key` is `source:owner_id`; `is_gone` if the record is no longer there."""

    key: str
    name: str
    email: str
    is_gone: bool


class StageRow(NamedTuple):
    """One stage: its pipeline's name, its own, its canonical step, and how it counts."""

    source: str
    pipeline_id: str
    pipeline: str
    stage: str
    canonical_stage: str
    kind: str
    is_archived: bool


class Engine:
    """One snapshot loaded into an in-process DuckDB; a context manager."""

    def __init__(self, known: Known, calendar: Calendar, currency: str, people: People, rates: Iterable[Rate]) -> None:
        import duckdb

        self.known, self.calendar, self.currency, self.people = known, calendar, currency, people
        self._loaded: set[str] = set()
        self._periods: tuple[Period, ...] = ()
        self._member_is = "VIEW"
        self._duck = duckdb.connect(config={"preserve_insertion_order": False})
        try:
            self._load(rates)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory."""
        self._duck.close()

    # --- questions ---------------------------------------------------------------------------------------------------

    def groups(self, question: Question) -> list[Group]:
        """The sums of every subject, period and combination of dimensions that has members."""
        self._fill(question)
        statement, values = grouped(question)
        cut = 3 + len(question.by)
        return [Group._make((*row[:3], row[3:cut], *row[cut:])) for row in self._rows(statement, values)]

    def members(self, question: Question) -> list[tuple[Any, ...]]:
        """The members with subject and dimensions; see `question.listed` for the columns."""
        self._fill(question)
        return self._rows(*listed(question))

    def first(self, family: str) -> int:
        """The earliest instant anything of that family is told of; the as-of moment if nothing is."""
        self._family(family)
        table, column = ("lead", "created_at") if family == "leads" else ("visit", "entered_at")
        found = self._rows(f"SELECT min({column}) FROM {table}")[0][0]
        return self.known.as_of if found is None else int(found)

    # --- loading -----------------------------------------------------------------------------------------------------

    def _load(self, rates: Iterable[Rate]) -> None:
        for name, source in _RAW.items():
            self._read(name, *source)
        self._set("as_of", self.known.as_of)
        self._set("money_step", MONEY_SCALE // 10 ** minor_digits(self.currency))
        self._set("horizon", None)
        self._table(
            "rate", {"currency": "VARCHAR", "since": "BIGINT", "top": "HUGEINT", "bottom": "HUGEINT"},
            [(code, self._since(day), top, bottom) for code, day, top, bottom in fractions(rates, self.currency)],
        )
        self._table("period", {"period": "INTEGER", "starts": "BIGINT", "ends": "BIGINT", "instant": "BIGINT"}, [])
        self._script("base")
        self._script("credit")
        self.owners = [
            Owner(f"{source}:{id_}", name, email, bool(gone))
            for source, id_, name, email, gone in self._rows("SELECT source, id, name, email, gone FROM raw_owner")
        ]
        emails = {
            **{owner: "" for person in self.people.persons for owner in person.owners},
            **{owner.key: owner.email for owner in self.owners},
        }
        self.stages = [
            StageRow(*row)
            for row in self._rows(
                "SELECT source, pipeline_id, pipeline, stage, canonical, kind, archived FROM stage ORDER BY stage_no"
            )
        ]
        self.stays = self._stays(emails)
        self._table(
            "team_stay", {"owner": "VARCHAR", "since": "BIGINT", "until": "BIGINT", "team": "VARCHAR"},
            [
                (owner, self._since(stay.first), self._until(stay.last), stay.team)
                for owner, stays in self.stays.items() for stay in stays
            ],
        )
        self._table(
            "owner_subject", {"owner": "VARCHAR", "kind": "VARCHAR", "key": "VARCHAR"},
            [
                (owner, "ignored" if person.is_ignored else "person", person.code)
                for owner, email in emails.items() if (person := self.people.person_of(owner, email))
            ],
        )

    def _stays(self, emails: Mapping[str, str]) -> dict[str, list[Stay]]:
        told = self.known.table("owner_team", ("owner", "team", "from_on", "to_on", "gone"))
        ledger = [
            (row["owner"], Stay(row["team"], _day(row["from_on"]), _day(row["to_on"])))
            for row in told.to_pylist() if not row["gone"] and row["team"]
        ]
        return teams(self.people, emails, ledger)

    def _read(self, name: str, table: str, columns: Sequence[str], where: str) -> None:
        self._duck.register(name, self.known.table(table, columns, where))

    def _family(self, family: str) -> None:
        """Declare the views of a family of metrics, once."""
        if family not in self._loaded:
            if family == "leads":
                self._read("raw_lead", *_RAW_LEAD)
            self._script(family)
            self._loaded.add(family)

    def _fill(self, question: Question) -> None:
        """Make the table `member` the question's members: a view, unless each has to be told from the others."""
        self._family(question.metric.family)
        self._place(question.periods)
        horizon = question.options.get("horizon")
        self._set("horizon", int(horizon) * DAY if horizon else None)
        view = f"member_{question.metric.id}"
        given = {row[0] for row in self._rows("SELECT column_name FROM duckdb_columns WHERE table_name = ?", [view])}
        columns = ", ".join(name if name in given else f"{default} AS {name}" for name, default in _MEMBER.items())
        self._duck.execute(f"DROP {self._member_is} member")
        self._member_is, number = ("TABLE", "row_number() OVER ()") if question.credit == "split" else ("VIEW", "0")
        self._duck.execute(f"""
            CREATE {self._member_is} member AS
            SELECT {number} AS member_no, period, record, stage_no, event_at, placed_at, {columns}
            FROM (SELECT *, {question.placed_by} AS placed_at FROM {view}) AS given
            ASOF JOIN period ON given.placed_at >= period.starts
            WHERE given.placed_at < period.ends""")

    def _place(self, periods: tuple[Period, ...]) -> None:
        """The periods of the question; a stock is taken at the last instant, of a running one at the as-of moment."""
        if periods == self._periods:
            return
        as_of = self.known.as_of
        self._duck.execute("TRUNCATE period")
        self._append("period", [
            (place, period.start, period.end, min(period.end - 1, as_of) if period.start <= as_of else None)
            for place, period in enumerate(periods)
        ])
        self._periods = periods

    # --- DuckDB ------------------------------------------------------------------------------------------------------

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._duck.execute(statement, list(values)).fetchall()
        return found

    def _set(self, name: str, value: int | None) -> None:
        self._duck.execute(f"SET VARIABLE {name} = {'NULL' if value is None else value}::BIGINT")

    def _script(self, name: str) -> None:
        script = resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
        self._duck.execute(script).fetchall()

    def _table(self, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        self._duck.execute(f"CREATE TABLE {name} ({declared})")
        self._append(name, rows)

    def _append(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows in bulk, as text that DuckDB casts: Arrow integers have 64 bits, a rate may need more."""
        import pyarrow

        if rows:
            texts = [[None if cell is None else str(cell) for cell in column] for column in zip(*rows, strict=True)]
            arrays = [pyarrow.array(text, pyarrow.string()) for text in texts]
            self._duck.register("appended", pyarrow.table(arrays, [f"c{place}" for place in range(len(arrays))]))
            self._duck.execute(f"INSERT INTO {name} SELECT * FROM appended")
            self._duck.unregister("appended")

    def _since(self, day: date | None) -> int:
        return _NEVER if day is None or day.year < 1900 else self.calendar.start_of(day)

    def _until(self, day: date | None) -> int:
        return _FOREVER if day is None or day.year > 9000 else self.calendar.start_of(day + timedelta(days=1))


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None

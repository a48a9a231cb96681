"""Answers questions about one snapshot in DuckDB: groups of exact sums, or the single members behind them.

The SQL stands in the .sql files beside this one: `base` (what is known), `starts` (pipelines of any start, where there
are some), `visits`, `credit` (whose number; `split` by shares), then the families of metrics, each loaded when first
asked. SQL gives exact integers only; who divides does so in Python (design.md section
10). DuckDB holds a copy for the length of one computation, never the truth.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from connector.exact import minor_digits
from connector.fx import Rate, fractions
from connector.metrics import survival
from connector.metrics.catalogue import FIRST, NEEDS, RAW
from connector.metrics.metric import COUNTS, RECORD_DIMENSIONS, THERE, Raw
from connector.metrics.question import Group, Question, grouped, listed
from connector.model import MONEY_SCALE
from connector.people import People, Stay, teams
from connector.period import Calendar, Period

if TYPE_CHECKING:
    import duckdb
    import pyarrow

# Bytes DuckDB may hold: at first, and of each row read. What families read is kept in several forms; with less than
# that DuckDB writes its tables out and reads them again for every question, which doubles the time. What it may hold at
# first remains on top: while a table is read, its rows are not counted yet.
_MEMORY, _MEMORY_OF_ROW, _MEMORY_OF_MORE = 384_000_000, 96, 192
_RAW_NAME = re.compile(r"\braw_\w+")
_NEVER, _FOREVER = -(2**63) + 1, 2**63 - 1
_EPOCH = date(1970, 1, 1)
_PARSED: dict[str, list[duckdb.Statement]] = {}  # the .sql files: to parse them is a tenth of a small computation

READ: Mapping[str, Raw] = {  # what is read of each ledger table, by the name it has in SQL
    **{
        f"raw_{record}_extra": Raw(record, ("source", "id", "extra"), "coalesce(extra, '') <> ''")
        for record in RECORD_DIMENSIONS
    },
    **RAW,
    "raw_deal": Raw(
        "deal",
        ("source", "id", "created_at", "amount", "currency", "owner", "lead", "probability", "lost_reason", "type",
         "source_name", "account", "next_step_at", "expected_close_on", "forecast_category", "recycled_from"),
        COUNTS,
    ),
    "raw_transition": Raw(
        "stage_transition",
        ("source", "deal", "occurred_at", "sequence", "to_pipeline", "to_stage", "origin", "actor"),
    ),
    "raw_change": Raw(
        "deal_change", ("source", "deal", "field", "occurred_at", "sequence", "new"),
        "field IN ('owner', 'amount', 'currency', 'probability') AND occurred_at <= {as_of}",
    ),
    "raw_deal_owner": Raw("deal_owner", ("deal", "owner", "share", "from_at"), THERE),
    "raw_stage": Raw(
        "stage", ("source", "pipeline", "stage", "name", "position", "probability", "canonical", "archived")
    ),
    "raw_pipeline": Raw("pipeline", ("source", "id", "name", "starts", "won")),
    "raw_event_deal": Raw("deal", ("source", "id", "pipeline"), COUNTS),
    "raw_event_order": Raw("sales_order", ("source", "id", "deal", "ordered_at", "state"), THERE),
    "raw_event_delivery": Raw("delivery_note", ("sales_order", "delivered_at"), THERE),
    "raw_event_invoice": Raw(
        "invoice", ("source", "id", "sales_order", "kind", "invoiced_at", "state"), THERE
    ),
    "raw_event_payment": Raw("payment", ("invoice", "paid_at"), THERE),
    "raw_event_contract": Raw("contract", ("deal", "signed_at", "state"), THERE),
    "raw_owner": Raw("owner", ("source", "id", "user", "email", "name", "gone")),
}
_MEMBER = {  # the columns a metric's view may leave out, and what they are then
    "actor_no": "0", "owner_no": "0", "is_numerator": "FALSE", "is_denominator": "FALSE", "is_open": "FALSE",
    "amount": "NULL::BIGINT", "left_out": "''", "duration": "NULL::BIGINT", "stage_no": "NULL::INTEGER",
    "word": "''", "after_period": "NULL::INTEGER",
}
_AT_HAND = {  # tables of the periods at hand: which families read them, and how they are brought up to these periods
    "open_deal": (
        {"pipeline", "bridge", "standing", "slipping", "quality", "quality_links"},
        (
            "CREATE OR REPLACE TABLE lacking AS SELECT turn, moment, instant FROM period"
            " WHERE moment NOT IN (SELECT DISTINCT moment FROM open_deal)",
            "INSERT INTO open_deal FROM open_worth",
        ),
    ),
    "expected_deal": (
        {"forecast"},
        ("CREATE OR REPLACE TABLE expected_deal AS SELECT * EXCLUDE (side) FROM expected_worth WHERE side = 'end'",),
    ),
}
_COLUMNS: dict[str, str] = {}  # of each view of members: its columns in the words of SQL
_WITH_OWNER: set[str] = set()  # views that tell who owned their members at the event


class Known(Protocol):
    """What metrics need of a snapshot of the store."""

    as_of: int

    def table(self, name: str, columns: Sequence[str], where: str = "") -> pyarrow.Table:
        """The rows of a ledger table known at `as_of`; text is '' where there is none."""

    def stream(
        self, name: str, columns: Sequence[str], where: str = ""
    ) -> AbstractContextManager[pyarrow.RecordBatchReader]:
        """The same rows, batch by batch, so that they are never held as a whole."""


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
        self._variables: dict[str, str] = {}  # as they are set, in the words of SQL
        self._moments: dict[int, int] = {}  # numbers of instants
        self._periods: tuple[Period, ...] | None = None  # those that `period` and its macros are of,
        self._at_hand: dict[str, tuple[Period, ...]] = {}  # and those that the tables of `_AT_HAND` are of
        self._due = Counter[Hashable]()  # how often each question will still be asked,
        self._kept: dict[Hashable, dict[tuple[Period, ...], list[Group]]] = {}  # and the answers kept for that
        self._member_is = "VIEW"
        # Joins run as written, the right side held and the left passing by: how long a stream is, and how far a visit
        # unfolds into periods, DuckDB cannot know, and would hold the long side. The right side is never a join itself:
        # DuckDB 2.0 may break on that (https://github.com/duckdb/duckdb/issues/24807).
        self._spill = TemporaryDirectory(prefix="connector-")  # readable by nobody else
        self._duck = duckdb.connect(config={
            "preserve_insertion_order": False, "disabled_optimizers": "join_order,build_side_probe_side",
            "memory_limit": f"{_MEMORY}B", "temp_directory": self._spill.name,
        })
        self._memory, self._needed, self._of_row = _MEMORY, 0, _MEMORY_OF_ROW
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
        self._spill.cleanup()

    # --- questions ---------------------------------------------------------------------------------------------------

    def expect(self, questions: Iterable[Question]) -> None:
        """Say what will be asked: what is asked more than once is answered once, and kept until the last time.

        All families are declared first: some make a table of what others look up.
        """
        questions = list(questions)
        self._due, self._kept = Counter(map(meaning, questions)), {}
        for family in dict.fromkeys(question.metric.family for question in questions):
            self._family(family)

    def groups(self, question: Question) -> list[Group]:
        """The sums of every subject, period and combination of dimensions that has members."""
        asked = meaning(question)
        self._due[asked] -= 1
        kept = self._kept.get(asked, {})
        found = kept.get(question.periods)
        if found is None:
            found = self._groups(question)
        if self._due[asked] > 0:
            self._kept.setdefault(asked, {})[question.periods] = found
        else:
            self._kept.pop(asked, None)
        return found

    def _groups(self, question: Question) -> list[Group]:
        statement, values = grouped(self._fill(question))
        cut = 3 + len(question.by)
        found = [Group(row[0], row[1], row[2], row[3:cut], *row[cut:]) for row in self._rows(statement, values)]
        return [survival.told(group) for group in found] if question.metric.is_survival else found

    def members(self, question: Question) -> list[tuple[Any, ...]]:
        """The members with subject and dimensions; see `question.listed` for the columns."""
        return self._rows(*listed(self._fill(question)))

    def first(self, family: str) -> int:
        """The earliest instant anything of that family is told of; the as-of moment if nothing is."""
        self._family(family)
        table, column = FIRST.get(family, ("visit", "entered_at"))
        found = self._rows(f"SELECT min({column}) FROM {table}")[0][0]
        return self.known.as_of if found is None else int(found)

    # --- loading -----------------------------------------------------------------------------------------------------

    def _load(self, rates: Iterable[Rate]) -> None:
        self._set("as_of", self.known.as_of)
        self._set("money_step", MONEY_SCALE // 10 ** minor_digits(self.currency))
        self._set("horizon", None)
        self._table(
            "rate", {"currency": "VARCHAR", "since": "BIGINT", "top": "HUGEINT", "bottom": "HUGEINT"},
            [(code, self._since(day), top, bottom) for code, day, top, bottom in fractions(rates, self.currency)],
        )
        self._table("period", {
            "period": "INTEGER", "nth": "INTEGER", "turn": "INTEGER", "moment": "INTEGER", "instant": "BIGINT",
            "opens": "INTEGER", "begins": "BIGINT", "ends": "BIGINT",
        }, [])
        self._macro("period_of", [], [None])
        self._macro("period_after", [], [None])
        for name in ("instants_before", "periods_begun", "periods_ended"):
            self._macro(name, [], [0])
        self._script("base")
        if self._rows("SELECT 1 FROM pipeline WHERE starts <> '' OR won <> '' LIMIT 1"):
            self._script("starts")
        self._script("visits")
        self._script("credit")
        self._of_row = _MEMORY_OF_MORE
        self.owners = [Owner(*row) for row in self._rows("SELECT owner, name, email, is_gone FROM owner")]
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

    def _family(self, family: str) -> None:
        """Declare the views of a family of metrics, once."""
        if family not in self._loaded:
            for needed in NEEDS.get(family, ()):
                self._family(needed)
            if family == "days":
                self._macro("zone_seconds", *_zone(self.calendar))
            self._script(family)
            self._loaded.add(family)
            if family == "chances":  # learned where SQL is the wrong tool
                self._append("curve", survival.curves(self._rows("SELECT * FROM life ORDER BY ALL")))

    def _extra(self, record: str) -> None:
        """Read the own fields of deals or leads, once, and only where a question needs them: they may be long."""
        if f"{record}_extra" not in self._loaded:
            self._run(f"""
                CREATE TABLE {record}_extra AS
                SELECT {record}_no, extra FROM raw_{record}_extra JOIN {record} USING (source, id)""")
            self._loaded.add(f"{record}_extra")

    def _fill(self, question: Question) -> Question:
        """Make the table `member` the question's members: a view, unless each has to be told from the others.

        Gives the question to be asked of them: where they tell their owner, nobody has to be asked for it.
        """
        self._family(question.metric.family)
        if question.credit == "split":
            self._family("split")
        self._place(question)
        if question.needs_extra:
            self._extra(question.metric.record)
        for name, value in question.variables.items():
            self._set(name, value)
        view = f"member_{question.metric.id}"
        period = "period" if question.metric.by_day else f"period_of({question.placed_by})"
        if view not in _COLUMNS:
            given = set(self._duck.view(view).columns)
            _COLUMNS[view] = ", ".join(
                name if name in given else f"{default} AS {name}" for name, default in _MEMBER.items()
            )
            if "owner_no" in given:
                _WITH_OWNER.add(view)
        self._duck.execute(f"DROP {self._member_is} member")
        self._member_is, number = ("TABLE", "row_number() OVER ()") if question.credit == "split" else ("VIEW", "0")
        self._run(f"""
            CREATE {self._member_is} member AS
            SELECT {number} AS member_no, at_period AS period, record, event_at, placed_at, {_COLUMNS[view]}
            FROM (SELECT *, {question.placed_by} AS placed_at, {period} AS at_period FROM {view})
            WHERE at_period IS NOT NULL AND {question.within_horizon}""")
        if question.credit == "at_event" and view in _WITH_OWNER:
            return replace(question, options={**question.options, "credit": "own"})
        return question

    def _place(self, question: Question) -> None:
        """The periods of the question; a stock is taken at the last instant, of a running one at the as-of moment.

        `opens` is the period that begins after an instant. Where that instant is the last one of no period that is
        asked, it has a row of its own, under a negative number; what is in it counts in no period. `nth` numbers the
        periods in the order of time.
        """
        periods, as_of = question.periods, self.known.as_of
        if periods != self._periods:
            instants = [min(one.end - 1, as_of) if one.start <= as_of else None for one in periods]
            told = {place: instant for place, instant in enumerate(instants) if instant is not None}
            opens, ends = {periods[place].start - 1: place for place in told}, {*told.values()}
            told |= {-1 - place: before for before, place in opens.items() if before not in ends}
            turns = sorted((instant, place) for place, instant in told.items())
            turn_of = {place: turn for turn, (_, place) in enumerate(turns)}
            in_time = sorted(range(len(periods)), key=lambda place: (periods[place].start, periods[place].end))
            nth = {place: number for number, place in enumerate(in_time)}
            self._duck.execute("TRUNCATE period")
            self._append("period", [
                (place, nth.get(place), turn_of.get(place), self._moment(told.get(place)), told.get(place),
                 opens.get(told.get(place, _NEVER)),
                 *((periods[place].start, periods[place].end) if place >= 0 else (None, None)))
                for place in (*range(len(periods)), *(place for place in told if place < 0))
            ])
            self._macro("period_of", *_steps(periods))
            self._macro("period_after", *_steps(self._before(periods)))
            self._macro("instants_before", [instant + 1 for instant, _ in turns], range(len(turns) + 1))
            self._macro("periods_begun", [periods[place].start for place in in_time], range(len(periods) + 1))
            self._macro("periods_ended", [periods[place].end for place in in_time], range(len(periods) + 1))
            self._periods = periods
        for table, (families, statements) in _AT_HAND.items():
            if question.metric.family in families and periods != self._at_hand.get(table):
                for statement in statements:
                    self._run(statement)
                self._at_hand[table] = periods

    def _moment(self, instant: int | None) -> int | None:
        """The number an instant keeps, whatever periods it is the last of."""
        return None if instant is None else self._moments.setdefault(instant, len(self._moments))

    def _before(self, periods: Sequence[Period]) -> list[Period]:
        """The period before each; none where there is no such thing."""
        if any(period.every in {"", "all"} for period in periods):
            return []
        return [self.calendar.at(period.every, period.start - 1) for period in periods]

    def _macro(self, name: str, bounds: Sequence[int], results: Sequence[int | None]) -> None:
        self._duck.execute(f"CREATE OR REPLACE MACRO {name}(moment) AS {_step_function(bounds, results)}::INTEGER")

    # --- DuckDB ------------------------------------------------------------------------------------------------------

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._patiently(lambda: self._duck.execute(statement, list(values)).fetchall())
        return found

    def _patiently(self, work: Callable[[], Any]) -> Any:
        """Do one statement; if it says that it cannot do with that memory, again with all that DuckDB would take."""
        import duckdb

        try:
            return work()
        except duckdb.OutOfMemoryException:
            self._duck.execute("RESET memory_limit")
            self._memory = sys.maxsize
            return work()

    def _grant(self, size: int) -> None:
        """Let DuckDB hold so many bytes; what is beyond goes to a temporary folder."""
        if size > self._memory:
            self._duck.execute(f"SET memory_limit = '{size}B'")
            self._memory = size

    def _set(self, name: str, value: int | str | None) -> None:
        """Set a variable of the SQL: a whole number, or a word of an option."""
        told = f"'{value}'" if isinstance(value, str) else f"{'NULL' if value is None else value}::BIGINT"
        if self._variables.get(name) != told:
            self._duck.execute(f"SET VARIABLE {name} = {told}")
            self._variables[name] = told

    def _script(self, name: str) -> None:
        if name not in _PARSED:
            script = resources.files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
            _PARSED[name] = self._duck.extract_statements(script)
        for statement in _PARSED[name]:
            self._do(statement, statement.query)

    def _run(self, statement: str) -> None:
        self._do(statement, statement)

    def _do(self, statement: str | duckdb.Statement, text: str) -> None:
        """Execute a statement that may read one of the raw tables from the snapshot."""
        raw = _RAW_NAME.search(text)
        self._patiently(lambda: self._stream(statement, raw[0]) if raw else self._duck.execute(statement))

    def _stream(self, statement: str | duckdb.Statement, raw: str) -> None:
        read = READ[raw]
        with self.known.stream(read.table, read.columns, read.where.format(as_of=self.known.as_of)) as rows:
            self._duck.register(raw, rows)
            try:
                self._needed += self._of_row * sum(count for (count,) in self._duck.execute(statement).fetchall())
            finally:
                self._duck.unregister(raw)
        self._grant(_MEMORY + self._needed)

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


def meaning(question: Question) -> Hashable:
    """All of a question but its periods."""
    where = tuple((name, tuple(words)) for name, words in sorted(question.where.items()))
    return question.metric.id, question.per, question.by, where, tuple(sorted(question.options.items()))


@lru_cache(maxsize=16)
def _zone(calendar: Calendar) -> tuple[list[int], list[int]]:
    """By how many seconds local days begin before those of UTC: the days (since 1970) from which it is another number,
    and the numbers before the first, between each two, and after the last. From 1970 to 2099."""

    def seconds(number: int) -> int:
        return number * 86_400 - calendar.start_of(_EPOCH + timedelta(days=number)) // 1_000_000

    days, numbers = [], [seconds(0)]
    for week in range(0, 47_482, 7):
        if seconds(week + 7) != numbers[-1]:
            for number in range(week + 1, week + 8):
                if (now := seconds(number)) != numbers[-1]:
                    days.append(number)
                    numbers.append(now)
    return days, numbers


def _steps(periods: Sequence[Period]) -> tuple[list[int], list[int | None]]:
    """The bounds in time, and the place of the period before the first, between each two, and after the last."""
    bounds: list[int] = []
    places: list[int | None] = [None]
    for place, period in sorted(enumerate(periods), key=lambda numbered: numbered[1].start):
        if bounds and bounds[-1] == period.start:
            bounds.pop()
            places.pop()
        bounds += [period.start, period.end]
        places += [place, None]
    return bounds, places


def _step_function(bounds: Sequence[int], results: Sequence[int | None]) -> str:
    """SQL for `results[number of bounds <= moment]`, the last one for NULL.

    It halves, so that 1,000 bounds cost 10 steps: several times faster than a join on instants, which sorts.
    """
    if not bounds:
        return "NULL" if results[0] is None else str(results[0])
    half = len(bounds) // 2
    below = _step_function(bounds[:half], results[: half + 1])
    above = _step_function(bounds[half + 1 :], results[half + 1 :])
    return f"(CASE WHEN moment < {bounds[half]} THEN {below} ELSE {above} END)"


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None

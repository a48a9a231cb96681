"""Reading the okrs table.

| column | what |
| --- | --- |
| objective, key_result | their names |
| person, team, subject | whose: an employee code or e-mail, a team; `subject` (or `owner`) is either; empty: company |
| period | of the length the config's `okrs` say; left out where that is `all` |
| kind | see `okrs`; empty: `number`, or `milestones` where the row names one |
| kpi | the KPI that tells `current`; empty or `manual`: the table does |
| start, target, current | numbers; of `yes_no` and of a milestone current is yes or no |
| weight | in the objective; 1 |
| milestone, points | one row for each milestone of a key result |

All faults are told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from connector import convert, okrs
from connector.cells import above_zero, code, name, number, period_of, read, required
from connector.errors import ConfigError, Fault
from connector.nearest import hint
from connector.okrs import KeyResult, Milestone
from connector.period import EVERY, Calendar
from connector.tabular import Cell, Row, columns, read_table

if TYPE_CHECKING:
    from connector.kpi import KpiDefinition
    from connector.people import People

_WHO = ("subject", "owner", "person", "team")
_NEEDED = "expected objective, key_result, period, start, target, current, and whose in person, team or subject"
_OTHERS = {"person": "person", "team": "team", "company": "company"}


def parse(
    content: bytes, file: str, every: str, kpis: Mapping[str, KpiDefinition | None], calendar: Calendar,
    decimal: str = ".", staff: People | None = None,
) -> list[KeyResult]:
    """The key results of a table. All faults at once as ConfigError.

    `kpis` by id, None for one that is at fault itself; `staff` the people file, without which names are not judged.
    """
    reading = _Reading(file, every, kpis, calendar, decimal, staff)
    reading.table(content)
    if reading.faults:
        raise ConfigError(reading.faults)
    return list(reading.found.values())


def kept(
    content: bytes, file: str, every: str, kpis: Mapping[str, KpiDefinition | None], calendar: Calendar, decimal: str
) -> list[KeyResult]:
    """Those of a version the journal keeps; what the KPIs asked about cannot have is left out."""
    reading = _Reading(file, every, kpis, calendar, decimal, None)
    reading.table(content)
    return list(reading.found.values())


@dataclass(frozen=True, slots=True)
class _Who:
    kind: str
    name: str


class _Reading:
    """One table being read: what was found, and every fault."""

    def __init__(
        self, file: str, every: str, kpis: Mapping[str, KpiDefinition | None], calendar: Calendar, decimal: str,
        staff: People | None,
    ) -> None:
        self.file, self.every, self.kpis, self.calendar, self.decimal = file, every, kpis, calendar, decimal
        self.staff = staff
        self.found: dict[tuple[str, ...], KeyResult] = {}
        self.faults: list[Fault] = []
        self._lines: dict[tuple[str, ...], int] = {}
        self._teams = {stay.team for person in staff.persons for stay in person.stays} if staff else set()

    def table(self, content: bytes) -> None:
        given = columns(content, self.file)
        self.key_result = "key result" if "key result" in given else "key_result"
        wanted = ["objective", self.key_result, *(["period"] if self.every != "all" else [])]
        missing = [name for name in wanted if name not in given]
        self.faults += [Fault(self.file, 1, name, f"no such column; {_NEEDED}") for name in missing]
        if not missing:
            for row in read_table(content, self.file):
                self._row(row)

    def _row(self, row: Row) -> None:
        before = len(self.faults)
        objective = required(row, "objective", name, self.faults)
        result = required(row, self.key_result, name, self.faults)
        who, when = self._who(row), self._period(row)
        kind, kpi = self._kind(row), self._kpi(row)
        weight = read(row, "weight", self._above_zero, self.faults)
        given = {column: read(row, column, self._number, self.faults) for column in ("start", "target")}
        current = read(row, "current", _yes if kind in ("yes_no", "milestones") else self._number, self.faults)
        step = self._milestone(row, kind, current)
        if kpi:
            self._told_by(row, kpi, kind, who)
        self._needs(row, kind, kpi)
        if len(self.faults) > before or None in (objective, result, who, when):
            return
        assert objective and result and who and when  # noqa: S101, PT018  # mypy does not follow `in`
        made = KeyResult(
            objective, result, who.kind, who.name, when, kind, kpi or "", given["start"], given["target"],
            None if step else current, Decimal(1) if weight is None else weight, (step,) if step else (),
        )
        self._add(row, made, has_weight=weight is not None)

    # --- cells -------------------------------------------------------------------------------------------------------

    def _who(self, row: Row) -> _Who | None:
        """Whose the key result is; at most one of the columns may say so."""
        told = [(column, found) for column in _WHO if (found := read(row, column, code, self.faults))]
        if len(told) > 1:
            self.faults.append(row.fault(told[1][0], f"{told[0][0]} says already whose it is; keep one"))
            return None
        column, written = told[0] if told else ("subject", "company")
        kind = "subject" if column == "owner" else column
        if kind == "subject" and written == "company":
            return _Who("company", "company")
        return _Who(kind, written) if self.staff is None or kind == "team" else self._known(row, column, kind, written)

    def _known(self, row: Row, column: str, kind: str, written: str) -> _Who | None:
        """Who that is by the people file; a fault where it is nobody."""
        assert self.staff is not None  # noqa: S101  # only asked with a people file
        person = self.staff.find(written)
        if person is not None and person.code:
            return _Who("person", person.code)
        if kind == "subject" and written in self._teams:
            return _Who("team", written)
        known = "an employee code or e-mail of the people file"
        more = ", one of its teams, or company" if kind == "subject" else ""
        zeros = self.staff.lost_zeros(written)
        self.faults.append(row.fault(column, f"nobody is known as {written!r}; expected {known}{more}{zeros}"))
        return None

    def _period(self, row: Row) -> str | None:
        if self.every == "all" and row.cells.get("period") is None:
            return "all"
        found = required(row, "period", lambda value: period_of(value, self.calendar), self.faults)
        if found is None:
            return None
        if found.every != self.every:
            message = f"{found.name} is a {found.every}, and okrs are of every {self.every}"
            self.faults.append(row.fault("period", f"{message}; set okrs.every in the config for others"))
            return None
        return found.name

    def _kind(self, row: Row) -> str:
        """The kind; that of one at fault is `number`."""
        usual = "milestones" if row.cells.get("milestone") is not None else "number"
        return read(row, "kind", _kind, self.faults) or usual

    def _kpi(self, row: Row) -> str | None:
        found = read(row, "kpi", code, self.faults)
        if not found or found == "manual":
            return None
        if found not in self.kpis:
            known = ", ".join(self.kpis) or "none"
            message = f"there is no KPI of the id {found!r}; known: {known}, or manual{hint(found, self.kpis)}"
            self.faults.append(row.fault("kpi", message))
            return None
        return found

    def _number(self, value: Cell) -> Decimal:
        return number(value, self.decimal)

    def _above_zero(self, value: Cell) -> Decimal:
        return above_zero(value, self.decimal)

    def _milestone(self, row: Row, kind: str, current: Decimal | None) -> Milestone | None:
        if kind != "milestones":
            if row.cells.get("milestone") is not None:
                self.faults.append(row.fault("milestone", "is of the kind milestones; leave it empty"))
            return None
        step = required(row, "milestone", name, self.faults)
        points = read(row, "points", self._above_zero, self.faults)
        return Milestone(step, points or Decimal(1), current == 1) if step else None

    # --- what goes with what -----------------------------------------------------------------------------------------

    def _told_by(self, row: Row, kpi: str, kind: str, who: _Who | None) -> None:
        """Note what does not go with the KPI that is to tell how things stand."""
        definition = self.kpis[kpi]
        if kind in ("yes_no", "milestones"):
            self.faults.append(row.fault("kpi", f"{kind} is told in the table; leave it empty"))
        if row.cells.get("current") is not None:
            self.faults.append(row.fault("current", f"is told by {kpi}; leave it empty"))
        if definition is None:
            return
        if definition.dimensions:
            split = ", ".join(definition.dimensions)
            self.faults.append(row.fault("kpi", f"{kpi} is split by {split}; expected a KPI without parts"))
        if who is not None and who.kind in _OTHERS and definition.per != who.kind:
            self.faults.append(row.fault("kpi", f"{kpi} is per {definition.per}, and this is of a {who.kind}"))
        if kind in okrs.KEPT and EVERY.index(definition.every) > EVERY.index(self.every):
            longer = f"{kpi} has a value every {definition.every}; expected one no longer than a {self.every}"
            self.faults.append(row.fault("kpi", longer))
        if kind == "number" and definition.every != self.every:
            other = f"{kpi} has a value every {definition.every}, and okrs are of every {self.every}"
            self.faults.append(row.fault("kpi", f"{other}; expected a KPI of that length"))

    def _needs(self, row: Row, kind: str, kpi: str | None) -> None:
        """Note the cells that this kind cannot do without."""
        needed = {"number": ("start", "target"), "keep_above": ("kpi", "target"), "keep_below": ("kpi", "target")}
        for column in needed.get(kind, ()):
            if row.cells.get(column) is None or (column == "kpi" and not kpi and row.cells["kpi"] == "manual"):
                self.faults.append(row.fault(column, f"empty; {kind} needs it"))

    def _add(self, row: Row, made: KeyResult, *, has_weight: bool) -> None:
        """Keep a key result, or the next milestone of one; or note that it stands there already."""
        key = made.kind_of, made.subject, made.period, made.objective, made.name
        before = self.found.get(key)
        if before is None:
            self.found[key], self._lines[key] = made, row.number
            return
        if not (before.milestones and made.milestones):
            where = f"{made.name} of {made.objective} stands on line {self._lines[key]} too"
            self.faults.append(row.fault(self.key_result, f"{where}; keep one"))
            return
        if has_weight and made.weight != before.weight:
            self.faults.append(row.fault("weight", f"{made.name} has another weight on line {self._lines[key]}"))
        if made.milestones[0].name in {step.name for step in before.milestones}:
            self.faults.append(row.fault("milestone", "stands twice in this key result; keep one"))
        self.found[key] = replace(before, milestones=(*before.milestones, *made.milestones))


def _kind(value: Cell) -> str:
    word = code(value).lower().replace("/", "_").replace(" ", "_")
    if word not in okrs.KINDS:
        raise ValueError(f"expected one of {', '.join(okrs.KINDS)}")
    return word


def _yes(value: Cell) -> Decimal:
    return Decimal(int(convert.flag(value)))

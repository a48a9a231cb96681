"""Targets: what a subject is to reach in a period, from the targets file or from the sources. Pure.

| form | columns |
| --- | --- |
| long | kpi, subject, period, target; currency if you like |
| wide | kpi, subject, and a column for each period, named as periods are; currency if you like |

`metric` and `owner` are accepted as names of the columns kpi and subject. Where the column is called `metric`, a row
speaks of a measure whatever the period's length, and one of another length than the KPI's is left alone. An empty cell
is no target; 0 is one. Other columns are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from connector import convert
from connector.cells import code, number, period_of, read, required, sized
from connector.errors import ConfigError, Fault
from connector.exact import NO_CURRENCY, minor_digits
from connector.metrics.catalogue import METRICS
from connector.nearest import hint
from connector.period import Calendar, Period
from connector.tabular import Cell, Row, columns, read_table

if TYPE_CHECKING:
    from connector.kpi import KpiDefinition
    from connector.people import People

_LONG = ("period", "target")
_FORMS = "expected kpi, subject, period and target, or kpi, subject and a column for each period, such as 2026-10"
_COUNTED = ("deals", "leads", "visits", "activities", "orders", "calls", "contracts", "customers")
"""The units of metrics that are counts: a target of them has hardly three decimals."""

_MEANT = re.compile(r"(?:FY)?\d{4}(?:[-/.]?[QW]?\d{1,2})*|\d{1,2}[-/.]\d{4}|Q[1-4][- ]?\d{4}|all", re.IGNORECASE)
"""What a column is called that is meant to be a period, though it may be none."""

Definitions = Mapping[str, "KpiDefinition | None"]
"""The KPIs by id; None stands for one that is at fault itself, whose targets are not judged."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached in the period of the KPI's length that begins on the local day `start_on`.

    `subject` is as written: whose key it is depends on the KPI and on who is known. `source` is the one that told it,
    '' where it stands in the file.
    """

    kpi: str
    subject: str
    start_on: date
    amount: Decimal
    source: str = ""


def parse(
    content: bytes, file: str, kpis: Definitions, calendar: Calendar, currency: str, decimal: str = ".",
    staff: People | None = None,
) -> list[Target]:
    """The targets of a table. All faults at once as ConfigError.

    `currency` is the reporting currency (NO_CURRENCY: not judged); by `staff` a code and an e-mail are one person.
    """
    reading = _Reading(file, kpis, calendar, currency, decimal, staff, is_new=True)
    reading.table(content)
    if reading.faults:
        raise ConfigError(reading.faults)
    return reading.found


def kept(content: bytes, path: str, settings: str, kpis: Definitions, calendar: Calendar) -> list[Target]:
    """The targets of a version the journal keeps, read with the settings (JSON) it had then; nothing is a fault.

    What the KPIs asked about cannot have is left out: they may have been defined otherwise when it was written.
    """
    then = json.loads(settings or "{}")
    currency, decimal = then.get("currency", NO_CURRENCY), then.get("decimal", ".")
    reading = _Reading(path, kpis, calendar.told(then), currency, decimal, None, is_new=False)
    reading.table(content)
    return reading.found


def told(rows: Iterable[Mapping[str, str]], kpis: Definitions, calendar: Calendar, currency: str) -> list[Target]:
    """The targets the sources told: rows of the `target` entity as the ledger keeps them, in the order of their keys.

    One that is incomplete, of no such KPI, period or length, or of money in another currency is none.
    """
    found = []
    for row in sorted(rows, key=lambda row: (row["source"], row["id"])):
        definition = kpis.get(row["kpi"])
        if definition is None or definition.dimensions or not row["subject"] or not row["target"]:
            continue
        try:
            period, amount = calendar.parse(row["period"]), sized(Decimal(row["target"]))
        except (ValueError, ArithmeticError):
            continue
        if period.every == definition.every and row["currency"] in ("", currency):
            found.append(Target(definition.id, row["subject"], period.start_on, amount, row["source"]))
    return found


class _Reading:
    """One table being read: what was found, and every fault."""

    def __init__(
        self, file: str, kpis: Definitions, calendar: Calendar, currency: str, decimal: str, staff: People | None, *,
        is_new: bool,
    ) -> None:
        self.file, self.kpis, self.calendar, self.currency, self.decimal = file, kpis, calendar, currency, decimal
        self.staff, self.is_new = staff, is_new  # what was taken before stays what it was
        self.found: list[Target] = []
        self.faults: list[Fault] = []
        self.kpi, self.subject, self.is_long = "kpi", "subject", False
        self._wide: dict[str, Period] = {}
        self._lines: dict[tuple[str, str, date], int] = {}

    def table(self, content: bytes) -> None:
        if self._header(columns(content, self.file)):
            for row in read_table(content, self.file):
                self._row(row)

    def _header(self, names: Sequence[str]) -> bool:
        """Learn the form from the column names; whether rows can be read."""
        given = set(names)
        self.kpi = "metric" if "metric" in given and "kpi" not in given else "kpi"
        self.subject = "owner" if "owner" in given and "subject" not in given else "subject"
        known = {self.kpi, self.subject, "currency", *_LONG}
        meant = [name for name in names if name not in known and _MEANT.fullmatch(name)]
        missing = [name for name in (self.kpi, self.subject) if name not in given]
        self.is_long = not given.isdisjoint(_LONG)
        if self.is_long:
            missing += [name for name in _LONG if name not in given]
        elif not meant:
            missing.append("period")
        for name in missing:
            self._at_header(name, f"no such column; {_FORMS}")
        for name in meant:
            if self.is_long:
                self._at_header(name, f"a column of the wide form in a table of the long one; {_FORMS}")
            else:
                self._learn(name)
        return not missing

    def _learn(self, name: str) -> None:
        """Note the period of a column, or the fault of one that is none."""
        try:
            self._wide[name] = self.calendar.parse(name)
        except ValueError as error:
            self._at_header(name, str(error))

    def _at_header(self, column: str, message: str) -> None:
        self.faults.append(Fault(self.file, 1, column, message))

    def _row(self, row: Row) -> None:
        before = len(self.faults)
        definition = self._definition(row)
        subject = required(row, self.subject, code, self.faults)
        read(row, "currency", self._in_currency, self.faults)
        if definition and subject and definition.per == "company" and subject != "company":
            self.faults.append(row.fault(self.subject, f"{definition.id} is of the company; expected company"))
        if definition and subject and definition.per == "person" and (zeros := self._lost_zeros(subject)):
            self.faults.append(row.fault(self.subject, f"nobody is known as {subject!r}{zeros}"))
        is_sound = len(self.faults) == before
        for column, period in self._cells(row):
            amount = read(row, column, self._amount(definition), self.faults)
            if amount is None or period is None or definition is None or not is_sound or subject is None:
                continue
            if period.every == definition.every:
                self._add(row, column, definition, Target(definition.id, subject, period.start_on, amount))
            elif self.kpi == "kpi":
                self._other_length(row, column, period, definition)

    def _lost_zeros(self, subject: str) -> str:
        return "" if self.staff is None or self.staff.find(subject) else self.staff.lost_zeros(subject)

    def _definition(self, row: Row) -> KpiDefinition | None:
        """The KPI of a row; None if there is no such, or none that can have a target."""
        name = required(row, self.kpi, code, self.faults)
        if name is None:
            return None
        if name not in self.kpis:
            known = ", ".join(self.kpis) or "none"
            message = f"there is no KPI of the id {name!r}; known: {known}{hint(name, self.kpis)}"
            self.faults.append(row.fault(self.kpi, message))
            return None
        definition = self.kpis[name]
        if definition is not None and definition.dimensions:
            split = ", ".join(definition.dimensions)
            message = f"{name} is split by {split}, and a target is of a whole value; expected a KPI without parts"
            self.faults.append(row.fault(self.kpi, message))
            return None
        return definition

    def _cells(self, row: Row) -> Iterator[tuple[str, Period | None]]:
        """The columns of numbers, each with its period; None where that is at fault."""
        if self.is_long:
            yield "target", required(row, "period", self._period, self.faults)
        else:
            yield from self._wide.items()

    def _period(self, value: Cell) -> Period:
        return period_of(value, self.calendar)

    def _in_currency(self, value: Cell) -> str:
        found = convert.currency(value)
        if NO_CURRENCY not in {self.currency, found} and found != self.currency:
            raise ValueError(f"expected {self.currency}, the reporting currency, or an empty cell")
        return found

    def _amount(self, definition: KpiDefinition | None) -> Callable[[Cell], Decimal]:
        unit = METRICS[definition.metric].unit if definition else ""
        is_share = unit == "0..1"

        def amount(value: Cell) -> Decimal:
            if self.is_new and isinstance(value, str) and self._may_be_thousands(value.strip(), unit):
                raise ValueError(
                    f'{value.strip()} may be meant as {value.strip().replace(".", "")}; expected 1.5 or 1500, say, or '
                    f'targets: {{file: {self.file}, decimal: ","}} where points are between thousands'
                )
            found = number(value, self.decimal)
            if found < 0:
                raise ValueError("expected 0 or more")
            if is_share and found > 1:
                raise ValueError("expected a share from 0 to 1, such as 0.3 for 30 %")
            return found

        return amount

    def _may_be_thousands(self, text: str, unit: str) -> bool:
        """Whether a number is written as people write thousands, where three decimals would be odd: `1.500`."""
        if self.decimal != "." or not re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", text):
            return False
        return minor_digits(self.currency) < 3 if unit == "money" else unit in _COUNTED

    def _other_length(self, row: Row, column: str, period: Period, definition: KpiDefinition) -> None:
        where = "period" if self.is_long else column
        hint = "; if a table program made a date of it, format the cell as text" if period.every == "day" else ""
        message = f"{period.name} is a {period.every}, and {definition.id} has a value every {definition.every}{hint}"
        self.faults.append(row.fault(where, message))

    def _add(self, row: Row, column: str, definition: KpiDefinition, target: Target) -> None:
        """Keep a target, or note that the subject has another one."""
        person = self.staff.find(target.subject) if self.staff and definition.per == "person" else None
        name = target.subject.casefold() if "@" in target.subject else target.subject
        key = target.kpi, person.code if person and person.code else name, target.start_on
        if key in self._lines:
            message = f"{target.subject} has a target of {target.kpi} for that period on line {self._lines[key]} too"
            self.faults.append(row.fault(column, f"{message}; keep one"))
        else:
            self._lines[key] = row.number
            self.found.append(target)

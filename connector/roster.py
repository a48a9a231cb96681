"""The people table out of the employees a destination lists. Pure: rows in, rows out.

A list tells of today; the people table tells of all days. So what is kept of the list remembers: who is in another
team or has another manager than before was there until yesterday, and who is listed no longer was employed until the
day on which that was seen. Nobody is ever taken out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from connector.errors import ConfigError, Fault
from connector.people import COLUMNS
from connector.ports import Employee
from connector.tabular import Cell, Row

_STAY = ("team", "from", "to")
_LAST = "9999-12-31"  # after every day
_HISTORY = ("employee_code", "team", "manager", "from", "to")  # what is remembered of a former stay


def listed(employees: Iterable[Employee], file: str) -> list[Row]:
    """The list as rows, counted from 1; who has no code yet is left out, and who stands there twice, once.

    Raises ConfigError with every cell that cannot be read, and every code that stands for two persons.
    """
    rows: list[Row] = []
    faults: list[Fault] = []
    alike: dict[str, list[Mapping[str, str]]] = {}
    for number, one in enumerate(employees, 1):
        row = Row(file, None, number, dict(one.cells))
        faults += [row.fault(column, message) for column, message in one.faults.items()]
        if "employee_code" in one.cells and one.cells not in alike.get(_code(row), []):
            alike.setdefault(_code(row), []).append(one.cells)
            rows.append(row)
    if faults := faults + list(_shared(rows)):
        raise ConfigError(faults)
    return rows


def _shared(rows: Sequence[Row]) -> Iterable[Fault]:
    """Rows of one code are one person in several stays: then name and e-mail agree."""
    first: dict[str, Row] = {}
    for row in rows:
        known = first.setdefault(_code(row), row)
        for column in ("name", "email"):
            one, other = (str(given.cells.get(column, "")).casefold() for given in (known, row))
            if one and other and one != other:
                message = f"row {known.number} has another for the same employee_code; expected one person for each"
                yield row.fault(column, message)


def gone(rows: Sequence[Row], before: Sequence[Row], today: date) -> tuple[list[str], int]:
    """The codes employed by what was kept before that the list shows no longer, and how many were employed."""
    codes = {_code(row) for row in rows}
    employed = {_code(row) for row in before if _text(row, "to", _LAST) >= today.isoformat()}
    return sorted(employed - codes), len(employed)


def kept(rows: Sequence[Row], before: Sequence[Row], today: date) -> list[Row]:
    """What is kept from now on, by code and first day: the list, and what was known of former stays."""
    now, then = _by_code(rows), _by_code(before)
    found: list[Row] = []
    for code in sorted({*now, *then}):
        given = now.get(code, [])
        known = [row for row in then.get(code, []) if _text(row, "from") <= today.isoformat()]  # not what was planned
        if not given:
            found += _left(known, rows, today)
        elif len(given) > 1 or not known:  # a list of dated stays remembers by itself
            found += given
        else:
            found += _moved(known, given[0], today)
    return found


def _left(known: Sequence[Row], rows: Sequence[Row], today: date) -> list[Row]:
    """Somebody who is not listed: employed until today at most. What is another's now is no longer theirs."""
    day = today.isoformat()
    taken = {(name, _folded(row, name)) for row in rows for name in ("email", "owner")}
    found = []
    for row in known:
        cells = {name: cell for name, cell in row.cells.items() if (name, _folded(row, name)) not in taken}
        found.append(replace(row, cells={**cells, "to": min(_text(row, "to", day), day)}))
    return found


def _moved(known: Sequence[Row], given: Row, today: date) -> list[Row]:
    """The stays of one person of whom the list tells the present one; those known have begun."""
    *earlier, last = known
    history = [_history(row) for row in earlier]
    began, ended = _text(last, "from"), _text(last, "to")
    first, until = _text(given, "from"), _text(given, "to", _LAST)
    if ended and first > ended:
        return [*history, _history(last), given]  # employed again
    if until < began:  # what was seen last never was
        return _moved(earlier, given, today) if earlier else [given]
    start = first if first > began else today.isoformat()
    same = all(_text(last, name) == _text(given, name) for name in ("team", "manager"))
    if same or began == start:
        return [*history, _from(given, began if earlier else first)]
    if until < start:  # moved after the last day: among those who have left
        stayed = {name: cell for name, cell in last.cells.items() if name in ("team", "manager")}
        cells = {name: cell for name, cell in given.cells.items() if name not in ("team", "manager")}
        return [*history, _from(replace(given, cells={**cells, **stayed}), began)]
    before = (date.fromisoformat(start) - timedelta(days=1)).isoformat()
    left = replace(last, cells={**last.cells, "to": min(ended or before, before)})
    return [*history, _history(left), _from(given, start)]


def _history(row: Row) -> Row:
    return replace(row, cells={name: cell for name, cell in row.cells.items() if name in _HISTORY})


def _from(row: Row, first: str) -> Row:
    cells = {name: cell for name, cell in row.cells.items() if name != "from"}
    return replace(row, cells={**cells, "from": first} if first else cells)


def merged(rows: Iterable[Row], own: Sequence[Row]) -> list[Row]:
    """With the rows of a people file, which add to what is listed and come before it, by employee code.

    Its name, its manager, its days and team stand in place of those listed; an e-mail or owner it gives to somebody
    else, or ignores, is nobody's on the list; further e-mails and owners are added.
    """
    said: dict[str, set[str]] = {}
    claimed: dict[tuple[str, str], str] = {}
    for row in own:
        said.setdefault(_code(row), set()).update(name for name, cell in row.cells.items() if cell is not None)
        claimed.update({(name, _folded(row, name)): _code(row) for name in ("email", "owner") if _text(row, name)})
    found = list(own)
    for row in rows:
        code = _code(row)
        over = said.get(code, set()) & {"name", "manager", *_STAY}
        if over & set(_STAY):
            over |= {"manager", *_STAY}
        over |= {name for name in ("email", "owner") if claimed.get((name, _folded(row, name)), code) != code}
        cells = {name: cell for name, cell in row.cells.items() if name not in over}
        if len(cells) > 1 or code not in said:  # more than the code
            found.append(replace(row, cells=cells))
    return found


def content(rows: Iterable[Row]) -> bytes:
    """The rows as a CSV that `people.parse` reads as the same people."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_written(row.cells.get(name)) for name in COLUMNS] for row in rows)
    return written.getvalue().encode()


def _written(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        cell = cell.date()
    return "" if cell is None else cell.isoformat() if isinstance(cell, date) else str(cell)


def _by_code(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    """The rows of each code, the earliest stay first."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: _text(row, "from")):
        found.setdefault(_code(row), []).append(row)
    return found


def _code(row: Row) -> str:
    return _text(row, "employee_code")


def _text(row: Row, column: str, instead: str = "") -> str:
    cell = row.cells.get(column)
    return instead if cell is None else str(cell).strip()


def _folded(row: Row, column: str) -> str:
    """An e-mail without regard to case; an owner as it is."""
    text = _text(row, column)
    return text.casefold() if column == "email" else text

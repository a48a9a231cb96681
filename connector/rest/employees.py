"""The employees a REST destination knows, which of them is meant, and what it says of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from connector import convert
from connector.answer import Response
from connector.errors import UnexpectedShape
from connector.http import Client
from connector.outgoing import Unusable
from connector.paths import Getter, compile_path
from connector.ports import Employee
from connector.rest.grammar import Employees


class Directory:
    """Their employees by code and by e-mail (without regard to case). Nobody is guessed."""

    def __init__(self, rows: Iterator[Mapping[str, Any]], grammar: Employees) -> None:
        code, email = compile_path(grammar.code), compile_path(grammar.email) if grammar.email else None
        self._codes: set[str] = set()
        self._by_email: dict[str, set[str]] = {}
        for row in rows:
            found = _told(code, row)
            if found is None or found == "":
                continue
            known = str(convert.text(found))
            self._codes.add(known)
            address = _told(email, row) if email else None
            if isinstance(address, str) and address.strip():
                self._by_email.setdefault(_normal(address), set()).add(known)

    def code(self, code: str | None, email: str | None) -> str:
        """The code they know this employee by. Raises Unusable when there is none, or more than one."""
        if code and code in self._codes:
            return code
        found = self._by_email.get(_normal(email), set()) if email else set()
        if len(found) == 1:
            return next(iter(found))
        if found:
            raise Unusable(f"{len(found)} employees there have this e-mail, expected one; correct it there")
        raise Unusable(
            "the destination has no employee of this code or e-mail; correct the people file, or add the employee there"
        )


def _told(getter: Getter, row: Mapping[str, Any]) -> Any:
    """What an expression gives of a row; nothing where it does not fit."""
    try:
        return getter(row)
    except ValueError:
        return None


def _normal(email: str) -> str:
    return email.strip().casefold()


def people(client: Client, grammar: Employees, zone: tzinfo) -> Iterator[Employee]:
    """Their list as rows of the people table; an instant is its day in `zone`. Raises RemoteError."""
    day = convert.build("date", {"format": grammar.date_format}, zone)
    columns = {
        "employee_code": grammar.code, "email": grammar.email, "owner": grammar.owner, "name": grammar.name,
        "team": grammar.team, "manager": grammar.manager, "from": grammar.from_, "to": grammar.to,
    }
    getters = {column: compile_path(path) for column, path in columns.items() if path}
    for row in read(client, grammar):
        cells: dict[str, str] = {}
        faults: dict[str, str] = {}
        for column, get in getters.items():
            try:
                found = get(row)
                given = (day if column in ("from", "to") else convert.text)(found) if found not in (None, "") else ""
            except ValueError as error:
                faults[column] = str(error)
                continue
            if text := str(given).strip():
                cells[column] = text
        yield Employee(cells, faults)


def read(client: Client, grammar: Employees) -> Iterator[Mapping[str, Any]]:
    """Every row of their list, page by page. Raises RemoteError."""
    rows_of, next_of = compile_path(grammar.rows), compile_path(grammar.next) if grammar.next else None
    address: str | None = grammar.get
    number, seen, before = 1, set[str](), None
    while address and address not in seen:
        response = client.get(address, params={grammar.page: number} if grammar.page else None)
        answer = response.json()
        rows = _found(rows_of, answer, response, "rows")
        if not isinstance(rows, list):
            found = type(rows).__name__
            raise response.error(UnexpectedShape, f"employees.rows: found {found} at {grammar.rows}, expected a list")
        if grammar.page and rows == before:
            return  # the same page again: the parameter is ignored, and this was all
        yield from (row for row in rows if isinstance(row, Mapping))
        if grammar.page and rows:
            number, before = number + 1, rows
            continue
        if next_of is None:
            return
        seen.add(address)
        found_next = _found(next_of, answer, response, "next")
        address = str(found_next) if found_next else None


def _found(getter: Getter, answer: Any, response: Response, key: str) -> Any:
    """What an expression gives of an answer. Raises UnexpectedShape where it does not fit."""
    try:
        return getter(answer)
    except ValueError as error:
        raise response.error(UnexpectedShape, f"employees.{key}: {error}") from None

"""The employees a REST destination knows, and which of them is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector import convert
from connector.errors import UnexpectedShape
from connector.http import Client
from connector.outgoing import Unusable
from connector.paths import compile_path
from connector.rest.grammar import Employees


class Directory:
    """Their employees by code and by e-mail (without regard to case). Nobody is guessed."""

    def __init__(self, rows: Iterator[Mapping[str, Any]], grammar: Employees) -> None:
        code, email = compile_path(grammar.code), compile_path(grammar.email) if grammar.email else None
        self._codes: set[str] = set()
        self._by_email: dict[str, set[str]] = {}
        for row in rows:
            found = code(row)
            if found is None or found == "":
                continue
            known = str(convert.text(found))
            self._codes.add(known)
            address = email(row) if email else None
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


def _normal(email: str) -> str:
    return email.strip().casefold()


def read(client: Client, grammar: Employees) -> Iterator[Mapping[str, Any]]:
    """Every row of their list, page by page. Raises RemoteError."""
    rows_of, next_of = compile_path(grammar.rows), compile_path(grammar.next) if grammar.next else None
    address: str | None = grammar.get
    number, seen, before = 1, set[str](), None
    while address and address not in seen:
        response = client.get(address, params={grammar.page: number} if grammar.page else None)
        answer = response.json()
        rows = rows_of(answer)
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
        found_next = next_of(answer)
        address = str(found_next) if found_next else None

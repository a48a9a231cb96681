"""The employees a REST destination knows, which of them is meant, and what it says of each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from connector import convert
from connector.errors import UnexpectedShape
from connector.outgoing import Unusable
from connector.paths import Getter, compile_path
from connector.ports import Employee
from connector.rest.grammar import Employees


class Missing(Unusable):
    """There is no such record, and the config may say that this is no fault."""


@dataclass(frozen=True, slots=True)
class Person:
    """One of theirs: the code they are known by (None where the list has no codes), and their row.

    `row` is None where several rows of one code differ, so that nobody can say which is meant.
    """

    code: str | None
    row: Mapping[str, Any] | None


class Directory:
    """Their employees by code and by e-mail (without regard to case). Nobody is guessed."""

    def __init__(self, rows: Iterable[Any], grammar: Employees) -> None:
        self._fold = grammar.fold
        code = compile_path(grammar.code) if grammar.code else None
        email = compile_path(grammar.email) if grammar.email else None
        self._by_code: dict[str, list[Person]] = {}
        self._by_email: dict[str, list[Person]] = {}
        self._overrides = _folded(grammar)
        for row in rows:
            if not isinstance(row, Mapping):
                continue
            found = _told(code, row) if code else None
            if code and found in (None, ""):
                continue
            person = Person(None if found is None else _code(found, "employees.code"), row)
            if person.code is not None:
                self._by_code.setdefault(self._key(person.code), []).append(person)
            address = _told(email, row) if email else None
            if isinstance(address, str) and address.strip():
                self._by_email.setdefault(_mail(address), []).append(person)

    def person(self, code: str | None, email: str | None) -> Person:
        """Whom they know by this code, else by this e-mail. Raises Missing, Unusable when there are several."""
        override = _override(self._overrides, code, email)
        if override is not None:
            found = self._of(override) or _one(self._by_email.get(_mail(override), []))
            if found is None:
                raise Unusable("employees.overrides names an employee the destination has not; correct it")
            return found
        if code and (known := self._of(code)) is not None:
            return known
        found = _one(self._by_email.get(_mail(email), [])) if email else None
        if found is None:
            raise Missing(
                "the destination has no employee of this code or e-mail; correct the people file, or add the employee "
                "there"
            )
        return found

    def _of(self, code: str) -> Person | None:
        found = self._by_code.get(self._key(code), [])
        if len({person.code for person in found}) > 1:
            raise Unusable(f"{len(found)} employees there have this code but for case, expected one; correct it there")
        return _same(found) if found else None

    def _key(self, code: str) -> str:
        normal = unicodedata.normalize("NFC", code)
        return normal.strip().casefold() if self._fold else normal


def _one(found: list[Person]) -> Person | None:
    codes = {person.code for person in found}
    if len(codes) > 1 or (codes == {None} and len(found) > 1):
        raise Unusable(f"{len(found)} employees there have this e-mail, expected one; correct it there")
    return _same(found) if found else None


def _same(found: list[Person]) -> Person:
    """Several rows of one employee: the row, where they agree."""
    first = found[0]
    return first if all(person.row == first.row for person in found) else Person(first.code, None)


def override(grammar: Employees, code: str | None, email: str | None) -> str | None:
    """Whom employees.overrides names for this employee of ours."""
    return _override(_folded(grammar), code, email)


def _folded(grammar: Employees) -> dict[str, str]:
    return {_mail(ours): theirs for ours, theirs in grammar.overrides.items()}


def _override(overrides: Mapping[str, str], code: str | None, email: str | None) -> str | None:
    return next((overrides[_mail(ours)] for ours in (code, email) if ours and _mail(ours) in overrides), None)


def _code(found: Any, key: str) -> str:
    """A code as text. Raises UnexpectedShape for what is none: then the path names too little."""
    try:
        return str(convert.text(found))
    except ValueError as error:
        raise UnexpectedShape(f"{key}: {error}; name the path inside it") from None


def _told(getter: Getter, row: Mapping[str, Any]) -> Any:
    """What an expression gives of a row; nothing where it does not fit."""
    try:
        return getter(row)
    except ValueError:
        return None


def _mail(email: str) -> str:
    return unicodedata.normalize("NFC", email).strip().casefold()


def team_names(rows: Iterable[Any], grammar: Employees) -> dict[str, str]:
    """The names of their teams by key, as text."""
    assert grammar.teams is not None  # noqa: S101  # asked by the caller
    key, name = compile_path(grammar.teams.key), compile_path(grammar.teams.name)
    found: dict[str, str] = {}
    for row in rows:
        known, called = _told(key, row), _told(name, row)
        if known not in (None, "") and called not in (None, ""):
            found[_code(known, "employees.teams.key")] = _code(called, "employees.teams.name")
    return found


def people(
    rows: Iterable[Any], grammar: Employees, zone: tzinfo, teams: Mapping[str, str] | None = None
) -> Iterator[Employee]:
    """Their list as rows of the people table; an instant is its day in `zone`; a team has its name in `teams`."""
    day = convert.build("date", {"format": grammar.date_format}, zone)
    columns = {
        "employee_code": grammar.code, "email": grammar.email, "owner": grammar.owner, "name": grammar.name,
        "team": grammar.team, "manager": grammar.manager, "from": grammar.from_, "to": grammar.to,
    }
    getters = {column: compile_path(path) for column, path in columns.items() if path}
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        cells: dict[str, str] = {}
        faults: dict[str, str] = {}
        for column, get in getters.items():
            try:
                found = get(row)
                given = (day if column in ("from", "to") else convert.text)(found) if found not in (None, "") else ""
            except ValueError as error:
                faults[column] = str(error)
                continue
            if text := unicodedata.normalize("NFC", str(given)).strip():
                cells[column] = (teams or {}).get(text, text) if column == "team" else text
        yield Employee(cells, faults)

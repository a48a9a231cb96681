"""Who is an employee: the people table, and which vendor users (owners) belong to whom.

A row is one employee; several rows of one `employee_code` add owners or tell another team at another time. An owner
belongs to the person whose `owner` column names it, else to the one with its e-mail; nobody is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from connector.cells import code, day, read
from connector.convert import flag
from connector.errors import ConfigError, Fault
from connector.tabular import Row, columns, read_table

COLUMNS = ("employee_code", "email", "owner", "name", "team", "manager", "from", "to", "ignore")


class Table(NamedTuple):
    """A people table as it is kept: how it is called, whose ending says of what kind it is, and its content."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Stay:
    """Days of employment, first and last included, None = open; `team`, `manager` are '' where the row names none."""

    team: str = ""
    first: date | None = None
    last: date | None = None
    manager: str = ""

    def holds(self, day: date) -> bool:
        """Whether that day is one of them."""
        return (self.first or date.min) <= day <= (self.last or date.max)

    def overlaps(self, other: Stay) -> bool:
        """Whether the two have a day in common."""
        return (self.first or date.min) <= (other.last or date.max) and (other.first or date.min) <= (
            self.last or date.max
        )


@dataclass(slots=True)
class Person:
    """One employee; `is_ignored` settles ex-staff and robots: no value, no finding. `code` is '' only for those.

    `manager` is of rows without team and dates, and counts where no stay names another.
    """

    code: str
    name: str = ""
    manager: str = ""
    is_ignored: bool = False
    emails: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    stays: list[Stay] = field(default_factory=list)

    def manager_on(self, day: date) -> str:
        """The employee code of who they report to on that day; '' where nobody is named."""
        return next((stay.manager for stay in self.stays if stay.manager and stay.holds(day)), self.manager)

    def team_on(self, day: date) -> str:
        """The team they are in on that day; '' where none is named."""
        return next((stay.team for stay in self.stays if stay.team and stay.holds(day)), "")

    def employed(self, first: date, last: date) -> bool:
        """Whether employed on any day from `first` to `last`."""
        return any(stay.overlaps(Stay("", first, last)) for stay in self.stays)

    def employed_throughout(self, first: date, last: date) -> bool:
        """Whether one stay holds every day from `first` to `last`."""
        return any((stay.first or date.min) <= first and last <= (stay.last or date.max) for stay in self.stays)


class People:
    """The people table, looked up by owner."""

    def __init__(self, persons: Iterable[Person] = ()) -> None:
        self.persons = list(persons)
        self._by_code = {person.code: person for person in reversed(self.persons) if person.code}
        self._by_owner = {owner: person for person in self.persons for owner in person.owners}
        self._by_email = {email: person for person in self.persons for email in person.emails}

    def person_of(self, owner: str, email: str = "") -> Person | None:
        """The person an owner (`source:owner_id`) belongs to: by the owner column, then by e-mail; else None."""
        return self._by_owner.get(owner) or self._by_email.get(email.strip().casefold())

    def find(self, text: str) -> Person | None:
        """The person with that employee code or e-mail."""
        return self._by_code.get(text) or self._by_email.get(text.strip().casefold())

    def lost_zeros(self, text: str) -> str:
        """What to add to a message where a text names nobody, and would with zeros before it; else nothing."""
        wide = next((code for code in self._by_code if text and code != text and code.lstrip("0") == text), None)
        return f"; {wide} is known: leading zeros were lost, so format the column as text" if wide else ""


def parse(content: bytes, file: str) -> People:
    """The people of a table with (some of) the columns of `COLUMNS`. All faults at once as ConfigError."""
    if "employee_code" not in columns(content, file):
        raise ConfigError([Fault(file, 1, "employee_code", f"no such column; expected {', '.join(COLUMNS)}")])
    return of_rows(read_table(content, file))


def read_kept(table: Table | None) -> People:
    """The people of a table; nobody without one. Raises ConfigError as `parse`."""
    return People() if table is None else parse(table.content, table.path)


def of_rows(rows: Iterable[Row]) -> People:
    """The people of these rows of people tables. All faults at once as ConfigError, each with the row's own place."""
    faults: list[Fault] = []
    persons: dict[str, Person] = {}
    claims: dict[tuple[str, str], str] = {}
    for row in rows:
        found = _row(row, faults)
        if found is None:
            continue
        key = found.code or f"row {row.number}"  # an ignored row without a code is a person of its own
        for column, value in [("owner", owner) for owner in found.owners] + [("email", mail) for mail in found.emails]:
            if claims.setdefault((column, value), key) != key:
                faults.append(row.fault(column, "stands at another employee_code too; it belongs to one person"))
        _join(persons.setdefault(key, Person(found.code)), found, row, faults)
    if faults:
        raise ConfigError(faults)
    for person in persons.values():
        person.stays = person.stays or [Stay()]
    return People(persons.values())


def _row(row: Row, faults: list[Fault]) -> Person | None:
    """What one row says, or None if it is at fault."""
    before = len(faults)
    texts = {name: read(row, name, code, faults) or "" for name in COLUMNS[:6]}
    first, last = read(row, "from", day, faults), read(row, "to", day, faults)
    is_ignored = bool(read(row, "ignore", flag, faults))
    if first and last and last < first:
        faults.append(row.fault("to", "the last day lies before the first"))
    if texts["owner"] and not all(texts["owner"].partition(":")):
        faults.append(row.fault("owner", "expected source:owner_id, as in hubspot:12345"))
    is_settled = is_ignored and (texts["owner"] or texts["email"])
    if not texts["employee_code"] and not is_settled and len(faults) == before:
        faults.append(row.fault("employee_code", "empty; only an ignored owner or e-mail may have none"))
    if len(faults) > before:
        return None
    is_dated = bool(texts["team"] or first or last)
    return Person(
        texts["employee_code"], texts["name"], "" if is_dated else texts["manager"], is_ignored,
        {texts["email"].casefold()} - {""}, {texts["owner"]} - {""},
        [Stay(texts["team"], first, last, texts["manager"])] if is_dated else [],
    )


def _join(person: Person, found: Person, row: Row, faults: list[Fault]) -> None:
    """Add a further row of the same person."""
    person.name = person.name or found.name
    person.manager = person.manager or found.manager
    person.is_ignored |= found.is_ignored
    person.emails |= found.emails
    person.owners |= found.owners
    for stay in found.stays:
        then = [other for other in person.stays if stay.overlaps(other)]
        for column in ("team", "manager"):
            own = getattr(stay, column)
            if own and any(getattr(other, column) not in ("", own) for other in then):
                message = f"two {column}s at one time; give from and to so that the days do not overlap"
                faults.append(row.fault(column, message))
        if stay not in person.stays:
            person.stays.append(stay)


def teams(people: People, emails: Mapping[str, str], ledger: Iterable[tuple[str, Stay]]) -> dict[str, list[Stay]]:
    """The dated teams of each owner: the people file's, else the ledger's; sorted, later rows beginning sooner win.

    `emails`: owner -> e-mail, of every owner; `ledger`: (owner, stay) of the owner_team entity.
    """
    found: dict[str, list[Stay]] = {}
    for owner, stay in ledger:
        found.setdefault(owner, []).append(stay)
    for owner, email in emails.items():
        person = people.person_of(owner, email)
        own = [stay for stay in person.stays if stay.team] if person else []
        if own:
            found[owner] = own
    return {owner: sorted(stays, key=lambda stay: stay.first or date.min) for owner, stays in found.items()}

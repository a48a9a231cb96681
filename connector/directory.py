"""Who is an employee, by the config: the people file, the list of a destination (`people: {from: …}`), or both.

A list is read before KPIs are computed. What is kept of it (`roster`) is a version of kind `directory` in the journal;
with the people file it makes the version of kind `people` that every question reads. A list that cannot be read, is
empty, shrank beyond the guard or is at fault changes nothing: the last one stays in force, and that is said.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import insert, select, update

from connector import journal, people, roster, runs
from connector.config.beside import read_bytes, shown
from connector.errors import ConfigError, ConnectorError, SafetyStop, StoreError
from connector.model import canonical_json, iso, micros
from connector.people import People, Table
from connector.ports import Destination
from connector.store import tables
from connector.store.store import Writing
from connector.tabular import Row, read_table
from connector.wiring import Installation, Stop, closing, never

KIND = "directory"
STREAM = "employees"  # under which it is noted when the list was read


def table(here: Installation) -> Table | None:
    """The people table as it stands; None without one, or before a list was read for the first time.

    Of a list and a file that contradict each other the last one that was in force. Raises ConfigError for a file that
    cannot be read.
    """
    name, path = here.config.people_from, here.config.people
    if name is None:
        return None if path is None else Table(shown(path), read_bytes(path))
    with here.store.reading() as connection:
        found = journal.latest_file(connection, KIND, name)
        in_force = journal.latest_file(connection, "people", "")
    if found is not None:
        rows = list(read_table(found[2], found[1]))
        try:
            made = Table(found[1], roster.content(roster.merged(rows, _own(here))))
            people.read_kept(made)
        except ConfigError:
            pass  # told by `refresh`
        else:
            return made
    return None if in_force is None else Table(*in_force[1:])


def people_of(here: Installation) -> People:
    """The people of that table. Raises ConfigError."""
    return people.read_kept(table(here))


def refresh(here: Installation, stop: Stop = never) -> str | None:
    """Read the list, if there is one, and keep it where it says something new; why not, in a sentence, else None.

    Raises StoreError.
    """
    name = here.config.people_from
    if name is None:
        return None
    if paused := runs.paused(here.store, [name]):
        return f"{name} is paused ({paused[name]['reason']}), so its employees were not read; {_LAST}"
    with here.store.reading() as connection:
        before = journal.latest_file(connection, KIND, name)
    known = list(read_table(before[2], before[1])) if before else []
    destination = here.destination(name, stop)
    try:
        with closing(destination):
            rows = _listed(destination)
        today = here.calendar.day_of(micros(here.clock.now()))
        _judge(here, name, rows, *roster.gone(rows, known, today))
        kept = roster.kept(rows, known, today)
        people.of_rows(roster.merged(kept, _own(here)))
    except StoreError:
        raise
    except ConnectorError as error:
        problem = f"the employees of {name} were not taken: {error}; {_LAST}"
        with here.store.writing() as writing:
            _note(writing, name, micros(here.clock.now()), {"problem": problem})
        import structlog  # costs a short command more than it does

        structlog.get_logger("connector.directory").warning(
            "employees not taken", destination=name, problem=str(error)
        )
        return problem
    content = roster.content(kept)
    version = hashlib.sha256(content).hexdigest()[:16]
    with here.store.writing() as writing:
        in_force = journal.latest_version(writing.connection, KIND, name)
        if in_force != (before[0] if before else None):
            return None  # another run has just read it
        now = micros(here.clock.now())
        if version != in_force:
            journal.write_file(writing, writing.stamp(), KIND, name, version, f"{name}/{STREAM}.csv", content, {})
        count = len({row.cells["employee_code"] for row in rows})
        _note(writing, name, now, {"read_at": now, "employees": count, "problem": None})
    return None


_LAST = "who was known before stays as last read"


def count(destination: Destination) -> int:
    """How many employees it lists now; nothing is kept. Raises RemoteError, and ConfigError for rows at fault."""
    rows = _listed(destination)
    people.of_rows(rows)
    return len({row.cells["employee_code"] for row in rows})


def status(here: Installation) -> dict[str, Any] | None:
    """When the list was last read, how many it had, and why it could not be read since; None without a list."""
    name = here.config.people_from
    if name is None:
        return None
    noted = _noted(here, name)
    return {
        "from": name, "last_read_at": iso(noted.get("read_at")), "employees": noted.get("employees"),
        "problem": noted.get("problem"),
    }


def _listed(destination: Destination) -> list[Row]:
    return roster.listed(destination.employees(), f"{destination.name} {STREAM}")


def _own(here: Installation) -> list[Row]:
    """The rows of the people file beside the list."""
    path = here.config.people
    return [] if path is None else list(read_table(read_bytes(path), shown(path)))


def _judge(here: Installation, name: str, rows: list[Row], missing: list[str], employed: int) -> None:
    """Raise SafetyStop for a list that lost too many; one of them may always leave."""
    if not rows:
        raise SafetyStop("its list is empty", system=name, stream=STREAM)
    if len(missing) > max(1, employed * here.config.guard_shrink):
        raise SafetyStop(
            f"of {employed} employees its list shows {len(missing)} no longer, more than guard.shrink allows; mend it "
            "there, or if they have left, raise guard.shrink until it was read",
            system=name, stream=STREAM,
        )


def _noted(here: Installation, name: str) -> dict[str, Any]:
    cursor = tables.cursor
    rows = here.store.rows(select(cursor.c.state).where(cursor.c.source == name, cursor.c.stream == STREAM))
    found: dict[str, Any] = json.loads(rows[0].state) if rows else {}
    return found


def _note(writing: Writing, name: str, now: int, news: dict[str, Any]) -> None:
    """Remember how reading the list went, beside what was remembered before."""
    cursor = tables.cursor
    mine = (cursor.c.source == name, cursor.c.stream == STREAM)
    row = writing.execute(select(cursor.c.state).where(*mine)).first()
    values = {"state": canonical_json({**(json.loads(row.state) if row else {}), **news}), "updated_at": now}
    if row is None:
        writing.execute(insert(cursor).values(source=name, stream=STREAM, **values))
    else:
        writing.execute(update(cursor).where(*mine).values(**values))

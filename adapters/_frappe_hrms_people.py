"""Which Employee a person is: by employee number, by the document's name, else by e-mail. Nobody is guessed.

An employee without a user holds goals all the same, and only HR sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connector.outgoing import Unusable

EMAILS = ("company_email", "user_id", "prefered_email")
FIELDS = ("name", "status", *EMAILS)


class People:
    """The employees; `rows` have `FIELDS` and the field that holds the code."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], code_field: str) -> None:
        self._code_field = code_field
        self._by: dict[str, dict[str, list[Mapping[str, Any]]]] = {field: {} for field in (code_field, "name", *EMAILS)}
        for row in rows:
            for field, known in self._by.items():
                if value := row.get(field):
                    known.setdefault(_normal(field, value), []).append(row)

    def employee(self, code: str | None, email: str | None) -> str:
        """The Employee's name. Raises Unusable when there is none, more than one, or one who has left."""
        tried = [(self._code_field, code), ("name", code), *((field, email) for field in EMAILS)]
        for field, value in tried:
            found = self._by[field].get(_normal(field, value), []) if value else []
            active = [row for row in found if row["status"] == "Active"] or found
            if len(active) > 1:
                raise Unusable(f"{len(active)} employees there are this person by {field}, expected one; correct them")
            if active:
                if active[0]["status"] != "Active":
                    raise Unusable(f"the employee is {active[0]['status']} there, and only an active one takes a goal")
                return str(active[0]["name"])
        raise Unusable(
            f"there is no employee of this code ({self._code_field}, name) or e-mail ({', '.join(EMAILS)}); correct "
            "the people file, or the employee there"
        )


def _normal(field: str, value: Any) -> str:
    text = str(value).strip()
    return text.casefold() if field in EMAILS else text

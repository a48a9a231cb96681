"""Whose goal it is: our person, their employee, and the user on which the goal hangs. Nobody is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connector.outgoing import Unusable


class People:
    """Odoo's employees by code and by e-mail (without regard to case).

    `rows` are of hr.employee: name, work_email, user_id (as [id, name] or false) and the field that holds the code.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], code_field: str) -> None:
        self._code_field = code_field
        self._by_code: dict[str, list[Mapping[str, Any]]] = {}
        self._by_email: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            if code := row.get(code_field):
                self._by_code.setdefault(str(code).strip(), []).append(row)
            if email := row.get("work_email"):
                self._by_email.setdefault(str(email).strip().casefold(), []).append(row)

    def user(self, code: str | None, email: str | None) -> int:
        """The id of the user whose goals are this person's. Raises Unusable when there is none, or more than one."""
        found = self._by_code.get((code or "").strip(), []) if code else []
        by = self._code_field
        if not found and email:
            found, by = self._by_email.get(email.strip().casefold(), []), "work_email"
        if not found:
            raise Unusable(
                f"Odoo has no employee of this code ({self._code_field}) or e-mail (work_email); correct the people "
                "file, or the employee there"
            )
        users = {row["user_id"][0] for row in found if row.get("user_id")}
        if len(users) > 1:
            raise Unusable(f"{len(users)} users in Odoo are this person by {by}, expected one; correct it there")
        if not users:
            raise Unusable(
                "the employee has no user in Odoo, and a goal belongs to a user: set Related User on the employee"
            )
        return int(next(iter(users)))

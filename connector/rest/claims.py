"""Which of our values would go to one place there, where the last would take the place of the others.

Two ways lead there: the destination has one place for what are several values of ours (`one_value` names it), or two
of our employees are one of theirs. Nobody can say which value is meant, so none of them is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from connector.model import canonical_json
from connector.outgoing import Template, Unusable
from connector.ports import Delivery
from connector.rest.employees import Directory, Person

Ours = tuple[str | None, str | None]  # employee code and e-mail, as the people file has them


class Claims:
    """What this run would write, by place and by employee; a few bytes a value."""

    def __init__(self, one_value: str | None) -> None:
        self._place = Template(one_value) if one_value is not None else None
        self._keys: dict[str, set[str]] = {}
        self._values: dict[Ours, set[int]] = {}
        self._theirs: dict[Any, list[Ours]] = {}
        self._resolved = 0
        self._lock = threading.Lock()

    def note(self, delivery: Delivery, scope: Mapping[str, Any]) -> None:
        """This value is to stand there."""
        subject = scope["subject"]
        with self._lock:
            if self._place is not None:
                self._keys.setdefault(self._place(scope), set()).add(delivery.key)
            if subject["kind"] == "person":
                ours = subject["employee_code"], subject["email"]
                self._values.setdefault(ours, set()).add(_value(delivery.kpi))

    def forget(self) -> None:
        """The run is over."""
        with self._lock:
            self._keys.clear()
            self._values.clear()
            self._theirs.clear()
            self._resolved = 0

    def alone_in_its_place(self, delivery: Delivery, scope: Mapping[str, Any]) -> None:
        """Raises Unusable where another value would go to the same place."""
        if self._place is None:
            return
        place = self._place(scope)
        with self._lock:
            others = len(self._keys.get(place, set()) | {delivery.key}) - 1
        if others:
            raise Unusable(
                f"{others + 1} values would go to one place there ({place}), which holds one; push one period "
                "(periods: current) and a KPI that is not split"
            )

    def alone_of_its_employee(self, delivery: Delivery, ours: Ours, person: Person, directory: Directory) -> None:
        """Raises Unusable where the same value of another of our employees would go to the same one of theirs."""
        with self._lock:
            self._resolve(directory)
            value = _value(delivery.kpi)
            for other in self._theirs.get(_identity(person), ()):
                if other != ours and value in self._values[other]:
                    raise Unusable(
                        "two of our employees are this one of theirs, and both have this value; correct the people "
                        "file or employees.overrides"
                    )

    def _resolve(self, directory: Directory) -> None:
        """Look up those of ours that were noted since."""
        for ours in list(self._values)[self._resolved:]:
            try:
                self._theirs.setdefault(_identity(directory.person(*ours)), []).append(ours)
            except Unusable:
                continue
        self._resolved = len(self._values)


def _value(kpi: Mapping[str, Any]) -> int:
    return hash((kpi["kpi"], kpi["period"], canonical_json(kpi["dimensions"])))


def _identity(person: Person) -> Any:
    return person.code if person.code is not None else canonical_json(person.row)

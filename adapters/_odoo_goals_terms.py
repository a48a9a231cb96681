"""A delivery in Odoo's terms: which definition, challenge and user it is about, and the numbers as they are written."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from adapters._odoo_goals_calls import Refused, Wire, WireSettings
from adapters._odoo_goals_held import GoalOf, Wish, number_of
from adapters._odoo_goals_people import People
from connector.errors import AuthError, Permanent, RemoteError
from connector.outgoing import Body, Unusable, view
from connector.ports import Check, Context, Delivery

GOAL = "gamification.goal"
DEFINITION, CHALLENGE, EMPLOYEE = "gamification.goal.definition", "gamification.challenge", "hr.employee"


class OdooGoalsSettings(WireSettings):
    """Odoo, and what becomes of each KPI there."""

    goals: dict[str, GoalOf] = Field(min_length=1, description="By KPI id.")
    code: str = Field("barcode", pattern=r"^\w+$", description="Field of hr.employee that holds the employee code.")
    state: bool = Field(True, description="Write reached, inprogress or (closed period) failed as well.")


@dataclass(frozen=True, slots=True)
class World:
    """What is read once: definitions and challenges by name, and the people."""

    definitions: Mapping[str, Sequence[Mapping[str, Any]]]
    challenges: Mapping[str, Sequence[Mapping[str, Any]]]
    people: People


class Terms:
    """Says what each delivery wants of Odoo; what it reads for that, it reads once. Used by several threads."""

    def __init__(self, name: str, settings: OdooGoalsSettings, wire: Wire, context: Context) -> None:
        self._name, self._settings, self._wire = name, settings, wire
        self._bodies = {
            kpi: Body({"current": goal.current, "target": goal.target}, context.zone)
            for kpi, goal in settings.goals.items()
        }
        self._lock = threading.Lock()
        self._known: World | None = None

    def wishes(self, deliveries: Sequence[Delivery]) -> list[Wish]:
        """Those of them that can be said."""
        made = []
        for delivery in deliveries:
            try:
                made.append(self.wish(delivery))
            except Unusable:
                continue
        return made

    def wish(self, delivery: Delivery) -> Wish:
        """Raises Unusable, and RemoteError when definitions, challenges or employees cannot be read."""
        goal, said = self.said(delivery)
        if said["current"] is None:
            raise Unusable("there is no value, and Odoo would show 0 for it; a goal that is there is left as it is")
        if goal.challenge is None and said["target"] is None:
            raise Unusable("there is no target, and a goal without one counts as reached; give the KPI a target")
        scope = view(delivery)
        if scope["subject"]["kind"] != "person":
            raise Unusable(f"a goal belongs to a person, and this is the value of a {scope['subject']['kind']}")
        world = self._world()
        definition = _one(world.definitions.get(goal.definition, ()), f"goal definition {goal.definition!r}")
        if definition["computation_mode"] != "manually":
            raise Unusable(
                f"Odoo computes the goals of {goal.definition!r} itself ({definition['computation_mode']}) and would "
                "overwrite the value; set the definition's computation mode to manual"
            )
        challenge = None
        if goal.challenge is not None:
            if delivery.kpi["dimensions"]:
                raise Unusable("a value split by dimensions does not fit the one goal a challenge has; leave it out")
            challenge = int(_one(world.challenges.get(goal.challenge, ()), f"challenge {goal.challenge!r}")["id"])
        user = world.people.user(scope["subject"]["employee_code"], scope["subject"]["email"])
        return Wish(
            delivery, goal, definition, challenge, user, delivery.kpi["period_start"], delivery.kpi["period_end"],
            said["current"], said["target"],
        )

    def said(self, delivery: Delivery) -> tuple[GoalOf, dict[str, Any]]:
        """The numbers as they are written; without I/O. Raises Unusable."""
        kpi = str(delivery.kpi["kpi"])
        if kpi not in self._settings.goals:
            raise Unusable(f"the destination says nothing of the KPI {kpi}; add it under goals, or take it out of push")
        found = self._bodies[kpi](view(delivery))
        said = {
            name: None if found.get(name) is None else number_of(name, found[name]) for name in ("current", "target")
        }
        return self._settings.goals[kpi], said

    def _world(self) -> World:
        with self._lock:
            if self._known is None:
                self._known = self._read_world()
            return self._known

    def _read_world(self) -> World:
        settings = self._settings
        names = sorted({goal.definition for goal in settings.goals.values()})
        challenges = sorted({goal.challenge for goal in settings.goals.values() if goal.challenge})
        definitions = self._list(DEFINITION, [["name", "in", names]], ["name", "condition", "computation_mode"])
        found = self._list(CHALLENGE, [["name", "in", challenges]], ["name"]) if challenges else []
        employees = self._list(EMPLOYEE, [], ["name", "work_email", "user_id", settings.code])
        return World(_by_name(definitions), _by_name(found), People(employees, settings.code))

    def _list(self, model: str, domain: Sequence[Any], fields: Sequence[str]) -> list[dict[str, Any]]:
        try:
            return self._wire.search(model, domain, fields)
        except Refused as no:
            said = f"{self._name}: {model} cannot be read: {no.words}; is its module installed, and may this user?"
            raise Permanent(said, system=self._name, status=no.status, request_id=no.request_id) from None

    def check(self) -> Iterator[Check]:
        """Reads only: the login, the definitions and challenges named, the employees, and the right to make goals."""
        try:
            world = self._read_world()
        except AuthError as refused:
            yield Check("log in", False, str(refused))
            return
        except RemoteError as refused:
            yield Check("read definitions, challenges and employees", False, str(refused))
            return
        yield Check("log in and read employees", True)
        for kpi, goal in self._settings.goals.items():
            try:
                definition = _one(world.definitions.get(goal.definition, ()), f"goal definition {goal.definition!r}")
                if goal.challenge:
                    _one(world.challenges.get(goal.challenge, ()), f"challenge {goal.challenge!r}")
            except Unusable as missing:
                yield Check(f"goals of {kpi}", False, str(missing))
                continue
            mode = definition["computation_mode"]
            detail = "" if mode == "manually" else f"its definition is computed by Odoo ({mode}); set it to manual"
            yield Check(f"goals of {kpi}", mode == "manually", detail)
        if any(goal.challenge is None for goal in self._settings.goals.values()):
            yield self._may_create()

    def _may_create(self) -> Check:
        what = "make goals"
        try:
            allowed = self._wire.read(GOAL, "check_access_rights", operation="create", raise_exception=False)
        except RemoteError:
            return Check(what, True, "this Odoo does not tell; the first push will show")
        needs = "needs Administration: Access Rights; or name a challenge, whose goals Odoo makes"
        return Check(what, bool(allowed), "" if allowed else needs)


def _by_name(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row)
    return found


def _one(found: Sequence[Mapping[str, Any]], what: str) -> Mapping[str, Any]:
    if len(found) != 1:
        raise Unusable(f"Odoo has {len(found) or 'no'} {what}, expected one of that name")
    return found[0]

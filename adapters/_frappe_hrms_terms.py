"""A delivery as a Goal: whose it is, what it is called, and the percentage it shows."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from adapters._frappe_hrms_calls import Site, SiteSettings
from adapters._frappe_hrms_people import FIELDS, People
from connector.outgoing import Body, Filled, OutgoingField, Template, Unusable, view
from connector.ports import Context, Delivery, Outcome, Receipt

GOAL = "Goal"
PERCENT = {"path": "attainment", "as": {"number": {"scale": 100, "digits": 2, "cap": 100, "floor": 0}}}
OWN = ("name", "goal_name", "employee", "progress", "status", "start_date", "end_date", "appraisal_cycle", "kra",
       "parent_goal", "is_group", "docstatus", "modified")


def _template(text: str) -> str:
    Template(text)
    return text


def _not_ours(more: dict[str, Any]) -> dict[str, Any]:
    for name in more:
        if name in OWN:
            raise ValueError(f"{name} is written by us already, expected other fields of Goal")
    return more


Words = Annotated[str, AfterValidator(_template)]


class GoalOf(BaseModel):
    """How one KPI is shown as goals; `{kpi}`, `{period}` and other paths of a KPI object may stand in the texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Words = Field("{kpi} {period}", description="What the goal is called.", examples=["Revenue {period}"])
    progress: Filled = Field(
        OutgoingField.model_validate(PERCENT),
        description="Percentage from 0 to 100, filled as in rest's `body`; by default the attainment, cut to that.",
    )
    cycle: Words | None = Field(None, description="Appraisal Cycle the goal counts in.", examples=["2026-H2"])
    kra: Words | None = Field(None, description="KRA the goal counts for; needed with a cycle.")
    parent: Words | None = Field(None, description="Name of a group goal of the same employee, under which it stands.")
    fields: Annotated[dict[str, Filled], AfterValidator(_not_ours)] = Field(
        default_factory=dict, description="Other fields of Goal: description, or fields you added.",
        examples=[{"custom_actual": "value", "custom_target": "target"}],
    )

    @model_validator(mode="after")
    def _counts(self) -> GoalOf:
        if self.cycle is not None and self.kra is None:
            raise ValueError("a goal with a cycle needs a kra, which it counts for in the appraisal")
        return self


class FrappeHrmsSettings(SiteSettings):
    """The site, and what becomes of each KPI there."""

    goals: dict[str, GoalOf] = Field(min_length=1, description="By KPI id.")
    external_id: str = Field(
        "external_id", pattern=r"^\w+$", description="Field you added to Goal (Data, unique), by which ours are known."
    )
    code: str = Field("employee_number", pattern=r"^\w+$", description="Field of Employee with the employee code.")
    submitted: Literal["refuse", "write"] = Field(
        "refuse", description="What to do where the employee's appraisal of that cycle is submitted: a goal changes it."
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """A delivery as the goal it should be; `document` is what a new one is made of, `changing` what is kept in step."""

    delivery: Delivery
    external_id: str
    employee: str
    document: Mapping[str, Any]
    changing: Mapping[str, Any]
    parent: str | None

    @property
    def cycle(self) -> str | None:
        return self.document.get("appraisal_cycle")

    def receipt(self, outcome: Outcome, message: str = "", name: str | None = None) -> Receipt:
        """What became of it."""
        return Receipt(self.delivery.key, outcome, name, message)


class Terms:
    """Says what each delivery wants; the employees are read once. Used by several threads."""

    def __init__(self, settings: FrappeHrmsSettings, site: Site, context: Context) -> None:
        self._settings, self._site = settings, site
        self._bodies = {
            kpi: Body({"progress": goal.progress, **goal.fields}, context.zone) for kpi, goal in settings.goals.items()
        }
        self._lock = threading.Lock()
        self._people: People | None = None

    def changing(self, delivery: Delivery) -> dict[str, Any]:
        """The fields that follow the value; without I/O. Raises Unusable."""
        kpi = str(delivery.kpi["kpi"])
        if kpi not in self._settings.goals:
            raise Unusable(f"the destination says nothing of the KPI {kpi}; add it under goals, or take it out of push")
        said = self._bodies[kpi](view(delivery))
        progress = said.get("progress")
        if progress is None:
            source = self._settings.goals[kpi].progress.path or "its value"
            raise Unusable(f"there is no {source}, and Frappe would show 0 for it; a goal that is there is left as is")
        said["progress"] = _percentage(progress)
        return said

    def wish(self, delivery: Delivery) -> Wish:
        """Raises Unusable, and RemoteError when the employees cannot be read."""
        changing = self.changing(delivery)
        scope, goal = view(delivery), self._settings.goals[str(delivery.kpi["kpi"])]
        subject = scope["subject"]
        if subject["kind"] != "person":
            raise Unusable(f"a goal belongs to a person, and this is the value of a {subject['kind']}")
        employee = self.people().employee(subject["employee_code"], subject["email"])
        texts = {"goal_name": goal.name, "appraisal_cycle": goal.cycle, "kra": goal.kra}
        said = {field: Template(text)(scope) for field, text in texts.items() if text is not None}
        name = external_id(delivery.key)
        document = {
            **said, **changing, self._settings.external_id: name, "employee": employee,
            "goal_name": said["goal_name"][:140],
            "start_date": delivery.kpi["period_start"], "end_date": delivery.kpi["period_end"],
        }
        parent = None if goal.parent is None else Template(goal.parent)(scope)
        return Wish(delivery, name, employee, document, changing, parent)

    def people(self) -> People:
        """The site's employees. Raises RemoteError."""
        with self._lock:
            if self._people is None:
                code = self._settings.code
                rows = self._site.list("Employee", sorted({*FIELDS, code}))
                self._people = People(rows, code)
            return self._people


def external_id(key: str) -> str:
    """A delivery's key as the text of a Data field, which holds 140 characters."""
    if len(key) <= 140:
        return key
    return f"{key[:120]}~{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _percentage(value: Any) -> Decimal:
    """The percentage, checked here: the site takes -5, and makes 0 of what is no number. Raises Unusable."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise Unusable("progress: expected a number") from None
    if not number.is_finite() or not 0 <= number <= 100 or number != round(number, 9):
        raise Unusable("progress: expected a percentage from 0 to 100 of at most 9 places; set scale, cap and digits")
    return number

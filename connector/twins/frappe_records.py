"""The documents of a fake Frappe HRMS: employees, goals, appraisals, by the rules of its controllers (hrms goal.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.ports import Clock

Doc = dict[str, Any]
GOAL = "Goal"
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Employee": ("name", "employee_name", "employee_number", "company_email", "personal_email", "prefered_email",
                 "user_id", "status", "company"),
    GOAL: ("name", "goal_name", "is_group", "parent_goal", "progress", "status", "employee", "employee_name", "company",
           "user", "start_date", "end_date", "appraisal_cycle", "kra", "description", "owner", "modified"),
    "Appraisal": ("name", "employee", "appraisal_cycle", "docstatus", "goal_score_percentage", "appraisal_kra"),
    "Appraisal Cycle": ("name", "cycle_name", "start_date", "end_date", "status"),
    "KRA": ("name", "title"),
}
SET_ONCE = ("employee", "appraisal_cycle", "is_group")


class Fault(Exception):
    """An exception on the server: its class, and the status that class has."""

    def __init__(self, kind: str, message: str, status: int = 417) -> None:
        self.kind, self.status = kind, status
        super().__init__(message)


class Records:
    """The documents by DocType and name. `custom` are fields added to Goal, `unique` those of them that are unique."""

    clock: Clock
    user = ""

    def __init__(self, *, custom: Sequence[str] = ("external_id",), unique: Sequence[str] = ("external_id",)) -> None:
        self.docs: dict[str, dict[str, Doc]] = {doctype: {} for doctype in FIELDS}
        self.custom, self.unique = tuple(custom), tuple(unique)
        self._last = 0

    def state(self) -> dict[str, Any]:
        """Everything there is."""
        return {"docs": self.docs}

    @property
    def goals(self) -> dict[str, Doc]:
        return self.docs[GOAL]

    # --- what HR sets up ---------------------------------------------------------------------------------------------

    def add_employee(self, name: str, *, number: str = "", email: str = "", user: str = "",
                     status: str = "Active") -> str:
        """`user` is a login; an employee without one holds goals all the same, and cannot see them."""
        key = f"HR-EMP-{len(self.docs['Employee']) + 1:05d}"
        self.docs["Employee"][key] = {
            "name": key, "employee_name": name, "employee_number": number or None, "company_email": email or None,
            "personal_email": None, "prefered_email": None, "user_id": user or None, "status": status,
            "company": "Example",
        }
        return key

    def add_cycle(self, name: str, start: str, end: str, *, status: str = "In Progress") -> str:
        self.docs["Appraisal Cycle"][name] = {"name": name, "cycle_name": name, "start_date": start, "end_date": end,
                                              "status": status}
        return name

    def add_kra(self, title: str) -> str:
        self.docs["KRA"][title] = {"name": title, "title": title}
        return title

    def add_appraisal(self, employee: str, cycle: str, kras: Mapping[str, float]) -> str:
        """`kras` are weights in percent. It is a draft until it is submitted."""
        key = f"HR-APR-{len(self.docs['Appraisal']) + 1:05d}"
        rows = [{"kra": kra, "per_weightage": weight, "goal_completion": 0.0} for kra, weight in kras.items()]
        self.docs["Appraisal"][key] = {"name": key, "employee": employee, "appraisal_cycle": cycle, "docstatus": 0,
                                       "goal_score_percentage": 0.0, "appraisal_kra": rows}
        return key

    def submit(self, appraisal: str) -> None:
        self.docs["Appraisal"][appraisal]["docstatus"] = 1

    def add_goal(self, employee: str, goal_name: str, **more: Any) -> str:
        """A goal as a person makes it."""
        made = self.insert(GOAL, {"employee": employee, "goal_name": goal_name, "start_date": "2026-10-01", **more})
        self.goals[made["name"]]["owner"] = "hr@example.vn"
        return str(made["name"])

    # --- documents ---------------------------------------------------------------------------------------------------

    def listed(self, doctype: str, fields: Sequence[str], filters: Sequence[Sequence[Any]], order_by: str = "",
               start: int = 0, length: int = 20) -> list[Doc]:
        known = self._fields(doctype)
        for name in (*fields, *(one[-3] for one in filters)):
            if name not in known:
                raise Fault("DataError", f"Field not permitted in query: {name}")
        rows = [doc for _, doc in sorted(self.docs[doctype].items()) if all(_holds(doc, one) for one in filters)]
        if not order_by:
            rows.reverse()  # the newest first, unless an order is asked for
        return [{name: doc.get(name) for name in fields} for doc in rows[start:start + length]]

    def one(self, doctype: str, name: str) -> Doc:
        if name not in self.docs.get(doctype, {}):
            raise Fault("DoesNotExistError", f"{doctype} {name} not found", 404)
        return self.docs[doctype][name]

    def insert(self, doctype: str, given: Mapping[str, Any]) -> Doc:
        if doctype != GOAL:
            raise Fault("PermissionError", f"No permission for {doctype}", 403)
        self._last += 1
        doc: Doc = dict.fromkeys(self._fields(GOAL))
        doc |= {name: value for name, value in given.items() if name in doc}  # what it does not know it drops
        doc["name"] = f"HR-GOAL-{self.clock.now().year}-{self._last:05d}"
        doc |= {"owner": self.user, "is_group": int(doc["is_group"] or 0), "status": "Pending"}
        self._checked(doc)
        if doc["is_group"]:
            doc["progress"] = 0.0
        self.goals[doc["name"]] = doc
        self._saved(doc)
        return doc

    def update(self, doctype: str, name: str, given: Mapping[str, Any]) -> Doc:
        doc = self.one(doctype, name)
        if doctype != GOAL:
            raise Fault("PermissionError", f"No permission for {doctype}", 403)
        for field in SET_ONCE:
            if field in given and given[field] != doc[field]:
                raise Fault("CannotChangeConstantError", f"Value cannot be changed for {field}")
        changed = {**doc, **{field: value for field, value in given.items() if field in doc and field != "name"}}
        self._checked(changed)
        self.goals[name] = changed
        self._saved(changed)
        return changed

    def delete(self, doctype: str, name: str) -> None:
        doc = self.one(doctype, name)
        if any(goal["parent_goal"] == name for goal in self.goals.values()):
            raise Fault("NestedSetChildExistsError", f"Cannot delete {name} as it has child nodes")
        del self.docs[doctype][name]
        self._averaged(doc)

    # --- the controller of a goal ------------------------------------------------------------------------------------

    def _checked(self, doc: Doc) -> None:
        for field in ("goal_name", "employee"):
            if not doc[field]:
                raise Fault("MandatoryError", f"[Goal, {doc['name']}]: {field}")
        if len(str(doc["goal_name"])) > 140:
            raise Fault("CharacterLengthExceededError", "'Goal' will get truncated, as max characters allowed is 140")
        self._linked(doc)
        cycle = self.docs["Appraisal Cycle"].get(doc["appraisal_cycle"] or "")
        if cycle is not None:
            if cycle["status"] == "Completed":
                raise Fault("ValidationError", f"Cannot create or change transactions against a <b>Completed</b> "
                                               f"Appraisal Cycle {cycle['name']}.")
            doc["start_date"] = doc["start_date"] or cycle["start_date"]
            doc["end_date"] = doc["end_date"] or cycle["end_date"]
        if not doc["start_date"]:
            raise Fault("MandatoryError", f"[Goal, {doc['name']}]: start_date")
        employee = self.docs["Employee"][doc["employee"]]
        if employee["status"] != "Active":
            raise Fault("InactiveEmployeeStatusError", "Transactions cannot be created for an Inactive Employee "
                                                       f"<a href='/app/employee/{doc['employee']}'>x</a>.")
        doc |= {"employee_name": employee["employee_name"], "company": employee["company"], "user": employee["user_id"]}
        parent = self.goals.get(doc["parent_goal"] or "")
        if parent is not None and [doc[one] for one in ("employee", "kra", "appraisal_cycle")] != [
                parent[one] for one in ("employee", "kra", "appraisal_cycle")]:
            raise Fault("ValidationError", "Goal should be owned by the same employee as its parent goal.")
        doc["progress"] = _flt(doc["progress"])
        if doc["progress"] > 100:
            raise Fault("ValidationError", "Goal progress percentage cannot be more than 100.")
        if doc["status"] != "Archived":
            progress = doc["progress"]
            doc["status"] = "Pending" if progress == 0 else "Completed" if progress == 100 else "In Progress"
        for field in self.unique:
            twins = [one for one in self.goals.values() if one[field] == doc[field] and one["name"] != doc["name"]]
            if doc[field] and twins:
                raise Fault("UniqueValidationError", f"{field} must be unique", 409)
        doc["modified"] = self.clock.now().strftime("%Y-%m-%d %H:%M:%S.%f")

    def _linked(self, doc: Doc) -> None:
        links = {"employee": "Employee", "appraisal_cycle": "Appraisal Cycle", "kra": "KRA", "parent_goal": GOAL}
        for field, doctype in links.items():
            if doc[field] and doc[field] not in self.docs[doctype]:
                raise Fault("LinkValidationError", f"Could not find {field}: {doc[field]}")

    def _saved(self, doc: Doc) -> None:
        """A parent is the average of its children; an appraisal takes over goals, also when it is submitted."""
        self._averaged(doc)

    def _averaged(self, doc: Doc) -> None:
        parent = self.goals.get(doc["parent_goal"] or "")
        if parent is not None:
            children = [one["progress"] for one in self.goals.values()
                        if one["parent_goal"] == parent["name"] and one["status"] != "Archived"]
            parent["progress"] = round(sum(children) / len(children), 3) if children else 0.0
        for appraisal in self.docs["Appraisal"].values():
            if (appraisal["employee"], appraisal["appraisal_cycle"]) == (doc["employee"], doc["appraisal_cycle"]):
                self._scored(appraisal)

    def _scored(self, appraisal: Doc) -> None:
        """Goals of one KRA are averaged: a duplicate halves what counts."""
        total = 0.0
        for row in appraisal["appraisal_kra"]:
            goals = [one["progress"] for one in self.goals.values()
                     if (one["employee"], one["appraisal_cycle"], one["kra"], one["parent_goal"])
                     == (appraisal["employee"], appraisal["appraisal_cycle"], row["kra"], None)
                     and one["status"] != "Archived"]
            row["goal_completion"] = round(sum(goals) / len(goals), 2) if goals else 0.0
            total += row["goal_completion"] * row["per_weightage"] / 100
        appraisal["goal_score_percentage"] = round(total, 2)

    def _fields(self, doctype: str) -> tuple[str, ...]:
        if doctype not in FIELDS:
            raise Fault("DoesNotExistError", f"DocType {doctype} not found", 404)
        return (*FIELDS[doctype], *(self.custom if doctype == GOAL else ()))


def _flt(value: Any) -> float:
    """frappe.utils.flt: what is no number is 0; a Percent column keeps nine places."""
    try:
        return round(float(value or 0), 9)
    except (TypeError, ValueError):
        return 0.0


def _holds(doc: Doc, one: Sequence[Any]) -> bool:
    """One filter: [field, operator, value], perhaps with the DocType before."""
    field, operator, wanted = one[-3:]
    if operator == "in":
        return doc.get(field) in wanted
    if operator not in ("=", "!="):
        raise Fault("ValidationError", f"Operator must be one of =, !=, in; not {operator}")
    return bool((doc.get(field) == wanted) is (operator == "="))

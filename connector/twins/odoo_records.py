"""The records of a fake Odoo: users, employees, goal definitions, challenges and goals, by the rules of its ORM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
GOAL, EXTERNAL = "gamification.goal", "ir.model.data"
LINKS = {  # many2one: read as [id, name], or false
    "user_id": "res.users", "definition_id": "gamification.goal.definition", "line_id": "gamification.challenge.line",
    "challenge_id": "gamification.challenge",
}
NEW_GOAL: Row = {
    "line_id": False, "challenge_id": False, "start_date": False, "end_date": False, "current": 0.0, "state": "draft",
    "closed": False, "last_update": False,
}
STATES = ("draft", "inprogress", "reached", "failed", "canceled")


class Fault(Exception):
    """An exception on the server, by its Python name."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


class Records:
    """The tables by model, each row by its id; `external` maps `module.name` to (model, id)."""

    may_create = reads_employees = True

    def __init__(self) -> None:
        models = ("res.users", "hr.employee", "gamification.goal.definition", "gamification.challenge",
                  "gamification.challenge.line", GOAL, EXTERNAL)
        self.tables: dict[str, dict[int, Row]] = {model: {} for model in models}
        self.external: dict[str, tuple[str, int]] = {}
        self.computed: dict[int, Callable[[Row], float]] = {}
        self._last = 0

    def today(self) -> str:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Everything there is."""
        tables = {model: {str(id_): row for id_, row in rows.items()} for model, rows in self.tables.items()}
        return {"tables": tables, "external": {name: list(found) for name, found in self.external.items()}}

    @property
    def goals(self) -> dict[int, Row]:
        return self.tables[GOAL]

    # --- what an administrator sets up -------------------------------------------------------------------------------

    def add_user(self, name: str, login: str) -> int:
        return self._insert("res.users", {"name": name, "login": login, "active": True})

    def add_employee(self, name: str, *, email: str = "", code: str = "", user: int | None = None) -> int:
        """Most employees of a company have no user, as 18 of 20 in Odoo's own demo data."""
        row = {"name": name, "work_email": email or False, "barcode": code or False, "user_id": user or False,
               "identification_id": False, "active": True}
        return self._insert("hr.employee", row)

    def add_definition(
        self, name: str, *, condition: str = "higher", mode: str = "manually",
        computes: Callable[[Row], float] | None = None,
    ) -> int:
        """`computes` gives a goal's value where the definition is not manual."""
        made = self._insert("gamification.goal.definition",
                            {"name": name, "condition": condition, "computation_mode": mode})
        if computes is not None:
            self.computed[made] = computes
        return made

    def add_challenge(self, name: str, lines: Mapping[int, float], users: Sequence[int], *,
                      period: str = "monthly") -> int:
        """A started challenge: `lines` are targets by definition. Its goals of the present period are made."""
        made = self._insert("gamification.challenge", {"name": name, "period": period, "users": list(users),
                                                       "state": "inprogress"})
        for definition, target in lines.items():
            line = {"challenge_id": made, "definition_id": definition, "target_goal": target}
            self._insert("gamification.challenge.line", line)
        self.cron()
        return made

    def add_goal(self, definition: int, user: int, start: str, end: str, **more: Any) -> int:
        """A goal as a person makes it."""
        row = {**NEW_GOAL, "definition_id": definition, "user_id": user, "start_date": start, "end_date": end,
               "target_goal": 0.0, "state": "inprogress", **more}
        return self._insert(GOAL, row)

    # --- what happens by itself --------------------------------------------------------------------------------------

    def refresh(self, challenge: int) -> None:
        """The button "Refresh challenge": goals in progress are deleted and made anew, with other ids."""
        gone = [id_ for id_, row in self.goals.items()
                if row["challenge_id"] == challenge and row["state"] == "inprogress"]
        self._delete(GOAL, gone)
        self.cron()

    def cron(self) -> None:
        """The daily job: computed goals overwrite what stands there; missing goals of the present period are made."""
        for row in self.goals.values():
            compute = self.computed.get(row["definition_id"])
            if compute is not None and row["state"] in ("inprogress", "reached"):
                self._change(row, {"current": float(compute(row))})
        for line_id, line in self.tables["gamification.challenge.line"].items():
            challenge = self.tables["gamification.challenge"][line["challenge_id"]]
            start, end = _bounds(challenge["period"], date.fromisoformat(self.today()))
            have = {row["user_id"] for row in self.goals.values()
                    if row["line_id"] == line_id and row["start_date"] == start}
            higher = self.tables["gamification.goal.definition"][line["definition_id"]]["condition"] == "higher"
            target = line["target_goal"]
            current = min(target - 1, 0.0) if higher else max(target + 1, 0.0)
            for user in challenge["users"]:
                if user not in have:
                    self.add_goal(line["definition_id"], user, start, end, line_id=line_id, target_goal=target,
                                  challenge_id=line["challenge_id"], current=current)

    # --- the ORM -----------------------------------------------------------------------------------------------------

    def check_access_rights(self, model: str, operation: str, raise_exception: bool = True) -> bool:
        allowed = operation in ("read", "write") or self.may_create
        if raise_exception and not allowed:
            raise _access(operation, model)
        return allowed

    def search_read(self, model: str, domain: Sequence[Any] = (), fields: Sequence[str] = (), limit: int = 0,
                    offset: int = 0, order: str = "id") -> list[Row]:
        self._readable(model)
        rows = [{"id": id_, **row} for id_, row in sorted(self._all(model).items())]
        found = [row for row in rows if _holds(list(domain), row) and row.get("active", True)]
        return [self._shown(row, fields) for row in found[offset:offset + limit if limit else None]]

    def read(self, model: str, ids: Sequence[int], fields: Sequence[str] = ()) -> list[Row]:
        self._readable(model)
        if missing := [id_ for id_ in ids if id_ not in self._all(model)]:
            raise _missing(model, missing[0])
        return [self._shown({"id": id_, **self._all(model)[id_]}, fields) for id_ in ids]

    def write(self, model: str, ids: Sequence[int], vals: Mapping[str, Any]) -> bool:
        for id_ in ids:
            if id_ not in self.tables[model]:
                raise _missing(model, id_)
            self._change(self.tables[model][id_], vals)
        return True

    def create(self, model: str, vals_list: Sequence[Row] | Row) -> list[int] | int:
        if isinstance(vals_list, Mapping):
            return self._made(model, vals_list)
        return [self._made(model, values) for values in vals_list]

    def unlink(self, model: str, ids: Sequence[int]) -> bool:
        if not self.may_create:
            raise _access("unlink", model)
        self._delete(model, ids)
        return True

    def load(self, model: str, fields: Sequence[str], data: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """The import: upsert by external id. One bad row undoes all, and `messages` says which."""
        messages, ids = [], []
        for number, cells in enumerate(data):
            try:
                ids.append(self._imported(model, dict(zip(fields, cells, strict=True))))
            except Fault as fault:
                messages.append({"type": "error", "message": str(fault), "record": number,
                                 "rows": {"from": number, "to": number}})
        if messages:
            raise Undone({"ids": False, "messages": messages, "nextrow": 0})
        return {"ids": ids, "messages": [], "nextrow": 0}

    def _imported(self, model: str, cells: Row) -> int:
        name = cells.pop("id")
        values = {field.removesuffix("/.id"): _converted(field, cell) for field, cell in cells.items()}
        known = self.external.get(name)
        if known and known[1] in self.tables[model]:
            self.write(model, [known[1]], values)
            return known[1]
        made = self._made(model, values)
        self.external[name] = (model, made)
        return made

    # --- inside ------------------------------------------------------------------------------------------------------

    def _all(self, model: str) -> Mapping[int, Row]:
        if model != EXTERNAL:
            return self.tables[model]
        return {
            number: {"module": name.partition(".")[0], "name": name.partition(".")[2], "model": found[0],
                     "res_id": found[1]}
            for number, (name, found) in enumerate(sorted(self.external.items()), start=1)
        }

    def _readable(self, model: str) -> None:
        if (model == "hr.employee" and not self.reads_employees) or (model == EXTERNAL and not self.may_create):
            raise _access("read", model)

    def _made(self, model: str, values: Mapping[str, Any]) -> int:
        if not self.may_create:
            raise _access("create", model)
        if model == GOAL and (lacking := [name for name in ("definition_id", "user_id", "target_goal")
                                          if values.get(name) in (None, False)]):
            raise Fault("odoo.exceptions.ValidationError", f"Missing required value for the field '{lacking[0]}'")
        row: Row = dict(NEW_GOAL) if model == GOAL else {}
        made = self._insert(model, row)
        self._set(row, values)
        return made

    def _change(self, row: Row, values: Mapping[str, Any]) -> None:
        if row.get("state") not in ("draft", None) and ("definition_id" in values or "user_id" in values):
            raise Fault("odoo.exceptions.UserError", "Can not modify the configuration of a started goal")
        self._set(row, values)
        if "last_update" in row:
            row["last_update"] = self.today()

    def _set(self, row: Row, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if name not in NEW_GOAL and name not in ("definition_id", "user_id", "target_goal"):
                raise Fault("builtins.ValueError", f"Invalid field '{name}' on model '{GOAL}'")
            if name in ("current", "target_goal"):
                row[name] = _float(value)
            elif name == "state" and value not in STATES:
                raise Fault("builtins.ValueError", f"Wrong value for gamification.goal.state: '{value}'")
            else:
                row[name] = value

    def _insert(self, model: str, row: Row) -> int:
        self._last += 1
        self.tables[model][self._last] = row
        return self._last

    def _delete(self, model: str, ids: Iterable[int]) -> None:
        """What is deleted loses its external id as well."""
        gone = set(ids)
        self.tables[model] = {id_: row for id_, row in self.tables[model].items() if id_ not in gone}
        self.external = {name: found for name, found in self.external.items()
                         if found[0] != model or found[1] not in gone}

    def _shown(self, row: Row, fields: Sequence[str]) -> Row:
        names = ["id", *(fields or [name for name in row if name != "id"])]
        if unknown := [name for name in names if name not in row]:
            raise Fault("builtins.ValueError", f"Invalid field '{unknown[0]}'")
        return {name: self._linked(name, row[name]) for name in names}

    def _linked(self, name: str, value: Any) -> Any:
        if name not in LINKS or not value:
            return value
        return [value, self.tables[LINKS[name]].get(value, {}).get("name") or f"{LINKS[name]},{value}"]


class Undone(Fault):
    """A load that is rolled back and answered all the same."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        super().__init__("undone", "undone")


def _bounds(period: str, today: date) -> tuple[str, str]:
    """First and last day of a challenge's period, as Odoo has them: its weeks are eight days long."""
    if period == "monthly":
        start = today.replace(day=1)
        return start.isoformat(), ((start + timedelta(days=31)).replace(day=1) - timedelta(days=1)).isoformat()
    if period == "yearly":
        return today.replace(month=1, day=1).isoformat(), today.replace(month=12, day=31).isoformat()
    start = today - timedelta(days=today.weekday() if period == "weekly" else 0)
    return start.isoformat(), (start + timedelta(days=7 if period == "weekly" else 0)).isoformat()


def _float(value: Any) -> float:
    """As Odoo's Float field stores it: nothing becomes 0."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        raise Fault("builtins.ValueError", f"could not convert string to float: {value!r}") from None


def _converted(field: str, cell: Any) -> Any:
    """What the import makes of a cell, which is text."""
    if not isinstance(cell, str):
        raise Fault("builtins.ValueError", f"'{cell}' does not seem to be text for field '{field}'")
    if field.endswith("/.id"):
        return int(cell)
    if field in ("current", "target_goal"):
        return _float(cell)
    return cell or False


def _holds(domain: list[Any], row: Row) -> bool:
    """Whether a domain in prefix notation holds of a row; neighbours without an operator are joined by and."""
    found = True
    while domain:
        found = _term(domain, row) and found
    return found


def _term(domain: list[Any], row: Row) -> bool:
    first = domain.pop(0)
    if first in ("|", "&"):
        one, other = _term(domain, row), _term(domain, row)
        return (one or other) if first == "|" else (one and other)
    if first == "!":
        return not _term(domain, row)
    field, operator, wanted = first
    value = row["id"] if field == "id" else row[field]
    if operator == "in":
        return value in wanted
    if operator == "=ilike":
        return isinstance(value, str) and value.casefold() == str(wanted).casefold()
    if operator not in ("=", "!="):
        raise Fault("builtins.ValueError", f"Invalid operator {operator!r}")
    return bool((value == wanted) is (operator == "="))


def _access(operation: str, model: str) -> Fault:
    return Fault("odoo.exceptions.AccessError", f"You are not allowed to {operation} '{model}' records.")


def _missing(model: str, id_: int) -> Fault:
    return Fault("odoo.exceptions.MissingError", f"Record does not exist or has been deleted. ({model},{id_})")

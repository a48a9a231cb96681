"""What a Tryton tells of itself: its fields with their types and selections, the states of opportunities, employees.

Definitions are those of `fields_get` (trytond 8.2, model/model.py), by name of the field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from connector.errors import AuthError, Permanent, UnexpectedShape
from connector.metadata import FieldInfo, FieldType, OwnerInfo, PipelineInfo, StageInfo

TYPES: Mapping[str, FieldType] = {
    "char": "text", "text": "text", "fulltext": "text", "integer": "number", "float": "number", "numeric": "number",
    "boolean": "boolean", "date": "date", "datetime": "datetime", "timestamp": "datetime", "selection": "choice",
    "multiselection": "choices", "many2one": "reference", "one2one": "reference", "reference": "reference",
    "one2many": "list", "many2many": "list",
}
RELATED: Mapping[str, FieldType] = {
    "currency.code": "text", "currency.digits": "number", "party.name": "text", "party.email": "text",
    "cancel_move.origin": "reference",
}
"""What is read of another record that a field points at: Tryton's own, which nobody can change."""
MADE: Mapping[str, Sequence[FieldInfo]] = {
    "opportunities": (FieldInfo("history", "What it was at each write", "list"),),
    "sales": (FieldInfo("opportunity", "The opportunity it comes from", "reference"),),
    "invoices": (
        FieldInfo("kind", "Invoice or credit note", "choice", {"invoice": "Invoice", "credit_note": "Credit note"}),
        FieldInfo("due", "Due when its last part is", "date"),
        FieldInfo("payments", "What settled it", "list"),
    ),
    "employees": (FieldInfo("users", "Users", "list"),),
}
"""What the adapter adds to a record; beside these the `status` of an invoice."""
ENDS: Mapping[str, Literal["won", "lost"]] = {"won": "won", "lost": "lost", "cancelled": "lost"}
T = TypeVar("T")


class Server:
    """Asks for it: `call` gives, for a stream, the result of a model's method with these arguments, in plain values.

    What this user may not read, or this Tryton does not have, is left out. Raises RemoteError.
    """

    def __init__(self, call: Callable[[str, str, str, Mapping[str, Any]], Any]) -> None:
        self._call = call

    def defined(self, stream: str, model: str, asked: Iterable[str]) -> dict[str, Any]:
        """The definitions of those fields of the model that are read: of `currency.code` that of the currency."""
        names = list(dict.fromkeys(["id", *(one.partition(".")[0] for one in asked)]))
        found = allowed(lambda: self._call(stream, model, "fields_get", {"fields_names": names, "level": 0}))
        return dict(found or {})

    def currencies(self) -> tuple[str | None, tuple[str, ...]]:
        """The company's currency, None where companies have several; and those in use, the company's first."""
        companies = self._rows("opportunities", "company.company", [], ["currency.code"])
        active = self._rows("currencies", "currency.currency", [["active", "=", True]], ["code"])
        own = sorted({str(row["currency"]["code"]) for row in companies if row["currency"]})
        codes = sorted({str(row["code"]) for row in active}.difference(own))
        return own[0] if len(own) == 1 else None, (*own, *codes)

    def _rows(self, stream: str, model: str, domain: list[Any], names: list[str]) -> list[Any]:
        asked = {"domain": domain, "offset": 0, "limit": None, "order": [["id", "ASC"]], "fields_names": names}
        return list(allowed(lambda: self._call(stream, model, "search_read", asked)) or ())


def allowed(ask: Callable[[], T]) -> T | None:
    """What is asked for; None where this user may not read it, or this Tryton does not have it."""
    try:
        return ask()
    except (AuthError, UnexpectedShape):
        raise
    except Permanent:
        return None


def fields(stream: str, asked: Iterable[str], defined: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """What stands in the records of a stream, by path; a field that this Tryton does not have is left out."""
    found = {}
    for path in ("id", *asked):
        head = path.partition(".")[0]
        if head in defined:
            one = _field(head, defined[head])
            is_within = path != head and one.type != "list"
            if is_within and path in RELATED:
                one = FieldInfo(path, one.label, RELATED[path])
            found[one.path] = one
    made = {one.path: one for one in MADE.get(stream, ())}
    if stream == "invoices" and "state" in found:
        options = {**found["state"].options, "credited": "Credited"}
        made["status"] = FieldInfo("status", "State, and whether a credit note took it back", "choice", options)
    return found | made


def pipeline(defined: Mapping[str, Any]) -> tuple[PipelineInfo, ...]:
    """The states an opportunity goes through, in Tryton's order; none where it does not tell them."""
    states = _field("state", defined["state"]).options if "state" in defined else {}
    stages = tuple(StageInfo(id_, name, ENDS.get(id_, "open")) for id_, name in states.items())
    return (PipelineInfo("sale", "sale", stages, "opportunities"),) if stages else ()


def owner(row: Mapping[str, Any]) -> OwnerInfo:
    """An employee, with the e-mail of the party, else that of the user."""
    party, users = row["party"] or {}, row["users"]
    email = party.get("email") or next((user["email"] for user in users if user["email"]), "")
    return OwnerInfo(str(row["id"]), str(email or ""), str(party.get("name") or ""), active=bool(row["active"]))


def _field(name: str, defined: Mapping[str, Any]) -> FieldInfo:
    """A selection that Tryton computes for each record has no options; then it is text like any other."""
    type_: FieldType = TYPES.get(str(defined["type"]), "other")
    options: dict[str, str] = {}
    if type_ in ("choice", "choices"):
        told = defined.get("selection")
        if isinstance(told, list):
            options = {str(value): str(label) for value, label in told if value not in (None, "")}
        else:
            type_ = "text" if type_ == "choice" else "list"
    return FieldInfo(name, str(defined.get("string") or ""), type_, options)

"""Frappe HRMS goals over the REST API: the attainment of a KPI becomes the progress of one employee's Goal.

Ours are known by a field you add to Goal (`external_id`), so a goal that a person made is never written. A goal is
looked for before it is made, since goals are not unique and duplicates of one KRA are averaged in the appraisal, and
read again after it was written. Seen on HRMS 15.33 or in frappe/hrms `hrms/hr/doctype/goal/goal.py`:
- progress is a percentage: above 100 is refused (417), -5 is taken, and what is no number becomes 0: checked here.
- A goal changes the employee's appraisal of its cycle, also a submitted one: refused unless `submitted: write`.
- Saving takes a closed goal up again: one that is Closed or Archived is left alone. A group goal is its children's
  average, so none is ever written; `parent` puts ours under one.
- Fields the site does not know are dropped without a word: without the field for our id nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters._frappe_hrms_calls import Refused, Site
from adapters._frappe_hrms_terms import GOAL, FrappeHrmsSettings, Terms, Wish, external_id
from connector.errors import AuthError, RemoteError, Unanswered
from connector.outgoing import Unusable, view
from connector.ports import Check, Context, Delivery, Destination, Receipt

LEFT_ALONE = ("Closed", "Archived")


@dataclass(frozen=True, slots=True)
class _Held:
    """What stands there: goals by our id, group goals by (employee, name, cycle), submitted (employee, cycle)."""

    goals: Mapping[str, Sequence[Mapping[str, Any]]]
    groups: Mapping[tuple[str, str, str | None], str]
    submitted: frozenset[tuple[str, str]]


class FrappeHrms(Destination):
    """Writes the goals that are ours, and touches nothing else."""

    Settings = FrappeHrmsSettings
    settings: FrappeHrmsSettings
    kind = "state"
    batch = 20
    concurrent = True
    withdraws = True

    def __init__(self, name: str, settings: FrappeHrmsSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        self._site = Site(name, settings, context)
        self._terms = Terms(settings, self._site, context)

    @classmethod
    def takes(cls, settings: FrappeHrmsSettings) -> Collection[str]:
        return settings.goals.keys()

    @property
    def requests(self) -> int:
        return self._site.client.requests

    def close(self) -> None:
        self._site.client.close()

    # --- what is written ---------------------------------------------------------------------------------------------

    def fields(self, delivery: Delivery) -> Mapping[str, Any]:
        try:
            said = self._terms.changing(delivery)
        except Unusable:
            return super().fields(delivery)
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in said.items()}

    def content(self, delivery: Delivery) -> Any:
        """The fields that follow the value, and whose it is; a value that cannot be said as it is."""
        try:
            self._terms.changing(delivery)
        except Unusable:
            return super().content(delivery)
        subject = view(delivery)["subject"]
        return {"fields": dict(self.fields(delivery)), "found_by": [subject["employee_code"], subject["email"]]}

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """An error raised from here says that nothing of what has no receipt was written."""
        wishes: list[Wish] = []
        for delivery in deliveries:
            try:
                wishes.append(self._terms.wish(delivery))
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))
        held = self._held(wishes, to_write=True)
        written: list[Wish] = []
        lost: dict[str, str] = {}
        try:
            for wish in wishes:
                try:
                    self._write(wish, held)
                except Unusable as unusable:
                    yield wish.receipt("refused", str(unusable))
                    continue
                except Refused as no:
                    yield Receipt(
                        wish.delivery.key, "refused", message=no.words, status=no.status, request_id=no.request_id
                    )
                    continue
                except Unanswered as unanswered:
                    lost[wish.delivery.key] = str(unanswered)
                written.append(wish)
            held = self._held(written)
        except RemoteError as failure:
            for wish in written:
                said = lost.get(wish.delivery.key, f"written, but not read back: {failure}")
                yield wish.receipt("unanswered", said)
            raise
        for wish in written:
            yield self._verdict(wish, held, lost.get(wish.delivery.key))

    def find(self, delivery: Delivery) -> Receipt | None:
        return next(iter(self.find_all([delivery])))

    def find_all(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt | None]:
        wishes: list[Wish | None] = []
        for delivery in deliveries:
            try:
                wishes.append(self._terms.wish(delivery))
            except Unusable:
                wishes.append(None)
        held = self._held([wish for wish in wishes if wish is not None])
        for wish in wishes:
            try:
                yield None if wish is None else self._read_back(wish, held)
            except Unusable:
                yield None

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """Delete the goals that are ours and as we wrote them; not where their appraisal is submitted."""
        field = self.settings.external_id
        written = {delivery.key: self._written(delivery) for delivery in deliveries}
        names = [external_id(delivery.key) for delivery in deliveries]
        fields = {"name", "employee", "appraisal_cycle", "status", "is_group", field}.union(*written.values())
        rows = self._site.list(GOAL, sorted(fields), [[field, "in", sorted(names)]])
        submitted = self._submitted({row["appraisal_cycle"] for row in rows} - {None})
        for delivery, name in zip(deliveries, names, strict=True):
            mine = [row for row in rows if row[field] == name]
            try:
                for row in mine:
                    _let_go(row, written[delivery.key], submitted)
                for row in mine:
                    self._site.delete(GOAL, row["name"])
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))
            except Refused as no:
                gone = no.status == 404
                yield Receipt(delivery.key, "confirmed" if gone else "refused", message=no.words)
            except Unanswered as lost:
                yield Receipt(delivery.key, "unanswered", message=str(lost))
            else:
                yield Receipt(delivery.key, "confirmed", message="our goal is gone")

    def _written(self, delivery: Delivery) -> Mapping[str, Any]:
        """The fields as we wrote them; none of a KPI that the config no longer names."""
        try:
            return self._terms.changing(delivery)
        except Unusable:
            return {}

    # --- one goal ----------------------------------------------------------------------------------------------------

    def _write(self, wish: Wish, held: _Held) -> None:
        """Make or change the goal. Raises Unusable, Refused, Unanswered, RemoteError."""
        row = self._mine(wish, held)
        if wish.cycle is not None and (wish.employee, wish.cycle) in held.submitted:
            raise Unusable(f"the appraisal of {wish.cycle} is submitted there, and a goal would change it")
        if row is not None:
            if row["employee"] != wish.employee:
                raise Unusable(f"our goal {row['name']} is of another employee ({row['employee']}) there; remove it")
            _taken_over(row)
            self._site.update(GOAL, row["name"], wish.changing)
            return
        document = dict(wish.document)
        if wish.parent is not None:
            document["parent_goal"] = held.groups.get((wish.employee, wish.parent, wish.cycle))
            if document["parent_goal"] is None:
                raise Unusable(f"this employee has no one group goal {wish.parent!r} (of the same cycle); add it there")
        try:
            self._site.insert(GOAL, document)
        except Refused as no:
            found = self._held([wish]) if no.is_duplicate else None
            row = self._mine(wish, found) if found else None
            if row is None:
                raise
            self._site.update(GOAL, row["name"], wish.changing)

    def _verdict(self, wish: Wish, held: _Held, lost: str | None) -> Receipt:
        """What reading again shows; `lost` is why nobody could tell before."""
        try:
            receipt = self._read_back(wish, held)
        except Unusable as unusable:
            return Receipt(wish.delivery.key, "refused", message=str(unusable), written=True)
        if receipt.outcome == "confirmed":
            return receipt
        if lost is not None or not self._mine(wish, held):
            return wish.receipt("unanswered", lost or "taken, and not there when it was read again")
        return Receipt(
            wish.delivery.key, "refused", receipt.remote_id, f"the site took it and {receipt.message}", written=True
        )

    def _read_back(self, wish: Wish, held: _Held) -> Receipt:
        """Raises Unusable when several stand there."""
        row = self._mine(wish, held)
        if row is None:
            return wish.receipt("retry", "not there")
        wrong = _differing(row, wish.changing)
        if wrong:
            message = f"holds {', '.join(f'{name} {row[name]}' for name in wrong)}"
            return wish.receipt("retry", message, row["name"])
        return wish.receipt("confirmed", "read back", row["name"])

    def _mine(self, wish: Wish, held: _Held) -> Mapping[str, Any] | None:
        """Our goal of this value. Raises Unusable when there are several."""
        found = held.goals.get(wish.external_id, ())
        if len(found) > 1:
            names = ", ".join(row["name"] for row in found)
            raise Unusable(
                f"{len(found)} goals there have our id, expected one: {names}; remove all but one, and make the field "
                f"{self.settings.external_id} unique"
            )
        return found[0] if found else None

    # --- what there is -----------------------------------------------------------------------------------------------

    def _held(self, wishes: Sequence[Wish], *, to_write: bool = False) -> _Held:
        """What stands there for these values; group goals and appraisals only where they matter, `to_write`."""
        goals: dict[str, list[Mapping[str, Any]]] = {}
        if wishes:
            field = self.settings.external_id
            own = {name for wish in wishes for name in wish.changing}
            fields = sorted({"name", "employee", "status", "is_group", field, *own})
            wanted = sorted(wish.external_id for wish in wishes)
            for row in self._site.list(GOAL, fields, [[field, "in", wanted]]):
                goals.setdefault(row[field], []).append(row)
        if not to_write:
            return _Held(goals, {}, frozenset())
        cycles = {wish.cycle for wish in wishes if wish.cycle is not None}
        return _Held(goals, self._groups(wishes), self._submitted(cycles))

    def _groups(self, wishes: Sequence[Wish]) -> dict[tuple[str, str, str | None], str]:
        """The group goals named as parents; one whose name fits several is none."""
        under = [wish for wish in wishes if wish.parent is not None]
        if not under:
            return {}
        rows = self._site.list(GOAL, ["name", "goal_name", "employee", "appraisal_cycle"], [
            ["is_group", "=", 1], ["employee", "in", sorted({wish.employee for wish in under})],
            ["goal_name", "in", sorted({wish.parent or "" for wish in under})],
        ])
        found: dict[tuple[str, str, str | None], list[str]] = {}
        for row in rows:
            place = row["employee"], row["goal_name"], row["appraisal_cycle"] or None
            found.setdefault(place, []).append(row["name"])
        return {place: names[0] for place, names in found.items() if len(names) == 1}

    def _submitted(self, cycles: set[str]) -> frozenset[tuple[str, str]]:
        """Whose appraisals of these cycles are submitted; nobody's where that does not matter."""
        if not cycles or self.settings.submitted == "write":
            return frozenset()
        filters = [["docstatus", "=", 1], ["appraisal_cycle", "in", sorted(cycles)]]
        rows = self._site.list("Appraisal", ["employee", "appraisal_cycle"], filters)
        return frozenset((row["employee"], row["appraisal_cycle"]) for row in rows)

    # --- check -------------------------------------------------------------------------------------------------------

    def check(self) -> Iterator[Check]:
        """Reads only: the employees, the goals by our field, and cycles and KRAs that are named outright."""
        field = self.settings.external_id
        try:
            self._terms.people()
            yield Check("log in and read employees", True)
        except AuthError as refused:
            yield Check("log in", False, str(refused))
            return
        except RemoteError as refused:
            yield Check("read employees", False, str(refused))
            return
        try:
            self._site.list(GOAL, [field], [[field, "=", "no such goal"]])
            yield Check(f"Goal has the field {field}", True)
        except RemoteError as refused:
            add = f"add {field} to Goal (Customize Form: Data, unique)"
            yield Check(f"Goal has the field {field}", False, f"{refused}; {add}")
        for doctype, key in (("Appraisal Cycle", "cycle"), ("KRA", "kra")):
            named = {getattr(goal, key) for goal in self.settings.goals.values()} - {None}
            for name in sorted(name for name in named if "{" not in name):
                yield self._is_there(doctype, name)

    def _is_there(self, doctype: str, name: str) -> Check:
        what = f"{doctype} {name}"
        try:
            found = self._site.list(doctype, ["name"], [["name", "=", name]])
        except RemoteError as refused:
            return Check(what, False, str(refused))
        return Check(what, bool(found), "" if found else "there is none of that name; make it there")


def _taken_over(row: Mapping[str, Any]) -> None:
    """Raises Unusable where a person took the goal over."""
    if row["status"] in LEFT_ALONE or row["is_group"]:
        what = "a group" if row["is_group"] else row["status"]
        raise Unusable(f"our goal {row['name']} is {what} there, so it is left alone")


def _let_go(row: Mapping[str, Any], written: Mapping[str, Any], submitted: frozenset[tuple[str, str]]) -> None:
    """Raises Unusable for a goal that may not be deleted."""
    if (row["employee"], row["appraisal_cycle"]) in submitted:
        raise Unusable("the appraisal it counts in is submitted")
    _taken_over(row)
    if wrong := _differing(row, written):
        said = ", ".join(f"{name} {row[name]}" for name in wrong)
        raise Unusable(f"somebody changed it there, so it was not taken back: {said}")


def _differing(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The fields in which the goal is not as wanted."""
    return [name for name, value in wanted.items() if not _same(name, row[name], value)]


def _same(name: str, held: Any, wanted: Any) -> bool:
    """Numbers by their worth; a description may come back as the site's editor writes it."""
    if name == "description":
        return True
    if wanted in (None, "") or held in (None, ""):
        return wanted in (None, "") and held in (None, "")
    try:
        return Decimal(str(held)) == Decimal(str(wanted))
    except InvalidOperation:
        return str(held) == str(wanted)

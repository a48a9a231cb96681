"""Odoo gamification goals, by JSON-RPC or JSON-2: the value of a KPI becomes `current` of one person's goal.

Two ways for a KPI: with `challenge`, Odoo makes the goals and we fill them in; without, the goals are ours, made by
`load` under external ids (module `pipeline_connector`), so that the same again makes no second.

What hurts, seen on 17.0 and 19.0 or in odoo/odoo `addons/gamification/models/gamification_goal.py`:
- "Refresh challenge" deletes goals in progress and makes new ones with other ids: a goal is looked up at every push by
  what it is about, read again after it was written, and missed by `lacks` when it was made anew between two runs.
- A definition that is not `manually` is computed by the daily job, which overwrites what was written: refused.
- `write` of `current` changes no `state`: it is written as well. Definition and user of a started goal cannot be.
- Duplicates are accepted: two goals for one value are an error, not a choice.
- Numbers are floats: a value of more than 15 digits is refused rather than changed. There is no empty number.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters._odoo_goals_calls import Refused, Wire
from adapters._odoo_goals_held import Held, Wish, external_name, is_equal
from adapters._odoo_goals_terms import GOAL, OdooGoalsSettings, Terms
from connector.errors import RemoteError, Unanswered
from connector.outgoing import Unusable, view
from connector.ports import Check, Context, Delivery, Destination, Receipt

EXTERNAL = "ir.model.data"
MODULE = "pipeline_connector"
FIELDS = ("definition_id", "user_id", "challenge_id", "start_date", "current", "target_goal", "state", "last_update")
COMPARED = ("current", "target_goal", "state")
COLUMNS = ("id", "definition_id/.id", "user_id/.id", "start_date", "end_date", "target_goal", "current", "state")
ROUNDS = 2  # a goal that is made anew while it is being written is looked for once more


class OdooGoals(Destination):
    """Writes goals, and touches nothing else."""

    Settings = OdooGoalsSettings
    settings: OdooGoalsSettings
    kind = "state"
    batch = 50
    concurrent = True
    withdraws = True

    def __init__(self, name: str, settings: OdooGoalsSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        self._wire = Wire(name, settings, context)
        self._terms = Terms(name, settings, self._wire, context)

    @classmethod
    def takes(cls, settings: OdooGoalsSettings) -> Collection[str]:
        return settings.goals.keys()

    @property
    def requests(self) -> int:
        return self._wire.client.requests

    def close(self) -> None:
        self._wire.client.close()

    # --- what is written ---------------------------------------------------------------------------------------------

    def fields(self, delivery: Delivery) -> Mapping[str, Any]:
        try:
            goal, said = self._terms.said(delivery)
        except Unusable:
            return super().fields(delivery)
        shown = {"current": str(said["current"])}
        return shown if goal.challenge or said["target"] is None else {**shown, "target_goal": str(said["target"])}

    def content(self, delivery: Delivery) -> Any:
        """The goal, whose it is, and whether its period is closed; a value that cannot be said as it is."""
        try:
            goal, _ = self._terms.said(delivery)
        except Unusable:
            return super().content(delivery)
        subject = view(delivery)["subject"]
        return {
            "goal": [goal.definition, goal.challenge], "fields": dict(self.fields(delivery)),
            "found_by": [subject["employee_code"], subject["email"]], "closed": delivery.kpi["status"] == "frozen",
        }

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        wishes: list[Wish] = []
        for delivery in deliveries:
            try:
                wishes.append(self._terms.wish(delivery))
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))
        for _ in range(ROUNDS):
            if wishes:
                wishes = yield from self._round(wishes)
        for wish in wishes:
            yield wish.receipt("unanswered", "its goal was made anew while it was being written")

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
                yield None if wish is None else self._read_back(wish, held.of(wish))
            except Unusable:
                yield None

    def lacks(self, deliveries: Sequence[Delivery]) -> Collection[str]:
        """Those whose goal Odoo deleted or made anew: it was never written since (`last_update` is empty)."""
        gone = set()
        try:
            for start in range(0, len(deliveries), 200):
                wishes = self._terms.wishes(deliveries[start:start + 200])
                held = self._held(wishes)
                for wish in wishes:
                    row = held.peek(wish)
                    is_new = row is not None and wish.challenge is not None and not row["last_update"]
                    if row is None or (is_new and not is_equal(row["current"], wish.current)):
                        gone.add(wish.delivery.key)
        except RemoteError:
            return ()  # the send that follows meets the same, and says so
        return gone

    def withdraw(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        """Delete the goals that are ours and as we wrote them.

        One of a challenge was there before us, so it stays, and a person decides.
        """
        ours = []
        for delivery in deliveries:
            goal = self.settings.goals.get(str(delivery.kpi["kpi"]))
            if goal is not None and goal.challenge:
                said = f"the goal belongs to the challenge {goal.challenge}; set its value there by hand"
                yield Receipt(delivery.key, "refused", message=said)
            else:
                ours.append(delivery)
        ids = self._external("name", [external_name(delivery.key) for delivery in ours])
        found = self._wire.search(GOAL, [["id", "in", sorted(ids.values())]], COMPARED) if ids else []
        rows = {row["id"]: row for row in found}
        for delivery in ours:
            row = rows.get(ids.get(external_name(delivery.key), 0))
            try:
                if row is not None:
                    self._let_go(delivery, row)
                    self._wire.write(GOAL, "unlink", [row["id"]])
            except Unusable as unusable:
                yield Receipt(delivery.key, "refused", message=str(unusable))
            except Refused as no:
                gone = no.exception.endswith("MissingError")
                yield Receipt(delivery.key, "confirmed" if gone else "refused", message=no.words)
            except Unanswered as lost:
                yield Receipt(delivery.key, "unanswered", message=str(lost))
            else:
                yield Receipt(delivery.key, "confirmed", message="our goal is gone")

    def _let_go(self, delivery: Delivery, row: Mapping[str, Any]) -> None:
        """Raises Unusable for a goal of ours that a person took over. Of a KPI that the config no longer names only its
        state tells that."""
        if row["state"] in ("draft", "canceled"):
            raise Unusable(f"our goal {row['id']} is {row['state']} in Odoo, so it is left alone")
        try:
            _, said = self._terms.said(delivery)
        except Unusable:
            return
        written = {"current": said["current"], "target_goal": said["target"]}
        wrong = [name for name, value in written.items() if value is not None and not is_equal(row[name], value)]
        if wrong:
            held = ", ".join(f"{name} {row[name]}" for name in wrong)
            raise Unusable(f"somebody changed it there, so it was not taken back: {held}")

    # --- a round: look, write, read again ----------------------------------------------------------------------------

    def _round(self, wishes: Sequence[Wish]) -> Generator[Receipt, None, list[Wish]]:
        """Bring these goals to what they should say; what it returns are those that vanished meanwhile.

        An error raised from here says that nothing of what has no receipt was written.
        """
        held = self._held(wishes)
        fresh: list[Wish] = []
        written: list[Wish] = []
        lost: dict[str, str] = {}
        try:
            for wish in wishes:
                try:
                    row = held.of(wish)
                    if row is None:
                        fresh.append(wish)
                    elif (receipt := self._write(wish, row)) is not None:
                        yield receipt
                    else:
                        written.append(wish)
                except Unusable as unusable:
                    yield wish.receipt("refused", str(unusable))
                except Unanswered as unanswered:
                    lost[wish.delivery.key] = str(unanswered)
                    written.append(wish)
            yield from self._load(fresh, written, lost)
            held = self._held(written)
        except RemoteError as failure:
            for wish in written:
                said = lost.get(wish.delivery.key, f"written, but not read back: {failure}")
                yield wish.receipt("unanswered", said)
            raise
        vanished = []
        for wish in written:
            row = held.peek(wish)
            receipt = self._read_back(wish, row)
            if receipt.outcome == "confirmed":
                yield receipt
            elif wish.delivery.key in lost:
                yield wish.receipt("unanswered", lost[wish.delivery.key])
            else:
                vanished.append(wish)
        return vanished

    def _write(self, wish: Wish, row: Mapping[str, Any]) -> Receipt | None:
        """Change a goal that is there; a receipt only for a refusal. Raises Unanswered, RemoteError."""
        try:
            self._wire.write(GOAL, "write", [row["id"]], vals=self._values(wish, row))
        except Refused as no:
            if no.exception.endswith("MissingError"):
                return None  # deleted between the look and the write: the round after this one looks again
            return wish.receipt("refused", no.words, row["id"])
        return None

    def _load(self, wishes: list[Wish], written: list[Wish], lost: dict[str, str]) -> Iterator[Receipt]:
        """Make goals of ours in one call; Odoo takes all or none, so those it names are left out and the rest tried."""
        while wishes:
            rows = [self._row(wish) for wish in wishes]
            try:
                answer = self._wire.write(GOAL, "load", fields=COLUMNS, data=rows)
            except Refused as no:
                yield from (wish.receipt("refused", no.words) for wish in wishes)
                return
            except Unanswered as unanswered:
                lost.update({wish.delivery.key: str(unanswered) for wish in wishes})
                written += wishes
                return
            faults = _faults(answer, len(wishes))
            if not faults:
                written += wishes
                return
            for number, words in faults.items():
                yield wishes[number].receipt("refused", words)
            wishes = [wish for number, wish in enumerate(wishes) if number not in faults]

    def _row(self, wish: Wish) -> list[str]:
        """A new goal of ours in the import's columns; its cells are text."""
        return [
            f"{MODULE}.{external_name(wish.delivery.key)}", str(wish.definition["id"]), str(wish.user), wish.start,
            wish.end, format(wish.target or 0, "f"), format(wish.current, "f"), self._state(wish, wish.target),
        ]

    def _values(self, wish: Wish, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is written into a goal that is there; its target only where the goal is ours."""
        made: dict[str, Any] = {"current": wish.current}
        target = Decimal(str(row["target_goal"]))
        if wish.challenge is None and wish.target is not None:
            made["target_goal"] = target = wish.target
        if self.settings.state:
            made["state"] = self._state(wish, target)
        return made

    def _state(self, wish: Wish, target: Decimal | None) -> str:
        if not self.settings.state or target is None:
            return "inprogress"
        is_higher = wish.definition["condition"] == "higher"
        if wish.current >= target if is_higher else wish.current <= target:
            return "reached"
        return "failed" if wish.delivery.kpi["status"] == "frozen" else "inprogress"

    def _read_back(self, wish: Wish, row: Mapping[str, Any] | None) -> Receipt:
        if row is None:
            return wish.receipt("retry", "not there")
        wanted = self._values(wish, row)
        wrong = [name for name, value in wanted.items() if not is_equal(row[name], value)]
        if wrong:
            return wish.receipt("retry", f"holds {', '.join(f'{name} {row[name]}' for name in wrong)}", row["id"])
        return wish.receipt("confirmed", "read back", row["id"])

    # --- what there is -----------------------------------------------------------------------------------------------

    def _held(self, wishes: Sequence[Wish]) -> Held:
        """The goals that stand there for these values."""
        if not wishes:
            return Held({}, {}, ())
        names = [external_name(wish.delivery.key) for wish in wishes if wish.challenge is None]
        ours = self._external("name", names)
        about = [
            ["definition_id", "in", sorted({wish.place[0] for wish in wishes})],
            ["user_id", "in", sorted({wish.user for wish in wishes})],
            ["start_date", "in", sorted({wish.start for wish in wishes})],
        ]
        domain = ["|", ["id", "in", sorted(ours.values())], "&", "&", *about]
        rows = {row["id"]: row for row in self._wire.search(GOAL, domain, FIELDS)}
        unknown = sorted(rows.keys() - ours.values()) if names else []
        others = self._external("res_id", unknown)
        return Held(rows, ours, {*ours.values(), *others.values()})

    def _external(self, column: str, wanted: Sequence[Any]) -> dict[str, int]:
        """The ids of our goals by the name we gave them: those of these names, or of these ids (`res_id`)."""
        if not wanted:
            return {}
        domain = [["module", "=", MODULE], ["model", "=", GOAL], [column, "in", sorted(wanted)]]
        return {row["name"]: row["res_id"] for row in self._wire.search(EXTERNAL, domain, ["name", "res_id"])}

    def check(self) -> Iterator[Check]:
        """Reads only: the login, the definitions and challenges named, the employees, and the right to make goals."""
        return self._terms.check()


def _faults(answer: Any, count: int) -> dict[int, str]:
    """By row of a load: Odoo's words on why it was not taken; all rows where it does not say which. Empty: all were."""
    if not isinstance(answer, Mapping):
        return {}
    found: dict[int, str] = {}
    errors = [one for one in answer.get("messages") or () if one.get("type") == "error"]
    for message in errors:
        rows = message.get("rows") or {"from": 0, "to": count - 1}
        for number in range(int(rows["from"]), min(int(rows["to"]), count - 1) + 1):
            found.setdefault(number, str(message.get("message") or "refused")[:200])
    if not answer.get("ids") and not found:
        return dict.fromkeys(range(count), "Odoo took none of these and did not say why")
    return found

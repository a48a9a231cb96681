"""What a value wants of Odoo (`Wish`), and the goals that stand there (`Held`): which one is meant, if any."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connector.outgoing import Filled, OutgoingField, Unusable
from connector.ports import Delivery, Outcome, Receipt


class GoalOf(BaseModel):
    """How one KPI is shown as goals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    definition: str = Field(description="Name of the goal definition; its computation mode has to be manual.")
    challenge: str | None = Field(
        None, description="Name of the challenge whose goals are filled in. Left out: the goals are made by us."
    )
    current: Filled = Field(
        OutgoingField.model_validate({"path": "value"}), description="What is shown, filled as in rest's `body`."
    )
    target: Filled = Field(
        OutgoingField.model_validate({"path": "target"}), description="What is to be reached, for goals made by us."
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """A delivery in Odoo's terms: which goal, and what it should say."""

    delivery: Delivery
    goal: GoalOf
    definition: Mapping[str, Any]
    challenge: int | None
    user: int
    start: str
    end: str
    current: Decimal
    target: Decimal | None

    @property
    def place(self) -> tuple[int, int, str]:
        """What a goal of this value is about."""
        return int(self.definition["id"]), self.user, self.start

    def receipt(self, outcome: Outcome, message: str = "", id_: int | None = None) -> Receipt:
        return Receipt(self.delivery.key, outcome, None if id_ is None else str(id_), message)


@dataclass(frozen=True, slots=True)
class Held:
    """Goals that stand there by id, the ids of ours by external name, and the ids of all that are ours."""

    rows: Mapping[int, Mapping[str, Any]]
    ours: Mapping[str, int]
    all_ours: Collection[int]

    def of(self, wish: Wish) -> Mapping[str, Any] | None:
        """The goal of this value, None when it has to be made. Raises Unusable when it is not ours to write."""
        row = self.peek(wish)
        if wish.challenge is None:
            others = [one["id"] for one in self._about(wish) if one["id"] not in self.all_ours]
            if row is None and others:
                raise Unusable(
                    f"a goal that is not ours stands there already (id {others[0]}); remove it, or name its challenge"
                )
            if row is not None and (row["definition_id"][0], row["user_id"][0]) != wish.place[:2]:
                raise Unusable(f"our goal {row['id']} is of another user or definition now; remove it there")
        elif row is None:
            found = len([one for one in self._about(wish) if _link(one["challenge_id"]) == wish.challenge])
            raise Unusable(
                f"the challenge {wish.goal.challenge} has {found or 'no'} goals of this person that start on "
                f"{wish.start}, expected one; is it started, and is the person in it?"
            )
        if row is not None and row["state"] in ("draft", "canceled"):
            raise Unusable(f"the goal {row['id']} is {row['state']} in Odoo; start it there")
        return row

    def peek(self, wish: Wish) -> Mapping[str, Any] | None:
        """The one goal of this value, whatever its state; None where there is none, or several."""
        if wish.challenge is None:
            return self.rows.get(self.ours.get(external_name(wish.delivery.key), 0))
        found = [row for row in self._about(wish) if _link(row["challenge_id"]) == wish.challenge]
        return found[0] if len(found) == 1 else None

    def _about(self, wish: Wish) -> list[Mapping[str, Any]]:
        """The goals of that definition, user and first day."""
        return [
            row for row in self.rows.values()
            if (_link(row["definition_id"]), _link(row["user_id"]), row["start_date"]) == wish.place
        ]


def _link(value: Any) -> int | None:
    """The id of a many2one, read as [id, name] or false."""
    return int(value[0]) if value else None


def external_name(key: str) -> str:
    """A delivery's key as the name of an external id: letters, digits and _, and a hash so that none is another's."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', key)[:80]}_{digest}"


def number_of(name: str, value: Any) -> Decimal:
    """The number as Odoo will hold it. Raises Unusable for one that no float holds."""
    try:
        number = Decimal(str(value))
        is_kept = number.is_finite() and Decimal(repr(float(number))) == number
    except ArithmeticError:
        raise Unusable(f"{name}: expected a number") from None
    if not is_kept:
        raise Unusable(f"{name}: Odoo keeps 15 digits of a number, and this one has more; scale or round it")
    return number


def is_equal(held: Any, wanted: Any) -> bool:
    if isinstance(wanted, Decimal):
        return float(held) == float(wanted)
    return bool(held == wanted)

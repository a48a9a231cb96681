"""What an administrator sets up in the fake HubSpot account: pipelines with their stages, users with their teams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.ports import Clock
from connector.twins.hubspot_types import STAGED
from connector.twins.portal_items import milliseconds, stamp

LEAD_PIPELINE = "lead-pipeline-id"
LEAD_STAGES = (
    ("new-stage-id", "New", ""), ("attempting-stage-id", "Attempting", ""), ("connected-stage-id", "Connected", ""),
    ("qualified-stage-id", "Qualified", "1.0"), ("unqualified-stage-id", "Disqualified", "0.0"),
)
"""The lead pipeline every account with leads begins with, for `Setup.add_pipeline(..., kind="leads")`."""


class Setup:
    """The configuration of an account. A change of it moves `updatedAt` of what changed, and of no record."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.owners: dict[str, dict[str, Any]] = {}
        self.teams: dict[str, str] = {}
        self.currency, self.currencies = "EUR", list[str]()  # the account's own, and those it has beside it
        self._pipelines: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in STAGED}

    @property
    def pipelines(self) -> dict[str, dict[str, Any]]:
        """The deal pipelines by id, as HubSpot sends them."""
        return self._pipelines["deals"]

    def pipelines_of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The pipelines of deals or of leads by id; of any other type, none."""
        return self._pipelines.get(kind, {})

    def stages_of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The stages of all pipelines of a type by id; HubSpot makes them unique in an account."""
        return {stage["id"]: stage for one in self.pipelines_of(kind).values() for stage in one["stages"]}

    def add_pipeline(self, id_: str, label: str, stages: Sequence[tuple[str, str, str]], *,
                     kind: str = "deals") -> None:
        """A pipeline of (stage id, label, probability as text); 1.0 and 0.0 are the closed stages."""
        held, now = self._pipelines[kind], self._stamp()
        held[id_] = {
            "id": id_, "label": label, "displayOrder": len(held), "archived": False, "createdAt": now,
            "updatedAt": now, "stages": [_stage(order, one, now) for order, one in enumerate(stages)],
        }

    def add_stage(self, pipeline: str, stage: tuple[str, str, str], *, kind: str = "deals") -> None:
        """One more stage (id, label, probability as text), the last in order."""
        held, now = self._pipelines[kind][pipeline], self._stamp()
        order = 1 + max((one["displayOrder"] for one in held["stages"]), default=-1)
        held["stages"].append(_stage(order, stage, now))
        held["updatedAt"] = now

    def rename_stage(self, stage: str, label: str, *, kind: str = "deals") -> None:
        """Another label; the id stays. Raises KeyError."""
        self.stages_of(kind)[stage] |= {"label": label, "updatedAt": self._stamp()}

    def archive_stage(self, stage: str, *, kind: str = "deals") -> None:
        """Still listed with its pipeline, as archived. Raises KeyError."""
        now = self._stamp()
        self.stages_of(kind)[stage] |= {"archived": True, "archivedAt": now, "updatedAt": now}

    def remove_stage(self, stage: str, *, kind: str = "deals") -> None:
        """No longer listed; the records in it keep its id, and no record can enter it. Raises KeyError."""
        if stage not in self.stages_of(kind):
            raise KeyError(stage)
        for pipeline in self._pipelines[kind].values():
            left = [one for one in pipeline["stages"] if one["id"] != stage]
            if len(left) < len(pipeline["stages"]):
                pipeline |= {"stages": left, "updatedAt": self._stamp()}

    def rename_pipeline(self, pipeline: str, label: str, *, kind: str = "deals") -> None:
        """Another label; the id stays. Raises KeyError."""
        self._pipelines[kind][pipeline] |= {"label": label, "updatedAt": self._stamp()}

    def remove_pipeline(self, pipeline: str, *, kind: str = "deals") -> None:
        """No longer listed, its stages neither; the records in it keep its id. Raises KeyError."""
        del self._pipelines[kind][pipeline]

    def add_owner(self, id_: str, *, email: str, first: str, last: str, user: int, teams: Sequence[str] = ()) -> None:
        """A user who may own records; `user` is what property histories name. The first team is the primary one."""
        now = self._stamp()
        self.owners[id_] = {
            "id": id_, "email": email, "type": "PERSON", "firstName": first, "lastName": last, "userId": user,
            "userIdIncludingInactive": user, "createdAt": now, "updatedAt": now, "archived": False,
            "teams": self._teams(teams),
        }

    def set_teams(self, owner: str, teams: Sequence[str]) -> None:
        """Put a user into these teams and no others; the first is the primary one. Raises KeyError."""
        self.owners[owner] |= {"teams": self._teams(teams), "updatedAt": self._stamp()}

    def archive_owner(self, id_: str, *, at: int | None = None) -> None:
        """The user left: found by `archived=true` only, and without `userId`."""
        self.owners[id_] |= {"archived": True, "userId": None, "updatedAt": self._stamp(at)}

    def restore_owner(self, id_: str) -> None:
        """The user came back. Raises KeyError."""
        owner = self.owners[id_]
        owner |= {"archived": False, "userId": owner["userIdIncludingInactive"], "updatedAt": self._stamp()}

    def _teams(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"id": self.teams.setdefault(name, str(len(self.teams) + 1)), "name": name, "primary": number == 0}
            for number, name in enumerate(names)
        ]

    def _at(self, at: int | None = None) -> int:
        return milliseconds(self.clock.now()) if at is None else at

    def _stamp(self, at: int | None = None) -> str:
        return stamp(self._at(at))


def _stage(order: int, stage: tuple[str, str, str], now: str) -> dict[str, Any]:
    id_, label, probability = stage
    metadata: Mapping[str, str] = {
        "isClosed": str(probability in ("0.0", "1.0")).lower(), **({"probability": probability} if probability else {}),
    }
    return {
        "id": id_, "label": label, "displayOrder": order, "archived": False, "metadata": metadata, "createdAt": now,
        "updatedAt": now, "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }

"""Perdoo: commits over GraphQL. A commit with an id is changed, without one it is new; no is said in three layers, two
of them with status 200."""

from __future__ import annotations

from typing import Any

from connector.twins.hr_vendors.vendor import KPIS, PEOPLE, HrVendor, body
from connector.twins.server import Reply, Request

GOALS = {f"{kpi}/{code}": f"goal-{kpi}-{code}" for code in PEOPLE for kpi in KPIS}


class PerdooTwin(HrVendor):
    """`commits` by id, of which the last of a goal is its value; `broken` answers with errors at the top, `closed` are
    goals whose payload has errors."""

    preset = "perdoo"

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.commits: dict[str, dict[str, Any]] = {}
        self.broken = False
        self.closed: set[str] = set()
        self.route("POST", "/graphql", self.signed(self._graphql, value="Bearer perdoo-token"))

    def given(self) -> dict[str, Any]:
        return {"token": "perdoo-token", "goals": GOALS, "address": self.url}

    def changes(self) -> dict[str, Any]:
        return {"requests_per_second": 50}

    def standing(self) -> Any:
        kpis = {goal: tuple(name.split("/")) for name, goal in GOALS.items()}
        self.values = {}
        for commit in self.commits.values():
            kpi, code = kpis[commit["keyResult"]]
            self.hold(kpi, code, commit["value"])
        return super().standing()

    def _graphql(self, request: Request) -> Any:
        asked = body(request)
        given = asked.get("variables", {})
        if self.broken:
            return {"data": None, "errors": [{"message": "internal error"}]}
        if "upsertCommit" not in asked["query"]:
            values = [commit["value"] for commit in self.commits.values() if commit["keyResult"] == given["id"]]
            return {"data": {"goal": {"id": given["id"], "currentValue": values[-1] if values else None}}}
        given = given["input"]
        if given["keyResult"] in self.closed:
            errors = [{"field": "keyResult", "messages": ["the goal is closed"]}]
            return {"data": {"upsertCommit": {"commit": None, "errors": errors}}}
        key = given.get("id") or f"commit-{request.number}"
        if given.get("id") and key not in self.commits:
            return Reply(200, {"data": None, "errors": [{"message": "no such commit"}]})
        self.commits.pop(key, None)  # what was written last stands last
        self.commits[key] = given
        return {"data": {"upsertCommit": {"commit": {"id": key, "value": given["value"]}, "errors": []}}}

"""A fake Acme over real HTTP: `python acme_twin.py` serves it on port 8899, with four deals of March 2026."""

from datetime import UTC, datetime

from connector.rest import written
from connector.twins.clock import SimulatedClock
from connector.twins.server import Refused, Reply, Request, Twin, run_as_process

PAGE = 3
STAGES = [("new", "New", "open"), ("offer", "Offer", "open"), ("won", "Won", "won"), ("lost", "Lost", "lost")]


class AcmeTwin(Twin):
    """`rows` is its data; what changes is stamped with its clock."""

    def __init__(self, **given):
        super().__init__(**given)
        self.token = "acme-token"  # noqa: S105 - a fake's
        self.rows = {"users": {}, "deals": {}}
        self.route("GET", "/v2/stages", self.stages)
        self.route("GET", "/v2/{kind}", self.list)
        self.route("GET", "/v2/{kind}/{id}", self.one)

    def put(self, kind, id, **fields):
        now = written(self.clock.now(), "iso")
        row = self.rows[kind].get(id, {"id": id, "created_at": now, "history": []})
        if "stage" in fields:
            row["history"] = [*row["history"], {"stage": fields["stage"], "at": now, "user_id": fields["user_id"]}]
        self.rows[kind][id] = {**row, **fields, "updated_at": now}

    def list(self, request: Request, kind):
        self.let_in(request)
        low, high, after = request.one("updated_from"), request.one("updated_to", "9"), request.one("after")
        places = {f"{row['updated_at']} {id}": row for id, row in self.rows[kind].items()}
        found = [place for place in sorted(places) if low <= places[place]["updated_at"] <= high and place > after]
        shown = found if kind == "users" else found[:PAGE]
        return {"data": [places[place] for place in shown], "next": shown[-1] if found[len(shown):] else None}

    def one(self, request: Request, kind, id):
        self.let_in(request)
        return self.rows[kind].get(id) or Reply(404, {"error": "not found"})

    def stages(self, request: Request):
        self.let_in(request)
        return {"data": [{"id": id, "name": name, "outcome": outcome} for id, name, outcome in STAGES]}

    def let_in(self, request: Request):
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(Reply(401, {"error": "unknown token"}))


if __name__ == "__main__":
    clock = SimulatedClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
    twin = AcmeTwin(clock=clock, port=8899)
    twin.put("users", "u1", name="Ana Alvarez", email="ana@acme.example")
    for number, value in enumerate(["1200.50", "800.00", "450.00", "3000.00"], start=1):
        twin.put("deals", f"d{number}", title=f"Deal {number}", value=value, currency="EUR", user_id="u1", stage="new")
    clock.sleep(7 * 86_400)
    for id_, stage in (("d1", "won"), ("d2", "lost"), ("d4", "won")):
        twin.put("deals", id_, user_id="u1", stage=stage)
    run_as_process(twin)

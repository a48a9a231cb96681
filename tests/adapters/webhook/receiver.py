"""A receiver of webhooks as the standard asks for one: compares the signature with that of the standard's own library,
by a clock handed in, and keeps the ids it has seen, so that it takes each event once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from standardwebhooks import Webhook as Verifier

from connector.ports import Clock
from connector.twins.server import Reply, Request, Twin

OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8  # 24 bytes each


class Receiver(Twin):
    """`events` are those taken, in order; `seen` the ids; `secret` is the one it checks by."""

    def __init__(self, clock: Clock, secret: str = NEW) -> None:
        super().__init__(clock=clock)
        self.secret, self.events, self.seen = secret, list[dict[str, Any]](), list[str]()
        self.route("POST", "/hooks/kpi", self._take)

    def _take(self, request: Request) -> Reply:
        sent_at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        expected = Verifier(self.secret).sign(request.headers["webhook-id"], sent_at, request.body.decode())
        is_ours = expected in request.headers["webhook-signature"].split(" ")
        if not is_ours or abs(self.clock.now() - sent_at) > timedelta(minutes=5):
            return Reply(401, {"message": "not signed by us, or too old"})
        self.seen.append(request.headers["webhook-id"])
        if self.seen.count(self.seen[-1]) == 1:
            self.events.append(request.json())
        return Reply(204)

    @property
    def held(self) -> dict[str, str | None]:
        """The last value of each key, as a receiver would have it."""
        return {event["subject"]: event["data"]["value"] for event in self.events}

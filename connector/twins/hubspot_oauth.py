"""The OAuth app of the fake HubSpot account: access tokens that expire, refresh tokens that may rotate."""

from __future__ import annotations

from collections.abc import Mapping

from connector.twins.hubspot_view import error
from connector.twins.portal_items import stamp
from connector.twins.server import Refused, Reply

SCOPES = (
    "oauth", "crm.objects.deals.read", "crm.objects.contacts.read", "crm.objects.companies.read",
    "crm.objects.owners.read", "crm.objects.leads.read", "crm.dealsplits.read_write", "sales-email-read",
)


class OAuthApp:
    """One installed app. An access token is good for `seconds` of the twin's clock.

    rotates: each refresh gives a new refresh token and ends the old one (HubSpot's own does not change; others' do).
    `grants` counts the tokens given.
    """

    def __init__(self, client_id: str = "twin-client", client_secret: str = "twin-secret",  # noqa: S107 - a fake's
                 refresh_token: str = "twin-refresh", *, seconds: int = 1800, rotates: bool = False) -> None:  # noqa: S107 - a fake's
        self.client_id, self.client_secret, self.refresh_token = client_id, client_secret, refresh_token
        self.seconds, self.rotates, self.grants = seconds, rotates, 0
        self._ends: dict[str, int] = {}
        self._first = refresh_token

    def grant(self, form: Mapping[str, str], now: int) -> Reply:
        """The answer to a request for a token; `now` in milliseconds."""
        for name, held in (("client_id", self.client_id), ("client_secret", self.client_secret)):
            if form.get(name) != held:
                return _refused(f"BAD_{name.upper()}", f"missing or unknown {name.replace('_', ' ')}")
        if form.get("grant_type") != "refresh_token":
            return _refused("BAD_GRANT_TYPE", "missing or unknown grant type")
        if form.get("refresh_token") != self.refresh_token:
            return _refused("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        self.grants += 1
        if self.rotates:
            self.refresh_token = f"{self._first}-{self.grants + 1}"
        token = f"twin-access-{self.grants}"
        self._ends[token] = now + self.seconds * 1000
        return Reply(200, {
            "access_token": token, "refresh_token": self.refresh_token, "expires_in": self.seconds,
            "token_type": "bearer", "hub_id": 7_654_321, "scopes": list(SCOPES), "user_id": 771,
        })

    def expire(self) -> None:
        """End every access token given so far, as if its time were over."""
        self._ends = dict.fromkeys(self._ends, 0)

    def revoke(self) -> None:
        """The customer removed the app: neither the access tokens nor the refresh token are good any more."""
        self._ends.clear()
        self.refresh_token = ""

    def let_in(self, token: str, now: int) -> bool:
        """Whether this is a good access token; False if it is none of ours. Raises Refused if it has expired."""
        ends = self._ends.get(token)
        if ends is not None and ends <= now:
            seconds = (now - ends) // 1000 if ends else 0
            raise expired(seconds, stamp(ends or now))
        return ends is not None


def expired(seconds: int, at: str) -> Refused:
    """HubSpot's 401 to a token whose time is over: https://github.com/airbytehq/airbyte/issues/74726."""
    message = f"The OAuth token used to make this call expired {seconds} second(s) ago."
    return error(401, "EXPIRED_AUTHENTICATION", message, context={"expire time": [at]})


def _refused(status: str, message: str) -> Reply:
    return Reply(400, {"status": status, "message": message})

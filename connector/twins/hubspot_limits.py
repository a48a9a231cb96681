"""HubSpot's limits: calls per ten seconds, searches per second, calls per day, each counted on the twin's clock."""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime, timedelta, tzinfo

from connector.ports import Clock
from connector.twins.hubspot_view import error
from connector.twins.portal_items import milliseconds
from connector.twins.server import Refused

UNLIMITED = 100_000
_WINDOW, _SECOND = 10_000, 1_000


class Limits:
    """`rate` calls per rolling 10 seconds, `search_rate` searches per rolling second, `daily` calls of both a day.

    A refused call counts for none. The day begins at midnight in `zone`. `retry_after` says whether a 429 has that
    header, in whole seconds; HubSpot often sends none. Searches count by day and by second only, and their answers
    carry no headers: https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
    """

    def __init__(self, clock: Clock, *, rate: int, search_rate: int, daily: int, retry_after: bool,
                 zone: tzinfo = UTC) -> None:
        self.clock, self.rate, self.search_rate, self.daily = clock, rate, search_rate, daily
        self.retry_after, self.zone = retry_after, zone
        self._calls: deque[int] = deque()
        self._searches: deque[int] = deque()
        self._day, self._today = date.min, 0

    def take(self, *, search: bool) -> tuple[dict[str, str], Refused | None]:
        """Count one call now: the headers of its answer, and the refusal if it is one too many."""
        moment = self.clock.now()
        times, most, span = (self._searches, self.search_rate, _SECOND) if search else (self._calls, self.rate, _WINDOW)
        now, today = milliseconds(moment), moment.astimezone(self.zone).date()
        if today != self._day:
            self._day, self._today = today, 0
        while times and times[0] <= now - span:
            times.popleft()
        refusal = None
        if self._today >= self.daily:
            refusal = self.refused("DAILY", self._until_midnight(moment))
        elif len(times) >= most:
            wait = -(-(times[0] + span - now) // 1000) if times else 1
            refusal = self.refused("SECONDLY" if search else "TEN_SECONDLY_ROLLING", wait)
        else:
            times.append(now)
            self._today += 1
        return {} if search else self._headers(), refusal

    def refused(self, policy: str, wait: int) -> Refused:
        """The 429 of that policy; `wait` in seconds is only said if this account says it."""
        refusal = error(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.", errorType="RATE_LIMIT",
                        policyName=policy)
        if self.retry_after:
            refusal.reply = refusal.reply.plus({"Retry-After": str(wait)})
        return refusal

    def _headers(self) -> dict[str, str]:
        return {
            "X-HubSpot-RateLimit-Max": str(self.rate),
            "X-HubSpot-RateLimit-Remaining": str(max(0, self.rate - len(self._calls))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(_WINDOW),
            "X-HubSpot-RateLimit-Daily": str(self.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, self.daily - self._today)),
        }

    def _until_midnight(self, moment: datetime) -> int:
        local = moment.astimezone(self.zone)
        midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), self.zone)
        return -(-(milliseconds(midnight) - milliseconds(moment)) // 1000)

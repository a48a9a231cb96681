"""Digest: what changed since the last one, who is off track, the bottleneck and a small chart, to a chat or by e-mail.

Posted by Apprise (https://github.com/caronc/apprise), which knows Slack, Teams (workflows://), e-mail and a hundred
others by their address. One message for all that is owed, to one place: an address of several is refused, since one of
them may take the message while another does not. Some services take the picture by a call of its own: what was posted
in part is held for a person too.

A chat cannot be read back and takes a repeat for a second message. So a message whose answer is lost is held for a
person (`on_unanswered`), and only what certainly did not arrive is posted again. Apprise answers with yes or no alone;
why stands in what it logs, where its plug-ins all say `error=STATUS`, or the socket's own words.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from adapters._digest_chart import png
from adapters._digest_message import Message, compose
from connector.errors import AuthError, Permanent, RateLimited, Transient
from connector.ports import AdapterSettings, Check, Delivery, Destination, Outcome, Receipt

_STATUS = re.compile(r"\berror=(\d{3})\b")
_ACCEPTED = re.compile(r"\bSent\b|\bsent successfully\b")  # what the plug-ins log of each call that was taken
_NEVER_SENT = re.compile(
    r"NewConnectionError|ConnectTimeout|NameResolutionError|Connection refused|No route to host|"
    r"Name or service not known|Temporary failure in name resolution"
)
_CREDENTIAL = {401, 403, 404, 410}  # of an address that is the credential
_NOT_TAKEN = {408, 425, 429}  # a gateway gives 503 also when the service behind it fell silent


@contextmanager
def _kept_from_others() -> Iterator[None]:
    """What Apprise logs meanwhile, addresses and all, is for us alone."""
    logger = logging.getLogger("apprise")
    before, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.propagate = before


class DigestSettings(AdapterSettings):
    """Where the message goes, and what is in it."""

    to: SecretStr = Field(
        description="One address as Apprise has them: slack://…, workflows://… (Teams), mailto://user:password@host."
    )
    title: str = Field("KPI digest", description="The first words of the message; the periods follow.")
    link: str | None = Field(None, pattern=r"^https?://", description="Where one reads on: the dashboard's web.url.")
    people: bool = Field(False, description="Name people, with their figures; without it they are counted.")
    off_track: Decimal = Field(
        Decimal("0.8"), gt=0, le=10, description="Below that share of the target a value is off track.",
        json_schema_extra={"default": 0.8},
    )
    lines: int = Field(10, ge=1, le=40, description="At most so many lines of a list.")
    chart: bool = Field(True, description="Attach a small picture, where the service takes one.")

    @field_validator("to")
    @classmethod
    def _address(cls, to: SecretStr) -> SecretStr:
        if find_spec("apprise") is None:
            raise ValueError("a digest needs the package apprise: pip install 'pipeline-connector[digest]'")
        parts = urlsplit(to.get_secret_value())
        if not parts.scheme or "://" not in to.get_secret_value():
            raise ValueError("expected an address as Apprise has them, such as slack://TokenA/TokenB/TokenC/#channel")
        if re.search(r"(^|&)retry=", parts.query):
            raise ValueError("expected no retry= in it: after a lost answer it would post a second message")
        return to


class Digest(Destination):
    """Posts one message a run."""

    Settings = DigestSettings
    settings: DigestSettings
    batch = 1_000_000  # a run's values at once: they are one message
    kind = "log"

    _requests = 0

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        message = self.message(deliveries)
        outcome, status, said = self._post(message)
        for delivery in deliveries:
            yield Receipt(delivery.key, outcome, status=status, message=said)

    def message(self, deliveries: Sequence[Delivery]) -> Message:
        """What would be posted of these."""
        given = self.settings
        return compose(
            deliveries, title=given.title, link=given.link or "", off_track=given.off_track, people=given.people,
            lines=given.lines,
        )

    def _post(self, message: Message) -> tuple[Outcome, int | None, str]:
        """Whether it arrived. Raises AuthError, RateLimited, Transient where nobody can be reached."""
        import apprise

        captured: Any = apprise.LogCapture
        target = self._target()
        attached = self._attached(message)
        self._requests += 1
        with _kept_from_others(), captured(level=logging.DEBUG) as log:
            is_posted = target.notify(
                title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT, attach=attached
            )
            told = log.getvalue()
        if is_posted:
            return "confirmed", None, "accepted"
        found = _STATUS.findall(told)
        status = int(found[-1]) if found else None
        if _ACCEPTED.search(told):
            why = "" if status is None else f" (status {status})"
            hint = "; without a picture: chart: false" if attached is not None else ""
            return "unanswered", status, f"a part of it was posted, the rest was not{why}{hint}"
        if status is None and _NEVER_SENT.search(told):
            raise Transient(f"{self.name}: the service cannot be reached; check the address", system=self.name)
        return self._no(status)

    def _no(self, status: int | None) -> tuple[Outcome, int | None, str]:
        """What a message that was not accepted means: only a status tells for certain that it is not there."""
        if status in _CREDENTIAL:
            raise AuthError(
                f"{self.name}: the service refused the address (status {status}); renew it, or the channel it names",
                system=self.name, status=status,
            )
        if status == 429:
            raise RateLimited(f"{self.name}: the service is busy (status 429)", system=self.name, status=status)
        if status in _NOT_TAKEN:
            return "retry", status, f"the service is busy (status {status})"
        if status is not None and 400 <= status < 500:
            return "refused", status, f"the service refused the message (status {status})"
        return "unanswered", status, "no clear answer: the message may have been posted"

    def _target(self) -> Any:
        """Apprise with the one address. Raises Permanent where it knows no such service, or the address has several."""
        import apprise

        asset = apprise.AppriseAsset(app_id="pipeline-connector", app_desc="KPI digest", async_mode=False)
        target = apprise.Apprise(asset=asset)
        if not target.add(self.settings.to.get_secret_value()):
            raise Permanent(
                f"{self.name}: Apprise knows no such address; see its list of services for how each is written",
                system=self.name,
            )
        places = sum(len(service) for service in target)
        if places > 1:
            raise Permanent(
                f"{self.name}: the address names {places} places, expected one; make a destination of each",
                system=self.name,
            )
        return target

    def _attached(self, message: Message) -> Any:
        """The picture, if there is something to show and the service may take it."""
        if not self.settings.chart or not message.bars:
            return None
        from apprise.attachment.memory import AttachMemory

        made: Any = AttachMemory
        return made(content=png(message.bars), name="kpi.png", mimetype="image/png")

    def check(self) -> Iterator[Check]:
        """Whether the address can be read; nothing is posted."""
        try:
            self._target()
        except Permanent as error:
            yield Check("the address is one that Apprise knows", False, str(error))
        else:
            yield Check("the address is one that Apprise knows", True, "nothing was posted")

    @property
    def requests(self) -> int:
        return self._requests

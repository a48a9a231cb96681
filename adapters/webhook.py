"""Webhook: each changed KPI value as one event, POSTed to an address of yours.

The body is a CloudEvent 1.0 in structured mode (https://github.com/cloudevents/spec); around it are the headers of
Standard Webhooks (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` (of this attempt) and
`webhook-signature` by each of the secrets, so that a receiver may change from one to the other at its own time.

`webhook-id` is the event's `id`, made of the destination, the value's key, what is said and which change of it that is:
every attempt at one event has the same, so a receiver that keeps the ids it has seen takes each once. A value that goes
back to what it was is a new event. Nothing can be read back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from connector.answer import Response
from connector.errors import AuthError, Permanent, RateLimited, RemoteError, Transient, Unanswered, UnexpectedShape
from connector.http import Client, Pace
from connector.model import canonical_json
from connector.outgoing import view
from connector.ports import AdapterSettings, Check, Clock, Context, Delivery, Destination, Receipt

TRIES = 3  # of an event whose answer is lost, within one run
SILENT = 3  # so many events in a row that nobody took, and the receiver is left alone until the next run
_PAUSE = 1.0  # seconds before the second try, doubled
_SHORTEST, _LONGEST = 24, 64  # bytes of a secret


class WebhookSettings(AdapterSettings):
    """Where events go, and what they are signed with."""

    url: SecretStr = Field(description="The receiver's address, https://…; it may hold a token.")
    secrets: list[SecretStr] = Field(
        min_length=1, max_length=2,
        description="whsec_ and base64 of 24 to 64 bytes; two while the receiver changes from the old to the new.",
    )
    source: str = Field("", description="The CloudEvents source, a URI; urn:pipeline-connector:NAME without one.")
    type: str = Field("kpi.value.updated", pattern=r"^[\w.-]+$", description="The type of the events.")
    requests_per_second: float | None = Field(None, gt=0, description="The receiver's ceiling.")

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address https://host/path")
        return url

    @field_validator("secrets")
    @classmethod
    def _keys(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            if not _SHORTEST <= len(_key(secret.get_secret_value())) <= _LONGEST:
                raise ValueError("expected whsec_ and the base64 of 24 to 64 bytes, such as `openssl rand -base64 32`")
        return secrets


def _key(secret: str) -> bytes:
    """The bytes that sign; none where it is no secret of this kind."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True) if secret.startswith("whsec_") else b""
    except (binascii.Error, ValueError):
        return b""


class _Signature:
    """Signs the event that the thread has at hand, anew for each attempt, since the time of it is signed too."""

    def __init__(self, secrets: Sequence[str], clock: Clock) -> None:
        self._secrets, self._clock = tuple(secrets), clock
        self.event = threading.local()

    def apply(self, headers: MutableMapping[str, str], params: MutableMapping[str, str]) -> None:
        sent_at = str(int(self._clock.now().timestamp()))
        signed = f"{self.event.id}.{sent_at}.".encode() + self.event.body
        headers["webhook-id"], headers["webhook-timestamp"] = self.event.id, sent_at
        headers["webhook-signature"] = " ".join(
            f"v1,{base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()}"
            for secret in self._secrets
        )

    def refresh(self) -> bool:
        return False

    def secrets(self) -> tuple[str, ...]:
        return self._secrets


class Webhook(Destination):
    """Sends events one by one, in the order they are owed."""

    Settings = WebhookSettings
    settings: WebhookSettings
    batch = 20  # events whose receipts are kept together: a repeat after a crash has the same id
    kind = "log"
    idempotent = True  # by webhook-id

    def __init__(self, name: str, settings: WebhookSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        url = settings.url.get_secret_value()
        self._source = settings.source or f"urn:pipeline-connector:{name}"
        self._signature = _Signature([secret.get_secret_value() for secret in settings.secrets], context.clock)
        self._client = Client(
            url, system=name, context=context, auth=self._signature, judge=_judge, secrets=(url, *_hidden(url)),
            timeout=(10, 30), forbidden_is_auth=True,
            pace=Pace(requests_per_second=settings.requests_per_second) if settings.requests_per_second else None,
        )
        self._silent = 0

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        for delivery in deliveries:
            receipt = self._send(delivery)
            self._silent = 0 if receipt.outcome in ("confirmed", "refused") else self._silent + 1
            yield receipt
            if self._silent == SILENT:
                said = f"{self.name}: {SILENT} events in a row were not taken; the rest waits"
                raise Transient(said, system=self.name)

    def event(self, delivery: Delivery) -> dict[str, Any]:
        """The CloudEvent; the same for every attempt."""
        said = {name: value for name, value in view(delivery).items() if name != "key"}
        return {
            "specversion": "1.0", "id": self._id(delivery), "source": self._source, "type": self.settings.type,
            "subject": delivery.key, "time": delivery.kpi["as_of"], "datacontenttype": "application/json", "data": said,
        }

    def _id(self, delivery: Delivery) -> str:
        parts = (self.name, delivery.key, str(delivery.revision), canonical_json(self.content(delivery)))
        return f"evt_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:40]}"

    def _send(self, delivery: Delivery) -> Receipt:
        """Raises AuthError, RateLimited, and Transient where nobody can be reached."""
        event = self.event(delivery)
        self._signature.event.id, self._signature.event.body = event["id"], canonical_json(event).encode()
        try:
            response = self._post()
        except (AuthError, RateLimited):
            raise
        except Unanswered as error:
            return _receipt(delivery, "unanswered", error)
        except Transient as error:
            if error.status is None:
                raise
            return _receipt(delivery, "retry", error)
        except Permanent as error:
            return _receipt(delivery, "refused", error)
        return Receipt(delivery.key, "confirmed", remote_id=event["id"], status=response.status,
                       request_id=response.request_id)

    def _post(self) -> Response:
        """The receiver's yes. A lost answer is asked for again, with the same id. Raises RemoteError."""
        for tried in range(TRIES):
            try:
                return self._client.request(
                    "POST", "", data=self._signature.event.body,
                    headers={"Content-Type": "application/cloudevents+json; charset=utf-8"},
                )
            except Unanswered:
                if tried == TRIES - 1 or self.context.stop():
                    raise
                self.context.clock.sleep(_PAUSE * 2**tried)
        raise AssertionError("unreachable")

    def check(self) -> Iterator[Check]:
        """Nothing is asked: whatever a webhook is sent is an event to it."""
        yield Check("the secrets can sign", True, "the receiver is not asked: it can only be written to")

    @property
    def requests(self) -> int:
        return self._client.requests

    def close(self) -> None:
        self._client.close()


def _hidden(url: str) -> tuple[str, ...]:
    """The parts of the address that may be a credential, as log lines would show them."""
    parts = urlsplit(url)
    return tuple(part for part in (parts.query, parts.path.strip("/"), parts.password or "") if len(part) >= 8)


def _judge(response: Response) -> RemoteError | None:
    """410 says that nobody listens there any more: the destination stops until a person has looked.

    A redirect is a no: a repeat has the same id, so that nothing is lost by asking again.
    """
    if 300 <= response.status < 400:
        return response.error(UnexpectedShape, f"status {response.status}: redirects are not followed; correct url")
    if response.status == 410:
        return response.error(AuthError, "the receiver is gone (status 410); remove the destination or renew its url")
    return None


def _receipt(delivery: Delivery, outcome: Any, error: RemoteError) -> Receipt:
    return Receipt(delivery.key, outcome, message=str(error), status=error.status, request_id=error.request_id)

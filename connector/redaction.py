"""Known secret values, taken out of whatever leaves the process: addresses, bodies, messages, logs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST = 4  # a shorter value would black out ordinary text and protects nothing anyway
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")


class Redactor:
    """Replaces each secret, also where it stands URL-escaped, JSON-escaped or in base64, by `***`.

    `secrets` is asked each time, since a session login learns its own as it goes.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets
        self._known: tuple[frozenset[str], tuple[str, ...]] = (frozenset(), ())

    def __repr__(self) -> str:
        return "Redactor()"

    def text(self, text: str) -> str:
        """The text without secrets, and without `user:password@` in addresses."""
        for form in self.forms():
            text = text.replace(form, HIDDEN)
        return _USER_IN_ADDRESS.sub(f"{HIDDEN}@", text) if "@" in text else text

    def content(self, content: bytes) -> bytes:
        """The bytes without secrets; the same object where there were none."""
        for form in self.forms():
            encoded = form.encode()
            if encoded in content:
                content = content.replace(encoded, HIDDEN.encode())
        return content

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor: every text of a log entry without secrets."""
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = self.text(value)
        return event

    def forms(self) -> tuple[str, ...]:
        """Every written form of every secret, longest first."""
        secrets = frozenset(secret for secret in self._secrets() if len(secret) >= SHORTEST)
        known, forms = self._known  # read and written as one, since threads share this
        if secrets != known:
            forms = tuple(sorted({form for secret in secrets for form in _written(secret)}, key=len, reverse=True))
            self._known = secrets, forms
        return forms


def _written(secret: str) -> Iterable[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)  # as in a path
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield base64.b64encode(secret.encode()).decode()

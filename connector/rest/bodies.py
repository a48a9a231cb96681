"""What a body looks like on the wire: JSON, a form, multipart, or text; numbers as exactly as they were given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
from urllib3.filepost import encode_multipart_formdata

from connector.rest.parts import Form

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Written:
    """A body ready to leave; empty content without a type is none."""

    content: bytes | None = None
    content_type: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type} if self.content_type else {}


def written(payload: Any, form: Form, content_type: str | None = None) -> Written:
    """The payload in that form. A form's field that is a list or mapping is JSON text, null is left out."""
    if form == "text":
        return Written(str(payload).encode(), content_type or "text/plain; charset=utf-8")
    if form == "json":
        return Written(_encoder.encode(payload), content_type or "application/json")
    fields = [(str(name), _text(value)) for name, value in payload.items() if value is not None]
    if form == "form":
        return Written(urlencode(fields).encode(), content_type or "application/x-www-form-urlencoded")
    boundary = hashlib.sha256(repr(fields).encode()).hexdigest()[:32]
    content, kind = encode_multipart_formdata(fields, boundary)
    return Written(content, content_type or kind)


def as_json(payload: Any) -> str:
    """The payload as JSON text."""
    return _encoder.encode(payload).decode()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list):
        return as_json(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)

"""The secrets in an adapter's settings, which nothing may show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr


def secrets_of(value: Any) -> Iterator[str]:
    """Every secret value in some settings, at any depth."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
        return
    held: Any = ()
    if isinstance(value, BaseModel):
        held = vars(value).values()
    elif isinstance(value, Mapping):
        held = value.values()
    elif isinstance(value, (list, tuple)):
        held = value
    for one in held:
        yield from secrets_of(one)

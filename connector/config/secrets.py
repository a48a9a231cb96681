"""Which texts of a config must never be shown: in logs, errors, landing and pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from connector.yaml_reader import Place

_SHOWN = {  # keys whose value is no secret, even when it comes from the environment
    "adapter", "mapping", "schedule", "timezone", "currency", "since", "overlap", "budget", "windows", "folder", "file",
    "path", "database", "table", "base_url", "host", "port", "people", "user", "api_version", "metric", "store", "url",
    "targets", "from",
}


def secrets(filled: Iterable[tuple[Place, str]], settings: Iterable[BaseModel], store: str) -> frozenset[str]:
    """Every value that must not be shown: what was filled in, each SecretStr, the passwords in addresses."""
    found = {text for place, text in filled if place[-1] not in _SHOWN}
    texts = [store, *(text for _, text in filled)]
    pending: list[Any] = list(settings)
    while pending:
        value = pending.pop()
        if isinstance(value, SecretStr):
            found.add(value.get_secret_value())
        elif isinstance(value, BaseModel):
            pending += [getattr(value, name) for name in type(value).model_fields]
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, (list, tuple)):
            pending += value
        elif isinstance(value, str):
            texts.append(value)
    for text in texts:
        found |= _passwords(text)
    return frozenset(found - {""})


def _passwords(text: str) -> set[str]:
    """The password in an address `scheme://user:password@host`, as written and as meant."""
    try:
        password = urlsplit(text).password if "://" in text else None
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()

"""What is written on the command line, as values; what cannot be read is a UsageError."""

from __future__ import annotations

from collections.abc import Iterable

from connector.errors import ConnectorError


class UsageError(ConnectorError):
    """The command line is not understood."""

    exit_code = 2
    remedy = "See `connector --help`."


def duration(text: str, option: str) -> float:
    """Seconds of `0s`, `30s`, `5m` or `1h30m`."""
    if text.strip().lower() in ("0", "0s"):
        return 0
    from connector.schedule import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """The names and values of repeated `name=value`."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {text}: expected name=value, such as {option} pipeline=renewal")
        found[name.strip()] = value.strip()
    return found

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


def share(text: str, option: str) -> float:
    """The share (0..1) of `1%` or `0.5 %`."""
    try:
        found = float(text.removesuffix("%")) / 100 if text.endswith("%") else -1.0
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise UsageError(f"{option} {text}: expected a percentage from 0% to 100%, such as 1%")
    return found


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """The names and values of repeated `name=value`."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {text}: expected name=value, such as {option} pipeline=renewal")
        found[name.strip()] = value.strip()
    return found

"""The kinds of value a config key may have: durations, percentages, schedules, zones, currencies, days.

Each says in words what it expects, in the fault and in the JSON Schema that editors read.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from connector import weighing, workdays
from connector.schedule import Schedule, parse, parse_duration


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if value == "0s":
        return timedelta(0)
    if not isinstance(value, str):
        raise ValueError("expected a length of time with its unit, such as 15m, 1h30m or 2d")
    return parse_duration(value)


def _percent(value: Any) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value) if isinstance(value, str) else None
    if not found or not 0 <= float(found[1]) <= 100:
        raise ValueError("expected a percentage from 0% to 100%, such as 20%")
    return float(found[1]) / 100


def _yes_no(value: Any) -> str:
    """YAML 1.2 reads yes and no as text, and true and false as what others write for them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value not in ("yes", "no"):
        raise ValueError("expected yes or no")
    return str(value)


def _share_of_limit(value: Any) -> float:
    share = _percent(value)
    if share == 0:
        raise ValueError("expected a percentage above 0%, such as 80%")
    return share


def _schedule(value: Any) -> Schedule:
    if isinstance(value, Schedule):
        return value
    if not isinstance(value, str):
        raise ValueError('expected a crontab line such as "0 6 * * *", or "every 10m"')
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"not a schedule: {error}") from None


def _workday(value: Any) -> int:
    return workdays.parse(value if isinstance(value, str) else "")


def _amount(value: Any) -> Decimal:
    try:
        found = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or found <= 0:
        raise ValueError("expected an amount above 0, such as 50000 or 99.50")
    return found


def _weight(value: Any) -> Fraction:
    return weighing.weight(value)


def _level(value: Any) -> Decimal:
    found = Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if found is None or not 0 < found <= 1:
        raise ValueError("expected a number above 0 and up to 1, such as 0.7")
    return found


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError("expected a time zone's name, such as Asia/Ho_Chi_Minh or Europe/Berlin") from None


def _currency(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("expected a currency's three letters (ISO 4217), such as VND or USD")
    return value


def _encryption_key(value: Any) -> str | None:
    """A Fernet key; empty is none, so that `${CONNECTOR_KEY:-}` may be left unset."""
    if value in (None, ""):
        return None
    try:
        key = base64.urlsafe_b64decode(value.encode("ascii")) if isinstance(value, str) else b""
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError("expected a Fernet key: 32 random bytes in base64, 44 characters; docs/config.md makes one")
    return str(value)


def _month(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 12:
        raise ValueError("expected the number of a month, 1 to 12")
    return value


def _since(value: Any) -> date | datetime:
    """A local day, or an instant where the text has a zone."""
    if isinstance(value, date):
        return value
    try:
        if len(value) == 10:
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("expected a day such as 2024-01-01, or a time with its zone such as 2024-01-01T00:00:00Z")
    return moment.astimezone(UTC)


_NAME = re.compile(r"\w[\w.-]*")


def name_fault(name: str) -> str | None:
    """What is wrong with a name of a source, destination or KPI: it stands in ids, addresses and file names."""
    if _NAME.fullmatch(name):
        return None
    return "is no name; expected letters, digits, _ . and -, without spaces and colons"


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")  # as pydantic says it: `id: 1`
    if name_fault(value):
        raise ValueError("expected a name of letters, digits, _ . and -")
    return value


def _text_schema(description: str, pattern: str = "", *, example: str) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "description": description, "examples": [example]}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


Duration = Annotated[
    timedelta, PlainValidator(_duration), _text_schema("A length of time: 15m, 1h30m, 2d.", example="15m")
]
Percent = Annotated[
    float, PlainValidator(_percent), _text_schema("A percentage.", r"^\d+(\.\d+)?\s*%$", example="20%")
]
ShareOfLimit = Annotated[
    float, PlainValidator(_share_of_limit), _text_schema("A percentage above 0.", r"^\d+(\.\d+)?\s*%$", example="80%")
]
YesNo = Annotated[
    str, PlainValidator(_yes_no), WithJsonSchema({"enum": ["yes", "no", True, False]}),
]
ScheduleText = Annotated[
    Schedule, PlainValidator(_schedule), _text_schema("crontab(5), or `every 10m`.", example="*/15 * * * *")
]
Workday = Annotated[
    int, PlainValidator(_workday),
    _text_schema("00:00 of that working day after the period.", r"^workday +[1-9]\d?$", example="workday 5"),
]
Amount = Annotated[
    Decimal, PlainValidator(_amount), WithJsonSchema({"type": ["number", "string"], "description": "An amount."})
]
Weight = Annotated[
    Fraction, PlainValidator(_weight),
    WithJsonSchema({"type": ["number", "string"], "description": "A weight: 0.4, or 1/3.", "examples": [0.4]}),
]
Level = Annotated[
    Decimal, PlainValidator(_level),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "A share of 1."}),
]
Zone = Annotated[ZoneInfo, PlainValidator(_zone), _text_schema("An IANA time zone.", example="Asia/Ho_Chi_Minh")]
Currency = Annotated[str, PlainValidator(_currency), _text_schema("ISO 4217.", "^[A-Z]{3}$", example="VND")]
EncryptionKey = Annotated[
    str | None, PlainValidator(_encryption_key),
    _text_schema("32 random bytes in base64, URL-safe.", example="${CONNECTOR_KEY}"),
]
Month = Annotated[int, BeforeValidator(_month), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 12})]
Since = Annotated[
    date, PlainValidator(_since), _text_schema("A local day, or a time with its zone.", example="2024-01-01")
]
Name = Annotated[str, PlainValidator(_name), _text_schema("A name.", example="hubspot")]

"""The named converters a mapping may use: one raw value in, one stored value out (`model` says how each is stored).

None and "" are null before any converter sees them. A converter raises ValueError with what was expected and the type
it found, never the value itself: it may be somebody's data.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from connector.model import EPOCH, MONEY_SCALE, RATIO_SCALE, Kind, Value
from connector.nearest import hint

Converter = Callable[[Any], Value]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_GROUPED = re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d*)?")
_LARGEST = 2**63 - 1
_EXACT = Context(prec=80, traps=[Inexact])  # arithmetic that refuses to round


def build(name: str, arguments: Mapping[str, Any], zone: tzinfo) -> Converter:
    """The converter of that name with its arguments. Raises ValueError naming what is known or expected."""
    if "." in name:
        return _own(name)
    maker = _MAKERS.get(name)
    if maker is None:
        known = f"{', '.join(sorted(_MAKERS))}, or a dotted path to a function{hint(name, _MAKERS)}"
        raise ValueError(f"no converter {name!r}; known: {known}")
    allowed = _ARGUMENTS.get(name, ())
    unknown = sorted(set(arguments) - set(allowed))
    if unknown:
        raise ValueError(f"{name} takes no {', '.join(unknown)}; it takes {', '.join(allowed) or 'no arguments'}")
    for argument, given in arguments.items():
        if not isinstance(given, str):
            raise ValueError(f"{name} takes text as {argument}, {_type(given)}; quote it")
        if argument == "decimal" and given not in (".", ","):
            raise ValueError(f'{name} takes "." or "," as decimal, found {given!r}')
    return maker(zone, **arguments)


def default(kind: Kind, zone: tzinfo) -> Converter:
    """The converter of a field that names none."""
    return build(_DEFAULTS[kind], {}, zone)


def _type(value: Any) -> str:
    return f"found {type(value).__name__}"


def text(value: Any) -> str | None:
    """Text as it is; numbers and booleans as they are written in JSON. No store keeps a NUL character."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("expected text, found a NUL character in it")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    raise ValueError(f"expected text, {_type(value)}")


def exact(value: Any, decimal: str = ".") -> Decimal:
    """An exact decimal from a number or its text; with `decimal` "," the points are thousands."""
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool):
        raise ValueError("expected a number, found bool")
    elif isinstance(value, int):
        number = Decimal(value)
    elif isinstance(value, float):
        number = Decimal(repr(value))
    elif isinstance(value, str):
        written = value.strip()
        if decimal == ",":
            if "." in written and not _GROUPED.fullmatch(written):
                raise ValueError('expected points between groups of three digits only, as in "1.500,00", since the '
                                 'decimal mark is a comma')
            written = written.replace(".", "").replace(",", ".")
        elif "," in written:
            raise ValueError('expected a plain number; for "1.500,00" say decimal: ","')
        try:
            number = Decimal(written)
        except InvalidOperation:
            raise ValueError("expected a number, found text that is none") from None
    else:
        raise ValueError(f"expected a number, {_type(value)}")
    if not number.is_finite():
        raise ValueError("expected a finite number")
    return number


def units(value: Any, decimal: str = ".") -> int:
    """Stored money: ten-thousandths. Raises ValueError for a fifth decimal place, which would not be exact."""
    try:
        whole = int(_EXACT.to_integral_exact(_EXACT.multiply(exact(value, decimal), MONEY_SCALE)))
    except Inexact:
        raise ValueError("expected at most four decimal places, found more") from None
    if abs(whole) > _LARGEST:
        raise ValueError("the amount is larger than the store can keep")
    return whole


def currency(value: Any) -> str:
    """An ISO 4217 code in capitals."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{3}", value.strip()):
        return value.strip().upper()
    raise ValueError("expected a currency code of three letters")


def _money(_zone: tzinfo, decimal: str = ".") -> Converter:
    return (lambda value: units(value, decimal)) if decimal != "." else units


def _number(_zone: tzinfo, decimal: str = ".") -> Converter:
    return lambda value: format(exact(value, decimal).normalize(_EXACT), "f")


def _integer(_zone: tzinfo) -> Converter:
    def convert(value: Any) -> int:
        number = exact(value)
        if number != number.to_integral_value():
            raise ValueError("expected a whole number")
        return int(number)

    return convert


_UNITS = {"ms": Decimal("0.001"), "s": Decimal(1), "min": Decimal(60), "h": Decimal(3600)}


def _duration(reporting: tzinfo, unit: str = "s") -> Converter:
    """Whole seconds: of a number of units, or between the two instants of a list; None where one of them is missing."""
    if unit not in _UNITS:
        raise ValueError(f"no unit {unit!r}; known: {', '.join(_UNITS)}")
    seconds, instant = _UNITS[unit], _datetime(reporting)

    def convert(value: Any) -> int | None:
        if not isinstance(value, list):
            length = exact(value) * seconds
        elif len(value) != 2:
            raise ValueError(f"expected a number, or a list of two instants, found {len(value)}")
        elif any(one is None or one == "" for one in value):
            return None
        else:
            begun, ended = (int(str(instant(one))) for one in value)
            length = Decimal(ended - begun) / 1_000_000
        if length < 0:
            raise ValueError("expected an end after the beginning")
        return int(length.quantize(Decimal(1), ROUND_HALF_EVEN))

    return convert


def _share(scale: int) -> Callable[[tzinfo], Converter]:
    def make(_zone: tzinfo) -> Converter:
        def convert(value: Any) -> int:
            number = exact(value) / scale
            if not 0 <= number <= 1:
                raise ValueError(f"expected a share from 0 to {scale}")
            return int((number * RATIO_SCALE).quantize(Decimal(1), ROUND_HALF_EVEN))

        return convert

    return make


_TRUE = {"true", "yes", "y", "1"}
_FALSE = {"false", "no", "n", "0"}


def flag(value: Any) -> bool:
    """True or false, also written as yes/no, 1/0."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"expected true or false, {_type(value)}")


def _zone(named: Mapping[str, str]) -> ZoneInfo | None:
    """The zone an argument names (`zone` shadows the reporting zone, so it arrives by name)."""
    given = named.get("zone")
    if given is None:
        return None
    try:
        return ZoneInfo(given)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"no time zone {given!r}; expected one such as Europe/Berlin") from None


def _datetime(reporting: tzinfo, format: str = "iso", **named: str) -> Converter:
    """Instants. A bare date is the start of that local day; a time without offset needs `zone`."""
    own = _zone(named)
    if format in ("epoch", "epoch_ms"):
        scale = 1_000_000 if format == "epoch" else 1_000
        return lambda value: int(exact(value) * scale)

    def parse(value: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=own or reporting)
        if not isinstance(value, str):
            raise ValueError(f"expected a date and time, {_type(value)}")
        try:
            if format != "iso":
                return datetime.strptime(value, format)  # noqa: DTZ007  # its zone is set below, or it has one
            if len(value) == 10:
                return datetime.fromisoformat(value).replace(tzinfo=own or reporting)
            return datetime.fromisoformat(value)
        except ValueError:
            wanted = "ISO 8601" if format == "iso" else format
            raise ValueError(f"expected a date and time as {wanted}") from None

    is_iso = format == "iso"

    def convert(value: Any) -> int:
        try:
            instant = datetime.fromisoformat(value) if is_iso and len(value) > len("2026-10-31") else parse(value)
        except (TypeError, ValueError):
            instant = parse(value)
        if instant.tzinfo is None:
            if own is None:
                raise ValueError("a time without offset; say as: {datetime: {zone: Area/City}}")
            instant = instant.replace(tzinfo=own)
        passed = instant - EPOCH
        return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds

    return convert


def _date(reporting: tzinfo, format: str = "iso", **named: str) -> Converter:
    """Local dates. A bare date is never shifted; an instant becomes its date in `zone` (default: reporting)."""
    local = _zone(named) or reporting

    def convert(value: Any) -> str:
        if isinstance(value, datetime):
            return (value.astimezone(local) if value.tzinfo else value).date().isoformat()
        if isinstance(value, date):
            return value.isoformat()
        if not isinstance(value, str):
            raise ValueError(f"expected a date, {_type(value)}")
        try:
            if format != "iso":
                return datetime.strptime(value, format).date().isoformat()  # noqa: DTZ007  # a bare date
            if _DAY.fullmatch(value):
                return date.fromisoformat(value).isoformat()
            instant = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"expected a date as {'ISO 8601' if format == 'iso' else format}") from None
        return (instant.astimezone(local) if instant.tzinfo else instant).date().isoformat()

    return convert


def _own(name: str) -> Converter:
    module, _, function = name.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError):
        wanted = "expected a dotted path into a module beside the config, or an installed one"
        raise ValueError(f"no function {name}; {wanted}") from None
    if not callable(made):
        raise ValueError(f"{name} is not a function")

    def convert(value: Any) -> Value:
        try:
            found: Value = made(value)
        except (TypeError, KeyError, ValueError, ArithmeticError) as error:
            raise ValueError(f"{name} refused it ({type(error).__name__})") from None
        return found

    return convert


def _simple(function: Converter) -> Callable[[tzinfo], Converter]:
    return lambda _zone: function


_MAKERS: Mapping[str, Callable[..., Converter]] = {
    "text": _simple(text),
    "money": _money,
    "currency": _simple(currency),
    "number": _number,
    "integer": _integer,
    "duration": _duration,
    "ratio": _share(1),
    "percent": _share(100),
    "flag": _simple(flag),
    "datetime": _datetime,
    "date": _date,
}
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "money": ("decimal",),
    "number": ("decimal",),
    "duration": ("unit",),
    "datetime": ("format", "zone"),
    "date": ("format", "zone"),
}
NAMES: Mapping[str, tuple[str, ...]] = {name: _ARGUMENTS.get(name, ()) for name in _MAKERS}
"""Every named converter with the arguments it takes."""
_DEFAULTS: Mapping[Kind, str] = {
    Kind.TEXT: "text",
    Kind.REFERENCE: "text",
    Kind.INSTANT: "datetime",
    Kind.DAY: "date",
    Kind.MONEY: "money",
    Kind.INTEGER: "integer",
    Kind.RATIO: "ratio",
    Kind.NUMBER: "number",
    Kind.FLAG: "flag",
}

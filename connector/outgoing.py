"""A KPI value in a destination's own words: the mapping's field language turned round (`theirs: ours`), and templates.

What a path may address is the *view* of a delivery: the KPI object of design.md section 8, `subject` with
`employee_code` and `email` beside kind, key and name, and `key`, the delivery's own. The language is `path, first_of,
template, const, table, default, as, omit_null`; it computes nothing but the look of a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from itertools import pairwise
from typing import Annotated, Any, ClassVar
from urllib.parse import quote
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from connector import convert
from connector.model import KpiValue, Subject, canonical_json
from connector.paths import Getter, compile_path
from connector.ports import Delivery

_EXAMPLE = KpiValue("", "", Subject("", ""), {}, "", "", "", None, "", None, None, None, as_of=0).as_json()
SUBJECT = ("kind", "key", "name", "employee_code", "email")
KNOWN = (*_EXAMPLE, "key")
"""What the first step of an outgoing path may be."""

_PRECISE = Context(prec=80)
_ROUNDING = {"half_even": ROUND_HALF_EVEN, "half_up": ROUND_HALF_UP, "down": ROUND_DOWN}
Shape = Callable[[Any, tzinfo], Any]


class Unusable(ValueError):
    """This value cannot be said in the destination's words; the message names the field and what is expected."""


def view(delivery: Delivery) -> dict[str, Any]:
    """What outgoing paths and templates address."""
    person, subject = delivery.person, delivery.kpi["subject"]
    code = person.get("employee_code") or (subject["key"] if subject["kind"] == "person" else None)
    named = {**subject, "name": person.get("name") or subject["name"]}
    return {**delivery.kpi, "key": delivery.key, "subject": {**named, "employee_code": code,
                                                             "email": person.get("email") or None}}


def flat(kpi: Mapping[str, Any]) -> dict[str, str | None]:
    """The KPI object as one row of text: subject flattened, objects and lists as JSON text."""
    row: dict[str, str | None] = {}
    for name, value in kpi.items():
        if name == "subject":
            row |= {f"subject_{part}": value.get(part) or "" for part in ("kind", "key", "name")}
        elif isinstance(value, Mapping | list):
            row[name] = canonical_json(value)
        else:
            row[name] = None if value is None else str(value)
    return row


FLAT = tuple(flat(_EXAMPLE))
"""The columns of a flat row, in order."""

NATURAL_KEY = ("kpi", "subject_kind", "subject_key", "dimensions", "period")
"""The columns that tell one flat row from another; never null."""


# --- fields ----------------------------------------------------------------------------------------------------------


class OutgoingField(BaseModel):
    """How one field of theirs is filled from a value of ours."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    more: ClassVar[tuple[str, ...]] = ()  # what paths may name beside the view

    path: str | None = Field(None, description="Where the value stands in the KPI object, such as subject.key.")
    first_of: list[str] | None = Field(None, description="Paths, the first that is not empty counts.")
    template: str | None = Field(None, description="A text with `{path}` in it.", examples=["[{kpi} {period}]"])
    const: Any = Field(None, description="Always this; a list or mapping as it stands.")
    table: dict[str, str | int | bool] | None = Field(None, description="From our word to theirs.")
    default: str | int | float | bool | None = Field(None, description="Sent where there is no value.")
    as_: str | dict[str, dict[str, Any]] | None = Field(
        None, alias="as", description="number (digits, scale, cap, floor, rounding, text), date (format, zone) or text."
    )
    omit_null: bool = Field(False, description="Leave the field out where there is no value, instead of sending null.")

    @field_validator("path")
    @classmethod
    def _path(cls, path: str | None) -> str | None:
        if path is not None:
            known_path(path, cls.more)
        return path

    @field_validator("first_of")
    @classmethod
    def _paths(cls, paths: list[str] | None) -> list[str] | None:
        for path in paths or ():
            known_path(path, cls.more)
        return paths

    @field_validator("template")
    @classmethod
    def _template(cls, text: str | None) -> str | None:
        if text is not None:
            Template(text, more=cls.more)
        return text

    @field_validator("as_")
    @classmethod
    def _shape(cls, given: Any) -> Any:
        shape(given)
        return given

    @model_validator(mode="after")
    def _one_way(self) -> OutgoingField:
        if len({"path", "first_of", "template", "const"} & self.model_fields_set) != 1:
            raise ValueError("expected exactly one of path, first_of, template, const")
        return self


def spelled_out(given: Any) -> Any:
    """A field whose path alone is written, in full."""
    return {"path": given} if isinstance(given, str) else given


Filled = Annotated[OutgoingField, BeforeValidator(spelled_out, json_schema_input_type=str | OutgoingField)]
"""A field, or its path alone."""


_STEP = re.compile(r"\[\d+\]|[^.\[\]]+")
_PLACE = re.compile(r"[^.\[\]]+(\[\d{1,2}\])*(\.[^.\[\]]+(\[\d{1,2}\])*)*")


@dataclass(frozen=True, slots=True)
class _Filler:
    name: str
    place: tuple[str | int, ...]
    spec: OutgoingField
    getters: tuple[Getter, ...]
    shape: Shape


class Body:
    """Their record, filled from a view. A dotted name makes a nested object, a number in brackets an item of a list."""

    def __init__(self, fields: Mapping[str, OutgoingField], zone: tzinfo) -> None:
        self._zone = zone
        self._fillers = [
            _Filler(name, place(name), spec, _getters(spec), shape(spec.as_))
            for name, spec in fields.items()
        ]

    def __call__(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        """Raises Unusable."""
        made: dict[str, Any] = {}
        for filler in self._fillers:
            value = self._value(filler, scope)
            if value is None and filler.spec.omit_null:
                continue
            put(made, filler.place, value)
        return made

    def _value(self, filler: _Filler, scope: Mapping[str, Any]) -> Any:
        spec = filler.spec
        if spec.const is not None:
            return spec.const
        try:
            value = next((found for get in filler.getters if (found := get(scope)) not in (None, "")), None)
            if value is not None and spec.table is not None:
                value = _looked_up(value, spec)
            if value is None:
                return spec.default
            return filler.shape(value, self._zone)
        except (ValueError, ArithmeticError) as error:
            source = spec.path or spec.template or " or ".join(spec.first_of or ())
            raise Unusable(f"{filler.name} from {source}: {error}") from None


def _getters(spec: OutgoingField) -> tuple[Getter, ...]:
    if spec.template is not None:
        return (Template(spec.template, more=spec.more),)
    return tuple(compile_path(path) for path in spec.first_of or [spec.path or ""] if path)


def place(name: str) -> tuple[str | int, ...]:
    """The steps of a field's name: `items[0].code` is items, 0, code. Raises ValueError."""
    if not _PLACE.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a field, expected names with dots, and numbers in brackets")
    return tuple(int(step[1:-1]) if step[0] == "[" else step for step in _STEP.findall(name))


def put(record: Any, steps: tuple[str | int, ...], value: Any) -> None:
    """Put a value where these steps lead, making the objects and lists on the way."""
    for step, following in pairwise(steps):
        inner: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            record.extend([None] * (step + 1 - len(record)))
            record[step] = inner if record[step] is None else record[step]
            record = record[step]
        else:
            record = record.setdefault(step, inner)
    last = steps[-1]
    if isinstance(last, int):
        record.extend([None] * (last + 1 - len(record)))
    record[last] = value


def _looked_up(value: Any, spec: OutgoingField) -> Any:
    table = spec.table or {}
    word = convert.text(value)
    if word in table:
        return table[word]
    if spec.default is not None:
        return None
    raise ValueError(f"not in its table; the table has {', '.join(table)}; add the word or a default")


def known_path(path: str, more: tuple[str, ...] = ()) -> None:
    """Raises ValueError for what is no path, or one into nothing we have; `more` are names known beside the view's."""
    if not path:
        raise ValueError("expected a path")
    compile_path(path)
    steps = re.split(r"[.\[|(]", path)
    first = steps[0].strip()
    if not re.fullmatch(r"\w+", first) or path[len(first) : len(first) + 1] == "(":
        return  # an expression; only the plain beginnings can be checked
    if first in more:
        return
    if first not in KNOWN:
        raise ValueError(f"there is no {first!r} in a KPI value, expected one of: {', '.join((*KNOWN, *more))}")
    if first == "subject" and len(steps) > 1 and steps[1] not in SUBJECT:
        raise ValueError(f"there is no {path!r}, expected one of: {', '.join(f'subject.{name}' for name in SUBJECT)}")


# --- the look of a value ---------------------------------------------------------------------------------------------


def shape(given: Any) -> Shape:
    """The function that gives a value its look. Raises ValueError naming what is known."""
    if given is None:
        return lambda value, _zone: value
    name, arguments = (given, {}) if isinstance(given, str) else next(iter(given.items()), ("", {}))
    if isinstance(given, dict) and len(given) != 1:
        raise ValueError("expected one name, such as number or {number: {digits: 2}}")
    if name not in _SHAPES:
        raise ValueError(f"there is no {name!r}, expected one of: {', '.join(_SHAPES)}")
    maker, known = _SHAPES[name]
    unknown = [argument for argument in arguments if argument not in known]
    if unknown:
        raise ValueError(f"{name} takes no {unknown[0]!r}, expected {', '.join(known) or 'no argument'}")
    made: Shape = maker(**arguments)
    return made


def _number(
    digits: Any = None, scale: Any = 1, cap: Any = None, floor: Any = None, rounding: Any = "half_even",
    text: Any = False,
) -> Shape:
    """A JSON number: times `scale`, between `floor` and `cap`, rounded to `digits` places; as text if asked."""
    if digits is not None and (not isinstance(digits, int) or isinstance(digits, bool) or not 0 <= digits <= 12):
        raise ValueError("digits: expected a whole number from 0 to 12")
    if rounding not in _ROUNDING:
        raise ValueError(f"rounding: expected one of: {', '.join(_ROUNDING)}")
    if not isinstance(text, bool):
        raise ValueError("text: expected true or false")
    try:
        factor = convert.exact(scale)
        most, least = (None if one is None else convert.exact(one) for one in (cap, floor))
    except ValueError as error:
        raise ValueError(f"scale, cap and floor: {error}") from None

    def made(value: Any, _zone: tzinfo) -> int | Decimal | str:
        number = _PRECISE.multiply(convert.exact(value), factor)
        number = number if most is None else min(number, most)
        number = number if least is None else max(number, least)
        if digits is not None:
            number = number.quantize(Decimal(1).scaleb(-digits), _ROUNDING[rounding], _PRECISE)
        if text:
            return format(number, "f")
        return int(number) if digits == 0 else number

    return made


_UNKNOWN_SIGN = re.compile(r"%(?![-_0^#]?[aAbBcCdDeFfgGhHIjklmMnpPrRsStTuUVwWxXyYzZ])[-_0^#]?.?")  # of glibc's strftime
_INSTANTS = ("epoch", "epoch_ms", "odata")


def _date(format: Any = "%Y-%m-%d", zone: Any = None) -> Shape:
    """A day, or the local day of an instant, as text of that strftime format; `zone` instead of the reporting one.

    epoch and epoch_ms are the seconds and milliseconds since 1970 as a number, odata is `/Date(ms)/` (OData 2); a day
    is then its beginning in the zone.
    """
    if not isinstance(format, str):
        raise ValueError("format: expected a text such as %d/%m/%Y")
    if unknown := _UNKNOWN_SIGN.search(format.replace("%%", "")):
        raise ValueError(f"format: there is no {unknown[0]!r}, expected signs of strftime such as %d/%m/%Y")
    try:
        own = None if zone is None else ZoneInfo(zone)
    except (ValueError, OSError, KeyError, TypeError):
        raise ValueError(f"zone: no time zone {zone!r}; expected one such as Europe/Berlin") from None

    def made(value: Any, reporting: tzinfo) -> str | int:
        text, local = convert.text(value) or "", own or reporting
        if len(text) == 10:
            moment = datetime.fromisoformat(text).replace(tzinfo=local)
        else:
            moment = datetime.fromisoformat(text).astimezone(local)
        if format not in _INSTANTS:
            return moment.strftime(format)
        seconds = int(moment.timestamp())
        return seconds if format == "epoch" else seconds * 1000 if format == "epoch_ms" else f"/Date({seconds * 1000})/"

    return made


def _text() -> Shape:
    return lambda value, _zone: convert.text(value)


_SHAPES: Mapping[str, tuple[Callable[..., Shape], tuple[str, ...]]] = {
    "number": (_number, ("digits", "scale", "cap", "floor", "rounding", "text")),
    "date": (_date, ("format", "zone")),
    "text": (_text, ()),
}


# --- templates -------------------------------------------------------------------------------------------------------

_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")

class Template:
    """A text with `{path}` in it; a missing value fills in nothing, and `{{` is a brace itself.

    Between quotes, what is filled in has that quote and the backslash escaped with a backslash, so no value can end
    the quotation. `for_url` percent-encodes it as well; `for_xml` escapes it for XML instead. Raises ValueError for an
    unknown path; `more` are names known beside those of a view.
    """

    def __init__(
        self, text: str, *, for_url: bool = False, for_xml: bool = False, more: tuple[str, ...] = ()
    ) -> None:
        self.text, self._for_url, self._for_xml = text, for_url, for_xml
        self.paths = tuple(match[1] for match in _HOLE.finditer(text) if match[1] is not None)
        for path in self.paths:
            known_path(path, more)
        self._getters = {path: compile_path(path) for path in self.paths}

    def __call__(self, scope: Mapping[str, Any]) -> str:
        def filled(hole: re.Match[str]) -> str:
            if hole[1] is None:
                return hole[0][0]
            value = self._getters[hole[1]](scope)
            text = "" if value is None else str(value)
            if self._for_xml:
                return escape(text, {'"': "&quot;", "'": "&apos;"})
            mark = _open_quote(self.text[: hole.start()])
            if mark:
                text = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
            return quote(text, safe="") if self._for_url else text

        return _HOLE.sub(filled, self.text)


def _open_quote(before: str) -> str:
    """The quotation mark that is open at the end of this text, empty if none is."""
    opened = ""
    for sign in before:
        if sign in "'\"":
            opened = "" if sign == opened else (opened or sign)
    return opened

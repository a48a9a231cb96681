"""What the grammar of a REST destination is made of: parts, expressions, templates, calls and lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connector.outgoing import OutgoingField, Template, known_path, place, spelled_out
from connector.paging import (
    Answer,
    Ask,
    CursorPages,
    LinkHeader,
    NextLink,
    OffsetPages,
    OnePage,
    PageNumberPages,
    Pages,
)
from connector.paths import Getter, compile_path

FOUND = ("employee", "lookup", "key_hash")
"""What a field of a body may name beside the view of a delivery: rows of theirs that were looked up, and `key_hash`,
32 letters and digits that stand for its key where a key must be short or may hold no quotation mark."""

MORE = ("remote_id", "body", *FOUND)
"""What a template may name beside the view of a delivery."""

Form = Literal["json", "form", "multipart", "text", "none"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Part(BaseModel):
    """A part of the grammar: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def one_of(part: Part, *names: str) -> None:
    """Raises ValueError unless exactly one of these is given."""
    if len([name for name in names if getattr(part, name) is not None]) != 1:
        raise ValueError(f"expected exactly one of {', '.join(names)}")


# --- expressions and templates ---------------------------------------------------------------------------------------

_RAW = re.compile(r"'((?:[^'\\]|\\.)*)'")
_HOLE = re.compile(r"\{\s*([\w.\"]+(?:\[\d+\])?[\w.]*)\s*\}")


class FilledExpression:
    """A JMESPath with `{path}` in it, filled in from a scope before it is asked.

    Inside quotes, `'{body.title}'`, it is text; outside, `{employee.id}`, a number stays one. What is filled in becomes
    a literal, so no value can change what the expression says. Raises ValueError for an unknown path.
    """

    def __init__(self, text: str, more: tuple[str, ...] = MORE) -> None:
        self.text = text
        self.paths = tuple(match[1] for match in _HOLE.finditer(text))
        for path in self.paths:
            known_path(path, more)
        self._getters = {path: compile_path(path) for path in self.paths}
        self._fixed = None if self.paths else compile_path(text)
        self.of({})

    def __call__(self, scope: Mapping[str, Any], answer: Any) -> Any:
        """What stands there. Raises ValueError where the expression does not fit the answer."""
        return self.of(scope)(answer)

    def of(self, scope: Mapping[str, Any]) -> Getter:
        """The expression, filled in."""
        return self._fixed or compile_path(self.filled(scope))

    def filled(self, scope: Mapping[str, Any]) -> str:
        def text(raw: re.Match[str]) -> str:
            inside = raw[1]
            if not _HOLE.search(inside):
                return raw[0]
            return _literal(_HOLE.sub(lambda hole: _text(self._getters[hole[1]](scope)), inside))

        parts, at = [], 0
        for raw in _RAW.finditer(self.text):
            parts += [self._bare(self.text[at : raw.start()], scope), text(raw)]
            at = raw.end()
        return "".join([*parts, self._bare(self.text[at:], scope)])

    def _bare(self, text: str, scope: Mapping[str, Any]) -> str:
        return _HOLE.sub(lambda hole: _literal(self._getters[hole[1]](scope)), text)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _literal(value: Any) -> str:
    """A JMESPath literal; the back-quote that would end it is escaped as JSON can."""
    written = msgspec.json.encode(value, enc_hook=str).decode()
    return "`" + written.replace("`", "\\u0060") + "`"


def _expression(text: str) -> str:
    compile_path(text)
    return text


def _filled_expression(text: str) -> str:
    FilledExpression(text)
    return text


def _address(text: str) -> str:
    Template(text, for_url=True, more=MORE)
    return text


def _template(text: str) -> str:
    Template(text, more=MORE)
    return text


def _name(text: str) -> str:
    place(text)
    return text


class RestField(OutgoingField):
    """How one field of theirs is filled: from our value, or from a row of theirs that was looked up."""

    more: ClassVar[tuple[str, ...]] = (*FOUND, "remote_id")


Expression = Annotated[str, AfterValidator(_expression)]
Filling = Annotated[str, AfterValidator(_filled_expression)]
Address = Annotated[str, AfterValidator(_address)]
Text = Annotated[str, AfterValidator(_template)]
FieldName = Annotated[str, AfterValidator(_name)]
Filled = Annotated[RestField, BeforeValidator(spelled_out, json_schema_input_type=str | RestField)]


def address(text: str) -> Template:
    """The template of an address."""
    return Template(text, for_url=True, more=MORE)


# --- lists that come in pages ----------------------------------------------------------------------------------------


class NumberPaging(Part):
    """Pages have numbers."""

    sends: str = Field("page", description="The parameter of the number.")
    first: int = Field(1, ge=0, description="The number of the first page.")
    size: int | None = Field(None, ge=1, description="Rows a page, where they are asked for.")
    size_name: str = Field("per_page", description="The parameter of the size.")
    last: Expression | None = Field(None, description="Where the answer tells the number of pages.")
    more: Expression | None = Field(None, description="True in an answer when another page follows.")


class OffsetPaging(Part):
    """Rows are counted."""

    sends: str = Field("offset", description="The parameter of the number of rows before the page.")
    size: int = Field(100, ge=1, description="Rows a page.")
    size_name: str = Field("limit", description="The parameter of the size.")
    total: Expression | None = Field(None, description="Where the answer tells the number of all rows.")


class CursorPaging(Part):
    """An answer names what the next page is asked by."""

    reads: Expression = Field(description="Where the cursor stands in the answer.", examples=["endingCursor"])
    sends: str = Field("cursor", description="The parameter it goes into.")
    more: Expression | None = Field(None, description="True in an answer when another page follows.")


class Paging(Part):
    """How a list is cut into pages: exactly one of the ways."""

    number: NumberPaging | None = None
    offset: OffsetPaging | None = None
    cursor: CursorPaging | None = None
    link: Expression | None = Field(None, description="Where the answer names the next page's address.")
    header: Literal["Link"] | None = Field(None, description="Link: the header names it (RFC 8288).")

    @model_validator(mode="after")
    def _one(self) -> Paging:
        one_of(self, "number", "offset", "cursor", "link", "header")
        return self

    def pages(self) -> Pages:
        """The way of paging."""
        if self.number is not None:
            by = self.number
            return PageNumberPages(by.sends, by.first, by.size or 0, by.size_name if by.size else "", by.last or "",
                                   by.more or "")
        if self.offset is not None:
            return OffsetPages(self.offset.sends, self.offset.size, self.offset.size_name, self.offset.total or "")
        if self.cursor is not None:
            return CursorPages(self.cursor.reads, self.cursor.sends, self.cursor.more or "")
        return NextLink(self.link) if self.link else LinkHeader()


class Reading(Part):
    """A call that only reads: GET, or POST where they want the question in a body."""

    get: Address | None = Field(None, examples=["/employees"])
    post: Address | None = Field(None, description="Instead of get, where reading is a POST.")
    query: dict[str, Text] = Field(default_factory=dict, examples=[{"filter": "metric='{kpi}'"}])
    body: dict[FieldName, Filled] = Field(default_factory=dict, description="Sent with it, whatever the method.")
    as_: Literal["json", "form", "multipart"] = Field(
        "json", alias="as", description="How the body is written: json, form or multipart."
    )

    @model_validator(mode="after")
    def _one(self) -> Reading:
        if self.is_required or self.get is not None:
            one_of(self, "get", "post")
        return self

    is_required: ClassVar[bool] = True

    @property
    def method(self) -> Method:
        return "GET" if self.get is not None else "POST"

    @property
    def address(self) -> str:
        return self.get if self.get is not None else str(self.post)

    @property
    def paths(self) -> set[str]:
        """What its templates name: none in a call that is the same for every value."""
        texts = [address(self.address), *(Template(text, more=MORE) for text in self.query.values())]
        found = {path for text in texts for path in text.paths}
        for field in self.body.values():
            found |= {path for path in (field.path, *(field.first_of or ())) if path}
            found |= set(Template(field.template, more=MORE).paths) if field.template else set()
        return found


class Listing(Reading):
    """A list of theirs, page by page."""

    rows: Filling = Field("@", description="Where the list stands in the answer.")
    where: Filling | None = Field(
        None, description="True of the rows that are meant, where the address cannot say it.",
        examples=["title == '{body.title}'"],
    )
    next: Expression | None = Field(None, description="Where the answer names the next page's address.")
    page: str | None = Field(None, description="Query parameter of the page number, counted from 1 to an empty page.")
    pages: Paging | None = Field(None, description="How it is paged, where next and page do not say it.")

    @model_validator(mode="after")
    def _one_way_of_paging(self) -> Listing:
        if len([way for way in (self.next, self.page, self.pages) if way is not None]) > 1:
            raise ValueError("next, page and pages are ways of paging, expected one: two ways of paging cannot hold")
        return self

    def paging(self) -> Pages:
        """The way of paging."""
        if self.pages is not None:
            return self.pages.pages()
        if self.page:
            return PageNumberPages(self.page)
        return NextAddress(self.next) if self.next else OnePage()

    @property
    def filled_paths(self) -> tuple[str, ...]:
        """What its expressions name."""
        return tuple(path for text in (self.rows, self.where or "@") for path in FilledExpression(text).paths)


@dataclass(frozen=True)
class NextAddress:
    """The answer names the next page's address at the path `reads`; without a host it is joined with base_url."""

    reads: str

    def prepare(self, ask: Ask, position: Any) -> Ask:
        return ask if position is None else replace(ask, path=position, params={})

    def learn(self, answer: Answer, position: Any) -> Any:
        told = compile_path(self.reads)(answer.body)
        return str(told) if told else None



"""Where the values of a REST destination go, as its YAML says it: new records, changed ones, and those taken back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connector.outgoing import Template
from connector.rest.parts import MORE, Address, Expression, FieldName, Filled, Form, Method, Part, Text, one_of


class Update(Part):
    """Changing a record that is there; a leading `...` stands for the address of `send`."""

    patch: Address | None = Field(None, examples=[".../{remote_id}"])
    put: Address | None = None
    post: Address | None = None
    body: dict[FieldName, Filled] = Field(default_factory=dict, description="Sent instead of the body of a new record.")
    keep: Literal["all"] | dict[FieldName, Expression] | None = Field(
        None, description="Fields of the record as it stands that are sent along: all, or theirs: where it is read.",
        examples=[{"title": "title"}],
    )

    @model_validator(mode="after")
    def _one(self) -> Update:
        one_of(self, "patch", "put", "post")
        return self

    @property
    def method(self) -> Method:
        return "PATCH" if self.patch is not None else "PUT" if self.put is not None else "POST"

    @property
    def address(self) -> str:
        return str(self.patch or self.put or self.post)


class Withdraw(Part):
    """Taking back a record that we made."""

    delete: Address | None = Field(None, examples=[".../{remote_id}"])
    post: Address | None = None

    @model_validator(mode="after")
    def _one(self) -> Withdraw:
        one_of(self, "delete", "post")
        return self

    @property
    def method(self) -> Method:
        return "DELETE" if self.delete is not None else "POST"

    @property
    def address(self) -> str:
        return str(self.delete or self.post)


class Send(Part):
    """Where values go. With `rows` many in one call, as a list under that key (`@`: the bare list)."""

    post: Address | None = Field(None, examples=["/kpi-results"])
    put: Address | None = Field(None, description="Instead of post where the same again changes nothing.")
    patch: Address | None = Field(None, description="Likewise, for a record that is always there.")
    get: Address | None = Field(None, description="For those who take values by GET, with a body or a query.")
    query: dict[str, Text] = Field(default_factory=dict, description="Parameters of the address.")
    as_: Form = Field("json", alias="as", description="How the body is written: json, form, multipart, text, or none.")
    json_field: str | None = Field(None, description="The field of a form that holds all of it as JSON text.")
    beside: dict[str, Text] = Field(
        default_factory=dict, description="Fields beside the list, or beside json_field.", examples=[{"APICode": "KPI"}]
    )
    text: str | None = Field(None, description="With as: text, the body as a template.")
    content_type: str | None = Field(None, description="Another content type.", examples=["application/xml"])
    rows: str | None = Field(None, description="Key of the list in the body; without it one value a call.")
    by: Text | None = Field(None, description="Rows are a mapping by this, such as {subject.employee_code}.")
    many: bool = Field(False, description="With by: a list of records under each key.")
    batch: int = Field(50, ge=1, le=10_000, description="Values a call takes at most.")
    max_bytes: int | None = Field(None, ge=100, description="Bytes a call takes at most.")
    overwrites: bool | None = Field(
        None, description="Whether the same again changes nothing, so that it may be sent again; put and patch do."
    )
    update: Update | None = Field(None, description="For a value whose record is there already.")
    withdraw: Withdraw | None = Field(None, description="For a value that is no longer, where `withdraw: yes`.")

    @model_validator(mode="after")
    def _fits(self) -> Send:
        one_of(self, "post", "put", "patch", "get")
        if (self.as_ == "text") != (self.text is not None):
            raise ValueError("text is the template of as: text, expected both or neither")
        if self.text is not None:
            Template(self.text, more=MORE)
        if self.as_ == "text" and (self.rows or self.beside or self.json_field):
            raise ValueError("as: text is one value a call, expected no rows, beside or json_field")
        if self.json_field and self.as_ not in ("form", "multipart"):
            raise ValueError("json_field is a field of a form, expected as: form or as: multipart")
        if self.rows and self.as_ != "json" and not self.json_field:
            raise ValueError("a form has no list, expected json_field: FIELD beside rows, or no rows")
        if self.rows == "@" and (self.beside and not self.json_field):
            raise ValueError("nothing stands beside a bare list, expected the key of the list in rows")
        if (self.by or self.many) and not self.rows:
            raise ValueError("by and many are for rows, expected rows as well")
        if self.many and not self.by:
            raise ValueError("many lists records by key, expected by as well")
        if self.rows and any(Template(text, more=MORE).paths for text in self.beside.values()):
            raise ValueError("what stands beside a list is the same for all of it, expected no {…} in beside")
        return self

    @property
    def method(self) -> Method:
        return "POST" if self.post else "PUT" if self.put else "PATCH" if self.patch else "GET"

    @property
    def address(self) -> str:
        return str(self.post or self.put or self.patch or self.get)

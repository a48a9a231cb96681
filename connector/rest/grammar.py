"""The YAML a REST destination is described by, checked when the config is read: every fault with its key path.

Addresses and queries are templates: `{path}` fills in from the KPI object (see `outgoing`), `{body.FIELD}` from the
record as it is sent, `{remote_id}` the destination's own id. Expressions are JMESPath over their answers.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from connector.auth import Secret
from connector.outgoing import OutgoingField, Template
from connector.paths import compile_path
from connector.ports import AdapterSettings

MORE = ("remote_id", "body")
"""What a template may name beside the view of a delivery."""


def _expression(text: str) -> str:
    compile_path(text)
    return text


def _address(text: str) -> str:
    Template(text, for_url=True, more=MORE)
    return text


def _text(text: str) -> str:
    Template(text, for_url=False, more=MORE)
    return text


def _spelled_out(given: Any) -> Any:
    return {"path": given} if isinstance(given, str) else given


Expression = Annotated[str, AfterValidator(_expression)]
Address = Annotated[str, AfterValidator(_address)]
Text = Annotated[str, AfterValidator(_text)]
Filled = Annotated[OutgoingField, BeforeValidator(_spelled_out, json_schema_input_type=str | OutgoingField)]


class Part(BaseModel):
    """A part of the grammar: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _one_of(part: Part, *names: str) -> None:
    if len([name for name in names if getattr(part, name) is not None]) != 1:
        raise ValueError(f"expected exactly one of {', '.join(names)}")


class LoginCall(Part):
    """A call that gives a token."""

    post: str = Field(description="Address of the login.", examples=["/auth/login"])
    body: dict[str, SecretStr] = Field(description="What it is sent, as JSON.")
    token: Expression = Field(description="Where the token stands in the answer.", examples=["token"])
    prefix: str = Field("", description="Put before the token in the header, such as 'Bearer '.")


class UserPassword(Part):
    """HTTP basic authentication."""

    user: str
    password: SecretStr


class AuthSettings(Part):
    """How a request proves who we are: a header with a value, a bearer token, user and password, or a login."""

    header: str | None = Field(None, description="Name of the header that carries the value or the token.")
    value: Secret | None = Field(None, description="The header's value.")
    bearer: Secret | None = Field(None, description="Token sent as `Authorization: Bearer …`.")
    basic: UserPassword | None = None
    login: LoginCall | None = None

    @model_validator(mode="after")
    def _one(self) -> AuthSettings:
        _one_of(self, "value", "bearer", "basic", "login")
        if self.value is not None and not self.header:
            raise ValueError("a value needs its header, expected header: NAME beside it")
        if self.header and (self.bearer or self.basic):
            raise ValueError("bearer and basic have their own header, expected no header beside them")
        return self


class Employees(Part):
    """Their list of employees, read once a run, by which ours are found: by code, else by e-mail.

    With `people: {from: NAME}` they are our employees, with what else a row says.
    """

    get: str = Field(description="Address of the list.", examples=["/employees"])
    rows: Expression = Field("@", description="Where the list stands in the answer.")
    code: Expression = Field(description="The employee code in a row.", examples=["MaNhanVien"])
    email: Expression | None = Field(None, description="The e-mail in a row.", examples=["Email"])
    name: Expression | None = Field(None, description="The name in a row.", examples=["HoTen"])
    team: Expression | None = Field(None, description="The team or department in a row.", examples=["TenPhongBan"])
    manager: Expression | None = Field(None, description="The manager's employee code in a row.")
    from_: Expression | None = Field(None, alias="from", description="The first day of employment in a row.")
    to: Expression | None = Field(None, description="The last day of employment in a row.", examples=["NgayNghiViec"])
    owner: Expression | None = Field(None, description="Their user in a source, as source:owner_id, in a row.")
    date_format: str = Field("iso", description="How their days are written.", examples=["%d/%m/%Y"])
    next: Expression | None = Field(None, description="Where the answer names the next page's address.")
    page: str | None = Field(None, description="Query parameter of the page number, counted from 1 to an empty page.")

    @model_validator(mode="after")
    def _one_way_of_paging(self) -> Employees:
        if self.next and self.page:
            raise ValueError("next and page are two ways of paging, expected one")
        return self


class Find(Part):
    """Looking up the record that already stands for a value."""

    get: Address = Field(examples=["/collections/kpi_values/records"])
    query: dict[str, Text] = Field(default_factory=dict, examples=[{"filter": "metric='{kpi}'"}])
    rows: Expression = Field("@", description="Where the list of found records stands in the answer.")
    id: Expression = Field("id", description="The record's id in a row.")


class Update(Part):
    """Changing a record that is there; a leading `...` stands for the address of `post`."""

    patch: Address | None = Field(None, examples=[".../{remote_id}"])
    put: Address | None = None

    @model_validator(mode="after")
    def _one(self) -> Update:
        _one_of(self, "patch", "put")
        return self

    @property
    def method(self) -> str:
        return "PATCH" if self.patch is not None else "PUT"

    @property
    def address(self) -> str:
        return self.patch if self.patch is not None else str(self.put)


class Send(Part):
    """Where values go. With `rows` many in one call, as a list under that key (`@`: the bare list)."""

    post: Address | None = Field(None, examples=["/kpi-results"])
    put: Address | None = Field(None, description="Instead of post where the same again changes nothing.")
    rows: str | None = Field(None, description="Key of the list in the body; without it one value a call.")
    batch: int = Field(50, ge=1, le=10_000, description="Values a call takes at most.")
    update: Update | None = Field(None, description="For a value whose record is there already.")

    @model_validator(mode="after")
    def _one(self) -> Send:
        _one_of(self, "post", "put")
        return self

    @property
    def method(self) -> str:
        return "POST" if self.post is not None else "PUT"

    @property
    def address(self) -> str:
        return self.post if self.post is not None else str(self.put)


class Answer(Part):
    """How an answer is read. Without `ok` the status decides."""

    ok: Expression | None = Field(None, description="True when the call as a whole was taken.")
    rows: Expression | None = Field(None, description="The list of verdicts, in the order of the values sent.")
    row_ok: Expression | None = Field(None, description="True in a row when its value was taken.")
    row_error: Expression | None = Field(None, description="The reason in a row.")
    row_id: Expression | None = Field(None, description="The record's id in a row.")
    id: Expression | None = Field(None, description="The record's id in the answer to one value.")
    exists: Expression | None = Field(None, description="True when a value was refused because its record is there.")


class ReadBack(Part):
    """Reading a record after it was written, and when an answer was lost. Without `get` what `find` shows is compared.

    `compare` names fields of the body with the difference allowed (0 = equal); without it all are compared.
    """

    get: Address | None = Field(None, examples=["/kpi-results/{remote_id}"])
    row: Expression = Field("@", description="Where the record stands in the answer.")
    compare: dict[str, Annotated[Decimal, Field(ge=0)]] = Field(default_factory=dict, examples=[{"ThucHien": 0.01}])


class RestSettings(AdapterSettings):
    """A REST destination, described entirely in YAML."""

    base_url: str = Field(description="Joined with each address as text.", examples=["https://hr.example.vn/api"])
    auth: AuthSettings | None = None
    requests_per_second: float | None = Field(None, gt=0, description="The destination's ceiling.")
    employees: Employees | None = None
    body: dict[str, Filled] = Field(min_length=1, description="Their field: our path, or how it is filled.")
    find: Find | None = None
    send: Send
    answer: Answer | None = Field(None, validate_default=True)
    read_back: ReadBack | None = None

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, base_url: str) -> str:
        if not re.match(r"https?://[^/\s]", base_url):
            raise ValueError("expected an address such as https://host/path")
        return base_url

    @field_validator("read_back")
    @classmethod
    def _compared_is_sent(cls, read_back: ReadBack | None, info: ValidationInfo) -> ReadBack | None:
        body = info.data.get("body") or {}
        for name in read_back.compare if read_back and body else ():
            if name not in body:
                raise ValueError(f"compare names {name!r}, expected fields of body: {', '.join(body)}")
        if read_back and read_back.get is None and "find" in info.data and info.data["find"] is None:
            raise ValueError("nothing is read, expected get here, or find beside it")
        return read_back

    @field_validator("answer")
    @classmethod
    def _verdicts(cls, given: Answer | None, info: ValidationInfo) -> Answer | None:
        send, answer = info.data.get("send"), given or Answer.model_validate({})
        if send is not None and answer.rows and not send.rows:
            raise ValueError("rows are verdicts on a list, expected send.rows as well")
        if send is not None and send.update and not (info.data.get("find") or answer.id or answer.row_id):
            raise ValueError("send.update needs the record's id, expected id or row_id here, or find beside it")
        if not answer.rows and (answer.row_ok or answer.row_error or answer.row_id):
            raise ValueError("row_ok, row_error and row_id are read in rows, expected rows as well")
        return given

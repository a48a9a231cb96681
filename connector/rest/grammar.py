"""The YAML a REST destination is described by, checked when the config is read: every fault with its key path.

Addresses and queries are templates: `{path}` fills in from the KPI object (see `outgoing`), `{body.FIELD}` from the
record as it is sent, `{remote_id}` the destination's own id, `{employee.x}` and `{lookup.NAME.x}` from rows of theirs.
Expressions are JMESPath over their answers. What they are made of is in `parts`, how a request is signed in
`credentials`, where values go in `sending`; a `preset` is a file of the same keys (`presets`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from connector.outgoing import Template
from connector.ports import AdapterSettings
from connector.rest import presets
from connector.rest.credentials import AuthSettings, LoginCall
from connector.rest.parts import (
    MORE,
    Expression,
    FieldName,
    Filled,
    Filling,
    Listing,
    Part,
    Reading,
    Text,
)
from connector.rest.sending import Send

MADE_LATER = ("body", "remote_id")

__all__ = ["MORE", "AuthSettings", "LoginCall", "RestSettings"]


class Teams(Listing):
    """Their list of departments, by which the team of an employee gets its name."""

    key: Expression = Field(description="The key in a row, as `employees.team` gives it.", examples=["MaPhongBan"])
    name: Expression = Field(description="The name in a row.", examples=["TenPhongBan"])


class Employees(Listing):
    """Their list of employees, read once a run, by which ours are found: by override, code, else by e-mail.

    With `people: {from: NAME}` they are our employees, with what else a row says.
    """

    code: Expression | None = Field(None, description="The employee code in a row.", examples=["MaNhanVien"])
    email: Expression | None = Field(None, description="The e-mail in a row.", examples=["Email"])
    name: Expression | None = Field(None, description="The name in a row.", examples=["HoTen"])
    team: Expression | None = Field(None, description="The team or department in a row.", examples=["TenPhongBan"])
    manager: Expression | None = Field(None, description="The manager's employee code in a row.")
    from_: Expression | None = Field(None, alias="from", description="The first day of employment in a row.")
    to: Expression | None = Field(None, description="The last day of employment in a row.", examples=["NgayNghiViec"])
    owner: Expression | None = Field(None, description="Their user in a source, as source:owner_id, in a row.")
    date_format: str = Field("iso", description="How their days are written.", examples=["%d/%m/%Y"])
    teams: Teams | None = Field(None, description="The list that names their teams.")
    fold: bool = Field(False, description="Codes are compared without regard to case and blanks around them.")
    overrides: dict[str, str] = Field(
        default_factory=dict, description="Our employee code or e-mail: their code, or e-mail where they have no code."
    )
    on_miss: Literal["fail", "null"] = Field(
        "fail", description="Nobody of this code or e-mail: refuse the value, or send it without them."
    )

    @model_validator(mode="after")
    def _by_what(self) -> Employees:
        if self.code is None and self.email is None:
            raise ValueError("expected code, email or both: by what an employee is found")
        if self.paths:
            raise ValueError(f"the list is read once, without a value; expected nothing filled in, found {_one(self)}")
        return self


class Lookup(Listing):
    """A record of theirs that a value belongs to (a goal, a tracker), found before it is sent: `{lookup.NAME.id}`."""

    on_miss: Literal["fail", "null"] = Field(
        "fail", description="None there: refuse the value, or send it without."
    )


class Find(Listing):
    """Looking up the record that already stands for a value."""

    id: Expression = Field("id", description="The record's id in a row.")


class Answer(Part):
    """How an answer is read. Without `ok` the status decides."""

    statuses: list[Annotated[int, Field(ge=200, le=299)]] | None = Field(
        None, description="The statuses that take a value, where not every one below 300 does.", examples=[[200, 201]]
    )
    ok: Expression | None = Field(None, description="True when the call as a whole was taken.")
    refused: Expression | None = Field(
        None, description="True when it was refused. With it, an answer that is neither ok nor this waits for a person."
    )
    read_ok: Expression | None = Field(None, description="True of an answer to a look-up that is one.")
    error: Expression | None = Field(None, description="The reason of a refusal.")
    error_header: str | None = Field(None, description="The header that holds the reason.")
    rows: Expression | None = Field(None, description="The list of verdicts, in the order of the values sent.")
    row_ok: Expression | None = Field(None, description="True in a row when its value was taken.")
    row_error: Expression | None = Field(None, description="The reason in a row.")
    row_id: Expression | None = Field(None, description="The record's id in a row.")
    row_index: Expression | None = Field(None, description="The value's position, from 0, where a row tells it.")
    row_key: Expression | None = Field(None, description="What a row echoes of its value, with sent_key.")
    sent_key: Text | None = Field(None, description="What of a value is echoed.", examples=["{body.MaNhanVien}"])
    only_refused: bool = Field(False, description="The rows are the refused values; the others were taken.")
    id: Expression | None = Field(None, description="The record's id in the answer to one value.")
    exists: Expression | None = Field(None, description="True when a value was refused because its record is there.")

    @model_validator(mode="after")
    def _rows(self) -> Answer:
        in_rows = ("row_ok", "row_error", "row_id", "row_index", "row_key")
        if not self.rows and (any(getattr(self, name) for name in in_rows) or self.only_refused):
            raise ValueError("row_ok, row_error and row_id are read in rows, expected rows as well")
        if self.refused and not self.ok:
            raise ValueError("refused tells a no from an answer that is unclear, expected ok as well")
        if (self.row_key is None) != (self.sent_key is None):
            raise ValueError("row_key and sent_key are compared, expected both or neither")
        if self.row_key and self.row_index:
            raise ValueError("a row is matched by row_key or by row_index, expected one")
        if self.only_refused and not (self.row_key or self.row_index):
            raise ValueError("refused rows must say whose they are, expected row_key and sent_key, or row_index")
        return self


class Compared(Part):
    """How exactly a field must stand there, and where."""

    tolerance: Annotated[Decimal, Field(ge=0)] = Field(Decimal(0), description="The difference allowed.")
    path: Filling | None = Field(None, description="Where it stands in the record, if not under its own name.")


def _tolerance(given: Any) -> Any:
    return given if isinstance(given, dict | Compared) else {"tolerance": given}


Comparison = Annotated[Compared, BeforeValidator(_tolerance, json_schema_input_type=float | str | Compared)]


class ReadBack(Reading):
    """Reading a record after it was written, and when an answer was lost. Without `get` what `find` shows is compared.

    `compare` names fields of the body with the difference allowed (0 = equal); without it all are compared.
    """

    is_required: ClassVar[bool] = False

    row: Filling = Field("@", description="Where the record stands in the answer.")
    compare: dict[str, Comparison] = Field(default_factory=dict, examples=[{"ThucHien": 0.01}])
    first: bool = Field(False, description="Read before sending too: what stands there already is not sent again.")

    @property
    def is_call(self) -> bool:
        """Whether it reads by a call of its own, and not by `find`."""
        return self.get is not None or self.post is not None


def _plain(text: str) -> str:
    """A template of what is known of a value before anybody is asked."""
    Template(text)
    return text


class RestSettings(AdapterSettings):
    """A REST destination, described entirely in YAML."""

    preset: str | None = Field(None, description="One of ours that says the rest.", examples=["bamboohr"])
    given: dict[str, Any] = Field(default_factory=dict, description="What the preset asks for.", repr=False)
    base_url: str = Field(description="Joined with each address as text.", examples=["https://hr.example.vn/api"])
    auth: AuthSettings | None = None
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every request.")
    requests_per_second: float | None = Field(None, gt=0, description="The destination's ceiling.")
    decode: list[str] = Field(
        default_factory=list, description="Keys of an answer that hold JSON as text.", examples=[["Data"]]
    )
    employees: Employees | None = None
    lookups: dict[str, Lookup] = Field(default_factory=dict, description="What a value belongs to there, by name.")
    one_value: Annotated[str, AfterValidator(_plain)] | None = Field(
        None, description="What has one value there only; a second value for it is refused.",
        examples=["{subject.key} {kpi}"],
    )
    unready: str | None = Field(None, description="Why nothing can be sent there yet; their employees are read.")
    body: dict[FieldName, Filled] = Field(min_length=1, description="Their field: our path, or how it is filled.")
    find: Find | None = None
    send: Send
    answer: Answer | None = Field(None, validate_default=True)
    read_back: ReadBack | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        return presets.applied(data) if isinstance(data, dict) and data.get("preset") is not None else data

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, base_url: str) -> str:
        if not re.match(r"https?://[^/\s]", base_url):
            raise ValueError("expected an address such as https://host/path")
        return base_url

    @field_validator("given")
    @classmethod
    def _for_preset(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if given and info.data.get("preset") is None:
            raise ValueError("is what a preset asks for, expected preset: NAME beside it")
        return given

    @field_validator("read_back")
    @classmethod
    def _compared_is_sent(cls, read_back: ReadBack | None, info: ValidationInfo) -> ReadBack | None:
        send = info.data.get("send")
        changed = send.update.body if send is not None and send.update else {}
        body = {**(info.data.get("body") or {}), **changed}
        for name in read_back.compare if read_back and body else ():
            if name not in body:
                raise ValueError(f"compare names {name!r}, expected fields of body: {', '.join(body)}")
        if read_back and not read_back.is_call and "find" in info.data and info.data["find"] is None:
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
        return given

    @model_validator(mode="after")
    def _is_read_by_id(self) -> RestSettings:
        read_back, answer = self.read_back, self.answer or Answer.model_validate({})
        if read_back is None or not read_back.is_call or "remote_id" not in read_back.paths:
            return self
        if not (self.find or answer.id or answer.row_id):
            raise ValueError("read_back names {remote_id}, expected answer.id or answer.row_id, or find beside it")
        return self

    @model_validator(mode="after")
    def _names(self) -> RestSettings:
        """Every `{lookup.NAME…}` is one there is, and `{employee…}` has a list."""
        known = self.lookups
        has_fields = self.send.as_ not in ("text", "none") and (self.send.rows != "@" or self.send.json_field)
        if self.auth is not None and self.auth.field and not has_fields:
            raise ValueError("auth.field is a field of every body, expected send to have a body of fields"
            )
        for name, lookup in known.items():
            if early := {path for path in (*lookup.paths, *(lookup.filled_paths)) if path.startswith(MADE_LATER)}:
                raise ValueError(
                    f"lookups.{name} names {sorted(early)[0]}, which is made after it; expected a path of the KPI value"
                )
        for path in self._paths():
            first, _, rest = path.partition(".")
            name = rest.partition(".")[0].partition("[")[0]
            if first == "lookup" and name not in known:
                listed = ", ".join(known) or "none"
                raise ValueError(f"{path}: there is no look-up {name!r}, expected one of lookups: {listed}")
            if first == "employee" and self.employees is None:
                raise ValueError(f"{path}: no employees are looked up, expected employees beside it")
        update = self.send.update
        if update is not None and update.keep is not None and not (
            self.find or (self.read_back and self.read_back.is_call)
        ):
            raise ValueError("send.update.keep needs the record as it stands, expected find or read_back.get beside it")
        return self

    @property
    def holds_one_period(self) -> bool:
        """Whether a value there takes the place of that of another period."""
        if self.one_value is None:
            return False
        return not any(path.startswith(("period", "key")) for path in Template(self.one_value).paths)

    @property
    def uses_employee(self) -> bool:
        """Whether something is filled in from the row of an employee, and not just their code."""
        return any(path.split(".")[0] == "employee" for path in self._paths())

    def _paths(self) -> Iterator[str]:
        send, read_back = self.send, self.read_back
        for call in (*self.lookups.values(), self.find, read_back):
            if call is not None and (call.get or call.post):
                yield from call.paths
        for listing in (*self.lookups.values(), self.find):
            yield from listing.filled_paths if listing else ()
        texts = [send.address, *send.query.values(), *send.beside.values(), send.text or "", send.by or ""]
        texts += [send.update.address if send.update else "", send.withdraw.address if send.withdraw else ""]
        for text in texts:
            yield from Template(text, more=MORE).paths
        for field in (*self.body.values(), *(send.update.body.values() if send.update else ())):
            yield from (path for path in (field.path, *(field.first_of or ())) if path)
            yield from Template(field.template or "", more=MORE).paths


def _one(listing: Listing) -> str:
    return sorted(listing.paths)[0]

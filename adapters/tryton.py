"""Tryton ERP (sale_opportunity, sale, account_invoice), REST of 8.x by a user's key, or JSON-RPC by session login.

Both take the same calls: POST crm/rest/model/NAME/METHOD with the arguments by name and the context in a header, or
POST crm/rpc/ with the arguments in order and the context last (trytond 8.2 protocols/rest.py, jsonrpc.py). Decimals,
dates and times arrive as tagged objects; records hold them as plain text. Instants are UTC.

An opportunity carries its whole history. Tryton lists the instants at which it was written (`history_revisions`), and
reads it as it was at one instant (context `_datetime`), one call an instant. So `_instants` picks as few instants as
see every version of every opportunity of a page.

An invoice carries what settled it: the lines that pay it, and what else it was reconciled with (`_payments`).
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from decimal import Context as Arithmetic
from itertools import pairwise
from typing import Any, NamedTuple, Self

from pydantic import model_validator

from adapters._tryton_metadata import Server, allowed, owner, pipeline
from adapters._tryton_metadata import fields as told_fields
from connector.answer import http_date
from connector.auth import Auth, Bearer, Login, Secret
from connector.errors import AuthError, Permanent, RemoteError, Transient, UnexpectedShape
from connector.http import Client, Response
from connector.metadata import Metadata, OwnerInfo
from connector.model import micros
from connector.ports import AdapterSettings, Check, Context, Exchange, Page, Record, Source, Stream, Window

ROWS_PER_PAGE = 100
INVERSE = Arithmetic(prec=12)  # digits of one unit's price in base money, from Tryton's units per base money
NEEDS = "expected 8.2 with the modules sale_opportunity, sale and account_invoice"
STAMPS = ("create_date", "write_date")
VERSION = ("state", "amount", "currency.code", "employee", "conversion_probability", *STAMPS)
LINE = ("date", "amount", "amount_currency.code", "reconciliation")
DUE, PAID, MATCHED = "lines_to_pay", "payment_lines", "reconciliation_lines"


@dataclass(frozen=True)
class Model:
    """A model of Tryton as a stream: the fields asked for, and which of its records."""

    name: str
    fields: tuple[str, ...]
    domain: tuple[Any, ...] = ()
    cursor: bool = True


MODELS = {
    "opportunities": Model(
        "sale.opportunity",
        ("number", "reference", "description", "party", "start_date", "end_date", "lost_reason", "converted_by",
         "sales", *VERSION),
    ),
    "sales": Model(
        "sale.sale",
        ("number", "reference", "state", "sale_date", "shipping_date", "party", "currency.code", "untaxed_amount",
         "total_amount", "origin", "quoted_by", "confirmed_by", "lines.type", "lines.quantity", "lines.amount",
         *STAMPS),
    ),
    "invoices": Model(
        "account.invoice",
        ("number", "type", "state", "invoice_date", "party", "currency.code", "currency.digits", "untaxed_amount",
         "total_amount", "sales", "origin_invoices.sales", "origin_invoices.cancel_move", "move", "cancel_move.origin",
         f"{DUE}.maturity_date", *(f"{lines}.{field}" for lines in (DUE, PAID, MATCHED) for field in LINE), *STAMPS),
        (["type", "=", "out"],),
    ),
    # Its e-mail is the party's, and its users point at it: neither moves its own stamp, so it is always read whole.
    "employees": Model(
        "company.employee", ("party.name", "party.email", "active", "start_date", "end_date", *STAMPS), cursor=False,
    ),
    "parties": Model("party.party", ("name", "code", "active", *STAMPS)),
    "currencies": Model(
        "currency.currency", ("code", "active", "rates.date", "rates.rate", *STAMPS), cursor=False,
    ),
}


class TrytonSettings(AdapterSettings):
    """Where the server is, and either a user application's key (REST) or user and password (session login)."""

    base_url: str
    database: str
    key: Secret | None = None
    user: str | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.key is not None) == (self.user is not None and self.password is not None):
            raise ValueError("set either `key`, or `user` and `password`")
        return self


class Tryton(Source):
    """One database of a Tryton server."""

    Settings = TrytonSettings

    def __init__(self, name: str, settings: TrytonSettings, context: Context) -> None:
        super().__init__(name, settings, context)
        secrets = [secret.get_secret_value() for secret in (settings.key, settings.password) if secret is not None]
        self._by_key = settings.key is not None
        auth: Auth = Bearer(secrets[0]) if self._by_key else Login(self._login, known=tuple(secrets))
        self._client = Client(settings.base_url, system=name, context=context, auth=auth, judge=_judge)
        self._server = Server(lambda stream, *asked: _result(self._call(stream, *asked).json()))

    def streams(self) -> Sequence[Stream]:
        """Deleted records leave no trace in Tryton, but a whole read shows every record there is, archived ones too."""
        return [Stream(name, cursor=model.cursor, by_id=True, complete=model.cursor) for name, model in MODELS.items()]

    def now(self) -> datetime:
        """The server's time, cut to whole seconds."""
        return self._clock(self._search("parties", [["id", "<", 0]], ("id",)))

    @property
    def requests(self) -> int:
        return self._client.requests

    def close(self) -> None:
        self._client.close()

    def read(self, stream: str, window: Window, position: Any = None) -> Iterator[Page]:
        """Pages in the order of ids; the position is the last id given. A change while reading gets a stamp after the
        window's end and falls into the next one; a whole read is of what there is, so that nothing seems deleted."""
        after = position
        within = _stamped(window.lo, window.hi) if self._model(stream).cursor and window.lo is not None else []
        while True:
            domain = [*within, ["id", ">", after]] if after is not None else within
            page, last = self._page(stream, domain)
            after = last
            yield page
            if after is None:
                return

    def read_ids(self, stream: str, ids: Sequence[str]) -> Iterator[Page]:
        numbers = sorted({int(id_) for id_ in ids if id_.isascii() and id_.isdigit()})
        for start in range(0, len(numbers), ROWS_PER_PAGE):
            page, _ = self._page(stream, [["id", "in", numbers[start : start + ROWS_PER_PAGE]]])
            yield Page(stream, page.exchanges, None, page.read_at)

    def records(self, stream: str, exchanges: Sequence[Exchange]) -> Iterator[Record]:
        answers = [_result(exchange.json) for exchange in exchanges]
        if stream == "opportunities":
            _with_history(answers)
        elif stream == "employees":
            _with_users(answers)
        for row in answers[0]:
            if stream == "sales":
                model, _, id_ = (row["origin"] or "").partition(",")
                row["opportunity"] = id_ if model == "sale.opportunity" else None
            elif stream == "currencies":
                for rate in row["rates"] or ():
                    rate["inverse"] = _inverse(rate["rate"])
            elif stream == "invoices":
                row["kind"] = "credit_note" if Decimal(row["untaxed_amount"] or 0) < 0 else "invoice"
                row["status"] = "credited" if _is_credited(row) else row["state"]
                row["due"] = max((line["maturity_date"] or "" for line in row.get(DUE) or ()), default="") or None
                row["payments"] = [] if row["status"] == "credited" else list(_payments(row))
            yield Record(str(row["id"]), micros(datetime.fromisoformat(_stamp(row))), row)

    def metadata(self, streams: Collection[str]) -> Metadata:
        """The fields that are read of each model; with `opportunities` their states as a pipeline, the company's
        currency and all currencies in use; with `employees` those, as owners.

        A call each, and two for each hundred employees. What this user may not read is left out, as if not told.
        """
        defined = {name: self._server.defined(name, model.name, model.fields)
                   for name, model in MODELS.items() if name in streams}
        own, codes = self._server.currencies() if "opportunities" in streams else (None, ())
        return Metadata(
            pipelines=pipeline(defined.get("opportunities") or {}),
            fields={name: told_fields(name, MODELS[name].fields, one) for name, one in defined.items() if one},
            owners=(allowed(self._owners) or ()) if "employees" in streams else (), currency=own, currencies=codes,
        )

    def _owners(self) -> tuple[OwnerInfo, ...]:
        pages = self.read("employees", Window(None, self._client.vendor_now()))
        return tuple(owner(one.data) for page in pages for one in self.records("employees", page.exchanges))

    def check(self) -> Iterator[Check]:
        """Whether each stream may be read."""
        for stream, model in MODELS.items():
            try:
                self._search(stream, [], model.fields, limit=1)
                yield Check(f"read {stream} ({model.name})", ok=True)
            except AuthError as refused:
                yield Check("log in", ok=False, detail=str(refused))
                return
            except RemoteError as refused:
                yield Check(f"read {stream} ({model.name})", ok=False, detail=str(refused))
        if self._users([0]) is None:
            detail = "without it nobody is credited as the actor of a stage change; let this user read users"
            yield Check("read users (res.user)", ok=False, detail=detail)

    # --- pages -------------------------------------------------------------------------------------------------------

    def _model(self, stream: str) -> Model:
        if stream not in MODELS:
            raise Permanent(f"no such stream; known: {', '.join(MODELS)}", system=self.name, stream=stream)
        return MODELS[stream]

    def _page(self, stream: str, domain: list[Any]) -> tuple[Page, int | None]:
        """The next page of a domain, and the last id in it where there may be more."""
        model = self._model(stream)
        found = self._search(stream, [*model.domain, *domain], model.fields)
        rows = _result(found.json())
        exchanges = [found.exchange()]
        if rows and stream == "opportunities":
            exchanges += self._history(rows)
        elif rows and stream == "employees":
            users = self._users([row["id"] for row in rows])
            exchanges += [users.exchange()] if users else []
        read_at = max([self._clock(found), *(datetime.fromisoformat(_stamp(row)) for row in rows)])
        last = rows[-1]["id"] if len(rows) == ROWS_PER_PAGE else None
        return Page(stream, exchanges, last, read_at), last

    def _history(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Exchange]:
        """The list of revisions of these opportunities, then the calls that together show every version of them."""
        model = MODELS["opportunities"].name
        listed = self._call("opportunities", model, "history_revisions", {"ids": [row["id"] for row in rows]})
        yield listed.exchange()
        for at, ids in _instants(_spans(rows, _result(listed.json()))):
            # trytond on SQLite compares stamps as text, where a whole second sorts before its own first microsecond.
            asked = at if at.microsecond else at + timedelta(microseconds=1)
            arguments = {"ids": ids, "fields_names": VERSION}
            yield self._call("opportunities", model, "read", arguments, {"_datetime": _tag(asked)}).exchange()

    def _users(self, employees: list[int]) -> Response | None:
        """The users of these employees; None where ours may not read them."""
        domain = [["employees", "in", employees]]
        arguments = _search_arguments(domain, ("name", "email", "active", "employees"), None)
        try:
            return self._call("employees", "res.user", "search_read", arguments)
        except AuthError:
            raise
        except Permanent:
            return None

    # --- calls -------------------------------------------------------------------------------------------------------

    def _search(self, stream: str, domain: list[Any], fields: Sequence[str], limit: int | None = None) -> Response:
        asked = _search_arguments(domain, fields, limit or ROWS_PER_PAGE)
        return self._call(stream, self._model(stream).name, "search_read", asked)

    def _call(
        self, stream: str, model: str, method: str, arguments: Mapping[str, Any], more: Mapping[str, Any] | None = None
    ) -> Response:
        """One call of a model's method that changes nothing; `more` is added to its context."""
        context = {"active_test": False, **(more or {})}  # archived records too
        database = self.settings.database
        if not self._by_key:
            body = {"id": 1, "method": f"model.{model}.{method}", "params": [*arguments.values(), context]}
            return self._client.request("POST", f"{database}/rpc/", json=body, stream=stream, safe=True)
        return self._client.request(
            "POST", f"{database}/rest/model/{model}/{method}", json=arguments, stream=stream, safe=True,
            headers={"X-Tryton-Context": base64.urlsafe_b64encode(json.dumps(context).encode()).decode()},
            body_text=json.dumps({**arguments, "context": context}),
        )

    def _login(self) -> str:
        user, password = self.settings.user, self.settings.password.get_secret_value()
        body = {"id": 1, "method": "common.db.login", "params": [user, {"password": password}, "en"]}
        answer = self._client.request("POST", f"{self.settings.database}/rpc/", json=body, signed=False, safe=True)
        try:
            id_, session, *_ = _result(answer.json())
        except (TypeError, ValueError):
            raise answer.error(AuthError, "the login was refused; check user and password") from None
        return "Session " + base64.b64encode(f"{user}:{id_}:{session}".encode()).decode()

    def _clock(self, answer: Response) -> datetime:
        return http_date(answer.headers.get("Date")) or self._client.vendor_now()


# --- what an answer means --------------------------------------------------------------------------------------------


def _judge(answer: Response) -> RemoteError | None:
    """Tryton's own way of saying no: JSON-RPC faults with status 200, and 500 for a model or field it does not have."""
    if answer.status == 200 and answer.content_type == "application/json":
        content = answer.json()
        error = content.get("error") if isinstance(content, dict) else None
        return _fault(answer, error) if error else None
    unknown = re.search(r"<p>'([\w.]+)'</p>", html.unescape(answer.content[:2000].decode("utf-8", "replace")))
    if answer.status == 500 and unknown:
        return answer.error(Permanent, f"this Tryton has no {unknown[1]!r}; {NEEDS}")
    return None


def _fault(answer: Response, error: Any) -> RemoteError:
    name = str(error[0]) if isinstance(error, list) and error else type(error).__name__
    if name == "LoginException":
        return answer.error(AuthError, "the login asks for more than a password; use a key, or a user without it")
    if name == "ConcurrencyException":
        return answer.error(Transient, "the record was being changed")
    if re.fullmatch(r"'[\w.]+'", name):
        return answer.error(Permanent, f"this Tryton has no {name}; {NEEDS}")
    kind = name if re.fullmatch(r"\w+", name) else "an unexpected fault"  # any other text may quote customers' data
    return answer.error(Permanent, f"refused ({kind}); may this user read the model, in its company?")


def _result(answer: Any) -> Any:
    """A decoded answer without its JSON-RPC envelope, in plain values. Raises UnexpectedShape."""
    return _plain(answer["result"] if isinstance(answer, dict) and "result" in answer else answer)


def _plain(value: Any) -> Any:
    """Tags as text. What is read of a relation stands under its own name, without Tryton's dot; numbers with a point
    are text, so nothing becomes a float."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if not isinstance(value, dict):
        return value
    if "__class__" in value:
        return _untagged(value)
    return {name.removesuffix("."): _plain(item) for name, item in value.items()}


def _untagged(value: Mapping[str, Any]) -> str:
    """A tagged object as exact decimal text, an ISO 8601 date, or an instant with microseconds (UTC, Z)."""
    kind = value["__class__"]
    if kind == "Decimal":
        return str(value["decimal"])
    if kind == "date":
        return date(value["year"], value["month"], value["day"]).isoformat()
    if kind == "datetime":
        day = (value["year"], value["month"], value["day"])
        clock = (value["hour"], value["minute"], value["second"], value["microsecond"])
        return _iso(datetime(*day, *clock, tzinfo=UTC))
    raise UnexpectedShape(f"a value of class {kind}, expected Decimal, date or datetime")


def _iso(at: datetime) -> str:
    """Always with microseconds: these texts sort as the instants do."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _tag(at: datetime) -> dict[str, Any]:
    """An instant as Tryton takes it."""
    at = at.astimezone(UTC)
    return {
        "__class__": "datetime", "year": at.year, "month": at.month, "day": at.day,
        "hour": at.hour, "minute": at.minute, "second": at.second, "microsecond": at.microsecond,
    }


def _search_arguments(domain: list[Any], fields: Sequence[str], limit: int | None) -> dict[str, Any]:
    """The arguments of search_read, in its order."""
    return {"domain": domain, "offset": 0, "limit": limit, "order": [["id", "ASC"]], "fields_names": list(fields)}


def _stamped(lo: datetime, hi: datetime) -> list[Any]:
    """The domain of what was last changed from lo to hi; write_date is null until the first change."""

    def within(field: str) -> list[Any]:
        return [[field, ">=", _tag(lo)], [field, "<=", _tag(hi)]]

    return [["OR", within("write_date"), [["write_date", "=", None], *within("create_date")]]]


def _stamp(row: Mapping[str, Any]) -> str:
    """When a record, or a version of it, was written."""
    return str(row["write_date"] or row["create_date"])


# --- invoices --------------------------------------------------------------------------------------------------------


def _is_credited(row: Mapping[str, Any]) -> bool:
    """Whether a credit note took the whole invoice back, or this is that note. Tryton cancels such an invoice by the
    note's own move, calls the note paid, and reconciles the two; no money was received."""
    cancel = row.get("cancel_move") or {}
    is_taken_back = row["state"] == "cancelled" and str(cancel.get("origin")).startswith("account.invoice,")
    origins = row.get("origin_invoices") or ()
    return is_taken_back or any(row["move"] and origin["cancel_move"] == row["move"] for origin in origins)


def _payments(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What settled an invoice, by day: id, date, currency, amount as paid, and `net`, its part without tax.

    A line that pays the invoice is a payment of its day. Where the invoice is reconciled with more than those (a bank
    line matched by hand, a credit note, a write-off), they settle the rest, on the day of the latest line. The parts of
    a paid invoice add up to its untaxed amount; so do those of a credit note that is used up, below zero.
    """
    code, total, untaxed = row["currency"]["code"], Decimal(row["total_amount"]), Decimal(row["untaxed_amount"])
    due, paid, matched = (row.get(lines) or [] for lines in (DUE, PAID, MATCHED))
    own = [line for line in paid if line["amount_currency"]["code"] == code]
    found = [
        (line["date"], str(line["id"]), line["amount_currency"]["code"], -Decimal(line["amount"]))
        for line in paid
        if line in own or line["reconciliation"] is None
    ]
    for reconciliation in sorted({line["reconciliation"] for line in due if line["reconciliation"]}):
        rest = sum(Decimal(line["amount"]) for line in (*due, *own) if line["reconciliation"] == reconciliation)
        others = [line for line in matched if line["reconciliation"] == reconciliation]
        if rest and others:  # beside lines of its currency stands the difference of rates, on the day it was booked
            same = [line for line in others if line["amount_currency"]["code"] == code]
            found.append((max(line["date"] for line in same or others), f"{row['id']}-{reconciliation}", code, rest))
    so_far = given = Decimal(0)
    for day, id_, currency, amount in sorted(found):
        if total and currency == code:
            so_far += amount
            net = _rounded(untaxed * so_far / total, row["currency"]["digits"]) - given
            given += net
        else:
            net = _rounded(untaxed * amount / total, 4) if total else amount
        yield {"id": id_, "date": day, "currency": currency, "amount": format(amount, "f"), "net": format(net, "f")}


def _rounded(amount: Decimal, digits: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)


# --- history ---------------------------------------------------------------------------------------------------------


class Span(NamedTuple):
    """A version of an opportunity: written at `first`, replaced at `until`."""

    id: int
    first: datetime
    until: datetime


def _spans(rows: Sequence[Mapping[str, Any]], revisions: Sequence[Sequence[Any]]) -> Iterator[Span]:
    """The versions older than the rows at hand; a revision newer than its row belongs to the next window."""
    for row in rows:
        current = datetime.fromisoformat(_stamp(row))
        times = {datetime.fromisoformat(at) for at, id_, _ in revisions if id_ == row["id"]}
        ordered = sorted({time for time in times if time < current} | {current})
        for first, until in pairwise(ordered):
            yield Span(row["id"], first, until)


def _instants(spans: Iterable[Span]) -> Iterator[tuple[datetime, list[int]]]:
    """The fewest instants that lie within every span, each with the ids to read as of it.

    Piercing intervals: the span that ends first has to be met before its end; an instant that late meets every other
    one it can. The instant taken is the latest beginning among those it meets.
    """
    left = sorted(spans, key=lambda span: span.until)
    while left:
        ends = left[0].until
        met = [span for span in left if span.first < ends]
        yield max(span.first for span in met), sorted(span.id for span in met)
        left = [span for span in left if span.first >= ends]


def _with_history(answers: Sequence[Any]) -> None:
    """Put each opportunity's versions into its row, oldest first: at, by, state, amount, currency, employee,
    probability. They are told apart by their own stamps, so the order of the answers does not matter."""
    rows, revisions, versions = answers[0], answers[1] if len(answers) > 1 else (), answers[2:]
    seen = {(row["id"], _stamp(row)): row for answer in (*versions, rows) for row in answer}
    for row in rows:
        own = sorted((at, by) for at, id_, by in revisions if id_ == row["id"] and at <= _stamp(row))
        row["history"] = [
            {
                "at": at, "by": by, "state": version["state"], "amount": version["amount"],
                "currency": (version["currency"] or {}).get("code"), "employee": version["employee"],
                "probability": version["conversion_probability"],
            }
            for at, by in own
            if (version := seen.get((row["id"], at))) and version["state"]  # none: deleted then, and restored
        ]


def _with_users(answers: Sequence[Any]) -> None:
    """Put the users of each employee into its row, active ones first."""
    users = answers[1] if len(answers) > 1 else []
    users.sort(key=lambda user: (not user["active"], user["id"]))
    for row in answers[0]:
        row["users"] = [
            {"id": user["id"], "name": user["name"], "email": user["email"]}
            for user in users
            if row["id"] in user["employees"]
        ]


def _inverse(rate: str) -> str | None:
    """Base money for one unit, 12 digits; Tryton's rate is units for one of base money."""
    return format(INVERSE.divide(Decimal(1), Decimal(rate)), "f") if Decimal(rate) else None

"""What an answer of Tryton means, case by case, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.tryton import _inverse, _judge, _result
from connector.answer import Response, decode
from connector.errors import AuthError, Permanent, Transient, UnexpectedShape
from connector.redaction import Redactor


def answer(content: Any, status: int = 200, kind: str = "application/json") -> Response:
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    nothing = Redactor(lambda: ())
    return Response("POST", "http://127.0.0.1/crm/rpc/", None, status, {"Content-Type": kind}, body, nothing)


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (["UserError", ["No right to read \"Big deal of Mr. Brown\"", None, None]], Permanent),
        (["'nope'", ""], Permanent),
        (["Something of Mr. Brown went wrong", "Traceback ..."], Permanent),
        (["ConcurrencyException", "Records have been modified"], Transient),
        (["LoginException", ["password", "Password for connector", "password"]], AuthError),
    ],
)
def test_a_fault_with_status_200_is_sorted_by_what_happens_next_and_quotes_no_record(
    error: Any, means: type[Exception]
) -> None:
    said = _judge(answer({"id": 1, "error": error}))
    assert type(said) is means
    assert "Brown" not in str(said)


def test_an_answer_without_fault_is_fine() -> None:
    assert _judge(answer({"id": 1, "result": []})) is None
    assert _judge(answer([])) is None


def test_a_missing_field_over_rest_is_no_reason_to_try_again_but_another_500_is() -> None:
    missing = _judge(answer("<h1>Internal Server Error</h1><p>&#39;nope&#39;</p>", 500, "text/html"))
    assert type(missing) is Permanent
    assert "has no 'nope'" in str(missing)
    assert _judge(answer("<p>database is locked</p>", 500, "text/html")) is None  # the status decides: tried again


def test_tags_become_plain_text_and_nothing_a_float() -> None:
    day = {"__class__": "date", "year": 2026, "month": 1, "day": 2}
    at = {"__class__": "datetime", **{k: v for k, v in day.items() if k != "__class__"},
          "hour": 3, "minute": 4, "second": 5, "microsecond": 0}
    row = {"amount": {"__class__": "Decimal", "decimal": "480.00"}, "on": day, "at": at, "share": 0.1,
           "currency.": {"code": "EUR", "id": 1}, "party.": None}
    plain = {
        "amount": "480.00", "on": "2026-01-02", "at": "2026-01-02T03:04:05.000000Z", "share": "0.1",
        "currency": {"code": "EUR", "id": 1}, "party": None,
    }
    for content in ([row], {"id": 1, "result": [row]}):  # REST, JSON-RPC
        assert _result(decode(json.dumps(content).encode())) == [plain]


def test_a_tag_we_do_not_know_is_not_guessed() -> None:
    with pytest.raises(UnexpectedShape, match="class timedelta"):
        _result([{"__class__": "timedelta", "seconds": 5}])


@pytest.mark.parametrize(("rate", "inverse"), [("160", "0.00625"), ("1.16", "0.862068965517"), ("1", "1"), ("0", None)])
def test_a_rate_is_turned_round_to_twelve_digits(rate: str, inverse: str | None) -> None:
    assert _inverse(rate) == inverse

"""Credentials: what they put on a request, when they are renewed, and that they do not show themselves."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from connector.auth import ApiKey, Basic, Bearer, Header, Login
from connector.errors import AuthError, Transient
from connector.redaction import Redactor


def applied(auth: Any) -> tuple[dict[str, str], dict[str, str]]:
    headers: dict[str, str] = {}
    params: dict[str, str] = {}
    auth.apply(headers, params)
    return headers, params


@pytest.mark.parametrize(
    ("auth", "headers", "params"),
    [
        (Bearer("t-123"), {"Authorization": "Bearer t-123"}, {}),
        (Bearer("t-123", scheme="Zoho-oauthtoken"), {"Authorization": "Zoho-oauthtoken t-123"}, {}),
        (Header("X-Key", "t-123"), {"X-Key": "t-123"}, {}),
        (Basic("Aladdin", "open sesame"), {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, {}),  # RFC 7617, 2
        (Basic("test", "123£"), {"Authorization": "Basic dGVzdDoxMjPCow=="}, {}),  # RFC 7617, 2.1
        (ApiKey("api_token", "t-123"), {}, {"api_token": "t-123"}),
    ],
)
def test_each_credential_goes_where_it_belongs(auth: Any, headers: dict[str, str], params: dict[str, str]) -> None:
    assert applied(auth) == (headers, params)
    assert auth.refresh() is False
    assert not any(secret in repr(auth) for secret in auth.secrets())


def test_basic_hides_the_password_and_its_encoded_form() -> None:
    assert Basic("Aladdin", "open sesame").secrets() == ("open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")


def test_a_login_is_made_when_first_needed_and_kept() -> None:
    calls: list[int] = []
    auth = Login(lambda: calls.append(1) or f"Session number{len(calls)}", header="X-Session", known=("pass-word",))
    assert calls == []
    assert applied(auth)[0] == applied(auth)[0] == {"X-Session": "Session number1"}
    assert set(auth.secrets()) == {"pass-word", "Session number1", "number1"}


def test_threads_that_meet_one_refusal_make_one_new_login() -> None:
    calls: list[int] = []
    auth = Login(lambda: calls.append(1) or f"Session number{len(calls)}")
    barrier = threading.Barrier(8)

    def meet_a_refusal() -> None:
        applied(auth)
        barrier.wait()
        assert auth.refresh()

    threads = [threading.Thread(target=meet_a_refusal) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 2
    assert applied(auth)[0] == {"Authorization": "Session number2"}


def test_a_refused_password_is_not_tried_again() -> None:
    calls: list[int] = []

    def login() -> str:
        calls.append(1)
        raise AuthError("wrong password")

    auth = Login(login)
    for _ in range(3):
        with pytest.raises(AuthError):
            applied(auth)
    assert len(calls) == 1


def test_a_login_that_failed_for_another_reason_is_tried_again() -> None:
    answers: list[Any] = [Transient("busy"), "Session two"]

    def login() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    auth = Login(login)
    with pytest.raises(Transient):
        applied(auth)
    assert applied(auth)[0] == {"Authorization": "Session two"}


def test_a_secret_is_hidden_in_every_form_it_is_written_in() -> None:
    clean = Redactor(lambda: ['p/w "ö"+1'])
    forms = ['p/w "ö"+1', "p%2Fw%20%22%C3%B6%22%2B1", "p%2Fw+%22%C3%B6%22%2B1", 'p/w \\"\\u00f6\\"+1', 'p/w \\"ö\\"+1']
    for form in forms:
        assert clean.text(f"<{form}>") == "<***>"
        assert clean.content(f"<{form}>".encode()) == b"<***>"


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert Redactor(lambda: ["abcd", "abcd-efgh"]).text("abcd-efgh abcd") == "*** ***"


def test_a_password_in_an_address_is_hidden_and_a_tiny_secret_hides_nothing() -> None:
    assert Redactor(lambda: ["a"]).text("a https://user:pw@host/a") == "a https://***@host/a"


def test_log_entries_are_cleaned() -> None:
    clean = Redactor(lambda: ["t-123"])
    assert clean(None, "info", {"event": "sent t-123", "count": 3}) == {"event": "sent ***", "count": 3}

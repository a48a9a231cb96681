"""The HTTP client: what is tried again, what is not, how fast, and what may be seen of it."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from urllib3.exceptions import MaxRetryError
from urllib3.exceptions import SSLError as TlsError

from connector.auth import ApiKey, Bearer, Login
from connector.budget import Limit
from connector.errors import AuthError, Permanent, RateLimited, RemoteError, Transient, Unanswered, UnexpectedShape
from connector.http import Client, Pace, RateHeaders
from connector.testing import FakeClock, context

SECRET = "s3cr3t/token+one"


@pytest.fixture
def client(vendor: Any, clock: FakeClock) -> Client:
    return Client(vendor.url + "/api/", system="crm", context=context(clock), auth=Bearer(SECRET))


def test_base_url_and_path_meet_in_one_slash(client: Client, vendor: Any) -> None:
    for path in ("deals", "/deals"):
        client.get(path)
    assert [asked.path for asked in vendor.asked] == ["/api/deals", "/api/deals"]


def test_parameters_are_escaped_repeated_and_left_out_when_none(client: Client, vendor: Any) -> None:
    client.get("deals", params={"q": "a b&c", "ids": ["1", "2"], "after": None, "archived": True})
    assert vendor.asked[0].path == "/api/deals?q=a+b%26c&ids=1&ids=2&archived=true"


def test_numbers_with_a_point_are_exact_decimals(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(body=b'{"amount": 0.10, "big": 123456789012345678.1234}')]
    assert client.get("x").json() == {"amount": Decimal("0.10"), "big": Decimal("123456789012345678.1234")}


def test_decimals_are_sent_as_exact_numbers(client: Client, vendor: Any) -> None:
    client.request("POST", "x", json={"amount": Decimal("0.10")})
    assert vendor.asked[0].body == b'{"amount":0.10}'


@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 502, 503, 504])
def test_a_busy_or_broken_vendor_is_asked_again(client: Client, vendor: Any, answer: Any, status: int) -> None:
    vendor.answers = [answer(status), answer(status), answer(200)]
    assert client.get("x").status == 200
    assert client.requests == len(vendor.asked) == 3


def test_after_five_attempts_the_last_error_is_raised(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(503, headers={"X-Request-Id": "r-9"})]
    with pytest.raises(Transient) as caught:
        client.get("x", stream="deals")
    assert len(vendor.asked) == 5
    assert (caught.value.status, caught.value.request_id, caught.value.where) == (503, "r-9", "crm deals")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_a_refusal_is_not_asked_again(client: Client, vendor: Any, answer: Any, status: int) -> None:
    vendor.answers = [answer(status, b'{"errors": [{"message": "no such property"}]}')]
    with pytest.raises(Permanent, match=f"status {status}, no such property"):
        client.get("x")
    assert len(vendor.asked) == 1


def test_forbidden_means_the_credential_only_where_the_adapter_says_so(
    vendor: Any, clock: FakeClock, answer: Any
) -> None:
    vendor.answers = [answer(403)]
    client = Client(vendor.url, system="crm", context=context(clock), forbidden_is_auth=True)
    with pytest.raises(AuthError):
        client.get("x")


def test_a_truncated_answer_is_asked_for_again(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(body=b'{"a"', missing=7), answer(body=b'{"a": 1}')]
    assert client.get("x").json() == {"a": 1}


def test_a_lost_answer_of_a_safe_request_is_asked_for_again(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(hang_up=True), answer(body=b'{"a": 1}')]
    assert client.request("POST", "search", json={}, safe=True).json() == {"a": 1}


@pytest.mark.parametrize("lost", [{"hang_up": True}, {"missing": 5}, {"status": 500}, {"status": 504}])
def test_a_lost_answer_of_a_write_is_unanswered_and_not_sent_twice(
    client: Client, vendor: Any, answer: Any, lost: dict[str, Any]
) -> None:
    vendor.answers = [answer(**lost)]
    with pytest.raises(Unanswered):
        client.request("POST", "values", json={"v": 1})
    assert len(vendor.asked) == 1


def test_a_write_the_vendor_did_not_take_is_sent_again(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(503, headers={"Retry-After": "1"}), answer(429), answer(200)]
    assert client.request("POST", "values", json={"v": 1}).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 503])
def test_a_write_that_may_have_been_carried_out_is_unanswered(
    client: Client, vendor: Any, answer: Any, status: int
) -> None:
    """A gateway says 503 of a server that fell silent, and 303 sends on to what was made."""
    vendor.answers = [answer(status, headers={"Location": "/values/1"})]
    with pytest.raises(Unanswered, match=f"status {status}"):
        client.request("POST", "values", json={"v": 1})
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_write_that_is_to_be_made_elsewhere_was_not_made(
    client: Client, vendor: Any, answer: Any, status: int
) -> None:
    vendor.answers = [answer(status, headers={"Location": "https://elsewhere.example/values"})]
    with pytest.raises(UnexpectedShape, match="set base_url"):
        client.request("POST", "values", json={"v": 1})


@pytest.mark.parametrize(
    ("method", "cause", "expected"),
    [
        ("POST", ssl.SSLCertVerificationError("self-signed"), Permanent),
        ("POST", ssl.SSLError("TLSV1_ALERT_INTERNAL_ERROR"), Unanswered),
        ("GET", ssl.SSLError("TLSV1_ALERT_INTERNAL_ERROR"), Permanent),
    ],
)
def test_tls_that_breaks_other_than_on_the_certificate_may_break_after_a_write_was_sent(
    clock: FakeClock, method: str, cause: Exception, expected: type[Exception]
) -> None:
    class Broken(requests.Session):
        def request(self, *_: Any, **__: Any) -> Any:
            raise requests.exceptions.SSLError(MaxRetryError(None, "/", TlsError(cause)))  # type: ignore[arg-type]

    client = Client("https://hr.example", system="hr", context=context(clock), session=Broken)
    with pytest.raises(expected) as caught:
        client.request(method, "values")
    assert type(caught.value) is expected


def test_a_refused_connection_is_never_unanswered(clock: FakeClock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = Client(address, system="crm", context=context(clock), attempts=3)
        with pytest.raises(Transient, match="no connection") as caught:
            client.request("POST", "values", json={})
    assert not isinstance(caught.value, Unanswered)
    assert client.requests == 3


def test_an_unknown_host_is_transient(clock: FakeClock) -> None:
    client = Client("http://no-such-host.invalid", system="crm", context=context(clock), attempts=2)
    with pytest.raises(Transient, match="unknown host"):
        client.get("x")


def test_an_address_that_is_none_says_so(clock: FakeClock) -> None:
    with pytest.raises(Permanent, match="check base_url"):
        Client("api.example.com", system="crm", context=context(clock)).get("x")


def test_retry_after_in_seconds_is_respected(client: Client, vendor: Any, answer: Any, clock: FakeClock) -> None:
    vendor.answers = [answer(429, headers={"Retry-After": "17"}), answer()]
    client.get("x")
    assert 17 <= sum(clock.slept) < 18


def test_retry_after_as_a_date_is_counted_on_the_vendors_clock(
    client: Client, vendor: Any, answer: Any, clock: FakeClock
) -> None:
    headers = {"Date": "Wed, 01 Jan 2020 00:00:00 GMT", "Retry-After": "Wed, 01 Jan 2020 00:00:30 GMT"}
    vendor.answers = [answer(503, headers=headers), answer()]
    client.get("x")
    assert 30 <= sum(clock.slept) < 31


@pytest.mark.parametrize("pause", ["0", "-3", "soon", "Wed, 01 Jan 2020 00:00:00 GMT"])
def test_retry_after_zero_past_or_nonsense_still_waits_a_little(
    client: Client, vendor: Any, answer: Any, clock: FakeClock, pause: str
) -> None:
    vendor.answers = [answer(503, headers={"Retry-After": pause}), answer(503), answer()]
    client.get("x")
    assert 1.5 <= sum(clock.slept) <= 2.5  # 0.5 s, then 1 s, each with up to half a second of jitter


def test_a_very_long_retry_after_ends_the_attempt_at_once_for_every_thread(
    client: Client, vendor: Any, answer: Any, clock: FakeClock
) -> None:
    vendor.answers = [answer(429, headers={"Retry-After": "7200"})]
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            client.get("x")
        assert caught.value.retry_after == 7200
    assert (len(vendor.asked), clock.slept) == (1, [])


def test_a_run_asked_to_end_does_not_wait_on(vendor: Any, answer: Any, clock: FakeClock) -> None:
    stopped = replace(context(clock), stop=lambda: sum(clock.slept) >= 2)
    vendor.answers = [answer(503, headers={"Retry-After": "60"})]
    with pytest.raises(Transient):
        Client(vendor.url, system="crm", context=stopped).get("x")
    assert sum(clock.slept) == 2


def test_a_refused_credential_is_an_auth_error_and_not_asked_again(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(401)]
    with pytest.raises(AuthError):
        client.get("x")
    assert len(vendor.asked) == 1


def test_a_session_is_renewed_once_after_a_refusal(vendor: Any, answer: Any, clock: FakeClock) -> None:
    sessions = iter(["Session one", "Session two", "Session three"])
    vendor.respond = lambda asked: answer(200 if asked.headers["Authorization"] == "Session two" else 401)
    client = Client(vendor.url, system="erp", context=context(clock), auth=Login(lambda: next(sessions)))
    assert client.get("x").status == 200
    vendor.respond = lambda asked: answer(401)
    with pytest.raises(AuthError):
        client.get("x")
    assert [asked.headers["Authorization"][8:] for asked in vendor.asked] == ["one", "two", "two", "three"]


def test_a_judge_may_call_a_good_status_an_error(vendor: Any, answer: Any, clock: FakeClock) -> None:
    """Vendors that answer 200 with an error in the body."""
    vendor.answers = [answer(body=b'{"busy": true}'), answer(body=b'{"busy": false}')]
    client = Client(
        vendor.url, system="erp", context=context(clock),
        judge=lambda given: given.error(Transient, "busy") if given.json()["busy"] else None,
    )
    assert client.get("x").json() == {"busy": False}


def test_a_page_for_people_is_an_unexpected_shape(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(body=b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})]
    with pytest.raises(UnexpectedShape, match="found text/html, 6 bytes, expected JSON"):
        client.get("x").json()


def test_a_redirect_is_not_followed_with_the_credential(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(302, headers={"Location": "https://elsewhere.example/api?key=1"})]
    with pytest.raises(UnexpectedShape, match=r"sent on to https://elsewhere\.example/api; set base_url"):
        client.get("x")


def test_a_next_link_is_followed_on_the_same_host_only(client: Client, vendor: Any) -> None:
    client.get(f"{vendor.url}/api/deals?page=2", params={"a": "b"})
    assert vendor.asked[0].path == "/api/deals?page=2&a=b"
    with pytest.raises(UnexpectedShape, match="expected the host of base_url"):
        client.get("https://elsewhere.example/api/deals?page=2")


def test_no_secret_is_in_an_exchange_a_message_or_a_repr(vendor: Any, answer: Any, clock: FakeClock) -> None:
    echo = f'{{"you sent": "{SECRET}", "message": "bad key {SECRET}"}}'.encode()
    client = Client(vendor.url, system="crm", context=context(clock), auth=ApiKey("key", SECRET), secrets=["pass-word"])
    vendor.answers = [answer(body=echo), answer(400, body=echo)]
    landed = client.request("POST", "x", json={"password": "pass-word"}).exchange()
    with pytest.raises(Permanent) as caught:
        client.get("x")
    assert vendor.asked[0].path == "/x?key=s3cr3t%2Ftoken%2Bone"
    for seen in (repr(landed), str(caught.value), repr(client), repr(client.auth)):
        assert "s3cr3t" not in seen
        assert "pass-word" not in seen
    assert landed.url.endswith("/x?key=***")
    assert landed.body == '{"password":"***"}'


def test_a_credential_with_a_line_end_says_so_without_showing_it(vendor: Any, clock: FakeClock) -> None:
    client = Client(vendor.url, system="crm", context=context(clock), auth=Bearer("abcdef\n"))
    with pytest.raises(AuthError, match="line end") as caught:
        client.get("x")
    assert "abcdef" not in str(caught.value)


def test_a_netrc_entry_never_replaces_our_credential(
    client: Client, vendor: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client.get("x")
    assert vendor.asked[0].headers["Authorization"] == f"Bearer {SECRET}"


def test_the_exchange_keeps_the_answer_as_received(client: Client, vendor: Any, answer: Any) -> None:
    vendor.answers = [answer(body=b' {"a":1.50}\n', headers={"X-Request-Id": "r-1"})]
    landed = client.get("deals", params={"limit": 2}).exchange()
    assert (landed.method, landed.url, landed.body) == ("GET", f"{vendor.url}/api/deals?limit=2", None)
    assert (landed.status, landed.answer, landed.request_id) == (200, b' {"a":1.50}\n', "r-1")
    assert landed.content_type == "application/json"


def test_the_vendors_clock_is_ours_until_an_answer_shows_another(
    client: Client, vendor: Any, answer: Any, clock: FakeClock
) -> None:
    assert client.vendor_now() == clock.now()
    vendor.answers = [answer(headers={"Date": "Mon, 02 Mar 2026 07:59:00 GMT"})]
    client.get("x")
    assert client.vendor_now() == clock.now() - timedelta(minutes=1)


@pytest.mark.parametrize("status", [302, 404, 429, 503])
def test_an_answer_that_is_refused_does_not_tell_the_time(
    client: Client, vendor: Any, answer: Any, clock: FakeClock, status: int
) -> None:
    """It may come of something before the vendor, whose clock is another."""
    right, wrong = "Mon, 02 Mar 2026 07:59:00 GMT", "Mon, 02 Mar 2026 10:00:00 GMT"
    vendor.answers = [answer(headers={"Date": right}), answer(status, headers={"Date": wrong})]
    client.get("x")
    with pytest.raises(RemoteError):
        client.get("x")
    assert client.vendor_now() == clock.now() - timedelta(minutes=1)


def test_a_vendor_that_only_refuses_tells_the_time_by_that_until_it_answers(
    client: Client, vendor: Any, answer: Any, clock: FakeClock
) -> None:
    vendor.answers = [
        answer(503, headers={"Date": "Mon, 02 Mar 2026 10:00:00 GMT"}),
        answer(403, headers={"Date": "Mon, 02 Mar 2026 07:59:00 GMT"}), answer(),
    ]  # fmt: skip
    with pytest.raises(Permanent):
        client.get("x")
    assert client.knows_vendor_clock
    assert client.vendor_now() == clock.now() - timedelta(seconds=60) - timedelta(seconds=sum(clock.slept))


def test_a_wait_of_ages_is_a_day_and_said_in_the_log(
    client: Client, vendor: Any, answer: Any, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.answers = [answer(429, headers={"Retry-After": "1764000000000"}), answer()]
    with pytest.raises(RateLimited):
        client.get("x")
    assert "crm: told to wait 1764000000000 seconds" in caplog.text
    with pytest.raises(RateLimited, match="another 86400 seconds"):
        client.get("x")
    clock.advance(days=1)
    assert client.get("x").status == 200


def test_a_second_cut_off_the_vendors_date_is_no_difference(
    client: Client, vendor: Any, answer: Any, clock: FakeClock
) -> None:
    clock.advance(seconds=0.7)
    vendor.answers = [answer(headers={"Date": "Mon, 02 Mar 2026 08:00:00 GMT"})]
    client.get("x")
    assert client.vendor_now() == clock.now()


def test_threads_share_one_client_and_its_count(client: Client, vendor: Any) -> None:
    threads = [threading.Thread(target=lambda: [client.get("x") for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert client.requests == len(vendor.asked) == 40


# --- pace: more in test_pace.py --------------------------------------------------------------------------------------


def test_the_client_learns_the_pace_from_answers(vendor: Any, answer: Any, clock: FakeClock) -> None:
    """Two of four are ours: the third waits for a window of 10 s, told 5 % longer."""
    vendor.answers = [answer(headers={"X-Max": "4", "X-Left": "4", "X-Interval-Ms": "10000"})]
    pace = Pace(budget=0.5, headers=RateHeaders("X-Max", "X-Left", "X-Interval-Ms"))
    client = Client(vendor.url, system="crm", context=context(clock), pace=pace)
    for _ in range(4):
        client.get("x")
    assert sum(clock.slept) == pytest.approx(10.5)


def test_a_request_is_subject_to_the_limits_it_names(vendor: Any, clock: FakeClock) -> None:
    pace = Pace(limits=[Limit("general", 100, 10), Limit("search", 2, 1, named=True)])
    client = Client(vendor.url, system="crm", context=context(clock), pace=pace)
    for _ in range(20):
        client.get("deals")
    assert sum(clock.slept) == 0
    for _ in range(3):
        client.get("search", limits=("search",))
    assert sum(clock.slept) == pytest.approx(1, abs=0.15)


def test_a_pace_of_its_own_beside_the_clients_holds_its_requests_only(vendor: Any, clock: FakeClock) -> None:
    client = Client(vendor.url, system="crm", context=context(clock), pace=Pace(requests_per_second=100))
    searches = Pace(requests_per_second=1)
    for _ in range(3):
        client.get("search", pace=searches)
        client.get("deals")
    assert sum(clock.slept) == pytest.approx(2, abs=0.3)


def test_a_daily_limit_that_is_used_up_ends_the_run_with_the_time_to_wait(vendor: Any, clock: FakeClock) -> None:
    client = Client(
        vendor.url, system="crm", context=context(clock), pace=Pace(limits=[Limit("daily", 10, 86_400)], budget=0.8)
    )
    for _ in range(8):
        client.get("x")
    with pytest.raises(RateLimited, match="used up") as caught:
        client.get("x", stream="deals")
    assert len(vendor.asked) == 8
    assert caught.value.retry_after == pytest.approx(86_400, rel=0.1)
    assert clock.slept == []
    clock.advance(seconds=caught.value.retry_after)
    assert client.get("x").status == 200, "the next run goes on"


def test_asked_to_stop_while_it_waits_for_its_turn_it_takes_none(vendor: Any, clock: FakeClock) -> None:
    stopping: list[int] = []
    surroundings = replace(context(clock), stop=lambda: bool(stopping))
    client = Client(vendor.url, system="crm", context=surroundings, pace=Pace(requests_per_second=1))
    client.get("x")
    stopping.append(1)
    with pytest.raises(Transient, match="asked to stop"):
        client.get("x")
    assert len(vendor.asked) == 1

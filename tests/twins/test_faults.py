"""Faults on demand: each kind over real sockets, scripted by a test or drawn from a seed."""

from __future__ import annotations

import pytest
import requests

from connector.twins.faults import HEALING, Faults, fault
from connector.twins.server import DROP_BEFORE, Twin
from tests.twins.accounts import DEALS, serving


class Counter(Twin):
    """Counts up on POST and tells the count on GET."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.route("POST", "/count", self._up)
        self.route("GET", "/count", lambda _request: {"count": self.count})

    def _up(self, _request):
        self.count += 1
        return {"count": self.count, "padding": "x" * 100}


@pytest.fixture
def twin():
    with Counter() as twin:
        yield twin


def post(twin, timeout=10):
    return requests.post(twin.url + "/count", timeout=timeout)


@pytest.mark.parametrize(("kind", "status", "retry_after"), [
    ("429", 429, None), ("429 retry after", 429, "2"), ("429 retry after 0", 429, "0"), ("500", 500, None),
    ("502", 502, None), ("503", 503, None), ("423", 423, None), ("401", 401, None),
])
def test_a_refusal_comes_instead_of_the_work(twin, kind, status, retry_after):
    twin.disturb(fault(twin, kind))
    answer = post(twin)
    assert (answer.status_code, answer.headers.get("Retry-After"), twin.count) == (status, retry_after, 0)
    assert post(twin).json()["count"] == 1


@pytest.mark.parametrize(("kind", "done"), [("drop before", 0), ("drop after", 1)])
def test_a_connection_is_dropped_before_the_work_or_after_it(twin, kind, done):
    twin.disturb(fault(twin, kind))
    with pytest.raises(requests.ConnectionError):
        post(twin)
    assert (twin.count, twin.statuses) == (done, {1: 0})


def test_a_truncated_answer_is_shorter_than_its_content_length(twin):
    twin.disturb(fault(twin, "truncated"))
    with requests.post(twin.url + "/count", timeout=10, stream=True) as answer:
        assert int(answer.headers["Content-Length"]) == len('{"count":1,"padding":""}') + 100
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            assert answer.content
    assert twin.count == 1


def test_a_slow_answer_outlasts_a_short_read_timeout_and_is_whole_for_whoever_waits(twin):
    twin.disturb(fault(twin, "slow"))
    with pytest.raises((requests.Timeout, requests.ConnectionError)):
        post(twin, timeout=0.1)
    twin.disturb(lambda reply: type(reply)(200, reply.body, pause=0.01))
    assert post(twin).json()["count"] == 2


@pytest.mark.parametrize(("kind", "text", "type_"), [
    ("html", "<!DOCTYPE html>", "text/html; charset=utf-8"), ("empty", "", "application/octet-stream"),
    ("error in 200", '{"status":"error"', "application/json;charset=utf-8"),
    ("wrong shape", '{"payload":', "application/json;charset=utf-8"),
])
def test_an_answer_is_spoiled_after_the_work_and_still_has_status_200(twin, kind, text, type_):
    twin.disturb(fault(twin, kind))
    answer = post(twin)
    assert (answer.status_code, answer.text[:len(text)], answer.headers["Content-Type"]) == (200, text, type_)
    assert (kind == "empty") == (answer.text == "")
    assert twin.count == 1


def test_hubspots_refusals_have_hubspots_shape():
    with serving() as account:
        for kind, category in (("429", "RATE_LIMITS"), ("423", "LOCKED"), ("401", "INVALID_AUTHENTICATION")):
            account.twin.disturb(fault(account.twin, kind))
            body = account.get(DEALS, int(kind))
            assert (body["status"], body["category"], len(body["correlationId"])) == ("error", category, 36)


def test_an_unknown_fault_is_named_with_those_there_are(twin):
    with pytest.raises(ValueError, match="no fault 'gremlin'; there are 429, "):
        fault(twin, "gremlin")
    with pytest.raises(ValueError, match="no fault 'gremlin'"):
        Faults(7, kinds=["gremlin"])


# --- seeded ----------------------------------------------------------------------------------------------------------


def test_the_same_seed_spoils_the_same_requests_in_the_same_way():
    plans = [[Faults(seed, share=0.3).of(number) for number in range(1, 201)] for seed in (7, 7, 8)]
    assert plans[0] == plans[1] != plans[2]
    assert 40 <= sum(kind is not None for kind in plans[0]) <= 80
    assert {kind for kind in plans[0] if kind} == set(HEALING)


def test_no_more_than_so_many_faults_come_in_a_row():
    faults = Faults(7, share=1.0, most_in_a_row=2)
    assert [faults.of(number) is None for number in range(1, 8)] == [False, False, True, False, False, True, False]


def test_faults_are_given_by_the_number_of_the_request_until_they_are_stopped(twin):
    faults = Faults(3, share=0.5, kinds=["503", "429"]).into(twin)
    expected = [Faults(3, share=0.5, kinds=["503", "429"]).of(number) for number in range(1, 21)]
    statuses = [post(twin).status_code for _ in range(20)]
    assert statuses == [200 if kind is None else int(kind) for kind in expected]
    assert faults.given == [(number, kind) for number, kind in enumerate(expected, 1) if kind]
    faults.stop()
    assert {post(twin).status_code for _ in range(20)} == {200}


def test_a_hook_may_drop_a_request_before_its_work(twin):
    twin.on_request(lambda request: DROP_BEFORE if request.number == 1 else None)
    with pytest.raises(requests.ConnectionError):
        post(twin)
    assert post(twin).json()["count"] == 1

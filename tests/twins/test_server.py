"""The engine of the twins, over real sockets."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
import requests

from connector.twins.clock import SimulatedClock
from connector.twins.server import DROP, Reply, Twin

get, post = partial(requests.get, timeout=10), partial(requests.post, timeout=10)
NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


class Counter(Twin):
    """Counts up on POST and tells the count on GET."""

    def __init__(self, **keywords):
        super().__init__(clock=SimulatedClock(NOON), **keywords)
        self.count = 0
        self.route("POST", "/things/{name}", self._up)
        self.route("GET", "/things/{name}", lambda _request, name: {"name": name, "count": self.count})
        self.route("GET", "/broken", lambda _request: 1 / 0)

    def _up(self, request, name):
        self.count += request.json().get("by", 1)
        return Reply(201, {"count": self.count})


@pytest.fixture
def twin():
    with Counter() as twin:
        yield twin


def test_a_connection_is_kept_alive_and_answers_carry_the_twins_date(twin):
    with requests.Session() as session:
        first = session.post(twin.url + "/things/a", json={"by": 2})
        twin.clock.sleep(60)
        second = session.get(twin.url + "/things/a")
    assert (first.status_code, second.json()) == (201, {"name": "a", "count": 2})
    assert first.headers["Date"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert second.headers["Date"] == "Sun, 01 Mar 2026 12:01:00 GMT"
    assert [one.number for one in twin.requests] == [1, 2]
    assert "Connection" not in first.headers


def test_a_hook_may_change_the_data_before_each_request_is_answered(twin):
    def hook(request):
        twin.count = request.number * 10

    twin.on_request(hook)
    assert [get(twin.url + "/things/a").json()["count"] for _ in range(2)] == [10, 20]


def test_a_dropped_answer_was_worked_on_all_the_same(twin):
    twin.disturb(DROP)
    with pytest.raises(requests.ConnectionError):
        post(twin.url + "/things/a")
    assert get(twin.url + "/things/a").json()["count"] == 1


def test_a_disturbance_answers_instead_of_the_work_as_often_as_asked(twin):
    twin.disturb(Reply(503, "busy", {"Retry-After": "7"}), times=2, path="/things", method="POST")
    answers = [post(twin.url + "/things/a") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 201]
    assert (answers[0].headers["Retry-After"], answers[0].text, twin.count) == ("7", "busy", 1)


def test_a_hook_that_is_forgotten_and_a_disturbance_that_is_over_are_called_no_longer(twin):
    seen = []
    twin.on_request(hook := lambda request: seen.append(request.number))
    twin.disturb(Reply(503), times=1)
    assert [get(twin.url + "/things/a").status_code for _ in range(2)] == [503, 200]
    twin.forget(hook)
    get(twin.url + "/things/a")
    assert (seen, twin._hooks) == ([1, 2], [])


def test_unknown_paths_and_the_twins_own_faults_are_answers_too(twin):
    assert get(twin.url + "/nowhere").status_code == 404
    assert get(twin.url + "/broken").status_code == 500
    assert isinstance(twin.crashes[0], ZeroDivisionError)


def test_the_request_log_can_be_read_by_another_process_and_does_not_count_itself(twin):
    get(twin.url + "/things/a?b=c")
    for _ in range(2):
        log = get(twin.url + "/_twin/log").json()
    assert log == {"count": 1, "requests": [{"number": 1, "method": "GET", "path": "/things/a", "status": 200}]}


def test_stopping_closes_the_connections_clients_keep_alive():
    with Counter() as twin, requests.Session() as session:
        session.get(twin.url + "/things/a")
        twin.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(twin.url + "/things/a")

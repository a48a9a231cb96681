"""The webhook destination, against a receiver that checks it with the standard's own library over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook as Verifier

from adapters.webhook import TRIES, Webhook, WebhookSettings
from connector import outbox
from connector.errors import AuthError, RateLimited, Transient
from connector.model import KpiValue
from connector.ports import Delivery
from connector.store.store import Store
from connector.testing import FakeClock, context, kpi_value
from connector.twins.faults import Faults, fault
from connector.twins.server import DROP, DROP_BEFORE, Reply
from tests.adapters.scripts import dying, lived, run, settled
from tests.adapters.webhook.receiver import NEW, OLD, Receiver


@pytest.fixture
def receiver(clock: FakeClock) -> Iterator[Receiver]:
    with Receiver(clock) as made:
        yield made
    assert not made.crashes


def make(receiver: Receiver, clock: FakeClock, *, secrets: tuple[str, ...] = (NEW,), **more: Any) -> Webhook:
    settings = WebhookSettings(
        url=SecretStr(f"{receiver.url}/hooks/kpi"), secrets=[SecretStr(one) for one in secrets], **more
    )
    return Webhook("hr", settings, context(clock))


def delivery(value: KpiValue | None = None, *, revision: int = 0, attempt: int = 1) -> Delivery:
    value = value or kpi_value()
    return Delivery(outbox.key("hr", value), value.as_json(), {"employee_code": "NV001", "email": "an@example.vn"},
                    revision=revision, attempt=attempt)


def outcomes(hook: Webhook, *deliveries: Delivery) -> list[str]:
    return [receipt.outcome for receipt in hook.send(deliveries)]


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_value_is_a_cloud_event_that_the_standards_library_reads(receiver: Receiver, clock: FakeClock) -> None:
    assert outcomes(make(receiver, clock), delivery(kpi_value(value="19000.50", as_of=1_790_000_000_000_000))) == [
        "confirmed"
    ]
    (request,) = receiver.requests
    event = from_structured_event(HTTPMessage(dict(request.headers), request.body), JSONFormat())
    assert (event.get_type(), event.get_source(), event.get_subject()) == (
        "kpi.value.updated", "urn:pipeline-connector:hr", "hr/won_value/person:NV001/2026-10",
    )
    assert event.get_id() == request.headers["webhook-id"]
    assert event.get_time() == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    data = json.loads(request.body)["data"]
    assert (data["value"], data["currency"]) == ("19000.50", "USD")  # text, so that no reader makes it a float
    assert data["subject"] == {"kind": "person", "key": "NV001", "name": "NV001", "employee_code": "NV001",
                               "email": "an@example.vn"}


def test_the_standards_library_verifies_what_is_sent_now(receiver: Receiver) -> None:
    now = FakeClock(datetime.now(UTC))  # the library has the machine's clock
    receiver.clock = now
    outcomes(make(receiver, now, secrets=(OLD, NEW)), delivery())
    for secret in (OLD, NEW):
        Verifier(secret).verify(receiver.requests[0].body, dict(receiver.requests[0].headers))


def test_both_secrets_sign_while_the_receiver_changes_from_one_to_the_other(
    receiver: Receiver, clock: FakeClock
) -> None:
    hook = make(receiver, clock, secrets=(NEW, OLD))
    for secret in (OLD, NEW):
        receiver.secret = secret
        assert outcomes(hook, delivery(kpi_value(value=secret))) == ["confirmed"]
    assert len(receiver.requests[-1].headers["webhook-signature"].split(" ")) == 2


def test_the_id_is_that_of_the_change_and_not_of_the_attempt(receiver: Receiver, clock: FakeClock) -> None:
    first, again = make(receiver, clock), make(receiver, clock)
    outcomes(first, delivery(revision=3))
    clock.advance(seconds=40)
    outcomes(again, delivery(kpi_value(as_of=5), revision=3, attempt=2))  # computed later, saying the same
    assert len(set(receiver.seen)) == 1
    outcomes(first, delivery(revision=4), delivery(kpi_value(value="1.00"), revision=4))
    assert len(set(receiver.seen)) == 3


def test_the_signature_says_when_this_attempt_was_made(receiver: Receiver, clock: FakeClock) -> None:
    receiver.disturb(fault(receiver, "429 retry after"))
    assert outcomes(make(receiver, clock), delivery()) == ["confirmed"]
    one, two = receiver.requests
    assert int(two.headers["webhook-timestamp"]) - int(one.headers["webhook-timestamp"]) >= 2
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    assert one.body == two.body


# --- what comes back -------------------------------------------------------------------------------------------------


def test_a_lost_answer_is_asked_for_again_with_the_same_id_and_the_event_is_taken_once(
    receiver: Receiver, clock: FakeClock
) -> None:
    receiver.disturb(DROP)
    assert outcomes(make(receiver, clock), delivery()) == ["confirmed"]
    assert (len(receiver.seen), len(receiver.events)) == (2, 1)


def test_an_event_whose_every_answer_is_lost_is_unanswered(receiver: Receiver, clock: FakeClock) -> None:
    receiver.disturb(DROP, times=TRIES)
    assert outcomes(make(receiver, clock), delivery(), delivery(kpi_value(value="2.00"))) == ["unanswered", "confirmed"]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_no_to_one_event_is_kept_with_the_receivers_words_and_the_next_is_sent(
    receiver: Receiver, clock: FakeClock, status: int
) -> None:
    receiver.disturb(Reply(status, {"message": "no such employee"}))
    receipts = list(make(receiver, clock).send([delivery(), delivery(kpi_value(value="2.00"))]))
    assert [receipt.outcome for receipt in receipts] == ["refused", "confirmed"]
    assert "no such employee" in receipts[0].message
    assert receipts[0].status == status


@pytest.mark.parametrize("status", [401, 403, 410])
def test_a_refused_signature_or_an_address_nobody_listens_to_stops_the_destination(
    receiver: Receiver, clock: FakeClock, status: int
) -> None:
    receiver.disturb(Reply(status, {"message": "no"}), times=9)
    with pytest.raises(AuthError):
        outcomes(make(receiver, clock), delivery(), delivery(kpi_value(value="2.00")))
    assert len(receiver.requests) == 1


def test_a_redirect_is_not_followed(receiver: Receiver, clock: FakeClock) -> None:
    receiver.disturb(Reply(302, None, {"Location": "http://169.254.169.254/latest"}))
    assert outcomes(make(receiver, clock), delivery()) == ["refused"]
    assert len(receiver.requests) == 1


def test_a_receiver_that_says_slow_down_for_long_is_left_alone_and_nothing_counts_as_tried(
    receiver: Receiver, clock: FakeClock
) -> None:
    receiver.disturb(Reply(429, {"message": "slow down"}, {"Retry-After": "3600"}), times=9)
    with pytest.raises(RateLimited):
        outcomes(make(receiver, clock), delivery())
    assert len(receiver.requests) == 1


def test_a_receiver_that_is_unwell_is_left_alone_after_three_events(receiver: Receiver, clock: FakeClock) -> None:
    receiver.disturb(fault(receiver, "500"), times=99)
    hook, got = make(receiver, clock), []
    with pytest.raises(Transient, match="3 events in a row"):
        got += [receipt.outcome for receipt in hook.send([delivery(kpi_value(value=f"{one}")) for one in range(9)])]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 3


def test_a_receiver_that_is_away_is_worth_another_try_and_no_secret_is_said(clock: FakeClock) -> None:
    settings = WebhookSettings(url=SecretStr("http://127.0.0.1:1/hooks/s3cret-token"), secrets=[SecretStr(NEW)])
    hook = Webhook("hr", settings, context(clock))
    with pytest.raises(Transient) as raised:
        outcomes(hook, delivery())
    assert "s3cret-token" not in f"{raised.value}{settings!r}"
    assert NEW not in repr(settings)


def test_a_check_sends_nothing(receiver: Receiver, clock: FakeClock) -> None:
    assert [check.ok for check in make(receiver, clock).check()] == [True]
    assert receiver.requests == []


@pytest.mark.parametrize(
    "wrong",
    [{"secrets": ["whsec_c2hvcnQ="]}, {"secrets": ["b2xk" * 8]}, {"secrets": ["whsec_%%%"]}, {"secrets": []},
     {"secrets": [OLD, NEW, OLD]}, {"url": "ftp://host/x"}, {"type": "a b"}],
    ids=["short", "no whsec_", "no base64", "none", "three", "no http", "no type"],
)
def test_a_secret_or_address_that_cannot_be_is_a_fault_of_the_config(wrong: dict[str, Any]) -> None:
    given = {"url": "https://hr.example.vn/hook", "secrets": [NEW], **wrong}
    with pytest.raises(ValidationError) as raised:
        WebhookSettings.model_validate(given)
    assert "b2xk" not in str(raised.value).split("input_value")[0]


# --- bad days --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_after_bad_days_the_receiver_has_every_value_and_took_each_event_once(
    seed: int, receiver: Receiver, clock: FakeClock, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)

    def at_hand() -> Webhook:
        return make(receiver, clock)

    kinds = ("429", "500", "503", "drop before", "drop after", "truncated", "429 retry after")
    faults = Faults(seed, share=0.35, kinds=kinds, most_in_a_row=5).into(receiver)
    wanted = lived(seed, store, at_hand, clock, name="hr")
    faults.stop()
    done = settled(store, at_hand, clock, wanted, name="hr")
    assert (done.owed, done.unanswered, done.refused, done.error) == (0, 0, 0, None)
    assert receiver.held == {outbox.key("hr", value): value.value for value in wanted}
    assert len({event["id"] for event in receiver.events}) == len(receiver.events)
    store.close()


def test_a_run_that_dies_between_sending_and_noting_it_sends_the_same_event_again(
    receiver: Receiver, clock: FakeClock, tmp_path: Path
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/connector.db", clock)
    for commit in range(1, 8):
        value = kpi_value(value=f"{commit}.00")
        with dying(store, commit, before=True):
            run(store, lambda: make(receiver, clock), clock, [value], "hr")
        assert run(store, lambda: make(receiver, clock), clock, [value], "hr").is_clean
        assert receiver.held[outbox.key("hr", value)] == f"{commit}.00"
        assert len(receiver.events) == commit
    store.close()


def test_a_dropped_connection_before_the_request_was_read_is_no_loss(receiver: Receiver, clock: FakeClock) -> None:
    receiver.disturb(DROP_BEFORE)
    assert outcomes(make(receiver, clock), delivery()) == ["confirmed"]
    assert len(receiver.events) == 1

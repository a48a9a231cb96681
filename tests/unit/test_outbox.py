"""What is owed, and how it moves from state to state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from connector import deliveries, outbox
from connector.errors import ConfigError
from connector.model import micros
from connector.ports import Delivery, Receipt
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock, MemoryDestination, context, kpi_value


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(store_url, clock)
    yield opened
    opened.close()


KEY = "hr/won_value/person:NV001/2026-10"


def delivery(value: str = "100.00", **more: Any) -> Delivery:
    found = kpi_value(value=value, **more)
    return Delivery(outbox.key("hr", found), found.as_json(), {"employee_code": "NV001"})


def owe(store: Store, *owed: Delivery) -> int:
    content = MemoryDestination("hr", context(FakeClock(store.clock.now()))).content
    with store.writing() as writing:
        found = outbox.owe(writing, "hr", owed, now=micros(store.clock.now()), content=content)
    return len(found.changes)


def send(store: Store, outcome: str, **more: Any) -> None:
    """Send everything that is due and let the destination answer this."""
    now = micros(store.clock.now())
    with store.reading() as connection:
        due = outbox.due(connection, "hr", now)
    with store.writing() as writing:
        outbox.begin(writing, "hr", due, now)
    answers = [(one, Receipt(one.delivery.key, outcome, **more)) for one in due]  # type: ignore[arg-type]
    with store.writing() as writing:
        outbox.record(writing, "hr", answers, run="r1", now=now)


def row(store: Store) -> Any:
    return store.rows(select(tables.delivery).where(tables.delivery.c.key == KEY))[0]


def test_a_key_is_readable_and_two_different_values_never_share_one() -> None:
    stage = kpi_value("conversion", "team:north/east", dimensions={"stage": "99=8", "reason": "a,b"})
    assert outbox.key("hr", kpi_value()) == KEY
    assert outbox.key("hr", stage) == "hr/conversion/team:north%2Feast/2026-10/reason=a%2Cb,stage=99%3D8"


def test_a_new_value_is_owed_and_a_confirmed_one_that_did_not_change_stays(store: Store) -> None:
    assert owe(store, delivery()) == 1
    send(store, "confirmed", remote_id="77")
    assert owe(store, delivery()) == 0
    assert (row(store).state, row(store).remote_id) == ("confirmed", "77")


def test_a_later_as_of_alone_owes_nothing(store: Store) -> None:
    owe(store, delivery(as_of=1))
    send(store, "confirmed")
    assert owe(store, delivery(as_of=2_000_000)) == 0


@pytest.mark.parametrize(
    "change", [{"value": "101.00"}, {"target": "500.00"}, {"status": "frozen"}, {"denominator": "3"}]
)
def test_a_changed_field_owes_the_value_again(store: Store, change: dict[str, Any]) -> None:
    owe(store, delivery())
    send(store, "confirmed")
    assert owe(store, delivery(**change)) == 1
    assert row(store).state == "owed"


def test_a_changed_person_owes_the_value_again(store: Store) -> None:
    owe(store, delivery())
    send(store, "confirmed")
    renamed = Delivery(KEY, delivery().kpi, {"employee_code": "NV001", "email": "new@example.vn"})
    assert owe(store, renamed) == 1


def test_the_confirmed_hash_moves_only_on_a_confirmation(store: Store) -> None:
    owe(store, delivery("1.00"))
    send(store, "confirmed")
    first = row(store).confirmed_hash
    owe(store, delivery("2.00"))
    send(store, "refused", message="no such employee")
    assert (row(store).confirmed_hash, row(store).state) == (first, "refused")
    send(store, "confirmed")  # nothing is due
    assert owe(store, delivery("2.00")) == 0
    assert row(store).state == "refused"


def test_a_refused_value_is_owed_again_once_it_changes(store: Store) -> None:
    owe(store, delivery("1.00"))
    send(store, "refused")
    assert owe(store, delivery("2.00")) == 1


def test_a_value_that_goes_back_to_what_is_confirmed_is_owed_no_more(store: Store) -> None:
    owe(store, delivery("1.00"))
    send(store, "confirmed")
    owe(store, delivery("2.00"))
    assert owe(store, delivery("1.00")) == 0
    assert row(store).state == "confirmed"
    assert row(store).hash == row(store).confirmed_hash


def test_the_newest_payload_is_what_is_owed(store: Store) -> None:
    owe(store, delivery("1.00"))
    owe(store, delivery("2.00"), delivery("3.00"))
    assert deliveries.show(store, KEY)["value"] == "3.00"


def test_what_is_unanswered_is_not_touched_until_it_is_settled(store: Store) -> None:
    owe(store, delivery("1.00"))
    send(store, "unanswered")
    assert owe(store, delivery("2.00")) == 0
    assert deliveries.show(store, KEY)["value"] == "1.00"


def test_what_a_dead_run_left_in_sending_is_unanswered(store: Store) -> None:
    owe(store, delivery())
    with store.writing() as writing, store.reading() as connection:
        outbox.begin(writing, "hr", outbox.due(connection, "hr", 0), 0)
    with store.writing() as writing:
        assert outbox.recover(writing, "hr", 0) == 1
    assert row(store).state == "unanswered"


def test_a_value_not_taken_waits_twice_as_long_each_time_and_is_dead_after_eight(
    store: Store, clock: FakeClock
) -> None:
    owe(store, delivery())
    waits = []
    while row(store).state == "owed":
        send(store, "retry", message="busy")
        waits.append(((row(store).next_at or micros(clock.now())) - micros(clock.now())) // 60_000_000)
        clock.advance(minutes=waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 0]
    assert (row(store).state, row(store).attempt) == ("dead", 8)


def test_a_value_is_not_sent_before_its_wait_is_over(store: Store, clock: FakeClock) -> None:
    owe(store, delivery())
    send(store, "retry")
    clock.advance(seconds=59)
    send(store, "confirmed")
    assert row(store).state == "owed"
    clock.advance(seconds=1)
    send(store, "confirmed")
    assert row(store).state == "confirmed"


def test_every_receipt_is_kept(store: Store, clock: FakeClock) -> None:
    owe(store, delivery())
    send(store, "retry", status=503, request_id="q1")
    clock.advance(minutes=1)
    send(store, "confirmed", status=200, remote_id="9")
    receipts = deliveries.show(store, KEY)["receipts"]
    assert [(one["attempt"], one["outcome"], one["status"]) for one in receipts] == [
        (1, "retry", 503), (2, "confirmed", 200),
    ]


def test_sending_again_without_having_read_back_forgets_what_was_confirmed(store: Store) -> None:
    owe(store, delivery("1.00"))
    send(store, "confirmed")
    owe(store, delivery("2.00"))
    send(store, "unanswered")
    with store.writing() as writing, store.reading() as connection:
        outbox.resend(writing, "hr", outbox.unanswered(connection, "hr"))
    assert owe(store, delivery("1.00")) == 1  # 2.00 may stand there, so 1.00 has to be sent
    assert row(store).state == "owed"


def test_a_person_may_retry_what_was_refused_or_is_dead(store: Store) -> None:
    owe(store, delivery())
    send(store, "refused")
    assert deliveries.retry(store, KEY) == 1
    assert row(store).state == "owed"
    send(store, "refused")
    assert deliveries.retry(store, destination="other") == 0
    assert deliveries.retry(store, destination="hr", state="refused") == 1


def test_a_person_decides_on_an_unanswered_one(store: Store) -> None:
    owe(store, delivery("1.00"))
    send(store, "unanswered")
    deliveries.resolve(store, KEY, "owed", "not in HR's screen", actor="lan")
    assert row(store).state == "owed"
    send(store, "unanswered")
    deliveries.resolve(store, KEY, "confirmed", "seen in HR", actor="lan")
    assert owe(store, delivery("1.00")) == 0
    assert deliveries.show(store, KEY)["receipts"][-1]["message"] == "decided by lan: seen in HR"
    actions = [one.action for one in store.rows(select(tables.audit).order_by(tables.audit.c.seen_at))]
    assert actions == ["delivery owed", "delivery confirmed"]


def test_a_person_decides_on_all_that_are_unanswered_at_once(store: Store) -> None:
    """A digest of 500 values was one message: it arrived, or it did not."""
    others = [delivery(subject=f"person:NV{number:03}") for number in range(2, 5)]
    owe(store, delivery(), *others[:1])
    send(store, "unanswered")
    owe(store, *others[1:])
    send(store, "refused")
    assert deliveries.resolve_all(store, "hr", "confirmed", "seen in the channel", actor="lan") == 2
    states = {row["key"]: row["state"] for row in deliveries.list_deliveries(store)}
    assert states == {KEY: "confirmed", others[0].key: "confirmed", others[1].key: "refused", others[2].key: "refused"}
    shown = deliveries.show(store, KEY)
    assert (shown["confirmed_value"], shown["receipts"][-1]["message"]) == (
        "100.00", "decided by lan: seen in the channel",
    )
    assert len(store.rows(select(tables.audit))) == 2
    assert deliveries.resolve_all(store, "hr", "confirmed", "once more") == 0


def test_all_of_a_state_that_needs_no_decision_cannot_be_decided(store: Store) -> None:
    owe(store, delivery())
    with pytest.raises(ConfigError, match="expected unanswered or drifted"):
        deliveries.resolve_all(store, "hr", "owed", "because", state="refused")


def test_decisions_that_do_not_fit_the_state_are_refused_with_what_is_expected(store: Store) -> None:
    owe(store, delivery())
    with pytest.raises(ConfigError, match="is owed, expected unanswered"):
        deliveries.resolve(store, KEY, "confirmed", "because")
    with pytest.raises(ConfigError, match="is owed, expected refused or dead"):
        deliveries.retry(store, KEY)
    with pytest.raises(ConfigError, match="there is no delivery of that key"):
        deliveries.show(store, "hr/none")
    with pytest.raises(ConfigError, match="known: owed, sending"):
        deliveries.list_deliveries(store, state="lost")


def test_the_list_shows_what_stands_there_beside_what_is_owed(store: Store) -> None:
    owe(store, delivery("1.00"))
    send(store, "confirmed")
    owe(store, delivery("2.00"))
    (shown,) = deliveries.list_deliveries(store, "hr", "owed")
    assert (shown["key"], shown["value"], shown["confirmed_value"]) == (KEY, "2.00", "1.00")

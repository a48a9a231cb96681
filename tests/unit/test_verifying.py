"""Reading back what was confirmed: what somebody changed there is reported, or written again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector import deliveries
from connector.deliver import DestinationSummary, Rules, deliver
from connector.errors import AuthError, ConfigError, Permanent, Transient
from connector.ports import Delivery, Receipt
from connector.store.store import Store
from connector.testing import FakeClock, MemoryDestination, context, kpi_value

VALUES = [kpi_value(subject=f"person:NV{number:03}", value=f"{number}.00") for number in range(1, 4)]
KEY = "hr/won_value/person:NV001/2026-10"
NOW = Rules(verify=True)


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(store_url, clock)
    yield opened
    opened.close()


def hr(store: Store, **more: Any) -> MemoryDestination:
    return MemoryDestination("hr", context(store.clock), **{"kind": "state", **more})  # type: ignore[arg-type]


def push(store: Store, to: MemoryDestination, rules: Rules | None = None, **more: Any) -> DestinationSummary:
    return deliver(store, to, "hr", VALUES, {}, run="r1", clock=store.clock, rules=rules or Rules(), **more)


def changed(store: Store, **more: Any) -> MemoryDestination:
    """A destination where a person has put 9 in place of our 1 since."""
    to = hr(store, **more)
    push(store, to)
    to.held[KEY] = {**to.held[KEY], "value": "9.00"}
    to.calls.clear()
    return to


def test_what_somebody_changed_there_is_reported_and_left_as_it_is(store: Store) -> None:
    to = changed(store)
    done = push(store, to, NOW)
    assert (done.drifted, done.is_clean, to.held[KEY]["value"]) == (1, False, "9.00")
    (shown,) = deliveries.list_deliveries(store, "hr", "drifted")
    assert (shown["key"], shown["state"], shown["drift"]) == (KEY, "confirmed", "holds 9.00")
    assert deliveries.show(store, KEY)["receipts"][-1]["outcome"] == "drifted"


def test_or_ours_is_written_again_at_once(store: Store) -> None:
    to = changed(store)
    done = push(store, to, Rules(verify=True, on_drift="overwrite"))
    assert (done.drifted, done.confirmed, to.held[KEY]["value"]) == (0, 1, "1.00")
    assert [call for call in to.calls if call[0] == "send"] == [("send", KEY)]
    assert push(store, to, NOW).is_clean


def test_nothing_is_read_back_unless_it_is_asked_for_or_its_time_has_come(store: Store, clock: FakeClock) -> None:
    to, weekly = changed(store), Rules(verify_every=timedelta(days=7))
    assert push(store, to).is_clean
    assert push(store, to, weekly).is_clean
    assert to.calls == []
    clock.advance(days=7, seconds=1)
    assert push(store, to, weekly).drifted == 1
    assert len(to.calls) == 3
    assert push(store, to, weekly).drifted == 0
    assert len(to.calls) == 3


def test_it_is_no_finding_any_more_once_it_stands_there_again(store: Store) -> None:
    to = changed(store)
    push(store, to, NOW)
    to.held[KEY] = {**to.held[KEY], "value": "1.00"}
    assert push(store, to, NOW).is_clean
    assert deliveries.list_deliveries(store, "hr", "drifted") == []


def test_a_person_may_have_one_written_again(store: Store) -> None:
    to = changed(store)
    push(store, to, NOW)
    deliveries.resolve(store, KEY, "owed", "agreed with HR")
    assert push(store, to).confirmed == 1
    assert to.held[KEY]["value"] == "1.00"


def test_one_that_nobody_changed_needs_no_decision(store: Store) -> None:
    to = changed(store)
    push(store, to, NOW)
    with pytest.raises(ConfigError, match="is confirmed, expected unanswered"):
        deliveries.resolve(store, "hr/won_value/person:NV002/2026-10", "owed", "because")


def test_a_target_that_cannot_be_read_is_taken_for_sound(store: Store) -> None:
    assert push(store, changed(store, readable=False), NOW).is_clean


def test_what_cannot_be_read_leaves_what_was_known_of_it(store: Store, clock: FakeClock) -> None:
    to = changed(store)
    push(store, to, NOW)
    (before,) = deliveries.list_deliveries(store, state="drifted")
    clock.advance(days=2)
    to.readable = False
    push(store, to, NOW)
    (after,) = deliveries.list_deliveries(store, state="drifted")
    assert (after["drift"], after["verified_at"]) == ("holds 9.00", before["verified_at"])


def test_one_that_cannot_be_read_hides_no_other(store: Store) -> None:
    to = changed(store)
    find = to.find

    def forbidden(delivery: Delivery) -> Receipt | None:
        if delivery.key != KEY:
            raise Permanent("you may not see this employee", status=403)
        return find(delivery)

    to.find = forbidden  # type: ignore[method-assign]
    done = push(store, to, NOW)
    assert (done.drifted, done.error) == (1, None)
    assert "you may not see this employee" in done.notes[0]


def test_only_what_it_is_to_hold_now_is_read_back(store: Store) -> None:
    """A person left and HR removed what stood there, or the month is over and its place is another's now."""
    to = hr(store)
    push(store, to)
    del to.held[KEY]
    to.calls.clear()
    done = deliver(store, to, "hr", VALUES[1:], {}, run="r", clock=store.clock,
                   rules=Rules(verify=True, on_drift="overwrite"))
    assert (done.drifted, done.is_clean, KEY in to.held) == (0, True, False)
    assert ("find", KEY) not in to.calls


# --- ours moves on after somebody changed it -------------------------------------------------------------------------

MOVED = [kpi_value(subject="person:NV001", value="1.50"), *VALUES[1:]]


def move(store: Store, to: MemoryDestination, rules: Rules | None = None, **more: Any) -> DestinationSummary:
    return deliver(store, to, "hr", MOVED, {}, run="r2", clock=store.clock, rules=rules or Rules(), **more)


def test_what_somebody_changed_there_is_not_written_over_when_ours_moves(store: Store) -> None:
    to = changed(store)
    push(store, to, NOW)
    done = move(store, to)
    assert (to.held[KEY]["value"], done.is_clean) == ("9.00", False)
    assert done.notes == (
        "hr: 1 new value waits, since somebody changed there what we wrote; "
        "`connector deliveries list --state drifted` and `resolve`",
    )
    assert deliveries.list_deliveries(store, "hr", "drifted")[0]["drift"] == "holds 9.00"
    assert move(store, to, dry_run=True).changes == ()


@pytest.mark.parametrize("outcome", ["owed", "confirmed"])
def test_until_a_person_decides(store: Store, outcome: Any) -> None:
    to = changed(store)
    push(store, to, NOW)
    move(store, to)
    deliveries.resolve(store, KEY, outcome, "agreed with HR")
    assert move(store, to).is_clean
    assert to.held[KEY]["value"] == "1.50"


def test_or_it_is_to_be_overwritten_anyway(store: Store) -> None:
    to = changed(store)
    push(store, to, NOW)
    assert move(store, to, Rules(on_drift="overwrite")).is_clean
    assert to.held[KEY]["value"] == "1.50"


def test_writing_all_once_more_leaves_out_what_somebody_changed_unless_it_is_named(store: Store) -> None:
    to = changed(store)
    push(store, to, NOW)
    assert deliveries.retry(store, destination="hr", state="confirmed") == 2
    assert deliveries.retry(store, KEY, state="confirmed") == 1


def test_all_that_was_changed_there_may_be_decided_at_once(store: Store) -> None:
    to = changed(store)
    push(store, to, NOW)
    assert deliveries.resolve_all(store, "hr", "owed", "agreed with HR", state="drifted") == 1
    assert push(store, to).confirmed == 1
    assert to.held[KEY]["value"] == "1.00"


def test_a_value_that_is_sent_anyway_is_not_read_first(store: Store) -> None:
    to = hr(store)
    push(store, to)
    to.calls.clear()
    new = [kpi_value(subject="person:NV001", value="7.00"), *VALUES[1:]]
    deliver(store, to, "hr", new, {}, run="r", clock=store.clock, rules=NOW)
    assert ("find", KEY) not in to.calls


@pytest.mark.parametrize(("failure", "goes_on"), [(Transient("no connection"), True), (AuthError("no"), False)])
def test_a_failure_of_reading_is_a_finding_and_only_a_refused_credential_ends_the_run(
    store: Store, failure: Exception, goes_on: bool
) -> None:
    to = changed(store)

    def broken(_delivery: Delivery) -> Receipt:
        raise failure

    to.find = broken  # type: ignore[method-assign]
    new = [*VALUES, kpi_value(subject="person:NV009")]
    done = deliver(store, to, "hr", new, {}, run="r", clock=store.clock, rules=NOW)
    assert not done.is_clean
    assert ("send" in {name for name, _ in to.calls}) is goes_on


def test_a_dry_run_reads_back_too_and_says_how_many_requests_that_took(store: Store) -> None:
    to = changed(store)
    done = push(store, to, NOW, dry_run=True).as_json()
    assert (done["drift"], done["requests"]) == ([{"key": KEY, "message": "holds 9.00"}], 3)
    assert deliveries.list_deliveries(store, "hr", "drifted") == []

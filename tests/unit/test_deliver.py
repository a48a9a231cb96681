"""One run of one destination."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from connector import deliveries
from connector.deliver import DestinationSummary, deliver, pushable, scope
from connector.errors import Busy
from connector.model import KpiValue
from connector.period import Calendar
from connector.ports import Delivery, Receipt
from connector.store import tables
from connector.store.store import Store, Writing
from connector.testing import FakeClock, Fault, MemoryDestination, context, kpi_value


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(store_url, clock)
    yield opened
    opened.close()


def hr(store: Store, *faults: Fault | None, **more: Any) -> MemoryDestination:
    return MemoryDestination("hr", context(store.clock), faults=faults, **more)  # type: ignore[arg-type]


def push(store: Store, to: MemoryDestination, *values: KpiValue, **more: Any) -> DestinationSummary:
    return deliver(store, to, "hr", values, {}, run="r1", clock=store.clock, **more)


VALUES = [kpi_value(subject=f"person:NV00{number}", value=f"{number}.00") for number in range(1, 6)]


def test_values_are_sent_once_and_a_second_push_sends_nothing(store: Store) -> None:
    to = hr(store)
    assert push(store, to, *VALUES) == DestinationSummary("hr", confirmed=5)
    assert push(store, to, *VALUES) == DestinationSummary("hr")
    assert len(to.effects) == 5


def test_only_what_changed_is_sent_again(store: Store) -> None:
    to = hr(store)
    push(store, to, *VALUES)
    push(store, to, kpi_value(subject="person:NV001", value="9.00"), *VALUES[1:])
    assert to.effects[5:] == [("hr/won_value/person:NV001/2026-10", "9.00")]


def test_persons_come_from_the_people_file_for_persons_only(store: Store) -> None:
    to = hr(store)
    seen: list[Delivery] = []
    take = to._take
    to._take = lambda one: (seen.append(one), take(one))[1]  # type: ignore[method-assign]
    persons = {"NV001": {"employee_code": "NV001", "email": "an@example.vn", "name": "An"}}
    deliver(store, to, "hr", [VALUES[0], kpi_value(subject="team:NV001")], persons, run="r", clock=store.clock)
    assert [dict(one.person) for one in seen] == [persons["NV001"], {}]


def test_a_refusal_and_a_busy_answer_concern_their_value_only(store: Store) -> None:
    done = push(store, hr(store, None, "refuse", "busy"), *VALUES)
    assert (done.confirmed, done.refused, done.owed) == (3, 1, 1)
    assert not done.is_clean


def test_a_lost_answer_is_settled_by_reading_back_and_nothing_is_sent_twice(store: Store) -> None:
    to = hr(store, "lose_answer", "lose_request")
    assert push(store, to, *VALUES).unanswered == 2
    done = push(store, to, *VALUES)
    assert (done.confirmed, done.unanswered) == (2, 0)
    assert Counter(to.effects).most_common(1)[0][1] == 1
    assert len(to.held) == 5


def test_where_nothing_can_be_read_back_a_person_decides(store: Store) -> None:
    to = hr(store, "lose_answer", readable=False)
    push(store, to, VALUES[0])
    assert push(store, to, VALUES[0]).unanswered == 1
    deliveries.resolve(store, "hr/won_value/person:NV001/2026-10", "confirmed", "seen there")
    assert push(store, to, VALUES[0]).is_clean
    assert len(to.effects) == 1


@pytest.mark.parametrize("more", [{"idempotent": True}, {}])
def test_an_idempotent_target_or_one_with_resend_is_simply_sent_to_again(store: Store, more: dict[str, Any]) -> None:
    to = hr(store, "lose_request", readable=False, **more)
    mode = {} if more else {"on_unanswered": "resend"}
    push(store, to, VALUES[0], **mode)
    assert push(store, to, VALUES[0], **mode).is_clean
    assert len(to.effects) == 1


def test_a_value_that_changed_while_unanswered_is_delivered_in_its_newest_form(store: Store) -> None:
    to = hr(store, "lose_answer")
    push(store, to, kpi_value(value="1.00"))
    push(store, to, kpi_value(value="2.00"))
    assert [value for _, value in to.effects] == ["1.00", "2.00"]
    assert push(store, to, kpi_value(value="2.00")).is_clean


def test_a_refused_credential_stops_the_destination_and_leaves_the_rest_owed(store: Store) -> None:
    done = push(store, hr(store, None, "forbidden"), *VALUES)
    assert (done.confirmed, done.owed, done.error) == (1, 4, "the credential was refused")
    states = store.rows(select(tables.delivery.c.state, tables.delivery.c.attempt))
    assert Counter(map(tuple, states)) == {("owed", 0): 4, ("confirmed", 0): 1}


def test_an_outage_of_the_destination_counts_as_no_attempt(store: Store) -> None:
    to = hr(store)
    for _ in range(20):
        to.faults = ["broken"]
        assert push(store, to, VALUES[0]).owed == 1
    assert push(store, to, VALUES[0]).is_clean


def test_silence_of_three_batches_in_a_row_leaves_the_rest_for_the_next_run(store: Store) -> None:
    done = push(store, hr(store, *["lose_request"] * 5, batch=1), *VALUES)
    assert (done.unanswered, done.owed) == (3, 2)
    assert "3 requests in a row had no answer" in str(done.error)


def test_a_value_the_destination_forgot_to_answer_is_unanswered(store: Store) -> None:
    class Forgetful(MemoryDestination):
        def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
            return iter(list(super().send(deliveries))[1:])

    done = push(store, Forgetful("hr", context(store.clock)), *VALUES)  # type: ignore[arg-type]
    assert (done.confirmed, done.unanswered) == (4, 1)


def test_a_run_asked_to_stop_ends_after_the_batch_at_hand(store: Store) -> None:
    to = hr(store, batch=2)
    done = push(store, to, *VALUES, stop=lambda: len(to.effects) >= 2)
    assert (done.confirmed, done.owed) == (2, 3)


def test_two_runs_never_deliver_to_one_destination_at_once(store: Store) -> None:
    store.acquire("destination/hr")
    with pytest.raises(Busy):
        push(store, hr(store), *VALUES)


def test_a_dry_run_shows_old_and_new_of_each_field_and_writes_nothing(store: Store) -> None:
    to = hr(store)
    push(store, to, kpi_value(value="1.00"))
    before = [tuple(row) for table in ("delivery", "receipt", "lease", "knowledge_clock")
              if table in tables.metadata.tables for row in store.rows(select(tables.metadata.tables[table]))]
    done = push(store, to, kpi_value(value="2.00", as_of=7), kpi_value("win_rate"), dry_run=True)
    after = [tuple(row) for table in ("delivery", "receipt", "lease", "knowledge_clock")
             if table in tables.metadata.tables for row in store.rows(select(tables.metadata.tables[table]))]
    assert after == before
    assert done.owed == 2
    change = next(one for one in done.as_json()["changes"] if one["kpi"] == "won_value")
    assert change["fields"] == {
        "value": {"old": "1.00", "new": "2.00"}, "numerator": {"old": "1.00", "new": "2.00"},
    }


def test_scope_says_which_periods_a_destination_takes() -> None:
    october = kpi_value()
    november = kpi_value(period="2026-11", period_start="2026-11-01", period_end="2026-11-30")
    frozen = kpi_value(period="2026-09", period_start="2026-09-01", period_end="2026-09-30", status="frozen")
    every = [frozen, october, november]
    now = datetime(2026, 10, 31, 18, tzinfo=UTC)

    def taken(periods: Any, calendar: Calendar) -> list[str]:
        return [value.period for value in scope(every, periods, now=now, calendar=calendar)]

    assert taken("current", Calendar()) == ["2026-10"]
    from zoneinfo import ZoneInfo

    assert taken("current", Calendar(ZoneInfo("Asia/Ho_Chi_Minh"))) == ["2026-11"]
    assert taken("open", Calendar()) == ["2026-10", "2026-11"]
    assert taken("closed", Calendar()) == ["2026-09"]
    assert len(taken("all", Calendar())) == 3


def test_withheld_values_and_unmatched_owners_never_leave() -> None:
    values = [
        kpi_value(status="withheld"), kpi_value(status="unknown_before"), kpi_value(subject="owner:hubspot:7"),
        kpi_value("per_owner", "owner:hubspot:7"), kpi_value(),
    ]
    kept = pushable(values, owner_kpis={"per_owner"})
    assert [(value.kpi, value.subject.kind) for value in kept] == [("per_owner", "owner"), ("won_value", "person")]


# --- crashes ---------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process dies here."""


class CrashingStore(Store):
    """A store of a process that dies right before or right after its n-th commit."""

    dies_at, before_commit, commits = 0, False, 0

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        self.commits += 1
        dying = self.commits == self.dies_at
        with super().writing() as writing:
            yield writing
            if dying and self.before_commit:
                raise Crash
        if dying:
            raise Crash


def test_every_value_arrives_exactly_once_whatever_commit_the_process_dies_at(
    store_url: str, clock: FakeClock
) -> None:
    for seed in range(60):
        script = random.Random(seed)
        store = CrashingStore.open(store_url, clock)
        assert isinstance(store, CrashingStore)
        name = f"hr{seed}"
        choices: list[Fault | None] = [None, None, "busy", "lose_request", "lose_answer", "broken", "forbidden"]
        to = MemoryDestination(name, context(clock), batch=script.choice([1, 2, 100]),
                               faults=[script.choice(choices) for _ in range(12)])
        for version in range(6):
            values = [kpi_value(subject=f"person:{n}", value=f"{n}.{min(version, 2)}0") for n in range(5)]
            store.dies_at, store.before_commit = store.commits + script.randint(1, 9), script.random() < 0.5
            try:
                deliver(store, to, name, values, {}, run="r", clock=clock)
            except Crash:
                store.dies_at = 0
            clock.advance(hours=7)
        store.dies_at, to.faults = 0, []
        for _ in range(3):
            done = deliver(store, to, name, values, {}, run="r", clock=clock)
            clock.advance(hours=7)
        assert done.is_clean, seed
        assert {key: kpi["value"] for key, kpi in to.held.items()} == {
            f"{name}/won_value/person:{n}/2026-10": f"{n}.20" for n in range(5)
        }, seed
        assert max(Counter(to.effects).values()) == 1, seed
        store.close()

"""One run of one destination."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from connector import deliveries
from connector.deliver import DestinationSummary, Rules, deliver, pushable, scope
from connector.errors import AuthError, Busy, Permanent, Transient
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


def test_after_a_refused_credential_nothing_more_is_called_and_the_next_run_tries_once(store: Store) -> None:
    to = hr(store, batch=1)
    for _ in range(2):
        to.faults = ["forbidden"]
        assert push(store, to, *VALUES).error == "the credential was refused"
    assert (len(to.calls), to.finished) == (2, 0)
    assert push(store, to, *VALUES).is_clean


def test_nor_when_it_is_refused_while_what_is_unanswered_is_settled(store: Store) -> None:
    to = hr(store, "lose_request")
    push(store, to, VALUES[0])
    to.calls.clear()
    to.finished = 0
    to.find = lambda _one: refused_credential(to)  # type: ignore[method-assign]
    to.lacks = lambda _all: refused_credential(to)  # type: ignore[method-assign,assignment,return-value]
    assert push(store, to, *VALUES).error == "the credential was refused"
    assert (to.calls, to.finished) == ([], 0)


def refused_credential(to: MemoryDestination) -> Receipt:
    raise AuthError("the credential was refused", system=to.name, status=401)


class Partly(MemoryDestination):
    """What it holds of some people cannot be read."""

    failure: Exception = Permanent("you may not see this employee", status=403)
    hidden = ("NV001",)

    def find(self, delivery: Delivery) -> Receipt | None:
        if delivery.kpi["subject"]["key"] in self.hidden:
            raise self.failure
        return super().find(delivery)


@pytest.mark.parametrize("failure", [Permanent("not for you", status=403), Transient("status 500", status=500)])
def test_one_value_that_cannot_be_read_back_holds_up_no_other(store: Store, failure: Exception) -> None:
    to = Partly("hr", context(store.clock), faults=["lose_answer", "lose_request"])  # type: ignore[arg-type]
    to.failure = failure
    push(store, to, *VALUES[:2])
    done = push(store, to, *VALUES)
    states = {row["key"].split(":")[1][:5]: row["state"] for row in deliveries.list_deliveries(store)}
    assert states == {"NV001": "unanswered", **{f"NV00{number}": "confirmed" for number in range(2, 6)}}
    assert (done.error, done.unanswered) == (None, 1)
    assert str(failure) in done.notes[0]
    assert max(Counter(to.effects).values()) == 1


def test_reading_back_ends_after_three_failures_that_may_pass(store: Store) -> None:
    to = Partly("hr", context(store.clock), faults=["lose_answer"] * 5)  # type: ignore[arg-type]
    to.failure, to.hidden = Transient("status 500"), tuple(value.subject.key for value in VALUES)
    push(store, to, *VALUES)
    asked: list[str] = []
    find = to.find
    to.find = lambda one: (asked.append(one.key), find(one))[1]  # type: ignore[method-assign]
    assert push(store, to, *VALUES).unanswered == 5
    assert len(asked) == 3


def test_a_call_that_lasts_longer_than_the_lease_keeps_it_while_work_goes_on(store: Store, clock: FakeClock) -> None:
    """The vendor asked to wait: a second run finds the first still at it, and sends nothing a second time."""
    refused: list[str] = []

    class Slow(MemoryDestination):
        def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
            for _ in range(4):
                clock.advance(seconds=60)
                self.context.beat()
            with pytest.raises(Busy) as busy:
                push(store, hr(store), VALUES[0])
            refused.append(str(busy.value))
            return super().send(deliveries)

    to = Slow("hr", context(clock))
    assert push(store, to, VALUES[0]).is_clean
    assert (len(refused), len(to.effects)) == (1, 1)


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


# --- what is retried -------------------------------------------------------------------------------------------------


def test_a_refused_value_is_tried_on_later_runs_with_the_value_of_then(store: Store, clock: FakeClock) -> None:
    """No such employee; HR adds them an hour later, when the number has moved."""
    to = hr(store, "refuse", kind="state")
    assert push(store, to, kpi_value(value="1.00")).refused == 1
    clock.advance(minutes=14)
    assert push(store, to, kpi_value(value="1.00")).refused == 1
    assert len(to.calls) == 1
    clock.advance(minutes=46)
    assert push(store, to, kpi_value(value="3.00")).is_clean
    assert to.effects == [("hr/won_value/person:NV001/2026-10", "3.00")]


def test_the_longer_it_is_refused_the_longer_it_waits(store: Store, clock: FakeClock) -> None:
    to, tried = hr(store, *["refuse"] * 20, kind="state"), []
    for minute in range(0, 3 * 24 * 60, 5):
        before = len(to.calls)
        push(store, to, VALUES[0])
        if len(to.calls) > before:
            tried.append(minute)
        clock.advance(minutes=5)
    assert tried == [0, 15, 30, 60, 120, 240, 480, 960, 1920, 3360]


def test_a_person_who_asks_for_a_push_need_not_wait(store: Store) -> None:
    to = hr(store, "refuse", kind="state")
    push(store, to, VALUES[0])
    assert push(store, to, VALUES[0], rules=Rules(asked=True)).is_clean


def test_what_was_refused_but_written_all_the_same_is_not_written_a_second_time_by_itself(
    store: Store, clock: FakeClock
) -> None:
    """A log that capped the number: it holds another value now, and would hold two."""
    class Capping(MemoryDestination):
        def _take(self, delivery: Delivery) -> Receipt:
            return replace(super()._take(delivery), outcome="refused", written=True)

    to = Capping("hr", context(store.clock))  # type: ignore[arg-type]
    for _ in range(3):
        assert push(store, to, VALUES[0], rules=Rules(asked=True)).refused == 1
        clock.advance(days=2)
    assert len(to.effects) == 1


class Capped(MemoryDestination):
    """Takes a number and keeps 100 of it at most."""

    def _take(self, delivery: Delivery) -> Receipt:
        receipt = super()._take(delivery)
        if float(delivery.kpi["value"]) <= 100:
            return receipt
        self.held[delivery.key] = {**delivery.kpi, "value": "100"}
        return replace(receipt, outcome="refused", written=True)


def test_after_a_number_was_capped_there_the_one_before_it_is_written_again(store: Store) -> None:
    to = Capped("hr", context(store.clock), kind="state")  # type: ignore[arg-type]
    for value in ("50.00", "130.00", "50.00"):
        done = push(store, to, kpi_value(value=value))
    assert (done.is_clean, to.held["hr/won_value/person:NV001/2026-10"]["value"]) == (True, "50.00")


def test_a_failed_value_is_tried_again_with_the_newest_number(store: Store, clock: FakeClock) -> None:
    to = hr(store, "busy")
    push(store, to, kpi_value(value="1.00"))
    clock.advance(hours=1)
    assert push(store, to, kpi_value(value="2.00")).is_clean
    assert to.effects == [("hr/won_value/person:NV001/2026-10", "2.00")]


def test_the_destinations_own_words_are_kept_with_each_value(store: Store) -> None:
    push(store, hr(store, "refuse", "busy"), *VALUES[:3])
    said = {one["key"].split("/")[2]: one["message"] for one in deliveries.list_deliveries(store, "hr")}
    assert said == {"person:NV001": "no such employee", "person:NV002": "busy", "person:NV003": None}


# --- what is sent ----------------------------------------------------------------------------------------------------


class Percent(MemoryDestination):
    """Takes a code and a number, as HR systems do."""

    def content(self, delivery: Delivery) -> Any:
        return {"code": delivery.person.get("employee_code"), "amount": delivery.kpi["value"]}

    def fields(self, delivery: Delivery) -> Any:
        return self.content(delivery)


AN = {"NV001": {"employee_code": "NV001", "email": "an@example.vn"}}


def test_only_what_is_written_there_decides_whether_it_is_sent_again(store: Store) -> None:
    to = Percent("hr", context(store.clock))  # type: ignore[arg-type]

    def sent(value: KpiValue, persons: Any = AN) -> int:
        deliver(store, to, "hr", [value], persons, run="r", clock=store.clock)
        return len(to.effects)

    assert sent(kpi_value(value="1.00", target="5.00")) == 1
    assert sent(kpi_value(value="1.00", target="9.00", status="open", denominator="4")) == 1
    assert sent(kpi_value(value="1.00"), {"NV001": {**AN["NV001"], "email": "other@example.vn"}}) == 1
    assert sent(kpi_value(value="1.00"), {"NV001": {"employee_code": "A-1"}}) == 2


FROZEN = kpi_value(status="frozen", view="frozen")


@pytest.mark.parametrize("kind", ["state", "log", "file"])
def test_a_frozen_value_is_sent_once_also_when_its_person_is_renamed(store: Store, kind: Any) -> None:
    to = hr(store, kind=kind)
    for name in ("An", "An Nguyen", "An Nguyen Thi"):
        persons = {"NV001": {"employee_code": "NV001", "name": name}}
        deliver(store, to, "hr", [FROZEN], persons, run="r", clock=store.clock)
    assert len(to.effects) == 1


@pytest.mark.parametrize(("kind", "sent"), [("state", 1), ("file", 1), ("log", 0)])
def test_another_mapping_writes_a_frozen_value_anew_where_it_overwrites_and_never_appends_it(
    store: Store, kind: Any, sent: int
) -> None:
    push(store, hr(store, kind=kind), FROZEN)
    other = Percent("hr", context(store.clock), kind=kind)  # type: ignore[arg-type]
    push(store, other, FROZEN)
    assert len(other.effects) == sent
    assert deliveries.retry(store, destination="hr", state="confirmed") == 1  # a person may want it all the same
    push(store, other, FROZEN)
    assert len(other.effects) == sent + 1


class Looked(MemoryDestination):
    """Writes a number, and finds its employee by what the people file says."""

    def content(self, delivery: Delivery) -> Any:
        return {"amount": delivery.kpi["value"], "found_by": delivery.person.get("email")}


MAILS = [{"NV001": {"employee_code": "NV001", "email": mail}} for mail in ("an@example.vn", "an.new@example.vn")]


@pytest.mark.parametrize("when", [[(kpi_value(), 0), (FROZEN, 0), (FROZEN, 1)], [(kpi_value(), 0), (FROZEN, 1)]])
def test_a_number_taken_before_it_was_frozen_is_not_appended_because_an_address_changed(
    store: Store, when: list[tuple[KpiValue, int]]
) -> None:
    to = Looked("hr", context(store.clock), kind="log")  # type: ignore[arg-type]
    for value, mail in when:
        deliver(store, to, "hr", [value], MAILS[mail], run="r", clock=store.clock)
    assert len(to.effects) == 1


def test_a_period_closed_anew_sends_what_its_new_seal_says(store: Store) -> None:
    to = hr(store, kind="state")
    for value, status in (("1.00", "frozen"), ("2.00", "open"), ("2.50", "frozen"), ("2.50", "frozen")):
        push(store, to, kpi_value(value=value, status=status))
    assert [value for _, value in to.effects] == ["1.00", "2.00", "2.50"]


def test_a_log_that_knows_repeats_takes_a_value_that_goes_back_for_a_new_one(store: Store) -> None:
    to = hr(store, None, "lose_answer", kind="log", idempotent=True, readable=False)
    for value in ("1.00", "2.00", "2.00", "1.00"):
        push(store, to, kpi_value(value=value))
    assert [value for _, value in to.effects] == ["1.00", "2.00", "1.00"]


# --- the three kinds of target ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose_answer", "lose_request"])
@pytest.mark.parametrize(
    ("kind", "more", "is_settled"),
    [
        ("state", {}, True),  # overwrites: sent again
        ("file", {}, True),  # replaced as a whole: written again
        ("log", {}, False),  # appends: held for a person
        ("log", {"readable": True}, True),  # appends, and can be read
        ("log", {"idempotent": True}, True),  # appends, and knows a repeat
    ],
)
def test_after_a_lost_answer_each_kind_of_target_ends_with_every_value_once_or_held(
    store: Store, fault: Fault, kind: Any, more: dict[str, Any], is_settled: bool
) -> None:
    to = hr(store, None, fault, kind=kind, **{"readable": False, **more})
    push(store, to, *VALUES[:2])
    done = push(store, to, *VALUES[:2])
    assert done.is_clean is is_settled
    assert {value.subject.key for value in VALUES[:2]} >= {key.split(":")[1][:5] for key in to.held}
    if is_settled:
        assert len(to.held) == 2
    if kind == "log":
        assert max(Counter(to.effects).values()) == 1


# --- several at once -------------------------------------------------------------------------------------------------


class Together(MemoryDestination):
    """Answers only when so many calls are under way at once, from the second call on."""

    concurrent = True

    def __init__(self, store: Store, count: int, **more: Any) -> None:
        super().__init__("hr", context(store.clock), kind="state", batch=1, **more)  # type: ignore[arg-type]
        self.barrier, self.first = threading.Barrier(count, timeout=60), True

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Receipt]:
        if self.first:
            self.first = False
        else:
            self.barrier.wait()
        return super().send(deliveries)


MANY = [kpi_value(subject=f"person:NV{number:03}", value=f"{number}.00") for number in range(13)]


def test_so_many_calls_are_under_way_at_once_as_the_rules_say_once_the_first_is_answered(store: Store) -> None:
    to = Together(store, 4)
    done = push(store, to, *MANY, rules=Rules(parallel=4))  # one, then three times four
    assert (done.confirmed, done.is_clean, len(to.held)) == (13, True, 13)


def test_a_refused_credential_is_refused_once_however_many_might_have_called(store: Store) -> None:
    to = Together(store, 4, faults=["forbidden"])
    done = push(store, to, *MANY, rules=Rules(parallel=4))
    assert (done.error, len(to.calls), done.owed) == ("the credential was refused", 1, 13)


def test_a_destination_for_one_thread_has_one(store: Store) -> None:
    seen: set[int] = set()

    class Lone(MemoryDestination):
        def _take(self, delivery: Delivery) -> Receipt:
            seen.add(threading.get_ident())
            return super()._take(delivery)

    push(store, Lone("hr", context(store.clock), batch=1), *MANY, rules=Rules(parallel=4))  # type: ignore[arg-type]
    assert seen == {threading.get_ident()}


def test_more_values_than_are_looked_at_together_are_all_sent_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.deliver.OWED_AT_ONCE", 4)
    monkeypatch.setattr("connector.outbox.AT_ONCE", 3)
    to = hr(store, batch=3)
    assert push(store, to, *MANY).confirmed == 13
    assert push(store, to, *MANY) == DestinationSummary("hr")
    assert len(to.effects) == 13

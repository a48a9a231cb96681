"""Values that are none any more: taken back where that can be and is wanted, and never too much of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from connector import deliveries
from connector.deliver import DestinationSummary, Rules, deliver
from connector.model import KpiValue
from connector.ports import Delivery, Receipt
from connector.store import tables
from connector.store.store import Store
from connector.testing import FakeClock, MemoryDestination, context, kpi_value
from connector.withdrawing import Existing

YES = Rules(withdraw=True)
VALUES = [kpi_value(subject=f"person:NV{number:03}", value=f"{number}.00") for number in range(1, 11)]
FIRST, REST = VALUES[0], VALUES[1:]


@pytest.fixture
def store(store_url: str, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(store_url, clock)
    yield opened
    opened.close()


def hr(store: Store, **more: Any) -> MemoryDestination:
    return MemoryDestination("hr", context(store.clock), **{"kind": "state", "withdraws": True, **more})  # type: ignore[arg-type]


def push(
    store: Store, to: MemoryDestination, values: Sequence[KpiValue], rules: Rules = YES, *,
    there_is: Sequence[KpiValue] | None = None, pushed: Sequence[str] = ("won_value",), **more: Any,
) -> DestinationSummary:
    existing = Existing.of("hr", values if there_is is None else there_is, pushed)
    return deliver(
        store, to, "hr", values, {}, run="r1", clock=store.clock, existing=existing, rules=rules, **more
    )


def persons(to: MemoryDestination) -> list[str]:
    return sorted(key.split("/")[2] for key in to.held)


def state(store: Store, value: KpiValue = FIRST) -> tuple[str, str | None]:
    key = f"hr/won_value/person:{value.subject.key}/2026-10"
    (row,) = store.rows(select(tables.delivery).where(tables.delivery.c.key == key))
    return row.state, row.message


def test_the_value_of_somebody_who_left_is_taken_back_once(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    done = push(store, to, REST)
    assert (done.withdrawn, done.is_clean, state(store)[0]) == (1, True, "withdrawn")
    assert persons(to) == [f"person:NV{number:03}" for number in range(2, 11)]
    assert push(store, to, REST).withdrawn == 0
    assert [call for call in to.calls if call[0] == "withdraw"] == [("withdraw", "hr/won_value/person:NV001/2026-10")]


def test_off_by_default_and_where_the_destination_cannot(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    assert push(store, to, REST, Rules()) == DestinationSummary("hr")
    to.withdraws = False
    assert push(store, to, REST) == DestinationSummary("hr")
    assert len(to.held) == 10


def test_what_somebody_else_wrote_there_stays(store: Store) -> None:
    to = hr(store)
    to.held["theirs"] = {"value": "5"}
    push(store, to, VALUES)
    push(store, to, REST)
    assert "theirs" in to.held


def test_an_empty_result_takes_nothing_back(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    assert push(store, to, [], Rules(withdraw=True, shrink=1.0)).withdrawn == 0
    assert len(to.held) == 10


def test_a_kpi_without_any_value_loses_none_while_it_is_pushed_and_all_once_it_is_not(store: Store) -> None:
    to = hr(store)
    rates = [kpi_value("win_rate", f"person:NV{number:03}", "0.5") for number in range(1, 3)]
    push(store, to, [*VALUES, *rates], pushed=["won_value", "win_rate"])
    assert push(store, to, VALUES, pushed=["won_value", "win_rate"]).withdrawn == 0
    assert push(store, to, VALUES, pushed=["won_value"]).withdrawn == 2


def test_more_than_the_guard_allows_is_left_to_a_person(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    done = push(store, to, VALUES[3:])
    assert (done.withdrawn, done.is_clean, len(to.held)) == (0, False, 10)
    assert done.notes == (
        "hr: 3 of 10 values there are none any more, which is more than guard.shrink; nothing was taken back; "
        "if it is right, `connector push hr --withdraw`",
    )
    assert push(store, to, VALUES[3:], Rules(withdraw=True, shrink=1.0)).withdrawn == 3


def month(name: str, count: int, status: Any = "open") -> list[KpiValue]:
    return [
        kpi_value(subject=f"person:NV{number:03}", period=name, period_start=f"{name}-01", period_end=f"{name}-28",
                  status=status) for number in range(count)
    ]


def test_a_month_whose_computation_gave_nothing_loses_nothing_whatever_other_months_have(store: Store) -> None:
    to, history = hr(store), [value for number in range(1, 10) for value in month(f"2026-0{number}", 10, "frozen")]
    push(store, to, [*history, *month("2026-10", 10)])
    for rules in (YES, Rules(withdraw=True, shrink=1.0)):
        assert push(store, to, history, rules).withdrawn == 0
    assert len(to.held) == 100


def test_the_guard_looks_at_each_kpi_and_period_by_itself(store: Store) -> None:
    to, history = hr(store), [value for number in range(1, 10) for value in month(f"2026-0{number}", 10, "frozen")]
    push(store, to, [*history, *month("2026-10", 10)])
    done = push(store, to, [*history, *month("2026-10", 7)])
    assert (done.withdrawn, len(to.held)) == (0, 100)
    assert done.notes[0].startswith("hr: 3 of 10 values of won_value in 2026-10 there are none any more")
    assert push(store, to, [*history, *month("2026-10", 8)]).withdrawn == 2


def test_what_left_within_a_week_counts_together(store: Store, clock: FakeClock) -> None:
    """A list of people that shrinks a little each hour looks like people who leave, until it is added up."""
    to = hr(store)
    values = month("2026-10", 20)
    push(store, to, values)
    assert push(store, to, values[:18]).withdrawn == 2
    clock.advance(hours=1)
    assert push(store, to, values[:16]).withdrawn == 2
    clock.advance(hours=1)
    done = push(store, to, values[:15])
    assert (done.withdrawn, len(to.held)) == (0, 16)
    assert "5 of 20 values there are none any more, with those taken back in the last 7 days" in done.notes[0]
    clock.advance(days=7)
    assert push(store, to, values[:15]).withdrawn == 1


def test_what_a_person_had_taken_back_counts_no_more(store: Store) -> None:
    to = hr(store)
    values = month("2026-10", 20)
    push(store, to, values)
    push(store, to, values[:16])
    assert push(store, to, values[:10], Rules(withdraw=True, shrink=1.0)).withdrawn == 6
    assert push(store, to, values[:8]).withdrawn == 2


def test_a_month_that_is_over_leaves_a_destination_of_the_current_one_whatever_the_guard_says(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    november = [
        kpi_value(subject=f"person:NV{number:03}", period="2026-11", period_start="2026-11-01",
                  period_end="2026-11-30") for number in range(1, 11)
    ]
    existing = Existing.of("hr", november, ["won_value"], over=[*VALUES, *november])
    done = deliver(store, to, "hr", november, {}, run="r", clock=store.clock, existing=existing, rules=YES)
    assert (done.withdrawn, done.is_clean) == (10, True)
    assert {key.split("/")[3] for key in to.held} == {"2026-11"}


def test_a_value_that_exists_but_is_not_pushed_now_stays(store: Store) -> None:
    """October is closed, and the destination takes open periods only."""
    to = hr(store)
    push(store, to, VALUES)
    assert push(store, to, REST, there_is=VALUES).withdrawn == 0


def test_what_somebody_was_paid_on_is_never_taken_back(store: Store) -> None:
    to = hr(store)
    frozen = kpi_value(subject="person:NV001", status="frozen")
    push(store, to, [frozen, *REST])
    assert push(store, to, REST).withdrawn == 0
    assert "hr/won_value/person:NV001/2026-10" in to.held


def test_nor_where_it_was_frozen_after_it_was_taken(store: Store) -> None:
    """The month closed with the same number, so that nothing had to be sent; then its KPI is pushed no more."""
    class Number(MemoryDestination):
        def content(self, delivery: Delivery) -> Any:
            return delivery.kpi["value"]

    to = Number("hr", context(store.clock), kind="state", withdraws=True)  # type: ignore[arg-type]
    other = kpi_value("win_rate", "person:NV001", "0.5")
    for status in ("open", "frozen"):
        push(store, to, [kpi_value(status=status), other], pushed=["won_value", "win_rate"])
    assert push(store, to, [other], Rules(withdraw=True, shrink=1.0), pushed=["win_rate"]).withdrawn == 0
    assert len(to.effects) == 2


def test_a_number_that_was_capped_there_is_taken_back_too(store: Store) -> None:
    class Capping(MemoryDestination):
        def _take(self, delivery: Delivery) -> Receipt:
            return replace(super()._take(delivery), outcome="refused", written=True)

    to = Capping("hr", context(store.clock), kind="state", withdraws=True)  # type: ignore[arg-type]
    push(store, to, VALUES)
    assert push(store, to, REST).withdrawn == 1
    assert len(to.held) == 9


def test_what_is_owed_again_and_is_no_value_any_more_is_not_sent(store: Store) -> None:
    """Nobody answered, and it did not stand there when it was read; meanwhile its person left."""
    to = hr(store, faults=["lose_request"])
    push(store, to, VALUES, Rules())
    assert push(store, to, REST, Rules()).is_clean
    assert "hr/won_value/person:NV001/2026-10" not in to.held
    assert state(store) == ("withdrawn", "no longer a value; what stands there was left as it is")
    assert push(store, to, REST).withdrawn == 1  # somebody switched taking back on: it may stand there
    assert push(store, to, VALUES).confirmed == 1


def test_one_that_comes_back_is_the_same_to_a_log_that_knows_repeats(store: Store) -> None:
    """It may stand there: nobody answered, and before it was asked again its person left for a run."""
    to = hr(store, faults=["lose_answer"], kind="log", idempotent=True, readable=False)
    for values in (VALUES, REST, VALUES):
        done = push(store, to, values, Rules())
    assert (done.is_clean, len(to.effects)) == (True, 10)


def test_a_value_that_comes_back_is_sent_again(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    push(store, to, REST)
    assert push(store, to, VALUES).confirmed == 1
    assert (len(to.held), state(store)[0]) == (10, "confirmed")


def test_one_that_comes_back_before_it_was_taken_back_stays_as_it_is(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    to.faults = ["busy"]
    push(store, to, REST)
    sent = len(to.effects)
    assert push(store, to, VALUES).is_clean
    assert (len(to.effects), len(to.held)) == (sent, 10)


@pytest.mark.parametrize("fault", ["lose_answer", "lose_request"])
def test_a_lost_answer_to_a_withdrawal_is_settled_by_withdrawing_again(store: Store, fault: Any) -> None:
    to = hr(store, readable=False, kind="log")
    push(store, to, VALUES)
    to.faults = [fault]
    assert push(store, to, REST).unanswered == 1
    assert push(store, to, REST).is_clean
    assert len(to.held) == 9


def test_a_withdrawal_nobody_answered_is_settled_before_the_value_is_sent_again(store: Store) -> None:
    """Else a log would have it twice."""
    to = hr(store, readable=False, kind="log")
    push(store, to, VALUES)
    to.faults = ["lose_request"]
    push(store, to, REST)
    push(store, to, VALUES)
    assert "hr/won_value/person:NV001/2026-10" not in to.held
    assert push(store, to, VALUES).is_clean
    assert len(to.held) == 10


def test_switched_off_what_was_to_be_taken_back_stays_there(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    to.faults = ["busy"]
    assert push(store, to, REST).owed == 1
    assert push(store, to, REST, Rules()).is_clean
    assert state(store)[0] == "confirmed"


def test_a_value_that_was_never_sent_and_is_none_any_more_is_not_sent_at_all(store: Store) -> None:
    to = hr(store, withdraws=False, faults=["forbidden"])
    push(store, to, VALUES, Rules())
    assert push(store, to, REST, Rules()).is_clean
    assert "hr/won_value/person:NV001/2026-10" not in to.held
    assert state(store) == ("withdrawn", "no longer a value; it was never sent")


def test_a_refused_value_that_is_none_any_more_is_no_finding_any_more(store: Store) -> None:
    to = hr(store, withdraws=False, faults=["refuse"])
    assert push(store, to, VALUES, Rules()).refused == 1
    assert push(store, to, REST, Rules()).is_clean


def test_a_newer_value_that_was_not_taken_before_it_went_is_not_sent_either(store: Store) -> None:
    to = hr(store, withdraws=False)
    push(store, to, VALUES, Rules())
    to.faults = ["refuse"]
    push(store, to, [kpi_value(subject="person:NV001", value="99.00"), *REST], Rules())
    assert push(store, to, REST, Rules()).is_clean
    shown = deliveries.show(store, "hr/won_value/person:NV001/2026-10")
    assert (shown["state"], shown["value"]) == ("confirmed", "1.00")


def test_a_dry_run_shows_what_would_be_taken_back_and_takes_nothing(store: Store) -> None:
    to = hr(store)
    push(store, to, VALUES)
    done = push(store, to, REST, dry_run=True)
    (change,) = done.changes
    assert (change["action"], change["subject"]["key"]) == ("withdraw", "NV001")
    assert change["fields"]["value"] == {"old": "1.00", "new": None}
    assert (state(store)[0], len(to.held)) == ("confirmed", 10)

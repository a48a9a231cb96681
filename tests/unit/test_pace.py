"""When a request may leave: learned limits, holds, several limits at once, threads; the count itself is test_budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from connector.budget import Limit
from connector.pace import Pace, RateHeaders, Turn
from connector.ports import MemoryShared
from connector.testing import FakeClock

HEADERS = RateHeaders("X-Max", "X-Left", "X-Interval-Ms", "X-Day", "X-Day-Left")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


Change = Callable[[MutableMapping[str, str]], None]


class Counting(MemoryShared):
    """Shared, and counts how often the count was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def budget(self, account: str, names: Sequence[str], change: Change) -> None:
        self.changes += 1
        super().budget(account, names, change)


def told(maximum: int, left: int, **more: int) -> dict[str, str]:
    day = {"X-Day": str(more["day"]), "X-Day-Left": str(more["day_left"])} if more else {}
    return {"X-Max": str(maximum), "X-Left": str(left), "X-Interval-Ms": "10000", **day}


def waits(pace: Pace, clock: FakeClock, times: int, *named: str) -> list[float]:
    """Ask so often at one instant."""
    return [pace.take(clock.now, named).wait for _ in range(times)]


def two(shared: MemoryShared, clock: FakeClock, **how: object) -> tuple[Pace, Pace]:
    """The paces of two processes with one account."""
    paces = Pace(**how), Pace(**how)  # type: ignore[arg-type]  # keywords of a Pace
    for pace in paces:
        pace.share(shared, lambda: "account")
    return paces


def spend(pace: Pace, clock: FakeClock, requests: int, *named: str) -> None:
    """Make requests that are answered at once, one after the other, waiting as told."""
    for _ in range(requests):
        while (turn := pace.take(clock.now, named)).wait:
            clock.sleep(turn.wait)
        pace.done(turn, clock.now())


def test_of_requests_per_second_our_share_may_leave_in_any_second(clock: FakeClock) -> None:
    pace = Pace(requests_per_second=10, budget=0.5)
    assert waits(pace, clock, 5) == [0] * 5
    assert waits(pace, clock, 1)[0] == pytest.approx(1.1, abs=0.05)


def test_a_hundred_thousand_requests_take_a_twentieth_longer_than_the_limit_allows(clock: FakeClock) -> None:
    pace = Pace(limits=[Limit("general", 190, 10)])
    spend(pace, clock, 100_000)
    assert (clock.now() - START).total_seconds() <= 1.06 * 100_000 / 19


def test_a_learned_limit_allows_its_share_at_once_then_waits_for_the_interval(clock: FakeClock) -> None:
    pace = Pace(budget=0.5, headers=HEADERS)
    pace.learn(told(8, 8), START)
    assert waits(pace, clock, 6) == [0, 0, 0, 0, 10.5, 10.5]


def test_before_an_answer_told_the_documented_limit_counts_and_then_the_told_one(clock: FakeClock) -> None:
    pace = Pace(limits=[Limit("general", 2, 10)], headers=HEADERS)
    assert waits(pace, clock, 3) == [0, 0, 10.5]
    pace.learn(told(5, 3), START)
    clock.advance(seconds=10.5)
    assert waits(pace, clock, 6) == [0, 0, 0, 0, 0, 10.5]


def test_what_was_asked_before_the_first_answer_counts(clock: FakeClock) -> None:
    pace = Pace(headers=HEADERS)
    assert waits(pace, clock, 3) == [0, 0, 0]
    pace.learn(told(4, 1), START)
    clock.advance(seconds=0.3)
    assert waits(pace, clock, 2) == [0, pytest.approx(10.2)]


def test_when_only_the_customers_share_is_left_nobody_asks_for_an_interval(clock: FakeClock) -> None:
    ours, theirs = two(MemoryShared(), clock, budget=0.8, headers=HEADERS)
    ours.learn(told(100, 21), START)
    assert waits(ours, clock, 1) == [0]
    ours.learn(told(100, 20), START)
    assert waits(ours, clock, 1) == [10]
    assert waits(theirs, clock, 1) == [10]


def test_what_we_used_ourselves_is_waited_for_by_our_own_count(clock: FakeClock) -> None:
    """The last of our 80 is answered with 20 left: nobody else asked, so nobody waits longer than for those 80."""
    pace = Pace(budget=0.8, limits=[Limit("general", 100, 10)], headers=HEADERS)
    pace.learn(told(100, 100), START)
    spend(pace, clock, 80)
    clock.advance(seconds=5)
    pace.learn(told(100, 20), clock.now())
    assert waits(pace, clock, 1) == [pytest.approx(5.5, abs=0.5)]


def test_a_days_rest_that_is_the_customers_holds_for_an_hour(clock: FakeClock) -> None:
    """A day ends when the vendor's does, which no header says; so it is asked again each hour."""
    ours, theirs = two(MemoryShared(), clock, budget=0.8, headers=HEADERS)
    ours.learn(told(100, 100, day=250_000, day_left=50_000), START)
    assert waits(ours, clock, 1) == [3600]
    theirs.learn(told(100, 100, day=250_000, day_left=50_000), START)
    assert waits(theirs, clock, 1) == [3600]


def test_headers_that_are_missing_or_no_numbers_teach_nothing(clock: FakeClock) -> None:
    pace = Pace(headers=HEADERS)
    pace.learn({}, START)
    pace.learn({"X-Max": "many", "X-Left": "0", "X-Interval-Ms": "10000"}, START)
    pace.learn({"X-Max": "1", "X-Left": "0", "X-Interval-Ms": "1764000000000"}, START)  # 55 years: an instant
    pace.learn({"X-Max": "1", "X-Left": "0", "X-Interval-Ms": "9" * 5000}, START)
    assert waits(pace, clock, 3) == [0, 0, 0]


def test_the_first_answer_teaches_all_and_a_hold_holds_all(clock: FakeClock) -> None:
    one, other = two(MemoryShared(), clock, limits=[Limit("general", 100, 10)], headers=HEADERS)
    one.learn(told(4, 4), START)
    assert waits(other, clock, 4) == [0] * 4
    assert waits(one, clock, 1) == [10.5]
    clock.advance(seconds=10.5)
    one.hold(30, clock.now())
    assert waits(other, clock, 1) == [30]
    clock.advance(seconds=30)
    assert waits(other, clock, 4) == [0] * 4


@pytest.mark.parametrize("limits", [[], [Limit("general", 100, 10)]])
def test_nobody_is_held_longer_than_a_day_whatever_the_vendor_says(clock: FakeClock, limits: list[Limit]) -> None:
    """`Retry-After: 1764000000000` is an instant in milliseconds, not 55,000 years of waiting."""
    one, other = two(MemoryShared(), clock, limits=limits)
    one.hold(1_764_000_000_000, clock.now())
    assert waits(one, clock, 1) == [86_400]
    clock.advance(days=1)
    assert waits(one, clock, 1) + waits(other, clock, 1) == [0, 0]


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -5.0])
def test_a_wait_that_is_no_length_of_time_holds_nobody(clock: FakeClock, seconds: float) -> None:
    pace = Pace(limits=[Limit("general", 100, 10)])
    pace.hold(seconds, clock.now())
    assert waits(pace, clock, 1) == [0]


def test_a_clock_that_is_put_back_does_not_hold_us_for_the_difference(clock: FakeClock) -> None:
    pace = Pace()
    pace.hold(30, clock.now())
    clock.set(START - timedelta(days=365))
    assert waits(pace, clock, 1) == [86_400]
    clock.advance(days=1)
    assert waits(pace, clock, 1) == [0]


def test_two_users_with_other_shares_each_keep_to_their_own_of_what_both_used(clock: FakeClock) -> None:
    shared = MemoryShared()
    big, small = (Pace(limits=[Limit("general", 10, 10)], budget=budget) for budget in (0.8, 0.3))
    for pace in (big, small):
        pace.share(shared, lambda: "account")
    assert waits(small, clock, 4) == [0, 0, 0, 10.5]
    assert waits(big, clock, 6) == [0, 0, 0, 0, 0, 10.5]


def test_accounts_do_not_meet(clock: FakeClock) -> None:
    shared = MemoryShared()
    one, other = Pace(limits=[Limit("general", 2, 10)]), Pace(limits=[Limit("general", 2, 10)])
    one.share(shared, lambda: "one")
    other.share(shared, lambda: "other")
    assert waits(one, clock, 2) + waits(other, clock, 2) == [0] * 4


def test_a_named_limit_is_that_of_the_requests_that_name_it(clock: FakeClock) -> None:
    pace = Pace(limits=[Limit("general", 100, 10), Limit("search", 2, 1, named=True)])
    assert waits(pace, clock, 2, "search") == [0, 0]
    assert waits(pace, clock, 1, "search")[0] > 1
    assert waits(pace, clock, 98) == [0] * 98, "a search that had to wait took nothing of the general limit"
    assert waits(pace, clock, 1)[0] > 10
    with pytest.raises(KeyError):
        pace.take(clock.now, ("export",))


def test_the_names_of_limits_are_different() -> None:
    with pytest.raises(ValueError, match="name of its own"):
        Pace(limits=[Limit("second", 4, 1)], requests_per_second=5)
    with pytest.raises(ValueError, match="share"):
        Pace(budget=0)


def test_a_turn_given_back_is_nobodys(clock: FakeClock) -> None:
    pace = Pace(limits=[Limit("general", 2, 10)])
    turns = [pace.take(clock.now) for _ in range(2)]
    pace.give_back(turns[0])
    assert waits(pace, clock, 2) == [0, 10.5]
    clock.advance(seconds=1)  # its bucket is over
    pace.give_back(turns[1])
    assert Turn(pace.take(clock.now).wait).wait > 0, "until the count is looked at again"


def test_a_process_that_ends_gives_back_what_it_did_not_use(clock: FakeClock) -> None:
    one, other = two(MemoryShared(), clock, limits=[Limit("general", 40, 10)])
    spend(one, clock, 17)  # the last took room for 16, of which one was used
    one.close(clock.now())
    assert waits(other, clock, 24) == [0] * 23 + [10.5]


def test_without_limits_nothing_is_shared_and_a_hold_is_ours(clock: FakeClock) -> None:
    shared = Counting()
    one, other = two(shared, clock)
    spend(one, clock, 50)
    one.hold(30, clock.now())
    one.close(clock.now())
    assert (waits(one, clock, 1), waits(other, clock, 1)) == ([30], [0])
    assert shared.changes == 0


def test_at_the_limit_the_count_is_asked_about_twice_a_second_and_far_from_it_less_than_each_request(
    clock: FakeClock,
) -> None:
    shared = Counting()
    pace, _ = two(shared, clock, limits=[Limit("general", 190, 10), Limit("daily", 650_000, 86_400)])
    spend(pace, clock, 1900)
    assert shared.changes < 2 * (clock.now() - START).total_seconds() + 10
    shared.changes = 0
    begun = clock.now() + timedelta(seconds=60)
    clock.set(begun)
    for _ in range(300):  # 3 a second, of 19
        spend(pace, clock, 1)
        clock.advance(seconds=1 / 3)
    assert shared.changes < 330, "a request each, where hardly anybody asks"


def test_an_answer_that_came_late_counts_as_late(clock: FakeClock) -> None:
    """It was under way for 3 seconds, so it may have arrived 3 seconds after it left."""
    one, other = two(MemoryShared(), clock, limits=[Limit("general", 1, 10)])
    turn = one.take(clock.now)
    clock.advance(seconds=3)
    one.done(turn, clock.now())
    clock.set(START + timedelta(seconds=10.5))
    assert waits(other, clock, 1)[0] == pytest.approx(2.5, abs=0.3)


def test_the_last_answer_of_several_tells_what_came_late(clock: FakeClock) -> None:
    shared = Counting()
    pace, _ = two(shared, clock, limits=[Limit("general", 100, 10)])
    turns = [pace.take(clock.now) for _ in range(16)]
    before = shared.changes
    clock.advance(seconds=3)
    for turn in turns:
        pace.done(turn, clock.now())
    assert shared.changes == before + 1


def test_a_slow_store_does_not_keep_us_asking_for_ever(clock: FakeClock) -> None:
    """Each look at the count takes longer than the shortest leave lasts; so a longer one is asked for."""

    class Slow(Counting):
        def budget(self, account: str, names: Sequence[str], change: Change) -> None:
            super().budget(account, names, change)
            clock.advance(seconds=0.7)

    shared = Slow()
    pace, _ = two(shared, clock, limits=[Limit("general", 2, 1)])
    assert waits(pace, clock, 1) == [0]
    assert shared.changes < 8


def test_threads_of_one_client_keep_the_limit_together(clock: FakeClock) -> None:
    pace = Pace(limits=[Limit("general", 100, 10), Limit("search", 40, 10, named=True)])
    given: list[Turn] = []

    def ask(*named: str) -> None:
        given.extend(pace.take(clock.now, named) for _ in range(25))

    threads = [threading.Thread(target=ask, args=(("search",) if number % 2 else ())) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([turn for turn in given if not turn.wait]) <= 100
    assert len([turn for turn in given if "search" in turn.buckets]) <= 40
    assert len([turn for turn in given if not turn.wait]) >= 80

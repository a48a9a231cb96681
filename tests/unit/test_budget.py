"""The count behind the rate budget: no window above the limit, whoever takes, and most of the limit usable."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.account import account
from connector.budget import LONGEST_HOLD, SECOND, SHORTEST, Grant, Limit, Window, allowed
from tests.properties.world import LAW

START = 1_772_000_000 * SECOND + 123_457
LENGTHS = st.sampled_from([SECOND // 3, SECOND, 10 * SECOND, 86_400 * SECOND])
RANDOM = st.integers(0, 2**32).map(Random)


def share(random: Random) -> float:
    """Of a span: often one of its ends, where the law is nearest to breaking."""
    return random.choice([0.0, 0.999, random.random()])


def most_in_any_window(arrivals: list[int], length: int) -> int:
    """The vendor's own count: of the requests in [t, t + length), the most for any t."""
    arrivals = sorted(arrivals)
    first = most = 0
    for last, arrival in enumerate(arrivals):
        while arrivals[first] <= arrival - length:
            first += 1
        most = max(most, last - first + 1)
    return most


@LAW
@given(LENGTHS, st.integers(1, 20), RANDOM)
def test_no_window_is_above_the_limit_whoever_takes(length: int, most: int, random: Random) -> None:
    """Each take is of another user, who knows only the stored state; a request is under way up to a bucket."""
    state, now, arrivals = "{}", START, []
    for _ in range(200):
        window = Window.load(json.loads(state), length, now)
        now += int(random.choice([0, 0, 3 * share(random)]) * window.width)
        given = window.take(now, random.randint(1, 8), most)
        state = json.dumps(window.dump(now))
        if isinstance(given, Grant):
            for _ in range(given.count):
                left = now + int((given.until - now) * share(random))
                arrivals.append(left + int(window.width * share(random)))
        else:
            assert given > now, "and there is a time to ask again"
            now = given
    assert most_in_any_window(arrivals, length) <= most


@LAW
@given(st.sampled_from([SECOND, 10 * SECOND]), st.integers(1, 20), RANDOM)
def test_requests_that_are_under_way_for_long_count_as_long(length: int, most: int, random: Random) -> None:
    """Up to 30 buckets under way: each is charged anew once its answer is there, and no window is above the limit."""
    window, now, arrivals = Window(length), START, []
    under_way: list[tuple[int, int]] = []
    for _ in range(200):
        now += int(random.choice([0, 0, 3 * share(random)]) * window.width)
        for bucket, answered in [one for one in under_way if one[1] <= now]:
            under_way.remove((bucket, answered))
            if window.late(bucket, answered) is not None:
                window.arrived(bucket, answered)
        given = window.take(now, random.randint(1, 8), most)
        if isinstance(given, Grant):
            for _ in range(given.count):
                left = now + int((given.until - now) * share(random))
                arrivals.append(left + int(30 * window.width * share(random)))
                under_way.append((given.bucket, arrivals[-1]))
        else:
            now = given
    assert most_in_any_window(arrivals, length) <= most


@pytest.mark.parametrize("length", [SECOND, 10 * SECOND, 86_400 * SECOND])
@pytest.mark.parametrize(("most", "block"), [(190, 1), (190, 7), (190, 190), (4, 1), (1, 1), (650_000, 10_000)])
def test_under_saturation_nine_tenths_of_the_limit_are_used(length: int, most: int, block: int) -> None:
    """Even of a second's limit, of whose time the shortest leave is more; of ten seconds and a day 95 %."""
    window, now, taken = Window(length), START, 0
    end = START + 20 * length
    while now < end:
        given = window.take(now, block, most)
        if isinstance(given, Grant):
            taken += given.count
        else:
            now = given
    assert taken >= (0.9 if length == SECOND else 0.95) * most * 20


def test_a_limit_that_is_used_up_says_when_its_oldest_request_no_longer_counts() -> None:
    window = Window(10 * SECOND)
    now = START // SECOND * SECOND
    grant = window.take(now, 5, 5)
    assert isinstance(grant, Grant)
    assert grant.count == 5
    assert grant.until == now + SECOND // 4  # its bucket's end
    assert window.take(now + SECOND, 1, 5) == now + 42 * SECOND // 4
    again = window.take(now + 42 * SECOND // 4, 9, 5)
    assert isinstance(again, Grant)
    assert again.count == 5


def test_a_leave_is_never_too_short_to_be_used() -> None:
    window = Window(10 * SECOND)
    now = START // SECOND * SECOND + SECOND // 4 - 1  # a microsecond before a bucket ends
    grant = window.take(now, 5, 5)
    assert isinstance(grant, Grant)
    assert grant.until >= now + SHORTEST


def test_while_the_limit_is_far_a_leave_lasts_longer() -> None:
    window = Window(10 * SECOND)
    grant = window.take(START, 10, 190)
    assert isinstance(grant, Grant)
    assert grant.until >= START + SECOND // 2


def test_what_was_not_used_is_free_again() -> None:
    window = Window(10 * SECOND)
    grant = window.take(START, 5, 5)
    assert isinstance(grant, Grant)
    window.give_back(grant.bucket, 3)
    assert window.total(START) == 2
    window.give_back(grant.bucket, 9)
    assert window.total(START) == 0


def test_a_hold_is_for_all() -> None:
    window = Window(10 * SECOND)
    window.hold(START + 7 * SECOND)
    window.hold(START + 3 * SECOND)
    later = Window.load(json.loads(json.dumps(window.dump(START))), 10 * SECOND, START)
    assert later.take(START, 1, 5) == START + 7 * SECOND
    assert isinstance(later.take(START + 7 * SECOND, 1, 5), Grant)


def test_a_hold_of_years_or_by_a_clock_that_was_put_back_since_lasts_a_day_at_most() -> None:
    window = Window(10 * SECOND)
    window.hold(START + 400 * LONGEST_HOLD)
    later = Window.load(json.loads(json.dumps(window.dump(START))), 10 * SECOND, START)
    assert later.take(START, 1, 5) == START + LONGEST_HOLD
    again = Window.load(json.loads(json.dumps(later.dump(START))), 10 * SECOND, START + LONGEST_HOLD)
    assert isinstance(again.take(START + LONGEST_HOLD, 1, 5), Grant)


def test_requests_made_before_the_vendor_told_another_window_count_on() -> None:
    window = Window(10 * SECOND)
    window.take(START, 5, 5)
    window.resize(20 * SECOND)
    assert window.total(START) == 5
    free_at = window.take(START, 1, 5)
    assert isinstance(free_at, int)
    assert START + 20 * SECOND <= free_at <= START + 22 * SECOND


def test_a_clock_that_was_put_back_does_not_block_for_ever() -> None:
    window = Window(10 * SECOND)
    window.take(START, 5, 5)
    assert isinstance(window.take(START - 3600 * SECOND, 1, 5), Grant)


def test_the_state_is_a_few_pairs() -> None:
    window = Window(10 * SECOND)
    for step in range(1000):
        window.take(START + step * SECOND // 10, 1, 190)
    assert len(json.dumps(window.dump(START + 100 * SECOND))) < 1200


@pytest.mark.parametrize(
    ("count", "budget", "expected"),
    [(190, 0.8, (152, 10)), (100, 0.29, (29, 10)), (2.5, 1, (2, 10)), (1, 0.5, (1, 20)), (0.1, 1, (1, 100))],
)
def test_our_share_is_whole_requests_and_below_one_in_a_longer_window(
    count: float, budget: float, expected: tuple[int, int]
) -> None:
    assert allowed(count, 10, budget) == expected


@pytest.mark.parametrize(("count", "seconds"), [(0, 1), (5, 0)])
def test_a_limit_of_nothing_is_none(count: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="limit search"):
        Limit("search", count, seconds)


def test_an_account_is_named_by_address_and_credential_and_names_neither() -> None:
    one = account("https://api.example.com/", ["s3cr3t", "more"])
    assert one == account("https://api.example.com", ["more", "s3cr3t", "more"])
    assert len({one, account("https://api.example.com", ["s3cr3t"]), account("https://b.example.com", ["s3cr3t"])}) == 3
    assert len(one) == 32
    assert "s3cr3t" not in one

"""Which instants are asked for so that every version of every opportunity is seen, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapters.tryton import Span, _instants

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def test_one_instant_sees_every_deal_that_was_in_some_version_then() -> None:
    spans = [Span(1, day(0), day(9)), Span(2, day(3), day(5)), Span(3, day(4), day(20))]
    assert list(_instants(spans)) == [(day(4), [1, 2, 3])]


def test_a_version_ends_where_the_next_begins_so_each_needs_its_own_instant() -> None:
    spans = [Span(1, day(0), day(1)), Span(1, day(1), day(2)), Span(2, day(0), day(2))]
    assert list(_instants(spans)) == [(day(0), [1, 2]), (day(1), [1])]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=25))
def test_each_version_is_asked_for_once_at_an_instant_within_it(given_spans: list[tuple[int, int]]) -> None:
    """And no id twice at one instant: versions of one deal do not overlap, as ids here do not repeat."""
    spans = [Span(id_, day(first), day(first + length)) for id_, (first, length) in enumerate(given_spans)]
    asked = [(id_, at) for at, ids in _instants(spans) for id_ in ids]
    assert sorted(id_ for id_, _ in asked) == [span.id for span in spans]
    assert all(spans[id_].first <= at < spans[id_].until for id_, at in asked)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=12))
def test_no_smaller_number_of_instants_would_do(given_spans: list[tuple[int, int]]) -> None:
    """As many versions as instants do not overlap pairwise, so no instant can see two of them."""
    spans = [Span(id_, day(first), day(first + length)) for id_, (first, length) in enumerate(given_spans)]
    apart: list[Span] = []
    for span in sorted(spans, key=lambda one: one.until):
        if not apart or span.first >= apart[-1].until:
            apart.append(span)
    assert len(list(_instants(spans))) == len(apart)

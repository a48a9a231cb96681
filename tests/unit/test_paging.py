"""Paging styles: what each asks for, where it ends, and that a saved position goes on exactly there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import UnexpectedShape
from connector.paging import Answer, Ask, CursorPages, LinkHeader, NextLink, OffsetPages, OnePage, PageNumberPages

ASK = Ask("/deals", {"limit": 2})


def answer(body: Any = None, rows: int = 2, link: str = "", url: str = "https://x.example/api/deals") -> Answer:
    return Answer(body, {"Link": link} if link else {}, rows, url)


def test_one_page_ends_after_it() -> None:
    assert OnePage().prepare(ASK, None) == ASK
    assert OnePage().learn(answer(), None) is None


def test_a_cursor_is_read_from_the_answer_and_sent_with_the_next_request() -> None:
    pages = CursorPages(reads="paging.next.after", sends="after")
    assert pages.prepare(ASK, None) == ASK
    position = pages.learn(answer({"paging": {"next": {"after": "17"}}}), None)
    assert pages.prepare(ASK, position) == Ask("/deals", {"limit": 2, "after": "17"})
    assert pages.learn(answer({"results": []}), position) is None


def test_a_cursor_goes_into_the_body_of_a_search() -> None:
    ask = Ask("/search", body={"limit": 2})
    assert CursorPages(reads="after", sends="after").prepare(ask, "17").body == {"limit": 2, "after": "17"}


def test_a_cursor_with_a_flag_ends_when_the_flag_is_false() -> None:
    pages = CursorPages(reads="next", sends="cursor", more="has_more")
    assert pages.learn(answer({"next": "b", "has_more": True}), "a") == "b"
    assert pages.learn(answer({"next": "b", "has_more": False}), "a") is None


def test_a_cursor_that_names_its_own_page_is_refused_instead_of_read_for_ever() -> None:
    with pytest.raises(UnexpectedShape, match="reading would not end"):
        CursorPages(reads="next", sends="cursor").learn(answer({"next": "a"}), "a")


def test_offsets_count_the_rows_received_since_servers_cut_pages() -> None:
    """Asked for 100, given 20 (Frappe's default): the next page begins at 20, not at 100."""
    pages = OffsetPages(sends="limit_start", size_name="limit_page_length")
    assert pages.prepare(Ask("/x"), None).params == {"limit_page_length": 100, "limit_start": 0}
    assert pages.learn(answer(rows=20), None) == 20
    assert pages.learn(answer(rows=0), 40) is None


def test_offsets_end_at_the_total_or_where_the_answer_says() -> None:
    assert OffsetPages(total="count").learn(answer({"count": 4}), 2) is None
    assert OffsetPages(total="count").learn(answer({"count": 5}), 2) == 4
    assert OffsetPages(reads="offset").learn(answer({"offset": 10}), None) == 10
    assert OffsetPages(reads="offset").learn(answer({"offset": None}), 10) is None
    assert OffsetPages(size=5, short_ends=True).learn(answer(rows=4), None) is None


def test_page_numbers_begin_where_the_vendor_begins() -> None:
    pages = PageNumberPages(first=0, size=50, size_name="per_page")
    assert pages.prepare(Ask("/x"), None).params == {"per_page": 50, "page": 0}
    assert pages.learn(answer(), None) == 1
    assert pages.learn(answer(rows=0), 1) is None


def test_page_numbers_end_at_the_last_page_or_a_false_flag() -> None:
    assert PageNumberPages(last="pages").learn(answer({"pages": 2}), 1) == 2
    assert PageNumberPages(last="pages").learn(answer({"pages": 2}), 2) is None
    assert PageNumberPages(first=0, last="pages").learn(answer({"pages": 2}), 1) is None
    assert PageNumberPages(more="info.more_records").learn(answer({"info": {"more_records": False}}), 1) is None


@pytest.mark.parametrize(
    ("link", "following"),
    [
        ('<https://x.example/api/deals?page=2>; rel="next"', "https://x.example/api/deals?page=2"),
        ('<?page=1>; rel="prev", <?page=3>; title="a; b"; rel=next', "https://x.example/api/deals?page=3"),
        ('</api/deals?page=3,4>; rel="last next"', "https://x.example/api/deals?page=3,4"),
        ('<?page=9>; rel="last"', None),
        ('<?page=9>; rel="nextdoor"', None),
        ("", None),
    ],
)
def test_the_link_header_names_the_next_page(link: str, following: str | None) -> None:
    assert LinkHeader().learn(answer(link=link), None) == following


def test_a_next_address_replaces_path_and_parameters() -> None:
    pages = NextLink(reads='"@odata.nextLink"')
    position = pages.learn(answer({"@odata.nextLink": "deals?skip=2"}), None)
    assert pages.prepare(ASK, position) == Ask("https://x.example/api/deals?skip=2", {})
    assert pages.learn(answer({}), position) is None


@given(st.integers(0, 40), st.integers(1, 7), st.integers(0, 20))
def test_a_reading_taken_up_at_any_saved_position_gives_every_row_once(rows: int, cut: int, stop: int) -> None:
    """A server that cuts pages to `cut` rows; the reader is killed after `stop` pages and goes on from its JSON."""
    pages = OffsetPages(size=5)

    def read(position: Any, most: int) -> tuple[list[int], Any]:
        seen: list[int] = []
        for _ in range(most):
            asked = pages.prepare(Ask("/x"), position).params
            given_rows = list(range(rows))[asked["offset"] :][: min(cut, asked["limit"])]
            seen += given_rows
            position = pages.learn(answer(rows=len(given_rows)), position)
            if position is None:
                break
        return seen, position

    first, position = read(None, stop + 1)
    rest = [] if position is None else read(json.loads(json.dumps(position)), 100)[0]
    assert first + rest == list(range(rows))

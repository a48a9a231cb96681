"""What a destination is given of a closed month and of what came after it: frozen once, then as the config says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.testing import FakeClock
from tests.product.books import Books

DEAL = "1,3,2026-01-05T02:00:00Z,1000.50,USD,o1\n"
LATER = DEAL.replace("1000.50", "1200.50")
AGAIN = DEAL.replace("1000.50", "1250.50")

Made = Callable[[str], Books]


@pytest.fixture
def made(tmp_path: Path, store_url: str, clock: FakeClock) -> Iterator[Made]:
    """It is 2 March 2026; in January An won 1000.50 USD. The destination keeps a table of all it was given."""
    opened: list[Books] = []

    def make(keys: str) -> Books:
        books = Books(tmp_path, store_url, clock)
        books.project.replace(
            "config.yaml", '  table:\n    adapter: file\n    path: "out/kpi-{period}.csv"\n',
            f"  table:\n    adapter: sql\n    url: sqlite:///{tmp_path}/hr.db\n{keys}",
        )
        books.reload()
        books.sync()
        opened.append(books)
        return books

    yield make
    for books in opened:
        books.app.close()


def push(books: Books, **more: Any) -> Any:
    books.clock.advance(minutes=1)
    answer = books.app.push(["table"], **more)
    assert answer.exit_code == 0, answer.value
    (found,) = answer.value["destinations"]
    return found


def given(books: Books) -> list[tuple[str, str, str, str]]:
    """Period, dimensions, value and view of every value of An at the destination."""
    import sqlite3

    with sqlite3.connect(books.project.folder / "hr.db") as connection:
        rows = connection.execute(
            "SELECT period, dimensions, value, view FROM kpi_value WHERE subject_key = 'NV001' AND kpi = 'won_value' "
            "AND (value <> '0.00' OR dimensions <> '{}') ORDER BY period, dimensions"
        )
        return list(rows)


def corrected(books: Books, old: str, new: str) -> dict[str, Any]:
    """The deal of January is worth more now, and somebody accepts that."""
    books.edit(old, new)
    (proposed,) = books.adjustments(state="proposed")
    return books.decide(proposed)


def test_a_frozen_value_is_delivered_once_and_the_past_changes_nothing_there(made: Made) -> None:
    books = made("    periods: closed\n")
    books.close()
    assert push(books)["confirmed"] == 2
    corrected(books, DEAL, LATER)
    assert push(books)["confirmed"] == 0
    assert given(books) == [("2026-01", "{}", "1000.50", "frozen")]


def test_separate_delivers_each_accepted_adjustment_once_under_its_origin_and_seal(made: Made) -> None:
    """By hand: 1000.50 frozen; +200 accepted, paid with February; +50 accepted later."""
    books = made("    periods: closed\n    adjustments: separate\n")
    books.close()
    push(books)
    first = corrected(books, DEAL, LATER)
    assert push(books)["confirmed"] == 1
    second = corrected(books, LATER, AGAIN)
    assert push(books)["confirmed"] == 1
    assert push(books)["confirmed"] == 0
    named = [f'{{"adjustment":"{one["id"]}","origin":"2026-01","seal":"1"}}' for one in (first, second)]
    amounts = dict(zip(named, ["200.00", "50.00"], strict=True))
    assert given(books) == [
        ("2026-01", "{}", "1000.50", "frozen"),
        *[("2026-02", name, amounts[name], "payable") for name in sorted(named)],
    ]
    keys = {one["key"] for one in books.app.deliveries("table").value}
    assert f"table/won_value/person:NV001/2026-02/adjustment={first['id']},origin=2026-01,seal=1" in keys


def test_what_nobody_accepted_is_not_delivered(made: Made) -> None:
    books = made("    periods: closed\n    adjustments: separate\n")
    books.close()
    push(books)
    books.edit(DEAL, LATER)
    assert push(books)["confirmed"] == 0
    (proposed,) = books.adjustments(state="proposed")
    books.decide(proposed, "reject")
    assert push(books)["confirmed"] == 0


def test_included_adds_it_to_the_value_of_the_period_it_is_paid_with(made: Made) -> None:
    books = made("    periods: all\n    adjustments: included\n")
    books.close()
    push(books)
    corrected(books, DEAL, LATER)
    push(books)
    assert given(books) == [("2026-01", "{}", "1000.50", "payable"), ("2026-02", "{}", "200.00", "payable")]
    books.close("2026-02")
    push(books)
    assert push(books)["confirmed"] == 0
    assert given(books)[1] == ("2026-02", "{}", "200.00", "payable")


def test_a_destination_of_open_periods_is_given_what_is_paid_with_an_open_one(made: Made) -> None:
    books = made("    periods: open\n    adjustments: separate\n")
    books.close()
    push(books)
    corrected(books, DEAL, LATER)
    push(books)
    assert [(period, value) for period, dimensions, value, _ in given(books) if dimensions != "{}"] == [
        ("2026-02", "200.00"),
    ]


def test_adjustments_are_never_taken_back(made: Made) -> None:
    books = made("    periods: closed\n    adjustments: separate\n    withdraw: yes\n")
    books.close()
    push(books)
    corrected(books, DEAL, LATER)
    push(books)
    before = given(books)
    books.configured("    adjustments: separate\n", "")
    assert push(books, withdraw=True).get("withdrawn", 0) == 0
    assert given(books) == before


def test_a_person_who_left_is_taken_out_of_the_open_months_only(made: Made) -> None:
    books = made("    periods: all\n    withdraw: yes\n")
    books.close()
    push(books)
    books.edit("NV001,an@example.vn,An\n", "", "people.csv")
    assert push(books, withdraw=True)["withdrawn"] == 2
    assert given(books) == [("2026-01", "{}", "1000.50", "frozen")]


def test_a_dry_push_changes_no_byte_of_the_store_and_asks_the_destination_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    books = Books(tmp_path, f"sqlite:///{tmp_path}/connector.db", clock)
    books.sync()
    books.app.push()
    books.edit(DEAL, LATER)
    books.app.close()

    def hashes() -> dict[str, str]:
        return {
            str(path.relative_to(tmp_path)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [tmp_path / "connector.db", *(tmp_path / "out").iterdir()]
        }

    before = hashes()
    books.reload()
    (found,) = books.app.push(dry_run=True).value["destinations"]
    books.app.close()
    assert hashes() == before
    assert (found["requests"], found["reads_first"], len(found["changes"])) == (0, 0, 1)
    assert found["changes"][0]["fields"]["value"] == {"old": "1000.50", "new": "1200.50"}

"""What settled an invoice, out of the lines Tryton tells: by hand, in cases a small server does not have at once."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.tryton import DUE, MATCHED, PAID, _is_credited, _payments


def line(id_: int, day: str, amount: str, match: int | None = None, currency: str = "EUR") -> dict[str, Any]:
    """A line of the customer's account: due above zero, paid below."""
    return {"id": id_, "date": day, "amount": amount, "amount_currency": {"code": currency}, "reconciliation": match}


def invoice(untaxed: str, total: str, digits: int = 2, **lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": 5, "untaxed_amount": untaxed, "total_amount": total, "currency": {"code": "EUR", "digits": digits},
            **lines}


def settled(row: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [(one["id"], one["date"], one["amount"], one["net"]) for one in _payments(row)]


def test_the_parts_without_tax_add_up_to_the_cent() -> None:
    """100.00 and 19 % tax in payments of 39.67, 39.67, 39.66: so far 33.336, 66.672, 100; rounded, then apart."""
    paid = [line(1, "2026-01-01", "-39.67"), line(2, "2026-01-02", "-39.67"), line(3, "2026-01-03", "-39.66")]
    nets = [net for *_, net in settled(invoice("100.00", "119.00", **{PAID: paid}))]
    assert nets == ["33.34", "33.33", "33.33"]


def test_a_currency_without_decimals_has_whole_parts() -> None:
    row = invoice("960000", "1142400", 0, **{PAID: [line(1, "2026-01-01", "-400000")]})
    assert settled(row) == [("1", "2026-01-01", "400000", "336134")]  # 336,134.45


def test_a_write_off_settles_the_rest_on_its_day() -> None:
    """118 of 119 paid, the last one written off: linked is only the payment."""
    paid, rest = line(2, "2026-02-01", "-118.00", 7), line(3, "2026-02-03", "-1.00", 7)
    due = line(1, "2026-01-01", "119.00", 7)
    row = invoice("100.00", "119.00", **{DUE: [due], PAID: [paid], MATCHED: [paid, rest]})
    assert settled(row) == [("2", "2026-02-01", "118.00", "99.16"), ("5-7", "2026-02-03", "1.00", "0.84")]


def test_each_part_due_is_settled_on_the_day_of_its_own_match() -> None:
    due = [line(1, "2026-01-01", "59.50", 7), line(2, "2026-01-01", "59.50", 8)]
    matched = [line(3, "2026-02-01", "-59.50", 7), line(4, "2026-03-01", "-59.50", 8)]
    row = invoice("100.00", "119.00", **{DUE: due, MATCHED: matched})
    assert settled(row) == [("5-7", "2026-02-01", "59.50", "50.00"), ("5-8", "2026-03-01", "59.50", "50.00")]


def test_one_transfer_for_two_invoices_pays_only_its_own_part_of_each() -> None:
    """The other invoice's line is part of the match; it is neither paid by us nor money."""
    matched = [line(2, "2026-01-10", "238.00", 7), line(3, "2026-02-01", "-357.00", 7)]
    row = invoice("100.00", "119.00", **{DUE: [line(1, "2026-01-01", "119.00", 7)], MATCHED: matched})
    assert settled(row) == [("5-7", "2026-02-01", "119.00", "100.00")]


def test_the_day_on_which_a_difference_of_rates_was_booked_is_not_the_day_of_the_money() -> None:
    matched = [line(2, "2026-02-01", "-119.00", 7), line(3, "2026-11-23", "4.20", 7, "USD")]
    row = invoice("100.00", "119.00", **{DUE: [line(1, "2026-01-01", "119.00", 7)], MATCHED: matched})
    assert settled(row) == [("5-7", "2026-02-01", "119.00", "100.00")]


def test_money_in_another_currency_keeps_it_until_the_match_says_what_it_settled() -> None:
    """60 USD, on their own: 60 x 100 / 119 without tax. Matched with all that was due, they are 119 EUR of that day."""
    paid = line(2, "2026-02-01", "-60.00", None, "USD")
    row = invoice("100.00", "119.00", **{DUE: [line(1, "2026-01-01", "119.00")], PAID: [paid]})
    assert settled(row) == [("2", "2026-02-01", "60.00", "50.4202")]
    paid |= {"reconciliation": 7}
    row = invoice("100.00", "119.00",
                  **{DUE: [line(1, "2026-01-01", "119.00", 7)], PAID: [paid], MATCHED: [paid]})
    assert settled(row) == [("5-7", "2026-02-01", "119.00", "100.00")]


def test_an_invoice_of_nothing_has_no_payment() -> None:
    assert settled(invoice("0", "0", **{DUE: [line(1, "2026-01-01", "0", 7)]})) == []


@pytest.mark.parametrize(("row", "is_credited"), [
    ({"state": "cancelled", "move": 5, "cancel_move": {"origin": "account.invoice,15"}}, True),
    ({"state": "cancelled", "move": 5, "cancel_move": {"origin": "account.move,5"}}, False),  # without a note
    ({"state": "cancelled", "move": None, "cancel_move": None}, False),  # a draft
    ({"state": "paid", "move": 10, "origin_invoices": [{"id": 9, "cancel_move": 10}]}, True),  # the note
    ({"state": "paid", "move": 11, "origin_invoices": [{"id": 9, "cancel_move": None}]}, False),  # of a part
    ({"state": "draft", "move": None, "origin_invoices": [{"id": 9, "cancel_move": None}]}, False),
])
def test_credited_is_what_a_note_took_back_and_that_note(row: dict[str, Any], is_credited: bool) -> None:
    assert _is_credited(row) is is_credited

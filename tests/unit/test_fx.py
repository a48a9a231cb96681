"""Rates and conversion (metrics.md R13)."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import fx
from connector.errors import ConfigError
from connector.exact import decimal_text, minor_digits, money_text
from connector.fx import Rate, convert

HEAD = "currency,valid_from,rate\n"


def parse(text: str, decimal: str = ".") -> list[Rate]:
    return fx.parse((HEAD + text).encode(), "fx.csv", "USD", decimal)


@pytest.mark.parametrize(
    ("units", "rate", "base", "expected"),
    [
        (5000_0000, "1.20", "USD", 6000_0000),  # E: D02
        (1_0000, "0.125", "USD", 1200),  # 0.125 is a tie: 0.12
        (1_0000, "0.135", "USD", 1400),  # 0.135 is a tie: 0.14
        (-1_0000, "0.135", "USD", -1400),
        (19_5000, "1", "VND", 20_0000),  # 19.5 dong is a tie: 20
        (1_0000, "25411", "VND", 25411_0000),
        (1_0000, "0.30755", "KWD", 3080),  # three decimals
    ],
)
def test_a_record_is_rounded_half_even_to_the_minor_unit(units: int, rate: str, base: str, expected: int) -> None:
    assert convert(units, Decimal(rate), base) == expected


@given(st.integers(-(10**15), 10**15), st.decimals(Decimal("0.000001"), Decimal(100_000), places=6))
def test_conversion_is_what_decimal_says(units: int, rate: Decimal) -> None:
    exact = Fraction(units, 10_000) * Fraction(rate)
    rounded = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    assert abs(Decimal(convert(units, rate, "USD")) / 10_000 - rounded) <= Decimal("0.01")
    assert abs(Fraction(convert(units, rate, "USD"), 10_000) - exact) <= Fraction(1, 200)


def test_the_fractions_are_minor_units_for_a_ten_thousandth_and_the_base_is_one() -> None:
    rates = [Rate("EUR", date(2025, 1, 1), Decimal("1.10")), Rate("USD", date(2025, 1, 1), Decimal(1))]
    assert list(fx.fractions(rates, "USD")) == [("USD", date.min, 1, 100), ("EUR", date(2025, 1, 1), 11, 1000)]


def test_a_file_is_read_with_the_decimal_sign_it_declares() -> None:
    assert parse('VND,2025-01-01,"0,0000393"\n', ",") == [Rate("VND", date(2025, 1, 1), Decimal("0.0000393"))]


def test_all_faults_of_a_file_are_listed_with_their_rows() -> None:
    with pytest.raises(ConfigError) as raised:
        parse("EURO,2025-01-01,1\nEUR,01/02/2025,1\nEUR,2025-01-01,0\nUSD,2025-01-01,2\nEUR,,\n")
    assert [(fault.line, fault.key) for fault in raised.value.faults] == [
        (2, "currency"), (3, "valid_from"), (4, "rate"), (5, "rate"), (6, "valid_from"), (6, "rate"),
    ]


def test_one_currency_has_one_rate_a_day() -> None:
    assert len(parse("EUR,2025-01-01,1.1\nEUR,2025-01-01,1.10\n")) == 1
    with pytest.raises(ConfigError, match="another rate from the same day"):
        parse("EUR,2025-01-01,1.1\nEUR,2025-01-01,1.2\n")


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ConfigError, match="valid_from: no such column"):
        fx.parse(b"currency,rate\n", "fx.csv", "USD")


def test_numbers_are_shown_with_their_places_and_rounded_once() -> None:
    assert [money_text(units, code) for units, code in ((19_000_0000, "USD"), (19_000_0000, "VND"), (-500, "USD"))] == [
        "19000.00", "19000", "-0.05",
    ]
    assert money_text(26_000_0000, "USD", 3) == "8666.67"
    assert (decimal_text(2, 3, 6), decimal_text(-1, 8, 2), decimal_text(-1, 1000, 2)) == ("0.666667", "-0.12", "0.00")
    assert [minor_digits(code) for code in ("USD", "VND", "JPY", "KWD", "CLF")] == [2, 0, 0, 3, 4]

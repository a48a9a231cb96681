"""The named converters: exact, with what was expected and the type found, never the value."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import convert
from connector.model import Kind, micros, moment

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


def made(name: str, value: Any, **arguments: Any) -> Any:
    return convert.build(name, arguments, HANOI)(value)


@pytest.mark.parametrize(
    ("name", "value", "arguments", "stored"),
    [
        ("text", "x", {}, "x"),
        ("text", 5, {}, "5"),
        ("text", True, {}, "true"),
        ("text", Decimal("1.50"), {}, "1.50"),
        ("money", "1200.5", {}, 12_005_000),
        ("money", 0.1, {}, 1_000),
        ("money", -3, {}, -30_000),
        ("money", "1.500.000,25", {"decimal": ","}, 15_000_002_500),
        ("currency", "eur", {}, "EUR"),
        ("number", "23500.00", {}, "23500"),
        ("number", "1e3", {}, "1000"),
        ("integer", "7", {}, 7),
        ("integer", Decimal("7.0"), {}, 7),
        ("duration", "95500", {"unit": "ms"}, 96),
        ("duration", 1.5, {"unit": "h"}, 5_400),
        ("duration", ["2026-01-01T09:00:00Z", "2026-01-01T10:30:00+01:00"], {}, 1_800),
        ("duration", [None, "2026-01-01T09:00:00Z"], {}, None),
        ("ratio", "0.25", {}, 250_000),
        ("percent", 25, {}, 250_000),
        ("flag", "yes", {}, True),
        ("flag", 0, {}, False),
        ("datetime", "2026-01-01T07:00:00+07:00", {}, micros(datetime(2026, 1, 1, tzinfo=UTC))),
        ("datetime", "2026-01-01T00:00:00Z", {}, micros(datetime(2026, 1, 1, tzinfo=UTC))),
        ("datetime", "2026-01-01", {}, micros(datetime(2025, 12, 31, 17, tzinfo=UTC))),
        ("datetime", "2026-01-01 00:00:00", {"zone": "UTC"}, micros(datetime(2026, 1, 1, tzinfo=UTC))),
        ("datetime", "01/02/2026 00:00", {"format": "%d/%m/%Y %H:%M", "zone": "UTC"},
         micros(datetime(2026, 2, 1, tzinfo=UTC))),
        ("datetime", 1_767_225_600, {"format": "epoch"}, micros(datetime(2026, 1, 1, tzinfo=UTC))),
        ("datetime", "1767225600001", {"format": "epoch_ms"}, micros(datetime(2026, 1, 1, tzinfo=UTC)) + 1_000),
        ("date", "2026-01-31", {}, "2026-01-31"),
        ("date", "2026-01-31T20:00:00Z", {}, "2026-02-01"),
        ("date", "2026-01-31T20:00:00Z", {"zone": "UTC"}, "2026-01-31"),
        ("date", date(2026, 1, 31), {}, "2026-01-31"),
        ("date", "31/01/2026", {"format": "%d/%m/%Y"}, "2026-01-31"),
    ],
)
def test_what_is_stored(name: str, value: Any, arguments: dict[str, Any], stored: Any) -> None:
    assert made(name, value, **arguments) == stored


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", ["secret"], "expected text, found list"),
        ("money", "secret", "expected a number"),
        ("money", True, "expected a number, found bool"),
        ("money", "1.500,00", 'say decimal: ","'),
        ("money", "1.23456", "at most four decimal places"),
        ("money", "NaN", "finite"),
        ("money", 10**18, "larger than the store"),
        ("currency", "euro", "three letters"),
        ("integer", "1.5", "a whole number"),
        ("duration", ["2026-01-01T09:00:00Z", "2026-01-01T08:00:00Z"], "an end after the beginning"),
        ("duration", ["2026-01-01T09:00:00Z"], "a list of two instants, found 1"),
        ("ratio", 25, "a share from 0 to 1"),
        ("percent", 101, "a share from 0 to 100"),
        ("flag", "perhaps", "true or false"),
        ("datetime", "secret", "as ISO 8601"),
        ("datetime", "2026-01-01T00:00:00", "a time without offset"),
        ("datetime", 5, "found int"),
        ("date", "2026-02-30", "a date as ISO 8601"),
    ],
)
def test_what_cannot_be_converted_says_what_is_expected_and_not_the_value(name: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        made(name, value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["1.5", "1500.5", ".5", "12.345.67", "1.500,5.0"])
def test_beside_a_decimal_comma_a_point_is_never_taken_for_one(text: str) -> None:
    """`1.5` was read as 15."""
    with pytest.raises(ValueError, match="points between groups of three digits"):
        made("money", text, decimal=",")


@pytest.mark.parametrize(("name", "arguments", "expected"), [
    ("datetime", {"zone": 7}, "datetime takes text as zone, found int; quote it"),
    ("datetime", {"format": 7}, "datetime takes text as format, found int; quote it"),
    ("money", {"decimal": ";"}, "money takes \".\" or \",\" as decimal, found ';'"),
])  # fmt: skip
def test_an_argument_is_judged_before_any_record_is_read(
    name: str, arguments: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        convert.build(name, arguments, HANOI)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14), max_value=10**14))
def test_money_is_exact(amount: Decimal) -> None:
    assert Decimal(made("money", str(amount))) / 10_000 == amount


@given(st.integers(-(2**50), 2**52))
def test_an_instant_survives_its_text(units: int) -> None:
    instant = moment(units).astimezone(HANOI)
    assert moment(made("datetime", instant.isoformat())) == instant.astimezone(UTC)  # else none equals one of a fold


def test_a_function_of_the_user_s_own_is_called_and_may_refuse() -> None:
    assert made("math.floor", 1.5) == 1
    with pytest.raises(ValueError, match=r"math.floor refused it \(TypeError\)"):
        made("math.floor", "secret")


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_converter(kind: Kind) -> None:
    assert callable(convert.default(kind, UTC))

"""Exact numbers as others read them: integers in, decimal text out, rounded once, half-even."""

from __future__ import annotations

from connector.model import MONEY_SCALE

NO_CURRENCY = "XXX"
"""ISO 4217's code for "no currency", where one is needed and none is meant."""

_MINOR_DIGITS = {  # ISO 4217, where it is not 2
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
    "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "CLF": 4, "UYW": 4,
}


def minor_digits(currency: str) -> int:
    """Decimal places of a currency's minor unit: 2 for USD, 0 for VND, 3 for KWD."""
    return _MINOR_DIGITS.get(currency, 2)


def half_even(numerator: int, denominator: int) -> int:
    """The whole number nearest to numerator / denominator (> 0); a tie goes to the even one."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def decimal_text(numerator: int, denominator: int, digits: int) -> str:
    """numerator / denominator (> 0) as decimal text with that many places."""
    scaled = half_even(numerator * 10**digits, denominator)
    if not digits:
        return str(scaled)
    whole, part = divmod(abs(scaled), 10**digits)
    return f"{'-' if scaled < 0 else ''}{whole}.{part:0{digits}}"


def money_text(units: int, currency: str, per: int = 1) -> str:
    """Stored money, divided by `per`, with its currency's decimals: `19000.00` USD, `19000` VND."""
    return decimal_text(units, MONEY_SCALE * per, minor_digits(currency))

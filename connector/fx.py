"""Rates of exchange, and the one way money is converted (metrics.md R13).

A rate is the base money for one unit of a currency, valid from a local day until the next one. Each record is converted
at the rate valid on its own local date, rounded half-even to the base currency's minor unit, and only then added up.
All arithmetic is on integers; `convert` is the rule in Python, and `metrics/sql/base.sql` the same on a whole column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from connector.cells import day, required
from connector.convert import currency, exact
from connector.errors import ConfigError, Fault
from connector.exact import half_even, minor_digits
from connector.model import MONEY_SCALE
from connector.tabular import Row, columns, read_table

MOST_DECIMALS = 18
"""Decimal places a rate may have. With 18, amounts up to 10^11 units at rates up to 10^5 stay within 128 bits."""

_COLUMNS = ("currency", "valid_from", "rate")


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate: base money for one unit of `currency`, from the local day `valid_from` on."""

    currency: str
    valid_from: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Rates:
    """Every rate known, into the currency `base`; `file` is the one they stand in, None where sources told them."""

    base: str
    known: Sequence[Rate]
    file: str | None = None

    def of(self, currency: str) -> list[Rate]:
        """The rates of one currency, in no order; that of the base currency is 1 at all times."""
        if currency == self.base:
            return [Rate(currency, date.min, Decimal(1))]
        return [rate for rate in self.known if rate.currency == currency]


def convert(units: int, rate: Decimal, base: str) -> int:
    """Stored money (ten-thousandths) in the base currency, rounded to its minor unit; exact before the rounding."""
    step: int = MONEY_SCALE // 10 ** minor_digits(base)
    top, bottom = rate.as_integer_ratio()
    return half_even(units * top, bottom * step) * step


def parse(content: bytes, file: str, base: str, decimal: str = ".") -> list[Rate]:
    """The rates of a table with the columns currency, valid_from, rate. All faults at once as ConfigError."""
    missing = [name for name in _COLUMNS if name not in columns(content, file)]
    if missing:
        wanted = f"no such column; expected {', '.join(_COLUMNS)}"
        raise ConfigError([Fault(file, 1, name, wanted) for name in missing])
    faults: list[Fault] = []
    found: dict[tuple[str, date], Rate] = {}
    for row in read_table(content, file):
        rate = _rate(row, decimal, faults)
        if rate is None:
            continue
        key = rate.currency, rate.valid_from
        if found.setdefault(key, rate) != rate:
            faults.append(row.fault("rate", "this currency has another rate from the same day; keep one"))
        if rate.currency == base and rate.rate != 1:
            faults.append(row.fault("rate", f"{base} is the reporting currency; its rate is 1"))
    if faults:
        raise ConfigError(faults)
    return list(found.values())


def _rate(row: Row, decimal: str, faults: list[Fault]) -> Rate | None:
    code = required(row, "currency", currency, faults)
    valid_from = required(row, "valid_from", day, faults)
    rate = required(row, "rate", lambda value: _positive(exact(value, decimal)), faults)
    return None if code is None or valid_from is None or rate is None else Rate(code, valid_from, rate)


def _positive(rate: Decimal) -> Decimal:
    if rate <= 0:
        raise ValueError("expected a rate above 0")
    if rate.as_integer_ratio()[1] > 10**MOST_DECIMALS:
        raise ValueError(f"expected at most {MOST_DECIMALS} decimal places")
    return rate


def stored(rows: Iterable[tuple[str, str, str]]) -> list[Rate]:
    """Rates from (currency, valid_from_on, rate) as the ledger keeps them; an incomplete row is no rate."""
    return [
        Rate(code, date.fromisoformat(valid_from), Decimal(rate))
        for code, valid_from, rate in rows
        if code and valid_from and rate and Decimal(rate) > 0
    ]


def fractions(rates: Iterable[Rate], base: str) -> Iterator[tuple[str, date, int, int]]:
    """(currency, valid_from, top, bottom): base minor units for a ten-thousandth of a unit, as a reduced fraction.

    The base currency's rate is 1 at all times.
    """
    step = MONEY_SCALE // 10 ** minor_digits(base)
    others = (rate for rate in rates if rate.currency != base)
    for rate in [Rate(base, date.min, Decimal(1)), *others]:
        yield rate.currency, rate.valid_from, *(Fraction(rate.rate) / step).as_integer_ratio()
